//! All servers on all workloads, in alternation, so that a slow minute of the machine does not hit only one of them.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;

use clap::Args;

use crate::awake::Awake;
use crate::crowd::{Nanos, SECOND};
use crate::peers::{self, Peer};
use crate::picture::{self, Group};
use crate::relay::Drive;
use crate::server::{Server, connections_max, move_to_load_core, target_directory};
use crate::table::{Outcome, markdown, median, number, today};
use crate::{idle, relay, usage, visits};

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Servers to compare
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    peers: Vec<Peer>,
    /// Workloads to run
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    workloads: Vec<Workload>,
    /// Rounds; the best and the median of them are given
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Seconds that each measurement lasts
    #[arg(long, default_value_t = 2.0)]
    secs: f64,
    /// Keep both cores from going to sleep: latencies of the servers, less the machine's; CPU times are not comparable
    #[arg(long)]
    awake: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
enum Workload {
    #[value(name = "relay-1")]
    Relay1,
    #[value(name = "relay-16")]
    Relay16,
    #[value(name = "rate-2k")]
    Rate2k,
    #[value(name = "rate-20k")]
    Rate20k,
    #[value(name = "rate-100k")]
    Rate100k,
    Connect,
    Board,
    Idle,
}

const WARM: Nanos = SECOND * 7 / 10;
const CHATS: usize = 200;
const STAFF: usize = 100;
const TICKETS_PER_S: u64 = 200;
const CONNECTS_AT_ONCE: usize = 32;

impl Workload {
    const ALL: [Self; 8] = [
        Self::Relay1,
        Self::Relay16,
        Self::Rate2k,
        Self::Rate20k,
        Self::Rate100k,
        Self::Connect,
        Self::Board,
        Self::Idle,
    ];

    fn title(self) -> &'static str {
        match self {
            Self::Relay1 => "relay-1: 200 chats, one message of each side under way, as fast as it goes",
            Self::Relay16 => "relay-16: 64 chats, 16 messages of each side under way, as fast as it goes",
            Self::Rate2k => "rate-2k: 2,000 messages/s over 200 chats, each at its time: a busy day",
            Self::Rate20k => "rate-20k: 20,000 messages/s over 200 chats, each at its time",
            Self::Rate100k => "rate-100k: 100,000 messages/s over 200 chats, each at its time",
            Self::Connect => "connect: connections opened up to the welcome and closed, 32 at a time",
            Self::Board => "board: 200 new tickets/s, each shown to 100 staff",
            Self::Idle => "idle: connections that rest, as many as the descriptors allow",
        }
    }

    /// Returns whether one round is enough: idle takes long, and its memory is the same each time.
    fn is_measured_once(self) -> bool {
        self == Self::Idle
    }

    fn run(self, server: &Server, span: Nanos) -> Option<Outcome> {
        let times = (WARM, span);
        match self {
            Self::Relay1 => relay::run(server, CHATS, Drive::Window(1), times),
            Self::Relay16 => relay::run(server, 64, Drive::Window(16), times),
            Self::Rate2k => relay::run(server, CHATS, Drive::PerSecond(2000), times),
            Self::Rate20k => relay::run(server, CHATS, Drive::PerSecond(20_000), times),
            Self::Rate100k => relay::run(server, CHATS, Drive::PerSecond(100_000), times),
            Self::Connect => Some(visits::connect(server, CONNECTS_AT_ONCE, times)),
            Self::Board => Some(visits::board(server, STAFF, TICKETS_PER_S, times)),
            Self::Idle => Some(idle::run(server, connections_max(), span)),
        }
    }
}

/// The results of all rounds. `None` is a round in which the server could not keep up.
type Results = BTreeMap<(Workload, usize), Vec<Option<Outcome>>>;

pub(crate) fn run(options: &Options) -> bool {
    let wanted = if options.peers.is_empty() { &Peer::ALL[..] } else { &options.peers };
    let workloads = if options.workloads.is_empty() { &Workload::ALL[..] } else { &options.workloads };
    let (servers, missing) = peers::available(wanted);
    missing.iter().for_each(|why| eprintln!("{why}"));
    let _awake = options.awake.then(Awake::keep);
    move_to_load_core();
    let span = (options.secs * SECOND as f64) as Nanos;
    let mut results = Results::new();
    for round in 0..options.rounds {
        for workload in workloads.iter().filter(|workload| round == 0 || !workload.is_measured_once()) {
            for (place, peer) in servers.iter().enumerate() {
                let outcome = workload.run(&peer.start(), span);
                let main = outcome.as_ref().map_or("falls behind".to_owned(), |o| number(o.main()));
                eprintln!("round {}: {workload:?}, {}: {main}", round + 1, peer.name());
                results.entry((*workload, place)).or_default().push(outcome);
            }
        }
    }
    let page = page(options, &servers, &missing, &results);
    println!("{page}");
    let directory = target_directory();
    let name = if options.awake { "awake" } else { "results" };
    fs::write(directory.join(name).with_extension("md"), page).expect("the results' file");
    let picture = directory.join(name).with_extension("svg");
    picture::draw_bars(&picture, "What one costs the server (less is better)", &groups(&servers, &results));
    eprintln!("written: {}/{name}.md and {name}.svg", directory.display());
    results.values().flatten().flatten().all(|outcome| outcome.is_good)
}

