//! A TLS stream that the loop reads and writes like a socket.
//!
//! Reading: the poll is edge-triggered, so a stream has to know whether there is more to read ([`Stream::has_more`]). A read
//! receives at most once, and decrypts as much as its buffer has capacity for. The rest stays encrypted, except for the rest of
//! one record.
//!
//! Writing: if the socket does not take all of a record, the record waits here, since it cannot be encrypted a second time. Its
//! plaintext is not reported as written yet. So it stays in the connection's output, where it counts against all limits, and
//! the next write begins with it. At most one record waits here.

mod decrypting;
mod encrypting;

use std::fmt::{self, Debug, Formatter};
use std::io::{self, ErrorKind, Read, Write};
use std::rc::Rc;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::UnbufferedServerConnection;

use super::acceptor::Shared;
use crate::config::TLS_PLAINTEXT_BYTES_MAX;
use crate::net::retry_interrupted;
use crate::net::stream::Stream;

enum Session {
    /// Nothing was received yet. A silent socket takes no more memory than this.
    Waiting(Arc<ServerConfig>),
    /// In the handshake, or after it.
    Active(Box<UnbufferedServerConnection>),
    /// The client was sent an alert or an answer. Its input is dropped: a reset would destroy what it was sent.
    Refused,
}

impl Debug for Session {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Waiting(_) => "Waiting",
            Self::Active(_) => "Active",
            Self::Refused => "Refused",
        })
    }
}

/// TLS in front of a socket.
#[derive(Debug)]
pub struct TlsStream<T: Stream> {
    socket: T,
    session: Session,
    shared: Rc<Shared>,
    /// Received but not decrypted: a part of a record, or records that the last read had no capacity for.
    encrypted: Vec<u8>,
    /// Whether there are complete records in it.
    is_cut_short: bool,
    /// The rest of a record that the last read had no capacity for.
    decrypted: Vec<u8>,
    /// The peer has closed the stream, or its side of the socket.
    is_at_end: bool,
    has_more: bool,
    overhead: usize,
    /// Records that the socket has not taken yet.
    outgoing: Vec<u8>,
    /// The size of their plaintext, which is not reported as written yet, in bytes.
    unreported: usize,
    /// Whether a close_notify is in them, or was sent.
    is_closed: bool,
}

impl<T: Stream> TlsStream<T> {
    pub(super) fn new(socket: T, config: Arc<ServerConfig>, shared: Rc<Shared>) -> Self {
        Self {
            socket,
            session: Session::Waiting(config),
            shared,
            encrypted: Vec::new(),
            is_cut_short: false,
            decrypted: Vec::new(),
            is_at_end: false,
            has_more: false,
            overhead: 0,
            outgoing: Vec::new(),
            unreported: 0,
            is_closed: false,
        }
    }

    pub(super) fn socket(&mut self) -> &mut T {
        &mut self.socket
    }

    /// Sends the records that wait, as far as the socket takes them. An emptied buffer goes back to be shared.
    fn send(&mut self) -> io::Result<()> {
        if self.outgoing.is_empty() {
            return Ok(());
        }
        match retry_interrupted(|| self.socket.write(&self.outgoing)) {
            Ok(length) if length == self.outgoing.len() => {
                let mut buffer = std::mem::take(&mut self.outgoing);
                buffer.clear();
                self.shared.outgoing.set(buffer);
            }
            Ok(length) => self.outgoing = self.outgoing[length..].to_vec(),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

impl<T: Stream> Read for TlsStream<T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.overhead = 0;
        self.has_more = true;
        let kept = buffer.len().min(self.decrypted.len());
        if kept > 0 {
            buffer[..kept].copy_from_slice(&self.decrypted[..kept]);
            self.decrypted.drain(..kept);
            if self.decrypted.is_empty() {
                self.decrypted = Vec::new();
            }
            return Ok(kept);
        }
        if self.is_at_end {
            return Ok(0);
        }
        let mut incoming = self.shared.incoming.take();
        let read = match self.session {
            Session::Refused => self.drop_input(buffer.len(), &mut incoming),
            _ => self.receive(buffer, &mut incoming),
        };
        self.shared.incoming.set(incoming);
        match read {
            Ok(0) if !self.is_at_end => Err(ErrorKind::WouldBlock.into()),
            Ok(length) => Ok(length),
            Err(error) => {
                // The bytes that rustls had begun to read are lost, so that it must not be called again.
                self.note_unfinished();
                self.session = Session::Refused;
                Err(error)
            }
        }
    }
}

impl<T: Stream> Write for TlsStream<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut written = 0;
        loop {
            self.send()?;
            // Plaintext counts as written only when its record has left.
            let waiting = self.unreported.min(self.outgoing.len());
            written += std::mem::replace(&mut self.unreported, waiting) - waiting;
            if !self.outgoing.is_empty() || written >= bytes.len() {
                break;
            }
            let rest = &bytes[written..];
            self.encrypt(&rest[..rest.len().min(TLS_PLAINTEXT_BYTES_MAX)])?;
        }
        if written == 0 { Err(ErrorKind::WouldBlock.into()) } else { Ok(written.min(bytes.len())) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<T: Stream> Stream for TlsStream<T> {
    fn shutdown_write(&mut self) -> io::Result<()> {
        self.close()?;
        self.socket.shutdown_write()
    }

    fn has_more(&self) -> bool {
        self.has_more
    }

    fn read_overhead(&self) -> usize {
        self.overhead
    }

    fn has_own_output(&self) -> bool {
        !self.outgoing.is_empty() && self.unreported == 0
    }

    fn is_closed_by_peer(&self) -> bool {
        true
    }
}

impl<T: Stream> Drop for TlsStream<T> {
    fn drop(&mut self) {
        self.note_unfinished();
        // If output is lost, a close_notify would claim that the stream is complete (RFC 8446 6.1).
        if self.outgoing.is_empty() {
            let _ = self.close();
        }
    }
}
