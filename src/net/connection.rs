//! One socket's life, from the first byte of its request to the end of both directions.
//!
//! | phase | ends with | deadline |
//! | --- | --- | --- |
//! | `Head`: the request head is read | an answer: 101 or any other | 10 s from accept, never extended |
//! | `Open`: messages | a close frame, a fault | ping after 30 s of silence, dead 20 s later; 1013 if blocked for 15 s |
//! | `Closing`: our close frame is sent | the peer's close frame, or 64 KiB of other input | 5 s |
//! | `Flushing`: the last bytes are written: a response, or a close frame that needs no answer | all written | 5 s |
//! | `Linger`: our side is shut down; input is dropped: a reset would destroy the last bytes | the peer's end | 1 s |
//! | `Dead`: to be freed at the end of the turn | | |
//!
//! A method that ends a phase does nothing in any other phase: `respond` and `open` end `Head`, `close` and `refuse`
//! end `Open`.

mod expiry;

pub use self::expiry::GivenUp;
use super::close::CloseReason;
use super::closing::find_close;
use super::debt::ByteDebt;
use super::frame;
use super::http::{self, Head, Method};
use super::input::{Input, Readiness, Received};
use super::output::Output;
use super::phase::Phase;
pub use super::phase::PhaseName;
use super::rate::{RateLimit, RateVerdict};
use super::response::Response;
pub use super::stream::Stream;
use super::websocket::{Codec, Incoming, ReadEnd, Reader};
use crate::config::{CLOSING_BYTES_MAX, Limits, Millis, OUTPUT_BEHIND_BYTES};

/// One socket with its phase, its buffers and its limits. The hub and the service know who it belongs to.
#[derive(Debug)]
pub struct Connection<S> {
    stream: S,
    phase: Phase,
    /// When the phase began; while open, when the peer last gave a sign of life, or was sent a ping since.
    since: Millis,
    /// A ping was sent, and the peer has given no sign of life since.
    awaits_pong: bool,
    input: Input,
    output: Output,
    rate: RateLimit,
    debt: ByteDebt,
}

impl<S: Stream> Connection<S> {
    /// Creates the connection of a socket that was just accepted.
    pub fn new(stream: S, now: Millis) -> Self {
        Self {
            stream,
            phase: Phase::Head(Vec::new()),
            since: now,
            awaits_pong: false,
            input: Input::default(),
            output: Output::default(),
            rate: RateLimit::default(),
            debt: ByteDebt::default(),
        }
    }

    /// Returns the stream.
    pub fn stream(&mut self) -> &mut S {
        &mut self.stream
    }

    /// Returns the name of the current phase.
    pub fn phase(&self) -> PhaseName {
        self.phase.name()
    }

