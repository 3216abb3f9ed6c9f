//! What a journal costs: messages with each way of syncing, restarts, and the file. `make bench-journal`
//!
//! The journal is in the directory of the results, so that its disk is the one that is measured.

mod day;
mod restart;

use std::fs;
use std::path::PathBuf;

use clap::Args;

use self::day::{Outcome, Traffic};
use self::restart::Restart;
use crate::server::{Server, move_to_load_core, target_directory};
use crate::table::{markdown, median, number, today};
use crate::usage;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Rounds of the traffic; the median is given
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Tickets of a day, of 30 messages each
    #[arg(long, default_value_t = 2000)]
    day: usize,
    /// Tickets that wait when the desk is started again
    #[arg(long, value_delimiter = ',', default_values_t = [10_000, 100_000])]
    tickets: Vec<usize>,
    /// File for the results
    #[arg(long, default_value = "benches/results/journal.md")]
    file: PathBuf,
}

/// No journal, and each way of syncing.
const SYNCS: [Option<&str>; 3] = [None, Some("second"), Some("turn")];
/// Messages of a ticket.
const MESSAGES: u64 = 30;
/// Chats at once at a busy desk.
const AT_ONCE: usize = 64;
/// Tickets, one after the other, that show how long one message takes.
const ALONE: usize = 100;

/// A journal that does not exist yet.
fn new_journal() -> PathBuf {
    let path = target_directory().join("bench.journal");
    let _ = fs::remove_file(&path); // of the run before
    path
}

/// The options of a desk with this way of syncing.
fn options(sync: Option<&str>, journal: &std::path::Path) -> Vec<String> {
    let mut options = vec!["--rate-limit".to_owned(), "0".to_owned()];
    if let Some(sync) = sync {
        options.extend(["--journal", &journal.to_string_lossy(), "--journal-sync", sync].map(str::to_owned));
    }
    options
}

fn run_traffic(sync: Option<&str>, traffic: Traffic) -> Outcome {
    let journal = new_journal();
    let options = options(sync, &journal);
    let server = Server::deskwire(&options.iter().map(String::as_str).collect::<Vec<_>>());
    day::run(&server, sync.map(|_| journal.as_path()), traffic)
}

pub(crate) fn run(options: &Options) -> bool {
    let load = usage::load();
    move_to_load_core();
    let loads = [
        Traffic { tickets: ALONE, messages: MESSAGES, at_once: 1 },
        Traffic { tickets: options.day, messages: MESSAGES, at_once: AT_ONCE },
    ];
    let mut outcomes: Vec<[Vec<Outcome>; 2]> = SYNCS.iter().map(|_| Default::default()).collect();
    for round in 1..=options.rounds {
        for (sync, outcomes) in SYNCS.iter().zip(&mut outcomes) {
            for (traffic, outcomes) in loads.into_iter().zip(outcomes) {
                let outcome = run_traffic(*sync, traffic);
                let rate = number(outcome.messages_per_s);
                eprintln!("round {round}: {sync:?}, {} at once: {rate} messages/s", traffic.at_once);
                outcomes.push(outcome);
            }
        }
    }
    let restarts: Vec<Restart> = options.tickets.iter().map(|tickets| restart::run(*tickets)).collect();
    let page = page(options, &load, &outcomes, &restarts);
    println!("{page}");
    fs::write(&options.file, page).expect("the results' file");
    eprintln!("written: {}", options.file.display());
    let _ = fs::remove_file(new_journal());
    true
}

fn median_of(outcomes: &[Outcome], figure: fn(&Outcome) -> f64) -> f64 {
    median(&outcomes.iter().map(figure).collect::<Vec<_>>())
}

fn name(sync: Option<&str>) -> String {
    sync.map_or_else(|| "no journal".to_owned(), |sync| format!("`{sync}`"))
}

