//! What holds for any text that is read as a command: an independent reading of PROTOCOL.md, by way of a tree of the JSON.

use deskwire::ids::{JsonText, TicketId};
use deskwire::protocol::{Refusal, staff_command, user_command};
use deskwire::state::ErrorCode::{BadMessage, NoTicket, TooLong};
use deskwire::state::{ErrorCode, IdRef, MoreNames, Names, Side, StaffCommand, TicketRef, UserCommand};
use serde_json::{Map, Value};

// Literal figures of PROTOCOL.md, in characters, and for a recap in lines.
const SUBJECT: usize = 200;
const TEXT: usize = 4000;
const NAME: usize = 64;
const PAGE: usize = 300;
const NOTE: usize = 500;
const LINES: usize = 100;
const ID_BYTES: usize = 64;
const MESSAGE_ID: u64 = (1 << 53) - 1;

/// Reads a text as both roles do, and compares with what it says.
pub fn check(text: &str) {
    let tree = serde_json::from_str(text).ok();
    let user = user_command(text).map(|(command, names)| (user_reads(&command), names));
    let staff = staff_command(text).map(|(command, names)| (staff_reads(&command), names));
    let Some(tree) = tree else {
        // A tree has no half surrogate pair and no number beyond a float; the rest is no JSON.
        for (found, _) in [user, staff].into_iter().flatten() {
            is_within_limits(&found);
        }
        return;
    };
    let nothing = Map::new();
    let fields = if let Value::Object(fields) = &tree { fields } else { &nothing };
    compare(text, fields, user, user_asks(fields));
    compare(text, fields, staff, staff_asks(fields));
}

/// A command as a list of what is in it, so that two can be compared: its type first.
type Found = Vec<Value>;

