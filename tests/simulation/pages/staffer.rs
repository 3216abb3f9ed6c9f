//! staff.js, staff-board.js, staff-chats.js and staff-changes.js: the console.

use std::collections::{BTreeMap, BTreeSet};

use deskwire::config::Millis;
use serde_json::{Value, json};

use super::composer::Composer;
use super::conversation::{Chat, Conversation, Leave};
use super::{Act, Desk};

/// An action that was too fast is repeated once.
const REPEAT: Millis = 1000;
/// The key of a request that concerns no ticket.
const PRESENCE: &str = "";

#[derive(Clone)]
pub struct Staffer {
    pub id: String,
    pub token: String,
    pub name: Option<String>,
    pub online: bool,
    pub max_chats: usize,
    pub board: BTreeMap<String, Value>,
    pub colleagues: BTreeSet<String>,
    /// In the order in which they were picked first.
    pub chats: Vec<Conversation>,
    pub shown: Option<String>,
    pub composer: Composer,
    wants_online: bool,
    pending: BTreeMap<String, Pending>,
}

/// An action that has no answer yet.
#[derive(Clone)]
struct Pending {
    kind: &'static str,
    frame: Value,
    is_repeated: bool,
    repeat_at: Option<Millis>,
}

impl Staffer {
    pub fn new(id: String, token: String) -> Self {
        Self {
            id,
            token,
            name: None,
            online: false,
            max_chats: 0,
            board: BTreeMap::new(),
            colleagues: BTreeSet::new(),
            chats: Vec::new(),
            shown: None,
            composer: Composer::default(),
            wants_online: false,
            pending: BTreeMap::new(),
        }
    }

    pub fn reload(&mut self) {
        self.chats.iter_mut().for_each(Conversation::reload);
        let kept = std::mem::replace(self, Self::new(self.id.clone(), self.token.clone()));
        (self.chats, self.shown, self.name) = (kept.chats, kept.shown, kept.name);
        self.wants_online = kept.wants_online;
    }

    pub fn act(&mut self, act: &Act, desk: &mut Desk<'_>) {
        match act {
            Act::GoOnline(online) => self.set_online(*online, desk),
            Act::Button(kind, ticket, more) => {
                let mut frame = json!({ "type": kind, "ticket_id": ticket });
                if let Some((to, note)) = more {
                    frame["to"] = to.as_str().into();
                    frame["note"] = note.as_str().into();
                }
                self.ask(ticket, kind, frame, desk);
            }
            Act::Show(ticket) => self.show(ticket.as_deref(), desk),
            Act::Write(text) => {
                let typing = self.composer.stop_typing();
                self.send_typing(typing, desk);
                if let Some(shown) = self.shown.clone() {
                    self.with_chat(&shown, desk, |chat, leave, desk| chat.say(text.clone(), leave, desk));
                }
            }
            Act::Type(is_something) => {
                let typing = self.composer.changed(!is_something, desk.now);
                self.send_typing(typing, desk);
            }
            Act::Retry(ticket, text) => {
                self.with_chat(ticket, desk, |chat, leave, desk| chat.retry(text, leave, desk));
            }
            Act::Look(_) => self.look(desk),
            Act::Ask(_) | Act::CloseOwn | Act::Rate(_) => {}
        }
    }

    fn send_typing(&self, active: Option<bool>, desk: &mut Desk<'_>) {
        if let (Some(active), Some(shown)) = (active, &self.shown) {
            desk.send(json!({ "type": "typing", "ticket_id": shown, "active": active }));
        }
    }

    fn set_online(&mut self, online: bool, desk: &mut Desk<'_>) {
        self.wants_online = online;
        let kind = if online { "go_online" } else { "go_offline" };
        let mut frame = json!({ "type": kind });
        if let Some(name) = self.name.as_ref().filter(|_| online) {
            frame["name"] = name.as_str().into();
        }
        self.ask(PRESENCE, kind, frame, desk);
    }

