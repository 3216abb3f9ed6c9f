//! Every limit, with its unit and its reason. The modules below have the options of the command line.
//!
//! Limits are in one place so that they can be compared: many are derived from each other, and tests/documents holds
//! PROTOCOL.md to them.

mod doctor;
#[cfg(feature = "journal")]
mod journal;
mod options;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "tls")]
mod tls;

use clap::ValueEnum;

pub use self::doctor::{
    DOCTOR_ANSWER_BYTES_MAX, DOCTOR_CLOCK_MS, DOCTOR_DESCRIPTORS_MIN, DOCTOR_STEP_MS, DoctorOptions,
};
#[cfg(feature = "journal")]
pub use self::journal::{
    JOURNAL_AGE_MS, JOURNAL_BYTES_MAX, JOURNAL_HEADER_BYTES_MAX, JOURNAL_PART_MS, JOURNAL_SYNC_MS,
    JournalOptions, JournalRules, JournalSync,
};
pub use self::options::{Options, Task, TrustedProxy};
#[cfg(feature = "redis")]
pub use self::redis::*;
#[cfg(feature = "tls")]
pub use self::tls::TlsOptions;

/// A time in milliseconds since the Unix epoch, or a span in milliseconds. The loop reads the wall clock once, at the
/// start, and counts on from it monotonically, so that setting the clock does not move any deadline.
pub type Millis = u64;

const KIB: usize = 1024;
const SECOND: Millis = 1000;

/// The longest request head, in bytes. Browsers stay below 4 KiB; a longer head is answered with 431.
pub const HEAD_BYTES_MAX: usize = 8 * KIB;
/// The most fields in a request head. Browsers send about 20; a head with more is answered with 431.
pub const HEAD_FIELDS_MAX: usize = 64;
/// The time from accept to the last byte of the head. It is never extended, so that trickling in bytes gains nothing.
pub const HEAD_MS: Millis = 10 * SECOND;
/// The time for a peer to take the last bytes of a connection: a plain HTTP answer, or a close frame that needs no
/// answer.
pub const HTTP_MS: Millis = 5 * SECOND;
/// The time from our close frame to the peer's.
pub const CLOSING_MS: Millis = 5 * SECOND;
/// What is read after our close frame to find the peer's close frame in it, in bytes. A peer that was sending usually
/// has no more than this under way. One that goes on sending was closed for a reason, and is not worth parsing any
/// longer.
pub const CLOSING_BYTES_MAX: usize = 64 * KIB;
/// The time between the end of our output and the peer's end. It is long enough for the peer to read our last frame
/// before a reset could destroy it.
pub const LINGER_MS: Millis = SECOND;
/// How long a peer may take nothing while output is waiting. After that it is gone or does not read, and is closed with
/// 1013.
pub const STALL_MS: Millis = 15 * SECOND;
/// The time from our ping to any sign of life.
pub const PONG_MS: Millis = 20 * SECOND;
/// The time from the first stop signal to the end, even if some peers have not answered our close frame by then.
pub const SHUTDOWN_MS: Millis = 5 * SECOND;
/// The time before we try to accept again after descriptors ran out. If a connection ends, we try at once.
pub const ACCEPT_RETRY_MS: Millis = SECOND;
/// The time between two log lines that say that accepting is paused. One is enough for the operator; the metrics go on
/// counting.
pub const SAME_WARNING_MS: Millis = 60 * SECOND;

/// What may be kept of an incomplete message of a TLS handshake, in bytes. It is as much as of a request head.
#[cfg(feature = "tls")]
pub(crate) const TLS_HANDSHAKE_BYTES_MAX: usize = HEAD_BYTES_MAX;
/// What may be kept of an incomplete TLS record, in bytes. The longest record has 2^14 bytes of content, 2,048 of
/// encryption and 5 of header (RFC 5246 6.2.3).
#[cfg(feature = "tls")]
pub(crate) const TLS_RECORD_BYTES_MAX: usize = 18 * KIB + 5;
/// How much output is encrypted at once, in bytes: the most that a TLS record holds (RFC 8446 5.1). The rest waits
/// unencrypted.
#[cfg(feature = "tls")]
pub(crate) const TLS_PLAINTEXT_BYTES_MAX: usize = 16 * KIB;
/// The most that encryption adds, in bytes: a record's header, nonce and tag, and a key update before it.
#[cfg(feature = "tls")]
pub(crate) const TLS_OVERHEAD_BYTES: usize = 128;
/// What a part of a TLS handshake counts in addition to its bytes. A signature and a key exchange take about 200 us.
#[cfg(feature = "tls")]
pub(crate) const TLS_HANDSHAKE_COST_BYTES: usize = 4 * KIB;
/// How long before a certificate expires the log begins to warn, each time that the certificate is read.
#[cfg(feature = "tls")]
pub(crate) const TLS_EXPIRY_WARNING: std::time::Duration = std::time::Duration::from_secs(14 * 24 * 60 * 60);

