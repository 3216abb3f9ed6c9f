//! A ticket's transitions. A ticket waits, is picked and becomes active, may be paused, released or transferred, and is
//! removed when it closes.

use serde::{Deserialize, Serialize};

use super::conversation::Conversation;
use super::error_code::ErrorCode;
use super::event::{ClosedBy, Emit, EndedTicket, Event, Picked, Place, Record, Side, TicketState};
use super::link::Link;
use super::staff::{ClosedChat, StaffKey};
use super::status::Shown;
use super::ticket_ids::TicketNo;
use super::users::UserKey;
use super::{Alarm, State};
use crate::config::{Millis, TICKET_TEXT_BYTES, TICKET_TEXTS_BYTES_MIN};
use crate::ids::{JsonStr, JsonText, StaffId, StoredText, TicketId};

/// An open ticket.
#[derive(Clone, Debug, Hash, Serialize, Deserialize)]
pub(super) struct Ticket {
    pub(super) id: TicketId,
    pub(super) user: UserKey,
    pub(super) user_name: Option<StoredText>,
    pub(super) subject: StoredText,
    /// The page that the user came from.
    pub(super) page: Option<StoredText>,
    pub(super) created_at: Millis,
    /// When the present state began.
    pub(super) since: Millis,
    pub(super) status: Status,
    pub(super) was_picked: bool,
    /// Whether a recap has been relayed since the last pick.
    pub(super) has_recap: bool,
    /// The status that the user's connection shows.
    pub(super) shown: Shown,
    pub(super) conversation: Conversation,
    /// The place in the queue that the user was last sent, and when.
    pub(super) last_notice: Option<(Place, Millis)>,
    /// The staff member who last released the ticket, and who is not the first choice to get it back.
    pub(super) released_by: Option<StaffId>,
}

impl Ticket {
    /// Returns the size of its subject, name and page, in bytes.
    pub(super) fn text_bytes(&self) -> usize {
        let texts = [Some(&self.subject), self.user_name.as_ref(), self.page.as_ref()];
        texts.iter().flatten().map(|text| text.as_json().as_str().len()).sum()
    }
}

/// The status of a ticket, and the staff member who has or had it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) enum Status {
    /// Nobody has it.
    Waiting,
    /// This staff member has it, and is online.
    Active(StaffKey),
    /// This staff member had it and went offline. Anybody may pick it.
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

/// How a ticket is assigned to a staff member.
#[derive(Default)]
pub(super) struct Assignment<'a> {
    pub(super) auto: bool,
    pub(super) from: Option<StaffKey>,
    pub(super) note: Option<JsonStr<'a>>,
}

