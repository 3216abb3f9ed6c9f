//! One socket's life, from the first byte of its request to the end of both directions.
//!
//! | phase | leaves by | deadline |
//! | --- | --- | --- |
//! | `Head`: bytes to a request head | an answer, 101 or another | 10 s from accept, never extended |
//! | `Open`: messages | either side's close, a fault, silence | ping after 30 s of silence, dead 20 s after the ping; 15 s in which nothing of the output that waits is taken, then 1013 |
//! | `Closing`: our close frame is sent, the peer's awaited | its answer, or 64 KiB of anything else | 5 s |
//! | `Flushing`: the last bytes go out: an HTTP answer, or a close frame that needs no answer | all written | 5 s |
//! | `Linger`: our side is shut, input is thrown away so that no reset eats the last bytes | the peer's end | 1 s |
//! | `Dead`: to be freed at the end of the turn | | |
//!
//! A method that ends a phase does nothing in any other: `respond` and `open` end `Head`, `close` and `refuse` end `Open`.

use super::close::{self, CloseReason};
use super::closing::find_close;
use super::deadlines::NEVER;
use super::debt::ByteDebt;
use super::frame;
use super::http::{self, Head, Method};
use super::input::{Input, Readiness, Received};
use super::output::Output;
use super::phase::Phase;
pub use super::phase::PhaseName;
use super::rate::{RateLimit, RateVerdict};
use super::response::{Response, Status};
pub use super::stream::Stream;
use super::websocket::{Codec, Incoming, ReadEnd, Reader};
use crate::config::{
    CLOSING_BYTES_MAX, CLOSING_MS, HEAD_MS, HTTP_MS, LINGER_MS, Limits, Millis, OUTPUT_BEHIND_BYTES, PONG_MS,
    STALL_MS,
};

/// Why a connection was ended by its deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GivenUp {
    /// No whole request head came: it is answered with 408.
    NoHead,
    /// The socket took nothing of what waited: it is closed with 1013.
    TakesNothing,
    /// No ping was answered.
    Silent,
}

/// One socket and what is known of it. Who it belongs to is for the hub and the service.
#[derive(Debug)]
pub struct Connection<S> {
    stream: S,
    phase: Phase,
    /// When the phase began; while open, when the peer last gave a sign of life.
    since: Millis,
    /// When a ping was sent, if nothing was heard since.
    pinged_at: Option<Millis>,
    input: Input,
    output: Output,
    rate: RateLimit,
    debt: ByteDebt,
}

impl<S: Stream> Connection<S> {
    /// Returns the connection of a socket that was just accepted.
    pub fn new(stream: S, now: Millis) -> Self {
        Self {
            stream,
            phase: Phase::Head(Vec::new()),
            since: now,
            pinged_at: None,
            input: Input::default(),
            output: Output::default(),
            rate: RateLimit::default(),
            debt: ByteDebt::default(),
        }
    }

    /// Returns the socket.
    pub fn stream(&mut self) -> &mut S {
        &mut self.stream
    }

    /// Returns the phase.
    pub fn phase(&self) -> PhaseName {
        self.phase.name()
    }

