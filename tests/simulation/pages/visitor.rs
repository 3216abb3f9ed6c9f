//! user.js: the user's page.

use deskwire::config::Millis;
use serde_json::{Value, json};

use super::backoff::Backoff;
use super::composer::Composer;
use super::conversation::{Chat, Conversation, Leave};
use super::{Act, Desk};

/// The beginning of all lines of recaps, which must not be written to a disk.
pub const NOT_KEPT: &str = "it is said that";

/// Messages that were missed follow the `welcome` that says that the ticket has closed, so the page waits for them.
const ENDED: Millis = 300;

#[derive(Clone)]
pub struct Visitor {
    pub id: String,
    pub session: Option<String>,
    pub chat: Option<Conversation>,
    pub composer: Composer,
    /// The subject of a ticket that was requested and is not open yet.
    pub asking: Option<String>,
    /// `desk_full` lasts until others close their tickets, the limit on new tickets for some seconds.
    too_fast: Backoff,
    desk_full: Backoff,
    /// The desk was asked to close the ticket, and it is not closed yet.
    is_closing: bool,
    close_again: Backoff,
    ends_at: Option<Millis>,
    pub name: Option<String>,
    /// The page that they came from.
    pub came_from: Option<String>,
    /// It sends recaps and ratings.
    pub looks_back: bool,
}

impl Visitor {
    pub fn new(id: String) -> Self {
        Self {
            id,
            session: None,
            chat: None,
            composer: Composer::default(),
            asking: None,
            too_fast: Backoff::new(1000, 10_000),
            desk_full: Backoff::new(15_000, 60_000),
            is_closing: false,
            close_again: Backoff::new(1000, 10_000),
            ends_at: None,
            name: None,
            came_from: None,
            looks_back: true,
        }
    }

    pub fn reload(&mut self) {
        let kept = std::mem::replace(self, Self::new(self.id.clone()));
        (self.session, self.chat, self.asking) = (kept.session, kept.chat, kept.asking);
        (self.name, self.came_from, self.looks_back) = (kept.name, kept.came_from, kept.looks_back);
        self.chat.iter_mut().for_each(Conversation::reload);
    }

    pub fn may_ask(&self) -> bool {
        self.chat.as_ref().is_none_or(|chat| chat.state == Chat::Closed) && self.asking.is_none()
    }

    pub fn may_write(&self, is_open: bool) -> bool {
        is_open && self.chat.as_ref().is_some_and(|chat| chat.state == Chat::Active)
    }

    pub fn act(&mut self, act: &Act, desk: &mut Desk<'_>) {
        match act {
            Act::Ask(subject) => {
                self.set_asking(Some(subject.clone()));
                self.send_asking(desk);
            }
            Act::CloseOwn => {
                self.set_closing(true);
                desk.send(json!({ "type": "close_ticket" }));
            }
            Act::Write(text) => {
                let typing = self.composer.stop_typing();
                send_typing(typing, desk);
                self.with_chat(desk, |chat, leave, desk| chat.say(text.clone(), leave, desk));
            }
            Act::Type(is_something) => {
                let typing = self.composer.changed(!is_something, desk.now);
                send_typing(typing, desk);
            }
            Act::Retry(_, text) => self.with_chat(desk, |chat, leave, desk| chat.retry(text, leave, desk)),
            Act::Look(_) => self.with_chat(desk, Conversation::confirm),
            Act::GoOnline(_) | Act::Button(..) | Act::Show(_) => {}
        }
    }

    fn set_asking(&mut self, subject: Option<String>) {
        self.asking = subject;
        self.too_fast.reset();
        self.desk_full.reset();
    }

    fn set_closing(&mut self, is_wanted: bool) {
        self.is_closing = is_wanted;
        self.close_again.reset();
    }

