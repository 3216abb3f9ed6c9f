//! The inputs of State, among them the commands of users and staff.
//!
//! The journal stores inputs and replays them after a restart, and nodes send them to each other, so all of them can be
//! serialised. Of a secret only the hash is serialised. The journal stores only the size of a recap.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::names::{IdRef, MoreNames, Names, TicketRef};
use super::{Recap, Rules, Score};
use crate::ids::{ConnId, JsonText, NodeId, SecretHash, StaffId, TicketId, UserId, is_id};

/// An input of State. State depends on its inputs, on their times, and on the rules and the seed that it was made with.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Input<'a> {
    /// A user has opened a connection.
    UserConnects {
        /// The connection.
        conn: ConnId,
        /// The user's id.
        user: UserId,
        /// The session that the client has offered, if any.
        #[serde(borrow)]
        offered: Option<Session<'a>>,
        /// The session that a user who is not known yet is given.
        fresh: Session<'a>,
    },
    /// A staff member has opened a connection with the right token. They start offline.
    StaffConnects {
        /// The connection.
        conn: ConnId,
        /// The staff member's id.
        staff: StaffId,
        /// The name that the operator has given them, if any.
        #[serde(borrow)]
        name: Option<JsonText<'a>>,
    },
    /// The operator has changed or removed the name of the staff member on this connection.
    StaffNamed(ConnId, #[serde(borrow)] Option<JsonText<'a>>),
    /// A connection has ended.
    Leaves(ConnId),
    /// A user asks for something.
    UserAsks(
        ConnId,
        #[serde(borrow)] UserCommand<'a>,
        #[serde(borrow, default, skip_serializing_if = "Option::is_none")] MoreNames<'a>,
    ),
    /// A staff member asks for something.
    StaffAsks(
        ConnId,
        #[serde(borrow)] StaffCommand<'a>,
        #[serde(borrow, default, skip_serializing_if = "Option::is_none")] MoreNames<'a>,
    ),
    /// All output of this connection has left. State asks to be notified of this by
    /// [`Emit::notify_drained`](super::Emit).
    Drained(ConnId),
    /// Time has passed, and something may be due.
    Tick,
    /// The process has started again, with these rules. All connections ended with the earlier process.
    Starts(Rules),
    /// A node of a desk of several processes has started.
    NodeStarts {
        /// The settings of the node's operator.
        rules: Rules,
        /// Whether no other node is running.
        is_only: bool,
    },
    /// A node has ended, and its connections with it.
    NodeEnds(NodeId),
}

impl Input<'_> {
    /// Sets the node of its connection. Returns false if it has no connection.
    #[cfg(feature = "redis")]
    pub(crate) fn name_node(&mut self, node: NodeId) -> bool {
        match self {
            Self::UserConnects { conn, .. }
            | Self::StaffConnects { conn, .. }
            | Self::StaffNamed(conn, _)
            | Self::Leaves(conn)
            | Self::UserAsks(conn, ..)
            | Self::StaffAsks(conn, ..)
            | Self::Drained(conn) => {
                conn.node = node;
                true
            }
            Self::Tick | Self::Starts(_) | Self::NodeStarts { .. } | Self::NodeEnds(_) => false,
        }
    }
}

#[cfg(feature = "journal")]
impl Input<'_> {
    /// Returns what a journal stores instead of this input, if it may not store all of it: a recap's texts are kept
    /// nowhere.
    pub(crate) fn stored_instead(&self) -> Option<Input<'_>> {
        match self {
            // The names stay: a refusal has them, and counts by its size.
            Self::UserAsks(conn, UserCommand::Recap(recap), names) => {
                Some(Input::UserAsks(*conn, UserCommand::Recap(recap.without_lines()), names.clone()))
            }
            _ => None,
        }
    }

    /// Returns the name of this kind of input.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::UserConnects { .. } => "user_connects",
            Self::StaffConnects { .. } => "staff_connects",
            Self::StaffNamed(..) => "staff_named",
            Self::Leaves(_) => "leaves",
            Self::UserAsks(..) => "user_asks",
            Self::StaffAsks(..) => "staff_asks",
            Self::Drained(_) => "drained",
            Self::Tick => "tick",
            Self::Starts(_) => "starts",
            Self::NodeStarts { .. } => "node_starts",
            Self::NodeEnds(_) => "node_ends",
        }
    }
}

