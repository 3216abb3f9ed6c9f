//! Peers that read slowly, late, or not at all. Nobody is closed for being slow, and memory stays bounded.

use std::thread;
use std::time::{Duration, Instant};

use crate::support::client::of_type;
use crate::support::scenario::eventually;
use crate::support::wire::whole;
use crate::support::{Desk, Next, PATIENCE, Request, Value, Wire, int, json, op};

const KIB: u64 = 1024;
/// The longest text, 16,000 bytes of it.
const LONG_TEXT: &str = "\u{1F5A8}";
const LONG_TEXT_CHARS: usize = 4000;

/// Limit: 32 KiB of output, and 64 KiB of received bytes that wait.
#[test]
fn a_peer_that_asks_faster_than_it_reads_gets_every_answer() {
    // The answers are more than the kernel's buffers hold.
    const QUESTIONS: usize = 200_000;
    let desk = Desk::with(&["--rate-limit", "0"]);
    let mut wire = user(&desk, "mallory");
    let before = desk.server.rss_kib();
    thread::scope(|scope| {
        let stream = wire.stream().try_clone().expect("a socket");
        scope.spawn(move || {
            let questions = whole(op::TEXT, b"{}").repeat(QUESTIONS);
            std::io::Write::write_all(&mut &stream, &questions).expect("the server reads in the end");
        });
        let mut last = 0.0;
        eventually("the server reads no more", || {
            let heard = desk.metrics().total(&["received_message_bytes_count"]);
            heard == std::mem::replace(&mut last, heard) && heard > 1000.0
        });
        assert!(last < QUESTIONS as f64, "it has read everything");
        let grown = desk.server.rss_kib().saturating_sub(before);
        assert!(grown < 3 * KIB, "grown by {grown} KiB");
        for nth in 0..QUESTIONS {
            let frame = wire.frame();
            assert!(frame.op == op::TEXT && frame.text().contains("bad_message"), "answer {nth}: {frame:?}");
        }
    });
    wire.write(&whole(op::PING, b"still there?"));
    assert_eq!(wire.frame().payload, b"still there?");
}

#[test]
fn a_peer_that_reads_half_as_fast_as_the_other_side_sends_is_not_closed_and_misses_nothing() {
    // The backlog is more than the kernel's buffers hold.
    const MESSAGES: u64 = 1500;
    let desk = Desk::with(&["--rate-limit", "0"]);
    let mut sam = desk.staff("sam").online();
    let mut bob = desk.user("bob");
    let ticket = bob.create("a long story");
    sam.pick(&ticket);
    bob.expect("staff_joined");
    let text = LONG_TEXT.repeat(LONG_TEXT_CHARS);
    let mut read = 0;
    let mut sam_reads = |accepted: u64| {
        if read < accepted {
            read += 1;
            assert_eq!(int(&sam.expect("message"), "seq"), read);
            sam.delivered(&ticket, read);
        }
        read
    };
    let mut id = 1;
    while id <= MESSAGES {
        bob.say(id, &text);
        // Sam confirms meanwhile, and Bob gets the receipt.
        let answer = loop {
            let answer = bob.next();
            if answer["type"] != "delivered" {
                break answer;
            }
        };
        if answer["type"] == "ack" {
            assert_eq!(int(&answer, "seq"), id);
            id += 1;
            if id % 2 == 0 {
                sam_reads(id - 1);
            }
        } else {
            // Bob may have to wait for Sam, or for what Sam has confirmed to be known. Nothing is lost.
            assert_eq!(answer["code"], "unread_limit");
            sam_reads(id - 1);
        }
    }
    while sam_reads(MESSAGES) < MESSAGES {}
    desk.assert_healthy();
}

/// Everything that six users send in one turn goes to one staff member. No limit on a turn may close that connection.
#[test]
fn six_users_who_paste_at_once_are_all_heard() {
    let desk = Desk::with(&["--max-chats", "6"]);
    let mut sam = desk.staff("sam").online();
    let mut users: Vec<_> = (0..6).map(|n| desk.user(&format!("user-{n}"))).collect();
    for user in &mut users {
        let ticket = user.create("a paste");
        sam.pick(&ticket);
        user.expect("staff_joined");
        user.drain();
    }
    sam.drain();
    let text = LONG_TEXT.repeat(LONG_TEXT_CHARS);
    let paste: Vec<Value> = (1..=4).map(|id| json!({ "type": "message", "id": id, "text": text })).collect();
    desk.server.in_one_turn(|| users.iter_mut().for_each(|user| user.send_all(&paste)));
    for user in &mut users {
        let acks = of_type(&user.drain(), "ack");
        assert_eq!(acks.iter().map(|ack| int(ack, "id")).collect::<Vec<_>>(), [1, 2, 3, 4]);
    }
    for n in 0..6 {
        for id in 1..=4 {
            let wanted = |m: &Value| m["sender_id"] == format!("user-{n}") && m["text"] == *text;
            assert_eq!(int(&sam.expect_where("message", "each of the 24", wanted), "id"), id);
        }
    }
    sam.nothing_more();
}

/// Limit: 15 s in which no output is written.
#[test]
fn a_peer_that_takes_nothing_for_15_s_is_closed_with_1013_and_can_read_why() {
    let desk = Desk::with(&["--rate-limit", "0"]);
    let mut sam = desk.staff("watcher");
    let mut bob = desk.user("bob");
    bob.create("bob floods");
    sam.expect("ticket_added");
    let mut wire = bob.into_wire();
    wire.stream().set_write_timeout(Some(Duration::from_millis(500))).expect("an open socket");
    while wire.try_write(&whole(op::PING, &[b'p'; 125]).repeat(500)).is_ok() {}
    sam.expect_within(Duration::from_secs(30), "ticket_updated", "bob going", |m| {
        m["ticket"]["user_online"] == false
    });
    assert_eq!(desk.metrics().total(&["closes", "1013"]), 1.0);
    let deadline = Instant::now() + PATIENCE;
    loop {
        match wire.next(deadline) {
            Next::Some(frame) if frame.op == op::CLOSE => {
                assert_eq!(frame.close_code(), Some(1013));
                break;
            }
            Next::Some(frame) => assert_eq!(frame.op, op::PONG),
            end => panic!("wanted a close frame, got {end:?}"),
        }
    }
}

/// A user's socket after the upgrade, with the `welcome` read.
fn user(desk: &Desk, name: &str) -> Wire {
    let (mut wire, response) = Wire::ask(desk.server.addr, &Request::upgrade(&format!("/ws/user/{name}")));
    assert_eq!(response.status, 101);
    assert!(wire.frame().text().contains("welcome"));
    wire
}
