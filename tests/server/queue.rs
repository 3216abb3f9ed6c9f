//! Places in the queue, capacity, assignment by the server, and the list of tickets that staff see.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::support::scenario::upgrade;
use crate::support::schema::Side;
use crate::support::{Desk, PATIENCE, Peer, Staff, TOKEN, User, Value, Wire, int, json, text};

// --- the queue

#[test]
fn everyone_in_the_queue_is_sent_their_place_when_it_changes() {
    let desk = Desk::start();
    let mut sam = desk.staff("sam").online();
    let names = ["ann", "bob", "cat", "dan"];
    let mut users: Vec<User> = names.iter().map(|name| desk.user(name)).collect();
    let mut tickets = Vec::new();
    for (at, user) in users.iter_mut().enumerate() {
        user.send(&json!({ "type": "create_ticket", "subject": "hello" }));
        tickets.push(text(&user.expect("ticket_created"), "ticket_id"));
        let queue = user.expect("queue");
        assert_eq!((int(&queue, "position"), int(&queue, "waiting")), (at as u64 + 1, at as u64 + 1));
    }
    let placed = |user: &mut User, position: u64, waiting: u64| {
        let what = format!("place {position} of {waiting}");
        user.expect_where("queue", &what, |m| m["position"] == position && m["waiting"] == waiting)
    };
    sam.pick(&tickets[0]);
    placed(&mut users[1], 1, 3);
    placed(&mut users[2], 2, 3);
    let queue = placed(&mut users[3], 3, 3);
    assert!(queue["wait_s"].is_null() || queue["wait_s"].is_u64());
    // One in the middle leaves: only those behind move up.
    users[2].close_ticket();
    placed(&mut users[3], 2, 2);
    // A paused ticket does not wait.
    sam.go_offline();
    users[0].expect("staff_offline");
    placed(&mut users[1], 1, 2);
    users[0].nothing_of(&["queue"]);
}

#[test]
fn places_that_change_quickly_are_sent_at_most_once_a_second() {
    let desk = Desk::with(&["--max-chats", "30"]);
    let mut sam = desk.staff("sam").online();
    let tickets: Vec<String> = (0..20).map(|n| desk.user(&format!("user-{n}")).create("hello")).collect();
    let mut last = desk.user("last");
    last.create("at the end");
    let started = Instant::now();
    // Each pick is an event of its own, in a turn of its own.
    for ticket in &tickets {
        sam.pick(ticket);
    }
    let mut notices = 0;
    while int(&last.expect("queue"), "position") != 1 {
        notices += 1;
    }
    let seconds = started.elapsed().as_secs();
    assert!(notices <= seconds + 1, "{notices} notices before the last, in {seconds} s");
}

// --- capacity

#[test]
fn nobody_has_more_chats_than_max_chats() {
    let desk = Desk::with(&["--max-chats", "2"]);
    let mut sam = desk.staff("sam").online();
    assert_eq!(int(&sam.welcome, "max_chats"), 2);
    let mut users: Vec<User> = ["ann", "bob", "cat"].iter().map(|name| desk.user(name)).collect();
    let tickets: Vec<String> = users.iter_mut().map(|user| user.create("hello")).collect();
    sam.pick(&tickets[0]);
    sam.pick(&tickets[1]);
    sam.ask_for(&tickets[2]);
    assert_eq!(sam.refused("at_capacity")["ticket_id"], tickets[2].as_str());
    users[2].nothing_of(&["staff_joined"]);
    // Release, close by the user, and going offline each free capacity.
    sam.release(&tickets[0]);
    sam.pick(&tickets[2]);
    users[1].close_ticket();
    users[1].expect("ticket_closed");
    sam.pick(&tickets[0]);
    sam.go_offline();
    sam.go_online();
    sam.pick(&tickets[0]);
    sam.pick(&tickets[2]);
}

// --- assignment by the server

/// The staff member to whom this user's ticket was just assigned.
fn assigned_to(user: &mut User) -> String {
    text(&user.expect("staff_joined"), "staff_id")
}

