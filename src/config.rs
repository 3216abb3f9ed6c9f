//! Every limit, with its unit and its reason, and in the modules below every option.

mod doctor;
#[cfg(feature = "journal")]
mod journal;
mod options;
#[cfg(feature = "tls")]
mod tls;

use clap::ValueEnum;

pub use self::doctor::{
    DOCTOR_ANSWER_BYTES_MAX, DOCTOR_CLOCK_MS, DOCTOR_DESCRIPTORS_MIN, DOCTOR_STEP_MS, DoctorOptions,
};
#[cfg(feature = "journal")]
pub use self::journal::{
    JOURNAL_AGE_MS, JOURNAL_BYTES_MAX, JOURNAL_SYNC_MS, JournalOptions, JournalRules, JournalSync,
};
pub use self::options::{Options, Task, TrustedProxy};
#[cfg(feature = "tls")]
pub use self::tls::TlsOptions;

/// Milliseconds: of the Unix epoch where it is a time, plain where it is a span. The loop takes the wall clock once,
/// at the start, and counts on from it monotonically, so that a corrected clock moves no deadline.
pub type Millis = u64;

const KIB: usize = 1024;
const SECOND: Millis = 1000;

/// A request head, in bytes. Browsers stay below 4 KiB; beyond this it is 431.
pub const HEAD_BYTES_MAX: usize = 8 * KIB;
/// Fields of a request head. Browsers send about 20; beyond this it is 431.
pub const HEAD_FIELDS_MAX: usize = 64;
/// From accept to the last byte of the head. Never extended, so that a byte now and then buys nothing.
pub const HEAD_MS: Millis = 10 * SECOND;
/// For the last bytes of a connection to be taken: a plain HTTP answer, or a close frame that needs no answer.
pub const HTTP_MS: Millis = 5 * SECOND;
/// From our close frame to the peer's.
pub const CLOSING_MS: Millis = 5 * SECOND;
/// What is read after our close frame to find the peer's among it: one recv. A peer that was sending has that much under
/// way at most times; one that goes on was refused, and is not worth a parser.
pub const CLOSING_BYTES_MAX: usize = 64 * KIB;
/// Between the end of our output and the peer's end: long enough for the last frame not to be reset under it.
pub const LINGER_MS: Millis = SECOND;
/// Without a byte taken while output is waiting: the peer is gone or does not read, and is closed with 1013.
pub const STALL_MS: Millis = 15 * SECOND;
/// From our ping to any sign of life.
pub const PONG_MS: Millis = 20 * SECOND;
/// From the first stop signal to the end, also with connections whose peers have not answered our close frame.
pub const SHUTDOWN_MS: Millis = 5 * SECOND;
/// Before a try to accept again after descriptors ran out. A connection that ends brings it forward.
pub const ACCEPT_RETRY_MS: Millis = SECOND;
/// Between two log lines that accepting is paused. One is enough for the operator; the metrics count on.
pub const SAME_WARNING_MS: Millis = 60 * SECOND;

/// What may be kept of a TLS handshake until the rest of its message has come, in bytes: the same as of a request head.
#[cfg(feature = "tls")]
pub(crate) const TLS_HANDSHAKE_BYTES_MAX: usize = HEAD_BYTES_MAX;
/// What may be kept of a TLS record until its rest has come, in bytes: the longest is 2^14 and 2,048 of encryption, and 5 of
/// its header (RFC 5246 6.2.3).
#[cfg(feature = "tls")]
pub(crate) const TLS_RECORD_BYTES_MAX: usize = 18 * KIB + 5;
/// Output that is encrypted at once, in bytes: the most that a TLS record holds (RFC 8446 5.1). More waits unencrypted.
#[cfg(feature = "tls")]
pub(crate) const TLS_PLAINTEXT_BYTES_MAX: usize = 16 * KIB;
/// What encrypting adds at most, in bytes: header, nonce and tag of a record, and a message about new keys before it.
#[cfg(feature = "tls")]
pub(crate) const TLS_OVERHEAD_BYTES: usize = 128;
/// What a part of a TLS handshake counts beside its bytes: a signature and an agreement on keys are some 200 us.
#[cfg(feature = "tls")]
pub(crate) const TLS_HANDSHAKE_COST_BYTES: usize = 4 * KIB;
/// Before a certificate expires, so long before it the log warns at each reading of it.
#[cfg(feature = "tls")]
pub(crate) const TLS_EXPIRY_WARNING: std::time::Duration = std::time::Duration::from_secs(14 * 24 * 60 * 60);

