//! One round: a server, the attackers and the honest clients, and the measurements of all three.

use std::time::{Duration, Instant};

use super::askers;
use super::attackers::{Attackers, Report};
use super::watch::{Metrics, Newcomer};
use crate::attack::list::{Attack, People};
use crate::crowd::{Nanos, SECOND};
use crate::relay::{self, Moment};
use crate::server::{Log, Server, log_path};
use crate::table::Outcome;
use crate::usage;

/// The honest chats, and their messages a second: 40 of each side, within the default rate limit.
pub(crate) const CHATS: usize = 10;
pub(crate) const PER_SECOND: u64 = 800;
const WARM: Nanos = SECOND / 2;
/// The time after the attackers have left until memory is measured.
const AFTER: Duration = Duration::from_millis(500);
/// The time between two measurements of memory that is to be returned.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The results of one round. A value that could not be measured is NaN.
#[derive(Clone, Debug)]
pub(crate) struct Round {
    pub(crate) outcome: Outcome,
    pub(crate) report: Report,
    pub(crate) healthz_ms: f64,
    /// The longest turn before the attack began, and the longest overall.
    pub(crate) turn_before_us: f64,
    pub(crate) turn_us: f64,
    pub(crate) bytes_in: f64,
    pub(crate) bytes_out: f64,
    pub(crate) cpu_percent: f64,
    /// The share of the time in which the server or the honest clients waited for a core that another process had.
    pub(crate) waited_percent: f64,
    pub(crate) closes: Vec<(String, u64)>,
    /// Memory at the start, at the peak, and after the attackers have left.
    pub(crate) rss_bytes: [f64; 3],
    /// The time until memory was returned, if that is measured.
    pub(crate) given_back_s: Option<f64>,
    pub(crate) log_bytes: f64,
    pub(crate) has_ended: bool,
}

/// The readings of the server before and after the measured time.
struct Look {
    at: Instant,
    cpu_ns: u64,
    waited_ns: u64,
    metrics: Metrics,
}

impl Look {
    fn at(server: &Server) -> Self {
        // CPU time is read first, since asking for the metrics takes some.
        let (at, cpu_ns) = (Instant::now(), server.cpu_ns());
        let waited_ns = usage::waited_ns(server.pid()) + usage::waited_ns(std::process::id());
        Self { at, cpu_ns, waited_ns, metrics: Metrics::read(server.address) }
    }
}

/// Runs the round. Returns `None` if the attack could not be set up.
pub(crate) fn run(attack: Option<(&Attack, usize)>, seconds: u64) -> Option<Round> {
    let log = attack.map_or(Log::Quiet, |(attack, _)| attack.log);
    let options = attack.map_or(&[][..], |(attack, _)| attack.options);
    let mut server = Server::deskwire_logging(options, log);
    let rss_at_start = server.rss_bytes();
    let mut attackers = attack.map(|(attack, connections)| {
        Attackers::start(attack, connections, &server, seconds + WARM / SECOND + 2)
    });
    if attackers.as_ref().is_some_and(|attackers| !attackers.are_ready()) {
        return None;
    }
    let newcomer = Newcomer::start(server.address);
    let people = attack.map_or(People::Chats, |(attack, _)| attack.people);
    let (outcome, looks) = measure(&server, people, attackers.as_mut(), seconds);
    let healthz_ms = newcomer.stop();
    let report = attackers.map_or_else(Report::of_nobody, Attackers::report);
    let after = attack.and_then(|(attack, _)| attack.bounds.memory_after);
    let (rss_after, given_back_s) = look_after(&server, rss_at_start, after);
    let [begin, end] = looks?;
    let last = Metrics::read(server.address);
    const TURN: &str = "deskwire_turn_longest_seconds";
    let share = |ns: u64| ns as f64 / (end.at - begin.at).as_nanos() as f64 * 100.0;
    Some(Round {
        outcome,
        report,
        healthz_ms,
        turn_before_us: begin.metrics.value(TURN) * 1e6,
        turn_us: last.value(TURN) * 1e6,
        bytes_in: end.metrics.since(&begin.metrics, "deskwire_received_bytes_total"),
        bytes_out: end.metrics.since(&begin.metrics, "deskwire_sent_bytes_total"),
        cpu_percent: share(end.cpu_ns - begin.cpu_ns),
        waited_percent: share(end.waited_ns - begin.waited_ns),
        closes: last.closes_since(&begin.metrics),
        rss_bytes: [rss_at_start, usage::rss_peak_bytes(server.pid()), rss_after].map(|bytes| bytes as f64),
        given_back_s,
        log_bytes: if log == Log::ToUnreadPipe { 0.0 } else { log_file_bytes() },
        has_ended: server.has_ended(),
    })
}

/// Runs the honest clients, with the attackers at work while they are measured. Returns what they noticed, and the
/// readings of the server before and after that.
fn measure(
    server: &Server,
    people: People,
    mut attackers: Option<&mut Attackers>,
    seconds: u64,
) -> (Outcome, Option<[Look; 2]>) {
    let mut looks = Vec::new();
    let mut measured = |moment: Moment| {
        if moment == Moment::Begin {
            looks.push(Look::at(server));
            attackers.iter_mut().for_each(|attackers| attackers.go());
        } else {
            attackers.iter_mut().for_each(|attackers| attackers.stop());
            looks.push(Look::at(server));
        }
    };
    let run_beside = match people {
        People::Chats => relay::run_beside,
        People::Askers => askers::run_beside,
    };
    let outcome = run_beside(server, (CHATS, PER_SECOND), (WARM, seconds * SECOND), &mut measured);
    (outcome, looks.try_into().ok())
}

fn log_file_bytes() -> f64 {
    std::fs::metadata(log_path()).map_or(0.0, |file| file.len() as f64)
}

/// Memory some time after the attack. If it is to be returned: as soon as that has happened, or when the time for it is
/// over.
fn look_after(server: &Server, at_start: u64, bound: Option<(usize, u64)>) -> (u64, Option<f64>) {
    let since = Instant::now();
    std::thread::sleep(AFTER);
    let Some((kib, seconds)) = bound else { return (server.rss_bytes(), None) };
    loop {
        let rss = server.rss_bytes();
        if rss <= at_start + kib as u64 * 1024 || since.elapsed() > Duration::from_secs(seconds) {
            return (rss, Some(since.elapsed().as_secs_f64()));
        }
        std::thread::sleep(LOOK_EVERY);
    }
}
