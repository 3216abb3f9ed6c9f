//! The turns of the server, and what has to hold after each of them.

use deskwire::config::Millis;
use deskwire::hub::HubStats;
use deskwire::kernel::Event;
use deskwire::net::input::Readiness;
use deskwire::state::Assembly;

use crate::figures::{ACCEPT_AGAIN, CLOSING, HEAD, HTTP, LINGER, OUTPUT_BYTES_MAX, PONG};
use crate::network::Link;
use crate::world::World;

const KIB: usize = 1024;
/// Turns in a row that may do nothing. A single one is no mistake: its deadline was moved, or its connection ended meanwhile.
const IDLE_MAX: usize = 3;
const TURNS_MAX: usize = 5000;

impl World {
    /// Runs turns until the server would sleep.
    pub fn turn_around(&mut self) {
        self.machine.borrow_mut().now = self.now;
        if self.is_frozen() || self.server.is_done() {
            return;
        }
        let mut idle = 0;
        for turn in 0.. {
            self.set_clocks();
            let mut edges: Vec<usize> =
                self.live.iter().copied().filter(|at| self.links[*at].borrow().edge).collect();
            let is_called = !edges.is_empty() || !self.machine.borrow().reports.is_empty();
            let timeout = self.server.timeout();
            self.wakes_at = timeout.map(|span| self.now + span.as_millis() as Millis);
            let is_due = timeout.is_some_and(|span| span.is_zero());
            if self.violation.is_some() || self.server.is_done() || !(is_called || is_due) {
                break;
            }
            if turn > TURNS_MAX {
                return self.note_violation(|| "the loop takes too many turns without sleeping".to_owned());
            }
            let before = self.activity();
            self.poll(&mut edges);
            self.turns += 1;
            let done = self.server.turn();
            if self.restart_if_stopped() {
                return;
            }
            if let Err(error) = done {
                return self.note_violation(|| format!("the server ends: {error}"));
            }
            idle = if is_called || self.activity() != before { 0 } else { idle + 1 };
            if idle > IDLE_MAX {
                self.note_violation(|| "too many turns in a row that did nothing".to_owned());
            }
            self.check_turn();
        }
        if self.violation.is_none() {
            self.check_before_sleep();
        }
    }

    /// Gives all live links the present time.
    fn set_clocks(&mut self) {
        for at in &self.live {
            self.links[*at].borrow_mut().note.now = self.now;
        }
    }

    fn poll(&mut self, edges: &mut [usize]) {
        self.rng.shuffle(edges);
        for at in edges {
            let (slot, readable, writable, peer_shutdown) = {
                let mut link = self.links[*at].borrow_mut();
                link.edge = false;
                let peer_shutdown = link.arrived_end.is_some();
                (
                    link.slot,
                    !link.inbox.is_empty() || peer_shutdown,
                    link.down.len() < link.send_buffer_bytes,
                    peer_shutdown,
                )
            };
            if let Some(slot) = slot {
                let readiness = Readiness { readable, writable, peer_shutdown, urgent: false };
                self.machine.borrow_mut().reports.push(Event::Slot(slot, readiness));
            }
        }
        if self.rng.one_in(64) {
            self.move_network(); // bytes that arrive between poll and read
        }
    }

    /// Counters that change when a turn does anything.
    fn activity(&self) -> (u64, u64, HubStats) {
        let operations = self.live.iter().map(|at| self.links[*at].borrow().note.operations).sum();
        (operations, self.server.hub.service.calls, self.server.hub.stats())
    }

    fn check_turn(&mut self) {
        let stats = self.server.hub.stats();
        if stats.without_deadline > 0 {
            self.note_violation(|| format!("connections without a deadline: {stats:?}"));
        }
        if stats.output_bytes_max > OUTPUT_BYTES_MAX {
            self.note_violation(|| format!("too much output waits: {stats:?}"));
        }
        let problem = self.server.hub.service.violation.take().or_else(|| self.ledger.violation.take());
        let problem = problem.or_else(|| self.disk.0.borrow_mut().violation.take());
        if let Some(problem) = problem {
            self.note_violation(|| problem);
        }
    }

