//! Deadlines, in particular those that passed while the process was stopped.

use std::rc::Rc;

use super::{HEAD, World};
use crate::config::{CLOSING_MS, HEAD_MS, HTTP_MS, LINGER_MS, Millis, PONG_MS, STALL_MS, TURN_EXPIRIES_MAX};

/// Lets time pass up to a deadline of the only connection, and checks that `has_passed` is true then, and not before.
fn passes_after(world: &mut World, ms: Millis, mut has_passed: impl FnMut(&mut World) -> bool) {
    world.now += ms - 1;
    world.rest();
    assert!(!has_passed(world), "{ms} ms: too early");
    world.now += 1;
    world.rest();
    assert!(has_passed(world), "{ms} ms: too late");
}

fn is_gone(world: &mut World) -> bool {
    Rc::strong_count(&world.peers[0]) == 1
}

#[test]
fn a_head_has_ten_seconds_and_its_answer_a_second_until_the_peer_has_closed_too() {
    let mut world = World::open(0);
    world.admit();
    world.sends(0, &HEAD[..20]);
    world.rest();
    passes_after(&mut world, HEAD_MS, |world| world.received(0).starts_with(b"HTTP/1.1 408"));
    passes_after(&mut world, LINGER_MS, is_gone);
}

#[test]
fn an_answer_that_the_peer_does_not_take_is_given_up_after_five_seconds() {
    let mut world = World::open(0);
    world.admit();
    world.peers[0].borrow_mut().takes = 0;
    world.sends(0, b"no head\r\n\r\n");
    world.rest();
    passes_after(&mut world, HTTP_MS, is_gone);
}

#[test]
fn a_peer_has_five_seconds_to_answer_a_close_frame() {
    let mut world = World::open(1);
    world.says(0, "close 0");
    world.rest();
    passes_after(&mut world, CLOSING_MS, is_gone);
}

#[test]
fn an_open_connection_is_pinged_after_its_interval_and_gone_if_no_pong_comes_in_time() {
    let mut world = World::open(1);
    world.received(0);
    let interval = world.hub.limits.ping_interval_ms;
    passes_after(&mut world, interval, |world| world.received(0) == [0x89, 0]);
    passes_after(&mut world, PONG_MS, is_gone);
}

#[test]
fn a_peer_that_takes_none_of_its_output_is_closed_after_fifteen_seconds() {
    let mut world = World::open(1);
    world.peers[0].borrow_mut().takes = 0;
    world.says(0, "send 0 1000");
    world.rest();
    passes_after(&mut world, STALL_MS, |world| world.calls().contains(&"0 closed".to_owned()));
}

#[test]
fn a_pong_that_came_while_the_process_was_stopped_counts_before_its_event_is_reported() {
    let mut world = World::open(3);
    let interval = world.hub.limits.ping_interval_ms;
    world.now += interval;
    world.rest();
    assert!((0..3).all(|number| world.received(number).ends_with(&[0x89, 0])), "each has a ping");
    // The process was stopped for an hour. Peer 0 has answered in time, but the poll has not reported it yet; peer 1
    // has, too.
    world.sends_untold(0, &[0x8A, 0x80, 0, 0, 0, 0]);
    world.sends(1, &[0x8A, 0x80, 0, 0, 0, 0]);
    world.now += 60 * 60 * 1000;
    world.rest();
    assert_eq!(world.calls(), ["2 closed"], "it alone was silent");
    assert_eq!(world.hub.metrics.expired, 1);
}

#[test]
fn after_a_stop_silent_peers_are_pinged_and_have_time_to_answer() {
    let mut world = World::open(1);
    world.received(0);
    world.now += 60 * 60 * 1000;
    world.rest();
    assert_eq!(world.received(0), [0x89, 0]);
    world.now += PONG_MS - 1;
    world.rest();
    assert!(world.calls().is_empty());
    world.now += 1;
    world.rest();
    assert_eq!(world.calls(), ["0 closed"]);
}

#[test]
fn a_head_that_came_while_the_process_was_stopped_is_read() {
    for (sent, answer) in [(HEAD, &b"HTTP/1.1 101"[..]), (&HEAD[..HEAD.len() - 1], b"HTTP/1.1 408")] {
        let mut world = World::open(0);
        world.admit();
        world.rest();
        world.sends_untold(0, sent);
        world.now += HEAD_MS;
        world.rest();
        assert!(world.received(0).starts_with(answer));
    }
}

#[test]
fn a_socket_that_takes_waiting_output_after_a_stop_has_not_stalled() {
    for (takes, calls) in
        [(1_000_000, &["0 says send"]), (0, &["0 says send", "0 closed"])] as [(_, &[&str]); 2]
    {
        let mut world = World::open(1);
        world.peers[0].borrow_mut().takes = 10;
        world.says(0, "send 0 1000");
        world.rest();
        world.peers[0].borrow_mut().takes = takes;
        world.now += STALL_MS;
        world.rest();
        assert_eq!(world.calls(), calls);
    }
}

#[test]
fn many_deadlines_that_pass_at_once_are_shared_between_turns() {
    let mut world = World::open(1200);
    world.now += world.hub.limits.ping_interval_ms;
    let mut pings = 0;
    for turn in 1.. {
        let before = world.hub.metrics.bytes_out;
        world.turn();
        let written = world.hub.metrics.bytes_out - before;
        assert!(written <= 2 * TURN_EXPIRIES_MAX as u64, "{written} bytes of pings in turn {turn}");
        pings += written / 2;
        if pings == 1200 {
            break;
        }
        assert!(world.hub.next_due().is_some_and(|due| due <= world.now), "the next turn is at once");
    }
}
