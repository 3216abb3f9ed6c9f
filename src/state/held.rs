//! Held messages: those that were accepted and that the other side has not confirmed. State keeps no other text of a
//! chat.

mod stored;

use std::collections::VecDeque;
use std::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};

use super::event::{Emit, Event, MessageView, Participant, StaffName};
use super::link::Link;
use crate::config::{
    HELD_BYTES_MAX, HELD_MESSAGES_MAX, Millis, SPARE_HELD_BUFFER_BYTES_MAX, SPARE_HELD_BYTES_MAX,
};
use crate::ids::{JsonPieces, JsonStr, StaffId, StoredText, TicketId, UserId};

/// The staff member who wrote a message, with the name that they had at that time.
#[derive(Clone, Debug, Hash, Serialize, Deserialize)]
pub(super) struct Author {
    pub(super) id: StaffId,
    pub(super) name: Option<StoredText>,
}

impl Author {
    pub(super) fn name(&self) -> StaffName<'_> {
        StaffName { id: &self.id, name: self.name.as_ref().map(StoredText::as_json) }
    }
}

/// Held messages, in order. While there are none, they take no memory.
#[derive(Clone, Debug, Default, Hash, Serialize, Deserialize)]
pub(super) struct Held(Option<Box<Rings>>);

/// A ring of messages and a ring of their texts, one text after the other. The rings are reused, so that a message
/// rarely needs an allocation.
#[derive(Clone, Debug, Default, Hash)]
struct Rings {
    messages: VecDeque<HeldMessage>,
    texts: VecDeque<u8>,
}

#[derive(Clone, Debug, Hash)]
pub(super) struct HeldMessage {
    pub(super) seq: u64,
    pub(super) id: u64,
    pub(super) at: Millis,
    /// The staff member who wrote it; `None` for a message of the user.
    pub(super) author: Option<Author>,
    pub(super) text_bytes: usize,
}

/// The user of a conversation, as the sender of its messages.
#[derive(Clone, Copy)]
pub(super) struct Sender<'a> {
    pub(super) id: &'a UserId,
    pub(super) name: Option<JsonStr<'a>>,
}

impl<'a> From<Sender<'a>> for Participant<'a> {
    fn from(user: Sender<'a>) -> Self {
        Self::User { id: user.id, name: user.name }
    }
}

impl Rings {
    fn push(&mut self, message: HeldMessage, text: &str) {
        self.texts.extend(text.as_bytes());
        self.messages.push_back(message);
    }

    fn heap_bytes(&self) -> usize {
        self.texts.capacity() + self.messages.capacity() * size_of::<HeldMessage>()
    }
}

