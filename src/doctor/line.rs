//! A connection of the doctor, with or without TLS.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use super::client::STEP;
#[cfg(feature = "tls")]
use super::tls::Session;
use deskwire::config::DOCTOR_ANSWER_BYTES_MAX;

/// A blocking connection with a deadline for each read.
#[derive(Debug)]
pub(super) enum Line {
    Plain(TcpStream),
    #[cfg(feature = "tls")]
    Tls(Box<Session>),
}

impl Line {
    pub(super) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(socket) => {
                socket.set_write_timeout(Some(STEP))?;
                socket.write_all(bytes)
            }
            #[cfg(feature = "tls")]
            Self::Tls(session) => session.send(bytes),
        }
    }

    /// Waits for more, and appends it to `bytes`.
    pub(super) fn receive(&mut self, bytes: &mut Vec<u8>, deadline: Instant) -> io::Result<()> {
        if bytes.len() > DOCTOR_ANSWER_BYTES_MAX {
            return Err(ErrorKind::TimedOut.into());
        }
        match self {
            Self::Plain(socket) => {
                let mut buffer = [0; 4096];
                let length = read_until(deadline, socket, |socket| socket.read(&mut buffer))?;
                bytes.extend_from_slice(&buffer[..length]);
            }
            #[cfg(feature = "tls")]
            Self::Tls(session) => session.receive(bytes, deadline)?,
        }
        Ok(())
    }
}

/// Reads from a socket once, until the deadline at the latest. The end of the stream is an error.
pub(super) fn read_until(
    deadline: Instant,
    socket: &mut TcpStream,
    mut read: impl FnMut(&mut TcpStream) -> io::Result<usize>,
) -> io::Result<usize> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        socket.set_read_timeout(Some(left))?;
        match read(socket) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Err(ErrorKind::TimedOut.into()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