    /// Returns whether messages can be sent and are read.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open(_))
    }

    /// Notes what the poll has reported. That it is writable needs no note where output waits: a write is tried. A stream's own
    /// output goes out with a read.
    pub fn note_readiness(&mut self, mut readiness: Readiness) {
        readiness.readable |= readiness.writable && self.stream.has_own_output();
        self.input.note(readiness);
    }

    /// Returns whether to read. Not while flushing: what comes then is thrown away, once our side is shut down.
    pub fn wants_read(&self) -> bool {
        self.input.is_readable() && !self.is_behind() && !matches!(self.phase, Phase::Flushing | Phase::Dead)
    }

    /// Returns whether so much output waits that the peer is not read until it has taken some. So what it asks for cannot pile up
    /// here: the socket fills, and TCP stops the peer.
    pub fn is_behind(&self) -> bool {
        self.output.len() > OUTPUT_BEHIND_BYTES && self.is_open()
    }

    /// Returns whether it has sent so much of late that others are served first.
    pub(crate) fn has_sent_much(&self, now: Millis) -> bool {
        self.debt.is_much(now)
    }

    /// Returns whether the socket has refused output. The poll reports when it takes some again.
    pub fn is_blocked(&self) -> bool {
        self.output.blocked_since().is_some()
    }

    /// Returns whether output waits.
    pub fn has_output(&self) -> bool {
        !self.output.is_empty()
    }

    /// Returns how much output waits, in bytes.
    pub fn output_bytes(&self) -> usize {
        self.output.len()
    }

    /// Returns when `expire` is due, if nothing is read or written until then.
    pub fn deadline(&self, limits: &Limits) -> Millis {
        match self.phase {
            Phase::Head(_) => self.since + HEAD_MS,
            Phase::Open(_) => {
                // From the ping and not from the silence before it: a process that was stopped meanwhile sends it late.
                let silence = self.pinged_at.map_or(self.since + limits.ping_interval_ms, |at| at + PONG_MS);
                let stall = self.output.blocked_since().map_or(NEVER, |since| since + STALL_MS);
                stall.min(silence)
            }
            Phase::Closing(..) => self.since + CLOSING_MS,
            Phase::Flushing => self.since + HTTP_MS,
            Phase::Linger => self.since + LINGER_MS,
            Phase::Dead => NEVER,
        }
    }

    /// Returns whether input that is not read yet may move the deadline: it may complete the head, or answer the ping.
    pub(crate) fn is_judged_by_input(&self) -> bool {
        match self.phase {
            Phase::Head(_) => true,
            Phase::Open(_) => self.pinged_at.is_some(),
            _ => false,
        }
    }

    /// Does what is due when the deadline has passed. Returns why, if it ends a connection that was not closing already.
    pub fn expire(&mut self, now: Millis) -> Option<GivenUp> {
        match self.phase {
            Phase::Head(_) => {
                self.respond(&Status::Timeout.into(), Method::Get, now);
                Some(GivenUp::NoHead)
            }
            Phase::Open(_) if self.output.blocked_since().is_some_and(|since| since + STALL_MS <= now) => {
                // Behind all that waits; a peer that wakes up after all reads why.
                self.refuse(close::TAKES_NOTHING, now);
                Some(GivenUp::TakesNothing)
            }
            Phase::Open(_) if self.pinged_at.is_none() => {
                self.pinged_at = Some(now);
                self.output.bytes().extend_from_slice(&frame::PING);
                None
            }
            Phase::Open(_) => {
                self.enter(Phase::Dead, now);
                Some(GivenUp::Silent)
            }
            Phase::Closing(..) | Phase::Flushing | Phase::Linger | Phase::Dead => {
                self.enter(Phase::Dead, now);
                None
            }
        }
    }

    /// Receives once, into `buffer`.
    pub fn receive(&mut self, buffer: &mut [u8], now: Millis) -> Received {
        let received = self.input.receive(&mut self.stream, buffer);
        self.debt.add(self.stream.read_overhead(), now);
        if let Received::Bytes(length) = received {
            self.debt.add(length, now);
            self.note_sign_of_life(now);
        }
        received
    }

    /// Returns what the last `receive` has cost beside its bytes, in bytes.
    pub(crate) fn read_overhead(&self) -> usize {
        self.stream.read_overhead()
    }

    /// Keeps bytes that were received and are to be read later, and the context if `shared` has read ahead.
    pub(crate) fn keep_unread(&mut self, unread: &[u8], shared: &mut Box<Codec>) {
        if let Phase::Open(reader) = &mut self.phase {
            reader.keep_context(shared);
            self.input.keep(unread);
        }
    }

    /// Takes the bytes that were kept. They are read before anything more is received.
    pub(crate) fn take_unread(&mut self) -> Option<Vec<u8>> {
        self.input.take_unread()
    }

    /// Returns how much is kept, in bytes.
    pub(crate) fn unread_bytes(&self) -> usize {
        self.input.unread_bytes()
    }

    /// Parses the request head with the `received` bytes, and keeps them if it is only a part. `None` if the head came before.
    /// The bytes behind a whole head are always the last ones of `received`, as it was not whole without these.
    pub(crate) fn read_head<'a>(&'a mut self, received: &'a [u8]) -> Option<Head<'a>> {
        let Phase::Head(so_far) = &mut self.phase else { return None };
        if !so_far.is_empty() {
            so_far.extend_from_slice(received);
            return Some(http::parse(so_far));
        }
        // Nearly every head comes in one piece, and is parsed where it is.
        let head = http::parse(received);
        if matches!(head, Head::Partial) {
            so_far.extend_from_slice(received);
        }
        Some(head)
    }

    /// Returns how much memory a part of a head takes, in bytes.
    pub(crate) fn partial_head_bytes(&self) -> usize {
        if let Phase::Head(so_far) = &self.phase { so_far.capacity() } else { 0 }
    }

    /// Answers the request, which is all that this connection is for.
    pub fn respond(&mut self, response: &Response, method: Method, now: Millis) {
        if let Phase::Head(_) = self.phase {
            response.append(method, now, self.output.bytes());
            self.enter(Phase::Flushing, now);
        }
    }

    /// Becomes a WebSocket; `append_answer` appends the 101.
    pub fn open(&mut self, now: Millis, spare: &mut Vec<Vec<u8>>, append_answer: impl FnOnce(&mut Vec<u8>)) {
        if let Phase::Head(_) = self.phase {
            append_answer(self.output.buffer(spare));
            self.enter(Phase::Open(Reader::default()), now);
        }
    }

    /// Takes the next message out of `input`. `None` when there is none, or the connection is not open. After our close frame all
    /// is dropped (RFC 6455 1.4) but the peer's own. What answers a control frame is queued.
    ///
    /// # Errors
    /// The peer broke RFC 6455. A close frame that says so is queued, and the connection is not open any more.
    pub fn next_message(
        &mut self,
        shared: &mut Box<Codec>,
        input: &mut &[u8],
        spare: &mut Vec<Vec<u8>>,
        now: Millis,
    ) -> Result<Option<Incoming>, CloseReason> {
        let end = match &mut self.phase {
            Phase::Open(reader) => {
                let mut replies = Vec::new();
                let next = reader.next(shared, input, &mut replies);
                if !replies.is_empty() {
                    self.output.push(&replies, spare);
                }
                match next {
                    Ok(incoming) => return Ok(incoming),
                    Err(end) => end,
                }
            }
            Phase::Closing(reader, bytes_left) => match find_close(reader, bytes_left, shared, input) {
                Some(end) => end,
                None => return Ok(None),
            },
            _ => return Ok(None),
        };
        match end {
            ReadEnd::ClosedByPeer { orderly } => {
                // RFC 6455 5.5.1: nothing follows a close frame. If nothing has, there is nothing to linger for, but TLS's own end.
                if orderly && !self.stream.is_closed_by_peer() {
                    self.input.note_final_frame();
                }
                self.enter(Phase::Flushing, now);
                Ok(None)
            }
            ReadEnd::Fault(why) => {
                self.refuse(why, now);
                Err(why)
            }
        }
    }

    /// Queues a frame, if the connection is open. How much waits is for the sender to bound: `Service::drained` is called
    /// when all has left.
    pub fn queue(&mut self, frame: &[u8], spare: &mut Vec<Vec<u8>>) {
        if self.is_open() {
            self.output.push(frame, spare);
        }
    }

    /// Starts the closing handshake (RFC 6455 7.1.2), if the connection is open.
    pub fn close(&mut self, why: CloseReason, now: Millis) {
        if let Phase::Open(reader) = &mut self.phase {
            let reader = std::mem::take(reader);
            frame::append_close(self.output.bytes(), why);
            self.enter(Phase::Closing(reader, CLOSING_BYTES_MAX), now);
        }
    }

    /// Returns whether the peer's side has ended, and all that it sent before was read.
    pub(crate) fn is_at_eof(&self) -> bool {
        self.input.is_at_eof()
    }

    /// Ends the connection, as the peer's side has ended. What is being flushed still is: a client may shut down its side
    /// behind its request, and read the answer (RFC 9112 9.6).
    pub(crate) fn end_of_input(&mut self, now: Millis) {
        self.input.end();
        match self.phase {
            Phase::Flushing | Phase::Dead => {}
            Phase::Head(_) | Phase::Open(_) | Phase::Closing(..) | Phase::Linger => {
                self.enter(Phase::Dead, now);
            }
        }
    }

    /// Writes what waits, in one call, and returns how many bytes the socket has taken. Shuts down our side after the last bytes
    /// of the connection. An emptied buffer goes to the `spare` ones.
    pub fn flush(&mut self, now: Millis, spare: &mut Vec<Vec<u8>>) -> usize {
        let mut written = 0;
        if self.has_output() && !matches!(self.phase, Phase::Dead) {
            let was_blocked = self.is_blocked();
            match self.output.flush(&mut self.stream, now, spare) {
                Ok(length) => written = length,
                Err(_) => self.enter(Phase::Dead, now),
            }
            // RFC 6455 5.5.2: a ping verifies that the peer is responsive. One that takes what waited is.
            if was_blocked && written > 0 {
                self.note_sign_of_life(now);
            }
        }
        // RFC 6455 7.1.1: the server closes TCP first, and only its own side until the peer has closed too.
        if matches!(self.phase, Phase::Flushing) && !self.has_output() {
            let lingers = !self.input.is_at_eof() && self.stream.shutdown_write().is_ok();
            self.enter(if lingers { Phase::Linger } else { Phase::Dead }, now);
        }
        written
    }

    /// Lets the peer send one message that is not counted, as it was sent one that it will confirm.
    pub(crate) fn allow_answer(&mut self) {
        self.rate.allow_answer();
    }

    /// Counts a message against the rate limits of the connection.
    pub(crate) fn count_message(&mut self, message: &Incoming, limits: &Limits, now: Millis) -> RateVerdict {
        self.rate.count(message, limits, now)
    }

    /// Fails the WebSocket connection (RFC 6455 7.1.7), if it is open: sends a close frame and reads no more of the peer.
    pub fn refuse(&mut self, why: CloseReason, now: Millis) {
        if self.is_open() {
            frame::append_close(self.output.bytes(), why);
            self.enter(Phase::Flushing, now);
        }
    }

    /// Drops the output behind so many bytes of it. One that was open then is closed in its place, for the reason given.
    pub(crate) fn withdraw(&mut self, kept_bytes: usize, why: Option<CloseReason>, now: Millis) {
        self.output.truncate(kept_bytes);
        if let Some(why) = why
            && !self.is_open()
            && !matches!(self.phase, Phase::Linger | Phase::Dead)
        {
            frame::append_close(self.output.bytes(), why);
            self.enter(Phase::Flushing, now);
        }
    }

    fn note_sign_of_life(&mut self, now: Millis) {
        // The other phases have a fixed end.
        if self.is_open() {
            self.since = now;
            self.pinged_at = None;
        }
    }

    fn enter(&mut self, phase: Phase, now: Millis) {
        self.phase = phase;
        self.since = now;
        if !matches!(self.phase, Phase::Open(_) | Phase::Closing(..)) {
            self.input.take_unread(); // no messages are read any more
        }
    }
}
