//! More tickets than anybody can read: what staff are sent of them, and how fast.

use super::*;
use crate::config::{BOARD_BYTES_PER_GATHER, PAGE_CHARS_MAX, SUBJECT_CHARS_MAX, TICKET_TEXTS_BYTES_MIN};

const TEXT_BYTES: usize = 4 * (SUBJECT_CHARS_MAX + PAGE_CHARS_MAX);

/// A user opens a ticket with texts of `TEXT_BYTES`.
fn create_long(world: &mut World, user: ConnId) {
    let [subject, page] = [SUBJECT_CHARS_MAX, PAGE_CHARS_MAX].map(|length| "\u{1F5A8}".repeat(length));
    let command = UserCommand::CreateTicket { subject: text(&subject), name: None, page: Some(text(&page)) };
    world.asks(user, command);
}

/// This many users come, and each leaves such a ticket behind.
fn leave_behind(world: &mut World, users: std::ops::Range<u32>) {
    for number in users {
        let user = world.user(&format!("left-{number}"));
        create_long(world, user);
        world.leave(user);
        world.sent(user);
    }
}

/// What a staff member was sent of their board: how many frames of it, and how many tickets it now shows more than before.
fn of_the_board(sent: &[String]) -> (usize, usize) {
    let count = |word: &str| sent.iter().filter(|line| line.starts_with(word)).count();
    let (added, removed) = (count("added"), count("removed"));
    (added + removed + count("updated"), added - removed)
}

#[test]
fn a_flood_of_tickets_is_sent_a_share_at_a_time_and_in_the_end_every_board_is_whole() {
    const STAFF: usize = 4;
    const TICKETS: u32 = 2_000;
    let mut world = World::new(Assign::Manual);
    let staff: Vec<_> = (0..STAFF).map(|number| world.staff(&format!("sam-{number}"))).collect();
    world.wait(2 * GATHER_MS);
    staff.iter().for_each(|sam| _ = world.sent(*sam));
    leave_behind(&mut world, 0..TICKETS);
    let frames_max = BOARD_BYTES_PER_GATHER / STAFF / TEXT_BYTES + 1;
    let mut shown = [0; STAFF];
    for batch in 0..2 * TICKETS as usize / frames_max {
        world.wait(if batch == 0 { 0 } else { GATHER_MS });
        for (sam, shown) in staff.iter().zip(&mut shown) {
            let (frames, more) = of_the_board(&world.sent(*sam));
            assert!(frames <= frames_max, "{frames} frames at once");
            *shown += more;
        }
    }
    assert_eq!(shown, [TICKETS as usize; STAFF]);
    assert_eq!(world.state.fanout.next_due(), None, "nothing waits");
    let ann = world.user("ann");
    world.create(ann);
    world.wait(GATHER_MS);
    for sam in staff {
        assert_eq!(world.sent(sam), ["added ann"], "from then on as before");
    }
}

#[test]
fn tickets_that_have_made_room_before_they_were_sent_are_sent_to_nobody() {
    const TICKETS_MAX: u32 = 100;
    let rules =
        Rules { max_chats: 1, max_tickets: TICKETS_MAX, assign: Assign::Manual, user_grace_ms: 60_000 };
    let mut world = World::with(rules);
    let sam = world.staff("sam");
    world.wait(GATHER_MS);
    world.sent(sam);
    let (mut frames, mut shown) = (0, 0);
    let mut count = |world: &mut World| {
        let (some, more) = of_the_board(&world.sent(sam));
        (frames, shown) = (frames + some, shown + more);
        frames
    };
    for number in 0..50 {
        leave_behind(&mut world, number * 500..(number + 1) * 500);
        world.wait(GATHER_MS);
        count(&mut world);
    }
    world.wait(10 * GATHER_MS);
    assert!(count(&mut world) <= 51 * 2 * TICKETS_MAX as usize, "of 25,000 that came and went");
    assert_eq!(shown, TICKETS_MAX as usize);
}

#[test]
fn the_board_that_a_staff_member_finds_is_sent_as_fast_as_they_take_it() {
    let mut world = World::new(Assign::Manual);
    leave_behind(&mut world, 0..2_000);
    world.wait(1_000);
    let sam = world.staff("sam");
    let sent = world.sent(sam);
    let listed: usize = sent[0].split(' ').nth(1).unwrap().parse().unwrap();
    assert_eq!(listed + of_the_board(&sent).0, 2_000);
}

