//! From an event to a text frame's payload. `type` comes first, so that a frame can be read at a glance.

use crate::config::Assign;
use crate::ids::{JsonStr, TicketId};
use crate::state::{
    ClosedBy, EndedTicket, Event, MessageView, OwnTicket, Picked, Side, StaffChange, StaffName, StaffWelcome,
    TicketRef, TicketState, TicketView, UserWelcome,
};

/// The protocol's version, told in each welcome.
const VERSION: u64 = 1;

/// Appends an event.
pub fn append_event(out: &mut Vec<u8>, event: &Event<'_>) {
    match event {
        Event::UserWelcome(welcome) => user_welcome(out, welcome),
        Event::StaffWelcome(welcome) => staff_welcome(out, welcome),
        Event::Desk { online } => frame(out, "desk").bool("online", *online).end(),
        Event::TicketCreated { ticket, subject, at } => {
            frame(out, "ticket_created").ticket(*ticket).json("subject", *subject).num("at", *at).end();
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
            frame(out, "ticket_added").object("ticket", |out| ticket(out, view)).end();
        }
        Event::TicketUpdated(view) => {
            frame(out, "ticket_updated").object("ticket", |out| ticket(out, view)).end();
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
            frame(out, "ticket_closed").ticket(*ticket).str("by", closed_by(*by)).num("at", *at).end();
        }
        Event::Pong { now } => frame(out, "pong").num("now", *now).end(),
        Event::Error { code, id, ticket } => {
            let mut frame = frame(out, "error").str("code", code.code()).str("message", code.text());
            if let Some(id) = id {
                frame = frame.num("id", *id);
            }
            match ticket {
                Some(TicketRef::Id(id)) => frame.ticket(*id).end(),
                Some(TicketRef::Unknown(text)) => frame.foreign("ticket_id", text).end(),
                None => frame.end(),
            }
        }
    }
}

fn user_welcome(out: &mut Vec<u8>, welcome: &UserWelcome<'_>) {
    frame(out, "welcome")
        .num("protocol", VERSION)
        .str("role", "user")
        .str("user_id", welcome.user.as_str())
        .str("session", welcome.session)
        .bool("resumed", welcome.resumed)
        .num("now", welcome.now)
        .bool("desk_online", welcome.desk_online)
        .object_or_null("ticket", welcome.ticket.as_ref(), own_ticket)
        .object_or_null("ended", welcome.ended.as_ref(), ended_ticket)
        .end();
}

fn own_ticket(out: Object<'_>, own: &OwnTicket<'_>) {
    out.ticket(own.ticket)
        .json("subject", own.subject)
        .str("state", ticket_state(own.state))
        .staff(own.staff)
        .num("created_at", own.created_at)
        .num("last_seq", own.last_seq)
        .num("last_id", own.last_id)
        .num("delivered_seq", own.delivered_seq)
        .end();
}

fn ended_ticket(out: Object<'_>, ended: &EndedTicket) {
    out.ticket(ended.ticket).str("by", closed_by(ended.by)).num("at", ended.at).end();
}

fn staff_welcome(out: &mut Vec<u8>, welcome: &StaffWelcome<'_>) {
    frame(out, "welcome")
        .num("protocol", VERSION)
        .str("role", "staff")
        .staff(Some(welcome.staff))
        .bool("online", false)
        .num("now", welcome.now)
        .num("max_chats", u64::from(welcome.max_chats))
        .str("assign", assign(welcome.assign))
        .array("tickets", welcome.tickets, |out, view| ticket(object(out), view))
        .num("more", welcome.more as u64)
        .array("staff", welcome.colleagues, |out, staff| string(out, staff.id.as_str()))
        .array("colleagues", welcome.colleagues, |out, staff| object(out).staff(Some(*staff)).end())
        .end();
}

fn ticket(out: Object<'_>, view: &TicketView<'_>) {
    out.ticket(view.ticket)
        .str("user_id", view.user.as_str())
        .json_or_null("user_name", view.user_name)
        .json("subject", view.subject)
        .json_or_null("page", view.page)
        .str("state", ticket_state(view.state))
        .staff(view.staff)
        .bool("user_online", view.user_online)
        .num("created_at", view.created_at)
        .num("since", view.since)
        .end();
}

