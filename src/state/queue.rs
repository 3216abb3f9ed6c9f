//! The queue: the tickets that wait, their places, and how long the wait is likely to be.
//!
//! A pick moves every ticket behind it up by one place. Notifying all of their users at once would make each pick as
//! expensive as the queue is long. So a change is only noted, and once a second a round of notices goes to the users
//! whose place has changed. Which tickets a round looks at depends on what has changed: all of them, those between the
//! tickets that came or went, or those of users who have come back. Absent users are left out, and a long round is
//! spread over several turns.

use std::collections::{BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use super::State;
use super::event::{Emit, Event, Place};
use super::link::Link;
use super::rank_index::RankIndex;
use super::ticket_ids::TicketNo;
use super::tickets::Tickets;
use crate::config::{Millis, NOTICES_PER_TURN, PICKS_REMEMBERED, QUEUE_NOTICE_MS};

/// The tickets that no staff member has: those that wait, and those that are paused.
#[derive(Clone, Debug, Default, Hash, Serialize, Deserialize)]
pub(super) struct Queue {
    waiting: RankIndex,
    /// The waiting tickets whose users are connected.
    present: BTreeSet<TicketNo>,
    pub(super) paused: BTreeSet<TicketNo>,
    /// When the last tickets were picked out of the queue.
    picks: VecDeque<Millis>,
    /// When the last round of notices began.
    round_at: Millis,
    /// The estimate that the last round began with.
    round_estimate: QueueEstimate,
    round: Option<Round>,
    /// Whether something has changed during a round, so that the next one has to look at all tickets.
    is_mixed: bool,
    /// The tickets that have joined or left the queue since the last round began.
    moved: BTreeSet<TicketNo>,
    /// Tickets whose users are to be sent their place in the next round, because their connections do not show one, or
    /// because their last notice was too recent when it changed.
    notice_pending: BTreeSet<TicketNo>,
    notice_due: Option<Millis>,
}

/// A round of notices: the tickets that have yet to be looked at.
#[derive(Clone, Debug, Hash, Serialize, Deserialize)]
struct Round {
    first: TicketNo,
    last: TicketNo,
    singles: BTreeSet<TicketNo>,
}

/// What the notices of all places have in common: the length of the queue, and how fast it is served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct QueueEstimate {
    waiting: u64,
    pick_rate: Option<PickRate>,
}

/// The rate of the last picks: how many there were in which time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct PickRate {
    span_ms: Millis,
    picks: u64,
}

impl QueueEstimate {
    pub(super) fn place(self, position: u64) -> Place {
        // Each place takes the mean time between the last picks.
        let wait_s = self.pick_rate.map(|rate| (position * rate.span_ms).div_ceil(rate.picks * 1000));
        Place { position, waiting: self.waiting, wait_s }
    }
}

impl Queue {
    /// Returns how many tickets wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Returns the oldest ticket that waits or is paused.
    pub(super) fn oldest(&self) -> Option<TicketNo> {
        self.waiting.first().into_iter().chain(self.paused.first()).min().copied()
    }

    /// Adds a ticket at its place by age.
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

    /// Makes the next round send a user their place, because their connection does not show it.
    pub(super) fn forget_notice(&mut self, tickets: &mut Tickets, number: TicketNo, now: Millis) {
        if self.waiting.contains(number) {
            tickets[number].last_notice = None;
            self.notice_pending.insert(number);
            self.changed(now);
        }
    }

    /// Schedules a round, because places may have changed.
    pub(super) fn changed(&mut self, now: Millis) {
        self.is_mixed |= self.round.is_some();
        if self.notice_due.is_none() && !self.present.is_empty() {
            self.notice_due = Some(now.max(self.round_at + QUEUE_NOTICE_MS));
        }
    }

    /// Returns when the next part of a round is due. During a round, that time has passed already.
    pub(super) fn notice_due(&self) -> Option<Millis> {
        if self.round.is_some() { Some(self.round_at) } else { self.notice_due }
    }

    /// Returns the last place in the queue.
    pub(super) fn last_place(&self, staff_online: usize) -> Place {
        let estimate = self.estimate(staff_online);
        estimate.place(estimate.waiting)
    }

    fn note_moved(&mut self, number: TicketNo, now: Millis) {
        // A ticket that came and went between two rounds has moved nobody.
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

    /// Begins a round, if one is due and the last one has ended.
    fn start_round(&mut self, now: Millis, estimate: QueueEstimate) {
        if self.round.is_some() || self.notice_due.is_none_or(|due| due > now) {
            return;
        }
        let known = std::mem::replace(&mut self.round_estimate, estimate);
        let is_for_all = std::mem::take(&mut self.is_mixed) || known != estimate;
        let moved = std::mem::take(&mut self.moved);
        // With an equal estimate the queue is as long as before, so as many tickets came as went: no place has changed
        // before the first of them or after the last.
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

    /// Takes the next tickets of the round, in order. With the last of them the round ends.
    fn next_of_round(&mut self) -> Vec<TicketNo> {
        let Some(round) = &mut self.round else { return Vec::new() };
        // Single tickets come first, since their users are shown no place, or an old one.
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
    /// Sends the next part of a round: to each user their place, unless their connection shows it already.
    pub(super) fn send_places(&mut self, now: Millis, out: &mut dyn Emit) {
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
