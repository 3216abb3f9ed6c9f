//! The verdict on the rounds of one attack: a row of figures, and whether they are within the bounds.
//!
//! Timings count as in their best round, since another process on this machine can only make them worse. Everything
//! else must hold in each round.

use super::round::Round;
use crate::attack::list::{Attack, BOUNDS, Bounds};
use crate::table::number;

pub(crate) const HEADER: [&str; 18] = [
    "while",
    "connections",
    "p50 µs",
    "p99 µs",
    "p99.9 µs",
    "max µs",
    "all arrived",
    "longest turn ms: set-up / all",
    "healthz at most ms",
    "MB in",
    "MB out",
    "server CPU %",
    "waited for a core %",
    "MiB at start / peak / after",
    "closes",
    "the attack",
    "rounds",
    "verdict",
];

/// Beyond this share the machine was busy with something else, and timings say little.
const WAITED_PERCENT_MAX: f64 = 10.0;

pub(crate) struct Verdict {
    attack: Option<(&'static Attack, usize)>,
    rounds: Vec<Option<Round>>,
}

impl Verdict {
    pub(crate) fn new(attack: Option<(&'static Attack, usize)>) -> Self {
        Self { attack, rounds: Vec::new() }
    }

    pub(crate) fn take(&mut self, round: Option<Round>) {
        self.rounds.push(round);
    }

    /// Whether more rounds cannot change the verdict: everything is within the bounds, or something untimed is beyond
    /// them.
    pub(crate) fn is_decided(&self) -> bool {
        self.is_good() || !self.untimed().is_empty()
    }

    pub(crate) fn is_good(&self) -> bool {
        self.timed().is_empty() && self.untimed().is_empty()
    }

    fn bounds(&self) -> Bounds {
        self.attack.map_or(BOUNDS, |(attack, _)| attack.bounds)
    }

    fn seen(&self) -> impl Iterator<Item = &Round> {
        self.rounds.iter().flatten()
    }

    /// The smallest value over all rounds.
    fn best(&self, figure: impl Fn(&Round) -> f64) -> f64 {
        self.seen().map(figure).fold(f64::NAN, f64::min)
    }

    fn most(&self, figure: impl Fn(&Round) -> f64) -> f64 {
        self.seen().map(figure).fold(f64::NAN, f64::max)
    }

    /// The bounds on timings that even the best rounds exceed. A value that could not be measured counts as exceeded.
    fn timed(&self) -> Vec<String> {
        let (bounds, mut beyond) = (self.bounds(), Vec::new());
        let is_within = |value: f64, bound: f64| value <= bound;
        if !is_within(self.best(latency("p99")), bounds.p99_us) {
            beyond.push("p99".to_owned());
        }
        if !is_within(self.best(|round| round.turn_us), bounds.turn_us) {
            beyond.push("turn".to_owned());
        }
        if !is_within(self.best(|round| round.healthz_ms), bounds.healthz_ms) {
            beyond.push("healthz".to_owned());
        }
        if self.seen().all(|round| !round.report.is_attack()) {
            // On a machine that is busy with something else, the attackers do too little.
            beyond.push("the attack did not take place".to_owned());
        }
        beyond
    }

    /// The bounds other than timings that any round exceeds.
    fn untimed(&self) -> Vec<String> {
        let (bounds, mut beyond) = (self.bounds(), Vec::new());
        let connections = self.attack.map_or(0, |(_, connections)| connections);
        let (kib, kib_each) = bounds.memory_kib;
        let memory_max = |round: &Round| {
            let (name, kib_for) = bounds.memory_for.unwrap_or_default();
            let count =
                round.report.notes.iter().find(|(what, _)| what == name).map_or(0, |(_, count)| *count);
            (kib + kib_each * connections + kib_for * count as usize) as f64 * 1024.0
        };
        let mut check = |is_within: bool, name: &str| {
            if !is_within && !beyond.iter().any(|known| known == name) {
                beyond.push(name.to_owned());
            }
        };
        for round in self.seen() {
            let [start, peak, after] = round.rss_bytes;
            check(!round.has_ended, "the server ended");
            check(round.outcome.is_good, "not all arrived");
            check(peak - start <= memory_max(round), "memory");
            if let Some((kib, _)) = bounds.memory_after {
                check(after - start <= kib as f64 * 1024.0, "memory not given back");
            }
            if let Some(bytes) = bounds.bytes_out {
                check(round.bytes_out <= bytes, "bytes out");
            }
            let is_turned_away = round.closes.iter().any(|(code, _)| code == "1013");
            check(bounds.may_be_full || !is_turned_away, "closed with 1013");
            check(round.log_bytes <= bounds.log_bytes, "log");
            for (what, count) in &round.report.harm {
                check(*count == 0, what);
            }
        }
        beyond
    }

    pub(crate) fn row(&self) -> Vec<String> {
        let (title, connections) =
            self.attack.map_or(("nobody attacks".to_owned(), String::new()), |(attack, connections)| {
                (format!("{}: {}", attack.name, attack.title), number(connections as f64))
            });
        let mib = |part: usize| number(self.most(|round| round.rss_bytes[part] / 1024.0 / 1024.0));
        let missing = self.most(latency("missing"));
        let arrived = match self.seen().all(|round| round.outcome.is_good) {
            true => "yes".to_owned(),
            false => format!("NO, {} missing", number(missing)),
        };
        let beyond = [self.untimed(), self.timed()].concat();
        let is_noisy = self.best(|round| round.waited_percent) > WAITED_PERCENT_MAX;
        let noise = if is_noisy { " (others had the cores)" } else { "" };
        let mut row = vec![title, connections];
        row.extend(["p50", "p99", "p99.9", "max"].map(|name| number(self.best(latency(name)))));
        row.push(arrived);
        row.push(self.turn());
        row.push(number(self.best(|round| round.healthz_ms)));
        row.push(number(self.most(|round| round.bytes_in / 1e6)));
        row.push(number(self.most(|round| round.bytes_out / 1e6)));
        row.push(number(self.best(|round| round.cpu_percent)));
        row.push(number(self.best(|round| round.waited_percent)));
        row.push([0, 1, 2].map(mib).join(" / "));
        row.push(self.closes());
        row.push(self.deeds());
        row.push(self.rounds.len().to_string());
        row.push(if beyond.is_empty() {
            "holds".to_owned()
        } else {
            format!("NO: {}{noise}", beyond.join(", "))
        });
        row
    }

    /// The longest turn while the attack was set up, and the longest of all, which has to be within the bound: setting it
    /// up takes turns like anything else.
    fn turn(&self) -> String {
        let ms = |us: f64| number(us / 1e3);
        let set_up = ms(self.best(|round| round.turn_before_us));
        format!("{set_up} / {}", ms(self.best(|round| round.turn_us)))
    }

    fn closes(&self) -> String {
        let Some(round) = self.seen().last() else { return String::new() };
        let codes = round.closes.iter().map(|(code, count)| format!("{code}: {}", number(*count as f64)));
        codes.collect::<Vec<_>>().join(", ")
    }

    /// What the attackers did in the last round.
    fn deeds(&self) -> String {
        let Some(round) = self.seen().last() else { return "could not be set up".to_owned() };
        let said = |(what, count): (&String, u64)| format!("{what} {}", number(count as f64));
        let mut deeds: Vec<_> =
            round.report.did.iter().map(|(what, count, _)| said((what, *count))).collect();
        deeds.extend(round.report.notes.iter().map(|(what, count)| said((what, *count))));
        let harm = round.report.harm.iter().filter(|(_, count)| *count > 0);
        deeds.extend(harm.map(|(what, count)| said((what, *count)).to_uppercase()));
        deeds.extend(
            round.given_back_s.map(|seconds| format!("memory looked at after {} s", number(seconds))),
        );
        if self.attack.is_some_and(|(attack, _)| attack.options.is_empty() && round.log_bytes > 0.0) {
            deeds.push(format!("log kB {}", number(round.log_bytes / 1e3)));
        }
        deeds.join("; ")
    }
}

fn latency(name: &'static str) -> impl Fn(&Round) -> f64 {
    move |round| round.outcome.figure(name).unwrap_or(f64::NAN)
}
