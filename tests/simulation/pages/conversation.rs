//! conversation.js: one ticket's chat as data: its messages, which of them are still to be sent, and which are confirmed.

use deskwire::config::Millis;
use serde_json::{Value, json};

use super::Desk;
use super::hold::{Hold, RATE_LIMITED, UNREAD_LIMIT};

/// Receipts are gathered for this time; one that was refused is sent again after a longer one.
const RECEIPT: Millis = 100;
const RECEIPT_AGAIN: Millis = 2000;
/// How many messages are compared with those of a real page, which keeps only the last ones of a long chat.
const SHOWN_MAX: usize = 100;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Queued,
    Sending,
    Sent,
    Delivered,
    Failed,
}

#[derive(Clone, Debug)]
pub struct Entry {
    pub key: u64,
    pub text: String,
    pub is_mine: bool,
    pub fate: Fate,
    pub id: Option<u64>,
    pub seq: Option<u64>,
    pub at: Millis,
    /// The name of the other side, or the id of one without a name.
    pub sender: Option<String>,
    /// It is from the user's page, as a part of a recap; and of a colleague's there.
    pub is_recap: bool,
    pub is_by_colleague: bool,
    /// `seq` is an upper bound: the message is to be sent again, to learn its `seq`.
    pub is_guess: bool,
}

impl Entry {
    fn new(text: &str, is_mine: bool, fate: Fate) -> Self {
        Self {
            key: 0,
            text: text.to_owned(),
            is_mine,
            fate,
            id: None,
            seq: None,
            at: 0,
            sender: None,
            is_recap: false,
            is_by_colleague: false,
            is_guess: false,
        }
    }

    pub fn theirs(text: &str) -> Self {
        Self::new(text, false, Fate::Sent)
    }
}

/// The ticket's state as the page has it: first the states of the user's page, then those that only the console has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chat {
    Waiting,
    Active,
    Paused,
    Closed,
    Repick,
    Taken,
}

#[derive(Clone, Debug)]
pub struct Conversation {
    pub ticket: String,
    pub is_user: bool,
    pub state: Chat,
    pub entries: Vec<Entry>,
    /// Listed on the page; a user's chat always is.
    pub is_open: bool,
    next_id: u64,
    next_key: u64,
    pub heard_seq: u64,
    confirmed_seq: u64,
    delivered_seq: u64,
    in_flight: Option<u64>,
    /// An accepted message that is to be sent again, to learn its `seq`.
    repeat: Option<u64>,
    hold: Hold,
    /// Until then receipts are gathered.
    receipt_at: Option<Millis>,
    /// When this console was assigned the chat last, and how many messages it had then.
    pub picked_at: Millis,
    pub picked_place: usize,
}

/// What a conversation may do at present.
#[derive(Clone, Copy)]
pub struct Leave {
    pub can_send: bool,
    pub on_screen: bool,
}

impl Conversation {
    pub fn new(ticket: &str, is_user: bool, state: Chat) -> Self {
        Self {
            ticket: ticket.to_owned(),
            is_user,
            state,
            entries: Vec::new(),
            is_open: true,
            next_id: 1,
            next_key: 0,
            heard_seq: 0,
            confirmed_seq: 0,
            delivered_seq: 0,
            in_flight: None,
            repeat: None,
            hold: Hold::new(),
            receipt_at: None,
            picked_at: 0,
            picked_place: 0,
        }
    }

    /// Returns when something that was put off is due.
    pub fn next_due(&self) -> Option<Millis> {
        self.hold.backoff.due().into_iter().chain(self.receipt_at).min()
    }

    pub fn go_on(&mut self, leave: Leave, desk: &mut Desk<'_>) {
        if self.receipt_at.take_if(|at| *at <= desk.now).is_some() {
            self.confirm(leave, desk);
        }
        if self.hold.backoff.is_over(desk.now) {
            self.pump(leave, desk);
        }
    }

    /// Forgets what is in flight.
    fn stop_sending(&mut self) {
        (self.in_flight, self.repeat) = (None, None);
        self.hold.end();
    }

    /// The page is loaded again. Whether a message that was in flight has arrived is known after the next `resume`.
    pub fn reload(&mut self) {
        self.stop_sending();
        self.receipt_at = None;
        for entry in self.entries.iter_mut().filter(|entry| entry.fate == Fate::Sending) {
            entry.fate = Fate::Queued;
        }
    }

    pub fn say(&mut self, text: String, leave: Leave, desk: &mut Desk<'_>) {
        let at = desk.desk_now;
        self.insert(self.entries.len(), Entry { at, ..Entry::new(&text, true, Fate::Queued) });
        self.pump(leave, desk);
    }

    pub fn insert(&mut self, place: usize, entry: Entry) {
        self.next_key += 1;
        self.entries.insert(place, Entry { key: self.next_key, ..entry });
    }

