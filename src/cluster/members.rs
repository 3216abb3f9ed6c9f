//! The nodes of a desk, according to the log: the same on each node after each entry.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::config::{Millis, NODE_GONE_MS};
use crate::ids::NodeId;

/// The nodes of a desk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Members(BTreeMap<NodeId, Member>);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Member {
    /// The number of its last turn.
    turn: u64,
    /// The time of its last entry.
    seen: Millis,
}

impl Members {
    pub(super) fn contains(&self, node: NodeId) -> bool {
        self.0.contains_key(&node)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns the keeper: the node that has been there longest.
    pub(super) fn keeper(&self) -> Option<NodeId> {
        self.0.keys().next().copied()
    }

    /// Removes the nodes that are gone at this time, and returns them. No entry says so: each node concludes the same from the
    /// times of the entries.
    pub(super) fn remove_gone(&mut self, at: Millis) -> Vec<NodeId> {
        let has_gone = |member: &Member| member.seen + NODE_GONE_MS < at;
        let gone = self.0.iter().filter(|(_, member)| has_gone(member)).map(|(node, _)| *node).collect();
        self.0.retain(|_, member| !has_gone(member));
        gone
    }

    /// Adds a node. Returns false if there is one with this number.
    pub(super) fn add(&mut self, node: NodeId, at: Millis) -> bool {
        if self.contains(node) {
            return false;
        }
        self.0.insert(node, Member { turn: 0, seen: at });
        true
    }

    /// Counts a turn of a node. Returns false if the turn has to be ignored: the node is gone, or this turn was appended a second
    /// time, because a connection failed before Redis answered.
    pub(super) fn count_turn(&mut self, node: NodeId, n: u64, at: Millis) -> bool {
        let Some(member) = self.0.get_mut(&node).filter(|member| n == member.turn + 1) else { return false };
        *member = Member { turn: n, seen: at };
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_turn_counts_once_and_in_order_however_often_it_comes() {
        let mut members = Members::default();
        assert!(members.add(NodeId(7), 0) && !members.add(NodeId(7), 0));
        let counted = [1, 2, 1, 2, 3, 4, 2, 3, 4, 5].map(|n| members.count_turn(NodeId(7), n, 0));
        assert_eq!(counted, [true, true, false, false, true, true, false, false, false, true]);
        assert!(!members.count_turn(NodeId(7), 7, 0), "one is missing before it");
        assert!(!members.count_turn(NodeId(8), 1, 0), "there is no such node");
    }

    #[test]
    fn a_node_that_appends_nothing_for_ten_seconds_is_gone() {
        let mut members = Members::default();
        members.add(NodeId(1), 0);
        members.add(NodeId(2), 5_000);
        members.count_turn(NodeId(1), 1, 6_000);
        assert_eq!(members.keeper(), Some(NodeId(1)));
        assert_eq!(members.remove_gone(15_000), []);
        assert_eq!(members.remove_gone(16_001), [NodeId(1), NodeId(2)]);
        assert!(!members.count_turn(NodeId(1), 2, 16_001), "a turn that comes too late is ignored");
        assert_eq!((members.len(), members.keeper()), (0, None));
    }
}
