//! The queue, the board, and automatic assignment.

use super::*;

#[test]
fn places_are_sent_once_a_second_and_the_wait_is_estimated_from_the_picks() {
    let mut world = World::new(Assign::Manual);
    let sam = world.online("sam");
    let users: Vec<_> = (0..6).map(|n| world.user(&format!("u{n}"))).collect();
    let tickets: Vec<_> = users.iter().map(|user| world.create(*user)).collect();
    assert_eq!(world.sent(users[5]), ["welcome", "created", "place 6 of 6, None s"]);
    world.wait(1_000);
    assert_eq!(world.sent(users[5]), [""; 0], "a place that is known is not sent again");
    for ticket in &tickets[..2] {
        world.does(sam, StaffCommand::PickTicket { ticket: *ticket });
        world.wait(10_000);
    }
    // The picks were ten seconds apart, and four tickets wait.
    assert_eq!(world.sent(users[5]), ["place 5 of 5, None s", "place 4 of 4, Some(40) s"]);
    world.does(sam, StaffCommand::ReleaseTicket { ticket: tickets[0] });
    world.does(sam, StaffCommand::ReleaseTicket { ticket: tickets[1] });
    world.wait(1_000);
    assert_eq!(world.sent(users[5]), ["place 6 of 6, Some(60) s"], "two changes, one notice");
    assert!(world.sent(users[0]).contains(&"place 1 of 6, Some(10) s".to_owned()), "at its old place");
    world.does(sam, StaffCommand::GoOffline);
    world.wait(1_000);
    assert_eq!(world.sent(users[5]), ["desk false", "place 6 of 6, None s"], "nobody is there to pick");
}

#[test]
fn a_place_that_changes_a_second_after_a_notice_is_sent_at_once_and_without_a_queue_nothing_is_due() {
    let mut world = World::new(Assign::Manual);
    let sam = world.online("sam");
    let [first, second, third] = ["u1", "u2", "u3"].map(|id| world.user(id));
    let tickets = [first, second, third].map(|user| world.create(user));
    world.wait(1_000);
    assert_eq!(world.sent(second).last().map(String::as_str), Some("place 2 of 3, None s"));
    world.wait(1_000);
    world.does(sam, StaffCommand::PickTicket { ticket: tickets[0] });
    world.wait(0);
    assert_eq!(world.sent(second), ["place 1 of 2, None s"]);
    world.asks(third, UserCommand::CloseTicket);
    world.wait(1_000);
    world.does(sam, StaffCommand::PickTicket { ticket: tickets[1] });
    world.wait(GATHER_MS);
    assert_eq!(world.state.next_due(), None);
}

#[test]
fn the_wait_is_estimated_from_the_time_between_recent_picks() {
    let mut world = World::new(Assign::Manual);
    let staff = ["sam", "kim"].map(|id| world.online(id));
    let users: Vec<_> = (0..7).map(|n| world.user(&format!("u{n}"))).collect();
    let tickets: Vec<_> = users.iter().map(|user| world.create(*user)).collect();
    for (at, after_ms) in [(0, 10_000), (1, 20_000), (2, 1_000)] {
        world.does(staff[at % 2], StaffCommand::PickTicket { ticket: tickets[at] });
        world.wait(after_ms);
    }
    // The picks were 15 s apart on average, and four tickets wait.
    assert_eq!(world.sent(users[6]).last().map(String::as_str), Some("place 4 of 4, Some(60) s"));
}