fn ticket_picked(out: &mut Vec<u8>, picked: &Picked<'_>) {
    frame(out, "ticket_picked")
        .ticket(picked.ticket)
        .str("user_id", picked.user.as_str())
        .json_or_null("user_name", picked.user_name)
        .json("subject", picked.subject)
        .json_or_null("page", picked.page)
        .num("last_seq", picked.last_seq)
        .num("last_id", picked.last_id)
        .num("delivered_seq", picked.delivered_seq)
        .num("at", picked.at)
        .bool("auto", picked.auto)
        .str_or_null("from_staff", picked.from_staff.map(|staff| staff.id.as_str()))
        .json_or_null("note", picked.note)
        .end();
}

fn message(out: &mut Vec<u8>, ticket: TicketId, message: &MessageView<'_>) {
    let from = match message.from {
        Side::User => "user",
        Side::Staff => "staff",
    };
    frame(out, "message")
        .ticket(ticket)
        .num("seq", message.seq)
        .str("from", from)
        .str("sender_id", message.sender)
        .json_or_null("sender_name", message.sender_name)
        .num("id", message.id)
        .json_bytes("text", &message.text)
        .num("at", message.at)
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

/// A JSON object that is being written. Keys, and strings given to `str`, are our own words, checked ids or texts in
/// their JSON form, and have nothing to escape.
struct Object<'a> {
    out: &'a mut Vec<u8>,
    is_empty: bool,
}

fn frame<'a>(out: &'a mut Vec<u8>, kind: &str) -> Object<'a> {
    object(out).str("type", kind)
}

fn object(out: &mut Vec<u8>) -> Object<'_> {
    out.push(b'{');
    Object { out, is_empty: true }
}

fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}

