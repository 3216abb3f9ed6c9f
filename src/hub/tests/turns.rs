//! What a turn reads, and what it leaves to the next.

use super::{World, frame};
use crate::config::{RECV_BYTES_MIN, TURN_BYTES_MAX};

#[test]
fn a_turn_reads_so_many_connections_and_the_next_ones_read_the_rest() {
    let mut world = World::open(1200);
    (0..1200).for_each(|number| world.says(number, "hello"));
    for count in [512, 512, 176] {
        assert!(world.hub.has_work(), "the next turn is at once");
        world.turn();
        assert_eq!(world.told().len(), count);
    }
}

#[test]
fn a_turn_reads_so_many_bytes_and_a_little_more_at_most() {
    let mut world = World::open(20);
    (0..10).for_each(|number| world.sends(number, &frame(&[b'x'; 8000]).repeat(30)));
    let mut turns = 0;
    let mut all = 0;
    while all < 300 {
        // Once each of the others has been read, it is known to send much.
        let lights = if turns < 3 { 0 } else { 10 };
        (10..10 + lights).for_each(|number| world.says(number, "hello"));
        let before = world.hub.metrics.bytes_in;
        world.turn();
        let read = world.hub.metrics.bytes_in - before;
        assert!(read <= (TURN_BYTES_MAX + RECV_BYTES_MIN) as u64, "{read} bytes");
        let told = world.told();
        let hellos = told.iter().filter(|line| line.ends_with("hello")).count();
        assert_eq!(hellos, lights, "those who send little, in turn {turns}");
        all += told.len() - hellos;
        turns += 1;
    }
    assert!(turns <= 22, "{turns} turns for 2.4 MB");
}

#[test]
fn one_who_sends_much_is_read_though_others_use_up_every_turn() {
    let mut world = World::open(601);
    world.sends(0, &frame(&[b'x'; 8000]).repeat(50));
    world.turn();
    world.told();
    let mut reads = 0;
    for _ in 0..7 {
        (1..601).for_each(|number| world.says(number, "hello"));
        let before = world.peers[0].borrow().reads;
        world.turn();
        reads += world.peers[0].borrow().reads - before;
    }
    assert!(reads >= 6, "{reads} reads in 7 turns");
}
