//! Users and staff who come back, and strangers who use their ids.

use super::*;

#[test]
fn an_absent_user_is_sent_the_end_of_their_ticket_on_return_and_only_once() {
    let mut world = World::new(Assign::Manual);
    let (ann, sam) = (world.user("ann"), world.online("sam"));
    let ticket = world.create(ann);
    world.does(sam, StaffCommand::PickTicket { ticket });
    world.does(sam, StaffCommand::Message { ticket, id: 1, text: text("are you there?") });
    world.leave(ann);
    world.wait(59_999);
    assert_eq!(world.state.counts().tickets_active, 1, "the grace time is not over");
    world.wait(1);
    assert!(world.sent(sam).ends_with(&["closed Timeout".to_owned(), "removed".to_owned()]));
    world.wait(59_999);
    let ann = world.user("ann");
    assert_eq!(world.sent(ann), ["welcome, ended", "message 1 are you there?"]);
    world.leave(ann);
    let ann = world.user("ann");
    assert_eq!(world.sent(ann), ["welcome"]);
}

#[test]
fn an_id_stays_with_its_user_for_the_grace_time_even_after_they_were_sent_the_end() {
    let mut world = World::new(Assign::Manual);
    let (ann, sam) = (world.user("ann"), world.online("sam"));
    let ticket = world.create(ann);
    world.does(sam, StaffCommand::PickTicket { ticket });
    world.leave(ann);
    world.does(sam, StaffCommand::CloseTicket { ticket });
    let ann = world.user("ann");
    world.leave(ann);
    let mut stranger_is_let_in = |after_ms| {
        world.wait(after_ms);
        let (conn, user) = (world.conn(), UserId::parse("ann").unwrap());
        world.apply(&Input::UserConnects {
            conn,
            user,
            offered: None,
            fresh: Session::parse("another").unwrap(),
        });
        !world.sent.closed.contains(&(conn, Dismissal::SessionMismatch))
    };
    assert!(!stranger_is_let_in(0));
    assert!(!stranger_is_let_in(59_999));
    assert!(stranger_is_let_in(1));
}

#[test]
fn a_user_who_leaves_when_the_grace_time_of_their_closed_ticket_ends_is_forgotten_at_once() {
    let mut world = World::new(Assign::Manual);
    let ann = world.user("ann");
    world.create(ann);
    world.leave(ann);
    world.wait(60_000);
    let ann = world.user("ann");
    world.wait(60_000);
    world.leave(ann);
    assert_eq!(world.state.counts().users_known, 0);
}

#[test]
fn a_user_who_comes_back_after_a_restart_keeps_a_ticket_that_could_have_made_room() {
    let rules = Rules { max_chats: 2, max_tickets: 1, assign: Assign::Manual, user_grace_ms: 60_000 };
    let mut world = World::with(rules);
    let ann = world.user("ann");
    let ticket = world.create(ann);
    world.leave(ann);
    world.wait(10_000);
    world.apply(&Input::Starts(rules));
    world.user("ann");
    let ben = world.user("ben");
    world.asks(ben, create());
    assert_eq!(world.sent(ben), ["welcome", "desk_full"]);
    assert!(world.state.find(ticket).is_ok());
}

#[test]
fn a_user_who_comes_back_in_time_has_the_whole_grace_time_again() {
    let mut world = World::new(Assign::Manual);
    let ann = world.user("ann");
    world.create(ann);
    world.leave(ann);
    world.wait(59_000);
    let ann = world.user("ann");
    world.wait(100_000);
    assert_eq!(world.state.counts().tickets_waiting, 1);
    world.leave(ann);
    world.wait(59_999);
    assert_eq!(world.state.counts().tickets_waiting, 1);
    world.wait(1);
    assert_eq!(world.state.counts().tickets_waiting, 0);
}

#[test]
fn a_staff_member_who_connects_again_is_one_person_and_has_to_pick_again() {
    let mut world = World::new(Assign::Manual);
    let (ann, sam) = (world.user("ann"), world.online("sam"));
    let ticket = world.create(ann);
    world.does(sam, StaffCommand::PickTicket { ticket });
    world.wait(1_000);
    world.sent(ann);
    let again = world.staff("sam");
    assert_eq!(world.sent.closed, [(sam, Dismissal::Elsewhere)]);
    world.wait(0);
    assert_eq!(world.sent(ann), ["staff Offline", "desk false"]);
    world.does(sam, StaffCommand::Message { ticket, id: 1, text: text("from the older one") });
    world.leave(sam);
    assert_eq!(world.sent(ann), [""; 0], "the older connection counts for nothing");
    world.does(again, StaffCommand::GoOnline { name: None });
    world.does(again, StaffCommand::PickTicket { ticket });
    world.wait(0);
    assert_eq!(world.sent(ann), ["staff Online", "staff Reconnected", "desk true"]);
}

#[test]
fn a_wrong_session_is_refused() {
    let mut world = World::new(Assign::Manual);
    world.user("ann");
    for offered in [None, Session::parse("guessed")] {
        let (conn, user) = (world.conn(), UserId::parse("ann").unwrap());
        world.apply(&Input::UserConnects { conn, user, offered, fresh: Session::parse("fresh").unwrap() });
        assert_eq!(world.sent.closed.pop(), Some((conn, Dismissal::SessionMismatch)));
        assert_eq!(world.sent(conn), [""; 0], "nothing else is sent");
    }
    assert_eq!(world.sent.closed, [], "and the user who is connected stays");
}
