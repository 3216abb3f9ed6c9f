//! Which staff member gets the next ticket, if the desk assigns tickets by itself.
//!
//! Staff who are online and have capacity are kept in one order: by the number of their chats if the least busy one is to
//! get the ticket, and then by how long ago they were assigned one. The first in this order gets the oldest ticket.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::State;
use super::event::Emit;
use super::staff::StaffKey;
use super::ticket::Assignment;
use super::ticket_ids::TicketNo;
use crate::config::{Assign, Millis};

/// A place in the order: chats that count, and the turn in which the last ticket was given.
type Rank = (usize, u64);

/// A staff member's place in the order.
#[derive(Debug, Default, Hash, Serialize, Deserialize)]
pub(super) struct Turn {
    /// Their place, while they can be assigned a ticket.
    rank: Option<Rank>,
    last_turn: u64,
}

/// All staff who can be assigned a ticket, in order.
#[derive(Debug, Default, Hash, Serialize, Deserialize)]
pub(super) struct Turns {
    ranked: BTreeSet<(Rank, StaffKey)>,
    turns: u64,
}

impl State {
    /// Assigns tickets that wait or are paused, oldest first, to staff with capacity.
    pub(super) fn assign_waiting(&mut self, now: Millis, out: &mut impl Emit) {
        if self.rules.assign == Assign::Manual {
            return;
        }
        while let Some(number) = self.queue.oldest() {
            let Some(key) = self.next_in_turn(number) else { return };
            self.assign_to(now, number, key, &Assignment { auto: true, ..Assignment::default() }, out);
        }
    }

    /// Returns the first in the order. The one who released the ticket gets it again only if there is nobody else.
    fn next_in_turn(&self, number: TicketNo) -> Option<StaffKey> {
        let ranked = self.turns.ranked.iter().map(|(_, key)| *key);
        let mut candidates = ranked.filter(|key| self.takes_more(*key));
        let first = candidates.next()?;
        let released_by = self.tickets[number].released_by.as_ref();
        if released_by == Some(&self.staff[first].id) {
            candidates.next().or(Some(first))
        } else {
            Some(first)
        }
    }

    /// Moves a staff member to the end of the order: they have been assigned a ticket.
    pub(super) fn note_turn(&mut self, key: StaffKey) {
        self.turns.turns += 1;
        self.staff[key].turn.last_turn = self.turns.turns;
    }

    /// Updates a staff member's place in the order after their presence or capacity has changed.
    pub(super) fn refresh_turn(&mut self, key: StaffKey) {
        let rank = (self.staff[key].online && self.has_capacity(key)).then(|| self.rank(key));
        let before = std::mem::replace(&mut self.staff[key].turn.rank, rank);
        if before != rank {
            if let Some(before) = before {
                self.turns.ranked.remove(&(before, key));
            }
            if let Some(rank) = rank {
                self.turns.ranked.insert((rank, key));
            }
        }
    }

    fn rank(&self, key: StaffKey) -> Rank {
        let staff = &self.staff[key];
        let chats = if self.rules.assign == Assign::LeastBusy { staff.active.len() } else { 0 };
        (chats, staff.turn.last_turn)
    }
}
