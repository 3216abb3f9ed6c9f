//! A chat's two sides: what each has sent, and how much of it the other has confirmed.

use serde::{Deserialize, Serialize};

use super::error_code::ErrorCode;
use super::event::Side;
use super::held::{Author, Held, HeldMessage, Spare, Unrelayed};
use crate::config::Millis;
use crate::ids::JsonText;

/// The sequence numbers of a ticket's messages, and how far each side has come.
#[derive(Clone, Debug, Default, Hash, Serialize, Deserialize)]
pub(super) struct Conversation {
    /// The last sequence number that was given out. Both sides share one sequence, which begins with 1.
    pub(super) last_seq: u64,
    user: Sent,
    staff: Sent,
}

/// What one side has sent.
#[derive(Clone, Debug, Default, Hash, Serialize, Deserialize)]
pub(super) struct Sent {
    /// The id that the sender gave its latest accepted message.
    pub(super) last_id: u64,
    /// The sequence number of that message.
    last_id_seq: u64,
    /// When that message was accepted.
    last_id_at: Millis,
    /// The other side has confirmed everything up to this number.
    pub(super) delivered_seq: u64,
    /// The sender's connection has been sent a receipt up to this number.
    pub(super) receipt_seq: u64,
    /// The messages that were accepted and that the other side has not confirmed.
    pub(super) held: Held,
    /// The other side's connection has been sent the held messages up to this number.
    pub(super) relayed_seq: u64,
    /// When the typing notice ends, if the sender is typing.
    pub(super) typing_until: Option<Millis>,
    /// Whether the other side's connection shows that the sender is typing.
    pub(super) typing_shown: bool,
}

impl Conversation {
    pub(super) fn sent_by(&self, side: Side) -> &Sent {
        match side {
            Side::User => &self.user,
            Side::Staff => &self.staff,
        }
    }

    /// How much the texts take that are held.
    pub(super) fn text_bytes(&self) -> usize {
        self.user.held.text_bytes() + self.staff.held.text_bytes()
    }

    fn sent_by_mut(&mut self, side: Side) -> &mut Sent {
        match side {
            Side::User => &mut self.user,
            Side::Staff => &mut self.staff,
        }
    }

    /// Returns how to acknowledge an `id` that is not new: the number and the time of the latest message, or no number
    /// and `now` for an older one.
    pub(super) fn repeated(&self, side: Side, id: u64, now: Millis) -> Option<(Option<u64>, Millis)> {
        let sent = self.sent_by(side);
        (id <= sent.last_id).then_some(match id == sent.last_id {
            true => (Some(sent.last_id_seq), sent.last_id_at),
            false => (None, now),
        })
    }

    /// Accepts a new message: gives it a sequence number, and holds it for the other side.
    ///
    /// # Errors
    /// The other side already has too much to confirm.
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

    /// Notes that `side` has everything up to `seq` on screen. Returns whether this confirms anything new.
    pub(super) fn confirm(&mut self, side: Side, seq: u64, spare: &mut Spare) -> bool {
        if seq > self.last_seq {
            return false; // meant for an earlier ticket, or made up
        }
        let sent = self.sent_by_mut(side.other());
        let is_news = seq > sent.delivered_seq;
        if is_news {
            sent.delivered_seq = seq;
            sent.held.drop_until(seq, spare);
        }
        is_news
    }

    /// Starts over for a new connection of `side`, or for a new pick. Of the chat, it has been sent nothing but
    /// `delivered_seq`, which is in the `welcome` or `ticket_picked`.
    pub(super) fn reset_connection(&mut self, side: Side) {
        let own = self.sent_by_mut(side);
        own.receipt_seq = own.delivered_seq;
        let others = self.sent_by_mut(side.other());
        others.relayed_seq = others.delivered_seq;
        others.typing_shown = false;
    }

    /// Notes that `side` is typing, with a notice that ends at `until`. Returns when its earlier notice would have
    /// ended.
    pub(super) fn start_typing(&mut self, side: Side, until: Millis) -> Option<Millis> {
        self.sent_by_mut(side).typing_until.replace(until)
    }

    /// Notes that `side` is not typing any more. Returns when its notice would have ended.
    pub(super) fn stop_typing(&mut self, side: Side) -> Option<Millis> {
        self.sent_by_mut(side).typing_until.take()
    }

    /// Notes whether the other side's connection shows that `side` is typing.
    pub(super) fn set_typing_shown(&mut self, side: Side, is_shown: bool) {
        self.sent_by_mut(side).typing_shown = is_shown;
    }

    /// Notes that the other side's connection has been sent what `side` wrote, up to `seq`.
    pub(super) fn set_relayed(&mut self, side: Side, seq: u64) {
        self.sent_by_mut(side).relayed_seq = seq;
    }

    /// Notes that the connection of `side` has been sent a receipt up to `seq`.
    pub(super) fn set_receipt(&mut self, side: Side, seq: u64) {
        self.sent_by_mut(side).receipt_seq = seq;
    }

    /// Takes the messages of `side` that the other side has not confirmed.
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
    fn confirmed_messages_are_no_longer_held() {
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
