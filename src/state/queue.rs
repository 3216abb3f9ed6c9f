//! Who waits, where, and for how long.
//!
//! A pick moves everybody behind it up by one. To tell each of them at once would cost the length of the queue for every
//! event; so a change is noted, and once a second the queue is walked and each user told whose place is another one.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use super::State;
use super::event::{Emit, Event, Place};
use super::ticket::Ticket;
use super::ticket_ids::TicketNo;
use crate::config::{Millis, PICKS_REMEMBERED, QUEUE_NOTICE_MS};

/// The tickets that nobody has.
#[derive(Debug, Default, Hash, Serialize, Deserialize)]
pub(super) struct Queue {
    pub(super) waiting: BTreeSet<TicketNo>,
    pub(super) paused: BTreeSet<TicketNo>,
    /// When tickets were picked out of the queue, of late.
    picks: VecDeque<Millis>,
    told_at: Millis,
    notice_due: Option<Millis>,
}

impl Queue {
    /// Places may have changed.
    pub(super) fn changed(&mut self, now: Millis) {
        if self.notice_due.is_none() && !self.waiting.is_empty() {
            self.notice_due = Some(now.max(self.told_at + QUEUE_NOTICE_MS));
        }
    }

    pub(super) fn notice_due(&self) -> Option<Millis> {
        self.notice_due
    }

    /// A ticket has been picked out of the queue.
    pub(super) fn picked(&mut self, number: TicketNo, now: Millis) {
        self.waiting.remove(&number);
        if self.picks.len() == PICKS_REMEMBERED {
            self.picks.pop_front();
        }
        self.picks.push_back(now);
        self.changed(now);
    }

    /// A user does not know their place: has come back, or waits again.
    pub(super) fn forget_told(
        &mut self,
        tickets: &mut BTreeMap<TicketNo, Box<Ticket>>,
        number: TicketNo,
        now: Millis,
    ) {
        if self.waiting.contains(&number)
            && let Some(ticket) = tickets.get_mut(&number)
        {
            ticket.told = None;
            self.changed(now);
        }
    }

    pub(super) fn place(&self, position: u64, staff_online: usize) -> Place {
        let wait_s = if staff_online > 0 { self.wait_s(position) } else { None };
        Place { position, waiting: self.waiting.len() as u64, wait_s }
    }

    /// As long as the picks of late have taken, on average, for each place.
    fn wait_s(&self, position: u64) -> Option<u64> {
        let intervals = self.picks.len().checked_sub(1).filter(|count| *count > 0)? as u64;
        let span_ms = self.picks.back()? - self.picks.front()?;
        Some((position * span_ms).div_ceil(intervals * 1000))
    }
}

impl State {
    /// Tells everybody who waits their place, if it is another one than they know.
    pub(super) fn tell_places(&mut self, now: Millis, out: &mut impl Emit) {
        self.queue.notice_due = None;
        self.queue.told_at = now;
        let mut too_soon = false;
        for (position, number) in (1..).zip(&self.queue.waiting) {
            let Some(ticket) = self.tickets.get_mut(number) else { continue };
            let Some(conn) = self.users[ticket.user].conn else { continue };
            let place = self.queue.place(position, self.staff_online);
            match ticket.told {
                Some((known, _)) if known == place => {}
                Some((_, at)) if at + QUEUE_NOTICE_MS > now => too_soon = true,
                _ => {
                    ticket.told = Some((place, now));
                    out.emit(conn, &Event::Queue { ticket: ticket.id, place });
                }
            }
        }
        if too_soon {
            self.queue.changed(now);
        }
    }
}
