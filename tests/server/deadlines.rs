//! The deadlines of a connection, tested with a simulated clock and socket.

use std::cell::{Ref, RefCell};
use std::rc::Rc;

use deskwire::config::{
    CLOSING_BYTES_MAX, CLOSING_MS, HEAD_MS, HTTP_MS, LINGER_MS, Limits, Millis, OUTPUT_BEHIND_BYTES, PONG_MS,
    STALL_MS,
};
use deskwire::net::close::{GOING_AWAY, TOO_BIG};
use deskwire::net::connection::{Connection, GivenUp, PhaseName};
use deskwire::net::http::Method;
use deskwire::net::input::{Readiness, Received};
use deskwire::net::response::Status;
use deskwire::net::websocket::Codec;

use crate::support::stream::{Peer, Socket};

const START: Millis = 1_000_000;
const CLOSE_1000: [u8; 8] = [0x88, 0x82, 0, 0, 0, 0, 0x03, 0xE8]; // masked with zeros

const PING: [u8; 6] = [0x89, 0x80, 0, 0, 0, 0];

/// A connection, with the parts of a hub that it needs.
struct Harness {
    connection: Connection<Socket>,
    peer: Rc<RefCell<Peer>>,
    limits: Limits,
    spare: Vec<Vec<u8>>,
}

impl Harness {
    fn accepted() -> Self {
        let (socket, peer) = Socket::pair();
        Self {
            connection: Connection::new(socket, START),
            peer,
            limits: Limits::default(),
            spare: Vec::new(),
        }
    }

    fn open() -> Self {
        let mut harness = Self::accepted();
        harness.connection.open(START, &mut harness.spare, |_| {});
        harness
    }

    fn queue(&mut self, bytes: usize) {
        self.connection.queue(&vec![b'x'; bytes], &mut self.spare);
    }

    /// Writes while the socket accepts this many bytes.
    fn flush(&mut self, accepts: usize, now: Millis) -> usize {
        self.peer.borrow_mut().takes = accepts;
        self.connection.flush(now, &mut self.spare)
    }

    /// The peer sends these bytes; returns how many of them one read has taken.
    fn receive(&mut self, bytes: &[u8], buffer: &mut [u8], now: Millis) -> usize {
        self.peer.borrow_mut().sent.extend_from_slice(bytes);
        self.connection.note_readiness(Readiness { readable: true, ..Readiness::default() });
        match self.connection.receive(buffer, now) {
            Received::Bytes(length) => length,
            other => panic!("{other:?}"),
        }
    }

    /// Everything that was written so far.
    fn written(&self) -> Ref<'_, Vec<u8>> {
        Ref::map(self.peer.borrow(), |peer| &peer.received)
    }

    /// Asserts that the deadline is this long after `since`, and lets it pass.
    #[track_caller]
    fn expires(&mut self, since: Millis, after: Millis) -> Option<GivenUp> {
        assert_eq!(self.connection.deadline(&self.limits), since + after);
        self.connection.expire(since + after)
    }

    #[track_caller]
    fn is(&self, phase: PhaseName) {
        assert_eq!(self.connection.phase(), phase);
    }
}

#[test]
fn a_head_that_does_not_come_is_answered_and_the_answer_has_its_own_time() {
    let mut harness = Harness::accepted();
    assert_eq!(harness.expires(START, HEAD_MS), Some(GivenUp::NoHead));
    harness.is(PhaseName::Flushing);
    let since = START + HEAD_MS;
    harness.flush(10, since + 1);
    assert_eq!(*harness.written(), b"HTTP/1.1 4");
    harness.is(PhaseName::Flushing);
    assert_eq!(harness.expires(since, HTTP_MS), None);
    harness.is(PhaseName::Dead);
}