    fn send_asking(&self, desk: &mut Desk<'_>) {
        if let Some(subject) = &self.asking {
            let mut frame = json!({ "type": "create_ticket", "subject": subject });
            if let Some(name) = &self.name {
                frame["name"] = name.as_str().into();
            }
            if let Some(page) = &self.came_from {
                frame["page"] = page.as_str().into();
            }
            desk.send(frame);
        }
    }

    pub fn next_due(&self) -> Option<Millis> {
        let waits = [&self.too_fast, &self.desk_full, &self.close_again];
        waits.into_iter().filter_map(Backoff::due).chain(self.ends_at).min()
    }

    /// Does what was put off until now.
    pub fn go_on(&mut self, desk: &mut Desk<'_>) {
        self.with_chat(desk, Conversation::go_on);
        if self.too_fast.is_over(desk.now) {
            self.send_asking(desk);
        }
        if self.desk_full.is_over(desk.now) {
            self.send_asking(desk);
        }
        if self.close_again.is_over(desk.now) {
            desk.send(json!({ "type": "close_ticket" }));
        }
        if self.ends_at.take_if(|at| *at <= desk.now).is_some() {
            self.close_chat();
        }
    }

    /// Calls a function of the chat, with what it may do at present.
    fn with_chat(&mut self, desk: &mut Desk<'_>, act: impl FnOnce(&mut Conversation, Leave, &mut Desk<'_>)) {
        if let Some(chat) = &mut self.chat {
            let leave = leave(chat, desk);
            act(chat, leave, desk);
        }
    }

    pub fn line_lost(&mut self, was_open: bool, desk: &mut Desk<'_>) {
        self.set_closing(false);
        self.set_asking(self.asking.clone()); // the next `welcome` sends it again
        if was_open {
            self.with_chat(desk, Conversation::cut);
        }
    }

    pub fn receive(&mut self, frame: &Value, desk: &mut Desk<'_>) {
        match frame["type"].as_str().unwrap_or("") {
            "welcome" => self.welcomed(frame, desk),
            "ticket_created" => self.start_chat(frame, Chat::Waiting),
            "staff_joined" | "staff_reconnected" => {
                self.become_state(Chat::Active, desk);
                self.send_recap(desk);
            }
            "staff_offline" | "staff_online" => self.become_state(Chat::Paused, desk),
            "staff_left" => self.become_state(Chat::Waiting, desk),
            "message" if self.is_ours(frame) => {
                self.with_chat(desk, |chat, leave, desk| chat.receive(frame, leave, desk));
            }
            "ack" => self.with_chat(desk, |chat, leave, desk| chat.acknowledged(frame, leave, desk)),
            "delivered" => {
                self.with_chat(desk, |chat, leave, desk| {
                    chat.delivered(frame["seq"].as_u64().unwrap_or(0), leave, desk);
                });
            }
            "ticket_closed" if self.is_ours(frame) => {
                self.close_chat();
                self.rate(frame, desk);
            }
            "error" if frame["ticket_id"].is_string() && frame["id"].is_null() => {} // of a rating
            "error" => {
                let code = frame["code"].as_str().unwrap_or("");
                match frame["id"].as_u64() {
                    Some(id) => {
                        self.with_chat(desk, |chat, leave, desk| chat.refused((id, code), leave, desk));
                    }
                    None => self.is_refused(code, desk),
                }
            }
            _ => {}
        }
    }

    /// The error does not say which frame was refused: each that it may have been is sent again.
    fn is_refused(&mut self, code: &str, desk: &mut Desk<'_>) {
        if code == "rate_limited" {
            self.with_chat(desk, |chat, _, desk| chat.receipt_refused(desk));
            if self.is_closing {
                self.close_again.wait(desk.now);
            }
        }
        match code {
            _ if self.asking.is_none() => {}
            "no_ticket" | "staff_offline" | "unread_limit" => {} // of a recap
            "rate_limited" => self.too_fast.wait(desk.now),
            "desk_full" => self.desk_full.wait(desk.now),
            _ => self.set_asking(None),
        }
    }

    fn is_ours(&self, frame: &Value) -> bool {
        self.chat.as_ref().is_some_and(|chat| frame["ticket_id"] == *chat.ticket)
    }

    fn become_state(&mut self, state: Chat, desk: &mut Desk<'_>) {
        if let Some(chat) = &mut self.chat {
            chat.state = state;
        }
        self.with_chat(desk, Conversation::pump);
    }

    /// Sends a recap to the staff member who has just picked the chat. Its lines are made up; their number grows with the chat.
    fn send_recap(&self, desk: &mut Desk<'_>) {
        let Some(chat) = self.chat.as_ref().filter(|_| self.looks_back) else { return };
        let line = |nth: u64| {
            let from = if nth.is_multiple_of(2) { "user" } else { "staff" };
            json!({ "from": from, "name": self.name, "text": format!("{NOT_KEPT} {nth} \n"), "at": nth })
        };
        let lines: Vec<Value> = (0..=chat.heard_seq.min(99)).map(line).collect();
        desk.send(json!({ "type": "recap", "lines": lines }));
    }

    /// Rates the ticket: not at all, once, or twice.
    fn rate(&self, ended: &Value, desk: &mut Desk<'_>) {
        let at = ended["at"].as_u64().unwrap_or(0);
        let frame = json!({ "type": "rate_ticket", "ticket_id": ended["ticket_id"], "score": 1 + at % 5 });
        (0..if self.looks_back { at % 3 } else { 0 }).for_each(|_| desk.send(frame.clone()));
    }

    fn start_chat(&mut self, ticket: &Value, state: Chat) {
        self.set_asking(None);
        self.ends_at = None;
        self.chat = Some(Conversation::new(ticket["ticket_id"].as_str().unwrap_or(""), true, state));
    }

    fn close_chat(&mut self) {
        self.set_closing(false);
        self.ends_at = None;
        self.chat.iter_mut().for_each(Conversation::end);
    }

    fn welcomed(&mut self, frame: &Value, desk: &mut Desk<'_>) {
        self.session = frame["session"].as_str().map(str::to_owned);
        self.set_closing(false);
        self.set_asking(self.asking.clone());
        let ticket = &frame["ticket"];
        if ticket.is_object() {
            let state = match ticket["state"].as_str() {
                Some("active") => Chat::Active,
                Some("paused") => Chat::Paused,
                _ => Chat::Waiting,
            };
            self.set_asking(None);
            if !self.is_ours(ticket) {
                self.start_chat(ticket, state);
            }
            if let Some(chat) = &mut self.chat {
                chat.state = state;
            }
            self.with_chat(desk, |chat, leave, desk| {
                chat.resume(ticket, leave, desk);
                chat.confirm(leave, desk);
            });
        } else {
            self.ticket_ended(&frame["ended"], desk.now);
            if frame["ended"].is_object() {
                self.rate(&frame["ended"], desk);
            }
            self.send_asking(desk);
        }
    }

    fn ticket_ended(&mut self, ended: &Value, now: Millis) {
        let is_sent = self.is_ours(ended);
        match &mut self.chat {
            Some(chat) if chat.state != Chat::Closed && is_sent => {
                chat.state = Chat::Closed;
                self.ends_at = Some(now + ENDED);
            }
            Some(chat) if chat.state != Chat::Closed => self.close_chat(),
            _ => {}
        }
    }
}

fn send_typing(active: Option<bool>, desk: &mut Desk<'_>) {
    if let Some(active) = active {
        desk.send(json!({ "type": "typing", "active": active }));
    }
}

fn leave(chat: &Conversation, desk: &Desk<'_>) -> Leave {
    Leave {
        can_send: desk.is_open && chat.state == Chat::Active,
        on_screen: desk.is_seen && chat.state != Chat::Closed,
    }
}
