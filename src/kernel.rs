//! The operating system as the loop uses it: poll, new connections, signals and time, behind a trait. The simulation
//! implements it too, so that it runs the same loop.

use std::io::{self, ErrorKind};
use std::net::{self, SocketAddr};
use std::time::{Duration, Instant};

use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Registry, Token};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook_mio::v1_0::Signals;
use socket2::SockRef;

use crate::config::EVENTS_PER_TURN;
use crate::net::Socket;
use crate::net::connection::Stream;
use crate::net::input::Readiness;
use crate::net::scope::Scope;
#[cfg(feature = "tls")]
use crate::net::tls::Acceptor;

/// The operating system as the loop uses it. Only `poll` blocks.
pub trait Kernel {
    /// An accepted connection.
    type Socket: Stream;
    /// A socket that listens.
    type Listener;

    /// Returns the time, for the desk's clock.
    fn instant(&self) -> Instant;

    /// Waits until something happens or the timeout has passed. `events` then returns what has happened.
    ///
    /// # Errors
    /// `Interrupted` if a signal has come. Any other error ends the server.
    fn poll(&mut self, timeout: Option<Duration>) -> io::Result<()>;

    /// Returns the events of the last poll. They are edge-triggered: a state that has not changed is not reported
    /// again.
    fn events(&self) -> impl Iterator<Item = Event>;

    /// Takes the pending signals.
    fn signals(&mut self) -> PendingSignals;

    /// Accepts a connection.
    ///
    /// # Errors
    /// The errors of accept(2).
    fn accept(&mut self, listener: &mut Self::Listener) -> io::Result<(Self::Socket, SocketAddr)>;

    /// Registers a socket with the poll, which reports it by its slot from now on.
    ///
    /// # Errors
    /// The poll cannot watch another socket.
    fn watch(&mut self, socket: &mut Self::Socket, slot: u32) -> io::Result<()>;

    /// Returns the poll's registry and two tokens, for sockets of the service's own. `None` if nothing is polled.
    ///
    /// # Errors
    /// There is no descriptor for it.
    fn poll_of_service(&self) -> io::Result<Option<(Registry, [Token; 2])>> {
        Ok(None)
    }

    /// Reads the configuration of sockets again, such as a certificate, after a SIGHUP.
    fn reload(&mut self) {}
}

/// An event that a poll reports.
#[derive(Clone, Copy, Debug)]
pub enum Event {
    /// Connections wait to be accepted.
    Listener,
    /// Connections wait at the metrics' own listener.
    MetricsListener,
    /// Signals are pending.
    Signals,
    /// A socket of the service's own is ready for something.
    Service(Token),
    /// The connection in a slot is ready for something.
    Slot(u32, Readiness),
}

/// The signals that have arrived since they were last taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PendingSignals {
    /// SIGHUP.
    pub reload: bool,
    /// SIGINT, SIGTERM or both: a supervisor and a terminal may each send one.
    pub stop: bool,
}

/// Tokens that no slot has, since slots count up from 0.
const LISTENER: Token = Token(usize::MAX);
const SIGNALS: Token = Token(usize::MAX - 1);
const METRICS_LISTENER: Token = Token(usize::MAX - 2);
const OF_SERVICE: [Token; 2] = [Token(usize::MAX - 3), Token(usize::MAX - 4)];

/// The real operating system.
pub struct System {
    poll: Poll,
    events: Events,
    signals: Signals,
    /// `None` if connections come without TLS.
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<Acceptor>,
}

