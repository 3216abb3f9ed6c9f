//! Who waits, where, and for how long.
//!
//! A pick moves everybody behind it up by one. To tell each of them at once would cost the length of the queue for every
//! event; so a change is noted, and once a second they are told whose place is another one. Who these are follows from
//! what has changed: everybody, or those between tickets that came or went, or one who is back. Nobody else is looked at.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use super::State;
use super::event::{Emit, Event, Place};
use super::line::Line;
use super::ticket::Ticket;
use super::ticket_ids::TicketNo;
use crate::config::{Millis, PICKS_REMEMBERED, QUEUE_NOTICE_MS};

/// The tickets that nobody has.
#[derive(Debug, Default, Hash, Serialize, Deserialize)]
pub(super) struct Queue {
    waiting: Line,
    pub(super) paused: BTreeSet<TicketNo>,
    /// When tickets were picked out of the queue, of late.
    picks: VecDeque<Millis>,
    /// When places were told last, and what was true of all of them then.
    told_at: Millis,
    told: Outlook,
    /// The tickets that wait now and did not then, or the other way round.
    moved: BTreeSet<TicketNo>,
    /// Users who do not know their place, or were told one too short a time ago.
    untold: BTreeSet<TicketNo>,
    notice_due: Option<Millis>,
}

/// What all places have in common.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Outlook {
    waiting: u64,
    pace: Option<Pace>,
}

/// How long picks have taken of late.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct Pace {
    span_ms: Millis,
    picks: u64,
}

impl Outlook {
    pub(super) fn place(self, position: u64) -> Place {
        // As long as the picks of late have taken, on average, for each place.
        let wait_s = self.pace.map(|pace| (position * pace.span_ms).div_ceil(pace.picks * 1000));
        Place { position, waiting: self.waiting, wait_s }
    }
}

impl Queue {
    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// The oldest ticket that nobody has, whether it waits or is paused.
    pub(super) fn oldest(&self) -> Option<TicketNo> {
        self.waiting.first().into_iter().chain(self.paused.first()).min().copied()
    }

    /// A ticket waits, at the place that goes with its age.
    pub(super) fn enter(&mut self, number: TicketNo, now: Millis) {
        if self.waiting.insert(number) {
            self.note_moved(number, now);
        }
    }

    /// A ticket does not wait any more.
    pub(super) fn leave(&mut self, number: TicketNo, now: Millis) {
        if self.waiting.remove(number) {
            self.note_moved(number, now);
        }
    }

    /// A ticket has been picked out of the queue.
    pub(super) fn picked(&mut self, number: TicketNo, now: Millis) {
        if self.picks.len() == PICKS_REMEMBERED {
            self.picks.pop_front();
        }
        self.picks.push_back(now);
        self.leave(number, now);
    }

    /// A user does not know their place: has come back, or waits again.
    pub(super) fn forget_told(
        &mut self,
        tickets: &mut BTreeMap<TicketNo, Box<Ticket>>,
        number: TicketNo,
        now: Millis,
    ) {
        if self.waiting.contains(number)
            && let Some(ticket) = tickets.get_mut(&number)
        {
            ticket.told = None;
            self.untold.insert(number);
            self.changed(now);
        }
    }

    /// Places may have changed.
    pub(super) fn changed(&mut self, now: Millis) {
        if self.notice_due.is_none() && self.waiting.len() > 0 {
            self.notice_due = Some(now.max(self.told_at + QUEUE_NOTICE_MS));
        }
    }

    pub(super) fn notice_due(&self) -> Option<Millis> {
        self.notice_due
    }

    /// The place of who comes last.
    pub(super) fn last_place(&self, staff_online: usize) -> Place {
        let outlook = self.outlook(staff_online);
        outlook.place(outlook.waiting)
    }

    fn note_moved(&mut self, number: TicketNo, now: Millis) {
        // Who came and went has moved nobody.
        if !self.moved.remove(&number) {
            self.moved.insert(number);
        }
        self.changed(now);
    }

    pub(super) fn outlook(&self, staff_online: usize) -> Outlook {
        // Nobody picks where nobody is.
        let pace = if staff_online > 0 { self.pace() } else { None };
        Outlook { waiting: self.waiting.len() as u64, pace }
    }

    fn pace(&self) -> Option<Pace> {
        let picks = self.picks.len().checked_sub(1).filter(|intervals| *intervals > 0)? as u64;
        Some(Pace { span_ms: self.picks.back()? - self.picks.front()?, picks })
    }
}

impl State {
    /// Tells everybody who waits their place, if it is another one than they know.
    pub(super) fn tell_places(&mut self, now: Millis, out: &mut impl Emit) {
        let queue = &mut self.queue;
        let outlook = queue.outlook(self.staff_online);
        let (moved, untold) = (std::mem::take(&mut queue.moved), std::mem::take(&mut queue.untold));
        let known = std::mem::replace(&mut queue.told, outlook);
        queue.told_at = now;
        queue.notice_due = None;

        // Where nothing is different for all, places are what they were before the first that moved and after the last.
        let ends = if known == outlook { moved.first().zip(moved.last()) } else { queue.waiting.ends() };
        let changed = ends.map(|(first, last)| *first..=*last);
        let others = untold.iter().map(|number| *number..=*number);
        let others = others.filter(|one| !changed.as_ref().is_some_and(|all| all.contains(one.start())));
        let stretches = changed.iter().cloned().chain(others);
        for (position, number) in stretches.flat_map(|numbers| self.queue.waiting.between(numbers)) {
            let Some(ticket) = self.tickets.get_mut(&number) else { continue };
            let Some(conn) = self.users[ticket.user].conn else { continue };
            let place = outlook.place(position);
            match ticket.told {
                Some((known, _)) if known == place => {}
                Some((_, at)) if at + QUEUE_NOTICE_MS > now => _ = self.queue.untold.insert(number),
                _ => {
                    ticket.told = Some((place, now));
                    out.emit(conn, &Event::Queue { ticket: ticket.id, place });
                }
            }
        }
        if !self.queue.untold.is_empty() {
            self.queue.changed(now);
        }
    }
}
