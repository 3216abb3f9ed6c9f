//! How long a peer may take for what, in a time of our own making: one connection over a socket that does as told.

use std::io::{self, ErrorKind, Read, Write};

use deskwire::config::{
    CLOSING_BYTES_MAX, CLOSING_MS, HEAD_MS, HTTP_MS, LINGER_MS, Limits, Millis, OUTPUT_BEHIND_BYTES, PONG_MS,
    STALL_MS,
};
use deskwire::net::close::{GOING_AWAY, TOO_BIG};
use deskwire::net::connection::{Connection, GivenUp, PhaseName, Stream};
use deskwire::net::http::{Method, Status};
use deskwire::net::input::{Readiness, Received};
use deskwire::net::websocket::Codec;

const START: Millis = 1_000_000;
const CLOSE_1000: [u8; 8] = [0x88, 0x82, 0, 0, 0, 0, 0x03, 0xE8]; // masked with zeros

const PING: [u8; 6] = [0x89, 0x80, 0, 0, 0, 0];

#[derive(Default)]
struct Socket {
    gives: Vec<u8>,
    /// So many bytes more; then it blocks.
    takes: usize,
    written: Vec<u8>,
    is_shut: bool,
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.gives.is_empty() {
            return Err(ErrorKind::WouldBlock.into());
        }
        let length = self.gives.len().min(buffer.len());
        buffer[..length].copy_from_slice(&self.gives[..length]);
        self.gives.drain(..length);
        Ok(length)
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = self.takes.min(bytes.len());
        if length == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        self.takes -= length;
        self.written.extend_from_slice(&bytes[..length]);
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for Socket {
    fn shutdown_write(&mut self) -> io::Result<()> {
        self.is_shut = true;
        Ok(())
    }
}

/// A connection, and what a hub would have beside it.
struct Line {
    connection: Connection<Socket>,
    limits: Limits,
    spare: Vec<Vec<u8>>,
}

impl Line {
    fn accepted() -> Self {
        let socket = Socket { takes: usize::MAX, ..Socket::default() };
        Self { connection: Connection::new(socket, START), limits: Limits::default(), spare: Vec::new() }
    }

    fn open() -> Self {
        let mut line = Self::accepted();
        line.connection.open(START, |_| {});
        line
    }

    fn queue(&mut self, bytes: usize) {
        self.connection.queue(&vec![b'x'; bytes], &mut self.spare);
    }

    /// Writes where the socket takes so many bytes more.
    fn flush(&mut self, takes: usize, now: Millis) -> usize {
        self.connection.stream().takes = takes;
        self.connection.flush(now, &mut self.spare)
    }

    /// The peer sends these bytes, and one read takes what it can of them: what it took.
    fn hear(&mut self, bytes: &[u8], buffer: &mut [u8], now: Millis) -> usize {
        self.connection.stream().gives.extend_from_slice(bytes);
        self.connection.note_readiness(Readiness { readable: true, ..Readiness::default() });
        match self.connection.receive(buffer, now) {
            Received::Bytes(length) => length,
            other => panic!("{other:?}"),
        }
    }

