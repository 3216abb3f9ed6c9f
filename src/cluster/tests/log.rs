//! A log in memory that answers like Redis.

use crate::cluster::command::{Answer, Command};
use crate::cluster::entry::{Entry, EntryId, Position, Record, write};
use crate::config::Millis;
use crate::ids::NodeId;

/// Few, so that nodes that are behind need several reads.
const READ_ENTRIES_MAX: usize = 5;

/// An entry: its position and its text.
#[derive(Clone)]
pub(super) struct Stored {
    pub(super) at: Position,
    pub(super) text: String,
    /// The last node number that was taken before it.
    nodes: u32,
}

#[derive(Default)]
pub(super) struct Log {
    pub(super) clock: Millis,
    pub(super) entries: Vec<Stored>,
    last: EntryId,
    snapshot: Option<(Position, String)>,
    before: Option<(Position, String)>,
    nodes: u32,
    pub(super) snapshots: u64,
}

/// An answer that owns its texts.
pub(super) enum Owned {
    Master,
    Joined(NodeId, Position, String, bool),
    Appended,
    Stored(bool),
    Found(Option<String>),
    Entries(Vec<Stored>, bool),
}

impl Stored {
    fn borrow(&self) -> Record<'_> {
        Record { id: self.at.id, tag: &self.at.tag, text: &self.text }
    }
}

impl Owned {
    pub(super) fn borrow(&self) -> Answer<'_> {
        match self {
            Self::Master => Answer::Master,
            Self::Joined(node, at, snapshot, is_new) => {
                Answer::Joined { node: *node, at: at.clone(), snapshot, is_new: *is_new }
            }
            Self::Appended => Answer::Appended,
            Self::Stored(is_stored) => Answer::Stored(*is_stored),
            Self::Found(tag) => Answer::Found(tag.as_deref()),
            Self::Entries(entries, more) => {
                Answer::Entries(entries.iter().map(Stored::borrow).collect(), *more)
            }
        }
    }
}

impl Log {
    pub(super) fn new(clock: Millis) -> Self {
        Self { clock, ..Self::default() }
    }

    /// Executes a command; returns `None` while a read waits for entries.
    pub(super) fn execute(&mut self, command: &Command) -> Option<Owned> {
        Some(match command {
            Command::Reconnect => return None,
            Command::Role => Owned::Master,
            Command::Join(fresh, tag) => {
                let is_new = self.snapshot.is_none();
                if is_new {
                    let at = self.append(write(&Entry::Begins), tag);
                    self.snapshot = Some((at, String::from_utf8(fresh.clone()).unwrap()));
                }
                self.nodes += 1;
                let (at, body) = self.snapshot.clone().unwrap();
                Owned::Joined(NodeId(self.nodes), at, body, is_new)
            }
            Command::Append(entry, tag) => {
                self.append(entry.clone(), tag);
                Owned::Appended
            }
            Command::Snapshot(at, body, before) => Owned::Stored(self.store(at, body, *before)),
            Command::Find(id) => {
                let found = self.entries.iter().find(|entry| entry.at.id == *id);
                Owned::Found(found.map(|entry| entry.at.tag.clone()))
            }
            Command::Read(after) => match self.entries.iter().any(|entry| entry.at.id > *after) {
                true => self.page(|id| id > *after),
                false => return None,
            },
            Command::Replay(from) => self.page(|id| id >= *from),
        })
    }

    fn page(&self, is_wanted: impl Fn(EntryId) -> bool) -> Owned {
        let wanted = self.entries.iter().filter(|entry| is_wanted(entry.at.id));
        let entries: Vec<_> = wanted.take(READ_ENTRIES_MAX).cloned().collect();
        let may_be_more = entries.len() == READ_ENTRIES_MAX;
        Owned::Entries(entries, may_be_more)
    }

    fn append(&mut self, entry: Vec<u8>, tag: &str) -> Position {
        let ms = self.clock.max(self.last.ms);
        let seq = if ms == self.last.ms { self.last.seq + 1 } else { 0 };
        self.last = EntryId { ms, seq };
        let at = Position { id: self.last, tag: tag.to_owned() };
        self.entries.push(Stored {
            at: at.clone(),
            text: String::from_utf8(entry).unwrap(),
            nodes: self.nodes,
        });
        at
    }

    fn has(&self, at: &Position) -> bool {
        self.entries.iter().any(|entry| entry.at == *at)
    }

    fn store(&mut self, at: &Position, body: &[u8], before: Millis) -> bool {
        let Some((old, _)) = &self.snapshot else { return false };
        let old = old.id;
        if at.id <= old || !self.has(at) {
            return false;
        }
        self.entries.retain(|entry| entry.at.id >= old || entry.at.id.ms >= before);
        self.before = self.snapshot.replace((at.clone(), String::from_utf8(body.to_vec()).unwrap()));
        self.snapshots += 1;
        true
    }

    /// Fails over to a replica that has not received the last entries. Returns the last one that it has.
    pub(super) fn lose_tail(&mut self, count: usize, loses_number: bool) -> EntryId {
        let kept = self.entries.len() - count.min(self.entries.len() - 1);
        self.entries.truncate(kept);
        self.last = self.entries[kept - 1].at.id;
        if self.snapshot.as_ref().is_some_and(|(at, _)| at.id > self.last) {
            // The entries that were trimmed by the lost snapshot stay trimmed here. A real replica would still have them.
            self.snapshot = self.before.take().filter(|(at, _)| self.has(at));
            if self.snapshot.is_none() {
                // It is further behind than two snapshots: it has no desk.
                *self = Self {
                    clock: self.clock,
                    nodes: self.nodes,
                    snapshots: self.snapshots,
                    ..Self::default()
                };
                return EntryId::default();
            }
        }
        if loses_number {
            self.nodes = self.entries[kept - 1].nodes;
        }
        self.last
    }
}
