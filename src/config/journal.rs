//! Options and limits of the journal.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{KIB, Millis, SECOND};

/// The size of the inputs after a journal's snapshot, in bytes, at which a new snapshot replaces them, unless the
/// snapshot itself is larger. It takes about half a second to replay this much.
pub const JOURNAL_BYTES_MAX: u64 = 16 * 1024 * KIB as u64;
/// The age of the inputs after a journal's snapshot at which a new snapshot replaces them, however few they are.
/// Messages that have been confirmed do not stay on the disk for longer.
pub const JOURNAL_AGE_MS: Millis = 15 * 60 * SECOND;
/// The time between two parts of a snapshot that is being written, so that the loop has most of the time for other things.
/// 10,000 tickets are about 80 parts.
pub const JOURNAL_PART_MS: Millis = 5;
/// The longest first line of a journal, in bytes. Any version's fits; in a file that is no journal, the search for its end
/// stops here.
pub const JOURNAL_HEADER_BYTES_MAX: usize = 100;
/// The time between two syncs with `--journal-sync second`.
pub const JOURNAL_SYNC_MS: Millis = SECOND;

/// Where tickets are kept across restarts, and how safely.
#[derive(Debug, Default, Args)]
pub struct JournalOptions {
    /// File that keeps tickets across restarts; it contains the texts of chats
    #[arg(long, env = "DESKWIRE_JOURNAL", value_name = "FILE")]
    pub journal: Option<PathBuf>,
    /// What a power cut may lose: nothing that was confirmed, or the last second of it
    #[arg(long, env = "DESKWIRE_JOURNAL_SYNC", value_enum, default_value_t, value_name = "WHEN")]
    pub journal_sync: JournalSync,
}

/// When a journal is synced, and when it gets a new snapshot.
#[derive(Clone, Copy, Debug)]
pub struct JournalRules {
    /// When the journal is synced.
    pub sync: JournalSync,
    /// The size of the inputs after the snapshot at which there is a new one.
    pub bytes_max: u64,
    /// The age of the inputs after the snapshot at which there is a new one.
    pub age_ms: Millis,
}

impl JournalRules {
    /// Returns the rules of a desk that syncs in this way.
    pub fn with(sync: JournalSync) -> Self {
        Self { sync, bytes_max: JOURNAL_BYTES_MAX, age_ms: JOURNAL_AGE_MS }
    }
}

/// When the journal is synced to the disk. A crash of the process alone loses nothing in either case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum JournalSync {
    /// At the end of each turn of the loop, before anything is sent.
    #[default]
    Turn,
    /// Once a second.
    Second,
}
