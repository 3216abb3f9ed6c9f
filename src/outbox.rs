//! What a service sends, in order: frames, each encoded once, and the connections that receive them.
//!
//! A service writes here and never into a connection, so that it cannot block, fail or be called back in the middle of
//! a decision. The hub empties the outbox after each call. Its buffers are reused, so that it rarely allocates.

use std::ops::Range;

use crate::config::{OUTBOX_KEPT_BYTES, OUTBOX_KEPT_ENTRIES};
use crate::net::ConnId;
use crate::net::close::CloseReason;
use crate::net::frame::{self, Opcode};

/// Frames and closes on their way from a service to connections.
#[derive(Debug, Default)]
pub struct Outbox {
    bytes: Vec<u8>,
    receivers: Vec<ConnId>,
    entries: Vec<Entry>,
}

#[derive(Debug)]
enum Entry {
    Frame { to: Range<usize>, bytes: Range<usize>, reply: Reply },
    Close { conn: ConnId, why: CloseReason },
    CloseAll { why: CloseReason },
    NotifyDrained { conn: ConnId },
}

/// Whether the peer is expected to answer a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// No answer is expected.
    None,
    /// One message is expected, which does not count against the peer's rate.
    Expected,
}

/// An entry of the outbox: what the hub has to do to one connection, or to several.
#[derive(Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// Queue this frame for each of these connections.
    Frame(&'a [ConnId], &'a [u8], Reply),
    /// Close this connection.
    Close(ConnId, CloseReason),
    /// Close all that are open.
    CloseAll(CloseReason),
    /// Call `Service::drained` once all output of this connection has left.
    NotifyDrained(ConnId),
}

impl Outbox {
    /// Sends a message to one connection; `write` appends its payload.
    pub fn send(&mut self, to: ConnId, opcode: Opcode, write: impl FnOnce(&mut Vec<u8>)) {
        self.push_frame([to], opcode, Reply::None, write);
    }

    /// Sends a message to one connection. The peer may answer it with one message that does not count against its rate.
    pub(crate) fn send_for_reply(&mut self, to: ConnId, opcode: Opcode, write: impl FnOnce(&mut Vec<u8>)) {
        self.push_frame([to], opcode, Reply::Expected, write);
    }

    /// Sends a message to many connections. It is encoded once, or not at all if there are none.
    pub fn send_all(
        &mut self,
        to: impl IntoIterator<Item = ConnId>,
        opcode: Opcode,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        self.push_frame(to, opcode, Reply::None, write);
    }

    fn push_frame(
        &mut self,
        to: impl IntoIterator<Item = ConnId>,
        opcode: Opcode,
        reply: Reply,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        let first = self.receivers.len();
        self.receivers.extend(to);
        if self.receivers.len() > first {
            let bytes = frame::append(&mut self.bytes, opcode, write);
            self.entries.push(Entry::Frame { to: first..self.receivers.len(), bytes, reply });
        }
    }

    /// Closes a connection, after what was sent to it before.
    pub fn close(&mut self, conn: ConnId, why: CloseReason) {
        self.entries.push(Entry::Close { conn, why });
    }

    /// Closes all open connections, after what was sent to them before.
    pub(crate) fn close_all(&mut self, why: CloseReason) {
        self.entries.push(Entry::CloseAll { why });
    }

    /// Asks for one call of `Service::drained`, once all output of this connection has left. A service that has more to
    /// send than should be queued now waits for this call. Nothing else bounds a connection's output.
    pub fn notify_drained(&mut self, conn: ConnId) {
        self.entries.push(Entry::NotifyDrained { conn });
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns all entries, in order.
    pub fn items(&self) -> impl Iterator<Item = Item<'_>> {
        self.entries.iter().map(|entry| match entry {
            Entry::Frame { to, bytes, reply } => {
                Item::Frame(&self.receivers[to.clone()], &self.bytes[bytes.clone()], *reply)
            }
            Entry::Close { conn, why } => Item::Close(*conn, *why),
            Entry::CloseAll { why } => Item::CloseAll(*why),
            Entry::NotifyDrained { conn } => Item::NotifyDrained(*conn),
        })
    }

    /// Removes all entries. Capacity beyond what is usually needed goes back to the heap.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(OUTBOX_KEPT_BYTES);
        self.receivers.clear();
        self.receivers.shrink_to(OUTBOX_KEPT_ENTRIES);
        self.entries.clear();
        self.entries.shrink_to(OUTBOX_KEPT_ENTRIES);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::close;

    #[test]
    fn a_frame_for_many_is_encoded_once_and_one_without_a_receiver_not_at_all() {
        let [a, b] = [1, 2].map(|slot| ConnId::here(slot, 7));
        let mut outbox = Outbox::default();
        outbox.send_all([a, b], Opcode::Text, |out| out.extend_from_slice(b"hello"));
        outbox.send_all([], Opcode::Text, |_| panic!("encoded without a receiver"));
        outbox.close(b, close::FLOODING);
        let items: Vec<_> = outbox.items().collect();
        assert_eq!(
            items,
            [Item::Frame(&[a, b], b"\x81\x05hello", Reply::None), Item::Close(b, close::FLOODING)]
        );
        outbox.clear();
        assert!(outbox.is_empty());
    }
}
