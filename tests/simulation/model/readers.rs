//! Connections whose output has not left: what they have yet to be sent.
//!
//! "What a connection has yet to be sent waits as state and not as bytes". When a connection has been sent its credit, the desk
//! asks to be notified once all output has left. Until then only answers are sent; after it, everything that was owed: each
//! message, in order, and of everything else the present state.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use deskwire::config::Millis;
use serde_json::Value;

use super::shown::Shown;

/// What is sent before the desk waits for it to leave, in bytes.
const CREDIT: usize = 32 * 1024;
/// By how much the desk may overestimate a frame, in bytes; and its texts twice over.
const OVERHEAD: usize = 700;

#[derive(Clone, Debug, Default)]
pub struct Reader {
    /// It has been sent its credit, and not all of that has left.
    pub is_behind: bool,
    /// What it was sent since all output had left.
    bytes: usize,
    frames: usize,
    /// The bytes of refusals in this. Refusals of unreadable frames do not count, since the peer is not read meanwhile.
    refusals_bytes: usize,
    /// By ticket: messages, and the end of the chat.
    chats: BTreeMap<String, VecDeque<Rc<Value>>>,
    receipts: BTreeMap<String, u64>,
    ratings: VecDeque<Rc<Value>>,
    /// Whether the other side is typing, and whether that must be sent.
    typing: BTreeMap<String, (bool, bool)>,
    pub shown: Shown,
}

impl Reader {
    /// Counts what is sent in a call.
    pub(super) fn count(
        &mut self,
        sent: &[(usize, Rc<Value>)],
        asked: bool,
        is_drained: bool,
    ) -> Result<(), String> {
        let was_behind = self.is_behind && !is_drained;
        if is_drained {
            (self.bytes, self.frames, self.refusals_bytes, self.shown.batch_at) = (0, 0, 0, None);
        }
        for (bytes, frame) in sent {
            self.bytes += bytes;
            self.frames += 1;
            self.refusals_bytes += if frame["type"] == "error" { *bytes } else { 0 };
        }
        self.is_behind = was_behind || asked;
        if asked && (was_behind || 2 * self.bytes + OVERHEAD * self.frames < CREDIT) {
            return Err(format!("is sent no more after {} bytes in {} frames", self.bytes, self.frames));
        }
        if !self.is_behind && self.bytes - self.refusals_bytes >= CREDIT {
            return Err(format!("is sent more after {} bytes that it may not have read", self.bytes));
        }
        Ok(())
    }

    /// Notes what is sent later.
    pub(super) fn owe(&mut self, frame: &Rc<Value>, is_due: bool) {
        let ticket = text(frame, "ticket_id");
        match frame["type"].as_str().unwrap_or("") {
            "message" => self.chats.entry(ticket).or_default().push_back(Rc::clone(frame)),
            "ticket_closed" => {
                self.receipts.remove(&ticket);
                self.typing.remove(&ticket);
                self.chats.entry(ticket).or_default().push_back(Rc::clone(frame));
            }
            "rated" => self.ratings.push_back(Rc::clone(frame)),
            "delivered" => _ = self.receipts.insert(ticket, frame["seq"].as_u64().unwrap_or(0)),
            "typing" => {
                let active = frame["active"] == true;
                if self.shown.types(&ticket) == active {
                    self.typing.remove(&ticket);
                } else {
                    self.typing.insert(ticket, (active, is_due));
                }
            }
            _ => {} // of a status, only the state at that time is sent
        }
    }

    /// Checks a frame that was owed.
    pub(super) fn pay(&mut self, frame: &Value, now: Millis) -> Result<(), String> {
        let ticket = text(frame, "ticket_id");
        let kind = frame["type"].as_str().unwrap_or("");
        let is_right = match kind {
            "message" | "ticket_closed" => {
                let next = self.chats.get_mut(&ticket).and_then(VecDeque::pop_front);
                self.chats.retain(|_, owed| !owed.is_empty());
                next.as_deref() == Some(frame)
            }
            "rated" => self.ratings.pop_front().as_deref() == Some(frame),
            "delivered" => self.receipts.remove(&ticket) == frame["seq"].as_u64() && frame["at"] == now,
            "typing" => self.typing.remove(&ticket).is_some_and(|(active, _)| frame["active"] == active),
            // Messages from before a chat was locked come before the notice of that.
            "staff_offline" | "staff_online" | "staff_left" => !self.is_owed(&ticket) && frame["at"] == now,
            _ => frame["at"] == now,
        };
        if is_right { Ok(()) } else { Err(format!("was sent {frame}, which was not next")) }
    }

    pub(super) fn is_owed_typing(&self, frame: &Value) -> bool {
        self.typing.contains_key(frame["ticket_id"].as_str().unwrap_or(""))
    }

    /// Returns something that must be sent now that all output has left.
    pub(super) fn first_owed(&self) -> Option<String> {
        let message = self.chats.values().flatten().next().map(|frame| frame.to_string());
        let receipt = self.receipts.iter().next().map(|(ticket, seq)| format!("delivered {seq} in {ticket}"));
        let mut typing = self.typing.iter().filter(|(_, (_, is_due))| *is_due);
        let rating = self.ratings.front().map(|frame| frame.to_string());
        message
            .or(receipt)
            .or(rating)
            .or(typing.next().map(|(ticket, active)| format!("typing {active:?} in {ticket}")))
    }

    /// Whether messages or the end of this chat are owed.
    pub(super) fn is_owed(&self, ticket: &str) -> bool {
        self.chats.contains_key(ticket)
    }

    /// How many `ticket_closed` are owed.
    pub(super) fn ends(&self) -> usize {
        let is_end = |frame: &Rc<Value>| frame["type"] == "ticket_closed";
        self.chats.values().filter(|owed| owed.back().is_some_and(is_end)).count()
    }

    /// Forgets messages up to one that was confirmed.
    pub(super) fn forget_messages(&mut self, ticket: &str, seq: u64) {
        if let Some(owed) = self.chats.get_mut(ticket) {
            owed.retain(|frame| frame["seq"].as_u64().is_none_or(|owed| owed > seq));
            self.chats.retain(|_, owed| !owed.is_empty());
        }
    }

    /// Forgets a chat that the connection no longer has, or is sent anew.
    pub(super) fn forget_chat(&mut self, ticket: &str) {
        self.chats.remove(ticket);
        self.receipts.remove(ticket);
        self.typing.remove(ticket);
    }
}

pub(super) fn text(frame: &Value, name: &str) -> String {
    frame[name].as_str().unwrap_or("").to_owned()
}