#[test]
fn everybody_knows_their_place_two_seconds_after_any_changes() {
    let mut world = World::new(Assign::Manual);
    let mut users: Vec<_> = (0..300).map(|n| (n, world.user(&format!("u{n}")), None)).collect();
    let staff: Vec<_> = (0..20).map(|n| world.online(&format!("s{n}"))).collect();
    let mut dice = 1_u64;
    let mut roll = |sides: usize| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (dice >> 33) as usize % sides
    };
    let mut sent_by_estimate = [0, 0];
    for _ in 0..2_000 {
        let known_estimate = world.state.queue.estimate(world.state.staff_online);
        for _ in 0..roll(5) {
            let (n, user, open) = &mut users[roll(300)];
            let member = staff[roll(20)];
            match (roll(6), *open) {
                (0 | 1, _) => {
                    world.asks(*user, create());
                    *open = world.sent.created.take().or(*open);
                }
                (2, _) => world.asks(*user, UserCommand::CloseTicket),
                (3, Some(ticket)) => world.does(member, StaffCommand::PickTicket { ticket }),
                (4, Some(ticket)) => {
                    staff.iter().for_each(|s| world.does(*s, StaffCommand::ReleaseTicket { ticket }));
                }
                (5, _) => *user = world.user(&format!("u{n}")),
                _ => world.does(
                    member,
                    [StaffCommand::GoOffline, StaffCommand::GoOnline { name: None }][roll(2)].clone(),
                ),
            }
        }
        let before = world.sent.events;
        world.wait(2_000);
        let state = &world.state;
        let waiting = state.tickets.range(..).filter(|(_, ticket)| ticket.status == ticket::Status::Waiting);
        let known: Vec<_> = waiting.map(|(_, ticket)| ticket.last_notice.map(|(place, _)| place)).collect();
        let estimate = state.queue.estimate(state.staff_online);
        sent_by_estimate[usize::from(known_estimate == estimate)] += world.sent.events - before;
        let expected: Vec<_> = (1..=known.len() as u64).map(|n| Some(estimate.place(n))).collect();
        assert_eq!(known, expected);
    }
    assert!(sent_by_estimate.iter().all(|sent| *sent > 1_000), "{sent_by_estimate:?}");
}

#[test]
fn round_robin_goes_by_turn_and_least_busy_by_load() {
    let picked = |assign, closing: bool| {
        let mut world = World::new(assign);
        let (sam, tom) = (world.online("sam"), world.online("tom"));
        let first = world.user("first");
        let ticket = world.create(first);
        if closing {
            world.does(sam, StaffCommand::CloseTicket { ticket });
        }
        world.sent(sam);
        let second = world.user("second");
        world.create(second);
        (world.sent(sam).iter().any(|t| t == "picked second, auto"), world.sent(tom).len())
    };
    assert!(!picked(Assign::RoundRobin, false).0);
    assert!(!picked(Assign::RoundRobin, true).0, "it is the other one's turn");
    assert!(!picked(Assign::LeastBusy, false).0, "the other one is less busy");
}

#[test]
fn least_busy_goes_by_load_even_where_the_turn_is_another_ones() {
    let mut world = World::new(Assign::LeastBusy);
    let (sam, tom) = (world.online("sam"), world.online("tom"));
    let users = ["first", "second", "third"].map(|id| world.user(id));
    world.create(users[0]);
    let ticket = world.create(users[1]);
    assert!(world.sent(tom).contains(&"picked second, auto".to_owned()));
    world.does(tom, StaffCommand::CloseTicket { ticket });
    world.create(users[2]);
    assert!(world.sent(tom).contains(&"picked third, auto".to_owned()), "tom has no chat, and sam has one");
    assert!(!world.sent(sam).contains(&"picked third, auto".to_owned()));
}

#[test]
fn a_round_of_notices_begins_when_it_is_due_and_not_before_and_also_if_the_loop_is_late() {
    let mut world = World::new(Assign::Manual);
    let sam = world.online("sam");
    let [first, second] = ["u1", "u2"].map(|id| world.user(id));
    let tickets = [first, second].map(|user| world.create(user));
    world.wait(1_000);
    world.sent(second);
    let tick_after = |world: &mut World, ms: Millis| {
        world.now += ms;
        // Users who are shown no place come first, and the others in the next turn.
        (0..2).for_each(|_| world.apply(&Input::Tick));
        world.sent(second)
    };
    tick_after(&mut world, 1_000);
    world.does(sam, StaffCommand::PickTicket { ticket: tickets[0] });
    assert_eq!(tick_after(&mut world, 0), ["place 1 of 1, None s"], "the last round was a second ago");
    world.does(sam, StaffCommand::ReleaseTicket { ticket: tickets[0] });
    assert_eq!(tick_after(&mut world, 999), [""; 0]);
    assert_eq!(tick_after(&mut world, 5_000), ["place 2 of 2, None s"]);
}

