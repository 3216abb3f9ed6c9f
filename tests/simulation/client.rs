//! The client's end of a link: a browser's WebSocket, and the checks of what it receives.

use std::fmt::Write;

use deskwire::config::Millis;
use serde_json::Value;

use crate::codec;
use crate::figures::{HEAD, MESSAGES_BURST_S, PAYLOAD_BURST_S};
use crate::network::End;
use crate::pages::{Page, Staffer, Tab, Visitor};
use crate::plan::Setup;
use crate::rng::Rng;
use crate::roster::Roster;
use crate::websocket::{Decoder, Received};
use crate::world::{TOKEN, World};

/// How late a response may be because of the network.
const LATE: Millis = 1000;

/// Who has a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Tab(usize),
    /// Which adversary, and whether it is connected as a user.
    Adversary(usize, bool),
    /// A plain request, and the status of the response that it must get.
    Plain(u16),
    /// Forgotten by its page.
    Nobody,
}

pub struct Client {
    pub kind: Kind,
    pub decoder: Decoder,
    pub is_upgraded: bool,
    /// It has sent a close frame.
    pub has_closed: bool,
    pub code: Option<u16>,
    pub status: Option<u16>,
    pub is_over: bool,
    pub answers_pings: bool,
}

impl Client {
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            decoder: Decoder::default(),
            is_upgraded: false,
            has_closed: false,
            code: None,
            status: None,
            is_over: false,
            answers_pings: true,
        }
    }
}

impl World {
    /// Sends a text, sometimes in fragments with a ping in between.
    pub fn say(&mut self, link: usize, text: &str) {
        if self.clients[link].has_closed || self.clients[link].is_over {
            return;
        }
        self.note(|| format!("link {link} says {}", shorten(text)));
        let mut bytes = Vec::new();
        append_text(&mut bytes, text.as_bytes(), &mut self.rng);
        let mut shared = self.links[link].borrow_mut();
        if shared.up_end.is_some() {
            return;
        }
        shared.send(&bytes, self.now);
        if shared.note.breach.is_empty() {
            let end = shared.note.sent_bytes;
            shared.note.sent.push_back((end, text.into()));
        }
    }

    /// The client reads what has come.
    pub fn receive(&mut self, link: usize) {
        while let Some(received) = self.clients[link].decoder.next() {
            match received {
                Received::Upgraded(protocol) => {
                    self.clients[link].is_upgraded = true;
                    if protocol.as_deref() != Some("deskwire.v1") {
                        self.note_violation(|| format!("link {link}: subprotocol {protocol:?}"));
                    }
                }
                Received::Status(status) => self.receive_status(link, status),
                Received::Text(text) => self.receive_text(link, &text),
                Received::Ping(payload) if self.clients[link].answers_pings => {
                    let mut pong = Vec::new();
                    codec::append_frame(&mut pong, codec::FIN | codec::PONG, &payload, [9; 4]);
                    self.links[link].borrow_mut().send(&pong, self.now);
                }
                Received::Ping(_) => {}
                Received::Close(code) => self.receive_close(link, code),
                Received::Breach(what) => self.note_violation(|| format!("link {link}: {what}")),
            }
        }
    }

    /// A 408 must come 10 s after the connection was accepted: no earlier, and not much later.
    fn receive_status(&mut self, link: usize, status: u16) {
        self.clients[link].status = Some(status);
        let shared = self.links[link].borrow();
        let passed = self.now - shared.note.accepted_at;
        let latest = HEAD + shared.note.stopped_ms + LATE;
        let is_held_up = shared.note.was_slow || shared.note.blame.is_some();
        let is_wrong = passed < HEAD || (passed > latest && !is_held_up);
        drop(shared);
        if status == 408 && is_wrong {
            self.note_violation(|| format!("link {link} has had {passed} ms for its head"));
        }
    }

    fn receive_text(&mut self, link: usize, text: &[u8]) {
        let said = self.links[link].borrow_mut().note.emitted.pop_front();
        if said.as_deref() != Some(text) || self.clients[link].code.is_some() {
            return self.note_violation(|| {
                let said = said.map(|said| String::from_utf8_lossy(&said).into_owned());
                format!(
                    "link {link} received {}, and the desk had sent {said:?}",
                    String::from_utf8_lossy(text)
                )
            });
        }
        let Ok(frame) = serde_json::from_slice::<Value>(text) else { return };
        match self.clients[link].kind {
            Kind::Tab(tab) => {
                self.note(|| format!("link {link} hears {}", shorten(&frame.to_string())));
                let out = self.tabs[tab].receive(&frame, self.now, &mut self.ledger);
                self.send_from_tab(tab, out);
            }
            Kind::Adversary(adversary, as_user) => {
                self.adversaries[adversary].receive(&frame, as_user, &mut self.ledger);
            }
            _ => {}
        }
    }

