//! Who comes and goes.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::assign::Seat;
use super::board::Board;
use super::conversation::Held;
use super::event::{Emit, EndedTicket, ErrorCode, Event, OwnTicket, Side, StaffChange, UserWelcome};
use super::ticket::Status;
use super::ticket_ids::TicketNo;
use super::{Alarm, ClosedBy, Key, State};
use crate::config::Millis;
use crate::ids::{SecretHash, StaffId, UserId};
use crate::net::ConnId;

/// A user, for as long as they are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct UserKey(u32);

/// A staff member, for as long as they are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StaffKey(u32);

impl Key<User> for UserKey {
    fn place(self) -> usize {
        self.0 as usize
    }
}

impl Key<Staff> for StaffKey {
    fn place(self) -> usize {
        self.0 as usize
    }
}

/// The id is in use, and the secret is not its user's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SomebodyElse;

/// Known while connected, while a ticket is open, and for the grace time after one closed in their absence.
#[derive(Debug, Hash, Serialize, Deserialize)]
pub(super) struct User {
    pub(super) id: UserId,
    session: SecretHash,
    pub(super) conn: Option<ConnId>,
    pub(super) ticket: Option<TicketNo>,
    /// Given up then, unless they come back.
    absent_until: Option<Millis>,
    ended: Option<Box<Ended>>,
    /// The grace time of a ticket that closed in their absence: until then the id stays theirs, told of it or not.
    known_until: Millis,
}

/// What a user has to be told of a ticket that closed in their absence.
#[derive(Debug, Hash, Serialize, Deserialize)]
struct Ended {
    ticket: EndedTicket,
    held: Held,
}

/// Known while connected, and while a ticket is paused that they had.
#[derive(Debug, Hash, Serialize, Deserialize)]
pub(super) struct Staff {
    pub(super) id: StaffId,
    pub(super) conn: Option<ConnId>,
    pub(super) online: bool,
    /// The tickets with them.
    pub(super) active: BTreeSet<TicketNo>,
    /// The tickets that they had when they went offline.
    pub(super) paused: BTreeSet<TicketNo>,
    pub(super) seat: Seat,
    pub(super) board: Board,
}

impl State {
    /// A user connects. `offered` is the session that they bring; one who is not known yet gets the `fresh` one.
    /// Tells whether they are known.
    ///
    /// # Errors
    /// They are known, and bring another session or none.
    pub fn user_connects(
        &mut self,
        now: Millis,
        conn: ConnId,
        id: UserId,
        offered: Option<&SecretHash>,
        fresh: SecretHash,
        out: &mut impl Emit,
    ) -> Result<UserKey, SomebodyElse> {
        let (key, resumed) = match self.users_by_id.get(&id).copied() {
            Some(key) if offered == Some(&self.users[key].session) => (key, true),
            Some(_) => return Err(SomebodyElse),
            None => (self.add_user(id, fresh), false),
        };
        let user = &mut self.users[key];
        let before = user.conn.replace(conn);
        if let Some(due) = user.absent_until.take() {
            self.alarms.remove(&(due, Alarm::Absence(key)));
        }
        if let Some(older) = before {
            out.dismiss(older);
        }
        self.welcome_user(now, conn, key, resumed, out);
        if let Some(number) = self.users[key].ticket {
            if before.is_none() {
                self.announce_update(number, out);
            }
            self.queue.forget_told(&mut self.tickets, number, now);
        }
        Ok(key)
    }

    /// A user's connection is gone.
    pub fn user_leaves(&mut self, now: Millis, (conn, key): (ConnId, UserKey), out: &mut impl Emit) {
        let Some(user) = self.users.get(key).filter(|user| user.conn == Some(conn)) else { return };
        let (ticket, known_until) = (user.ticket, user.known_until);
        self.users[key].conn = None;
        match ticket {
            Some(number) => {
                self.stop_typing(number, Side::User, out);
                self.await_user(key, now + self.rules.user_grace_ms);
                self.announce_update(number, out);
            }
            None if known_until > now => self.await_user(key, known_until),
            None => self.forget_user(key),
        }
    }