    /// Checks what must hold whenever the server sleeps.
    fn check_before_sleep(&mut self) {
        self.server.hub.service.model.now = self.now;
        let late = self.server.hub.service.model.check_time();
        if let Err(problem) = late {
            self.note_violation(|| problem);
        }
        let (is, right) =
            (self.server.hub.service.desk.state().counts(), self.server.hub.service.model.counts());
        if is != right {
            self.note_violation(|| format!("{is:?}; right is {right:?}"));
        }
        if let Some(problem) = self.ledger.violation.take() {
            self.note_violation(|| problem);
        }
        let (mut admitted, mut open) = (0, 0);
        for at in 0..self.live.len() {
            let number = self.live[at];
            let link = self.links[number].borrow();
            admitted += usize::from(link.slot.is_some() && !link.server_gone);
            open += usize::from(link.note.open);
            let is_behind = link.note.conn.is_some_and(|conn| self.server.hub.service.model.is_behind(conn));
            let problem =
                self.check_link(&link, is_behind).map(|problem| format!("link {number}: {problem}"));
            drop(link);
            if let Some(problem) = problem {
                self.note_violation(|| problem);
            }
        }
        self.check_backlog();
        if self.machine.borrow().is_reload_due {
            self.note_violation(|| "SIGHUP has come, and nothing was read again".to_owned());
        }
        let stats = self.server.hub.stats();
        if (stats.connections, stats.open) != (admitted, open) {
            self.note_violation(|| format!("{stats:?}; right is {admitted} and {open}"));
        }
    }

    /// Checks that the backlog is empty; or else that the server has a reason not to accept, and tries again within a second.
    fn check_backlog(&mut self) {
        let machine = self.machine.borrow();
        if machine.backlog.is_empty() {
            return;
        }
        let may_pause = machine.may_pause();
        let is_scheduled = self.wakes_at.is_some_and(|at| at <= self.now + ACCEPT_AGAIN);
        drop(machine);
        if !may_pause {
            self.note_violation(|| "a connection waits to be accepted, and nothing prevents it".to_owned());
        }
        if !is_scheduled {
            self.note_violation(|| "a connection waits to be accepted, and no further try is due".to_owned());
        }
    }

    fn check_link(&self, link: &Link, is_behind: bool) -> Option<&'static str> {
        let note = &link.note;
        let silent_ms = self.now.saturating_sub(note.sign_at);
        let ending_ms = self.now.saturating_sub(note.changed_at);
        if link.server_gone || link.slot.is_none() {
            return note.open.then_some("its socket is gone, and the desk was not notified");
        }
        if !link.inbox.is_empty() && !link.no_space {
            return Some("has sent bytes that are not read");
        }
        if link.arrived_end.is_some() && !link.no_space {
            return Some("has ended, and the server has not read its end");
        }
        if !note.open {
            let longest = HEAD + CLOSING + HTTP + LINGER;
            return (ending_ms > longest).then_some("is still closing after all deadlines");
        }
        if is_behind && !link.no_space {
            return Some("has taken all output, and the desk was not notified");
        }
        if silent_ms > self.setup.ping_interval_ms + PONG + note.stopped_ms {
            return Some("has been silent for longer than the ping allows, and is open");
        }
        // While a peer takes too little of its answers, the server does not handle what it sends.
        let is_unhandled = note.sent.front().is_some_and(|(end, _)| *end <= note.read_bytes);
        if is_unhandled && !link.no_space && note.breach.is_empty() {
            return Some("has sent a message that was read and not handled");
        }
        if note.read_bytes >= note.breach_end && !link.no_space && !note.breach.is_empty() {
            return Some("has broken the rules, and is open");
        }
        if link.down.is_empty() && !link.client_gone && !note.emitted.is_empty() {
            return Some("was not sent what the desk queued");
        }
        None
    }

    /// Checks that State is the same after a round trip through JSON and through its parts, and that its JSON is bounded.
    pub fn check_state(&mut self) {
        let state = self.server.hub.service.desk.state();
        let tickets = self.server.hub.service.model.tickets.len();
        let digest = state.digest();
        let json = serde_json::to_string(state).unwrap_or_default();
        let mut assembly = Assembly::default();
        let of_parts = state.parts().filter_map(|part| assembly.add(part)).last();
        // A held byte takes up to four characters of JSON.
        let most = (tickets + self.server.hub.service.model.users.len() + 1) * 2 * (64 * KIB * 4 + 16 * KIB);
        match serde_json::from_str::<deskwire::state::State>(&json) {
            Ok(again) if again.digest() == digest => {}
            Ok(_) => self.note_violation(|| "the State has changed in a round trip through JSON".to_owned()),
            Err(error) => self.note_violation(|| format!("the State does not come back from JSON: {error}")),
        }
        if of_parts.is_none_or(|state| state.digest() != digest) {
            self.note_violation(|| "the State has changed in a round trip through its parts".to_owned());
        }
        if json.len() > most {
            self.note_violation(|| {
                format!("the State takes {} bytes of JSON for {tickets} tickets", json.len())
            });
        }
        self.written.borrow_mut().add(digest);
    }
}
