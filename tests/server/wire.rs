//! RFC 6455 byte by byte: the sample handshake, and frames that are accepted.

use std::net::Shutdown;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use socket2::SockRef;

use crate::support::head::{ACCEPT, KEY};
use crate::support::wire::{frame, whole};
use crate::support::{Desk, Next, PATIENCE, Request, Value, Wire, json, op};

mod closing_handshake;
mod violations;

const KIB: usize = 1024;
/// The limit of the protocol for a message and for a frame.
const MESSAGE_BYTES_MAX: usize = 16 * KIB;

/// The socket of a new user after the upgrade, with the `welcome` read.
fn open(desk: &Desk) -> Wire {
    static USERS: AtomicU32 = AtomicU32::new(0);
    let path = format!("/ws/user/visitor-{}", USERS.fetch_add(1, Ordering::Relaxed));
    let (mut wire, response) = Wire::ask(desk.server.addr, &Request::upgrade(&path));
    assert_eq!(response.status, 101);
    assert_eq!(message(&mut wire)["type"], "welcome");
    wire
}

fn message(wire: &mut Wire) -> Value {
    let frame = wire.frame();
    assert_eq!((frame.fin, frame.op), (true, op::TEXT), "one JSON object per text frame");
    serde_json::from_str(frame.text()).expect("JSON")
}

fn close_code(wire: &mut Wire, codes: &[u16]) -> u16 {
    let close = loop {
        let frame = wire.frame();
        if frame.op == op::CLOSE {
            break frame;
        }
    };
    let code = close.close_code().expect("a close frame of the server's has a code");
    assert!(codes.contains(&code), "{code} is not in {codes:?}: {close:?}");
    code
}

fn expect_eof(mut wire: Wire) {
    let end = wire.next(Instant::now() + PATIENCE);
    assert!(matches!(end, Next::Eof), "wanted an orderly end after the close frame, got {end:?}");
}

/// Asserts that the connection still works.
fn expect_pong(wire: &mut Wire) {
    wire.write(&whole(op::PING, b"still there?"));
    let pong = wire.frame();
    assert_eq!((pong.op, pong.payload.as_slice()), (op::PONG, &b"still there?"[..]));
}

fn create(subject: &str) -> Vec<u8> {
    json!({ "type": "create_ticket", "subject": subject }).to_string().into_bytes()
}

/// A `create_ticket` frame padded to exactly this length with an unknown field.
fn create_of(bytes: usize) -> Vec<u8> {
    let start = r#"{"type":"create_ticket","subject":"long","padding":""#;
    let mut text = String::from(start);
    text.extend(std::iter::repeat_n('x', bytes - start.len() - 2));
    text += "\"}";
    assert_eq!(text.len(), bytes);
    text.into_bytes()
}

#[test]
fn the_sample_key_of_the_rfc_gets_the_sample_answer() {
    let desk = Desk::start();
    let others = [("x3JJHMbDL1EzLkh9GBhXDw==", "HSmrc0sMlYUkAGmm5OPpG2HaGWk="), (KEY, ACCEPT)];
    for (user, (key, accept)) in others.into_iter().enumerate() {
        let request = Request::upgrade(&format!("/ws/user/{user}"))
            .without("Sec-WebSocket-Key")
            .header("Sec-WebSocket-Key", key);
        // A client may offer an extension. The server accepts none, so it must not name one.
        let request =
            request.header("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits");
        let (mut wire, response) = Wire::ask(desk.server.addr, &request);
        assert_eq!(response.status, 101);
        assert!(response.header("upgrade").is_some_and(|value| value.eq_ignore_ascii_case("websocket")));
        assert!(response.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("upgrade")));
        assert_eq!(response.header("sec-websocket-accept"), Some(accept));
        assert_eq!(response.header("sec-websocket-extensions"), None);
        assert_eq!(response.header("sec-websocket-protocol"), None, "nothing was offered");
        assert_eq!(message(&mut wire)["type"], "welcome");
    }
}

#[test]
fn a_hand_made_masked_frame_is_accepted() {
    let desk = Desk::start();
    let mut wire = open(&desk);
    // RFC 6455 5.7: "Hello", masked with 37 fa 21 3d; here in a ping.
    wire.write(&[0x89, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]);
    let pong = wire.frame();
    assert_eq!((pong.op, pong.payload.as_slice()), (op::PONG, &b"Hello"[..]));
    // The same payload in a text frame is not JSON, and is answered with an error.
    wire.write(&[0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]);
    assert_eq!(message(&mut wire)["code"], "bad_message");
    // A mask of zeros is a mask too.
    wire.write(&[0x89, 0x81, 0, 0, 0, 0, b'!']);
    assert_eq!(wire.frame().payload, b"!");
}

