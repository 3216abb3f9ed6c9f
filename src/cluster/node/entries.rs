//! How a node applies the entries that it reads.

use log::{error, info};

use super::{Host, Node, Phase};
use crate::cluster::command::Command;
use crate::cluster::entry::{self, Entry, Record, Turn};
use crate::config::Millis;
use crate::ids::NodeId;
use crate::protocol::close;
use crate::state::{Input, Rules};

impl Node {
    /// Applies the entries of an answer, and asks for more.
    pub(super) fn read(
        &mut self,
        now: Millis,
        mut entries: &[Record<'_>],
        may_be_more: bool,
        host: &mut impl Host,
    ) {
        if self.phase == Phase::Replaying {
            match entries.split_first() {
                Some((first, rest)) if first.id == self.position.id && first.tag == self.position.tag => {
                    entries = rest;
                }
                _ => return self.reconnect(), // the entry was trimmed or lost: a newer snapshot is needed
            }
        }
        for entry in entries {
            self.apply(now, entry, host);
            if self.phase == Phase::Away {
                return;
            }
        }
        if self.phase == Phase::Replaying && !may_be_more {
            self.phase = Phase::Starting;
            self.own_read_at = now;
            let starts = Entry::Starts { node: self.own, nonce: self.nonce, rules: self.rules };
            self.commands.push(Command::Append(entry::write(&starts), self.tag()));
        }
        self.commands.push(match self.phase {
            Phase::Replaying => Command::Replay(self.position.id),
            _ => Command::Read(self.position.id),
        });
    }

    /// Applies an entry. Each node does the same, so that all have the same State after it.
    fn apply(&mut self, now: Millis, entry: &Record<'_>, host: &mut impl Host) {
        let Record { id, tag, text } = *entry;
        let at = id.ms;
        self.position.id = id;
        tag.clone_into(&mut self.position.tag);
        self.clock.note(at, now);
        self.entries_applied += 1;
        self.duties.read(text.len());
        for node in self.members.remove_gone(at) {
            info!("node {node} is gone");
            host.apply(at, &Input::NodeEnds(node), None);
        }
        match serde_json::from_str(text) {
            Ok(Entry::Begins) => {}
            Ok(Entry::Starts { node, nonce, rules }) => self.node_starts(now, at, (node, nonce, rules), host),
            Ok(Entry::Turn(turn)) => self.turn(now, at, turn, host),
            // Each node skips it, so that their States stay the same.
            Err(error) => {
                error!("entry {id} of the log is skipped: it is not valid from byte {} on", error.column());
            }
        }
        if host.state().next_due().is_some_and(|due| due <= at) {
            host.apply(at, &Input::Tick, None);
        }
        host.applied(&self.position);
        // A node that replays has nothing to compare: its State is from the log.
        let has_diverged = self.phase == Phase::Serving && self.duties.has_diverged(id, host.state());
        if self.phase == Phase::Serving && !self.members.contains(self.own) {
            error!(
                "node {}: the others have removed it, since it has appended nothing for too long",
                self.own
            );
            self.rejoin(close::NODE_RESTARTS, host);
        } else if has_diverged {
            error!("node {}: its State differs from that of most nodes, by entry {id}", self.own);
            self.rejoin(close::NODE_RESTARTS, host);
        }
    }

    fn node_starts(
        &mut self,
        now: Millis,
        at: Millis,
        (node, nonce, rules): (NodeId, u64, Rules),
        host: &mut impl Host,
    ) {
        let is_only = self.members.len() == 0;
        if !self.members.add(node, at) {
            if (node, nonce, self.phase) == (self.own, self.nonce, Phase::Starting) {
                self.reconnect(); // another node has this number, since Redis has lost its counter
            }
            return;
        }
        host.apply(at, &Input::NodeStarts { rules, is_only }, None);
        if node != self.own {
            info!("node {node} has joined");
        } else if nonce != self.nonce {
            self.reconnect(); // as above
        } else if self.phase == Phase::Starting {
            info!("node {node} serves; the desk has {} nodes", self.members.len());
            self.phase = Phase::Serving;
            (self.own_read_at, self.appended_at) = (now, now);
            self.duties.start(now);
        }
    }

    fn turn(&mut self, now: Millis, at: Millis, turn: Turn<'_>, host: &mut impl Host) {
        if !self.members.count_turn(turn.node, turn.n, at) {
            return;
        }
        for mut input in turn.inputs {
            if input.name_node(turn.node) {
                host.apply(at, &input, Some(turn.node));
            }
        }
        if self.phase != Phase::Serving {
            return;
        }
        self.duties.turn(turn.node, turn.takes_digest, turn.digest);
        if turn.node == self.own {
            self.own_read_at = now;
            self.appends.read_back(turn.n);
        }
    }
}
