//! The phases of a connection.

use super::websocket::Reader;

/// The phase of a connection's life, with what only this phase has. See the table in connection.rs.
#[derive(Debug)]
pub(super) enum Phase {
    Head(Vec<u8>),
    Open(Reader),
    /// The reader, and how many bytes are still read to find the peer's close frame.
    Closing(Reader, usize),
    Flushing,
    Linger,
    Dead,
}

/// A phase without what is in it, for counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the table in connection.rs says what they are")]
pub enum PhaseName {
    Head,
    Open,
    Closing,
    Flushing,
    Linger,
    Dead,
}

impl Phase {
    pub(super) fn name(&self) -> PhaseName {
        match self {
            Phase::Head(_) => PhaseName::Head,
            Phase::Open(_) => PhaseName::Open,
            Phase::Closing(..) => PhaseName::Closing,
            Phase::Flushing => PhaseName::Flushing,
            Phase::Linger => PhaseName::Linger,
            Phase::Dead => PhaseName::Dead,
        }
    }
}
