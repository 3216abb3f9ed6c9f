//! A process: its node, its desk, and its commands and answers on the way to and from the log.

use std::collections::{BTreeSet, VecDeque};

use super::log::Owned;
use crate::cluster::command::Command;
use crate::cluster::entry::Position;
use crate::cluster::node::{Host, Node};
use crate::config::Millis;
use crate::ids::{ConnId, NodeId};
use crate::net::close::CloseReason;
use crate::state::{Input, State, UserCommand};

/// The desk of one process.
pub(super) struct Desk {
    pub(super) state: State,
    pub(super) own: NodeId,
    /// Texts of the messages that were applied since the State was restored.
    pub(super) applied: BTreeSet<String>,
    /// The digest after each entry, until the world has looked at it.
    pub(super) digests: Vec<(Position, u64)>,
    pub(super) closed: u64,
    pub(super) conns: Vec<(ConnId, bool)>,
}

impl Host for Desk {
    fn state(&self) -> &State {
        &self.state
    }

    fn restore(&mut self, state: State, own: NodeId) {
        (self.state, self.own) = (state, own);
        self.applied.clear();
    }

    fn apply(&mut self, at: Millis, input: &Input<'_>, by: Option<NodeId>) {
        if let Input::UserAsks(conn, UserCommand::Message { text, .. }, _) = input {
            assert_eq!(Some(conn.node), by);
            assert!(self.applied.insert(text.as_str().to_owned()), "{} is applied twice", text.as_str());
        }
        self.state.apply(at, input, &mut ());
    }

    fn applied(&mut self, at: &Position) {
        self.digests.push((at.clone(), self.state.digest()));
    }

    fn close_all(&mut self, _: CloseReason) {
        self.closed += 1;
        self.conns.clear();
    }
}

pub(super) struct Process {
    pub(super) node: Node,
    pub(super) desk: Desk,
    pub(super) is_up: bool,
    /// For each connection, the commands that were not executed, and the answers that were not read.
    pub(super) asked: [VecDeque<Command>; 2],
    pub(super) answers: [VecDeque<Owned>; 2],
    pub(super) retry_at: Millis,
    pub(super) suspended_until: Millis,
}
