//! Ids, texts and secrets. Each is checked where it is made, and is valid from then on.

mod serial;

use std::borrow::{Borrow, Cow};
use std::fmt;
use std::rc::Rc;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::config::ID_BYTES_MAX;

/// One of the processes that together are a desk, for as long as it runs.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct NodeId(pub u32);

impl NodeId {
    /// This process. Other nodes are counted from 1.
    pub const HERE: Self = Self(0);
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The id of one connection: its node, its slot, and a generation that no other connection of the process has. The next
/// connection in the same slot has another generation, so that an outdated id reaches nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId {
    /// The process that has the connection.
    pub node: NodeId,
    /// The index of the connection in the slab.
    pub slot: u32,
    /// Counts up with each connection that is accepted; wraps after 2^32.
    pub generation: u32,
}

impl ConnId {
    /// Returns the id of a connection of this process.
    pub const fn here(slot: u32, generation: u32) -> Self {
        Self { node: NodeId::HERE, slot, generation }
    }

    /// Returns the connection as the loop of its own process knows it, if that process is this node in State.
    pub(crate) fn local_to(self, node: NodeId) -> Option<Self> {
        (self.node == node).then_some(Self { node: NodeId::HERE, ..self })
    }
}

impl fmt::Display for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.node != NodeId::HERE {
            write!(f, "{}:", self.node)?;
        }
        write!(f, "{}.{}", self.slot, self.generation)
    }
}

/// The rule that `is_id` checks, in words for the operator.
pub const ID_RULE: &str = "an id is 1 to 64 of A-Z a-z 0-9 . _ ~ -";

/// Whether a text has the form of an id, which needs no escaping in a URL, in JSON or in a log.
pub(crate) fn is_id(text: &str) -> bool {
    (1..=ID_BYTES_MAX).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'~' | b'-'))
}

macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Rc<str>);

        impl $name {
            /// Returns the id with this text, if it is one.
            pub fn parse(text: &str) -> Option<Self> {
                is_id(text).then(|| Self(text.into()))
            }

            /// Returns the text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id_type! {
    /// A user's id, chosen by their page.
    UserId
}
id_type! {
    /// A staff member's id.
    StaffId
}

/// Crockford's base 32, which leaves out the letters that look like a digit.
const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const BITS_PER_DIGIT: u32 = 5;
const TICKET_DIGITS: u32 = 8;

/// A ticket's id: eight digits with a dash in the middle, such as `7K2M-Q4XH`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TicketId(u64);

impl TicketId {
    /// The number of bits of an id.
    pub const BITS: u32 = BITS_PER_DIGIT * TICKET_DIGITS;
    /// The length of its text, in bytes.
    pub const TEXT_BYTES: usize = 9;

    /// Returns the id with these bits; those above `BITS` are dropped.
    pub fn from_bits(bits: u64) -> Self {
        Self(bits & ((1 << Self::BITS) - 1))
    }

    /// Returns the id as a number.
    pub fn bits(self) -> u64 {
        self.0
    }

    /// Parses an id in the form in which `text` writes it, and in no other.
    pub fn parse(text: &str) -> Option<Self> {
        let text: &[u8; Self::TEXT_BYTES] = text.as_bytes().try_into().ok()?;
        let [left @ .., b'-', _, _, _, _] = text else { return None };
        let digits = left.iter().chain(&text[5..]);
        let mut bits = digits.map(|digit| DIGITS.iter().position(|d| d == digit));
        bits.try_fold(0, |all, digit| digit.map(|digit| all << BITS_PER_DIGIT | digit as u64)).map(Self)
    }

    /// Returns the id as it is written.
    pub(crate) fn text(self) -> [u8; Self::TEXT_BYTES] {
        let mut text = [b'-'; Self::TEXT_BYTES];
        let places = (0..4).chain(5..Self::TEXT_BYTES);
        for (place, digit) in places.zip((0..TICKET_DIGITS).rev()) {
            let value = (self.0 >> (digit * BITS_PER_DIGIT)) % DIGITS.len() as u64;
            text[place] = DIGITS[usize::try_from(value).unwrap_or_default()];
        }
        text
    }
}

impl fmt::Display for TicketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text().iter().try_for_each(|digit| write!(f, "{}", char::from(*digit)))
    }
}

impl fmt::Debug for TicketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A text of a peer in its JSON form, which is what stands between the quotes of a JSON string. A text goes from one
/// peer to another unread, and most have nothing to escape, so it is passed on as it came.
#[derive(Clone, PartialEq, Eq)]
pub struct JsonText<'a>(Cow<'a, str>);

impl<'a> JsonText<'a> {
    /// Takes a parsed string. A `Borrowed` one must be borrowed from JSON, so that it has no escapes.
    pub fn from_parsed(text: Cow<'a, str>) -> Self {
        match text {
            Cow::Borrowed(_) => Self(text),
            Cow::Owned(text) => {
                let quoted = serde_json::Value::String(text).to_string();
                Self(Cow::Owned(quoted[1..quoted.len() - 1].to_owned()))
            }
        }
    }

    /// Takes a text that was put into a ring in its JSON form.
    pub(crate) fn from_ring(text: &'a str) -> Self {
        Self(Cow::Borrowed(text))
    }

