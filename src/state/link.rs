//! How much a connection may still be sent before what it was sent has left.
//!
//! State never waits for a socket and never looks at one. Each event is counted against the connection's credit; when that
//! is used up, State asks for a notice when everything has left ([`Input::Drained`](super::Input)), and until then only
//! remembers what the connection has yet to be sent. So an output buffer holds the credit and one frame at most, nobody is
//! closed for reading slowly, and a flood of changes costs what it changes in the end.
//!
//! Two rules follow. While there is credit, nothing waits: whatever happens is sent at once. And answers to what the
//! connection itself asked for are sent even without credit: the hub reads no more of a connection whose output waits.

use std::cell::Cell;
use std::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};

use super::event::{Emit, Event};
use crate::config::CREDIT_BYTES;
use crate::ids::ConnId;

/// A connection of a user or a staff member.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Link {
    pub(super) conn: ConnId,
    /// In bytes. A `Cell`, so that an event may borrow from the State in which it is counted.
    credit: Cell<usize>,
}

impl Link {
    pub(super) fn new(conn: ConnId) -> Self {
        Self { conn, credit: Cell::new(CREDIT_BYTES) }
    }

    /// Whether an event is sent to this connection at once.
    pub(super) fn has_credit(&self) -> bool {
        self.credit.get() > 0
    }

    /// Sends an event, whether there is credit or not.
    pub(super) fn send(&self, event: &Event<'_>, out: &mut impl Emit) {
        out.emit(self.conn, event);
        self.charge(event.bytes_max(), out);
    }

    /// Counts bytes that are sent.
    pub(super) fn charge(&self, bytes: usize, out: &mut impl Emit) {
        let credit = self.credit.get();
        self.credit.set(credit.saturating_sub(bytes));
        if credit > 0 && credit <= bytes {
            out.notify_drained(self.conn);
        }
    }

    /// Uses up the credit: there is more to send than should be sent now.
    pub(super) fn exhaust(&self, out: &mut impl Emit) {
        self.charge(self.credit.get(), out);
    }

    /// Everything that was sent has left.
    pub(super) fn refill(&self) {
        self.credit.set(CREDIT_BYTES);
    }
}

impl Hash for Link {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.conn, self.credit.get()).hash(state);
    }
}
