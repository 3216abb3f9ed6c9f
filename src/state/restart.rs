//! What a start of the process changes, where State is older than the process.

use super::event::Emit;
use super::{Rules, State};
use crate::config::Millis;

impl State {
    /// Ends what depended on connections of the process before: chats are locked, staff are offline, users are away. Users
    /// who were away already have their whole time again, since there was no desk to come back to.
    pub(super) fn starts(&mut self, now: Millis, rules: Rules, out: &mut impl Emit) {
        self.rules = rules;
        for conn in self.owners.conns() {
            self.leaves(now, conn, out);
        }
        self.renew_grace(now);
    }
}
