//! All attacks: their names, the numbers of connections they are tried with, and the bounds that must hold.

use super::stage::Stage;
use super::{chats, churn, floods, tickets};
use crate::server::Log;

/// The bounds of a server during an attack, including what its honest people need.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// 99 of 100 honest round trips, in microseconds: less than a human notices, and than a network takes.
    pub(crate) p99_us: f64,
    /// The longest turn, in microseconds: everybody else waits that long.
    pub(crate) turn_us: f64,
    /// The wait of a newcomer who asks for /healthz, in milliseconds.
    pub(crate) healthz_ms: f64,
    /// Memory above that of the server at its start, in KiB: a fixed part, and a part for each connection.
    pub(crate) memory_kib: (usize, usize),
    /// The same for each of what the attackers report under this name.
    pub(crate) memory_for: Option<(&'static str, usize)>,
    /// Memory above the start once the attackers have gone, in KiB, and how long it may take to be given back.
    pub(crate) memory_after: Option<(usize, u64)>,
    /// Whether the desk may be full, and close connections with 1013 for that reason.
    pub(crate) may_be_full: bool,
    /// Bytes written to everybody during the measurement.
    pub(crate) bytes_out: Option<f64>,
    /// Bytes of log.
    pub(crate) log_bytes: f64,
}

/// Whose round trips are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum People {
    /// Users and staff who chat.
    Chats,
    /// Users who ask and are answered, for attacks that honest staff would disturb.
    Askers,
}

pub(crate) struct Attack {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) run: fn(&mut Stage),
    /// The numbers of connections that it is tried with. The title says what they are.
    pub(crate) connections: &'static [usize],
    pub(crate) options: &'static [&'static str],
    pub(crate) bounds: Bounds,
    pub(crate) people: People,
    pub(crate) log: Log,
}

/// An output buffer of 64 KiB, a message on its way out, and one on its way in.
const CONNECTION_KIB: usize = 96;
/// The texts that a ticket holds until they are confirmed.
const HELD_KIB: usize = 64;
/// The part that all connections share, including those of honest people.
const SHARED_KIB: usize = 8 * 1024;

pub(crate) const BOUNDS: Bounds = Bounds {
    p99_us: 20_000.0,
    turn_us: 10_000.0,
    healthz_ms: 500.0,
    memory_kib: (SHARED_KIB, CONNECTION_KIB),
    memory_for: None,
    memory_after: None,
    may_be_full: false,
    bytes_out: None,
    log_bytes: 100_000.0,
};

const ATTACK: Attack = Attack {
    name: "",
    title: "",
    run: |_| {},
    connections: &[8],
    options: &[],
    bounds: BOUNDS,
    people: People::Chats,
    log: Log::Quiet,
};

/// One attacker, some, many.
const FEW_TO_MANY: &[usize] = &[1, 40, 1000];

const fn attack(
    name: &'static str,
    title: &'static str,
    connections: &'static [usize],
    run: fn(&mut Stage),
) -> Attack {
    Attack { name, title, run, connections, ..ATTACK }
}

const fn memory(kib: usize, each: usize) -> Bounds {
    Bounds { memory_kib: (kib, each), ..BOUNDS }
}

/// Bytes.
pub(crate) const POURS: &[Attack] = &[
    attack("fragments", "empty fragments, without end", &[1, 8, 40, 1000], floods::empty_fragments),
    attack("one-byte-fragments", "messages in one-byte fragments", FEW_TO_MANY, floods::one_byte_fragments),
    attack("pings", "pings, and nothing read", &[1, 8, 40, 1000], floods::unread_pings),
    attack("pings-read", "pings, and the pongs read", FEW_TO_MANY, floods::read_pings),
    attack("messages", "messages, as fast as they go", &[8, 1000], floods::messages),
    attack("refused", "a wrong token, and messages after 4401", FEW_TO_MANY, floods::refused),
    attack("heads", "heads without end", &[8], floods::heads),
    attack("lengths", "2^63 bytes announced, and sent", &[8], floods::lengths),
    attack("pipelined", "requests for /metrics, pipelined", &[40], floods::pipelined),
    // 8 MiB of heads, and 2 KiB for each connection itself.
    Attack {
        bounds: memory(2 * SHARED_KIB, 2),
        ..attack("partial-heads", "8,000 bytes of a head, and no end", &[8000], floods::partial_heads)
    },
    attack("slow-heads", "heads, a byte now and then", &[1000], floods::slow_heads),
    Attack {
        options: &["--max-connections", "1100"],
        bounds: Bounds { may_be_full: true, ..memory(SHARED_KIB, 1) },
        ..attack(
            "silent",
            "sockets that send nothing, at a desk of 1,100",
            &[1000, 1300],
            floods::silent_sockets,
        )
    },
    Attack {
        options: &["--max-connections", "1100"],
        bounds: Bounds { may_be_full: true, ..memory(SHARED_KIB, 1) },
        ..attack("silent-users", "users who say nothing, at a desk of 1,100", &[1000], floods::silent_users)
    },
];

