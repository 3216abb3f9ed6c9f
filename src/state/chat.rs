//! Messages, receipts and typing, between the two sides of an active ticket.

use super::conversation::Accepted;
use super::event::{Emit, ErrorCode, Event, MessageView, Side};
use super::presence::{StaffKey, UserKey};
use super::ticket::Status;
use super::ticket_ids::TicketNo;
use super::{Alarm, State};
use crate::config::{Millis, TYPING_MS};
use crate::ids::{JsonText, TicketId};
use crate::net::ConnId;

impl State {
    pub(super) fn user_message(
        &mut self,
        now: Millis,
        key: UserKey,
        id: u64,
        text: &JsonText<'_>,
        out: &mut impl Emit,
    ) -> Result<(), ErrorCode> {
        let number = self.users[key].ticket.ok_or(ErrorCode::NoTicket)?;
        let user = &self.users[key];
        let ticket = self.tickets.get_mut(&number).ok_or(ErrorCode::NoTicket)?;
        let Some(conn) = user.conn else { return Ok(()) };
        let accepted = match ticket.conversation.repeated(Side::User, id, now) {
            Some(repeated) => repeated,
            None => {
                let to = staff_connection(&self.staff, ticket.status).ok_or(ErrorCode::StaffOffline)?;
                let seq =
                    ticket.conversation.accept(Side::User, id, None, text.as_str(), now, &mut self.spare);
                relay(ticket.id, to, (Side::User, user.id.as_str()), (seq, id), text, now, out);
                Accepted::New(seq)
            }
        };
        acknowledge(ticket.id, conn, id, &accepted, now, out);
        Ok(())
    }

    pub(super) fn staff_message(
        &mut self,
        now: Millis,
        key: StaffKey,
        ticket: TicketId,
        id: u64,
        text: &JsonText<'_>,
        out: &mut impl Emit,
    ) -> Result<(), ErrorCode> {
        let number = self.find_own(key, ticket)?;
        let staff = &self.staff[key];
        let ticket = self.tickets.get_mut(&number).ok_or(ErrorCode::NoTicket)?;
        let Some(conn) = staff.conn else { return Ok(()) };
        let accepted = match ticket.conversation.repeated(Side::Staff, id, now) {
            Some(repeated) => repeated,
            None => {
                let to = self.users[ticket.user].conn.ok_or(ErrorCode::UserOffline)?;
                let seq = ticket.conversation.accept(
                    Side::Staff,
                    id,
                    Some(&staff.id),
                    text.as_str(),
                    now,
                    &mut self.spare,
                );
                relay(ticket.id, to, (Side::Staff, staff.id.as_str()), (seq, id), text, now, out);
                Accepted::New(seq)
            }
        };
        acknowledge(ticket.id, conn, id, &accepted, now, out);
        Ok(())
    }

    pub(super) fn user_confirms(
        &mut self,
        now: Millis,
        key: UserKey,
        seq: u64,
        out: &mut impl Emit,
    ) -> Result<(), ErrorCode> {
        let number = self.users[key].ticket.ok_or(ErrorCode::NoTicket)?;
        self.confirm(now, number, Side::User, seq, out);
        Ok(())
    }

    pub(super) fn staff_confirms(
        &mut self,
        now: Millis,
        key: StaffKey,
        ticket: TicketId,
        seq: u64,
        out: &mut impl Emit,
    ) -> Result<(), ErrorCode> {
        let number = self.find_own(key, ticket)?;
        self.confirm(now, number, Side::Staff, seq, out);
        Ok(())
    }

    pub(super) fn user_types(
        &mut self,
        now: Millis,
        key: UserKey,
        active: bool,
        out: &mut impl Emit,
    ) -> Result<(), ErrorCode> {
        let number = self.users[key].ticket.ok_or(ErrorCode::NoTicket)?;
        self.types(now, number, Side::User, active, out);
        Ok(())
    }

