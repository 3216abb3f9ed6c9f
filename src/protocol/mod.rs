//! Text to command, event to text.
//!
#![doc = include_str!("PROTOCOL.md")]

mod decode;
mod encode;
mod json;
mod scan;

pub use decode::{Refusal, staff_command, user_command};
pub use encode::append_event;

/// The subprotocol that a page offers, and that is selected.
pub const SUBPROTOCOL: &str = "deskwire.v1";
/// What an offered subprotocol starts with that carries a secret.
pub const SECRET_PREFIX: &str = "secret.";

/// Close codes that are a desk's own (RFC 6455 7.4.2: 4000 to 4999 are the application's).
pub mod close {
    use crate::net::close::CloseReason;

    /// The staff token is missing or wrong.
    pub const STAFF_TOKEN: CloseReason = CloseReason::new(4401, "the staff token is missing or wrong");
    /// The user id is in use, and the session is missing or not that user's.
    pub const SESSION_MISMATCH: CloseReason = CloseReason::new(4403, "that user id is somebody else's");
    /// The same id has connected again.
    pub const ELSEWHERE: CloseReason = CloseReason::new(4409, "opened elsewhere");
}