#[test]
fn a_ping_between_two_fragments_is_answered_at_once() {
    let desk = Desk::start();
    let mut wire = open(&desk);
    let text = create("Grüße, ein Drucker");
    // The cut is inside the first umlaut: a fragment may end within a character.
    let middle = text.iter().position(|byte| *byte == 0xC3).expect("an umlaut") + 1;
    wire.write(&frame(op::TEXT, &text[..middle]));
    expect_pong(&mut wire);
    wire.write(&frame(op::CONTINUATION, &text[middle..middle + 1]));
    wire.write(&frame(op::CONTINUATION, b""));
    expect_pong(&mut wire);
    wire.write(&frame(0x80 | op::CONTINUATION, &text[middle + 1..]));
    let created = message(&mut wire);
    assert_eq!(
        (&created["type"], &created["subject"]),
        (&json!("ticket_created"), &json!("Grüße, ein Drucker"))
    );
}

#[test]
fn a_pong_carries_the_whole_payload_of_its_ping() {
    let desk = Desk::start();
    let mut wire = open(&desk);
    for len in [0, 1, 125_u8] {
        let payload: Vec<u8> = (0..len).map(|n| n ^ 0x80).collect();
        wire.write(&whole(op::PING, &payload));
        let pong = wire.frame();
        assert_eq!((pong.op, pong.payload), (op::PONG, payload));
    }
    // RFC 6455 5.5.3: a pong that nobody asked for is not answered.
    wire.write(&whole(op::PONG, b"unasked"));
    expect_pong(&mut wire);
}

#[test]
fn a_frame_that_arrives_byte_by_byte_is_one_frame() {
    let desk = Desk::start();
    let mut wire = open(&desk);
    for byte in whole(op::TEXT, &create("slow line")) {
        wire.write(&[byte]);
    }
    assert_eq!(message(&mut wire)["type"], "ticket_created");
}

