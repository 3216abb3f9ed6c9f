//! What a service has to say, in order: frames, each encoded once, and to whom.
//!
//! A service writes here and never into a connection, so that it cannot block, fail or be called back in the middle of
//! a decision. The hub empties it after each call. The buffers are kept, so that nothing is allocated in the long run.

use std::ops::Range;

use crate::config::{OUTBOX_KEPT_BYTES, OUTBOX_KEPT_ENTRIES};
use crate::net::ConnId;
use crate::net::close::CloseReason;
use crate::net::frame::{self, Opcode};

/// Frames and closes on their way from a service to connections.
#[derive(Debug, Default)]
pub struct Outbox {
    bytes: Vec<u8>,
    addressees: Vec<ConnId>,
    entries: Vec<Entry>,
}

#[derive(Debug)]
enum Entry {
    Frame { to: Range<usize>, bytes: Range<usize>, reply: Reply },
    Close { conn: ConnId, why: CloseReason },
    NotifyDrained { conn: ConnId },
}

/// Whether a frame makes its receiver send one in turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// It does not.
    None,
    /// It will be confirmed by a frame, which is not to be counted against the receiver's rate.
    Expected,
}

/// One thing to do with one or more connections.
#[derive(Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// Queue this frame for each of these.
    Frame(&'a [ConnId], &'a [u8], Reply),
    /// Close this one.
    Close(ConnId, CloseReason),
    /// Ask the service again once everything that is queued for this one has left.
    NotifyDrained(ConnId),
}

impl Outbox {
    /// A message for one connection; `write` appends its payload.
    pub fn send(&mut self, to: ConnId, opcode: Opcode, write: impl FnOnce(&mut Vec<u8>)) {
        self.push_frame([to], opcode, Reply::None, write);
    }

    /// A message for one connection, which will be answered by one.
    pub fn send_for_reply(&mut self, to: ConnId, opcode: Opcode, write: impl FnOnce(&mut Vec<u8>)) {
        self.push_frame([to], opcode, Reply::Expected, write);
    }

    /// A message for many, encoded once.
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
        let first = self.addressees.len();
        self.addressees.extend(to);
        if self.addressees.len() > first {
            let bytes = frame::append(&mut self.bytes, opcode, write);
            self.entries.push(Entry::Frame { to: first..self.addressees.len(), bytes, reply });
        }
    }

    /// Closes a connection, after what was sent to it before.
    pub fn close(&mut self, conn: ConnId, why: CloseReason) {
        self.entries.push(Entry::Close { conn, why });
    }

    /// There is more for this connection than should be queued now: `Service::drained` is called when all that was queued
    /// has left. How much a connection's output may hold is bounded by this alone; the hub takes whatever is sent.
    pub fn ask_when_drained(&mut self, conn: ConnId) {
        self.entries.push(Entry::NotifyDrained { conn });
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What there is to do, in order.
    pub fn items(&self) -> impl Iterator<Item = Item<'_>> {
        self.entries.iter().map(|entry| match entry {
            Entry::Frame { to, bytes, reply } => {
                Item::Frame(&self.addressees[to.clone()], &self.bytes[bytes.clone()], *reply)
            }
            Entry::Close { conn, why } => Item::Close(*conn, *why),
            Entry::NotifyDrained { conn } => Item::NotifyDrained(*conn),
        })
    }

    /// Forgets what was done; gives back what a rare large frame, or news for everybody, has grown.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(OUTBOX_KEPT_BYTES);
        self.addressees.clear();
        self.addressees.shrink_to(OUTBOX_KEPT_ENTRIES);
        self.entries.clear();
        self.entries.shrink_to(OUTBOX_KEPT_ENTRIES);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::close;

    #[test]
    fn a_frame_for_many_is_encoded_once_and_one_for_nobody_never() {
        let [a, b] = [1, 2].map(|slot| ConnId { slot, generation: 7 });
        let mut outbox = Outbox::default();
        outbox.send_all([a, b], Opcode::Text, |out| out.extend_from_slice(b"hello"));
        outbox.send_all([], Opcode::Text, |_| panic!("encoded for nobody"));
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
