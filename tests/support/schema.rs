//! Checks every frame that any test receives against the tables of PROTOCOL.md.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value};

use super::document::{Document, Table, code};

/// The side whose connection a frame came on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    User,
    Staff,
}

pub static PROTOCOL: LazyLock<Document> =
    LazyLock::new(|| Document::parse(include_str!("../../src/protocol/PROTOCOL.md")));

/// The frames of one direction, and the objects in them.
pub struct Schema {
    pub frames: BTreeMap<&'static str, Vec<Field>>,
    pub objects: BTreeMap<&'static str, Vec<Field>>,
}

/// A field of a frame or an object.
#[derive(Clone, Copy)]
pub struct Field {
    pub name: &'static str,
    /// Marked with `?`.
    pub may_be_null: bool,
    /// Marked with `*`.
    pub may_be_absent: bool,
}

static TO_USER: LazyLock<Schema> = LazyLock::new(|| Schema::of("The server sends to a user"));
static TO_STAFF: LazyLock<Schema> = LazyLock::new(|| Schema::of("The server sends to a staff member"));
static KINDS: LazyLock<BTreeMap<&str, &str>> = LazyLock::new(|| {
    let rows = PROTOCOL.table("Fields", "field").rows.iter();
    rows.map(|row| (row[0].trim_matches('`'), row[1])).collect()
});
static CODES: LazyLock<Vec<&str>> = LazyLock::new(|| {
    let rows = PROTOCOL.table("Error codes", "code").rows.iter();
    rows.map(|row| row[0].trim_matches('`')).collect()
});

impl Schema {
    pub fn of(heading: &str) -> Self {
        let rows = |table: &Table| {
            let rows = table.rows.iter();
            rows.map(|row| (row[0].trim_matches('`'), code(row[1]).map(Field::parse).collect())).collect()
        };
        let objects = PROTOCOL.tables.iter().find(|t| t.heading == heading && t.columns[0] == "object");
        Self { frames: rows(PROTOCOL.table(heading, "type")), objects: objects.map(rows).unwrap_or_default() }
    }

    pub fn sent_to(side: Side) -> &'static Self {
        if side == Side::User { &TO_USER } else { &TO_STAFF }
    }
}

impl Field {
    fn parse(text: &'static str) -> Self {
        let name = text.trim_end_matches(['?', '*']);
        let marks = &text[name.len()..];
        Self { name, may_be_null: marks.contains('?'), may_be_absent: marks.contains('*') }
    }

    /// The field's type, from the table of fields.
    pub fn kind(&self) -> &'static str {
        KINDS.get(self.name).unwrap_or_else(|| panic!("{} is not in the table of fields", self.name))
    }

    /// The name of the object that the field holds, once or in a list.
    pub fn object(&self) -> Option<&'static str> {
        match self.kind() {
            "object" => Some(self.name),
            kind => kind.strip_prefix("list of `")?.strip_suffix('`'),
        }
    }
}

/// Panics unless the frame is exactly one that this side may be sent.
pub fn check(side: Side, frame: &Value) {
    let object = frame.as_object().unwrap_or_else(|| panic!("not an object: {frame}"));
    let kind = object.get("type").and_then(Value::as_str).unwrap_or_else(|| panic!("no type: {frame}"));
    let schema = Schema::sent_to(side);
    let fields = schema.frames.get(kind);
    let fields = fields.unwrap_or_else(|| panic!("not in the table of a {side:?}: {frame}"));
    let mut object = object.clone();
    object.remove("type");
    if kind == "error" {
        // It is what the refused frame had: any integer.
        let is_number = object.remove("id").is_none_or(|id| id.is_number());
        assert!(is_number, "id is not a number in {frame}");
    }
    check_fields(schema, &object, fields, frame);
    let own = if side == Side::User { ["user", "staff"] } else { ["staff", "user"] };
    match kind {
        "welcome" => {
            assert_eq!(frame["role"], own[0], "{frame}");
            assert!(frame["tickets"].as_array().is_none_or(|tickets| tickets.len() <= 200), "{frame}");
        }
        "message" => assert_eq!(frame["from"], own[1], "{frame}"),
        _ => {}
    }
}

fn check_fields(schema: &Schema, object: &Map<String, Value>, fields: &[Field], frame: &Value) {
    for field in fields {
        let name = field.name;
        match object.get(name) {
            None => assert!(field.may_be_absent, "{name} is missing in {frame}"),
            Some(Value::Null) => assert!(field.may_be_null, "{name} is null in {frame}"),
            Some(value) => check_value(schema, field, value, frame),
        }
    }
    let unknown = object.keys().find(|name| fields.iter().all(|field| field.name != name.as_str()));
    assert!(unknown.is_none(), "{unknown:?} is not in the protocol: {frame}");
}

fn check_value(schema: &Schema, field: &Field, value: &Value, frame: &Value) {
    let kind = field.kind();
    let is_good = match kind {
        "string" => value.is_string(),
        "integer" => value.is_u64(),
        "boolean" => value.is_boolean(),
        "time" => is_time(value),
        "error code" => CODES.iter().any(|code| value == code),
        "list of string" => value.as_array().is_some_and(|all| all.iter().all(Value::is_string)),
        _ => match field.object() {
            Some(name) => {
                let fields = schema.objects.get(name).unwrap_or_else(|| panic!("no object {name}"));
                let all = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
                for one in all {
                    let object = one.as_object().unwrap_or_else(|| panic!("{name} is no object in {frame}"));
                    check_fields(schema, object, fields, frame);
                }
                value.is_array() == kind.starts_with("list")
            }
            None => code(kind).any(|word| value == word),
        },
    };
    assert!(is_good, "{} is not {kind} in {frame}", field.name);
}

/// Whether this is a time in milliseconds: seconds or nanoseconds would be far off the clock, which is also the
/// server's.
fn is_time(value: &Value) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis();
    value.as_u64().is_some_and(|at| (now - 600_000..=now + 1000).contains(&u128::from(at)))
}
