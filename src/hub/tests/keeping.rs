//! A service that keeps its input: when output leaves, and which output is dropped if the input cannot be kept.

use super::*;

const PING: &[u8] = b"\x89\x80\0\0\0\0";
const PONG: &[u8] = b"\x8a\0";

fn open_and_kept(connections: usize) -> World {
    let mut world = World::open(connections);
    world.hub.service.kept = Some(0);
    world.calls();
    (0..connections).for_each(|number| drop(world.received(number)));
    world
}

#[test]
fn a_turn_is_kept_once_however_many_ask_and_leave_in_it() {
    let mut world = open_and_kept(6);
    world.says(0, "send 1 10");
    world.says(1, "send 0 10");
    world.says(2, "close 3");
    world.ends_untold(4, End::Reset);
    world.ready(4, true);
    world.turn();
    assert_eq!(world.hub.service.kept, Some(1));
    assert_eq!((world.received(0).len(), world.received(1).len()), (12, 12));
    assert_eq!(world.received(3)[..1], [0x88], "a close frame");
}

#[test]
fn nothing_is_written_before_its_cause_is_kept() {
    let mut world = open_and_kept(1);
    world.says(0, "send 0 10");
    world.hub.serve(world.now);
    assert_eq!(world.received(0).len(), 0, "not before it is kept");
    world.turn();
    assert_eq!(world.received(0).len(), 12);
    assert_eq!(world.hub.service.kept, Some(1));
}

#[test]
fn a_peer_that_is_behind_is_not_written_to_in_the_middle_of_a_turn() {
    let mut world = open_and_kept(1);
    let asks = frame(b"send 0 20000").repeat(5);
    world.sends(0, &asks);
    world.hub.serve(world.now);
    assert_eq!(world.received(0).len(), 0);
    world.rest();
    assert_eq!(world.calls().len(), 5, "the rest is read later");
    assert_eq!(world.received(0).len(), 5 * (4 + 20_000));
}

#[test]
fn input_that_cannot_be_kept_has_no_effect_and_ends_all_connections() {
    let mut world = open_and_kept(5);
    world.peers[1].borrow_mut().takes = 7;
    world.says(0, "send 1 10"); // five bytes of this frame wait
    world.rest();
    world.sends(0, &[PING, &frame(b"send 1 100"), &frame(b"send 0 100"), &frame(b"send 0 50")].concat());
    world.says(2, "close 3");
    world.sends(4, PING);
    world.hub.serve(world.now);
    world.hub.service.is_broken = true;
    world.peers[1].borrow_mut().takes = usize::MAX;
    world.turn();
    let error = world.hub.take_failure().expect("it was not kept");
    assert_eq!(error.kind(), ErrorKind::StorageFull);
    let mut close = Vec::new();
    crate::net::frame::append_close(&mut close, close::INTERNAL_ERROR);
    assert_eq!(world.received(0), [PONG, &close].concat(), "a pong depends on nothing");
    let whole = [&b"\x81\x0a"[..], &[b'x'; 10], &close].concat();
    assert_eq!(world.received(1), whole, "what was kept before comes whole");
    for number in [2, 3] {
        assert_eq!(world.received(number), close, "{number}: not the close frame that it was sent");
    }
    assert_eq!(world.received(4), [PONG, &close].concat());
    assert!(world.hub.take_failure().is_none(), "it is said once");
}

#[test]
fn a_failed_write_is_kept_before_others_are_notified() {
    let mut world = open_and_kept(3);
    world.sends(0, &[frame(b"send 1 10"), frame(b"send 2 10")].concat());
    world.peers[1].borrow_mut().is_gone = true;
    world.peers[2].borrow_mut().is_gone = true;
    world.turn();
    assert_eq!(world.calls(), ["0 says send", "0 says send", "1 closed", "2 closed"]);
    assert_eq!(world.hub.service.kept, Some(2), "both ends together");
    assert_eq!(world.hub.stats().connections, 1);
}
