//! user.js: the visitor's page.

use serde_json::{Value, json};

use super::Desk;
use super::backoff::Backoff;
use super::conversation::{Chat, Conversation, Leave};

/// What recaps are made of, and is never written to a disk.
pub const NOT_KEPT: &str = "it is said that";

#[derive(Clone)]
pub struct Visitor {
    pub id: String,
    pub session: Option<String>,
    pub chat: Option<Conversation>,
    /// The subject of a ticket that was asked for and is not there yet.
    asking: Option<String>,
    pub ask_again: Backoff,
    pub name: Option<String>,
    /// The page that they came from.
    pub came_from: Option<String>,
}

impl Visitor {
    pub fn new(id: String) -> Self {
        let ask_again = Backoff::default();
        Self { id, session: None, chat: None, asking: None, ask_again, name: None, came_from: None }
    }

    pub fn reload(&mut self) {
        self.ask_again.reset();
        self.chat.iter_mut().for_each(Conversation::reload);
    }

    pub fn ask(&mut self, subject: String, desk: &mut Desk<'_>) {
        if self.chat.as_ref().is_some_and(|chat| chat.state != Chat::Closed) || self.asking.is_some() {
            return;
        }
        self.set_asking(Some(subject));
        self.send_asking(desk);
    }

    fn set_asking(&mut self, subject: Option<String>) {
        self.asking = subject;
        self.ask_again.reset();
    }

    fn send_asking(&self, desk: &mut Desk<'_>) {
        if let Some(subject) = self.asking.as_ref().filter(|_| desk.is_open) {
            let mut frame = json!({ "type": "create_ticket", "subject": subject });
            if let Some(name) = &self.name {
                frame["name"] = name.as_str().into();
            }
            if let Some(page) = &self.came_from {
                frame["page"] = page.as_str().into();
            }
            desk.out.push(frame);
        }
    }

    /// Asks again for what the desk did not take.
    pub fn go_on(&mut self, desk: &mut Desk<'_>) {
        if self.ask_again.is_over(desk.now) {
            self.send_asking(desk);
        }
    }

    /// Does something with the chat, as far as it may.
    pub fn with_chat(
        &mut self,
        desk: &mut Desk<'_>,
        act: impl FnOnce(&mut Conversation, Leave, &mut Desk<'_>),
    ) {
        if let Some(chat) = &mut self.chat {
            let leave = leave(chat, desk);
            act(chat, leave, desk);
        }
    }

    pub fn look(&mut self, desk: &mut Desk<'_>) {
        self.with_chat(desk, Conversation::confirm);
    }

    pub fn line_lost(&mut self, why: &'static str, desk: &mut Desk<'_>) {
        self.ask_again.reset(); // the next welcome asks
        self.with_chat(desk, |chat, leave, desk| {
            if why == "elsewhere" {
                chat.doubt(leave, desk);
            }
            chat.cut(leave, desk);
        });
    }

    pub fn hear(&mut self, frame: &Value, desk: &mut Desk<'_>) {
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
                self.with_chat(desk, |chat, leave, desk| chat.hear(frame, leave, desk));
            }
            "ack" => self.with_chat(desk, |chat, leave, desk| chat.acknowledged(frame, leave, desk)),
            "delivered" => {
                self.with_chat(desk, |chat, leave, desk| {
                    chat.delivered(frame["seq"].as_u64().unwrap_or(0), leave, desk);
                });
            }
            "ticket_closed" if self.is_ours(frame) => {
                self.with_chat(desk, |chat, _, _| chat.end());
                self.rate(frame, desk);
            }
            "error" if frame["ticket_id"].is_string() => {} // of a rating
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

    /// It does not say what was refused: what it can have been is sent again.
    fn is_refused(&mut self, code: &str, desk: &mut Desk<'_>) {
        if code == "rate_limited" {
            self.with_chat(desk, |chat, _, desk| chat.receipt_refused(desk));
        }
        match code {
            _ if self.asking.is_none() => {}
            "no_ticket" | "staff_offline" | "unread_limit" => {} // of a recap
            "rate_limited" => self.ask_again.wait(desk.now, 1000, 10_000),
            "desk_full" => self.ask_again.wait(desk.now, 15_000, 60_000),
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

    /// What this page has of the chat, for whoever has just picked it. What is in it does not matter here; it is much where
    /// others type much.
    fn send_recap(&self, desk: &mut Desk<'_>) {
        let Some(chat) = self.chat.as_ref().filter(|_| desk.is_open) else { return };
        let line = |nth: u64| {
            let from = if nth.is_multiple_of(2) { "user" } else { "staff" };
            json!({ "from": from, "name": self.name, "text": format!("{NOT_KEPT} {nth} \n"), "at": nth })
        };
        let lines: Vec<Value> = (0..=chat.heard_seq.min(99)).map(line).collect();
        desk.out.push(json!({ "type": "recap", "lines": lines }));
    }

    /// Says how it was, or does not, or does so twice.
    fn rate(&self, ended: &Value, desk: &mut Desk<'_>) {
        let at = ended["at"].as_u64().unwrap_or(0);
        let frame = json!({ "type": "rate_ticket", "ticket_id": ended["ticket_id"], "score": 1 + at % 5 });
        desk.out.extend((0..at % 3).map(|_| frame.clone()));
    }

    fn start_chat(&mut self, ticket: &Value, state: Chat) {
        self.set_asking(None);
        self.chat = Some(Conversation::new(ticket["ticket_id"].as_str().unwrap_or(""), true, state));
    }

    fn welcomed(&mut self, frame: &Value, desk: &mut Desk<'_>) {
        self.session = frame["session"].as_str().map(str::to_owned);
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
            // What was missed follows this welcome, and is still shown.
            self.with_chat(desk, |chat, _, _| chat.end());
            if frame["ended"].is_object() {
                self.rate(&frame["ended"], desk);
            }
            self.send_asking(desk);
        }
    }
}

fn leave(chat: &Conversation, desk: &Desk<'_>) -> Leave {
    Leave {
        can_send: desk.is_open && chat.state == Chat::Active,
        on_screen: desk.is_seen && chat.state != Chat::Closed,
    }
}
