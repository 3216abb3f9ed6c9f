//! Messages, receipts and typing notices between the two sides of a ticket.
//!
//! What one side does is sent to the other side's connection at once, if that has credit. If it has none, nothing is
//! queued: the conversation knows what that connection has been sent, and `catch_up_chat` sends the rest later.

use super::error_code::ErrorCode;
use super::event::{Emit, Event, MessageView, Participant, Side};
use super::held::{Author, Sender};
use super::link::Link;
use super::slots::Slots;
use super::staff::Staff;
use super::ticket::{Status, Ticket};
use super::ticket_ids::TicketNo;
use super::users::User;
use super::{Alarm, State};
use crate::config::{Millis, TYPING_MS};
use crate::ids::{JsonText, StoredText};

impl State {
    /// Accepts a message of one side, acknowledges it, and relays it to the other side.
    pub(super) fn message(
        &mut self,
        now: Millis,
        (number, side): (TicketNo, Side),
        id: u64,
        text: &JsonText<'_>,
        out: &mut dyn Emit,
    ) -> Result<(), ErrorCode> {
        let ticket = &mut self.tickets[number];
        let Some(sender) = link_of(&self.users, &self.staff, ticket, side) else { return Ok(()) };
        let (name, mut is_behind) = (ticket.id, false);
        let (seq, at) = match ticket.conversation.repeated(side, id, now) {
            Some((seq, at)) => (seq, at),
            None => {
                // A chat is open while its ticket is active and both sides are connected.
                let reader = link_of(&self.users, &self.staff, ticket, side.other());
                let reader = reader.filter(|_| matches!(ticket.status, Status::Active(_)));
                let reader = reader.ok_or(match side {
                    Side::User => ErrorCode::StaffOffline,
                    Side::Staff => ErrorCode::UserOffline,
                })?;
                let staff = ticket.status.staff().filter(|_| side == Side::Staff).map(|key| &self.staff[key]);
                let author =
                    staff.map(|staff| Author { id: staff.id.clone(), name: staff.shown_name().cloned() });
                let seq = ticket.conversation.accept((side, author), id, text, now, &mut self.spare)?;
                is_behind = !reader.has_credit();
                if !is_behind {
                    let user = user_of(&self.users, ticket);
                    let from = staff.map_or(user.into(), |staff| Participant::Staff(staff.name()));
                    let message = MessageView { seq, from, id, text: text.as_json().into(), at: now };
                    reader.send(&Event::Message { ticket: name, message }, out);
                    ticket.conversation.set_relayed(side, seq);
                }
                (Some(seq), now)
            }
        };
        sender.send(&Event::Ack { ticket: name, id, seq, at }, out);
        if is_behind {
            self.note_behind(number, side.other());
        }
        Ok(())
    }

    /// Confirms, for one side, that what the other side wrote is on the screen, up to `seq`.
    pub(super) fn confirm(
        &mut self,
        now: Millis,
        (number, side): (TicketNo, Side),
        seq: u64,
        out: &mut dyn Emit,
    ) {
        if self.tickets[number].conversation.confirm(side, seq, &mut self.spare) {
            self.send_receipt(now, number, side.other(), out);
        }
    }

    /// Handles a typing notice of one side. In a locked chat the notice is ignored and not refused, since the chat may
    /// have been locked while the notice was on its way.
    pub(super) fn types(
        &mut self,
        now: Millis,
        (number, side): (TicketNo, Side),
        active: bool,
        out: &mut dyn Emit,
    ) {
        if !active {
            return self.stop_typing(number, side, out);
        }
        let ticket = &mut self.tickets[number];
        if !matches!(ticket.status, Status::Active(_)) {
            return;
        }
        let due = now + TYPING_MS;
        if let Some(earlier) = ticket.conversation.start_typing(side, due) {
            self.alarms.remove(&(earlier, Alarm::Typing(number, side)));
        }
        self.alarms.insert((due, Alarm::Typing(number, side)));
        match self.link_of(number, side.other()) {
            // A notice that is renewed is relayed again.
            Some(link)
                if link.has_credit() && self.tickets[number].conversation.sent_by(side).typing_shown =>
            {
                link.send(&Event::Typing { ticket: self.ids.id(number), active }, out);
            }
            _ => self.send_typing(number, side, out),
        }
    }

