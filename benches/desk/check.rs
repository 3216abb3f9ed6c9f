//! Compares the instructions and allocations of a fixed script with recorded ones, so that the desk does not grow
//! slower unnoticed. Times vary by a factor of two within minutes; callgrind's counts are the same each time.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::{Args, ValueEnum};

use crate::script::{self, Layer};
use crate::server::target_directory;
use crate::table::{markdown, median, number};

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Write the figures down instead of comparing
    #[arg(long)]
    record: bool,
    /// Also count with 100, 1,000, 10,000 and 100,000 waiting, which takes some minutes
    #[arg(long)]
    growth: bool,
}

/// How much more than recorded passes: the same code may take this much more with another compiler.
const TOLERANCE: f64 = 1.05;
/// Allocations are whole numbers; the rest is what a buffer does that doubles now and then.
const ALLOCATIONS_MORE_MAX: f64 = 0.01;

/// The instructions and allocations of one operation.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    instructions: f64,
    allocations: f64,
}

impl Count {
    fn of_one(more: Self, fewer: Self, times: u32) -> Self {
        Self {
            instructions: (more.instructions - fewer.instructions) / f64::from(times),
            allocations: (more.allocations - fewer.allocations) / f64::from(times),
        }
    }
}

pub(crate) fn run(options: &Options) -> bool {
    if !Command::new("valgrind").arg("--version").stdout(Stdio::null()).status().is_ok_and(|s| s.success()) {
        eprintln!("the check needs valgrind");
        return false;
    }
    if options.growth {
        count_growth();
        return true;
    }
    let mut counts = Vec::new();
    for layer in [Layer::State, Layer::Hub] {
        let start = script::Options { layer, waiting: 0, messages: 10_000, visits: 200, notices: 0 };
        let base = count(&start);
        let more_messages = count(&script::Options { messages: start.messages + 10_000, ..start });
        let more_visits = count(&script::Options { visits: start.visits + 1000, ..start });
        let name = name(layer);
        counts.push((format!("{name}.message"), Count::of_one(more_messages, base, 10_000)));
        counts.push((format!("{name}.visit"), Count::of_one(more_visits, base, 1000)));
    }
    if options.record {
        record(&counts);
        return true;
    }
    compare(&counts)
}

fn recorded_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/instructions.txt")
}

fn record(counts: &[(String, Count)]) {
    let mut text = "# What one of each takes: instructions, allocations. By `cargo bench --bench desk -- check --record`.\n\
                    # message: one message and its receipt. visit: a user connects, opens a ticket, is picked, released and\n\
                    # picked again, closes and leaves. state: State alone. hub: from a client's bytes to a client's bytes.\n"
        .to_owned();
    for (name, count) in counts {
        writeln!(text, "{name} {:.0} {:.2}", count.instructions, count.allocations).expect("memory");
    }
    print!("{text}");
    fs::write(recorded_path(), text).expect("the recorded figures' file");
}

fn compare(counts: &[(String, Count)]) -> bool {
    let recorded = fs::read_to_string(recorded_path()).unwrap_or_default();
    let recorded_of = |name: &str| {
        let line = recorded.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
        let mut figures = line.split(' ').map_while(|figure| figure.parse::<f64>().ok());
        Some(Count { instructions: figures.next()?, allocations: figures.next()? })
    };
    let mut is_good = true;
    let rows = counts.iter().map(|(name, count)| {
        let before = recorded_of(name).unwrap_or_default();
        let is_within = count.instructions <= before.instructions * TOLERANCE
            && count.allocations <= before.allocations + ALLOCATIONS_MORE_MAX;
        is_good &= is_within;
        let better = count.instructions < before.instructions / TOLERANCE;
        let verdict = match (is_within, better) {
            (false, _) => "MORE",
            (true, true) => "less: record it",
            (true, false) => "as recorded",
        };
        let change = format!("{:+.1} %", (count.instructions / before.instructions - 1.0) * 100.0);
        let allocations = format!("{:.2}", count.allocations);
        vec![name.clone(), number(count.instructions), change, allocations, verdict.to_owned()]
    });
    let rows: Vec<_> = rows.collect();
    let header = ["one", "instructions", "change", "allocations", "verdict"].map(str::to_owned);
    println!("{}", markdown(&header, &rows));
    is_good
}

