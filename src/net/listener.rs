//! Accepting, and what happens when there are no more descriptors.
//!
//! mio is edge-triggered: it tells of a newcomer once. So whoever stops accepting before the queue is empty, for want
//! of descriptors or at the cap, must come back by itself: when a connection has ended, and on a timer.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use log::warn;
use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};
use socket2::{Domain, Protocol, Socket, Type};

use crate::config::{ACCEPT_RETRY_MS, BACKLOG, Millis, SAME_WARNING_MS};

/// Linux gives an accepted socket the listener's TCP_NODELAY. Elsewhere it costs a call.
const INHERITS_NODELAY: bool = cfg!(target_os = "linux");

/// The listening socket.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    /// There may be somebody waiting whom no event will announce again.
    pending: bool,
    /// Accepting rests until then.
    paused_until: Option<Millis>,
    /// When the log was told of it last.
    told_at: Option<Millis>,
}

impl Listener {
    /// Binds, and asks `registry` to tell of newcomers.
    pub fn bind(address: SocketAddr, registry: &Registry, token: Token) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?; // a restart need not wait for the old connections' TIME_WAIT
        socket.set_nonblocking(true)?;
        // Frames are small and go out in one write; Nagle's algorithm would hold the second for the first one's ACK.
        socket.set_tcp_nodelay(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        let mut socket = TcpListener::from_std(socket.into());
        registry.register(&mut socket, token, Interest::READABLE)?;
        Ok(Self { socket, pending: false, paused_until: None, told_at: None })
    }

    /// The address, with the port that was taken.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// The poll tells of newcomers.
    pub fn note_readiness(&mut self) {
        self.pending = true;
    }

    /// A connection has ended, which gives a descriptor and room: who waits may come in now.
    pub fn resume(&mut self) {
        self.paused_until = None;
    }

    /// Whether a call of `accept` may bring somebody.
    pub fn wants_accept(&self, now: Millis) -> bool {
        self.pending && self.paused_until.is_none_or(|until| until <= now)
    }

    /// When to try again.
    pub fn next_due(&self) -> Option<Millis> {
        self.paused_until.filter(|_| self.pending)
    }

    /// The next newcomer; `None` when there is none, or none can be taken now.
    pub fn accept(&mut self, now: Millis) -> Option<(TcpStream, SocketAddr)> {
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

    /// Rests for a while, or until a connection ends. Where connections come and go at the limit that is thousands of
    /// times a second; the metrics count them, the log tells of it now and then.
    pub fn pause(&mut self, now: Millis, why: &str) {
        if self.told_at.is_none_or(|at| at + SAME_WARNING_MS <= now) {
            warn!("accepting rests: {why}");
            self.told_at = Some(now);
        }
        self.paused_until = Some(now + ACCEPT_RETRY_MS);
    }
}
