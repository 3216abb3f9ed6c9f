//! Keeps the inputs of State in a file, so that tickets survive a restart.
//!
//! State is a function of its inputs, so a snapshot of it and the inputs since then are all that has to be kept. The inputs of
//! a turn are one line, which is written before anything that they have caused is sent. From time to time a new snapshot is
//! written to a second file, part by part, and then this file replaces the first one.
//!
//! A database would do more than is needed. redb either syncs with each commit or, if it does not, loses what is not synced
//! when the process is killed; and a damaged file can make it panic. A file that is only appended to needs no index, and no
//! recovery.
//!
//! | file | its part |
//! | --- | --- |
//! | line | lines and their hashes |
//! | history | reads and replays a journal |
//! | log | writes one of the two files |
//! | snapshot | writes a snapshot to the second file |
//! | file | the files: locks, syncs, the replacement |
//! | report | what `deskwire journal` prints |

mod file;
mod history;
mod line;
mod log;
mod report;
mod snapshot;
#[cfg(test)]
mod tests;

use std::io;
use std::time::Instant;

pub use self::file::FileStore;
pub use self::history::{History, Unusable};
use self::log::{Log, Turn};
pub use self::report::report;
use self::snapshot::{Progress, Snapshot};
use crate::config::{JOURNAL_SYNC_MS, JournalRules, JournalSync, Millis};
use crate::metrics::{Histogram, Micros, Page};
use crate::state::{Input, State};

/// One of the two files that there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The journal.
    Current,
    /// The file that will replace it.
    Next,
}

/// Where the bytes of a journal are kept.
pub trait Store {
    /// Appends bytes. They survive a crash of the process.
    ///
    /// # Errors
    /// The file cannot be written. A part of the bytes may have been appended.
    fn append(&mut self, place: Place, bytes: &[u8]) -> io::Result<()>;

    /// Makes all appended bytes survive a power cut.
    ///
    /// # Errors
    /// The file cannot be synced. It is unknown which bytes would survive.
    fn sync(&mut self, place: Place) -> io::Result<()>;

    /// Begins an empty next file. One that was begun before is dropped.
    ///
    /// # Errors
    /// The file cannot be created.
    fn begin(&mut self) -> io::Result<()>;

    /// Replaces the current file by the next one, durably. At any time, either the old or the new file is there, and complete.
    ///
    /// # Errors
    /// The file cannot be replaced. Either the old or the new file is there.
    fn replace(&mut self) -> io::Result<()>;
}

/// A journal that is being written.
pub struct Journal {
    store: Box<dyn Store>,
    rules: JournalRules,
    log: Log,
    snapshot_at: Millis,
    /// The snapshot that is being written.
    snapshot: Option<Snapshot>,
    /// When the first line that is not synced was written.
    unsynced_since: Option<Millis>,
    /// The turns that are not written yet.
    turns: Vec<Turn>,
    /// The time of the last input, or of the last tick that had something to do.
    at: Millis,
    /// Whether there is something to write or to sync, or a part of a snapshot is due.
    is_due: bool,
    has_failed: bool,
    /// For the metrics: snapshots written since the start, and the time that `keep` took.
    snapshots: u64,
    keep_times: Histogram<Micros>,
}

impl Journal {
    /// Starts a new journal with a snapshot.
    ///
    /// # Errors
    /// The snapshot cannot be written.
    pub fn start(
        store: impl Store + 'static,
        rules: JournalRules,
        now: Millis,
        state: &State,
    ) -> io::Result<Self> {
        let mut store: Box<dyn Store> = Box::new(store);
        let log = Snapshot::begin(now, state, store.as_mut())?.finish(store.as_mut())?;
        Ok(Self {
            store,
            rules,
            log,
            snapshot_at: now,
            snapshot: None,
            unsynced_since: None,
            turns: Vec::new(),
            at: now,
            is_due: false,
            has_failed: false,
            snapshots: 1,
            keep_times: Histogram::default(),
        })
    }

