//! The commands of a node to Redis, and their answers.

use super::entry::{EntryId, Position, Record};
use crate::config::Millis;
use crate::ids::NodeId;

/// A command of a node, carried out in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// Drop both connections and all commands that were sent over them, and connect again later.
    Reconnect,
    /// Ask whether Redis is a master.
    Role,
    /// Take a number, and read the desk's snapshot. If there is none, store this one, after a first entry with this tag.
    Join(Vec<u8>, String),
    /// Append an entry, with this tag.
    Append(Vec<u8>, String),
    /// Store a snapshot that was made after this entry, and trim the entries that are older than both the snapshot before it
    /// and this time.
    Snapshot(Position, Vec<u8>, Millis),
    /// Read the tag of this entry.
    Find(EntryId),
    /// Read the entries after this one; if there are none, wait for some.
    Read(EntryId),
    /// Read this entry and those after it. If another one comes first, this one was trimmed, and maybe some after it.
    Replay(EntryId),
}

/// An answer of Redis. Entries are borrowed from its reply.
#[derive(Debug)]
pub(super) enum Answer<'a> {
    /// To `Role`: it is a master.
    Master,
    /// To `Join`.
    Joined {
        /// The number.
        node: NodeId,
        /// The entry after which the snapshot was made.
        at: Position,
        /// The snapshot.
        snapshot: &'a str,
        /// Whether there was no desk of this name.
        is_new: bool,
    },
    /// To `Append`.
    Appended,
    /// To `Snapshot`: whether it was stored. It is not if the stored one is newer, or if its entry is not in the log.
    Stored(bool),
    /// To `Find`: `None` if there is no such entry.
    Found(Option<&'a str>),
    /// To `Read` and `Replay`: the entries, and whether there may be more.
    Entries(Vec<Record<'a>>, bool),
    /// To any command.
    Failed(&'a str),
}
