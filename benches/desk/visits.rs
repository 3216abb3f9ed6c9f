//! Connections that come and go, and tickets that appear on many boards.

use hdrhistogram::Histogram;

use crate::crowd::{Crowd, Nanos, SECOND, Script};
use crate::frame::{Frame, Kind};
use crate::lobby::Lobby;
use crate::server::Server;
use crate::span::{Reading, histogram, percentiles};
use crate::table::Outcome;

/// The names of the percentiles in the results.
const PERCENTILES: [&str; 3] = ["p50 µs", "p99 µs", "p999 µs"];

/// Users who leave as soon as they have been welcomed, each replaced by the next.
struct Users {
    started: Vec<Nanos>,
    next: u64,
    counting: bool,
    running: bool,
    welcomed: u64,
    left: usize,
    to_welcome: Histogram<u64>,
}

impl Users {
    fn come(&mut self, crowd: &mut Crowd, who: usize) {
        self.started[who] = crowd.now();
        self.next += 1;
        crowd.connect_user(who, &format!("visitor-{}", self.next), None);
    }
}

impl Script for Users {
    fn frame(&mut self, crowd: &mut Crowd, who: usize, at: Nanos, frame: &Frame<'_>) {
        if frame.kind != Kind::Welcome {
            return;
        }
        if self.counting {
            self.welcomed += 1;
            self.to_welcome.saturating_record(at - self.started[who]);
        }
        crowd.send_close(who);
    }

    fn gone(&mut self, crowd: &mut Crowd, who: usize, _: Option<u16>) {
        if self.running {
            self.come(crowd, who);
        } else {
            self.left += 1;
        }
    }
}

/// Connections opened up to the welcome and closed, `at_once` at a time.
pub(crate) fn connect(server: &Server, at_once: usize, (warm, span): (Nanos, Nanos)) -> Outcome {
    let crowd = &mut Crowd::at(server);
    let users = &mut Users {
        started: vec![0; at_once],
        next: 0,
        counting: false,
        running: true,
        welcomed: 0,
        left: 0,
        to_welcome: histogram(),
    };
    for number in 0..at_once {
        crowd.add_user(&format!("first-{number}"), None);
    }
    let end = crowd.now() + warm;
    crowd.run_to(users, end);
    let before = Reading::now(server, crowd);
    users.counting = true;
    crowd.run_to(users, before.at + span);
    users.counting = false;
    let after = Reading::now(server, crowd);
    users.running = false;
    crowd.run(users, "the last to leave", |users| users.left == at_once);
    let latencies = percentiles(&users.to_welcome, PERCENTILES);
    let names = ["CPU µs a connection", "connections/s"];
    Outcome { is_good: users.welcomed > 0, figures: before.figures(&after, names, users.welcomed, latencies) }
}

/// Staff who watch tickets appear.
struct Watchers {
    /// When each ticket was due.
    due: Vec<Nanos>,
    /// How many tickets each connection has seen. Staff come first.
    seen: Vec<usize>,
    counting: bool,
    delivered: u64,
    faults: u64,
    to_board: Histogram<u64>,
}

impl Script for Watchers {
    fn frame(&mut self, _: &mut Crowd, who: usize, at: Nanos, frame: &Frame<'_>) {
        let Some(seen) = self.seen.get_mut(who).filter(|_| frame.kind == Kind::TicketAdded) else { return };
        self.faults += u64::from(frame.subject.strip_prefix("printer ") != Some(&seen.to_string()));
        let due = self.due.get(*seen).copied();
        *seen += 1;
        if self.counting {
            self.delivered += 1;
            self.to_board.saturating_record(at.saturating_sub(due.unwrap_or(at)));
        }
    }
}

/// Opens this many new tickets a second, shown to this many staff.
pub(crate) fn board(server: &Server, staff: usize, per_second: u64, (warm, span): (Nanos, Nanos)) -> Outcome {
    let crowd = &mut Crowd::at(server);
    let lobby = &mut Lobby::default();
    let members = lobby.admit_staff(crowd, staff, "staff-");
    lobby.go_online(crowd, &members);
    let tickets = (u128::from(per_second) * u128::from(warm + span) / u128::from(SECOND)) as usize;
    let users = lobby.admit_users(crowd, tickets, "user-");
    crowd.run_until_quiet(lobby, SECOND / 5);
    let watchers = &mut Watchers {
        due: Vec::new(),
        seen: vec![0; staff],
        counting: false,
        delivered: 0,
        faults: 0,
        to_board: histogram(),
    };
    let start = crowd.now();
    let open_until = |crowd: &mut Crowd, watchers: &mut Watchers, end: Nanos| {
        let due = |number: usize| start + number as u64 * SECOND / per_second;
        while crowd.now() < end {
            while watchers.due.len() < tickets && due(watchers.due.len()) <= crowd.now() {
                let number = watchers.due.len();
                let subject = format!(r#"{{"type":"create_ticket","subject":"printer {number}"}}"#);
                crowd.send(users[number], &subject);
                watchers.due.push(due(number));
            }
            crowd.turn(watchers, due(watchers.due.len()).min(end));
        }
    };
    open_until(crowd, watchers, start + warm);
    let before = Reading::now(server, crowd);
    watchers.counting = true;
    open_until(crowd, watchers, start + warm + span);
    watchers.counting = false;
    let after = Reading::now(server, crowd);
    crowd.run_until_quiet(watchers, SECOND / 2);
    let is_complete = watchers.seen.iter().all(|seen| *seen == watchers.due.len());
    let latencies = percentiles(&watchers.to_board, PERCENTILES);
    Outcome {
        is_good: is_complete && watchers.faults == 0 && watchers.delivered > 0,
        figures: before.figures(&after, ["CPU µs a frame", "frames/s"], watchers.delivered, latencies),
    }
}
