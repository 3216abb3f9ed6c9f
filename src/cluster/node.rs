//! A node: how it joins its desk, how it applies each entry of the log, and when it has to join again.
//!
//! This module knows neither sockets nor the clock. Its input is answers of Redis and times, and its output is commands to
//! Redis and changes of the desk. So the tests can connect nodes to a log in memory, which fails as Redis can fail.
//!
//! | phase | ends when |
//! | --- | --- |
//! | `Away` | there are connections to Redis |
//! | `Joining`: has asked for a number and the snapshot | they have come |
//! | `Replaying`: reads the entries after the snapshot | the log has no more |
//! | `Starting`: has appended the entry `Starts` | that is read back |
//! | `Serving` | the others have removed this node; the log is not the one that it has read; it has read no entry of its own for 10 s |
//!
//! If a connection to Redis fails before a node serves, the node is `Away` and begins again. While a node serves, it survives
//! the failure of its connections: it connects again, checks that the log still has the last entry that it has read, and
//! continues.

mod entries;

use log::{error, info, warn};

use super::appends::Appends;
use super::clock::LogClock;
use super::command::{Answer, Command};
use super::duties::Duties;
#[cfg(test)]
use super::entry::EntryId;
use super::entry::Position;
use super::members::Members;
use super::snapshot::{self, Unusable};
use crate::config::{LOG_AWAY_MS, Millis, NODE_SUSPENDED_MS, NODE_TICK_MS, REDIS_ANSWER_MS};
use crate::ids::NodeId;
use crate::net::close::CloseReason;
use crate::protocol::close;
use crate::state::{Input, Rules, State};

/// The desk that a node is a part of.
pub(crate) trait Host {
    /// Returns State.
    fn state(&self) -> &State;
    /// Replaces State by this one, in which this process has this number.
    fn restore(&mut self, state: State, own: NodeId);
    /// Applies an input to State. `by` is the node that has appended it; `None` for what follows from the log itself.
    fn apply(&mut self, at: Millis, input: &Input<'_>, by: Option<NodeId>);
    /// Closes all connections of this process.
    fn close_all(&mut self, why: CloseReason);
    /// Is called after an entry was applied, with all that follows from it.
    fn applied(&mut self, _at: &Position) {}
}

/// The phase of a node, as in the table above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Away,
    Joining,
    Replaying,
    Starting,
    Serving,
}

/// Whether the connections to Redis can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Links {
    Down,
    /// They are connected, and this many checks of Redis and of its log have not been answered yet.
    Checking(u8),
    Up,
}

/// This process as a part of its desk.
pub(super) struct Node {
    rules: Rules,
    nonce: u64,
    /// The snapshot of an empty desk, which is stored if there is none.
    fresh: Vec<u8>,
    phase: Phase,
    links: Links,
    own: NodeId,
    members: Members,
    /// The last entry that was applied.
    position: Position,
    /// How many times there were connections to Redis.
    connections: u64,
    clock: LogClock,
    /// When an entry of its own was last read back, or the first was appended.
    own_read_at: Millis,
    appended_at: Millis,
    /// The time of the last call of `tick`.
    ticked_at: Millis,
    /// Entries made before this count as made at this time. It is set when the process continues after it was suspended.
    resumed_at: Millis,
    appends: Appends,
    duties: Duties,
    commands: Vec<Command>,
    // For the metrics.
    pub(super) entries_applied: u64,
    pub(super) joins: u64,
}

impl Node {
    /// Makes a node. If there is no desk yet, it begins with `state`. `nonce` is random.
    ///
    /// # Errors
    /// The State cannot be serialised.
    pub(super) fn new(rules: Rules, state: &State, nonce: u64) -> serde_json::Result<Self> {
        Ok(Self {
            rules,
            nonce,
            fresh: snapshot::write(state, &Members::default())?,
            phase: Phase::Away,
            links: Links::Down,
            own: NodeId::HERE,
            members: Members::default(),
            position: Position::default(),
            connections: 0,
            clock: LogClock::default(),
            own_read_at: 0,
            appended_at: 0,
            ticked_at: 0,
            resumed_at: 0,
            appends: Appends::default(),
            duties: Duties::default(),
            commands: Vec::new(),
            entries_applied: 0,
            joins: 0,
        })
    }

    /// Returns whether connections of clients are accepted: the node serves, and can append to the log.
    pub(super) fn is_serving(&self) -> bool {
        self.phase == Phase::Serving && self.links == Links::Up
    }

