//! A node's life: how it joins its desk, what it makes of each entry of the log, and when it has to begin anew.
//!
//! Nothing here knows of sockets or of the clock: answers of Redis and times come in, commands to Redis and changes of the desk
//! go out. So the tests join nodes by a log in memory, which fails as Redis can fail.
//!
//! | life | leaves by |
//! | --- | --- |
//! | `Away` | connections to Redis |
//! | `Joining`: asks for a number and the snapshot | them |
//! | `Replaying`: reads the entries behind it | the end of the log |
//! | `Starting`: has appended that it is there | reading that |
//! | `Serving` | reading of its own end; a log that is not the one it has read; nothing of its own read for 10 s |
//!
//! Whenever something is lost before a node serves, it is `Away` and begins again. While it serves, connections to Redis may be
//! lost: over new ones it first makes sure that the log still has what it has read, and goes on.

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
use crate::config::{LOG_AWAY_MS, Millis, NODE_TICK_MS, REDIS_ANSWER_MS};
use crate::ids::NodeId;
use crate::net::close::CloseReason;
use crate::protocol::close;
use crate::state::{Input, Rules, State};

/// The desk that a node is a part of.
pub(crate) trait Host {
    /// Returns the State.
    fn state(&self) -> &State;
    /// Takes another State, in which this process is the node of this number.
    fn restore(&mut self, state: State, own: NodeId);
    /// Applies an input to the State. It is of that node, or of the log itself.
    fn apply(&mut self, at: Millis, input: &Input<'_>, by: Option<NodeId>);
    /// Closes all connections of this process.
    fn close_all(&mut self, why: CloseReason);
    /// An entry was applied, with all that follows from it.
    fn applied(&mut self, _at: &Position) {}
}

/// `tick` is called more often than this, in any life: each wait for Redis is shorter.
const STOOD_STILL_MS: Millis = REDIS_ANSWER_MS + NODE_TICK_MS;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    Away,
    Joining,
    Replaying,
    Starting,
    Serving,
}

/// How far the connections to Redis are to be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Links {
    Down,
    /// They are there, and so many answers are missing that say whether to go on over them.
    Checking(u8),
    Up,
}

/// A process as a part of a desk.
pub(super) struct Node {
    rules: Rules,
    nonce: u64,
    /// The snapshot of a desk that begins.
    fresh: Vec<u8>,
    life: Life,
    links: Links,
    own: NodeId,
    members: Members,
    /// Behind the last entry that was applied.
    position: Position,
    /// Counts connections to Redis.
    connections: u64,
    clock: LogClock,
    /// When an entry of its own was read, or it was about to append the first.
    heard_at: Millis,
    appended_at: Millis,
    /// When `tick` was called last.
    ticked_at: Millis,
    /// Where this process has stood still, this counts as the time of what is older.
    woke_at: Millis,
    appends: Appends,
    duties: Duties,
    commands: Vec<Command>,
    /// What /metrics tells.
    pub(super) entries_applied: u64,
    pub(super) joins: u64,
}

impl Node {
    /// Makes a node of a desk that begins as `state`, if it does not exist. `nonce` is random.
    ///
    /// # Errors
    /// The State cannot be written.
    pub(super) fn new(rules: Rules, state: &State, nonce: u64) -> serde_json::Result<Self> {
        Ok(Self {
            rules,
            nonce,
            fresh: snapshot::write(state, &Members::default())?,
            life: Life::Away,
            links: Links::Down,
            own: NodeId::HERE,
            members: Members::default(),
            position: Position::default(),
            connections: 0,
            clock: LogClock::default(),
            heard_at: 0,
            appended_at: 0,
            ticked_at: 0,
            woke_at: 0,
            appends: Appends::default(),
            duties: Duties::default(),
            commands: Vec::new(),
            entries_applied: 0,
            joins: 0,
        })
    }

    /// Returns whether connections are let in, and what they ask for has a way into the log.
    pub(super) fn is_serving(&self) -> bool {
        self.life == Life::Serving && self.links == Links::Up
    }

    /// Returns whether it does what one node has to do.
    pub(super) fn is_keeper(&self) -> bool {
        self.life == Life::Serving && self.members.keeper() == Some(self.own)
    }

    /// Returns its number; none before it has one.
    pub(super) fn number(&self) -> Option<NodeId> {
        (self.life == Life::Serving).then_some(self.own)
    }

    /// Returns whether it counts on its connections to Redis.
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

    /// Has snapshots and digests come more often.
    #[cfg(test)]
    pub(super) fn set_duties(&mut self, rules: super::duties::DutyRules) {
        self.duties.rules = rules;
    }