    /// Sends a request, and remembers it until it is answered.
    fn ask(&mut self, key: &str, kind: &'static str, frame: Value, desk: &mut Desk<'_>) {
        let pending = Pending { kind, frame: frame.clone(), is_repeated: false, repeat_at: None };
        self.pending.insert(key.to_owned(), pending);
        desk.send(frame);
    }

    fn take_pending(&mut self, key: &str, kind: &str) -> bool {
        let is_it = self.pending.get(key).is_some_and(|pending| pending.kind == kind);
        is_it && self.pending.remove(key).is_some()
    }

    pub fn active(&self) -> Vec<String> {
        let is_active = |chat: &&Conversation| chat.is_open && chat.state == Chat::Active;
        self.chats.iter().filter(is_active).map(|chat| chat.ticket.clone()).collect()
    }

    pub fn chat(&self, ticket: &str) -> Option<&Conversation> {
        self.chats.iter().find(|chat| chat.ticket == ticket)
    }

    fn chat_mut(&mut self, ticket: &str) -> Option<&mut Conversation> {
        self.chats.iter_mut().find(|chat| chat.ticket == ticket)
    }

    pub fn may_write(&self, ticket: &str, is_open: bool) -> bool {
        let user_online = self.board.get(ticket).is_none_or(|ticket| ticket["user_online"] != false);
        is_open && user_online && self.chat(ticket).is_some_and(|chat| chat.state == Chat::Active)
    }