    /// Returns whether this node is the keeper, which does what one node has to do for all.
    pub(super) fn is_keeper(&self) -> bool {
        self.phase == Phase::Serving && self.members.keeper() == Some(self.own)
    }

    /// Returns whether this node is no part of its desk. No client is connected then.
    pub(super) fn is_away(&self) -> bool {
        self.phase == Phase::Away
    }

    /// Returns the number of this node, if it serves.
    pub(super) fn number(&self) -> Option<NodeId> {
        (self.phase == Phase::Serving).then_some(self.own)
    }

    /// Returns whether the connections to Redis are still wanted.
    pub(super) fn has_links(&self) -> bool {
        self.links != Links::Down
    }

    pub(super) fn snapshots(&self) -> u64 {
        self.duties.snapshots
    }

    pub(super) fn members(&self) -> usize {
        self.members.len()
    }

    pub(super) fn appends(&self) -> &Appends {
        &self.appends
    }

    /// Returns the last entry that was applied.
    #[cfg(test)]
    pub(super) fn position(&self) -> EntryId {
        self.position.id
    }

    /// Sets how often snapshots and digests are made.
    #[cfg(test)]
    pub(super) fn set_duties(&mut self, rules: super::duties::DutyRules) {
        self.duties.rules = rules;
    }

    /// Returns whether more inputs may come.
    pub(super) fn has_capacity(&self) -> bool {
        self.appends.has_capacity()
    }

    /// Takes an input of a connection of this process. It is applied once it was read back from the log.
    pub(super) fn submit(&mut self, input: &Input<'_>) {
        // In any other phase all connections are being closed, and State does not have them.
        if self.phase == Phase::Serving {
            self.appends.note(input);
        }
    }

    /// Takes the commands for Redis.
    pub(super) fn take_commands(&mut self) -> Vec<Command> {
        std::mem::take(&mut self.commands)
    }

    /// Appends the inputs that wait, as long as not too many entries are unanswered.
    pub(super) fn append(&mut self, now: Millis) {
        while self.is_serving()
            && let Some(entry) = self.appends.next(now)
        {
            self.appended_at = now;
            self.commands.push(Command::Append(entry, self.tag()));
        }
    }

    /// Returns the tag of the entries that are appended over this connection. No other connection of any node has it.
    fn tag(&self) -> String {
        format!("{:x}.{}", self.nonce, self.connections)
    }

    /// Handles that there are new connections to Redis.
    pub(super) fn connected(&mut self) {
        self.connections += 1;
        self.commands.push(Command::Role);
        if self.phase == Phase::Serving {
            self.links = Links::Checking(2);
            self.commands.push(Command::Find(self.position.id));
        } else {
            self.links = Links::Up;
            self.phase = Phase::Joining;
            self.commands.push(Command::Join(self.fresh.clone(), self.tag()));
        }
    }

    /// Handles that the connections to Redis are gone.
    pub(super) fn disconnected(&mut self) {
        self.links = Links::Down;
        self.commands.clear();
        self.duties.disconnected();
        self.appends.send_again();
        if self.phase != Phase::Serving {
            self.phase = Phase::Away;
        }
    }

    /// Handles an answer of Redis.
    ///
    /// # Errors
    /// The desk in Redis cannot be used by this process.
    pub(super) fn answer(
        &mut self,
        now: Millis,
        answer: Answer<'_>,
        host: &mut impl Host,
    ) -> Result<(), Unusable> {
        match answer {
            Answer::Master => self.checked(),
            Answer::Joined { node, at, snapshot, is_new } => {
                self.joined(node, (at, snapshot), is_new, host)?;
            }
            Answer::Appended => self.appends.answered(),
            Answer::Stored(is_stored) => self.duties.stored(now, is_stored),
            Answer::Found(tag) if tag == Some(&self.position.tag) => self.checked(),
            Answer::Found(_) if self.phase == Phase::Serving => {
                let (own, id) = (self.own, self.position.id);
                error!("node {own}: entry {id} is missing in the log in Redis, and maybe others are too");
                self.rejoin(close::NODE_RESTARTS, host);
            }
            Answer::Found(_) => {} // the node has left its desk since it asked
            Answer::Entries(entries, may_be_more) => self.read(now, &entries, may_be_more, host),
            Answer::Failed(why) => {
                warn!("Redis: {why}");
                self.reconnect();
            }
        }
        self.append(now);
        Ok(())
    }

