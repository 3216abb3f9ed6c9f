//! RFC 6455 to the letter: what stands in its frames, and how each breach of it ends.

use std::net::Shutdown;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use socket2::SockRef;

use crate::support::head::{ACCEPT, KEY};
use crate::support::wire::{close_body, frame, header, whole};
use crate::support::{Desk, Next, PATIENCE, Request, Value, Wire, json, op};

const KIB: usize = 1024;
/// The limit of the protocol for a message and for a frame.
const MESSAGE_BYTES_MAX: usize = 16 * KIB;

/// An upgraded user's socket with the `welcome` read; a new user each time, whom no other connection concerns.
fn open(desk: &Desk) -> Wire {
    static VISITORS: AtomicU32 = AtomicU32::new(0);
    let path = format!("/ws/user/visitor-{}", VISITORS.fetch_add(1, Ordering::Relaxed));
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

/// The server's close frame comes with this code, is answered, and then the stream ends without a reset.
fn closed_with(wire: Wire, code: u16) {
    closed_with_one_of(wire, &[code]);
}

fn closed_with_one_of(mut wire: Wire, codes: &[u16]) {
    let code = close_code(&mut wire, codes);
    // A server that has shut its side already does not mind, and one that waits for us goes on.
    let _ = wire.try_write(&whole(op::CLOSE, &code.to_be_bytes()));
    ended(wire);
}

/// The same where the close frame that was sent first is ours: after it we may send nothing (RFC 6455 5.5.1).
fn answered_with(mut wire: Wire, code: u16) {
    close_code(&mut wire, &[code]);
    ended(wire);
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

fn ended(mut wire: Wire) {
    let end = wire.next(Instant::now() + PATIENCE);
    assert!(matches!(end, Next::Eof), "wanted an orderly end after the close frame, got {end:?}");
}

/// After these bytes the connection ends with this code, and the desk is well.
fn breach(desk: &Desk, bytes: &[u8], code: u16) {
    let mut wire = open(desk);
    wire.write(bytes);
    closed_with(wire, code);
    desk.is_well();
}

/// Proves that the connection is as alive as before.
fn still_talks(wire: &mut Wire) {
    wire.write(&whole(op::PING, b"still there?"));
    let pong = wire.frame();
    assert_eq!((pong.op, pong.payload.as_slice()), (op::PONG, &b"still there?"[..]));
}

fn create(subject: &str) -> Vec<u8> {
    json!({ "type": "create_ticket", "subject": subject }).to_string().into_bytes()
}

/// A `create_ticket` of exactly so many bytes: the rest is a field that nobody knows.
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
        // An extension may be offered; we agree on none, and so may not name one.
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
fn a_masked_frame_by_hand_is_understood() {
    let desk = Desk::start();
    let mut wire = open(&desk);
    // RFC 6455 5.7: "Hello", masked with 37 fa 21 3d; here in a ping.
    wire.write(&[0x89, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]);
    let pong = wire.frame();
    assert_eq!((pong.op, pong.payload.as_slice()), (op::PONG, &b"Hello"[..]));
    // The same in a text frame is no JSON, and says so.
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
    // Inside the first umlaut: a fragment's end is no character's end.
    let middle = text.iter().position(|byte| *byte == 0xC3).expect("an umlaut") + 1;
    wire.write(&frame(op::TEXT, &text[..middle]));
    still_talks(&mut wire);
    wire.write(&frame(op::CONTINUATION, &text[middle..middle + 1]));
    wire.write(&frame(op::CONTINUATION, b""));
    still_talks(&mut wire);
    wire.write(&frame(0x80 | op::CONTINUATION, &text[middle + 1..]));
    let created = message(&mut wire);
    assert_eq!(
        (&created["type"], &created["subject"]),
        (&json!("ticket_created"), &json!("Grüße, ein Drucker"))
    );
}

#[test]
fn a_ping_is_answered_with_all_that_it_carried() {
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
    still_talks(&mut wire);
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
    // The pong may overtake what was queued, but neither may need a push.
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
fn a_close_is_answered_with_its_own_code() {
    let desk = Desk::start();
    // RFC 6455 7.4: what an endpoint may send.
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
        breach(&desk, &whole(op::CLOSE, &close_body(code, "")), 1002);
    }
    // Half a code.
    breach(&desk, &whole(op::CLOSE, &[0x03]), 1002);
    // RFC 6455 5.5.1: a reason is UTF-8.
    breach(&desk, &whole(op::CLOSE, &[0x03, 0xE8, 0xFF, 0xFE]), 1007);
}

#[test]
fn what_comes_after_a_close_is_not_done() {
    let desk = Desk::start();
    let mut wire = open(&desk);
    let mut bytes = whole(op::CLOSE, &close_body(1000, ""));
    bytes.extend(whole(op::TEXT, &create("too late")));
    wire.write(&bytes);
    answered_with(wire, 1000);
    let sam = desk.staff("sam");
    assert_eq!(sam.welcome["tickets"], json!([]));
}

#[test]
fn a_close_amid_a_fragmented_message_ends_it() {
    let desk = Desk::start();
    let mut wire = open(&desk);
    let mut bytes = frame(op::TEXT, b"{\"type\":");
    bytes.extend(whole(op::CLOSE, &close_body(1001, "")));
    wire.write(&bytes);
    answered_with(wire, 1001);
}

#[test]
fn an_unmasked_frame_is_1002() {
    let desk = Desk::start();
    let mut bytes = header(0x80 | op::TEXT, 2, None);
    bytes.extend(b"{}");
    breach(&desk, &bytes, 1002);
    breach(&desk, &header(0x80 | op::PING, 0, None), 1002);
}

#[test]
fn a_reserved_bit_is_1002() {
    let desk = Desk::start();
    for bit in [0x40, 0x20, 0x10] {
        breach(&desk, &whole(bit | op::TEXT, b"{}"), 1002);
        breach(&desk, &whole(bit | op::PING, b""), 1002);
    }
}

#[test]
fn a_reserved_opcode_is_1002() {
    let desk = Desk::start();
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        breach(&desk, &whole(opcode, b""), 1002);
    }
}

#[test]
fn a_control_frame_that_is_long_or_fragmented_is_1002() {
    let desk = Desk::start();
    for opcode in [op::PING, op::PONG, op::CLOSE] {
        breach(&desk, &whole(opcode, &[b'x'; 126]), 1002);
        breach(&desk, &frame(opcode, b""), 1002);
    }
}

#[test]
fn a_continuation_of_nothing_is_1002() {
    let desk = Desk::start();
    breach(&desk, &whole(op::CONTINUATION, b"{}"), 1002);
    breach(&desk, &frame(op::CONTINUATION, b"{}"), 1002);
}

#[test]
fn a_message_begun_inside_another_is_1002() {
    let desk = Desk::start();
    breach(&desk, &[frame(op::TEXT, b"{"), whole(op::TEXT, b"{}")].concat(), 1002);
}

#[test]
fn binary_is_1003() {
    let desk = Desk::start();
    breach(&desk, &whole(op::BINARY, b"{\"type\":\"close_ticket\"}"), 1003);
    breach(&desk, &whole(op::BINARY, b""), 1003);
    breach(&desk, &[frame(op::BINARY, b"a"), frame(0x80 | op::CONTINUATION, b"b")].concat(), 1003);
}

#[test]
fn text_that_is_not_utf8_is_1007() {
    let desk = Desk::start();
    let not_utf8: [&[u8]; 7] = [
        b"\xFF",
        b"\x80",             // a continuation byte alone
        b"\xC0\xAF",         // "/", longer than it needs to be
        b"\xED\xA0\x80",     // a surrogate
        b"\xF4\x90\x80\x80", // beyond U+10FFFF
        b"\xE2\x82",         // cut off at the end
        b"{\"type\":\"create_ticket\",\"subject\":\"\xFE\"}",
    ];
    for bytes in not_utf8 {
        breach(&desk, &whole(op::TEXT, bytes), 1007);
    }
    breach(&desk, &[frame(op::TEXT, b"\xE2"), frame(0x80 | op::CONTINUATION, b"\x28\xA1")].concat(), 1007);
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
fn one_byte_more_than_16_kib_is_1009() {
    let desk = Desk::start();
    let text = create_of(MESSAGE_BYTES_MAX + 1);
    breach(&desk, &whole(op::TEXT, &text), 1009);
    // No frame is too long here, but the message is.
    breach(
        &desk,
        &[frame(op::TEXT, &text[..8000]), frame(0x80 | op::CONTINUATION, &text[8000..])].concat(),
        1009,
    );
}

#[test]
fn an_announced_length_is_refused_before_its_payload() {
    let desk = Desk::start();
    for len in [MESSAGE_BYTES_MAX as u64 + 1, 1 << 31, 1 << 32, (1 << 63) - 1] {
        breach(&desk, &header(0x80 | op::TEXT, len, Some([1, 2, 3, 4])), 1009);
    }
    // RFC 6455 5.2: the top bit must be 0. Too long and a breach at once; either is true.
    for len in [1 << 63, u64::MAX] {
        let mut wire = open(&desk);
        wire.write(&header(0x80 | op::TEXT, len, Some([1, 2, 3, 4])));
        closed_with_one_of(wire, &[1002, 1009]);
    }
    desk.is_well();
}

#[test]
fn a_refused_message_that_goes_on_coming_does_not_reset_the_close_frame_away() {
    let desk = Desk::start();
    let mut wire = open(&desk);
    // More than all buffers on the way hold, behind a header that is refused: had the server just closed its socket,
    // this write would break off in a reset.
    let len = 8 * KIB * KIB;
    let mut bytes = header(0x80 | op::TEXT, len as u64, Some([0; 4]));
    bytes.resize(bytes.len() + len, b' ');
    wire.write(&bytes);
    closed_with(wire, 1009);
}

#[test]
fn an_empty_message_is_a_bad_one_and_no_breach() {
    let desk = Desk::start();
    let mut wire = open(&desk);
    wire.write(&whole(op::TEXT, b""));
    assert_eq!(message(&mut wire)["code"], "bad_message");
    wire.write(
        &[frame(op::TEXT, b""), frame(op::CONTINUATION, b""), frame(0x80 | op::CONTINUATION, b"")].concat(),
    );
    assert_eq!(message(&mut wire)["code"], "bad_message");
    still_talks(&mut wire);
}

#[test]
fn half_a_frame_of_one_peer_is_never_mixed_with_anothers() {
    let desk = Desk::start();
    let (mut alice, mut bob) = (open(&desk), open(&desk));
    let ping = whole(op::PING, b"of alice");
    let other = whole(op::PING, b"of bob");
    for cut in 1..ping.len() {
        // Either is cut somewhere, and each half is followed by something of the other's.
        alice.write(&ping[..cut]);
        bob.write(&other[..other.len() - cut.min(other.len() - 1)]);
        still_talks(&mut open(&desk));
        alice.write(&ping[cut..]);
        bob.write(&other[other.len() - cut.min(other.len() - 1)..]);
        assert_eq!(alice.frame().payload, b"of alice", "cut at {cut}");
        assert_eq!(bob.frame().payload, b"of bob", "cut at {cut}");
    }
    // The same with messages in fragments, of which one is begun before the other ends.
    alice.write(&frame(op::TEXT, b"{\"type\":\"create_ticket\","));
    bob.write(&frame(op::TEXT, b"{\"type\":\"create_ticket\",\"subject\":"));
    still_talks(&mut alice);
    still_talks(&mut bob);
    alice.write(&frame(0x80 | op::CONTINUATION, b"\"subject\":\"of alice\"}"));
    bob.write(&frame(0x80 | op::CONTINUATION, b"\"of bob\"}"));
    assert_eq!(message(&mut alice)["subject"], "of alice");
    assert_eq!(message(&mut bob)["subject"], "of bob");
}

#[test]
fn a_frame_that_breaks_the_protocol_spoils_no_other_connection() {
    let desk = Desk::start();
    let mut alice = open(&desk);
    for bytes in [
        [whole(op::PING, b""), whole(3, b"x"), b"\x81\x85left".to_vec()].concat(),
        [header(0x80 | op::TEXT, 20_000, Some([9; 4])), b"the rest of it".to_vec()].concat(),
        [frame(op::TEXT, b"{"), whole(op::TEXT, b"{}")].concat(),
        [whole(op::CLOSE, &close_body(1000, "")), b"\x81\xFE".to_vec()].concat(),
    ] {
        // In the middle of a frame of hers, so that what the other leaves behind would be taken for its rest.
        alice.write(&whole(op::PING, b"mine")[..3]);
        let mut bob = open(&desk);
        bob.write(&bytes);
        close_code(&mut bob, &[1000, 1002, 1009]);
        ended(bob);
        alice.write(&whole(op::PING, b"mine")[3..]);
        assert_eq!(alice.frame().payload, b"mine");
        still_talks(&mut alice);
        still_talks(&mut open(&desk));
    }
}

/// RFC 9293 3.8.5: urgent data sets a mark in the stream. It is no part of what is read, and hides nothing of it.
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
    // The end, and a message before it: what was said is done.
    desk.server.in_one_turn(|| {
        wire.write(&whole(op::TEXT, &create("urgent")));
        SockRef::from(wire.stream()).send_out_of_band(b"!").expect("an open socket");
        wire.write(&whole(op::TEXT, br#"{"type":"close_ticket"}"#));
        wire.stream().shutdown(Shutdown::Write).expect("an open socket");
    });
    while let Next::Some(_) = wire.next(Instant::now() + PATIENCE) {}
    assert_eq!(desk.metrics().total(&["frames_in"]), 3.0 * 2.0 + 2.0);
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

/// One message, in frames of so many bytes.
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
