//! The board: the list of tickets that staff see. A staff member is sent every ticket once, and then each change.
//!
//! A connection is sent the board from the oldest ticket on, as far as its credit goes. State remembers two things
//! about it. One is the last ticket that it was sent: a change of a later ticket is not sent, since that ticket will be
//! sent as a whole. The other is which of the tickets that it was sent have changed since. fanout.rs gathers the
//! changes that go to all staff.
//!
//! The tickets that there are at the welcome are sent as fast as the connection takes them. For later tickets and changes it has
//! an allowance, which is renewed with each batch of changes. So nobody is sent a flood of tickets faster than it is useful.

use std::collections::BTreeSet;
use std::ops::Bound;

use serde::{Deserialize, Serialize};

use super::State;
use super::event::{Emit, Event, Record, StaffName, StaffWelcome, TicketView};
use super::fanout::Change;
use super::staff::StaffKey;
use super::ticket::Ticket;
use super::ticket_ids::TicketNo;
use crate::config::{BOARD_BYTES_PER_GATHER, Millis, WELCOME_BYTES_MAX, WELCOME_TICKETS_MAX};
use crate::ids::StoredText;

/// How much of the board a staff member's connection has been sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Board {
    /// The last ticket that was sent. All older ones were sent before it.
    pub(super) sent_upto: Option<TicketNo>,
    /// Tickets that were sent, and that have changed or closed since.
    pub(super) dirty: BTreeSet<TicketNo>,
    /// The last ticket that was taken out of `dirty`.
    taken: Option<TicketNo>,
    /// The number of the last change that either was sent or is noted in `dirty`.
    pub(super) seen: u64,
    /// The newest ticket at the welcome.
    welcomed_upto: Option<TicketNo>,
    /// How much it may be sent of later tickets and changes until the next batch, in bytes.
    allowance: usize,
}

impl Board {
    /// Whether this board shows a ticket, or did until the ticket closed.
    pub(super) fn shows(&self, number: TicketNo) -> bool {
        self.sent_upto.is_some_and(|last| number <= last)
    }

    /// Whether a change can be sent now, if there is credit.
    pub(super) fn has_allowance(&self) -> bool {
        self.allowance > 0
    }

    /// Counts a change that is sent.
    pub(super) fn spend(&mut self, bytes: usize) {
        self.allowance = self.allowance.saturating_sub(bytes);
    }

    /// Renews the allowance. Returns whether it was used up, so that something may wait.
    pub(super) fn renew(&mut self, allowance: usize) -> bool {
        std::mem::replace(&mut self.allowance, allowance) == 0
    }

    /// Takes the next ticket out of `dirty`, going round by number: tickets that change without end must not keep the
    /// changes of others from ever being sent.
    fn take_dirty(&mut self) -> Option<TicketNo> {
        let start = self.taken.map_or(Bound::Unbounded, Bound::Excluded);
        let next =
            self.dirty.range((start, Bound::Unbounded)).next().or_else(|| self.dirty.first()).copied()?;
        self.dirty.remove(&next);
        self.taken = Some(next);
        Some(next)
    }

    /// Whether this board, which is that of `staff`, lacks a change.
    pub(super) fn lacks(&self, change: Change, staff: StaffKey) -> bool {
        change.number > self.seen && change.sent_to != Some(staff)
    }

    /// Notes a change that cannot be sent now. A ticket that the board does not show yet will be sent as a whole.
    pub(super) fn note(&mut self, number: TicketNo) {
        if self.shows(number) {
            self.dirty.insert(number);
        }
    }
}

impl State {
    pub(super) fn welcome_staff(&mut self, now: Millis, key: StaffKey, out: &mut dyn Emit) {
        let online = self.staff_by_id.values().map(|key| &self.staff[*key]).filter(|staff| staff.online);
        let online: Vec<StaffName<'_>> = online.map(super::staff::Staff::name).collect();
        // Colleagues may take half of the welcome, so that there is space for tickets. Those who do not fit follow one
        // by one, as if they had just come online.
        let mut bytes = 0;
        let fitting = online.iter().take_while(|staff| {
            bytes += staff.bytes_in_welcome();
            bytes < WELCOME_BYTES_MAX / 2
        });
        let (listed, others) = online.split_at(fitting.count());
        let others = others.iter().map(|staff| staff.id.clone()).collect();
        let (views, last) = self.views_for_welcome(WELCOME_BYTES_MAX.saturating_sub(bytes));
        let more = self.tickets.len() - views.len();
        let welcome = StaffWelcome {
            staff: self.staff[key].name(),
            now,
            max_chats: self.rules.max_chats,
            assign: self.rules.assign,
            tickets: &views,
            more,
            colleagues: listed,
        };
        self.to_staff(key, &Event::StaffWelcome(welcome), out);
        let board = Board {
            sent_upto: last,
            dirty: BTreeSet::new(),
            taken: None,
            seen: self.fanout.changes(),
            welcomed_upto: self.tickets.last(),
            allowance: self.board_allowance(),
        };
        let staff = &mut self.staff[key];
        staff.board = board;
        staff.colleagues = others;
        // What did not fit is sent once the welcome has left.
        if (more > 0 || !staff.colleagues.is_empty())
            && let Some(link) = &staff.link
        {
            link.exhaust(out);
        }
    }

