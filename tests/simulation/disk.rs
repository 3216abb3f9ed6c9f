//! The disk that a desk has its journal on, and what is left on it when the process or the machine stops.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use deskwire::config::{JournalRules, JournalSync, Millis};
use deskwire::desk::Desk;
use deskwire::journal::{History, Place, Store};

use crate::adversary::NOT_KEPT;
use crate::checked_service::{CheckedService, Wiring};
use crate::machine::refuse;
use crate::model::Model;
use crate::process::new_server;
use crate::rng::Rng;
use crate::world::World;

#[derive(Default)]
pub struct Disk {
    pub bytes: Vec<u8>,
    synced: usize,
    next: Vec<u8>,
    /// How many operations on the disk succeed before the process stops in the next one.
    stops_after: Option<usize>,
    /// It has stopped: what it still does has no effect.
    pub is_stopped: bool,
    /// The service has taken input that is not on the disk yet.
    pub is_ahead: bool,
    pub violation: Option<String>,
}

/// The disk as a journal's store.
#[derive(Clone, Default)]
pub struct Shared(pub Rc<RefCell<Disk>>);

impl Store for Shared {
    fn append(&mut self, place: Place, bytes: &[u8]) -> io::Result<()> {
        let disk = &mut *self.0.borrow_mut();
        disk.check_content(bytes);
        let result = disk.note_work();
        let file = if place == Place::Current { &mut disk.bytes } else { &mut disk.next };
        // A process that stops in the middle of a write has written a part of it.
        let written = if result.is_err() { bytes.len() * 2 / 3 } else { bytes.len() };
        file.extend_from_slice(&bytes[..written]);
        result
    }

    fn sync(&mut self, place: Place) -> io::Result<()> {
        let mut disk = self.0.borrow_mut();
        disk.note_work()?;
        if place == Place::Current {
            disk.synced = disk.bytes.len();
        }
        Ok(())
    }

    fn begin(&mut self) -> io::Result<()> {
        let mut disk = self.0.borrow_mut();
        disk.note_work()?;
        disk.next.clear();
        Ok(())
    }

    fn replace(&mut self) -> io::Result<()> {
        let disk = &mut *self.0.borrow_mut();
        let result = disk.note_work();
        // A process may stop right before or right after the rename.
        if result.is_ok() || disk.next.len().is_multiple_of(2) {
            disk.bytes = std::mem::take(&mut disk.next);
            disk.synced = disk.bytes.len();
        }
        result
    }
}

