//! Decodes the text of a message into a command.
//!
//! A message is one flat object, and is read in one pass. The pass takes each known field, whatever its value is, and
//! skips unknown ones; only then are the fields checked that the type needs. So a field that a type does not have may
//! hold any JSON. The only list, `lines`, is skipped in this pass; for a `recap`, another pass reads it.
//!
//! serde_json rejects a whole message for one value that Rust cannot represent. Such a message, and one that is not
//! JSON, is read again, member by member. It may still be a command; if it is not, the refusal can name its id and its
//! ticket.

mod recap;

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::scan;
use crate::config::{
    ID_BYTES_MAX, MESSAGE_ID_MAX, NAME_CHARS_MAX, NOTE_CHARS_MAX, PAGE_CHARS_MAX, SUBJECT_CHARS_MAX,
    TEXT_CHARS_MAX,
};
use crate::ids::{JsonText, TicketId, is_name};
use crate::state::{ErrorCode, IdRef, MoreNames, Names, Score, StaffCommand, TicketRef, UserCommand};

/// Why a message was refused, with its id and its ticket, if these could be read.
#[derive(Debug, PartialEq, Eq)]
pub struct Refusal<'a> {
    /// The code of the `error` frame that answers the message.
    pub code: ErrorCode,
    /// The message's id, even if it is out of range for a message, and the ticket that it named.
    pub names: Names<'a>,
}

impl<'a> Refusal<'a> {
    /// Refuses a command, which exceeds a rate limit.
    pub(crate) fn by_rate(names: Names<'a>) -> Self {
        Self { code: ErrorCode::RateLimited, names }
    }
}

/// Decodes a message from a user. If it names more than its command does, the names come with it.
///
/// # Errors
/// The message is not a command of this protocol, or a text in it is too long.
pub fn user_command(text: &str) -> Result<(UserCommand<'_>, MoreNames<'_>), Refusal<'_>> {
    let mut message = Message::default();
    match message.read(text).and_then(|()| message.user_command(text)) {
        Ok(command) => {
            let more = message.more_names(&command.names(), text);
            Ok((command, more))
        }
        Err(code) => Err(Refusal { code, names: message.names(text) }),
    }
}

/// Decodes a message from a staff member. If it names more than its command does, the names come with it.
///
/// # Errors
/// The same as for a user, or the message names a ticket by a text that is not an id.
pub fn staff_command(text: &str) -> Result<(StaffCommand<'_>, MoreNames<'_>), Refusal<'_>> {
    let mut message = Message::default();
    match message.read(text).and_then(|()| message.staff_command()) {
        Ok(command) => {
            let more = message.more_names(&command.names(), text);
            Ok((command, more))
        }
        Err(code) => Err(Refusal { code, names: message.names(text) }),
    }
}

/// The fields of a message of any type.
#[derive(Default)]
struct Message<'a> {
    kind: Value<'a>,
    id: Value<'a>,
    ticket_id: Value<'a>,
    text: Value<'a>,
    seq: Value<'a>,
    active: Value<'a>,
    subject: Value<'a>,
    to: Value<'a>,
    note: Value<'a>,
    name: Value<'a>,
    page: Value<'a>,
    lines: Value<'a>,
    score: Value<'a>,
}

/// The value of a field. A value that is not allowed in any field is `Other`.
#[derive(Default)]
enum Value<'a> {
    #[default]
    Absent,
    Null,
    Bool(bool),
    Integer(u64),
    String(Cow<'a, str>),
    Other,
}

impl<'a> Message<'a> {
    /// Reads a text into an empty message. A message is large, so returning it would cost as much as reading a few
    /// fields.
    fn read(&mut self, text: &'a str) -> Result<(), ErrorCode> {
        let mut json = serde_json::Deserializer::from_str(text);
        let read = json.deserialize_map(MessageVisitor(self)).and_then(|()| json.end());
        read.or_else(|_| self.read_by_member(text))
    }

    /// Reads a text with a value that cannot be represented, such as half a surrogate pair. That field becomes `Other`,
    /// and the others are read as usual. If the text is not JSON, the fields that can be read are kept for the refusal.
    #[cold]
    fn read_by_member(&mut self, text: &'a str) -> Result<(), ErrorCode> {
        *self = Self::default();
        scan::members(text, |key, value| {
            let key = serde_json::from_str(key).ok();
            if let Some(field) = key.and_then(|Key(key)| self.field(&key)) {
                *field = serde_json::from_str(value).unwrap_or(Value::Other);
            }
        });
        // RFC 8259 allows half a surrogate pair and a number of any size. Skipping them checks only the syntax.
        let is_object =
            text.trim_start().starts_with('{') && serde_json::from_str::<IgnoredAny>(text).is_ok();
        if is_object { Ok(()) } else { Err(ErrorCode::BadMessage) }
    }