    fn receive_close(&mut self, link: usize, code: Option<u16>) {
        let client = &mut self.clients[link];
        client.code = code.or(Some(1005));
        *self.server.hub.service.model.stories.closes.entry(code.unwrap_or(1005)).or_default() += 1;
        if !client.has_closed {
            client.has_closed = true;
            let mut answer = Vec::new();
            let payload = code.unwrap_or(1000).to_be_bytes();
            codec::append_frame(&mut answer, codec::FIN | codec::CLOSE, &payload, [11; 4]);
            self.links[link].borrow_mut().send(&answer, self.now);
        }
    }

    /// The server's side has ended.
    pub fn ended(&mut self, link: usize, how: End) {
        if self.clients[link].is_over {
            return;
        }
        self.note(|| format!("link {link} has ended: {how:?}"));
        self.clients[link].is_over = true;
        self.links[link].borrow_mut().end(how, true, self.now);
        self.check_end(link, how);
        let code = self.clients[link].code;
        if let Kind::Tab(tab) = self.clients[link].kind {
            self.tab_lost(tab, Some(code.unwrap_or(1006)));
        }
    }

    /// Checks how a connection ended: with a close frame, with a code that there is a reason for, and with whole frames.
    fn check_end(&mut self, link: usize, how: End) {
        let (client, shared) = (&self.clients[link], self.links[link].borrow());
        let (note, code) = (&shared.note, client.code);
        let mut problem = String::new();
        if let Kind::Plain(status) = client.kind {
            if note.blame.is_none() && !note.was_slow && client.status != Some(status) {
                let _ = write!(problem, "was answered {:?} instead of {status}", client.status);
            }
        } else if let Some(code) = code {
            let flood = |per_s, burst_s| match u64::from(per_s) {
                0 => u64::MAX,
                per_s => per_s * burst_s * 2000,
            };
            let bytes_flood = flood(self.setup.payload_bytes_per_s, PAYLOAD_BURST_S);
            let flood = flood(self.setup.messages_per_s, MESSAGES_BURST_S);
            // The message that exceeded the limit has not been counted here.
            let bytes_level = note.bytes_level + 1000 * self.setup.message_bytes_max as u64;
            let is_right = match code {
                1013 => note.was_stalled || (note.is_full && note.replaces.is_none()) || note.is_over,
                1008 => note.flooded && (note.level + 1000 >= flood || bytes_level >= bytes_flood),
                1000 | 1005 => note.blame.is_some(),
                _ => note.closes.contains(&code) || note.breach.contains(&code),
            };
            if !is_right {
                let _ = write!(problem, "was closed with {code} without a reason");
            }
        } else if note.blame.is_none() && !note.was_slow {
            let _ = write!(problem, "was ended without a close frame ({how:?}, {:?})", client.status);
        }
        if note.blame.is_none() && !note.was_slow && how == End::Fin && client.decoder.has_rest() {
            problem.push_str("was cut in the middle of a frame");
        }
        drop(shared);
        if !problem.is_empty() {
            self.note_violation(|| format!("link {link} {problem}"));
        }
    }
}

fn append_text(out: &mut Vec<u8>, text: &[u8], rng: &mut Rng) {
    let mask = (rng.next() as u32).to_be_bytes();
    if text.len() < 2 || !rng.one_in(8) {
        return codec::append_frame(out, codec::FIN | codec::TEXT, text, mask);
    }
    let (first, rest) = text.split_at(rng.below(text.len()));
    codec::append_frame(out, codec::TEXT, first, mask);
    if rng.one_in(2) {
        codec::append_frame(out, codec::FIN | codec::PING, b"between", mask);
    }
    codec::append_frame(out, codec::FIN | codec::CONTINUATION, rest, mask);
}

fn shorten(text: &str) -> String {
    const LENGTH_MAX: usize = 240;
    match text.char_indices().nth(LENGTH_MAX) {
        Some((end, _)) => format!("{}... ({} bytes)", &text[..end], text.len()),
        None => text.to_owned(),
    }
}

/// Makes a tab for each user and staff member.
pub fn new_tabs(setup: &Setup, roster: &Roster) -> Vec<Tab> {
    let mut tabs = Vec::new();
    for number in 0..setup.users {
        let mut visitor = Visitor::new(format!("user-{number}"));
        if setup.has_names && number % 2 == 0 {
            visitor.name = Some(format!("Ann \"{number}\" M\u{fc}ller"));
            visitor.came_from = Some("https://example.com/?a=1&b=\u{1F600}".to_owned());
        }
        tabs.push(Tab::new(Page::Visitor(visitor), tabs.len() as u64));
    }
    for number in 0..setup.staff {
        let id = format!("staff-{number}");
        let token = roster.token_of(&id).unwrap_or(TOKEN).to_owned();
        let mut staffer = Staffer::new(id, token);
        staffer.name = (setup.has_names && number != 1).then(|| format!("Sam \\ {number}"));
        tabs.push(Tab::new(Page::Staffer(staffer), tabs.len() as u64));
    }
    tabs
}