fn page(options: &Options, load: &str, outcomes: &[[Vec<Outcome>; 2]], restarts: &[Restart]) -> String {
    format!(
        "Measured {} on {}: the server on one core, the load generator on the other, the journal on the disk of `target`. \
         The median of {} rounds. The machine's load, averaged over a minute, was {} when it began.\n\n\
         ## Messages\n\n\
         {} tickets of {MESSAGES} messages of 106 bytes, each with its receipt and answered by the other side: one chat \
         at a time, which shows how long a message takes, and {AT_ONCE} at once as fast as they go, which are a day of \
         {} tickets. Latency is from one side to the other. CPU time is the server's, user and system, for a message, its \
         receipt and its part of a ticket.\n\n{}\n\
         ## The file, in a day\n\n\
         A day is {} tickets of {MESSAGES} messages. It ran in less than a minute here, so that snapshots came by size (16 \
         MiB) alone; in a real day there is one every 15 minutes, too, and the file is smaller.\n\n{}\n\
         ## Restarts\n\n\
         Tickets that wait, whose users have left, each with a subject of 46 characters. From the start of the process to the \
         first accepted connection: after a kill, and once more from the snapshot that this start has written.\n\n{}",
        today(),
        usage::machine(),
        options.rounds,
        load,
        ALONE,
        options.day,
        messages_table(outcomes),
        options.day,
        growth_table(options, outcomes),
        restart_table(restarts),
    )
}

fn messages_table(outcomes: &[[Vec<Outcome>; 2]]) -> String {
    let header =
        ["`--journal-sync`", "one chat: p50 µs", "p99 µs", "CPU µs", "64 chats: messages/s", "p50 µs"];
    let header: Vec<String> = header.into_iter().chain(["p99 µs", "CPU µs"]).map(str::to_owned).collect();
    let rows = SYNCS.iter().zip(outcomes).map(|(sync, [alone, busy])| {
        let figures = [
            median_of(alone, |outcome| outcome.p50_us),
            median_of(alone, |outcome| outcome.p99_us),
            median_of(alone, |outcome| outcome.cpu_us),
            median_of(busy, |outcome| outcome.messages_per_s),
            median_of(busy, |outcome| outcome.p50_us),
            median_of(busy, |outcome| outcome.p99_us),
            median_of(busy, |outcome| outcome.cpu_us),
        ];
        [name(*sync)].into_iter().chain(figures.map(number)).collect()
    });
    markdown(&header, &rows.collect::<Vec<_>>())
}

fn growth_table(options: &Options, outcomes: &[[Vec<Outcome>; 2]]) -> String {
    let messages = options.day as f64 * MESSAGES as f64;
    let header = ["`--journal-sync`", "appended, MB", "bytes a message", "largest, MB", "at the end, MB"];
    let rows = SYNCS.iter().zip(outcomes).skip(1).map(|(sync, [_, busy])| {
        let appended = median_of(busy, |outcome| outcome.appended_bytes as f64);
        let figures = [
            appended / 1e6,
            appended / messages,
            median_of(busy, |outcome| outcome.most_bytes as f64) / 1e6,
            median_of(busy, |outcome| outcome.last_bytes as f64) / 1e6,
        ];
        [name(*sync)].into_iter().chain(figures.map(number)).collect()
    });
    markdown(&header.map(str::to_owned), &rows.collect::<Vec<_>>())
}

fn restart_table(restarts: &[Restart]) -> String {
    let header = ["tickets", "file, MB", "start after the kill, ms", "snapshot, MB", "start from it, ms"];
    let rows = restarts.iter().map(|restart| {
        let figures = [
            restart.tickets as f64,
            restart.file_bytes as f64 / 1e6,
            restart.start.as_secs_f64() * 1e3,
            restart.snapshot_bytes as f64 / 1e6,
            restart.start_from_snapshot.as_secs_f64() * 1e3,
            restart.rss_bytes as f64 / 1e6,
        ];
        figures.map(number).into()
    });
    let header: Vec<String> = header.into_iter().chain(["resident, MB"]).map(str::to_owned).collect();
    markdown(&header, &rows.collect::<Vec<_>>())
}
