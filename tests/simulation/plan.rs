//! What a seed determines: users and staff, rules and faults of its world, and the steps.

use deskwire::config::{Assign, JournalRules, JournalSync, Millis};
use deskwire::state::Rules;

use crate::figures::{JOURNAL_AGE, MESSAGE_BYTES_MAX, MESSAGES_PER_S, PAYLOAD_BYTES_PER_S, SOCKETS_BESIDE};
use crate::model::wants::Call;
use crate::rng::Rng;

#[derive(Clone, Copy, Debug)]
pub struct Setup {
    pub seed: u64,
    pub users: usize,
    pub staff: usize,
    pub has_adversaries: bool,
    pub rules: Rules,
    pub ping_interval_ms: Millis,
    /// Some users and staff have names, and users the page that they come from.
    pub has_names: bool,
    /// At the end the server is stopped; otherwise all clients leave.
    pub ends_by_shutdown: bool,
    /// The desk has a journal, and its process may stop.
    pub has_journal: bool,
    /// When it is synced and rewritten: mostly more often than by default, so that snapshots are frequent.
    pub journal: JournalRules,
    /// What is on the disk is replayed after each step (`SIM_JOURNAL=1`: all worlds have a journal, and stop often).
    pub replays: bool,
    /// There are more tickets than a `welcome` lists.
    pub is_crowded: bool,
    /// Each staff member has a token of their own, in a file that is changed and read again.
    pub has_staff_file: bool,
    /// The kernel returns no random bytes in some calls.
    pub lacks_random_bytes: bool,
    /// The most open WebSockets, and the most connections of one address, where 0 is no limit. Only adversaries come from an
    /// address with a limit.
    pub connections_max: usize,
    pub connections_per_address_max: u32,
    /// Sockets beside those of open WebSockets.
    pub sockets_beside: usize,
    /// Frames and bytes that a connection may send, a second; 0 is no limit.
    pub messages_per_s: u32,
    pub payload_bytes_per_s: u32,
    /// The longest message and the longest frame, in bytes.
    pub message_bytes_max: usize,
    /// How many other sites' pages may connect (`--allow-origin`).
    pub allowed_origins: usize,
    /// New tickets of a connection and of an address are limited.
    pub limits_tickets: bool,
    /// What happens to each tab is recorded.
    pub records: bool,
    /// What the desk sent is falsified before the model is given it.
    pub falsifies: Option<fn(&mut Call)>,
}

/// Time passes, and then one thing happens. Its details are drawn from the salt.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    pub wait_ms: Millis,
    pub what: What,
    pub salt: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    // Users.
    Ask,
    Say,
    SayMuch,
    Type,
    CloseTicket,
    // Staff.
    Online,
    Offline,
    Pick,
    Show,
    Release,
    Transfer,
    // Users and staff.
    Hide,
    Look,
    Retry,
    Reload,
    Duplicate,
    Leave,
    Return,
    // The network.
    CutOff,
    Repair,
    Reset,
    Choke,
    Unchoke,
    Throttle,
    Split,
    Slow,
    Nudge,
    // Adversaries.
    Attack,
    // No peer: State goes through JSON and back.
    Snapshot,
    // The process stops, and another one continues.
    Stop,
    // Faults of the operating system.
    Late,
    Freeze,
    Spurious,
    AcceptFails,
    WatchFails,
    FewDescriptors,
    Hangup,
    // Many users at once.
    Crowd,
}

/// How often each happens, relative to the others; a seed multiplies them by factors of its own.
const WEIGHTS: [(What, usize); 38] = [
    (What::Ask, 10),
    (What::Say, 40),
    (What::SayMuch, 2),
    (What::Type, 6),
    (What::CloseTicket, 3),
    (What::Online, 12),
    (What::Offline, 2),
    (What::Pick, 22),
    (What::Show, 8),
    (What::Release, 3),
    (What::Transfer, 12),
    (What::Hide, 3),
    (What::Look, 4),
    (What::Retry, 2),
    (What::Reload, 4),
    (What::Duplicate, 2),
    (What::Leave, 3),
    (What::Return, 6),
    (What::CutOff, 3),
    (What::Repair, 5),
    (What::Reset, 3),
    (What::Choke, 2),
    (What::Unchoke, 4),
    (What::Throttle, 5),
    (What::Split, 8),
    (What::Slow, 3),
    (What::Nudge, 2),
    (What::Attack, 20),
    (What::Snapshot, 1),
    (What::Stop, 2),
    (What::Late, 2),
    (What::Freeze, 1),
    (What::Spurious, 2),
    (What::AcceptFails, 2),
    (What::WatchFails, 1),
    (What::FewDescriptors, 1),
    (What::Hangup, 2),
    (What::Crowd, 1),
];

/// What `--rate-limit` and a change of its constants could make of frames and bytes a second. Pages keep to the least of them.
const RATES: [(u32, u32); 6] = [
    (MESSAGES_PER_S, PAYLOAD_BYTES_PER_S),
    (MESSAGES_PER_S, PAYLOAD_BYTES_PER_S),
    (MESSAGES_PER_S, 4 * PAYLOAD_BYTES_PER_S),
    (2 * MESSAGES_PER_S, PAYLOAD_BYTES_PER_S),
    (MESSAGES_PER_S + 1, PAYLOAD_BYTES_PER_S + 1000),
    (0, 0),
];

