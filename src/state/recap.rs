//! Recaps: a chat as its user's page shows it, for the staff member who has just picked it.
//!
//! State relays one recap for each pick, and remembers only that it has done so. It cannot send a recap later to a
//! staff member who reads slowly. Instead the user's page gets an error; it still has the chat, and may send it again.

use std::fmt;

use serde::de::value::SeqAccessDeserializer;
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::State;
use super::error_code::ErrorCode;
use super::event::{Emit, Event, Side};
use super::ticket::Status;
use super::ticket_ids::TicketNo;
use crate::config::Millis;
use crate::ids::JsonText;

/// A chat as its user's page shows it. It is serialised as its lines, so that another node can relay it, or as its size
/// if it has none.
#[derive(Clone, Debug)]
pub struct Recap<'a> {
    lines: Vec<RecapLine<'a>>,
    bytes: usize,
}

/// A message, as a user's page shows it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "as in the protocol's tables")]
pub struct RecapLine<'a> {
    pub from: Side,
    #[serde(borrow)]
    pub name: Option<JsonText<'a>>,
    pub text: JsonText<'a>,
    pub at: Millis,
}

/// An upper bound of the JSON of a line without its texts, in bytes.
const LINE_BYTES: usize = 80;

impl<'a> Recap<'a> {
    /// Makes a recap of the lines of a chat, the oldest first.
    pub fn new(lines: Vec<RecapLine<'a>>) -> Self {
        let texts = |line: &RecapLine<'_>| {
            line.text.as_str().len() + line.name.as_ref().map_or(0, |name| name.as_str().len())
        };
        let bytes = lines.iter().map(|line| LINE_BYTES + texts(line)).sum();
        Self { lines, bytes }
    }

    /// Returns a recap that counts as many bytes and has no lines: what a journal may hold of this one.
    #[cfg(any(feature = "journal", test))]
    pub(crate) fn without_lines(&self) -> Recap<'static> {
        Recap { lines: Vec::new(), bytes: self.bytes }
    }

    /// Returns the lines, the oldest first.
    pub fn lines(&self) -> &[RecapLine<'a>] {
        &self.lines
    }

    /// Returns an upper bound of the size of its JSON, in bytes.
    pub(super) fn bytes_max(&self) -> usize {
        self.bytes
    }
}

impl Serialize for Recap<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.lines.is_empty() {
            self.bytes.serialize(serializer)
        } else {
            self.lines.serialize(serializer)
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Recap<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RecapVisitor)
    }
}

struct RecapVisitor;

impl<'de> Visitor<'de> for RecapVisitor {
    type Value = Recap<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the lines of a recap, or its size")
    }

    fn visit_u64<E: Error>(self, bytes: u64) -> Result<Recap<'de>, E> {
        let bytes = usize::try_from(bytes).map_err(E::custom)?;
        Ok(Recap { lines: Vec::new(), bytes })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, lines: A) -> Result<Recap<'de>, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(lines)).map(Recap::new)
    }
}

impl State {
    /// Relays a recap to the staff member who has the ticket.
    ///
    /// # Errors
    /// The chat is locked, this pick has had its recap, or the staff member's connection has no credit.
    pub(super) fn relay_recap(
        &mut self,
        number: TicketNo,
        recap: &Recap<'_>,
        out: &mut dyn Emit,
    ) -> Result<(), ErrorCode> {
        let ticket = &mut self.tickets[number];
        let Status::Active(key) = ticket.status else { return Err(ErrorCode::StaffOffline) };
        let Some(link) = &self.staff[key].link else { return Err(ErrorCode::StaffOffline) };
        if ticket.has_recap {
            return Err(ErrorCode::RateLimited);
        }
        if !link.has_credit() {
            return Err(ErrorCode::UnreadLimit);
        }
        link.send(&Event::Recap { ticket: ticket.id, recap }, out);
        ticket.has_recap = true;
        Ok(())
    }
}
