//! Floods of frames, and large lengths in headers.

use super::{KIB, attacker, close_code, flood, while_two_chat};
use crate::support::wire::{frame, header, whole};
use crate::support::{Desk, Wire, op};

/// Limit: one recv of 64 KiB per connection and turn.
#[test]
fn a_flood_of_empty_fragments_stalls_nobody() {
    let desk = Desk::with(&["--rate-limit", "0"]);
    let grown = while_two_chat(&desk, || {
        let mut wire = attacker(&desk, "mallory");
        wire.write(&frame(op::TEXT, b""));
        flood(&mut wire, &frame(op::CONTINUATION, b"").repeat(20_000));
    });
    assert!(grown < 2 * KIB, "grown by {grown} KiB");
}

/// Limit: a message has at most 16 KiB, in any number of frames.
#[test]
fn a_flood_of_one_byte_fragments_is_1009() {
    let desk = Desk::with(&["--rate-limit", "0"]);
    let grown = while_two_chat(&desk, || {
        let mut wire = attacker(&desk, "mallory");
        wire.write(&frame(op::TEXT, b" "));
        let _ = wire.try_write(&frame(op::CONTINUATION, b" ").repeat(20_000));
        assert_eq!(close_code(&mut wire), Some(1009));
    });
    assert!(grown < 2 * KIB, "grown by {grown} KiB");
}

/// Limit: at most one pong is owed, and nothing is read from a peer whose output is blocked.
#[test]
fn a_flood_of_pings_from_a_peer_that_never_reads_does_not_grow_memory() {
    let desk = Desk::with(&["--rate-limit", "0"]);
    let grown = while_two_chat(&desk, || {
        let mut wire = attacker(&desk, "mallory");
        flood(&mut wire, &whole(op::PING, &[b'p'; 125]).repeat(500));
    });
    assert!(grown < 3 * KIB, "grown by {grown} KiB");
}

/// Limit: 50 frames a second with a burst of 100; 100 more close the connection.
#[test]
fn a_flood_of_valid_messages_is_1008() {
    let desk = Desk::start();
    let grown = while_two_chat(&desk, || {
        let flood = whole(op::TEXT, br#"{"type":"message","id":1,"text":"flood"}"#).repeat(2000);
        let mut all: Vec<Wire> = (0..10).map(|n| attacker(&desk, &format!("mallory-{n}"))).collect();
        for wire in &mut all {
            let _ = wire.try_write(&flood);
        }
        for wire in &mut all {
            assert_eq!(close_code(wire), Some(1008));
        }
    });
    assert!(grown < 3 * KIB, "grown by {grown} KiB");
}

/// Limit: each connection is read for a bounded time a turn.
#[test]
fn a_hundred_peers_that_send_nonsense_stall_nobody() {
    let desk = Desk::with(&["--rate-limit", "0"]);
    let grown = while_two_chat(&desk, || {
        let deep = "[".repeat(16 * 1024);
        let nonsense =
            [whole(op::TEXT, deep.as_bytes()), whole(op::TEXT, b"{\"type\":\"nonsense\"}").repeat(50)]
                .concat();
        let mut all: Vec<Wire> = (0..100).map(|n| attacker(&desk, &format!("mallory-{n}"))).collect();
        for wire in &mut all {
            let _ = wire.try_write(&nonsense);
        }
        for mut wire in all {
            assert!(wire.frame().text().contains("welcome"));
            assert!(wire.frame().text().contains("bad_message"));
        }
    });
    assert!(grown < 8 * KIB, "grown by {grown} KiB");
}

/// Limit: a frame has 16 KiB, and no memory is reserved for a length in a header.
#[test]
fn announced_lengths_cost_nothing() {
    let desk = Desk::start();
    let address_space = desk.server.vm_kib();
    let grown = while_two_chat(&desk, || {
        let mut all = Vec::new();
        for n in 0..20 {
            for (kind, len) in [16 * KIB + 1, 16 << 20, 1 << 31, 1 << 63, u64::MAX].into_iter().enumerate() {
                let mut wire = attacker(&desk, &format!("mallory-{n}-{kind}"));
                wire.write(&header(0x80 | op::TEXT, len, Some([1, 2, 3, 4])));
                all.push(wire);
            }
            // The longest permitted length, without its payload.
            let mut wire = attacker(&desk, &format!("mallory-{n}-allowed"));
            wire.write(&header(0x80 | op::TEXT, 16 * KIB, Some([1, 2, 3, 4])));
            wire.write(b"{");
            assert!(wire.frame().text().contains("welcome"));
        }
        for wire in &mut all {
            assert!(matches!(close_code(wire), Some(1002 | 1009)));
        }
    });
    assert!(grown < 3 * KIB, "grown by {grown} KiB");
    let grown = desk.server.vm_kib().saturating_sub(address_space);
    assert!(grown < 64 * KIB, "the address space has grown by {grown} KiB");
}