/// A user's session: a secret, which is sent to the user and not kept, and its hash, which is kept. Only the hash is
/// serialised, so a session that was read back has an empty secret.
#[derive(Clone, Copy)]
pub struct Session<'a> {
    plain: &'a str,
    hash: SecretHash,
}

impl<'a> Session<'a> {
    /// Takes a secret that has the form of an id, and so needs no escaping. The secrets that we make are hexadecimal
    /// digits, so a text of any other form cannot belong to a session.
    pub fn parse(plain: &'a str) -> Option<Self> {
        is_id(plain).then(|| Self { plain, hash: SecretHash::of(plain) })
    }

    /// Returns a session of which the hash is known, and maybe the secret.
    #[cfg(feature = "redis")]
    pub(crate) fn known(hash: SecretHash, plain: Option<&'a str>) -> Self {
        Self { plain: plain.unwrap_or_default(), hash }
    }

    /// Returns the secret.
    pub(crate) fn plain(self) -> &'a str {
        self.plain
    }

    /// Returns the hash of the secret.
    pub(crate) fn hash(self) -> SecretHash {
        self.hash
    }
}

impl Serialize for Session<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.hash.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Session<'_> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        SecretHash::deserialize(deserializer).map(|hash| Self { plain: "", hash })
    }
}

/// Shows nothing of the secret, so that none gets into a log.
impl std::fmt::Debug for Session<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Session")
    }
}

/// A user's command.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "as in the protocol's tables")]
pub enum UserCommand<'a> {
    CreateTicket {
        #[serde(borrow)]
        subject: JsonText<'a>,
        name: Option<JsonText<'a>>,
        page: Option<JsonText<'a>>,
    },
    Message {
        id: u64,
        text: JsonText<'a>,
    },
    Delivered {
        seq: u64,
    },
    Typing {
        active: bool,
    },
    CloseTicket,
    Recap(#[serde(borrow)] Recap<'a>),
    RateTicket {
        ticket: TicketId,
        score: Score,
    },
    Ping,
}

/// A staff member's command.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "as in the protocol's tables")]
pub enum StaffCommand<'a> {
    GoOnline {
        name: Option<JsonText<'a>>,
    },
    GoOffline,
    PickTicket {
        ticket: TicketId,
    },
    ReleaseTicket {
        ticket: TicketId,
    },
    TransferTicket {
        ticket: TicketId,
        #[serde(borrow)]
        to: Cow<'a, str>,
        note: Option<JsonText<'a>>,
    },
    Message {
        ticket: TicketId,
        id: u64,
        text: JsonText<'a>,
    },
    Delivered {
        ticket: TicketId,
        seq: u64,
    },
    Typing {
        ticket: TicketId,
        active: bool,
    },
    CloseTicket {
        ticket: TicketId,
    },
    Ping,
}

impl UserCommand<'_> {
    /// Returns what the command itself names. Only a rating names a ticket; all others are about the user's open one.
    pub(crate) fn names(&self) -> Names<'static> {
        match self {
            Self::Message { id, .. } => Names { id: Some(IdRef::Id(*id)), ticket: None },
            Self::RateTicket { ticket, .. } => Names { id: None, ticket: Some(TicketRef::Id(*ticket)) },
            _ => Names::default(),
        }
    }
}

impl StaffCommand<'_> {
    /// Returns what the command itself names: its ticket, and a message's id.
    pub(crate) fn names(&self) -> Names<'static> {
        let id = if let Self::Message { id, .. } = self { Some(IdRef::Id(*id)) } else { None };
        let ticket = match self {
            Self::GoOnline { .. } | Self::GoOffline | Self::Ping => None,
            Self::PickTicket { ticket }
            | Self::ReleaseTicket { ticket }
            | Self::TransferTicket { ticket, .. }
            | Self::Message { ticket, .. }
            | Self::Delivered { ticket, .. }
            | Self::Typing { ticket, .. }
            | Self::CloseTicket { ticket } => Some(TicketRef::Id(*ticket)),
        };
        Names { id, ticket }
    }
}
