//! Waiting output, and the input that is not read because of it.

use super::{End, World, frame};
use crate::config::{OUTPUT_BEHIND_BYTES, STALL_MS};
use crate::net::close;

/// Counts the "send" messages that the service was given, and asserts that there was no other call.
fn heard(calls: &[String]) -> usize {
    assert!(calls.iter().all(|line| line == "0 says send"), "{calls:?}");
    calls.len()
}

#[test]
fn a_peer_that_asks_faster_than_it_reads_is_not_read_until_it_reads_and_loses_nothing() {
    let mut world = World::open(2);
    world.peers[0].borrow_mut().takes = 0;
    world.sends(0, &frame(b"send 0 1000").repeat(200));
    world.rest();
    assert_eq!(heard(&world.calls()), 33, "32 KiB and a frame");
    world.sends(0, &frame(b"send 0 1000").repeat(100));
    world.rest();
    assert_eq!((heard(&world.calls()), world.hub.stats().output_bytes_max), (0, 33 * 1004));
    // Bytes that were read ahead do not become another connection's.
    world.says(1, "hello");
    world.rest();
    assert_eq!(world.calls(), ["1 says hello"]);

    let mut all = 33;
    while all < 300 {
        world.peers[0].borrow_mut().takes = 5000;
        world.ready(0, false);
        world.rest();
        let more = heard(&world.calls());
        assert!((4..=6).contains(&more) || all + more == 300, "{more} more after {all}");
        assert!(world.hub.stats().output_bytes_max <= OUTPUT_BEHIND_BYTES + 1004);
        all += more;
    }
    world.peers[0].borrow_mut().takes = usize::MAX;
    world.ready(0, false);
    world.rest();
    let received = world.received(0);
    let frames = received[received.len() - 300 * 1004..].chunks(1004);
    assert!(frames.into_iter().all(|frame| frame[..4] == [0x81, 126, 3, 232]));
}

#[test]
fn a_peer_is_read_while_no_more_than_32_kib_wait_for_it() {
    let mut world = World::open(1);
    world.peers[0].borrow_mut().takes = 0;
    world.says(0, &format!("send 0 {}", OUTPUT_BEHIND_BYTES - 4)); // and a header of 4 bytes
    world.says(0, "send 0 1");
    world.rest();
    assert_eq!(heard(&world.calls()), 2);
    world.says(0, "send 0 1");
    world.rest();
    assert_eq!(heard(&world.calls()), 0);
}

#[test]
fn input_before_a_peers_end_is_handled_even_if_the_peer_reads_late() {
    let mut world = World::open(1);
    world.peers[0].borrow_mut().takes = 0;
    world.sends(0, &frame(b"send 0 1000").repeat(50));
    world.ends_untold(0, End::Eof);
    world.ready(0, true);
    world.rest();
    assert_eq!(heard(&world.calls()), 33);
    world.peers[0].borrow_mut().takes = 32 * 1004;
    world.ready(0, true);
    world.rest();
    assert_eq!(world.calls().iter().map(String::as_str).collect::<Vec<_>>(), {
        let mut calls = vec!["0 says send"; 17];
        calls.push("0 closed");
        calls
    });
}

#[test]
fn unread_input_of_a_connection_that_is_closed_meanwhile_is_dropped() {
    let mut world = World::open(2);
    world.peers[0].borrow_mut().takes = 0;
    world.sends(0, &frame(b"send 0 1000").repeat(50));
    world.rest();
    assert_eq!(heard(&world.calls()), 33);
    world.says(1, "close 0");
    world.rest();
    assert_eq!(world.calls(), ["1 says close", "0 closed"]);
    world.peers[0].borrow_mut().takes = usize::MAX;
    world.ready(0, false);
    world.rest();
    assert!(world.calls().is_empty());
}

#[test]
fn a_peer_that_takes_nothing_for_long_is_closed_and_can_read_why() {
    let mut world = World::open(2);
    world.peers[0].borrow_mut().takes = 0;
    world.says(1, "send 0 1000000"); // much output is not a reason to close
    world.rest();
    world.now += STALL_MS - 1;
    world.rest();
    world.peers[0].borrow_mut().takes = 1; // and one byte is progress
    world.ready(0, false);
    world.rest();
    world.now += STALL_MS - 1;
    world.rest();
    assert_eq!(world.calls(), ["1 says send"]);
    world.now += 1;
    world.rest();
    assert_eq!(world.calls(), ["0 closed"]);
    assert_eq!(world.hub.metrics.closes.get(&close::TAKES_NOTHING.code), Some(&1));
    world.peers[0].borrow_mut().takes = usize::MAX;
    world.ready(0, false);
    world.rest();
    assert!(world.received(0).ends_with(close::TAKES_NOTHING.reason.as_bytes()));
}

#[test]
fn the_service_is_notified_once_for_each_request_that_the_output_has_left() {
    let mut world = World::open(3);
    world.says(1, "ask 0"); // nothing waits, so it is notified in the next turn
    world.turn();
    assert_eq!(world.calls(), ["1 says ask"]);
    world.turn();
    assert_eq!(world.calls(), ["0 drained"]);

    world.peers[0].borrow_mut().takes = 500;
    world.sends(1, &[frame(b"send 0 1000"), frame(b"ask 0"), frame(b"ask 0")].concat());
    world.rest();
    assert_eq!(world.calls(), ["1 says send", "1 says ask", "1 says ask"]);
    world.peers[0].borrow_mut().takes = 500; // four bytes of header are left
    world.ready(0, false);
    world.rest();
    assert!(world.calls().is_empty());
    world.peers[0].borrow_mut().takes = 500;
    world.ready(0, false);
    world.turn();
    world.turn();
    assert_eq!(world.calls(), ["0 drained"]);
    world.peers[0].borrow_mut().takes = usize::MAX;
    world.says(1, "send 0 1000");
    world.rest();
    assert_eq!(world.calls(), ["1 says send"]);

    // The service is not notified of a connection that has closed meanwhile.
    world.peers[0].borrow_mut().takes = 0;
    world.sends(1, &[frame(b"send 0 1000"), frame(b"ask 0"), frame(b"ask 2"), frame(b"close 0")].concat());
    world.ends_untold(2, End::Eof);
    world.ready(2, true);
    world.rest();
    world.peers[0].borrow_mut().takes = usize::MAX;
    world.ready(0, false);
    world.rest();
    world.says(1, "ask 1");
    world.turn();
    world.hub.close_all(close::GOING_AWAY, world.now);
    world.rest();
    let calls = world.calls();
    assert!(!calls.iter().any(|line| line.ends_with("drained")), "{calls:?}");
}

#[test]
fn pongs_are_answered_from_the_spare_buffers_too() {
    let mut world = World::open(1);
    world.received(0); // the handshake
    let before = world.hub.spare.len();
    let pings = [&[0x89, 0xFD, 0, 0, 0, 0][..], &[b'p'; 125]].concat().repeat(100);
    for _ in 0..20 {
        world.sends(0, &pings);
        world.rest();
        assert_eq!(world.received(0).len(), 100 * 127);
    }
    let spare = &world.hub.spare;
    assert!(spare.len() <= before + 1, "{} buffers more for one peer", spare.len() - before);
}
