//! A chat's two sides: counters, and the messages that were accepted and not yet confirmed. No other text is kept.

mod stored;

use std::collections::VecDeque;
use std::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};

use super::event::{Emit, ErrorCode, Event, MessageView, Participant, Side, StaffName};
use super::link::Link;
use crate::config::{
    HELD_BYTES_MAX, HELD_MESSAGES_MAX, Millis, SPARE_HELD_BUFFER_BYTES_MAX, SPARE_HELD_BYTES_MAX,
};
use crate::ids::{JsonPieces, JsonStr, JsonText, StaffId, StoredText, TicketId, UserId};

/// What is known of a ticket's messages.
#[derive(Debug, Default, Hash, Serialize, Deserialize)]
pub(super) struct Conversation {
    /// The last number given; both sides together, from 1.
    pub(super) last_seq: u64,
    user: Sent,
    staff: Sent,
}

/// What one side has sent.
#[derive(Debug, Default, Hash, Serialize, Deserialize)]
pub(super) struct Sent {
    /// The latest accepted message: the sender's number for it, ours, and when.
    pub(super) last_id: u64,
    last_id_seq: u64,
    last_id_at: Millis,
    /// Up to here the other side has confirmed.
    pub(super) delivered_seq: u64,
    /// Up to here the sender's connection has been sent a receipt.
    pub(super) receipt_seq: u64,
    /// Accepted, and not yet confirmed by the other side.
    pub(super) held: Held,
    /// Up to here the other side's connection has been sent what is held.
    pub(super) relayed_seq: u64,
    /// The sender types; the notice ends then.
    pub(super) typing_until: Option<Millis>,
    /// The other side's connection shows that the sender types.
    pub(super) typing_shown: bool,
}

/// A member of the staff who wrote a message.
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

impl Conversation {
    pub(super) fn sent_by(&self, side: Side) -> &Sent {
        match side {
            Side::User => &self.user,
            Side::Staff => &self.staff,
        }
    }

    fn sent_by_mut(&mut self, side: Side) -> &mut Sent {
        match side {
            Side::User => &mut self.user,
            Side::Staff => &mut self.staff,
        }
    }

    /// What to answer where `id` was accepted before: its number if it is the latest, and when.
    pub(super) fn repeated(&self, side: Side, id: u64, now: Millis) -> Option<(Option<u64>, Millis)> {
        let sent = self.sent_by(side);
        (id <= sent.last_id).then_some(match id == sent.last_id {
            true => (Some(sent.last_id_seq), sent.last_id_at),
            false => (None, now),
        })
    }

    /// Accepts a message that is not repeated: gives it its number, and holds it for the other side.
    ///
    /// # Errors
    /// The other side has too much to confirm already.
    pub(super) fn accept(
        &mut self,
        (side, author): (Side, Option<Author>),
        id: u64,
        text: &JsonText<'_>,
        at: Millis,
        spare: &mut Spare,
    ) -> Result<u64, ErrorCode> {
        let text = text.as_str();
        let seq = self.last_seq + 1;
        let sent = self.sent_by_mut(side);
        if !sent.held.has_capacity(text) {
            return Err(ErrorCode::UnreadLimit);
        }
        let rings = sent.held.0.get_or_insert_with(|| spare.take());
        rings.push(HeldMessage { seq, id, at, author, text_bytes: text.len() }, text);
        (sent.last_id, sent.last_id_seq, sent.last_id_at) = (id, seq, at);
        self.last_seq = seq;
        Ok(seq)
    }

    /// `side` has everything up to `seq` on screen. Whether that is news.
    pub(super) fn confirm(&mut self, side: Side, seq: u64, spare: &mut Spare) -> bool {
        if seq > self.last_seq {
            return false; // of an earlier ticket, or made up
        }
        let sent = self.sent_by_mut(side.other());
        let is_news = seq > sent.delivered_seq;
        if is_news {
            sent.delivered_seq = seq;
            sent.held.drop_until(seq);
            if sent.held.is_empty()
                && let Some(rings) = sent.held.0.take()
            {
                spare.put(rings);
            }
        }
        is_news
    }

    /// `side` has another connection, which shows nothing of the chat yet but the receipts that it is welcomed with.
    pub(super) fn reset_connection(&mut self, side: Side) {
        let own = self.sent_by_mut(side);
        own.receipt_seq = own.delivered_seq;
        let others = self.sent_by_mut(side.other());
        others.relayed_seq = others.delivered_seq;
        others.typing_shown = false;
    }

    /// `side` types until then. Returns until when it did before.
    pub(super) fn start_typing(&mut self, side: Side, until: Millis) -> Option<Millis> {
        self.sent_by_mut(side).typing_until.replace(until)
    }