/// The longest line of the log, in bytes. Two lines are shorter than PIPE_BUF, so that a pipe takes them whole or not
/// at all.
pub const LOG_LINE_BYTES_MAX: usize = KIB;
/// How much a line of the log shows of a text that a peer has sent, in bytes, with its escapes. Any honest origin fits.
pub const LOG_QUOTED_BYTES_MAX: usize = 100;
/// The time between two lines of one kind in the log, so that no peer can fill the disk.
pub const LOG_LINE_MS: Millis = SECOND;

/// The size of a recv, in bytes, and all that is read from one connection in a turn. With 64 KiB, a peer's shortest
/// frames, which have 6 bytes and take almost 1 us each, would take 10 ms.
pub const RECV_BYTES: usize = 16 * KIB;
/// The smallest recv, in bytes, even if the turn has less left. The call costs as much as copying this.
pub const RECV_BYTES_MIN: usize = 4 * KIB;
/// The most reads in a turn. Each takes about 10 us with the writes that follow from it: 5 ms in all. Half as many
/// would not save time, and a busy desk would lose what it gains by putting several answers into one write.
pub const TURN_READS_MAX: usize = 512;
/// The most bytes read in a turn, including what the three constants below add. The most expensive input of this size
/// takes about 7 ms.
pub const TURN_BYTES_MAX: usize = 160 * KIB;
/// What a message counts in addition to its bytes. The shortest messages are refused, which takes about 3 us with the
/// answer.
pub const MESSAGE_COST_BYTES: usize = 64;
/// What a request counts in addition to its bytes. With the handshake and the welcome it takes about 40 us.
pub const REQUEST_COST_BYTES: usize = KIB;
/// How many extra bytes each byte outside of a message counts, such as those of a fragment's header. A header has 6
/// bytes, and takes almost 1 us to read.
pub const FRAGMENT_COST_FACTOR: usize = 4;
/// The debt up to which a connection is served before those with more, in bytes. It is enough for a few messages, or
/// for the frames of a person who types. It is also the size of a recv while other connections wait: a thousand that
/// begin to flood at the same time delay the others by 4 MiB, and not by 16 MiB.
pub const FRONT_DEBT_BYTES: usize = 4 * KIB;
/// If this many connections wait to be read, they are a crowd, and each is read less at once.
pub const CROWD_CONNECTIONS: usize = 128;
/// The size of a recv in a crowd, in bytes: a head or a few messages. If a thousand begin to flood at
/// the same time, 1 MiB of theirs is read before another peer's message, and not 4 MiB.
pub const CROWD_RECV_BYTES: usize = KIB;
/// What each further connection counts that a read has queued output for, in bytes: a write takes about 6 us.
pub const WRITE_COST_BYTES: usize = 128;
/// How fast a connection's debt decreases, in bytes a second. It is the rate at which payload may come, so that peers
/// that keep to the limit are served first.
pub const DEBT_LEAK_BYTES_PER_S: u64 = 64 * 1024;
/// How much output is queued in a turn for connections whose output had left, in bytes: about 2 ms of encoding and
/// writing. Further connections are served in the next turn.
pub const TURN_DRAINED_BYTES_MAX: usize = 1024 * KIB;
/// How much output of a connection may wait, in bytes, before we stop reading from it. It is twice the longest message;
/// a peer that reads takes this much in a few milliseconds.
pub const OUTPUT_BEHIND_BYTES: usize = 32 * KIB;
/// The most deadlines that are looked at in a turn. Many pass together after the process was suspended, or if many
/// peers connected at once, and each ping is a write of about 5 us.
pub const TURN_EXPIRIES_MAX: usize = 512;
/// The most connections in a turn for which each is answered before the next is read, if the answer goes to no more
/// connections than this. With so few, writing their answers together would save little. At 20,000 messages a second,
/// half of the messages arrive 13 us earlier. A limit of 4 gains nothing more there, and at 100,000 messages a second
/// it delays half of them by 5 us.
pub const FLUSHED_AT_ONCE_MAX: usize = 2;
/// The size of tungstenite's read buffer, in bytes, which is zeroed for each read. A chat frame fits; a longer one
/// takes several reads.
pub const READ_BUFFER_BYTES: usize = 512;
/// The largest size of tungstenite's write buffer, in bytes. Only answers to control frames pass through it, and the
/// longest has 127 bytes (RFC 6455 5.5).
pub const WRITE_BUFFER_BYTES_MAX: usize = 256;
/// The size of the smallest fragment with a payload, in bytes: two of header, four of mask and one of payload
/// (RFC 6455 5.2).
pub const FRAGMENT_BYTES_MIN: usize = 7;
/// What may come without completing a message, in bytes, in addition to the longest message in one-byte fragments
/// (16 KiB times 7 bytes). More than this is a flood of empty fragments.
pub const FRAGMENTS_BYTES_SLACK: usize = 128 * KIB;
/// How many connections and tickets there must have been for it to be worthwhile to give memory back once half of them
/// are gone. This many take a few MiB.
pub const TRIM_ITEMS_MIN: usize = 1000;
/// How long after that the memory is given back, since a desk that has begun to shrink mostly goes on shrinking.
pub const TRIM_MS: Millis = 10 * SECOND;
/// The most events of the poll in a turn. Further ones are reported by the next poll, which then comes at once.
pub const EVENTS_PER_TURN: usize = 1024;
/// The most connections accepted in a turn. Further ones wait for the next turn, so that a flood of connects does not
/// stall a chat.
pub const ACCEPTS_PER_TURN: usize = 64;
/// The listen backlog. A listener that mio binds has a fixed one of 128. The kernel limits this one to its somaxconn.
pub const BACKLOG: i32 = 4096;
/// The number of descriptors that are not connections of users and staff: the standard streams, the poll, the signals,
/// the listener, a file being read, the metrics' own listener and its connections, and a few to spare.
pub const DESCRIPTORS_RESERVED: usize = 16;
/// The number of sockets in addition to those of open WebSockets: for heads that are not complete, plain requests, and
/// WebSockets that are closed because there is no place. When all are in use, the oldest connection that is not open is
/// evicted.
pub const OVERFLOW_CONNECTIONS: usize = 32;
/// The number of connections at the metrics' own listener, in addition to all others: two Prometheus servers, a health
/// check, and a person who looks. More wait in its backlog.
pub(crate) const METRICS_CONNECTIONS_MAX: usize = 4;
/// The memory for the incomplete heads of all connections, in bytes: 1,024 of the longest. Apart from an attacker's, a
/// head usually comes in one piece. So beyond this limit the oldest connection that is not open is evicted.
pub const PARTIAL_HEADS_BYTES_MAX: usize = 8 * 1024 * KIB;
/// The number of places for connections that are reserved for staff with a valid token, so that users cannot lock staff
/// out. A desk of 128 places or fewer reserves half of them.
pub const STAFF_PLACES: usize = 64;
/// How many connections of one address beyond its limit are still answered, with 1013 or 503. Further ones are dropped
/// unread.
pub const ADDRESS_OVERFLOW: u32 = 16;

