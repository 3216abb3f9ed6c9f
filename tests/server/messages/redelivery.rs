//! Messages that were accepted but not confirmed are held, and sent again.

use super::{held, send_accepted};
use crate::support::client::of_type;
use crate::support::{Chat, Desk, Peer, Value, int, json};

/// The protocol's limit for a text.
const TEXT_CHARS_MAX: usize = 4000;

/// The next held messages, which may come in several parts.
fn all_held(peer: &mut Peer, count: usize) -> Vec<u64> {
    (0..count).map(|_| int(&peer.expect("message"), "seq")).collect()
}

#[test]
fn what_staff_did_not_confirm_is_sent_again_with_the_next_pick_by_anybody() {
    let desk = Desk::start();
    let Chat { mut alice, mut sam, ticket } = desk.chat();
    send_accepted(&mut alice, 1..=4);
    sam.drain();
    sam.delivered(&ticket, 2);
    alice.expect("delivered");
    sam.cut();
    alice.expect("staff_offline");

    let mut sam = desk.staff("sam").online();
    sam.nothing_of(&["message"]);
    let picked = sam.pick(&ticket);
    assert_eq!((int(&picked, "last_seq"), int(&picked, "delivered_seq")), (4, 0));
    let again = sam.expect("message");
    assert_eq!((int(&again, "seq"), int(&again, "id"), &again["text"]), (3, 3, &json!("text 3")));
    assert_eq!((&again["from"], &again["sender_id"]), (&json!("user"), &json!("alice")));
    assert_eq!(held(&mut sam), [4]);
    sam.delivered(&ticket, 3);
    assert_eq!(int(&alice.expect("delivered"), "seq"), 3);
    sam.go_offline();

    let mut kim = desk.staff("kim").online();
    kim.pick(&ticket);
    assert_eq!(held(&mut kim), [4]);
    kim.release(&ticket);
    alice.expect("staff_left");
    kim.pick(&ticket);
    assert_eq!(held(&mut kim), [4], "released is not delivered");
    kim.delivered(&ticket, 4);
    alice.expect_where("delivered", "the last one", |m| m["seq"] == 4);
    kim.release(&ticket);
    kim.pick(&ticket);
    assert!(held(&mut kim).is_empty(), "delivered is not held");
}

#[test]
fn held_messages_follow_the_pick_and_the_welcome_in_order() {
    let desk = Desk::start();
    let Chat { mut alice, mut sam, ticket } = desk.chat();
    for id in 1..=5 {
        alice.say(id, "to sam");
        sam.say(&ticket, id, "to alice");
    }
    alice.drain();
    sam.drain();
    alice.drain();
    let session = alice.session.clone();
    alice.cut();
    let mut alice = desk.user_again("alice", &session);
    let again = held(&mut alice);
    assert_eq!((again.len(), again.is_sorted()), (5, true), "{again:?}");
    sam.go_offline();
    sam.go_online();
    sam.drain();
    sam.ask_for(&ticket);
    let seen: Vec<Value> = sam.drain().into_iter().filter(|m| m["type"] != "ticket_updated").collect();
    assert_eq!(seen[0]["type"], "ticket_picked", "before what was held");
    assert_eq!(of_type(&seen, "message").len(), 5);
}

#[test]
fn what_the_user_did_not_confirm_is_sent_again_after_the_welcome() {
    let desk = Desk::start();
    let Chat { mut alice, mut sam, ticket } = desk.chat();
    for id in 1..=3 {
        sam.say(&ticket, id, "read me");
        assert_eq!(int(&sam.expect("ack"), "seq"), id);
    }
    alice.expect_where("message", "the third", |m| m["seq"] == 3);
    alice.delivered(1);
    sam.expect("delivered");
    let session = alice.session.clone();
    alice.cut();
    let mut alice = desk.user_again("alice", &session);
    assert_eq!(alice.next()["seq"], 2, "right after the welcome");
    assert_eq!(alice.next()["seq"], 3);
    // A second page gets them, too, as long as none has confirmed them.
    let mut newer = desk.user_again("alice", &alice.session);
    assert_eq!(held(&mut newer), [2, 3]);
    newer.delivered(3);
    assert_eq!(int(&sam.expect("delivered"), "seq"), 3);
    let session = newer.session.clone();
    newer.leave();
    assert!(held(&mut desk.user_again("alice", &session)).is_empty());
}

#[test]
fn what_was_held_for_a_user_whose_ticket_ended_is_sent_once_after_the_welcome() {
    let desk = Desk::start();
    let Chat { alice, mut sam, ticket } = desk.chat();
    sam.say(&ticket, 1, "it is on its way");
    sam.say(&ticket, 2, "goodbye");
    sam.expect("ack");
    sam.expect("ack");
    let session = alice.session.clone();
    alice.cut();
    sam.expect_where("ticket_updated", "alice going", |m| m["ticket"]["user_online"] == false);
    sam.close_ticket(&ticket);
    sam.expect("ticket_closed");
    let mut alice = desk.user_again("alice", &session);
    assert_eq!(alice.welcome["ended"]["ticket_id"], ticket.as_str());
    for (seq, said) in [(1, "it is on its way"), (2, "goodbye")] {
        let again = alice.next();
        assert_eq!(
            (&again["ticket_id"], int(&again, "seq"), &again["text"]),
            (&json!(ticket), seq, &json!(said))
        );
    }
    let mut newer = desk.user_again("alice", &alice.session);
    assert_eq!(newer.welcome["ended"], json!(null));
    newer.nothing_of(&["message"]);
}

#[test]
fn what_was_accepted_is_held_and_beyond_200_messages_nothing_is_accepted() {
    let desk = Desk::with(&["--rate-limit", "0"]);
    let Chat { mut alice, mut sam, ticket } = desk.chat();
    send_accepted(&mut alice, 1..=200);
    alice.say(201, "one too many");
    let refusal = alice.refused("unread_limit");
    assert_eq!(refusal["id"], 201);
    // The other side has its own limit.
    sam.say(&ticket, 1, "mine");
    sam.expect("ack");
    sam.go_offline();
    sam.go_online();
    sam.drain();
    sam.pick(&ticket);
    assert_eq!(all_held(&mut sam, 200), (1..=200).collect::<Vec<u64>>());
    sam.delivered(&ticket, 1);
    alice.expect("delivered");
    alice.say(201, "now there is a place for one");
    alice.expect("ack");
    alice.say(202, "and no more");
    alice.refused("unread_limit");
    let session = alice.session.clone();
    alice.leave();
    assert_eq!(held(&mut desk.user_again("alice", &session)), [201]);
}

#[test]
fn what_was_accepted_is_held_and_beyond_64_kib_nothing_is_accepted() {
    let desk = Desk::start();
    let Chat { mut alice, mut sam, ticket } = desk.chat();
    // Four bytes a character, the longest that a text can be.
    let text = "\u{1F5A8}".repeat(TEXT_CHARS_MAX);
    for id in 1..=4 {
        alice.say(id, &text);
        alice.expect("ack");
    }
    alice.say(5, &text);
    alice.refused("unread_limit");
    sam.go_offline();
    sam.go_online();
    sam.drain();
    sam.pick(&ticket);
    assert_eq!(all_held(&mut sam, 4), [1, 2, 3, 4]);
    sam.delivered(&ticket, 4);
    alice.expect("delivered");
    alice.say(5, &text);
    alice.expect("ack");
}
