//! Who waits, where, and for how long.
//!
//! A pick moves everybody behind it up by one. To send each of them a notice at once would cost the length of the queue
//! for every pick. So a change is noted, and once a second a round of notices goes to those whose place has changed. Which
//! tickets a round looks at follows from what has changed: all of them, those between tickets that came or went, or that of
//! a user who is back. Users who are absent are left out, and a long round is spread over several turns.

use std::collections::{BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use super::State;
use super::event::{Emit, Event, Place};
use super::link::Link;
use super::rank_index::RankIndex;
use super::ticket_ids::TicketNo;
use super::tickets::Tickets;
use crate::config::{Millis, NOTICES_PER_TURN, PICKS_REMEMBERED, QUEUE_NOTICE_MS};

/// The tickets that are not with a staff member.
#[derive(Debug, Default, Hash, Serialize, Deserialize)]
pub(super) struct Queue {
    waiting: RankIndex,
    /// Those of the waiting ones whose users are connected.
    present: BTreeSet<TicketNo>,
    pub(super) paused: BTreeSet<TicketNo>,
    /// When the last tickets were picked out of the queue.
    picks: VecDeque<Millis>,
    /// When the last round of notices began, and the estimate that it began with.
    round_at: Millis,
    round_estimate: QueueEstimate,
    round: Option<Round>,
    /// Something has changed during a round, so the next one looks at everybody.
    is_mixed: bool,
    /// The tickets that wait now and did not when the last round began, or the other way round.
    moved: BTreeSet<TicketNo>,
    /// Tickets whose users have yet to be sent their place, or were sent one too short a time ago.
    notice_pending: BTreeSet<TicketNo>,
    notice_due: Option<Millis>,
}

/// A round of notices: the tickets that have yet to be looked at.
#[derive(Debug, Hash, Serialize, Deserialize)]
struct Round {
    first: TicketNo,
    last: TicketNo,
    singles: BTreeSet<TicketNo>,
}

/// What all places have in common.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct QueueEstimate {
    waiting: u64,
    pick_rate: Option<PickRate>,
}

/// How long the last picks have taken together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct PickRate {
    span_ms: Millis,
    picks: u64,
}

impl QueueEstimate {
    pub(super) fn place(self, position: u64) -> Place {
        // The mean time between the last picks, for each place.
        let wait_s = self.pick_rate.map(|rate| (position * rate.span_ms).div_ceil(rate.picks * 1000));
        Place { position, waiting: self.waiting, wait_s }
    }
}

impl Queue {
    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Returns the oldest ticket that waits or is paused.
    pub(super) fn oldest(&self) -> Option<TicketNo> {
        self.waiting.first().into_iter().chain(self.paused.first()).min().copied()
    }

    /// Adds a ticket, at the place that its age gives it.
    pub(super) fn enter(&mut self, number: TicketNo, is_present: bool, now: Millis) {
        if self.waiting.insert(number) {
            self.set_present(number, is_present);
            self.note_moved(number, now);
        }
    }

    /// Removes a ticket.
    pub(super) fn leave(&mut self, number: TicketNo, now: Millis) {
        if self.waiting.remove(number) {
            self.set_present(number, false);
            self.note_moved(number, now);
        }
    }

    /// Notes whether the user of a ticket is connected.
    pub(super) fn set_present(&mut self, number: TicketNo, is_present: bool) {
        if is_present && self.waiting.contains(number) {
            self.present.insert(number);
        } else {
            self.present.remove(&number);
        }
    }

    /// Removes a ticket that has been picked, and counts the pick.
    pub(super) fn picked(&mut self, number: TicketNo, now: Millis) {
        if self.picks.len() == PICKS_REMEMBERED {
            self.picks.pop_front();
        }
        self.picks.push_back(now);
        self.leave(number, now);
    }

    /// Has a user sent their place in the next round: their connection does not show it.
    pub(super) fn forget_notice(&mut self, tickets: &mut Tickets, number: TicketNo, now: Millis) {
        if self.waiting.contains(number) {
            tickets[number].last_notice = None;
            self.notice_pending.insert(number);
            self.changed(now);
        }
    }

    /// Schedules a round: places may have changed.
    pub(super) fn changed(&mut self, now: Millis) {
        self.is_mixed |= self.round.is_some();
        if self.notice_due.is_none() && !self.present.is_empty() {
            self.notice_due = Some(now.max(self.round_at + QUEUE_NOTICE_MS));
        }
    }

