//! `/metrics`: its format, and what it counts.

use super::fetch;
use crate::support::scenario::Metrics;
use crate::support::wire::whole;
use crate::support::{Chat, Desk, Request, Wire};

#[test]
fn metrics_are_prometheus_text_and_count_what_happens() {
    let desk = Desk::start();
    let Chat { mut alice, mut sam, ticket } = desk.chat();
    let mut bob = desk.user("bob");
    bob.create("a lamp");
    bob.send_text("nonsense");
    bob.refused("bad_message");
    alice.say(1, "hello");
    alice.expect("ack");
    desk.staff_peer("kim", None).expect_close(4401);
    let mut mallory = desk.user_peer("mallory", None);
    mallory.write(&whole(3, b"an opcode that is not in use"));
    mallory.expect_close(1002);
    desk.server.log.wait("whose fault it was", |line| line.contains("closed with 1002"));

    let (response, body) = fetch(&desk, &Request::get("/metrics"));
    assert_eq!(response.status, 200);
    assert!(
        response.header("content-type").is_some_and(|kind| kind.starts_with("text/plain")),
        "{response:?}"
    );
    let body = String::from_utf8(body).expect("text");
    assert!(body.ends_with('\n'), "the format wants the last line ended");
    for name in ["alice", "bob", "sam", ticket.as_str(), "printer", "hello"] {
        assert!(!body.contains(name), "{name} is nobody's business");
    }
    let mut typed = Vec::new();
    for line in body.lines().filter(|line| !line.is_empty()) {
        if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').expect("a name and a type");
            assert!(["counter", "gauge", "histogram", "summary"].contains(&kind), "{line}");
            assert!(!typed.contains(&name), "{name} is typed twice");
            typed.push(name);
        } else if !line.starts_with('#') {
            let name = line.split(['{', ' ']).next().expect("a name");
            assert!(
                typed.last().is_some_and(|last| name.starts_with(last)),
                "{line} stands outside its family"
            );
        }
    }

    let metrics = desk.metrics();
    let total = |words: &[&str]| metrics.total(words);
    assert_eq!(total(&["tickets", "state=\"waiting\""]), 1.0);
    assert_eq!(total(&["tickets", "state=\"active\""]), 1.0);
    assert_eq!(total(&["tickets", "state=\"paused\""]), 0.0);
    assert_eq!(total(&["role=\"user\""]), 2.0);
    assert_eq!(total(&["role=\"staff\""]), 1.0);
    assert!(total(&["connections", "phase=\"open\""]) >= 3.0);
    assert_eq!(total(&["messages_relayed_total"]), 1.0);
    assert_eq!(total(&["code=\"bad_message\""]), 1.0);
    assert_eq!(total(&["clos", "code=\"4401\""]), 1.0);
    assert_eq!(total(&["clos", "code=\"1002\""]), 1.0);
    assert!(total(&["bytes"]) > 500.0);
    assert!(total(&["turn_duration_seconds_count"]) > 5.0);
    assert!(total(&["turn_longest_seconds"]) > 0.0);
    // "nonsense" has 8 bytes.
    assert!(total(&["received_message_bytes_bucket", "le=\"32\""]) >= 1.0);
    assert_eq!(
        total(&["received_message_bytes_bucket", "le=\"+Inf\""]),
        total(&["received_message_bytes_count"])
    );
    sam.nothing_of(&["error"]);
}

#[test]
fn received_and_sent_bytes_are_counted_exactly() {
    let desk = Desk::start();
    let Chat { mut alice, mut sam, .. } = desk.chat();
    let question = Request::get("/metrics").bytes(desk.server.addr);
    let look = || {
        let mut wire = Wire::connect(desk.server.addr);
        wire.write(&question);
        wire.rest()
    };
    let counted = |answer: &[u8]| {
        let head = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
        let metrics = Metrics::parse(&answer[head + 4..]);
        [
            "accepted",
            "received_bytes",
            "sent_bytes",
            "received_message_bytes_count",
            "sent_message_bytes_count",
        ]
        .map(|name| metrics.total(&[name]))
    };
    let (first, second) = (look(), look());
    alice.say(1, "hello");
    alice.expect("ack");
    sam.expect("message");
    let third = look();
    let grown = |before: &[u8], after: &[u8]| {
        let (before, after) = (counted(before), counted(after));
        std::array::from_fn(|nth| after[nth] - before[nth])
    };
    // The request is counted already, its answer is not.
    let between: [f64; 5] = grown(&first, &second);
    assert_eq!(between, [1.0, question.len() as f64, first.len() as f64, 0.0, 0.0]);
    let [accepted, received, sent, messages_in, messages_out] = grown(&second, &third);
    assert_eq!([accepted, messages_in, messages_out], [1.0, 1.0, 2.0], "a message, its ack and itself");
    assert!(received > question.len() as f64 && sent > second.len() as f64);
}
