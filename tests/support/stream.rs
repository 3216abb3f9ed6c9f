//! A connection in memory. The server has the [`Socket`]; the test, bench or fuzz target has its [`Peer`], and decides
//! what it sends, how much it takes, and when it blocks or ends.
#![allow(dead_code, reason = "each of them uses a part")]

use std::cell::RefCell;
use std::io::{self, ErrorKind, Read, Write};
use std::rc::Rc;

use deskwire::net::connection::Stream;

/// What a read returns once everything that was sent has been read.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    Eof,
    Reset,
}

/// The other end of a socket.
#[derive(Debug)]
pub(crate) struct Peer {
    /// Bytes that the server has not read yet.
    pub(crate) sent: Vec<u8>,
    pub(crate) end: Option<End>,
    /// How many more bytes the server can write before the socket blocks.
    pub(crate) takes: usize,
    /// Bytes that the server has written.
    pub(crate) received: Vec<u8>,
    /// Whether every write fails.
    pub(crate) is_gone: bool,
    /// Whether the server has shut down its sending side.
    pub(crate) is_shut: bool,
    /// The number of times the server has read.
    pub(crate) reads: usize,
}

impl Default for Peer {
    fn default() -> Self {
        Self {
            sent: Vec::new(),
            end: None,
            takes: usize::MAX,
            received: Vec::new(),
            is_gone: false,
            is_shut: false,
            reads: 0,
        }
    }
}

/// The server's end.
#[derive(Debug)]
pub(crate) struct Socket(Rc<RefCell<Peer>>);

impl Socket {
    /// Returns both ends of a new connection, whose peer takes everything.
    pub(crate) fn pair() -> (Self, Rc<RefCell<Peer>>) {
        let peer = Rc::new(RefCell::new(Peer::default()));
        (Self(Rc::clone(&peer)), peer)
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut peer = self.0.borrow_mut();
        peer.reads += 1;
        if peer.sent.is_empty() {
            return match peer.end {
                None => Err(ErrorKind::WouldBlock.into()),
                Some(End::Eof) => Ok(0),
                Some(End::Reset) => Err(ErrorKind::ConnectionReset.into()),
            };
        }
        let length = peer.sent.len().min(buffer.len());
        buffer[..length].copy_from_slice(&peer.sent[..length]);
        peer.sent.drain(..length);
        Ok(length)
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut peer = self.0.borrow_mut();
        if peer.is_gone {
            return Err(ErrorKind::BrokenPipe.into());
        }
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
        self.0.borrow_mut().is_shut = true;
        Ok(())
    }
}
