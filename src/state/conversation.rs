//! A chat's two sides: counters, and the messages that were accepted and not yet confirmed. No other text is kept.

use std::collections::VecDeque;
use std::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};

use super::event::{MessageView, Side};
use crate::config::{HELD_BYTES_MAX, HELD_MESSAGES_MAX, Millis};
use crate::ids::{StaffId, UserId};

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
    /// Accepted, and not yet confirmed by the other side.
    pub(super) held: Held,
    /// The sender types; the notice ends then.
    pub(super) typing_until: Option<Millis>,
}

/// A message's fate.
pub(super) enum Accepted {
    /// It is new, and has this number.
    New(u64),
    /// It was accepted before: the number where it is the latest, and when.
    Repeated(Option<u64>, Millis),
}

impl Conversation {
    pub(super) fn sent_by(&self, side: Side) -> &Sent {
        match side {
            Side::User => &self.user,
            Side::Staff => &self.staff,
        }
    }

    pub(super) fn sent_by_mut(&mut self, side: Side) -> &mut Sent {
        match side {
            Side::User => &mut self.user,
            Side::Staff => &mut self.staff,
        }
    }

    /// Whether `id` was accepted before, and what is to be said of it then.
    pub(super) fn repeated(&self, side: Side, id: u64, now: Millis) -> Option<Accepted> {
        let sent = self.sent_by(side);
        (id <= sent.last_id).then_some(match id == sent.last_id {
            true => Accepted::Repeated(Some(sent.last_id_seq), sent.last_id_at),
            false => Accepted::Repeated(None, now),
        })
    }

    /// Accepts a message that is not repeated: gives it its number, and holds it for the other side.
    pub(super) fn accept(
        &mut self,
        side: Side,
        id: u64,
        sender: Option<&StaffId>,
        text: &str,
        at: Millis,
        spare: &mut Spare,
    ) -> u64 {
        self.last_seq += 1;
        let seq = self.last_seq;
        let sent = self.sent_by_mut(side);
        (sent.last_id, sent.last_id_seq, sent.last_id_at) = (id, seq, at);
        if sent.held.messages.is_empty() {
            sent.held = spare.take();
        }
        sent.held.push(HeldMessage { seq, id, at, sender: sender.cloned(), text_bytes: text.len() }, text);
        seq
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
            if sent.held.messages.is_empty() {
                spare.put(std::mem::take(&mut sent.held));
            }
        }
        is_news
    }
}

/// Messages in order. The texts stand one behind the other, in two rings that are filled and emptied without allocating.
#[derive(Debug, Default, Hash, Serialize, Deserialize)]
pub(super) struct Held {
    messages: VecDeque<HeldMessage>,
    texts: VecDeque<u8>,
}

#[derive(Debug, Hash, Serialize, Deserialize)]
struct HeldMessage {
    seq: u64,
    id: u64,
    at: Millis,
    /// Who wrote it, on the side where that may change.
    sender: Option<StaffId>,
    text_bytes: usize,
}

impl Held {
    fn push(&mut self, message: HeldMessage, text: &str) {
        while self.messages.len() >= HELD_MESSAGES_MAX || self.texts.len() + text.len() > HELD_BYTES_MAX {
            if !self.drop_first() {
                break; // a single text is never that long
            }
        }
        self.texts.extend(text.as_bytes());
        self.messages.push_back(message);
    }

    fn drop_first(&mut self) -> bool {
        let Some(message) = self.messages.pop_front() else { return false };
        self.texts.drain(..message.text_bytes);
        true
    }

    fn drop_until(&mut self, seq: u64) {
        while self.messages.front().is_some_and(|message| message.seq <= seq) {
            self.drop_first();
        }
    }

    /// Everything, in order, as it is sent again.
    pub(super) fn views<'a>(&'a self, from: Side, user: &'a UserId) -> impl Iterator<Item = MessageView<'a>> {
        let (front, back) = self.texts.as_slices();
        let mut start = 0;
        self.messages.iter().map(move |message| {
            let range = start..start + message.text_bytes;
            start = range.end;
            let in_front = &front[range.start.min(front.len())..range.end.min(front.len())];
            let in_back = range.start.saturating_sub(front.len())..range.end.saturating_sub(front.len());
            MessageView {
                seq: message.seq,
                from,
                sender: message.sender.as_ref().map_or(user.as_str(), StaffId::as_str),
                id: message.id,
                text: [in_front, &back[in_back]],
                at: message.at,
            }
        })
    }
}

