//! Writes a snapshot, one part at a time, so that the loop is never blocked for long.
//!
//! The parts are those of a copy of State, which is made when the snapshot begins. They are written to a second file; inputs
//! that come meanwhile are written to both files. When the last part is written and synced, the second file replaces the first.
//! At any time, one of the two is there, and complete.

use std::io;

use super::Store;
use super::log::{Log, Turn};
use crate::config::{JOURNAL_PART_MS, Millis};
use crate::state::{Parts, State};

/// A snapshot that is being written.
pub(super) struct Snapshot {
    log: Log,
    parts: Parts,
    pub(super) at: Millis,
    /// When the next part is due.
    pub(super) due: Millis,
}

/// How far a snapshot has come.
pub(super) enum Progress {
    /// There is more to do.
    Partial(Snapshot),
    /// It is complete, and has replaced the current file.
    Done(Log),
}

impl Snapshot {
    /// Begins a snapshot of State as it is now.
    pub(super) fn begin(now: Millis, state: &State, store: &mut dyn Store) -> io::Result<Self> {
        Ok(Self { log: Log::begin(store)?, parts: state.parts(), at: now, due: now + JOURNAL_PART_MS })
    }

    /// Appends turns that came after the snapshot was begun.
    pub(super) fn append_turns(&mut self, turns: &[Turn], store: &mut dyn Store) -> io::Result<()> {
        self.log.append_turns(turns, store)
    }

    /// Writes the next part, if it is due.
    pub(super) fn go_on(mut self, now: Millis, store: &mut dyn Store) -> io::Result<Progress> {
        if now < self.due {
            return Ok(Progress::Partial(self));
        }
        match self.parts.next() {
            Some(part) => {
                self.log.append_part(self.at, &part, store)?;
                self.log.sync(store)?; // each part alone: syncing all at the end would take longer than a turn may
                self.due = now + JOURNAL_PART_MS;
                Ok(Progress::Partial(self))
            }
            None => {
                self.log.take_place(store)?;
                Ok(Progress::Done(self.log))
            }
        }
    }

    /// Writes all parts that are left.
    pub(super) fn finish(mut self, store: &mut dyn Store) -> io::Result<Log> {
        for part in self.parts {
            self.log.append_part(self.at, &part, store)?;
        }
        self.log.take_place(store)?;
        Ok(self.log)
    }
}
