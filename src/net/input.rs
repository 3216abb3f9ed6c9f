//! The receiving side of a socket: whether there may be more, whether the end has come, and what was kept to be read later.

use std::io;

use super::retry_interrupted;
use super::stream::Stream;

/// What the poll reports of a socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// There may be input, or its end.
    pub readable: bool,
    /// The socket may take output again.
    pub writable: bool,
    /// The peer has shut down its side: the end follows what is there.
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
    /// The end, or an error: nothing will follow.
    Eof,
}

/// The receiving side of one socket.
#[derive(Debug, Default)]
pub(super) struct Input {
    /// There may be input: the poll has reported some, and no read has found it exhausted since. mio reports it once.
    readable: bool,
    /// The poll has reported that the peer has shut down its side: a read that does not fill its buffer is the last.
    peer_shutdown: bool,
    /// The peer has sent urgent data. A recv stops short at its mark, and what lies behind gives no event: from then on
    /// only a read that finds nothing has found all.
    urgent: bool,
    /// The end of the input was read, or is known to follow.
    eof: bool,
    /// What was received and is to be read later, since too much output waits. It may be empty: then there may still be messages
    /// in the connection's context.
    unread: Option<Vec<u8>>,
}

impl Input {
    pub(super) fn note(&mut self, readiness: Readiness) {
        self.readable |= readiness.readable;
        self.peer_shutdown |= readiness.peer_shutdown;
        self.urgent |= readiness.urgent;
    }

    /// Returns whether a read may bring anything, if only the end.
    pub(super) fn is_readable(&self) -> bool {
        self.readable || self.unread.is_some()
    }

    /// Returns whether the end has come, and all before it was read.
    pub(super) fn is_at_eof(&self) -> bool {
        self.eof && self.unread.is_none()
    }

    /// Receives once. What was kept has to be read first.
    pub(super) fn receive(&mut self, socket: &mut impl Stream, buffer: &mut [u8]) -> Received {
        match retry_interrupted(|| socket.read(buffer)) {
            Ok(length @ 1..) => {
                // A read that was not filled found all that there was; the end too, if that had been announced.
                self.readable = length == buffer.len() || self.urgent || socket.has_more();
                self.eof = self.peer_shutdown && !self.readable;
                Received::Bytes(length)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.readable = socket.has_more();
                Received::Nothing
            }
            Ok(0) | Err(_) => {
                self.end(); // a reset is an end as good as any
                Received::Eof
            }
        }
    }

    /// Notes the end, and drops what was kept.
    pub(super) fn end(&mut self) {
        self.readable = false;
        self.eof = true;
        self.unread = None;
    }

    /// Notes that the peer has said its last (RFC 6455 5.5.1). It has if a read has found nothing behind it.
    pub(super) fn note_final_frame(&mut self) {
        self.eof |= !self.readable;
    }

    pub(super) fn keep(&mut self, unread: &[u8]) {
        self.unread = Some(unread.to_vec());
    }

    pub(super) fn take_unread(&mut self) -> Option<Vec<u8>> {
        self.unread.take()
    }

    pub(super) fn unread_bytes(&self) -> usize {
        self.unread.as_ref().map_or(0, Vec::len)
    }
}
