//! A model of the two pages: a tab with its connection and what it shows. It repeats what frontend/*.js does, and
//! `tests/browser/agreement.rs` compares it with the real pages.

mod backoff;
mod composer;
mod conversation;
mod hold;
mod line;
mod recap;
mod record;
mod staffer;
mod visitor;

pub use conversation::{Chat, Conversation, Fate};
pub use line::{Due, Line, Status};
pub use record::{Act, Event, Moment};
pub use staffer::Staffer;
pub use visitor::Visitor;

use deskwire::config::Millis;
use serde_json::{Value, json};

use crate::ledger::Ledger;
use crate::rng::Rng;

/// A tab. It can be duplicated, and only its storage survives a reload.
#[derive(Clone)]
pub struct Tab {
    pub line: Line,
    pub page: Page,
    pub hidden: bool,
    /// It has a page.
    pub is_loaded: bool,
    /// Its new connections reach no server.
    pub is_cut_off: bool,
    /// Makes its messages' ids different from those of other tabs. Real pages choose at random.
    pub number: u64,
    pub now: Millis,
    /// What the desk's clock is ahead of its own, as the page knows it. Negative, since frames take time.
    clock_offset: i64,
    /// All that happened, if it is recorded.
    pub record: Option<Vec<Moment>>,
}

#[derive(Clone)]
#[allow(clippy::large_enum_variant, reason = "there are few of them")]
pub enum Page {
    Visitor(Visitor),
    Staffer(Staffer),
}

/// What a page needs to act: whether its connection is open and it is visible, and where its frames go.
pub struct Desk<'a> {
    pub is_open: bool,
    pub is_seen: bool,
    pub number: u64,
    pub now: Millis,
    /// The time of the desk's clock, as the page knows it.
    pub desk_now: Millis,
    pub out: &'a mut Vec<Value>,
    pub ledger: &'a mut Ledger,
}

/// Message ids for each millisecond, and so the most tabs that never choose the same id.
const IDS_A_MS: u64 = 64;

impl Desk<'_> {
    /// Returns the next message's id, at least `least`. Two tabs must not choose the same: the one whose message did not arrive
    /// would take the other's receipt for its own.
    fn id(&self, least: u64) -> u64 {
        let least = least.max(self.now * IDS_A_MS);
        least + (self.number + IDS_A_MS - least % IDS_A_MS) % IDS_A_MS
    }

    /// Sends a frame, if the connection is open.
    fn send(&mut self, frame: Value) {
        if self.is_open {
            self.out.push(frame);
        }
    }
}

impl Tab {
    pub fn new(page: Page, number: u64) -> Self {
        Self {
            line: Line::default(),
            page,
            hidden: false,
            is_loaded: false,
            is_cut_off: false,
            number,
            now: 0,
            clock_offset: 0,
            record: None,
        }
    }

