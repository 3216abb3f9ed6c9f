//! Events for many connections: all staff are sent each change of a ticket or a colleague, and all users are sent
//! whether staff are online.
//!
//! Changes are gathered for a moment, and each ticket is then sent once, in its present state. A ticket that was opened
//! and closed in between is not sent at all. Each turn sends a batch to some of the connections only, so that a turn is
//! short however many there are. What goes beyond a board's allowance waits for the next batch.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::State;
use super::event::{Emit, Event};
use super::link::Link;
use super::staff::{Staff, StaffKey};
use super::ticket_ids::TicketNo;
use super::users::UserKey;
use crate::config::{GATHER_MS, Millis, STAFF_PER_TURN, USERS_PER_TURN};
use crate::ids::{ConnId, StaffId};

/// What is to be sent to many connections, and which of them are still to be served.
#[derive(Clone, Debug, Default, Hash, Serialize, Deserialize)]
pub(super) struct Fanout {
    /// The number of changes so far. Each change has a number, by which a board knows whether it shows the change
    /// already.
    changes: u64,
    tickets: BTreeMap<TicketNo, Change>,
    colleagues: BTreeMap<StaffId, u64>,
    batch: Option<Batch>,
    /// When the last batch began.
    batch_at: Millis,
    due: Option<Millis>,
    /// Whether a board has used up its allowance.
    is_waiting: bool,
    /// The first slot of the users who have not been looked at since the desk went online or offline.
    next_user: Option<u32>,
}

/// A ticket's latest change.
#[derive(Clone, Copy, Debug, Hash, Serialize, Deserialize)]
pub(super) struct Change {
    pub(super) number: u64,
    /// The staff member who was sent the change at once.
    pub(super) sent_to: Option<StaffKey>,
}

/// Changes that are being sent.
#[derive(Clone, Debug, Hash, Serialize, Deserialize)]
struct Batch {
    tickets: Vec<(TicketNo, Change)>,
    colleagues: Vec<(StaffId, u64)>,
    /// The number of the last change in the batch.
    upto: u64,
    /// The first slot of the staff who have not been served yet.
    next_staff: u32,
}

/// Who is sent a change of a ticket: those whose boards show it, and those whose do not. Kept from one change to the next, so
/// that a batch allocates once.
#[derive(Default)]
struct Receivers {
    knowing: Vec<ConnId>,
    others: Vec<ConnId>,
}

impl Fanout {
    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    /// Notes that a ticket has changed, and which staff member has been sent the change already.
    pub(super) fn note_ticket(&mut self, now: Millis, number: TicketNo, sent_to: Option<StaffKey>) {
        self.changes += 1;
        self.tickets.insert(number, Change { number: self.changes, sent_to });
        self.schedule(now);
    }

    fn note_colleague(&mut self, now: Millis, staff: StaffId) {
        self.changes += 1;
        self.colleagues.insert(staff, self.changes);
        self.schedule(now);
    }

    /// Notes that a board has used up its allowance, so that something may wait for the next batch.
    pub(super) fn note_waiting(&mut self) {
        self.is_waiting = true;
        self.schedule(self.batch_at);
    }

    /// Schedules the next batch. After a quiet time it is due at once, so that a single change is not delayed.
    fn schedule(&mut self, now: Millis) {
        let has_news = self.is_waiting || !self.tickets.is_empty() || !self.colleagues.is_empty();
        if has_news && self.due.is_none() && self.batch.is_none() {
            self.due = Some(now.max(self.batch_at + GATHER_MS));
        }
    }

    /// Returns when there is something to send. While a batch is being sent, that time has passed already.
    pub(super) fn next_due(&self) -> Option<Millis> {
        if self.batch.is_some() || self.next_user.is_some() { Some(0) } else { self.due }
    }

    fn start_batch(&mut self, now: Millis) {
        if self.batch.is_none() && self.due.is_some_and(|due| due <= now) {
            self.batch = Some(Batch {
                tickets: std::mem::take(&mut self.tickets).into_iter().collect(),
                colleagues: std::mem::take(&mut self.colleagues).into_iter().collect(),
                upto: self.changes,
                next_staff: 0,
            });
            (self.batch_at, self.due, self.is_waiting) = (now, None, false);
        }
    }
}

impl State {
    pub(super) fn colleague_changed(&mut self, now: Millis, staff: StaffId) {
        self.fanout.note_colleague(now, staff);
    }

    /// Schedules a look at all users, some each turn, because the desk has gone online or offline.
    pub(super) fn schedule_desk_notices(&mut self) {
        self.fanout.next_user = Some(0);
    }

    /// Sends the next part of what goes to many connections.
    pub(super) fn fan_out(&mut self, now: Millis, out: &mut dyn Emit) {
        self.send_some_users(out);
        self.fanout.start_batch(now);
        let Some(next_staff) = self.fanout.batch.as_ref().map(|batch| batch.next_staff) else { return };
        let staff = self.staff.keys_from(next_staff, STAFF_PER_TURN);
        staff.iter().flatten().for_each(|key| self.renew_allowance(*key, out));
        let Some(mut batch) = self.fanout.batch.take() else { return };
        match staff {
            Some(staff) => {
                self.send_batch(&batch, &staff, out);
                batch.next_staff += STAFF_PER_TURN;
                self.fanout.batch = Some(batch);
            }
            None => self.fanout.schedule(now),
        }
    }