/// A line of the log, in bytes. Two of them are less than PIPE_BUF, so that a pipe takes them whole or not at all.
pub const LOG_LINE_BYTES_MAX: usize = KIB;
/// What a line of the log shows of a text that a peer has sent, in bytes, escapes included: enough for any honest origin.
pub const LOG_QUOTED_BYTES_MAX: usize = 100;
/// Between two lines of the log of one kind, so that no peer can fill a disk with it.
pub const LOG_LINE_MS: Millis = SECOND;

/// One recv, and all that one connection is read in a turn. With 64 KiB one peer's shortest frames, at 6 bytes and almost
/// 1 us each, would take 10 ms.
pub const RECV_BYTES: usize = 16 * KIB;
/// The smallest recv, where a turn has less left: a call costs as much as copying this.
pub const RECV_BYTES_MIN: usize = 4 * KIB;
/// Reads in a turn. With the writes that follow from each it is about 10 us: some 5 ms. Half as many would save no time, and
/// take from a busy desk what it gains by answering and being answered in one write.
pub const TURN_READS_MAX: usize = 512;
/// Bytes read in a turn, together with what the following add to them. At the dearest it is some 7 ms of work.
pub const TURN_BYTES_MAX: usize = 160 * KIB;
/// What a message counts beside its bytes: the shortest are refused, at some 3 us with the answer.
pub const MESSAGE_COST_BYTES: usize = 64;
/// What a request counts beside its bytes: with the handshake and all that a welcome takes it is some 40 us.
pub const REQUEST_COST_BYTES: usize = KIB;
/// Each byte that is in no message, such as a fragment's header, counts so many more. A header has 6 bytes, and is read at
/// almost 1 us.
pub const FRAGMENT_COST_FACTOR: usize = 4;
/// Bytes that a connection may have sent of late, less 64 KiB for each second since, to be served before those who sent
/// more: a few messages, or the frames of a person who types. It is also all that such a connection is read at once, where
/// others wait: a thousand that begin to flood at the same time delay the others by 4 MiB, and not by 64.
pub const FRONT_DEBT_BYTES: usize = 4 * KIB;
/// What a connection's debt leaks in a second, in bytes: the rate at which payload may come for long, so that those who
/// keep to it are served first.
pub const DEBT_LEAK_BYTES_PER_S: u64 = 64 * 1024;
/// Output that is queued in a turn for connections whose output had left. The rest is for the next turn: some 2 ms of
/// encoding and writing.
pub const TURN_DRAINED_BYTES_MAX: usize = 1024 * KIB;
/// Output that waits for one connection, in bytes, beyond which nothing more is read from it. The longest message fits
/// twice; a peer that reads takes as much in a few milliseconds.
pub const OUTPUT_BEHIND_BYTES: usize = 32 * KIB;
/// Deadlines that are looked at in a turn: many pass together after a stop of the process, or where many connected at
/// once, and a ping costs a write of about 5 us.
pub const TURN_EXPIRIES_MAX: usize = 512;
/// Connections in a turn up to which each is answered before the next is read, if the answer goes to no more than this many.
/// So few have little to gather, and at 20,000 messages a second half of them come 13 us earlier. More are answered
/// together: a limit of 4 gains nothing there, and costs half of the messages 5 us at 100,000 a second.
pub const FLUSHED_AT_ONCE_MAX: usize = 2;
/// tungstenite's read buffer, in bytes, zeroed for each read. A chat frame fits; more comes in several reads.
pub const READ_BUFFER_BYTES: usize = 512;
/// tungstenite's write buffer, in bytes. Only answers to control frames pass through it, and the longest is 127 (RFC 6455 5.5).
pub const WRITE_BUFFER_BYTES_MAX: usize = 256;
/// The smallest fragment with a byte of payload, in bytes: two of header, four of mask, and that one (RFC 6455 5.2).
pub const FRAGMENT_BYTES_MIN: usize = 7;
/// What may come in without completing a message. The longest message in one-byte fragments is 16 KiB x 7 bytes;
/// more than this is a flood of empty fragments.
pub const FRAGMENTS_BYTES_SLACK: usize = 128 * KIB;
/// Connections and tickets from which on it is worth while to give memory back when half of them are gone: some MiB.
pub const TRIM_ITEMS_MIN: usize = 1000;
/// From then to when it is given back.
pub const TRIM_MS: Millis = 10 * SECOND;
/// Events of the poll in a turn. More are reported at the next poll, which is then at once.
pub const EVENTS_PER_TURN: usize = 1024;
/// Accepts a turn. More are taken in the next one, so that a flood of connects stalls no chat.
pub const ACCEPTS_PER_TURN: usize = 64;
/// The listen backlog. mio's own listener is fixed at 128; the kernel cuts this to its somaxconn.
pub const BACKLOG: i32 = 4096;
/// Descriptors that are not connections: standard streams, poll, signals, the listener, a file being read, and some air.
pub const DESCRIPTORS_RESERVED: usize = 16;
/// Sockets beside those of open WebSockets: heads that are still coming, plain requests, those that are closed since there is
/// no place. When all are in use, the oldest connection that is not open is evicted.
pub const OVERFLOW_CONNECTIONS: usize = 32;
/// Memory for heads of which only a part has come, of all connections, in bytes: 1,024 of the longest. A head is whole at
/// once but for those of attackers, so when it is more, the oldest connection that is not open is evicted.
pub const PARTIAL_HEADS_BYTES_MAX: usize = 8 * 1024 * KIB;
/// Places for connections that only staff with a valid token may have, so that users cannot lock staff out. A desk of 128
/// places or fewer keeps half of them.
pub const STAFF_PLACES: usize = 64;
/// Connections of one address over its limit that are still answered, with 1013 or 503. Further ones are dropped unread.
pub const ADDRESS_OVERFLOW: u32 = 16;

