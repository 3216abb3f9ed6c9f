//! Connections without credit: what waits for them, and in which order it is sent in the end.

use super::*;
use crate::config::TEXT_CHARS_MAX;

/// A message of which three use up a credit.
fn long() -> String {
    "\u{1F5A8}".repeat(TEXT_CHARS_MAX)
}

/// Opens a chat between ann and sam, and discards what they were sent until then.
fn chat(world: &mut World) -> (ConnId, ConnId, TicketId) {
    let (ann, sam) = (world.user("ann"), world.online("sam"));
    let ticket = world.create(ann);
    world.does(sam, StaffCommand::PickTicket { ticket });
    world.wait(1_000);
    world.sent(ann);
    world.sent(sam);
    (ann, sam, ticket)
}

/// Uses up the credit of a user, who reads nothing from now on, with the answers to their own pings.
fn use_up_credit(world: &mut World, user: ConnId) {
    world.slow.insert(user);
    while !world.sent.undrained.contains(&user) {
        world.asks(user, UserCommand::Ping);
    }
    world.sent(user);
}

fn count(sent: &[String], line: &str) -> usize {
    sent.iter().filter(|sent| *sent == line).count()
}

#[test]
fn the_end_of_a_chat_waits_for_credit_like_its_messages_on_both_sides() {
    let mut world = World::new(Assign::Manual);
    let (ann, sam, ticket) = chat(&mut world);
    world.slow.extend([ann, sam]);
    let long = long();
    for id in 1..=3 {
        world.asks(ann, UserCommand::Message { id, text: text(&long) });
        world.does(sam, StaffCommand::Message { ticket, id, text: text(&long) });
    }
    world.asks(ann, UserCommand::Delivered { seq: 6 });
    world.does(sam, StaffCommand::Delivered { ticket, seq: 6 });
    for id in 4..=6 {
        world.asks(ann, UserCommand::Message { id, text: text(&long) });
        world.does(sam, StaffCommand::Message { ticket, id, text: text(&long) });
    }
    world.does(sam, StaffCommand::CloseTicket { ticket });
    for conn in [ann, sam] {
        world.sent(conn);
        world.drain(conn);
        let sent = world.sent(conn);
        let messages = sent.iter().filter(|line| line.starts_with("message")).count();
        assert_eq!((messages, count(&sent, "closed Staff")), (3, 0), "the messages use up the credit");
        world.drain(conn);
        assert_eq!(count(&world.sent(conn), "closed Staff"), 1);
    }
}

#[test]
fn a_user_who_has_been_sent_the_end_but_not_all_messages_is_asked_to_wait_with_a_new_ticket() {
    let mut world = World::new(Assign::Manual);
    let (ann, sam, ticket) = chat(&mut world);
    let long = long();
    (1..=4).for_each(|id| world.does(sam, StaffCommand::Message { ticket, id, text: text(&long) }));
    world.leave(ann);
    world.does(sam, StaffCommand::CloseTicket { ticket });
    world.slow.insert(ConnId::here(world.next_slot + 1, 0));
    let ann = world.user("ann");
    world.asks(ann, create());
    let sent = world.sent(ann);
    assert_eq!((&*sent[0], sent.last().map(String::as_str)), ("welcome, ended", Some("rate_limited")));
    world.drain(ann);
    world.create(ann);
}

#[test]
fn a_user_without_credit_is_sent_once_they_have_it_whether_staff_are_online() {
    let mut world = World::new(Assign::Manual);
    let (ann, sam) = (world.user("ann"), world.online("sam"));
    world.wait(1_000);
    use_up_credit(&mut world, ann);
    world.does(sam, StaffCommand::GoOffline);
    world.wait(1_000);
    assert_eq!(world.sent(ann), [""; 0]);
    world.drain(ann);
    assert_eq!(world.sent(ann), ["desk false"]);
    use_up_credit(&mut world, ann);
    world.does(sam, StaffCommand::GoOnline { name: None });
    world.wait(1_000);
    world.drain(ann);
    assert_eq!(world.sent(ann), ["desk true"]);
}

