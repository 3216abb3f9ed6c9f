//! Chats, in a closed loop (as fast as possible) and in an open one (at fixed times).
//!
//! Each message must arrive once, in order and whole, be acknowledged in order, and `seq` must have no gap on either
//! side.

use std::collections::VecDeque;

use hdrhistogram::Histogram;

use crate::crowd::{Crowd, Nanos, SECOND, Script};
use crate::frame::{Frame, Kind};
use crate::lobby::Lobby;
use crate::server::Server;
use crate::span::{Reading, histogram, percentiles};
use crate::table::Outcome;

/// All ids, and so all frames, have the same length.
const FIRST_ID: u64 = 1_000_000_000;
const ID_DIGITS: usize = 10;
/// With the id in front of it, 100 characters: an ordinary message.
const TEXT: &str =
    " is where it stands: the printer on the third floor is out of paper again, and it blinks.";
const _: () = assert!(TEXT.len() + ID_DIGITS < 110 && TEXT.len() + ID_DIGITS > 90);

/// Wake-ups a second beyond which it is cheaper not to sleep.
const BEATS_MAX: u64 = 20_000;

/// How a relay workload is driven.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Drive {
    /// Closed loop: this many messages of each side are always under way.
    Window(u64),
    /// Open loop: this many messages a second over all chats, each at its time, whatever happened to earlier ones.
    PerSecond(u64),
}

/// One side of one chat, as a sender.
struct Side {
    who: usize,
    /// A message up to its id.
    prefix: String,
    sent: u64,
    acked: u64,
    arrived: u64,
    /// When the messages were due that are not acknowledged yet, or have not arrived.
    ack_awaited: VecDeque<Nanos>,
    arrival_awaited: VecDeque<Nanos>,
    seqs: Gapless,
}

