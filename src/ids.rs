//! Ids, texts and secrets. Each is checked where it is made, and is valid from then on.

mod serial;
mod text;

use std::borrow::Borrow;
use std::fmt;
use std::rc::Rc;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

pub use self::text::{JsonPieces, JsonStr, JsonText};
pub(crate) use self::text::{StoredText, is_name};
use crate::config::ID_BYTES_MAX;

/// One of the processes that together are a desk, for as long as it runs.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct NodeId(pub u32);

impl NodeId {
    /// This process. Other nodes are counted from 1.
    pub(crate) const HERE: Self = Self(0);
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
    pub(crate) const BITS: u32 = BITS_PER_DIGIT * TICKET_DIGITS;
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
    fn a_hash_is_written_and_read_as_hexadecimal() {
        let hash = SecretHash::of("abc");
        let hex = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"; // FIPS 180-2, B.1
        assert_eq!(hash.to_hex(), hex);
        assert_eq!(SecretHash::from_hex(hex), Some(hash));
        assert_eq!(SecretHash::from_hex(&hex[1..]), None);
        assert_eq!(SecretHash::from_hex(&hex.replace('b', "g")), None);
    }
}
