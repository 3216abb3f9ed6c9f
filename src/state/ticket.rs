//! A ticket's life: `waiting` -> `active` -> `paused` -> `active` ... -> closed, which removes it.

use serde::{Deserialize, Serialize};

use super::conversation::Conversation;
use super::event::{
    ClosedBy, Emit, EndedTicket, ErrorCode, Event, Picked, Place, Side, StaffChange, TicketState,
};
use super::presence::{StaffKey, UserKey};
use super::ticket_ids::TicketNo;
use super::{Alarm, State};
use crate::config::Millis;
use crate::ids::{JsonText, StaffId, TicketId};

/// An open ticket.
#[derive(Debug, Hash, Serialize, Deserialize)]
pub(super) struct Ticket {
    pub(super) id: TicketId,
    pub(super) user: UserKey,
    /// In its JSON form.
    pub(super) subject: Box<str>,
    pub(super) created_at: Millis,
    pub(super) status: Status,
    pub(super) conversation: Conversation,
    /// What its user was last told of the queue, and when.
    pub(super) told: Option<(Place, Millis)>,
    /// Who gave it back last: not the first choice to get it again.
    pub(super) released_by: Option<StaffId>,
}

/// Whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) enum Status {
    /// Nobody's.
    Waiting,
    /// This one's, who is online.
    Active(StaffKey),
    /// This one had it, and anybody may pick it.
    Paused(StaffKey),
}

impl Status {
    pub(super) fn state(self) -> TicketState {
        match self {
            Self::Waiting => TicketState::Waiting,
            Self::Active(_) => TicketState::Active,
            Self::Paused(_) => TicketState::Paused,
        }
    }

    pub(super) fn staff(self) -> Option<StaffKey> {
        match self {
            Self::Waiting => None,
            Self::Active(staff) | Self::Paused(staff) => Some(staff),
        }
    }
}

/// What a ticket comes with when it is handed to a staff member.
#[derive(Default)]
pub(super) struct Handing<'a> {
    pub(super) auto: bool,
    pub(super) from: Option<&'a StaffId>,
    pub(super) note: Option<&'a JsonText<'a>>,
}

impl State {
    pub(super) fn create(
        &mut self,
        now: Millis,
        key: UserKey,
        subject: &JsonText<'_>,
        out: &mut impl Emit,
    ) -> Result<(), ErrorCode> {
        if self.users[key].ticket.is_some() {
            return Err(ErrorCode::TicketExists);
        }
        let number = self.ids.next();
        let id = self.ids.id(number);
        self.users[key].ticket = Some(number);
        self.queue.enter(number, now);
        let place = self.queue.last_place(self.staff_online);
        let ticket = Ticket {
            id,
            user: key,
            subject: subject.as_str().into(),
            created_at: now,
            status: Status::Waiting,
            conversation: Conversation::default(),
            told: Some((place, now)),
            released_by: None,
        };
        self.to_user(key, &Event::TicketCreated { ticket: id, subject: &ticket.subject, at: now }, out);
        self.to_user(key, &Event::Queue { ticket: id, place }, out);
        self.tickets.insert(number, Box::new(ticket));
        self.announce_new(number, out);
        Ok(())
    }

    pub(super) fn pick(
        &mut self,
        now: Millis,
        key: StaffKey,
        id: TicketId,
        out: &mut impl Emit,
    ) -> Result<(), ErrorCode> {
        if !self.staff[key].online {
            return Err(ErrorCode::YouAreOffline);
        }
        let number = self.find(id)?;
        if let Status::Active(_) = self.tickets[&number].status {
            return Err(ErrorCode::TicketTaken);
        }
        if !self.has_room(key) {
            return Err(ErrorCode::AtCapacity);
        }
        self.hand(now, number, key, &Handing::default(), out);
        Ok(())
    }

    pub(super) fn release(
        &mut self,
        now: Millis,
        key: StaffKey,
        id: TicketId,
        out: &mut impl Emit,
    ) -> Result<(), ErrorCode> {
        let number = self.find_own(key, id)?;
        self.stop_typing(number, Side::Staff, out);
        self.stop_typing(number, Side::User, out);
        let staff = self.staff[key].id.clone();
        if let Some(ticket) = self.tickets.get_mut(&number) {
            ticket.status = Status::Waiting;
            ticket.released_by = Some(staff.clone());
            let user = ticket.user;
            let left = Event::Staff { what: StaffChange::Left, ticket: id, staff: &staff, at: now };
            self.to_user(user, &left, out);
        }
        self.staff[key].active.remove(&number);
        self.refresh_seat(key);
        self.queue.enter(number, now);
        self.queue.forget_told(&mut self.tickets, number, now);
        self.announce_update(number, out);
        Ok(())
    }

    pub(super) fn transfer(
        &mut self,
        now: Millis,
        key: StaffKey,
        id: TicketId,
        to: &str,
        note: Option<&JsonText<'_>>,
        out: &mut impl Emit,
    ) -> Result<(), ErrorCode> {
        let number = self.find_own(key, id)?;
        let target = self.staff_by_id.get(to).copied().filter(|target| *target != key);
        let target =
            target.filter(|target| self.staff[*target].conn.is_some()).ok_or(ErrorCode::UnknownStaff)?;
        if !self.staff[target].online {
            return Err(ErrorCode::StaffOffline);
        }
        if !self.has_room(target) {
            return Err(ErrorCode::AtCapacity);
        }
        self.stop_typing(number, Side::Staff, out);
        self.staff[key].active.remove(&number);
        self.refresh_seat(key);
        let from = self.staff[key].id.clone();
        self.hand(now, number, target, &Handing { auto: false, from: Some(&from), note }, out);
        Ok(())
    }

