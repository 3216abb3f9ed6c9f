//! The listening socket, and what happens when there are no more descriptors.
//!
//! mio is edge-triggered: it reports a new connection once. So if accepting stops before the backlog is empty, for want of
//! descriptors or of capacity, it has to be resumed: when a connection has ended, and by a timer.

use std::io::{self, ErrorKind};
use std::net::{self, SocketAddr};

use log::warn;
use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::config::{ACCEPT_RETRY_MS, BACKLOG, Millis, SAME_WARNING_MS};

/// Linux gives an accepted socket the listener's TCP_NODELAY. Elsewhere it costs a call.
const INHERITS_NODELAY: bool = cfg!(target_os = "linux");

/// The listening socket.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: TcpListener,
    /// A connection may wait in the backlog that no event will announce again.
    pending: bool,
    /// Accepting is paused until then.
    paused_until: Option<Millis>,
    /// When a warning of it was last logged.
    warned_at: Option<Millis>,
}

impl Listener {
    /// Binds.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub(crate) fn bind(address: SocketAddr) -> io::Result<net::TcpListener> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?; // a restart need not wait for the old connections' TIME_WAIT
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Ok(socket.into())
    }

    /// Takes a socket that listens, and registers for events of new connections.
    ///
    /// # Errors
    /// It cannot be set up, or does not listen: with `Accept=yes`, systemd hands in the socket of one connection.
    pub(crate) fn new(socket: net::TcpListener, registry: &Registry, token: Token) -> io::Result<Self> {
        let options = SockRef::from(&socket);
        if !options.is_listener()? {
            return Err(io::Error::new(ErrorKind::InvalidInput, "the socket does not listen"));
        }
        options.set_nonblocking(true)?;
        // Frames are small and go out in one write; Nagle's algorithm would hold the second for the first one's ACK.
        options.set_tcp_nodelay(true)?;
        let mut socket = TcpListener::from_std(socket);
        registry.register(&mut socket, token, Interest::READABLE)?;
        Ok(Self { socket, pending: false, paused_until: None, warned_at: None })
    }

    /// Returns the address, with the port that was taken.
    ///
    /// # Errors
    /// The kernel does not say.
    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Notes that the poll has reported new connections.
    pub(crate) fn note_readiness(&mut self) {
        self.pending = true;
    }

    /// Goes on accepting, as a connection has ended and freed its descriptor.
    pub(crate) fn resume(&mut self) {
        self.paused_until = None;
    }

    /// Returns whether a call of `accept` may bring a connection.
    pub(crate) fn wants_accept(&self, now: Millis) -> bool {
        self.pending && self.paused_until.is_none_or(|until| until <= now)
    }

    /// Returns when to try again, if accepting is paused.
    pub(crate) fn next_due(&self) -> Option<Millis> {
        self.paused_until.filter(|_| self.pending)
    }

    /// Accepts the next connection. `None` when there is none, or none can be accepted now.
    pub(crate) fn accept(&mut self, now: Millis) -> Option<(TcpStream, SocketAddr)> {
        loop {
            match self.socket.accept() {
                // Where it is not inherited, it is set here; a peer for whom that fails has gone already.
                Ok((stream, address)) if INHERITS_NODELAY || stream.set_nodelay(true).is_ok() => {
                    return Some((stream, address));
                }
                Ok(_) => {}
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => {
                        self.pending = false;
                        return None;
                    }
                    // accept(2): network errors of the new connection are reported here, and are not the listener's.
                    ErrorKind::Interrupted
                    | ErrorKind::ConnectionAborted
                    | ErrorKind::NetworkDown
                    | ErrorKind::NetworkUnreachable
                    | ErrorKind::HostUnreachable => {}
                    // No descriptor or no memory. What else there may be is not asked for again at once either.
                    _ => {
                        self.pause(now, &error.to_string());
                        return None;
                    }
                },
            }
        }
    }

    /// Pauses accepting for a while, or until a connection ends. Where connections come and go at the limit, that is thousands
    /// of times a second: the metrics count each pause, the log has one line a minute.
    pub(crate) fn pause(&mut self, now: Millis, why: &str) {
        if self.warned_at.is_none_or(|at| at + SAME_WARNING_MS <= now) {
            warn!("accepting rests: {why}");
            self.warned_at = Some(now);
        }
        self.paused_until = Some(now + ACCEPT_RETRY_MS);
    }
}
