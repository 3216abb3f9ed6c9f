//! More frames than anybody needs, and lengths that are announced.

use super::{KIB, close_code, intruder, pour, while_two_chat};
use crate::support::wire::{frame, header, whole};
use crate::support::{Desk, Wire, op};

/// Limit: one recv of 64 KiB a connection and turn, then the others' turn.
#[test]
fn a_flood_of_empty_fragments_stalls_nobody() {
    let desk = Desk::with(&["--rate-limit", "0"]);
    let grown = while_two_chat(&desk, || {
        let mut wire = intruder(&desk, "mallory");
        wire.write(&frame(op::TEXT, b""));
        pour(&mut wire, &frame(op::CONTINUATION, b"").repeat(20_000));
    });
    assert!(grown < 2 * KIB, "grown by {grown} KiB");
}

/// Limit: a message has 16 KiB, in however many frames it comes.
#[test]
fn a_flood_of_one_byte_fragments_is_1009() {
    let desk = Desk::with(&["--rate-limit", "0"]);
    let grown = while_two_chat(&desk, || {
        let mut wire = intruder(&desk, "mallory");
        wire.write(&frame(op::TEXT, b" "));
        let _ = wire.try_write(&frame(op::CONTINUATION, b" ").repeat(20_000));
        assert_eq!(close_code(&mut wire), Some(1009));
    });
    assert!(grown < 2 * KIB, "grown by {grown} KiB");
}

/// Limit: one pong at most is owed, and nothing is read from a peer whose output is blocked.
#[test]
fn a_flood_of_pings_from_one_who_never_reads_grows_nothing() {
    let desk = Desk::with(&["--rate-limit", "0"]);
    let grown = while_two_chat(&desk, || {
        let mut wire = intruder(&desk, "mallory");
        pour(&mut wire, &whole(op::PING, &[b'p'; 125]).repeat(500));
    });
    assert!(grown < 3 * KIB, "grown by {grown} KiB");
}

/// Limit: 50 frames a second with a burst of 100; 100 more are the end.
#[test]
fn a_flood_of_valid_messages_is_1008() {
    let desk = Desk::start();
    let grown = while_two_chat(&desk, || {
        let flood = whole(op::TEXT, br#"{"type":"message","id":1,"text":"flood"}"#).repeat(2000);
        let mut all: Vec<Wire> = (0..10).map(|n| intruder(&desk, &format!("mallory-{n}"))).collect();
        for wire in &mut all {
            let _ = wire.try_write(&flood);
        }
        for wire in &mut all {
            assert_eq!(close_code(wire), Some(1008));
        }
    });
    assert!(grown < 3 * KIB, "grown by {grown} KiB");
}

/// Limit: 100 sockets cost 100 turns of a bounded size, whatever they hold.
#[test]
fn a_crowd_that_talks_nonsense_stalls_nobody() {
    let desk = Desk::with(&["--rate-limit", "0"]);
    let grown = while_two_chat(&desk, || {
        let deep = "[".repeat(16 * 1024);
        let nonsense =
            [whole(op::TEXT, deep.as_bytes()), whole(op::TEXT, b"{\"type\":\"nonsense\"}").repeat(50)]
                .concat();
        let mut all: Vec<Wire> = (0..100).map(|n| intruder(&desk, &format!("mallory-{n}"))).collect();
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

/// Limit: a frame has 16 KiB, and nothing is set aside for what was only announced.
#[test]
fn announced_lengths_cost_nothing() {
    let desk = Desk::start();
    let address_space = desk.server.vm_kib();
    let grown = while_two_chat(&desk, || {
        let mut all = Vec::new();
        for n in 0..20 {
            for (kind, len) in [16 * KIB + 1, 16 << 20, 1 << 31, 1 << 63, u64::MAX].into_iter().enumerate() {
                let mut wire = intruder(&desk, &format!("mallory-{n}-{kind}"));
                wire.write(&header(0x80 | op::TEXT, len, Some([1, 2, 3, 4])));
                all.push(wire);
            }
            // As much as is allowed, of which nothing ever comes.
            let mut wire = intruder(&desk, &format!("mallory-{n}-allowed"));
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