fn compare(
    text: &str,
    fields: &Map<String, Value>,
    read: Result<(Found, MoreNames<'_>), Refusal<'_>>,
    expected: Result<Found, ErrorCode>,
) {
    match read {
        Ok((read, names)) => {
            assert_eq!(Ok(read), expected, "{text}");
            names.iter().for_each(|names| compare_names(text, fields, names));
        }
        Err(refusal) => {
            assert_eq!(Err(refusal.code), expected, "{text}");
            compare_names(text, fields, &refusal.names);
        }
    }
}

fn compare_names(text: &str, fields: &Map<String, Value>, names: &Names<'_>) {
    let id = fields.get("id");
    match (names.id, id.and_then(Value::as_u64)) {
        (id, Some(number)) => assert_eq!(id, Some(IdRef::Id(number)), "{text}"),
        // A tree does not tell an integer that fits into no 64 bits from a float.
        (None, None) => {}
        (Some(IdRef::OutOfRange(digits)), None) => {
            assert!(id.is_some_and(Value::is_number), "{text}");
            assert!(digits.bytes().all(|b| b == b'-' || b.is_ascii_digit()) && digits.len() <= ID_BYTES);
        }
        (other, None) => panic!("{other:?}: {text}"),
    }
    let named = fields.get("ticket_id").and_then(Value::as_str).filter(|named| named.len() <= ID_BYTES);
    match (&names.ticket, named) {
        (Some(TicketRef::Id(id)), Some(named)) => assert_eq!(id.to_string(), named),
        (Some(TicketRef::Unknown(text)), Some(named)) => assert_eq!(text, named),
        (None, None) => {}
        other => panic!("{other:?}: {text}"),
    }
}

/// What is left of the checks where the text has no tree.
fn is_within_limits(found: &Found) {
    for text in found.iter().filter_map(Value::as_str) {
        assert!(text.chars().count() <= TEXT);
    }
}

/// Returns a text that was read: it is a part of a JSON string as it stands.
fn plain(json: &str) -> Value {
    serde_json::from_str(&format!("\"{json}\"")).unwrap_or_else(|_| panic!("not a JSON string: {json:?}"))
}

/// Returns a text that may be absent.
fn plain_or_null(text: Option<&JsonText<'_>>) -> Value {
    text.map_or(Value::Null, |text| plain(text.as_str()))
}

fn user_reads(command: &UserCommand<'_>) -> Found {
    match command {
        UserCommand::CreateTicket { subject, name, page } => {
            let (name, page) = (plain_or_null(name.as_ref()), plain_or_null(page.as_ref()));
            vec!["create_ticket".into(), plain(subject.as_str()), name, page]
        }
        UserCommand::Message { id, text } => vec!["message".into(), (*id).into(), plain(text.as_str())],
        UserCommand::Delivered { seq } => vec!["delivered".into(), (*seq).into()],
        UserCommand::Typing { active } => vec!["typing".into(), (*active).into()],
        UserCommand::CloseTicket => vec!["close_ticket".into()],
        UserCommand::Recap(recap) => {
            let mut found = vec!["recap".into()];
            for line in recap.lines() {
                let from = if line.from == Side::User { "user" } else { "staff" };
                let name = plain_or_null(line.name.as_ref());
                found.extend([from.into(), name, plain(line.text.as_str()), line.at.into()]);
            }
            found
        }
        UserCommand::RateTicket { ticket, score } => {
            vec!["rate_ticket".into(), ticket.to_string().into(), score.number().into()]
        }
        UserCommand::Ping => vec!["ping".into()],
    }
}

fn staff_reads(command: &StaffCommand<'_>) -> Found {
    let of = |kind: &str, ticket: &TicketId| vec![kind.into(), ticket.to_string().into()];
    match command {
        StaffCommand::GoOnline { name } => vec!["go_online".into(), plain_or_null(name.as_ref())],
        StaffCommand::GoOffline => vec!["go_offline".into()],
        StaffCommand::PickTicket { ticket } => of("pick_ticket", ticket),
        StaffCommand::ReleaseTicket { ticket } => of("release_ticket", ticket),
        StaffCommand::TransferTicket { ticket, to, note } => {
            [of("transfer_ticket", ticket), vec![to.as_ref().into(), plain_or_null(note.as_ref())]].concat()
        }
        StaffCommand::Message { ticket, id, text } => {
            [of("message", ticket), vec![(*id).into(), plain(text.as_str())]].concat()
        }
        StaffCommand::Delivered { ticket, seq } => [of("delivered", ticket), vec![(*seq).into()]].concat(),
        StaffCommand::Typing { ticket, active } => [of("typing", ticket), vec![(*active).into()]].concat(),
        StaffCommand::CloseTicket { ticket } => of("close_ticket", ticket),
        StaffCommand::Ping => vec!["ping".into()],
    }
}

fn user_asks(fields: &Map<String, Value>) -> Result<Found, ErrorCode> {
    let kind = fields.get("type").and_then(Value::as_str).ok_or(BadMessage)?;
    let found = match kind {
        "create_ticket" => {
            vec![text(fields, "subject", SUBJECT)?, name(fields)?, optional(fields, "page", PAGE)?]
        }
        "message" => vec![message_id(fields)?, text(fields, "text", TEXT)?],
        "delivered" => vec![integer(fields, "seq")?],
        "typing" => vec![boolean(fields)?],
        "close_ticket" | "ping" => Vec::new(),
        "recap" => lines(fields.get("lines").and_then(Value::as_array).ok_or(BadMessage)?)?,
        "rate_ticket" => {
            let score = integer(fields, "score")?;
            if !(1..=5).contains(&score.as_u64().unwrap_or(0)) {
                return Err(BadMessage);
            }
            vec![ticket(fields)?, score]
        }
        _ => return Err(BadMessage),
    };
    Ok([vec![kind.into()], found].concat())
}

fn staff_asks(fields: &Map<String, Value>) -> Result<Found, ErrorCode> {
    let kind = fields.get("type").and_then(Value::as_str).ok_or(BadMessage)?;
    let found = match kind {
        "go_online" => vec![name(fields)?],
        "go_offline" | "ping" => Vec::new(),
        "pick_ticket" | "release_ticket" | "close_ticket" => vec![ticket(fields)?],
        "transfer_ticket" => {
            let note = optional(fields, "note", NOTE)?;
            let to = fields.get("to").filter(|to| to.is_string()).ok_or(BadMessage)?.clone();
            vec![ticket(fields)?, to, note]
        }
        "message" => {
            let (id, text) = (message_id(fields)?, text(fields, "text", TEXT)?);
            vec![ticket(fields)?, id, text]
        }
        "delivered" => {
            let seq = integer(fields, "seq")?;
            vec![ticket(fields)?, seq]
        }
        "typing" => {
            let active = boolean(fields)?;
            vec![ticket(fields)?, active]
        }
        _ => return Err(BadMessage),
    };
    Ok([vec![kind.into()], found].concat())
}

/// Reads the lines of a recap. Too many are refused whatever is in them, if each is an object.
fn lines(lines: &[Value]) -> Result<Found, ErrorCode> {
    if lines.iter().take(LINES + 1).any(|line| !line.is_object()) || lines.is_empty() {
        return Err(BadMessage);
    }
    if lines.len() > LINES {
        return Err(TooLong);
    }
    let mut found = Vec::new();
    for fields in lines.iter().filter_map(Value::as_object) {
        let from = fields.get("from").filter(|from| [Some("user"), Some("staff")].contains(&from.as_str()));
        let from = from.ok_or(BadMessage)?.clone();
        let (name, at) = (name(fields)?, integer(fields, "at")?);
        found.extend([from, name, text(fields, "text", TEXT)?, at]);
    }
    Ok(found)
}

fn text(fields: &Map<String, Value>, key: &str, max: usize) -> Result<Value, ErrorCode> {
    let text = fields.get(key).filter(|text| text.is_string()).ok_or(BadMessage)?;
    match text.as_str().unwrap_or_default().chars().count() {
        0 => Err(BadMessage),
        count if count > max => Err(TooLong),
        _ => Ok(text.clone()),
    }
}

fn optional(fields: &Map<String, Value>, key: &str, max: usize) -> Result<Value, ErrorCode> {
    match fields.get(key) {
        None | Some(Value::Null) => Ok(Value::Null),
        Some(Value::String(text)) if text.chars().count() <= max => Ok(text.as_str().into()),
        Some(Value::String(_)) => Err(TooLong),
        Some(_) => Err(BadMessage),
    }
}

fn name(fields: &Map<String, Value>) -> Result<Value, ErrorCode> {
    // UAX 9: the characters that order others.
    let is_bidi = |c| {
        "\u{61C}\u{200E}\u{200F}\u{202A}\u{202B}\u{202C}\u{202D}\u{202E}\u{2066}\u{2067}\u{2068}\u{2069}"
            .contains(c)
    };
    let name = optional(fields, "name", NAME)?;
    match name.as_str() {
        Some(name) if name.is_empty() || name.chars().any(|c| c.is_control() || is_bidi(c)) => {
            Err(BadMessage)
        }
        _ => Ok(name),
    }
}

fn integer(fields: &Map<String, Value>, key: &str) -> Result<Value, ErrorCode> {
    fields.get(key).filter(|value| value.is_u64()).cloned().ok_or(BadMessage)
}

fn boolean(fields: &Map<String, Value>) -> Result<Value, ErrorCode> {
    fields.get("active").filter(|value| value.is_boolean()).cloned().ok_or(BadMessage)
}

fn message_id(fields: &Map<String, Value>) -> Result<Value, ErrorCode> {
    integer(fields, "id").and_then(|id| match id.as_u64() {
        Some(1..=MESSAGE_ID) => Ok(id),
        _ => Err(BadMessage),
    })
}

fn ticket(fields: &Map<String, Value>) -> Result<Value, ErrorCode> {
    let named = fields.get("ticket_id").and_then(Value::as_str).ok_or(BadMessage)?;
    // Crockford's base 32, four digits on each side of a hyphen.
    let is_digit = |b: u8| b"0123456789ABCDEFGHJKMNPQRSTVWXYZ".contains(&b);
    let is_id = named.len() == 9
        && named.bytes().enumerate().all(|(at, b)| if at == 4 { b == b'-' } else { is_digit(b) });
    if is_id { Ok(named.into()) } else { Err(NoTicket) }
}
