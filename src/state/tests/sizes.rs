//! Sizes: what fits into a welcome, what counts against a credit or a share, and how a State is taken apart.

use super::*;
use crate::config::{BOARD_BYTES_PER_GATHER, STATE_PART_BYTES, TICKET_TEXTS_BYTES_MIN, WELCOME_BYTES_MAX};

/// A user opens a ticket whose texts take this many bytes.
fn create_of(world: &mut World, user: ConnId, text_bytes: usize) {
    let [subject, page] = [200, text_bytes - 200].map(|bytes| "x".repeat(bytes));
    let command = UserCommand::CreateTicket { subject: text(&subject), name: None, page: Some(text(&page)) };
    world.asks(user, command);
}

fn say(world: &mut World, user: ConnId, text_bytes: usize) {
    world.asks(user, UserCommand::Message { id: 1, text: text(&"x".repeat(text_bytes)) });
}

#[test]
fn a_welcome_has_as_many_tickets_as_fit_to_the_last_byte() {
    const TICKET_BYTES: usize = 224 + "u000".len();
    let mut world = World::new(Assign::Manual);
    for number in 0..128 {
        let user = world.user(&format!("u{number:03}"));
        create_of(&mut world, user, WELCOME_BYTES_MAX / 128 - TICKET_BYTES);
    }
    let sam = world.staff("sam");
    assert_eq!(world.sent(sam), ["welcome, 128 tickets, 0 more"]);
    let late = world.user("late");
    world.create(late);
    world.wait(GATHER_MS);
    let kim = world.staff("kim");
    assert_eq!(world.sent(kim), ["welcome, 128 tickets, 1 more", "added late"]);
}

#[test]
fn colleagues_take_less_than_half_of_a_welcome_and_the_others_follow_by_themselves() {
    const ENTRY_BYTES: usize = 48 + 2 * "staff000".len();
    let mut world = World::new(Assign::Manual);
    for number in 0..WELCOME_BYTES_MAX / 2 / ENTRY_BYTES {
        world.online(&format!("staff{number:03}"));
    }
    world.wait(1_000);
    let sam = world.staff("sam");
    assert_eq!(world.sent(sam), ["welcome, 0 tickets, 0 more", "staff447 true"]);
}

#[test]
fn the_tickets_that_there_were_at_the_welcome_do_not_count_against_a_boards_share_of_changes() {
    let mut world = World::new(Assign::Manual);
    for number in 0..60 {
        let user = world.user(&format!("u{number}"));
        create_of(&mut world, user, 2_000);
    }
    world.wait(1_000);
    let sam = world.staff("sam");
    assert_eq!(world.sent(sam).iter().filter(|line| line.starts_with("added")).count(), 35);
    let state = serde_json::to_value(&world.state).unwrap();
    assert_eq!(state["staff"][0]["board"]["allowance"], BOARD_BYTES_PER_GATHER);
}

#[test]
fn a_ticket_that_came_and_went_unseen_counts_against_no_credit() {
    let mut world = World::new(Assign::Manual);
    let sam = world.staff("sam");
    world.wait(1_000);
    world.sent(sam);
    world.slow.insert(sam);
    let users: Vec<_> = (0..600).map(|number| world.user(&format!("u{number}"))).collect();
    for user in users {
        world.create(user);
        world.asks(user, UserCommand::CloseTicket);
    }
    world.wait(GATHER_MS);
    assert_eq!(world.sent(sam), [""; 0]);
    assert!(!world.sent.undrained.contains(&sam), "the whole credit is left");
}

#[test]
fn a_board_that_lacks_nothing_and_has_some_of_its_share_left_waits_for_no_batch() {
    let mut world = World::new(Assign::Manual);
    let (ann, sam) = (world.user("ann"), world.staff("sam"));
    world.create(ann);
    world.wait(1_000);
    world.slow.insert(sam);
    while !world.sent.undrained.contains(&sam) {
        world.does(sam, StaffCommand::Ping);
    }
    world.leave(ann);
    world.wait(1_000);
    world.sent(sam);
    world.drain(sam);
    assert_eq!(world.sent(sam), ["updated ann Waiting"]);
    assert_eq!(world.state.fanout.next_due(), None);
}

#[test]
fn the_texts_of_all_tickets_may_take_what_is_allowed_to_the_last_byte() {
    const TEXT_BYTES: usize = 2_048;
    let fit = TICKET_TEXTS_BYTES_MIN / TEXT_BYTES;
    let rules = Rules { max_chats: 1, max_tickets: 600, assign: Assign::Manual, user_grace_ms: 60_000 };
    let mut world = World::with(rules);
    for number in 0..=fit {
        let user = world.user(&format!("u{number}"));
        create_of(&mut world, user, TEXT_BYTES);
        let refused = world.sent(user).contains(&"desk_full".to_owned());
        assert_eq!(refused, number == fit, "ticket {number}");
    }
}

#[test]
fn items_are_the_users_and_the_tickets() {
    let mut world = World::new(Assign::Manual);
    assert_eq!(world.state.items(), 0);
    let users = ["ann", "ben", "kim"].map(|id| world.user(id));
    world.create(users[0]);
    assert_eq!(world.state.items(), 4);
}

#[test]
fn the_parts_of_a_state_are_of_like_size_whatever_is_held_in_it() {
    const TEXT_BYTES: usize = 16_000;
    let rules =
        Rules { max_chats: 100, max_tickets: 1_000, assign: Assign::LeastBusy, user_grace_ms: 60_000 };
    let mut world = World::with(rules);
    let sam = world.online("sam");
    for number in 0..80 {
        let user = world.user(&format!("u{number}"));
        let ticket = world.create(user);
        say(&mut world, user, TEXT_BYTES);
        world.does(sam, StaffCommand::Message { ticket, id: 1, text: text(&"x".repeat(TEXT_BYTES)) });
        // Half of the chats end while their user is away, so that the user has the message yet to be sent.
        if number % 2 == 0 {
            world.leave(user);
            world.does(sam, StaffCommand::CloseTicket { ticket });
        }
    }
    let parts: Vec<_> = world.state.parts().collect();
    let sizes: Vec<_> = parts.iter().map(|part| serde_json::to_string(part).unwrap().len()).collect();
    let all: usize = sizes.iter().sum();
    assert!(sizes.iter().all(|size| *size < STATE_PART_BYTES + 3 * TEXT_BYTES), "{sizes:?}");
    // Users and tickets, each with a part that is not full, and the five others.
    assert!(sizes.len() <= all / STATE_PART_BYTES + 2 + 5, "{sizes:?}");
    let mut assembly = Assembly::default();
    let whole = parts.into_iter().filter_map(|part| assembly.add(part)).next().unwrap();
    assert_eq!(whole.digest(), world.state.digest());
    assert_eq!(whole.tickets.text_bytes(), world.state.tickets.text_bytes());
}
