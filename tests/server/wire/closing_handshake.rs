//! RFC 6455 7: the closing handshake.

use std::time::Instant;

use super::violations::expect_violation;
use super::{close_code, create, expect_eof, open};
use crate::support::scenario::eventually;
use crate::support::wire::{close_body, frame, whole};
use crate::support::{Desk, Next, PATIENCE, Wire, json, op};

/// The server answers our close frame with this code. After ours we may send nothing (RFC 6455 5.5.1).
fn expect_close_answer(mut wire: Wire, code: u16) {
    close_code(&mut wire, &[code]);
    expect_eof(wire);
}

#[test]
fn a_close_is_answered_with_its_own_code() {
    let desk = Desk::start();
    // RFC 6455 7.4: codes that an endpoint may send.
    for code in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999] {
        let mut wire = open(&desk);
        wire.write(&whole(op::CLOSE, &close_body(code, "bye, and thanks")));
        let close = wire.frame();
        assert_eq!(close.close_code(), Some(code));
        assert!(
            matches!(wire.next(Instant::now() + PATIENCE), Next::Eof),
            "the server ends TCP first: RFC 6455 7.1.1"
        );
    }
}

#[test]
fn a_close_without_a_code_is_answered_and_ends() {
    let desk = Desk::start();
    let mut wire = open(&desk);
    wire.write(&whole(op::CLOSE, b""));
    let close = wire.frame();
    assert!(matches!(close.close_code(), None | Some(1000)), "{close:?}");
    assert!(matches!(wire.next(Instant::now() + PATIENCE), Next::Eof));
}

#[test]
fn a_close_with_a_code_that_may_not_be_sent_is_1002() {
    let desk = Desk::start();
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999] {
        expect_violation(&desk, &whole(op::CLOSE, &close_body(code, "")), 1002);
    }
    // Half a code.
    expect_violation(&desk, &whole(op::CLOSE, &[0x03]), 1002);
    // RFC 6455 5.5.1: a reason is UTF-8.
    expect_violation(&desk, &whole(op::CLOSE, &[0x03, 0xE8, 0xFF, 0xFE]), 1007);
}

#[test]
fn frames_after_a_close_frame_are_ignored() {
    let desk = Desk::start();
    let mut wire = open(&desk);
    let mut bytes = whole(op::CLOSE, &close_body(1000, ""));
    bytes.extend(whole(op::TEXT, &create("too late")));
    wire.write(&bytes);
    expect_close_answer(wire, 1000);
    let sam = desk.staff("sam");
    assert_eq!(sam.welcome["tickets"], json!([]));
}

#[test]
fn a_close_frame_inside_a_fragmented_message_ends_the_connection() {
    let desk = Desk::start();
    let mut wire = open(&desk);
    let mut bytes = frame(op::TEXT, b"{\"type\":");
    bytes.extend(whole(op::CLOSE, &close_body(1001, "")));
    wire.write(&bytes);
    expect_close_answer(wire, 1001);
}

/// Takes six seconds: five for the answer to a close frame, and one of lingering.
#[test]
fn a_close_that_is_never_answered_is_freed() {
    let desk = Desk::start();
    let before = desk.server.descriptors();
    let mut silent: Vec<Wire> = (0..20).map(|_| desk.staff_peer("sam", Some("wrong")).into_wire()).collect();
    let deadline = Instant::now() + PATIENCE;
    for wire in &mut silent {
        assert_eq!(wire.frame().close_code(), Some(4401));
    }
    for wire in &mut silent {
        assert!(matches!(wire.next(deadline), Next::Eof), "the server ends it, with a FIN");
    }
    // They stay open on our side.
    eventually("every descriptor is back", || desk.server.descriptors() <= before);
    drop(silent);
}
