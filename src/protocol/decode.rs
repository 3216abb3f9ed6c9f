//! From a text frame to a command.
//!
//! A frame is one flat object, read in one pass: each known field is taken as whatever it is, unknown ones are skipped,
//! and only then is asked what the type needs. So a field that a type does not have may hold anything.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::config::{ID_BYTES_MAX, NOTE_CHARS_MAX, SUBJECT_CHARS_MAX, TEXT_CHARS_MAX};
use crate::ids::{JsonText, TicketId};
use crate::state::{ErrorCode, StaffCommand, TicketRef, UserCommand};

/// Why a frame was not understood, and what it spoke of as far as that could be read.
#[derive(Debug, PartialEq, Eq)]
pub struct Refusal<'a> {
    /// The code.
    pub code: ErrorCode,
    /// The message's id.
    pub id: Option<u64>,
    ticket_id: Option<Cow<'a, str>>,
}

impl Refusal<'_> {
    /// The ticket, as it was named.
    pub fn ticket(&self) -> Option<TicketRef<'_>> {
        self.ticket_id.as_deref().map(|text| match TicketId::parse(text) {
            Some(id) => TicketRef::Id(id),
            None => TicketRef::Unknown(text),
        })
    }
}

/// What a user asks for.
pub fn user_command(text: &str) -> Result<UserCommand<'_>, Refusal<'_>> {
    let mut frame = Frame::parse(text)?;
    frame.user_command().map_err(|code| frame.refusal(code))
}

/// What a staff member asks for.
pub fn staff_command(text: &str) -> Result<StaffCommand<'_>, Refusal<'_>> {
    let mut frame = Frame::parse(text)?;
    frame.staff_command().map_err(|code| frame.refusal(code))
}

/// The fields that any type has.
#[derive(Default)]
struct Frame<'a> {
    kind: Value<'a>,
    id: Value<'a>,
    ticket_id: Value<'a>,
    text: Value<'a>,
    seq: Value<'a>,
    active: Value<'a>,
    subject: Value<'a>,
    to: Value<'a>,
    note: Value<'a>,
}

/// A value, as far as any field may be one.
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

impl<'a> Frame<'a> {
    fn parse(text: &'a str) -> Result<Self, Refusal<'a>> {
        serde_json::from_str(text).map_err(|_| Refusal {
            code: ErrorCode::BadMessage,
            id: None,
            ticket_id: None,
        })
    }

    fn refusal(self, code: ErrorCode) -> Refusal<'a> {
        let ticket_id = match self.ticket_id {
            // An echo is for whoever sent something of the size of an id.
            Value::String(text) if text.len() <= ID_BYTES_MAX => Some(text),
            _ => None,
        };
        Refusal { code, id: self.id.integer().ok(), ticket_id }
    }

    fn user_command(&mut self) -> Result<UserCommand<'a>, ErrorCode> {
        Ok(match self.kind.str()? {
            "create_ticket" => UserCommand::CreateTicket {
                subject: self.subject.text(1, SUBJECT_CHARS_MAX)?,
                name: None,
                page: None,
            },
            "message" => {
                UserCommand::Message { id: self.message_id()?, text: self.text.text(1, TEXT_CHARS_MAX)? }
            }
            "delivered" => UserCommand::Delivered { seq: self.seq.integer()? },
            "typing" => UserCommand::Typing { active: self.active.bool()? },
            "close_ticket" => UserCommand::CloseTicket,
            "ping" => UserCommand::Ping,
            _ => return Err(ErrorCode::BadMessage),
        })
    }

    fn staff_command(&mut self) -> Result<StaffCommand<'a>, ErrorCode> {
        Ok(match self.kind.str()? {
            "go_online" => StaffCommand::GoOnline { name: None },
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
        let note = match self.note {
            Value::Absent | Value::Null => None,
            _ => Some(self.note.text(0, NOTE_CHARS_MAX)?),
        };
        let Value::String(to) = std::mem::take(&mut self.to) else { return Err(ErrorCode::BadMessage) };
        Ok(StaffCommand::TransferTicket { ticket: self.ticket()?, to, note })
    }

    /// A string that is no id of ours names no ticket that there is.
    fn ticket(&self) -> Result<TicketId, ErrorCode> {
        TicketId::parse(self.ticket_id.str()?).ok_or(ErrorCode::NoTicket)
    }

    fn message_id(&self) -> Result<u64, ErrorCode> {
        self.id.integer().and_then(|id| if id == 0 { Err(ErrorCode::BadMessage) } else { Ok(id) })
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

    /// Takes a text of so many Unicode scalar values.
    fn text(&mut self, chars_min: usize, chars_max: usize) -> Result<JsonText<'a>, ErrorCode> {
        let Self::String(text) = std::mem::take(self) else { return Err(ErrorCode::BadMessage) };
        // As many bytes are at least as many characters: most texts need no count.
        if text.len() > chars_max && text.chars().count() > chars_max {
            return Err(ErrorCode::TooLong);
        }
        if text.len() < chars_min {
            return Err(ErrorCode::BadMessage);
        }
        Ok(JsonText::from_parsed(text))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Frame<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FrameVisitor)
    }
}

