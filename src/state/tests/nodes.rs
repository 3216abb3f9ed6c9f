//! A desk of several nodes: a connection belongs to its node, and ends with it.

use super::*;

/// A user on node 1, whose ticket is with a staff member on node 2. Both connections are in the same slot.
fn chat() -> (World, ConnId, ConnId, TicketId) {
    let mut world = World::new(Assign::Manual);
    let ann = world.on_node(1, |world| world.user("ann"));
    world.next_slot -= 1;
    let sam = world.on_node(2, |world| world.online("sam"));
    assert_eq!((ann.slot, ann.generation), (sam.slot, sam.generation));
    let ticket = world.create(ann);
    world.does(sam, StaffCommand::PickTicket { ticket });
    (world, ann, sam, ticket)
}

#[test]
fn the_same_slot_on_another_node_is_another_connection() {
    let (mut world, ann, sam, ticket) = chat();
    world.sent(sam);
    world.asks(ann, UserCommand::Message { id: 1, text: text("hello") });
    assert_eq!(world.sent(sam), ["message 1 hello"]);
    world.sent(ann);
    world.does(sam, StaffCommand::Message { ticket, id: 1, text: text("hi") });
    assert_eq!(world.sent(ann), ["message 2 hi"]);
}

#[test]
fn a_node_that_ends_takes_its_own_connections_with_it_and_no_others() {
    let (mut world, ann, sam, _) = chat();
    let ben = world.on_node(1, |world| world.user("ben"));
    world.create(ben);
    world.apply(&Input::NodeEnds(NodeId(2)));
    let counts =
        Counts { users_known: 2, staff_known: 1, tickets_waiting: 1, tickets_paused: 1, ..Counts::default() };
    assert_eq!(world.state.counts(), counts, "sam is offline, and ann waits for him");
    world.sent(ann);
    world.does(sam, StaffCommand::GoOnline { name: None });
    assert_eq!(world.state.counts(), counts, "a late input from a node that has ended changes nothing");
    world.apply(&Input::NodeEnds(NodeId(1)));
    world.wait(world.state.rules.user_grace_ms);
    assert_eq!(world.state.counts().tickets_paused, 0, "users have their grace time from then on");
}

#[test]
fn the_only_node_that_starts_gives_users_the_whole_grace_time_again() {
    let (mut world, ..) = chat();
    world.apply(&Input::NodeEnds(NodeId(1)));
    world.wait(50_000); // of a minute
    let rules = Rules { max_chats: 7, ..world.state.rules };
    world.apply(&Input::NodeStarts { rules, is_only: false });
    assert_eq!(world.state.rules.max_chats, 7, "the rules are those of the node that started last");
    world.apply(&Input::NodeStarts { rules, is_only: true });
    world.wait(50_000);
    assert_eq!(world.state.counts().tickets_active, 1, "ann is still waited for");
    world.wait(10_000);
    assert_eq!(world.state.counts().tickets_active, 0);
}
