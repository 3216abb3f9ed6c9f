//! The journal's part of the command line.

use std::io::ErrorKind;
use std::path::Path;

use log::info;

use deskwire::clock::Clock;
use deskwire::config::{JournalOptions, JournalRules};
use deskwire::desk::Desk;
use deskwire::journal::{FileStore, History, report};

use crate::{Failure, say, trouble};

/// Makes the desk continue from its journal, if the options name one. Returns it with the clock, which starts no earlier
/// than the journal's last entry.
pub(crate) fn go_on(mut desk: Desk, options: &JournalOptions) -> Result<(Desk, Clock), Failure> {
    let Some(path) = &options.journal else { return Ok((desk, Clock::start(0))) };
    let mistake = |why: &str| Failure::Mistake(format!("--journal {}: {why}", path.display()));
    let (store, bytes) = FileStore::open(path).map_err(|error| match error.kind() {
        ErrorKind::ResourceBusy => mistake("another process uses it"),
        _ => mistake(&error.to_string()),
    })?;
    // An empty file is new: made just now, or by the operator.
    let history = if bytes.is_empty() { None } else { Some(History::read(&bytes)) };
    let history = history.transpose().map_err(|why| mistake(&why.to_string()))?;
    let clock = Clock::start(history.as_ref().map_or(0, |history| history.at));
    match &history {
        Some(history) => {
            let (counts, torn) = (history.state.counts(), history.torn_bytes);
            let tickets = counts.tickets_waiting + counts.tickets_active + counts.tickets_paused;
            info!("journal {}: {tickets} tickets, {} turns replayed", path.display(), history.turns);
            if torn > 0 {
                info!("journal: {torn} bytes of a last write that was interrupted are dropped");
            }
        }
        None => info!("journal {}: new", path.display()),
    }
    desk.keep_in(store, JournalRules::with(options.journal_sync), history, clock.now())
        .map_err(|error| trouble(format!("--journal {}: {error}", path.display())))?;
    Ok((desk, clock))
}

/// Checks a journal, and prints what is in it. The desk that writes it may keep running.
pub(crate) fn print(path: &Path, with_texts: bool) -> Result<(), Failure> {
    let mistake = |why: String| Failure::Mistake(format!("{}: {why}", path.display()));
    let bytes = std::fs::read(path).map_err(|error| mistake(error.to_string()))?;
    say(&report(&bytes, with_texts).map_err(|why| mistake(why.to_string()))?)
}
