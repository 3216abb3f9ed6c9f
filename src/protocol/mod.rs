//! The wire protocol: decodes the text of messages into commands, and encodes events as text.
//!
#![doc = include_str!("PROTOCOL.md")]

mod decode;
mod encode;
mod json;
mod scan;

pub use decode::{Refusal, staff_command, user_command};
pub use encode::append_event;

/// The subprotocol that a page offers and the server selects.
pub(crate) const SUBPROTOCOL: &str = "deskwire.v1";
/// The prefix of an offered subprotocol that carries a secret.
pub(crate) const SECRET_PREFIX: &str = "secret.";

/// The close codes of the desk itself. RFC 6455 7.4.2 leaves 4000 to 4999 to applications.
pub(crate) mod close {
    use crate::net::close::CloseReason;

    /// This node of the desk was taken for gone, or has seen other entries of the log than there are now.
    #[cfg(feature = "redis")]
    pub(crate) const NODE_RESTARTS: CloseReason =
        CloseReason::new(1012, "this node of the desk starts again");
    /// Nothing can be kept just now.
    #[cfg(feature = "redis")]
    pub(crate) const LOG_AWAY: CloseReason = CloseReason::new(1013, "the desk can't keep anything just now");
    /// The staff token is missing or wrong.
    pub(crate) const STAFF_TOKEN: CloseReason = CloseReason::new(4401, "the staff token is missing or wrong");
    /// The user id is in use, and the session is missing or not that user's.
    pub(crate) const SESSION_MISMATCH: CloseReason =
        CloseReason::new(4403, "that user id is somebody else's");
    /// The same id has connected again.
    pub(crate) const ELSEWHERE: CloseReason = CloseReason::new(4409, "opened elsewhere");
}