    pub(super) fn user_closes(
        &mut self,
        now: Millis,
        key: UserKey,
        out: &mut impl Emit,
    ) -> Result<(), ErrorCode> {
        let number = self.users[key].ticket.ok_or(ErrorCode::NoTicket)?;
        self.close(now, number, ClosedBy::User, out);
        Ok(())
    }

    pub(super) fn staff_closes(
        &mut self,
        now: Millis,
        key: StaffKey,
        id: TicketId,
        out: &mut impl Emit,
    ) -> Result<(), ErrorCode> {
        let number = self.find_own(key, id)?;
        self.close(now, number, ClosedBy::Staff, out);
        Ok(())
    }

    /// Gives a ticket that nobody has to a staff member who is online and has room.
    pub(super) fn hand(
        &mut self,
        now: Millis,
        number: TicketNo,
        key: StaffKey,
        how: &Handing<'_>,
        out: &mut impl Emit,
    ) {
        let Some(ticket) = self.tickets.get_mut(&number) else { return };
        let before = std::mem::replace(&mut ticket.status, Status::Active(key));
        match before {
            Status::Waiting => self.queue.picked(number, now),
            Status::Paused(_) => _ = self.queue.paused.remove(&number),
            Status::Active(_) => {} // a transfer
        }
        self.take_seat(key, number);
        self.tell_picked(now, number, key, how, out);
        let what = if before == Status::Paused(key) { StaffChange::Reconnected } else { StaffChange::Joined };
        let ticket = &self.tickets[&number];
        let staff = &self.staff[key].id;
        self.to_user(ticket.user, &Event::Staff { what, ticket: ticket.id, staff, at: now }, out);
        self.announce_update(number, out);
        if let Status::Paused(earlier) = before {
            self.staff[earlier].paused.remove(&number);
            self.forget_staff_if_gone(earlier);
        }
    }

    /// The chat is yours; and what the user wrote that nobody has confirmed.
    fn tell_picked(
        &self,
        now: Millis,
        number: TicketNo,
        key: StaffKey,
        how: &Handing<'_>,
        out: &mut impl Emit,
    ) {
        let ticket = &self.tickets[&number];
        let user = &self.users[ticket.user].id;
        let sent = ticket.conversation.sent_by(Side::Staff);
        let picked = Picked {
            ticket: ticket.id,
            user,
            subject: &ticket.subject,
            last_seq: ticket.conversation.last_seq,
            last_id: sent.last_id,
            delivered_seq: sent.delivered_seq,
            at: now,
            auto: how.auto,
            from_staff: how.from,
            note: how.note.map(JsonText::as_str),
        };
        self.to_staff(key, &Event::TicketPicked(picked), out);
        for message in ticket.conversation.sent_by(Side::User).held.views(Side::User, user) {
            self.to_staff(key, &Event::Message { ticket: ticket.id, message }, out);
        }
    }

    /// The staff member of an active ticket is not online any more.
    pub(super) fn pause(&mut self, now: Millis, number: TicketNo, key: StaffKey, out: &mut impl Emit) {
        self.stop_typing(number, Side::Staff, out);
        self.stop_typing(number, Side::User, out);
        let Some(ticket) = self.tickets.get_mut(&number) else { return };
        ticket.status = Status::Paused(key);
        self.staff[key].paused.insert(number);
        self.queue.paused.insert(number);
        let ticket = &self.tickets[&number];
        let staff = &self.staff[key].id;
        let offline = Event::Staff { what: StaffChange::Offline, ticket: ticket.id, staff, at: now };
        self.to_user(ticket.user, &offline, out);
        self.announce_update(number, out);
    }

    /// The end of a ticket.
    pub(super) fn close(&mut self, now: Millis, number: TicketNo, by: ClosedBy, out: &mut impl Emit) {
        let Some(mut ticket) = self.tickets.remove(&number) else { return };
        for side in [Side::User, Side::Staff] {
            let typing_until = ticket.conversation.sent_by_mut(side).typing_until.take();
            if let Some(due) = typing_until {
                self.alarms.remove(&(due, Alarm::Typing(number, side)));
            }
        }
        let ended = EndedTicket { ticket: ticket.id, by, at: now };
        match ticket.status {
            Status::Waiting => self.queue.leave(number, now),
            Status::Active(key) => {
                self.to_staff(key, &Event::TicketClosed { ticket: ticket.id, by, at: now }, out);
                self.staff[key].active.remove(&number);
                self.refresh_seat(key);
            }
            Status::Paused(key) => {
                self.queue.paused.remove(&number);
                self.staff[key].paused.remove(&number);
                self.forget_staff_if_gone(key);
            }
        }
        let held = std::mem::take(&mut ticket.conversation.sent_by_mut(Side::Staff).held);
        self.end_for_user(now, ticket.user, ended, held, out);
        self.announce_removal(number, ticket.id, by, out);
    }

    /// The ticket of this id, if it is with this staff member.
    pub(super) fn find_own(&self, key: StaffKey, id: TicketId) -> Result<TicketNo, ErrorCode> {
        let number = self.find(id)?;
        let is_own = self.tickets[&number].status == Status::Active(key);
        if is_own { Ok(number) } else { Err(ErrorCode::NotYours) }
    }
}