    /// The deadline lies so long after `since`; what becomes of it then.
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
    let mut line = Line::accepted();
    assert_eq!(line.expires(START, HEAD_MS), Some(GivenUp::NoHead));
    line.is(PhaseName::Flushing);
    let since = START + HEAD_MS;
    line.flush(10, since + 1);
    assert_eq!(line.connection.stream().written, b"HTTP/1.1 4");
    line.is(PhaseName::Flushing);
    assert_eq!(line.expires(since, HTTP_MS), None);
    line.is(PhaseName::Dead);
}

#[test]
fn silence_is_asked_and_then_given_up() {
    let mut line = Line::open();
    let interval = line.limits.ping_interval_ms;
    assert_eq!(line.expires(START, interval), None);
    line.flush(usize::MAX, START + interval);
    assert_eq!(line.connection.stream().written, [0x89, 0]);
    line.is(PhaseName::Open);

    // Any byte is an answer; the silence begins anew, and so does the asking.
    let heard = START + interval + PONG_MS - 1;
    line.hear(&[0x8A], &mut [0; 16], heard);
    assert_eq!(line.expires(heard, interval), None);
    line.flush(usize::MAX, heard + interval);
    assert_eq!(line.connection.stream().written, [0x89, 0, 0x89, 0]);
    // A process that was stopped meanwhile asks late, and the answer has its time all the same.
    let asked = heard + interval + 60_000;
    let mut late = Line::open();
    late.hear(&[0x8A], &mut [0; 16], heard);
    assert_eq!(late.connection.expire(asked), None);
    assert_eq!(late.expires(asked, PONG_MS), Some(GivenUp::Silent));
    assert_eq!(line.expires(heard, interval + PONG_MS), Some(GivenUp::Silent));
    line.is(PhaseName::Dead);
}

#[test]
fn a_socket_that_takes_nothing_is_given_up_and_each_byte_it_takes_gives_it_time() {
    let mut line = Line::open();
    line.queue(100);
    line.flush(0, START + 1);
    assert!(line.connection.is_blocked());
    line.flush(0, START + 500); // asked again, refused again: that is no progress
    assert_eq!(line.connection.deadline(&line.limits), START + 1 + STALL_MS);

    let progress = START + STALL_MS;
    assert_eq!(line.flush(60, progress), 60);
    assert!(line.connection.is_blocked());
    assert_eq!(line.connection.expire(progress + STALL_MS - 1), None); // somebody looks too soon: a ping at most
    line.is(PhaseName::Open);
    assert_eq!(line.expires(progress, STALL_MS), Some(GivenUp::TakesNothing));
    // One that wakes up after all reads the rest, and why; it has as long for that as for an answer.
    line.is(PhaseName::Flushing);
    let given_up = progress + STALL_MS;
    line.flush(0, given_up);
    assert_eq!(line.connection.deadline(&line.limits), given_up + HTTP_MS);
    line.flush(usize::MAX, given_up + 1);
    let written = &line.connection.stream().written;
    assert_eq!(written[written.len() - 20..], *b"\x88\x12\x03\xF5you take nothing");
    line.is(PhaseName::Linger);
}

#[test]
fn who_takes_what_waited_is_alive_and_who_refuses_it_is_not() {
    let mut line = Line::open();
    let interval = STALL_MS / 2; // so that it shows before the other deadline
    line.limits.ping_interval_ms = interval;
    line.queue(100);
    assert_eq!(line.flush(100, START + 1), 100);
    assert_eq!(line.connection.deadline(&line.limits), START + interval, "the kernel took it, not the peer");

    line.queue(100);
    line.flush(0, START + 2);
    let late = START + interval - 1;
    line.flush(0, late);
    assert_eq!(
        line.connection.deadline(&line.limits),
        START + interval,
        "a refusal says nothing of the peer"
    );
    assert_eq!(line.expires(START, interval), None); // a ping, which waits behind the rest
    assert_eq!(line.flush(100, late), 100);
    assert_eq!(line.connection.deadline(&line.limits), late + interval);
}

#[test]
fn a_closing_handshake_and_a_linger_have_their_time() {
    let mut line = Line::open();
    line.connection.close(GOING_AWAY, START + 7);
    line.flush(usize::MAX, START + 7);
    line.is(PhaseName::Closing);
    assert_eq!(line.expires(START + 7, CLOSING_MS), None);
    line.is(PhaseName::Dead);

    let mut line = Line::accepted();
    line.connection.respond(&Status::NotFound.into(), Method::Get, START + 7);
    line.flush(usize::MAX, START + 9);
    line.is(PhaseName::Linger);
    assert!(line.connection.stream().is_shut);
    assert_eq!(line.expires(START + 9, LINGER_MS), None);
    line.is(PhaseName::Dead);
}

#[test]
fn one_who_goes_on_sending_after_our_close_frame_has_no_more_time_than_others() {
    let mut line = Line::open();
    let mut codec = Codec::new(line.limits.message_bytes_max);
    line.connection.close(GOING_AWAY, START);
    line.flush(usize::MAX, START);
    let mut trickle = |line: &mut Line, now: Millis| {
        let mut buffer = [0; 16];
        let length = line.hear(&PING, &mut buffer, now);
        let read = line.connection.next_message(&mut codec, &mut &buffer[..length], now);
        assert!(read.expect("no second close frame").is_none(), "it is not listened to");
        line.flush(usize::MAX, now);
    };
    for now in (START..START + CLOSING_MS).step_by(500) {
        trickle(&mut line, now);
        line.is(PhaseName::Closing);
    }
    assert_eq!(line.expires(START, CLOSING_MS), None);
    line.is(PhaseName::Dead);

    let mut line = Line::open();
    line.connection.refuse(TOO_BIG, START);
    line.flush(usize::MAX, START);
    for now in (START..START + LINGER_MS).step_by(100) {
        trickle(&mut line, now);
        line.is(PhaseName::Linger);
    }
    assert_eq!(line.expires(START, LINGER_MS), None);
    line.is(PhaseName::Dead);
}

#[test]
fn what_comes_instead_of_the_peers_close_frame_is_read_up_to_a_limit() {
    for (pings, phase) in
        [(CLOSING_BYTES_MAX / PING.len() - 1, PhaseName::Dead), (1 << 20, PhaseName::Linger)]
    {
        let mut line = Line::open();
        let mut codec = Codec::new(line.limits.message_bytes_max);
        line.connection.close(GOING_AWAY, START);
        let pings = PING.repeat(pings);
        let mut read_bytes = 0;
        for piece in [&pings[..], &CLOSE_1000].concat().chunks(1000) {
            let mut buffer = [0; 1001];
            let length = line.hear(piece, &mut buffer, START);
            let read = line.connection.next_message(&mut codec, &mut &buffer[..length], START);
            assert!(read.expect("no second close frame").is_none(), "it is not listened to");
            line.flush(usize::MAX, START);
            read_bytes += length;
            if line.connection.phase() != PhaseName::Closing {
                break;
            }
        }
        line.is(phase);
        assert!(read_bytes <= CLOSING_BYTES_MAX + 1000, "{read_bytes} bytes");
        let written = &line.connection.stream().written;
        assert_eq!(
            (&written[..4], written.len()),
            (&[0x88, 26, 0x03, 0xE9][..], 28),
            "one close frame alone"
        );
    }
}

/// RFC 6455 5.5.1: after a close frame comes nothing more. Only who breaks that may lose the answer to a reset.
#[test]
fn after_an_orderly_close_nobody_lingers_but_for_who_goes_on_sending() {
    for (behind, phase) in [(&b""[..], PhaseName::Dead), (b"more", PhaseName::Linger)] {
        let mut line = Line::open();
        let (mut buffer, mut codec) = ([0; 8], Codec::new(line.limits.message_bytes_max));
        let length = line.hear(&[&CLOSE_1000, behind].concat(), &mut buffer, START);
        let mut input = &buffer[..length];
        if behind.is_empty() {
            // A buffer that was filled may have left something; the next read finds that it has not.
            assert_eq!(line.connection.receive(&mut [0; 8], START), Received::Nothing);
        }
        assert!(line.connection.next_message(&mut codec, &mut input, START).unwrap().is_none());
        line.flush(usize::MAX, START);
        assert_eq!(line.connection.stream().written, [0x88, 2, 0x03, 0xE8]);
        line.is(phase);
    }
}

#[test]
fn who_has_much_to_take_is_not_read_until_some_of_it_is_taken() {
    let mut line = Line::open();
    line.connection.note_readiness(Readiness { readable: true, ..Readiness::default() });
    line.queue(OUTPUT_BEHIND_BYTES);
    assert!(line.connection.wants_read());
    line.queue(1);
    assert!(line.connection.is_behind() && !line.connection.wants_read());
    // There is no limit to what is sent to it, since what was accepted is never dropped.
    line.queue(1 << 20);
    assert_eq!(line.connection.output_bytes(), OUTPUT_BEHIND_BYTES + 1 + (1 << 20));
    assert_eq!(line.flush((1 << 20) + 1, START), (1 << 20) + 1);
    assert!(!line.connection.is_behind() && line.connection.wants_read());
    line.flush(usize::MAX, START);
    assert!(!line.connection.has_output() && !line.connection.is_blocked());
}
