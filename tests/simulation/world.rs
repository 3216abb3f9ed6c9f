//! The world: a clock, the server with the real desk, and the clients at the other ends of its links.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Instant;

use deskwire::config::{Limits, Millis};
use deskwire::server::Server;
use serde_json::Value;

use crate::adversary::Adversary;
use crate::checked_service::{CheckedService, Wiring};
use crate::client::{Client, Kind, new_tabs};
use crate::codec;
use crate::disk;
use crate::figures::MESSAGES_PER_S;
use crate::ledger::Ledger;
use crate::machine::{Kernel, SharedMachine};
use crate::model::Model;
use crate::network::{End, Ends, Link, Shared, Written};
use crate::pages::{Act, Tab};
use crate::plan::Setup;
use crate::process::{limits, new_desk, new_server};
use crate::rng::Rng;
use crate::roster::{Roster, SharedRoster};
use crate::websocket;

pub const TOKEN: &str = "the-staff-token";
/// Origins that may always connect: none (a program), `null` (a page from disk), and the desk's own.
const ORIGINS: [Option<&str>; 4] = [None, Some("null"), Some("http://desk"), Some("https://desk")];
/// Those that may connect if `--allow-origin` has them.
pub const OTHER_ORIGINS: [&str; 2] = ["https://shop.example", "http://other.example:8080"];
/// When the world begins.
pub const START: Millis = 1_700_000_000_000;

/// How fast slow readers read, in bytes a second.
pub const RATES: [u64; 7] = [300, 900, 5000, 40_000, 200_000, 900_000, 2_000_000];

pub struct World {
    pub now: Millis,
    pub server: Server<CheckedService, Kernel>,
    /// When the server wakes up, if nothing happens.
    pub wakes_at: Option<Millis>,
    /// The process does not run before this time.
    pub frozen_until: Millis,
    pub machine: SharedMachine,
    pub roster: SharedRoster,
    pub setup: Setup,
    pub limits: Limits,
    pub wiring: Rc<RefCell<Wiring>>,
    pub written: Written,
    pub ends: Ends,
    pub disk: disk::Shared,
    pub links: Vec<Shared>,
    pub clients: Vec<Client>,
    /// Indexes of the links that have not ended on both sides.
    pub live: Vec<usize>,
    pub tabs: Vec<Tab>,
    pub adversaries: Vec<Adversary>,
    pub ledger: Ledger,
    /// Seeded anew for each step, so that leaving out a step changes no other.
    pub rng: Rng,
    pub violation: Option<String>,
    /// New links have no faults, no limits and hardly any delay.
    pub is_calm: bool,
    /// A server listens.
    pub listens: bool,
    pub turns: u64,
    /// The number of users who came with `What::Crowd`.
    pub guests: usize,
    /// What happened, to be printed with a failure.
    pub log: Option<Vec<String>>,
}

impl World {
    pub fn new(setup: Setup, keeps_log: bool) -> Self {
        let limits = limits(setup);
        let machine = SharedMachine::default();
        {
            let mut machine = machine.borrow_mut();
            machine.now = START;
            machine.remote_max = match setup.connections_per_address_max {
                0 => usize::MAX,
                limit => limit as usize,
            };
            machine.sockets_max = setup.connections_max + setup.sockets_beside;
        }
        let roster = Rc::new(RefCell::new(Roster::new(&setup)));
        let mut desk = new_desk(setup, setup.seed, &roster, &machine);
        let disk = disk::Shared::default();
        if setup.has_journal {
            disk::start(&mut desk, &disk, setup.journal, START);
        }
        let ends = Ends::default();
        let wiring = Rc::new(RefCell::new(Wiring::default()));
        let mut checked_service =
            CheckedService::new(desk, Model::new(setup.rules), Rc::clone(&wiring), Rc::clone(&ends), setup);
        (checked_service.roster, checked_service.machine) = (Rc::clone(&roster), Rc::clone(&machine));
        checked_service.disk = setup.has_journal.then(|| disk.clone());
        checked_service.note_kept();
        let tabs = new_tabs(&setup, &roster.borrow());
        let written = Written::default();
        let kernel = Kernel {
            started: Instant::now(),
            machine: Rc::clone(&machine),
            wiring: Rc::clone(&wiring),
            ends: Rc::clone(&ends),
            written: Rc::clone(&written),
            disk: disk.clone(),
        };
        let mut world = Self {
            now: START,
            server: new_server(kernel, limits, checked_service),
            wakes_at: None,
            frozen_until: START,
            machine,
            roster,
            setup,
            limits,
            wiring,
            written,
            ends,
            disk,
            links: Vec::new(),
            clients: Vec::new(),
            live: Vec::new(),
            tabs,
            adversaries: Adversary::all(&setup),
            ledger: Ledger::default(),
            rng: Rng::new(setup.seed),
            violation: None,
            is_calm: false,
            listens: true,
            turns: 0,
            guests: 0,
            log: keeps_log.then(Vec::new),
        };
        for tab in &mut world.tabs {
            tab.record = setup.records.then(Vec::new);
            tab.start(START);
        }
        world
    }

