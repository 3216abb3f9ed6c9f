//! Bugs of what carries it: the hub, connections, the outbox.

use super::{Bug, bug};

const ADMISSION: &str = "src/hub/admission.rs";
const CONNECTION: &str = "src/net/connection.rs";
const EXPIRY: &str = "src/net/connection/expiry.rs";
const HUB: &str = "src/hub/mod.rs";
const OUTBOX: &str = "src/outbox.rs";
const OUTPUT: &str = "src/net/output.rs";
const RATE: &str = "src/net/rate.rs";
const READING: &str = "src/hub/reading.rs";

pub(super) const BUGS: &[Bug] = &[
    bug(
        "no frame goes to another ticket's connection",
        OUTBOX,
        "self.entries.push(Entry::Frame { to: first..self.receivers.len(), bytes, reply });",
        "self.entries.push(Entry::Frame { to: first.saturating_sub(1)..self.receivers.len(), bytes, reply });",
    ),
    bug(
        "what is read first counts first",
        READING,
        "        if !slot.connection.is_open() {\n            self.notify_closed(id, now);\n        }\n",
        "",
    ),
    bug(
        "nothing of one peer is left in the shared codec for the next",
        READING,
        "        self.codec.forget_unread();\n",
        "",
    ),
    bug(
        "a connection with more to read is read again",
        HUB,
        "        if slot.connection.wants_read() && !std::mem::replace(&mut slot.in_run_queue, true) {\n            self.run_queue.push_again(id, slot.connection.has_sent_much(now));\n        }\n",
        "",
    ),
    bug(
        "every connection has a deadline",
        HUB,
        "        slot.scheduled_at = NEVER;\n        if slot.connection.is_blocked()",
        "        if slot.connection.is_blocked()",
    ),
    bug(
        "output goes on when the socket takes bytes again",
        HUB,
        "        if readiness.writable && is_blocked {",
        "        if readiness.writable && is_blocked && readiness.peer_shutdown {",
    ),
    bug(
        "a connection that has drained is sent the rest",
        HUB,
        "        if slot.drain == Drain::Asked && slot.is_drained() {",
        "        if slot.drain == Drain::Asked && slot.is_drained() && phase != PhaseName::Open {",
    ),
    bug(
        "no two connections have the same id",
        ADMISSION,
        "        self.generation = self.generation.wrapping_add(1);",
        "        self.generation = self.generation.wrapping_add(u32::from(slot > 3));",
    ),
    bug(
        "nobody is closed for reading slowly",
        OUTPUT,
        "            self.blocked_since = now;\n            self.compact();",
        "            self.blocked_since = self.blocked_since.min(now);\n            self.compact();",
    ),
    bug(
        "a peer that answers a ping is alive",
        CONNECTION,
        "            self.since = now;\n            self.awaits_pong = false;",
        "            self.since = now;",
    ),
    bug(
        "a peer that answers no ping is closed",
        EXPIRY,
        "                self.enter(Phase::Dead, now);\n                Some(GivenUp::Silent)",
        "                self.since = now;\n                Some(GivenUp::Silent)",
    ),
    bug(
        "a close frame arrives",
        CONNECTION,
        "let lingers = !self.input.is_at_eof() && self.stream.shutdown_write().is_ok();",
        "let lingers = false;",
    ),
    bug("a flood is ended", RATE, "        _ => RateVerdict::Flood,", "        _ => RateVerdict::Exceeded,"),
];
