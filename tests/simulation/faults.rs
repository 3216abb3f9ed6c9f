//! Faults around a process: it runs late, it is frozen for a while, system calls fail, signals arrive.

use deskwire::config::Millis;
use deskwire::kernel::{Event, PendingSignals};
use deskwire::net::input::Readiness;

use crate::client::Kind;
use crate::figures::SHUTDOWN;
use crate::machine::ACCEPT_FAILURES;
use crate::plan::What;
use crate::websocket;
use crate::world::World;

/// A server whose peers all answer has stopped by then: that takes a close frame, its answer, and what is in flight.
const PROMPT: Millis = 100;

impl World {
    pub fn go_wrong(&mut self, what: What) {
        match what {
            What::Late => self.freeze(1, 300),
            What::Freeze => self.freeze(1000, 40_000),
            What::Spurious => self.report_nothing(),
            What::AcceptFails => {
                for _ in 0..1 + self.rng.below(3) {
                    let errno = *self.rng.pick(&ACCEPT_FAILURES);
                    self.machine.borrow_mut().accept_failures.push_back(errno);
                    self.note(|| format!("the next accept fails: error {errno}"));
                }
            }
            What::WatchFails => self.machine.borrow_mut().watch_failures += 1,
            What::FewDescriptors => {
                let most = if self.rng.one_in(2) { 0 } else { 1 + self.rng.below(8) };
                self.machine.borrow_mut().descriptors_max = most;
                self.note(|| format!("the process may have {most} sockets; 0 is any number"));
            }
            _ => {}
        }
    }

    /// The process does not run for a while, and everything else goes on.
    fn freeze(&mut self, least: Millis, most: Millis) {
        let span = self.rng.in_ms(least, most);
        self.frozen_until = self.now + span;
        self.note(|| format!("the process is stopped for {span} ms"));
        self.machine.borrow_mut().stops += 1;
        // Whatever it would have ended in that time, it ends later.
        for link in &self.live {
            let note = &mut self.links[*link].borrow_mut().note;
            (note.changed_at, note.stopped_ms) = (note.changed_at + span, note.stopped_ms + span);
        }
    }

    pub fn is_frozen(&self) -> bool {
        self.now < self.frozen_until
    }

    /// Reports sockets as ready that are not, and slots that are free.
    fn report_nothing(&mut self) {
        for _ in 0..1 + self.rng.below(4) {
            let slot = self.rng.below(12) as u32;
            let [readable, writable, urgent] = [(); 3].map(|()| self.rng.one_in(2));
            let readiness = Readiness { readable, writable, peer_shutdown: false, urgent };
            self.machine.borrow_mut().reports.push(Event::Slot(slot, readiness));
        }
        if self.rng.one_in(2) {
            self.machine.borrow_mut().reports.push(Event::Listener);
        }
        if self.rng.one_in(2) {
            self.machine.borrow_mut().reports.push(Event::Signals);
        }
    }

    /// Removes all faults of the machine.
    pub fn repair_machine(&mut self) {
        self.frozen_until = self.now;
        let mut machine = self.machine.borrow_mut();
        machine.accept_failures.clear();
        (machine.watch_failures, machine.descriptors_max) = (0, 0);
    }

    /// The process is asked to stop, and has stopped in time: at once if all peers answer, and after 5 s if not.
    pub fn shut_down(&mut self) {
        let heads = self.rng.below(4);
        for _ in 0..heads {
            let link = self.dial(Kind::Nobody);
            let head = websocket::head("/ws/user/ann", &[]);
            let part = &head[..self.rng.below(head.len())];
            self.links[link].borrow_mut().send(part, self.now);
        }
        let is_stuck = self.rng.one_in(3) && self.silence_one();
        self.pass(10);
        self.note(|| "-- the server goes down".to_owned());
        for link in &self.live {
            let note = &mut self.links[*link].borrow_mut().note;
            note.closes.push(1001);
            if note.conn.is_none() {
                note.blame.get_or_insert("its head was not whole when the server went down");
            }
        }
        let asked_at = self.now;
        self.machine.borrow_mut().signal(PendingSignals { stop: true, reload: false });
        let most = if is_stuck { SHUTDOWN } else { PROMPT };
        self.pass(0);
        if self.machine.borrow().listens {
            self.note_violation(|| "it was told to stop, and still listens".to_owned());
        }
        while !self.server.is_done() && self.now < asked_at + most && self.violation.is_none() {
            self.pass(1);
        }
        let took = self.now - asked_at;
        if !self.server.is_done() {
            let stats = self.server.hub.stats();
            self.note_violation(|| format!("it has not stopped {took} ms after the signal: {stats:?}"));
        }
        if is_stuck && took < SHUTDOWN {
            self.note_violation(|| {
                format!("it stopped after {took} ms, though one peer had not answered and had 5 s")
            });
        }
    }

    /// From now on one of the open connections answers nothing. Returns false if there is none.
    fn silence_one(&mut self) -> bool {
        let links = self.live.iter().filter(|link| self.links[**link].borrow().note.open);
        let Some(link) = links.copied().next() else { return false };
        let mut link = self.links[link].borrow_mut();
        link.note.blame.get_or_insert("its network swallows everything");
        link.dead = true;
        true
    }
}