    /// Handles an event. Returns what the page sends.
    fn happens(
        &mut self,
        event: Event,
        ledger: &mut Ledger,
        act: impl FnOnce(&mut Page, &mut Desk<'_>),
    ) -> Vec<Value> {
        let mut out = Vec::new();
        let is_open = self.line.status == Status::Open;
        let (is_seen, number, now) = (!self.hidden, self.number, self.now);
        let desk_now = now.saturating_add_signed(self.clock_offset);
        let mut desk = Desk { is_open, is_seen, number, now, desk_now, out: &mut out, ledger };
        act(&mut self.page, &mut desk);
        self.page.lock_composer(is_open);
        self.note(event, &out, 0.5);
        out
    }

    fn note(&mut self, event: Event, sent: &[Value], wait: f64) {
        if self.record.is_none() {
            return;
        }
        let (at, number, sent, shows) = (self.now, self.number, sent.to_vec(), self.shows());
        self.record.as_mut().expect("checked above").push(Moment { at, event, sent, wait, number, shows });
    }

    /// Returns what is seen of the page, in short.
    fn shows(&self) -> Value {
        let mut shows = self.page.shows(self.line.status == Status::Open);
        shows["line"] = match self.line.status {
            Status::Stopped => "stopped",
            Status::Connecting => "connecting",
            Status::Retrying => "retrying",
            Status::Open => "open",
        }
        .into();
        shows
    }

    /// Opens the page, or lets the open one connect again.
    pub fn start(&mut self, now: Millis) {
        self.now = now;
        self.line.start();
        let was_loaded = std::mem::replace(&mut self.is_loaded, true);
        let event = if was_loaded { Event::Starts } else { Event::Loads(!self.hidden) };
        self.note(event, &[], 0.5);
    }

    /// Closes the page; its storage stays.
    pub fn unload(&mut self, now: Millis) {
        self.now = now;
        self.line = Line::default();
        self.is_loaded = false;
        self.clock_offset = 0;
        match &mut self.page {
            Page::Visitor(visitor) => visitor.reload(),
            Page::Staffer(staffer) => staffer.reload(),
        }
        self.note(Event::Leaves, &[], 0.5);
    }

    /// The page has opened this socket.
    pub fn connected(&mut self, socket: usize, now: Millis) {
        self.line.connected(socket, now);
        self.now = now;
        let connects = json!({ "type": "connect", "path": self.path(), "secret": self.secret() });
        match self.record.as_mut().and_then(|record| record.last_mut()) {
            Some(last) if last.opens_socket() => last.sent.push(connects),
            _ => self.note(Event::Time, &[connects], 0.5),
        }
    }

    /// Nothing was received for a while: returns a ping.
    pub fn probe(&mut self, now: Millis) -> Vec<Value> {
        self.now = now;
        let ping = vec![json!({ "type": "ping" })];
        self.note(Event::Time, &ping, 0.5);
        ping
    }

    /// Handles a frame. Returns what the page sends.
    pub fn receive(&mut self, frame: &Value, now: Millis, ledger: &mut Ledger) -> Vec<Value> {
        self.now = now;
        self.line.receive(frame, now);
        if let ("welcome" | "pong", Some(desk)) =
            (frame["type"].as_str().unwrap_or(""), frame["now"].as_u64())
        {
            self.clock_offset = desk.cast_signed() - now.cast_signed();
        }
        self.happens(Event::Frame(frame.clone()), ledger, |page, desk| page.receive(frame, desk))
    }

    /// The socket was closed with this code; without one, the page has given it up. Returns the reason, and what the page sends.
    pub fn lost(
        &mut self,
        code: Option<u16>,
        now: Millis,
        rng: &mut Rng,
        ledger: &mut Ledger,
    ) -> (&'static str, Vec<Value>) {
        self.now = now;
        let was_open = self.line.status == Status::Open;
        let (why, wait) = self.line.lost(code.unwrap_or(1006), now, rng);
        let event = code.map_or(Event::Time, Event::Closed);
        let out = self.happens(event, ledger, |page, desk| page.line_lost(was_open, why, desk));
        if let Some(last) = self.record.as_mut().and_then(|record| record.last_mut()) {
            last.wait = wait;
        }
        (why, out)
    }

    /// Handles an action of the person at the page. Returns what the page sends.
    pub fn act(&mut self, act: &Act, now: Millis, ledger: &mut Ledger) -> Vec<Value> {
        self.now = now;
        let mut pings = false;
        if let Act::Look(looks) = act {
            self.hidden = !looks;
            pings = *looks && self.line.check_now(now);
        }
        self.happens(Event::Act(act.clone()), ledger, |page, desk| {
            if pings {
                desk.send(json!({ "type": "ping" }));
            }
            page.act(act, desk);
        })
    }

    /// Does what was put off until now. Returns what the page sends.
    pub fn go_on(&mut self, now: Millis, ledger: &mut Ledger) -> Vec<Value> {
        self.now = now;
        self.happens(Event::Time, ledger, Page::go_on)
    }

    /// Returns when the page or its connection has something to do.
    pub fn next_due(&self) -> Option<Millis> {
        self.line.next_due().into_iter().chain(self.page.next_due()).min()
    }

    pub fn path(&self) -> String {
        match &self.page {
            Page::Visitor(visitor) => format!("/ws/user/{}", visitor.id),
            Page::Staffer(staffer) => format!("/ws/staff/{}", staffer.id),
        }
    }

    pub fn secret(&self) -> Option<&str> {
        match &self.page {
            Page::Visitor(visitor) => visitor.session.as_deref(),
            Page::Staffer(staffer) => Some(&staffer.token),
        }
    }
}

impl Page {
    fn receive(&mut self, frame: &Value, desk: &mut Desk<'_>) {
        match self {
            Self::Visitor(visitor) => visitor.receive(frame, desk),
            Self::Staffer(staffer) => staffer.receive(frame, desk),
        }
    }

