//! The limit on connections of one address, and the metrics' own listener, which has a limit of its own.

use super::*;
use crate::config::METRICS_CONNECTIONS_MAX;

/// Three connections of an address that may have two, before any has sent its head.
fn three_of_two() -> World {
    let limits = Limits { connections_per_address_max: 2, ..Limits::default() };
    let hub = Hub::new(Recorder::default(), limits);
    let mut world = World { hub, peers: Vec::new(), now: START };
    for _ in 0..3 {
        let (socket, peer) = Socket::pair();
        let address = Ipv4Addr::new(192, 0, 2, 1); // no trusted proxy, whose clients are counted instead
        world.hub.admit(socket, address.into(), world.now).unwrap();
        world.peers.push(peer);
    }
    world.turn();
    world
}

/// The peer sends its head. Returns whether its WebSocket stays open, rather than being closed with 1013.
fn is_let_in(world: &mut World, number: usize) -> bool {
    world.sends(number, HEAD);
    world.rest();
    !world.received(number).windows(2).any(|bytes| bytes == 1013_u16.to_be_bytes())
}

#[test]
fn an_address_over_its_limit_keeps_those_that_came_before() {
    let mut world = three_of_two();
    assert_eq!([2, 0, 1].map(|number| is_let_in(&mut world, number)), [false, true, true]);
}

#[test]
fn a_connection_that_came_over_the_limit_is_let_in_if_another_has_left_before_its_head() {
    let mut world = three_of_two();
    world.ends_untold(0, End::Reset);
    world.ready(0, true);
    world.rest();
    assert!(is_let_in(&mut world, 2));
}

#[test]
fn connections_for_the_metrics_are_counted_and_have_a_limit_of_their_own() {
    let mut world = World::open(1);
    for number in 1..=METRICS_CONNECTIONS_MAX {
        assert!(world.hub.has_capacity_for_metrics(), "the {number}th");
        world.hub.admit_for_metrics(Socket::pair().0, Ipv4Addr::LOCALHOST.into(), world.now);
    }
    assert!(!world.hub.has_capacity_for_metrics());
    assert_eq!(world.hub.metrics.accepted, 1 + METRICS_CONNECTIONS_MAX as u64);
    assert!(world.hub.is_full_of_open(), "they take no place of the others");
}
