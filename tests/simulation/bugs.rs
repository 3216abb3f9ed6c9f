//! Bugs to put in on purpose: where, what stands there, what to put in its place, and the promise that is broken by it.

pub struct Bug {
    pub promise: &'static str,
    pub file: &'static str,
    pub find: &'static str,
    pub replace: &'static str,
}

const fn bug(promise: &'static str, file: &'static str, find: &'static str, replace: &'static str) -> Bug {
    Bug { promise, file, find, replace }
}

const PRESENCE: &str = "src/state/presence.rs";
const TICKET: &str = "src/state/ticket.rs";
const CONVERSATION: &str = "src/state/conversation.rs";
const CHAT: &str = "src/state/chat.rs";
const LINE: &str = "src/state/line.rs";
const QUEUE: &str = "src/state/queue.rs";
const ASSIGN: &str = "src/state/assign.rs";
const HUB: &str = "src/hub/mod.rs";
const READING: &str = "src/hub/reading.rs";
const CONNECTION: &str = "src/net/connection.rs";
const RATE: &str = "src/net/rate.rs";
const OUTBOX: &str = "src/outbox.rs";

pub const BUGS: &[Bug] = &[
    bug(
        "what a user has not confirmed is sent again after the welcome",
        PRESENCE,
        "ticket.conversation.sent_by(Side::Staff).held.views(Side::Staff, &user.id) {",
        "ticket.conversation.sent_by(Side::Staff).held.views(Side::Staff, &user.id).take(0) {",
    ),
    bug(
        "an id stays its user's for the grace time after a ticket closed in their absence",
        PRESENCE,
        "None if known_until > now => self.await_user(key, known_until),",
        "None if known_until > now && false => self.await_user(key, known_until),",
    ),
    bug(
        "what was held for a user whose ticket ended is sent after the welcome, too",
        PRESENCE,
        "for message in ended.held.views(Side::Staff, &user.id) {",
        "for message in ended.held.views(Side::Staff, &user.id).skip(1) {",
    ),
    bug(
        "what nobody has confirmed is sent again to whoever picks",
        TICKET,
        "ticket.conversation.sent_by(Side::User).held.views(Side::User, user) {",
        "ticket.conversation.sent_by(Side::User).held.views(Side::User, user).skip(1) {",
    ),
    bug(
        "a ticket is only its owner's",
        TICKET,
        "let is_own = self.tickets[&number].status == Status::Active(key);",
        "let is_own = matches!(self.tickets[&number].status, Status::Active(_)) && self.staff[key].online;",
    ),
    bug(
        "only a ticket that waits or is paused can be picked",
        TICKET,
        "if let Status::Active(_) = self.tickets[&number].status {",
        "if self.tickets[&number].status == Status::Active(key) {",
    ),
    bug(
        "a repeated id is never relayed twice",
        CONVERSATION,
        "(id <= sent.last_id).then_some(",
        "(id < sent.last_id).then_some(",
    ),
    bug(
        "a connection that was replaced takes nothing with it",
        PRESENCE,
        "self.users.get(key).filter(|user| user.conn == Some(conn)) else { return };\n        let (ticket",
        "self.users.get(key).filter(|user| user.conn != Some(ConnId { slot: u32::MAX, ..conn })) else { return };\n        let (ticket",
    ),
    bug(
        "whoever has left is not online",
        PRESENCE,
        "let (ticket, known_until) = (user.ticket, user.known_until);\n        self.users[key].conn = None;",
        "let (ticket, known_until) = (user.ticket, user.known_until);\n        if ticket.is_none() {\n            self.users[key].conn = None;\n        }",
    ),
    bug(
        "what is not confirmed stays",
        CONVERSATION,
        "self.messages.front().is_some_and(|message| message.seq <= seq)",
        "self.messages.front().is_some_and(|message| message.seq <= seq + 1)",
    ),
    bug(
        "32 messages are held, and no more",
        CONVERSATION,
        "while self.messages.len() >= HELD_MESSAGES_MAX ||",
        "while self.messages.len() >= 2 * HELD_MESSAGES_MAX ||",
    ),
    bug(
        "64 KiB are held, and no more",
        CONVERSATION,
        "self.texts.len() + text.len() > HELD_BYTES_MAX {",
        "self.texts.len() + text.len() > 2 * HELD_BYTES_MAX {",
    ),
    bug(
        "seq is without gaps",
        CONVERSATION,
        "        self.last_seq += 1;",
        "        self.last_seq += if at % 16 == 0 { 2 } else { 1 };",
    ),
    bug(
        "delivered is only what was there to be shown",
        CONVERSATION,
        "        if seq > self.last_seq {",
        "        if seq > self.last_seq + (1 << 50) {",
    ),
    bug("a place in the queue counts from 1", LINE, "        before as u64 + 1", "        before as u64"),
    bug(
        "a change of place is told",
        QUEUE,
        "        if self.waiting.remove(number) {\n            self.note_moved(number, now);",
        "        if self.waiting.remove(number) && self.notice_due == Some(now) {\n            self.note_moved(number, now);",
    ),
    bug(
        "all between two who moved are told",
        QUEUE,
        "moved.first().zip(moved.last())",
        "moved.first().zip(moved.first())",
    ),
    bug(
        "who is back is told their place",
        QUEUE,
        "            self.untold.insert(number);\n            self.changed(now);",
        "            self.changed(now);",
    ),
    bug(
        "the grace time ends when the user is back",
        PRESENCE,
        "        if let Some(due) = user.absent_until.take() {\n            self.alarms.remove(&(due, Alarm::Absence(key)));\n        }",
        "        user.absent_until.take();",
    ),
    bug(
        "a ticket without its user closes after the grace time",
        PRESENCE,
        "                self.await_user(key, now + self.rules.user_grace_ms);",
        "",
    ),
    bug(
        "of two connections of one user, the older is closed",
        PRESENCE,
        "        if let Some(older) = before {\n            out.dismiss(older);\n        }",
        "",
    ),
    bug(
        "a user id is only for whoever brings its session",
        PRESENCE,
        "Some(key) if offered == Some(&self.users[key].session) => (key, true),",
        "Some(key) if offered.is_some() => (key, true),",
    ),
    bug(
        "a locked chat relays nothing",
        CHAT,
        "        Status::Active(key) => staff[key].conn,\n        Status::Waiting | Status::Paused(_) => None,",
        "        Status::Active(key) | Status::Paused(key) => staff[key].conn,\n        Status::Waiting => None,",
    ),
    bug(
        "a typing notice ends after 6 s",
        CHAT,
        "            self.stop_typing(number, side, out);\n        }\n    }\n\n    /// A locked chat",
        "        }\n    }\n\n    /// A locked chat",
    ),
    bug(
        "a ticket is assigned only to who has room",
        ASSIGN,
        "(self.staff[key].online && self.has_room(key)).then(",
        "self.staff[key].online.then(",
    ),
    bug(
        "what waits is assigned in the same turn",
        PRESENCE,
        "        self.lose_staff(now, key, out);\n        self.forget_staff_if_gone(key);\n        self.assign_waiting(now, out);",
        "        self.lose_staff(now, key, out);\n        self.forget_staff_if_gone(key);",
    ),
    bug(
        "nothing crosses tickets",
        OUTBOX,
        "self.entries.push(Entry::Frame { to: first..self.addressees.len(), bytes });",
        "self.entries.push(Entry::Frame { to: first.saturating_sub(1)..self.addressees.len(), bytes });",
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
        "            if slot.connection.wants_read() {\n                self.queue_to_run(id);\n            }\n        }\n        self.dirty.clear();",
        "        }\n        self.dirty.clear();",
    ),
    bug("every connection has a deadline", HUB, "        slot.scheduled_at = NEVER;\n", ""),
    bug(
        "output goes on when there is room again",
        HUB,
        "        if readiness.writable && is_blocked {",
        "        if readiness.writable && is_blocked && readiness.peer_shutdown {",
    ),
    bug(
        "no two connections have the same id",
        HUB,
        "        self.generation = self.generation.wrapping_add(1);",
        "        self.generation = self.generation.wrapping_add(u32::from(slot > 3));",
    ),
    bug(
        "whoever answers a ping is alive",
        CONNECTION,
        "            self.since = now;\n            self.pinged_at = None;",
        "            self.since = now;",
    ),
    bug(
        "who answers no ping is gone",
        CONNECTION,
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
