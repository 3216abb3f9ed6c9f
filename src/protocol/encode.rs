//! Encodes an event as the payload of a text frame. `type` comes first, so that a person sees it at once.

use super::json::Object;
use crate::config::Assign;
use crate::ids::{JsonText, TicketId};
use crate::state::{
    ClosedBy, EndedTicket, ErrorCode, Event, IdRef, MessageView, Names, OwnTicket, Participant, Picked,
    RecapLine, Side, StaffChange, StaffName, StaffWelcome, TicketRef, TicketState, TicketView, UserWelcome,
};

/// The protocol's version, sent in each welcome.
const VERSION: u64 = 1;

/// Appends an event as JSON.
pub fn append_event(out: &mut Vec<u8>, event: &Event<'_>) {
    match event {
        Event::UserWelcome(welcome) => user_welcome(out, welcome),
        Event::StaffWelcome(welcome) => staff_welcome(out, welcome),
        Event::Desk { online } => frame(out, "desk").bool("online", *online).end(),
        Event::TicketCreated { ticket, subject, at } => {
            frame(out, "ticket_created").ticket(*ticket).text("subject", *subject).num("at", *at).end();
        }
        Event::Queue { ticket, place } => frame(out, "queue")
            .ticket(*ticket)
            .num("position", place.position)
            .num("waiting", place.waiting)
            .num_or_null("wait_s", place.wait_s)
            .end(),
        Event::Staff { what, ticket, staff, at } => {
            frame(out, staff_change(*what)).ticket(*ticket).staff(Some(*staff)).num("at", *at).end();
        }
        Event::Presence { online } => frame(out, "presence").bool("online", *online).end(),
        Event::Colleague { staff, online } => {
            frame(out, "colleague").staff(Some(*staff)).bool("online", *online).end();
        }
        Event::TicketAdded(view) => {
            frame(out, "ticket_added").object("ticket", |object| ticket(object, view)).end();
        }
        Event::TicketUpdated(view) => {
            frame(out, "ticket_updated").object("ticket", |object| ticket(object, view)).end();
        }
        Event::TicketRemoved { ticket } => frame(out, "ticket_removed").ticket(*ticket).end(),
        Event::TicketPicked(picked) => ticket_picked(out, picked),
        Event::Message { ticket, message } => self::message(out, *ticket, message),
        Event::Ack { ticket, id, seq, at } => {
            frame(out, "ack").ticket(*ticket).num("id", *id).num_or_null("seq", *seq).num("at", *at).end();
        }
        Event::Delivered { ticket, seq, at } => {
            frame(out, "delivered").ticket(*ticket).num("seq", *seq).num("at", *at).end();
        }
        Event::Typing { ticket, active } => {
            frame(out, "typing").ticket(*ticket).bool("active", *active).end();
        }
        Event::TicketClosed { ticket, by, at } => {
            frame(out, "ticket_closed").ticket(*ticket).text("by", closed_by(*by)).num("at", *at).end();
        }
        Event::Pong { now } => frame(out, "pong").num("now", *now).end(),
        Event::Rated { ticket, score } => {
            frame(out, "rated").ticket(*ticket).num("score", score.number().into()).end();
        }
        Event::Recap { ticket, recap } => {
            frame(out, "recap").ticket(*ticket).objects("lines", recap.lines(), recap_line).end();
        }
        Event::Error { code, names } => error(out, *code, names),
    }
}

fn error(out: &mut Vec<u8>, code: ErrorCode, names: &Names<'_>) {
    let mut frame = frame(out, "error").text("code", code.code()).text("message", code.text());
    frame = match names.id {
        Some(IdRef::Id(id)) => frame.num("id", id),
        Some(IdRef::OutOfRange(digits)) => frame.digits("id", digits),
        None => frame,
    };
    match &names.ticket {
        Some(TicketRef::Id(id)) => frame.ticket(*id).end(),
        Some(TicketRef::Unknown(text)) => frame.foreign("ticket_id", text).end(),
        None => frame.end(),
    }
}

fn user_welcome(out: &mut Vec<u8>, welcome: &UserWelcome<'_>) {
    frame(out, "welcome")
        .num("protocol", VERSION)
        .text("role", "user")
        .text("user_id", welcome.user)
        .text("session", welcome.session)
        .bool("resumed", welcome.resumed)
        .num("now", welcome.now)
        .bool("desk_online", welcome.desk_online)
        .object_or_null("ticket", welcome.ticket.as_ref(), own_ticket)
        .object_or_null("ended", welcome.ended.as_ref(), ended_ticket)
        .end();
}

