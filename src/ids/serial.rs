//! The stored form of ids, texts and hashes: text that a person can read. It is checked again when it is read back.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::ser::{Serialize, Serializer};

use super::{ConnId, JsonText, NodeId, SecretHash, StaffId, StoredText, TicketId, UserId, hex};

/// Implements serde for a type that is stored as text and read back by a function that may refuse it.
macro_rules! stored_as_text {
    ($type:ty, $name:literal, $write:expr, $parse:expr) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let write: fn(&Self) -> Cow<'_, str> = $write;
                serializer.serialize_str(&write(self))
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = deserializer.deserialize_str(Text)?;
                let parse: fn(&str) -> Option<Self> = $parse;
                parse(&text).ok_or_else(|| D::Error::custom(concat!("not ", $name)))
            }
        }
    };
}

stored_as_text!(UserId, "a user's id", |id| id.as_str().into(), Self::parse);
stored_as_text!(StaffId, "a staff member's id", |id| id.as_str().into(), Self::parse);
stored_as_text!(TicketId, "a ticket's id", |id| id.to_string().into(), Self::parse);
stored_as_text!(SecretHash, "a hash", |hash| hex(&hash.0).into(), Self::from_hex);
stored_as_text!(ConnId, "a connection's id", |id| id.to_string().into(), |text| {
    let (node, text) = match text.split_once(':') {
        Some((node, text)) => (NodeId(node.parse().ok()?), text),
        None => (NodeId::HERE, text),
    };
    let (slot, generation) = text.split_once('.')?;
    Some(Self { node, slot: slot.parse().ok()?, generation: generation.parse().ok()? })
});

/// Visits a text, and borrows it if it has no escapes in the input.
struct Text;

impl<'de> Visitor<'de> for Text {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}

impl Serialize for JsonText<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize_json_text(self.as_str(), serializer)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for JsonText<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = deserializer.deserialize_str(Text)?;
        // A text that is borrowed from JSON has no escapes. One from another format may need some.
        let needs_escape = |byte: u8| byte < b' ' || byte == b'"' || byte == b'\\';
        Ok(Self::from_parsed(match text {
            Cow::Borrowed(text) if text.bytes().any(needs_escape) => Cow::Owned(text.to_owned()),
            text => text,
        }))
    }
}

impl Serialize for StoredText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize_json_text(self.as_json().as_str(), serializer)
    }
}

impl<'de> Deserialize<'de> for StoredText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        JsonText::deserialize(deserializer).map(|text| Self::from(&text))
    }
}

/// Serialises a text in its JSON form as the text that it stands for.
fn serialize_json_text<S: Serializer>(json: &str, serializer: S) -> Result<S::Ok, S::Error> {
    if !json.contains('\\') {
        return serializer.serialize_str(json);
    }
    let text: String = serde_json::from_str(&format!("\"{json}\"")).map_err(serde::ser::Error::custom)?;
    serializer.serialize_str(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip<T: Serialize + for<'a> Deserialize<'a>>(value: &T) -> (String, T) {
        let json = serde_json::to_string(value).unwrap();
        let again = serde_json::from_str(&json).unwrap();
        (json, again)
    }

    #[test]
    fn ids_are_stored_as_they_are_written_and_checked_when_they_are_read() {
        let conn = ConnId::here(12, 34);
        assert_eq!(round_trip(&conn), (r#""12.34""#.to_owned(), conn));
        let conn = ConnId { node: NodeId(5), ..conn };
        assert_eq!(round_trip(&conn), (r#""5:12.34""#.to_owned(), conn));
        let ticket = TicketId::parse("7K2M-Q4XH").unwrap();
        assert_eq!(round_trip(&ticket), (r#""7K2M-Q4XH""#.to_owned(), ticket));
        let user = UserId::parse("ann").unwrap();
        assert_eq!(round_trip(&user), (r#""ann""#.to_owned(), user));
        let hash = SecretHash::of("secret");
        assert_eq!(round_trip(&hash), (format!("\"{}\"", hash.to_hex()), hash));
        assert!(serde_json::from_str::<UserId>(r#""an n""#).is_err());
        assert!(serde_json::from_str::<StaffId>(r#""\"""#).is_err());
        assert!(serde_json::from_str::<TicketId>(r#""7k2m-q4xh""#).is_err());
        assert!(serde_json::from_str::<ConnId>(r#""12.""#).is_err());
        assert!(serde_json::from_str::<SecretHash>(r#""00""#).is_err());
    }

    #[test]
    fn texts_are_stored_as_plain_text_and_read_back_unchanged() {
        for text in ["plain", "", "\"quoted\" \\ and\nbroken \u{1} é \u{1F600} \u{7f}/"] {
            let parsed = JsonText::from_parsed(Cow::Owned(text.to_owned()));
            let json = serde_json::to_string(&parsed).unwrap();
            assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text, "a person reads the text");
            assert_eq!(serde_json::from_str::<JsonText<'_>>(&json).unwrap(), parsed);
            let stored = StoredText::from(&parsed);
            assert_eq!(round_trip(&stored).1, stored);
        }
    }

    #[test]
    fn a_text_that_was_not_borrowed_from_json_is_escaped() {
        use serde::de::value::{BorrowedStrDeserializer, Error};
        let text = JsonText::deserialize(BorrowedStrDeserializer::<Error>::new("a\"b")).unwrap();
        assert_eq!(text.as_str(), r#"a\"b"#);
    }
}