impl Disk {
    /// Counts an operation. An error if the process stops in it.
    fn note_work(&mut self) -> io::Result<()> {
        match &mut self.stops_after {
            _ if self.is_stopped => Err(io::Error::other("stopped")),
            Some(0) => {
                self.is_stopped = true;
                Err(io::Error::other("stopped"))
            }
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Checks that nothing is written to a socket before the input it answers is on the disk.
    pub fn check_write(&mut self) {
        if self.is_ahead {
            self.violation.get_or_insert("a socket was written to before the journal".to_owned());
        }
    }

    fn check_content(&mut self, bytes: &[u8]) {
        if bytes.windows(NOT_KEPT.len()).any(|window| window == NOT_KEPT.as_bytes()) {
            self.violation.get_or_insert("a recap was written to the disk".to_owned());
        }
    }

    /// What a power cut leaves: all that was synced, and a part of the line that was being written, or zeros.
    fn cut_power(&mut self, rng: &mut Rng) {
        let last = self.bytes[..self.synced].split_inclusive(|byte| *byte == b'\n').next_back();
        let mut next = last.unwrap_or_default().to_vec();
        self.bytes.truncate(self.synced);
        let most = next.len().saturating_sub(1);
        next.truncate(rng.below(most.max(1)));
        if rng.one_in(3) {
            next.fill(0);
        }
        self.bytes.extend(next);
    }
}

/// The digest of a State that the disk may have, and the model at that time.
pub struct Copy {
    digest: u64,
    model: Model,
}

impl World {
    /// The process stops: between two turns, or in the middle of a turn soon, at something that it asks of the disk.
    pub fn stop(&mut self) {
        if !self.setup.has_journal || self.disk.0.borrow().stops_after.is_some() {
            return;
        }
        if self.rng.one_in(2) {
            return self.restart();
        }
        self.note(|| "the process is about to stop".to_owned());
        self.disk.0.borrow_mut().stops_after = Some(self.rng.below(12));
        self.server.hub.service.note_copy();
    }

    /// Cancels a stop that has not happened yet.
    pub fn call_off_stop(&mut self) {
        self.disk.0.borrow_mut().stops_after = None;
        self.server.hub.service.copies.clear();
    }

    /// If the process has stopped in the middle of this turn, starts another one from what is on the disk.
    pub fn restart_if_stopped(&mut self) -> bool {
        let has_stopped = self.disk.0.borrow().is_stopped;
        if has_stopped {
            self.server.hub.service.model.stories.stops_in_a_turn += 1;
            self.restart();
        }
        has_stopped
    }

    /// Starts another process from what is on the disk.
    fn restart(&mut self) {
        self.note(|| "the process stops".to_owned());
        let (disk, rules) = (self.disk.clone(), self.setup.journal);
        let mut copies = std::mem::take(&mut self.server.hub.service.copies);
        if copies.is_empty() {
            self.server.hub.service.note_copy();
            copies = std::mem::take(&mut self.server.hub.service.copies);
        }
        // With `second` only the process stops: a power cut may lose up to a second of what pages were already sent.
        if rules.sync == JournalSync::Turn {
            disk.0.borrow_mut().cut_power(&mut self.rng);
        }
        let history = match History::read(&disk.0.borrow().bytes) {
            Ok(history) => history,
            Err(why) => return self.note_violation(|| format!("the journal is {why}")),
        };
        let digest = history.state.digest();
        // The turn that was being written may be in the journal or not.
        let Some(Copy { mut model, .. }) = copies.into_iter().find(|copy| copy.digest == digest) else {
            return self.note_violation(|| {
                "the State that was replayed is none of those that the disk may have".to_owned()
            });
        };
        model.stories = std::mem::take(&mut self.server.hub.service.model.stories);
        {
            let mut disk = disk.0.borrow_mut();
            (disk.stops_after, disk.is_stopped, disk.is_ahead) = (None, false, false);
            disk.next.clear();
        }
        self.end_all_links();
        let down_ms = self.rng.in_ms(0, 2000);
        self.pass_without_server(down_ms);
        let now = self.now;
        let mut desk = self.new_desk();
        desk.keep_in(disk, rules, Some(history), now).expect("a disk in memory");
        let service = self.new_service(desk, model);
        self.machine.borrow_mut().restart(now);
        self.server = new_server(self.kernel(), self.limits, service);
        self.machine.borrow_mut().listens = true; // the old process has closed its own
        self.server.hub.service.model.restarts(now);
        self.server.hub.service.note_kept();
    }

    /// The kernel closes the sockets of a process that has stopped.
    fn end_all_links(&mut self) {
        let now = self.now;
        self.machine.borrow_mut().backlog.drain(..).for_each(|link| refuse(&link, now));
        for at in &self.live {
            let note = &mut self.links[*at].borrow_mut().note;
            note.now = self.now;
            note.blame.get_or_insert("the process has stopped");
            (note.open, note.changed_at) = (false, self.now);
        }
        self.ends.borrow_mut().clear();
        *self.wiring.borrow_mut() = Wiring::default();
    }

    /// Checks that replaying the disk gives the present State.
    pub fn check_disk(&mut self) {
        if !self.setup.has_journal {
            return;
        }
        let digest = self.server.hub.service.desk.state().digest();
        let is_right = History::read(&self.disk.0.borrow().bytes)
            .is_ok_and(|history| history.state.digest() == digest && history.at <= self.now);
        if !is_right {
            self.note_violation(|| "the State that the journal gives is not the present one".to_owned());
        }
    }
}

/// Gives a desk an empty journal.
pub fn start(desk: &mut Desk, disk: &Shared, rules: JournalRules, now: Millis) {
    desk.keep_in(disk.clone(), rules, None, now).expect("a disk in memory");
}

impl CheckedService {
    /// After a call, notes whether the desk has something to write to the journal. If not, its State must not have changed.
    pub fn note_given(&mut self) {
        use deskwire::service::Service;
        let Some(disk) = self.disk.clone() else { return };
        if disk.0.borrow().is_stopped {
            return;
        }
        if self.desk.is_kept() {
            if self.desk.state().digest() != self.kept_digest {
                self.note_violation("State has changed, and the journal has nothing to write".to_owned());
            }
        } else {
            disk.0.borrow_mut().is_ahead = true;
        }
    }

    /// Has the desk write its journal. While a stop is due, the disk may have the State before or after this.
    pub fn keep_watched(&mut self) -> io::Result<()> {
        use deskwire::service::Service;
        let is_near_stop = !self.copies.is_empty();
        if is_near_stop {
            self.note_copy();
        }
        self.desk.keep()?;
        self.note_kept();
        if is_near_stop {
            self.copies.drain(..self.copies.len() - 1);
        }
        Ok(())
    }

    /// Notes the present State as one that the disk may have.
    fn note_copy(&mut self) {
        self.copies.push(Copy { digest: self.desk.state().digest(), model: self.model.clone() });
    }

    /// Notes that the disk has everything.
    pub fn note_kept(&mut self) {
        if let Some(disk) = &self.disk {
            disk.0.borrow_mut().is_ahead = false;
            self.kept_digest = self.desk.state().digest();
        }
    }
}
