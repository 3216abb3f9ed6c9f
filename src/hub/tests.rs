//! The hub over sockets in memory, with a service that remembers what it is told.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::Ipv4Addr;
use std::rc::Rc;

use super::*;
use crate::config::{HEAD_MS, OUTPUT_BEHIND_BYTES, PONG_MS, RECV_BYTES_MIN, STALL_MS, TURN_BYTES_MAX};
use crate::net::frame::Opcode;
use crate::net::http::{Request, Upgrade};
use crate::net::rate::RateVerdict;
use crate::net::websocket::Incoming;
use crate::service::Answer;

const START: Millis = 1_000_000;
const HEAD: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// What one read of a socket finds.
enum Input {
    Bytes(Vec<u8>),
    Eof,
    Reset,
}

/// The peer's side of a socket.
#[derive(Default)]
struct Peer {
    sent: VecDeque<Input>,
    /// So many bytes are taken more; then the socket blocks.
    takes: usize,
    received: Vec<u8>,
    reads: usize,
}

struct Socket(Rc<RefCell<Peer>>);

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut peer = self.0.borrow_mut();
        peer.reads += 1;
        match peer.sent.front_mut() {
            None => Err(ErrorKind::WouldBlock.into()),
            Some(Input::Eof) => Ok(0),
            Some(Input::Reset) => Err(ErrorKind::ConnectionReset.into()),
            Some(Input::Bytes(bytes)) => {
                let length = bytes.len().min(buffer.len());
                buffer[..length].copy_from_slice(&bytes[..length]);
                bytes.drain(..length);
                if bytes.is_empty() {
                    peer.sent.pop_front();
                }
                Ok(length)
            }
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut peer = self.0.borrow_mut();
        let length = bytes.len().min(peer.takes);
        if length == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        peer.takes -= length;
        peer.received.extend_from_slice(&bytes[..length]);
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for Socket {
    fn shutdown_write(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Does what a message says, and remembers what it was told.
#[derive(Default)]
struct Recorder {
    conns: Vec<ConnId>,
    told: Vec<String>,
}

impl Recorder {
    fn number(&self, conn: ConnId) -> usize {
        self.conns.iter().position(|known| *known == conn).expect("an opened connection")
    }
}

impl Service for Recorder {
    type Guest = ();
    type Peer = ();

    fn request(&mut self, request: &Request<'_>, _: &Metrics) -> Answer<()> {
        assert!(matches!(request.upgrade, Upgrade::Key(_)));
        Answer::Upgrade { protocol: None, guest: (), priority: Priority::Ordinary }
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
            "ask" => out.ask_when_drained(self.conns[number(1)]),
            _ => {}
        }
        self.told.push(format!("{} says {}", self.number(conn), words[0]));
    }

    fn closed(&mut self, _: Millis, (conn, ()): (ConnId, ()), _: &mut Outbox) {
        self.told.push(format!("{} closed", self.number(conn)));
    }

    fn drained(&mut self, _: Millis, (conn, ()): (ConnId, ()), _: &mut Outbox) {
        self.told.push(format!("{} drained", self.number(conn)));
    }
}

struct World {
    hub: Hub<Socket, Recorder>,
    peers: Vec<Rc<RefCell<Peer>>>,
    now: Millis,
}

impl World {
    /// So many open connections, whose sockets take everything.
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
        let peer = Rc::new(RefCell::new(Peer { takes: usize::MAX, ..Peer::default() }));
        let slot = self.hub.admit(Socket(Rc::clone(&peer)), Ipv4Addr::LOCALHOST.into(), self.now).unwrap();
        assert_eq!(slot as usize, self.peers.len());
        self.peers.push(peer);
    }

    /// The peer sends this, and the poll tells of it.
    fn sends(&mut self, number: usize, bytes: &[u8]) {
        self.sends_untold(number, Input::Bytes(bytes.to_vec()));
        self.ready(number, false);
    }

    /// The peer sends this, and the poll has not come to tell of it yet.
    fn sends_untold(&mut self, number: usize, input: Input) {
        self.peers[number].borrow_mut().sent.push_back(input);
    }

    fn says(&mut self, number: usize, text: &str) {
        self.sends(number, &frame(text.as_bytes()));
    }

    fn ready(&mut self, number: usize, peer_shutdown: bool) {
        let slot = u32::try_from(number).expect("few");
        self.hub.ready(slot, Readiness { readable: true, writable: true, peer_shutdown, urgent: false });
    }

    fn turn(&mut self) {
        self.hub.serve(self.now);
        self.hub.expire(self.now);
        self.hub.settle(self.now);
        assert_eq!(self.hub.stats().without_deadline, 0);
    }

    /// Turns for as long as there is something to do.
    fn rest(&mut self) {
        for _ in 0..10_000 {
            self.turn();
            if !self.hub.has_work() && self.hub.next_due().is_none_or(|due| due > self.now) {
                return;
            }
        }
        panic!("the hub does not come to rest");
    }

    fn told(&mut self) -> Vec<String> {
        std::mem::take(&mut self.hub.service.told)
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

// --- the end of a connection

#[test]
fn whoever_is_read_after_the_end_of_a_connection_finds_it_closed() {
    let protocol_error = vec![0x83, 0x80, 0, 0, 0, 0];
    let close = vec![0x88, 0x80, 0, 0, 0, 0];
    for end in [Input::Eof, Input::Reset, Input::Bytes(protocol_error), Input::Bytes(close)] {
        let mut world = World::open(2);
        world.sends_untold(0, end);
        world.ready(0, false);
        world.says(1, "send 0 10");
        world.received(0);
        world.turn();
        assert_eq!(world.told(), ["0 closed", "1 says send"]);
        assert!(!world.received(0).windows(2).any(|bytes| bytes == b"xx"), "it was sent what came later");
    }
}

#[test]
fn whoever_is_read_before_the_end_of_a_connection_finds_it_open() {
    let mut world = World::open(2);
    world.says(1, "send 0 10");
    world.sends_untold(0, Input::Eof);
    world.ready(0, true);
    world.turn();
    assert_eq!(world.told(), ["1 says send", "0 closed"]);
}

// --- output

/// How many of those who say "send" were heard, and nothing else was told.
fn heard(told: &[String]) -> usize {
    assert!(told.iter().all(|line| line == "0 says send"), "{told:?}");
    told.len()
}

#[test]
fn one_who_asks_faster_than_it_reads_is_not_read_until_it_does_and_loses_nothing() {
    let mut world = World::open(2);
    world.peers[0].borrow_mut().takes = 0;
    world.sends(0, &frame(b"send 0 1000").repeat(200));
    world.rest();
    assert_eq!(heard(&world.told()), 33, "32 KiB and a frame");
    world.sends(0, &frame(b"send 0 1000").repeat(100));
    world.rest();
    assert_eq!((heard(&world.told()), world.hub.stats().output_bytes_max), (0, 33 * 1004));
    // What was read ahead of it is not another's.
    world.says(1, "hello");
    world.rest();
    assert_eq!(world.told(), ["1 says hello"]);

    let mut all = 33;
    while all < 300 {
        world.peers[0].borrow_mut().takes = 5000;
        world.ready(0, false);
        world.rest();
        let more = heard(&world.told());
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
fn what_a_peer_sent_before_its_end_is_done_though_it_reads_late() {
    let mut world = World::open(1);
    world.peers[0].borrow_mut().takes = 0;
    world.sends(0, &frame(b"send 0 1000").repeat(50));
    world.sends_untold(0, Input::Eof);
    world.ready(0, true);
    world.rest();
    assert_eq!(heard(&world.told()), 33);
    world.peers[0].borrow_mut().takes = 32 * 1004;
    world.ready(0, true);
    world.rest();
    assert_eq!(world.told().iter().map(String::as_str).collect::<Vec<_>>(), {
        let mut told = vec!["0 says send"; 17];
        told.push("0 closed");
        told
    });
}

#[test]
fn what_was_kept_of_one_who_is_closed_meanwhile_is_not_done() {
    let mut world = World::open(2);
    world.peers[0].borrow_mut().takes = 0;
    world.sends(0, &frame(b"send 0 1000").repeat(50));
    world.rest();
    assert_eq!(heard(&world.told()), 33);
    world.says(1, "close 0");
    world.rest();
    assert_eq!(world.told(), ["1 says close", "0 closed"]);
    world.peers[0].borrow_mut().takes = usize::MAX;
    world.ready(0, false);
    world.rest();
    assert!(world.told().is_empty());
}

#[test]
fn one_who_takes_nothing_for_long_is_closed_and_can_read_why() {
    let mut world = World::open(2);
    world.peers[0].borrow_mut().takes = 0;
    world.says(1, "send 0 1000000"); // much is no reason
    world.rest();
    world.now += STALL_MS - 1;
    world.rest();
    world.peers[0].borrow_mut().takes = 1; // and little is progress
    world.ready(0, false);
    world.rest();
    world.now += STALL_MS - 1;
    world.rest();
    assert_eq!(world.told(), ["1 says send"]);
    world.now += 1;
    world.rest();
    assert_eq!(world.told(), ["0 closed"]);
    assert_eq!(world.hub.metrics.closes.get(&close::TAKES_NOTHING.code), Some(&1));
    world.peers[0].borrow_mut().takes = usize::MAX;
    world.ready(0, false);
    world.rest();
    assert!(world.received(0).ends_with(close::TAKES_NOTHING.reason.as_bytes()));
}

#[test]
fn the_service_is_told_once_for_each_time_it_asked_that_the_output_of_an_open_connection_has_left() {
    let mut world = World::open(3);
    world.says(1, "ask 0"); // nothing waits: the next turn
    world.turn();
    assert_eq!(world.told(), ["1 says ask"]);
    world.turn();
    assert_eq!(world.told(), ["0 drained"]);

    world.peers[0].borrow_mut().takes = 500;
    world.sends(1, &[frame(b"send 0 1000"), frame(b"ask 0"), frame(b"ask 0")].concat());
    world.rest();
    assert_eq!(world.told(), ["1 says send", "1 says ask", "1 says ask"]);
    world.peers[0].borrow_mut().takes = 500; // four bytes of header are left
    world.ready(0, false);
    world.rest();
    assert!(world.told().is_empty());
    world.peers[0].borrow_mut().takes = 500;
    world.ready(0, false);
    world.turn();
    world.turn();
    assert_eq!(world.told(), ["0 drained"]);
    world.peers[0].borrow_mut().takes = usize::MAX;
    world.says(1, "send 0 1000");
    world.rest();
    assert_eq!(world.told(), ["1 says send"]);

    // One that is closed meanwhile is none that wants more.
    world.peers[0].borrow_mut().takes = 0;
    world.sends(1, &[frame(b"send 0 1000"), frame(b"ask 0"), frame(b"ask 2"), frame(b"close 0")].concat());
    world.sends_untold(2, Input::Eof);
    world.ready(2, true);
    world.rest();
    world.peers[0].borrow_mut().takes = usize::MAX;
    world.ready(0, false);
    world.rest();
    world.says(1, "ask 1");
    world.turn();
    world.hub.close_all(close::GOING_AWAY, world.now);
    world.rest();
    let told = world.told();
    assert!(!told.iter().any(|line| line.ends_with("drained")), "{told:?}");
}

// --- turns

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
    assert!(turns <= 11, "{turns} turns for 2.4 MB");
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

// --- deadlines after the process was stopped

#[test]
fn a_pong_that_came_while_the_process_was_stopped_counts_though_no_event_told_of_it() {
    let mut world = World::open(3);
    let interval = world.hub.limits.ping_interval_ms;
    world.now += interval;
    world.rest();
    assert!((0..3).all(|number| world.received(number).ends_with(&[0x89, 0])), "each has a ping");
    // Stopped for an hour. One has answered in time; another did so as well, and more wait before it is told of.
    world.sends_untold(0, Input::Bytes(vec![0x8A, 0x80, 0, 0, 0, 0]));
    world.sends(1, &[0x8A, 0x80, 0, 0, 0, 0]);
    world.now += 60 * 60 * 1000;
    world.rest();
    assert_eq!(world.told(), ["2 closed"], "it alone was silent");
    assert_eq!(world.hub.metrics.expired, 1);
}

#[test]
fn after_a_stop_the_silent_are_asked_and_have_time_to_answer() {
    let mut world = World::open(1);
    world.received(0);
    world.now += 60 * 60 * 1000;
    world.rest();
    assert_eq!(world.received(0), [0x89, 0]);
    world.now += PONG_MS - 1;
    world.rest();
    assert!(world.told().is_empty());
    world.now += 1;
    world.rest();
    assert_eq!(world.told(), ["0 closed"]);
}

#[test]
fn a_head_that_came_while_the_process_was_stopped_is_read() {
    for (sent, answer) in [(HEAD, &b"HTTP/1.1 101"[..]), (&HEAD[..HEAD.len() - 1], b"HTTP/1.1 408")] {
        let mut world = World::open(0);
        world.admit();
        world.rest();
        world.sends_untold(0, Input::Bytes(sent.to_vec()));
        world.now += HEAD_MS;
        world.rest();
        assert!(world.received(0).starts_with(answer));
    }
}

#[test]
fn a_socket_that_takes_what_waits_after_a_stop_has_not_stalled() {
    for (takes, told) in
        [(1_000_000, &["0 says send"]), (0, &["0 says send", "0 closed"])] as [(_, &[&str]); 2]
    {
        let mut world = World::open(1);
        world.peers[0].borrow_mut().takes = 10;
        world.says(0, "send 0 1000");
        world.rest();
        world.peers[0].borrow_mut().takes = takes;
        world.now += STALL_MS;
        world.rest();
        assert_eq!(world.told(), told);
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
