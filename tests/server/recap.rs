//! Recaps: the user's page sends the chat so far to the staff member who has just picked the ticket.

use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::support::client::of_type;
use crate::support::{Chat, Desk, Value, json};

/// When all lines were written, in milliseconds since 1970: read once, so that a line that is built twice is the same.
static WRITTEN_AT: LazyLock<u64> = LazyLock::new(|| {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    u64::try_from(now).unwrap()
});

fn line(from: &str, name: Option<&str>, text: &str) -> Value {
    json!({ "from": from, "name": name, "text": text, "at": *WRITTEN_AT })
}

fn a_short_story() -> Value {
    json!([line("user", Some("Ann \"A\" Müller"), "it burns\n"), line("staff", None, "what \u{1F525} does?")])
}

#[test]
fn a_staff_member_who_has_picked_a_chat_is_sent_what_the_users_page_has_of_it_once() {
    let desk = Desk::start();
    let Chat { mut alice, mut sam, ticket } = desk.chat();
    let mut kim = desk.staff("kim").online();
    alice.recap(&a_short_story());
    let recap = sam.expect("recap");
    assert_eq!((&recap["ticket_id"], &recap["lines"]), (&json!(ticket), &a_short_story()));
    alice.recap(&a_short_story());
    alice.refused("rate_limited");
    sam.nothing_of(&["recap"]);

    // Each pick has its own: after a transfer, after a release, and when the same one is back.
    sam.transfer(&ticket, "kim", "please");
    kim.expect("ticket_picked");
    alice.recap(&a_short_story());
    assert_eq!(kim.expect("recap")["lines"], a_short_story());
    kim.release(&ticket);
    alice.expect("staff_left");
    sam.pick(&ticket);
    alice.recap(&json!([line("user", None, "and again")]));
    assert_eq!(sam.expect("recap")["lines"][0]["text"], "and again");
    sam.go_offline();
    sam.go_online();
    sam.pick(&ticket);
    alice.recap(&a_short_story());
    sam.expect("recap");
    kim.nothing_of(&["recap"]);
    alice.nothing_of(&["error"]);
}

#[test]
fn a_recap_is_not_kept_for_staff_who_pick_later() {
    let desk = Desk::start();
    let mut sam = desk.staff("sam").online();
    let mut alice = desk.user("alice");
    alice.recap(&a_short_story());
    alice.refused("no_ticket");
    let ticket = alice.create("the printer");
    alice.recap(&a_short_story());
    alice.refused("staff_offline");
    sam.pick(&ticket);
    alice.expect("staff_joined");
    sam.nothing_of(&["recap"]);
    sam.go_offline();
    alice.expect("staff_offline");
    alice.recap(&a_short_story());
    alice.refused("staff_offline");
    sam.go_online();
    sam.pick(&ticket);
    sam.nothing_of(&["recap"]);
    alice.close_ticket();
    alice.expect("ticket_closed");
    alice.recap(&a_short_story());
    alice.refused("no_ticket");
}

#[test]
fn a_bad_recap_is_refused_with_its_id_and_the_next_one_counts() {
    let desk = Desk::start();
    let Chat { mut alice, mut sam, .. } = desk.chat();
    let many = vec![line("user", None, "x"); 101];
    for (lines, code) in [
        (json!([]), "bad_message"),
        (json!(null), "bad_message"),
        (json!({}), "bad_message"),
        (json!(["hello"]), "bad_message"),
        (json!([line("mallory", None, "x")]), "bad_message"),
        (json!([line("user", Some(""), "x")]), "bad_message"),
        (json!([line("user", Some("a\u{202E}b"), "x")]), "bad_message"),
        (json!([line("user", None, "")]), "bad_message"),
        (json!([line("user", None, &"x".repeat(4001))]), "too_long"),
        (json!([line("user", Some(&"x".repeat(65)), "x")]), "too_long"),
        (json!(many), "too_long"),
    ] {
        alice.send(&json!({ "type": "recap", "id": 7, "lines": lines }));
        assert_eq!(alice.refused(code)["id"], 7, "{lines}");
    }
    alice.send(&json!({ "type": "recap", "id": 8 }));
    assert_eq!(alice.refused("bad_message")["id"], 8);
    sam.nothing_of(&["recap"]);
    alice.recap(&json!(many[..100]));
    assert_eq!(sam.expect("recap")["lines"].as_array().map(Vec::len), Some(100));
    let sent = alice.drain();
    assert!(of_type(&sent, "error").is_empty(), "{sent:?}");
    // Staff cannot send a recap.
    sam.send(&json!({ "type": "recap", "lines": a_short_story() }));
    sam.refused("bad_message");
}
