//! Ratings: what a user says of the ticket of theirs that ended last.
//!
//! State keeps no score. It goes to the operator's count, and to the staff member who had the ticket, if they are connected;
//! of one who reads slowly it waits until they have read the rest.

use serde::{Deserialize, Serialize};

use super::State;
use super::error_code::ErrorCode;
use super::event::{Emit, Event, Record};
use super::link::Link;
use super::staff::StaffKey;
use super::ticket::{Status, Ticket};
use super::users::UserKey;
use crate::config::{SCORE_MAX, SCORE_MIN};
use crate::ids::{StaffId, TicketId};

/// From `SCORE_MIN` to `SCORE_MAX`; more is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Score(u8);

impl Score {
    /// All of them, from the worst on.
    pub fn all() -> impl Iterator<Item = Self> {
        (SCORE_MIN..=SCORE_MAX).map(Self)
    }

    /// Checks a number.
    pub fn new(number: u64) -> Option<Self> {
        u8::try_from(number).ok().filter(|score| (SCORE_MIN..=SCORE_MAX).contains(score)).map(Self)
    }

    /// Returns the score as a number.
    pub fn number(self) -> u8 {
        self.0
    }
}

/// The ticket of a user that ended last, until they have rated it.
#[derive(Debug, Hash, Serialize, Deserialize)]
pub(super) struct Unrated {
    ticket: TicketId,
    /// Who had it last.
    staff: Option<StaffId>,
}

/// A rating that its staff member has not been sent.
#[derive(Debug, Hash, Serialize, Deserialize)]
pub(super) struct Rated {
    ticket: TicketId,
    score: Score,
}

impl State {
    /// Notes which ticket its user may rate: this one, which ends.
    pub(super) fn note_unrated(&mut self, ticket: &Ticket) {
        let staff = match ticket.status {
            Status::Active(key) | Status::Paused(key) => Some(self.staff[key].id.clone()),
            Status::Waiting => ticket.released_by.clone(),
        };
        self.users[ticket.user].unrated = Some(Unrated { ticket: ticket.id, staff });
    }

    /// A user rates a ticket.
    ///
    /// # Errors
    /// It is not the one of theirs that ended last, or it has been rated.
    pub(super) fn rate(
        &mut self,
        key: UserKey,
        ticket: TicketId,
        score: Score,
        out: &mut impl Emit,
    ) -> Result<(), ErrorCode> {
        let unrated = self.users[key].unrated.take_if(|unrated| unrated.ticket == ticket);
        let Unrated { staff, .. } = unrated.ok_or(ErrorCode::NoTicket)?;
        out.record(&Record::TicketRated { ticket, score });
        let key = staff.and_then(|id| self.staff_by_id.get(&id).copied());
        if let Some(key) = key.filter(|key| self.staff[*key].link.is_some()) {
            self.staff[key].ratings.push_back(Rated { ticket, score });
            self.send_ratings(key, out);
        }
        Ok(())
    }

    /// Sends a staff member the ratings that they have not been sent, as far as the credit goes.
    pub(super) fn send_ratings(&mut self, key: StaffKey, out: &mut impl Emit) {
        let staff = &mut self.staff[key];
        while let Some(link) = staff.link.as_ref().filter(|link| Link::has_credit(link))
            && let Some(Rated { ticket, score }) = staff.ratings.pop_front()
        {
            link.send(&Event::Rated { ticket, score }, out);
        }
    }
}