#[test]
fn a_user_without_credit_is_sent_their_place_once_they_have_it() {
    let mut world = World::new(Assign::Manual);
    let (ann, sam, ticket) = chat(&mut world);
    use_up_credit(&mut world, ann);
    world.does(sam, StaffCommand::ReleaseTicket { ticket });
    world.wait(3_000);
    assert_eq!(world.sent(ann), [""; 0]);
    world.drain(ann);
    world.wait(0);
    assert_eq!(world.sent(ann), ["staff Left", "place 1 of 1, None s"]);
}

/// What ann is sent who is shown sam in one of three ways, when tom has picked her ticket and gone offline meanwhile.
fn sent_after_tom(sam_does: &[StaffCommand<'_>]) -> Vec<String> {
    let mut world = World::new(Assign::Manual);
    let (ann, sam, ticket) = chat(&mut world);
    let tom = world.online("tom");
    for command in sam_does {
        world.does(sam, command.clone());
    }
    world.wait(1_000);
    use_up_credit(&mut world, ann);
    if sam_does.is_empty() {
        world.does(sam, StaffCommand::ReleaseTicket { ticket });
    }
    world.does(tom, StaffCommand::PickTicket { ticket });
    world.does(tom, StaffCommand::GoOffline);
    world.does(sam, StaffCommand::GoOnline { name: None });
    world.wait(1_000);
    world.drain(ann);
    world.sent(ann)
}

#[test]
fn a_user_is_sent_that_another_staff_member_joined_before_that_they_went_offline() {
    let online = StaffCommand::GoOnline { name: None };
    for sam_does in [vec![], vec![StaffCommand::GoOffline], vec![StaffCommand::GoOffline, online]] {
        assert_eq!(sent_after_tom(&sam_does), ["staff Joined", "staff Offline"], "{sam_does:?}");
    }
}

#[test]
fn a_ticket_is_transferred_only_to_staff_with_capacity_and_credit() {
    let mut world = World::new(Assign::Manual);
    let (_, sam, ticket) = chat(&mut world);
    let tom = world.online("tom");
    let users = ["u1", "u2"].map(|id| world.user(id));
    let tickets = users.map(|user| world.create(user));
    let transfer = |world: &mut World| {
        world.sent(sam);
        world.does(sam, StaffCommand::TransferTicket { ticket, to: "tom".into(), note: None });
        world.sent(sam).contains(&"at_capacity".to_owned())
    };
    tickets.iter().for_each(|ticket| world.does(tom, StaffCommand::PickTicket { ticket: *ticket }));
    assert!(transfer(&mut world), "tom has as many chats as he may have");
    world.does(tom, StaffCommand::CloseTicket { ticket: tickets[0] });
    world.slow.insert(tom);
    while !world.sent.undrained.contains(&tom) {
        world.does(tom, StaffCommand::Ping);
    }
    assert!(transfer(&mut world), "tom reads nothing");
    world.drain(tom);
    assert!(!transfer(&mut world));
    assert!(world.sent(tom).contains(&"picked ann".to_owned()));
}

#[test]
fn a_staff_member_is_sent_each_change_of_a_colleague_once_and_none_of_their_own() {
    let mut world = World::new(Assign::Manual);
    let users = ["ann", "ben"].map(|id| world.user(id));
    let sam = world.online("sam");
    world.wait(1_000);
    world.sent(sam);
    world.does(sam, StaffCommand::GoOffline);
    world.does(sam, StaffCommand::GoOnline { name: None });
    // Each of these tickets is newer than the last batch, so that with its pick sam is sent all that he lacks.
    let ticket = world.create(users[0]);
    world.online("kim");
    world.does(sam, StaffCommand::PickTicket { ticket });
    let ticket = world.create(users[1]);
    world.does(sam, StaffCommand::PickTicket { ticket });
    world.wait(GATHER_MS);
    let sent = world.sent(sam);
    assert_eq!((count(&sent, "kim true"), count(&sent, "sam true")), (1, 0), "{sent:?}");
}