    /// Sends the next message; only one is in flight at a time.
    pub fn pump(&mut self, leave: Leave, desk: &mut Desk<'_>) {
        let in_flight = self.in_flight;
        let fate = if leave.can_send { Fate::Sending } else { Fate::Queued };
        for entry in self.entries.iter_mut().filter(|entry| is_unsent(entry) && Some(entry.key) != in_flight)
        {
            entry.fate = fate;
        }
        // A duplicate of this tab has the same messages under the same ids.
        let nameless = |entry: &&mut Entry| leave.can_send && is_unsent(entry) && entry.id.is_none();
        for entry in self.entries.iter_mut().filter(nameless) {
            let id = desk.id(self.next_id);
            entry.id = Some(id);
            self.next_id = id + 1;
        }
        let find = |fits: &dyn Fn(&Entry) -> bool| self.entries.iter().position(fits);
        let next = find(&|entry| Some(entry.key) == self.repeat).or_else(|| find(&is_unsent));
        let Some(next) = next else {
            self.hold.end();
            return;
        };
        if !leave.can_send || in_flight.is_some() || self.hold.is_on() {
            return;
        }
        self.repeat = None;
        let next = &mut self.entries[next];
        self.in_flight = Some(next.key);
        desk.out.push(frame(&self.ticket, next));
    }

    pub fn acknowledged(&mut self, ack: &Value, leave: Leave, desk: &mut Desk<'_>) {
        let (id, seq) = (ack["id"].as_u64(), ack["seq"].as_u64());
        let delivered_seq = self.delivered_seq;
        let Some(entry) = self.entries.iter_mut().find(|entry| entry.is_mine && entry.id == id) else {
            return;
        };
        if self.in_flight == Some(entry.key) {
            self.in_flight = None;
        }
        self.hold.backoff.reset();
        entry.seq = seq.or(entry.seq);
        entry.is_guess &= seq.is_none();
        mark(
            entry,
            if entry.seq.is_some_and(|seq| seq <= delivered_seq) { Fate::Delivered } else { Fate::Sent },
            desk,
        );
        self.pump(leave, desk);
    }

    /// A message that is refused for now waits, and is sent again. Nothing was sent after it, so the order stays.
    pub fn refused(&mut self, (id, code): (u64, &str), leave: Leave, desk: &mut Desk<'_>) {
        let Some(entry) = self.entries.iter_mut().find(|entry| entry.is_mine && entry.id == Some(id)) else {
            return;
        };
        if self.in_flight == Some(entry.key) {
            self.in_flight = None;
        }
        let held = [RATE_LIMITED, UNREAD_LIMIT].into_iter().find(|held| *held == code);
        if let Some(code) = held {
            self.hold.begin(code, desk.now);
        }
        let is_held = held.is_some();
        match is_unsent(entry) {
            false => self.repeat = is_held.then_some(entry.key), // it was accepted before
            true if is_held => {}
            true => fail(entry),
        }
        self.pump(leave, desk);
    }

    /// The other side has shown everything up to `seq`.
    pub fn delivered(&mut self, seq: u64, leave: Leave, desk: &mut Desk<'_>) {
        self.delivered_seq = self.delivered_seq.max(seq);
        for entry in &mut self.entries {
            if entry.fate == Fate::Sent && entry.seq.is_some_and(|seq| seq <= self.delivered_seq) {
                mark(entry, Fate::Delivered, desk);
            }
        }
        if self.hold.code == Some(UNREAD_LIMIT) {
            self.hold.end();
        }
        self.pump(leave, desk);
    }

    /// Sends a failed message again, with another text, since the ledger allows each text only once.
    pub fn retry(&mut self, text: &str, leave: Leave, desk: &mut Desk<'_>) {
        let Some(at) = self.entries.iter().position(|entry| entry.fate == Fate::Failed) else { return };
        self.entries.remove(at);
        self.picked_place -= usize::from(at < self.picked_place);
        self.say(text.to_owned(), leave, desk);
    }

    /// Returns since when the other side has had no answer; `Millis::MAX` if it has one.
    pub fn unanswered_since(&self) -> Millis {
        if matches!(self.state, Chat::Closed | Chat::Taken) {
            return Millis::MAX;
        }
        let is_answer = |entry: &Entry| entry.is_mine || entry.is_by_colleague;
        let answered = self.entries.iter().rposition(is_answer).map_or(0, |at| at + 1);
        self.entries.get(answered).map_or(Millis::MAX, |entry| entry.at)
    }

