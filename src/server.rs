//! The loop: one thread, one poll, and four phases per turn: wait, serve, expire, settle.
//!
//! The server owns what exists once: the listening socket, the clock, the signals and the way to the operating system.
//! The connections are the hub's.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, SystemTime};

use log::{info, warn};

use crate::clock::Clock;
use crate::config::{ACCEPTS_PER_TURN, Limits, Millis, SHUTDOWN_MS};
use crate::hub::Hub;
use crate::kernel::{Event, Kernel, System};
use crate::logging;
use crate::memory::{self, Trim};
use crate::net::address::TrustedProxies;
use crate::net::close;
use crate::net::listener::{self, Listener};
use crate::net::scope::Scope;
#[cfg(feature = "tls")]
use crate::net::tls::{Acceptor, Credentials};
use crate::service::Service;
use crate::supervisor::Supervisor;

/// A service that listens for clients.
pub struct Server<V: Service, K: Kernel = System> {
    /// All connections.
    pub hub: Hub<K::Socket, V>,
    kernel: K,
    clock: Clock,
    /// `None` once the server is stopping.
    listener: Option<Listener<K::Listener>>,
    /// `None` as well where the metrics have no listener of their own.
    metrics_listener: Option<Listener<K::Listener>>,
    stop_at: Option<Millis>,
    /// The error that kept the service from going on.
    failure: Option<io::Error>,
    supervisor: Supervisor,
    trim: Trim,
}

impl<V: Service> Server<V> {
    /// Creates a server that listens on this address.
    ///
    /// # Errors
    /// The address cannot be bound, or the kernel provides no descriptor.
    pub fn bind(address: SocketAddr, limits: Limits, service: V) -> io::Result<Self> {
        Self::new(listener::bind(address)?, limits, service)
    }

    /// Creates a server on a listening socket, and handles SIGINT, SIGTERM and SIGHUP from now on. Clients wait in the
    /// backlog until `run`.
    ///
    /// # Errors
    /// The socket does not listen, or the kernel provides no descriptor.
    pub fn new(socket: TcpListener, limits: Limits, service: V) -> io::Result<Self> {
        let mut system = System::new()?;
        let socket = system.listen(socket, Scope::All)?;
        let mut server = Self::on(system, socket, Clock::start(0), limits, service);
        server.hub.metrics.started = Some(SystemTime::now());
        server.supervisor = Supervisor::from_environment();
        Ok(server)
    }

    /// Serves the metrics only at this listening socket, without TLS.
    ///
    /// # Errors
    /// The socket does not listen, or the kernel cannot watch it.
    pub fn with_metrics_listener(mut self, socket: TcpListener) -> io::Result<Self> {
        self.metrics_listener = Some(Listener::new(self.kernel.listen(socket, Scope::Metrics)?));
        self.hub.keep_metrics_apart();
        Ok(self)
    }

    /// Speaks TLS with all clients.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn with_tls(mut self, credentials: Credentials) -> Self {
        let acceptor = Acceptor::new(credentials);
        self.hub.metrics.handshakes = Some(acceptor.handshakes());
        self.kernel.tls = Some(acceptor);
        self
    }

    /// Returns the address, with the port that the kernel has chosen if 0 was asked for.
    ///
    /// # Errors
    /// The server has stopped, or the kernel does not know the address.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.as_ref().ok_or(ErrorKind::NotConnected)?.socket.address()
    }

    /// Returns the address of the metrics' own listener, if there is one.
    ///
    /// # Errors
    /// The kernel does not know the address.
    pub fn metrics_address(&self) -> io::Result<Option<SocketAddr>> {
        self.metrics_listener.as_ref().map(|listener| listener.socket.address()).transpose()
    }
}

