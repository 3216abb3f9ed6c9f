//! The two pages, as far as they speak to the desk: a tab with its line and what it shows. After frontend/*.js.

mod backoff;
mod conversation;
mod line;
mod staffer;
mod visitor;

pub use conversation::{Chat, Conversation, Fate, Leave};
pub use line::{Due, Line, Status};
pub use staffer::Staffer;
pub use visitor::{NOT_KEPT, Visitor};

use deskwire::config::Millis;
use serde_json::Value;

use crate::ledger::Ledger;

/// A tab: it can be duplicated, and its storage is all that a reload leaves of it.
#[derive(Clone)]
pub struct Tab {
    pub line: Line,
    pub page: Page,
    pub hidden: bool,
    /// Nothing that it sends arrives anywhere.
    pub is_cut_off: bool,
    /// What sets its messages' ids apart from those of other tabs; `None` counts them from 1.
    pub number: Option<u64>,
    pub now: Millis,
}

#[derive(Clone)]
pub enum Page {
    Visitor(Visitor),
    Staffer(Staffer),
}

/// What a page acts on: whether its line is open, whether it is looked at, and where its frames go.
pub struct Desk<'a> {
    pub is_open: bool,
    pub is_seen: bool,
    pub number: Option<u64>,
    pub now: Millis,
    pub out: &'a mut Vec<Value>,
    pub ledger: &'a mut Ledger,
}

/// Ids of messages, a millisecond; so many tabs can be told apart.
const IDS_A_MS: u64 = 64;

impl Desk<'_> {
    /// The next message's id, from `least` on. Two tabs that know nothing of each other must not choose the same: the
    /// one whose message did not arrive would take the other's receipt for its own.
    fn id(&self, least: u64) -> u64 {
        match self.number {
            Some(number) => {
                let least = least.max(self.now * IDS_A_MS);
                least + (number + IDS_A_MS - least % IDS_A_MS) % IDS_A_MS
            }
            None => least,
        }
    }
}

impl Tab {
    pub fn new(page: Page, number: u64) -> Self {
        Self { line: Line::default(), page, hidden: false, is_cut_off: false, number: Some(number), now: 0 }
    }

    /// Calls `act` with the page and its desk, and gives what it sends.
    pub fn act<T>(
        &mut self,
        ledger: &mut Ledger,
        act: impl FnOnce(&mut Page, &mut Desk<'_>) -> T,
    ) -> (T, Vec<Value>) {
        let mut out = Vec::new();
        let is_open = self.line.status == Status::Open;
        let mut desk = Desk {
            is_open,
            is_seen: !self.hidden,
            number: self.number,
            now: self.now,
            out: &mut out,
            ledger,
        };
        let result = act(&mut self.page, &mut desk);
        (result, out)
    }

    /// A frame has come; what the page answers.
    pub fn hear(&mut self, frame: &Value, now: Millis, ledger: &mut Ledger) -> Vec<Value> {
        self.now = now;
        self.line.hear(frame, now);
        self.act(ledger, |page, desk| page.hear(frame, desk)).1
    }

    pub fn reload(&mut self) {
        self.line = Line::default();
        match &mut self.page {
            Page::Visitor(visitor) => visitor.reload(),
            Page::Staffer(staffer) => staffer.reload(),
        }
    }

    /// When the page or its line has something to do.
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
    fn hear(&mut self, frame: &Value, desk: &mut Desk<'_>) {
        match self {
            Self::Visitor(visitor) => visitor.hear(frame, desk),
            Self::Staffer(staffer) => staffer.hear(frame, desk),
        }
    }

    /// The line is open no longer.
    pub fn line_lost(&mut self, why: &'static str, desk: &mut Desk<'_>) {
        match self {
            Self::Visitor(visitor) => visitor.line_lost(why, desk),
            Self::Staffer(staffer) => staffer.line_lost(why, desk),
        }
    }

    /// When something that was put off is to be done.
    pub fn next_due(&self) -> Option<Millis> {
        let asking = match self {
            Self::Visitor(visitor) => visitor.ask_again.due(),
            Self::Staffer(_) => None,
        };
        self.chats().into_iter().filter_map(Conversation::next_due).chain(asking).min()
    }

    /// Does what was put off until now.
    pub fn go_on(&mut self, desk: &mut Desk<'_>) {
        match self {
            Self::Visitor(visitor) => {
                visitor.with_chat(desk, Conversation::go_on);
                visitor.go_on(desk);
            }
            Self::Staffer(staffer) => staffer.go_on(desk),
        }
    }

    pub fn look(&mut self, desk: &mut Desk<'_>) {
        match self {
            Self::Visitor(visitor) => visitor.look(desk),
            Self::Staffer(staffer) => staffer.look(desk),
        }
    }

    pub fn chats(&self) -> Vec<&Conversation> {
        match self {
            Self::Visitor(visitor) => visitor.chat.iter().collect(),
            Self::Staffer(staffer) => staffer.chats.values().collect(),
        }
    }
}
