//! Bugs of the loop, of who is accepted and admitted, and of what a connection is held to before it is open.

use super::Detector::{Documents, Sockets, Unit};
use super::{Bug, bug, bug_for};

const ADMISSION: &str = "src/hub/admission.rs";
const AUTH: &str = "src/desk/auth.rs";
const CONFIG: &str = "src/config.rs";
const COUNTERS: &str = "src/desk/admission.rs";
const DEADLINES: &str = "src/net/deadlines.rs";
const DELIVERY: &str = "src/hub/delivery.rs";
const DESK: &str = "src/desk/service.rs";
const HTTP: &str = "src/net/http.rs";
const LISTENER: &str = "src/net/listener.rs";
const SERVER: &str = "src/server.rs";
const STAFF_FILE: &str = "src/desk/staff_file.rs";
const TURN: &str = "src/hub/turn.rs";

pub(super) const BUGS: &[Bug] = &[
    bug(
        "a server that was told to stop ends as soon as all connections have",
        SERVER,
        "self.hub.is_empty() || at <= self.now()",
        "at <= self.now()",
    ),
    bug(
        "a server that is stopping accepts no connection",
        SERVER,
        "(self.listener, self.metrics_listener) = (None, None);",
        "self.metrics_listener = None;",
    ),
    bug("SIGHUP reloads the staff file", SERVER, "            self.hub.reload(now);\n", ""),
    bug(
        "after a pause, waiting connections are accepted",
        SERVER,
        "chain(listeners.filter_map(Listener::next_due))",
        "chain(listeners.filter_map(Listener::next_due).filter(|_| self.stop_at.is_some()))",
    ),
    bug("a connection that cannot be watched ends", SERVER, "        hub.abandon(slot, now);\n", ""),
    bug_for(
        Sockets("signals::a_second_signal"),
        "a second signal ends it at once",
        SERVER,
        "            return Err(ErrorKind::Interrupted.into());\n",
        "            return Ok(());\n",
    ),
    bug(
        "a peer that is gone before it is accepted stops no other",
        LISTENER,
        "                    | ErrorKind::ConnectionAborted\n",
        "",
    ),
    bug(
        "after a failure, accepting continues within a second",
        LISTENER,
        "self.paused_until = Some(now + ACCEPT_RETRY_MS);",
        "self.paused_until = Some(now + 60 * ACCEPT_RETRY_MS);",
    ),
    bug(
        "a server without descriptors does not spin",
        LISTENER,
        "self.pending && self.paused_until.is_none_or(|until| until <= now)",
        "self.pending && now > 0",
    ),
    bug(
        "the last places are for staff",
        ADMISSION,
        "self.open_ordinary < self.limits.ordinary_connections_max()",
        "self.open_ordinary < self.limits.connections_max",
    ),
    bug(
        "there are as many places as the options say",
        ADMISSION,
        "self.open < self.limits.connections_max",
        "self.open <= self.limits.connections_max",
    ),
    bug(
        "at a full desk, a wrong secret is answered as such",
        ADMISSION,
        "let older = self.service.without_place(guest)?;",
        "let older = self.service.without_place(guest).ok().flatten();",
    ),
    bug(
        "a client that connects again takes its own place at a full desk",
        ADMISSION,
        "if older.is_some_and(|older| self.may_replace(older, id, is_within)) {",
        "if !is_within && older.is_some_and(|older| self.may_replace(older, id, is_within)) {",
    ),
    bug("a place that was taken over is freed once", ADMISSION, "place.priority.take()", "place.priority"),
    bug(
        "an address has as many connections as it may have",
        ADMISSION,
        "max if max == 0 || *count <= max =>",
        "max if max == 0 || *count <= max + 2 =>",
    ),
    bug_for(
        Unit("hub::"),
        "the oldest that is not open is evicted first",
        ADMISSION,
        "self.eviction_queue.0.push_back(id);",
        "self.eviction_queue.0.push_front(id);",
    ),
    bug_for(
        Unit("hub::"),
        "nothing is left of an address that has no connections",
        ADMISSION,
        "            if *count == 0 {\n                self.counts.remove(&address);\n            }\n",
        "",
    ),
    bug(
        "a head that is half read does not keep a server that stops",
        DELIVERY,
        "                        slot.connection.end_of_input(now);\n",
        "",
    ),
    bug(
        "the answer to a message that was sent does not count",
        DELIVERY,
        "                slot.connection.allow_answer();\n",
        "",
    ),
    bug_for(
        Unit("hub::"),
        "connections that have sent much are read last",
        TURN,
        "                self.run_queue.back.push_back(id);\n",
        "                self.run_queue.front.push_front(id);\n",
    ),
    bug(
        "an address over its limit gets no place",
        ADMISSION,
        "if is_within && self.has_place(priority) {",
        "if self.has_place(priority) {",
    ),
    bug(
        "a deadline that comes earlier counts",
        DEADLINES,
        "if due < *scheduled_at {",
        "if due + 2000 < *scheduled_at {",
    ),
    bug_for(
        Unit("net::deadlines"),
        "outdated deadlines take no memory for long",
        DEADLINES,
        "if self.queue.len() > 2 * connections",
        "if self.queue.len() > 20_000 * connections",
    ),
    bug(
        "a request without Host is answered with 400",
        HTTP,
        "None if http_1_1 => return None,",
        "None if http_1_1 && head.headers.len() > 9 => return None,",
    ),
    bug_for(
        Unit("net::http"),
        "a handshake has version 13",
        HTTP,
        "if !fields.values(\"sec-websocket-version\").eq([\"13\"]) {",
        "if fields.values(\"sec-websocket-version\").next().is_none() {",
    ),
    bug(
        "a head has 8 KiB at most",
        CONFIG,
        "pub const HEAD_BYTES_MAX: usize = 8 * KIB;",
        "pub const HEAD_BYTES_MAX: usize = 12 * KIB;",
    ),
    bug(
        "a head has 10 s, and no less",
        CONFIG,
        "pub const HEAD_MS: Millis = 10 * SECOND;",
        "pub const HEAD_MS: Millis = 9 * SECOND;",
    ),
    bug(
        "a peer has 5 s to answer a close frame",
        CONFIG,
        "pub const CLOSING_MS: Millis = 5 * SECOND;",
        "pub const CLOSING_MS: Millis = 4 * SECOND;",
    ),
    bug_for(
        Documents("limits"),
        "a plain answer has 5 s to be taken",
        CONFIG,
        "pub const HTTP_MS: Millis = 5 * SECOND;",
        "pub const HTTP_MS: Millis = 6 * SECOND;",
    ),
    bug_for(
        Documents("limits"),
        "a staff member has 5 chats by default",
        CONFIG,
        "const DEFAULT_MAX_CHATS: u32 = 5;",
        "const DEFAULT_MAX_CHATS: u32 = 6;",
    ),
    bug(
        "a subject has 200 characters",
        CONFIG,
        "pub const SUBJECT_CHARS_MAX: usize = 200;",
        "pub const SUBJECT_CHARS_MAX: usize = 201;",
    ),
    bug(
        "a text has 4,000 characters",
        CONFIG,
        "pub const TEXT_CHARS_MAX: usize = 4000;",
        "pub const TEXT_CHARS_MAX: usize = 4001;",
    ),
    bug(
        "a message id is an integer that JavaScript can count",
        CONFIG,
        "pub const MESSAGE_ID_MAX: u64 = (1 << 53) - 1;",
        "pub const MESSAGE_ID_MAX: u64 = (1 << 61) - 1;",
    ),
    bug(
        "pages of other sites may not connect",
        COUNTERS,
        "host.is_some_and(|host| host.eq_ignore_ascii_case(request.host))",
        "host.is_some_and(|host| host.starts_with(request.host))",
    ),
    bug_for(
        Sockets("limits::refused_connections"),
        "each page that was refused is counted once",
        COUNTERS,
        "self.counters.foreign_origins += 1;",
        "self.counters.foreign_origins += 2;",
    ),
    bug(
        "without random bytes, no user is admitted",
        COUNTERS,
        "return Err(net_close::INTERNAL_ERROR);",
        "return Err(net_close::GOING_AWAY);",
    ),
    bug(
        "a token signs in only its own staff member",
        AUTH,
        "let known = members.get(id).map(|member| member.token);",
        "let known = members.values().map(|member| member.token).find(|token| *token == offered);",
    ),
    bug(
        "staff who are no longer in the staff file are signed out",
        STAFF_FILE,
        "if !tokens.has_same(id, &self.staff_tokens) {",
        "if !tokens.has_same(id, &self.staff_tokens) && tokens.members() == 0 {",
    ),
    bug(
        "a staff file that is wrong changes nothing",
        STAFF_FILE,
        "let (id, member) = member(line).map_err(wrong)?;",
        "let Ok((id, member)) = member(line) else { continue };",
    ),
    bug(
        "a frame over the rate limit has no effect",
        DESK,
        "Ok((command, names)) if verdict == RateVerdict::Within => {\n                    return self.submit",
        "Ok((command, names)) if verdict != RateVerdict::Flood => {\n                    return self.submit",
    ),
];
