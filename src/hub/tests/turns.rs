//! What a turn reads, and what it leaves for the next.

use super::{HEAD, World, frame};
use crate::config::{
    CROWD_RECV_BYTES, FRAGMENT_COST_FACTOR, RECV_BYTES, RECV_BYTES_MIN, REQUEST_COST_BYTES, TURN_BYTES_MAX,
    WRITE_COST_BYTES,
};

#[test]
fn a_turn_reads_a_bounded_number_of_connections_and_the_next_read_the_rest() {
    let mut world = World::open(1200);
    (0..1200).for_each(|number| world.says(number, "hello"));
    for count in [512, 512, 176] {
        assert!(world.hub.has_work(), "the next turn is at once");
        world.turn();
        assert_eq!(world.calls().len(), count);
    }
}

#[test]
fn a_turn_reads_a_bounded_number_of_bytes() {
    let mut world = World::open(20);
    (0..10).for_each(|number| world.sends(number, &frame(&[b'x'; 8000]).repeat(30)));
    let mut turns = 0;
    let mut all = 0;
    while all < 300 {
        // The hub knows which peers send much only after it has read each of them.
        let lights = if turns < 3 { 0 } else { 10 };
        (10..10 + lights).for_each(|number| world.says(number, "hello"));
        let before = world.hub.metrics.bytes_in;
        world.turn();
        let read = world.hub.metrics.bytes_in - before;
        assert!(read <= (TURN_BYTES_MAX + RECV_BYTES_MIN) as u64, "{read} bytes");
        let calls = world.calls();
        let hellos = calls.iter().filter(|line| line.ends_with("hello")).count();
        assert_eq!(hellos, lights, "those who send little, in turn {turns}");
        all += calls.len() - hellos;
        turns += 1;
    }
    // 15 reads of each peer. A read ends with the first part of a message, which costs more than its bytes.
    assert!(turns <= 26, "{turns} turns for 2.4 MB");
}

#[test]
fn the_shortest_fragments_use_up_a_turn_before_their_bytes_do() {
    let mut world = World::open(10);
    let mut fragments = vec![0x01, 0x80, 0, 0, 0, 0];
    fragments.extend([0x00, 0x80, 0, 0, 0, 0].repeat(2000));
    (0..10).for_each(|number| world.sends(number, &fragments));
    // The first turn reads a little from each, and finds that they send much.
    let mut turns = 0;
    while world.hub.has_work() {
        let before = world.hub.metrics.bytes_in;
        world.turn();
        let read = world.hub.metrics.bytes_in - before;
        assert!(read <= (TURN_BYTES_MAX / (1 + FRAGMENT_COST_FACTOR) + RECV_BYTES) as u64, "{read} bytes");
        turns += 1;
    }
    assert!(turns >= 3, "{turns} turns for 120 kB");
}

#[test]
fn requests_use_up_a_turn_before_their_bytes_do() {
    let mut world = World::open(1);
    let connections = TURN_BYTES_MAX / REQUEST_COST_BYTES * 2;
    for number in 1..=connections {
        world.admit();
        world.sends(number, HEAD);
    }
    world.turn();
    let (open, most) = (world.hub.stats().open, TURN_BYTES_MAX / REQUEST_COST_BYTES);
    assert!(open <= most, "{open} handshakes in one turn");
    while world.hub.has_work() {
        world.turn();
    }
    assert_eq!(world.hub.stats().open, connections + 1);
}

#[test]
fn a_peer_that_sends_much_is_read_even_if_others_use_up_every_turn() {
    let mut world = World::open(601);
    world.sends(0, &frame(&[b'x'; 8000]).repeat(50));
    world.turn();
    world.calls();
    let mut reads = 0;
    for _ in 0..7 {
        (1..601).for_each(|number| world.says(number, "hello"));
        let before = world.peers[0].borrow().reads;
        world.turn();
        reads += world.peers[0].borrow().reads - before;
    }
    assert!(reads >= 6, "{reads} reads in 7 turns");
}

#[test]
fn of_a_crowd_that_begins_to_flood_each_is_read_a_little_before_one_who_came_last() {
    const CROWD: usize = 1000;
    let mut world = World::open(CROWD + 1);
    (0..CROWD).for_each(|number| world.sends(number, &frame(&[b'x'; 8000]).repeat(2)));
    world.says(CROWD, "hello");
    let before = world.hub.metrics.bytes_in;
    while !world.calls().iter().any(|line| line.ends_with("hello")) {
        world.turn();
    }
    let read = world.hub.metrics.bytes_in - before;
    assert!(read <= (CROWD * CROWD_RECV_BYTES + TURN_BYTES_MAX) as u64, "{read} bytes came first");
}

#[test]
fn messages_to_others_use_up_a_turn_before_their_bytes_do() {
    const PAIRS: usize = 500;
    const EACH: usize = 4;
    let mut world = World::open(PAIRS * (1 + EACH));
    for number in 0..PAIRS {
        let to = (0..EACH).map(|nth| frame(format!("send {} 1", PAIRS + number * EACH + nth).as_bytes()));
        world.sends(number, &to.collect::<Vec<_>>().concat());
    }
    let mut turns = 0;
    while world.hub.has_work() {
        world.turn();
        let writes = world.calls().len();
        assert!(writes <= TURN_BYTES_MAX / WRITE_COST_BYTES + EACH, "{writes} writes in one turn");
        turns += 1;
    }
    assert!(turns >= 3, "{turns} turns for 2,000 writes");
}
