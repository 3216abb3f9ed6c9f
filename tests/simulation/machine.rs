//! The operating system under the server: what its polls report, the backlog, signals, descriptors, and their failures.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, Instant};

use deskwire::clock::Clock;
use deskwire::config::Millis;
use deskwire::kernel::{self, Event, PendingSignals};

use crate::checked_service::Wiring;
use crate::disk;
use crate::network::{End, Ends, Link, Shared, Socket, Written};
use crate::world::START;

/// The numbers that errno(3) has on Linux.
pub const EMFILE: i32 = 24;
const ECONNABORTED: i32 = 103;
/// What accept(2) may fail with although a connection waits: no descriptor, no memory, a peer that has gone, a signal.
pub const ACCEPT_FAILURES: [i32; 8] = [EMFILE, 23, 12, 105, ECONNABORTED, 113, 100, 4];
/// Those of them that concern the process and not one peer: no descriptor, or no memory.
const PROCESS_FAILURES: [i32; 4] = [EMFILE, 23, 12, 105];
/// The poll can watch no more.
const ENOSPC: i32 = 28;

#[derive(Default)]
pub struct Machine {
    pub now: Millis,
    /// What the next poll reports, sockets that have become ready included.
    pub reports: Vec<Event>,
    /// What the last poll has reported.
    events: Vec<Event>,
    /// Connections that wait to be accepted.
    pub backlog: VecDeque<Shared>,
    /// The process has a listener.
    pub listens: bool,
    pub signals: PendingSignals,
    /// SIGHUP has come, and the desk has not read its file again.
    pub is_reload_due: bool,
    /// The last accept failed because the process lacked a descriptor or memory, and not because of the peer.
    is_starved: bool,
    /// What the next calls of accept(2) fail with.
    pub accept_failures: VecDeque<i32>,
    /// How many of the next sockets the poll refuses to watch.
    pub watch_failures: usize,
    /// Sockets that the process has, and the most that it may have; 0 is no limit.
    pub descriptors: usize,
    pub descriptors_max: usize,
    /// How many sockets the server keeps; and, over that, how many that are not open it has to evict now.
    pub sockets_max: usize,
    to_be_evicted: usize,
    pub evicted: u64,
    /// Connections of the one address that has a limit, and that limit.
    remote: usize,
    pub remote_max: usize,
    /// How often the kernel was asked for random bytes, and whether it had none the last time.
    pub random_asked: u64,
    pub random_failed: bool,
    /// The socket that was read last.
    pub read_last: Option<Shared>,
    /// Calls that failed for lack of a resource.
    pub refused_calls: u64,
    /// How often the process was frozen.
    pub stops: u64,
}

pub type SharedMachine = Rc<RefCell<Machine>>;

impl Machine {
    /// A connection has come in.
    pub fn enqueue(&mut self, link: Shared) {
        self.backlog.push_back(link);
        self.reports.push(Event::Listener);
    }

    pub fn signal(&mut self, signals: PendingSignals) {
        self.is_reload_due |= signals.reload;
        self.signals.reload |= signals.reload;
        self.signals.stop |= signals.stop;
        self.reports.push(Event::Signals);
    }

    /// Another process starts: reports and signals to the last one are dropped.
    pub fn restart(&mut self, now: Millis) {
        self.now = now;
        self.reports.clear();
        (self.signals, self.is_reload_due) = (PendingSignals::default(), false);
    }

    /// The server has dropped a socket. If it has too many, it may drop one that is not open.
    pub fn dropped(&mut self, link: &mut Link) {
        self.descriptors -= 1;
        self.remote -= usize::from(link.is_remote);
        if !link.note.open && self.to_be_evicted > 0 {
            self.to_be_evicted -= 1;
            self.evicted += 1;
            link.note.blame.get_or_insert("it was evicted");
        }
    }

    /// Whether the address that has a limit has more connections than that.
    pub fn is_over(&self) -> bool {
        self.remote > self.remote_max
    }

    /// Whether the server has a reason to leave the backlog as it is.
    pub fn may_pause(&self) -> bool {
        self.is_starved || self.descriptors >= self.sockets_max
    }

    fn has_descriptor(&self) -> bool {
        self.descriptors_max == 0 || self.descriptors < self.descriptors_max
    }