    /// `side` types no more. Returns until when it did.
    pub(super) fn stop_typing(&mut self, side: Side) -> Option<Millis> {
        self.sent_by_mut(side).typing_until.take()
    }

    /// The other side's connection shows whether `side` types.
    pub(super) fn set_typing_shown(&mut self, side: Side, is_shown: bool) {
        self.sent_by_mut(side).typing_shown = is_shown;
    }

    /// The other side's connection has been sent what `side` wrote, up to `seq`.
    pub(super) fn set_relayed(&mut self, side: Side, seq: u64) {
        self.sent_by_mut(side).relayed_seq = seq;
    }

    /// The connection of `side` has been sent a receipt up to `seq`.
    pub(super) fn set_receipt(&mut self, side: Side, seq: u64) {
        self.sent_by_mut(side).receipt_seq = seq;
    }

    /// Takes what `side` wrote and the other side has not confirmed.
    pub(super) fn take_unrelayed(&mut self, side: Side) -> Unrelayed {
        let sent = self.sent_by_mut(side);
        Unrelayed { held: std::mem::take(&mut sent.held), relayed_seq: sent.relayed_seq }
    }
}

/// Messages in order. A ticket that nobody has written in takes no memory for them.
#[derive(Debug, Default, Hash, Serialize, Deserialize)]
pub(super) struct Held(Option<Box<Rings>>);

/// The texts stand one behind the other, in two rings that are filled and emptied without allocating.
#[derive(Debug, Default, Hash)]
struct Rings {
    messages: VecDeque<HeldMessage>,
    texts: VecDeque<u8>,
}

