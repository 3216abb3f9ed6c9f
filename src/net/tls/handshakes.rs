//! Counts how handshakes end.

use std::cell::Cell;

use rustls::Error;

/// Why a handshake has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HandshakeFault {
    /// A request without TLS.
    Plain,
    /// The two sides have no version or algorithm in common.
    Incompatible,
    /// The client has ended it with an alert, usually since it does not accept the certificate.
    Alert,
    /// The bytes received are not a handshake.
    Malformed,
    /// The connection has ended before the handshake was complete: closed by the client, too slow, or evicted.
    Unfinished,
}

impl HandshakeFault {
    /// All faults, in order.
    const ALL: [Self; 5] = [Self::Plain, Self::Incompatible, Self::Alert, Self::Malformed, Self::Unfinished];

    /// Returns the value of its label.
    fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Incompatible => "incompatible",
            Self::Alert => "alert",
            Self::Malformed => "malformed",
            Self::Unfinished => "unfinished",
        }
    }
}

impl From<&Error> for HandshakeFault {
    fn from(error: &Error) -> Self {
        match error {
            Error::PeerIncompatible(_) | Error::NoApplicationProtocol => Self::Incompatible,
            Error::AlertReceived(_) => Self::Alert,
            _ => Self::Malformed,
        }
    }
}

/// The counters of handshakes, which all streams share with the metrics.
#[derive(Debug, Default)]
pub(crate) struct Handshakes {
    done: Cell<u64>,
    failed: [Cell<u64>; HandshakeFault::ALL.len()],
}

impl Handshakes {
    pub(super) fn note_done(&self) {
        self.done.update(|done| done + 1);
    }

    pub(super) fn note_failed(&self, why: HandshakeFault) {
        self.failed[why as usize].update(|failed| failed + 1);
    }

    /// Returns how many are complete.
    pub(crate) fn done(&self) -> u64 {
        self.done.get()
    }

    /// Returns how many have failed, by cause.
    pub(crate) fn failed(&self) -> impl Iterator<Item = (&'static str, u64)> {
        HandshakeFault::ALL.into_iter().map(|why| (why.name(), self.failed[why as usize].get()))
    }
}