    /// A staff member connects, whose token has been checked. They start offline.
    pub fn staff_connects(
        &mut self,
        now: Millis,
        conn: ConnId,
        id: StaffId,
        out: &mut impl Emit,
    ) -> StaffKey {
        let key = match self.staff_by_id.get(&id).copied() {
            Some(key) => {
                if let Some(older) = self.staff[key].conn {
                    self.lose_staff(now, key, out);
                    out.dismiss(older);
                }
                key
            }
            None => self.add_staff(id),
        };
        self.staff[key].conn = Some(conn);
        self.welcome_staff(now, conn, key, out);
        self.assign_waiting(now, out); // what the older connection had
        key
    }

    /// A staff member's connection is gone.
    pub fn staff_leaves(&mut self, now: Millis, (conn, key): (ConnId, StaffKey), out: &mut impl Emit) {
        if self.staff_at(key, conn).is_none() {
            return;
        }
        self.lose_staff(now, key, out);
        self.forget_staff_if_gone(key);
        self.assign_waiting(now, out);
    }

    /// Every staff member who is connected.
    pub fn staff_connected(&self) -> impl Iterator<Item = (&StaffId, ConnId)> {
        self.staff.values().filter_map(|staff| Some((&staff.id, staff.conn?)))
    }

    pub(super) fn user_at(&self, key: UserKey, conn: ConnId) -> Option<&User> {
        self.users.get(key).filter(|user| user.conn == Some(conn))
    }

    pub(super) fn staff_at(&self, key: StaffKey, conn: ConnId) -> Option<&Staff> {
        self.staff.get(key).filter(|staff| staff.conn == Some(conn))
    }

    pub(super) fn go_online(
        &mut self,
        now: Millis,
        key: StaffKey,
        out: &mut impl Emit,
    ) -> Result<(), ErrorCode> {
        if !self.staff[key].online {
            self.staff[key].online = true;
            self.staff_online += 1;
            self.refresh_seat(key);
            self.tell_presence(now, key, out);
            self.tell_paused(now, key, StaffChange::Online, out);
            return Ok(());
        }
        self.to_staff(key, &Event::Presence { online: true }, out); // as it stands
        Ok(())
    }

    pub(super) fn go_offline(
        &mut self,
        now: Millis,
        key: StaffKey,
        out: &mut impl Emit,
    ) -> Result<(), ErrorCode> {
        if self.staff[key].online {
            self.take_offline(now, key, out);
        } else {
            self.to_staff(key, &Event::Presence { online: false }, out);
        }
        Ok(())
    }

    /// Nobody came back in time.
    pub(super) fn give_up_user(&mut self, now: Millis, key: UserKey, out: &mut impl Emit) {
        let Some(user) = self.users.get(key) else { return };
        match user.ticket {
            Some(number) => {
                self.users[key].absent_until = None;
                self.close(now, number, ClosedBy::Timeout, out);
            }
            None => self.forget_user(key),
        }
    }

    /// A ticket has closed: its user is told now, or when they come back.
    pub(super) fn end_for_user(
        &mut self,
        now: Millis,
        key: UserKey,
        ticket: EndedTicket,
        held: Held,
        out: &mut impl Emit,
    ) {
        let user = &mut self.users[key];
        user.ticket = None;
        if let Some(conn) = user.conn {
            out.emit(conn, &Event::TicketClosed { ticket: ticket.ticket, by: ticket.by, at: ticket.at });
        } else {
            user.ended = Some(Box::new(Ended { ticket, held }));
            user.known_until = now + self.rules.user_grace_ms;
            let due = user.known_until;
            self.await_user(key, due);
        }
    }

    /// A staff member who has nothing left here and is not connected is forgotten.
    pub(super) fn forget_staff_if_gone(&mut self, key: StaffKey) {
        let staff = &self.staff[key];
        if staff.conn.is_none() && staff.paused.is_empty() {
            self.staff_by_id.remove(&staff.id);
            self.staff.remove(key);
        }
    }

    fn add_user(&mut self, id: UserId, session: SecretHash) -> UserKey {
        let user = User {
            id: id.clone(),
            session,
            conn: None,
            ticket: None,
            absent_until: None,
            ended: None,
            known_until: 0,
        };
        let key = UserKey(self.users.insert(user));
        self.users_by_id.insert(id, key);
        key
    }

    fn forget_user(&mut self, key: UserKey) {
        if let Some(user) = self.users.remove(key) {
            self.users_by_id.remove(&user.id);
        }
    }

