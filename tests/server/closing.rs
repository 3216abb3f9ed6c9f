//! How tickets end, and what a welcome says about open tickets and about the one that ended.

use std::time::Duration;

use socket2::SockRef;

use crate::support::{Chat, Desk, User, Value, int, json, text};

#[test]
fn a_user_can_close_a_waiting_ticket_and_open_another() {
    let desk = Desk::start();
    let mut sam = desk.staff("sam").online();
    let mut alice = desk.user("alice");
    let first = alice.create("first");
    sam.expect("ticket_added");
    alice.close_ticket();
    let closed = alice.next();
    assert_eq!((&closed["type"], &closed["by"]), (&json!("ticket_closed"), &json!("user")));
    assert_eq!(closed["ticket_id"], first.as_str());
    assert_eq!(sam.next(), json!({ "type": "ticket_removed", "ticket_id": first }));
    alice.close_ticket();
    alice.refused("no_ticket");
    let second = alice.create("second");
    assert_ne!(first, second);
    sam.pick(&second);
    sam.ask_for(&first);
    sam.refused("no_ticket");
}

#[test]
fn the_end_of_an_active_ticket_by_its_user_is_sent_to_its_staff_and_the_list() {
    let desk = Desk::start();
    let Chat { mut alice, mut sam, ticket } = desk.chat();
    let mut kim = desk.staff("kim").online();
    alice.close_ticket();
    assert_eq!(alice.expect("ticket_closed")["by"], "user");
    let closed = sam.expect("ticket_closed");
    assert_eq!((&closed["ticket_id"], &closed["by"]), (&json!(ticket), &json!("user")));
    for staff in [&mut sam, &mut kim] {
        assert_eq!(staff.expect("ticket_removed")["ticket_id"], ticket.as_str());
    }
    kim.nothing_of(&["ticket_closed"]);
    sam.say(&ticket, 1, "bye");
    sam.refused("no_ticket");
    alice.say(1, "bye");
    alice.refused("no_ticket");
    alice.nothing_more();
}

#[test]
fn the_end_of_a_ticket_by_its_staff_is_sent_to_its_user_and_the_list() {
    let desk = Desk::start();
    let Chat { mut alice, mut sam, ticket } = desk.chat();
    let mut kim = desk.staff("kim");
    sam.close_ticket(&ticket);
    for end in [&mut *sam, &mut *alice] {
        let closed = end.expect("ticket_closed");
        assert_eq!((&closed["ticket_id"], &closed["by"]), (&json!(ticket), &json!("staff")));
    }
    for staff in [&mut sam, &mut kim] {
        assert_eq!(staff.expect("ticket_removed")["ticket_id"], ticket.as_str());
    }
    kim.nothing_of(&["ticket_closed"]);
    // A new ticket counts from 1.
    let next = alice.create("and another thing");
    sam.pick(&next);
    alice.say(1, "from one");
    assert_eq!((int(&alice.expect("ack"), "seq"), int(&sam.expect("message"), "seq")), (1, 1));
}

#[test]
fn a_ticket_closes_when_its_user_stays_away_for_the_grace_time() {
    let desk = Desk::with(&["--user-grace", "1"]);
    let Chat { alice, mut sam, ticket } = desk.chat();
    let mut kim = desk.staff("kim");
    let bobs = desk.user("bob").create("waits, and bob is gone at once");
    let session = alice.session.clone();
    alice.leave();
    let away = |m: &Value| m["ticket"]["ticket_id"] == ticket.as_str() && m["ticket"]["user_online"] == false;
    assert_eq!(sam.expect_where("ticket_updated", "alice leaving", away)["ticket"]["state"], "active");
    let closed = sam.expect("ticket_closed");
    assert_eq!((&closed["ticket_id"], &closed["by"]), (&json!(ticket), &json!("timeout")));
    for id in [&ticket, &bobs] {
        kim.expect_where("ticket_removed", "both tickets going", |m| m["ticket_id"] == id.as_str());
    }
    // Whether still known or new, the user has no ticket.
    let alice = desk.user_again("alice", &session);
    assert_eq!(alice.welcome["ticket"], json!(null));
}