    /// Adds a line to the log.
    pub fn note(&mut self, what: impl FnOnce() -> String) {
        if let Some(log) = self.log.as_mut().filter(|_| self.violation.is_none()) {
            log.push(format!("{:>7} ms  {}", self.now - START, what()));
        }
    }

    /// Notes a violation. Only the first one counts.
    pub fn note_violation(&mut self, what: impl FnOnce() -> String) {
        if self.violation.is_none() {
            self.violation = Some(what());
        }
    }

    /// Lets time pass, and does what becomes due.
    pub fn pass(&mut self, span: Millis) {
        let end = self.now + span;
        self.settle();
        while self.violation.is_none() {
            let Some(next) = self.next_event().filter(|next| *next <= end) else { break };
            self.now = self.now.max(next);
            self.settle();
        }
        self.now = self.now.max(end); // a restart has let time pass
        self.settle();
    }

    /// Lets time pass for the pages, while no process listens.
    pub fn pass_without_server(&mut self, span: Millis) {
        let end = self.now + span;
        self.listens = false;
        while let Some(next) = self.tabs.iter().filter_map(Tab::next_due).min().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            self.wake_tabs();
        }
        (self.now, self.listens) = (end, true);
    }

    /// Does what is due until nothing more happens at this moment.
    fn settle(&mut self) {
        const ROUNDS_MAX: usize = 10_000;
        for _ in 0..ROUNDS_MAX {
            if self.violation.is_some() {
                return;
            }
            let moved = self.move_network();
            let acted = self.wake_tabs();
            self.turn_around();
            if !moved && !acted && !self.is_due_now() {
                return;
            }
        }
        self.note_violation(|| "this moment does not end".to_owned());
    }

    fn is_due_now(&self) -> bool {
        self.next_event().is_some_and(|next| next <= self.now)
    }

    fn next_event(&self) -> Option<Millis> {
        let network = self.live.iter().filter_map(|link| self.links[*link].borrow().next_move());
        let pages = self.tabs.iter().filter_map(Tab::next_due);
        // The model is looked at one millisecond after each of its deadlines, so that a desk that is late is noticed.
        let model = self.server.hub.service.model.next_due().map(|due| due + 1).filter(|due| *due > self.now);
        let server = match self.is_frozen() {
            true => Some(self.frozen_until),
            false => self.wakes_at.filter(|_| !self.server.is_done()),
        };
        network.chain(pages).chain(server).chain(model).min()
    }

    /// Moves what is due on every link. True if anything moved.
    pub fn move_network(&mut self) -> bool {
        let mut moved = false;
        for at in 0..self.live.len() {
            let link = self.live[at];
            if self.links[link].borrow().next_move().is_none_or(|due| due > self.now) {
                continue;
            }
            moved = true;
            let mut bytes = std::mem::take(&mut self.clients[link].decoder.bytes);
            let end = {
                let mut shared = self.links[link].borrow_mut();
                shared.note.now = self.now;
                shared.move_up(self.now);
                shared.move_down(self.now, &mut bytes)
            };
            self.clients[link].decoder.bytes = bytes;
            self.receive(link);
            if let Some(end) = end {
                self.ended(link, end);
            }
        }
        let (links, clients) = (&self.links, &self.clients);
        self.live.retain(|at| {
            let link = links[*at].borrow();
            !(link.server_gone && clients[*at].is_over && (link.dead || !link.is_moving()))
        });
        moved
    }

    fn wake_tabs(&mut self) -> bool {
        use crate::pages::Due;
        let mut acted = false;
        for at in 0..self.tabs.len() {
            if self.tabs[at].page.next_due().is_some_and(|due| due <= self.now) {
                acted = true;
                let out = self.tabs[at].go_on(self.now, &mut self.ledger);
                self.send_from_tab(at, out);
            }
            let Some(due) = self.tabs[at].line.due(self.now) else { continue };
            acted = true;
            match due {
                Due::Connect => self.connect_tab(at),
                Due::Lost => self.give_up(at),
                Due::Probe => {
                    let ping = self.tabs[at].probe(self.now);
                    self.send_from_tab(at, ping);
                }
            }
        }
        acted
    }

    /// A new link to the server.
    pub fn dial(&mut self, kind: Kind) -> usize {
        let rng = &mut self.rng;
        let lag = if rng.one_in(4) { rng.in_ms(0, 150) } else { rng.in_ms(0, 3) };
        let send_buffer_bytes = if rng.one_in(6) { 200 + rng.below(5000) } else { 1 << 20 };
        let pieces =
            if rng.one_in(3) { (0..rng.below(12)).map(|_| 1 + rng.below(60)).collect() } else { Vec::new() };
        let rate = if rng.one_in(4) { Some(*rng.pick(&RATES)) } else { None };
        let mut link = match self.is_calm {
            true => Link { lag: 1, send_buffer_bytes: 1 << 20, ..Link::default() },
            false => Link { lag, send_buffer_bytes, pieces, ..Link::default() },
        };
        link.note.was_slow = link.send_buffer_bytes < 1 << 20;
        if (1..MESSAGES_PER_S).contains(&self.setup.messages_per_s) {
            link.note.flooded = true;
            link.note.blame = Some("it exceeds the low rate limit of this world");
        }
        link.throttle(rate.filter(|_| !self.is_calm));
        let listens = self.listens && self.machine.borrow().listens;
        let is_reachable = listens && !matches!(kind, Kind::Tab(tab) if self.tabs[tab].is_cut_off);
        if !is_reachable {
            (link.dead, link.server_gone) = (true, true);
        }
        self.links.push(Rc::new(RefCell::new(link)));
        let at = self.links.len() - 1;
        self.clients.push(Client::new(kind));
        self.live.push(at);
        if is_reachable {
            self.machine.borrow_mut().enqueue(Rc::clone(&self.links[at]));
        }
        at
    }

    pub fn connect_tab(&mut self, tab: usize) {
        let link = self.dial(Kind::Tab(tab));
        let mut protocols = vec!["deskwire.v1".to_owned()];
        protocols.extend(self.tabs[tab].secret().map(|secret| format!("secret.{secret}")));
        let path = self.tabs[tab].path();
        let others = OTHER_ORIGINS[..self.setup.allowed_origins].iter().map(|origin| Some(*origin));
        let origins: Vec<Option<&str>> = ORIGINS.into_iter().chain(others).collect();
        let origin = *self.rng.pick(&origins);
        let head = websocket::head_from(&path, &protocols, origin);
        self.tabs[tab].connected(link, self.now);
        self.links[link].borrow_mut().send(&head, self.now);
        self.note(|| format!("link {link}: {path} connects"));
    }

    /// The page forgets its socket, and the browser closes it as well as it can.
    pub fn detach(&mut self, tab: usize) {
        let Some(link) = self.tabs[tab].line.socket.take() else { return };
        self.clients[link].kind = Kind::Nobody;
        self.leave(link, None);
    }

    pub fn give_up(&mut self, tab: usize) {
        self.note(|| format!("tab {tab} gives up its connection"));
        self.detach(tab);
        self.tab_lost(tab, None);
    }

    /// The tab's socket is closed with this code; without one, the page has given it up.
    pub fn tab_lost(&mut self, tab: usize, code: Option<u16>) {
        if let Some(link) = self.tabs[tab].line.socket {
            self.clients[link].kind = Kind::Nobody;
        }
        let (why, out) = self.tabs[tab].lost(code, self.now, &mut self.rng, &mut self.ledger);
        self.note(|| format!("tab {tab} is lost: {why} ({code:?})"));
        self.send_from_tab(tab, out);
    }

    pub fn send_from_tab(&mut self, tab: usize, frames: Vec<Value>) {
        let Some(link) = self.tabs[tab].line.socket else { return };
        for frame in frames {
            self.tabs[tab].line.note_sent(&frame, self.now);
            self.say(link, &frame.to_string());
        }
    }

    /// The person at a page does something.
    pub fn act(&mut self, tab: usize, act: &Act) {
        let out = self.tabs[tab].act(act, self.now, &mut self.ledger);
        self.send_from_tab(tab, out);
    }

    /// The client of a link ends it: with a close frame, or as it is.
    pub fn leave(&mut self, link: usize, how: Option<End>) {
        let client = &mut self.clients[link];
        let mut shared = self.links[link].borrow_mut();
        shared.note.blame.get_or_insert("its client left");
        if client.is_over {
            return;
        }
        match how {
            None if client.is_upgraded && !client.has_closed => {
                client.has_closed = true;
                let mut frame = Vec::new();
                codec::append_frame(&mut frame, codec::FIN | codec::CLOSE, &1000_u16.to_be_bytes(), [7; 4]);
                shared.send(&frame, self.now);
                shared.note.close_end = Some(shared.note.sent_bytes);
            }
            None if client.is_upgraded => {}
            how => {
                client.is_over = true;
                shared.end(how.unwrap_or(End::Fin), true, self.now);
            }
        }
    }
}
