//! Decrypts records to input. The handshake is a part of it.

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

/// The answer to a request without TLS.
const PLAIN_ANSWER: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n\
    Content-Length: 51\r\nConnection: close\r\n\r\nThis port speaks TLS: use https:// or wss:// here.\n";

/// Whether the socket has more, after a receive.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Supply {
    /// There may be more.
    More,
    /// There is no more at present.
    Drained,
    /// There will be no more.
    Ended,
}

impl<T: Stream> TlsStream<T> {
    /// Receives once, unless complete records are left from before, and decrypts as much as `buffer` has capacity for. Returns
    /// how much that is.
    pub(super) fn receive(&mut self, buffer: &mut [u8], incoming: &mut Vec<u8>) -> io::Result<usize> {
        incoming.clear();
        incoming.append(&mut self.encrypted);
        let supply = match std::mem::take(&mut self.is_cut_short) {
            true => Supply::More,
            false => self.receive_once(buffer.len(), incoming)?,
        };
        if supply == Supply::Ended {
            self.is_at_end = true;
            self.encrypted = std::mem::take(incoming); // rustls needs it, even to write
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
        // After a read of 0 bytes the caller would not read again, but the end may come right after what was received.
        let is_unseen = read == 0 && self.overhead > 0;
        self.has_more = supply == Supply::More
            || self.is_cut_short
            || !self.decrypted.is_empty()
            || is_unseen
            || self.is_at_end;
        if self.unreported == 0 {
            self.send()?; // otherwise it leaves after the connection's output, when the poll reports "writable"
        }
        Ok(read)
    }

    /// Receives once, after the kept bytes. Receives no more than the caller has capacity for: a record is longer than its
    /// plaintext.
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

    /// Passes the received bytes to rustls, and does what it asks for. Bytes that it does not use yet are kept.
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
                // Anything after a close_notify is ignored (RFC 8446 6.1).
                Ok(ConnectionState::PeerClosed | ConnectionState::Closed) => {
                    (self.is_at_end, self.is_cut_short, used) = (true, false, incoming.len());
                    break;
                }
                Ok(_) => return Err(ErrorKind::InvalidData.into()), // early data, which is not offered
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

    /// Keeps received bytes that are not used yet, up to the limit on an incomplete record or handshake message.
    fn keep(&mut self, rest: &[u8], is_handshaking: bool) -> io::Result<()> {
        let most = if is_handshaking { TLS_HANDSHAKE_BYTES_MAX } else { TLS_RECORD_BYTES_MAX };
        self.encrypted = rest.to_vec();
        self.is_cut_short &= !rest.is_empty();
        if !self.is_cut_short && rest.len() > most {
            return Err(ErrorKind::InvalidData.into());
        }
        Ok(())
    }

    /// Ends the session after an error of the peer.
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

    /// Sends the alert that rustls has for the peer, and does not use the session any more.
    fn alert(&mut self, incoming: &mut [u8]) -> io::Result<()> {
        if let Session::Active(session) = &mut self.session {
            // Called only while there is something to write: otherwise rustls would read the same bytes again.
            while session.wants_write()
                && let Ok(ConnectionState::EncodeTlsData(part)) = session.process_tls_records(incoming).state
            {
                append(part, &mut self.outgoing)?;
            }
        }
        self.session = Session::Refused;
        self.send()
    }

    /// Sends this answer unencrypted, and nothing after it.
    fn refuse(&mut self, answer: &[u8]) -> io::Result<usize> {
        self.session = Session::Refused;
        self.outgoing.extend_from_slice(answer);
        self.send()?;
        self.socket.shutdown_write()?;
        self.has_more = true; // the end may have come already
        Ok(0)
    }

    /// Receives and drops what a client that was refused still sends.
    pub(super) fn drop_input(&mut self, most: usize, incoming: &mut Vec<u8>) -> io::Result<usize> {
        incoming.resize(most, 0);
        self.has_more = false;
        self.overhead = retry_interrupted(|| self.socket.read(incoming))?;
        self.has_more = self.overhead > 0; // the end may come right after it
        self.is_at_end = self.overhead == 0;
        Ok(0)
    }

    /// Counts the handshake as failed if it is not complete.
    pub(super) fn note_unfinished(&self) {
        if matches!(&self.session, Session::Active(session) if session.is_handshaking()) {
            self.shared.handshakes.note_failed(HandshakeFault::Unfinished);
        }
    }
}

/// Copies the plaintext of the records to `buffer`, and what it has no capacity for to `later`. Returns how many bytes were
/// copied to `buffer`, and how many bytes of records were used.
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
