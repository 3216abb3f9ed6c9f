//! Why a connection is closed: RFC 6455 section 7.4's codes, and a desk's own.

/// A close code and the reason that goes with it, for whoever reads the peer's console.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseReason {
    /// The code on the wire.
    pub code: u16,
    /// At most 123 bytes: a control frame's payload is 125, and the code takes two (RFC 6455 5.5).
    pub reason: &'static str,
}

impl CloseReason {
    /// A reason; one that does not fit into a close frame does not compile where the result is a constant.
    pub const fn new(code: u16, reason: &'static str) -> Self {
        assert!(reason.len() <= 123, "a control frame holds 125 bytes");
        Self { code, reason }
    }
}

/// The server is going down.
pub const GOING_AWAY: CloseReason = CloseReason::new(1001, "the server is going down");
/// Any breach of RFC 6455 that has no code of its own.
pub const PROTOCOL_ERROR: CloseReason = CloseReason::new(1002, "not as RFC 6455 says");
/// A kind of message that this service does not take.
pub const UNSUPPORTED: CloseReason = CloseReason::new(1003, "text frames only");
/// A text that is not UTF-8 (RFC 6455 8.1).
pub const INVALID_UTF8: CloseReason = CloseReason::new(1007, "a text that is not UTF-8");
/// More frames than anybody types.
pub const FLOODING: CloseReason = CloseReason::new(1008, "flooding");
/// A message or a frame over the limit.
pub const TOO_BIG: CloseReason = CloseReason::new(1009, "a message over the limit");
/// Something that the server cannot do without is missing (RFC 6455 11.7: Internal Error).
pub const INTERNAL_ERROR: CloseReason = CloseReason::new(1011, "the server can't go on");
/// No more room for a connection.
pub const SERVER_FULL: CloseReason = CloseReason::new(1013, "server full");
/// More connections of one address than there may be.
pub const TOO_MANY_CONNECTIONS: CloseReason =
    CloseReason::new(1013, "too many connections from your address");
/// Output of which the peer has taken nothing for a while.
pub const TAKES_NOTHING: CloseReason = CloseReason::new(1013, "you take nothing");
