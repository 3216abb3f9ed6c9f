//! staff.js, staff-board.js and staff-chats.js: the console.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::Desk;
use super::conversation::{Chat, Conversation, Leave};

#[derive(Clone)]
pub struct Staffer {
    pub id: String,
    pub token: String,
    pub name: Option<String>,
    pub online: bool,
    pub max_chats: usize,
    pub board: BTreeMap<String, Value>,
    pub colleagues: BTreeSet<String>,
    pub chats: BTreeMap<String, Conversation>,
    pub shown: Option<String>,
    wants_online: bool,
    asked: BTreeMap<String, &'static str>,
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
            chats: BTreeMap::new(),
            shown: None,
            wants_online: false,
            asked: BTreeMap::new(),
        }
    }

    pub fn reload(&mut self) {
        self.chats.values_mut().for_each(Conversation::reload);
        let kept = std::mem::replace(self, Self::new(self.id.clone(), self.token.clone()));
        (self.chats, self.shown, self.name) = (kept.chats, kept.shown, kept.name);
    }

    pub fn set_online(&mut self, online: bool, desk: &mut Desk<'_>) {
        self.wants_online = online;
        if desk.is_open {
            let mut frame = json!({ "type": if online { "go_online" } else { "go_offline" } });
            if let Some(name) = self.name.as_ref().filter(|_| online) {
                frame["name"] = name.as_str().into();
            }
            desk.out.push(frame);
        }
    }

    /// A click on a button: it is remembered, so that the answer can be told in words.
    pub fn act(&mut self, kind: &'static str, ticket: &str, more: Option<(&str, &str)>, desk: &mut Desk<'_>) {
        self.asked.insert(ticket.to_owned(), kind);
        let mut frame = json!({ "type": kind, "ticket_id": ticket });
        if let Some((to, note)) = more {
            frame["to"] = to.into();
            frame["note"] = note.into();
        }
        if desk.is_open {
            desk.out.push(frame);
        }
    }

    pub fn active(&self) -> Vec<String> {
        let is_active = |chat: &&Conversation| chat.is_open && chat.state == Chat::Active;
        self.chats.values().filter(is_active).map(|chat| chat.ticket.clone()).collect()
    }

    pub fn with_chat(
        &mut self,
        ticket: &str,
        desk: &mut Desk<'_>,
        act: impl FnOnce(&mut Conversation, Leave, &mut Desk<'_>),
    ) {
        let user_online = self.board.get(ticket).is_none_or(|ticket| ticket["user_online"] != false);
        let is_shown = self.shown.as_deref() == Some(ticket);
        if let Some(chat) = self.chats.get_mut(ticket) {
            let leave = Leave {
                can_send: desk.is_open && chat.state == Chat::Active && user_online,
                on_screen: is_shown && desk.is_seen && chat.state == Chat::Active,
            };
            act(chat, leave, desk);
        }
    }

    pub fn show(&mut self, ticket: Option<&str>, desk: &mut Desk<'_>) {
        self.shown = ticket
            .filter(|ticket| self.chats.get(*ticket).is_some_and(|chat| chat.is_open))
            .map(str::to_owned);
        self.look(desk);
    }

    pub fn look(&mut self, desk: &mut Desk<'_>) {
        if let Some(ticket) = self.shown.clone() {
            self.with_chat(&ticket, desk, Conversation::confirm);
        }
    }

    pub fn line_lost(&mut self, why: &'static str, desk: &mut Desk<'_>) {
        self.online = false;
        self.asked.clear();
        if why != "lost" {
            self.wants_online = false;
        }
        for ticket in self.opened() {
            self.with_chat(&ticket, desk, |chat, leave, desk| {
                if why == "elsewhere" {
                    chat.doubt(leave, desk);
                }
                chat.cut(leave, desk);
            });
        }
    }

    pub fn hear(&mut self, frame: &Value, desk: &mut Desk<'_>) {
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
                if self.chats.get(id_of(view)).is_some_and(|chat| chat.is_open) {
                    self.ticket_changed(view, desk);
                }
            }
            "ticket_removed" => self.removed(&ticket),
            "ticket_picked" => self.picked(&ticket, frame, desk),
            "ticket_closed" => {
                self.asked.remove(&ticket);
                if let Some(chat) = self.chats.get_mut(&ticket).filter(|chat| chat.is_open) {
                    chat.end();
                }
            }
            "message" => self.with_chat(&ticket, desk, |chat, leave, desk| chat.hear(frame, leave, desk)),
            "ack" => self.with_chat(&ticket, desk, |chat, leave, desk| chat.acknowledged(frame, leave, desk)),
            "delivered" => {
                self.with_chat(&ticket, desk, |chat, leave, desk| {
                    chat.delivered(frame["seq"].as_u64().unwrap_or(0), leave, desk);
                });
            }
            "error" if frame["code"] == "rate_limited" && frame["id"].is_null() => {
                self.asked.remove(&ticket);
                self.with_chat(&ticket, desk, |chat, _, desk| chat.receipt_refused(desk));
            }
            "error" => match frame["id"].as_u64() {
                Some(id) => {
                    let code = frame["code"].as_str().unwrap_or("");
                    self.with_chat(&ticket, desk, |chat, leave, desk| chat.refused((id, code), leave, desk));
                }
                None => _ = self.asked.remove(&ticket),
            },
            _ => {}
        }
    }

    /// Does what was put off until now, in each chat.
    pub fn go_on(&mut self, desk: &mut Desk<'_>) {
        for ticket in self.chats.keys().cloned().collect::<Vec<_>>() {
            self.with_chat(&ticket, desk, Conversation::go_on);
        }
    }

    fn opened(&self) -> Vec<String> {
        self.chats.values().filter(|chat| chat.is_open).map(|chat| chat.ticket.clone()).collect()
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
            if let Some(chat) = self.chats.get_mut(&ticket).filter(|chat| chat.state == Chat::Active) {
                chat.state = Chat::Repick;
            }
            if let Some(view) = self.board.get(&ticket).cloned() {
                self.ticket_changed(&view, desk);
            }
        }
        let gone: Vec<String> =
            self.chats.keys().filter(|id| !self.board.contains_key(*id)).cloned().collect();
        for ticket in gone {
            match self.chats.get_mut(&ticket) {
                Some(chat) if chat.is_open && chat.state != Chat::Closed => chat.end(),
                Some(chat) if chat.is_open => {}
                _ => _ = self.chats.remove(&ticket),
            }
        }
        if self.wants_online {
            self.set_online(true, desk);
        }
    }

    /// Going offline takes the chats off the screen; their tickets stay in the list, paused.
    fn present(&mut self, online: bool, desk: &mut Desk<'_>) {
        if self.online && !online {
            for ticket in self.opened() {
                if let Some(chat) = self.chats.get_mut(&ticket).filter(|chat| chat.state == Chat::Active) {
                    chat.state = Chat::Repick;
                }
                self.with_chat(&ticket, desk, Conversation::cut);
                self.leave(&ticket);
            }
        }
        (self.online, self.wants_online) = (online, online);
    }

    fn leave(&mut self, ticket: &str) {
        if let Some(chat) = self.chats.get_mut(ticket) {
            chat.is_open = false;
        }
        if !self.board.contains_key(ticket) {
            self.chats.remove(ticket);
        }
        if self.shown.as_deref() == Some(ticket) {
            self.shown = self.opened().first().cloned();
        }
    }

    fn ticket_changed(&mut self, view: &Value, desk: &mut Desk<'_>) {
        let ticket = id_of(view).to_owned();
        let Some(chat) = self.chats.get_mut(&ticket).filter(|chat| chat.state != Chat::Closed) else {
            return;
        };
        let is_others = view["staff_id"] != *self.id;
        if view["state"] == "active" && is_others {
            chat.state = Chat::Taken;
            self.with_chat(&ticket, desk, Conversation::doubt);
            if self.asked.remove(&ticket) == Some("transfer_ticket") {
                self.leave(&ticket);
            }
            return;
        }
        if view["state"] == "waiting" && self.asked.get(&ticket) == Some(&"release_ticket") {
            self.asked.remove(&ticket);
            chat.state = Chat::Repick;
            return self.leave(&ticket);
        }
        if view["state"] != "active" {
            chat.state = Chat::Repick;
            if is_others && view["staff_id"].is_string() {
                self.with_chat(&ticket, desk, Conversation::doubt);
            }
        }
        self.with_chat(&ticket, desk, Conversation::pump);
    }

    fn removed(&mut self, ticket: &str) {
        self.board.remove(ticket);
        match self.chats.get_mut(ticket) {
            Some(chat) if !chat.is_open => _ = self.chats.remove(ticket),
            // It may have been released or transferred, and closed before we were told that.
            Some(chat) if chat.state != Chat::Closed => {
                chat.end();
                self.asked.remove(ticket);
            }
            _ => {}
        }
    }

    fn picked(&mut self, ticket: &str, frame: &Value, desk: &mut Desk<'_>) {
        let asked = self.asked.remove(ticket).is_some();
        let new = || Conversation::new(ticket, false, Chat::Active);
        let chat = self.chats.entry(ticket.to_owned()).or_insert_with(new);
        (chat.state, chat.is_open) = (Chat::Active, true);
        self.with_chat(ticket, desk, |chat, leave, desk| chat.resume(frame, leave, desk));
        if asked || self.shown.is_none() {
            self.show(Some(ticket), desk);
        }
    }
}

fn id_of(view: &Value) -> &str {
    view["ticket_id"].as_str().unwrap_or("")
}
