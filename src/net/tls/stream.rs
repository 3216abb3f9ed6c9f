//! A TLS stream that the loop reads and writes like a socket.
//!
//! Reading: the poll reports a socket once, so a stream has to know whether a read has found all ([`Stream::has_more`]). A
//! read decrypts as much as its buffer holds, and receives at most once. What it has no capacity for stays encrypted, but
//! for the rest of one record.
//!
//! Writing: what is encrypted cannot be taken back, and the socket may not take it. Then it is not reported as written: it
//! stays in the connection's output as well, where it counts for all limits, and the next write begins with it. At most one
//! record waits here.

use std::cell::Cell;
use std::fmt::{self, Debug, Formatter};
use std::io::{self, ErrorKind, Read, Write};
use std::rc::Rc;
use std::sync::Arc;

use log::{debug, info};
use mio::net::TcpStream;
use rustls::ServerConfig;
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{ConnectionState, EncodeTlsData, UnbufferedStatus, WriteTraffic};

use super::{Credentials, Socket};
use crate::config::{
    RECV_BYTES, TLS_HANDSHAKE_BYTES_MAX, TLS_HANDSHAKE_COST_BYTES, TLS_OVERHEAD_BYTES,
    TLS_PLAINTEXT_BYTES_MAX, TLS_RECORD_BYTES_MAX,
};
use crate::net::retry_interrupted;
use crate::net::stream::Stream;

/// What a request without TLS gets at a port that speaks it.
const PLAIN_ANSWER: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n\
    Content-Length: 51\r\nConnection: close\r\n\r\nThis port speaks TLS: use https:// or wss:// here.\n";

/// Makes streams of accepted sockets.
#[derive(Debug)]
pub(crate) struct Acceptor {
    credentials: Credentials,
    buffers: Rc<Buffers>,
}

impl Acceptor {
    pub(crate) fn new(credentials: Credentials) -> Self {
        credentials.log_expiry();
        Self { credentials, buffers: Rc::default() }
    }

    pub(crate) fn accept(&self, socket: TcpStream) -> Socket {
        let (config, buffers) = (Arc::clone(self.credentials.config()), Rc::clone(&self.buffers));
        Socket::Tls(Box::new(TlsStream::new(socket, config, buffers)))
    }

    /// Reads the files again, for connections to come.
    pub(crate) fn reload(&mut self) {
        self.credentials.reload();
    }
}

/// Buffers that all streams share: each is out of its cell for as long as a call lasts.
#[derive(Default)]
pub(super) struct Buffers {
    incoming: Cell<Vec<u8>>,
    outgoing: Cell<Vec<u8>>,
}

impl Debug for Buffers {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("Buffers")
    }
}

enum Session {
    /// Nothing has come yet. A silent socket costs no more than this.
    Waiting(Arc<ServerConfig>),
    /// In the handshake, or behind it.
    Active(Box<UnbufferedServerConnection>),
    /// It was told why there will be none. What it still sends is dropped, so that no reset eats that.
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
    buffers: Rc<Buffers>,
    /// Received, and not decrypted: a part of a record, or more than the last read had capacity for.
    encrypted: Vec<u8>,
    /// Whether there are whole records in it.
    is_cut_short: bool,
    /// The rest of a record that the last read had no capacity for.
    decrypted: Vec<u8>,
    /// The peer has closed the stream, or its side of the socket.
    is_at_end: bool,
    has_more: bool,
    overhead: usize,
    /// Records that the socket has not taken.
    outgoing: Vec<u8>,
    /// How much of the connection's output is in them and was not reported as written.
    unreported: usize,
    /// A close_notify is in them, or was sent.
    is_closed: bool,
}

