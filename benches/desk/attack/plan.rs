//! The properties of an attacker's connection, and how it is opened.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use mio::net::TcpStream;
use socket2::{Domain, Protocol, Socket, Type};

/// Addresses of ours to connect from, so that ports do not run out.
const SOURCES: usize = 200;

/// How a connection reads.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Reading {
    All,
    Nothing,
    BytesPerSecond(f64),
}

/// The kernel's receive buffer for a connection on a slow line, small enough that the server notices.
const SLOW_LINE_BUFFER_BYTES: usize = 32 * 1024;
/// The segments of a slow line: Ethernet's. From loopback's of 64 KiB the kernel concludes that the server needs a send
/// buffer of 2.5 MB, which would hide what the server does with a slow reader.
const SLOW_LINE_MSS_BYTES: u32 = 1460;

/// The line that a connection comes over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    Loopback,
    Slow,
}

/// The bytes that a connection sends without end, once it is upgraded or connected.
#[derive(Clone, Debug)]
pub(crate) struct Flood {
    pub(crate) bytes: Rc<[u8]>,
    /// `None` means as fast as the socket takes it.
    pub(crate) bytes_per_second: Option<f64>,
}

/// The properties of a connection.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Sent first.
    pub(crate) request: Vec<u8>,
    pub(crate) reading: Reading,
    pub(crate) line: Line,
    /// Whether its frames become news.
    pub(crate) listens: bool,
    /// Whether it ignores the server's close frame and end, and goes on sending until its socket fails.
    pub(crate) is_stubborn: bool,
    pub(crate) flood: Option<Flood>,
}

impl Plan {
    /// A connection that sends this and reads everything, and reports only its end.
    pub(crate) fn new(request: Vec<u8>) -> Self {
        Self {
            request,
            reading: Reading::All,
            line: Line::Loopback,
            listens: false,
            is_stubborn: false,
            flood: None,
        }
    }
}

/// A connection that ends with a reset.
pub(super) fn connect_from(number: usize, server: SocketAddr, line: Line) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    socket.set_linger(Some(Duration::ZERO))?;
    if line == Line::Slow {
        socket.set_recv_buffer_size(SLOW_LINE_BUFFER_BYTES)?;
        socket.set_tcp_mss(SLOW_LINE_MSS_BYTES)?;
    }
    let source = Ipv4Addr::new(127, 0, 2, 1 + (number % SOURCES) as u8);
    socket.bind(&SocketAddr::from((source, 0)).into())?;
    match socket.connect(&server.into()) {
        Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => Err(error),
        _ => Ok(TcpStream::from_std(socket.into())),
    }
}
