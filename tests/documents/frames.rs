//! The frames of PROTOCOL.md, and those that the code writes and reads.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{SystemTime, UNIX_EPOCH};

use deskwire::config::Assign;
use deskwire::ids::{JsonText, StaffId, TicketId, UserId};
use deskwire::protocol::{append_event, staff_command, user_command};
use deskwire::state::{
    ClosedBy, EndedTicket, ErrorCode, Event, MessageView, OwnTicket, Picked, Place, Side as From,
    StaffChange, StaffName, StaffWelcome, TicketRef, TicketState, TicketView, UserWelcome,
};
use serde_json::Map;

use crate::support::shape::{self, Field, Schema, Side};
use crate::support::{Value, json};
use crate::{between, words};

const ENCODE: &str = include_str!("../../src/protocol/encode.rs");
const DECODE: &str = include_str!("../../src/protocol/decode.rs");

/// The words that stand between two texts.
fn words_between<'a>(text: &'a str, start: &str, end: &str) -> BTreeSet<&'a str> {
    let rests = text.match_indices(start).map(|(at, _)| &text[at + start.len()..]);
    let words = rests.filter_map(|rest| {
        let length = rest.find(|c: char| !c.is_ascii_lowercase() && c != '_')?;
        (length > 0 && rest[length..].starts_with(end)).then_some(&rest[..length])
    });
    words.collect()
}

/// Each event once for each side that it may go to, as it is written. The full ones have everything that may be left out.
fn written(is_full: bool) -> Vec<(Side, Value)> {
    let text = JsonText::from_parsed(Cow::Borrowed("x"));
    let (user, sam) = (UserId::parse("ann").unwrap(), StaffId::parse("sam").unwrap());
    let text = text.as_json();
    let (maybe_text, number) = (is_full.then_some(text), is_full.then_some(1));
    let staff = StaffName { id: &sam, name: maybe_text };
    let maybe_staff = is_full.then_some(staff);
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let at = u64::try_from(since_1970.as_millis()).unwrap();
    let (ticket, by, state) = (TicketId::from_bits(1), ClosedBy::Timeout, TicketState::Paused);
    let view = TicketView {
        ticket,
        user: &user,
        user_name: maybe_text,
        subject: text,
        page: maybe_text,
        state,
        staff: maybe_staff,
        user_online: true,
        created_at: at,
        since: at,
    };
    let own = OwnTicket {
        ticket,
        subject: text,
        state,
        staff: maybe_staff,
        created_at: at,
        last_seq: 1,
        last_id: 1,
        delivered_seq: 1,
    };
    // Objects are in the sparse frames too, with everything in them left out; a third welcome is without them.
    let user_welcome = |has_ticket: bool| UserWelcome {
        user: &user,
        session: "x",
        resumed: true,
        now: at,
        desk_online: true,
        ticket: has_ticket.then_some(OwnTicket { ..own }),
        ended: has_ticket.then_some(EndedTicket { ticket, by, at }),
    };
    let staff_welcome = StaffWelcome {
        staff,
        now: at,
        max_chats: 1,
        assign: Assign::LeastBusy,
        tickets: &[view],
        more: 1,
        colleagues: &[staff],
    };
    let picked = Picked {
        ticket,
        user: &user,
        user_name: maybe_text,
        subject: text,
        page: maybe_text,
        last_seq: 1,
        last_id: 1,
        delivered_seq: 1,
        at,
        auto: true,
        from_staff: maybe_staff,
        note: maybe_text,
    };
    let message = |from, sender| MessageView {
        seq: 1,
        from,
        sender,
        sender_name: maybe_text,
        id: 1,
        text: [b"x", b""],
        at,
    };
    let place = Place { position: 1, waiting: 1, wait_s: number };
    let mut to_user = vec![
        Event::UserWelcome(user_welcome(true)),
        Event::UserWelcome(user_welcome(false)),
        Event::Desk { online: true },
        Event::TicketCreated { ticket, subject: text, at },
        Event::Queue { ticket, place },
        Event::Message { ticket, message: message(From::Staff, "sam") },
    ];
    for what in [
        StaffChange::Joined,
        StaffChange::Offline,
        StaffChange::Online,
        StaffChange::Reconnected,
        StaffChange::Left,
    ] {
        to_user.push(Event::Staff { what, ticket, staff, at });
    }
    let to_staff = vec![
        Event::StaffWelcome(staff_welcome),
        Event::Presence { online: true },
        Event::Colleague { staff, online: true },
        Event::TicketAdded(view),
        Event::TicketUpdated(view),
        Event::TicketRemoved { ticket },
        Event::TicketPicked(picked),
        Event::Message { ticket, message: message(From::User, "ann") },
    ];
    let mut frames = Vec::new();
    for (side, events) in [(Side::User, to_user), (Side::Staff, to_staff)] {
        let refused = is_full.then_some(TicketRef::Id(ticket));
        let to_both = [
            Event::Ack { ticket, id: 1, seq: number, at },
            Event::Delivered { ticket, seq: 1, at },
            Event::Typing { ticket, active: true },
            Event::TicketClosed { ticket, by, at },
            Event::Error { code: ErrorCode::NoTicket, id: number, ticket: refused },
            Event::Pong { now: at },
        ];
        for event in events.iter().chain(&to_both) {
            let mut bytes = Vec::new();
            append_event(&mut bytes, event);
            frames.push((side, serde_json::from_slice(&bytes).unwrap()));
        }
    }
    frames
}

#[test]
fn every_frame_that_the_server_writes_is_in_the_tables_with_its_fields() {
    let frames = [written(true), written(false)].concat();
    for (side, frame) in &frames {
        shape::check(*side, frame);
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
    assert_eq!(&sent | &changes, listed, "frame types in encode.rs and in PROTOCOL.md");
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
    assert_eq!(words("Fields", "field"), used);
}

/// Whether a frame is understood; the error code if not.
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
    for (side, heading, function) in [
        (Side::User, "A user sends", "fn user_command(&mut self"),
        (Side::Staff, "A staff member sends", "fn staff_command(&mut self"),
    ] {
        let schema = Schema::of(heading);
        let types: BTreeSet<&str> = schema.frames.keys().copied().collect();
        assert_eq!(words_between(between(DECODE, function, "\n    }\n"), "\"", "\" =>"), types, "{heading}");
        for (kind, fields) in &schema.frames {
            let mut whole = json!({ "type": kind });
            for field in fields {
                listed.insert(field.name);
                whole[field.name] = match (field.name, field.kind()) {
                    ("ticket_id", _) => json!(TicketId::from_bits(1).to_string()),
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
    assert_eq!(known, listed, "fields in decode.rs and in PROTOCOL.md");
}