/// Buffers that nothing is held in, for the next chat that holds something: one that has gone quiet keeps none, and those
/// in full swing allocate none. No part of the State: without them it is the same.
#[derive(Debug, Default)]
pub(super) struct Spare(Vec<Held>);

impl Spare {
    /// Enough for the chats of a busy moment.
    const BUFFERS: usize = 256;
    /// An ordinary message, and a few of them; what is larger goes back to the heap.
    const TEXT_BYTES: usize = 256;
    const MESSAGES: usize = 4;

    fn take(&mut self) -> Held {
        self.0.pop().unwrap_or_default()
    }

    fn put(&mut self, held: Held) {
        let is_small =
            held.texts.capacity() <= Self::TEXT_BYTES && held.messages.capacity() <= Self::MESSAGES;
        if is_small && self.0.len() < Self::BUFFERS {
            self.0.push(held);
        }
    }
}

impl Hash for Spare {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seqs(held: &Held) -> Vec<u64> {
        let user = UserId::parse("u").unwrap();
        held.views(Side::User, &user).map(|view| view.seq).collect()
    }

    fn accept(conversation: &mut Conversation, id: u64, text: &str) -> u64 {
        conversation.accept(Side::User, id, None, text, 0, &mut Spare::default())
    }

    #[test]
    fn what_is_confirmed_is_let_go() {
        let (mut conversation, spare) = (Conversation::default(), &mut Spare::default());
        for id in 1..=5 {
            accept(&mut conversation, id, "text");
        }
        assert!(conversation.confirm(Side::Staff, 3, spare));
        assert!(!conversation.confirm(Side::Staff, 3, spare), "no news");
        assert!(!conversation.confirm(Side::Staff, 6, spare), "never sent");
        assert_eq!(seqs(&conversation.user.held), [4, 5]);
    }

    #[test]
    fn the_last_32_and_64_kib_are_held() {
        let mut conversation = Conversation::default();
        for id in 1..=40 {
            accept(&mut conversation, id, "text");
        }
        assert_eq!(seqs(&conversation.user.held), (9..=40).collect::<Vec<_>>());
        for id in 41..=45 {
            accept(&mut conversation, id, &"x".repeat(16_000));
        }
        assert_eq!(seqs(&conversation.user.held), [42, 43, 44, 45]);
        for id in 46..=49 {
            accept(&mut conversation, id, &"x".repeat(HELD_BYTES_MAX / 4));
        }
        assert_eq!(seqs(&conversation.user.held), [46, 47, 48, 49], "to the last byte");
    }

    #[test]
    fn a_chat_that_has_gone_quiet_keeps_no_buffer_and_the_next_one_gets_it() {
        let mut spare = Spare::default();
        for (bytes, is_kept) in [(Spare::TEXT_BYTES, true), (Spare::TEXT_BYTES + 1, false)] {
            let mut conversation = Conversation::default();
            let seq = conversation.accept(Side::User, 1, None, &"x".repeat(bytes), 0, &mut spare);
            conversation.confirm(Side::Staff, seq, &mut spare);
            let held = &conversation.user.held;
            assert_eq!((held.texts.capacity(), held.messages.capacity()), (0, 0));
            assert_eq!(spare.0.len(), usize::from(is_kept), "{bytes} bytes");
            spare.take();
        }
    }

    #[test]
    fn texts_come_back_whole_wherever_they_lie_in_the_ring() {
        let mut conversation = Conversation::default();
        let text = |id: u64| format!("{id:03} {}", "x".repeat(usize::try_from(id % 50).unwrap()));
        for id in 1..=300 {
            accept(&mut conversation, id, &text(id));
            let user = UserId::parse("u").unwrap();
            for view in conversation.user.held.views(Side::User, &user) {
                assert_eq!(String::from_utf8(view.text.concat()).unwrap(), text(view.id));
            }
        }
    }

    #[test]
    fn a_repeated_id_is_told_apart() {
        let mut conversation = Conversation::default();
        accept(&mut conversation, 3, "a");
        accept(&mut conversation, 7, "b");
        assert!(conversation.repeated(Side::User, 8, 9).is_none());
        assert!(matches!(conversation.repeated(Side::User, 7, 9), Some(Accepted::Repeated(Some(2), 0))));
        assert!(matches!(conversation.repeated(Side::User, 5, 9), Some(Accepted::Repeated(None, 9))));
        assert!(conversation.repeated(Side::Staff, 1, 9).is_none());
    }
}