#[test]
fn a_silent_peer_is_pinged_and_then_given_up() {
    let mut harness = Harness::open();
    let interval = harness.limits.ping_interval_ms;
    assert_eq!(harness.expires(START, interval), None);
    harness.flush(usize::MAX, START + interval);
    assert_eq!(*harness.written(), [0x89, 0]);
    harness.is(PhaseName::Open);

    // Any byte is an answer: the silence starts again.
    let heard = START + interval + PONG_MS - 1;
    harness.receive(&[0x8A], &mut [0; 16], heard);
    assert_eq!(harness.expires(heard, interval), None);
    harness.flush(usize::MAX, heard + interval);
    assert_eq!(*harness.written(), [0x89, 0, 0x89, 0]);
    // A process that was stopped meanwhile sends its ping late, and the peer still has the whole time to answer.
    let asked = heard + interval + 60_000;
    let mut late = Harness::open();
    late.receive(&[0x8A], &mut [0; 16], heard);
    assert_eq!(late.connection.expire(asked), None);
    assert_eq!(late.expires(asked, PONG_MS), Some(GivenUp::Silent));
    assert_eq!(harness.expires(heard, interval + PONG_MS), Some(GivenUp::Silent));
    harness.is(PhaseName::Dead);
}

#[test]
fn a_socket_that_takes_nothing_is_given_up_and_each_byte_it_takes_gives_it_time() {
    let mut harness = Harness::open();
    harness.queue(100);
    harness.flush(0, START + 1);
    assert!(harness.connection.is_blocked());
    harness.flush(0, START + 500); // asked again, refused again: that is no progress
    assert_eq!(harness.connection.deadline(&harness.limits), START + 1 + STALL_MS);

    let progress = START + STALL_MS;
    assert_eq!(harness.flush(60, progress), 60);
    assert!(harness.connection.is_blocked());
    assert_eq!(harness.connection.expire(progress + STALL_MS - 1), None); // too early: a ping at most
    harness.is(PhaseName::Open);
    assert_eq!(harness.expires(progress, STALL_MS), Some(GivenUp::TakesNothing));
    // A peer that reads after all gets the rest and the reason. It has as much time for that as for an answer.
    harness.is(PhaseName::Flushing);
    let given_up = progress + STALL_MS;
    harness.flush(0, given_up);
    assert_eq!(harness.connection.deadline(&harness.limits), given_up + HTTP_MS);
    harness.flush(usize::MAX, given_up + 1);
    let written = harness.written();
    assert_eq!(written[written.len() - 20..], *b"\x88\x12\x03\xF5you take nothing");
    harness.is(PhaseName::Linger);
}

#[test]
fn taking_waiting_output_is_a_sign_of_life_and_refusing_it_is_not() {
    let mut harness = Harness::open();
    let interval = STALL_MS / 2; // so that it shows before the other deadline
    harness.limits.ping_interval_ms = interval;
    harness.queue(100);
    assert_eq!(harness.flush(100, START + 1), 100);
    assert_eq!(
        harness.connection.deadline(&harness.limits),
        START + interval,
        "the kernel took it, not the peer"
    );

    harness.queue(100);
    harness.flush(0, START + 2);
    let late = START + interval - 1;
    harness.flush(0, late);
    assert_eq!(
        harness.connection.deadline(&harness.limits),
        START + interval,
        "a refusal says nothing of the peer"
    );
    assert_eq!(harness.expires(START, interval), None); // a ping, which waits behind the rest
    assert_eq!(harness.flush(100, late), 100);
    assert_eq!(harness.connection.deadline(&harness.limits), late + interval);
}

#[test]
fn a_closing_handshake_and_a_linger_have_their_time() {
    let mut harness = Harness::open();
    harness.connection.close(GOING_AWAY, START + 7);
    harness.flush(usize::MAX, START + 7);
    harness.is(PhaseName::Closing);
    assert_eq!(harness.expires(START + 7, CLOSING_MS), None);
    harness.is(PhaseName::Dead);

    let mut harness = Harness::accepted();
    harness.connection.respond(&Status::NotFound.into(), Method::Get, START + 7);
    harness.flush(usize::MAX, START + 9);
    harness.is(PhaseName::Linger);
    assert!(harness.peer.borrow().is_shut);
    assert_eq!(harness.expires(START + 9, LINGER_MS), None);
    harness.is(PhaseName::Dead);
}

