//! Why State, or the parser before it, refuses what a peer asks for.

/// Why a command was refused. The code is part of the wire protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "`text` explains each")]
pub enum ErrorCode {
    BadMessage,
    TooLong,
    RateLimited,
    NoTicket,
    TicketExists,
    TicketTaken,
    NotYours,
    YouAreOffline,
    StaffOffline,
    UserOffline,
    AtCapacity,
    UnknownStaff,
    DeskFull,
    UnreadLimit,
}

impl ErrorCode {
    /// All codes, in order.
    pub const ALL: [Self; 14] = [
        Self::BadMessage,
        Self::TooLong,
        Self::RateLimited,
        Self::NoTicket,
        Self::TicketExists,
        Self::TicketTaken,
        Self::NotYours,
        Self::YouAreOffline,
        Self::StaffOffline,
        Self::UserOffline,
        Self::AtCapacity,
        Self::UnknownStaff,
        Self::DeskFull,
        Self::UnreadLimit,
    ];

    /// Returns the code as it is on the wire.
    pub fn code(self) -> &'static str {
        match self {
            Self::BadMessage => "bad_message",
            Self::TooLong => "too_long",
            Self::RateLimited => "rate_limited",
            Self::NoTicket => "no_ticket",
            Self::TicketExists => "ticket_exists",
            Self::TicketTaken => "ticket_taken",
            Self::NotYours => "not_yours",
            Self::YouAreOffline => "you_are_offline",
            Self::StaffOffline => "staff_offline",
            Self::UserOffline => "user_offline",
            Self::AtCapacity => "at_capacity",
            Self::UnknownStaff => "unknown_staff",
            Self::DeskFull => "desk_full",
            Self::UnreadLimit => "unread_limit",
        }
    }

    /// Returns the code in words, for a developer who reads the browser's console.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::BadMessage => "not a message of this protocol",
            Self::TooLong => "too long",
            Self::RateLimited => "too fast, this frame had no effect",
            Self::NoTicket => "there is no such ticket",
            Self::TicketExists => "you already have an open ticket",
            Self::TicketTaken => "somebody already has this ticket",
            Self::NotYours => "you do not have this ticket",
            Self::YouAreOffline => "go online first",
            Self::StaffOffline => "that staff member is not online",
            Self::UserOffline => "the user is not connected",
            Self::AtCapacity => "no capacity for another chat",
            Self::UnknownStaff => "no other staff member with that id is connected",
            Self::DeskFull => "the desk takes no more tickets at present",
            Self::UnreadLimit => "the other side has too much to read",
        }
    }
}