#[test]
fn several_frames_in_one_segment_are_all_done_in_order() {
    let desk = Desk::start();
    let mut wire = open(&desk);
    let mut bytes = whole(op::TEXT, b"1");
    bytes.extend(whole(op::TEXT, &create("first")));
    bytes.extend(whole(op::TEXT, &create("second")));
    bytes.extend(whole(op::TEXT, br#"{"type":"close_ticket"}"#));
    wire.write(&bytes);
    let mut kinds = Vec::new();
    while kinds.last().is_none_or(|kind| kind != "ticket_closed") {
        let message = message(&mut wire);
        if message["type"] != "queue" {
            kinds.push(message["code"].as_str().or(message["type"].as_str()).expect("a type").to_owned());
        }
    }
    assert_eq!(kinds, ["bad_message", "ticket_created", "ticket_exists", "ticket_closed"]);
}

#[test]
fn frames_pipelined_behind_the_head_are_read_without_another_byte() {
    let desk = Desk::start();
    let mut wire = Wire::connect(desk.server.addr);
    let mut bytes = Request::upgrade("/ws/user/alice").bytes(desk.server.addr);
    bytes.extend(whole(op::TEXT, &create("in a hurry")));
    bytes.extend(whole(op::PING, b"and a ping"));
    wire.write(&bytes);
    assert_eq!(wire.response().status, 101);
    assert_eq!(message(&mut wire)["type"], "welcome");
    // The pong may overtake what was queued, but neither may wait for more input.
    let (mut created, mut ponged) = (false, false);
    while !(created && ponged) {
        let frame = wire.frame();
        created |= frame.op == op::TEXT && frame.text().contains("ticket_created");
        ponged |= frame.op == op::PONG && frame.payload == b"and a ping";
    }
}

#[test]
fn half_a_frame_behind_the_head_waits_for_its_other_half() {
    let desk = Desk::start();
    let mut wire = Wire::connect(desk.server.addr);
    let frame = whole(op::TEXT, &create("in two halves"));
    let mut bytes = Request::upgrade("/ws/user/alice").bytes(desk.server.addr);
    bytes.extend(&frame[..9]);
    wire.write(&bytes);
    assert_eq!(wire.response().status, 101);
    assert_eq!(message(&mut wire)["type"], "welcome");
    wire.write(&frame[9..]);
    assert_eq!(message(&mut wire)["type"], "ticket_created");
}

#[test]
fn a_message_of_exactly_16_kib_is_taken() {
    let desk = Desk::start();
    let mut wire = open(&desk);
    let text = create_of(MESSAGE_BYTES_MAX);
    wire.write(&whole(op::TEXT, &text));
    assert_eq!(message(&mut wire)["type"], "ticket_created");
    assert_eq!(message(&mut wire)["type"], "queue");
    wire.write(&frame(op::TEXT, &text[..10_000]));
    wire.write(&frame(0x80 | op::CONTINUATION, &text[10_000..]));
    assert_eq!(message(&mut wire)["code"], "ticket_exists");
}

#[test]
fn an_empty_message_is_a_bad_message_and_not_a_violation() {
    let desk = Desk::start();
    let mut wire = open(&desk);
    wire.write(&whole(op::TEXT, b""));
    assert_eq!(message(&mut wire)["code"], "bad_message");
    wire.write(
        &[frame(op::TEXT, b""), frame(op::CONTINUATION, b""), frame(0x80 | op::CONTINUATION, b"")].concat(),
    );
    assert_eq!(message(&mut wire)["code"], "bad_message");
    expect_pong(&mut wire);
}

#[test]
fn half_a_frame_of_one_peer_is_never_mixed_with_anothers() {
    let desk = Desk::start();
    let (mut alice, mut bob) = (open(&desk), open(&desk));
    let ping = whole(op::PING, b"of alice");
    let other = whole(op::PING, b"of bob");
    for cut in 1..ping.len() {
        // Both are cut somewhere, and each half is followed by a part of the other.
        alice.write(&ping[..cut]);
        bob.write(&other[..other.len() - cut.min(other.len() - 1)]);
        expect_pong(&mut open(&desk));
        alice.write(&ping[cut..]);
        bob.write(&other[other.len() - cut.min(other.len() - 1)..]);
        assert_eq!(alice.frame().payload, b"of alice", "cut at {cut}");
        assert_eq!(bob.frame().payload, b"of bob", "cut at {cut}");
    }
    // The same with fragmented messages that overlap in time.
    alice.write(&frame(op::TEXT, b"{\"type\":\"create_ticket\","));
    bob.write(&frame(op::TEXT, b"{\"type\":\"create_ticket\",\"subject\":"));
    expect_pong(&mut alice);
    expect_pong(&mut bob);
    alice.write(&frame(0x80 | op::CONTINUATION, b"\"subject\":\"of alice\"}"));
    bob.write(&frame(0x80 | op::CONTINUATION, b"\"of bob\"}"));
    assert_eq!(message(&mut alice)["subject"], "of alice");
    assert_eq!(message(&mut bob)["subject"], "of bob");
}

/// RFC 9293 3.8.5: urgent data sets a mark in the stream. It is not part of the data and hides none of it.
#[test]
fn frames_behind_urgent_data_are_read_without_another_byte() {
    let desk = Desk::start();
    let mut wire = open(&desk);
    for round in 0..3_u8 {
        let [before, behind] = [[round, 0], [round, 1]];
        desk.server.in_one_turn(|| {
            wire.write(&whole(op::PING, &before));
            SockRef::from(wire.stream()).send_out_of_band(b"!").expect("an open socket");
            wire.write(&whole(op::PING, &behind));
        });
        assert_eq!(wire.frame().payload, before);
        assert_eq!(wire.frame().payload, behind);
    }
    // The end, and a message before it: the message is handled.
    desk.server.in_one_turn(|| {
        wire.write(&whole(op::TEXT, &create("urgent")));
        SockRef::from(wire.stream()).send_out_of_band(b"!").expect("an open socket");
        wire.write(&whole(op::TEXT, br#"{"type":"close_ticket"}"#));
        wire.stream().shutdown(Shutdown::Write).expect("an open socket");
    });
    while let Next::Some(_) = wire.next(Instant::now() + PATIENCE) {}
    assert_eq!(desk.metrics().total(&["received_message_bytes_count"]), 3.0 * 2.0 + 2.0);
}

/// RFC 6455 5.4: fragments have no meaning of their own, and so neither has their size.
#[test]
fn long_messages_may_come_in_fragments_of_any_size_one_after_the_other() {
    for (args, messages) in [(&["--rate-limit", "0"][..], 60), (&[], 15)] {
        let desk = Desk::with(args);
        for (character, fragment_bytes) in [("x", 1), ("\u{1F5A8}", 1), ("\u{1F5A8}", 10), ("x", 2000)] {
            let mut wire = open(&desk);
            let text = json!({ "type": "message", "id": 1, "text": character.repeat(4000) }).to_string();
            let bytes = fragments(text.as_bytes(), fragment_bytes);
            for nth in 0..messages {
                wire.write(&bytes);
                let answer = message(&mut wire);
                assert_eq!(answer["code"], "no_ticket", "message {nth} in fragments of {fragment_bytes}");
            }
        }
    }
}

/// One message, in frames of this many bytes.
fn fragments(text: &[u8], fragment_bytes: usize) -> Vec<u8> {
    let mut pieces = text.chunks(fragment_bytes).enumerate().peekable();
    let mut bytes = Vec::new();
    while let Some((nth, piece)) = pieces.next() {
        let fin = if pieces.peek().is_none() { 0x80 } else { 0 };
        let opcode = if nth == 0 { op::TEXT } else { op::CONTINUATION };
        bytes.extend(frame(fin | opcode, piece));
    }
    bytes
}