impl State {
    pub(super) fn create(
        &mut self,
        now: Millis,
        key: UserKey,
        (subject, name, page): (&JsonText<'_>, Option<&JsonText<'_>>, Option<&JsonText<'_>>),
        out: &mut dyn Emit,
    ) -> Result<(), ErrorCode> {
        self.users[key].may_create()?;
        let texts = [Some(subject), name, page];
        self.ensure_capacity(now, texts.iter().flatten().map(|text| text.as_str().len()).sum(), out)?;
        let number = self.ids.next();
        let id = self.ids.id(number);
        self.users[key].ticket = Some(number);
        self.queue.enter(number, true, now);
        let place = self.queue.last_place(self.staff_online);
        let ticket = Ticket {
            id,
            user: key,
            user_name: name.map(StoredText::from),
            subject: subject.into(),
            page: page.map(StoredText::from),
            created_at: now,
            since: now,
            status: Status::Waiting,
            was_picked: false,
            has_recap: false,
            shown: Shown::Waiting,
            conversation: Conversation::default(),
            last_notice: Some((place, now)),
            released_by: None,
        };
        let created = Event::TicketCreated { ticket: id, subject: ticket.subject.as_json(), at: now };
        self.to_user(key, &created, out);
        self.to_user(key, &Event::Queue { ticket: id, place }, out);
        out.record(&Record::TicketOpened { ticket: id, user: &self.users[key].id });
        self.tickets.insert(number, ticket);
        self.board_changed(now, number);
        Ok(())
    }

    /// Makes room for another ticket with texts of this size. If there are as many as there may be, or if their texts take
    /// too much, this closes those that were never picked and whose users are absent, beginning with the user who has been
    /// absent longest.
    ///
    /// # Errors
    /// There is no ticket that may be closed.
    fn ensure_capacity(
        &mut self,
        now: Millis,
        text_bytes: usize,
        out: &mut dyn Emit,
    ) -> Result<(), ErrorCode> {
        let tickets_max = self.rules.max_tickets as usize;
        let text_bytes_max = (tickets_max * TICKET_TEXT_BYTES).max(TICKET_TEXTS_BYTES_MIN);
        while self.tickets.len() >= tickets_max || self.tickets.text_bytes() + text_bytes > text_bytes_max {
            let (_, number) = self.abandoned.first().copied().ok_or(ErrorCode::DeskFull)?;
            self.close(now, number, ClosedBy::Timeout, out);
        }
        Ok(())
    }

    pub(super) fn pick(
        &mut self,
        now: Millis,
        key: StaffKey,
        id: TicketId,
        out: &mut dyn Emit,
    ) -> Result<(), ErrorCode> {
        if !self.staff[key].online {
            return Err(ErrorCode::YouAreOffline);
        }
        let number = self.find(id)?;
        if let Status::Active(_) = self.tickets[number].status {
            return Err(ErrorCode::TicketTaken);
        }
        if !self.has_capacity(key) {
            return Err(ErrorCode::AtCapacity);
        }
        self.assign_to(now, number, key, &Assignment::default(), out);
        Ok(())
    }

    pub(super) fn release(
        &mut self,
        now: Millis,
        key: StaffKey,
        id: TicketId,
        out: &mut dyn Emit,
    ) -> Result<(), ErrorCode> {
        let number = self.find_own(key, id)?;
        self.stop_typing(number, Side::Staff, out);
        self.stop_typing(number, Side::User, out);
        let ticket = &mut self.tickets[number];
        (ticket.status, ticket.since) = (Status::Waiting, now);
        ticket.released_by = Some(self.staff[key].id.clone());
        let is_present = self.users[ticket.user].link.is_some();
        self.drop_chat(key, number);
        self.send_status(now, number, out);
        self.queue.enter(number, is_present, now);
        self.queue.forget_notice(&mut self.tickets, number, now);
        self.announce_update(now, number, out);
        Ok(())
    }

    pub(super) fn transfer(
        &mut self,
        now: Millis,
        key: StaffKey,
        id: TicketId,
        (to, note): (&str, Option<&JsonText<'_>>),
        out: &mut dyn Emit,
    ) -> Result<(), ErrorCode> {
        let number = self.find_own(key, id)?;
        let target = self.staff_by_id.get(to).copied().filter(|target| *target != key);
        let target = target.filter(|target| self.staff[*target].link.is_some());
        let target = target.ok_or(ErrorCode::UnknownStaff)?;
        if !self.staff[target].online {
            return Err(ErrorCode::StaffOffline);
        }
        if !self.has_capacity(target) || !self.takes_more(target) {
            return Err(ErrorCode::AtCapacity);
        }
        self.stop_typing(number, Side::Staff, out);
        self.drop_chat(key, number);
        let note = note.map(JsonText::as_json);
        self.assign_to(now, number, target, &Assignment { auto: false, from: Some(key), note }, out);
        Ok(())
    }

    /// Assigns a ticket to a staff member, who is online and has capacity. The ticket is waiting, paused or
    /// transferred.
    pub(super) fn assign_to(
        &mut self,
        now: Millis,
        number: TicketNo,
        key: StaffKey,
        how: &Assignment<'_>,
        out: &mut dyn Emit,
    ) {
        self.forget_abandoned(number);
        let ticket = &mut self.tickets[number];
        let before = std::mem::replace(&mut ticket.status, Status::Active(key));
        (ticket.since, ticket.was_picked, ticket.has_recap) = (now, true, false);
        ticket.conversation.reset_connection(Side::Staff);
        match before {
            Status::Waiting => self.queue.picked(number, now),
            Status::Paused(_) => _ = self.queue.paused.remove(&number),
            Status::Active(_) => {} // a transfer
        }
        self.take_chat(key, number);
        self.send_picked(now, number, key, how, out);
        self.relay_held(number, Side::User, out);
        self.send_status(now, number, out);
        self.announce_update(now, number, out);
        if let Status::Paused(earlier) = before {
            // This ticket may have been the only reason why the earlier staff member was known.
            self.staff[earlier].paused.remove(&number);
            self.forget_staff_if_gone(earlier);
        }
    }

    fn send_picked(
        &self,
        now: Millis,
        number: TicketNo,
        key: StaffKey,
        how: &Assignment<'_>,
        out: &mut dyn Emit,
    ) {
        let ticket = &self.tickets[number];
        let sent = ticket.conversation.sent_by(Side::Staff);
        let picked = Picked {
            ticket: ticket.id,
            user: &self.users[ticket.user].id,
            user_name: ticket.user_name.as_ref().map(StoredText::as_json),
            subject: ticket.subject.as_json(),
            page: ticket.page.as_ref().map(StoredText::as_json),
            last_seq: ticket.conversation.last_seq,
            last_id: sent.last_id,
            delivered_seq: sent.delivered_seq,
            at: now,
            auto: how.auto,
            from_staff: how.from.map(|from| self.staff[from].name()),
            note: how.note,
        };
        self.to_staff(key, &Event::TicketPicked(picked), out);
    }

    /// Pauses an active ticket, because its staff member has gone offline.
    pub(super) fn pause(&mut self, now: Millis, number: TicketNo, key: StaffKey, out: &mut dyn Emit) {
        self.stop_typing(number, Side::Staff, out);
        self.stop_typing(number, Side::User, out);
        let ticket = &mut self.tickets[number];
        (ticket.status, ticket.since) = (Status::Paused(key), now);
        self.staff[key].paused.insert(number);
        self.queue.paused.insert(number);
        self.send_status(now, number, out);
        self.announce_update(now, number, out);
    }

    /// Closes a ticket, whatever its status.
    pub(super) fn close(&mut self, now: Millis, number: TicketNo, by: ClosedBy, out: &mut dyn Emit) {
        self.forget_abandoned(number);
        let Some(mut ticket) = self.tickets.remove(number) else { return };
        // No alarm may outlive its ticket, since it is handled by the ticket's number.
        for side in [Side::User, Side::Staff] {
            if let Some(due) = ticket.conversation.stop_typing(side) {
                self.alarms.remove(&(due, Alarm::Typing(number, side)));
            }
        }
        self.note_unrated(&ticket);
        let ended = EndedTicket { ticket: ticket.id, by, at: now };
        match ticket.status {
            Status::Waiting => self.queue.leave(number, now),
            Status::Active(key) => self.close_for_staff(key, (number, &mut ticket), ended, out),
            Status::Paused(key) => {
                self.queue.paused.remove(&number);
                self.staff[key].paused.remove(&number);
                self.forget_staff_if_gone(key);
            }
        }
        let unrelayed = ticket.conversation.take_unrelayed(Side::Staff);
        self.end_for_user(now, ticket.user, ended, unrelayed, out);
        out.record(&Record::TicketClosed { ticket: ticket.id, by });
        self.board_changed(now, number);
    }

    fn close_for_staff(
        &mut self,
        key: StaffKey,
        (number, ticket): (TicketNo, &mut Ticket),
        ended: EndedTicket,
        out: &mut dyn Emit,
    ) {
        let staff = &mut self.staff[key];
        if staff.link.as_ref().is_some_and(Link::has_credit) {
            self.to_staff(
                key,
                &Event::TicketClosed { ticket: ended.ticket, by: ended.by, at: ended.at },
                out,
            );
        } else if staff.link.is_some() {
            let user = self.users[ticket.user].id.clone();
            let unrelayed = ticket.conversation.take_unrelayed(Side::User);
            let user_name = ticket.user_name.clone();
            staff.closed.push_back(ClosedChat { ended, unrelayed, user, user_name });
        }
        self.drop_chat(key, number);
    }

    /// Finds an open ticket by its id, if this staff member has it.
    pub(super) fn find_own(&self, key: StaffKey, id: TicketId) -> Result<TicketNo, ErrorCode> {
        let number = self.find(id)?;
        let is_own = self.tickets[number].status == Status::Active(key);
        if is_own { Ok(number) } else { Err(ErrorCode::NotYours) }
    }
}
