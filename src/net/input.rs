//! What a socket gives: whether there may be more of it, whether its end has come, and what of it was not taken yet.

use std::io::{self, Read};

use super::retry_interrupted;

/// What the poll says of a socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// There may be input, or its end.
    pub readable: bool,
    /// The socket may take output again.
    pub writable: bool,
    /// The peer has shut down its side: behind what is there comes the end.
    pub peer_shutdown: bool,
    /// There is urgent data (RFC 9293 3.8.5), which no WebSocket client sends.
    pub urgent: bool,
}

/// What a recv brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// So many bytes.
    Bytes(usize),
    /// Nothing now.
    Nothing,
    /// Nothing ever again.
    Eof,
}

/// The receiving side of one socket.
#[derive(Debug, Default)]
pub(super) struct Input {
    /// The poll said that there may be input, and no read has found the end of it since. Edges come once.
    readable: bool,
    /// The poll said that the peer has shut down its side: a read that is not filled was the last that brings anything.
    peer_shutdown: bool,
    /// The peer has sent urgent data. A recv stops short at its mark, and what lies behind gives no event: from then on
    /// only a read that finds nothing has found all.
    urgent: bool,
    /// The end of the input was read, or the peer's word that nothing follows.
    eof: bool,
    /// What was received and not taken, since the peer takes too little of what it asks for. It may be empty: then there
    /// may still be messages inside of the connection's context.
    unread: Option<Vec<u8>>,
}

impl Input {
    pub(super) fn note(&mut self, readiness: Readiness) {
        self.readable |= readiness.readable;
        self.peer_shutdown |= readiness.peer_shutdown;
        self.urgent |= readiness.urgent;
    }

    /// Whether a read may bring anything, if only the end.
    pub(super) fn is_readable(&self) -> bool {
        self.readable || self.unread.is_some()
    }

    /// Whether the end has been reached, and all before it was taken.
    pub(super) fn is_at_eof(&self) -> bool {
        self.eof && self.unread.is_none()
    }

    /// One recv. What was received before has to be taken first.
    pub(super) fn receive(&mut self, socket: &mut impl Read, buffer: &mut [u8]) -> Received {
        match retry_interrupted(|| socket.read(buffer)) {
            Ok(length @ 1..) => {
                // A read that was not filled found all that there was; the end too, if that had been announced.
                self.readable = length == buffer.len() || self.urgent;
                self.eof = self.peer_shutdown && !self.readable;
                Received::Bytes(length)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.readable = false;
                Received::Nothing
            }
            Ok(0) | Err(_) => {
                self.end(); // a reset is one way to leave
                Received::Eof
            }
        }
    }

    /// Nothing follows, and nothing that was received counts any more.
    pub(super) fn end(&mut self) {
        self.readable = false;
        self.eof = true;
        self.unread = None;
    }

    /// The peer says that nothing follows. Only if a read found nothing behind that is it so.
    pub(super) fn note_last_word(&mut self) {
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