/// Output buffers that are kept for the next connection with something to write: enough for those of a busy turn.
pub const SPARE_BUFFERS_MAX: usize = 256;
/// The capacity up to which such a buffer is kept, in bytes: what chat needs. A larger one goes back to the heap.
pub const SPARE_BUFFER_BYTES_MAX: usize = 16 * KIB;
/// What the outbox keeps of its capacity between two calls of the service, in bytes: a welcome fits. More, which a frame
/// for all may have needed, goes back to the heap.
pub const OUTBOX_KEPT_BYTES: usize = 256 * KIB;
/// The same, in frames and in receivers.
pub const OUTBOX_KEPT_ENTRIES: usize = 4096;
/// Entries up to which the deadlines, and the queue of those that may be evicted, are not searched for outdated ones.
pub const TIDY_ENTRIES_MIN: usize = 1024;

/// New tickets that a connection may open at once: one, and again after a mistake.
pub const CONNECTION_TICKETS_BURST: u64 = 3;
/// After so long a connection may open another one.
pub const CONNECTION_TICKET_MS: Millis = 10 * SECOND;
/// New tickets that all connections of an address may open at once: an office, or a school.
pub const ADDRESS_TICKETS_BURST: u64 = 30;
/// After so long an address may open another one.
pub const ADDRESS_TICKET_MS: Millis = SECOND;
/// A subject, in Unicode scalar values.
pub const SUBJECT_CHARS_MAX: usize = 200;
/// A message's text, in Unicode scalar values.
pub const TEXT_CHARS_MAX: usize = 4000;
/// A note that goes with a transfer, in Unicode scalar values.
pub const NOTE_CHARS_MAX: usize = 500;
/// A name that a user or a staff member gives themselves, in Unicode scalar values.
pub const NAME_CHARS_MAX: usize = 64;
/// The page that a user came from, in Unicode scalar values.
pub const PAGE_CHARS_MAX: usize = 300;
/// Lines of a recap. What a page shows of a longer chat would not fit into a message.
pub const RECAP_LINES_MAX: usize = 100;
/// The scores of a rating.
pub const SCORE_MIN: u8 = 1;
/// The best of them.
pub const SCORE_MAX: u8 = 5;
/// A message's id. Beyond 2^53 - 1 a page's numbers skip integers, and no id could follow (RFC 8259 6).
pub const MESSAGE_ID_MAX: u64 = (1 << 53) - 1;
/// A user's or staff member's id, in bytes.
pub const ID_BYTES_MAX: usize = 64;
/// Messages held for one side until it confirms them; beyond, their sender is refused with `unread_limit`.
pub const HELD_MESSAGES_MAX: usize = 200;
/// Bytes of text held for one side. The longest message is 16 KiB, so that four of them fit.
pub const HELD_BYTES_MAX: usize = 64 * KIB;
/// Emptied buffers of held messages that are kept for the next chat, in bytes in all: those of some hundred chats that hold
/// a few dozen messages each. Allocated and grown anew each time, they cost a sixth of what a message costs.
pub const SPARE_HELD_BYTES_MAX: usize = 2048 * KIB;
/// The size up to which such a buffer is kept, in bytes; a larger one goes back to the heap.
pub const SPARE_HELD_BUFFER_BYTES_MAX: usize = 32 * KIB;
/// The name of the company on the pages, and its greeting, in Unicode scalar values: a line each.
pub const BRAND_CHARS_MAX: usize = 100;
/// The contrast of the company's colour against white: WCAG 2.2 asks for 4.5 of text, and the light page is a little darker
/// than white.
pub const ACCENT_ON_LIGHT_CONTRAST_MIN: f64 = 5.0;
/// The same against black, for the shade on a dark page, which is a little lighter than black.
pub const ACCENT_ON_DARK_CONTRAST_MIN: f64 = 6.0;
/// What a connection may be sent before everything that it was sent before has left, in bytes. With one frame more it
/// bounds the output buffer; it is large enough that a busy chat asks for more only once in a hundred messages.
pub const CREDIT_BYTES: usize = 32 * KIB;
/// Tickets in a staff member's welcome.
pub const WELCOME_TICKETS_MAX: usize = 200;
/// Bytes of tickets and colleagues in a staff member's welcome, counted at their worst. The rest follows one by one.
pub const WELCOME_BYTES_MAX: usize = 56 * KIB;
/// Changes of the board that follow each other more closely are sent together.
pub const GATHER_MS: Millis = 100;
/// Staff who are sent a batch of changes in one turn: at most this many credits are written in it, about 2 ms of work.
pub const STAFF_PER_TURN: u32 = 64;
/// Users who are sent in one turn that staff are online, or are not.
pub const USERS_PER_TURN: u32 = 128;
/// Users who are sent their place in the queue in one turn. A notice costs about 10 us with its write.
pub const NOTICES_PER_TURN: usize = 128;
/// Tickets of absent users that are closed in one turn, and typing notices that end in it.
pub const ALARMS_PER_TURN: usize = 256;
/// A typing notice holds this long.
pub const TYPING_MS: Millis = 6 * SECOND;
/// Queue notices to one user come at most this often.
pub const QUEUE_NOTICE_MS: Millis = SECOND;
/// Picks that an estimated wait is made from.
pub const PICKS_REMEMBERED: usize = 16;

