//! The figures of PROTOCOL.md, as they stand there: not those of the code, which would agree with itself.

use deskwire::config::Millis;

const SECOND: Millis = 1000;
const KIB: usize = 1024;

/// "Frames (50 a second and connection)", 2 s of them at once; as much again is a flood.
pub const MESSAGES_PER_S: u32 = 50;
pub const MESSAGES_BURST_S: u64 = 2;
/// "Bytes (64 KiB a second and connection, 256 KiB at once)."
pub const PAYLOAD_BYTES_PER_S: u64 = 64 * KIB as u64;
pub const PAYLOAD_BURST_S: u64 = 4;
/// "A message or frame over 16 KiB with 1009."
pub const MESSAGE_BYTES_MAX: usize = 16 * KIB;
/// "A head that is not complete in 10 s 408."
pub const HEAD: Millis = 10 * SECOND;
/// A plain answer is to be taken in 5 s, and a close frame to be answered; then the rest is read for 1 s.
pub const HTTP: Millis = 5 * SECOND;
pub const CLOSING: Millis = 5 * SECOND;
pub const LINGER: Millis = SECOND;
/// "Dead 20 s after the ping was sent."
pub const PONG: Millis = 20 * SECOND;
/// "Only who takes nothing at all for 15 s is closed."
pub const STALL: Millis = 15 * SECOND;
/// A journal's texts are written for 15 minutes.
pub const JOURNAL_AGE: Millis = 15 * 60 * SECOND;
/// "A connection's output buffer stays under 64 KiB and one frame."
pub const OUTPUT_BYTES_MAX: usize = (64 + 17) * KIB;
/// "A sender whose other side has not confirmed 200 messages or 64 KiB." The bytes are those of the JSON form.
pub const HELD_MESSAGES: usize = 200;
pub const HELD_BYTES: usize = 64 * KIB;
/// The last places are kept for staff: 64, or half of them.
pub const STAFF_PLACES: usize = 64;
/// Sockets beside those of open WebSockets; beyond, the oldest connection that is not open is evicted.
pub const SOCKETS_BESIDE: usize = 32;
/// Accepting that had to stop goes on after a second, if not before.
pub const ACCEPT_AGAIN: Millis = SECOND;
/// "Ends within 5 s" of the signal.
pub const SHUTDOWN: Millis = 5 * SECOND;
/// "Holds for 6 s unless renewed."
pub const TYPING: Millis = 6 * SECOND;
