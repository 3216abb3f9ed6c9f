//! A desk that goes on where the process before it has ended.

use std::io;

use super::Desk;
use crate::config::{JournalRules, Millis};
use crate::journal::{History, Journal, Store};
use crate::state::Input;

impl Desk {
    /// Goes on from a history, or from an empty desk, and keeps in `store` what happens from now on. All connections of the
    /// process before have ended with it.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub fn keep_in(
        &mut self,
        store: impl Store + 'static,
        rules: JournalRules,
        history: Option<History>,
        now: Millis,
    ) -> io::Result<()> {
        let start = Input::Starts(self.state.rules());
        if let Some(history) = history {
            self.state = history.state;
        }
        self.state.apply(now, &start, &mut ());
        self.journal = Some(Journal::start(store, rules, now, &self.state)?);
        Ok(())
    }
}
