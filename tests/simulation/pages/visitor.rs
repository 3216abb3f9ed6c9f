//! user.js and user-history.js: the user's page.

use deskwire::config::Millis;
use serde_json::{Value, json};

use super::backoff::Backoff;
use super::composer::Composer;
use super::conversation::{Chat, Conversation, Leave};
use super::{Act, Desk, recap};

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
    /// The staff member who has picked the chat, or had it last.
    staff: Option<String>,
    /// A recap that was refused, or that could not be sent, is sent again.
    recap_again: Backoff,
    can_be_rated: bool,
    /// What the user has rated the chat; 0 if the desk did not take it.
    pub score: Option<u64>,
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
            staff: None,
            recap_again: Backoff::new(2000, 15_000),
            can_be_rated: false,
            score: None,
        }
    }

    pub fn reload(&mut self) {
        if self.ends_at.is_some() {
            self.close_chat(true); // the page does not wait any longer
        }
        let kept = std::mem::replace(self, Self::new(self.id.clone()));
        (self.session, self.chat, self.asking) = (kept.session, kept.chat, kept.asking);
        (self.name, self.came_from, self.staff) = (kept.name, kept.came_from, kept.staff);
        (self.can_be_rated, self.score) = (kept.can_be_rated, kept.score);
        self.chat.iter_mut().for_each(Conversation::reload);
    }

    pub fn may_ask(&self) -> bool {
        self.chat.as_ref().is_none_or(|chat| chat.state == Chat::Closed) && self.asking.is_none()
    }

    pub fn may_write(&self, is_open: bool) -> bool {
        is_open && self.chat.as_ref().is_some_and(|chat| chat.state == Chat::Active)
    }

    /// Whether the page offers to rate the chat.
    pub fn may_rate(&self, is_open: bool) -> bool {
        let is_closed = self.chat.as_ref().is_some_and(|chat| chat.state == Chat::Closed);
        is_open && is_closed && self.can_be_rated && self.score.is_none()
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
            Act::Rate(score) => self.rate(*score, desk),
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
        let waits = [&self.too_fast, &self.desk_full, &self.close_again, &self.recap_again];
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
        if self.recap_again.is_over(desk.now) {
            self.try_recap(desk);
        }
        if self.ends_at.take_if(|at| *at <= desk.now).is_some() {
            self.close_chat(true);
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
            "staff_joined" | "staff_reconnected" => self.become_state(Chat::Active, frame, desk),
            "staff_offline" | "staff_online" => self.become_state(Chat::Paused, frame, desk),
            "staff_left" => self.become_state(Chat::Waiting, frame, desk),
            "message" if self.is_ours(frame) => {
                self.with_chat(desk, |chat, leave, desk| chat.receive(frame, leave, desk));
            }
            "ack" => self.with_chat(desk, |chat, leave, desk| chat.acknowledged(frame, leave, desk)),
            "delivered" => {
                self.with_chat(desk, |chat, leave, desk| {
                    chat.delivered(frame["seq"].as_u64().unwrap_or(0), leave, desk);
                });
            }
            "ticket_closed" if self.is_ours(frame) => self.close_chat(true),
            "error" => {
                let code = frame["code"].as_str().unwrap_or("");
                match frame["id"].as_u64() {
                    Some(id) => {
                        self.with_chat(desk, |chat, leave, desk| chat.refused((id, code), leave, desk));
                    }
                    None if frame["ticket_id"].is_string() && self.score.is_some_and(|score| score > 0) => {
                        self.score = if code == "rate_limited" { None } else { Some(0) };
                    }
                    None => self.is_refused(code, desk),
                }
            }
            _ => {}
        }
    }

    /// The error does not say which frame was refused: each that it may have been is sent again.
    fn is_refused(&mut self, code: &str, desk: &mut Desk<'_>) {
        if code == "unread_limit" {
            return self.recap_again.wait(desk.now);
        }
        if code == "rate_limited" {
            self.with_chat(desk, |chat, _, desk| chat.receipt_refused(desk));
            if self.is_closing {
                self.close_again.wait(desk.now);
            }
        }
        match code {
            _ if self.asking.is_none() => {}
            "no_ticket" | "staff_offline" => {} // of a recap
            "rate_limited" => self.too_fast.wait(desk.now),
            "desk_full" => self.desk_full.wait(desk.now),
            _ => self.set_asking(None),
        }
    }

    fn is_ours(&self, frame: &Value) -> bool {
        self.chat.as_ref().is_some_and(|chat| frame["ticket_id"] == *chat.ticket)
    }

    fn become_state(&mut self, state: Chat, frame: &Value, desk: &mut Desk<'_>) {
        if let Some(chat) = &mut self.chat {
            chat.state = state;
        }
        self.set_staff(frame);
        if state == Chat::Active {
            self.send_recap(desk);
        }
        self.with_chat(desk, Conversation::pump);
    }

    fn set_staff(&mut self, frame: &Value) {
        if let Some(staff) = frame["staff_id"].as_str() {
            self.staff = Some(staff.to_owned());
        }
    }

    /// Sends a recap to the staff member who has just picked the chat.
    fn send_recap(&mut self, desk: &mut Desk<'_>) {
        self.recap_again.reset();
        self.try_recap(desk);
    }

    fn try_recap(&mut self, desk: &mut Desk<'_>) {
        let chat = self.chat.as_ref().filter(|chat| chat.state == Chat::Active);
        let lines = chat.map_or_else(Vec::new, |chat| recap::lines(chat, self.name.as_deref()));
        if lines.is_empty() {
            return;
        }
        if desk.is_open {
            desk.send(json!({ "type": "recap", "lines": lines }));
        } else {
            self.recap_again.wait(desk.now);
        }
    }

    fn rate(&mut self, score: u64, desk: &mut Desk<'_>) {
        if let Some(chat) = self.chat.as_ref().filter(|_| desk.is_open) {
            desk.send(json!({ "type": "rate_ticket", "ticket_id": chat.ticket, "score": score }));
            self.score = Some(score);
        }
    }

    fn start_chat(&mut self, ticket: &Value, state: Chat) {
        self.set_asking(None);
        self.ends_at = None;
        (self.staff, self.can_be_rated, self.score) = (None, false, None);
        self.chat = Some(Conversation::new(ticket["ticket_id"].as_str().unwrap_or(""), true, state));
    }

    /// A chat whose end the desk knows nothing of cannot be rated.
    fn close_chat(&mut self, is_known: bool) {
        self.set_closing(false);
        self.ends_at = None;
        self.can_be_rated = is_known && self.staff.is_some();
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
            let was_active = self.chat.as_ref().is_some_and(|chat| chat.state == Chat::Active);
            let is_same = was_active && self.staff.as_deref() == ticket["staff_id"].as_str();
            if !self.is_ours(ticket) {
                self.start_chat(ticket, state);
            }
            if let Some(chat) = &mut self.chat {
                chat.state = state;
            }
            self.set_staff(ticket);
            self.with_chat(desk, |chat, leave, desk| chat.resume(ticket, leave, desk));
            if state == Chat::Active && !is_same {
                self.send_recap(desk);
            }
            self.with_chat(desk, Conversation::confirm);
        } else {
            self.ticket_ended(&frame["ended"], desk.now);
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
            Some(chat) if chat.state != Chat::Closed => self.close_chat(false),
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
