//! Frames that break RFC 6455, and the close code that each is answered with.

use super::{KIB, MESSAGE_BYTES_MAX, close_code, create_of, expect_eof, expect_pong, open};
use crate::support::wire::{close_body, frame, header, whole};
use crate::support::{Desk, Wire, op};

/// Asserts that the server sends a close frame with this code, waits for the answer, and ends the stream without a
/// reset.
fn expect_close(wire: Wire, code: u16) {
    expect_close_of(wire, &[code]);
}

fn expect_close_of(mut wire: Wire, codes: &[u16]) {
    let code = close_code(&mut wire, codes);
    // The server may have closed already, or may be waiting for this.
    let _ = wire.try_write(&whole(op::CLOSE, &code.to_be_bytes()));
    expect_eof(wire);
}

/// Asserts that these bytes close the connection with this code, and that the server goes on.
pub(super) fn expect_violation(desk: &Desk, bytes: &[u8], code: u16) {
    let mut wire = open(desk);
    wire.write(bytes);
    expect_close(wire, code);
    desk.assert_healthy();
}

#[test]
fn an_unmasked_frame_is_1002() {
    let desk = Desk::start();
    let mut bytes = header(0x80 | op::TEXT, 2, None);
    bytes.extend(b"{}");
    expect_violation(&desk, &bytes, 1002);
    expect_violation(&desk, &header(0x80 | op::PING, 0, None), 1002);
}

#[test]
fn a_text_that_is_not_utf8_is_1007_before_its_frame_is_complete() {
    let desk = Desk::start();
    let mut bytes = header(0x80 | op::TEXT, 1000, Some([0; 4]));
    bytes.extend(b"{\"type\":\"\xf4\x90"); // above U+10FFFF
    expect_violation(&desk, &bytes, 1007);
}

#[test]
fn a_reserved_bit_is_1002() {
    let desk = Desk::start();
    for bit in [0x40, 0x20, 0x10] {
        expect_violation(&desk, &whole(bit | op::TEXT, b"{}"), 1002);
        expect_violation(&desk, &whole(bit | op::PING, b""), 1002);
    }
}

#[test]
fn a_reserved_opcode_is_1002() {
    let desk = Desk::start();
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        expect_violation(&desk, &whole(opcode, b""), 1002);
    }
}

#[test]
fn a_length_that_is_not_the_shortest_is_1002() {
    let desk = Desk::start();
    for (length, length_bytes) in [(2, 2), (125, 2), (2, 8), (125, 8), (126, 8), (1000, 8)] {
        let mut bytes = vec![0x80 | op::TEXT, 0x80 | if length_bytes == 2 { 126 } else { 127 }];
        bytes.extend(&u64::to_be_bytes(length)[8 - length_bytes..]);
        bytes.extend([0; 4]); // a mask that changes nothing
        bytes.extend(vec![b' '; usize::try_from(length).unwrap()]);
        expect_violation(&desk, &bytes, 1002);
    }
    // What came before it still counts.
    let mut wire = open(&desk);
    wire.write(
        &[whole(op::PING, b"first"), vec![0x80 | op::TEXT, 0x80 | 126, 0, 1, 0, 0, 0, 0, b'x']].concat(),
    );
    let pong = wire.frame();
    assert_eq!((pong.op, pong.payload.as_slice()), (op::PONG, &b"first"[..]));
    expect_close(wire, 1002);
}

#[test]
fn a_control_frame_that_is_long_or_fragmented_is_1002() {
    let desk = Desk::start();
    for opcode in [op::PING, op::PONG, op::CLOSE] {
        expect_violation(&desk, &whole(opcode, &[b'x'; 126]), 1002);
        expect_violation(&desk, &frame(opcode, b""), 1002);
    }
}

#[test]
fn a_continuation_of_nothing_is_1002() {
    let desk = Desk::start();
    expect_violation(&desk, &whole(op::CONTINUATION, b"{}"), 1002);
    expect_violation(&desk, &frame(op::CONTINUATION, b"{}"), 1002);
}

#[test]
fn a_message_begun_inside_another_is_1002() {
    let desk = Desk::start();
    expect_violation(&desk, &[frame(op::TEXT, b"{"), whole(op::TEXT, b"{}")].concat(), 1002);
}

#[test]
fn binary_is_1003() {
    let desk = Desk::start();
    expect_violation(&desk, &whole(op::BINARY, b"{\"type\":\"close_ticket\"}"), 1003);
    expect_violation(&desk, &whole(op::BINARY, b""), 1003);
    expect_violation(&desk, &[frame(op::BINARY, b"a"), frame(0x80 | op::CONTINUATION, b"b")].concat(), 1003);
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
        expect_violation(&desk, &whole(op::TEXT, bytes), 1007);
    }
    expect_violation(
        &desk,
        &[frame(op::TEXT, b"\xE2"), frame(0x80 | op::CONTINUATION, b"\x28\xA1")].concat(),
        1007,
    );
}

#[test]
fn one_byte_more_than_16_kib_is_1009() {
    let desk = Desk::start();
    let text = create_of(MESSAGE_BYTES_MAX + 1);
    expect_violation(&desk, &whole(op::TEXT, &text), 1009);
    // No single frame is too long here, but the message is.
    expect_violation(
        &desk,
        &[frame(op::TEXT, &text[..8000]), frame(0x80 | op::CONTINUATION, &text[8000..])].concat(),
        1009,
    );
}

#[test]
fn an_announced_length_is_refused_before_its_payload() {
    let desk = Desk::start();
    for len in [MESSAGE_BYTES_MAX as u64 + 1, 1 << 31, 1 << 32, (1 << 63) - 1] {
        expect_violation(&desk, &header(0x80 | op::TEXT, len, Some([1, 2, 3, 4])), 1009);
    }
    // RFC 6455 5.2: the top bit must be 0. Too long and a violation at once: either code is right.
    for len in [1 << 63, u64::MAX] {
        let mut wire = open(&desk);
        wire.write(&header(0x80 | op::TEXT, len, Some([1, 2, 3, 4])));
        expect_close_of(wire, &[1002, 1009]);
    }
    desk.assert_healthy();
}

#[test]
fn the_rest_of_a_refused_message_does_not_reset_the_close_frame_away() {
    let desk = Desk::start();
    let mut wire = open(&desk);
    // More than all buffers hold, after a header that is refused: if the server just closed its socket, this write
    // would end in a reset.
    let len = 8 * KIB * KIB;
    let mut bytes = header(0x80 | op::TEXT, len as u64, Some([0; 4]));
    bytes.resize(bytes.len() + len, b' ');
    wire.write(&bytes);
    expect_close(wire, 1009);
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
        // In the middle of a frame, so that leftovers of the other connection would be taken for its rest.
        alice.write(&whole(op::PING, b"mine")[..3]);
        let mut bob = open(&desk);
        bob.write(&bytes);
        close_code(&mut bob, &[1000, 1002, 1009]);
        expect_eof(bob);
        alice.write(&whole(op::PING, b"mine")[3..]);
        assert_eq!(alice.frame().payload, b"mine");
        expect_pong(&mut alice);
        expect_pong(&mut open(&desk));
    }
}