    /// Does what is due.
    pub(super) fn tick(&mut self, now: Millis, host: &mut impl Host) {
        // If this process was suspended, the log may well have its entries, and they only have to be read.
        if self.ticked_at + NODE_SUSPENDED_MS <= now {
            self.resumed_at = (now + REDIS_ANSWER_MS).saturating_sub(LOG_AWAY_MS);
            self.own_read_at = self.own_read_at.max(self.resumed_at);
        }
        self.ticked_at = now;
        if self.away_due().is_some_and(|due| due <= now) {
            error!("node {}: has read no entry of its own for {} s", self.own, LOG_AWAY_MS / 1000);
            return self.rejoin(close::LOG_AWAY, host);
        }
        if !self.is_serving() {
            return;
        }
        if let Some(taken) = self.duties.take_digest() {
            self.appends.make_turn(now, (false, Some(taken)));
        }
        if self.is_keeper() {
            self.commands.extend(self.duties.snapshot(now, &self.position, host.state(), &self.members));
            if self.duties.is_digest_due(now) {
                self.appends.make_turn(now, (true, None));
            }
        }
        if self.tick_due(host.state()).is_some_and(|due| due <= now) {
            self.appends.make_turn(now, (false, None));
        }
        self.append(now);
    }

    /// Returns when `tick` has something to do.
    pub(super) fn next_due(&self, state: &State) -> Option<Millis> {
        let (tick, duties) = match self.is_serving() {
            true => (self.tick_due(state), self.duties.next_due(self.is_keeper())),
            false => (None, None),
        };
        self.away_due().into_iter().chain(tick).chain(duties).min()
    }

    /// When this node has to leave its desk, unless an entry of its own is read back before.
    fn away_due(&self) -> Option<Millis> {
        if !matches!(self.phase, Phase::Starting | Phase::Serving) {
            return None;
        }
        // A node that is further behind might miss entries that are trimmed.
        let oldest = self.appends.oldest().filter(|_| self.is_serving());
        let late = oldest.map(|made_at| made_at.max(self.resumed_at) + LOG_AWAY_MS);
        Some((self.own_read_at + LOG_AWAY_MS).min(late.unwrap_or(Millis::MAX)))
    }

    /// When a turn without inputs is due. None is needed while other turns are on their way to the log, since they bring
    /// the time forward as well.
    fn tick_due(&self, state: &State) -> Option<Millis> {
        if !self.appends.is_empty() {
            return None;
        }
        let alive = self.appended_at + NODE_TICK_MS;
        let due = state.next_due().filter(|_| self.is_keeper()).map(|due| self.clock.here(due));
        Some(due.map_or(alive, |due| due.min(alive)))
    }

    fn joined(
        &mut self,
        node: NodeId,
        (at, text): (Position, &str),
        is_new: bool,
        host: &mut impl Host,
    ) -> Result<(), Unusable> {
        let (state, members) = snapshot::read(text)?;
        if is_new && self.joins > 0 {
            error!("the desk has disappeared from Redis: node {node} begins a new one");
        } else {
            info!("node {node} joins {}", if is_new { "a new desk" } else { "its desk" });
        }
        host.restore(state, node);
        self.joins += 1;
        (self.own, self.members) = (node, members);
        self.appends = Appends::of(node);
        self.duties = self.duties.restarted();
        self.phase = Phase::Replaying;
        self.commands.push(Command::Replay(at.id));
        self.position = at;
        Ok(())
    }

    /// Notes that a check of the connections has succeeded.
    fn checked(&mut self) {
        self.links = match self.links {
            Links::Checking(1) => {
                self.commands.push(Command::Read(self.position.id));
                Links::Up
            }
            Links::Checking(missing) => Links::Checking(missing - 1),
            other => other,
        };
    }

    /// Closes the connections of all clients, and leaves the desk. The node joins it again over new connections to Redis.
    fn rejoin(&mut self, why: CloseReason, host: &mut impl Host) {
        host.close_all(why);
        self.phase = Phase::Away;
        self.appends = Appends::default(); // the connections that these inputs came from are closed
        self.reconnect();
    }

    /// Drops the connections to Redis, and all commands that were sent over them.
    fn reconnect(&mut self) {
        self.disconnected();
        self.commands.push(Command::Reconnect);
    }
}
