//! What State has to say, and to whom. Events borrow what they tell: they are written down at once.

use serde::{Deserialize, Serialize};

use crate::config::{Assign, Millis};
use crate::ids::{StaffId, TicketId, UserId};
use crate::net::ConnId;

/// Where events go. State calls it in the middle of its decisions and expects nothing back.
pub trait Emit {
    /// An event for one connection.
    fn emit(&mut self, to: ConnId, event: &Event<'_>);
    /// An event for many connections.
    fn emit_all(&mut self, to: &mut dyn Iterator<Item = ConnId>, event: &Event<'_>);
    /// This connection's id has connected again: close this one.
    fn dismiss(&mut self, conn: ConnId);
    /// Calls `State::send_more_tickets` once everything emitted to this connection has left.
    fn ask_when_drained(&mut self, conn: ConnId);
}

/// An event for a user or a staff member; PROTOCOL.md's tables say what each means.
#[derive(Debug)]
#[expect(missing_docs, reason = "PROTOCOL.md's tables, word by word")]
pub enum Event<'a> {
    UserWelcome(UserWelcome<'a>),
    StaffWelcome(StaffWelcome<'a>),
    Desk { online: bool },
    TicketCreated { ticket: TicketId, subject: &'a str, at: Millis },
    Queue { ticket: TicketId, place: Place },
    Staff { what: StaffChange, ticket: TicketId, staff: &'a StaffId, at: Millis },
    Presence { online: bool },
    Colleague { staff: &'a StaffId, online: bool },
    TicketAdded(TicketView<'a>),
    TicketUpdated(TicketView<'a>),
    TicketRemoved { ticket: TicketId, by: ClosedBy },
    TicketPicked(Picked<'a>),
    Message { ticket: TicketId, message: MessageView<'a> },
    Ack { ticket: TicketId, id: u64, seq: Option<u64>, at: Millis },
    Delivered { ticket: TicketId, seq: u64, at: Millis },
    Typing { ticket: TicketId, active: bool },
    TicketClosed { ticket: TicketId, by: ClosedBy, at: Millis },
    Error { code: ErrorCode, id: Option<u64>, ticket: Option<TicketRef<'a>> },
}

/// What became of the staff member of a user's ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StaffChange {
    /// Picked the ticket: the chat is open.
    Joined,
    /// Went offline or was cut off: the chat is locked.
    Offline,
    /// Is back and has not picked the ticket again: the chat is still locked.
    Online,
    /// Picked the ticket again: the chat is open again.
    Reconnected,
    /// Released the ticket: it waits again.
    Left,
}

/// A user's first frame.
#[derive(Debug)]
#[expect(missing_docs, reason = "PROTOCOL.md's table, word by word")]
pub struct UserWelcome<'a> {
    pub user: &'a UserId,
    pub resumed: bool,
    pub now: Millis,
    pub desk_online: bool,
    pub ticket: Option<OwnTicket<'a>>,
    pub ended: Option<EndedTicket>,
}

/// A user's ticket, as they see it.
#[derive(Debug)]
#[expect(missing_docs, reason = "PROTOCOL.md's table, word by word")]
pub struct OwnTicket<'a> {
    pub ticket: TicketId,
    pub subject: &'a str,
    pub state: TicketState,
    pub staff: Option<&'a StaffId>,
    pub created_at: Millis,
    pub last_seq: u64,
    pub last_id: u64,
    pub delivered_seq: u64,
}

/// A ticket that closed in its user's absence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "PROTOCOL.md's table, word by word")]
pub struct EndedTicket {
    pub ticket: TicketId,
    pub by: ClosedBy,
    pub at: Millis,
}

/// A staff member's first frame.
#[derive(Debug)]
#[expect(missing_docs, reason = "PROTOCOL.md's table, word by word")]
pub struct StaffWelcome<'a> {
    pub staff_id: &'a StaffId,
    pub now: Millis,
    pub max_chats: u32,
    pub assign: Assign,
    pub tickets: &'a [TicketView<'a>],
    pub more: usize,
    pub staff: &'a [&'a StaffId],
}

/// A ticket, as staff see it.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "PROTOCOL.md's table, word by word")]
pub struct TicketView<'a> {
    pub ticket: TicketId,
    pub user: &'a UserId,
    pub subject: &'a str,
    pub state: TicketState,
    pub staff: Option<&'a StaffId>,
    pub user_online: bool,
    pub created_at: Millis,
}

/// A chat that a staff member now has.
#[derive(Debug)]
#[expect(missing_docs, reason = "PROTOCOL.md's table, word by word")]
pub struct Picked<'a> {
    pub ticket: TicketId,
    pub user: &'a UserId,
    pub subject: &'a str,
    pub last_seq: u64,
    pub last_id: u64,
    pub delivered_seq: u64,
    pub at: Millis,
    pub auto: bool,
    pub from_staff: Option<&'a StaffId>,
    pub note: Option<&'a str>,
}

/// A message on its way; `text` in its JSON form, in one or two pieces.
#[derive(Debug)]
#[expect(missing_docs, reason = "PROTOCOL.md's table, word by word")]
pub struct MessageView<'a> {
    pub seq: u64,
    pub from: Side,
    pub sender: &'a str,
    pub id: u64,
    pub text: [&'a [u8]; 2],
    pub at: Millis,
}

/// A place in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Place {
    /// 1 is next.
    pub position: u64,
    /// How many wait.
    pub waiting: u64,
    /// An estimate, in seconds, where there is one.
    pub wait_s: Option<u64>,
}

/// The two sides of a chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Side {
    /// Who opened the ticket.
    User,
    /// Who picked it.
    Staff,
}

impl Side {
    /// The other one.
    pub fn other(self) -> Self {
        match self {
            Self::User => Self::Staff,
            Self::Staff => Self::User,
        }
    }
}

/// A ticket's state, but for the end, which removes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TicketState {
    /// In the queue.
    Waiting,
    /// With a staff member who is online.
    Active,
    /// Its staff member went offline or was cut off.
    Paused,
}

/// Who closed a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ClosedBy {
    /// Its user.
    User,
    /// Its staff member.
    Staff,
    /// Nobody: its user did not come back.
    Timeout,
}

/// A ticket that a refused frame spoke of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TicketRef<'a> {
    /// Something of the form of an id.
    Id(TicketId),
    /// Something else, as it came.
    Unknown(&'a str),
}

/// Why something was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each is said in words by `text`")]
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
}

impl ErrorCode {
    /// All of them, in their order.
    pub const ALL: [Self; 12] = [
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
    ];

    /// The code on the wire.
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
        }
    }

    /// The code in words, for whoever reads a console.
    pub fn text(self) -> &'static str {
        match self {
            Self::BadMessage => "not a message of this protocol",
            Self::TooLong => "too long",
            Self::RateLimited => "too fast, this one was not done",
            Self::NoTicket => "there is no such ticket",
            Self::TicketExists => "you have an open ticket already",
            Self::TicketTaken => "somebody has this ticket",
            Self::NotYours => "this ticket is not with you",
            Self::YouAreOffline => "go online first",
            Self::StaffOffline => "that staff member is not online",
            Self::UserOffline => "the user is not connected",
            Self::AtCapacity => "no room for another chat",
            Self::UnknownStaff => "there is no other staff member of that id here",
        }
    }
}
