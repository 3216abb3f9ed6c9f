//! Compares the frames of PROTOCOL.md with those that the code writes and reads.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{SystemTime, UNIX_EPOCH};

use deskwire::config::Assign;
use deskwire::ids::{JsonStr, JsonText, StaffId, TicketId, UserId};
use deskwire::protocol::{append_event, staff_command, user_command};
use deskwire::state::{
    ClosedBy, EndedTicket, ErrorCode, Event, IdRef, MessageView, Names, OwnTicket, Participant, Picked,
    Place, Recap, RecapLine, Score, Session, StaffChange, StaffName, StaffWelcome, TicketRef, TicketState,
    TicketView, UserWelcome,
};
use serde_json::Map;

use crate::support::document::code;
use crate::support::schema::{self, Field, PROTOCOL, Schema, Side};
use crate::support::{Value, json};
use crate::{between, compare, words};

const ENCODE: &str = include_str!("../../src/protocol/encode.rs");
const DECODE: &str = include_str!("../../src/protocol/decode.rs");

/// The words between two texts.
fn words_between<'a>(text: &'a str, start: &str, end: &str) -> BTreeSet<&'a str> {
    let rests = text.match_indices(start).map(|(at, _)| &text[at + start.len()..]);
    let words = rests.filter_map(|rest| {
        let length = rest.find(|c: char| !c.is_ascii_lowercase() && !"_-".contains(c))?;
        (length > 0 && rest[length..].starts_with(end)).then_some(&rest[..length])
    });
    words.collect()
}

/// The parts that events are made of. Full ones have everything that may be left out.
struct Parts<'a> {
    ticket: TicketId,
    user: &'a UserId,
    staff: StaffName<'a>,
    text: JsonStr<'a>,
    recap: &'a Recap<'a>,
    names: &'a Names<'a>,
    at: u64,
    is_full: bool,
}

impl<'a> Parts<'a> {
    fn maybe<T>(&self, value: T) -> Option<T> {
        self.is_full.then_some(value)
    }

    fn view(&self) -> TicketView<'a> {
        TicketView {
            ticket: self.ticket,
            user: self.user,
            user_name: self.maybe(self.text),
            subject: self.text,
            page: self.maybe(self.text),
            state: TicketState::Paused,
            staff: self.maybe(self.staff),
            user_online: true,
            created_at: self.at,
            since: self.at,
        }
    }

    fn own_ticket(&self) -> OwnTicket<'a> {
        OwnTicket {
            ticket: self.ticket,
            subject: self.text,
            state: TicketState::Waiting,
            staff: self.maybe(self.staff),
            created_at: self.at,
            last_seq: 1,
            last_id: 1,
            delivered_seq: 1,
        }
    }

    fn user_welcome(&self, own: Option<OwnTicket<'a>>) -> UserWelcome<'a> {
        let ended = EndedTicket { ticket: self.ticket, by: ClosedBy::Timeout, at: self.at };
        UserWelcome {
            user: self.user,
            session: Session::parse("x").unwrap(),
            resumed: true,
            now: self.at,
            desk_online: true,
            ended: own.is_some().then_some(ended),
            ticket: own,
        }
    }

    fn picked(&self) -> Picked<'a> {
        Picked {
            ticket: self.ticket,
            user: self.user,
            user_name: self.maybe(self.text),
            subject: self.text,
            page: self.maybe(self.text),
            last_seq: 1,
            last_id: 1,
            delivered_seq: 1,
            at: self.at,
            auto: true,
            from_staff: self.maybe(self.staff),
            note: self.maybe(self.text),
        }
    }

    fn message(&self, from: Participant<'a>) -> Event<'a> {
        let message = MessageView { seq: 1, from, id: 1, text: self.text.into(), at: self.at };
        Event::Message { ticket: self.ticket, message }
    }

    fn to_user(&self) -> Vec<Event<'a>> {
        let Self { ticket, staff, at, .. } = *self;
        let place = Place { position: 1, waiting: 1, wait_s: self.maybe(1) };
        let mut events = vec![
            Event::UserWelcome(self.user_welcome(Some(self.own_ticket()))),
            Event::UserWelcome(self.user_welcome(None)),
            Event::Desk { online: true },
            Event::TicketCreated { ticket, subject: self.text, at },
            Event::Queue { ticket, place },
            self.message(Participant::Staff(staff)),
        ];
        for what in [
            StaffChange::Joined,
            StaffChange::Offline,
            StaffChange::Online,
            StaffChange::Reconnected,
            StaffChange::Left,
        ] {
            events.push(Event::Staff { what, ticket, staff, at });
        }
        events
    }

    fn to_staff(&self) -> Vec<Event<'a>> {
        let Self { ticket, user, staff, .. } = *self;
        vec![
            Event::Rated { ticket, score: Score::new(1).unwrap() },
            Event::Recap { ticket, recap: self.recap },
            Event::Presence { online: true },
            Event::Colleague { staff, online: true },
            Event::TicketAdded(self.view()),
            Event::TicketUpdated(self.view()),
            Event::TicketRemoved { ticket },
            Event::TicketPicked(self.picked()),
            self.message(Participant::User { id: user, name: self.maybe(self.text) }),
        ]
    }

    fn to_both(&self) -> [Event<'a>; 6] {
        let Self { ticket, at, .. } = *self;
        [
            Event::Ack { ticket, id: 1, seq: self.maybe(1), at },
            Event::Delivered { ticket, seq: 1, at },
            Event::Typing { ticket, active: true },
            Event::TicketClosed { ticket, by: ClosedBy::User, at },
            Event::Error { code: ErrorCode::NoTicket, names: self.names },
            Event::Pong { now: at },
        ]
    }
}