#[derive(Debug, Hash)]
struct HeldMessage {
    seq: u64,
    id: u64,
    at: Millis,
    /// Who wrote it, on the side where that may change.
    author: Option<Author>,
    text_bytes: usize,
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
    fn has_capacity(&self, text: &str) -> bool {
        self.0.as_ref().is_none_or(|rings| {
            rings.messages.len() < HELD_MESSAGES_MAX && rings.texts.len() + text.len() <= HELD_BYTES_MAX
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.as_ref().is_none_or(|rings| rings.messages.is_empty())
    }

    fn drop_until(&mut self, seq: u64) {
        let Some(rings) = &mut self.0 else { return };
        while rings.messages.front().is_some_and(|message| message.seq <= seq) {
            if let Some(message) = rings.messages.pop_front() {
                rings.texts.drain(..message.text_bytes);
            }
        }
    }

    /// What follows a number, in order. Messages without an author are the user's.
    pub(super) fn after<'a>(&'a self, seq: u64, user: Sender<'a>) -> impl Iterator<Item = MessageView<'a>> {
        let rings = self.0.as_deref();
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
}

impl Held {
    /// Sends what follows `relayed_seq`, as far as the credit goes. Returns up to where, and whether that is all.
    pub(super) fn relay(
        &self,
        relayed_seq: u64,
        (ticket, user): (TicketId, Sender<'_>),
        reader: &Link,
        out: &mut impl Emit,
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

/// What was held when its ticket closed, for a connection that has not been sent all of it.
#[derive(Debug, Hash, Serialize, Deserialize)]
pub(super) struct Unrelayed {
    held: Held,
    relayed_seq: u64,
}

impl Unrelayed {
    /// The reader has another connection, which has been sent none of it.
    pub(super) fn reset_connection(&mut self) {
        self.relayed_seq = 0;
    }

    /// Sends the rest, as far as the credit goes. Returns whether that is all.
    pub(super) fn relay(
        &mut self,
        about: (TicketId, Sender<'_>),
        reader: &Link,
        out: &mut impl Emit,
    ) -> bool {
        let (relayed, is_whole) = self.held.relay(self.relayed_seq, about, reader, out);
        self.relayed_seq = relayed;
        is_whole
    }
}

/// Buffers that nothing is held in, for the next chat that holds something: one that has gone quiet keeps none, and those
/// in full swing allocate none. No part of the State: without them it is the same.
#[derive(Debug, Default)]
#[expect(clippy::vec_box, reason = "they go into conversations as they are")]
pub(super) struct Spare {
    rings: Vec<Box<Rings>>,
    bytes: usize,
}

impl Spare {
    /// Returns the buffer that was used last: what the processor's cache holds of it need not be read again.
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

impl Hash for Spare {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    fn with_user<T>(act: impl FnOnce(Sender<'_>) -> T) -> T {
        act(Sender { id: &UserId::parse("u").unwrap(), name: None })
    }

    fn seqs(held: &Held) -> Vec<u64> {
        with_user(|user| held.after(0, user).map(|view| view.seq).collect())
    }

    fn accept_into(
        conversation: &mut Conversation,
        id: u64,
        text: &str,
        spare: &mut Spare,
    ) -> Result<u64, ErrorCode> {
        let text = JsonText::from_parsed(Cow::Borrowed(text));
        conversation.accept((Side::User, None), id, &text, 0, spare)
    }

    fn accept(conversation: &mut Conversation, id: u64, text: &str) -> Result<u64, ErrorCode> {
        accept_into(conversation, id, text, &mut Spare::default())
    }

    #[test]
    fn what_is_confirmed_is_held_no_longer() {
        let (mut conversation, spare) = (Conversation::default(), &mut Spare::default());
        for id in 1..=5 {
            accept(&mut conversation, id, "text").unwrap();
        }
        assert!(conversation.confirm(Side::Staff, 3, spare));
        assert!(!conversation.confirm(Side::Staff, 3, spare), "no news");
        assert!(!conversation.confirm(Side::Staff, 6, spare), "never sent");
        assert_eq!(seqs(&conversation.user.held), [4, 5]);
    }

    #[test]
    fn nothing_is_dropped_and_beyond_200_messages_or_64_kib_nothing_is_accepted() {
        let (mut conversation, spare) = (Conversation::default(), &mut Spare::default());
        for id in 1..=200 {
            accept(&mut conversation, id, "text").unwrap();
        }
        assert_eq!(accept(&mut conversation, 201, "text"), Err(ErrorCode::UnreadLimit));
        assert_eq!(conversation.user.last_id, 200, "a refused id may be used again");
        assert_eq!(seqs(&conversation.user.held), (1..=200).collect::<Vec<_>>());
        conversation.confirm(Side::Staff, 1, spare);
        assert_eq!(accept(&mut conversation, 201, "text"), Ok(201), "after a receipt it goes on");
        conversation.confirm(Side::Staff, 201, spare);
        for id in 202..=205 {
            accept(&mut conversation, id, &"x".repeat(16 * 1024)).unwrap();
        }
        assert_eq!(
            accept(&mut conversation, 206, "x"),
            Err(ErrorCode::UnreadLimit),
            "64 KiB, to the last byte"
        );
    }

    #[test]
    fn a_chat_that_has_gone_quiet_keeps_no_buffer_and_the_next_one_gets_it() {
        let mut spare = Spare::default();
        let mut conversation = Conversation::default();
        let mut use_buffer = |bytes: usize, spare: &mut Spare| {
            let seq = accept_into(&mut conversation, 1, &"x".repeat(bytes), spare).unwrap();
            conversation.confirm(Side::Staff, seq, spare);
            assert!(conversation.user.held.0.is_none());
            conversation = Conversation::default();
        };
        use_buffer(100, &mut spare);
        use_buffer(100, &mut spare);
        assert_eq!(spare.rings.len(), 1, "one for both");
        use_buffer(SPARE_HELD_BUFFER_BYTES_MAX + 1, &mut spare);
        assert_eq!((spare.rings.len(), spare.bytes), (0, 0), "it has become too large to be kept");
    }

    #[test]
    fn spare_buffers_are_bounded_in_all() {
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

    #[test]
    fn texts_come_back_whole_wherever_they_lie_in_the_ring() {
        let (mut conversation, spare) = (Conversation::default(), &mut Spare::default());
        let text = |id: u64| format!("{id:03} {}", "x".repeat(usize::try_from(id % 50).unwrap()));
        for id in 1..=300 {
            let seq = accept(&mut conversation, id, &text(id)).unwrap();
            with_user(|user| {
                for view in conversation.user.held.after(0, user) {
                    assert_eq!(String::from_utf8(view.text.concat()).unwrap(), text(view.id));
                }
                assert_eq!(conversation.user.held.after(seq - 1, user).count(), 1, "the last one alone");
            });
            conversation.confirm(Side::Staff, seq.saturating_sub(20), spare);
        }
    }

    #[test]
    fn a_repeated_id_is_told_apart() {
        let mut conversation = Conversation::default();
        accept(&mut conversation, 3, "a").unwrap();
        accept(&mut conversation, 7, "b").unwrap();
        assert!(conversation.repeated(Side::User, 8, 9).is_none());
        assert_eq!(conversation.repeated(Side::User, 7, 9), Some((Some(2), 0)));
        assert_eq!(conversation.repeated(Side::User, 5, 9), Some((None, 9)));
        assert!(conversation.repeated(Side::Staff, 1, 9).is_none());
    }
}
