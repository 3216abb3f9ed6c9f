//! The close codes of RFC 6455 7.4.1 that any service needs, with a reason each. The desk's own are in `protocol::close`.

/// The code and the reason of a close frame (RFC 6455 5.5.1). The reason is for a developer who reads the peer's console.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseReason {
    /// The status code.
    pub code: u16,
    /// At most 123 bytes: a control frame's payload is 125, and the code takes two (RFC 6455 5.5).
    pub reason: &'static str,
}

impl CloseReason {
    /// Returns a close reason.
    ///
    /// # Panics
    /// The reason does not fit into a close frame. As a constant, it does not compile then.
    pub const fn new(code: u16, reason: &'static str) -> Self {
        assert!(reason.len() <= 123, "a control frame holds 125 bytes");
        Self { code, reason }
    }
}

/// The server is being stopped.
pub const GOING_AWAY: CloseReason = CloseReason::new(1001, "the server is going down");
/// The peer broke a rule of RFC 6455 that has no code of its own.
pub const PROTOCOL_ERROR: CloseReason = CloseReason::new(1002, "not as RFC 6455 says");
/// A type of message that the service does not accept.
pub const UNSUPPORTED: CloseReason = CloseReason::new(1003, "text frames only");
/// A text that is not UTF-8 (RFC 6455 8.1).
pub const INVALID_UTF8: CloseReason = CloseReason::new(1007, "a text that is not UTF-8");
/// Far more messages or bytes than the rate limit allows.
pub const FLOODING: CloseReason = CloseReason::new(1008, "flooding");
/// A message or a frame over the limit.
pub const TOO_BIG: CloseReason = CloseReason::new(1009, "a message over the limit");
/// The server lacks something that it needs (RFC 6455 7.4.1: an unexpected condition).
pub const INTERNAL_ERROR: CloseReason = CloseReason::new(1011, "the server can't go on");
/// All places for open connections are taken.
pub const SERVER_FULL: CloseReason = CloseReason::new(1013, "server full");
/// The peer's address has too many connections.
pub const TOO_MANY_CONNECTIONS: CloseReason =
    CloseReason::new(1013, "too many connections from your address");
/// The peer has taken nothing of its output for `STALL_MS`.
pub const TAKES_NOTHING: CloseReason = CloseReason::new(1013, "you take nothing");