/// The number of spare output buffers, which the next connections with output use: enough for a busy turn.
pub const SPARE_BUFFERS_MAX: usize = 256;
/// The largest capacity of a spare output buffer, in bytes: as much as chats need. A larger one goes back to the heap.
pub const SPARE_BUFFER_BYTES_MAX: usize = 16 * KIB;
/// The capacity that the outbox keeps between two calls of the service, in bytes. A welcome fits. The rest, which a
/// frame for all connections may have needed, goes back to the heap.
pub const OUTBOX_KEPT_BYTES: usize = 256 * KIB;
/// The capacity that the outbox keeps for entries, and for receivers.
pub const OUTBOX_KEPT_ENTRIES: usize = 4096;
/// The number of entries up to which the queue of deadlines and that of evictable connections are not searched for
/// outdated entries.
pub const TIDY_ENTRIES_MIN: usize = 1024;

/// The number of tickets that a connection may open at once: one, and another after a mistake.
pub const CONNECTION_TICKETS_BURST: u64 = 3;
/// The time after which a connection may open one more.
pub const CONNECTION_TICKET_MS: Millis = 10 * SECOND;
/// The number of tickets that all connections of an address may open at once: enough for an office or a school.
pub const ADDRESS_TICKETS_BURST: u64 = 30;
/// The time after which an address may open one more.
pub const ADDRESS_TICKET_MS: Millis = SECOND;
/// The longest subject, in Unicode scalar values.
pub const SUBJECT_CHARS_MAX: usize = 200;
/// The longest text of a message, in Unicode scalar values.
pub const TEXT_CHARS_MAX: usize = 4000;
/// The longest note that goes with a transfer, in Unicode scalar values.
pub const NOTE_CHARS_MAX: usize = 500;
/// The longest name of a user or a staff member, in Unicode scalar values.
pub const NAME_CHARS_MAX: usize = 64;
/// The longest address of the page that a user came from, in Unicode scalar values.
pub const PAGE_CHARS_MAX: usize = 300;
/// What subject, name and page of all open tickets may take together, in bytes for each ticket that may be open: the longest
/// fit in Latin or Cyrillic letters. If they take more, tickets of absent users make room, as if there were too many.
pub const TICKET_TEXT_BYTES: usize = 1280;
/// What they may take in any case, in bytes: a desk of few tickets has memory for the longest.
pub const TICKET_TEXTS_BYTES_MIN: usize = 1024 * KIB;
/// The most lines of a recap. A longer chat would hardly fit into a message.
pub const RECAP_LINES_MAX: usize = 100;
/// The worst score of a rating.
pub const SCORE_MIN: u8 = 1;
/// The best score of a rating.
pub const SCORE_MAX: u8 = 5;
/// The largest id of a message. A page's numbers skip integers beyond 2^53 - 1, so that there would be no next id
/// (RFC 8259 6).
pub const MESSAGE_ID_MAX: u64 = (1 << 53) - 1;
/// The longest staff token, in bytes. With it, a request head still fits.
pub const TOKEN_BYTES_MAX: usize = 256;
/// The longest id of a user or a staff member, in bytes.
pub const ID_BYTES_MAX: usize = 64;
/// The most messages that are held for one side until it confirms them. Beyond this, messages to it are refused with
/// `unread_limit`.
pub const HELD_MESSAGES_MAX: usize = 200;
/// The most text that is held for one side, in bytes. The longest message has 16 KiB, so that four of them fit.
pub const HELD_BYTES_MAX: usize = 64 * KIB;
/// The size of all spare buffers for held messages together, in bytes: those of a few hundred chats that hold a few
/// dozen messages each. To allocate and grow a buffer each time would be a sixth of the cost of a message.
pub const SPARE_HELD_BYTES_MAX: usize = 2048 * KIB;
/// The largest spare buffer for held messages, in bytes. A larger one goes back to the heap.
pub const SPARE_HELD_BUFFER_BYTES_MAX: usize = 32 * KIB;
/// The longest name and the longest greeting of the company, in Unicode scalar values: each is one line on the pages.
pub const BRAND_CHARS_MAX: usize = 100;
/// The least contrast of the company's colour against white. WCAG 2.2 requires 4.5 for text, and the light page is a
/// little darker than white.
pub const ACCENT_ON_LIGHT_CONTRAST_MIN: f64 = 5.0;
/// The least contrast against black of the shade on a dark page, which is a little lighter than black.
pub const ACCENT_ON_DARK_CONTRAST_MIN: f64 = 6.0;
/// How much a connection may be sent before all of its output has left, in bytes. With one more frame, this bounds the
/// output buffer. It is large enough for a busy chat to use it up only once in a hundred messages.
pub const CREDIT_BYTES: u32 = 32 * 1024;
/// The most tickets in a staff member's welcome.
pub const WELCOME_TICKETS_MAX: usize = 200;
/// The most that tickets and colleagues may take in a staff member's welcome, in bytes, by their upper bounds. The rest
/// follows one by one.
pub const WELCOME_BYTES_MAX: usize = 56 * KIB;
/// The time for which changes of the board are gathered, to be sent together.
pub const GATHER_MS: Millis = 100;
/// How much all staff together are sent of the changes of the board in this time, in bytes. Each gets an equal share; the
/// rest waits as State, so that a flood of tickets costs what it has changed in the end. Of 10 staff each is sent about
/// 1,000 changes a second, of 300 staff about 40.
pub const BOARD_BYTES_PER_GATHER: usize = 512 * KIB;
/// The number of staff who are sent a batch of changes in one turn. At most the credit of each is written: about 2 ms
/// of work.
pub const STAFF_PER_TURN: u32 = 64;
/// The number of users who are sent in one turn whether staff are online.
pub const USERS_PER_TURN: u32 = 128;
/// The number of users who are sent their place in the queue in one turn. A notice takes about 10 us with its write.
pub const NOTICES_PER_TURN: usize = 128;
/// The number of timeouts in one turn: absent users who are given up, and typing notices that end.
pub const ALARMS_PER_TURN: usize = 256;
/// The size of a part of a State that is stored, as JSON, in bytes, approximately. A part takes about 1 ms.
pub const STATE_PART_BYTES: usize = 128 * KIB;
/// How long a typing notice holds.
pub const TYPING_MS: Millis = 6 * SECOND;
/// The least time between two queue notices to one user.
pub const QUEUE_NOTICE_MS: Millis = SECOND;
/// The number of recent picks from which a wait is estimated.
pub const PICKS_REMEMBERED: usize = 16;

