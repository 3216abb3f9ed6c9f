//! Messages made of the protocol's fields, with right and wrong values in any order: they reach the checks behind the parser
//! that a text of random bytes rarely reaches. The same has to hold as for any text.
#![no_main]

#[path = "../properties/command.rs"]
mod property;

use std::fmt::Write;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
enum Value<'a> {
    Null,
    Bool(bool),
    Integer(u64),
    /// Any JSON number, or nearly one.
    Number {
        is_negative: bool,
        digits: u8,
        zeros: u8,
        exponent: Option<i16>,
    },
    Text(&'a str),
    /// A text of this many characters of one kind: near a limit.
    Long(u16, char),
    /// Half a surrogate pair, which no Rust string can hold.
    HalfPair(u16),
    Ticket(u64),
    Type(u8),
    Side(bool),
    Lines(Vec<Vec<Field<'a>>>),
    /// The same line so many times.
    ManyLines(u8),
    Object(Vec<Field<'a>>),
    Raw(&'a str),
}

#[derive(Arbitrary, Debug)]
struct Field<'a> {
    key: u8,
    value: Value<'a>,
}

#[derive(Arbitrary, Debug)]
struct Message<'a> {
    kind: u8,
    fields: Vec<Field<'a>>,
    /// Where the text breaks off, if it does.
    cut: Option<u16>,
    tail: &'a str,
}

const TYPES: [&str; 18] = [
    "create_ticket",
    "message",
    "delivered",
    "typing",
    "close_ticket",
    "recap",
    "rate_ticket",
    "ping",
    "go_online",
    "go_offline",
    "pick_ticket",
    "release_ticket",
    "transfer_ticket",
    "welcome",
    "Message",
    "",
    "message ",
    "error",
];
const KEYS: [&str; 19] = [
    "type",
    "id",
    "ticket_id",
    "text",
    "seq",
    "active",
    "subject",
    "to",
    "note",
    "name",
    "page",
    "lines",
    "score",
    "from",
    "at",
    "more",
    "\\u0069d",
    "\\u0074ype",
    "Text",
];
const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

fn write_value(out: &mut String, value: &Value<'_>, depth: usize) {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let _ = match value {
        Value::Null => write!(out, "null"),
        Value::Bool(value) => write!(out, "{value}"),
        Value::Integer(number) => write!(out, "{number}"),
        Value::Number { is_negative, digits, zeros, exponent } => {
            let sign = if *is_negative { "-" } else { "" };
            let exponent = exponent.map_or_else(String::new, |exponent| format!("e{exponent}"));
            write!(out, "{sign}{digits}{}{exponent}", "0".repeat(usize::from(*zeros)))
        }
        Value::Text(text) => write!(out, "{}", quoted(text)),
        Value::Long(count, unit) => {
            write!(out, "{}", quoted(&unit.to_string().repeat(usize::from(count % 4100))))
        }
        Value::HalfPair(half) => write!(out, "\"\\u{:04x}\"", 0xD800 | half),
        Value::Ticket(bits) => {
            let digit = |at: u32| char::from(DIGITS[(bits >> (5 * at)) as usize % 32]);
            let text: String = (0..4).map(digit).chain(['-']).chain((4..8).map(digit)).collect();
            write!(out, "\"{text}\"")
        }
        Value::Type(kind) => write!(out, "\"{}\"", TYPES[usize::from(*kind) % TYPES.len()]),
        Value::Side(is_user) => write!(out, "\"{}\"", if *is_user { "user" } else { "staff" }),
        Value::Lines(lines) => {
            out.push('[');
            for (at, line) in lines.iter().enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                write_object(out, line, depth);
            }
            write!(out, "]")
        }
        Value::ManyLines(count) => {
            let line = r#"{"from":"user","text":"x","at":1}"#;
            write!(out, "[{}]", vec![line; usize::from(*count) % 104].join(","))
        }
        Value::Object(fields) => {
            write_object(out, fields, depth);
            Ok(())
        }
        Value::Raw(text) => write!(out, "{text}"),
    };
}

fn write_object(out: &mut String, fields: &[Field<'_>], depth: usize) {
    out.push('{');
    for (at, field) in fields.iter().enumerate().filter(|_| depth < 8) {
        let _ = write!(
            out,
            "{}\"{}\":",
            if at > 0 { "," } else { "" },
            KEYS[usize::from(field.key) % KEYS.len()]
        );
        write_value(out, &field.value, depth + 1);
    }
    out.push('}');
}

fuzz_target!(|message: Message<'_>| {
    let mut text = format!("{{\"type\":\"{}\"", TYPES[usize::from(message.kind) % TYPES.len()]);
    let mut fields = String::new();
    write_object(&mut fields, &message.fields, 0);
    if !message.fields.is_empty() {
        text.push(',');
    }
    text.push_str(&fields[1..]);
    if let Some(cut) = message.cut {
        let at = usize::from(cut) % (text.len() + 1);
        text.truncate((at..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(0));
        text.push_str(message.tail);
    }
    property::check(&text);
});
