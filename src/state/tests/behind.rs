//! Slow connections: what waits for them, and that nothing is lost.

use super::*;
use crate::config::{CREDIT_BYTES, SUBJECT_CHARS_MAX, TEXT_CHARS_MAX, WELCOME_BYTES_MAX};

/// The longest message, 16,000 bytes.
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

/// Sends as many of the longest messages as State holds.
fn four_long_messages(mut say: impl FnMut(u64, JsonText<'_>)) {
    let long = long();
    (1..=4).for_each(|id| say(id, text(&long)));
}

fn seqs(sent: &[String]) -> Vec<u64> {
    let words = sent.iter().filter_map(|line| line.strip_prefix("message "));
    words.filter_map(|rest| rest.split(' ').next()?.parse().ok()).collect()
}

/// Drains a connection until nothing more comes, and checks that each part is bounded.
fn take_all(world: &mut World, conn: ConnId) -> Vec<String> {
    let mut all = world.sent(conn);
    while world.sent.undrained.contains(&conn) {
        let bytes = world.sent.bytes.get(&conn).copied().unwrap_or_default();
        assert!(bytes <= CREDIT_BYTES as usize + 20_000, "{bytes} bytes at once");
        world.drain(conn);
        all.extend(world.sent(conn));
    }
    all
}

#[test]
fn a_slow_staff_member_is_sent_a_burst_in_order_as_fast_as_they_take_it() {
    let mut world = World::new(Assign::Manual);
    let (ann, sam, ticket) = chat(&mut world);
    world.slow.insert(sam);
    let long = long();
    for id in 1..=4 {
        world.asks(ann, UserCommand::Message { id, text: text(&long) });
    }
    world.asks(ann, UserCommand::Message { id: 5, text: text(&long) });
    assert_eq!(
        world.sent(ann),
        ["ack 1 Some(1)", "ack 2 Some(2)", "ack 3 Some(3)", "ack 4 Some(4)", "unread_limit"]
    );
    let sent = take_all(&mut world, sam);
    assert_eq!(seqs(&sent), [1, 2, 3, 4]);
    world.does(sam, StaffCommand::Delivered { ticket, seq: 4 });
    world.asks(ann, UserCommand::Message { id: 5, text: text("now") });
    assert_eq!(world.sent(ann), ["delivered 4", "ack 5 Some(5)"]);
}

#[test]
fn accepted_messages_come_before_the_end_and_the_chat_counts_until_then() {
    let mut world = World::new(Assign::RoundRobin);
    let (ann, sam, ticket) = chat(&mut world);
    world.slow.insert(sam);
    let long = long();
    for id in 1..=4 {
        world.asks(ann, UserCommand::Message { id, text: text(&long) });
    }
    world.asks(ann, UserCommand::CloseTicket);
    let (bob, kim) = (world.user("bob"), world.user("kim"));
    world.create(bob);
    world.create(kim);
    assert_eq!(world.state.counts().tickets_waiting, 2, "nothing is assigned to staff who read slowly");
    world.slow.clear();
    world.drain(sam);
    world.apply(&Input::Tick);
    let sent = world.sent(sam);
    assert_eq!(seqs(&sent), [1, 2, 3, 4]);
    let place =
        |what: &str| sent.iter().position(|line| line == what).unwrap_or_else(|| panic!("{what}: {sent:?}"));
    let last = sent.iter().rposition(|line| line.starts_with("message 4")).unwrap();
    assert!(last < place("closed User") && place("closed User") < place("picked bob, auto"));
    assert!(world.state.find(ticket).is_err());
    assert_eq!(world.state.counts().tickets_active, 2);
}

#[test]
fn a_slow_user_is_sent_the_end_after_the_last_message_and_cannot_open_a_ticket_before() {
    let mut world = World::new(Assign::Manual);
    let (ann, sam, ticket) = chat(&mut world);
    world.slow.insert(ann);
    four_long_messages(|id, text| world.does(sam, StaffCommand::Message { ticket, id, text }));
    world.does(sam, StaffCommand::CloseTicket { ticket });
    world.asks(ann, create());
    let sent = take_all(&mut world, ann);
    assert_eq!(seqs(&sent), [1, 2, 3, 4]);
    assert_eq!(sent.last().map(String::as_str), Some("closed Staff"));
    assert!(sent.contains(&"ticket_exists".to_owned()));
    world.create(ann);
}

#[test]
fn a_user_who_leaves_before_the_end_was_sent_finds_it_in_the_next_welcome() {
    let mut world = World::new(Assign::Manual);
    let (ann, sam, ticket) = chat(&mut world);
    world.slow.insert(ann);
    four_long_messages(|id, text| world.does(sam, StaffCommand::Message { ticket, id, text }));
    world.does(sam, StaffCommand::CloseTicket { ticket });
    world.leave(ann);
    let ann = world.user("ann");
    let sent = world.sent(ann);
    assert_eq!(sent[0], "welcome, ended");
    assert_eq!(seqs(&sent), [1, 2, 3, 4], "all of them, whether or not they had left before");
    assert_eq!(sent.len(), 5, "and the end is sent once");
}

#[test]
fn a_slow_user_is_sent_the_present_status_and_none_in_between() {
    let mut world = World::new(Assign::Manual);
    let (ann, sam, ticket) = chat(&mut world);
    world.slow.insert(ann);
    let long = long();
    for id in 1..=3 {
        world.does(sam, StaffCommand::Message { ticket, id, text: text(&long) });
    }
    let tom = world.online("tom");
    for _ in 0..200 {
        world.does(sam, StaffCommand::ReleaseTicket { ticket });
        world.does(tom, StaffCommand::PickTicket { ticket });
        world.does(tom, StaffCommand::Typing { ticket, active: true });
        world.does(tom, StaffCommand::GoOffline);
        world.does(tom, StaffCommand::GoOnline { name: None });
        world.does(sam, StaffCommand::PickTicket { ticket });
        world.wait(50);
    }
    world.does(sam, StaffCommand::TransferTicket { ticket, to: "tom".into(), note: None });
    let sent = take_all(&mut world, ann);
    assert_eq!(seqs(&sent), [1, 2, 3]);
    let others: Vec<_> = sent.iter().filter(|line| !line.starts_with("message")).collect();
    assert_eq!(others, ["staff Joined"], "one change, from sam to tom");
}

#[test]
fn a_return_with_many_unread_chats_comes_in_parts() {
    let mut world = World::with(Rules {
        max_chats: 20,
        max_tickets: 10_000,
        assign: Assign::LeastBusy,
        user_grace_ms: 60_000,
    });
    let sam = world.online("sam");
    let long = long();
    let users: Vec<_> = (0..20).map(|n| world.user(&format!("u{n}"))).collect();
    for user in &users {
        world.create(*user);
        for id in 1..=4 {
            world.asks(*user, UserCommand::Message { id, text: text(&long) });
        }
    }
    world.leave(sam);
    world.slow.insert(ConnId::here(world.next_slot + 1, 0));
    let sam = world.online("sam");
    let mut sent = take_all(&mut world, sam);
    assert_eq!(sent.iter().filter(|line| line.starts_with("picked")).count(), 20);
    assert_eq!(seqs(&sent).len(), 80);
    sent.retain(|line| line.starts_with("picked"));
    sent.dedup();
    assert_eq!(sent.len(), 20, "each once");
}

#[test]
fn a_slow_board_is_sent_only_what_has_changed_in_the_end() {
    let mut world = World::new(Assign::Manual);
    let users: Vec<_> = (0..300).map(|n| world.user(&format!("u{n}"))).collect();
    let tickets: Vec<_> = users.iter().map(|user| world.create(*user)).collect();
    world.wait(1_000);
    let tom = world.online("tom");
    world.slow.insert(ConnId::here(world.next_slot + 1, 0));
    let sam = world.staff("sam");
    let first = world.sent(sam);
    assert_eq!(first, ["welcome, 200 tickets, 100 more"]);
    for _ in 0..1_000 {
        world.does(tom, StaffCommand::PickTicket { ticket: tickets[7] });
        world.does(tom, StaffCommand::ReleaseTicket { ticket: tickets[7] });
        let visitor = world.user("visitor");
        world.create(visitor);
        world.wait(50);
        world.asks(visitor, UserCommand::CloseTicket);
        world.leave(visitor);
    }
    world.asks(users[3], UserCommand::CloseTicket);
    world.asks(users[250], UserCommand::CloseTicket);
    world.does(tom, StaffCommand::GoOffline);
    assert_eq!(world.sent(sam), [""; 0], "nothing is sent to a connection that takes nothing");
    let sent = take_all(&mut world, sam);
    let (added, others): (Vec<_>, Vec<_>) = sent.iter().partition(|line| line.starts_with("added"));
    assert_eq!(others, ["tom false", "removed", "updated u7 Waiting"]);
    let expected: Vec<_> = (200..300).filter(|n| *n != 250).map(|n| format!("added u{n}")).collect();
    assert_eq!(added, expected.iter().collect::<Vec<_>>());
    world.slow.clear();
    world.wait(GATHER_MS);
    assert_eq!(world.sent(sam), [""; 0], "all of that has been sent");
    world.create(users[3]);
    world.wait(GATHER_MS);
    assert_eq!(world.sent(sam), ["added u3"]);
}

#[test]
fn a_ticket_that_comes_and_goes_within_a_moment_is_sent_to_nobody() {
    let mut world = World::new(Assign::Manual);
    let (sam, ann) = (world.staff("sam"), world.user("ann"));
    world.create(ann);
    world.wait(0);
    assert_eq!(world.sent(sam), ["welcome, 0 tickets, 0 more", "added ann"], "the first change at once");
    for _ in 0..20 {
        world.asks(ann, UserCommand::CloseTicket);
        world.create(ann);
    }
    world.asks(ann, UserCommand::CloseTicket);
    world.wait(GATHER_MS - 1);
    assert_eq!(world.sent(sam), [""; 0]);
    world.wait(1);
    assert_eq!(world.sent(sam), ["removed"]);
}

#[test]
fn the_staff_member_who_has_a_ticket_is_sent_its_changes_at_once_and_only_once() {
    let mut world = World::new(Assign::Manual);
    let (ann, sam, _) = chat(&mut world);
    let tom = world.staff("tom");
    world.wait(1_000);
    world.sent(tom);
    world.sent(sam);
    world.leave(ann);
    assert_eq!(world.sent(sam), ["updated ann Active"]);
    let ann = world.user("ann");
    assert_eq!(world.sent(sam), ["updated ann Active"]);
    world.wait(1_000);
    assert_eq!((world.sent(sam), world.sent(tom)), (vec![], vec!["updated ann Active".to_owned()]));
    world.sent(ann);
}

#[test]
fn all_users_are_sent_that_staff_are_online_some_of_them_each_turn() {
    let mut world = World::new(Assign::Manual);
    let users: Vec<_> = (0..3_000).map(|n| world.user(&format!("u{n}"))).collect();
    users.iter().for_each(|user| _ = world.sent(*user));
    let sam = world.staff("sam");
    let most = |world: &mut World| {
        let mut most = 0;
        while world.state.next_due().is_some_and(|due| due <= world.now) {
            let before = world.sent.events;
            world.apply(&Input::Tick);
            most = most.max(world.sent.events - before);
        }
        most
    };
    for online in [true, false, true] {
        let command = if online { StaffCommand::GoOnline { name: None } } else { StaffCommand::GoOffline };
        world.does(sam, command);
        assert!(most(&mut world) <= 600);
        for user in &users {
            assert_eq!(world.sent(*user), [format!("desk {online}")]);
        }
    }
}

#[test]
fn a_welcome_and_the_parts_of_a_board_are_bounded_however_long_ids_and_subjects_are() {
    let rules = Rules { max_chats: 1, max_tickets: 10_000, assign: Assign::Manual, user_grace_ms: 60_000 };
    for colleagues in [0, 500, 1440] {
        let mut world = World::with(rules);
        let long_id = |name: &str, number: u32| format!("{name}-{number:-<58}");
        for number in 0..colleagues {
            world.online(&long_id("staff", number));
        }
        let subject = "\u{1F5A8}".repeat(SUBJECT_CHARS_MAX);
        for number in 0..400 {
            let user = world.user(&long_id("user", number));
            world.asks(user, UserCommand::CreateTicket { subject: text(&subject), name: None, page: None });
        }
        world.wait(1_000);
        world.slow.insert(ConnId::here(world.next_slot + 1, 0));
        let sam = world.staff("sam");
        assert!(world.sent.bytes[&sam] <= WELCOME_BYTES_MAX + 1_000, "{} bytes", world.sent.bytes[&sam]);
        world.drain(sam);
        let sent = take_all(&mut world, sam);
        let added = sent.iter().filter(|line| line.starts_with("added")).count();
        let listed: usize =
            sent[0].strip_prefix("welcome, ").and_then(|rest| rest.split(' ').next()?.parse().ok()).unwrap();
        assert_eq!(listed + added, 400);
    }
}

#[test]
fn a_staff_member_who_had_a_ticket_sees_it_come_and_go_however_quickly() {
    let mut world = World::new(Assign::Manual);
    let (sam, ann) = (world.online("sam"), world.user("ann"));
    world.apply(&Input::Tick);
    let ticket = world.create(ann);
    world.apply(&Input::Tick);
    world.does(sam, StaffCommand::PickTicket { ticket });
    world.apply(&Input::Tick);
    world.does(sam, StaffCommand::GoOffline);
    world.apply(&Input::Tick);
    world.asks(ann, UserCommand::CloseTicket);
    world.wait(GATHER_MS);
    let sent = world.sent(sam);
    assert_eq!(
        sent[1..],
        ["presence true", "picked ann", "added ann", "presence false", "updated ann Paused", "removed"]
    );
}

#[test]
fn a_ticket_that_is_sent_early_does_not_hide_that_a_colleague_came_online() {
    let mut world = World::new(Assign::Manual);
    let (sam, ann) = (world.online("sam"), world.user("ann"));
    world.wait(GATHER_MS);
    world.sent(sam);
    let ticket = world.create(ann);
    world.online("kim");
    world.does(sam, StaffCommand::PickTicket { ticket });
    world.wait(GATHER_MS);
    assert!(world.sent(sam).contains(&"kim true".to_owned()));
}

#[test]
fn a_slow_staff_member_is_sent_a_recap_when_they_have_read_the_rest() {
    let mut world = World::new(Assign::Manual);
    let (ann, sam, _) = chat(&mut world);
    let long = long();
    let recap = || {
        let line = RecapLine { from: Side::Staff, name: Some(text("Sam")), text: text(&long), at: 0 };
        UserCommand::Recap(Recap::new(vec![line]))
    };
    world.slow.insert(sam);
    four_long_messages(|id, text| world.asks(ann, UserCommand::Message { id, text }));
    world.sent(ann);
    world.asks(ann, recap());
    assert_eq!(world.sent(ann), ["unread_limit"]);
    let sent = take_all(&mut world, sam);
    assert_eq!(
        (seqs(&sent).len(), sent.contains(&"recap of 1 lines".to_owned())),
        (4, false),
        "it is not kept"
    );
    world.asks(ann, recap());
    assert!(world.sent(ann).is_empty(), "a recap that was refused does not count");
    assert_eq!(world.sent(sam), ["recap of 1 lines"]);
    world.asks(ann, recap());
    assert_eq!(world.sent(ann), ["rate_limited"]);
}

#[test]
fn a_slow_staff_member_is_sent_ratings_when_they_have_read_the_rest() {
    let mut world = World::new(Assign::Manual);
    let (ann, sam, ticket) = chat(&mut world);
    world.slow.insert(sam);
    four_long_messages(|id, text| world.asks(ann, UserCommand::Message { id, text }));
    world.asks(ann, UserCommand::CloseTicket);
    for score in [5, 4] {
        world.asks(ann, UserCommand::RateTicket { ticket, score: Score::new(score).unwrap() });
    }
    assert_eq!(world.sent(ann).last().unwrap(), "no_ticket", "once");
    let sent = take_all(&mut world, sam);
    let last = sent.iter().rev().take(2).map(String::as_str).collect::<Vec<_>>();
    assert_eq!(seqs(&sent), [1, 2, 3, 4]);
    assert!(last.contains(&"rated 5"), "after the end of the chat: {sent:?}");
    assert_eq!(sent.iter().filter(|line| line.starts_with("rated")).count(), 1);
}
