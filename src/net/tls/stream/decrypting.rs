//! The way in: records to the bytes in them. The handshake is a part of it.

use std::io::{self, ErrorKind};
use std::sync::Arc;

use log::{debug, info};
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{ConnectionState, ReadTraffic, UnbufferedStatus};

use super::encrypting::append;
use super::{Session, TlsStream};
use crate::config::{RECV_BYTES, TLS_HANDSHAKE_BYTES_MAX, TLS_HANDSHAKE_COST_BYTES, TLS_RECORD_BYTES_MAX};
use crate::net::retry_interrupted;
use crate::net::stream::Stream;
use crate::net::tls::handshakes::HandshakeFault;

/// What a request without TLS gets at a port that speaks it.
const PLAIN_ANSWER: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n\
    Content-Length: 51\r\nConnection: close\r\n\r\nThis port speaks TLS: use https:// or wss:// here.\n";

/// What one receive has shown of the socket.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Supply {
    /// There may be more.
    More,
    /// There is no more now.
    Drained,
    /// There will be no more.
    Ended,
}

impl<T: Stream> TlsStream<T> {
    /// Receives once, unless there is enough from the last time, and decrypts as much as fits. Returns how much that is.
    pub(super) fn receive(&mut self, buffer: &mut [u8], incoming: &mut Vec<u8>) -> io::Result<usize> {
        incoming.clear();
        incoming.append(&mut self.encrypted);
        let supply = match std::mem::take(&mut self.is_cut_short) {
            true => Supply::More,
            false => self.receive_once(buffer.len(), incoming)?,
        };
        if supply == Supply::Ended {
            self.is_at_end = true;
            self.encrypted = std::mem::take(incoming); // rustls counts on it, also to write
            return Ok(0);
        }
        if matches!(&self.session, Session::Waiting(_))
            && incoming.first().is_some_and(u8::is_ascii_uppercase)
        {
            info!("a request without TLS was refused");
            self.shared.handshakes.note_failed(HandshakeFault::Plain);
            return self.refuse(PLAIN_ANSWER);
        }
        let read = self.decrypt(buffer, incoming)?;
        self.overhead = self.overhead.saturating_sub(read);
        // Who is given nothing cannot know that the end is announced behind what was received: it is asked for once more.
        let is_unseen = read == 0 && self.overhead > 0;
        self.has_more = supply == Supply::More
            || self.is_cut_short
            || !self.decrypted.is_empty()
            || is_unseen
            || self.is_at_end;
        if self.unreported == 0 {
            self.send()?; // else it goes out behind the connection's output, and the poll tells when
        }
        Ok(read)
    }

    /// Receives once, behind what was kept. As much as the caller wants: the bytes of a record are more than what is in it.
    fn receive_once(&mut self, most: usize, incoming: &mut Vec<u8>) -> io::Result<Supply> {
        let kept = incoming.len();
        incoming.resize(kept + most.min(RECV_BYTES), 0);
        let received = retry_interrupted(|| self.socket.read(&mut incoming[kept..]));
        let (length, supply) = match received {
            Ok(0) => (0, Supply::Ended),
            Ok(length) if kept + length == incoming.len() => (length, Supply::More),
            Ok(length) => (length, Supply::Drained),
            Err(error) if error.kind() == ErrorKind::WouldBlock => (0, Supply::Drained),
            Err(error) => return Err(error),
        };
        incoming.truncate(kept + length);
        self.overhead = length;
        Ok(supply)
    }

    /// Gives rustls what has come, and does what it asks for. What it has no use for yet is kept.
    fn decrypt(&mut self, buffer: &mut [u8], incoming: &mut [u8]) -> io::Result<usize> {
        self.begin()?;
        let Session::Active(session) = &mut self.session else { return Ok(0) };
        let was_handshaking = session.is_handshaking();
        let (mut used, mut read, mut is_answered) = (0, 0, false);
        self.is_cut_short = true;
        while read < buffer.len() {
            let UnbufferedStatus { discard, state } = session.process_tls_records(&mut incoming[used..]);
            used += discard;
            match state {
                Ok(ConnectionState::ReadTraffic(records)) => {
                    let (length, discard) = take_records(records, &mut buffer[read..], &mut self.decrypted)?;
                    read += length;
                    used += discard;
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
                Err(error) => return self.fail(&error, was_handshaking, &mut incoming[used..]),
            }
        }
        let is_handshaking = session.is_handshaking();
        if was_handshaking && !is_handshaking {
            self.shared.handshakes.note_done();
        }
        if was_handshaking && is_answered {
            self.overhead += TLS_HANDSHAKE_COST_BYTES;
        }
        self.keep(&incoming[used..], is_handshaking)?;
        Ok(read)
    }

    /// Begins a session with the first bytes of a client.
    fn begin(&mut self) -> io::Result<()> {
        if let Session::Waiting(config) = &self.session {
            let session = UnbufferedServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
            self.session = Session::Active(Box::new(session));
        }
        Ok(())
    }

    /// Keeps what was received and not used, up to the limit of what its sender may leave unfinished.
    fn keep(&mut self, rest: &[u8], is_handshaking: bool) -> io::Result<()> {
        let most = if is_handshaking { TLS_HANDSHAKE_BYTES_MAX } else { TLS_RECORD_BYTES_MAX };
        self.encrypted = rest.to_vec();
        self.is_cut_short &= !rest.is_empty();
        if !self.is_cut_short && rest.len() > most {
            return Err(ErrorKind::InvalidData.into());
        }
        Ok(())
    }

    /// Ends the session, since rustls has found an error in what came.
    fn fail(
        &mut self,
        error: &rustls::Error,
        was_handshaking: bool,
        incoming: &mut [u8],
    ) -> io::Result<usize> {
        if !was_handshaking {
            debug!("TLS has failed: {error}");
            self.alert(incoming)?;
            return Err(ErrorKind::InvalidData.into());
        }
        info!("a TLS handshake has failed: {error}");
        self.shared.handshakes.note_failed(error.into());
        self.alert(incoming)?;
        self.refuse(&[])
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

    /// Receives and drops what a client that was refused still sends.
    pub(super) fn drop_input(&mut self, most: usize, incoming: &mut Vec<u8>) -> io::Result<usize> {
        incoming.resize(most, 0);
        self.has_more = false;
        self.overhead = retry_interrupted(|| self.socket.read(incoming))?;
        self.has_more = self.overhead > 0; // the end may be announced behind it
        self.is_at_end = self.overhead == 0;
        Ok(0)
    }

    /// Counts a handshake that ends before it was whole.
    pub(super) fn note_unfinished(&self) {
        if matches!(&self.session, Session::Active(session) if session.is_handshaking()) {
            self.shared.handshakes.note_failed(HandshakeFault::Unfinished);
        }
    }
}

/// Copies what is in the records to `buffer`, and what it has no capacity for to `later`. Returns how much was copied, and how
/// many bytes of the records are done with.
fn take_records(
    mut records: ReadTraffic<'_, '_, ServerConnectionData>,
    buffer: &mut [u8],
    later: &mut Vec<u8>,
) -> io::Result<(usize, usize)> {
    let (mut read, mut used) = (0, 0);
    while let Some(record) = records.next_record() {
        let record = record.map_err(io::Error::other)?;
        let (now, rest) = record.payload.split_at(record.payload.len().min(buffer.len() - read));
        buffer[read..read + now.len()].copy_from_slice(now);
        later.extend_from_slice(rest);
        read += now.len();
        used += record.discard;
    }
    Ok((read, used))
}
