//! The figures of PROTOCOL.md, copied from there and not taken from the code, which would only be compared with itself.

use deskwire::config::Millis;

const SECOND: Millis = 1000;
const KIB: usize = 1024;

/// "frames of a connection | 50 a second", "frames at once | 2 s of that rate".
pub const MESSAGES_PER_S: u32 = 50;
pub const MESSAGES_BURST_S: u64 = 2;
/// "payload of a connection | 64 KiB a second", "payload at once | 4 s of that rate".
pub const PAYLOAD_BYTES_PER_S: u32 = 64 * 1024;
pub const PAYLOAD_BURST_S: u64 = 4;
/// "new tickets of a connection, at once | 3", "then another one after | 10 s".
pub const TICKETS_OF_CONNECTION: (usize, Millis) = (3, 10 * SECOND);
/// "new tickets of an address, at once | 30", "then another one after | 1 s".
pub const TICKETS_OF_ADDRESS: (usize, Millis) = (30, SECOND);
/// "a message, or a frame | 16 KiB".
pub const MESSAGE_BYTES_MAX: usize = 16 * KIB;
/// "time for a whole head | 10 s".
pub const HEAD: Millis = 10 * SECOND;
/// "time for a peer to take a plain response | 5 s", "from our close frame to the peer's | 5 s", "from our last byte to the
/// peer's end | 1 s".
pub const HTTP: Millis = 5 * SECOND;
pub const CLOSING: Millis = 5 * SECOND;
pub const LINGER: Millis = SECOND;
/// "from that ping to any sign of life | 20 s".
pub const PONG: Millis = 20 * SECOND;
/// "time in which a peer takes nothing | 15 s".
pub const STALL: Millis = 15 * SECOND;
/// README: a journal is rewritten after 15 minutes.
pub const JOURNAL_AGE: Millis = 15 * 60 * SECOND;
/// "the output buffer of a connection stays under 64 KiB plus one frame".
pub const OUTPUT_BYTES_MAX: usize = (64 + 17) * KIB;
/// "While the other side has not confirmed 200 messages or 64 KiB". The bytes are those of the texts in JSON.
pub const HELD_MESSAGES: usize = 200;
pub const HELD_BYTES: usize = 64 * KIB;
/// "the last of these, reserved for staff with a valid token | 64"; half of them if there are fewer than 128.
pub const STAFF_PLACES: usize = 64;
/// "sockets in addition to those of open connections | 32".
pub const SOCKETS_BESIDE: usize = 32;
/// If accept(2) fails, the server tries again after a second at the latest. No peer can notice more of it than that.
pub const ACCEPT_AGAIN: Millis = SECOND;
/// "from a stop signal to the end | 5 s".
pub const SHUTDOWN: Millis = 5 * SECOND;
/// "holds for 6 s unless renewed".
pub const TYPING: Millis = 6 * SECOND;
