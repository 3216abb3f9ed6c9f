//! The events that State sends. They borrow from State, since they are encoded at once.

use serde::{Deserialize, Serialize};

use super::command::Session;
use super::error_code::ErrorCode;
use super::names::Names;
use super::rating::Score;
use super::recap::Recap;
use crate::config::{Assign, ID_BYTES_MAX, Millis};
use crate::ids::{ConnId, JsonPieces, JsonStr, StaffId, TicketId, UserId};

/// Receives what State sends. It is called in the middle of a decision, and returns nothing to State.
pub trait Emit {
    /// Sends an event to one connection.
    fn emit(&mut self, to: ConnId, event: &Event<'_>);
    /// Sends an event to many connections.
    fn emit_all(&mut self, to: &[ConnId], event: &Event<'_>);
    /// Closes a connection, after what was emitted to it before.
    fn close(&mut self, conn: ConnId, why: Dismissal);
    /// Asks for [`Input::Drained`](super::Input::Drained) once everything emitted to this connection has left.
    fn notify_drained(&mut self, conn: ConnId);
    /// Records something for the operator.
    fn record(&mut self, record: &Record<'_>);
}

/// Discards everything: for inputs that are replayed, and that were answered when they first came.
impl Emit for () {
    fn emit(&mut self, _: ConnId, _: &Event<'_>) {}
    fn emit_all(&mut self, _: &[ConnId], _: &Event<'_>) {}
    fn close(&mut self, _: ConnId, _: Dismissal) {}
    fn notify_drained(&mut self, _: ConnId) {}
    fn record(&mut self, _: &Record<'_>) {}
}

/// Why State closes a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dismissal {
    /// The same id has connected again.
    Elsewhere,
    /// The user is known, and the connection did not offer their session.
    SessionMismatch,
}

/// A record for the operator: for the log and the metrics.
#[derive(Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Record<'a> {
    TicketOpened { ticket: TicketId, user: &'a UserId },
    TicketChanged(TicketView<'a>),
    TicketClosed { ticket: TicketId, by: ClosedBy },
    TicketRated { ticket: TicketId, score: Score },
    StaffPresence { staff: &'a StaffId, online: bool },
}

/// An event for a user or a staff member; the protocol's tables say what each means.
#[derive(Debug)]
#[expect(missing_docs, reason = "as in the protocol's tables")]
pub enum Event<'a> {
    UserWelcome(UserWelcome<'a>),
    StaffWelcome(StaffWelcome<'a>),
    Desk { online: bool },
    TicketCreated { ticket: TicketId, subject: JsonStr<'a>, at: Millis },
    Queue { ticket: TicketId, place: Place },
    Staff { what: StaffChange, ticket: TicketId, staff: StaffName<'a>, at: Millis },
    Presence { online: bool },
    Colleague { staff: StaffName<'a>, online: bool },
    TicketAdded(TicketView<'a>),
    TicketUpdated(TicketView<'a>),
    TicketRemoved { ticket: TicketId },
    TicketPicked(Picked<'a>),
    Message { ticket: TicketId, message: MessageView<'a> },
    Ack { ticket: TicketId, id: u64, seq: Option<u64>, at: Millis },
    Delivered { ticket: TicketId, seq: u64, at: Millis },
    Typing { ticket: TicketId, active: bool },
    TicketClosed { ticket: TicketId, by: ClosedBy, at: Millis },
    Rated { ticket: TicketId, score: Score },
    Recap { ticket: TicketId, recap: &'a Recap<'a> },
    Error { code: ErrorCode, names: &'a Names<'a> },
    Pong { now: Millis },
}

/// An upper bound of a frame without the texts and ids in it, in bytes.
const FRAME_BYTES: usize = 288;
/// The same for a message. Most of a chat is messages and small frames: with the bound of other frames, they would use
/// up a connection's credit twice as fast as they fill its buffer.
const MESSAGE_FRAME_BYTES: usize = 192;
/// The same for a frame that has nothing but a ticket's id, numbers and fixed words.
const SMALL_FRAME_BYTES: usize = 160;
/// The longest secret of a session, in bytes. A session that is replayed has an empty one, and has to count as much.
const SESSION_BYTES_MAX: usize = ID_BYTES_MAX;
/// An upper bound of the JSON of a ticket without the texts and ids in it, in bytes.
const TICKET_BYTES: usize = 224;

impl Event<'_> {
    /// Returns an upper bound of the size of this event's frame, in bytes. It is counted against the connection's
    /// credit.
    pub(crate) fn bytes_max(&self) -> usize {
        let variable = match self {
            Self::UserWelcome(welcome) => {
                let ticket = welcome.ticket.as_ref();
                let subject = ticket.map_or(0, |ticket| FRAME_BYTES + ticket.subject.as_str().len());
                welcome.user.as_str().len() + SESSION_BYTES_MAX + subject + FRAME_BYTES
            }
            Self::StaffWelcome(welcome) => {
                let tickets = welcome.tickets.iter().map(TicketView::bytes_max).sum::<usize>();
                let colleagues = welcome.colleagues.iter().map(StaffName::bytes_in_welcome).sum::<usize>();
                welcome.staff.bytes() + tickets + colleagues
            }
            Self::TicketCreated { subject, .. } => subject.as_str().len(),
            Self::Staff { staff, .. } | Self::Colleague { staff, .. } => staff.bytes(),
            Self::TicketAdded(view) | Self::TicketUpdated(view) => view.bytes_max(),
            Self::TicketPicked(picked) => {
                let texts = [Some(picked.subject), picked.user_name, picked.page, picked.note];
                let texts = texts.iter().flatten().map(|text| text.as_str().len()).sum::<usize>();
                let from = picked.from_staff.map_or(0, |staff| staff.bytes());
                picked.user.as_str().len() + texts + from + FRAME_BYTES
            }
            Self::Message { message, .. } => {
                return MESSAGE_FRAME_BYTES + message.from.bytes() + message.text.len();
            }
            Self::Ack { .. }
            | Self::Delivered { .. }
            | Self::Typing { .. }
            | Self::Queue { .. }
            | Self::Rated { .. }
            | Self::TicketClosed { .. } => return SMALL_FRAME_BYTES,
            Self::Recap { recap, .. } => recap.bytes_max(),
            Self::Error { names, .. } => names.bytes_max(),
            _ => 0,
        };
        FRAME_BYTES + variable
    }
}

/// A staff member's id and name.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub struct StaffName<'a> {
    pub id: &'a StaffId,
    pub name: Option<JsonStr<'a>>,
}

impl StaffName<'_> {
    fn bytes(&self) -> usize {
        self.id.as_str().len() + self.name.map_or(0, |name| name.as_str().len())
    }

    /// Returns the bytes of an entry in `staff` and one in `colleagues`.
    pub(crate) fn bytes_in_welcome(&self) -> usize {
        const ENTRY_BYTES: usize = 48;
        ENTRY_BYTES + self.id.as_str().len() + self.bytes()
    }
}

/// What the staff member of a user's ticket has just done.
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
#[expect(missing_docs, reason = "as in the protocol's tables")]
pub struct UserWelcome<'a> {
    pub user: &'a UserId,
    pub session: Session<'a>,
    pub resumed: bool,
    pub now: Millis,
    pub desk_online: bool,
    pub ticket: Option<OwnTicket<'a>>,
    pub ended: Option<EndedTicket>,
}

/// A user's ticket, as they see it.
#[derive(Debug)]
#[expect(missing_docs, reason = "as in the protocol's tables")]
pub struct OwnTicket<'a> {
    pub ticket: TicketId,
    pub subject: JsonStr<'a>,
    pub state: TicketState,
    pub staff: Option<StaffName<'a>>,
    pub created_at: Millis,
    pub last_seq: u64,
    pub last_id: u64,
    pub delivered_seq: u64,
}

/// A ticket that closed in its user's absence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "as in the protocol's tables")]
pub struct EndedTicket {
    pub ticket: TicketId,
    pub by: ClosedBy,
    pub at: Millis,
}

/// A staff member's first frame.
#[derive(Debug)]
#[expect(missing_docs, reason = "as in the protocol's tables")]
pub struct StaffWelcome<'a> {
    pub staff: StaffName<'a>,
    pub now: Millis,
    pub max_chats: u32,
    pub assign: Assign,
    pub tickets: &'a [TicketView<'a>],
    pub more: usize,
    /// The staff who are online.
    pub colleagues: &'a [StaffName<'a>],
}

/// A ticket, as staff see it.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "as in the protocol's tables")]
pub struct TicketView<'a> {
    pub ticket: TicketId,
    pub user: &'a UserId,
    pub user_name: Option<JsonStr<'a>>,
    pub subject: JsonStr<'a>,
    pub page: Option<JsonStr<'a>>,
    pub state: TicketState,
    pub staff: Option<StaffName<'a>>,
    pub user_online: bool,
    pub created_at: Millis,
    /// When the present state began.
    pub since: Millis,
}

impl TicketView<'_> {
    /// Returns an upper bound of the size of its JSON, in bytes.
    pub(crate) fn bytes_max(&self) -> usize {
        let texts = [Some(self.subject), self.user_name, self.page];
        let texts = texts.iter().flatten().map(|text| text.as_str().len()).sum::<usize>();
        TICKET_BYTES + self.user.as_str().len() + texts + self.staff.map_or(0, |staff| staff.bytes())
    }
}

/// A chat that a staff member has just been given.
#[derive(Debug)]
#[expect(missing_docs, reason = "as in the protocol's tables")]
pub struct Picked<'a> {
    pub ticket: TicketId,
    pub user: &'a UserId,
    pub user_name: Option<JsonStr<'a>>,
    pub subject: JsonStr<'a>,
    pub page: Option<JsonStr<'a>>,
    pub last_seq: u64,
    pub last_id: u64,
    pub delivered_seq: u64,
    pub at: Millis,
    pub auto: bool,
    pub from_staff: Option<StaffName<'a>>,
    pub note: Option<JsonStr<'a>>,
}

/// Who wrote a message.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Participant<'a> {
    User { id: &'a UserId, name: Option<JsonStr<'a>> },
    Staff(StaffName<'a>),
}

impl Participant<'_> {
    fn bytes(&self) -> usize {
        match self {
            Self::User { id, name } => id.as_str().len() + name.map_or(0, |name| name.as_str().len()),
            Self::Staff(staff) => staff.bytes(),
        }
    }
}

/// A message, as the other side is sent it.
#[derive(Debug)]
#[expect(missing_docs, reason = "as in the protocol's tables")]
pub struct MessageView<'a> {
    pub seq: u64,
    pub from: Participant<'a>,
    pub id: u64,
    pub text: JsonPieces<'a>,
    pub at: Millis,
}

/// A place in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Place {
    /// 1 is next.
    pub position: u64,
    /// The number of tickets that wait.
    pub waiting: u64,
    /// The estimated wait in seconds, if there is an estimate.
    pub wait_s: Option<u64>,
}

/// The two sides of a chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Side {
    /// The user who opened the ticket.
    User,
    /// The staff member who has it.
    Staff,
}

impl Side {
    /// Returns the other side.
    pub(crate) fn other(self) -> Self {
        match self {
            Self::User => Self::Staff,
            Self::Staff => Self::User,
        }
    }
}

/// The state of an open ticket. A ticket that closes is removed.
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
