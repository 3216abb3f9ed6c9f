//! Encrypts output to records.

use std::io::{self, ErrorKind};

use rustls::server::ServerConnectionData;
use rustls::unbuffered::{ConnectionState, EncodeError, EncodeTlsData, UnbufferedStatus, WriteTraffic};

use super::{Session, TlsStream};
use crate::config::TLS_OVERHEAD_BYTES;
use crate::net::stream::Stream;

impl<T: Stream> TlsStream<T> {
    /// Calls `act` when rustls is ready to encrypt, with the buffer for records.
    fn with_traffic(
        &mut self,
        act: impl FnOnce(WriteTraffic<'_, ServerConnectionData>, &mut Vec<u8>) -> io::Result<()>,
    ) -> io::Result<()> {
        let Session::Active(session) = &mut self.session else { return Err(ErrorKind::NotConnected.into()) };
        loop {
            // rustls needs the kept bytes: they may have a part of a message that it has begun to read.
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

    /// Encrypts a part of the output, after the records that wait.
    pub(super) fn encrypt(&mut self, plain: &[u8]) -> io::Result<()> {
        if self.outgoing.capacity() == 0 {
            self.outgoing = self.shared.outgoing.take();
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

    /// Sends a close_notify, as each side has to before it closes (RFC 8446 6.1). If the socket does not take it, the peer is
    /// not there to read it.
    pub(super) fn close(&mut self) -> io::Result<()> {
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

/// Appends a message of a handshake, or an alert.
pub(super) fn append(
    mut part: EncodeTlsData<'_, ServerConnectionData>,
    outgoing: &mut Vec<u8>,
) -> io::Result<()> {
    let start = outgoing.len();
    // Its length is known only from the error for a buffer that is too small.
    let length = match part.encode(&mut []) {
        Err(EncodeError::InsufficientSize(error)) => error.required_size,
        Ok(_) => return Ok(()),
        Err(error) => return Err(io::Error::other(error)),
    };
    outgoing.resize(start + length, 0);
    part.encode(&mut outgoing[start..]).map(|_| ()).map_err(io::Error::other)
}
