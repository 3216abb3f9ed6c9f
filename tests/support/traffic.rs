//! A chat whose two sides send all the time while servers are killed, and note everything: no message that was
//! acknowledged may be missing, and none may be shown twice.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::client::int;
use super::wire::{self, Next, PATIENCE, Wire, op};
use super::{Staff, User};

/// Messages of each side that may be in flight at once.
const WINDOW: u64 = 8;

/// Whether a side sends messages, or only confirms those that it gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Send,
    Confirm,
}

/// One side of the chat, and what it knows across kills.
#[derive(Default)]
pub struct Side {
    name: &'static str,
    /// The last ids of its own that were acknowledged, and that were sent.
    acked: u64,
    sent: u64,
    /// The `seq` of each message by its `id`: of its own ones, and of the other side's.
    own: BTreeMap<u64, u64>,
    others: BTreeMap<u64, u64>,
    received: u64,
}

impl Side {
    pub fn new(name: &'static str) -> Self {
        Self { name, ..Self::default() }
    }

    /// The desk names the last id that it has: nothing that was acknowledged may be missing, and nothing may be invented.
    pub fn resumes(&mut self, last_id: u64) {
        let (least, most) = (self.acked, self.sent);
        assert!((least..=most).contains(&last_id), "{}: {last_id} of {least} to {most}", self.name);
        self.sent = last_id;
        self.acked = last_id;
    }

    /// Returns whether everything that it has sent was acknowledged.
    pub fn is_acknowledged(&self) -> bool {
        self.sent == self.acked
    }

    /// The desk has lost all after this message of its own, and after this one of the other side. Returns how many of its
    /// own had been acknowledged.
    pub fn loses_after(&mut self, own: u64, others: u64) -> u64 {
        let lost = self.acked.saturating_sub(own);
        self.own.retain(|id, _| *id <= own);
        self.others.retain(|id, _| *id <= others);
        (self.acked, self.sent) = (own, own);
        self.received = self.others.len() as u64;
        lost
    }

    /// The user is welcomed again.
    pub fn user_is_back(&mut self, user: &mut User, ticket: &str) {
        self.resumes(int(&user.welcome["ticket"], "last_id"));
        self.catch_up(std::iter::from_fn(|| user.try_received()), ticket);
    }

    /// The user was here all the time.
    pub fn user_stays(&mut self, user: &mut User, ticket: &str) {
        self.catch_up(std::iter::from_fn(|| user.try_received()), ticket);
    }

    /// The staff member picks the chat again.
    pub fn staff_is_back(&mut self, staff: &mut Staff, ticket: &str) {
        let picked = staff.pick(ticket);
        self.resumes(int(&picked, "last_id"));
        self.catch_up(std::iter::from_fn(|| staff.try_received()), ticket);
    }

    /// Notes frames that need no answer now: what they hold comes again.
    fn catch_up(&mut self, frames: impl Iterator<Item = Value>, ticket: &str) {
        frames.for_each(|frame| self.note(&frame, ticket, &mut Vec::new()));
    }

    fn note(&mut self, frame: &Value, ticket: &str, out: &mut Vec<Value>) {
        match frame["type"].as_str() {
            Some("ack") => {
                let id = int(frame, "id");
                assert_eq!(id, self.acked + 1, "{}: acknowledged in order", self.name);
                self.acked = id;
                note_number(&mut self.own, id, int(frame, "seq"));
            }
            Some("message") => {
                let (id, seq) = (int(frame, "id"), int(frame, "seq"));
                assert_eq!(frame["text"], text_of(id).as_str());
                note_number(&mut self.others, id, seq);
                self.received += 1;
                out.push(json!({ "type": "delivered", "ticket_id": ticket, "seq": seq }));
            }
            Some("error") => panic!("{}: {frame}", self.name),
            _ => {}
        }
    }

    fn send(&mut self, ticket: &str, out: &mut Vec<Value>) {
        while self.sent < self.acked + WINDOW {
            self.sent += 1;
            out.push(
                json!({ "type": "message", "ticket_id": ticket, "id": self.sent, "text": text_of(self.sent) }),
            );
        }
    }

    /// Reads what has arrived, and writes what is due. Returns false once the connection has ended.
    pub fn turn(&mut self, wire: &mut Wire, ticket: &str, mode: Mode) -> bool {
        let mut out = Vec::new();
        while let Next::Some(frame) = match wire.next(Instant::now() + Duration::from_millis(1)) {
            Next::Late => Next::Late,
            Next::Some(frame) => Next::Some(frame),
            _ => return false,
        } {
            if frame.op == op::TEXT {
                self.note(&serde_json::from_str(frame.text()).unwrap(), ticket, &mut out);
            }
        }
        if mode == Mode::Send {
            self.send(ticket, &mut out);
        }
        let frames = out.iter().flat_map(|frame| wire::whole(op::TEXT, frame.to_string().as_bytes()));
        let _ = wire.try_write(&frames.collect::<Vec<u8>>()); // an end is read, not written
        true
    }
}

/// Notes the `seq` of a message, which must not change.
fn note_number(numbers: &mut BTreeMap<u64, u64>, id: u64, seq: u64) {
    let before = numbers.insert(id, seq);
    assert!(before.is_none_or(|before| before == seq), "message {id} was {before:?} and is {seq}");
}

fn text_of(id: u64) -> String {
    format!("{id} {}", "blah ".repeat((id % 40) as usize))
}

/// Waits until each side has all that the other was acknowledged.
pub fn settle(sides: [&mut Side; 2], wires: [&mut Wire; 2], ticket: &str) {
    let ([one, other], [its, theirs]) = (sides, wires);
    let deadline = Instant::now() + PATIENCE;
    let has_all = |to: &Side, from: &Side| from.is_acknowledged() && to.others.len() as u64 >= from.acked;
    while !(has_all(one, other) && has_all(other, one)) {
        assert!(Instant::now() < deadline, "something is missing at the end");
        assert!(one.turn(its, ticket, Mode::Confirm) && other.turn(theirs, ticket, Mode::Confirm));
    }
}

/// Everything that was acknowledged has arrived at the other side, under the same number, and no number twice. Returns how
/// many messages there were, and how many came again.
pub fn assert_complete(one: &Side, other: &Side) -> (usize, u64) {
    for (from, to) in [(one, other), (other, one)] {
        for (id, seq) in &from.own {
            assert_eq!(to.others.get(id), Some(seq), "{}: message {id}", from.name);
        }
        assert_eq!(to.others.len() as u64, from.acked, "{}: each once", from.name);
    }
    let mut numbers: Vec<u64> = one.others.values().chain(other.others.values()).copied().collect();
    numbers.sort_unstable();
    assert!(numbers.iter().copied().eq(1..=numbers.len() as u64), "numbers without a gap");
    (numbers.len(), one.received + other.received - numbers.len() as u64)
}

/// Pauses of a test that are different each time, and the same in each run.
pub struct Pauses(u64);

impl Pauses {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    /// From one millisecond to forty.
    pub fn next(&mut self) -> Duration {
        Duration::from_micros(1000 + self.below(40_000))
    }
}
