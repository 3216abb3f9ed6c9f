//! Ratings: the score that a user gives their last ticket after it has closed.
//!
//! State does not keep scores. Each is recorded for the operator, and sent to the staff member who had the ticket, if
//! they are connected. If their connection has no credit, the rating waits until it has.

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

/// A score from `SCORE_MIN` to `SCORE_MAX`. Higher is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Score(u8);

impl Score {
    /// Returns all scores, the worst first.
    pub fn all() -> impl Iterator<Item = Self> {
        (SCORE_MIN..=SCORE_MAX).map(Self)
    }

    /// Returns the score with this number, if there is one.
    pub fn new(number: u64) -> Option<Self> {
        u8::try_from(number).ok().filter(|score| (SCORE_MIN..=SCORE_MAX).contains(score)).map(Self)
    }

    /// Returns the score as a number.
    pub fn number(self) -> u8 {
        self.0
    }
}

/// The last ticket of a user that has closed, until they have rated it.
#[derive(Clone, Debug, Hash, Serialize, Deserialize)]
pub(super) struct Unrated {
    ticket: TicketId,
    /// The staff member who had the ticket last.
    staff: Option<StaffId>,
}

/// A rating that has yet to be sent to the staff member.
#[derive(Clone, Debug, Hash, Serialize, Deserialize)]
pub(super) struct Rated {
    ticket: TicketId,
    score: Score,
}

impl State {
    /// Notes that a user may rate this ticket, which is about to close.
    pub(super) fn note_unrated(&mut self, ticket: &Ticket) {
        let staff = match ticket.status {
            Status::Active(key) | Status::Paused(key) => Some(self.staff[key].id.clone()),
            Status::Waiting => ticket.released_by.clone(),
        };
        self.users[ticket.user].unrated = Some(Box::new(Unrated { ticket: ticket.id, staff }));
    }

    /// Rates a ticket for a user.
    ///
    /// # Errors
    /// The ticket is not the last one of this user that has closed, or it has been rated.
    pub(super) fn rate(
        &mut self,
        key: UserKey,
        ticket: TicketId,
        score: Score,
        out: &mut dyn Emit,
    ) -> Result<(), ErrorCode> {
        let unrated = self.users[key].unrated.take_if(|unrated| unrated.ticket == ticket);
        let Unrated { staff, .. } = *unrated.ok_or(ErrorCode::NoTicket)?;
        out.record(&Record::TicketRated { ticket, score });
        let key = staff.and_then(|id| self.staff_by_id.get(&id).copied());
        if let Some(key) = key.filter(|key| self.staff[*key].link.is_some()) {
            self.staff[key].ratings.push_back(Rated { ticket, score });
            self.send_ratings(key, out);
        }
        Ok(())
    }

    /// Sends a staff member the ratings that wait for them, as far as their credit goes.
    pub(super) fn send_ratings(&mut self, key: StaffKey, out: &mut dyn Emit) {
        let staff = &mut self.staff[key];
        while let Some(link) = staff.link.as_ref().filter(|link| Link::has_credit(link))
            && let Some(Rated { ticket, score }) = staff.ratings.pop_front()
        {
            link.send(&Event::Rated { ticket, score }, out);
        }
    }
}
