//! Adversaries: other people's ids, wrong secrets, wrong tickets, malformed frames, floods, silence.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::client::Kind;
use crate::codec::{self, BINARY, CLOSE, CONTINUATION, FIN, PING, TEXT};
use crate::ledger::{Ledger, UNSURE};
use crate::network::End;
use crate::plan::Setup;
use crate::rng::Rng;
use crate::websocket;
use crate::world::{OTHER_ORIGINS, TOKEN, World};

/// The text of an adversary's recaps, which must not be written to a disk. A page's recaps have the texts of messages, which a
/// journal has.
pub const NOT_KEPT: &str = "it is said that";

const FOREIGN_ORIGINS: [&str; 6] = [
    "https://evil.example",
    "http://desk.evil.example",
    "https://shop.example.evil.example",
    "https://shop.example:8443",
    "http://desk:81",
    "desk",
];

pub struct Adversary {
    is_user: bool,
    /// Whether it is connected as a user at present.
    as_user: bool,
    session: Option<String>,
    link: Option<usize>,
    /// The last `seq` that it has read, by ticket.
    received: BTreeMap<String, u64>,
    next_id: u64,
}

impl Adversary {
    /// One that connects as a user, and one that has a staff token.
    pub fn all(setup: &Setup) -> Vec<Self> {
        let new = |is_user| Self {
            is_user,
            as_user: is_user,
            session: None,
            link: None,
            received: BTreeMap::new(),
            next_id: 1,
        };
        if setup.has_adversaries { vec![new(true), new(false)] } else { Vec::new() }
    }

    pub fn receive(&mut self, frame: &Value, as_user: bool, ledger: &mut Ledger) {
        if frame["type"] == "message" {
            let ticket = frame["ticket_id"].as_str().unwrap_or("");
            ledger.show(frame["text"].as_str().unwrap_or(""), ticket, as_user);
            let received = self.received.entry(ticket.to_owned()).or_default();
            *received = (*received).max(frame["seq"].as_u64().unwrap_or(0));
        } else if frame["type"] == "welcome" && frame["user_id"] == "mallory" {
            self.session = frame["session"].as_str().map(str::to_owned);
        }
    }
}

impl World {
    pub fn attack(&mut self) {
        if self.adversaries.is_empty() {
            return;
        }
        let who = self.rng.below(self.adversaries.len());
        let link = self.adversaries[who].link.filter(|link| !self.clients[*link].is_over);
        let Some(link) = link else { return self.break_in(who) };
        match self.rng.below(24) {
            0 | 10 | 11 | 12 => self.break_the_rules(link),
            1 => self.flood(link),
            9 => self.ask_for_much(link),
            8 if self.adversaries[who].as_user => self.open_and_close(link),
            2 => {
                self.links[link].borrow_mut().note.blame.get_or_insert("it answers no ping");
                self.clients[link].answers_pings = false;
            }
            3 => {
                // Ends its side and reads on.
                let mut shared = self.links[link].borrow_mut();
                shared.note.blame.get_or_insert("it ended its side");
                shared.end(End::Fin, false, self.now);
            }
            4 => self.leave(link, Some(End::Reset)),
            5 => self.leave(link, None),
            6 => self.ask_plainly(),
            7 => self.break_in(who),
            _ => {
                for _ in 0..1 + self.rng.below(3) {
                    let frame = self.odd_frame(who);
                    self.say(link, &frame);
                    if frame.contains("rate_ticket") {
                        self.say(link, &frame); // a page rates once
                    }
                }
            }
        }
    }