impl Side {
    fn new(who: usize, ticket: Option<&str>) -> Self {
        let ticket = ticket.map_or_else(String::new, |id| format!(r#""ticket_id":"{id}","#));
        Self {
            who,
            prefix: format!(r#"{{"type":"message",{ticket}"id":"#),
            sent: 0,
            acked: 0,
            arrived: 0,
            ack_awaited: VecDeque::new(),
            arrival_awaited: VecDeque::new(),
            seqs: Gapless::default(),
        }
    }

    fn send(&mut self, crowd: &mut Crowd, due: Nanos) {
        let mut digits = itoa::Buffer::new();
        let id = digits.format(FIRST_ID + self.sent);
        crowd.send_with(self.who, |out| {
            for part in [&self.prefix, id, r#","text":""#, id, TEXT, r#""}"#] {
                out.extend_from_slice(part.as_bytes());
            }
        });
        self.sent += 1;
        self.ack_awaited.push_back(due);
        self.arrival_awaited.push_back(due);
    }

    fn under_way(&self) -> u64 {
        self.sent - self.acked.min(self.arrived)
    }
}

/// The numbers from 1 on, of which each comes once, though not quite in order.
struct Gapless {
    next: u64,
    /// The numbers beyond `next` that have come already, the nearest in the lowest bit.
    ahead: u64,
}

impl Default for Gapless {
    fn default() -> Self {
        Self { next: 1, ahead: 0 }
    }
}

impl Gapless {
    fn takes(&mut self, number: u64) -> bool {
        if number == self.next {
            let come = self.ahead.trailing_ones();
            self.next += 1 + u64::from(come);
            self.ahead = self.ahead.checked_shr(come + 1).unwrap_or(0);
            return true;
        }
        let Some(bit) = number.checked_sub(self.next + 1).filter(|bit| *bit < 64) else { return false };
        let is_new = self.ahead & (1 << bit) == 0;
        self.ahead |= 1 << bit;
        is_new
    }
}

/// All chats of a run.
struct Chats {
    /// 2n is the user of chat n, 2n + 1 the staff member.
    sides: Vec<Side>,
    side_of: Vec<usize>,
    window: u64,
    counting: bool,
    relayed: u64,
    faults: u64,
    to_peer: Histogram<u64>,
    to_ack: Histogram<u64>,
}

impl Chats {
    /// A user and a staff member for each chat, ready to write.
    fn open(crowd: &mut Crowd, count: usize) -> Self {
        let mut lobby = Lobby::default();
        let users = lobby.admit_users(crowd, count, "user-");
        lobby.open_tickets(crowd, &users);
        let staff = lobby.admit_staff(crowd, count, "staff-");
        lobby.go_online(crowd, &staff);
        for (user, staff) in users.iter().zip(&staff) {
            lobby.send_pick(crowd, *staff, *user);
        }
        lobby.await_more(crowd, Kind::TicketPicked, 0, count);
        lobby.await_more(crowd, Kind::StaffJoined, 0, count);
        crowd.run_until_quiet(&mut lobby, SECOND / 5); // the board's news
        let mut side_of = vec![0; 2 * count];
        let mut sides = Vec::new();
        for (user, staff) in users.into_iter().zip(staff) {
            side_of[user] = sides.len();
            side_of[staff] = sides.len() + 1;
            sides.push(Side::new(user, None));
            sides.push(Side::new(staff, Some(lobby.ticket(user))));
        }
        Self {
            sides,
            side_of,
            window: 0,
            counting: false,
            relayed: 0,
            faults: 0,
            to_peer: histogram(),
            to_ack: histogram(),
        }
    }

    /// Fills a side's window.
    fn pump(&mut self, crowd: &mut Crowd, side: usize, now: Nanos) {
        let side = &mut self.sides[side];
        while side.under_way() < self.window {
            side.send(crowd, now);
        }
    }

    fn under_way(&self) -> u64 {
        self.sides.iter().map(Side::under_way).sum()
    }

    /// Whether everything that was sent has come, and nothing else.
    fn is_complete(&self) -> bool {
        let whole = |side: &Side| side.sent == side.acked && side.sent == side.arrived;
        let gapless = |chat: &[Side]| {
            let next = chat[0].sent + chat[1].sent + 1;
            chat.iter().all(|side| side.seqs.next == next && side.seqs.ahead == 0)
        };
        self.faults == 0 && self.sides.iter().all(whole) && self.sides.chunks(2).all(gapless)
    }
}

impl Script for Chats {
    fn frame(&mut self, crowd: &mut Crowd, who: usize, at: Nanos, frame: &Frame<'_>) {
        let here = self.side_of[who];
        let (sender, is_right, due) = match frame.kind {
            Kind::Message => {
                let sender = &mut self.sides[here ^ 1];
                let (id, text) = frame.text.split_at_checked(ID_DIGITS).unwrap_or_default();
                let is_right = id.parse() == Ok(FIRST_ID + sender.arrived) && text == TEXT;
                sender.arrived += 1;
                (here ^ 1, is_right, sender.arrival_awaited.pop_front())
            }
            Kind::Ack => {
                let sender = &mut self.sides[here];
                let is_right = frame.id == FIRST_ID + sender.acked;
                sender.acked += 1;
                (here, is_right, sender.ack_awaited.pop_front())
            }
            Kind::Error => {
                self.faults += 1;
                return;
            }
            _ => return,
        };
        let is_next = self.sides[here].seqs.takes(frame.seq);
        self.faults += u64::from(!is_right || !is_next || due.is_none());
        if self.counting {
            let is_message = frame.kind == Kind::Message;
            self.relayed += u64::from(is_message);
            let latency = if is_message { &mut self.to_peer } else { &mut self.to_ack };
            latency.saturating_record(at.saturating_sub(due.unwrap_or(at)));
        }
        self.pump(crowd, sender, at);
    }

    fn gone(&mut self, _: &mut Crowd, who: usize, code: Option<u16>) {
        eprintln!("the server closed connection {who} with {code:?}");
        self.faults += 1;
    }
}

/// Messages at fixed times.
struct Schedule {
    start: Nanos,
    per_second: u64,
    sent: u64,
}

impl Schedule {
    fn due(&self) -> Nanos {
        self.start + (u128::from(self.sent) * u128::from(SECOND) / u128::from(self.per_second)) as Nanos
    }

    /// Sends the messages that are due, and turns once.
    fn turn(&mut self, crowd: &mut Crowd, chats: &mut Chats, end: Nanos) {
        // Latency counts from when a message was due, however late it is sent: a server that stalls delays those
        // that come after, too, and this must show (coordinated omission).
        while self.due() <= crowd.now() {
            let side = self.sent as usize % chats.sides.len();
            chats.sides[side].send(crowd, self.due());
            self.sent += 1;
        }
        crowd.turn(chats, self.due().min(end));
    }

    /// Sends the messages that are due, and turns, until this time. Returns false if the server falls behind.
    fn run_to(&mut self, crowd: &mut Crowd, chats: &mut Chats, end: Nanos) -> bool {
        while crowd.now() < end {
            self.turn(crowd, chats, end);
            if chats.under_way() > self.per_second {
                return false;
            }
        }
        // The backlog of a server that cannot keep up grows; one that was interrupted works it off.
        chats.under_way() < self.per_second / 4
    }
}

/// Runs one workload on one server. Returns `None` if the server cannot keep up.
pub(crate) fn run(
    server: &Server,
    chats: usize,
    drive: Drive,
    (warm, span): (Nanos, Nanos),
) -> Option<Outcome> {
    let crowd = &mut Crowd::at(server);
    let chats = &mut Chats::open(crowd, chats);
    let start = crowd.now();
    let mut schedule = match drive {
        Drive::Window(window) => {
            chats.window = window;
            (0..chats.sides.len()).for_each(|side| chats.pump(crowd, side, start));
            None
        }
        Drive::PerSecond(per_second) => {
            if per_second <= BEATS_MAX {
                crowd.wake_often(start, per_second);
            }
            Some(Schedule { start, per_second, sent: 0 })
        }
    };
    let mut go_on = |crowd: &mut Crowd, chats: &mut Chats, end: Nanos| match &mut schedule {
        None => {
            crowd.run_to(chats, end);
            true
        }
        Some(schedule) => schedule.run_to(crowd, chats, end),
    };
    if !go_on(crowd, chats, start + warm) {
        return None;
    }
    let before = Reading::now(server, crowd);
    chats.counting = true;
    let keeps_up = go_on(crowd, chats, before.at + span);
    let after = Reading::now(server, crowd);
    chats.counting = false;
    chats.window = 0;
    if !keeps_up {
        return None;
    }
    crowd.run_at_most(chats, 10 * SECOND, |chats| chats.under_way() == 0);
    crowd.run_until_quiet(chats, SECOND / 5); // for frames that should not come
    Some(outcome(chats, &before, &after))
}

fn outcome(chats: &Chats, before: &Reading, after: &Reading) -> Outcome {
    let latencies = [
        percentiles(&chats.to_peer, ["p50 µs", "p99 µs", "p999 µs"]),
        percentiles(&chats.to_ack, ["ack p50 µs", "ack p99 µs", "ack p999 µs"]),
    ];
    let names = ["CPU µs a message", "messages/s"];
    Outcome {
        is_good: chats.is_complete() && chats.relayed > 0,
        figures: before.figures(after, names, chats.relayed, latencies.concat()),
    }
}

/// Runs chats at fixed times however late the answers are, and calls `measured` before and after the measured time. A
/// message that has not arrived by the end counts as that late.
pub(crate) fn run_beside(
    server: &Server,
    (count, per_second): (usize, u64),
    (warm, span): (Nanos, Nanos),
    measured: &mut dyn FnMut(Moment),
) -> Outcome {
    let crowd = &mut Crowd::at(server);
    let chats = &mut Chats::open(crowd, count);
    let start = crowd.now();
    crowd.wake_often(start, per_second);
    let mut schedule = Schedule { start, per_second, sent: 0 };
    let mut go_on = |crowd: &mut Crowd, chats: &mut Chats, end: Nanos| {
        while crowd.now() < end {
            schedule.turn(crowd, chats, end);
        }
    };
    go_on(crowd, chats, start + warm);
    chats.counting = true;
    measured(Moment::Begin);
    go_on(crowd, chats, start + warm + span);
    measured(Moment::End);
    crowd.run_at_most(chats, ANSWERS_MAX, |chats| chats.under_way() == 0);
    let now = crowd.now();
    for side in &chats.sides {
        side.ack_awaited.iter().for_each(|due| chats.to_ack.saturating_record(now - due));
    }
    let missing: u64 = chats.sides.iter().map(Side::under_way).sum();
    let mut figures = latencies(&chats.to_ack);
    figures.push(("missing", missing as f64));
    figures.push(("faults", chats.faults as f64));
    Outcome { is_good: chats.is_complete() && chats.relayed > 0, figures }
}

/// The wait after the end of an attack before a message counts as missing.
pub(crate) const ANSWERS_MAX: Nanos = 5 * SECOND;

/// The beginning and the end of the measured time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    Begin,
    End,
}

/// Returns percentiles and the maximum, in microseconds.
pub(crate) fn latencies(histogram: &Histogram<u64>) -> Vec<(&'static str, f64)> {
    let mut latencies = percentiles(histogram, ["p50", "p99", "p99.9"]).to_vec();
    latencies.push(("max", histogram.max() as f64 / 1e3));
    latencies
}
