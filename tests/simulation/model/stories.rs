//! Counts what happened in a run, and says how often each has to happen.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};

use serde_json::Value;

/// Makes the counters. The number beside each is its floor, which is how often it has to happen in 200 worlds of 150 steps:
/// about half as often as was seen.
macro_rules! stories {
    ($($name:ident: $floor:literal,)*) => {
        #[derive(Clone, Debug, Default)]
        pub struct Stories {
            $(pub $name: u64,)*
            /// The frames that the desk sent, by type; its refusals, by code; the closes of clients, by code.
            pub frames: BTreeMap<String, u64>,
            pub refusals: BTreeMap<String, u64>,
            pub closes: BTreeMap<u16, u64>,
        }

        impl Stories {
            pub fn add(&mut self, other: &Self) {
                $(self.$name += other.$name;)*
                add_all(&mut self.frames, &other.frames);
                add_all(&mut self.refusals, &other.refusals);
                add_all(&mut self.closes, &other.closes);
            }

            fn counters(&self) -> Vec<(&'static str, u64, u64)> {
                vec![$((stringify!($name), self.$name, $floor),)*]
            }
        }
    };
}

stories! {
    messages: 3000,
    repeated: 10,
    sent_again: 700,
    picked: 700,
    assigned: 400,
    transfers: 30,
    paused: 500,
    replaced: 400,
    timeouts: 200,
    refused: 4000,
    behind: 100,
    caught_up: 100,
    unread_limits: 30,
    too_many_tickets: 30,
    evicted: 5,
    desk_full: 80,
    restarts: 50,
    stops_in_a_turn: 20,
    recaps: 130,
    ratings: 30,
    stops: 100,
    refused_calls: 100,
    reloads: 50,
    signed_out: 10,
    full: 10,
    over: 10,
    replaced_without_place: 20,
    refused_without_place: 20,
    no_random_bytes: 3,
    cut_lists: 1,
    made_room: 50,
}

/// The number and length of the worlds that the floors are for. In fewer or shorter ones, nothing has to happen.
pub const FLOOR_SEEDS: u64 = 200;
pub const FLOOR_STEPS: u64 = 150;

/// How often each type of frame and each code has to come in these worlds.
const EACH: u64 = 3;
const FRAMES: [&str; 24] = [
    "welcome",
    "desk",
    "ticket_created",
    "queue",
    "staff_joined",
    "staff_offline",
    "staff_online",
    "staff_reconnected",
    "staff_left",
    "message",
    "ack",
    "delivered",
    "typing",
    "ticket_closed",
    "error",
    "pong",
    "presence",
    "colleague",
    "ticket_added",
    "ticket_updated",
    "ticket_removed",
    "ticket_picked",
    "recap",
    "rated",
];
const REFUSALS: [&str; 14] = [
    "bad_message",
    "too_long",
    "rate_limited",
    "no_ticket",
    "ticket_exists",
    "ticket_taken",
    "not_yours",
    "you_are_offline",
    "staff_offline",
    "user_offline",
    "at_capacity",
    "unknown_staff",
    "desk_full",
    "unread_limit",
];
const CLOSES: [u16; 11] = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1013, 4401, 4403, 4409];

impl Stories {
    /// Counts a frame that was sent to `to` connections.
    pub fn note_sent(&mut self, frame: &Value, to: u64) {
        if frame["type"] == "error" {
            *self.refusals.entry(text(&frame["code"])).or_default() += to;
        }
        *self.frames.entry(text(&frame["type"])).or_default() += to;
    }

    /// Returns what happened too seldom in this many worlds.
    pub fn too_seldom(&self, seeds: u64) -> Vec<String> {
        let runs = seeds / FLOOR_SEEDS;
        let counters = self.counters().into_iter().map(|(name, is, floor)| (name.to_owned(), is, floor));
        let of = |map: &BTreeMap<String, u64>, name: &str| map.get(name).copied().unwrap_or(0);
        let frames = FRAMES.iter().map(|name| (format!("frame {name}"), of(&self.frames, name), EACH));
        let refusals = REFUSALS.iter().map(|name| (format!("error {name}"), of(&self.refusals, name), EACH));
        let closes = CLOSES
            .iter()
            .map(|code| (format!("close {code}"), self.closes.get(code).copied().unwrap_or(0), EACH));
        let all = counters.chain(frames).chain(refusals).chain(closes);
        let seldom = all.filter(|(_, is, floor)| *is < floor * runs);
        seldom.map(|(name, is, floor)| format!("{name}: {is} of {}", floor * runs)).collect()
    }
}

impl Display for Stories {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (name, is, _) in self.counters() {
            write!(f, "{name} {is}, ")?;
        }
        write!(f, "frames {:?}, refusals {:?}, closes {:?}", self.frames, self.refusals, self.closes)
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn add_all<K: Clone + Ord>(all: &mut BTreeMap<K, u64>, more: &BTreeMap<K, u64>) {
    for (key, count) in more {
        *all.entry(key.clone()).or_default() += count;
    }
}
