//! What a node asks of Redis, and what it is answered.

use super::entry::{EntryId, Position, Record};
use crate::config::Millis;
use crate::ids::NodeId;

/// What a node asks of Redis, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// Drop both connections, and with them all that was asked. There may be others later.
    Reconnect,
    /// Whether it is a master.
    Role,
    /// A number, and the desk's snapshot. Where there is none, this one is stored, behind an entry with this tag.
    Join(Vec<u8>, String),
    /// Append an entry, with this tag.
    Append(Vec<u8>, String),
    /// Store a snapshot that was made behind an entry, and trim what is before the one before it and before this time.
    Snapshot(Position, Vec<u8>, Millis),
    /// The tag of this entry.
    Find(EntryId),
    /// The entries after this one; if there are none, wait for some.
    Read(EntryId),
    /// This entry and those after it. If it is not the first, it was trimmed, and maybe others behind it.
    Replay(EntryId),
}

/// What Redis has answered. Entries are borrowed from the answer.
#[derive(Debug)]
pub(super) enum Answer<'a> {
    /// To `Role`: it is one.
    Master,
    /// To `Join`.
    Joined {
        /// The number.
        node: NodeId,
        /// Where the snapshot was made.
        at: Position,
        /// The snapshot.
        snapshot: &'a str,
        /// Whether there was no desk of this name.
        is_new: bool,
    },
    /// To `Append`.
    Appended,
    /// To `Snapshot`: whether it was stored, since it is newer, and of this log.
    Stored(bool),
    /// To `Find`: nothing, where there is no such entry.
    Found(Option<&'a str>),
    /// To `Read` and `Replay`: the entries, and whether there may be more.
    Entries(Vec<Record<'a>>, bool),
    /// To any command.
    Failed(&'a str),
}
