//! A record of what happens to a tab and what its page does, with which `tests/browser/agreement.rs` compares the real page.

use deskwire::config::Millis;
use serde_json::{Value, json};

/// What the person at a page does.
#[derive(Clone, Debug)]
pub enum Act {
    /// A user opens a ticket with this subject.
    Ask(String),
    CloseOwn,
    /// A user rates the ticket that has ended.
    Rate(u64),
    /// Sends a text in the chat that is on the screen.
    Write(String),
    /// Changes the text field; true if it is not empty.
    Type(bool),
    /// Sends a failed message of a ticket again, with another text, since the ledger allows each text only once.
    Retry(String, String),
    GoOnline(bool),
    /// Staff press a ticket's button, by the type of its frame; a transfer has a colleague and a note.
    Button(&'static str, String, Option<(String, String)>),
    /// Staff show a chat, or none.
    Show(Option<String>),
    /// Makes the page visible, or hides it.
    Look(bool),
}

#[derive(Clone, Debug)]
pub enum Event {
    /// The page is loaded; true if it is visible.
    Loads(bool),
    Leaves,
    /// The button with which another tab takes over.
    Starts,
    Frame(Value),
    Closed(u16),
    Act(Act),
    /// Time has passed.
    Time,
}

#[derive(Clone, Debug)]
pub struct Moment {
    pub at: Millis,
    pub event: Event,
    /// Frames, and a `connect` for each new socket.
    pub sent: Vec<Value>,
    /// The wait before the next try, as a fraction of the longest one.
    pub wait: f64,
    /// The tab's number, from which it makes its message ids.
    pub number: u64,
    pub shows: Value,
}

impl Moment {
    pub fn json(&self) -> Value {
        let (kind, of) = match &self.event {
            Event::Loads(is_seen) => ("loads", json!(is_seen)),
            Event::Leaves => ("leaves", json!(null)),
            Event::Starts => ("starts", json!(null)),
            Event::Frame(frame) => ("frame", frame.clone()),
            Event::Closed(code) => ("closed", json!(code)),
            Event::Act(act) => ("act", act.json()),
            Event::Time => ("time", json!(null)),
        };
        json!({ "at": self.at, "event": kind, "of": of, "sent": self.sent, "wait": self.wait, "number": self.number,
            "shows": self.shows })
    }

    /// Whether only time has passed.
    pub fn is_by_itself(&self) -> bool {
        matches!(self.event, Event::Time)
    }

    /// Whether the next socket is opened because of this. A page opens it at once; the simulated one may do so a moment later.
    pub fn opens_socket(&self) -> bool {
        matches!(self.event, Event::Loads(_) | Event::Starts | Event::Act(Act::Look(true)))
    }
}

impl Act {
    fn json(&self) -> Value {
        match self {
            Self::Ask(subject) => json!(["ask", subject]),
            Self::CloseOwn => json!(["closeOwn"]),
            Self::Rate(score) => json!(["rate", score]),
            Self::Write(text) => json!(["write", text]),
            Self::Type(is_something) => json!(["type", is_something]),
            Self::Retry(ticket, text) => json!(["retry", ticket, text]),
            Self::GoOnline(online) => json!(["goOnline", online]),
            Self::Button(kind, ticket, None) => json!(["button", kind, ticket, {}]),
            Self::Button(kind, ticket, Some((to, note))) => {
                json!(["button", kind, ticket, { "to": to, "note": note }])
            }
            Self::Show(ticket) => json!(["show", ticket]),
            Self::Look(looks) => json!(["look", looks]),
        }
    }
}