    fn with_chat(
        &mut self,
        ticket: &str,
        desk: &mut Desk<'_>,
        act: impl FnOnce(&mut Conversation, Leave, &mut Desk<'_>),
    ) {
        let can_send = self.may_write(ticket, desk.is_open);
        let is_shown = self.shown.as_deref() == Some(ticket);
        if let Some(chat) = self.chat_mut(ticket) {
            let on_screen = is_shown && desk.is_seen && chat.state == Chat::Active;
            act(chat, Leave { can_send, on_screen }, desk);
        }
    }

    fn show(&mut self, ticket: Option<&str>, desk: &mut Desk<'_>) {
        if ticket != self.shown.as_deref() {
            let typing = self.composer.stop_typing(); // for the chat that was shown
            self.send_typing(typing, desk);
            let chat = ticket.and_then(|ticket| self.chat(ticket)).filter(|chat| chat.is_open);
            self.shown = chat.map(|chat| chat.ticket.clone());
        }
        self.look(desk);
    }

    fn look(&mut self, desk: &mut Desk<'_>) {
        if let Some(ticket) = self.shown.clone() {
            self.with_chat(&ticket, desk, Conversation::confirm);
        }
    }

    pub fn line_lost(&mut self, why: &'static str, desk: &mut Desk<'_>) {
        self.online = false;
        self.pending.clear();
        if why != "lost" {
            self.wants_online = false;
        }
        let all: Vec<String> = self.chats.iter().map(|chat| chat.ticket.clone()).collect();
        for ticket in all {
            self.with_chat(&ticket, desk, Conversation::cut);
        }
    }

    pub fn receive(&mut self, frame: &Value, desk: &mut Desk<'_>) {
        let ticket = frame["ticket_id"].as_str().unwrap_or("").to_owned();
        match frame["type"].as_str().unwrap_or("") {
            "welcome" => self.welcomed(frame, desk),
            "presence" => self.present(frame["online"] == true, desk),
            "colleague" => {
                let id = frame["staff_id"].as_str().unwrap_or("").to_owned();
                if frame["online"] == true {
                    self.colleagues.insert(id)
                } else {
                    self.colleagues.remove(&id)
                };
            }
            "ticket_added" => self.added(&frame["ticket"]),
            "ticket_updated" => {
                let view = &frame["ticket"];
                self.added(view);
                if self.chat(id_of(view)).is_some_and(|chat| chat.is_open) {
                    self.ticket_changed(view, desk);
                }
            }
            "ticket_removed" => self.removed(&ticket),
            "ticket_picked" => self.picked(&ticket, frame, desk),
            "ticket_closed" => {
                self.take_pending(&ticket, "close_ticket");
                if let Some(chat) = self.chat_mut(&ticket).filter(|chat| chat.is_open) {
                    chat.end();
                }
            }
            "recap" => {
                if let Some(chat) = self.chat_mut(&ticket).filter(|chat| chat.is_open) {
                    chat.recap(frame["lines"].as_array().map_or(&[], Vec::as_slice));
                }
            }
            "message" => self.with_chat(&ticket, desk, |chat, leave, desk| chat.receive(frame, leave, desk)),
            "ack" => self.with_chat(&ticket, desk, |chat, leave, desk| chat.acknowledged(frame, leave, desk)),
            "delivered" => {
                self.with_chat(&ticket, desk, |chat, leave, desk| {
                    chat.delivered(frame["seq"].as_u64().unwrap_or(0), leave, desk);
                });
            }
            "error" => self.refused(&ticket, frame, desk),
            _ => {}
        }
    }

    fn refused(&mut self, ticket: &str, frame: &Value, desk: &mut Desk<'_>) {
        let code = frame["code"].as_str().unwrap_or("");
        if let Some(id) = frame["id"].as_u64()
            && self.chat(ticket).is_some()
        {
            return self.with_chat(ticket, desk, |chat, leave, desk| chat.refused((id, code), leave, desk));
        }
        if code == "rate_limited" {
            self.with_chat(ticket, desk, |chat, _, desk| chat.receipt_refused(desk));
            if let Some(pending) = self.pending.get_mut(ticket).filter(|pending| !pending.is_repeated) {
                (pending.is_repeated, pending.repeat_at) = (true, Some(desk.now + REPEAT));
                return;
            }
        }
        self.pending.remove(ticket);
    }

    pub fn next_due(&self) -> Option<Millis> {
        self.pending.values().filter_map(|pending| pending.repeat_at).min()
    }

    /// Does what was put off until now, in each chat.
    pub fn go_on(&mut self, desk: &mut Desk<'_>) {
        for ticket in self.chats.iter().map(|chat| chat.ticket.clone()).collect::<Vec<_>>() {
            self.with_chat(&ticket, desk, Conversation::go_on);
        }
        for pending in self.pending.values_mut() {
            if pending.repeat_at.take_if(|at| *at <= desk.now).is_some() {
                desk.send(pending.frame.clone());
            }
        }
    }

    /// Returns the listed chats: those whose user waits for an answer first, the longest wait before others.
    pub fn opened(&self) -> Vec<String> {
        let mut open: Vec<&Conversation> = self.chats.iter().filter(|chat| chat.is_open).collect();
        open.sort_by_key(|chat| chat.unanswered_since());
        open.into_iter().map(|chat| chat.ticket.clone()).collect()
    }

    fn added(&mut self, view: &Value) {
        self.board.insert(id_of(view).to_owned(), view.clone());
    }

    fn welcomed(&mut self, frame: &Value, desk: &mut Desk<'_>) {
        self.online = frame["online"] == true;
        self.max_chats = frame["max_chats"].as_u64().unwrap_or(0) as usize;
        let list = |name: &str| frame[name].as_array().cloned().unwrap_or_default();
        self.board = list("tickets").into_iter().map(|view| (id_of(&view).to_owned(), view)).collect();
        self.colleagues = list("staff").iter().filter_map(Value::as_str).map(str::to_owned).collect();
        self.colleagues.remove(&self.id);
        for ticket in self.opened() {
            let Some(view) = self.board.get(&ticket).cloned() else { continue };
            if let Some(chat) = self.chat_mut(&ticket).filter(|chat| chat.state == Chat::Active) {
                chat.state = Chat::Repick;
            }
            self.ticket_changed(&view, desk);
        }
        let board = &self.board;
        self.chats.retain(|chat| chat.is_open || board.contains_key(&chat.ticket));
        for chat in &mut self.chats {
            if !board.contains_key(&chat.ticket) && chat.state != Chat::Closed {
                chat.end();
            }
        }
        if self.wants_online {
            self.set_online(true, desk);
        }
    }

    /// Going offline keeps the chats listed, to be picked again.
    fn present(&mut self, online: bool, desk: &mut Desk<'_>) {
        self.pending.remove(PRESENCE);
        if self.online && !online {
            for ticket in self.opened() {
                if let Some(chat) = self.chat_mut(&ticket).filter(|chat| chat.state == Chat::Active) {
                    chat.state = Chat::Repick;
                }
                self.with_chat(&ticket, desk, Conversation::cut);
            }
        }
        (self.online, self.wants_online) = (online, online);
    }

    /// Removes a chat from the list. Its texts stay until its ticket is closed.
    fn leave(&mut self, ticket: &str, desk: &mut Desk<'_>) {
        let opened = self.opened();
        let place = opened.iter().position(|open| open == ticket);
        if let Some(chat) = self.chat_mut(ticket) {
            (chat.state, chat.is_open) = (Chat::Repick, false);
        }
        if !self.board.contains_key(ticket) {
            self.chats.retain(|chat| chat.ticket != ticket);
        }
        if self.shown.as_deref() == Some(ticket) {
            let place = place.unwrap_or(0);
            let next = opened.get(place + 1).or_else(|| opened.get(place.checked_sub(1)?));
            self.show(next.map(String::as_str), desk);
        }
    }

    fn ticket_changed(&mut self, view: &Value, desk: &mut Desk<'_>) {
        let ticket = id_of(view).to_owned();
        let is_others = view["staff_id"] != *self.id;
        let Some(chat) = self.chat_mut(&ticket).filter(|chat| chat.state != Chat::Closed) else {
            return;
        };
        if view["state"] == "active" && is_others {
            chat.state = Chat::Taken;
            self.with_chat(&ticket, desk, Conversation::pump);
            let kind = self.pending.remove(&ticket).map(|pending| pending.kind);
            if let Some("transfer_ticket" | "release_ticket") = kind {
                self.leave(&ticket, desk);
            }
            return;
        }
        if view["state"] != "active" {
            chat.state = Chat::Repick;
            if view["state"] == "waiting" && self.take_pending(&ticket, "release_ticket") {
                return self.leave(&ticket, desk);
            }
        }
        self.with_chat(&ticket, desk, Conversation::pump);
    }

    fn removed(&mut self, ticket: &str) {
        self.board.remove(ticket);
        match self.chat_mut(ticket) {
            Some(chat) if !chat.is_open => self.chats.retain(|chat| chat.ticket != ticket),
            // It may have been released or transferred, and then closed before we were sent the change.
            Some(chat) if chat.state != Chat::Closed => chat.end(),
            _ => {}
        }
    }

    fn picked(&mut self, ticket: &str, frame: &Value, desk: &mut Desk<'_>) {
        let pending = self.pending.remove(ticket);
        let is_own_pick = pending.is_some_and(|pending| pending.kind == "pick_ticket");
        if self.chat(ticket).is_none() {
            self.chats.push(Conversation::new(ticket, false, Chat::Active));
        }
        if let Some(chat) = self.chat_mut(ticket) {
            (chat.state, chat.is_open) = (Chat::Active, true);
            chat.picked(frame["at"].as_u64().unwrap_or(0));
        }
        self.with_chat(ticket, desk, |chat, leave, desk| chat.resume(frame, leave, desk));
        if is_own_pick || self.shown.as_deref().is_none_or(|shown| shown == ticket) {
            self.show(Some(ticket), desk);
        }
    }
}

fn id_of(view: &Value) -> &str {
    view["ticket_id"].as_str().unwrap_or("")
}