    /// Returns whether more inputs may come.
    pub(super) fn has_capacity(&self) -> bool {
        self.appends.has_capacity()
    }

    /// Takes an input of a connection of this process. It comes back by the log.
    pub(super) fn submit(&mut self, input: &Input<'_>) {
        // Otherwise the connection is being closed, and nobody knows it by this number.
        if self.life == Life::Serving {
            self.appends.note(input);
        }
    }

    /// Takes what is to be asked of Redis.
    pub(super) fn take_commands(&mut self) -> Vec<Command> {
        std::mem::take(&mut self.commands)
    }

    /// Appends what has come, as far as it may be appended now.
    pub(super) fn append(&mut self, now: Millis) {
        while self.is_serving()
            && let Some(entry) = self.appends.next(now)
        {
            self.appended_at = now;
            self.commands.push(Command::Append(entry, self.tag()));
        }
    }

    /// What tells an entry from any other that was appended, by any node, over any connection.
    fn tag(&self) -> String {
        format!("{:x}.{}", self.nonce, self.connections)
    }

    /// Both connections to Redis are there, and nothing was asked over them.
    pub(super) fn connected(&mut self) {
        self.connections += 1;
        self.commands.push(Command::Role);
        if self.life == Life::Serving {
            self.links = Links::Checking(2);
            self.commands.push(Command::Find(self.position.id));
        } else {
            self.links = Links::Up;
            self.life = Life::Joining;
            self.commands.push(Command::Join(self.fresh.clone(), self.tag()));
        }
    }

    /// Both connections to Redis have gone.
    pub(super) fn disconnected(&mut self) {
        self.links = Links::Down;
        self.commands.clear();
        self.duties.disconnected();
        self.appends.send_again();
        if self.life != Life::Serving {
            self.life = Life::Away;
        }
    }

    /// Handles an answer.
    ///
    /// # Errors
    /// The desk in Redis is none that this process can be a part of.
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
            Answer::Found(_) if self.life == Life::Serving => {
                let (own, id) = (self.own, self.position.id);
                error!("node {own}: the log in Redis has lost entry {id}, and maybe others");
                self.begin_anew(close::NODE_RESTARTS, host);
            }
            Answer::Found(_) => {} // it was asked in another life
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
        // Where this process has stood still, it is not Redis that was away: what others have made of it is yet to be read.
        if self.ticked_at + STOOD_STILL_MS <= now {
            self.woke_at = (now + REDIS_ANSWER_MS).saturating_sub(LOG_AWAY_MS);
            self.heard_at = self.heard_at.max(self.woke_at);
        }
        self.ticked_at = now;
        if self.away_due().is_some_and(|due| due <= now) {
            error!("node {}: nothing of its own in the log for {} s", self.own, LOG_AWAY_MS / 1000);
            return self.begin_anew(close::LOG_AWAY, host);
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

    /// When the log is too far away for this node to go on: nothing of its own has come back, or what has is too old.
    fn away_due(&self) -> Option<Millis> {
        if !matches!(self.life, Life::Starting | Life::Serving) {
            return None;
        }
        // One who reads so late might miss what is trimmed.
        let oldest = self.appends.oldest().filter(|_| self.is_serving());
        let late = oldest.map(|made_at| made_at.max(self.woke_at) + LOG_AWAY_MS);
        Some((self.heard_at + LOG_AWAY_MS).min(late.unwrap_or(Millis::MAX)))
    }

    /// When an entry is due that nobody has asked for. Not while others are on their way: with each of them time passes.
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
            error!("the desk is not in Redis any more: node {node} begins a new one");
        } else {
            info!("node {node} joins {}", if is_new { "a new desk" } else { "its desk" });
        }
        host.restore(state, node);
        self.joins += 1;
        (self.own, self.members) = (node, members);
        self.appends = Appends::of(node);
        self.duties = self.duties.anew();
        self.life = Life::Replaying;
        self.commands.push(Command::Replay(at.id));
        self.position = at;
        Ok(())
    }

    /// One answer more says that the connections are to be used.
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

    /// Ends this life while connections are open. Over new connections to Redis another one begins.
    fn begin_anew(&mut self, why: CloseReason, host: &mut impl Host) {
        host.close_all(why);
        self.life = Life::Away;
        self.appends = Appends::default(); // the connections that have asked for it are gone
        self.reconnect();
    }

    /// Drops the connections to Redis, with all that was asked over them.
    fn reconnect(&mut self) {
        self.disconnected();
        self.commands.push(Command::Reconnect);
    }
}