/// A desk that assigns tickets in this way, its online staff, and the first two users with their tickets, which went to
/// different staff members.
struct Assigned {
    desk: Desk,
    staff: BTreeMap<String, Staff>,
    /// The users' tickets, and the staff members who have them.
    tickets: [String; 2],
    owners: [String; 2],
    _users: [User; 2],
}

fn two_assigned(how: &str) -> Assigned {
    let desk = Desk::with(&["--assign", how]);
    let mut staff = BTreeMap::new();
    for name in ["kim", "sam"] {
        staff.insert(name.to_owned(), desk.staff(name).online());
        assert_eq!(staff[name].welcome["assign"], how);
    }
    let [(mut ann, first), (mut bob, second)] = ["ann", "bob"].map(|name| user_with_ticket(&desk, name));
    let owners = [assigned_to(&mut ann), assigned_to(&mut bob)];
    assert_ne!(owners[0], owners[1]);
    Assigned { desk, staff, tickets: [first, second], owners, _users: [ann, bob] }
}

fn user_with_ticket(desk: &Desk, name: &str) -> (User, String) {
    let mut user = desk.user(name);
    let ticket = user.open("hello");
    (user, ticket)
}

#[test]
fn round_robin_takes_turns_even_if_the_next_is_busier() {
    let Assigned { desk, mut staff, tickets: [first, _], owners: [one, other], _users } =
        two_assigned("round-robin");
    let picked = staff.get_mut(&one).unwrap().expect("ticket_picked");
    assert_eq!(
        (&picked["auto"], &picked["ticket_id"], &picked["from_staff"]),
        (&json!(true), &json!(first), &json!(null))
    );
    let (mut cat, third) = user_with_ticket(&desk, "cat");
    assert_eq!(assigned_to(&mut cat), one);
    // The first is idle again, and it is still the other's turn.
    for ticket in [first, third] {
        staff.get_mut(&one).unwrap().close_ticket(&ticket);
        staff.get_mut(&one).unwrap().expect("ticket_closed");
    }
    let (mut dan, _) = user_with_ticket(&desk, "dan");
    assert_eq!(assigned_to(&mut dan), other);
}

#[test]
fn least_busy_assigns_to_the_one_with_the_fewest_chats() {
    let Assigned { desk, mut staff, tickets: [first, second], owners: [one, _], _users } =
        two_assigned("least-busy");
    let (mut cat, third) = user_with_ticket(&desk, "cat");
    // Between equals either is right. The one with two chats closes both, and is least busy from then on.
    let two = assigned_to(&mut cat);
    let own = if two == one { first } else { second };
    for ticket in [own, third] {
        staff.get_mut(&two).unwrap().close_ticket(&ticket);
        staff.get_mut(&two).unwrap().expect("ticket_closed");
    }
    // Round robin would assign to the other.
    let (mut dan, _) = user_with_ticket(&desk, "dan");
    assert_eq!(assigned_to(&mut dan), two);
}

#[test]
fn staff_who_come_online_are_assigned_the_oldest_tickets_up_to_the_limit() {
    let desk = Desk::with(&["--assign", "least-busy", "--max-chats", "2"]);
    let mut sam = desk.staff("sam");
    let (mut ann, anns) = user_with_ticket(&desk, "ann");
    let (mut bob, bobs) = user_with_ticket(&desk, "bob");
    let (mut cat, cats) = user_with_ticket(&desk, "cat");
    // Connected is not online: nothing is assigned to offline staff.
    ann.nothing_of(&["staff_joined"]);
    sam.nothing_of(&["ticket_picked"]);
    sam.go_online();
    for ticket in [&anns, &bobs] {
        let picked = sam.expect("ticket_picked");
        assert_eq!((&picked["ticket_id"], &picked["auto"]), (&json!(ticket), &json!(true)));
    }
    assert_eq!((assigned_to(&mut ann), assigned_to(&mut bob)), ("sam".to_owned(), "sam".to_owned()));
    sam.nothing_of(&["ticket_picked"]);
    cat.nothing_of(&["staff_joined"]);
    // Capacity again: the next in the queue is assigned.
    bob.close_ticket();
    assert_eq!(sam.expect("ticket_picked")["ticket_id"], cats.as_str());
    assert_eq!(assigned_to(&mut cat), "sam");
}