/// The same for several numbers of waiting users: more than descriptors allow, and without the noise of timing.
fn count_growth() {
    const SIZES: [u32; 4] = [100, 1000, 10_000, 100_000];
    let mut rows = Vec::new();
    for layer in [Layer::State, Layer::Hub] {
        let mut cells = [(); 3].map(|()| Vec::new());
        for waiting in SIZES {
            eprintln!("{}: {waiting} waiting", name(layer));
            let start = script::Options { layer, waiting, messages: 100, visits: 100, notices: 0 };
            let base = count(&start);
            let message = Count::of_one(count(&script::Options { messages: 600, ..start }), base, 500);
            // Now and then the C library's allocator consolidates freed memory, and one visit pays for all earlier
            // ones.
            let visits = [300, 500, 700].map(|visits| count(&script::Options { visits, ..start }));
            let steps = [base, visits[0], visits[1], visits[2]];
            let steps = steps.windows(2).map(|step| Count::of_one(step[1], step[0], 200).instructions);
            let notice = Count::of_one(count(&script::Options { notices: 2, ..start }), base, 2);
            let figures = [
                message.instructions,
                median(&steps.collect::<Vec<_>>()),
                notice.instructions / f64::from(waiting),
            ];
            figures.iter().zip(&mut cells).for_each(|(figure, cells)| cells.push(number(*figure)));
        }
        let acts = ["message and receipt", "visit", "queue notice, for each who waits"];
        for (act, cells) in acts.iter().zip(cells) {
            rows.push([vec![format!("{}: {act}", name(layer))], cells].concat());
        }
    }
    let header =
        [vec!["instructions of one".to_owned()], SIZES.map(|size| number(size.into())).to_vec()].concat();
    let table = markdown(&header, &rows);
    println!("{table}");
    let path = target_directory().join("growth-instructions.md");
    fs::write(&path, table).expect("the results' file");
    eprintln!("written: {}", path.display());
}

fn name(layer: Layer) -> String {
    layer.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

/// Runs the script under callgrind.
fn count(options: &script::Options) -> Count {
    let out = target_directory().join("callgrind.out");
    let numbers = [options.waiting, options.messages, options.visits, options.notices].map(|n| n.to_string());
    let output = Command::new("valgrind")
        .arg("--tool=callgrind")
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(std::env::current_exe().expect("this program"))
        .args(["script", &name(options.layer)])
        .args(numbers)
        .output()
        .expect("valgrind");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let profile = fs::read_to_string(&out).expect("callgrind's output");
    Count { instructions: total(&profile), allocations: allocations(&profile) }
}

/// The instructions of the whole run.
fn total(profile: &str) -> f64 {
    let line = profile.lines().find_map(|line| line.strip_prefix("summary: "));
    line.and_then(|total| total.parse().ok()).expect("callgrind's summary")
}

/// The calls of the C library's allocator, which Rust's allocator uses. A stripped program still has these names,
/// because it is linked by them.
fn allocations(profile: &str) -> f64 {
    const ALLOCATORS: [&str; 4] = ["malloc", "calloc", "realloc", "posix_memalign"];
    // Each name is written out once, with a number in front. Later only the number is written.
    let mut numbers = Vec::new();
    let mut calls = 0.0;
    let mut is_allocator = false;
    for line in profile.lines() {
        let name = line.strip_prefix("fn=").or_else(|| line.strip_prefix("cfn="));
        if let Some((number, name)) = name.and_then(|name| name.split_once(')')) {
            if ALLOCATORS.contains(&name.trim()) {
                numbers.push(number.to_owned());
            }
            is_allocator = line.starts_with("cfn=") && numbers.iter().any(|known| known == number);
        } else if let Some(count) = line.strip_prefix("calls=").filter(|_| is_allocator) {
            calls += count.split(' ').next().and_then(|count| count.parse::<f64>().ok()).unwrap_or(0.0);
        }
    }
    calls
}
