//! What changes in State when a process starts or ends. State may be older than the process, or outlive it.

use super::event::Emit;
use super::{Rules, State};
use crate::config::Millis;
use crate::ids::NodeId;

impl State {
    /// Ends what depended on the connections of the earlier process: staff go offline, their chats are locked, and
    /// users are away. Every absent user has the whole grace time again, since there was no desk to come back to.
    pub(super) fn starts(&mut self, now: Millis, rules: Rules, out: &mut dyn Emit) {
        self.rules = rules;
        for conn in self.owners.conns() {
            self.leaves(now, conn, out);
        }
        self.renew_grace(now);
    }

    /// Takes over the rules of a node that has started. If it is the only node, every absent user has the whole grace
    /// time again, as in `starts`.
    pub(super) fn node_starts(&mut self, now: Millis, rules: Rules, is_only: bool) {
        self.rules = rules;
        if is_only {
            self.renew_grace(now);
        }
    }

    /// Ends what depended on the connections of a node that has ended.
    pub(super) fn node_ends(&mut self, now: Millis, node: NodeId, out: &mut dyn Emit) {
        for conn in self.owners.conns_of(node) {
            self.leaves(now, conn, out);
        }
    }
}
