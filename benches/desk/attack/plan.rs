//! How an attacker's connection is to be, and how it is opened.

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

/// What the kernel may receive ahead of one on a slow line, so that the server notices.
const SLOW_LINE_BUFFER_BYTES: usize = 32 * 1024;
/// The segments of a slow line: Ethernet's. From loopback's of 64 KiB the kernel concludes that the server needs a send
/// buffer of 2.5 MB, which would hide what the server does with a slow reader.
const SLOW_LINE_MSS_BYTES: u32 = 1460;

/// Which line a connection comes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    Loopback,
    Slow,
}

/// What a connection sends without end once it is upgraded, or once it is connected.
#[derive(Clone, Debug)]
pub(crate) struct Pour {
    pub(crate) bytes: Rc<[u8]>,
    /// None: as fast as the socket takes it.
    pub(crate) bytes_per_second: Option<f64>,
}

/// How a connection is to be.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Sent first.
    pub(crate) request: Vec<u8>,
    pub(crate) reading: Reading,
    pub(crate) line: Line,
    /// Its frames become news.
    pub(crate) listens: bool,
    /// The server's close frame and end are ignored: it goes on sending until its socket fails.
    pub(crate) is_stubborn: bool,
    pub(crate) pour: Option<Pour>,
}

impl Plan {
    /// Sends this, reads everything, and tells nothing but what became of it.
    pub(crate) fn new(request: Vec<u8>) -> Self {
        Self {
            request,
            reading: Reading::All,
            line: Line::Loopback,
            listens: false,
            is_stubborn: false,
            pour: None,
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
