//! The close codes of RFC 6455 7.4.1 that any service needs, each with a reason. The desk's own codes are in
//! `protocol::close`.

/// The code and the reason of a close frame (RFC 6455 5.5.1). The reason is for developers who debug a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseReason {
    /// The status code.
    pub code: u16,
    /// At most 123 bytes: a control frame's payload is 125, and the code takes two (RFC 6455 5.5).
    pub reason: &'static str,
}

impl CloseReason {
    /// Creates a close reason.
    ///
    /// # Panics
    /// The reason does not fit into a close frame. In a constant, that is a compile error.
    pub const fn new(code: u16, reason: &'static str) -> Self {
        assert!(reason.len() <= 123, "a control frame holds 125 bytes");
        Self { code, reason }
    }
}

/// The server is shutting down.
pub const GOING_AWAY: CloseReason = CloseReason::new(1001, "the server is going down");
/// The peer broke a rule of RFC 6455 that has no code of its own.
pub const PROTOCOL_ERROR: CloseReason = CloseReason::new(1002, "not as RFC 6455 says");
/// The service does not accept this type of message.
pub const UNSUPPORTED: CloseReason = CloseReason::new(1003, "text frames only");
/// A text message is not UTF-8 (RFC 6455 8.1).
pub const INVALID_UTF8: CloseReason = CloseReason::new(1007, "a text that is not UTF-8");
/// The peer sent far more messages or bytes than the rate limit allows.
pub const FLOODING: CloseReason = CloseReason::new(1008, "flooding");
/// A message or a frame is longer than the limit.
pub const TOO_BIG: CloseReason = CloseReason::new(1009, "a message over the limit");
/// The server cannot continue, for example because the journal's disk is full (RFC 6455 7.4.1: an unexpected
/// condition).
pub const INTERNAL_ERROR: CloseReason = CloseReason::new(1011, "the server can't go on");
/// All places for open connections are taken.
pub const SERVER_FULL: CloseReason = CloseReason::new(1013, "server full");
/// The peer's address has too many connections already.
pub const TOO_MANY_CONNECTIONS: CloseReason =
    CloseReason::new(1013, "too many connections from your address");
/// The peer has read none of its output for `STALL_MS`.
pub const TAKES_NOTHING: CloseReason = CloseReason::new(1013, "you take nothing");