impl<T: Stream> TlsStream<T> {
    pub(super) fn new(socket: T, config: Arc<ServerConfig>, buffers: Rc<Buffers>) -> Self {
        Self {
            socket,
            session: Session::Waiting(config),
            buffers,
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

    /// Receives once, unless there is enough from the last time, and decrypts as much as fits. Returns how much that is.
    fn receive(&mut self, buffer: &mut [u8], incoming: &mut Vec<u8>) -> io::Result<usize> {
        incoming.clear();
        incoming.append(&mut self.encrypted);
        let mut is_drained = false;
        if !std::mem::take(&mut self.is_cut_short) {
            let kept = incoming.len();
            // As much as the caller wants: the bytes of a record are more than what is in it.
            incoming.resize(kept + buffer.len().min(RECV_BYTES), 0);
            let received = retry_interrupted(|| self.socket.read(&mut incoming[kept..]));
            is_drained = !matches!(received, Ok(length) if kept + length == incoming.len());
            match &received {
                Ok(length) => incoming.truncate(kept + length),
                Err(error) if error.kind() == ErrorKind::WouldBlock => incoming.truncate(kept),
                Err(_) => return received,
            }
            self.overhead = incoming.len() - kept;
            if matches!(received, Ok(0)) {
                self.is_at_end = true;
                self.encrypted = std::mem::take(incoming); // rustls counts on it, also to write
                return Ok(0);
            }
        }
        if matches!(&self.session, Session::Waiting(_))
            && incoming.first().is_some_and(u8::is_ascii_uppercase)
        {
            info!("a request without TLS was refused");
            return self.refuse(PLAIN_ANSWER);
        }
        let read = self.decrypt(buffer, incoming)?;
        self.overhead = self.overhead.saturating_sub(read);
        // Who is given nothing cannot know that the end is announced behind what was received: it is asked for once more.
        let is_unseen = read == 0 && self.overhead > 0;
        self.has_more =
            !is_drained || self.is_cut_short || !self.decrypted.is_empty() || is_unseen || self.is_at_end;
        if self.unreported == 0 {
            self.send()?; // else it goes out behind the connection's output, and the poll tells when
        }
        Ok(read)
    }

    /// Gives rustls what has come, and does what it asks for. What it has no use for yet is kept.
    fn decrypt(&mut self, buffer: &mut [u8], incoming: &mut [u8]) -> io::Result<usize> {
        if let Session::Waiting(config) = &self.session {
            match UnbufferedServerConnection::new(Arc::clone(config)) {
                Ok(session) => self.session = Session::Active(Box::new(session)),
                Err(error) => return Err(io::Error::other(error)),
            }
        }
        let Session::Active(session) = &mut self.session else { return Ok(0) };
        let was_handshaking = session.is_handshaking();
        let (mut used, mut read, mut is_answered) = (0, 0, false);
        self.is_cut_short = true;
        while read < buffer.len() {
            let UnbufferedStatus { discard, state } = session.process_tls_records(&mut incoming[used..]);
            used += discard;
            match state {
                Ok(ConnectionState::ReadTraffic(mut records)) => {
                    while let Some(record) = records.next_record() {
                        let record = record.map_err(io::Error::other)?;
                        let (now, later) =
                            record.payload.split_at(record.payload.len().min(buffer.len() - read));
                        buffer[read..read + now.len()].copy_from_slice(now);
                        self.decrypted.extend_from_slice(later);
                        read += now.len();
                        used += record.discard;
                    }
                }
                Ok(ConnectionState::EncodeTlsData(part)) => {
                    is_answered = true;
                    append(part, &mut self.outgoing)?;
                }
                Ok(ConnectionState::TransmitTlsData(part)) => part.done(),
                Ok(ConnectionState::BlockedHandshake | ConnectionState::WriteTraffic(_)) => {
                    self.is_cut_short = false;
                    break;
                }
                // What comes behind a close_notify is none of ours (RFC 8446 6.1).
                Ok(ConnectionState::PeerClosed | ConnectionState::Closed) => {
                    (self.is_at_end, self.is_cut_short, used) = (true, false, incoming.len());
                    break;
                }
                Ok(_) => return Err(ErrorKind::InvalidData.into()), // early data, which we do not offer
                Err(error) => {
                    if !was_handshaking {
                        debug!("TLS has failed: {error}");
                        self.alert(&mut incoming[used..])?;
                        return Err(ErrorKind::InvalidData.into());
                    }
                    info!("a TLS handshake has failed: {error}");
                    self.alert(&mut incoming[used..])?;
                    return self.refuse(&[]);
                }
            }
        }
        let most = if session.is_handshaking() { TLS_HANDSHAKE_BYTES_MAX } else { TLS_RECORD_BYTES_MAX };
        if was_handshaking && is_answered {
            self.overhead += TLS_HANDSHAKE_COST_BYTES;
        }
        self.encrypted = incoming[used..].to_vec();
        self.is_cut_short &= !self.encrypted.is_empty();
        if !self.is_cut_short && self.encrypted.len() > most {
            return Err(ErrorKind::InvalidData.into());
        }
        Ok(read)
    }

    /// Sends the alert with which rustls answers what it does not understand, and asks it for nothing more.
    fn alert(&mut self, incoming: &mut [u8]) -> io::Result<()> {
        if let Session::Active(session) = &mut self.session {
            // Not once more than there is something: it would read the same again.
            while session.wants_write()
                && let Ok(ConnectionState::EncodeTlsData(part)) = session.process_tls_records(incoming).state
            {
                append(part, &mut self.outgoing)?;
            }
        }
        self.session = Session::Refused;
        self.send()
    }

    /// Sends this as it is, and nothing more.
    fn refuse(&mut self, answer: &[u8]) -> io::Result<usize> {
        self.session = Session::Refused;
        self.outgoing.extend_from_slice(answer);
        self.send()?;
        self.socket.shutdown_write()?;
        self.has_more = true; // as the end may have come already
        Ok(0)
    }

    /// Calls `act` once rustls is ready to encrypt, with the records that wait.
    fn with_traffic(
        &mut self,
        act: impl FnOnce(WriteTraffic<'_, ServerConnectionData>, &mut Vec<u8>) -> io::Result<()>,
    ) -> io::Result<()> {
        let Session::Active(session) = &mut self.session else { return Err(ErrorKind::NotConnected.into()) };
        loop {
            // Always with what was kept: it may hold a part of a message that rustls has begun to read.
            let UnbufferedStatus { mut discard, state } = session.process_tls_records(&mut self.encrypted);
            match state {
                Ok(ConnectionState::WriteTraffic(traffic)) => {
                    self.encrypted.drain(..discard);
                    return act(traffic, &mut self.outgoing);
                }
                Ok(ConnectionState::EncodeTlsData(part)) => append(part, &mut self.outgoing)?,
                Ok(ConnectionState::TransmitTlsData(part)) => part.done(),
                Ok(ConnectionState::ReadTraffic(mut records)) => {
                    while let Some(record) = records.next_record() {
                        let record = record.map_err(io::Error::other)?;
                        self.decrypted.extend_from_slice(record.payload);
                        discard += record.discard;
                    }
                }
                Ok(ConnectionState::PeerClosed) => self.is_at_end = true,
                _ => return Err(ErrorKind::NotConnected.into()),
            }
            self.encrypted.drain(..discard);
        }
    }

    fn encrypt(&mut self, plain: &[u8]) -> io::Result<()> {
        if self.outgoing.capacity() == 0 {
            self.outgoing = self.buffers.outgoing.take();
        }
        self.with_traffic(|mut traffic, outgoing| {
            let start = outgoing.len();
            outgoing.resize(start + plain.len() + TLS_OVERHEAD_BYTES, 0);
            let length = traffic.encrypt(plain, &mut outgoing[start..]).map_err(io::Error::other)?;
            outgoing.truncate(start + length);
            Ok(())
        })?;
        self.unreported = plain.len();
        Ok(())
    }

    /// Sends the records that wait, as far as the socket takes them. Once all have left, the buffer is for others.
    fn send(&mut self) -> io::Result<()> {
        if self.outgoing.is_empty() {
            return Ok(());
        }
        match retry_interrupted(|| self.socket.write(&self.outgoing)) {
            Ok(length) if length == self.outgoing.len() => {
                let mut buffer = std::mem::take(&mut self.outgoing);
                buffer.clear();
                self.buffers.outgoing.set(buffer);
            }
            Ok(length) => self.outgoing = self.outgoing[length..].to_vec(),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// RFC 8446 6.1: each side sends a close_notify before it closes. If the socket takes none, the peer is not there to
    /// read it.
    fn close(&mut self) -> io::Result<()> {
        if !std::mem::replace(&mut self.is_closed, true) {
            self.with_traffic(|mut traffic, outgoing| {
                let start = outgoing.len();
                outgoing.resize(start + TLS_OVERHEAD_BYTES, 0);
                let length = traffic.queue_close_notify(&mut outgoing[start..]).map_err(io::Error::other)?;
                outgoing.truncate(start + length);
                Ok(())
            })?;
            self.send()?;
        }
        Ok(())
    }
}

fn append(mut part: EncodeTlsData<'_, ServerConnectionData>, outgoing: &mut Vec<u8>) -> io::Result<()> {
    use rustls::unbuffered::EncodeError;
    let start = outgoing.len();
    // How long it is, is said only by refusing a buffer that is too small.
    let length = match part.encode(&mut []) {
        Err(EncodeError::InsufficientSize(error)) => error.required_size,
        Ok(_) => return Ok(()),
        Err(error) => return Err(io::Error::other(error)),
    };
    outgoing.resize(start + length, 0);
    part.encode(&mut outgoing[start..]).map(|_| ()).map_err(io::Error::other)
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
        let mut incoming = self.buffers.incoming.take();
        let read = match self.session {
            Session::Refused => self.drop_input(buffer.len(), &mut incoming),
            _ => self.receive(buffer, &mut incoming),
        };
        self.buffers.incoming.set(incoming);
        match read {
            Ok(0) if !self.is_at_end => Err(ErrorKind::WouldBlock.into()),
            Ok(length) => Ok(length),
            Err(error) => {
                // What rustls has begun to read is gone: it must not be called again.
                self.session = Session::Refused;
                Err(error)
            }
        }
    }
}

impl<T: Stream> TlsStream<T> {
    fn drop_input(&mut self, most: usize, incoming: &mut Vec<u8>) -> io::Result<usize> {
        incoming.resize(most, 0);
        self.has_more = false;
        self.overhead = retry_interrupted(|| self.socket.read(incoming))?;
        self.has_more = self.overhead > 0; // the end may be announced behind it
        self.is_at_end = self.overhead == 0;
        Ok(0)
    }
}

impl<T: Stream> Write for TlsStream<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut written = 0;
        loop {
            self.send()?;
            // Of what the socket has not taken, no byte counts as written.
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
        // Where output waits, its end would be a lie.
        if self.outgoing.is_empty() {
            let _ = self.close();
        }
    }
}