struct FrameVisitor;

impl<'de> Visitor<'de> for FrameVisitor {
    type Value = Frame<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    /// Where a field stands twice, the last one counts, as in every browser.
    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let mut frame = Frame::default();
        while let Some(Key(key)) = map.next_key()? {
            let field = match &*key {
                "type" => &mut frame.kind,
                "id" => &mut frame.id,
                "ticket_id" => &mut frame.ticket_id,
                "text" => &mut frame.text,
                "seq" => &mut frame.seq,
                "active" => &mut frame.active,
                "subject" => &mut frame.subject,
                "to" => &mut frame.to,
                "note" => &mut frame.note,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            *field = map.next_value()?;
        }
        Ok(frame)
    }
}

/// A key, borrowed where it has no escapes.
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
mod tests {
    use super::*;

    fn refused(text: &str) -> Option<(ErrorCode, Option<u64>)> {
        user_command(text).err().map(|refusal| (refusal.code, refusal.id))
    }

    #[test]
    fn a_message_is_read_and_unknown_fields_are_ignored() {
        let text = r#"{"x":[1,{"y":2}],"id":7,"type":"message","text":"hi","seq":"not mine","z":1e400}"#;
        let Ok(UserCommand::Message { id: 7, text }) = user_command(text) else { panic!("refused") };
        assert_eq!(text.as_str(), "hi");
    }

    #[test]
    fn what_is_no_message_is_refused_with_the_id_it_had() {
        for (text, id) in [
            ("", None),
            ("[]", None),
            ("{}", None),
            (r#""message""#, None),
            (r#"{"type":"message","id":7}"#, Some(7)),
            (r#"{"type":"message","id":7,"text":""}"#, Some(7)),
            (r#"{"type":"message","id":7,"text":8}"#, Some(7)),
            (r#"{"type":"message","id":0,"text":"x"}"#, Some(0)),
            (r#"{"type":"message","id":-1,"text":"x"}"#, None),
            (r#"{"type":"message","id":1.0,"text":"x"}"#, None),
            (r#"{"type":"message","id":"1","text":"x"}"#, None),
            (r#"{"type":"message","id":18446744073709551616,"text":"x"}"#, None),
            (r#"{"type":"go_online"}"#, None),
            (r#"{"type":"typing","active":1}"#, None),
            (r#"{"type":"message","id":7,"text":"\ud800"}"#, None),
            (r#"{"type":"close_ticket"} {}"#, None),
        ] {
            assert_eq!(refused(text), Some((ErrorCode::BadMessage, id)), "{text}");
        }
    }

    #[test]
    fn lengths_are_in_unicode_scalar_values() {
        let message = |text: &str| format!(r#"{{"type":"message","id":1,"text":"{text}"}}"#);
        for longest in ["x", "é", "\u{1F600}", "\\u00e9", "\\ud83d\\ude00"] {
            assert_eq!(refused(&message(&longest.repeat(TEXT_CHARS_MAX))), None, "{longest}");
            let over = message(&longest.repeat(TEXT_CHARS_MAX + 1));
            assert_eq!(refused(&over), Some((ErrorCode::TooLong, Some(1))), "{longest}");
        }
    }

    #[test]
    fn a_ticket_that_is_none_is_named_as_it_came() {
        let text = r#"{"type":"pick_ticket","ticket_id":"no such"}"#;
        let refusal = staff_command(text).unwrap_err();
        assert_eq!(
            (refusal.code, refusal.ticket()),
            (ErrorCode::NoTicket, Some(TicketRef::Unknown("no such")))
        );
    }

    #[test]
    fn of_a_field_that_stands_twice_the_last_counts() {
        let text = r#"{"type":"close_ticket","active":"x","active":true,"type":"typing"}"#;
        assert!(matches!(user_command(text), Ok(UserCommand::Typing { active: true })));
    }
}
