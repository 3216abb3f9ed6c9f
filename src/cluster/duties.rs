//! What the keeper does for all nodes: snapshots, and the comparison of digests. Each node keeps the counts for it, since each
//! may become the keeper.

use std::collections::BTreeMap;

use super::command::Command;
use super::entry::{EntryId, Position, TakenDigest};
use super::members::Members;
use super::snapshot::Snapshot;
use crate::config::{DIGEST_MS, ENTRIES_KEPT_MS, Millis, SNAPSHOT_AGE_MS, SNAPSHOT_BYTES_MAX};
use crate::ids::NodeId;
use crate::state::{State, digest_text};

/// When the duties are due.
#[derive(Clone, Copy, Debug)]
pub(super) struct DutyRules {
    /// The size of the entries after a snapshot at which a new one is made.
    pub(super) snapshot_bytes: u64,
    /// The time between two comparisons of digests.
    pub(super) digest_ms: Millis,
    /// The age up to which entries are never trimmed.
    pub(super) kept_ms: Millis,
}

impl Default for DutyRules {
    fn default() -> Self {
        Self { snapshot_bytes: SNAPSHOT_BYTES_MAX, digest_ms: DIGEST_MS, kept_ms: ENTRIES_KEPT_MS }
    }
}

/// When each duty is due, and what is known about it.
#[derive(Debug, Default)]
pub(super) struct Duties {
    pub(super) rules: DutyRules,
    /// When this node made its last snapshot, or began to serve.
    snapshot_at: Millis,
    /// The size of the entries that were read since, in bytes.
    bytes: u64,
    /// The snapshot that is being serialised, and whether Redis was asked to store one.
    writing: Option<Snapshot>,
    is_being_stored: bool,
    digest_at: Millis,
    /// Whether the entry that is being applied asks for a digest.
    wants_digest: bool,
    /// The last digest that was asked for, and whether this node still has to append it.
    taken: Option<TakenDigest>,
    is_digest_pending: bool,
    /// The digests that nodes have appended for the same entry.
    votes: BTreeMap<NodeId, String>,
    pub(super) snapshots: u64,
}

impl Duties {
    /// Returns the duties of a node that has joined again.
    pub(super) fn restarted(&self) -> Self {
        Self { rules: self.rules, snapshots: self.snapshots, ..Self::default() }
    }

    pub(super) fn start(&mut self, now: Millis) {
        (self.snapshot_at, self.digest_at) = (now, now);
    }

    /// Counts the bytes of an entry.
    pub(super) fn read(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }

    /// Notes what a turn says about digests.
    pub(super) fn turn(&mut self, node: NodeId, takes_digest: bool, digest: Option<TakenDigest>) {
        self.wants_digest = takes_digest;
        if let (Some(theirs), Some(taken)) = (digest, &self.taken)
            && theirs.at == taken.at
        {
            self.votes.insert(node, theirs.digest);
        }
    }

    /// Takes a digest if the entry that was applied asks for one. Returns whether the last digest of this node differed from
    /// that of most nodes.
    pub(super) fn has_diverged(&mut self, id: EntryId, state: &State) -> bool {
        if !std::mem::take(&mut self.wants_digest) {
            return false;
        }
        let votes = std::mem::take(&mut self.votes);
        let has_diverged = self.taken.as_ref().is_some_and(|taken| {
            // If two nodes differ, it is not known which one is right, so that both have to join again.
            let same = votes.values().filter(|digest| **digest == taken.digest).count();
            !votes.is_empty() && 2 * same <= votes.len()
        });
        self.taken = Some(TakenDigest { at: id.to_string(), digest: digest_text(state.digest()) });
        self.is_digest_pending = true;
        has_diverged
    }

    pub(super) fn is_digest_due(&mut self, now: Millis) -> bool {
        let is_due = self.digest_at + self.rules.digest_ms <= now;
        if is_due {
            self.digest_at = now;
        }
        is_due
    }

    /// Returns the digest that this node has to append, once.
    pub(super) fn take_digest(&mut self) -> Option<TakenDigest> {
        std::mem::take(&mut self.is_digest_pending).then(|| self.taken.clone()).flatten()
    }

    /// Begins a snapshot if one is due, or continues with one. Returns the command that stores it once it is complete.
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
        // This does not fail: a State was serialised when the process began.
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

    /// Notes that the snapshot was stored, or that there was a newer one.
    pub(super) fn stored(&mut self, now: Millis, is_stored: bool) {
        self.is_being_stored = false;
        self.snapshots += u64::from(is_stored);
        (self.snapshot_at, self.bytes) = (now, 0);
    }

    /// Notes that no answer to a snapshot will come.
    pub(super) fn disconnected(&mut self) {
        self.is_being_stored = false;
    }

    /// Returns when there is something to do.
    pub(super) fn next_due(&self, is_keeper: bool) -> Option<Millis> {
        if self.is_digest_pending {
            return Some(0);
        }
        let digest = self.digest_at + self.rules.digest_ms;
        self.snapshot_due().into_iter().chain([digest]).min().filter(|_| is_keeper)
    }

    /// Returns when a snapshot is to be begun, or its next part is due.
    fn snapshot_due(&self) -> Option<Millis> {
        let due = match &self.writing {
            Some(snapshot) => snapshot.due,
            None if self.bytes >= self.rules.snapshot_bytes => 0,
            None => self.snapshot_at + SNAPSHOT_AGE_MS,
        };
        (!self.is_being_stored).then_some(due)
    }
}
