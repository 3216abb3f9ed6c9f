//! What a message calls itself and its ticket.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::ids::TicketId;

/// The id and the ticket that a message named. A refusal repeats both, even if the message's type has no such field.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Names<'a> {
    /// The message's id, if it is an integer.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub id: Option<IdRef<'a>>,
    /// The ticket that the message named, whether or not there is such a ticket.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<TicketRef<'a>>,
}

/// The names of a message that has more than its command: a field that its type does not have. Most have none.
pub type MoreNames<'a> = Option<Box<Names<'a>>>;

/// The id of a refused message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdRef<'a> {
    /// An id, whether a message may have it or not.
    Id(u64),
    /// The digits of another integer, as they came: one below 0, or one that fits into no `u64`.
    OutOfRange(&'a str),
}

/// The ticket that a refused message named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TicketRef<'a> {
    /// A text that has the form of an id, whether there is such a ticket or not.
    Id(TicketId),
    /// Any other text, as it came.
    Unknown(#[serde(borrow)] Cow<'a, str>),
}

impl Names<'_> {
    /// Returns the bytes of their JSON that the bound of a frame does not include.
    pub(super) fn bytes_max(&self) -> usize {
        let id = if let Some(IdRef::OutOfRange(digits)) = self.id { digits.len() } else { 0 };
        // An escape takes six bytes.
        id + if let Some(TicketRef::Unknown(text)) = &self.ticket { 6 * text.len() } else { 0 }
    }
}

impl<'a> From<Cow<'a, str>> for TicketRef<'a> {
    fn from(text: Cow<'a, str>) -> Self {
        TicketId::parse(&text).map_or(Self::Unknown(text), Self::Id)
    }
}