pub fn plan(seed: u64, steps: usize) -> (Setup, Vec<Step>) {
    let mut rng = Rng::new(seed ^ 0xD0D0_CAFE);
    let mut limits = Rng::new(seed ^ 0x11B1_7500);
    let (messages_per_s, payload_bytes_per_s) = *limits.pick(&RATES);
    let only_journals = std::env::var_os("SIM_JOURNAL").is_some();
    let is_small = rng.one_in(4) && !only_journals;
    let is_crowded = !is_small && seed % 64 == 9;
    let users = 2 + rng.below(4) + if is_small { 2 } else { 0 };
    let staff = *rng.pick(&[1, 2, 2, 3, 3]);
    // Enough connections for all of them, and for few others; half of all are kept for staff.
    let places = (2 * users).max(users + staff) + rng.below(3);
    let setup = Setup {
        seed,
        users,
        staff,
        is_crowded,
        has_staff_file: rng.one_in(3),
        lacks_random_bytes: rng.one_in(4),
        connections_max: if rng.one_in(4) && !is_crowded { places } else { 100_000 },
        sockets_beside: *limits.pick(&[SOCKETS_BESIDE, SOCKETS_BESIDE, 8, 3]),
        connections_per_address_max: match rng.one_in(4) {
            true => 1 + rng.below(3) as u32,
            false => *limits.pick(&[256, 256, 0]),
        },
        has_adversaries: !rng.one_in(3),
        rules: Rules {
            max_chats: 1 + rng.below(4) as u32,
            max_tickets: if is_small { 1 + rng.below(4) as u32 } else { 10_000 },
            assign: *rng.pick(&[Assign::Manual, Assign::Manual, Assign::RoundRobin, Assign::LeastBusy]),
            user_grace_ms: *rng.pick(&[1000, 15_000, 60_000, 60_000, 300_000, 300_000, 1_800_000]),
        },
        ping_interval_ms: *rng.pick(&[1000, 5000, 30_000, 120_000]),
        ends_by_shutdown: rng.one_in(4),
        has_names: rng.one_in(2),
        // No journal in a small world: a restart begins all absences anew, so another user might be forgotten first.
        has_journal: only_journals || (!is_small && seed % 2 == 1),
        journal: JournalRules {
            sync: if (seed / 2).is_multiple_of(2) { JournalSync::Second } else { JournalSync::Turn },
            bytes_max: *limits.pick(&[200, 2000, 2000, 100_000]),
            age_ms: *limits.pick(&[500, 20_000, 20_000, JOURNAL_AGE]),
        },
        replays: only_journals,
        messages_per_s,
        payload_bytes_per_s,
        message_bytes_max: *limits.pick(&[MESSAGE_BYTES_MAX, MESSAGE_BYTES_MAX, 20_000]),
        allowed_origins: *limits.pick(&[0, 1, 2, 2]),
        // A crowd comes from one address, with more tickets than that may open.
        limits_tickets: messages_per_s > 0 && !is_crowded && limits.one_in(2),
        records: false,
        falsifies: None,
    };
    let weights = weights(&mut rng, is_small, only_journals);
    let all: usize = weights.iter().map(|(_, weight)| weight).sum();
    let haste = rng.below(3);
    let steps = (0..steps).map(|_| {
        let mut left = rng.below(all.max(1));
        let what = weights.iter().find(|(_, weight)| match left.checked_sub(*weight) {
            Some(rest) => {
                left = rest;
                false
            }
            None => true,
        });
        let wait_ms = wait(&mut rng, haste);
        Step { wait_ms, what: what.map_or(What::Say, |(what, _)| *what), salt: rng.next() }
    });
    let mut steps: Vec<Step> = steps.collect();
    if let Some(step) = steps.get_mut(30).filter(|_| is_crowded) {
        step.what = What::Crowd;
    }
    (setup, steps)
}

/// How often each thing happens in a world.
fn weights(rng: &mut Rng, is_small: bool, only_journals: bool) -> Vec<(What, usize)> {
    // A world in which some things never happen, and others often, finds what an even mixture does not. Without tickets
    // and messages it would find nothing.
    let is_needed = |what| matches!(what, What::Ask | What::Say | What::Online | What::Pick);
    let factor = |what, rng: &mut Rng| *rng.pick(if is_needed(what) { &[1, 1, 2, 4] } else { &[0, 1, 2, 4] });
    // A full desk closes tickets that were never picked and whose users are absent, the longest absent first. In a small world
    // this is common, so nothing may make many users leave at the same moment: PROTOCOL.md does not say which is first then.
    let often = |what| match what {
        What::Ask | What::Leave if is_small => 3,
        What::Late | What::Freeze | What::FewDescriptors | What::Crowd if is_small => 0,
        What::Stop if only_journals => 8,
        _ => 1,
    };
    WEIGHTS.iter().map(|(what, weight)| (*what, weight * often(*what) * factor(*what, rng))).collect()
}

fn wait(rng: &mut Rng, haste: usize) -> Millis {
    match rng.below(40 << haste) {
        0 => rng.in_ms(8000, 70_000),
        1 => rng.in_ms(900, 1100),
        2 | 3 => rng.in_ms(1000, 9000),
        4..=9 => rng.in_ms(100, 1000),
        10..=19 => 0,
        _ => rng.in_ms(0, 30),
    }
}
