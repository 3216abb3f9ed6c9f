//! Tickets that are released, or transferred to another staff member.

use crate::support::{Chat, Desk, Value, int, json};

// --- release_ticket

#[test]
fn a_released_ticket_waits_again_at_its_old_place() {
    let desk = Desk::start();
    let Chat { mut alice, mut sam, ticket } = desk.chat();
    let mut kim = desk.staff("kim");
    let mut bob = desk.user("bob");
    bob.send(&json!({ "type": "create_ticket", "subject": "came later" }));
    assert_eq!(int(&bob.expect("queue"), "position"), 1);
    sam.release(&ticket);
    let left = alice.next();
    assert_eq!((&left["type"], &left["staff_id"]), (&json!("staff_left"), &json!("sam")));
    let first = alice.expect_where("queue", "the old place", |m| m["position"] == 1);
    assert_eq!(int(&first, "waiting"), 2);
    bob.expect_where("queue", "bob moving back", |m| m["position"] == 2 && m["waiting"] == 2);
    for staff in [&mut sam, &mut kim] {
        assert_eq!(staff.sees(&ticket, "waiting")["staff_id"], json!(null));
    }
    // The chat is locked on both sides.
    alice.say(1, "hello?");
    assert_eq!(alice.refused("staff_offline")["id"], 1);
    sam.say(&ticket, 1, "hello?");
    sam.refused("not_yours");
    // It can be picked again, by the same staff member, too.
    sam.pick(&ticket);
    let again = alice.expect_where("staff_joined", "sam again", |m| m["staff_id"] == "sam");
    assert_eq!(again["ticket_id"], ticket.as_str());
}

#[test]
fn only_the_owner_of_a_ticket_can_release_close_or_transfer_it() {
    let desk = Desk::start();
    let Chat { mut alice, mut sam, ticket } = desk.chat();
    let mut kim = desk.staff("kim").online();
    let mut bob = desk.user("bob");
    let waiting = bob.create("waits");
    for id in [&ticket, &waiting] {
        kim.release(id);
        assert_eq!(kim.refused("not_yours")["ticket_id"], id.as_str());
        kim.close_ticket(id);
        assert_eq!(kim.refused("not_yours")["ticket_id"], id.as_str());
        kim.transfer(id, "sam", "");
        assert_eq!(kim.refused("not_yours")["ticket_id"], id.as_str());
    }
    for user in [&mut alice, &mut bob] {
        user.nothing_of(&["staff_left", "ticket_closed", "staff_joined"]);
    }
    sam.nothing_of(&["ticket_closed", "ticket_removed", "ticket_updated"]);
}

// --- transfer_ticket

#[test]
fn a_transferred_ticket_belongs_to_the_other_one_who_gets_the_note() {
    let desk = Desk::start();
    let Chat { mut alice, mut sam, ticket } = desk.chat();
    let mut kim = desk.staff("kim").online();
    let mut lee = desk.staff("lee");
    alice.say(1, "before");
    sam.expect("message");
    sam.say(&ticket, 7, "I shall ask Kim");
    alice.expect("message");
    alice.expect("ack");
    sam.transfer(&ticket, "kim", "knows printers");
    let picked = kim.expect("ticket_picked");
    let expected = json!({
        "type": "ticket_picked", "ticket_id": ticket, "user_id": "alice", "user_name": null, "subject": "the printer",
        "page": null, "last_seq": 2,
        "last_id": 7, "delivered_seq": 0, "at": picked["at"], "auto": false, "from_staff": "sam", "note": "knows printers",
    });
    assert_eq!(picked, expected);
    // Kim gets the messages that sam did not confirm, but not those that sam sent.
    let held = kim.expect("message");
    assert_eq!((int(&held, "seq"), &held["text"]), (1, &json!("before")));
    let joined = alice.expect("staff_joined");
    assert_eq!((&joined["staff_id"], &joined["ticket_id"]), (&json!("kim"), &json!(ticket)));
    for staff in [&mut sam, &mut lee] {
        let wanted = |m: &Value| m["ticket"]["staff_id"] == "kim";
        let updated = staff.expect_where("ticket_updated", "the new owner", wanted);
        assert_eq!(updated["ticket"]["state"], "active");
    }
    sam.say(&ticket, 8, "one more thing");
    sam.refused("not_yours");
    kim.say(&ticket, 8, "hello, I am Kim");
    assert_eq!(alice.expect("message")["sender_id"], "kim");
    kim.nothing_of(&["message"]);
    alice.nothing_of(&["staff_left", "staff_offline"]);
}

#[test]
fn a_transfer_without_a_note_is_a_transfer() {
    let desk = Desk::start();
    let Chat { mut sam, ticket, .. } = desk.chat();
    let mut kim = desk.staff("kim").online();
    sam.send(&json!({ "type": "transfer_ticket", "ticket_id": ticket, "to": "kim" }));
    let picked = kim.expect("ticket_picked");
    assert_eq!(picked["from_staff"], "sam");
    assert!(picked["note"].is_null() || picked["note"] == "", "{picked}");
    kim.transfer(&ticket, "sam", &"\u{1F5A8}".repeat(500));
    assert_eq!(sam.expect("ticket_picked")["note"], "\u{1F5A8}".repeat(500));
}

#[test]
fn a_transfer_needs_someone_online_with_capacity() {
    let desk = Desk::with(&["--max-chats", "1"]);
    let Chat { mut alice, mut sam, ticket } = desk.chat();
    let mut kim = desk.staff("kim").online();
    let _lee = desk.staff("lee");
    let other = desk.user("bob").create("another");
    kim.pick(&other);
    desk.staff("gone").online().leave();
    let note = "x".repeat(501);
    let cases = [
        ("nobody", "", "unknown_staff"),
        ("gone", "", "unknown_staff"),
        ("alice", "", "unknown_staff"),
        ("not an id", "", "unknown_staff"),
        ("sam", "", "unknown_staff"),
        ("lee", "", "staff_offline"),
        ("kim", "", "at_capacity"),
        ("kim", note.as_str(), "too_long"),
    ];
    for (to, note, code) in cases {
        sam.transfer(&ticket, to, note);
        assert_eq!(sam.refused(code)["ticket_id"], ticket.as_str(), "to {to}");
    }
    kim.nothing_of(&["error"]);
    alice.nothing_more();
    alice.say(1, "still with sam");
    sam.expect("message");
}
