//! Receipts and typing notices.

use super::send_accepted;
use crate::support::client::of_type;
use crate::support::{Chat, Desk, int, json};

// --- delivered

#[test]
fn a_receipt_sent_while_the_other_side_is_offline_is_not_lost() {
    let desk = Desk::start();
    let Chat { mut alice, mut sam, ticket } = desk.chat();
    sam.say(&ticket, 1, "read this");
    sam.expect("ack");
    alice.expect("message");
    sam.go_offline();
    alice.expect("staff_offline");
    alice.delivered(1);
    alice.nothing_of(&["error"]);
    sam.go_online();
    assert_eq!(int(&sam.pick(&ticket), "delivered_seq"), 1);
}

#[test]
fn a_receipt_for_what_was_never_sent_is_ignored() {
    let desk = Desk::start();
    let Chat { mut alice, mut sam, ticket } = desk.chat();
    send_accepted(&mut alice, 1..=1);
    sam.expect("message");
    sam.delivered(&ticket, 2);
    sam.delivered(&ticket, u64::MAX);
    sam.nothing_more();
    alice.nothing_more();
    alice.delivered(1 << 40);
    alice.nothing_more();
    sam.nothing_more();
    send_accepted(&mut alice, 2..=2);
    sam.delivered(&ticket, 1);
    assert_eq!(int(&alice.expect("delivered"), "seq"), 1, "the second one is not taken as read");
}

#[test]
fn receipts_never_go_back() {
    let desk = Desk::start();
    let Chat { mut alice, mut sam, ticket } = desk.chat();
    send_accepted(&mut alice, 1..=3);
    sam.delivered(&ticket, 3);
    alice.expect("delivered");
    sam.delivered(&ticket, 1);
    sam.drain();
    let later = of_type(&alice.drain(), "delivered");
    assert!(later.iter().all(|m| m["seq"] == 3), "what was on screen stays on screen: {later:?}");
    let session = alice.session.clone();
    alice.leave();
    assert_eq!(desk.user_again("alice", &session).welcome["ticket"]["delivered_seq"], 3);
}

// --- typing

#[test]
fn typing_is_shown_to_the_other_side_each_time_and_ends() {
    let desk = Desk::start();
    let Chat { mut alice, mut sam, ticket } = desk.chat();
    for active in [true, true, false] {
        alice.typing(active);
        assert_eq!(sam.next(), json!({ "type": "typing", "ticket_id": ticket, "active": active }));
        sam.typing(&ticket, active);
        assert_eq!(alice.next(), json!({ "type": "typing", "ticket_id": ticket, "active": active }));
    }
    alice.nothing_more();
    sam.nothing_more();
}

#[test]
fn typing_in_a_locked_chat_is_shown_to_nobody() {
    let desk = Desk::start();
    let Chat { mut alice, mut sam, ticket } = desk.chat();
    sam.go_offline();
    alice.expect("staff_offline");
    alice.typing(true);
    alice.nothing_of(&["error"]);
    sam.nothing_of(&["typing"]);
    sam.go_online();
    sam.pick(&ticket);
    sam.nothing_of(&["typing"]);
}