/// Coming and going.
pub(crate) const CHURN: &[Attack] = &[
    attack("connects", "connects and resets", &[8, 40], churn::connects),
    attack("upgrades", "upgrades and resets", &[8, 40], churn::upgrades),
    attack("secrets", "wrong staff tokens", &[8, 40, 1000], churn::wrong_tokens),
    Attack {
        log: Log::ToFile,
        ..attack(
            "log-file",
            "wrong tokens and foreign origins; the log goes to a file",
            &[40],
            churn::log_lines,
        )
    },
    Attack {
        log: Log::ToUnreadPipe,
        ..attack("log-pipe", "the same; nobody reads the log's pipe", &[40], churn::log_lines)
    },
];

/// Within 3 s.
const FAN_OUT_BYTES: f64 = 20e6;

/// Tickets.
pub(crate) const TICKETS: &[Attack] = &[
    attack("race", "staff who pick the same ticket", &[1000], tickets::race),
    Attack {
        bounds: Bounds { bytes_out: Some(FAN_OUT_BYTES), ..BOUNDS },
        ..attack(
            "fan-out",
            "12 users create and close; so many staff, one slow",
            &[1, 100, 300],
            tickets::fan_out,
        )
    },
    // The answers to so many attackers are no fan-out: the attack itself bounds what its staff read.
    attack(
        "fan-out-addresses",
        "so many users of as many addresses create and close; 100 staff, one slow",
        &[40, 1000],
        tickets::fan_out_addresses,
    ),
    Attack {
        options: &["--user-grace", "5"],
        bounds: Bounds { memory_after: Some((SHARED_KIB, 60)), ..memory(32 * 1024, 0) },
        ..attack("left-behind", "tickets left behind, as fast as it goes", &[64], tickets::left_behind)
    },
    Attack {
        options: &["--user-grace", "60"],
        bounds: memory(32 * 1024, 0),
        ..attack(
            "left-behind-and-one",
            "so many tickets left behind; one a second comes and goes",
            &[10_000],
            tickets::left_behind_and_one,
        )
    },
    Attack {
        bounds: memory(SHARED_KIB, 4),
        ..attack(
            "queue-churn",
            "so many wait; 20 changes a second at the front",
            &[2000],
            tickets::queue_churn,
        )
    },
    Attack {
        people: People::Askers,
        bounds: memory(SHARED_KIB, 2),
        ..attack(
            "presence-churn",
            "so many users; the only staff member comes and goes",
            &[10_000],
            tickets::presence_churn,
        )
    },
];

/// Chats.
pub(crate) const CHATS: &[Attack] = &[
    // Each paster is closed for it, and the next one comes: the ticket of each holds 64 KiB of texts until it closes.
    Attack {
        bounds: Bounds { memory_for: Some(("pasters", HELD_KIB)), ..BOUNDS },
        ..attack("paste", "90 messages of 16 kB at once; staff read 1.7 MB/s", &[1], chats::paste)
    },
    Attack {
        people: People::Askers,
        options: &["--assign", "least-busy", "--max-chats", "25"],
        ..attack(
            "staff-return",
            "20 chats with 64 kB unread each; staff read 0.9 MB/s",
            &[1],
            chats::staff_return,
        )
    },
    // Besides the buffers, 64 KiB of texts are held for each.
    Attack {
        bounds: memory(SHARED_KIB, CONNECTION_KIB + HELD_KIB),
        ..attack("unread", "users who read nothing of what staff write", &[40, 1000], chats::unread)
    },
];

impl Attack {
    pub(crate) fn all() -> impl Iterator<Item = &'static Self> {
        [POURS, CHURN, TICKETS, CHATS].into_iter().flatten()
    }

    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        Self::all().find(|attack| attack.name == name)
    }
}
