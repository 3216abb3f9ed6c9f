//! Whose each connection is, found by its slot without hashing.

use serde::{Deserialize, Serialize};

use super::staff::StaffKey;
use super::users::UserKey;
use crate::ids::ConnId;

/// Who a connection belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) enum Owner {
    User(UserKey),
    Staff(StaffKey),
}

/// The owners of all connections that have one.
#[derive(Debug, Default, Hash, Serialize, Deserialize)]
pub(super) struct Owners {
    by_slot: Vec<Option<(ConnId, Owner)>>,
    count: usize,
}

impl Owners {
    pub(super) fn get(&self, conn: ConnId) -> Option<Owner> {
        let entry = self.by_slot.get(conn.slot as usize).copied().flatten();
        entry.filter(|(id, _)| *id == conn).map(|(_, owner)| owner)
    }

    /// Returns all connections that have an owner.
    pub(super) fn conns(&self) -> Vec<ConnId> {
        self.by_slot.iter().flatten().map(|(conn, _)| *conn).collect()
    }

    /// Notes whose a connection is.
    pub(super) fn insert(&mut self, conn: ConnId, owner: Owner) {
        let slot = conn.slot as usize;
        if self.by_slot.len() <= slot {
            self.by_slot.resize(slot + 1, None);
        }
        if self.by_slot[slot].replace((conn, owner)).is_none() {
            self.count += 1;
        }
    }

    /// Forgets a connection. Returns its owner, if it had not been replaced.
    pub(super) fn remove(&mut self, conn: ConnId) -> Option<Owner> {
        let owner = self.get(conn)?;
        self.by_slot[conn.slot as usize] = None;
        self.count -= 1;
        // An empty desk keeps no memory of a full one.
        if self.count == 0 {
            self.by_slot = Vec::new();
        }
        Some(owner)
    }
}