    /// What accept(2) does now.
    fn accept(&mut self) -> io::Result<Shared> {
        if let Some(errno) = self.accept_failures.front().copied()
            && (!self.backlog.is_empty() || errno == EMFILE)
        {
            self.accept_failures.pop_front();
            self.refused_calls += 1;
            self.is_starved = PROCESS_FAILURES.contains(&errno);
            if errno == ECONNABORTED
                && let Some(link) = self.backlog.pop_front()
            {
                refuse(&link, self.now);
            }
            return Err(io::Error::from_raw_os_error(errno));
        }
        // Linux takes the descriptor first, and looks then whether there is a connection.
        if !self.has_descriptor() {
            self.refused_calls += 1;
            self.is_starved = true;
            return Err(io::Error::from_raw_os_error(EMFILE));
        }
        self.is_starved = false;
        self.backlog.pop_front().ok_or_else(|| ErrorKind::WouldBlock.into())
    }
}

/// The kernel resets a connection that nobody has accepted.
pub fn refuse(link: &Shared, now: Millis) {
    let mut link = link.borrow_mut();
    link.server_gone = true;
    link.note.blame.get_or_insert("nobody has accepted it");
    link.down_end = Some(End::Reset);
    link.down_at = Some(now);
}

/// The socket that listens.
pub struct Listening(pub SharedMachine);

impl Drop for Listening {
    fn drop(&mut self) {
        let mut machine = self.0.borrow_mut();
        machine.listens = false;
        let now = machine.now;
        machine.backlog.drain(..).for_each(|link| refuse(&link, now));
    }
}

/// The server's view of the machine.
pub struct Kernel {
    pub started: Instant,
    pub machine: SharedMachine,
    pub wiring: Rc<RefCell<Wiring>>,
    pub ends: Ends,
    pub written: Written,
    pub disk: disk::Shared,
}

impl Kernel {
    /// Returns a clock that follows the machine's time.
    pub fn clock(&self) -> Clock {
        Clock::started(self.started, START)
    }
}

impl kernel::Kernel for Kernel {
    type Socket = Socket;
    type Listener = Listening;

    fn instant(&self) -> Instant {
        self.started + Duration::from_millis(self.machine.borrow().now - START)
    }

    /// Does not wait: the world lets time pass, and calls for a turn when the time-out has passed.
    fn poll(&mut self, _: Option<Duration>) -> io::Result<()> {
        let mut machine = self.machine.borrow_mut();
        machine.events = std::mem::take(&mut machine.reports);
        Ok(())
    }

    fn events(&self) -> impl Iterator<Item = Event> {
        self.machine.borrow().events.clone().into_iter()
    }

    fn signals(&mut self) -> PendingSignals {
        std::mem::take(&mut self.machine.borrow_mut().signals)
    }

    fn accept(&mut self, _: &mut Listening) -> io::Result<(Socket, SocketAddr)> {
        let mut machine = self.machine.borrow_mut();
        let link = machine.accept()?;
        let (has, most) = (machine.descriptors, machine.sockets_max);
        assert!(has <= most, "the server has {has} sockets, of {most} at most, and accepts another one");
        machine.descriptors += 1;
        machine.to_be_evicted = machine.descriptors.saturating_sub(machine.sockets_max);
        let is_remote = link.borrow().is_remote;
        machine.remote += usize::from(is_remote);
        if is_remote && machine.remote > machine.remote_max {
            let note = &mut link.borrow_mut().note;
            note.is_over = true;
            note.blame.get_or_insert("its address has too many");
        }
        // Loopback has no limit.
        let ip = if is_remote { Ipv4Addr::new(203, 0, 113, 9) } else { Ipv4Addr::LOCALHOST };
        let address = SocketAddr::from((ip, 9));
        drop(machine);
        let (ends, written, disk) = (self.ends.clone(), self.written.clone(), self.disk.clone());
        Ok((Socket { ends, link, written, disk, machine: Rc::clone(&self.machine) }, address))
    }

    fn watch(&mut self, socket: &mut Socket, slot: u32) -> io::Result<()> {
        let mut machine = self.machine.borrow_mut();
        let mut link = socket.link.borrow_mut();
        if let Some(left) = machine.watch_failures.checked_sub(1) {
            (machine.watch_failures, machine.refused_calls) = (left, machine.refused_calls + 1);
            link.note.blame.get_or_insert("the poll could not watch it");
            return Err(io::Error::from_raw_os_error(ENOSPC));
        }
        link.slot = Some(slot);
        link.edge = true; // a poll reports at once what a new socket is ready for
        let now = machine.now;
        (link.note.accepted_at, link.note.changed_at, link.note.sign_at) = (now, now, now);
        self.wiring.borrow_mut().slots.insert(slot, Shared::clone(&socket.link));
        Ok(())
    }
}
