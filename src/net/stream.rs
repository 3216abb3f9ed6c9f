//! What a connection needs from a socket: a trait, so that TLS, the simulation and tests can stand in for TCP.

use std::io::{self, Read, Write};
use std::net::Shutdown;

use mio::net::TcpStream;

/// A non-blocking byte stream whose sending side can be shut down. The methods with a default are for streams that do
/// more than a socket, such as TLS.
pub trait Stream: Read + Write {
    /// Shuts down the sending side: the peer reads what was written, and then the end.
    ///
    /// # Errors
    /// The connection has ended already.
    fn shutdown_write(&mut self) -> io::Result<()>;

    /// Returns whether another read may return more, although the last one did not fill its buffer.
    fn has_more(&self) -> bool {
        false
    }

    /// Returns what the last read cost in addition to the bytes it returned, as the number of bytes that cost the same.
    fn read_overhead(&self) -> usize {
        0
    }

    /// Returns whether the stream has output of its own that the socket has not taken. The next read or write sends it.
    fn has_own_output(&self) -> bool {
        false
    }

    /// Returns whether the peer marks the end of the stream with more input after its last frame, as TLS does.
    fn is_closed_by_peer(&self) -> bool {
        false
    }
}

impl Stream for TcpStream {
    fn shutdown_write(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

/// The stream of an accepted connection.
#[cfg(not(feature = "tls"))]
pub type Socket = TcpStream;
#[cfg(feature = "tls")]
pub use super::tls::Socket;
