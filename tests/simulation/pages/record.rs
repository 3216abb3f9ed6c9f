//! What happens to a tab, and what its page does then: so that the real page can be asked to do the same
//! (`tests/browser/agreement.rs`).

use deskwire::config::Millis;
use serde_json::{Value, json};

/// What the person at a page does.
#[derive(Clone, Debug)]
pub enum Act {
    /// A user asks for help.
    Ask(String),
    CloseOwn,
    /// A text is sent in the chat that is on the screen.
    Write(String),
    /// The field for a text changes: something is in it, or nothing.
    Type(bool),
    /// A message that failed is sent again, with another text so that no text is said twice.
    Retry(String, String),
    GoOnline(bool),
    /// Staff press a button for a ticket; a transfer has a colleague and a note.
    Button(&'static str, String, Option<(String, String)>),
    /// Staff show a chat, or none.
    Show(Option<String>),
    /// The page is looked at, or hidden.
    Look(bool),
}

#[derive(Clone, Debug)]
pub enum Event {
    /// The page is opened, or loaded again: looked at or hidden.
    Loads(bool),
    Leaves,
    /// "Use it here."
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
    /// Which part of the longest wait is waited before the next try.
    pub wait: f64,
    /// What sets the tab's ids apart from those of others.
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

    /// Nothing came and nobody did anything.
    pub fn is_by_itself(&self) -> bool {
        matches!(self.event, Event::Time)
    }

    /// A socket that is opened next belongs to what opened it. A page opens it at once; a world whose process was stopped
    /// in between does so a moment later.
    pub fn opens_socket(&self) -> bool {
        matches!(self.event, Event::Loads(_) | Event::Starts | Event::Act(Act::Look(true)))
    }
}

impl Act {
    fn json(&self) -> Value {
        match self {
            Self::Ask(subject) => json!(["ask", subject]),
            Self::CloseOwn => json!(["closeOwn"]),
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