    /// Returns when the next part of a round is due: a time that has passed during a round.
    pub(super) fn notice_due(&self) -> Option<Millis> {
        if self.round.is_some() { Some(self.round_at) } else { self.notice_due }
    }

    /// Returns the last place in the queue.
    pub(super) fn last_place(&self, staff_online: usize) -> Place {
        let estimate = self.estimate(staff_online);
        estimate.place(estimate.waiting)
    }

    fn note_moved(&mut self, number: TicketNo, now: Millis) {
        // A ticket that came and went has moved nobody.
        if !self.moved.remove(&number) {
            self.moved.insert(number);
        }
        self.changed(now);
    }

    pub(super) fn estimate(&self, staff_online: usize) -> QueueEstimate {
        // While no staff are online, the last picks say nothing about the next.
        let pick_rate = if staff_online > 0 { self.pick_rate() } else { None };
        QueueEstimate { waiting: self.waiting.len() as u64, pick_rate }
    }

    fn pick_rate(&self) -> Option<PickRate> {
        let picks = self.picks.len().checked_sub(1).filter(|intervals| *intervals > 0)? as u64;
        Some(PickRate { span_ms: self.picks.back()? - self.picks.front()?, picks })
    }

    /// Begins a round, if one is due and the one before has ended.
    fn start_round(&mut self, now: Millis, estimate: QueueEstimate) {
        if self.round.is_some() || self.notice_due.is_none_or(|due| due > now) {
            return;
        }
        let known = std::mem::replace(&mut self.round_estimate, estimate);
        let is_for_all = std::mem::take(&mut self.is_mixed) || known != estimate;
        let moved = std::mem::take(&mut self.moved);
        // Unless something changes for all, places before the first moved ticket and after the last are what they were.
        let changed = if is_for_all { &self.present } else { &moved };
        let ends = changed.first().copied().zip(changed.last().copied());
        let singles = std::mem::take(&mut self.notice_pending);
        (self.round_at, self.notice_due) = (now, None);
        self.round = match (ends, singles.first()) {
            (Some((first, last)), _) => Some(Round { first, last, singles }),
            (None, Some(single)) => Some(Round { first: *single, last: *single, singles }),
            (None, None) => None,
        };
    }

    /// Takes the next tickets of the round, in order; after the last of them the round ends.
    fn next_of_round(&mut self) -> Vec<TicketNo> {
        let Some(round) = &mut self.round else { return Vec::new() };
        let singles: Vec<_> = round.singles.iter().take(NOTICES_PER_TURN).copied().collect();
        if !singles.is_empty() {
            for single in &singles {
                round.singles.remove(single);
            }
            return singles;
        }
        let next: Vec<_> = if round.first <= round.last {
            self.present.range(round.first..=round.last).take(NOTICES_PER_TURN).copied().collect()
        } else {
            Vec::new()
        };
        match next.last() {
            Some(last) if next.len() == NOTICES_PER_TURN => round.first = last.next(),
            _ => self.round = None,
        }
        next
    }
}

impl State {
    /// Sends the next part of a round: to each user their place, if their connection shows another one.
    pub(super) fn send_places(&mut self, now: Millis, out: &mut impl Emit) {
        let estimate = self.queue.estimate(self.staff_online);
        self.queue.start_round(now, estimate);
        for number in self.queue.next_of_round() {
            let Some(ticket) = self.tickets.get_mut(number) else { continue };
            let Some(link) = &self.users[ticket.user].link else { continue };
            if !self.queue.waiting.contains(number) {
                continue;
            }
            let place = estimate.place(self.queue.waiting.position(number));
            match ticket.last_notice {
                Some((known, _)) if known == place => {}
                Some((_, at)) if at + QUEUE_NOTICE_MS > now => _ = self.queue.notice_pending.insert(number),
                _ if !Link::has_credit(link) => ticket.last_notice = None, // sent when it has credit again
                _ => {
                    ticket.last_notice = Some((place, now));
                    link.send(&Event::Queue { ticket: ticket.id, place }, out);
                }
            }
        }
        if !self.queue.notice_pending.is_empty() && self.queue.round.is_none() {
            self.queue.changed(now);
        }
    }
}
