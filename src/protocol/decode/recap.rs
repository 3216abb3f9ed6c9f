//! Decodes the lines of a recap, the only list in a message. The pass that read the other fields has skipped it.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{Key, Value, scan};
use crate::config::{RECAP_LINES_MAX, TEXT_CHARS_MAX};
use crate::state::{ErrorCode, Recap, RecapLine, Side};

/// Reads the lines from the text of a `recap` message.
pub(super) fn read(text: &str) -> Result<Recap<'_>, ErrorCode> {
    let mut found = None;
    scan::members(text, |key, value| {
        if serde_json::from_str(key).is_ok_and(|Key(key)| key == "lines") {
            found = Some(value);
        }
    });
    let Lines(lines) =
        found.and_then(|lines| serde_json::from_str(lines).ok()).ok_or(ErrorCode::BadMessage)?;
    match lines.len() {
        0 => Err(ErrorCode::BadMessage),
        1..=RECAP_LINES_MAX => lines.into_iter().map(Line::read).collect::<Result<_, _>>().map(Recap::new),
        _ => Err(ErrorCode::TooLong),
    }
}

/// A line whose fields have not been checked yet.
#[derive(Default)]
struct Line<'a> {
    from: Value<'a>,
    name: Value<'a>,
    text: Value<'a>,
    at: Value<'a>,
}

impl<'a> Line<'a> {
    fn read(mut self) -> Result<RecapLine<'a>, ErrorCode> {
        let from = match self.from.str()? {
            "user" => Side::User,
            "staff" => Side::Staff,
            _ => return Err(ErrorCode::BadMessage),
        };
        let (name, at) = (self.name.name()?, self.at.integer()?);
        Ok(RecapLine { from, name, text: self.text.text(1, TEXT_CHARS_MAX)?, at })
    }
}

/// The lines, up to one more than is allowed. The rest is skipped.
struct Lines<'a>(Vec<Line<'a>>);

impl<'de: 'a, 'a> Deserialize<'de> for Lines<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(LinesVisitor).map(Self)
    }
}

struct LinesVisitor;

impl<'de> Visitor<'de> for LinesVisitor {
    type Value = Vec<Line<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of lines")
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<Self::Value, S::Error> {
        let mut lines = Vec::new();
        while lines.len() <= RECAP_LINES_MAX {
            let Some(line) = seq.next_element()? else { return Ok(lines) };
            lines.push(line);
        }
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(lines)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Line<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(LineVisitor)
    }
}

struct LineVisitor;

impl<'de> Visitor<'de> for LineVisitor {
    type Value = Line<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a line")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let mut line = Line::default();
        while let Some(Key(key)) = map.next_key()? {
            match &*key {
                "from" => line.from = map.next_value()?,
                "name" => line.name = map.next_value()?,
                "text" => line.text = map.next_value()?,
                "at" => line.at = map.next_value()?,
                _ => _ = map.next_value::<IgnoredAny>()?,
            }
        }
        Ok(line)
    }
}