fn write(event: &Event<'_>) -> Value {
    let mut bytes = Vec::new();
    append_event(&mut bytes, event);
    serde_json::from_slice(&bytes).unwrap()
}

/// Each event as it is written, for each side that it may go to.
fn written(is_full: bool) -> Vec<(Side, Value)> {
    let (user, sam) = (UserId::parse("ann").unwrap(), StaffId::parse("sam").unwrap());
    let text = JsonText::from_parsed(Cow::Borrowed("x"));
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let at = u64::try_from(since_1970.as_millis()).unwrap();
    let name = is_full.then(|| text.clone());
    let recap =
        Recap::new(vec![RecapLine { from: deskwire::state::Side::User, name, text: text.clone(), at }]);
    let ticket = TicketId::from_bits(1);
    let id = is_full.then_some(IdRef::Id(1));
    let names = Names { id, ticket: is_full.then_some(TicketRef::Id(ticket)) };
    let parts = Parts {
        ticket,
        user: &user,
        staff: StaffName { id: &sam, name: is_full.then_some(text.as_json()) },
        text: text.as_json(),
        recap: &recap,
        names: &names,
        at,
        is_full,
    };
    let (tickets, colleagues) = ([parts.view()], [parts.staff]);
    let welcome = Event::StaffWelcome(StaffWelcome {
        staff: parts.staff,
        now: parts.at,
        max_chats: 1,
        assign: Assign::LeastBusy,
        tickets: &tickets,
        more: 1,
        colleagues: &colleagues,
    });
    let to_user = parts.to_user().into_iter().chain(parts.to_both());
    let to_staff = parts.to_staff().into_iter().chain(parts.to_both()).chain([welcome]);
    let to_user = to_user.map(|event| (Side::User, write(&event)));
    to_user.chain(to_staff.map(|event| (Side::Staff, write(&event)))).collect()
}

#[test]
fn every_frame_that_the_server_writes_is_in_the_tables_with_its_fields() {
    let frames = [written(true), written(false)].concat();
    for (side, frame) in &frames {
        schema::check(*side, frame);
    }
    for side in [Side::User, Side::Staff] {
        let schema = Schema::sent_to(side);
        let mut objects: BTreeMap<&str, Vec<&Map<String, Value>>> = BTreeMap::new();
        for (kind, fields) in &schema.frames {
            let of_kind = frames.iter().filter(|(to, frame)| *to == side && frame["type"] == *kind);
            let of_kind: Vec<_> = of_kind.map(|(_, frame)| frame.as_object().unwrap()).collect();
            assert!(!of_kind.is_empty(), "nothing writes {kind} to a {side:?}");
            check_marks(kind, fields, &of_kind);
            for (name, field) in fields.iter().filter_map(|field| Some((field.object()?, field))) {
                let found = of_kind.iter().filter_map(|frame| frame.get(field.name));
                let found =
                    found.flat_map(|value| value.as_array().map_or(std::slice::from_ref(value), |all| all));
                objects.entry(name).or_default().extend(found.filter_map(Value::as_object));
            }
        }
        assert!(objects.keys().eq(schema.objects.keys()), "objects in the frames to a {side:?}");
        for (name, found) in objects {
            check_marks(name, &schema.objects[name], &found);
        }
    }
    let sent = words_between(ENCODE, "frame(out, \"", "\"");
    let changes = words_between(between(ENCODE, "fn staff_change", "\n}\n"), "=> \"", "\"");
    let listed = [Side::User, Side::Staff].map(|side| Schema::sent_to(side).frames.keys().copied());
    let listed: BTreeSet<&str> = listed.into_iter().flatten().collect();
    compare("frame types", &listed, &(&sent | &changes));
}

/// A field that may be null is null in some frame, and one that may be absent is absent in some.
fn check_marks(what: &str, fields: &[Field], found: &[&Map<String, Value>]) {
    for Field { name, may_be_null, may_be_absent } in fields {
        let is_null = found.iter().any(|object| object.get(*name).is_some_and(Value::is_null));
        let is_absent = found.iter().any(|object| !object.contains_key(*name));
        assert_eq!(is_null, *may_be_null, "whether {name} of {what} is ever null");
        assert_eq!(is_absent, *may_be_absent, "whether {name} of {what} is ever absent");
    }
}