#[test]
fn a_ticket_whose_staff_disconnects_is_assigned_to_another_with_capacity() {
    let desk = Desk::with(&["--assign", "round-robin"]);
    let sam = desk.staff("sam").online();
    let (mut ann, ticket) = user_with_ticket(&desk, "ann");
    assert_eq!(assigned_to(&mut ann), "sam");
    ann.say(1, "said to sam");
    ann.expect("ack");
    let mut kim = desk.staff("kim").online();
    sam.cut();
    assert_eq!(ann.expect("staff_offline")["staff_id"], "sam");
    assert_eq!(assigned_to(&mut ann), "kim");
    let picked = kim.expect("ticket_picked");
    assert_eq!((&picked["ticket_id"], &picked["auto"]), (&json!(ticket), &json!(true)));
    assert_eq!(kim.expect("message")["text"], "said to sam");
    // If nobody is online it waits for the next to come online, and is never assigned to offline staff.
    kim.go_offline();
    assert_eq!(ann.expect("staff_offline")["staff_id"], "kim");
    ann.nothing_of(&["staff_joined"]);
    let mut lee = desk.staff("lee").online();
    assert_eq!(lee.expect("ticket_picked")["ticket_id"], ticket.as_str());
    assert_eq!(assigned_to(&mut ann), "lee");
}

#[test]
fn the_oldest_ticket_is_assigned_first_even_if_it_was_released_last() {
    let desk = Desk::with(&["--assign", "least-busy", "--max-chats", "1"]);
    let mut sam = desk.staff("sam").online();
    let (_ann, anns) = user_with_ticket(&desk, "ann");
    sam.expect("ticket_picked");
    let (_bob, bobs) = user_with_ticket(&desk, "bob");
    sam.go_offline();
    sam.sees(&anns, "paused");
    let mut kim = desk.staff("kim").online();
    assert_eq!(kim.expect("ticket_picked")["ticket_id"], anns.as_str(), "paused, and older than what waits");
    let mut lee = desk.staff("lee").online();
    assert_eq!(lee.expect("ticket_picked")["ticket_id"], bobs.as_str());
}

// --- the board

/// A staff member's list as a page keeps it. Asserts that each change applies to it.
struct Board(BTreeMap<String, Value>);

impl Board {
    fn of(welcome: &Value) -> Self {
        let tickets = welcome["tickets"].as_array().unwrap().iter();
        Self(tickets.map(|ticket| (text(ticket, "ticket_id"), ticket.clone())).collect())
    }

    fn apply(&mut self, message: &Value) {
        let own = || text(&message["ticket"], "ticket_id");
        match message["type"].as_str().unwrap() {
            "ticket_added" => {
                let before = self.0.insert(own(), message["ticket"].clone());
                assert!(before.is_none(), "added twice: {message}");
            }
            "ticket_updated" => {
                let before = self.0.insert(own(), message["ticket"].clone());
                assert!(before.is_some(), "updated before it was sent: {message}");
            }
            "ticket_removed" => {
                let before = self.0.remove(&text(message, "ticket_id"));
                assert!(before.is_some(), "removed before it was sent: {message}");
            }
            _ => {}
        }
    }
}

#[test]
fn a_board_of_300_tickets_comes_200_at_most_at_once_and_then_the_rest_oldest_first() {
    let desk = Desk::with(&["--rate-limit", "0"]);
    let tickets: Vec<String> = (0..300).map(|n| desk.user(&format!("user-{n}")).create("hello")).collect();
    let mut sam = desk.staff("sam");
    let first: Vec<String> =
        sam.welcome["tickets"].as_array().unwrap().iter().map(|t| text(t, "ticket_id")).collect();
    assert!(!first.is_empty() && first.len() <= 200);
    assert_eq!(first, tickets[..first.len()], "the oldest come first");
    assert_eq!(sam.welcome["more"], json!(tickets.len() - first.len()));
    for ticket in &tickets[first.len()..] {
        // Users who have just left may still cause changes of tickets that were sent.
        let added = sam.expect("ticket_added");
        assert_eq!(added["ticket"]["ticket_id"], ticket.as_str());
    }
    sam.nothing_of(&["ticket_added"]);
    // From now on a change costs one small frame.
    let one = desk.user("one-more").create("the 301st");
    let added = sam.expect("ticket_added");
    assert_eq!(added["ticket"]["ticket_id"], one.as_str());
}

