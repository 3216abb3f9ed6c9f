//! The two receive tables of the protocol as data: every frame of every test is held against them.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value};

/// Whose connection a frame came on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    User,
    Staff,
}

/// `name:kind`, the kind being s(tring), i(nteger from 0), b(ool), t(ime), or a name below; `?`: may be null;
/// a `name` ending in `~` may be absent.
const USER: &[(&str, &str)] = &[
    (
        "welcome",
        "protocol:i role:s user_id:s session:s resumed:b now:t desk_online:b ticket:own? ended:ended?",
    ),
    ("desk", "online:b"),
    ("ticket_created", "ticket_id:s subject:s at:t"),
    ("queue", "ticket_id:s position:i waiting:i wait_s:i?"),
    ("staff_joined", "ticket_id:s staff_id:s staff_name:s? at:t"),
    ("staff_offline", "ticket_id:s staff_id:s staff_name:s? at:t"),
    ("staff_online", "ticket_id:s staff_id:s staff_name:s? at:t"),
    ("staff_reconnected", "ticket_id:s staff_id:s staff_name:s? at:t"),
    ("staff_left", "ticket_id:s staff_id:s staff_name:s? at:t"),
];

const STAFF: &[(&str, &str)] = &[
    (
        "welcome",
        "protocol:i role:s staff_id:s staff_name:s? online:b now:t max_chats:i assign:s tickets:board more:i staff:names \
         colleagues:colleagues",
    ),
    ("presence", "online:b"),
    ("colleague", "staff_id:s staff_name:s? online:b"),
    ("ticket_added", "ticket:ticket"),
    ("ticket_updated", "ticket:ticket"),
    ("ticket_removed", "ticket_id:s"),
    (
        "ticket_picked",
        "ticket_id:s user_id:s user_name:s? subject:s page:s? last_seq:i last_id:i delivered_seq:i at:t auto:b from_staff:s? note:s?",
    ),
];

const BOTH: &[(&str, &str)] = &[
    ("message", "ticket_id:s seq:i from:s sender_id:s sender_name:s? id:i text:s at:t"),
    ("ack", "ticket_id:s id:i seq:i? at:t"),
    ("delivered", "ticket_id:s seq:i at:t"),
    ("typing", "ticket_id:s active:b"),
    ("ticket_closed", "ticket_id:s by:s at:t"),
    ("pong", "now:t"),
    ("error", "code:s message:s id~:i ticket_id~:s"),
];

const OWN: &str = "ticket_id:s subject:s state:s staff_id:s? staff_name:s? created_at:t last_seq:i last_id:i delivered_seq:i";
const ENDED: &str = "ticket_id:s by:s at:t";
const TICKET: &str = "ticket_id:s user_id:s user_name:s? subject:s page:s? state:s staff_id:s? staff_name:s? user_online:b \
                      created_at:t since:t";
const COLLEAGUE: &str = "staff_id:s staff_name:s?";

const CODES: &[&str] = &[
    "bad_message",
    "too_long",
    "rate_limited",
    "no_ticket",
    "ticket_exists",
    "ticket_taken",
    "not_yours",
    "you_are_offline",
    "staff_offline",
    "user_offline",
    "at_capacity",
    "unknown_staff",
    "desk_full",
    "unread_limit",
];

/// Panics unless the frame is, to the letter, one that this side may be sent.
pub fn check(side: Side, frame: &Value) {
    let object = frame.as_object().unwrap_or_else(|| panic!("not an object: {frame}"));
    let kind = object.get("type").and_then(Value::as_str).unwrap_or_else(|| panic!("no type: {frame}"));
    let table = if side == Side::User { USER } else { STAFF };
    let row = table.iter().chain(BOTH).find(|(name, _)| *name == kind);
    let (_, fields) = row.unwrap_or_else(|| panic!("not in the table of a {side:?}: {frame}"));
    check_fields(object, &format!("type:s {fields}"), frame);
    check_words(side, kind, frame);
}

fn check_fields(object: &Map<String, Value>, fields: &str, frame: &Value) {
    let mut known = Vec::new();
    for field in fields.split(' ') {
        let (name, kind) = field.split_once(':').expect("name:kind");
        let (name, optional) = name.strip_suffix('~').map_or((name, false), |name| (name, true));
        known.push(name);
        match object.get(name) {
            None if optional => {}
            None => panic!("{name} is missing in {frame}"),
            Some(value) => assert!(is(kind, value), "{name} is no {kind} in {frame}"),
        }
    }
    let stranger = object.keys().find(|name| !known.contains(&name.as_str()));
    assert!(stranger.is_none(), "{stranger:?} is not in the protocol: {frame}");
}

fn is(kind: &str, value: &Value) -> bool {
    if let Some(kind) = kind.strip_suffix('?') {
        return value.is_null() || is(kind, value);
    }
    let fields = match kind {
        "s" => return value.is_string(),
        "i" => return value.is_u64(),
        "b" => return value.is_boolean(),
        "t" => return is_time(value),
        "names" => return value.as_array().is_some_and(|all| all.iter().all(Value::is_string)),
        "board" => {
            return value
                .as_array()
                .is_some_and(|all| all.len() <= 200 && all.iter().all(|one| is("ticket", one)));
        }
        "colleagues" => {
            return value.as_array().is_some_and(|all| all.iter().all(|one| is("colleague", one)));
        }
        "colleague" => COLLEAGUE,
        "own" => OWN,
        "ended" => ENDED,
        "ticket" => TICKET,
        other => panic!("no such kind: {other}"),
    };
    value.as_object().is_some_and(|object| {
        check_fields(object, fields, value);
        object
            .get("state")
            .is_none_or(|state| ["waiting", "active", "paused"].iter().any(|known| state == known))
    })
}

/// Milliseconds since the epoch: seconds or nanoseconds would be far off, and the server runs on this machine's clock.
fn is_time(value: &Value) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis();
    value.as_u64().is_some_and(|at| (now - 600_000..=now + 1000).contains(&u128::from(at)))
}

/// The fields that hold one of a few words.
fn check_words(side: Side, kind: &str, frame: &Value) {
    let one_of = |field: &str, words: &[&str]| {
        let word = frame[field].as_str().expect("checked before");
        assert!(words.contains(&word), "{field} is not one of {words:?}: {frame}");
    };
    match (side, kind) {
        (Side::User, "welcome") => one_of("role", &["user"]),
        (Side::Staff, "welcome") => {
            one_of("role", &["staff"]);
            one_of("assign", &["manual", "round-robin", "least-busy"]);
        }
        (Side::User, "message") => one_of("from", &["staff"]),
        (Side::Staff, "message") => one_of("from", &["user"]),
        (_, "ticket_closed") => one_of("by", &["user", "staff", "timeout"]),
        (_, "error") => one_of("code", CODES),
        _ => {}
    }
}
