//! The socket of a connection to Redis, with or without TLS.

use std::io::{self, Read, Write};
use std::net::SocketAddr;

use mio::net::TcpStream;

#[cfg(feature = "tls")]
use super::tls::{Client, ClientStream};
use super::url::RedisUrl;

/// Opens sockets to one Redis.
#[derive(Debug)]
pub(super) struct Connector {
    #[cfg(feature = "tls")]
    tls: Option<Client>,
}

impl Connector {
    /// Creates a connector for this URL.
    ///
    /// # Errors
    /// The URL asks for TLS, and this machine has no root certificates, or no certificate can be for such a host.
    #[cfg_attr(
        not(feature = "tls"),
        expect(clippy::unnecessary_wraps, reason = "there are no errors without TLS")
    )]
    pub(super) fn to(#[cfg_attr(not(feature = "tls"), expect(unused))] url: &RedisUrl) -> io::Result<Self> {
        Ok(Self {
            #[cfg(feature = "tls")]
            tls: if url.has_tls { Some(Client::to(&url.host)?) } else { None },
        })
    }

    /// Begins to connect.
    pub(super) fn connect(&self, address: SocketAddr) -> io::Result<Socket> {
        let socket = TcpStream::connect(address)?;
        #[cfg(feature = "tls")]
        if let Some(client) = &self.tls {
            return Ok(Socket::Tls(Box::new(client.connect(socket)?)));
        }
        Ok(Socket::Plain(socket))
    }
}

/// A socket that does not block.
#[derive(Debug)]
pub(super) enum Socket {
    Plain(TcpStream),
    #[cfg(feature = "tls")]
    Tls(Box<ClientStream>),
}

impl Socket {
    pub(super) fn tcp(&mut self) -> &mut TcpStream {
        match self {
            Self::Plain(socket) => socket,
            #[cfg(feature = "tls")]
            Self::Tls(stream) => &mut stream.sock,
        }
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(buffer),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write(bytes),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    /// Sends records that the socket has not taken yet.
    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.flush(),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.flush(),
        }
    }
}
