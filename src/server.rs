//! The loop: one thread, one poll, and four phases a turn: wait, serve, expire, settle.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant, SystemTime};

use log::{info, warn};
use mio::event::Event;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Registry, Token};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook_mio::v1_0::Signals;

use crate::clock::Clock;
use crate::config::{ACCEPTS_PER_TURN, EVENTS_PER_TURN, Limits, Millis, SHUTDOWN_MS};
use crate::hub::Hub;
use crate::logging;
use crate::memory::{self, Trim};
use crate::net::Socket;
use crate::net::address::TrustedProxies;
use crate::net::close;
use crate::net::input::Readiness;
use crate::net::listener::Listener;
#[cfg(feature = "tls")]
use crate::net::tls::{Acceptor, Credentials};
use crate::service::Service;
use crate::supervisor::Supervisor;

/// Slots count up from 0, so that none has one of these.
const LISTENER: Token = Token(usize::MAX);
const SIGNALS: Token = Token(usize::MAX - 1);

/// A service, listening.
pub struct Server<V: Service> {
    poll: Poll,
    events: Events,
    clock: Clock,
    signals: Signals,
    /// `None` once the server stops.
    listener: Option<Listener>,
    stop_at: Option<Millis>,
    /// Why the service could not go on.
    failure: Option<io::Error>,
    supervisor: Supervisor,
    trim: Trim,
    /// `None` if connections come without TLS.
    #[cfg(feature = "tls")]
    tls: Option<Acceptor>,
    hub: Hub<Socket, V>,
}

impl<V: Service> Server<V> {
    /// Binds; otherwise like `new`.
    ///
    /// # Errors
    /// The address cannot be bound, or the kernel gives no descriptor.
    pub fn bind(address: SocketAddr, limits: Limits, service: V) -> io::Result<Self> {
        Self::new(Listener::bind(address)?, limits, service)
    }

    /// Takes a socket that listens, and handles SIGINT, SIGTERM and SIGHUP from now on. Clients wait in the backlog until `run`.
    ///
    /// # Errors
    /// The socket does not listen, or the kernel gives no descriptor.
    pub fn new(socket: TcpListener, limits: Limits, service: V) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
        poll.registry().register(&mut signals, SIGNALS, Interest::READABLE)?;
        let listener = Listener::new(socket, poll.registry(), LISTENER)?;
        let mut hub = Hub::new(service, limits);
        hub.metrics.started = Some(SystemTime::now());
        Ok(Self {
            poll,
            events: Events::with_capacity(EVENTS_PER_TURN),
            clock: Clock::start(0),
            signals,
            listener: Some(listener),
            stop_at: None,
            failure: None,
            supervisor: Supervisor::from_environment(),
            trim: Trim::default(),
            #[cfg(feature = "tls")]
            tls: None,
            hub,
        })
    }

    /// Trusts the X-Forwarded-For of these proxies, instead of those on this machine.
    #[must_use]
    pub fn with_trusted_proxies(mut self, proxies: TrustedProxies) -> Self {
        self.hub.set_trusted_proxies(proxies);
        self
    }

    /// Counts time by this clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Speaks TLS with all clients.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn with_tls(mut self, credentials: Credentials) -> Self {
        self.tls = Some(Acceptor::new(credentials));
        self
    }

    /// Returns the address, with the port that was taken.
    ///
    /// # Errors
    /// The server has stopped, or the kernel does not say.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.as_ref().ok_or(ErrorKind::NotConnected)?.address()
    }

    /// Serves until SIGINT or SIGTERM, and then until all connections are closed, or `SHUTDOWN_MS` have passed.
    ///
    /// # Errors
    /// A second SIGINT or SIGTERM has ended it at once (`ErrorKind::Interrupted`), the service could not keep what it was
    /// given, or the poll itself fails. No peer can bring any of them about.
    pub fn run(mut self) -> io::Result<()> {
        self.supervisor.ready(self.clock.now(), self.hub.connections());
        while !self.is_done() {
            self.wait()?;
            let started = Instant::now();
            let now = self.clock.at(started);
            self.note_events(now)?;
            self.turn(now);
            if let Some(error) = self.hub.take_failure() {
                self.begin_stop(now);
                self.failure = Some(error);
            }
            logging::write_due();
            self.supervisor.beat(now, self.hub.connections());
            if self.trim.is_due(self.hub.items(), now) {
                self.hub.drop_spare();
                memory::give_back();
            }
            self.hub.metrics.turned(started.elapsed());
        }
        log::logger().flush(); // what the log has held back comes before the last line
        if let Some(error) = self.failure {
            return Err(error);
        }
        info!("stopped");
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.stop_at.is_some_and(|at| self.hub.is_empty() || at <= self.clock.now())
    }

    /// Phase "wait": until something happens or is due.
    fn wait(&mut self) -> io::Result<()> {
        let timeout = self.timeout(self.clock.now());
        match self.poll.poll(&mut self.events, timeout) {
            // No event; the time-out is computed anew.
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(()),
            result => result,
        }
    }

    fn timeout(&mut self, now: Millis) -> Option<Duration> {
        let wants_accept = self.listener.as_ref().is_some_and(|listener| listener.wants_accept(now));
        if self.hub.has_work() || (wants_accept && self.hub.has_capacity()) {
            return Some(Duration::ZERO);
        }
        let listener = self.listener.as_ref().and_then(Listener::next_due);
        let due = self.hub.next_due().into_iter().chain(listener).chain(self.stop_at);
        let due = due.chain(self.trim.next_due()).chain(self.supervisor.next_due()).min();
        let due = due.map(|due| Duration::from_millis(due.saturating_sub(now)));
        due.into_iter().chain(logging::due_in()).min()
    }

    /// Notes what the poll has brought, and obeys signals.
    fn note_events(&mut self, now: Millis) -> io::Result<()> {
        let mut signalled = false;
        for event in &self.events {
            match event.token() {
                LISTENER => self.listener.iter_mut().for_each(Listener::note_readiness),
                SIGNALS => signalled = true,
                Token(slot) => {
                    let slot = u32::try_from(slot).unwrap_or(u32::MAX);
                    self.hub.ready(slot, readiness(event));
                }
            }
        }
        if signalled { self.obey_signals(now) } else { Ok(()) }
    }

    /// Phases "serve", "expire" and "settle". A descriptor that is free again may be one to accept with.
    fn turn(&mut self, now: Millis) {
        let (listener, registry) = (&mut self.listener, self.poll.registry());
        #[cfg(feature = "tls")]
        let into_socket = |stream| match &self.tls {
            Some(tls) => tls.accept(stream),
            None => Socket::Plain(stream),
        };
        #[cfg(not(feature = "tls"))]
        let into_socket = |stream| stream;
        let freed = self.hub.turn(now, |hub| {
            if let Some(listener) = listener {
                accept(hub, listener, (registry, into_socket), now);
            }
        });
        if freed > 0
            && let Some(listener) = &mut self.listener
        {
            listener.resume();
        }
    }

    fn obey_signals(&mut self, now: Millis) -> io::Result<()> {
        // SIGINT and SIGTERM of one turn are one request: a supervisor and a terminal may both send theirs.
        let mut stop = false;
        for signal in self.signals.pending() {
            match signal {
                SIGHUP => {
                    info!("SIGHUP: reading the configuration again");
                    #[cfg(feature = "tls")]
                    self.tls.iter_mut().for_each(Acceptor::reload);
                    self.hub.reload(now);
                }
                _ => stop = true,
            }
        }
        if stop { self.stop(now) } else { Ok(()) }
    }

    fn stop(&mut self, now: Millis) -> io::Result<()> {
        if self.stop_at.is_some() {
            info!("stopped at once, by a second signal");
            return Err(ErrorKind::Interrupted.into());
        }
        info!("stopping: closing all connections");
        self.begin_stop(now);
        self.hub.close_all(close::GOING_AWAY, now);
        Ok(())
    }

    fn begin_stop(&mut self, now: Millis) {
        self.supervisor.stopping();
        // The kernel refuses the clients in the backlog, unless the service manager has this socket too.
        self.listener = None;
        self.stop_at = self.stop_at.or(Some(now + SHUTDOWN_MS));
    }
}