    /// Notes an input before it is applied. Returns false if it must not be applied, since the journal has failed.
    pub(crate) fn note(&mut self, now: Millis, input: &Input<'_>) -> bool {
        if self.has_failed {
            return false;
        }
        let instead = input.stored_instead();
        let stored = instead.as_ref().unwrap_or(input);
        let done = match self.turns.last_mut() {
            Some(turn) if turn.at == now => {
                turn.inputs.push(b',');
                serde_json::to_writer(&mut turn.inputs, stored)
            }
            _ => serde_json::to_vec(stored).map(|inputs| self.turns.push(Turn { at: now, inputs })),
        };
        self.has_failed = done.is_err();
        (self.at, self.is_due) = (now, true);
        true
    }

    /// Returns whether all noted inputs are kept, and nothing else is due.
    pub(crate) fn is_kept(&self) -> bool {
        !self.is_due
    }

    /// Writes the noted inputs, and continues with a snapshot if one is due.
    pub(crate) fn keep(&mut self, state: &State) -> io::Result<()> {
        let started = Instant::now();
        let done = self.write_turns().and_then(|()| self.write_snapshot(state));
        self.keep_times.count_span(started.elapsed());
        self.is_due = false;
        self.has_failed |= done.is_err();
        done
    }

    /// Returns when `tick` has something to do.
    pub(crate) fn next_due(&self) -> Option<Millis> {
        let sync = self.unsynced_since.map(|since| since + JOURNAL_SYNC_MS);
        let snapshot = match &self.snapshot {
            Some(snapshot) => Some(snapshot.due),
            None => (self.log.bytes_behind() > 0).then_some(self.snapshot_at + self.rules.age_ms),
        };
        sync.into_iter().chain(snapshot).min().filter(|_| !self.has_failed)
    }

    /// Checks whether something is due.
    pub(crate) fn tick(&mut self, now: Millis) {
        if self.next_due().is_some_and(|due| due <= now) {
            self.at = self.at.max(now);
            self.is_due = true;
        }
    }

    /// Appends the metrics of the journal.
    pub(crate) fn append_metrics(&self, page: &mut Page) {
        page.family("deskwire_journal_bytes", "gauge", "Size of the journal.").value(self.log.written_bytes);
        page.family("deskwire_journal_snapshots_total", "counter", "Snapshots written to the journal.")
            .value(self.snapshots);
        let help = "Time the loop waits for the journal, by turn, including parts of snapshots.";
        self.keep_times.append(page.family("deskwire_journal_keep_duration_seconds", "histogram", help));
    }

    fn write_turns(&mut self) -> io::Result<()> {
        if self.has_failed {
            return Err(io::Error::other("an input could not be written as JSON"));
        }
        let store = self.store.as_mut();
        if !self.turns.is_empty() {
            self.log.append_turns(&self.turns, store)?;
            if let Some(snapshot) = &mut self.snapshot {
                snapshot.append_turns(&self.turns, store)?;
            }
            self.turns.clear();
            self.unsynced_since.get_or_insert(self.at);
        }
        let is_due = match self.rules.sync {
            JournalSync::Turn => true,
            JournalSync::Second => {
                self.unsynced_since.is_some_and(|since| since + JOURNAL_SYNC_MS <= self.at)
            }
        };
        if is_due && self.unsynced_since.take().is_some() {
            self.log.sync(store)?;
        }
        Ok(())
    }

    /// Begins or continues a snapshot of State. All noted inputs are written already.
    fn write_snapshot(&mut self, state: &State) -> io::Result<()> {
        match self.snapshot.take() {
            Some(snapshot) => match snapshot.go_on(self.at, self.store.as_mut())? {
                Progress::Partial(snapshot) => self.snapshot = Some(snapshot),
                Progress::Done(log) => {
                    self.log = log;
                    self.unsynced_since = None;
                    self.snapshots += 1;
                }
            },
            None if self.wants_snapshot() => {
                let snapshot = Snapshot::begin(self.at, state, self.store.as_mut())?;
                self.snapshot_at = snapshot.at;
                self.snapshot = Some(snapshot);
            }
            None => {}
        }
        Ok(())
    }

    fn wants_snapshot(&self) -> bool {
        let behind = self.log.bytes_behind();
        behind > self.rules.bytes_max.max(self.log.snapshot_bytes)
            || (behind > 0 && self.at >= self.snapshot_at + self.rules.age_ms)
    }
}
