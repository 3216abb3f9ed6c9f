//! Flow control: how much more a connection may be sent before its earlier output has left.
//!
//! State never waits for a socket and never looks at one. It counts each event against the connection's credit. When
//! the credit is used up, State asks to be notified once all output has left ([`Input::Drained`](super::Input)), and
//! until then only remembers what the connection has yet to be sent. So an output buffer holds at most the credit and
//! one frame, nobody is disconnected for reading slowly, and a flood of changes costs no more than the difference that
//! it makes in the end.
//!
//! Two rules follow. While a connection has credit, nothing waits for it: every event is sent at once. And the answer
//! to a request of the connection itself is sent even without credit, since the hub stops reading from a connection
//! whose output waits.

use std::cell::Cell;
use std::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};

use super::event::{Emit, Event};
use crate::config::CREDIT_BYTES;
use crate::ids::ConnId;

/// The connection of a user or a staff member, with its credit.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Link {
    pub(super) conn: ConnId,
    /// The credit left, in bytes. It is a `Cell` because an event borrows from the State in which it is counted.
    credit: Cell<u32>,
}

impl Link {
    pub(super) fn new(conn: ConnId) -> Self {
        Self { conn, credit: Cell::new(CREDIT_BYTES) }
    }

    /// Whether an event may be sent to this connection now.
    pub(super) fn has_credit(&self) -> bool {
        self.credit.get() > 0
    }

    /// Sends an event, whether there is credit or not.
    pub(super) fn send(&self, event: &Event<'_>, out: &mut dyn Emit) {
        out.emit(self.conn, event);
        self.charge(event.bytes_max(), out);
    }

    /// Counts bytes against the credit. When it is used up, asks to be notified once all output has left.
    pub(super) fn charge(&self, bytes: usize, out: &mut dyn Emit) {
        let credit = self.credit.get();
        let left = credit.saturating_sub(u32::try_from(bytes).unwrap_or(u32::MAX));
        self.credit.set(left);
        // Asked for once: later events find the credit already used up.
        if credit > 0 && left == 0 {
            out.notify_drained(self.conn);
        }
    }

    /// Uses up the credit, because there is more to send than should be sent now.
    pub(super) fn exhaust(&self, out: &mut dyn Emit) {
        self.charge(self.credit.get() as usize, out);
    }

    /// Restores the credit, because all output has left.
    pub(super) fn refill(&self) {
        self.credit.set(CREDIT_BYTES);
    }
}

impl Hash for Link {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.conn, u64::from(self.credit.get())).hash(state);
    }
}
