//! Bugs of what the desk is held to: figures of the configuration, secrets, answers, close codes.

use super::Detector::Unit;
use super::{Bug, bug, bug_for};

const ADMISSION: &str = "src/desk/admission.rs";
const ASKING: &str = "src/desk/mod.rs";
const CONFIG: &str = "src/config.rs";
const DESK: &str = "src/desk/service.rs";
const QUEUE: &str = "src/state/queue.rs";
const PLACES: &str = "src/hub/admission.rs";
const RATE: &str = "src/net/rate.rs";
const RECAP: &str = "src/state/recap.rs";
const RESPONSE: &str = "src/net/response.rs";
const TICKET_RATE: &str = "src/desk/ticket_rate.rs";
const WEBSOCKET: &str = "src/net/websocket.rs";

pub(super) const BUGS: &[Bug] = &[
    bug(
        "50 frames a second, and no more",
        CONFIG,
        "const DEFAULT_RATE_LIMIT_PER_S: u32 = 50;",
        "const DEFAULT_RATE_LIMIT_PER_S: u32 = 60;",
    ),
    bug(
        "staff are admitted only by their token",
        DESK,
        "let is_right = tokens.admits(&id, token);",
        "let is_right = tokens.admits(&id, token) || id.as_str().len() == 7;",
    ),
    bug(
        "an estimate is the mean time between the latest picks, times the place",
        QUEUE,
        ".div_ceil(rate.picks * 1000)",
        " / (rate.picks * 1000)",
    ),
    bug(
        "a message that is too long closes with 1009",
        WEBSOCKET,
        "Error::Capacity(_) => ReadEnd::Fault(close::TOO_BIG),",
        "Error::Capacity(_) => ReadEnd::Fault(close::UNSUPPORTED),",
    ),
    bug(
        "a peer that takes nothing is closed after 15 s, and no earlier",
        CONFIG,
        "pub const STALL_MS: Millis = 15 * SECOND;",
        "pub const STALL_MS: Millis = 9 * SECOND;",
    ),
    bug(
        "a head that is too long is answered with 431",
        RESPONSE,
        "FieldsTooLarge = 431,",
        "FieldsTooLarge = 413,",
    ),
    bug(
        "a peer has 20 s to answer a ping",
        CONFIG,
        "pub const PONG_MS: Millis = 20 * SECOND;",
        "pub const PONG_MS: Millis = 12 * SECOND;",
    ),
    bug(
        "a typing notice holds for 6 s",
        CONFIG,
        "pub const TYPING_MS: Millis = 6 * SECOND;",
        "pub const TYPING_MS: Millis = 7 * SECOND;",
    ),
    bug(
        "64 KiB a second, and no less",
        CONFIG,
        "payload_bytes_per_s: 64 * 1024,",
        "payload_bytes_per_s: 48 * 1024,",
    ),
    bug(
        "100 frames at once, and no more",
        CONFIG,
        "pub const MESSAGES_BURST_S: u64 = 2;",
        "pub const MESSAGES_BURST_S: u64 = 3;",
    ),
    bug(
        "a message of more than 16 KiB is too long",
        CONFIG,
        "message_bytes_max: 16 * KIB,",
        "message_bytes_max: 17 * KIB,",
    ),
    bug(
        "a connection opens 3 tickets at once, and no more",
        CONFIG,
        "pub const CONNECTION_TICKETS_BURST: u64 = 3;",
        "pub const CONNECTION_TICKETS_BURST: u64 = 4;",
    ),
    bug(
        "the connections of an address share its new tickets",
        TICKET_RATE,
        "self.addresses.add(client, ADDRESS_TICKET_MS, now);",
        "self.addresses.add(client, 0, now);",
    ),
    bug(
        "a ticket that was refused does not count as a new one",
        ASKING,
        "let is_opened = self.counters.tickets_opened > opened_before || !self.applies_at_once();",
        "let is_opened = true;",
    ),
    bug(
        "allowances that are full again are nothing to wake up for",
        DESK,
        "        self.ticket_rate.iter_mut().for_each(|rate| rate.tick(now));\n",
        "",
    ),
    bug(
        "staff are held to the rate limit, too",
        DESK,
        "Ok((command, names)) if verdict == RateVerdict::Within => {\n                    return self.submit(now, &Input::StaffAsks",
        "Ok((command, names)) if verdict != RateVerdict::Flood => {\n                    return self.submit(now, &Input::StaffAsks",
    ),
    bug(
        "a rate of 0 is no limit",
        RATE,
        "    if per_s == 0 {\n        return RateVerdict::Within;",
        "    if per_s == 0 {\n        return RateVerdict::Exceeded;",
    ),
    bug(
        "a message allows one answer that does not count",
        RATE,
        "self.answers = self.answers.saturating_add(1);",
        "self.answers = self.answers.saturating_add(2);",
    ),
    bug(
        "bytes are limited, and not only frames",
        RATE,
        "        messages.max(count(&mut self.payload, bytes, limits.payload_bytes_per_s, PAYLOAD_BURST_S, now))",
        "        messages.max(count(&mut self.payload, bytes, 0, PAYLOAD_BURST_S, now))",
    ),
    bug(
        "there are so many sockets in addition to open ones, and no more",
        CONFIG,
        "self.connections_max + self.overflow_connections",
        "self.connections_max + OVERFLOW_CONNECTIONS",
    ),
    bug(
        "a limit of 0 connections an address is none",
        PLACES,
        "max if max == 0 || *count <= max => AddressStanding::Within,",
        "max if *count <= max => AddressStanding::Within,",
    ),
    bug(
        "a page that was opened from disk may connect",
        ADMISSION,
        "(origin != \"null\" && !is_own",
        "(!is_own",
    ),
    bug_for(
        Unit("state::tests::replay"),
        "a recap reaches staff at another node",
        RECAP,
        "if self.lines.is_empty() {",
        "if self.bytes > 0 {",
    ),
];
