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

    /// The staff token is missing or wrong.
    pub(crate) const STAFF_TOKEN: CloseReason = CloseReason::new(4401, "the staff token is missing or wrong");
    /// The user id is in use, and the session is missing or not that user's.
    pub(crate) const SESSION_MISMATCH: CloseReason =
        CloseReason::new(4403, "that user id is somebody else's");
    /// The same id has connected again.
    pub(crate) const ELSEWHERE: CloseReason = CloseReason::new(4409, "opened elsewhere");
}
