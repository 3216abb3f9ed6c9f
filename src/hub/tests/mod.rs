//! The hub over sockets in memory, with a service that records its calls.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod addresses;
mod deadlines;
mod ends;
mod heads;
mod keeping;
mod output;
#[path = "../../../tests/support/stream.rs"]
mod stream;
mod turns;

use std::cell::RefCell;
use std::io::{self, ErrorKind};
use std::net::Ipv4Addr;
use std::rc::Rc;

use super::*;
use crate::net::close::CloseReason;
use crate::net::frame::Opcode;
use crate::net::http::Request;
use crate::net::rate::RateVerdict;
use crate::net::websocket::Incoming;
use crate::service::{Answer, Priority};

use stream::{End, Peer, Socket};

const START: Millis = 1_000_000;
const HEAD: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// A service that does what each message says, and records the calls of the hub.
#[derive(Default)]
struct Recorder {
    conns: Vec<ConnId>,
    calls: Vec<String>,
    /// How often it has kept its input. `None` if it keeps nothing.
    kept: Option<usize>,
    is_ahead: bool,
    is_broken: bool,
    has_failed: bool,
}

impl Recorder {
    fn record(&mut self, what: String) {
        self.calls.push(what);
        self.is_ahead = self.kept.is_some() && !self.has_failed;
    }

    fn number(&self, conn: ConnId) -> usize {
        self.conns.iter().position(|known| *known == conn).expect("an opened connection")
    }
}

impl Service for Recorder {
    type Guest = ();
    type Identity = ();

    fn request(&mut self, request: &Request<'_>, _: &Metrics) -> Answer<()> {
        let handshake = request.handshake().expect("a handshake");
        Answer::Upgrade { handshake, protocol: None, guest: (), priority: Priority::Ordinary }
    }

    fn opened(&mut self, _: Millis, conn: ConnId, (): (), _: &mut Outbox) -> Result<(), CloseReason> {
        self.conns.push(conn);
        Ok(())
    }

    fn message(
        &mut self,
        _: Millis,
        (conn, ()): (ConnId, ()),
        message: Incoming,
        _: RateVerdict,
        out: &mut Outbox,
    ) {
        let Incoming::Text(text) = message else { return };
        let words: Vec<&str> = text.split(' ').collect();
        let number = |at: usize| words[at].parse::<usize>().expect("a number");
        match words[0] {
            "send" => out.send(self.conns[number(1)], Opcode::Text, |b| b.resize(b.len() + number(2), b'x')),
            "close" => out.close(self.conns[number(1)], close::GOING_AWAY),
            "ask" => out.notify_drained(self.conns[number(1)]),
            _ => {}
        }
        self.record(format!("{} says {}", self.number(conn), words[0]));
    }

    fn closed(&mut self, _: Millis, (conn, ()): (ConnId, ()), _: &mut Outbox) {
        self.record(format!("{} closed", self.number(conn)));
    }

    fn drained(&mut self, _: Millis, (conn, ()): (ConnId, ()), _: &mut Outbox) {
        self.record(format!("{} drained", self.number(conn)));
    }

    fn is_kept(&self) -> bool {
        !self.is_ahead
    }

    fn keep(&mut self) -> io::Result<()> {
        self.is_ahead = false;
        self.has_failed = self.is_broken;
        if self.has_failed {
            return Err(ErrorKind::StorageFull.into());
        }
        self.kept.iter_mut().for_each(|count| *count += 1);
        Ok(())
    }
}

struct World {
    hub: Hub<Socket, Recorder>,
    peers: Vec<Rc<RefCell<Peer>>>,
    now: Millis,
}

impl World {
    /// A world with this many open connections, whose sockets take everything.
    fn open(connections: usize) -> Self {
        let limits = Limits { messages_per_s: 0, payload_bytes_per_s: 0, ..Limits::default() };
        let mut world = Self { hub: Hub::new(Recorder::default(), limits), peers: Vec::new(), now: START };
        for number in 0..connections {
            world.admit();
            world.sends(number, HEAD);
            world.rest();
        }
        assert_eq!(world.hub.service.conns.len(), connections);
        world
    }

    fn admit(&mut self) {
        let (socket, peer) = Socket::pair();
        let slot = self.hub.admit(socket, Ipv4Addr::LOCALHOST.into(), self.now).unwrap();
        assert_eq!(slot as usize, self.peers.len());
        self.peers.push(peer);
    }

    /// The peer sends this, and the poll reports it.
    fn sends(&mut self, number: usize, bytes: &[u8]) {
        self.sends_untold(number, bytes);
        self.ready(number, false);
    }

    /// The peer sends this, but the poll has not reported it yet.
    fn sends_untold(&mut self, number: usize, bytes: &[u8]) {
        self.peers[number].borrow_mut().sent.extend_from_slice(bytes);
    }

    /// The peer ends, but the poll has not reported it yet.
    fn ends_untold(&mut self, number: usize, end: End) {
        self.peers[number].borrow_mut().end = Some(end);
    }

    fn says(&mut self, number: usize, text: &str) {
        self.sends(number, &frame(text.as_bytes()));
    }

    fn ready(&mut self, number: usize, peer_shutdown: bool) {
        let slot = u32::try_from(number).expect("few");
        self.hub.ready(slot, Readiness { readable: true, writable: true, peer_shutdown, urgent: false });
    }

    fn turn(&mut self) {
        self.hub.turn(self.now, |_| {});
        assert_eq!(self.hub.stats().without_deadline, 0);
    }

    /// Turns while there is something to do.
    fn rest(&mut self) {
        for _ in 0..10_000 {
            self.turn();
            if !self.hub.has_work() && self.hub.next_due().is_none_or(|due| due > self.now) {
                return;
            }
        }
        panic!("the hub does not come to rest");
    }

    fn calls(&mut self) -> Vec<String> {
        std::mem::take(&mut self.hub.service.calls)
    }

    fn received(&mut self, number: usize) -> Vec<u8> {
        std::mem::take(&mut self.peers[number].borrow_mut().received)
    }
}

/// A text frame masked with zeros.
fn frame(payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x81];
    match u8::try_from(payload.len()) {
        Ok(length @ 0..126) => frame.push(0x80 | length),
        _ => {
            frame.push(0x80 | 126);
            frame.extend(u16::try_from(payload.len()).expect("short").to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

#[test]
fn a_connection_at_rest_takes_208_bytes() {
    type Descriptor = u32; // a release's socket; a debug build's has more in it
    assert_eq!(size_of::<Slot<Descriptor, crate::desk::Role>>(), 208, "every connection takes as much");
}
