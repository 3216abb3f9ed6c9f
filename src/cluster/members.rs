//! The nodes of a desk, as the log has them: the same on every node at every entry.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::config::{Millis, NODE_GONE_MS};
use crate::ids::NodeId;

/// The nodes that are there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Members(BTreeMap<NodeId, Member>);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Member {
    /// The number of its last turn.
    turn: u64,
    /// When it appended last.
    seen: Millis,
}

impl Members {
    pub(super) fn contains(&self, node: NodeId) -> bool {
        self.0.contains_key(&node)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The node that does what one has to do: the one that is there for longest.
    pub(super) fn keeper(&self) -> Option<NodeId> {
        self.0.keys().next().copied()
    }

    /// Removes the nodes that have gone by now, and returns them. None of them is asked, and no entry says so: each node finds
    /// the same, by the times of the entries.
    pub(super) fn remove_gone(&mut self, at: Millis) -> Vec<NodeId> {
        let has_gone = |member: &Member| member.seen + NODE_GONE_MS < at;
        let gone = self.0.iter().filter(|(_, member)| has_gone(member)).map(|(node, _)| *node).collect();
        self.0.retain(|_, member| !has_gone(member));
        gone
    }

    /// Adds a node. False if it is there already.
    pub(super) fn add(&mut self, node: NodeId, at: Millis) -> bool {
        if self.contains(node) {
            return false;
        }
        self.0.insert(node, Member { turn: 0, seen: at });
        true
    }

    /// Counts a turn of a node. False if it counts for nobody: the node has gone, or this turn was appended a second time, as it
    /// is where a connection was lost before Redis answered.
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
        assert!(!members.count_turn(NodeId(8), 1, 0), "nobody knows this node");
    }

    #[test]
    fn a_node_that_appends_nothing_for_ten_seconds_has_gone() {
        let mut members = Members::default();
        members.add(NodeId(1), 0);
        members.add(NodeId(2), 5_000);
        members.count_turn(NodeId(1), 1, 6_000);
        assert_eq!(members.keeper(), Some(NodeId(1)));
        assert_eq!(members.remove_gone(15_000), []);
        assert_eq!(members.remove_gone(16_001), [NodeId(1), NodeId(2)]);
        assert!(!members.count_turn(NodeId(1), 2, 16_001), "what comes late counts for nobody");
        assert_eq!((members.len(), members.keeper()), (0, None));
    }
}