    /// Returns the field of this name, if any type has one.
    #[inline]
    fn field(&mut self, name: &str) -> Option<&mut Value<'a>> {
        Some(match name {
            "type" => &mut self.kind,
            "id" => &mut self.id,
            "ticket_id" => &mut self.ticket_id,
            "text" => &mut self.text,
            "seq" => &mut self.seq,
            "active" => &mut self.active,
            "subject" => &mut self.subject,
            "to" => &mut self.to,
            "note" => &mut self.note,
            "name" => &mut self.name,
            "page" => &mut self.page,
            "lines" => &mut self.lines,
            "score" => &mut self.score,
            _ => return None,
        })
    }

    /// Returns the message's names if it has more than its command.
    fn more_names(self, of_command: &Names<'_>, text: &'a str) -> MoreNames<'a> {
        let has_more = |is_known: bool, field: &Value<'_>| !is_known && !matches!(field, Value::Absent);
        let has_more = has_more(of_command.id.is_some(), &self.id)
            || has_more(of_command.ticket.is_some(), &self.ticket_id);
        has_more.then(|| Box::new(self.names(text)))
    }

    #[cold]
    fn names(self, text: &'a str) -> Names<'a> {
        let ticket = match self.ticket_id {
            // A longer string cannot be an id, and there is no use in echoing it.
            Value::String(text) if text.len() <= ID_BYTES_MAX => Some(TicketRef::from(text)),
            _ => None,
        };
        let id = match self.id {
            Value::Integer(id) => Some(IdRef::Id(id)),
            Value::Other => integer_out_of_range(text).map(IdRef::OutOfRange),
            _ => None,
        };
        Names { id, ticket }
    }

    fn user_command(&mut self, text: &'a str) -> Result<UserCommand<'a>, ErrorCode> {
        Ok(match self.kind.str()? {
            "create_ticket" => UserCommand::CreateTicket {
                subject: self.subject.text(1, SUBJECT_CHARS_MAX)?,
                name: self.name.name()?,
                page: self.page.optional_text(0, PAGE_CHARS_MAX)?,
            },
            "message" => {
                UserCommand::Message { id: self.message_id()?, text: self.text.text(1, TEXT_CHARS_MAX)? }
            }
            "delivered" => UserCommand::Delivered { seq: self.seq.integer()? },
            "typing" => UserCommand::Typing { active: self.active.bool()? },
            "close_ticket" => UserCommand::CloseTicket,
            "recap" => UserCommand::Recap(recap::read(text)?),
            "rate_ticket" => {
                let score = Score::new(self.score.integer()?).ok_or(ErrorCode::BadMessage)?;
                UserCommand::RateTicket { ticket: self.ticket()?, score }
            }
            "ping" => UserCommand::Ping,
            _ => return Err(ErrorCode::BadMessage),
        })
    }

    fn staff_command(&mut self) -> Result<StaffCommand<'a>, ErrorCode> {
        Ok(match self.kind.str()? {
            "go_online" => StaffCommand::GoOnline { name: self.name.name()? },
            "go_offline" => StaffCommand::GoOffline,
            "pick_ticket" => StaffCommand::PickTicket { ticket: self.ticket()? },
            "release_ticket" => StaffCommand::ReleaseTicket { ticket: self.ticket()? },
            "transfer_ticket" => self.transfer()?,
            "message" => {
                let (id, text) = (self.message_id()?, self.text.text(1, TEXT_CHARS_MAX)?);
                StaffCommand::Message { ticket: self.ticket()?, id, text }
            }
            "delivered" => {
                let seq = self.seq.integer()?;
                StaffCommand::Delivered { ticket: self.ticket()?, seq }
            }
            "typing" => {
                let active = self.active.bool()?;
                StaffCommand::Typing { ticket: self.ticket()?, active }
            }
            "close_ticket" => StaffCommand::CloseTicket { ticket: self.ticket()? },
            "ping" => StaffCommand::Ping,
            _ => return Err(ErrorCode::BadMessage),
        })
    }

    fn transfer(&mut self) -> Result<StaffCommand<'a>, ErrorCode> {
        let note = self.note.optional_text(0, NOTE_CHARS_MAX)?;
        let Value::String(to) = std::mem::take(&mut self.to) else { return Err(ErrorCode::BadMessage) };
        Ok(StaffCommand::TransferTicket { ticket: self.ticket()?, to, note })
    }

    // A string that is not an id is refused like the id of a closed ticket.
    fn ticket(&self) -> Result<TicketId, ErrorCode> {
        TicketId::parse(self.ticket_id.str()?).ok_or(ErrorCode::NoTicket)
    }

    fn message_id(&self) -> Result<u64, ErrorCode> {
        let id = self.id.integer()?;
        if (1..=MESSAGE_ID_MAX).contains(&id) { Ok(id) } else { Err(ErrorCode::BadMessage) }
    }
}