/// Admits the sockets that wait, as many as a turn takes and as there is capacity for.
fn accept<V: Service>(
    hub: &mut Hub<Socket, V>,
    listener: &mut Listener,
    (registry, into_socket): (&Registry, impl Fn(TcpStream) -> Socket),
    now: Millis,
) {
    for _ in 0..ACCEPTS_PER_TURN {
        if !listener.wants_accept(now) {
            return;
        }
        if !hub.has_capacity() {
            // Connections of this turn can be evicted in the next one, when they have been read.
            if hub.is_full_of_open() {
                listener.pause(now, "as many connections as there may be");
                hub.metrics.accept_pauses += 1;
            }
            return;
        }
        let Some((stream, address)) = listener.accept(now) else {
            hub.metrics.accept_pauses += u64::from(listener.next_due().is_some());
            return;
        };
        let Some(slot) = hub.admit(into_socket(stream), address.ip(), now) else { continue };
        let registered =
            hub.with_stream(slot, |stream| registry.register(stream, Token(slot as usize), INTEREST));
        if let Err(error) = registered {
            warn!("a connection could not be watched: {error}");
            hub.abandon(slot, now);
        }
    }
}

/// Both directions, for as long as the socket lives: an edge costs nothing where it is not needed, a changed registration costs
/// a system call. And urgent data, which makes a recv stop short; kqueue has no event for it.
#[cfg(any(target_os = "linux", target_os = "android"))]
const INTEREST: Interest = Interest::READABLE.add(Interest::WRITABLE).add(Interest::PRIORITY);
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const INTEREST: Interest = Interest::READABLE.add(Interest::WRITABLE);

fn readiness(event: &Event) -> Readiness {
    let peer_shutdown = event.is_read_closed() || event.is_error();
    let urgent = event.is_priority();
    Readiness {
        readable: event.is_readable() || peer_shutdown || urgent,
        writable: event.is_writable(),
        peer_shutdown,
        urgent,
    }
}