impl<V: Service, K: Kernel> Server<V, K> {
    /// Creates a server on this kernel and clock.
    pub fn on(kernel: K, listener: K::Listener, clock: Clock, limits: Limits, service: V) -> Self {
        Self {
            hub: Hub::new(service, limits),
            kernel,
            clock,
            listener: Some(Listener::new(listener)),
            metrics_listener: None,
            stop_at: None,
            failure: None,
            supervisor: Supervisor::default(),
            trim: Trim::default(),
        }
    }

    /// Trusts the X-Forwarded-For of these proxies instead of those on this machine.
    #[must_use]
    pub fn with_trusted_proxies(mut self, proxies: TrustedProxies) -> Self {
        self.hub.set_trusted_proxies(proxies);
        self
    }

    /// Uses this clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Serves until SIGINT or SIGTERM, and then until all connections are closed or `SHUTDOWN_MS` have passed.
    ///
    /// # Errors
    /// A second SIGINT or SIGTERM has ended the server at once (`ErrorKind::Interrupted`), the service could not keep
    /// its input, or the poll fails. No peer can cause any of these.
    pub fn run(mut self) -> io::Result<()> {
        if let Some((registry, names)) = self.kernel.poll_of_service()? {
            self.hub.service.attach(registry, names);
        }
        self.supervisor.ready(self.now(), self.hub.connections());
        while !self.is_done() {
            self.turn()?;
        }
        log::logger().flush(); // so that held lines come before the last one
        if let Some(error) = self.failure {
            return Err(error);
        }
        info!("stopped");
        Ok(())
    }

    /// Waits for events, and does one turn.
    ///
    /// # Errors
    /// A second signal has come, or the poll fails.
    pub fn turn(&mut self) -> io::Result<()> {
        self.wait()?;
        let started = self.kernel.instant();
        let now = self.clock.at(started);
        self.note_events(now)?;
        self.serve(now);
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
        self.hub.metrics.turned(self.kernel.instant().duration_since(started));
        Ok(())
    }

    /// Returns whether the server was stopped, and all connections are closed or `SHUTDOWN_MS` have passed.
    pub fn is_done(&self) -> bool {
        self.stop_at.is_some_and(|at| self.hub.is_empty() || at <= self.now())
    }

    fn now(&self) -> Millis {
        self.clock.at(self.kernel.instant())
    }

    /// Phase "wait": waits until something happens or is due.
    fn wait(&mut self) -> io::Result<()> {
        let timeout = self.timeout();
        match self.kernel.poll(timeout) {
            // No event. The next turn computes the timeout again.
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(()),
            result => result,
        }
    }

    /// Returns how long the next turn waits if nothing happens. `None` means for ever.
    pub fn timeout(&mut self) -> Option<Duration> {
        let now = self.now();
        let wants_accept =
            |listener: &Option<Listener<_>>| listener.as_ref().is_some_and(|it| it.wants_accept(now));
        if self.hub.has_work()
            || (wants_accept(&self.listener) && self.hub.has_capacity())
            || (wants_accept(&self.metrics_listener) && self.hub.has_capacity_for_metrics())
        {
            return Some(Duration::ZERO);
        }
        let listeners = [&self.listener, &self.metrics_listener].into_iter().flatten();
        let due = self.hub.next_due().into_iter().chain(listeners.filter_map(Listener::next_due));
        let due = due.chain(self.stop_at);
        let due = due.chain(self.trim.next_due()).chain(self.supervisor.next_due()).min();
        let due = due.map(|due| Duration::from_millis(due.saturating_sub(now)));
        due.into_iter().chain(logging::due_in()).min()
    }

    /// Notes the events of the poll, and obeys signals.
    fn note_events(&mut self, now: Millis) -> io::Result<()> {
        let mut signalled = false;
        for event in self.kernel.events() {
            match event {
                Event::Listener => self.listener.iter_mut().for_each(Listener::note_readiness),
                Event::MetricsListener => {
                    self.metrics_listener.iter_mut().for_each(Listener::note_readiness);
                }
                Event::Signals => signalled = true,
                Event::Service(name) => self.hub.service_ready(name, now),
                Event::Slot(slot, readiness) => self.hub.ready(slot, readiness),
            }
        }
        if signalled { self.obey_signals(now) } else { Ok(()) }
    }

