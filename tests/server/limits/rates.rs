//! Rate limits: frames and bytes of a connection, tickets of a connection and of an address.

use std::time::{Duration, Instant};

use super::{ADDRESS, OTHER_ADDRESS, forwarded_user};
use crate::support::client::{bare, of_type};
use crate::support::wire::whole;
use crate::support::{Chat, Desk, User, Value, int, json, op};

/// The frames that fit into the token bucket, which refills with 50 a second.
pub(crate) const BURST_FRAMES: usize = 100;

// --- frames

#[test]
fn frames_over_the_rate_are_refused_with_their_id_and_not_acted_on() {
    let desk = Desk::start();
    let Chat { mut alice, mut sam, ticket } = desk.chat();
    let burst = |from: u64| -> Vec<Value> {
        (from..from + 130).map(|id| json!({ "type": "message", "id": id, "text": "x" })).collect()
    };
    alice.send_all(&burst(1));
    let seen = alice.drain();
    let accepted = of_type(&seen, "ack");
    let refused = of_type(&seen, "error");
    assert_eq!(accepted.len() + refused.len(), 130, "each is answered");
    assert!(
        accepted.len() >= BURST_FRAMES - 5,
        "only {} of a burst of {BURST_FRAMES} were let through",
        accepted.len()
    );
    assert!(!refused.is_empty());
    for error in &refused {
        assert_eq!(error["code"], "rate_limited");
        assert!(error["id"].is_u64(), "which one was it? {error}");
    }
    // No refused message was relayed, and the relayed ones have no gap.
    let relayed = of_type(&sam.drain(), "message");
    let ids = |messages: &[Value]| messages.iter().map(|m| int(m, "id")).collect::<Vec<u64>>();
    assert_eq!(ids(&relayed), ids(&accepted));
    let seqs: Vec<u64> = relayed.iter().map(|m| int(m, "seq")).collect();
    assert_eq!(seqs, (1..=relayed.len() as u64).collect::<Vec<u64>>());
    // Refused frames have cost tokens, too. The bucket fills again.
    alice.listen(Duration::from_millis(1200));
    let next = relayed.last().map(|m| int(m, "id")).unwrap() + 1;
    alice.say(next, "slowly now");
    assert_eq!(sam.expect("message")["text"], "slowly now");
    sam.say(&ticket, 1, "and the other side has a bucket of its own");
    alice.expect("message");
}

#[test]
fn a_flood_is_closed_with_1008() {
    let desk = Desk::start();
    let Chat { mut alice, mut sam, .. } = desk.chat();
    let flood: Vec<Value> = (0..1000).map(|_| json!({ "type": "typing", "active": true })).collect();
    alice.send_all(&flood);
    alice.expect_close(1008);
    sam.expect_where("ticket_updated", "alice going", |m| m["ticket"]["user_online"] == false);
    let mut bob = desk.user("bob");
    // An empty message counts as a frame.
    bob.write(&whole(op::TEXT, b"").repeat(1000));
    bob.expect_close(1008);
    desk.assert_healthy();
}

#[test]
fn rate_limit_0_is_no_limit() {
    let desk = Desk::with(&["--rate-limit", "0"]);
    let Chat { mut alice, mut sam, ticket } = desk.chat();
    for first in (1..=1500).step_by(100) {
        let many: Vec<Value> =
            (first..first + 100).map(|id| json!({ "type": "message", "id": id, "text": "x" })).collect();
        alice.send_all(&many);
        assert_eq!(of_type(&alice.drain(), "ack").len(), 100);
        assert_eq!(of_type(&sam.drain(), "message").len(), 100);
        sam.delivered(&ticket, first + 99);
        alice.expect("delivered");
    }
}

// --- bytes and tickets

/// A frame of 16,000 bytes that has no effect.
fn long_message() -> Value {
    json!({ "type": "nothing", "padding": "x".repeat(16_000 - 32) })
}

fn codes(errors: &[Value], code: &str) -> usize {
    errors.iter().filter(|error| error["code"] == code).count()
}

#[test]
fn bytes_over_the_rate_are_refused_with_their_id() {
    let desk = Desk::start();
    let mut alice = desk.user("alice");
    let started = Instant::now();
    alice.send_all(&vec![long_message(); 30]);
    let errors = of_type(&alice.drain(), "error");
    // 256 KiB hold 16 of them, and four are refilled each second.
    let back = 1 + usize::try_from(started.elapsed().as_millis()).unwrap() * 4 / 1000;
    let (read, limited) = (codes(&errors, "bad_message"), codes(&errors, "rate_limited"));
    assert_eq!(read + limited, 30);
    assert!((16..=16 + back).contains(&read), "{read} were read, and {back} could have come back");
    // Refused bytes have cost tokens, too. The bucket fills again.
    alice.listen(Duration::from_millis(4000));
    alice.send(&long_message());
    alice.refused("bad_message");
}

