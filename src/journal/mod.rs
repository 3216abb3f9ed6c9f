//! What State is given, kept: in a file, so that a desk survives its process.
//!
//! State is a function of its inputs, so that a snapshot of it and the inputs since are all that has to be kept. The inputs
//! of a turn are one line, written before anything is sent that they have caused. From time to time a new snapshot takes the
//! place of everything before it.
//!
//! A database would do the same with more: redb syncs with each commit or, without, loses what is not synced when the process
//! is killed, and a damaged file can end the process in it. A file that is only appended to needs neither index nor recovery.
//!
//! | file | its part |
//! | --- | --- |
//! | line | lines and their hashes |
//! | history | a journal that is read, and replayed |
//! | file | the file: its lock, its syncs, how it is replaced |
//! | report | what `deskwire journal` prints |

mod file;
mod history;
mod line;
mod report;
#[cfg(test)]
mod tests;

use std::io;
use std::time::Instant;

pub use self::file::FileStore;
pub use self::history::{History, Unusable};
use self::line::Chain;
pub use self::report::report;
use crate::config::{JOURNAL_SYNC_MS, JournalRules, JournalSync, Millis};
use crate::metrics::{Histogram, Micros, Page};
use crate::state::{Input, State};

/// Where the bytes of a journal are kept.
pub trait Store {
    /// Appends bytes. They survive the end of the process.
    ///
    /// # Errors
    /// They may have been appended in part.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Makes all that was appended survive a power cut.
    ///
    /// # Errors
    /// It is not known what has.
    fn sync(&mut self) -> io::Result<()>;

    /// Puts these bytes in the place of all others, and makes them survive a power cut. There are the old ones or the new ones
    /// at any time.
    ///
    /// # Errors
    /// There are the old ones or the new ones.
    fn replace(&mut self, bytes: &[u8]) -> io::Result<()>;
}

/// A journal that is being written.
pub struct Journal {
    store: Box<dyn Store>,
    rules: JournalRules,
    chain: Chain,
    /// What the snapshot takes, all that was written, and all that was synced, in bytes.
    snapshot_bytes: u64,
    written_bytes: u64,
    synced_bytes: u64,
    snapshot_at: Millis,
    /// When the first of what is not synced was written.
    unsynced_since: Option<Millis>,
    /// The inputs of this turn, as the inside of a JSON array, and when they came.
    inputs: Vec<u8>,
    at: Millis,
    /// Lines that are to be written.
    lines: Vec<u8>,
    /// Something is to be kept or synced, or a snapshot is due.
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
        let mut journal = Self {
            store: Box::new(store),
            rules,
            chain: Chain::start(""),
            snapshot_bytes: 0,
            written_bytes: 0,
            synced_bytes: 0,
            snapshot_at: now,
            unsynced_since: None,
            inputs: Vec::new(),
            at: now,
            lines: Vec::new(),
            is_due: false,
            has_failed: false,
            snapshots: 0,
            keep_times: Histogram::default(),
        };
        journal.write_snapshot(state)?;
        Ok(journal)
    }

    /// Notes an input that State is about to be given. Returns whether it may be: not after something could not be kept.
    pub(crate) fn note(&mut self, now: Millis, input: &Input<'_>) -> bool {
        if self.has_failed {
            return false;
        }
        if now != self.at && !self.inputs.is_empty() {
            self.finish_line();
        }
        self.at = now;
        if !self.inputs.is_empty() {
            self.inputs.push(b',');
        }
        self.has_failed = serde_json::to_writer(&mut self.inputs, input).is_err();
        self.is_due = true;
        true
    }

    /// Returns whether all that was noted is kept, and nothing else is to be done.
    pub(crate) fn is_kept(&self) -> bool {
        !self.is_due
    }

    /// Keeps what was noted. Where a snapshot is due, that holds it.
    pub(crate) fn keep(&mut self, state: &State) -> io::Result<()> {
        let started = Instant::now();
        let done = if self.wants_snapshot() { self.write_snapshot(state) } else { self.write_turn() };
        self.keep_times.count_span(started.elapsed());
        self.is_due = false;
        self.has_failed |= done.is_err();
        done
    }

    /// Returns when `tick` has something to do.
    pub(crate) fn next_due(&self) -> Option<Millis> {
        let sync = self.unsynced_since.map(|since| since + JOURNAL_SYNC_MS);
        let snapshot =
            (self.written_bytes > self.snapshot_bytes).then_some(self.snapshot_at + self.rules.age_ms);
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
        page.family("deskwire_journal_bytes", "gauge", "Size of the journal.").value(self.written_bytes);
        page.family("deskwire_journal_snapshots_total", "counter", "Snapshots written to the journal.")
            .value(self.snapshots);
        let help = "Time the loop waits for the journal, by turn, including snapshots.";
        self.keep_times.append(page.family("deskwire_journal_keep_duration_seconds", "histogram", help));
    }

    fn wants_snapshot(&self) -> bool {
        let behind = self.written_bytes - self.snapshot_bytes;
        behind > self.rules.bytes_max.max(self.snapshot_bytes)
            || (behind > 0 && self.at >= self.snapshot_at + self.rules.age_ms)
    }

    /// Makes a line of the inputs so far.
    fn finish_line(&mut self) {
        if self.inputs.is_empty() {
            return;
        }
        let (mut at, mut synced) = (itoa::Buffer::new(), itoa::Buffer::new());
        let (at, synced) = (at.format(self.at), synced.format(self.synced_bytes));
        let parts: [&[u8]; 7] = [
            b"{\"at\":",
            at.as_bytes(),
            line::SYNCED,
            synced.as_bytes(),
            b",\"inputs\":[",
            &self.inputs,
            b"]}",
        ];
        self.chain.append(&parts.concat(), &mut self.lines);
        self.inputs.clear();
    }

    fn write_turn(&mut self) -> io::Result<()> {
        if self.has_failed {
            return Err(io::Error::other("an input could not be written as JSON"));
        }
        self.finish_line();
        if !self.lines.is_empty() {
            self.store.append(&self.lines)?;
            self.written_bytes += self.lines.len() as u64;
            self.lines.clear();
            self.unsynced_since.get_or_insert(self.at);
        }
        let is_due = match self.rules.sync {
            JournalSync::Turn => true,
            JournalSync::Second => {
                self.unsynced_since.is_some_and(|since| since + JOURNAL_SYNC_MS <= self.at)
            }
        };
        if is_due && self.unsynced_since.take().is_some() {
            self.store.sync()?;
            self.synced_bytes = self.written_bytes;
        }
        Ok(())
    }

    /// Puts a snapshot of the State in the place of all that was written. What was noted and not written yet is in it.
    fn write_snapshot(&mut self, state: &State) -> io::Result<()> {
        let mut bytes = Vec::new();
        self.chain = history::start(self.at, state, &mut bytes).map_err(io::Error::other)?;
        self.store.replace(&bytes)?;
        self.inputs.clear();
        self.lines.clear();
        self.snapshot_bytes = bytes.len() as u64;
        (self.written_bytes, self.synced_bytes) = (self.snapshot_bytes, self.snapshot_bytes);
        (self.snapshot_at, self.unsynced_since) = (self.at, None);
        self.snapshots += 1;
        Ok(())
    }
}

/// A State's digest, as it is written.
fn digest_text(state: &State) -> String {
    format!("{:016x}", state.digest())
}
