//! The user or staff member that each connection belongs to, found by the connection's node and slot without hashing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::staff::StaffKey;
use super::users::UserKey;
use crate::ids::{ConnId, NodeId};

/// The user or staff member that a connection belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) enum Owner {
    User(UserKey),
    Staff(StaffKey),
}

/// The owners of all connections that have one. A node without such a connection has no entry.
#[derive(Clone, Debug, Default, Hash, Serialize, Deserialize)]
pub(super) struct Owners {
    nodes: BTreeMap<NodeId, OfNode>,
}

/// The owners of one node's connections.
#[derive(Clone, Debug, Default, Hash, Serialize, Deserialize)]
struct OfNode {
    by_slot: Vec<Option<(ConnId, Owner)>>,
    count: usize,
}

impl Owners {
    pub(super) fn get(&self, conn: ConnId) -> Option<Owner> {
        let entry = self.nodes.get(&conn.node)?.by_slot.get(conn.slot as usize).copied().flatten();
        entry.filter(|(id, _)| *id == conn).map(|(_, owner)| owner)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Returns all connections that have an owner.
    pub(super) fn conns(&self) -> Vec<ConnId> {
        self.nodes.values().flat_map(OfNode::conns).collect()
    }

    /// Returns the connections of one node that have an owner.
    pub(super) fn conns_of(&self, node: NodeId) -> Vec<ConnId> {
        self.nodes.get(&node).into_iter().flat_map(OfNode::conns).collect()
    }

    /// Sets the owner of a connection.
    pub(super) fn insert(&mut self, conn: ConnId, owner: Owner) {
        let OfNode { by_slot, count } = self.nodes.entry(conn.node).or_default();
        let slot = conn.slot as usize;
        if by_slot.len() <= slot {
            by_slot.resize(slot + 1, None);
        }
        if by_slot[slot].replace((conn, owner)).is_none() {
            *count += 1;
        }
    }

    /// Forgets a connection. Returns its owner, if it still had one: not if another connection has replaced it.
    pub(super) fn remove(&mut self, conn: ConnId) -> Option<Owner> {
        let owner = self.get(conn)?;
        let of_node = self.nodes.get_mut(&conn.node)?;
        of_node.by_slot[conn.slot as usize] = None;
        of_node.count -= 1;
        // Without this, an empty desk would keep as much memory as a full one.
        if of_node.count == 0 {
            self.nodes.remove(&conn.node);
        }
        Some(owner)
    }
}

impl OfNode {
    fn conns(&self) -> impl Iterator<Item = ConnId> {
        self.by_slot.iter().flatten().map(|(conn, _)| *conn)
    }
}