    /// Phases "serve", "expire" and "settle". If they have freed descriptors, accepting may go on.
    fn serve(&mut self, now: Millis) {
        let (listener, metrics_listener) = (&mut self.listener, &mut self.metrics_listener);
        let kernel = &mut self.kernel;
        let freed = self.hub.turn(now, |hub| {
            if let Some(listener) = listener {
                accept(hub, listener, kernel, now);
            }
            if let Some(listener) = metrics_listener {
                accept_for_metrics(hub, listener, kernel, now);
            }
        });
        if freed > 0 {
            listener.iter_mut().chain(metrics_listener).for_each(Listener::resume);
        }
    }

    fn obey_signals(&mut self, now: Millis) -> io::Result<()> {
        let pending = self.kernel.signals();
        if pending.reload {
            info!("SIGHUP: reading the configuration again");
            self.kernel.reload();
            self.hub.reload(now);
        }
        if pending.stop { self.stop(now) } else { Ok(()) }
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
        // The kernel now refuses the clients in the backlog, unless the service manager also holds this socket.
        (self.listener, self.metrics_listener) = (None, None);
        self.stop_at = self.stop_at.or(Some(now + SHUTDOWN_MS));
    }
}

/// Admits waiting sockets, up to the bound of a turn and the capacity of the hub.
fn accept<V: Service, K: Kernel>(
    hub: &mut Hub<K::Socket, V>,
    listener: &mut Listener<K::Listener>,
    kernel: &mut K,
    now: Millis,
) {
    for _ in 0..ACCEPTS_PER_TURN {
        if !listener.wants_accept(now) {
            return;
        }
        if !hub.has_capacity() {
            // Connections accepted in this turn can be evicted in the next one, once they have been read.
            if hub.is_full_of_open() {
                listener.pause(now, "the limit on connections is reached");
                hub.metrics.accept_pauses += 1;
            }
            return;
        }
        let Some((socket, address)) = accept_next(hub, listener, kernel, now) else { return };
        let Some(slot) = hub.admit(socket, address.ip(), now) else { continue };
        watch(hub, slot, kernel, now);
    }
}

/// Admits waiting sockets at the metrics' own listener, up to their limit.
fn accept_for_metrics<V: Service, K: Kernel>(
    hub: &mut Hub<K::Socket, V>,
    listener: &mut Listener<K::Listener>,
    kernel: &mut K,
    now: Millis,
) {
    while hub.has_capacity_for_metrics() && listener.wants_accept(now) {
        let Some((socket, address)) = accept_next(hub, listener, kernel, now) else { return };
        let slot = hub.admit_for_metrics(socket, address.ip(), now);
        watch(hub, slot, kernel, now);
    }
}

/// Accepts the next connection, and counts a pause of the listener if it cannot.
fn accept_next<V: Service, K: Kernel>(
    hub: &mut Hub<K::Socket, V>,
    listener: &mut Listener<K::Listener>,
    kernel: &mut K,
    now: Millis,
) -> Option<(K::Socket, SocketAddr)> {
    let accepted = listener.accept(kernel, now);
    if accepted.is_none() {
        hub.metrics.accept_pauses += u64::from(listener.next_due().is_some());
    }
    accepted
}

/// Registers an admitted socket with the poll.
fn watch<V: Service, K: Kernel>(hub: &mut Hub<K::Socket, V>, slot: u32, kernel: &mut K, now: Millis) {
    if let Err(error) = hub.with_stream(slot, |socket| kernel.watch(socket, slot)) {
        warn!("a connection could not be watched: {error}");
        hub.abandon(slot, now);
    }
}