    pub(super) fn staff_types(
        &mut self,
        now: Millis,
        key: StaffKey,
        ticket: TicketId,
        active: bool,
        out: &mut impl Emit,
    ) -> Result<(), ErrorCode> {
        let number = self.find_own(key, ticket)?;
        self.types(now, number, Side::Staff, active, out);
        Ok(())
    }

    /// Ends a typing notice that somebody may still be shown, because its writer is gone or the chat is locked.
    pub(super) fn stop_typing(&mut self, number: TicketNo, side: Side, out: &mut impl Emit) {
        let Some(ticket) = self.tickets.get_mut(&number) else { return };
        if let Some(due) = ticket.conversation.sent_by_mut(side).typing_until.take() {
            self.alarms.remove(&(due, Alarm::Typing(number, side)));
            self.tell_typing(number, side, false, out);
        }
    }

    /// A notice that was not renewed ends by itself; one that was has another alarm.
    pub(super) fn typing_runs_out(&mut self, due: Millis, number: TicketNo, side: Side, out: &mut impl Emit) {
        let ticket = self.tickets.get(&number);
        if ticket.is_some_and(|ticket| ticket.conversation.sent_by(side).typing_until == Some(due)) {
            self.stop_typing(number, side, out);
        }
    }

    /// A locked chat relays nothing, and to type into it is no fault: it may have been locked just now.
    fn types(&mut self, now: Millis, number: TicketNo, side: Side, active: bool, out: &mut impl Emit) {
        if !active {
            self.stop_typing(number, side, out);
            return;
        }
        let Some(ticket) = self.tickets.get_mut(&number) else { return };
        if !matches!(ticket.status, Status::Active(_)) {
            return;
        }
        let due = now + TYPING_MS;
        if let Some(earlier) = ticket.conversation.sent_by_mut(side).typing_until.replace(due) {
            self.alarms.remove(&(earlier, Alarm::Typing(number, side)));
        }
        self.alarms.insert((due, Alarm::Typing(number, side)));
        self.tell_typing(number, side, true, out);
    }

    fn tell_typing(&self, number: TicketNo, side: Side, active: bool, out: &mut impl Emit) {
        if let Some((ticket, to)) = self.other_side(number, side) {
            out.emit(to, &Event::Typing { ticket, active });
        }
    }

    fn confirm(&mut self, now: Millis, number: TicketNo, side: Side, seq: u64, out: &mut impl Emit) {
        let Some(ticket) = self.tickets.get_mut(&number) else { return };
        if ticket.conversation.confirm(side, seq, &mut self.spare)
            && let Some((ticket, to)) = self.other_side(number, side)
        {
            out.emit(to, &Event::Delivered { ticket, seq, at: now });
        }
    }

    /// The connection that faces `side`, if there is one.
    fn other_side(&self, number: TicketNo, side: Side) -> Option<(TicketId, ConnId)> {
        let ticket = self.tickets.get(&number)?;
        let conn = match side {
            Side::User => staff_connection(&self.staff, ticket.status)?,
            Side::Staff => self.users[ticket.user].conn?,
        };
        Some((ticket.id, conn))
    }
}

/// The connection of whoever has the ticket.
fn staff_connection(staff: &super::Slots<super::Staff>, status: Status) -> Option<ConnId> {
    match status {
        Status::Active(key) => staff[key].conn,
        Status::Waiting | Status::Paused(_) => None,
    }
}

fn relay(
    ticket: TicketId,
    to: ConnId,
    (from, sender): (Side, &str),
    (seq, id): (u64, u64),
    text: &JsonText<'_>,
    at: Millis,
    out: &mut impl Emit,
) {
    let text = [text.as_str().as_bytes(), &[]];
    out.emit(to, &Event::Message { ticket, message: MessageView { seq, from, sender, id, text, at } });
}

fn acknowledge(ticket: TicketId, to: ConnId, id: u64, accepted: &Accepted, now: Millis, out: &mut impl Emit) {
    let (seq, at) = match accepted {
        Accepted::New(seq) => (Some(*seq), now),
        Accepted::Repeated(seq, at) => (*seq, *at),
    };
    out.emit(to, &Event::Ack { ticket, id, seq, at });
}
