//! The listening socket, and what happens when there are no more descriptors.
//!
//! mio is edge-triggered: it reports a new connection once. So if accepting stops before the backlog is empty, for lack
//! of descriptors or capacity, it has to be resumed: when a connection has ended, and by a timer.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};

use log::warn;
use socket2::{Domain, Protocol, Socket, Type};

use crate::config::{ACCEPT_RETRY_MS, BACKLOG, Millis, SAME_WARNING_MS};
use crate::kernel::Kernel;

/// Binds a socket to the address and listens on it.
///
/// # Errors
/// The address cannot be bound.
pub(crate) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?; // a restart need not wait for the old connections' TIME_WAIT
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// The listening socket, and whether to accept from it.
#[derive(Debug)]
pub(crate) struct Listener<L> {
    pub(crate) socket: L,
    /// Whether a connection may wait in the backlog that no event will announce again.
    pending: bool,
    /// Accepting is paused until then.
    paused_until: Option<Millis>,
    /// When the pause was last logged.
    warned_at: Option<Millis>,
}

impl<L> Listener<L> {
    pub(crate) fn new(socket: L) -> Self {
        Self { socket, pending: false, paused_until: None, warned_at: None }
    }

    /// Notes that the poll has reported new connections.
    pub(crate) fn note_readiness(&mut self) {
        self.pending = true;
    }

    /// Resumes accepting, because a connection has ended and freed its descriptor.
    pub(crate) fn resume(&mut self) {
        self.paused_until = None;
    }

    /// Returns whether `accept` may find a connection.
    pub(crate) fn wants_accept(&self, now: Millis) -> bool {
        self.pending && self.paused_until.is_none_or(|until| until <= now)
    }

    /// Returns when to try again, if accepting is paused.
    pub(crate) fn next_due(&self) -> Option<Millis> {
        self.paused_until.filter(|_| self.pending)
    }

    /// Accepts the next connection. `None` if there is none, or if none can be accepted now.
    pub(crate) fn accept<K>(&mut self, kernel: &mut K, now: Millis) -> Option<(K::Socket, SocketAddr)>
    where
        K: Kernel<Listener = L>,
    {
        loop {
            match kernel.accept(&mut self.socket) {
                Ok(accepted) => return Some(accepted),
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => {
                        self.pending = false;
                        return None;
                    }
                    // accept(2): network errors of the new connection are reported here; the listener is fine.
                    ErrorKind::Interrupted
                    | ErrorKind::ConnectionAborted
                    | ErrorKind::NetworkDown
                    | ErrorKind::NetworkUnreachable
                    | ErrorKind::HostUnreachable => {}
                    // No descriptor or no memory. Any other error is not retried at once, either.
                    _ => {
                        self.pause(now, &error.to_string());
                        return None;
                    }
                },
            }
        }
    }

    /// Pauses accepting for a while, or until a connection ends. At the limit that may happen thousands of times a
    /// second, so the metrics count each pause, but the log has only one line a minute.
    pub(crate) fn pause(&mut self, now: Millis, why: &str) {
        if self.warned_at.is_none_or(|at| at + SAME_WARNING_MS <= now) {
            warn!("accepting is paused: {why}");
            self.warned_at = Some(now);
        }
        self.paused_until = Some(now + ACCEPT_RETRY_MS);
    }
}