/// The limits of connections. The desk takes some from its options; examples/echo.rs sets its own.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The longest message and the longest frame, in bytes. A longer one is closed with 1009. 4,000 characters of four
    /// bytes are 16,000.
    pub message_bytes_max: usize,
    /// The time of silence before a ping.
    pub ping_interval_ms: Millis,
    /// The most messages of a connection in a second, control frames included; 0 is no limit.
    pub messages_per_s: u32,
    /// The most payload of a connection in a second, in bytes; 0 is no limit. Nobody types as much. A page that sends
    /// again what was not acknowledged needs the burst.
    pub payload_bytes_per_s: u32,
    /// The most open WebSockets.
    pub connections_max: usize,
    /// The number of sockets in addition to those of open WebSockets.
    pub overflow_connections: usize,
    /// The most connections of one address, in any phase; 0 is no limit. Many people may share the address of an
    /// office.
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

/// How many messages may come at once: as many as the rate allows in this many seconds.
pub const MESSAGES_BURST_S: u64 = 2;
/// How much payload may come at once: as much as the rate allows in this many seconds. That is 256 KiB, or 16 of the
/// longest messages.
pub const PAYLOAD_BURST_S: u64 = 4;
/// How many times that much at once is a flood, which closes the connection. Less is only refused, so that a page that
/// was too fast can wait.
pub const FLOOD_FACTOR: u64 = 2;

