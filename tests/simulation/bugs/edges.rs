//! Bugs of what the desk is held to: figures of the configuration, secrets, answers, close codes.

use super::{Bug, bug};

const CONFIG: &str = "src/config.rs";
const DESK: &str = "src/desk/service.rs";
const QUEUE: &str = "src/state/queue.rs";
const RESPONSE: &str = "src/net/response.rs";
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
];