    /// Renews the allowance of a board. If it was used up, the board is sent now what waits for it.
    fn renew_allowance(&mut self, key: StaffKey, out: &mut dyn Emit) {
        let allowance = self.board_allowance();
        let staff = &mut self.staff[key];
        if staff.board.renew(allowance) && staff.link.is_some() {
            self.take_changes(key);
            self.catch_up_colleagues(key, out);
            self.catch_up_board(key, out);
        }
    }

    /// Sends a batch to these staff members. For those without credit, its changes are noted, to be sent later.
    fn send_batch(&mut self, batch: &Batch, staff: &[StaffKey], out: &mut dyn Emit) {
        for (id, change) in &batch.colleagues {
            // Encoded once for all of them: when hundreds come online together, this is hundreds of frames for each.
            let (event, mut receivers) = (self.colleague(id), Vec::new());
            let bytes = event.bytes_max();
            let mut behind = Vec::new();
            for key in staff {
                let member = &self.staff[*key];
                let Some(link) = &member.link else { continue };
                if member.id == *id || *change <= member.board.seen {
                    continue;
                }
                if link.has_credit() {
                    receivers.push(link.conn);
                    link.charge(bytes, out);
                } else {
                    behind.push(*key);
                }
            }
            out.emit_all(&receivers, &event);
            for key in &behind {
                self.staff[*key].colleagues.insert(id.clone());
            }
        }
        let mut receivers = Receivers::default();
        for (number, change) in &batch.tickets {
            self.send_change((*number, *change), staff, &mut receivers, out);
        }
        for key in staff {
            let Staff { board, link, .. } = &mut self.staff[*key];
            board.seen = board.seen.max(batch.upto);
            if link.is_some() && !board.has_allowance() {
                self.fanout.note_waiting();
            }
        }
    }

    fn send_change(
        &mut self,
        (number, change): (TicketNo, Change),
        staff: &[StaffKey],
        Receivers { knowing, others }: &mut Receivers,
        out: &mut dyn Emit,
    ) {
        knowing.clear();
        others.clear();
        let ticket = self.tickets.get(number);
        let bytes = ticket.map_or(REMOVED_BYTES, |ticket| Event::TicketAdded(self.view(ticket)).bytes_max());
        let exists = ticket.is_some();
        for key in staff {
            let member = &mut self.staff[*key];
            let Some(link) = &member.link else { continue };
            if !member.board.lacks(change, *key) {
                continue;
            }
            match (link.has_credit() && member.board.has_allowance(), member.board.shows(number)) {
                (true, true) => {
                    knowing.push(link.conn);
                    link.charge(bytes, out);
                    member.board.spend(bytes);
                }
                (true, false) if exists => {
                    // With credit no older ticket is missing, so this is the next one of the board.
                    others.push(link.conn);
                    member.board.sent_upto = Some(number);
                    link.charge(bytes, out);
                    member.board.spend(bytes);
                }
                (true, false) => {} // came and went unseen
                (false, _) => member.board.note(number),
            }
        }
        match self.tickets.get(number) {
            Some(ticket) => {
                let view = self.view(ticket);
                out.emit_all(knowing, &Event::TicketUpdated(view));
                out.emit_all(others, &Event::TicketAdded(view));
            }
            None => out.emit_all(knowing, &Event::TicketRemoved { ticket: self.ids.id(number) }),
        }
    }

    /// Notes for a staff member all changes that they have not been sent.
    pub(super) fn take_changes(&mut self, key: StaffKey) {
        let Staff { id: own, board, colleagues, .. } = &mut self.staff[key];
        if board.seen == self.fanout.changes {
            return;
        }
        let batch =
            self.fanout.batch.iter().flat_map(|batch| &batch.colleagues).map(|(id, change)| (id, change));
        for (id, change) in batch.chain(&self.fanout.colleagues) {
            if *change > board.seen && id != own {
                colleagues.insert(id.clone());
            }
        }
        let batch = self.fanout.batch.iter().flat_map(|batch| &batch.tickets).copied();
        let gathered = self.fanout.tickets.iter().map(|(number, change)| (*number, *change));
        for (number, change) in batch.chain(gathered) {
            if board.lacks(change, key) {
                board.note(number);
            }
        }
        board.seen = self.fanout.changes;
    }

    /// Sends the next users whether staff are online, if their connections show otherwise.
    fn send_some_users(&mut self, out: &mut dyn Emit) {
        let Some(first) = self.fanout.next_user else { return };
        let Some(users) = self.users.keys_from::<UserKey>(first, USERS_PER_TURN) else {
            self.fanout.next_user = None;
            return;
        };
        self.fanout.next_user = Some(first + USERS_PER_TURN);
        let event = Event::Desk { online: self.staff_online > 0 };
        let mut conns = Vec::new();
        for key in users {
            let user = &mut self.users[key];
            if let Some(link) = user.link.as_ref().filter(|link| link.has_credit())
                && user.desk_shown != (self.staff_online > 0)
            {
                link.charge(event.bytes_max(), out);
                user.desk_shown = self.staff_online > 0;
                conns.push(link.conn);
            }
        }
        out.emit_all(&conns, &event);
    }

    /// Sends a user whether staff are online, if their connection shows otherwise.
    pub(super) fn send_desk(&mut self, key: UserKey, out: &mut dyn Emit) {
        let online = self.staff_online > 0;
        let user = &mut self.users[key];
        if let Some(link) = user.link.as_ref().filter(|link| Link::has_credit(link))
            && user.desk_shown != online
        {
            link.send(&Event::Desk { online }, out);
            user.desk_shown = online;
        }
    }
}

/// An upper bound of a `ticket_removed` frame, in bytes.
const REMOVED_BYTES: usize = 64;
