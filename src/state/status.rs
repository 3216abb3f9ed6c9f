//! What a user is sent about their ticket's status.
//!
//! The frames to send are derived from the status that the user's connection shows and the present one. So nothing has
//! to be queued for a connection without credit: once it has credit again, it is sent the difference.

use serde::{Deserialize, Serialize};

use super::State;
use super::event::{Emit, Event, StaffChange, StaffName};
use super::ticket::Status;
use super::ticket_ids::TicketNo;
use crate::config::Millis;
use crate::ids::{StaffId, StoredText};

/// The status of a ticket, as its user's connection shows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) enum Shown {
    Waiting,
    /// The chat is open, with this staff member.
    Active(StaffId),
    /// The chat is locked: this staff member went offline or was cut off.
    Paused(StaffId),
    /// The chat is locked: this staff member is back, but has not picked it again.
    Returned(StaffId),
}

impl Shown {
    fn staff(&self) -> Option<&StaffId> {
        match self {
            Self::Waiting => None,
            Self::Active(staff) | Self::Paused(staff) | Self::Returned(staff) => Some(staff),
        }
    }
}

impl State {
    /// Returns what a welcome shows of a ticket's status. It does not show that a staff member is back.
    pub(super) fn shown_by_welcome(&self, status: Status) -> Shown {
        match status {
            Status::Waiting => Shown::Waiting,
            Status::Active(key) => Shown::Active(self.staff[key].id.clone()),
            Status::Paused(key) => Shown::Paused(self.staff[key].id.clone()),
        }
    }

    /// Sends a ticket's user the frames that lead to its present status, as far as their credit goes.
    pub(super) fn send_status(&mut self, now: Millis, number: TicketNo, out: &mut dyn Emit) {
        while let Some((what, next)) = self.next_step(number) {
            let ticket = &self.tickets[number];
            let Some(link) = &self.users[ticket.user].link else { return };
            if !link.has_credit() {
                return;
            }
            // The frame names the staff member who has come or is back, or else the one who has left.
            let about = next.staff().or(ticket.shown.staff());
            if let Some(id) = about {
                let name = self.staff_by_id.get(id).and_then(|key| self.staff[*key].shown_name());
                let staff = StaffName { id, name: name.map(StoredText::as_json) };
                link.send(&Event::Staff { what, ticket: ticket.id, staff, at: now }, out);
            }
            self.tickets[number].shown = next;
        }
    }

    /// Returns the next frame and the status that is shown after it; `None` if the present status is shown already.
    fn next_step(&self, number: TicketNo) -> Option<(StaffChange, Shown)> {
        let ticket = &self.tickets[number];
        let (shown, present) = (&ticket.shown, self.shown_by_welcome(ticket.status));
        match (shown, present) {
            (Shown::Waiting, Shown::Waiting) => None,
            (_, Shown::Waiting) => Some((StaffChange::Left, Shown::Waiting)),
            (Shown::Active(before), Shown::Active(staff)) if *before == staff => None,
            (Shown::Paused(before) | Shown::Returned(before), Shown::Active(staff)) if *before == staff => {
                Some((StaffChange::Reconnected, Shown::Active(staff)))
            }
            (_, Shown::Active(staff)) => Some((StaffChange::Joined, Shown::Active(staff))),
            (_, Shown::Paused(staff) | Shown::Returned(staff)) => {
                let is_back = ticket.status.staff().is_some_and(|key| self.staff[key].online);
                match shown {
                    Shown::Active(before) if *before == staff => {
                        Some((StaffChange::Offline, Shown::Paused(staff)))
                    }
                    Shown::Paused(before) if *before == staff => {
                        is_back.then_some((StaffChange::Online, Shown::Returned(staff)))
                    }
                    Shown::Returned(before) if *before == staff => {
                        (!is_back).then_some((StaffChange::Offline, Shown::Paused(staff)))
                    }
                    _ => Some((StaffChange::Joined, Shown::Active(staff))),
                }
            }
        }
    }
}