    /// Returns what is seen of it, in short: each message as one letter.
    pub fn shows(&self) -> Value {
        let letter = |entry: &Entry| match entry.fate {
            _ if entry.is_by_colleague => 'c',
            _ if entry.is_recap => 'r',
            _ if !entry.is_mine => 't',
            Fate::Queued => 'q',
            Fate::Sending => 'g',
            Fate::Sent => 's',
            Fate::Delivered => 'd',
            Fate::Failed => 'f',
        };
        let state = match self.state {
            Chat::Waiting => "waiting",
            Chat::Active => "active",
            Chat::Paused => "paused",
            Chat::Closed => "closed",
            Chat::Repick => "repick",
            Chat::Taken => "taken",
        };
        let is_open = (!self.is_user).then_some(self.is_open);
        let first = self.entries.len().saturating_sub(SHOWN_MAX);
        json!({ "ticket": self.ticket, "state": state, "open": is_open,
            "messages": self.entries[first..].iter().map(letter).collect::<String>(),
            "last": self.entries.last().map(|entry| entry.text.as_str()) })
    }

    /// The connection is lost: a message that was in flight waits again.
    pub fn cut(&mut self, leave: Leave, desk: &mut Desk<'_>) {
        self.stop_sending();
        self.pump(leave, desk);
    }

    /// Connected again, or picked again: the frame says what the desk has accepted.
    pub fn resume(&mut self, picked: &Value, leave: Leave, desk: &mut Desk<'_>) {
        let number = |name: &str| picked[name].as_u64().unwrap_or(0);
        let (last_id, last_seq) = (number("last_id"), number("last_seq"));
        // What was sent on this connection will still be answered.
        self.repeat = None;
        self.hold.end();
        self.next_id = self.next_id.max(last_id + 1);
        for at in 0..self.entries.len() {
            let entry = &mut self.entries[at];
            let is_unanswered = is_unsent(entry) && self.in_flight != Some(entry.key);
            let Some(id) = entry.id.filter(|id| is_unanswered && *id <= last_id) else { continue };
            if id < last_id {
                fail(entry); // another tab or staff member has written since
                continue;
            }
            (entry.seq, entry.is_guess) = (Some(last_seq), true); // sending it again tells exactly
            mark(entry, Fate::Sent, desk);
            self.repeat = Some(entry.key);
        }
        self.delivered(number("delivered_seq"), leave, desk);
    }

    pub fn end(&mut self) {
        self.state = Chat::Closed;
        self.stop_sending();
        self.entries.iter_mut().filter(|entry| is_unsent(entry)).for_each(fail);
    }

    pub fn receive(&mut self, message: &Value, leave: Leave, desk: &mut Desk<'_>) {
        let seq = message["seq"].as_u64().unwrap_or(0);
        let text = message["text"].as_str().unwrap_or("");
        if seq > self.heard_seq {
            self.heard_seq = seq;
            let is_again = self.entries.iter().any(|entry| !entry.is_mine && entry.text == text);
            if is_again {
                desk.ledger.note_violation(format_args!("{text:?} is shown twice in {}", self.ticket));
            }
            desk.ledger.show(text, &self.ticket, self.is_user);
            let sender = message["sender_name"].as_str().or(message["sender_id"].as_str());
            let entry = Entry {
                seq: Some(seq),
                at: message["at"].as_u64().unwrap_or(0),
                sender: sender.map(str::to_owned),
                ..Entry::theirs(text)
            };
            self.insert(self.entries.len(), entry);
        } else {
            self.confirmed_seq = self.confirmed_seq.min(seq - 1); // our receipt was lost, too
        }
        self.confirm(leave, desk);
    }

    /// Sends a receipt, if the chat is on the screen.
    pub fn confirm(&mut self, leave: Leave, desk: &mut Desk<'_>) {
        let is_news = self.heard_seq > self.confirmed_seq;
        if !is_news || self.receipt_at.is_some() || !leave.on_screen || !desk.is_open {
            return;
        }
        desk.out.push(json!({ "type": "delivered", "ticket_id": self.ticket, "seq": self.heard_seq }));
        self.confirmed_seq = self.heard_seq;
        self.receipt_at = Some(desk.now + RECEIPT);
    }

    /// The desk refused a frame without an id. It may have been a receipt, so the receipt is sent again.
    pub fn receipt_refused(&mut self, desk: &Desk<'_>) {
        if self.heard_seq > 0 {
            self.confirmed_seq = self.confirmed_seq.min(self.heard_seq - 1);
            self.receipt_at = Some(desk.now + RECEIPT_AGAIN);
        }
    }
}

fn is_unsent(entry: &Entry) -> bool {
    matches!(entry.fate, Fate::Queued | Fate::Sending)
}

fn frame(ticket: &str, entry: &Entry) -> Value {
    json!({ "type": "message", "ticket_id": ticket, "id": entry.id, "text": entry.text })
}

fn fail(entry: &mut Entry) {
    entry.id = None;
    entry.fate = Fate::Failed;
}

fn mark(entry: &mut Entry, fate: Fate, desk: &mut Desk<'_>) {
    if fate == Fate::Delivered && entry.fate != fate {
        desk.ledger.deliver(&entry.text);
    }
    entry.fate = fate;
}