    fn add_staff(&mut self, id: StaffId) -> StaffKey {
        let key = StaffKey(self.staff.insert(Staff {
            id: id.clone(),
            conn: None,
            online: false,
            active: BTreeSet::new(),
            paused: BTreeSet::new(),
            seat: Seat::default(),
            board: Board::default(),
        }));
        self.staff_by_id.insert(id, key);
        key
    }

    /// Gives an absent user until `due`.
    fn await_user(&mut self, key: UserKey, due: Millis) {
        if let Some(earlier) = self.users[key].absent_until.replace(due) {
            self.alarms.remove(&(earlier, Alarm::Absence(key)));
        }
        self.alarms.insert((due, Alarm::Absence(key)));
    }

    fn welcome_user(&mut self, now: Millis, conn: ConnId, key: UserKey, resumed: bool, out: &mut impl Emit) {
        let ended = self.users[key].ended.take();
        let user = &self.users[key];
        let ticket = user.ticket.map(|number| (number, &self.tickets[&number]));
        let own = ticket.map(|(_, ticket)| {
            let sent = ticket.conversation.sent_by(Side::User);
            OwnTicket {
                ticket: ticket.id,
                subject: &ticket.subject,
                state: ticket.status.state(),
                staff: ticket.status.staff().map(|staff| &self.staff[staff].id),
                created_at: ticket.created_at,
                last_seq: ticket.conversation.last_seq,
                last_id: sent.last_id,
                delivered_seq: sent.delivered_seq,
            }
        });
        let welcome = UserWelcome {
            user: &user.id,
            resumed,
            now,
            desk_online: self.staff_online > 0,
            ticket: own,
            ended: ended.as_ref().map(|ended| ended.ticket),
        };
        out.emit(conn, &Event::UserWelcome(welcome));
        if let Some(ended) = ended {
            for message in ended.held.views(Side::Staff, &user.id) {
                out.emit(conn, &Event::Message { ticket: ended.ticket.ticket, message });
            }
        }
        if let Some((_, ticket)) = ticket {
            for message in ticket.conversation.sent_by(Side::Staff).held.views(Side::Staff, &user.id) {
                out.emit(conn, &Event::Message { ticket: ticket.id, message });
            }
            // What the welcome has no word for: the one who had it is back, and has not picked it again.
            if let Status::Paused(staff) = ticket.status
                && self.staff[staff].online
            {
                let staff = &self.staff[staff].id;
                out.emit(
                    conn,
                    &Event::Staff { what: StaffChange::Online, ticket: ticket.id, staff, at: now },
                );
            }
        }
    }

    /// A staff member's connection is gone, or about to be replaced.
    fn lose_staff(&mut self, now: Millis, key: StaffKey, out: &mut impl Emit) {
        self.staff[key].conn = None;
        if self.staff[key].online {
            self.take_offline(now, key, out);
        }
    }

    fn take_offline(&mut self, now: Millis, key: StaffKey, out: &mut impl Emit) {
        self.staff[key].online = false;
        self.staff_online -= 1;
        self.refresh_seat(key);
        self.tell_presence(now, key, out);
        // Also those that had been paused before: their users were told that this one is back.
        self.tell_paused(now, key, StaffChange::Offline, out);
        for number in std::mem::take(&mut self.staff[key].active) {
            self.pause(now, number, key, out);
        }
    }

    fn tell_presence(&mut self, now: Millis, key: StaffKey, out: &mut impl Emit) {
        let online = self.staff[key].online;
        self.to_staff(key, &Event::Presence { online }, out);
        let staff = &self.staff[key];
        let others = self.staff.values().filter(|other| other.id != staff.id).filter_map(|other| other.conn);
        out.emit_all(&mut { others }, &Event::Colleague { staff: &staff.id, online });
        if self.staff_online == usize::from(online) {
            let users = self.users.values().filter_map(|user| user.conn);
            out.emit_all(&mut { users }, &Event::Desk { online });
        }
        self.queue.changed(now); // estimates depend on whether anybody is there
    }

    fn tell_paused(&mut self, now: Millis, key: StaffKey, what: StaffChange, out: &mut impl Emit) {
        let staff = &self.staff[key];
        for number in &staff.paused {
            let ticket = &self.tickets[number];
            self.to_user(
                ticket.user,
                &Event::Staff { what, ticket: ticket.id, staff: &staff.id, at: now },
                out,
            );
        }
    }
}