#[test]
fn every_field_is_in_the_table_of_fields_and_no_other() {
    let headings = [
        "The server sends to a user",
        "The server sends to a staff member",
        "A user sends",
        "A staff member sends",
    ];
    let mut used = BTreeSet::new();
    for schema in headings.map(Schema::of) {
        let fields = schema.frames.values().chain(schema.objects.values()).flatten();
        used.extend(fields.map(|field| field.name));
    }
    compare("the table of fields, beside the tables of frames", &words("Fields", "field"), &used);
}

#[test]
fn every_word_that_a_field_may_be_is_in_the_table() {
    for (field, function) in
        [("assign", "fn assign("), ("by", "fn closed_by("), ("state", "fn ticket_state(")]
    {
        let rows = PROTOCOL.table("Fields", "field").rows.iter();
        let row = rows.into_iter().find(|row| code(row[0]).eq([field])).unwrap();
        let written = words_between(between(ENCODE, function, "\n}\n"), "=> \"", "\"");
        compare(field, &code(row[1]).collect(), &written);
    }
}

/// The error code of a frame that is not accepted.
fn read(side: Side, frame: &Value) -> Result<(), ErrorCode> {
    let text = frame.to_string();
    match side {
        Side::User => user_command(&text).map(|_| ()).map_err(|refusal| refusal.code),
        Side::Staff => staff_command(&text).map(|_| ()).map_err(|refusal| refusal.code),
    }
}

#[test]
fn every_frame_that_the_server_reads_is_in_the_tables_with_its_fields() {
    let known = words_between(between(DECODE, "fn field(", "\n    }\n"), "\"", "\" => &mut");
    let mut listed = BTreeSet::from(["type"]);
    let line = json!({ "from": "user", "name": "x", "text": "x", "at": 1 });
    for (side, heading, function) in [
        (Side::User, "A user sends", "fn user_command(&mut self"),
        (Side::Staff, "A staff member sends", "fn staff_command(&mut self"),
    ] {
        let schema = Schema::of(heading);
        let types: BTreeSet<&str> = schema.frames.keys().copied().collect();
        let arms = words_between(between(DECODE, function, "\n    }\n"), "\"", "\" =>");
        compare(heading, &types, &arms);
        for (kind, fields) in &schema.frames {
            let mut whole = json!({ "type": kind });
            for field in fields {
                listed.insert(field.name);
                whole[field.name] = match (field.name, field.kind()) {
                    ("ticket_id", _) => json!(TicketId::from_bits(1).to_string()),
                    ("lines", _) => json!([line]),
                    (_, "integer") => json!(1),
                    (_, "boolean") => json!(true),
                    _ => json!("x"),
                };
            }
            assert_eq!(read(side, &whole), Ok(()), "{whole}");
            for name in &known - &BTreeSet::from(["type"]) {
                let field = fields.iter().find(|field| field.name == name);
                let is_read_with = |value: Option<Value>| {
                    let mut frame = whole.clone();
                    match value {
                        Some(value) => frame[name] = value,
                        None => _ = frame.as_object_mut().unwrap().remove(name),
                    }
                    read(side, &frame).is_ok()
                };
                assert_eq!(is_read_with(Some(json!([]))), field.is_none(), "{kind} with another {name}");
                let may = |mark: fn(&Field) -> bool| field.is_none_or(mark);
                assert_eq!(is_read_with(Some(Value::Null)), may(|f| f.may_be_null), "{kind}, {name} null");
                assert_eq!(is_read_with(None), may(|f| f.may_be_absent), "{kind} without {name}");
            }
        }
    }
    compare("fields that are read", &listed, &known);
}

#[test]
fn every_line_of_a_recap_that_is_read_has_the_fields_of_the_table() {
    let fields = &Schema::of("A user sends").objects["line"];
    let whole = json!({ "from": "staff", "name": "x", "text": "x", "at": 1 });
    let known: BTreeSet<&str> = whole.as_object().unwrap().keys().map(String::as_str).collect();
    compare("line", &fields.iter().map(|field| field.name).collect(), &known);
    for Field { name, may_be_null, may_be_absent } in fields {
        let is_read_with = |value: Option<Value>| {
            let mut line = whole.clone();
            match value {
                Some(value) => line[name] = value,
                None => _ = line.as_object_mut().unwrap().remove(*name),
            }
            read(Side::User, &json!({ "type": "recap", "lines": [whole, line] })).is_ok()
        };
        assert!(is_read_with(Some(whole[name].clone())));
        assert!(!is_read_with(Some(json!([]))), "another {name}");
        assert_eq!(is_read_with(Some(Value::Null)), *may_be_null, "{name} null");
        assert_eq!(is_read_with(None), *may_be_absent, "without {name}");
    }
}
