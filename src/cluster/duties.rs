//! What one node does for all: snapshots, and the comparison of digests. All nodes count for it, since any may be next.

use std::collections::BTreeMap;

use super::command::Command;
use super::entry::{EntryId, Position, TakenDigest};
use super::members::Members;
use super::snapshot::Snapshot;
use crate::config::{DIGEST_MS, ENTRIES_KEPT_MS, Millis, SNAPSHOT_AGE_MS, SNAPSHOT_BYTES_MAX};
use crate::ids::NodeId;
use crate::state::{State, digest_text};

/// When they are due.
#[derive(Clone, Copy, Debug)]
pub(super) struct DutyRules {
    /// Bytes behind a snapshot, beyond which there is another one.
    pub(super) snapshot_bytes: u64,
    /// Between two comparisons of digests.
    pub(super) digest_ms: Millis,
    /// Entries that are not older than this are never trimmed.
    pub(super) kept_ms: Millis,
}

impl Default for DutyRules {
    fn default() -> Self {
        Self { snapshot_bytes: SNAPSHOT_BYTES_MAX, digest_ms: DIGEST_MS, kept_ms: ENTRIES_KEPT_MS }
    }
}

/// When each is due, and what is known for it.
#[derive(Debug, Default)]
pub(super) struct Duties {
    pub(super) rules: DutyRules,
    /// When the last snapshot was made here, or the node began to serve.
    snapshot_at: Millis,
    /// What was read since, in bytes.
    bytes: u64,
    /// The one that is being written, and whether Redis is asked to store one.
    writing: Option<Snapshot>,
    is_being_stored: bool,
    digest_at: Millis,
    /// Whether the entry that is being applied asks for a digest.
    wanted: bool,
    /// The last digest that was asked for, and whether this node has yet to append it.
    taken: Option<TakenDigest>,
    is_unsaid: bool,
    /// Which digests nodes have appended for the same entry.
    votes: BTreeMap<NodeId, String>,
    pub(super) snapshots: u64,
}

impl Duties {
    /// Returns those of another life.
    pub(super) fn anew(&self) -> Self {
        Self { rules: self.rules, snapshots: self.snapshots, ..Self::default() }
    }

    pub(super) fn start(&mut self, now: Millis) {
        (self.snapshot_at, self.digest_at) = (now, now);
    }

    /// Counts an entry.
    pub(super) fn read(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }

    /// Notes what a turn says of digests.
    pub(super) fn turn(&mut self, node: NodeId, takes_digest: bool, digest: Option<TakenDigest>) {
        self.wanted = takes_digest;
        if let (Some(theirs), Some(taken)) = (digest, &self.taken)
            && theirs.at == taken.at
        {
            self.votes.insert(node, theirs.digest);
        }
    }

    /// An entry was applied: if it asks for a digest, takes one. Returns whether most nodes have found another one than this, where
    /// they were asked before.
    pub(super) fn has_diverged(&mut self, id: EntryId, state: &State) -> bool {
        if !std::mem::take(&mut self.wanted) {
            return false;
        }
        let votes = std::mem::take(&mut self.votes);
        let has_diverged = self.taken.as_ref().is_some_and(|taken| {
            // Of two nodes that differ, nobody knows which is right: both read the log again.
            let same = votes.values().filter(|digest| **digest == taken.digest).count();
            !votes.is_empty() && 2 * same <= votes.len()
        });
        self.taken = Some(TakenDigest { at: id.to_string(), digest: digest_text(state.digest()) });
        self.is_unsaid = true;
        has_diverged
    }

    pub(super) fn is_digest_due(&mut self, now: Millis) -> bool {
        let is_due = self.digest_at + self.rules.digest_ms <= now;
        if is_due {
            self.digest_at = now;
        }
        is_due
    }

    /// Returns the digest that is to be appended, once.
    pub(super) fn take_digest(&mut self) -> Option<TakenDigest> {
        std::mem::take(&mut self.is_unsaid).then(|| self.taken.clone()).flatten()
    }

    /// Begins a snapshot, if one is due, or goes on with one. Returns what is to be asked of Redis once it is whole.
    pub(super) fn snapshot(
        &mut self,
        now: Millis,
        at: &Position,
        state: &State,
        nodes: &Members,
    ) -> Option<Command> {
        if self.snapshot_due().is_none_or(|due| due > now) {
            return None;
        }
        // A State can be written: the first one was, when the process began.
        let Some(snapshot) = &mut self.writing else {
            self.writing = Snapshot::begin(now, at.clone(), state, nodes).ok();
            return None;
        };
        let body = snapshot.go_on(now).ok()??;
        let snapshot = self.writing.take()?;
        self.is_being_stored = true;
        let before = snapshot.at.id.ms.saturating_sub(self.rules.kept_ms);
        Some(Command::Snapshot(snapshot.at, body, before))
    }

    /// The snapshot was stored, or there was a newer one.
    pub(super) fn stored(&mut self, now: Millis, is_stored: bool) {
        self.is_being_stored = false;
        self.snapshots += u64::from(is_stored);
        (self.snapshot_at, self.bytes) = (now, 0);
    }

    /// What was asked of Redis gets no answer.
    pub(super) fn disconnected(&mut self) {
        self.is_being_stored = false;
    }

    /// When there is something to do for a node, or for the one that does what one node does.
    pub(super) fn next_due(&self, is_keeper: bool) -> Option<Millis> {
        if self.is_unsaid {
            return Some(0);
        }
        let digest = self.digest_at + self.rules.digest_ms;
        self.snapshot_due().into_iter().chain([digest]).min().filter(|_| is_keeper)
    }

    /// When a snapshot is begun, or the next part of one is written.
    fn snapshot_due(&self) -> Option<Millis> {
        let due = match &self.writing {
            Some(snapshot) => snapshot.due,
            None if self.bytes >= self.rules.snapshot_bytes => 0,
            None => self.snapshot_at + SNAPSHOT_AGE_MS,
        };
        (!self.is_being_stored).then_some(due)
    }
}