#[test]
fn a_flood_of_bytes_is_closed_with_1008() {
    let desk = Desk::start();
    let mut alice = desk.user("alice");
    alice.send_all(&vec![long_message(); 60]);
    alice.expect_close(1008);
    desk.assert_healthy();
}

#[test]
fn rate_limit_0_is_no_limit_for_bytes_and_tickets_either() {
    let desk = Desk::with(&["--rate-limit", "0"]);
    let mut alice = desk.user("alice");
    alice.send_all(&vec![long_message(); 60]);
    assert_eq!(codes(&of_type(&alice.drain(), "error"), "bad_message"), 60);
    for _ in 0..60 {
        alice.create("again");
        alice.close_ticket();
        alice.expect("ticket_closed");
    }
}

/// Opens and closes tickets until one is refused. Returns how many were opened.
fn tickets_until_refused(user: &mut User) -> u64 {
    for opened in 0..1000 {
        user.send(&json!({ "type": "create_ticket", "subject": "hello" }));
        let answers = user.drain();
        if let Some(error) = of_type(&answers, "error").first() {
            assert_eq!(error["code"], "rate_limited");
            assert!(of_type(&answers, "ticket_created").is_empty());
            return opened;
        }
        user.send(&bare("close_ticket"));
        user.expect("ticket_closed");
    }
    panic!("never refused");
}

#[test]
fn a_connection_opens_three_tickets_at_once_and_the_next_is_refused() {
    let desk = Desk::start();
    let mut alice = desk.user("alice");
    let started = Instant::now();
    let opened = tickets_until_refused(&mut alice);
    assert!((3..=3 + started.elapsed().as_secs() / 10).contains(&opened), "{opened}");
    #[expect(clippy::cast_precision_loss, reason = "a handful")]
    let counted = desk.metrics().total(&["tickets_opened"]) == opened as f64;
    assert!(counted, "a refused one is no ticket");
    // Another connection has its own.
    assert!(tickets_until_refused(&mut desk.user("bob")) >= 3);
}

#[test]
fn a_ticket_that_is_not_opened_costs_nothing() {
    let desk = Desk::start();
    let mut alice = desk.user("alice");
    alice.create("the first");
    for _ in 0..10 {
        alice.send(&json!({ "type": "create_ticket", "subject": "another" }));
        alice.refused("ticket_exists");
        alice.send(&json!({ "type": "create_ticket", "subject": "" }));
        alice.refused("bad_message");
    }
    for _ in 0..2 {
        alice.close_ticket();
        alice.expect("ticket_closed");
        alice.create("the next");
    }
}

#[test]
fn an_address_opens_thirty_tickets_at_once_and_another_address_its_own() {
    let desk = Desk::start();
    let started = Instant::now();
    let (mut opened, mut users) = (0, Vec::new());
    for number in 0..60 {
        let mut user = forwarded_user(&desk, &format!("user-{number}"), ADDRESS);
        let of_one = tickets_until_refused(&mut user);
        opened += of_one;
        users.push(user);
        if of_one == 0 {
            break;
        }
    }
    let back = started.elapsed().as_secs();
    assert!((30..=31 + back).contains(&opened), "{opened} were opened, and {back} could have come back");
    for mut other in [forwarded_user(&desk, "bob", OTHER_ADDRESS), desk.user("local")] {
        let of_other = tickets_until_refused(&mut other);
        assert!(of_other >= 3, "{} has an address of their own", other.name);
        opened += of_other;
    }
    assert_eq!(desk.metrics().total(&["tickets_opened_total"]), opened as f64);
}

#[test]
fn staff_who_confirm_every_message_separately_are_not_a_flood() {
    let desk = Desk::start();
    let mut sam = desk.staff("sam").online();
    let mut users: Vec<User> = (0..5).map(|n| desk.user(&format!("user-{n}"))).collect();
    let tickets: Vec<String> = users.iter_mut().map(|user| user.create("hello")).collect();
    for (user, ticket) in users.iter_mut().zip(&tickets) {
        sam.pick(ticket);
        let many: Vec<Value> =
            (1..=90).map(|id| json!({ "type": "message", "id": id, "text": "hello" })).collect();
        user.send_all(&many);
    }
    let seqs: Vec<Value> = (0..450).map(|_| sam.expect("message")).collect();
    let receipts: Vec<Value> = seqs
        .iter()
        .map(|m| json!({ "type": "delivered", "ticket_id": m["ticket_id"], "seq": m["seq"] }))
        .collect();
    sam.send_all(&receipts);
    sam.nothing_of(&["error"]);
    for user in &mut users {
        user.expect_where("delivered", "the last receipt", |m| m["seq"] == 90);
    }
}