#[test]
fn a_user_who_comes_back_in_time_keeps_the_ticket() {
    let desk = Desk::with(&["--user-grace", "1"]);
    let Chat { alice, mut sam, ticket } = desk.chat();
    let session = alice.session.clone();
    alice.cut();
    let seen = |online: bool| move |m: &Value| m["ticket"]["user_online"] == online;
    sam.expect_where("ticket_updated", "alice going", seen(false));
    let mut alice = desk.user_again("alice", &session);
    sam.expect_where("ticket_updated", "alice coming", seen(true));
    // Well beyond the grace time.
    alice.listen(Duration::from_millis(1600));
    sam.nothing_of(&["ticket_closed", "ticket_removed"]);
    alice.say(1, "still here");
    assert_eq!(sam.expect("message")["ticket_id"], ticket.as_str());
}

// --- what a welcome says

#[test]
fn a_welcome_has_the_users_ticket_in_each_state() {
    let desk = Desk::start();
    let mut sam = desk.staff("sam").online();
    let mut alice = desk.user("alice");
    assert_eq!((&alice.welcome["ticket"], &alice.welcome["ended"]), (&json!(null), &json!(null)));
    assert_eq!(alice.welcome["desk_online"], true);
    alice.send(&json!({ "type": "create_ticket", "subject": "the printer" }));
    let created = alice.expect("ticket_created");
    let ticket = text(&created, "ticket_id");
    let stands = |alice: User,
                  state: &str,
                  staff: Value,
                  last_seq: u64,
                  last_id: u64,
                  delivered_seq: u64|
     -> User {
        let session = alice.session.clone();
        alice.leave();
        let alice = desk.user_again("alice", &session);
        let expected = json!({
            "ticket_id": ticket, "subject": "the printer", "state": state, "staff_id": staff, "staff_name": null,
            "created_at": created["at"], "last_seq": last_seq, "last_id": last_id, "delivered_seq": delivered_seq,
        });
        assert_eq!((&alice.welcome["ticket"], &alice.welcome["resumed"]), (&expected, &json!(true)));
        alice
    };
    let mut alice = stands(alice, "waiting", json!(null), 0, 0, 0);
    // The place in the queue is sent again.
    assert_eq!(int(&alice.expect("queue"), "position"), 1);
    sam.pick(&ticket);
    alice.expect("staff_joined");
    alice.say(4, "hello");
    alice.expect("ack");
    let mut alice = stands(alice, "active", json!("sam"), 1, 4, 0);
    sam.delivered(&ticket, 1);
    alice.expect("delivered");
    sam.say(&ticket, 1, "hello");
    alice.expect("message");
    alice.delivered(2);
    sam.expect("delivered");
    let mut alice = stands(alice, "active", json!("sam"), 2, 4, 1);
    sam.go_offline();
    alice.expect("staff_offline");
    let alice = stands(alice, "paused", json!("sam"), 2, 4, 1);
    sam.go_online();
    let mut alice = stands(alice, "paused", json!("sam"), 2, 4, 1);
    assert_eq!(alice.expect("staff_online")["staff_id"], "sam", "paused, and its staff is there again");
    sam.pick(&ticket);
    assert_eq!(alice.expect("staff_reconnected")["staff_id"], "sam");
}

#[test]
fn a_ticket_that_ended_in_the_users_absence_is_sent_once() {
    let desk = Desk::start();
    let Chat { alice, mut sam, ticket } = desk.chat();
    let session = alice.session.clone();
    alice.leave();
    sam.close_ticket(&ticket);
    let removed = sam.expect("ticket_closed");
    let alice = desk.user_again("alice", &session);
    assert_eq!(alice.welcome["resumed"], true);
    assert_eq!(alice.welcome["ticket"], json!(null));
    assert_eq!(alice.welcome["ended"], json!({ "ticket_id": ticket, "by": "staff", "at": removed["at"] }));
    // A second tab replaces this one, and is not sent it again.
    let again = desk.user_again("alice", &alice.session);
    assert_eq!(again.welcome["ended"], json!(null));
}