impl System {
    /// Handles SIGINT, SIGTERM and SIGHUP from now on.
    ///
    /// # Errors
    /// There is no descriptor for the poll or the signals.
    pub(crate) fn new() -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
        poll.registry().register(&mut signals, SIGNALS, Interest::READABLE)?;
        Ok(Self {
            poll,
            events: Events::with_capacity(EVENTS_PER_TURN),
            signals,
            #[cfg(feature = "tls")]
            tls: None,
        })
    }

    /// Registers a listening socket with the poll, which reports new connections from now on. Connections to the
    /// metrics' own listener come without TLS.
    ///
    /// # Errors
    /// The socket cannot be set up, or does not listen: with `Accept=yes`, systemd passes in the socket of one
    /// connection.
    pub(crate) fn listen(&mut self, socket: net::TcpListener, scope: Scope) -> io::Result<ListeningSocket> {
        let options = SockRef::from(&socket);
        if !options.is_listener()? {
            return Err(io::Error::new(ErrorKind::InvalidInput, "the socket does not listen"));
        }
        options.set_nonblocking(true)?;
        // Frames are small and go out in one write. Nagle's algorithm would hold back a second write until the first is
        // acknowledged.
        options.set_tcp_nodelay(true)?;
        let mut socket = TcpListener::from_std(socket);
        let token = if scope == Scope::Metrics { METRICS_LISTENER } else { LISTENER };
        self.poll.registry().register(&mut socket, token, Interest::READABLE)?;
        Ok(ListeningSocket { socket, scope })
    }
}

/// A listening socket of the operating system.
#[derive(Debug)]
pub struct ListeningSocket {
    socket: TcpListener,
    #[cfg_attr(
        not(feature = "tls"),
        expect(dead_code, reason = "without TLS all are accepted in the same way")
    )]
    scope: Scope,
}

impl ListeningSocket {
    /// Returns the address, with the port that the kernel has chosen if 0 was asked for.
    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }
}

impl Kernel for System {
    type Socket = Socket;
    type Listener = ListeningSocket;

    fn instant(&self) -> Instant {
        Instant::now()
    }

    fn poll(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.poll.poll(&mut self.events, timeout)
    }

    fn events(&self) -> impl Iterator<Item = Event> {
        self.events.iter().map(|event| match event.token() {
            LISTENER => Event::Listener,
            METRICS_LISTENER => Event::MetricsListener,
            SIGNALS => Event::Signals,
            name if OF_SERVICE.contains(&name) => Event::Service(name),
            Token(slot) => Event::Slot(u32::try_from(slot).unwrap_or(u32::MAX), readiness(event)),
        })
    }

    fn signals(&mut self) -> PendingSignals {
        let mut pending = PendingSignals::default();
        for signal in self.signals.pending() {
            match signal {
                SIGHUP => pending.reload = true,
                _ => pending.stop = true,
            }
        }
        pending
    }

    fn accept(&mut self, listener: &mut ListeningSocket) -> io::Result<(Socket, SocketAddr)> {
        let (stream, address) = listener.socket.accept()?;
        if !INHERITS_NODELAY && stream.set_nodelay(true).is_err() {
            return Err(ErrorKind::ConnectionAborted.into()); // a peer for whom that fails has gone already
        }
        #[cfg(feature = "tls")]
        let stream = match &self.tls {
            Some(tls) if listener.scope != Scope::Metrics => tls.accept(stream),
            _ => Socket::Plain(stream),
        };
        Ok((stream, address))
    }

    fn watch(&mut self, socket: &mut Socket, slot: u32) -> io::Result<()> {
        self.poll.registry().register(socket, Token(slot as usize), INTEREST)
    }

    fn poll_of_service(&self) -> io::Result<Option<(Registry, [Token; 2])>> {
        Ok(Some((self.poll.registry().try_clone()?, OF_SERVICE)))
    }

    fn reload(&mut self) {
        #[cfg(feature = "tls")]
        self.tls.iter_mut().for_each(Acceptor::reload);
    }
}

/// Sets TCP_NODELAY on an accepted socket. On Linux it inherits the listener's, which saves the call.
const INHERITS_NODELAY: bool = cfg!(target_os = "linux");

/// The events of a connection: both directions for as long as the socket lives, since an unneeded edge costs nothing
/// but a changed registration costs a system call. Also urgent data, which makes a recv stop short; kqueue has no event
/// for it.
#[cfg(any(target_os = "linux", target_os = "android"))]
const INTEREST: Interest = Interest::READABLE.add(Interest::WRITABLE).add(Interest::PRIORITY);
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const INTEREST: Interest = Interest::READABLE.add(Interest::WRITABLE);

fn readiness(event: &mio::event::Event) -> Readiness {
    let peer_shutdown = event.is_read_closed() || event.is_error();
    let urgent = event.is_priority();
    Readiness {
        readable: event.is_readable() || peer_shutdown || urgent,
        writable: event.is_writable(),
        peer_shutdown,
        urgent,
    }
}