fn own_ticket(object: Object<'_>, own: &OwnTicket<'_>) {
    object
        .ticket(own.ticket)
        .text("subject", own.subject)
        .text("state", ticket_state(own.state))
        .staff(own.staff)
        .num("created_at", own.created_at)
        .num("last_seq", own.last_seq)
        .num("last_id", own.last_id)
        .num("delivered_seq", own.delivered_seq)
        .end();
}

fn ended_ticket(object: Object<'_>, ended: &EndedTicket) {
    object.ticket(ended.ticket).text("by", closed_by(ended.by)).num("at", ended.at).end();
}

fn staff_welcome(out: &mut Vec<u8>, welcome: &StaffWelcome<'_>) {
    frame(out, "welcome")
        .num("protocol", VERSION)
        .text("role", "staff")
        .staff(Some(welcome.staff))
        .bool("online", false)
        .num("now", welcome.now)
        .num("max_chats", u64::from(welcome.max_chats))
        .text("assign", assign(welcome.assign))
        .objects("tickets", welcome.tickets, ticket)
        .num("more", welcome.more as u64)
        .texts("staff", welcome.colleagues, |staff| staff.id)
        .objects("colleagues", welcome.colleagues, |object, staff| object.staff(Some(*staff)).end())
        .end();
}

fn ticket(object: Object<'_>, view: &TicketView<'_>) {
    object
        .ticket(view.ticket)
        .text("user_id", view.user)
        .text_or_null("user_name", view.user_name)
        .text("subject", view.subject)
        .text_or_null("page", view.page)
        .text("state", ticket_state(view.state))
        .staff(view.staff)
        .bool("user_online", view.user_online)
        .num("created_at", view.created_at)
        .num("since", view.since)
        .end();
}

fn ticket_picked(out: &mut Vec<u8>, picked: &Picked<'_>) {
    frame(out, "ticket_picked")
        .ticket(picked.ticket)
        .text("user_id", picked.user)
        .text_or_null("user_name", picked.user_name)
        .text("subject", picked.subject)
        .text_or_null("page", picked.page)
        .num("last_seq", picked.last_seq)
        .num("last_id", picked.last_id)
        .num("delivered_seq", picked.delivered_seq)
        .num("at", picked.at)
        .bool("auto", picked.auto)
        .text_or_null("from_staff", picked.from_staff.map(|staff| staff.id))
        .text_or_null("note", picked.note)
        .end();
}

fn message(out: &mut Vec<u8>, ticket: TicketId, message: &MessageView<'_>) {
    let object = frame(out, "message").ticket(ticket).num("seq", message.seq);
    let object = match message.from {
        Participant::User { id, name } => {
            object.text("from", "user").text("sender_id", id).text_or_null("sender_name", name)
        }
        Participant::Staff(StaffName { id, name }) => {
            object.text("from", "staff").text("sender_id", id).text_or_null("sender_name", name)
        }
    };
    object.num("id", message.id).text("text", message.text).num("at", message.at).end();
}

fn recap_line(object: Object<'_>, line: &RecapLine<'_>) {
    let from = match line.from {
        Side::User => "user",
        Side::Staff => "staff",
    };
    let name = line.name.as_ref().map(JsonText::as_json);
    object
        .text("from", from)
        .text_or_null("name", name)
        .text("text", line.text.as_json())
        .num("at", line.at)
        .end();
}

fn staff_change(what: StaffChange) -> &'static str {
    match what {
        StaffChange::Joined => "staff_joined",
        StaffChange::Offline => "staff_offline",
        StaffChange::Online => "staff_online",
        StaffChange::Reconnected => "staff_reconnected",
        StaffChange::Left => "staff_left",
    }
}

fn ticket_state(state: TicketState) -> &'static str {
    match state {
        TicketState::Waiting => "waiting",
        TicketState::Active => "active",
        TicketState::Paused => "paused",
    }
}

fn closed_by(by: ClosedBy) -> &'static str {
    match by {
        ClosedBy::User => "user",
        ClosedBy::Staff => "staff",
        ClosedBy::Timeout => "timeout",
    }
}

fn assign(assign: Assign) -> &'static str {
    match assign {
        Assign::Manual => "manual",
        Assign::RoundRobin => "round-robin",
        Assign::LeastBusy => "least-busy",
    }
}

fn frame<'a>(out: &'a mut Vec<u8>, kind: &'static str) -> Object<'a> {
    Object::new(out).text("type", kind)
}

impl Object<'_> {
    fn ticket(self, id: TicketId) -> Self {
        self.text("ticket_id", id)
    }

    /// Appends a staff member's id and name.
    fn staff(self, staff: Option<StaffName<'_>>) -> Self {
        self.text_or_null("staff_id", staff.map(|staff| staff.id))
            .text_or_null("staff_name", staff.and_then(|staff| staff.name))
    }
}

#[cfg(test)]
mod tests;