    /// Returns whether messages can be sent and are read.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open(_))
    }

    /// Notes what the poll has reported. "Writable" needs no flag: if output waits, the next flush tries to write it.
    /// Only a stream with output of its own, such as TLS, is read instead, since a read sends that output too.
    pub fn note_readiness(&mut self, mut readiness: Readiness) {
        readiness.readable |= readiness.writable && self.stream.has_own_output();
        self.input.note(readiness);
    }

    /// Returns whether to read now. While flushing, input stays in the socket: lingering drops it later.
    pub fn wants_read(&self) -> bool {
        self.input.is_readable() && !self.is_behind() && !matches!(self.phase, Phase::Flushing | Phase::Dead)
    }

    /// Returns whether so much output waits that the peer is not read until it has taken some. Its requests then cannot
    /// pile up here: they fill the socket, and TCP stops the peer.
    pub fn is_behind(&self) -> bool {
        self.output.len() > OUTPUT_BEHIND_BYTES && self.is_open()
    }

    /// Returns whether the peer has recently sent so much that others are served first.
    pub(crate) fn has_sent_much(&self, now: Millis) -> bool {
        self.debt.is_much(now)
    }

    /// Returns whether the socket has refused output. The poll reports when it accepts some again.
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

    /// Returns what the last `receive` cost in addition to its bytes, in bytes.
    pub(crate) fn read_overhead(&self) -> usize {
        self.stream.read_overhead()
    }

    /// Keeps received bytes to be read later. If the shared codec holds a part of them already, the connection keeps
    /// that codec too.
    pub(crate) fn keep_unread(&mut self, unread: &[u8], shared: &mut Box<Codec>) {
        if let Phase::Open(reader) = &mut self.phase {
            reader.keep_context(shared);
            self.input.keep(unread);
        }
    }

    /// Takes the kept bytes, which have to be read before anything more is received.
    pub(crate) fn take_unread(&mut self) -> Option<Box<[u8]>> {
        self.input.take_unread()
    }

    /// Returns the number of bytes kept.
    pub(crate) fn unread_bytes(&self) -> usize {
        self.input.unread_bytes()
    }

    /// Parses the request head, up to and including the `received` bytes, and keeps them if the head is still partial.
    /// Returns `None` if the connection has left the phase `Head`. The bytes behind a whole head are always the last
    /// ones of `received`, since the head was not whole without `received`.
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

    /// Returns the memory that a partial head takes, in bytes.
    #[expect(clippy::cast_possible_truncation, reason = "the longest head and one recv are some KiB")]
    pub(crate) fn partial_head_bytes(&self) -> u32 {
        if let Phase::Head(so_far) = &self.phase { so_far.capacity() as u32 } else { 0 }
    }

    /// Answers the request with a response, after which the connection ends.
    pub fn respond(&mut self, response: &Response, method: Method, now: Millis) {
        if let Phase::Head(_) = self.phase {
            response.append(method, now, self.output.bytes());
            self.enter(Phase::Flushing, now);
        }
    }

    /// Makes the connection a WebSocket; `append_answer` appends the 101.
    pub fn open(&mut self, now: Millis, spare: &mut Vec<Vec<u8>>, append_answer: impl FnOnce(&mut Vec<u8>)) {
        if let Phase::Head(_) = self.phase {
            append_answer(self.output.buffer(spare));
            self.enter(Phase::Open(Reader::default()), now);
        }
    }

    /// Takes the next message out of `input` and queues the replies to control frames. `None` if there is no whole
    /// message, or if the connection is not open. After our close frame, everything but the peer's close frame is
    /// dropped (RFC 6455 1.4).
    ///
    /// # Errors
    /// The peer broke RFC 6455. A close frame with the reason is queued, and the connection is no longer open.
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
                // RFC 6455 5.5.1: a peer sends nothing after its close frame. If nothing has come after it, there is
                // nothing to linger for, except for the end that a TLS peer announces itself.
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

    /// Queues a frame if the connection is open. The sender has to bound how much waits; it can ask to be notified by
    /// `Service::drained` when all output has left.
    pub fn queue(&mut self, frame: &[u8], spare: &mut Vec<Vec<u8>>) {
        if self.is_open() {
            self.output.push(frame, spare);
        }
    }

    /// Starts the closing handshake (RFC 6455 7.1.2) if the connection is open.
    pub fn close(&mut self, why: CloseReason, now: Millis) {
        if let Phase::Open(reader) = &mut self.phase {
            let reader = std::mem::take(reader);
            frame::append_close(self.output.bytes(), why);
            self.enter(Phase::Closing(reader, CLOSING_BYTES_MAX), now);
        }
    }

    /// Returns whether the peer's side has ended and everything that it sent before has been read.
    pub(crate) fn is_at_eof(&self) -> bool {
        self.input.is_at_eof()
    }

    /// Ends the connection because the peer's side has ended. Flushing goes on: a client may shut down its side after
    /// its request and still read the answer (RFC 9112 9.6).
    pub(crate) fn end_of_input(&mut self, now: Millis) {
        self.input.end();
        match self.phase {
            Phase::Flushing | Phase::Dead => {}
            Phase::Head(_) | Phase::Open(_) | Phase::Closing(..) | Phase::Linger => {
                self.enter(Phase::Dead, now);
            }
        }
    }

    /// Writes the waiting output in one call and returns how many bytes the socket took. After the last bytes of the
    /// connection, shuts down our side. An emptied buffer is added to `spare`.
    pub fn flush(&mut self, now: Millis, spare: &mut Vec<Vec<u8>>) -> usize {
        let mut written = 0;
        if self.has_output() && !matches!(self.phase, Phase::Dead) {
            let was_blocked = self.is_blocked();
            match self.output.flush(&mut self.stream, now, spare) {
                Ok(length) => written = length,
                Err(_) => self.enter(Phase::Dead, now),
            }
            // RFC 6455 5.5.2: a ping verifies that the peer is responsive. A peer that takes waiting output is.
            if was_blocked && written > 0 {
                self.note_sign_of_life(now);
            }
        }
        // RFC 6455 7.1.1: the server closes TCP first, but only its own side until the peer has closed too.
        if matches!(self.phase, Phase::Flushing) && !self.has_output() {
            let lingers = !self.input.is_at_eof() && self.stream.shutdown_write().is_ok();
            self.enter(if lingers { Phase::Linger } else { Phase::Dead }, now);
        }
        written
    }

    /// Lets the peer send one uncounted message: the confirmation of a message that it was sent.
    pub(crate) fn allow_answer(&mut self) {
        self.rate.allow_answer();
    }

    /// Counts a message against the rate limits of the connection.
    pub(crate) fn count_message(&mut self, message: &Incoming, limits: &Limits, now: Millis) -> RateVerdict {
        self.rate.count(message, limits, now)
    }

    /// Fails the WebSocket connection (RFC 6455 7.1.7) if it is open: sends a close frame and stops reading messages.
    pub fn refuse(&mut self, why: CloseReason, now: Millis) {
        if self.is_open() {
            frame::append_close(self.output.bytes(), why);
            self.enter(Phase::Flushing, now);
        }
    }

    /// Drops all waiting output after its first `kept_bytes`. With `why`, the connection was open when these were
    /// queued: if it has begun to end since, a close frame takes the place of what was dropped.
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
        // The other phases end at a fixed time.
        if self.is_open() {
            self.since = now;
            self.awaits_pong = false;
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