    /// Sends what a connection's board lacks, as far as its credit and its allowance go: changes of the tickets that it
    /// shows, and tickets that it does not show yet. One of each in turn, so that a flood of one kind does not hold up
    /// the other.
    pub(super) fn catch_up_board(&mut self, key: StaffKey, out: &mut dyn Emit) {
        loop {
            let is_changed = self.send_next_change(key, out);
            let is_added = self.send_next_ticket(key, out);
            if !is_changed && !is_added {
                break;
            }
        }
        if !self.staff[key].board.has_allowance() {
            self.fanout.note_waiting();
        }
    }

    /// Sends a change that a board lacks. Returns whether there was one, and it could be sent.
    fn send_next_change(&mut self, key: StaffKey, out: &mut dyn Emit) -> bool {
        if !self.takes_more(key) || !self.staff[key].board.has_allowance() {
            return false;
        }
        let Some(number) = self.staff[key].board.take_dirty() else { return false };
        let event = match self.tickets.get(number) {
            Some(ticket) => Event::TicketUpdated(self.view(ticket)),
            None => Event::TicketRemoved { ticket: self.ids.id(number) },
        };
        let bytes = event.bytes_max();
        self.to_staff(key, &event, out);
        self.staff[key].board.spend(bytes);
        true
    }

    /// Sends the oldest ticket that a board does not show yet. Returns whether there was one, and it could be sent.
    fn send_next_ticket(&mut self, key: StaffKey, out: &mut dyn Emit) -> bool {
        if !self.takes_more(key) {
            return false;
        }
        let board = &self.staff[key].board;
        let start = board.sent_upto.map_or(Bound::Unbounded, Bound::Excluded);
        let Some((number, ticket)) = self.tickets.range((start, Bound::Unbounded)).next() else {
            return false;
        };
        let is_later = Some(*number) > board.welcomed_upto;
        if is_later && !board.has_allowance() {
            return false;
        }
        let event = Event::TicketAdded(self.view(ticket));
        let bytes = event.bytes_max();
        self.to_staff(key, &event, out);
        let board = &mut self.staff[key].board;
        board.sent_upto = Some(*number);
        board.spend(if is_later { bytes } else { 0 });
        true
    }

    /// How much of the board's changes a staff member is sent with a batch, in bytes.
    pub(super) fn board_allowance(&self) -> usize {
        BOARD_BYTES_PER_GATHER / self.staff.len().max(1)
    }

    /// Sends a change of a ticket to the operator's log and to the staff member who has it; the others get it with the
    /// next batch.
    pub(super) fn announce_update(&mut self, now: Millis, number: TicketNo, out: &mut dyn Emit) {
        let view = self.view(&self.tickets[number]);
        out.record(&Record::TicketChanged(view));
        let owner = self.tickets[number].status.staff().filter(|key| self.takes_more(*key));
        if let Some(owner) = owner {
            if self.staff[owner].board.shows(number) {
                self.to_staff(owner, &Event::TicketUpdated(view), out);
            } else {
                // The board lacks the ticket, which is newer than the last batch: everything that is missing is sent
                // now.
                self.take_changes(owner);
                self.catch_up_colleagues(owner, out);
                self.catch_up_board(owner, out);
            }
        }
        self.fanout.note_ticket(now, number, owner);
    }

    /// Notes for the next batch that a ticket was created or has closed.
    pub(super) fn board_changed(&mut self, now: Millis, number: TicketNo) {
        self.fanout.note_ticket(now, number, None);
    }

    /// Returns as many of the oldest tickets as fit into a welcome, and the number of the last of them.
    fn views_for_welcome(&self, bytes_max: usize) -> (Vec<TicketView<'_>>, Option<TicketNo>) {
        let (mut views, mut last, mut bytes) = (Vec::new(), None, 0);
        for (number, ticket) in self.tickets.range(..).take(WELCOME_TICKETS_MAX) {
            let view = self.view(ticket);
            bytes += view.bytes_max();
            if bytes > bytes_max {
                break;
            }
            views.push(view);
            last = Some(*number);
        }
        (views, last)
    }

    pub(super) fn view<'a>(&'a self, ticket: &'a Ticket) -> TicketView<'a> {
        let user = &self.users[ticket.user];
        TicketView {
            ticket: ticket.id,
            user: &user.id,
            user_name: ticket.user_name.as_ref().map(StoredText::as_json),
            subject: ticket.subject.as_json(),
            page: ticket.page.as_ref().map(StoredText::as_json),
            state: ticket.status.state(),
            staff: ticket.status.staff().map(|key| self.staff[key].name()),
            user_online: user.link.is_some(),
            created_at: ticket.created_at,
            since: ticket.since,
        }
    }
}