impl Held {
    pub(super) fn has_capacity(&self, text: &str) -> bool {
        self.0.as_ref().is_none_or(|rings| {
            rings.messages.len() < HELD_MESSAGES_MAX && rings.texts.len() + text.len() <= HELD_BYTES_MAX
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.as_ref().is_none_or(|rings| rings.messages.is_empty())
    }

    /// How much the texts take.
    pub(super) fn text_bytes(&self) -> usize {
        self.0.as_ref().map_or(0, |rings| rings.texts.len())
    }

    pub(super) fn push(&mut self, message: HeldMessage, text: &str, spare: &mut Spare) {
        self.0.get_or_insert_with(|| spare.take()).push(message, text);
    }

    /// Drops the messages up to `seq`. If none is left, their buffer becomes a spare one.
    pub(super) fn drop_until(&mut self, seq: u64, spare: &mut Spare) {
        let Some(rings) = &mut self.0 else { return };
        while rings.messages.front().is_some_and(|message| message.seq <= seq) {
            if let Some(message) = rings.messages.pop_front() {
                rings.texts.drain(..message.text_bytes);
            }
        }
        if self.is_empty()
            && let Some(rings) = self.0.take()
        {
            spare.put(rings);
        }
    }

    /// Returns the messages after `seq`, in order. Those without an author are by `user`.
    pub(super) fn after<'a>(&'a self, seq: u64, user: Sender<'a>) -> impl Iterator<Item = MessageView<'a>> {
        let rings = self.0.as_deref();
        // A ring has two slices, and a text may begin in one and end in the other.
        let (front, back) = rings.map_or((&[][..], &[][..]), |rings| rings.texts.as_slices());
        let mut start = 0;
        let messages = rings.map(|rings| rings.messages.iter()).into_iter().flatten();
        let views = messages.map(move |message| {
            let range = start..start + message.text_bytes;
            start = range.end;
            let in_front = &front[range.start.min(front.len())..range.end.min(front.len())];
            let in_back = range.start.saturating_sub(front.len())..range.end.saturating_sub(front.len());
            MessageView {
                seq: message.seq,
                from: match &message.author {
                    Some(author) => Participant::Staff(author.name()),
                    None => user.into(),
                },
                id: message.id,
                text: JsonPieces::from_ring(in_front, &back[in_back]),
                at: message.at,
            }
        });
        views.skip_while(move |view| view.seq <= seq)
    }

    /// Sends the messages after `relayed_seq`, as far as the reader's credit goes. Returns the number of the last
    /// message that was sent, and whether all have been.
    pub(super) fn relay(
        &self,
        relayed_seq: u64,
        (ticket, user): (TicketId, Sender<'_>),
        reader: &Link,
        out: &mut dyn Emit,
    ) -> (u64, bool) {
        let mut relayed = relayed_seq;
        for message in self.after(relayed_seq, user) {
            if !reader.has_credit() {
                return (relayed, false);
            }
            relayed = message.seq;
            reader.send(&Event::Message { ticket, message }, out);
        }
        (relayed, true)
    }
}

/// The messages that were held when their ticket closed, for a reader who has not been sent all of them.
#[derive(Clone, Debug, Hash, Serialize, Deserialize)]
pub(super) struct Unrelayed {
    held: Held,
    relayed_seq: u64,
}

impl Unrelayed {
    pub(super) fn new(held: Held, relayed_seq: u64) -> Self {
        Self { held, relayed_seq }
    }

    /// Returns how much the texts take.
    pub(super) fn text_bytes(&self) -> usize {
        self.held.text_bytes()
    }

    /// Starts over for a new connection of the reader, which has been sent none of the messages.
    pub(super) fn reset_connection(&mut self) {
        self.relayed_seq = 0;
    }

    /// Sends the rest, as far as the reader's credit goes. Returns whether all messages have been sent.
    pub(super) fn relay(&mut self, about: (TicketId, Sender<'_>), reader: &Link, out: &mut dyn Emit) -> bool {
        let (relayed, is_whole) = self.held.relay(self.relayed_seq, about, reader, out);
        self.relayed_seq = relayed;
        is_whole
    }
}

/// Empty buffers, for the next chats that have to hold a message. So a quiet chat keeps no buffer, and a busy one
/// rarely allocates. They are neither stored nor hashed, since the behaviour of State does not depend on them.
#[derive(Debug, Default)]
#[expect(clippy::vec_box, reason = "a box moves between a chat and the spare ones")]
pub(super) struct Spare {
    rings: Vec<Box<Rings>>,
    bytes: usize,
}

impl Spare {
    /// Returns the buffer that was used last, since it is the most likely to be in the processor's cache.
    fn take(&mut self) -> Box<Rings> {
        let rings = self.rings.pop().unwrap_or_default();
        self.bytes -= rings.heap_bytes();
        rings
    }

    fn put(&mut self, rings: Box<Rings>) {
        let bytes = rings.heap_bytes();
        if bytes > 0 && bytes <= SPARE_HELD_BUFFER_BYTES_MAX && self.bytes + bytes <= SPARE_HELD_BYTES_MAX {
            self.bytes += bytes;
            self.rings.push(rings);
        }
    }
}

impl Clone for Spare {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Hash for Spare {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chat_that_has_gone_quiet_keeps_no_buffer_and_the_next_one_gets_it() {
        let mut spare = Spare::default();
        let use_buffer = |text_bytes: usize, spare: &mut Spare| {
            let mut held = Held::default();
            let message = HeldMessage { seq: 1, id: 1, at: 0, author: None, text_bytes };
            held.push(message, &"x".repeat(text_bytes), spare);
            held.drop_until(1, spare);
            assert!(held.0.is_none());
        };
        use_buffer(100, &mut spare);
        use_buffer(100, &mut spare);
        assert_eq!(spare.rings.len(), 1, "one for both");
        use_buffer(SPARE_HELD_BUFFER_BYTES_MAX + 1, &mut spare);
        assert_eq!((spare.rings.len(), spare.bytes), (0, 0), "it has become too large to be kept");
    }

    #[test]
    fn a_spare_buffer_counts_its_messages_as_well_as_its_texts_and_an_empty_one_is_not_kept() {
        let mut spare = Spare::default();
        spare.put(Box::default());
        assert_eq!(spare.rings.len(), 0);
        let mut rings = Box::<Rings>::default();
        rings.texts.reserve_exact(1_000);
        rings.messages.reserve_exact(100);
        spare.put(rings);
        assert_eq!((spare.rings.len(), spare.bytes), (1, 1_000 + 100 * size_of::<HeldMessage>()));
    }

    #[test]
    fn the_size_of_all_spare_buffers_is_bounded() {
        let mut spare = Spare::default();
        for _ in 0..SPARE_HELD_BYTES_MAX / 1024 {
            let mut rings = Box::<Rings>::default();
            rings.texts.reserve_exact(2048);
            spare.put(rings);
        }
        assert!(spare.bytes <= SPARE_HELD_BYTES_MAX && spare.bytes > SPARE_HELD_BYTES_MAX / 2);
        while spare.bytes > 0 {
            spare.take();
        }
        assert!(spare.rings.is_empty());
    }
}