    /// Connects: under its own id, or under another one without its secret.
    fn break_in(&mut self, who: usize) {
        let link = self.dial_from_afar(Kind::Nobody);
        let is_user = self.adversaries[who].is_user;
        let session = self.adversaries[who].session.clone();
        let foreign = self.rng.below(3);
        let (path, secret) = match self.rng.below(7) {
            // Another staff member's token.
            6 if self.setup.has_staff_file => (format!("/ws/staff/staff-{foreign}"), Some(TOKEN.to_owned())),
            0 => (format!("/ws/user/user-{foreign}"), None),
            1 => (format!("/ws/user/user-{foreign}"), Some("00000000000000000000000000000000".to_owned())),
            2 => (format!("/ws/staff/staff-{foreign}"), Some("a-wrong-token".to_owned())),
            _ if is_user => ("/ws/user/mallory".to_owned(), session),
            _ => ("/ws/staff/mort".to_owned(), Some(TOKEN.to_owned())),
        };
        self.clients[link].kind = Kind::Adversary(who, path.starts_with("/ws/user"));
        let adversary = &mut self.adversaries[who];
        (adversary.link, adversary.as_user) = (Some(link), path.starts_with("/ws/user"));
        adversary.next_id = 1;
        let mut protocols = vec!["deskwire.v1".to_owned()];
        protocols.extend(secret.map(|secret| format!("secret.{secret}")));
        self.note(|| format!("link {link}: an adversary connects to {path}"));
        self.links[link].borrow_mut().send(&websocket::head(&path, &protocols), self.now);
        // Right behind the head, before the server can have answered it.
        for _ in 0..self.rng.below(3) {
            let frame = self.odd_frame(who);
            self.say(link, &frame);
        }
    }

    /// A new link, from an address that has a limit.
    fn dial_from_afar(&mut self, kind: Kind) -> usize {
        let link = self.dial(kind);
        self.links[link].borrow_mut().is_remote = true;
        link
    }

    /// Sends a plain request, valid or not.
    fn ask_plainly(&mut self) {
        let long = format!("GET /healthz HTTP/1.1\r\nHost: desk\r\nX: {}\r\n\r\n", "x".repeat(9000));
        let upgrade = String::from_utf8_lossy(&websocket::head("/ws/user/a%20b", &[])).into_owned();
        let others = &OTHER_ORIGINS[self.setup.allowed_origins..];
        let foreign: Vec<&str> = FOREIGN_ORIGINS.iter().chain(others).copied().collect();
        let foreign = *self.rng.pick(&foreign);
        let foreign = websocket::head_from("/ws/user/ann", &["deskwire.v1".to_owned()], Some(foreign));
        let foreign = String::from_utf8_lossy(&foreign).into_owned();
        let requests = [
            (403, &foreign as &str),
            (200, "GET /healthz HTTP/1.1\r\nHost: desk\r\n\r\n"),
            (200, "GET /staff HTTP/1.1\r\nHost: desk\r\nAccept-Encoding: gzip\r\n\r\n"),
            (404, "GET /nothing HTTP/1.1\r\nHost: desk\r\n\r\n"),
            (405, "POST / HTTP/1.1\r\nHost: desk\r\n\r\n"),
            (426, "GET /ws/user/ann HTTP/1.1\r\nHost: desk\r\n\r\n"),
            (400, "GET / HTTP/1.1\r\n\r\n"),
            (400, "\x16\x03\x01"),
            (408, "GET / HTTP/1.1\r\nHost: de"),
            (431, &long),
            (400, &upgrade),
        ];
        let (status, request) = *self.rng.pick(&requests);
        let link = self.dial_from_afar(Kind::Plain(status));
        let ends = status != 408 && self.rng.one_in(3);
        let mut shared = self.links[link].borrow_mut();
        shared.send(request.as_bytes(), self.now);
        if ends {
            shared.end(End::Fin, false, self.now);
        }
    }

