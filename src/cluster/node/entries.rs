//! What a node makes of the entries that it reads.

use log::{error, info};

use super::{Host, Life, Node};
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
        if self.life == Life::Replaying {
            match entries.split_first() {
                Some((first, rest)) if first.id == self.position.id && first.tag == self.position.tag => {
                    entries = rest;
                }
                _ => return self.reconnect(), // trimmed or lost; there is another snapshot
            }
        }
        for entry in entries {
            self.apply(now, entry, host);
            if self.life == Life::Away {
                return;
            }
        }
        if self.life == Life::Replaying && !may_be_more {
            self.life = Life::Starting;
            self.heard_at = now;
            let starts = Entry::Starts { node: self.own, nonce: self.nonce, rules: self.rules };
            self.commands.push(Command::Append(entry::write(&starts), self.tag()));
        }
        self.commands.push(match self.life {
            Life::Replaying => Command::Replay(self.position.id),
            _ => Command::Read(self.position.id),
        });
    }

    /// Applies an entry. All nodes do the same at it.
    fn apply(&mut self, now: Millis, entry: &Record<'_>, host: &mut impl Host) {
        let Record { id, tag, text } = *entry;
        let at = id.ms;
        self.position.id = id;
        tag.clone_into(&mut self.position.tag);
        self.clock.note(at, now);
        self.entries_applied += 1;
        self.duties.read(text.len());
        for node in self.members.remove_gone(at) {
            info!("node {node} has gone");
            host.apply(at, &Input::NodeEnds(node), None);
        }
        match serde_json::from_str(text) {
            Ok(Entry::Begins) => {}
            Ok(Entry::Starts { node, nonce, rules }) => self.node_starts(now, at, (node, nonce, rules), host),
            Ok(Entry::Turn(turn)) => self.turn(now, at, turn, host),
            // All nodes skip it alike.
            Err(error) => error!("entry {id} of the log is none of a desk, from byte {}", error.column()),
        }
        if host.state().next_due().is_some_and(|due| due <= at) {
            host.apply(at, &Input::Tick, None);
        }
        host.applied(&self.position);
        // What was said before this node served is of no concern: it has read the log itself.
        let has_diverged = self.life == Life::Serving && self.duties.has_diverged(id, host.state());
        if self.life == Life::Serving && !self.members.contains(self.own) {
            error!("node {}: the others go on without it, since nothing came from it for too long", self.own);
            self.begin_anew(close::NODE_RESTARTS, host);
        } else if has_diverged {
            error!("node {}: its State is not that of most nodes, as found at entry {id}", self.own);
            self.begin_anew(close::NODE_RESTARTS, host);
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
            if (node, nonce, self.life) == (self.own, self.nonce, Life::Starting) {
                self.reconnect(); // Redis has lost that it gave this number away
            }
            return;
        }
        host.apply(at, &Input::NodeStarts { rules, is_only }, None);
        if node != self.own {
            info!("node {node} has come");
        } else if nonce != self.nonce {
            self.reconnect(); // the same
        } else if self.life == Life::Starting {
            info!("node {node} serves, one of {}", self.members.len());
            self.life = Life::Serving;
            (self.heard_at, self.appended_at) = (now, now);
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
        if self.life != Life::Serving {
            return;
        }
        self.duties.turn(turn.node, turn.takes_digest, turn.digest);
        if turn.node == self.own {
            self.heard_at = now;
            self.appends.read_back(turn.n);
        }
    }
}