impl<'a> Value<'a> {
    fn bool(&self) -> Result<bool, ErrorCode> {
        if let Self::Bool(value) = self { Ok(*value) } else { Err(ErrorCode::BadMessage) }
    }

    fn integer(&self) -> Result<u64, ErrorCode> {
        if let Self::Integer(value) = self { Ok(*value) } else { Err(ErrorCode::BadMessage) }
    }

    fn str(&self) -> Result<&str, ErrorCode> {
        if let Self::String(value) = self { Ok(value) } else { Err(ErrorCode::BadMessage) }
    }

    /// Takes a name that may be absent or null.
    fn name(&mut self) -> Result<Option<JsonText<'a>>, ErrorCode> {
        let is_readable = match self {
            Self::String(name) => is_name(name),
            _ => true,
        };
        let name = self.optional_text(1, NAME_CHARS_MAX)?;
        if is_readable { Ok(name) } else { Err(ErrorCode::BadMessage) }
    }

    /// Takes a text that may be absent or null.
    fn optional_text(
        &mut self,
        chars_min: usize,
        chars_max: usize,
    ) -> Result<Option<JsonText<'a>>, ErrorCode> {
        match self {
            Self::Absent | Self::Null => Ok(None),
            _ => self.text(chars_min, chars_max).map(Some),
        }
    }

    /// Takes a text of `chars_min` to `chars_max` Unicode scalar values.
    fn text(&mut self, chars_min: usize, chars_max: usize) -> Result<JsonText<'a>, ErrorCode> {
        let Self::String(text) = std::mem::take(self) else { return Err(ErrorCode::BadMessage) };
        // A text has at most as many characters as bytes, so most need not be counted.
        if text.len() > chars_max && text.chars().count() > chars_max {
            return Err(ErrorCode::TooLong);
        }
        if text.len() < chars_min {
            return Err(ErrorCode::BadMessage);
        }
        Ok(JsonText::from_parsed(text))
    }
}

/// Returns the digits of a message's id, if it is an integer of any size. serde_json gives one that fits into no 64 bits as a
/// float, which has other digits.
fn integer_out_of_range(text: &str) -> Option<&str> {
    let mut id = None;
    scan::members(text, |key, value| {
        if serde_json::from_str(key).is_ok_and(|Key(key)| key == "id") {
            id = Some(value);
        }
    });
    id.filter(|id| {
        let digits = id.strip_prefix('-').unwrap_or(id);
        let has_leading_zero = digits.len() > 1 && digits.starts_with('0'); // RFC 8259 6: not a number
        let is_integer =
            !digits.is_empty() && !has_leading_zero && digits.bytes().all(|b| b.is_ascii_digit());
        is_integer && id.len() <= ID_BYTES_MAX
    })
}

/// Reads fields into a message.
struct MessageVisitor<'m, 'a>(&'m mut Message<'a>);

impl<'de: 'a, 'a> Visitor<'de> for MessageVisitor<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    /// If a field is repeated, the last one counts, as in `JSON.parse`.
    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        while let Some(Key(key)) = map.next_key()? {
            match self.0.field(&key) {
                Some(field) => *field = map.next_value()?,
                None => _ = map.next_value::<IgnoredAny>()?,
            }
        }
        Ok(())
    }
}

/// A key, borrowed if it has no escapes.
struct Key<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Key<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.deserialize_str(ValueVisitor)? {
            Value::String(key) => Ok(Self(key)),
            _ => Ok(Self(Cow::Borrowed(""))), // keys are strings in JSON
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Value<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Value::Integer(value))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Value::Other) // serde_json gives positive ones as u64
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Value::Other)
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Self::Value, E> {
        Ok(Value::String(Cow::Borrowed(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Value::String(Cow::Owned(value.to_owned())))
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<Self::Value, S::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::Other)
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Value::Other)
    }
}

#[cfg(test)]
mod tests;