    /// Ends the typing notice of one side, if there is one.
    pub(super) fn stop_typing(&mut self, number: TicketNo, side: Side, out: &mut dyn Emit) {
        if let Some(due) = self.tickets[number].conversation.stop_typing(side) {
            self.alarms.remove(&(due, Alarm::Typing(number, side)));
            self.send_typing(number, side, out);
        }
    }

    /// Ends a typing notice that has not been renewed. One that has been renewed has a later alarm.
    pub(super) fn typing_runs_out(&mut self, due: Millis, number: TicketNo, side: Side, out: &mut dyn Emit) {
        if self.tickets[number].conversation.sent_by(side).typing_until == Some(due) {
            self.stop_typing(number, side, out);
        }
    }

    /// Sends one side's connection everything of the chat that it has not been sent, as far as its credit goes.
    pub(super) fn catch_up_chat(&mut self, now: Millis, number: TicketNo, side: Side, out: &mut dyn Emit) {
        self.relay_held(number, side.other(), out);
        self.send_receipt(now, number, side, out);
        self.send_typing(number, side.other(), out);
    }

    /// Sends the other side's connection the held messages of `from` that it has not been sent yet.
    pub(super) fn relay_held(&mut self, number: TicketNo, from: Side, out: &mut dyn Emit) {
        let Some(reader) = self.link_of(number, from.other()) else { return };
        let ticket = &self.tickets[number];
        let user = user_of(&self.users, ticket);
        let sent = ticket.conversation.sent_by(from);
        let (relayed, is_whole) = sent.held.relay(sent.relayed_seq, (ticket.id, user), reader, out);
        self.tickets[number].conversation.set_relayed(from, relayed);
        if !is_whole {
            self.note_behind(number, from.other());
        }
    }

    /// Sends `side` a receipt for what the other side has confirmed, unless its connection shows that already.
    fn send_receipt(&mut self, now: Millis, number: TicketNo, side: Side, out: &mut dyn Emit) {
        let ticket = &mut self.tickets[number];
        let id = ticket.id;
        let sent = ticket.conversation.sent_by(side);
        let seq = sent.delivered_seq;
        if sent.receipt_seq == seq {
            return;
        }
        if let Some(link) = link_of(&self.users, &self.staff, ticket, side) {
            if !link.has_credit() {
                return self.note_behind(number, side);
            }
            link.send(&Event::Delivered { ticket: id, seq, at: now }, out);
        }
        ticket.conversation.set_receipt(side, seq);
    }

    /// Sends the other side whether `side` is typing, if its connection shows otherwise.
    fn send_typing(&mut self, number: TicketNo, side: Side, out: &mut dyn Emit) {
        let ticket = &self.tickets[number];
        let (id, sent) = (ticket.id, ticket.conversation.sent_by(side));
        let active = sent.typing_until.is_some();
        if sent.typing_shown == active {
            return;
        }
        let Some(link) = self.link_of(number, side.other()) else { return };
        if !link.has_credit() {
            return self.note_behind(number, side.other());
        }
        link.send(&Event::Typing { ticket: id, active }, out);
        self.tickets[number].conversation.set_typing_shown(side, active);
    }

    fn link_of(&self, number: TicketNo, side: Side) -> Option<&Link> {
        link_of(&self.users, &self.staff, &self.tickets[number], side)
    }

    /// Notes that something of this chat waits for one side's connection, which has no credit. Only staff need the
    /// note: a user has just one chat, which `catch_up_user` looks at in any case.
    fn note_behind(&mut self, number: TicketNo, side: Side) {
        if let (Side::Staff, Status::Active(key)) = (side, self.tickets[number].status) {
            self.staff[key].behind.insert(number);
        }
    }
}

/// Returns the connection of one side of a ticket. The staff side has one only while the chat is open.
fn link_of<'a>(
    users: &'a Slots<User>,
    staff: &'a Slots<Staff>,
    ticket: &Ticket,
    side: Side,
) -> Option<&'a Link> {
    match (side, ticket.status) {
        (Side::User, _) => users[ticket.user].link.as_ref(),
        (Side::Staff, Status::Active(key)) => staff[key].link.as_ref(),
        (Side::Staff, Status::Waiting | Status::Paused(_)) => None,
    }
}

/// Returns a ticket's user as the sender of a message.
fn user_of<'a>(users: &'a Slots<User>, ticket: &'a Ticket) -> Sender<'a> {
    Sender { id: &users[ticket.user].id, name: ticket.user_name.as_ref().map(StoredText::as_json) }
}
