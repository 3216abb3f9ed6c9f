//! What a connection needs of a socket.

use std::io::{self, Read, Write};
use std::net::Shutdown;

use mio::net::TcpStream;

/// Non-blocking reads and writes, and to shut one's own side. The rest is for streams that are more than a socket, such as
/// TLS: a plain one has nothing to say to it.
pub trait Stream: Read + Write {
    /// Shuts down the sending side: the peer reads what was written, and then the end.
    ///
    /// # Errors
    /// The peer has gone.
    fn shutdown_write(&mut self) -> io::Result<()>;

    /// Returns whether another read may bring more, though the last one did not fill its buffer.
    fn has_more(&self) -> bool {
        false
    }

    /// Returns what the last read has cost beside the bytes that it gave, in bytes that take as long to read.
    fn read_overhead(&self) -> usize {
        0
    }

    /// Returns whether it has output of its own that the socket has not taken. It goes out with the next read or write.
    fn has_own_output(&self) -> bool {
        false
    }

    /// Returns whether the peer closes the stream itself, behind its last frame.
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