/// What a connection is held to. The desk runs with the defaults; examples/echo.rs sets its own.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// A message and a frame, in bytes, then 1009. 4,000 characters of four bytes are 16,000.
    pub message_bytes_max: usize,
    /// Silence before a ping.
    pub ping_interval_ms: Millis,
    /// Messages a second and connection, control frames included; 0 is without a limit.
    pub messages_per_s: u32,
    /// Bytes of their payload a second and connection; 0 is without a limit. Nobody types as much; a page that sends again what
    /// was not acknowledged has the burst for it.
    pub payload_bytes_per_s: u32,
    /// Open WebSockets.
    pub connections_max: usize,
    /// Sockets beside those of open WebSockets.
    pub overflow_connections: usize,
    /// Connections of one address, in any phase; 0 is without a limit. Many people may share the address of an office.
    pub connections_per_address_max: u32,
}

impl Limits {
    /// Returns how many sockets there may be at once.
    pub(crate) fn sockets_max(&self) -> usize {
        self.connections_max + self.overflow_connections
    }

    /// Returns how many open WebSockets there may be with `Priority::Ordinary`.
    pub(crate) fn ordinary_connections_max(&self) -> usize {
        self.connections_max - STAFF_PLACES.min(self.connections_max / 2)
    }
}

/// Messages that may come at once, in seconds of their rate.
pub const MESSAGES_BURST_S: u64 = 2;
/// Bytes of payload that may come at once, in seconds of their rate: 256 KiB, which is 16 messages of the longest.
pub const PAYLOAD_BURST_S: u64 = 4;
/// So many times what may come at once is a flood. What is less is refused, so that a page that was too fast can wait.
pub const FLOOD_FACTOR: u64 = 2;

