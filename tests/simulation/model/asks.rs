//! Parses a client's frame as PROTOCOL.md's tables say.

use serde_json::{Value, json};

#[derive(Clone, Debug, PartialEq)]
pub enum Ask {
    Create(NewTicket),
    Message(u64, String),
    Delivered(u64),
    Typing(bool),
    Close,
    Recap(Vec<Value>),
    Rate(u64),
    GoOnline(Option<String>),
    GoOffline,
    Pick,
    Release,
    Transfer(String, Option<String>),
    Ping,
}

#[derive(Clone, Debug, PartialEq)]
pub struct NewTicket {
    pub subject: String,
    pub name: Option<String>,
    pub page: Option<String>,
}

/// A frame: what it asks for, or the codes that it may be refused with; and the message and ticket that it names.
#[derive(Debug)]
pub struct Frame {
    pub ask: Result<Ask, Vec<&'static str>>,
    pub id: Option<u64>,
    pub ticket: Option<String>,
}

impl Frame {
    pub fn is_message(&self) -> bool {
        matches!(self.ask, Ok(Ask::Message(..)))
    }
}

/// The only lone surrogate that an adversary sends, and only in a text.
const HALF_A_PAIR: &str = "\\ud800";

pub fn read(text: &str, is_staff: bool) -> Frame {
    let bad = Frame { ask: Err(vec!["bad_message"]), id: None, ticket: None };
    // Half a surrogate pair makes its text unreadable, but not the fields beside it.
    let readable = text.replace(HALF_A_PAIR, "");
    let Ok(frame) = serde_json::from_str::<Value>(&readable) else { return bad };
    let kind = frame.get("type").and_then(Value::as_str).filter(|_| readable == text);
    let Some(kind) = kind else {
        return Frame {
            id: frame["id"].as_u64(),
            ticket: frame["ticket_id"].as_str().map(str::to_owned),
            ..bad
        };
    };
    let mut problems = Vec::new();
    let ask = fields(&frame, kind, is_staff, &mut problems);
    let ticket = frame.get("ticket_id").and_then(Value::as_str).map(str::to_owned);
    let of_staff = is_staff && !matches!(kind, "go_online" | "go_offline" | "ping");
    let needs_ticket = of_staff || (!is_staff && kind == "rate_ticket");
    if needs_ticket && ticket.is_none() {
        problems.push("bad_message");
    }
    let ask = match ask {
        Some(ask) if problems.is_empty() => Ok(ask),
        _ => {
            if problems.is_empty() {
                problems.push("bad_message");
            } else if needs_ticket && ticket.is_some() {
                problems.push("no_ticket"); // the desk may look for the ticket first
            }
            Err(problems)
        }
    };
    Frame { ask, id: frame.get("id").and_then(Value::as_u64), ticket }
}

fn fields(frame: &Value, kind: &str, is_staff: bool, problems: &mut Vec<&'static str>) -> Option<Ask> {
    let whole = |name: &str, problems: &mut Vec<&'static str>| {
        let number = frame.get(name).and_then(Value::as_u64);
        if number.is_none() {
            problems.push("bad_message");
        }
        number.unwrap_or(0)
    };
    Some(match (kind, is_staff) {
        ("create_ticket", false) => Ask::Create(NewTicket {
            subject: text(frame.get("subject"), 1, 200, problems),
            name: optional(frame.get("name"), 1, 64, problems),
            page: optional(frame.get("page"), 0, 300, problems),
        }),
        ("message", _) => {
            let id = whole("id", problems);
            if !(1..1 << 53).contains(&id) {
                problems.push("bad_message");
            }
            Ask::Message(id, text(frame.get("text"), 1, 4000, problems))
        }
        ("delivered", _) => Ask::Delivered(whole("seq", problems)),
        ("typing", _) => match frame.get("active").and_then(Value::as_bool) {
            Some(active) => Ask::Typing(active),
            None => return None,
        },
        ("close_ticket", _) => Ask::Close,
        ("recap", false) => Ask::Recap(lines(frame.get("lines"), problems)?),
        ("rate_ticket", false) => {
            let score = whole("score", problems);
            if !(1..=5).contains(&score) {
                problems.push("bad_message");
            }
            Ask::Rate(score)
        }
        ("ping", _) => Ask::Ping,
        ("go_online", true) => Ask::GoOnline(optional(frame.get("name"), 1, 64, problems)),
        ("go_offline", true) => Ask::GoOffline,
        ("pick_ticket", true) => Ask::Pick,
        ("release_ticket", true) => Ask::Release,
        ("transfer_ticket", true) => {
            let note = optional(frame.get("note"), 0, 500, problems);
            Ask::Transfer(frame.get("to").and_then(Value::as_str)?.to_owned(), note)
        }
        _ => return None,
    })
}

/// Reads 1 to 100 lines, as they are relayed.
fn lines(value: Option<&Value>, problems: &mut Vec<&'static str>) -> Option<Vec<Value>> {
    let lines = value?.as_array().filter(|lines| !lines.is_empty())?;
    if lines.len() > 100 {
        problems.push("too_long");
    }
    let mut read = Vec::new();
    for line in lines {
        let from = line["from"].as_str().filter(|from| ["user", "staff"].contains(from))?;
        let name = optional(line.get("name"), 1, 64, problems);
        let text = text(line.get("text"), 1, 4000, problems);
        read.push(json!({ "from": from, "name": name, "text": text, "at": line["at"].as_u64()? }));
    }
    Some(read)
}

fn optional(
    value: Option<&Value>,
    min: usize,
    max: usize,
    problems: &mut Vec<&'static str>,
) -> Option<String> {
    value.filter(|value| !value.is_null()).map(|value| text(Some(value), min, max, problems))
}

/// "The lengths of texts, subjects and names are counted in Unicode scalar values."
fn text(value: Option<&Value>, min: usize, max: usize, problems: &mut Vec<&'static str>) -> String {
    let text = value.and_then(Value::as_str);
    match text.map(|text| text.chars().count()) {
        Some(length) if length > max => problems.push("too_long"),
        Some(length) if length >= min => {}
        _ => problems.push("bad_message"),
    }
    text.unwrap_or("").to_owned()
}
