//! Who gets the next ticket, where the desk assigns them by itself.
//!
//! Staff who are online and have room stand in one order: by the number of their chats where the least busy one is to
//! get it, and then by how long ago they were given one. Whoever comes first gets the oldest ticket.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::State;
use super::event::Emit;
use super::presence::StaffKey;
use super::ticket::Handing;
use super::ticket_ids::TicketNo;
use crate::config::{Assign, Millis};

/// A place in the order: chats that count, and the turn in which the last ticket was given.
type Rank = (usize, u64);

/// A staff member's place in the order.
#[derive(Debug, Default, Hash, Serialize, Deserialize)]
pub(super) struct Seat {
    /// Where they stand, while they can be given a ticket.
    rank: Option<Rank>,
    last_turn: u64,
}

/// Everybody who can be given a ticket.
#[derive(Debug, Default, Hash, Serialize, Deserialize)]
pub(super) struct Seats {
    ranked: BTreeSet<(Rank, StaffKey)>,
    turns: u64,
}

impl State {
    /// Gives tickets that nobody has, oldest first, to staff with room.
    pub(super) fn assign_waiting(&mut self, now: Millis, out: &mut impl Emit) {
        if self.rules.assign == Assign::Manual {
            return;
        }
        while let Some(number) = self.queue.oldest() {
            let Some(key) = self.best_seat(number) else { return };
            self.hand(now, number, key, &Handing { auto: true, ..Handing::default() }, out);
        }
    }

    /// The first in the order; but whoever gave the ticket back gets it again only if there is nobody else.
    fn best_seat(&self, number: TicketNo) -> Option<StaffKey> {
        let mut seats = self.seats.ranked.iter().map(|(_, key)| *key);
        let first = seats.next()?;
        let released_by = self.tickets.get(&number).and_then(|ticket| ticket.released_by.as_ref());
        if released_by == Some(&self.staff[first].id) { seats.next().or(Some(first)) } else { Some(first) }
    }

    pub(super) fn has_room(&self, key: StaffKey) -> bool {
        self.staff[key].active.len() < self.rules.max_chats as usize
    }

    /// A ticket is with this staff member now.
    pub(super) fn take_seat(&mut self, key: StaffKey, number: TicketNo) {
        self.seats.turns += 1;
        let staff = &mut self.staff[key];
        staff.active.insert(number);
        staff.seat.last_turn = self.seats.turns;
        self.refresh_seat(key);
    }

    /// Presence or room have changed.
    pub(super) fn refresh_seat(&mut self, key: StaffKey) {
        let rank = (self.staff[key].online && self.has_room(key)).then(|| self.rank(key));
        let before = std::mem::replace(&mut self.staff[key].seat.rank, rank);
        if before != rank {
            if let Some(before) = before {
                self.seats.ranked.remove(&(before, key));
            }
            if let Some(rank) = rank {
                self.seats.ranked.insert((rank, key));
            }
        }
    }

    fn rank(&self, key: StaffKey) -> Rank {
        let staff = &self.staff[key];
        let chats = if self.rules.assign == Assign::LeastBusy { staff.active.len() } else { 0 };
        (chats, staff.seat.last_turn)
    }
}