#[test]
fn a_ticket_that_timed_out_is_closed_by_timeout() {
    let desk = Desk::with(&["--user-grace", "2"]);
    let Chat { alice, mut sam, ticket } = desk.chat();
    let session = alice.session.clone();
    alice.fin();
    sam.expect("ticket_closed");
    let alice = desk.user_again("alice", &session);
    assert_eq!(
        (&alice.welcome["ended"]["ticket_id"], &alice.welcome["ended"]["by"]),
        (&json!(ticket), &json!("timeout"))
    );
}

#[test]
fn a_welcome_shows_staff_the_open_tickets_oldest_first() {
    let desk = Desk::with(&["--max-chats", "7"]);
    let mut sam = desk.staff("sam").online();
    assert_eq!((&sam.welcome["tickets"], &sam.welcome["more"]), (&json!([]), &json!(0)));
    assert_eq!((int(&sam.welcome, "max_chats"), &sam.welcome["assign"]), (7, &json!("manual")));
    let mut users: Vec<User> = ["ann", "bob", "cat", "dan"].iter().map(|name| desk.user(name)).collect();
    let tickets: Vec<String> = users.iter_mut().map(|user| user.create("hello")).collect();
    let mut kim = desk.staff("kim").online();
    kim.pick(&tickets[1]);
    kim.leave();
    sam.sees(&tickets[1], "paused");
    sam.pick(&tickets[2]);
    users.pop().expect("four of them").leave();
    sam.sees_where("dan going", |m| m["ticket"]["user_online"] == false);
    let lee = desk.staff("lee");
    let seen: Vec<_> = lee.welcome["tickets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|ticket| {
            (
                text(ticket, "ticket_id"),
                text(ticket, "user_id"),
                text(ticket, "state"),
                ticket["staff_id"].clone(),
                ticket["user_online"].clone(),
            )
        })
        .collect();
    let entry = |at: usize, user: &str, state: &str, staff: Value, online: bool| {
        (tickets[at].clone(), user.to_owned(), state.to_owned(), staff, json!(online))
    };
    let expected = [
        entry(0, "ann", "waiting", json!(null), true),
        entry(1, "bob", "paused", json!("kim"), true),
        entry(2, "cat", "active", json!("sam"), true),
        entry(3, "dan", "waiting", json!(null), false),
    ];
    assert_eq!(seen, expected);
}

/// What is read first counts first. The end of the user's connection is read in the same turn as the staff's frames,
/// and before them.
#[test]
fn a_message_and_a_close_read_right_after_the_users_end_find_the_user_gone() {
    for is_reset in [false, true] {
        let desk = Desk::start();
        let Chat { mut alice, mut sam, ticket } = desk.chat();
        let session = alice.session.clone();
        sam.say(&ticket, 1, "are you there?");
        sam.expect("ack");
        alice.expect("message"); // and does not confirm it
        desk.server.in_one_turn(|| {
            let wire = alice.into_wire();
            if is_reset {
                SockRef::from(wire.stream()).set_linger(Some(Duration::ZERO)).expect("an open socket");
            } // and else a FIN, since there is nothing unread
            drop(wire);
            sam.send_all(&[
                json!({ "type": "message", "ticket_id": ticket, "id": 2, "text": "no?" }),
                json!({ "type": "close_ticket", "ticket_id": ticket }),
            ]);
        });
        assert_eq!(sam.refused("user_offline")["id"], 2);
        let closed = sam.expect("ticket_closed");
        let mut alice = desk.user_again("alice", &session);
        assert_eq!(alice.welcome["ended"], json!({ "ticket_id": ticket, "by": "staff", "at": closed["at"] }));
        let held = alice.next();
        assert_eq!((&held["type"], &held["id"]), (&json!("message"), &json!(1)));
        alice.nothing_more();
    }
}