    /// Returns what is between the quotes.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Borrows the text.
    pub fn as_json(&self) -> JsonStr<'_> {
        JsonStr(&self.0)
    }
}

/// Shows only the length, so that no text gets into a log, not even into a debug log.
impl fmt::Debug for JsonText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_json().fmt(f)
    }
}

/// Whether a name can be shown within a line of other text, since it has no characters that change how the rest of the
/// line reads.
pub(crate) fn is_name(name: &str) -> bool {
    !name.chars().any(|c| c.is_control() || is_bidi_control(c))
}

/// Unicode's property `Bidi_Control` (UAX #9).
fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{61C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// A borrowed text in its JSON form, ready to be put between quotes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct JsonStr<'a>(&'a str);

impl<'a> JsonStr<'a> {
    /// Returns what is between the quotes.
    pub fn as_str(self) -> &'a str {
        self.0
    }
}

impl fmt::Debug for JsonStr<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({} bytes)", self.0.len())
    }
}

/// A text in its JSON form, as it lies in a ring: in one piece or in two. A character may be split between the two.
#[derive(Clone, Copy)]
pub struct JsonPieces<'a>([&'a [u8]; 2]);

impl<'a> JsonPieces<'a> {
    /// Takes the pieces of a text that was put into a ring in its JSON form.
    pub(crate) fn from_ring(front: &'a [u8], back: &'a [u8]) -> Self {
        Self([front, back])
    }

    pub(crate) fn as_bytes(self) -> [&'a [u8]; 2] {
        self.0
    }

    pub(crate) fn len(self) -> usize {
        self.0.iter().map(|piece| piece.len()).sum()
    }

    #[cfg(test)]
    pub(crate) fn concat(self) -> Vec<u8> {
        self.0.concat()
    }
}

impl<'a> From<JsonStr<'a>> for JsonPieces<'a> {
    fn from(text: JsonStr<'a>) -> Self {
        Self([text.as_str().as_bytes(), &[]])
    }
}

impl fmt::Debug for JsonPieces<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({} bytes)", self.len())
    }
}

/// An owned text in its JSON form, such as a subject or a name.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct StoredText(Rc<str>);

impl StoredText {
    /// Borrows the text.
    pub(crate) fn as_json(&self) -> JsonStr<'_> {
        JsonStr(&self.0)
    }
}

impl From<&JsonText<'_>> for StoredText {
    fn from(text: &JsonText<'_>) -> Self {
        Self(text.as_str().into())
    }
}

impl fmt::Debug for StoredText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_json().fmt(f)
    }
}

/// The SHA-256 of a secret, which is kept instead of the secret. Secrets are random, so no salt is needed. Hashes are
/// compared in constant time.
#[derive(Clone, Copy)]
pub struct SecretHash([u8; 32]);

impl SecretHash {
    /// Hashes a secret.
    pub fn of(secret: &str) -> Self {
        Self(Sha256::digest(secret.as_bytes()).into())
    }

    /// Parses 64 hexadecimal digits.
    pub(crate) fn from_hex(hex: &str) -> Option<Self> {
        let mut hash = [0; 32];
        if hex.len() != 2 * hash.len() || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        for (place, byte) in hash.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&hex[2 * place..2 * place + 2], 16).ok()?;
        }
        Some(Self(hash))
    }

    /// Returns the hash as 64 hexadecimal digits.
    pub fn to_hex(self) -> String {
        hex(&self.0)
    }
}

impl PartialEq for SecretHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for SecretHash {}

impl std::hash::Hash for SecretHash {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash")
    }
}

/// Returns bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_needs_no_escaping() {
        for good in ["a", "A.b_c~d-9", &"x".repeat(64)] {
            assert!(UserId::parse(good).is_some(), "{good}");
        }
        for bad in ["", "a b", "a/b", "a%20b", "é", "<b>", "a\n", &"x".repeat(65)] {
            assert!(UserId::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn ticket_ids_are_read_as_they_are_written() {
        for bits in [0, 1, 31, 32, (1 << 40) - 1, 0x12_3456_789A] {
            let id = TicketId::from_bits(bits);
            assert_eq!(TicketId::parse(&id.to_string()), Some(id));
        }
        assert_eq!(TicketId::from_bits(31).to_string(), "0000-000Z");
        for bad in ["", "00000000", "0000-00000", "0000_0000", "0000-000I", "0000-000a", "000-00000"] {
            assert_eq!(TicketId::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_text_with_escapes_is_written_in_its_shortest_form() {
        let parsed = Cow::Owned("a\"b\\c\n\u{1}é/".to_owned());
        assert_eq!(JsonText::from_parsed(parsed).as_str(), r#"a\"b\\c\n\u0001é/"#);
        assert_eq!(JsonText::from_parsed(Cow::Borrowed("plain")).as_str(), "plain");
    }

    #[test]
    fn a_hash_is_written_and_read_as_hexadecimal() {
        let hash = SecretHash::of("abc");
        let hex = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"; // FIPS 180-2, B.1
        assert_eq!(hash.to_hex(), hex);
        assert_eq!(SecretHash::from_hex(hex), Some(hash));
        assert_eq!(SecretHash::from_hex(&hex[1..]), None);
        assert_eq!(SecretHash::from_hex(&hex.replace('b', "g")), None);
    }
}
