//! What users and staff ask for.

use std::borrow::Cow;

use crate::ids::{JsonText, TicketId};

/// A user's command.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "PROTOCOL.md's table, word by word")]
pub enum UserCommand<'a> {
    CreateTicket { subject: JsonText<'a> },
    Message { id: u64, text: JsonText<'a> },
    Delivered { seq: u64 },
    Typing { active: bool },
    CloseTicket,
}

/// A staff member's command.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "PROTOCOL.md's table, word by word")]
pub enum StaffCommand<'a> {
    GoOnline,
    GoOffline,
    PickTicket { ticket: TicketId },
    ReleaseTicket { ticket: TicketId },
    TransferTicket { ticket: TicketId, to: Cow<'a, str>, note: Option<JsonText<'a>> },
    Message { ticket: TicketId, id: u64, text: JsonText<'a> },
    Delivered { ticket: TicketId, seq: u64 },
    Typing { ticket: TicketId, active: bool },
    CloseTicket { ticket: TicketId },
}

impl UserCommand<'_> {
    /// The message's id, for one that is refused.
    pub fn message_id(&self) -> Option<u64> {
        if let Self::Message { id, .. } = self { Some(*id) } else { None }
    }
}

impl StaffCommand<'_> {
    /// The message's id, for one that is refused.
    pub fn message_id(&self) -> Option<u64> {
        if let Self::Message { id, .. } = self { Some(*id) } else { None }
    }

    /// The ticket that it is about.
    pub fn ticket(&self) -> Option<TicketId> {
        match self {
            Self::GoOnline | Self::GoOffline => None,
            Self::PickTicket { ticket }
            | Self::ReleaseTicket { ticket }
            | Self::TransferTicket { ticket, .. }
            | Self::Message { ticket, .. }
            | Self::Delivered { ticket, .. }
            | Self::Typing { ticket, .. }
            | Self::CloseTicket { ticket } => Some(*ticket),
        }
    }
}
