//! Honest users who ask something at fixed times and are answered at once: round trips without staff.

use std::collections::VecDeque;

use hdrhistogram::Histogram;

use crate::crowd::{Crowd, Nanos, SECOND, Script};
use crate::frame::{Frame, Kind};
use crate::lobby::Lobby;
use crate::relay::{ANSWERS_MAX, Moment, latencies};
use crate::server::Server;
use crate::span::histogram;
use crate::table::Outcome;

const ASK: &str = r#"{"type":"ping"}"#;

struct Askers {
    whos: Vec<usize>,
    awaited: Vec<VecDeque<Nanos>>,
    to_answer: Histogram<u64>,
    counting: bool,
    faults: u64,
    sent: u64,
}

impl Askers {
    fn awaited(&self) -> usize {
        self.awaited.iter().map(VecDeque::len).sum()
    }

    fn run_to(&mut self, crowd: &mut Crowd, start: Nanos, per_second: u64, end: Nanos) {
        while crowd.now() < end {
            let mut due = start + self.sent * SECOND / per_second;
            while due <= crowd.now() {
                let place = self.sent as usize % self.whos.len();
                crowd.send(self.whos[place], ASK);
                self.awaited[place].push_back(due);
                self.sent += 1;
                due = start + self.sent * SECOND / per_second;
            }
            crowd.turn(self, due.min(end));
        }
    }
}

impl Script for Askers {
    fn frame(&mut self, _: &mut Crowd, who: usize, at: Nanos, frame: &Frame<'_>) {
        // A server that does not know the question refuses it, which takes as long.
        if !matches!(frame.kind, Kind::Pong | Kind::Error) {
            return;
        }
        let place = self.whos.iter().position(|one| *one == who).expect("one who asked");
        match self.awaited[place].pop_front() {
            Some(due) if self.counting => self.to_answer.saturating_record(at.saturating_sub(due)),
            Some(_) => {}
            None => self.faults += 1,
        }
    }

    fn gone(&mut self, _: &mut Crowd, who: usize, code: Option<u16>) {
        eprintln!("the server closed connection {who} with {code:?}");
        self.faults += 1;
    }
}

/// Runs users who ask at fixed times, like the chats of `relay::run_beside`.
pub(crate) fn run_beside(
    server: &Server,
    (count, per_second): (usize, u64),
    (warm, span): (Nanos, Nanos),
    measured: &mut dyn FnMut(Moment),
) -> Outcome {
    let crowd = &mut Crowd::at(server);
    let whos = Lobby::default().admit_users(crowd, count, "asker-");
    let askers = &mut Askers {
        awaited: vec![VecDeque::new(); whos.len()],
        whos,
        to_answer: histogram(),
        counting: false,
        faults: 0,
        sent: 0,
    };
    let start = crowd.now();
    crowd.wake_often(start, per_second);
    askers.run_to(crowd, start, per_second, start + warm);
    askers.counting = true;
    measured(Moment::Begin);
    askers.run_to(crowd, start, per_second, start + warm + span);
    measured(Moment::End);
    crowd.run_at_most(askers, ANSWERS_MAX, |askers| askers.awaited() == 0);
    let now = crowd.now();
    for due in askers.awaited.iter().flatten() {
        askers.to_answer.saturating_record(now - due);
    }
    let missing = askers.awaited();
    let mut figures = latencies(&askers.to_answer);
    figures.push(("missing", missing as f64));
    figures.push(("faults", askers.faults as f64));
    Outcome { is_good: missing == 0 && askers.faults == 0 && askers.sent > 0, figures }
}
