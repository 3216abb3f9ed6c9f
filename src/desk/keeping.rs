//! A desk that continues where the previous process ended.

use std::io;

use super::Desk;
use crate::config::{JournalRules, Millis};
use crate::journal::{History, Journal, Store};
use crate::state::Input;

impl Desk {
    /// Continues from a history, or starts empty, and records all inputs from now on in `store`. The connections of the
    /// previous process have all ended with it.
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
