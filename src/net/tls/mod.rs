//! TLS between a socket and its connection, by rustls, for hosts without a proxy.
//!
//! rustls reads and writes records, but no sockets: bytes are passed in and out as arguments (its unbuffered interface). So no
//! bytes wait where the loop cannot see them, and an idle connection has no buffers. [`stream`] explains how records become
//! input of the loop; [`credentials`] reads certificate and key; [`roots`] finds the certificates that this machine trusts;
//! [`handshakes`] counts how handshakes end.

mod acceptor;
mod credentials;
mod expiry;
mod handshakes;
pub mod roots;
mod stream;

use std::io::{self, Read, Write};

use mio::event::Source;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

pub(crate) use self::acceptor::Acceptor;
pub use self::credentials::{Credentials, TlsError};
pub use self::expiry::Validity;
pub(crate) use self::handshakes::Handshakes;
use self::stream::TlsStream;
use super::stream::Stream;

/// The stream of an accepted connection.
#[derive(Debug)]
pub enum Socket {
    /// Without TLS.
    Plain(TcpStream),
    /// With TLS.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Socket {
    fn tcp(&mut self) -> &mut TcpStream {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(stream) => stream.socket(),
        }
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for Socket {
    fn shutdown_write(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.shutdown_write(),
            Self::Tls(stream) => stream.shutdown_write(),
        }
    }

    fn has_more(&self) -> bool {
        matches!(self, Self::Tls(stream) if stream.has_more())
    }

    fn read_overhead(&self) -> usize {
        match self {
            Self::Plain(_) => 0,
            Self::Tls(stream) => stream.read_overhead(),
        }
    }

    fn has_own_output(&self) -> bool {
        matches!(self, Self::Tls(stream) if stream.has_own_output())
    }

    fn is_closed_by_peer(&self) -> bool {
        matches!(self, Self::Tls(_))
    }
}

impl Source for Socket {
    fn register(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        self.tcp().register(registry, token, interests)
    }

    fn reregister(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        self.tcp().reregister(registry, token, interests)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        self.tcp().deregister(registry)
    }
}
