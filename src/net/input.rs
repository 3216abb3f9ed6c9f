//! The receiving side of a socket: whether there may be more input, whether the end has come, and the bytes that were
//! kept to be read later.
//!
//! The poll is edge-triggered: it reports once that a socket is readable. So this side remembers the report until a
//! read has found the socket empty.

use std::io;

use super::retry_interrupted;
use super::stream::Stream;

/// What the poll reports of a socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// There may be input, or its end.
    pub readable: bool,
    /// The socket may accept output again.
    pub writable: bool,
    /// The peer has shut down its side: the end follows the input that is there.
    pub peer_shutdown: bool,
    /// There is urgent data (RFC 9293 3.8.5), which no WebSocket client sends.
    pub urgent: bool,
}

/// The result of one recv.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// This many bytes.
    Bytes(usize),
    /// Nothing for now.
    Nothing,
    /// The end, or an error. Nothing will follow.
    Eof,
}

/// The receiving side of one socket.
#[derive(Debug, Default)]
pub(super) struct Input {
    /// There may be input: the poll has reported some, and no read has found the socket empty since.
    readable: bool,
    /// The poll has reported that the peer has shut down its side: a read that does not fill its buffer is the last.
    peer_shutdown: bool,
    /// The peer has sent urgent data. A recv stops at the mark of this data, and the bytes behind it raise no event.
    /// From then on, only a read that finds nothing proves that the socket is empty.
    urgent: bool,
    /// The end of the input was read, or is known to follow.
    eof: bool,
    /// Received bytes to be read later, kept because too much output waits. May be `Some` and empty: then messages may
    /// remain in the connection's own codec.
    unread: Option<Box<[u8]>>,
}

impl Input {
    pub(super) fn note(&mut self, readiness: Readiness) {
        self.readable |= readiness.readable;
        self.peer_shutdown |= readiness.peer_shutdown;
        self.urgent |= readiness.urgent;
    }

    /// Returns whether a read may find anything, even if only the end.
    pub(super) fn is_readable(&self) -> bool {
        self.readable || self.unread.is_some()
    }

    /// Returns whether the end has come and everything before it has been read.
    pub(super) fn is_at_eof(&self) -> bool {
        self.eof && self.unread.is_none()
    }

    /// Receives once. Kept bytes have to be read before.
    pub(super) fn receive(&mut self, socket: &mut impl Stream, buffer: &mut [u8]) -> Received {
        match retry_interrupted(|| socket.read(buffer)) {
            Ok(length @ 1..) => {
                // A read that does not fill its buffer has emptied the socket. If the end was announced, it has come,
                // too.
                self.readable = length == buffer.len() || self.urgent || socket.has_more();
                self.eof = self.peer_shutdown && !self.readable;
                Received::Bytes(length)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.readable = socket.has_more();
                Received::Nothing
            }
            Ok(0) | Err(_) => {
                self.end(); // an error, such as a reset, ends the input as well
                Received::Eof
            }
        }
    }

    /// Notes the end of the input, and drops the kept bytes.
    pub(super) fn end(&mut self) {
        self.readable = false;
        self.eof = true;
        self.unread = None;
    }

    /// Notes that the peer's close frame was read, after which a peer sends nothing (RFC 6455 5.5.1). Counts as the end
    /// if the read has emptied the socket.
    pub(super) fn note_final_frame(&mut self) {
        self.eof |= !self.readable;
    }

    pub(super) fn keep(&mut self, unread: &[u8]) {
        self.unread = Some(unread.into());
    }

    pub(super) fn take_unread(&mut self) -> Option<Box<[u8]>> {
        self.unread.take()
    }

    pub(super) fn unread_bytes(&self) -> usize {
        self.unread.as_ref().map_or(0, |unread| unread.len())
    }
}
