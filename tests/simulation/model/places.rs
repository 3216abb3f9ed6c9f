//! Places in the queue: "sent at once on creation, then when it changes, at most once a second".

use deskwire::config::Millis;
use deskwire::net::ConnId;
use serde_json::Value;

use super::{Model, State, Who};

/// A notice may have to wait for a second since the ticket's last one, and for a second since the desk's last round.
const LATEST: Millis = 2000;
const SECOND: Millis = 1000;

/// What a user knows of their place.
#[derive(Clone, Default)]
pub struct Known {
    pub place: Option<(u64, u64)>,
    pub sent_at: Option<Millis>,
    pub wrong_since: Option<Millis>,
}

impl Model {
    /// Returns the place of a ticket that waits, and how many wait.
    pub fn place(&self, at: usize) -> (u64, u64) {
        let waiting = |ticket: &&super::Ticket| ticket.state == State::Waiting;
        let before = self.tickets[..at].iter().filter(waiting).count() as u64;
        (before + 1, self.tickets.iter().filter(waiting).count() as u64)
    }

    /// Checks a `queue` that did not come with `ticket_created`.
    pub(super) fn told_place(&mut self, conn: ConnId, frame: &Value) -> Result<(), String> {
        let at = frame["ticket_id"].as_str().and_then(|id| self.find(id));
        let Some(at) = at.filter(|at| self.tickets[*at].state == State::Waiting) else {
            return Err(format!("{conn} was sent {frame}, and no such ticket waits"));
        };
        let is_theirs = self.peers.get(&conn) == Some(&Who::User(self.tickets[at].user.clone()));
        let (position, waiting) = self.place(at);
        let is_right = frame["position"] == position && frame["waiting"] == waiting;
        if !is_theirs || !is_right || !self.may_be_estimate(&frame["wait_s"], position) {
            return Err(format!("{conn} was sent {frame}; place {position} of {waiting} is right"));
        }
        let known = &mut self.tickets[at].place;
        if let Some(before) = known.sent_at.filter(|before| before + SECOND > self.now) {
            return Err(format!("{conn} was sent {frame} {} ms after the one before", self.now - before));
        }
        *known = Known { place: Some((position, waiting)), sent_at: Some(self.now), wrong_since: None };
        Ok(())
    }

    /// Whether an estimate is right: "from the latest picks; null if there is no estimate".
    pub(super) fn may_be_estimate(&self, wait_s: &Value, position: u64) -> bool {
        let is_text = !wait_s.is_null() && !wait_s.is_u64();
        !is_text && self.estimates.allow(wait_s.as_u64(), position, (self.now, self.has_staff()), LATEST)
    }

    pub(super) fn has_staff(&self) -> bool {
        self.staff.values().any(|staff| staff.online)
    }

    pub(super) fn note_places(&mut self) {
        for at in 0..self.tickets.len() {
            let ticket = &self.tickets[at];
            // A connection that is behind is sent its place later.
            let conn = self.users.get(&ticket.user).and_then(|user| user.conn);
            let is_there = conn.is_some_and(|conn| self.readers.get(&conn).is_some_and(|r| !r.is_behind));
            let is_wrong =
                is_there && ticket.state == State::Waiting && ticket.place.place != Some(self.place(at));
            let known = &mut self.tickets[at].place;
            known.wrong_since = if is_wrong { known.wrong_since.or(Some(self.now)) } else { None };
        }
    }

    pub(super) fn check_places(&self) -> Result<(), String> {
        let overdue = |since: Millis| since + LATEST < self.now;
        match self.tickets.iter().find(|ticket| ticket.place.wrong_since.is_some_and(overdue)) {
            Some(ticket) => Err(format!("the place of {} has been wrong for {LATEST} ms", ticket.id)),
            None => Ok(()),
        }
    }
}