    fn act(&mut self, act: &Act, desk: &mut Desk<'_>) {
        match self {
            Self::Visitor(visitor) => visitor.act(act, desk),
            Self::Staffer(staffer) => staffer.act(act, desk),
        }
    }

    /// The connection is lost.
    fn line_lost(&mut self, was_open: bool, why: &'static str, desk: &mut Desk<'_>) {
        match self {
            Self::Visitor(visitor) => visitor.line_lost(was_open, desk),
            Self::Staffer(staffer) if was_open => staffer.line_lost(why, desk),
            Self::Staffer(_) => {}
        }
    }

    fn lock_composer(&mut self, is_open: bool) {
        let may_write = self.may_write(is_open);
        match self {
            Self::Visitor(visitor) if !may_write => visitor.composer.lock(),
            Self::Staffer(staffer) if !may_write && staffer.shown.is_some() => staffer.composer.lock(),
            _ => {}
        }
    }

    /// Whether something can be written in the chat that is on the screen.
    pub fn may_write(&self, is_open: bool) -> bool {
        match self {
            Self::Visitor(visitor) => visitor.may_write(is_open),
            Self::Staffer(staffer) => {
                staffer.shown.as_deref().is_some_and(|shown| staffer.may_write(shown, is_open))
            }
        }
    }

    /// Returns when something that was put off is due.
    pub fn next_due(&self) -> Option<Millis> {
        let own = match self {
            Self::Visitor(visitor) => visitor.next_due(),
            Self::Staffer(staffer) => staffer.next_due(),
        };
        self.chats().iter().filter_map(Conversation::next_due).chain(own).min()
    }

    fn go_on(&mut self, desk: &mut Desk<'_>) {
        match self {
            Self::Visitor(visitor) => visitor.go_on(desk),
            Self::Staffer(staffer) => staffer.go_on(desk),
        }
    }

    pub fn chats(&self) -> &[Conversation] {
        match self {
            Self::Visitor(visitor) => visitor.chat.as_slice(),
            Self::Staffer(staffer) => &staffer.chats,
        }
    }

    fn shows(&self, is_open: bool) -> Value {
        let mut shows = json!({ "chats": self.chats().iter().map(Conversation::shows).collect::<Vec<_>>() });
        match self {
            Self::Visitor(visitor) => {
                shows["asking"] = json!(visitor.asking);
                shows["score"] = json!(visitor.score);
                shows["rates"] = visitor.may_rate(is_open).into();
            }
            Self::Staffer(staffer) => {
                shows["online"] = staffer.online.into();
                shows["shown"] = json!(staffer.shown);
                shows["board"] = staffer.board.keys().map(String::as_str).collect();
                shows["colleagues"] = staffer.colleagues.iter().map(String::as_str).collect();
            }
        }
        let has_composer = match self {
            Self::Visitor(visitor) => visitor.chat.is_some(),
            Self::Staffer(staffer) => staffer.shown.is_some(),
        };
        shows["locked"] = if has_composer { json!(!self.may_write(is_open)) } else { Value::Null };
        shows
    }
}
