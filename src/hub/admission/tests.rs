//! What happens between accept and the request head, with sockets from addresses that no test of the server can have.

use std::io::{self, ErrorKind, Read, Write};

use super::*;
use crate::config::Limits;
use crate::metrics::Metrics;
use crate::net::close::CloseReason;
use crate::net::rate::RateVerdict;
use crate::net::response::Status;
use crate::net::websocket::Incoming;
use crate::outbox::Outbox;
use crate::service::Answer;

const NOW: Millis = 1_000_000;
const ADDRESS: &str = "198.51.100.1";

/// A socket that never says anything.
struct Silent;

impl Read for Silent {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(ErrorKind::WouldBlock.into())
    }
}

impl Write for Silent {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for Silent {
    fn shutdown_write(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A service that lets nobody in.
struct Shut;

impl Service for Shut {
    type Guest = ();
    type Identity = ();
    fn request(&mut self, _: &Request<'_>, _: &Metrics) -> Answer<()> {
        Answer::Http(Status::NotFound.into())
    }
    fn opened(&mut self, _: Millis, _: ConnId, (): (), _: &mut Outbox) -> Result<(), CloseReason> {
        Err(close::SERVER_FULL)
    }
    fn message(&mut self, _: Millis, _: (ConnId, ()), _: Incoming, _: RateVerdict, _: &mut Outbox) {}
    fn closed(&mut self, _: Millis, _: (ConnId, ()), _: &mut Outbox) {}
}

fn hub(limits: Limits) -> Hub<Silent, Shut> {
    Hub::new(Shut, limits)
}

fn accept(hub: &mut Hub<Silent, Shut>, address: &str) -> Option<u32> {
    let slot = hub.admit(Silent, address.parse().unwrap(), NOW);
    hub.settle(NOW);
    slot
}

#[test]
fn sockets_far_over_the_limit_of_an_address_are_dropped_at_accept() {
    let mut hub = hub(Limits::default());
    let slots: Vec<_> = (0..256 + 16).map(|_| accept(&mut hub, ADDRESS).unwrap()).collect();
    assert_eq!(accept(&mut hub, ADDRESS), None);
    assert_eq!(accept(&mut hub, &format!("::ffff:{ADDRESS}")), None, "the same address");
    assert_eq!(hub.metrics.refusals[RefusalCause::Address as usize], 2);
    assert!(accept(&mut hub, "198.51.100.2").is_some(), "another one");
    assert!((0..1000).all(|_| accept(&mut hub, "127.0.0.1").is_some()), "this machine");
    hub.abandon(slots[7], NOW);
    let id = hub.slots[slots[7] as usize].id;
    hub.mark_dirty(id);
    hub.settle(NOW);
    assert!(accept(&mut hub, ADDRESS).is_some(), "one has gone");
    assert_eq!(accept(&mut hub, ADDRESS), None);
}

#[test]
fn one_ipv6_network_of_64_bits_is_one_address() {
    let mut hub = hub(Limits { connections_per_address_max: 1, ..Limits::default() });
    for host in 0..1 + ADDRESS_OVERFLOW {
        assert!(accept(&mut hub, &format!("2001:db8:0:1::{host:x}")).is_some());
    }
    assert_eq!(accept(&mut hub, "2001:db8:0:1:ffff::1"), None);
    assert!(accept(&mut hub, "2001:db8:0:2::1").is_some());
}

#[test]
fn a_connection_that_was_just_accepted_is_not_evicted_in_the_same_turn() {
    let mut hub = hub(Limits { connections_max: 2, overflow_connections: 1, ..Limits::default() });
    let local: IpAddr = "127.0.0.1".parse().unwrap();
    for _ in 0..3 {
        assert!(hub.has_capacity());
        hub.admit(Silent, local, NOW);
    }
    assert!(!hub.has_capacity() && !hub.is_full_of_open());
    hub.settle(NOW);
    let oldest = hub.slots[0].id;
    assert!(hub.has_capacity());
    hub.admit(Silent, local, NOW);
    assert_eq!(hub.slots.len(), 3);
    assert!(find(&mut hub.slots, oldest).is_none(), "the oldest was evicted");
    assert_eq!(hub.metrics.refusals[RefusalCause::Evicted as usize], 1);
}

#[test]
fn memory_follows_the_number_of_sockets() {
    let mut hub = hub(Limits { connections_max: 50, overflow_connections: 50, ..Limits::default() });
    for number in 0..100_000_u32 {
        let address = std::net::Ipv4Addr::from_bits(number + 1).into();
        assert!(hub.has_capacity());
        hub.admit(Silent, address, NOW);
        hub.settle(NOW);
        assert!(hub.eviction_queue.0.len() <= 2 * 1024);
    }
    assert_eq!(hub.slots.len(), 100);
    assert_eq!(hub.addresses.counts.len(), 100);
    hub.close_all(close::GOING_AWAY, NOW);
    hub.settle(NOW);
    assert_eq!((hub.slots.len(), hub.addresses.counts.len(), hub.eviction_queue.0.len()), (0, 0, 0));
    assert_eq!(hub.metrics.phases, [0; 5]);
}