fn page(options: &Options, servers: &[Peer], missing: &[String], results: &Results) -> String {
    let mut page = format!(
        "Measured {} on {}. Each server on one core, the load generator on another, over loopback; {} rounds of {} s in \
         alternation, a fresh server for each figure. The first figure is the server's CPU time, user and system, for what \
         is named there (idle: resident memory): the best round and the median of all. The other columns are medians: an \
         open loop costs least where messages wait and are answered together. \"ok\" counts the rounds in which each \
         message came once, in order and whole.\n\n",
        today(),
        usage::machine(),
        options.rounds,
        options.secs
    );
    if options.awake {
        page.push_str(
            "Both cores were kept awake by what spins at the lowest priority. CPU times hold less than else: two virtual \
             cores may be the two halves of one.\n\n",
        );
    }
    for peer in servers {
        writeln!(page, "- {}: {}", peer.name(), peer.versions()).expect("memory");
    }
    writeln!(page, "- deskwire's binary: {} bytes", number(peers::binary_size() as f64)).expect("memory");
    missing.iter().for_each(|why| writeln!(page, "- {why}").expect("memory"));
    for workload in Workload::ALL {
        let tried: Vec<_> = (0..servers.len())
            .filter_map(|place| Some((servers[place], results.get(&(workload, place))?)))
            .collect();
        if !tried.is_empty() {
            write!(page, "\n### {}\n\n{}", workload.title(), table(&tried)).expect("memory");
        }
    }
    page
}

/// The best round of a server, if it ever kept up.
fn best(rounds: &[Option<Outcome>]) -> Option<&Outcome> {
    rounds.iter().flatten().min_by(|a, b| a.main().total_cmp(&b.main()))
}

/// The median of the nth figure, over the rounds in which the server kept up.
fn median_of(rounds: &[Option<Outcome>], nth: usize) -> f64 {
    median(&rounds.iter().flatten().map(|outcome| outcome.figures[nth].1).collect::<Vec<_>>())
}

fn table(tried: &[(Peer, &Vec<Option<Outcome>>)]) -> String {
    let Some(names) = tried.iter().find_map(|(_, rounds)| best(rounds)) else {
        return "No server can keep up.\n".to_owned();
    };
    let names: Vec<_> = names.figures.iter().map(|(name, _)| (*name).to_owned()).collect();
    let own = tried.iter().find(|(peer, _)| *peer == Peer::Deskwire).map(|(_, rounds)| *rounds);
    let own = own.and_then(|rounds| Some((best(rounds)?.main(), median_of(rounds, 0))));
    let (own_best, own_median) = own.unwrap_or((f64::NAN, f64::NAN));
    let mut header = vec!["server".to_owned(), format!("**{}**, best", names[0]), "×".to_owned()];
    header.extend(["median".to_owned(), "×".to_owned()]);
    header.extend_from_slice(&names[1..]);
    header.push("ok".to_owned());
    let rows = tried.iter().map(|(peer, rounds)| {
        let Some(outcome) = best(rounds) else {
            let mut row = vec![peer.name().to_owned(), "cannot keep up".to_owned()];
            row.resize(header.len(), "-".to_owned());
            return row;
        };
        let (main, median) = (outcome.main(), median_of(rounds, 0));
        let good = rounds.iter().flatten().filter(|outcome| outcome.is_good).count();
        let mut row = vec![peer.name().to_owned(), format!("**{}**", number(main)), number(main / own_best)];
        row.extend([number(median), number(median / own_median)]);
        row.extend((1..outcome.figures.len()).map(|nth| number(median_of(rounds, nth))));
        row.push(format!("{good}/{}", rounds.len()));
        row
    });
    markdown(&header, &rows.collect::<Vec<_>>())
}

fn groups(servers: &[Peer], results: &Results) -> Vec<Group> {
    let group = |workload: Workload| {
        let best = |place: usize| Some((servers[place].name(), best(results.get(&(workload, place))?)?));
        let found: Vec<_> = (0..servers.len()).filter_map(best).collect();
        let unit = found.first()?.1.figures[0].0;
        Some(Group {
            title: format!("{} ({unit})", workload.title()),
            bars: found.into_iter().map(|(name, outcome)| (name, outcome.main())).collect(),
        })
    };
    Workload::ALL.into_iter().filter_map(group).collect()
}
