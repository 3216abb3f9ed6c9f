//! What State is given, kept: in a file, so that a desk survives its process.
//!
//! State is a function of its inputs, so that a snapshot of it and the inputs since are all that has to be kept. The inputs
//! of a turn are one line, written before anything is sent that they have caused. From time to time a new snapshot is written
//! beside, part by part, and takes the place of everything before it.
//!
//! A database would do the same with more: redb syncs with each commit or, without, loses what is not synced when the process
//! is killed, and a damaged file can end the process in it. A file that is only appended to needs neither index nor recovery.
//!
//! | file | its part |
//! | --- | --- |
//! | line | lines and their hashes |
//! | history | a journal that is read, and replayed |
//! | log | a journal that is written |
//! | snapshot | a snapshot that is written beside it |
//! | file | the file: its lock, its syncs, how it is replaced |
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
    /// The file that is to take its place.
    Next,
}

/// Where the bytes of a journal are kept.
pub trait Store {
    /// Appends bytes. They survive the end of the process.
    ///
    /// # Errors
    /// They may have been appended in part.
    fn append(&mut self, place: Place, bytes: &[u8]) -> io::Result<()>;

    /// Makes all that was appended there survive a power cut.
    ///
    /// # Errors
    /// It is not known what has.
    fn sync(&mut self, place: Place) -> io::Result<()>;

    /// Begins the next file, empty. One that was begun before is forgotten.
    ///
    /// # Errors
    /// There is none.
    fn begin(&mut self) -> io::Result<()>;

    /// Puts the next file in the place of the current one, and makes it survive a power cut. There is the old one or the new
    /// one at any time, and each is whole.
    ///
    /// # Errors
    /// There is the old one or the new one.
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
    /// When the first of what is not synced was written.
    unsynced_since: Option<Millis>,
    /// What is to be written.
    turns: Vec<Turn>,
    /// The time of the last input, or of the last tick that had something to do.
    at: Millis,
    /// Something is to be kept or synced, or a snapshot has something to do.
    is_due: bool,
    has_failed: bool,
    /// Snapshots written since the start, and the time that keeping a turn took.
    snapshots: u64,
    keep_times: Histogram<Micros>,
}

impl Journal {
    /// Starts a journal anew, with a snapshot.
    ///
    /// # Errors
    /// It cannot be written.
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

    /// Notes an input that State is about to be given. Returns whether it may be: not after something could not be kept.
    pub(crate) fn note(&mut self, now: Millis, input: &Input<'_>) -> bool {
        if self.has_failed {
            return false;
        }
        let done = match self.turns.last_mut() {
            Some(turn) if turn.at == now => {
                turn.inputs.push(b',');
                serde_json::to_writer(&mut turn.inputs, input)
            }
            _ => serde_json::to_vec(input).map(|inputs| self.turns.push(Turn { at: now, inputs })),
        };
        self.has_failed = done.is_err();
        (self.at, self.is_due) = (now, true);
        true
    }

    /// Returns whether all that was noted is kept, and nothing else is to be done.
    pub(crate) fn is_kept(&self) -> bool {
        !self.is_due
    }

    /// Keeps what was noted, and goes on with a snapshot where one is due.
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

    /// Notes that time has passed: something may have to be done.
    pub(crate) fn tick(&mut self, now: Millis) {
        if self.next_due().is_some_and(|due| due <= now) {
            self.at = self.at.max(now);
            self.is_due = true;
        }
    }

    /// Appends what it counts.
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

    /// Begins a snapshot of the State, or goes on with one. All that was noted is written already.
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