// The defaults of the command line. Where `Limits` has the same, it takes it from here.

/// Only this machine reaches it until an operator decides otherwise.
const DEFAULT_LISTEN: &str = "127.0.0.1:8000";
/// As many as a person can follow.
const DEFAULT_MAX_CHATS: u32 = 5;
/// The descriptors that the operating system grants are fewer on most hosts.
const DEFAULT_MAX_CONNECTIONS: usize = 100_000;
/// An office behind one address fits.
const DEFAULT_MAX_PER_ADDRESS: u32 = 256;
/// Bounds what State holds.
const DEFAULT_MAX_TICKETS: u32 = 10_000;
/// Seconds: a page that is loaded again, a train in a tunnel, a laptop that is carried home.
const DEFAULT_USER_GRACE_S: u32 = 600;
/// Seconds: less than the 60 after which common proxies drop a silent connection.
const DEFAULT_PING_INTERVAL_S: u32 = 30;
/// Messages a second. Nobody types as many, and a page sends no more.
const DEFAULT_RATE_LIMIT_PER_S: u32 = 50;

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes_max: 16 * KIB,
            ping_interval_ms: Millis::from(DEFAULT_PING_INTERVAL_S) * SECOND,
            messages_per_s: DEFAULT_RATE_LIMIT_PER_S,
            payload_bytes_per_s: 64 * 1024,
            connections_max: DEFAULT_MAX_CONNECTIONS,
            overflow_connections: OVERFLOW_CONNECTIONS,
            connections_per_address_max: DEFAULT_MAX_PER_ADDRESS,
        }
    }
}

const _: () =
    assert!(LOG_LINE_BYTES_MAX * 2 < 4 * KIB, "a line and the one before it fit into a page of a pipe");
const _: () = assert!(TEXT_CHARS_MAX * 4 < 16 * KIB, "the longest text fits into a message");

/// How a line of the log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people: time, level, target and message.
    #[default]
    Plain,
    /// For programs: a JSON object of the same.
    Json,
}

/// Who gets a ticket that waits.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, ValueEnum, serde::Serialize, serde::Deserialize,
)]
pub enum Assign {
    /// Whoever picks it.
    #[default]
    Manual,
    /// The staff member below the limit of chats whose last assignment is longest ago.
    RoundRobin,
    /// The staff member with the fewest chats.
    LeastBusy,
}