#[test]
fn a_board_that_changes_while_it_is_being_sent_is_right_in_the_end() {
    let desk = Desk::with(&["--rate-limit", "0"]);
    // Long subjects: the whole list is more than the credit of a connection.
    let subject = "\u{1F5A8}".repeat(200);
    let mut open: Vec<(User, String)> = (0..400)
        .map(|n| {
            let mut user = desk.user(&format!("user-{n}"));
            let ticket = user.create(&subject);
            (user, ticket)
        })
        .collect();
    let mut sam = desk.staff("sam");
    let mut board = Board::of(&sam.welcome);
    // While sam reads nothing: some of those sent and some of those to come are closed, and others arrive.
    for at in (0..400).step_by(7).rev() {
        let (mut user, _) = open.swap_remove(at);
        user.close_ticket();
        user.expect("ticket_closed");
    }
    for n in 0..20 {
        let mut user = desk.user(&format!("late-{n}"));
        let ticket = user.create(&subject);
        open.push((user, ticket));
    }
    let mut truth: Vec<&String> = open.iter().map(|(_, ticket)| ticket).collect();
    truth.sort();
    let deadline = Instant::now() + PATIENCE;
    while board.0.keys().ne(truth.iter().copied()) {
        assert!(
            Instant::now() < deadline,
            "{} tickets on the board, {} in truth",
            board.0.len(),
            truth.len()
        );
        board.apply(&sam.next());
    }
    for message in sam.drain() {
        board.apply(&message);
    }
    assert!(board.0.keys().eq(truth));
    assert!(board.0.values().all(|ticket| ticket["state"] == "waiting" && ticket["user_online"] == true));
}

#[test]
fn changes_of_a_ticket_that_has_not_been_sent_yet_are_not_sent() {
    let desk = Desk::with(&["--rate-limit", "0"]);
    let mut open: Vec<(User, String)> = (0..320)
        .map(|n| {
            let mut user = desk.user(&format!("user-{n}"));
            let ticket = user.create("hello");
            (user, ticket)
        })
        .collect();
    let mut newcomer = desk.user("newcomer");
    // The head of a staff member arrives first, and in the same turn tickets come and go at both ends of the board.
    let head = upgrade("staff", "sam", Some(TOKEN)).bytes(desk.server.addr);
    let (most, end) = head.split_at(head.len() - 2);
    let mut wire = Wire::connect(desk.server.addr);
    wire.write(most);
    desk.assert_healthy();
    desk.server.in_one_turn(|| {
        wire.write(end);
        for at in [319, 300, 250, 199, 100, 0] {
            open.remove(at).0.close_ticket();
        }
        newcomer.send(&json!({ "type": "create_ticket", "subject": "just now" }));
    });
    assert_eq!(wire.response().status, 101);
    let mut sam = Staff::welcomed(Peer::upgraded(wire, Side::Staff, "sam"));
    let mut board = Board::of(&sam.welcome);
    let newest = text(&newcomer.expect("ticket_created"), "ticket_id");
    let mut truth: Vec<String> = open.iter().map(|(_, ticket)| ticket.clone()).chain([newest]).collect();
    truth.sort();
    let deadline = Instant::now() + PATIENCE;
    while board.0.keys().ne(&truth) {
        assert!(
            Instant::now() < deadline,
            "{} tickets on the board, {} in truth",
            board.0.len(),
            truth.len()
        );
        board.apply(&sam.next());
    }
    for message in sam.drain() {
        board.apply(&message);
    }
    assert!(board.0.keys().eq(&truth));
}