    fn flood(&mut self, link: usize) {
        {
            let note = &mut self.links[link].borrow_mut().note;
            note.flooded = true;
            note.blame.get_or_insert("it floods");
        }
        let text = *self.rng.pick(&[r#"{"type":"typing","active":true}"#, r#"{"type":"go_online"}"#, "[]"]);
        for _ in 0..90 + self.rng.below(250) {
            self.say(link, text);
        }
    }

    /// Sends requests with long answers, on a link that reads them slowly.
    fn ask_for_much(&mut self, link: usize) {
        let rate = *self.rng.pick(&[300, 40_000, 2_000_000]);
        {
            let mut shared = self.links[link].borrow_mut();
            shared.throttle(Some(rate));
            shared.note.flooded = true;
            shared.note.blame.get_or_insert("it floods"); // which it does if this happens more than once
        }
        let kind = if self.rng.one_in(2) { "pick_ticket" } else { "of no kind" };
        let frame = json!({ "type": kind, "ticket_id": "x".repeat(15_000) }).to_string();
        for _ in 0..4 + self.rng.below(14) {
            self.say(link, &frame);
        }
    }

    /// Opens and closes tickets; once, that is within the rate limit.
    fn open_and_close(&mut self, link: usize) {
        {
            // If it happens again while the process is frozen, it is a flood.
            let note = &mut self.links[link].borrow_mut().note;
            note.flooded = true;
            note.blame.get_or_insert("it floods");
        }
        for _ in 0..10 + self.rng.below(40) {
            for _ in 0..1 + self.rng.below(2) {
                self.say(link, r#"{"type":"create_ticket","subject":"again"}"#);
            }
            self.say(link, r#"{"type":"close_ticket"}"#);
        }
    }

    /// Violates RFC 6455 or a limit, and notes the code that the connection has to be closed with.
    fn break_the_rules(&mut self, link: usize) {
        let (code, bytes) = violation(&mut self.rng, self.setup.message_bytes_max);
        let client = &self.clients[link];
        let mut shared = self.links[link].borrow_mut();
        if client.has_closed || shared.up_end.is_some() {
            return;
        }
        shared.note.breach.push(code);
        shared.send(&bytes, self.now);
        shared.note.breach_end = shared.note.sent_bytes;
        drop(shared);
        self.note(|| format!("link {link} breaks the rules, for {code}"));
    }

    /// Makes a frame that is valid but makes no sense, or is not valid.
    fn odd_frame(&mut self, who: usize) -> String {
        let rng = &mut self.rng;
        let open: Vec<String> =
            self.server.hub.service.model.tickets.iter().map(|ticket| ticket.id.clone()).collect();
        let unrated = self.server.hub.service.model.unrated();
        let ticket = match rng.below(6) {
            0 => "0000-0000".to_owned(),
            1 => "no such ticket".to_owned(),
            _ if open.is_empty() => "7K2M-Q4XH".to_owned(),
            _ => rng.pick(&open).clone(),
        };
        let adversary = &mut self.adversaries[who];
        let received = adversary.received.get(&ticket).copied().unwrap_or(0);
        match rng.below(29) {
            27 | 28 => odd_rating(rng, ticket, &unrated),
            24..=26 => odd_recap(rng, &ticket),
            0..=4 => {
                let id =
                    *rng.pick(&[0, 1, adversary.next_id, adversary.next_id, adversary.next_id + 3, 1 << 60]);
                adversary.next_id = (id + 1).min(1 << 50);
                let place = if adversary.as_user { UNSURE } else { &ticket };
                let text = self.ledger.text(place, adversary.as_user, 0, "");
                let long = "x".repeat(4001);
                let text = *rng.pick(&[&text, &text, &text, "", &long]);
                json!({ "type": "message", "ticket_id": ticket, "id": id, "text": text })
            }
            5 | 6 => {
                // It confirms nothing that it has not been sent: the model could not tell that from a page's receipt.
                let seq = *rng.pick(&[received, received, 0, 1 << 40]);
                json!({ "type": "delivered", "ticket_id": ticket, "seq": seq })
            }
            7 => json!({ "type": "typing", "ticket_id": ticket, "active": rng.one_in(2) }),
            8 => json!({ "type": "close_ticket", "ticket_id": ticket }),
            9 | 10 => {
                let long = "x".repeat(201);
                json!({ "type": "create_ticket", "subject": *rng.pick(&["s", "", "\u{e9}\n", &long]) })
            }
            11 | 12 => json!({ "type": "go_online" }),
            13 => json!({ "type": "go_offline" }),
            14..=16 => json!({ "type": "pick_ticket", "ticket_id": ticket }),
            17 => json!({ "type": "release_ticket", "ticket_id": ticket }),
            18 => odd_transfer(rng, &ticket),
            19 => json!({ "type": "message", "ticket_id": ticket, "id": 7 }),
            20 => json!({ "type": "delivered", "ticket_id": 5, "seq": -1 }),
            21 => json!({ "type": rng.pick(&["welcome", "ping", ""]), "id": 9 }),
            22 => json!([{ "type": "typing" }]),
            _ => {
                return (*rng.pick(&[
                    "",
                    "{",
                    "null",
                    "{\"type\":\"message\",\"id\":1,\"text\":\"\\ud800\"}",
                    "\u{1F600}",
                ]))
                .to_owned();
            }
        }
        .to_string()
    }
}

/// Frames that violate RFC 6455 or this protocol, with the code that each has to be closed with.
const VIOLATIONS: [(u16, u8, &[u8]); 14] = [
    (1003, FIN | BINARY, b"binary"),
    (1003, FIN | BINARY, b""),
    (1003, FIN | BINARY, b"{\"type\":\"ping\"}"),
    (1007, FIN | TEXT, b"\xff\xfe"),
    (1007, FIN | TEXT, b"\xed\xa0\x80"), // half of a pair
    (1007, FIN | TEXT, b"\xf0\x9f\x98"), // not to its end
    (1002, FIN | 3, b"of no kind"),
    (1002, FIN | 0x40 | TEXT, b"{}"),
    (1002, PING, b"in pieces"),
    (1002, FIN | PING, &[0; 126]),
    (1002, FIN | CONTINUATION, b"of nothing"),
    (1002, FIN | CLOSE, &[3]),
    (1002, FIN | CLOSE, &[3, 0xED]), // 1005
    (1002, FIN | CLOSE, &[0, 1]),
];

/// Makes bytes that violate RFC 6455 or a limit. Returns them with the code that the connection has to be closed with.
fn violation(rng: &mut Rng, message_bytes_max: usize) -> (u16, Vec<u8>) {
    let mut bytes = Vec::new();
    let mask = (rng.next() as u32).to_be_bytes();
    let code = match rng.below(16) {
        0 => {
            codec::append_header(&mut bytes, FIN | TEXT, message_bytes_max as u64 + 1, Some(mask));
            1009
        }
        1 => {
            codec::append_header(&mut bytes, FIN | TEXT, 1 << 62, Some(mask));
            1009
        }
        2 => {
            for first in [TEXT, CONTINUATION, CONTINUATION] {
                codec::append_frame(&mut bytes, first, &vec![b'x'; message_bytes_max / 3 + 1], mask);
            }
            1009
        }
        3 => {
            bytes.extend(b"\x81\x02hi"); // not masked
            1002
        }
        4 => {
            codec::append_frame(&mut bytes, TEXT, b"{", mask);
            codec::append_frame(&mut bytes, FIN | TEXT, b"{}", mask);
            1002
        }
        _ => {
            let (code, first, payload) = *rng.pick(&VIOLATIONS);
            codec::append_frame(&mut bytes, first, payload, mask);
            code
        }
    };
    (code, bytes)
}

/// Makes a rating of this ticket, or of one that may be rated.
fn odd_rating(rng: &mut Rng, ticket: String, unrated: &[String]) -> Value {
    let score = rng.pick(&[json!(0), json!(1), json!(5), json!(6), json!(256), json!("5")]).clone();
    let ticket = if unrated.is_empty() { ticket } else { rng.pick(unrated).clone() };
    json!({ "type": "rate_ticket", "ticket_id": ticket, "score": score })
}

fn odd_recap(rng: &mut Rng, ticket: &str) -> Value {
    let line = json!({ "from": "staff", "name": "the boss", "text": NOT_KEPT, "at": 7 });
    let lines = json!(vec![line; *rng.pick(&[0, 1, 1, 2, 100, 101])]);
    let lines =
        rng.pick(&[lines.clone(), lines.clone(), lines, json!([{ "from": "me" }]), json!(null)]).clone();
    json!({ "type": "recap", "ticket_id": ticket, "lines": lines })
}

fn odd_transfer(rng: &mut Rng, ticket: &str) -> Value {
    let to = *rng.pick(&["staff-0", "staff-1", "mort", "nobody", ""]);
    let note = rng.pick(&[json!(null), json!("n"), json!(""), json!(5), json!("x".repeat(501))]).clone();
    json!({ "type": "transfer_ticket", "ticket_id": ticket, "to": to, "note": note })
}