#[test]
fn a_peer_that_goes_on_sending_after_our_close_frame_gets_no_more_time() {
    let mut harness = Harness::open();
    let mut codec = Codec::new(harness.limits.message_bytes_max);
    harness.connection.close(GOING_AWAY, START);
    harness.flush(usize::MAX, START);
    let mut trickle = |harness: &mut Harness, now: Millis| {
        let mut buffer = [0; 16];
        let length = harness.receive(&PING, &mut buffer, now);
        let read =
            harness.connection.next_message(&mut codec, &mut &buffer[..length], &mut harness.spare, now);
        assert!(read.expect("no second close frame").is_none(), "what follows is ignored");
        harness.flush(usize::MAX, now);
    };
    for now in (START..START + CLOSING_MS).step_by(500) {
        trickle(&mut harness, now);
        harness.is(PhaseName::Closing);
    }
    assert_eq!(harness.expires(START, CLOSING_MS), None);
    harness.is(PhaseName::Dead);

    let mut harness = Harness::open();
    harness.connection.refuse(TOO_BIG, START);
    harness.flush(usize::MAX, START);
    for now in (START..START + LINGER_MS).step_by(100) {
        trickle(&mut harness, now);
        harness.is(PhaseName::Linger);
    }
    assert_eq!(harness.expires(START, LINGER_MS), None);
    harness.is(PhaseName::Dead);
}

#[test]
fn input_instead_of_the_peers_close_frame_is_read_up_to_a_limit() {
    for (pings, phase) in
        [(CLOSING_BYTES_MAX / PING.len() - 1, PhaseName::Dead), (1 << 20, PhaseName::Linger)]
    {
        let mut harness = Harness::open();
        let mut codec = Codec::new(harness.limits.message_bytes_max);
        harness.connection.close(GOING_AWAY, START);
        let pings = PING.repeat(pings);
        let mut read_bytes = 0;
        for piece in [&pings[..], &CLOSE_1000].concat().chunks(1000) {
            let mut buffer = [0; 1001];
            let length = harness.receive(piece, &mut buffer, START);
            let read = harness.connection.next_message(
                &mut codec,
                &mut &buffer[..length],
                &mut harness.spare,
                START,
            );
            assert!(read.expect("no second close frame").is_none(), "what follows is ignored");
            harness.flush(usize::MAX, START);
            read_bytes += length;
            if harness.connection.phase() != PhaseName::Closing {
                break;
            }
        }
        harness.is(phase);
        assert!(read_bytes <= CLOSING_BYTES_MAX + 1000, "{read_bytes} bytes");
        let written = harness.written();
        assert_eq!(
            (&written[..4], written.len()),
            (&[0x88, 26, 0x03, 0xE9][..], 28),
            "one close frame alone"
        );
    }
}

/// RFC 6455 5.5.1: a peer sends nothing after its close frame. Only a peer that breaks this may lose the answer to a
/// reset.
#[test]
fn after_an_orderly_close_only_a_peer_that_goes_on_sending_is_lingered_for() {
    for (behind, phase) in [(&b""[..], PhaseName::Dead), (b"more", PhaseName::Linger)] {
        let mut harness = Harness::open();
        let (mut buffer, mut codec) = ([0; 8], Codec::new(harness.limits.message_bytes_max));
        let length = harness.receive(&[&CLOSE_1000, behind].concat(), &mut buffer, START);
        let mut input = &buffer[..length];
        if behind.is_empty() {
            // The buffer was full, so there may be more; the next read finds nothing.
            assert_eq!(harness.connection.receive(&mut [0; 8], START), Received::Nothing);
        }
        assert!(
            harness
                .connection
                .next_message(&mut codec, &mut input, &mut harness.spare, START)
                .unwrap()
                .is_none()
        );
        harness.flush(usize::MAX, START);
        assert_eq!(*harness.written(), [0x88, 2, 0x03, 0xE8]);
        harness.is(phase);
    }
}

#[test]
fn a_connection_with_much_output_is_not_read_until_some_of_it_is_written() {
    let mut harness = Harness::open();
    harness.connection.note_readiness(Readiness { readable: true, ..Readiness::default() });
    harness.queue(OUTPUT_BEHIND_BYTES);
    assert!(harness.connection.wants_read());
    harness.queue(1);
    assert!(harness.connection.is_behind() && !harness.connection.wants_read());
    // Output has no limit here, since what was accepted is never dropped.
    harness.queue(1 << 20);
    assert_eq!(harness.connection.output_bytes(), OUTPUT_BEHIND_BYTES + 1 + (1 << 20));
    assert_eq!(harness.flush((1 << 20) + 1, START), (1 << 20) + 1);
    assert!(!harness.connection.is_behind() && harness.connection.wants_read());
    harness.flush(usize::MAX, START);
    assert!(!harness.connection.has_output() && !harness.connection.is_blocked());
}
