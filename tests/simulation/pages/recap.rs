//! user-history.js and staff-recap.js: the chat so far, from the user's page to the staff member who has just picked it.

use deskwire::config::Millis;
use serde_json::{Value, json};

use super::conversation::{Conversation, Entry, Fate};

/// The most lines of a recap, and the most bytes of their JSON, each with the comma behind it.
const LINES_MAX: usize = 100;
const BYTES_MAX: usize = 15_000;
/// A line is the message that the console has if its text is the same and its time differs by less.
const SAME: Millis = 60_000;

/// Returns the last lines that are on both screens, as the user's page has them.
pub fn lines(chat: &Conversation, name: Option<&str>) -> Vec<Value> {
    let seen = chat.entries.iter().filter(|entry| !entry.is_mine || entry.fate == Fate::Delivered);
    let mut bytes = 0;
    let fits = |line: &Value| {
        bytes += line.to_string().len() + 1;
        bytes <= BYTES_MAX
    };
    let mut lines: Vec<Value> =
        seen.rev().take(LINES_MAX).map(|entry| line(entry, name)).take_while(fits).collect();
    lines.reverse();
    lines
}

fn line(entry: &Entry, name: Option<&str>) -> Value {
    let (from, name) = if entry.is_mine { ("user", name) } else { ("staff", entry.sender.as_deref()) };
    let mut line = json!({ "from": from, "text": entry.text, "at": entry.at });
    if let Some(name) = name {
        line["name"] = name.into();
    }
    line
}

impl Conversation {
    /// The chat is assigned to this console: a recap belongs before what follows.
    pub fn picked(&mut self, at: Millis) {
        (self.picked_at, self.picked_place) = (at, self.entries.len());
    }

    /// Puts in the lines that the console does not have.
    pub fn recap(&mut self, lines: &[Value]) {
        let knows = |line: &Value| {
            let (text, at) = (line["text"].as_str(), line["at"].as_u64().unwrap_or(0));
            let is_it = |entry: &Entry| Some(&*entry.text) == text && entry.at.abs_diff(at) < SAME;
            self.entries.iter().any(is_it)
        };
        let unseen = lines.iter().filter(|line| !knows(line)).map(|line| Entry {
            is_recap: true,
            is_by_colleague: line["from"] == "staff",
            at: line["at"].as_u64().unwrap_or(0),
            ..Entry::theirs(line["text"].as_str().unwrap_or(""))
        });
        let unseen: Vec<Entry> = unseen.collect();
        let before = &self.entries[..self.picked_place];
        let place = before.iter().position(|entry| entry.at >= self.picked_at).unwrap_or(before.len());
        for (nth, entry) in unseen.into_iter().enumerate() {
            self.insert(place + nth, entry);
        }
    }
}
