//! The end of a connection, and when the service is notified.

use super::{End, World};

#[test]
fn a_message_read_after_the_end_of_another_connection_finds_it_closed() {
    let protocol_error = &[0x83, 0x80, 0, 0, 0, 0];
    let close = &[0x88, 0x80, 0, 0, 0, 0];
    let ends: [(&[u8], Option<End>); 4] =
        [(&[], Some(End::Eof)), (&[], Some(End::Reset)), (protocol_error, None), (close, None)];
    for (bytes, end) in ends {
        let mut world = World::open(2);
        world.sends_untold(0, bytes);
        world.peers[0].borrow_mut().end = end;
        world.ready(0, false);
        world.says(1, "send 0 10");
        world.received(0);
        world.turn();
        assert_eq!(world.calls(), ["0 closed", "1 says send"]);
        assert!(!world.received(0).windows(2).any(|bytes| bytes == b"xx"), "it was sent what came later");
    }
}

#[test]
fn a_message_read_before_the_end_of_another_connection_finds_it_open() {
    let mut world = World::open(2);
    world.says(1, "send 0 10");
    world.ends_untold(0, End::Eof);
    world.ready(0, true);
    world.turn();
    assert_eq!(world.calls(), ["1 says send", "0 closed"]);
}

#[test]
fn a_turn_returns_how_many_connections_it_has_freed_and_each_that_came_is_counted() {
    let mut world = World::open(3);
    assert_eq!((world.hub.metrics.accepted, world.hub.connections()), (3, 3));
    for number in [0, 2] {
        world.ends_untold(number, End::Reset);
        world.ready(number, true);
    }
    let freed: usize = (0..5).map(|_| world.hub.turn(world.now, |_| {})).sum();
    assert_eq!((freed, world.hub.connections()), (2, 1));
    assert!(!world.hub.is_empty());
}