impl Object<'_> {
    fn key(&mut self, key: &str) {
        if !std::mem::replace(&mut self.is_empty, false) {
            self.out.push(b',');
        }
        string(self.out, key);
        self.out.push(b':');
    }

    fn str(mut self, key: &str, value: &str) -> Self {
        self.key(key);
        string(self.out, value);
        self
    }

    fn str_or_null(mut self, key: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.str(key, value),
            None => {
                self.key(key);
                self.null()
            }
        }
    }

    fn json(self, key: &str, value: JsonStr<'_>) -> Self {
        self.str(key, value.as_str())
    }

    fn json_or_null(self, key: &str, value: Option<JsonStr<'_>>) -> Self {
        self.str_or_null(key, value.map(JsonStr::as_str))
    }

    /// A staff member's id and name.
    fn staff(self, staff: Option<StaffName<'_>>) -> Self {
        self.str_or_null("staff_id", staff.map(|staff| staff.id.as_str()))
            .json_or_null("staff_name", staff.and_then(|staff| staff.name))
    }

    /// A text in its JSON form, in pieces.
    fn json_bytes(mut self, key: &str, pieces: &[&[u8]]) -> Self {
        self.key(key);
        self.out.push(b'"');
        pieces.iter().for_each(|piece| self.out.extend_from_slice(piece));
        self.out.push(b'"');
        self
    }

    /// A string that may hold anything.
    fn foreign(mut self, key: &str, value: &str) -> Self {
        self.key(key);
        // Writing a string to a Vec does not fail.
        let _ = serde_json::to_writer(&mut *self.out, value);
        self
    }

    fn ticket(mut self, id: TicketId) -> Self {
        self.key("ticket_id");
        self.out.push(b'"');
        self.out.extend_from_slice(&id.text());
        self.out.push(b'"');
        self
    }

    fn num(mut self, key: &str, value: u64) -> Self {
        self.key(key);
        self.out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
        self
    }

    fn num_or_null(mut self, key: &str, value: Option<u64>) -> Self {
        match value {
            Some(value) => self.num(key, value),
            None => {
                self.key(key);
                self.null()
            }
        }
    }

    fn bool(mut self, key: &str, value: bool) -> Self {
        self.key(key);
        self.out.extend_from_slice(if value { b"true" } else { b"false" });
        self
    }

    fn null(self) -> Self {
        self.out.extend_from_slice(b"null");
        self
    }

    fn object(mut self, key: &str, write: impl FnOnce(Object<'_>)) -> Self {
        self.key(key);
        write(object(self.out));
        self
    }

    fn object_or_null<T>(mut self, key: &str, value: Option<&T>, write: impl FnOnce(Object<'_>, &T)) -> Self {
        match value {
            Some(value) => self.object(key, |out| write(out, value)),
            None => {
                self.key(key);
                self.null()
            }
        }
    }

    fn array<T>(mut self, key: &str, values: &[T], mut write: impl FnMut(&mut Vec<u8>, &T)) -> Self {
        self.key(key);
        self.out.push(b'[');
        for (index, value) in values.iter().enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            write(self.out, value);
        }
        self.out.push(b']');
        self
    }

    fn end(self) {
        self.out.push(b'}');
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use serde_json::{Value, json};

    use super::*;
    use crate::ids::{JsonText, StaffId, UserId};
    use crate::state::ErrorCode;

    fn written(event: &Event<'_>) -> Value {
        let mut out = Vec::new();
        append_event(&mut out, event);
        assert!(out.len() + 4 <= event.bytes_max(), "{} bytes of {}", out.len(), event.bytes_max());
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn a_message_in_two_pieces_is_one_text() {
        let message = MessageView {
            seq: 3,
            from: Side::Staff,
            sender: "sam",
            sender_name: None,
            id: 1,
            text: [r#"a \"quo"#.as_bytes(), r#"te\""#.as_bytes()],
            at: 9,
        };
        assert_eq!(
            written(&Event::Message { ticket: TicketId::from_bits(1), message }),
            json!({"type": "message", "ticket_id": "0000-0001", "seq": 3, "from": "staff", "sender_id": "sam",
                "sender_name": null, "id": 1, "text": "a \"quote\"", "at": 9})
        );
    }

    #[test]
    fn a_welcome_without_a_ticket_says_null() {
        let user = UserId::parse("ann").unwrap();
        let welcome = UserWelcome {
            user: &user,
            session: "s3cret",
            resumed: false,
            now: 5,
            desk_online: true,
            ticket: None,
            ended: None,
        };
        assert_eq!(
            written(&Event::UserWelcome(welcome)),
            json!({"type": "welcome", "protocol": 1, "role": "user", "user_id": "ann", "session": "s3cret",
                "resumed": false, "now": 5, "desk_online": true, "ticket": null, "ended": null})
        );
    }

    #[test]
    fn a_board_is_an_array_of_tickets() {
        let (user, staff) = (UserId::parse("ann").unwrap(), StaffId::parse("sam").unwrap());
        let [subject, name] =
            [r"tab\t", "Ann M\u{fc}ller"].map(|text| JsonText::from_parsed(Cow::Borrowed(text)));
        let sam = StaffName { id: &staff, name: Some(name.as_json()) };
        let view = TicketView {
            ticket: TicketId::from_bits(2),
            user: &user,
            user_name: Some(name.as_json()),
            subject: subject.as_json(),
            page: None,
            state: TicketState::Paused,
            staff: Some(sam),
            user_online: false,
            created_at: 4,
            since: 5,
        };
        let ticket = json!({"ticket_id": "0000-0002", "user_id": "ann", "user_name": "Ann M\u{fc}ller",
            "subject": "tab\t", "page": null, "state": "paused", "staff_id": "sam", "staff_name": "Ann M\u{fc}ller",
            "user_online": false, "created_at": 4, "since": 5});
        let welcome = StaffWelcome {
            staff: StaffName { id: &staff, name: None },
            now: 5,
            max_chats: 3,
            assign: Assign::LeastBusy,
            tickets: &[view, view],
            more: 7,
            colleagues: &[sam],
        };
        assert_eq!(
            written(&Event::StaffWelcome(welcome)),
            json!({"type": "welcome", "protocol": 1, "role": "staff", "staff_id": "sam", "staff_name": null,
                "online": false, "now": 5, "max_chats": 3, "assign": "least-busy", "tickets": [ticket, ticket],
                "more": 7, "staff": ["sam"],
                "colleagues": [{"staff_id": "sam", "staff_name": "Ann M\u{fc}ller"}]})
        );
    }

    #[test]
    fn an_error_echoes_what_it_is_about() {
        let (code, ticket) = (ErrorCode::NoTicket, Some(TicketRef::Unknown("a\"b")));
        assert_eq!(
            written(&Event::Error { code, id: Some(4), ticket }),
            json!({"type": "error", "code": "no_ticket", "message": "there is no such ticket", "id": 4,
                "ticket_id": "a\"b"})
        );
    }
}
