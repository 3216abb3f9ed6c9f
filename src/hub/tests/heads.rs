//! Request heads of many connections that arrive in parts.

use std::rc::Rc;

use super::{HEAD, World};
use crate::config::{HEAD_BYTES_MAX, PARTIAL_HEADS_BYTES_MAX};
use crate::metrics::RefusalCause;
use crate::net::close::GOING_AWAY;

#[test]
fn partial_heads_have_a_limit_on_memory_and_the_oldest_makes_room() {
    let mut world = World::open(1);
    let is_connected = |world: &World, number: usize| Rc::strong_count(&world.peers[number]) == 2;
    let youngest = PARTIAL_HEADS_BYTES_MAX / HEAD_BYTES_MAX + 100;
    let honest = youngest + 1;
    (1..=honest).for_each(|_| world.admit());
    world.turn();
    let part = [b"GET / HTTP/1.1\r\nX: ", &[b'x'; 8000][..]].concat();
    for number in 1..=youngest {
        world.sends(number, &part);
        world.turn();
        assert!(world.hub.partial_heads_bytes <= PARTIAL_HEADS_BYTES_MAX);
    }
    assert!(world.hub.metrics.refusals[RefusalCause::Evicted as usize] > 50);
    assert!(is_connected(&world, 0), "an open connection is not concerned");
    assert!(!is_connected(&world, 1), "the oldest is gone");
    assert!(is_connected(&world, youngest));

    // An honest head gets through, even in two parts.
    let (first, second) = HEAD.split_at(20);
    world.sends(honest, first);
    world.turn();
    world.sends(honest, second);
    world.rest();
    assert!(world.received(honest).starts_with(b"HTTP/1.1 101"));

    world.hub.close_all(GOING_AWAY, world.now);
    world.rest();
    assert_eq!(world.hub.partial_heads_bytes, 0, "what was counted is not counted any more");
}
