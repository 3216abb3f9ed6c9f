//! Options and limits of the journal.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{KIB, Millis, SECOND};

/// Bytes of a journal behind its snapshot, beyond which another snapshot takes their place, unless the snapshot itself is
/// larger. They are replayed in about half a second.
pub const JOURNAL_BYTES_MAX: u64 = 16 * 1024 * KIB as u64;
/// After so long a snapshot takes the place of the inputs before it, however few: what has been confirmed does not stay on the
/// disk for longer.
pub const JOURNAL_AGE_MS: Millis = 15 * 60 * SECOND;
/// Between two syncs with `--journal-sync second`.
pub const JOURNAL_SYNC_MS: Millis = SECOND;

/// Where tickets are kept over a restart, and how well.
#[derive(Debug, Default, Args)]
pub struct JournalOptions {
    /// File that keeps tickets over a restart; it holds texts
    #[arg(long, env = "DESKWIRE_JOURNAL", value_name = "FILE")]
    pub journal: Option<PathBuf>,
    /// What a power cut may take: nothing that was confirmed, or the last second of it
    #[arg(long, env = "DESKWIRE_JOURNAL_SYNC", value_enum, default_value_t, value_name = "WHEN")]
    pub journal_sync: JournalSync,
}

/// How a journal is kept.
#[derive(Clone, Copy, Debug)]
pub struct JournalRules {
    /// When it is synced.
    pub sync: JournalSync,
    /// Bytes behind the snapshot, beyond which there is another one.
    pub bytes_max: u64,
    /// The age of what is behind the snapshot, beyond which there is another one.
    pub age_ms: Millis,
}

impl JournalRules {
    /// Returns the rules with which a desk runs.
    pub fn with(sync: JournalSync) -> Self {
        Self { sync, bytes_max: JOURNAL_BYTES_MAX, age_ms: JOURNAL_AGE_MS }
    }
}

/// When what was written is synced to the disk. The end of the process alone loses nothing either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum JournalSync {
    /// At the end of each turn of the loop, before anything is sent.
    #[default]
    Turn,
    /// Once a second.
    Second,
}
