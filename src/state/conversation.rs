//! A chat's two sides: what each has sent, and how much of it the other has confirmed.

use serde::{Deserialize, Serialize};

use super::error_code::ErrorCode;
use super::event::Side;
use super::held::{Author, Held, HeldMessage, Spare, Unrelayed};
use crate::config::Millis;
use crate::ids::JsonText;

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
        sent.held.push(HeldMessage { seq, id, at, author, text_bytes: text.len() }, text, spare);
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
            sent.held.drop_until(seq, spare);
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
        Unrelayed::new(std::mem::take(&mut sent.held), sent.relayed_seq)
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::super::held::Sender;
    use super::*;
    use crate::ids::UserId;

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
    fn a_repeated_id_is_recognised() {
        let mut conversation = Conversation::default();
        accept(&mut conversation, 3, "a").unwrap();
        accept(&mut conversation, 7, "b").unwrap();
        assert!(conversation.repeated(Side::User, 8, 9).is_none());
        assert_eq!(conversation.repeated(Side::User, 7, 9), Some((Some(2), 0)));
        assert_eq!(conversation.repeated(Side::User, 5, 9), Some((None, 9)));
        assert!(conversation.repeated(Side::Staff, 1, 9).is_none());
    }
}