// The defaults of the command line. `Limits` has the same defaults.

/// Only this machine can connect, until an operator decides otherwise.
const DEFAULT_LISTEN: &str = "127.0.0.1:8000";
/// As many chats as a person can follow.
const DEFAULT_MAX_CHATS: u32 = 5;
/// On most hosts the operating system grants fewer descriptors than this.
const DEFAULT_MAX_CONNECTIONS: usize = 100_000;
/// Enough for an office behind one address.
const DEFAULT_MAX_PER_ADDRESS: u32 = 256;
/// Bounds the memory of State.
const DEFAULT_MAX_TICKETS: u32 = 10_000;
/// In seconds: enough to reload a page, to pass through a tunnel on a train, or to carry a laptop home.
const DEFAULT_USER_GRACE_S: u32 = 600;
/// In seconds: less than the 60 s after which common proxies drop a silent connection.
const DEFAULT_PING_INTERVAL_S: u32 = 30;
/// In messages a second: more than anybody types or a page sends.
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
    /// For programs: the same as a JSON object.
    Json,
}

/// Who gets a waiting ticket.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, ValueEnum, serde::Serialize, serde::Deserialize,
)]
pub enum Assign {
    /// The staff member who picks it.
    #[default]
    Manual,
    /// The staff member below the limit of chats whose last assignment is longest ago.
    RoundRobin,
    /// The staff member with the fewest chats.
    LeastBusy,
}
