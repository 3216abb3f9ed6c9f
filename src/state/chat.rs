//! Messages, receipts and typing, between the two sides of an active ticket.
//!
//! What one side does is sent to the other side's connection at once, if that has credit. If it has none, nothing is
//! queued: the conversation knows how far that connection has come, and `catch_up_chat` sends the rest from there.

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
    /// A message of one side of a ticket.
    pub(super) fn message(
        &mut self,
        now: Millis,
        (number, side): (TicketNo, Side),
        id: u64,
        text: &JsonText<'_>,
        out: &mut impl Emit,
    ) -> Result<(), ErrorCode> {
        let ticket = &mut self.tickets[number];
        let Some(sender) = link_of(&self.users, &self.staff, ticket, side) else { return Ok(()) };
        let (name, mut is_behind) = (ticket.id, false);
        let (seq, at) = match ticket.conversation.repeated(side, id, now) {
            Some((seq, at)) => (seq, at),
            None => {
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

    /// Confirms, for one side, what the other has written up to `seq`: it is on the screen.
    pub(super) fn confirm(
        &mut self,
        now: Millis,
        (number, side): (TicketNo, Side),
        seq: u64,
        out: &mut impl Emit,
    ) {
        if self.tickets[number].conversation.confirm(side, seq, &mut self.spare) {
            self.send_receipt(now, number, side.other(), out);
        }
    }

    /// One side types, or has stopped. A locked chat relays nothing, and to type into it is no fault: it may have been
    /// locked just now.
    pub(super) fn types(
        &mut self,
        now: Millis,
        (number, side): (TicketNo, Side),
        active: bool,
        out: &mut impl Emit,
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

    /// Ends a typing notice that somebody may still be shown, because its writer is gone or the chat is locked.
    pub(super) fn stop_typing(&mut self, number: TicketNo, side: Side, out: &mut impl Emit) {
        if let Some(due) = self.tickets[number].conversation.stop_typing(side) {
            self.alarms.remove(&(due, Alarm::Typing(number, side)));
            self.send_typing(number, side, out);
        }
    }

    /// A notice that was not renewed ends by itself; one that was has another alarm.
    pub(super) fn typing_runs_out(&mut self, due: Millis, number: TicketNo, side: Side, out: &mut impl Emit) {
        if self.tickets[number].conversation.sent_by(side).typing_until == Some(due) {
            self.stop_typing(number, side, out);
        }
    }

    /// Sends one side's connection all of the chat that it has not been sent, as far as its credit goes.
    pub(super) fn catch_up_chat(&mut self, now: Millis, number: TicketNo, side: Side, out: &mut impl Emit) {
        self.relay_held(number, side.other(), out);
        self.send_receipt(now, number, side, out);
        self.send_typing(number, side.other(), out);
    }

    /// Sends the other side what `from` wrote and that was not sent to its connection yet.
    pub(super) fn relay_held(&mut self, number: TicketNo, from: Side, out: &mut impl Emit) {
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

    /// Tells `side` how much of what it wrote is confirmed, if it does not know.
    fn send_receipt(&mut self, now: Millis, number: TicketNo, side: Side, out: &mut impl Emit) {
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

    /// Tells the other side whether `side` types, if it shows something else.
    fn send_typing(&mut self, number: TicketNo, side: Side, out: &mut impl Emit) {
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

    /// One side's connection has no credit, and something of this chat waits for it. A user has one chat, which is looked
    /// at in any case.
    fn note_behind(&mut self, number: TicketNo, side: Side) {
        if let (Side::Staff, Status::Active(key)) = (side, self.tickets[number].status) {
            self.staff[key].behind.insert(number);
        }
    }
}

/// Returns the connection of one side of a ticket; on the staff's side only while the chat is open.
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