#[test]
fn who_has_a_ticket_is_sent_its_changes_during_a_flood_too() {
    let mut world = World::new(Assign::Manual);
    let (sam, ann) = (world.online("sam"), world.user("ann"));
    let ticket = world.create(ann);
    world.wait(GATHER_MS);
    world.does(sam, StaffCommand::PickTicket { ticket });
    leave_behind(&mut world, 0..5_000);
    world.wait(GATHER_MS);
    world.sent(sam);
    world.leave(ann);
    assert_eq!(world.sent(sam), ["updated ann Active"]);
}

#[test]
fn tickets_that_change_without_end_hold_up_no_change_of_another() {
    const STAFF: usize = 256;
    const RESTLESS: u32 = 16;
    let mut world = World::new(Assign::Manual);
    leave_behind(&mut world, 0..RESTLESS);
    let staff: Vec<_> = (0..STAFF).map(|number| world.staff(&format!("sam-{number}"))).collect();
    let ann = world.user("ann");
    world.create(ann);
    world.wait(GATHER_MS);
    staff.iter().for_each(|sam| _ = world.sent(*sam));
    // In each batch, the oldest tickets change by more than a board's share.
    let restless = |world: &mut World| {
        for number in 0..RESTLESS {
            let user = world.user(&format!("left-{number}"));
            world.leave(user);
            world.sent(user);
        }
        world.wait(GATHER_MS);
    };
    restless(&mut world);
    let bob = world.user("bob");
    world.create(bob);
    world.leave(ann);
    for _ in 0..2 * RESTLESS {
        restless(&mut world);
    }
    for sam in staff {
        let sent = world.sent(sam);
        let restless = sent.iter().filter(|line| line.starts_with("updated left-")).count();
        assert!(restless < 5 * 33, "{restless} frames in 33 batches: a share each");
        assert!(sent.contains(&"added bob".into()), "a new ticket");
        assert!(sent.contains(&"updated ann Waiting".into()), "a change of a newer ticket");
    }
}

#[test]
fn what_goes_beyond_a_slow_boards_share_follows_with_the_next_batches_by_itself() {
    const TICKETS: u32 = 300;
    let mut world = World::new(Assign::Manual);
    leave_behind(&mut world, 0..TICKETS);
    let sam = world.staff("sam");
    world.wait(1_000);
    world.sent(sam);
    world.slow.insert(sam);
    for number in 0..TICKETS {
        world.user(&format!("left-{number}"));
    }
    world.wait(GATHER_MS);
    // He reads faster than his share comes.
    while world.sent.undrained.contains(&sam) {
        world.drain(sam);
    }
    let (at_once, _) = of_the_board(&world.sent(sam));
    assert!(at_once < TICKETS as usize, "more than a share");
    world.slow.clear();
    world.wait(2 * GATHER_MS);
    assert_eq!(at_once + of_the_board(&world.sent(sam)).0, TICKETS as usize);
}

#[test]
fn where_the_texts_of_all_tickets_take_too_much_those_of_absent_users_make_room() {
    let fit = u32::try_from(TICKET_TEXTS_BYTES_MIN / TEXT_BYTES).unwrap();
    let rules = Rules { max_chats: 1, max_tickets: 600, assign: Assign::Manual, user_grace_ms: 60_000 };
    let mut world = World::with(rules);
    let texts_max = |world: &World| assert!(world.state.tickets.text_bytes() <= TICKET_TEXTS_BYTES_MIN);
    leave_behind(&mut world, 0..fit - 1);
    assert_eq!(world.state.counts().tickets_waiting, fit as usize - 1, "all of them");
    leave_behind(&mut world, fit..fit + 100);
    texts_max(&world);
    let stored = serde_json::to_string(&world.state).unwrap();
    let read: State = serde_json::from_str(&stored).unwrap();
    assert_eq!(read.tickets.text_bytes(), world.state.tickets.text_bytes(), "read again, it is the same");
    // Users who stay have their tickets, until these are all that there are.
    let users: Vec<_> = (0..fit + 1).map(|number| world.user(&format!("u{number}"))).collect();
    users.iter().for_each(|user| create_long(&mut world, *user));
    texts_max(&world);
    let refused = users.iter().filter(|user| world.sent.by_conn[*user].contains(&"desk_full".to_owned()));
    assert_eq!(refused.count(), 1, "the last one");
    world.asks(users[0], UserCommand::CloseTicket);
    world.create(users[fit as usize]);
    users.iter().for_each(|user| world.asks(*user, UserCommand::CloseTicket));
    assert_eq!(world.state.tickets.text_bytes(), 0);
}
