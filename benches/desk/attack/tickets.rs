//! Attacks with tickets: each is shown to all staff, and some are left behind.

use std::time::Duration;

use super::plan::{Line, Plan, Reading};
use super::stage::{Stage, is_kind, staff_request, text, user_request};
use super::swarm::News;
use crate::frame::Kind;

pub(crate) const CREATE: &str =
    r#"{"type":"create_ticket","subject":"The printer on the third floor is out of paper"}"#;
pub(crate) const CLOSE: &str = r#"{"type":"close_ticket"}"#;
/// Within the burst of 100 frames.
const PAIRS_AT_ONCE: usize = 49;
/// The least that must be written to count as an attack.
const PAIRS_LEAST: u64 = 500;
const USERS_A_TURN: usize = 50;
/// The most that the attackers' staff may read of it, all together, in kB a second: 20 MB in 3 s. What the attackers read
/// are answers to what they ask themselves, and only their rate limits bound it.
const FAN_OUT_KB_PER_S: u64 = 20_000 / 3;
/// Between two pairs of one user: 50 frames a second.
const PAIR_EVERY: Duration = Duration::from_millis(40);

/// A ticket whose fields all have their maximum length.
fn create_long() -> Vec<u8> {
    let [subject, name, page] = [200, 64, 300].map(|length| "\u{1F5A8}".repeat(length));
    text(&format!(r#"{{"type":"create_ticket","subject":"{subject}","name":"{name}","page":"{page}"}}"#))
}

/// A staff member on a slow line: 0.9 MB/s.
fn slow_staff(stage: &mut Stage) -> usize {
    let request = staff_request(&stage.host(), "slow");
    let plan = Plan { line: Line::Slow, ..Plan::new(request) };
    let who = stage.open([plan].into_iter())[0];
    stage.swarm.set_listens(who, false);
    stage.swarm.set_reading(who, Reading::BytesPerSecond(0.9e6));
    who
}

/// 12 users from one address, while this many staff read.
pub(crate) fn fan_out(stage: &mut Stage) {
    let host = stage.host();
    let staff = stage.staff(stage.connections, "reader-");
    let users =
        stage.open((0..12).map(|number| Plan::new(user_request(&host, &format!("pair-{number}"), None))));
    pairs(stage, &staff, &users);
}

/// This many users, each from their own address, while 100 staff read.
pub(crate) fn fan_out_addresses(stage: &mut Stage) {
    let staff = stage.staff(100, "reader-");
    let users = stage.users(stage.connections, "pair-");
    pairs(stage, &staff, &users);
}

/// Each user creates and closes tickets: at first as many as the burst of frames allows, then as fast as the limit
/// refills.
fn pairs(stage: &mut Stage, staff: &[usize], users: &[usize]) {
    let slow = slow_staff(stage);
    let all_staff = &[staff, &[slow]].concat();
    for who in staff.iter().chain(users) {
        stage.swarm.set_listens(*who, false);
    }
    stage.ready();
    let one = [create_long(), text(CLOSE)].concat();
    let burst = one.repeat(PAIRS_AT_ONCE);
    let read_before = [all_staff, users].map(|whos| stage.swarm.bytes_read_by(whos));
    let written_before = stage.swarm.counts.bytes_written;
    let mut to_begin = users.iter();
    let (mut sent, mut slow_closed, mut staff_closed, mut users_closed) = (1, 0, 0, 0);
    while let Some(all) = stage.turn() {
        for news in all {
            if let News::Gone(who, _) = news {
                slow_closed += u64::from(who == slow);
                staff_closed += u64::from(staff.contains(&who));
                users_closed += u64::from(users.contains(&who));
            }
        }
        // A few per turn, so that the first are under way while the last are written.
        to_begin.by_ref().take(USERS_A_TURN).for_each(|who| stage.swarm.send(*who, &burst));
        if to_begin.len() == 0 && stage.elapsed() > PAIR_EVERY * sent {
            sent += 1;
            users.iter().for_each(|who| stage.swarm.send(*who, &one));
        }
    }
    let pairs = (stage.swarm.counts.bytes_written - written_before) / one.len() as u64;
    stage.did("pairs", pairs, PAIRS_LEAST);
    let read = [all_staff, users].map(|whos| stage.swarm.bytes_read_by(whos));
    let [by_staff, by_users] = [0, 1].map(|part| (read[part] - read_before[part]) / 1000);
    stage.note("kB read by staff", by_staff);
    stage.note("kB of answers to the attackers", by_users);
    let most = FAN_OUT_KB_PER_S * stage.elapsed().as_millis() as u64 / 1000;
    stage.harm("kB beyond the staff's share", by_staff.saturating_sub(most));
    stage.note("attackers closed", users_closed);
    stage.harm("slow staff closed", slow_closed);
    stage.harm("other staff closed", staff_closed);
}

/// Users, each from their own address, who connect, create a ticket, and leave.
struct Leavers {
    host: String,
    create: Vec<u8>,
    number: usize,
    left: u64,
    refused: u64,
}

impl Leavers {
    fn new(stage: &Stage, create: Vec<u8>) -> Self {
        Self { host: stage.host(), create, number: 0, left: 0, refused: 0 }
    }

    fn next(&mut self) -> Plan {
        self.number += 1;
        let mut request = user_request(&self.host, &format!("left-{}", self.number), Some(self.number));
        request.extend_from_slice(&self.create);
        Plan { listens: true, ..Plan::new(request) }
    }

    /// A user who has a ticket, or cannot get one, leaves.
    fn takes(&mut self, news: &News) -> Option<usize> {
        match news {
            News::Frame(who, frame) if frame.kind == Kind::TicketCreated => {
                self.left += 1;
                Some(*who)
            }
            News::Frame(who, frame) if frame.kind == Kind::Error => {
                self.refused += 1;
                Some(*who)
            }
            News::Gone(who, _) => {
                self.refused += 1;
                Some(*who)
            }
            _ => None,
        }
    }
}

/// The fewest tickets left behind that count as an attack.
const LEFT_LEAST: u64 = 3000;

/// Leaves tickets behind as fast as possible, on this many connections at once.
pub(crate) fn left_behind(stage: &mut Stage) {
    let leavers = &mut Leavers::new(stage, create_long());
    stage.ready();
    for _ in 0..stage.connections {
        stage.swarm.connect(leavers.next());
    }
    while let Some(all) = stage.turn() {
        for who in all.iter().filter_map(|news| leavers.takes(news)).collect::<Vec<_>>() {
            stage.swarm.reconnect(who, leavers.next());
        }
    }
    stage.did("tickets left", leavers.left, LEFT_LEAST);
    stage.note("refused", leavers.refused);
}

/// Leaves this many tickets behind. Then one ticket a second comes and goes.
pub(crate) fn left_behind_and_one(stage: &mut Stage) {
    const PAUSE: Duration = Duration::from_millis(500);
    const LEAVING: usize = 64; // at once
    let leavers = &mut Leavers::new(stage, text(CREATE));
    let goal = stage.connections as u64;
    for _ in 0..LEAVING {
        stage.swarm.connect(leavers.next());
    }
    stage.until("tickets left behind", |swarm, news| {
        if let Some(who) = leavers.takes(&news) {
            swarm.reset(who);
            if leavers.left + leavers.refused < goal {
                swarm.reconnect(who, leavers.next());
            }
        }
        leavers.left + leavers.refused + LEAVING as u64 > goal
    });
    stage.ready();
    let (mut acts, mut changes, mut refused) = (0, 0, 0);
    let mut who = stage.swarm.connect(leavers.next());
    while let Some(all) = stage.turn() {
        changes += all.iter().filter(|news| is_kind(news, Kind::TicketCreated)).count() as u64;
        changes += all.iter().filter(|news| is_kind(news, Kind::TicketClosed)).count() as u64;
        refused += all.iter().filter(|news| is_kind(news, Kind::Error)).count() as u64;
        if stage.elapsed() > PAUSE * (acts + 1) {
            acts += 1;
            if acts.is_multiple_of(2) {
                who = stage.swarm.connect(leavers.next());
            } else {
                stage.swarm.send(who, &text(CLOSE));
            }
        }
    }
    stage.did("tickets left", leavers.left, goal * 9 / 10);
    stage.did("changes", changes, 3);
    stage.harm("changes refused", refused);
}

/// This many users wait, and 20 times a second the first one leaves the queue and joins it again.
pub(crate) fn queue_churn(stage: &mut Stage) {
    const PAUSE: Duration = Duration::from_millis(50);
    let users = stage.users(stage.connections, "waiting-");
    stage.ask_each(&users, CREATE, Kind::TicketCreated);
    stage.ready();
    let again = [text(CLOSE), text(CREATE)].concat();
    let (mut changes, mut gone, mut notices) = (0, 0, 0);
    while let Some(all) = stage.turn() {
        gone += all.iter().filter(|news| matches!(news, News::Gone(..))).count() as u64;
        notices += all.iter().filter(|news| is_kind(news, Kind::Queue)).count() as u64;
        if stage.elapsed() > PAUSE * (changes + 1) {
            let front = users[changes as usize % users.len()];
            stage.swarm.send(front, &again);
            changes += 1;
        }
    }
    stage.did("front changes", u64::from(changes), 20);
    stage.did("queue notices", notices, users.len() as u64);
    stage.harm("users closed", gone);
}

/// This many users are connected, and the only staff member goes online and offline once a second.
pub(crate) fn presence_churn(stage: &mut Stage) {
    const PAUSE: Duration = Duration::from_millis(500);
    let users = stage.users(stage.connections, "idle-");
    let staff = stage.staff(1, "flapping-")[0];
    stage.ready();
    let (mut changes, mut notices) = (0, 0);
    let mut gone = 0;
    while let Some(all) = stage.turn() {
        notices += all.iter().filter(|news| is_kind(news, Kind::Desk)).count() as u64;
        gone += all.iter().filter(|news| matches!(news, News::Gone(..))).count() as u64;
        if stage.elapsed() > PAUSE * changes {
            let online = if changes.is_multiple_of(2) { "go_online" } else { "go_offline" };
            stage.swarm.send(staff, &text(&format!(r#"{{"type":"{online}"}}"#)));
            changes += 1;
        }
    }
    stage.did("changes", u64::from(changes), 4);
    stage.did("desk notices", notices, users.len() as u64 * 2);
    stage.harm("connections closed", gone);
}

/// This many staff pick the same ticket at the same time, again and again.
pub(crate) fn race(stage: &mut Stage) {
    const PAUSE: Duration = Duration::from_millis(50);
    let host = stage.host();
    let staff = stage.staff(stage.connections, "racer-");
    stage.ask_each(&staff, r#"{"type":"go_online"}"#, Kind::Presence);
    stage.ready();
    let (mut races, mut faults, mut answers, mut won) = (0, 0, 0, 0);
    let (mut user, mut due) = (None, Duration::ZERO);
    while let Some(all) = stage.turn() {
        for news in &all {
            answers += usize::from(is_kind(news, Kind::TicketPicked) || is_kind(news, Kind::Error));
            won += u64::from(is_kind(news, Kind::TicketPicked));
            if let News::Frame(who, frame) = news
                && frame.kind == Kind::TicketCreated
                && Some(*who) == user
            {
                let pick = text(&format!(r#"{{"type":"pick_ticket","ticket_id":"{}"}}"#, frame.ticket));
                staff.iter().for_each(|who| stage.swarm.send(*who, &pick));
            }
        }
        if answers == staff.len() {
            races += 1;
            faults += u64::from(won != 1);
            (answers, won) = (0, 0);
            user.iter().for_each(|who| stage.swarm.send(*who, &text(CLOSE)));
            due = stage.elapsed() + PAUSE; // within each one's rate limit
        }
        if answers == 0 && stage.elapsed() >= due {
            due = Duration::MAX;
            let mut request = user_request(&host, &format!("prize-{races}"), Some(races as usize));
            request.extend_from_slice(&text(CREATE));
            user = Some(stage.swarm.connect(Plan { listens: true, ..Plan::new(request) }));
        }
    }
    stage.did("races", races, 5);
    stage.harm("races without one winner", faults);
}