#[test]
fn a_change_in_the_middle_of_a_round_makes_the_next_round_look_at_all() {
    let mut world = World::new(Assign::Manual);
    let users: Vec<_> = (0..400).map(|n| world.user(&format!("u{n}"))).collect();
    users.iter().for_each(|user| _ = world.create(*user));
    world.wait(5_000);
    world.asks(users[399], UserCommand::CloseTicket);
    world.apply(&Input::Tick); // the first part of the round
    let late = world.user("late");
    world.create(late);
    world.apply(&Input::Tick);
    world.asks(late, UserCommand::CloseTicket);
    world.wait(3_000);
    for (n, user) in users[..399].iter().enumerate() {
        let last = world.sent(*user).pop();
        assert_eq!(last, Some(format!("place {} of 399, None s", n + 1)), "u{n}");
    }
}

#[test]
fn a_waiting_ticket_is_assigned_as_soon_as_a_staff_member_has_capacity() {
    let mut world = World::new(Assign::RoundRobin);
    let sam = world.online("sam");
    let users: Vec<_> = (0..4).map(|n| world.user(&format!("u{n}"))).collect();
    let tickets: Vec<_> = users.iter().map(|user| world.create(*user)).collect();
    assert_eq!(world.state.counts().tickets_waiting, 2, "a staff member may have two chats");
    world.sent(sam);
    world.does(sam, StaffCommand::CloseTicket { ticket: tickets[0] });
    assert!(world.sent(sam).contains(&"picked u2, auto".to_owned()), "the oldest that waits");
    let tom = world.online("tom");
    assert!(world.sent(tom).contains(&"picked u3, auto".to_owned()));
    // A released ticket goes to somebody else, if there is anybody.
    world.does(sam, StaffCommand::ReleaseTicket { ticket: tickets[1] });
    assert!(world.sent(tom).contains(&"picked u1, auto".to_owned()));
    world.does(tom, StaffCommand::GoOffline);
    assert_eq!(world.state.counts().tickets_paused, 1, "the other staff member had capacity for one");
    world.does(tom, StaffCommand::GoOnline { name: None });
    assert_eq!(world.state.counts().tickets_paused, 0);
}

#[test]
fn a_long_board_is_sent_in_parts_without_changes_of_tickets_that_were_not_sent() {
    let mut world = World::new(Assign::Manual);
    let users: Vec<_> = (0..1500).map(|n| world.user(&format!("u{n}"))).collect();
    let tickets: Vec<_> = users.iter().map(|user| world.create(*user)).collect();
    world.wait(1_000);
    let tom = world.online("tom");
    world.wait(1_000);
    world.slow.insert(ConnId::here(world.next_slot + 1, 0));
    let sam = world.staff("sam");
    assert_eq!(world.sent(sam), ["welcome, 200 tickets, 1300 more"]);
    world.does(tom, StaffCommand::PickTicket { ticket: tickets[199] });
    world.does(tom, StaffCommand::PickTicket { ticket: tickets[200] });
    world.asks(users[201], UserCommand::CloseTicket);
    world.wait(1_000);
    assert_eq!(world.sent(sam), [""; 0], "nothing is sent while earlier output has not left");
    let mut parts = 0;
    while world.sent.undrained.contains(&sam) {
        world.drain(sam);
        parts += 1;
    }
    assert!(parts > 3, "{parts} parts");
    let sent = world.sent(sam);
    let expected = (200..1500).filter(|n| *n != 201).map(|n| format!("added u{n}"));
    assert_eq!(sent, std::iter::once("updated u199 Active".to_owned()).chain(expected).collect::<Vec<_>>());
    let late = world.user("late");
    world.create(late);
    world.wait(GATHER_MS);
    assert_eq!(world.sent(sam), ["added late"]);
}

#[test]
fn one_pick_costs_the_same_at_a_large_desk() {
    let events_of_a_pick = |waiting: usize| {
        let mut world = World::new(Assign::Manual);
        let users: Vec<_> = (0..waiting).map(|n| world.user(&format!("u{n}"))).collect();
        let tickets: Vec<_> = users.iter().map(|user| world.create(*user)).collect();
        let sam = world.online("sam");
        world.wait(2_000);
        let before = world.sent.events;
        world.does(sam, StaffCommand::PickTicket { ticket: tickets[waiting / 2] });
        world.sent.events - before
    };
    assert_eq!(events_of_a_pick(10), events_of_a_pick(3_000));
}
