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
pub(super) struct Owners(Vec<Option<(ConnId, Owner)>>);

impl Owners {
    pub(super) fn get(&self, conn: ConnId) -> Option<Owner> {
        let entry = self.0.get(conn.slot as usize).copied().flatten();
        entry.filter(|(id, _)| *id == conn).map(|(_, owner)| owner)
    }

    pub(super) fn insert(&mut self, conn: ConnId, owner: Owner) {
        let slot = conn.slot as usize;
        if self.0.len() <= slot {
            self.0.resize(slot + 1, None);
        }
        self.0[slot] = Some((conn, owner));
    }

    /// Forgets a connection. Returns whose it was, if it still was somebody's.
    pub(super) fn remove(&mut self, conn: ConnId) -> Option<Owner> {
        let owner = self.get(conn)?;
        self.0[conn.slot as usize] = None;
        while self.0.last().is_some_and(Option::is_none) {
            self.0.pop();
        }
        Some(owner)
    }
}
