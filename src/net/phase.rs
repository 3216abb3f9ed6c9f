//! The phases of a connection. A phase owns what only it needs, so that this is freed when the phase ends.

use super::websocket::Reader;

/// The phase of a connection and its data. See the table in connection.rs.
#[derive(Debug)]
pub(super) enum Phase {
    /// The head so far, if it is partial.
    Head(Vec<u8>),
    Open(Reader),
    /// The reader, and how many more bytes are searched for the peer's close frame.
    Closing(Reader, usize),
    Flushing,
    Linger,
    Dead,
}

/// A phase without its data, for counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the table in connection.rs describes them")]
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
