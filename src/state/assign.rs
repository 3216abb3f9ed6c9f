//! Automatic assignment: which staff member gets the next ticket.
//!
//! Staff who are online and have capacity are kept in one order. With `least-busy` it begins with those who have the
//! fewest chats. Otherwise, and among those with equally many, the first is the one whose last ticket was assigned
//! longest ago. The first in the order gets the oldest ticket.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::State;
use super::event::Emit;
use super::staff::StaffKey;
use super::ticket::Assignment;
use super::ticket_ids::TicketNo;
use crate::config::{Assign, Millis};

/// A rank in the order: the number of chats, if that counts, and the number of the last assignment.
type Rank = (usize, u64);

/// A staff member's part of the order.
#[derive(Clone, Debug, Default, Hash, Serialize, Deserialize)]
pub(super) struct Turn {
    /// Their rank, while they can be assigned a ticket.
    rank: Option<Rank>,
    /// The number of the assignment by which they got their last ticket.
    last_turn: u64,
}

/// All staff who can be assigned a ticket, in order.
#[derive(Clone, Debug, Default, Hash, Serialize, Deserialize)]
pub(super) struct Turns {
    ranked: BTreeSet<(Rank, StaffKey)>,
    /// The number of assignments so far.
    turns: u64,
}

impl State {
    /// Assigns the tickets that wait or are paused, oldest first, while there are staff with capacity.
    pub(super) fn assign_waiting(&mut self, now: Millis, out: &mut dyn Emit) {
        if self.rules.assign == Assign::Manual {
            return;
        }
        while let Some(number) = self.queue.oldest() {
            let Some(key) = self.next_in_turn(number) else { return };
            self.assign_to(now, number, key, &Assignment { auto: true, ..Assignment::default() }, out);
        }
    }

    /// Returns the first staff member in the order. The one who released the ticket gets it back only if there is
    /// nobody else.
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

    /// Notes that a staff member has been assigned a ticket. `refresh_turn` then moves them to the end of the order.
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
