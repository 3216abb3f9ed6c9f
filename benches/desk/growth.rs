//! The cost of each operation for the server as the desk gets fuller: as many tickets wait as there are connections.

use std::fs;

use clap::Args;

use crate::crowd::SECOND;
use crate::full_desk::{ASSIGNED, Cost, FullDesk, OPERATIONS};
use crate::picture::{self, Line};
use crate::server::{connections_max, move_to_load_core, target_directory};
use crate::table::{markdown, median, number, today};
use crate::usage;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Times that everything is measured; the median is given
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Connections at most [default: as many as the descriptors allow]
    #[arg(long)]
    connections: Option<usize>,
}

/// A row of the table: the operation, the frames that it must send, and its costs at each size, round by round.
struct Row {
    name: &'static str,
    must_be_sent: &'static str,
    costs: Vec<Vec<Cost>>,
}

const BESIDES: [(&str, &str); 5] = [
    ("a ping and its pong", "the ping"),
    ("presence and a queue notice that nobody needs", "1 to them, 1 to the other, twice"),
    ("user with a ticket leaves, is back, gets the place", "1 more than without the place"),
    ("pick of the first, and a queue notice to all", "1 to each who waits"),
    ("the only staff member goes online or offline", "1 or 2 to each who is connected"),
];

pub(crate) fn run(options: &Options) -> bool {
    move_to_load_core();
    let most = options.connections.unwrap_or_else(connections_max);
    let sizes: Vec<usize> =
        [100, 1000, 10_000].into_iter().filter(|size| *size < most).chain([most]).collect();
    let named = OPERATIONS.iter().chain(&ASSIGNED).map(|operation| (operation.name, operation.must_be_sent));
    let row = |(name, must_be_sent)| Row { name, must_be_sent, costs: vec![Vec::new(); sizes.len()] };
    let mut rows: Vec<Row> = named.chain(BESIDES).map(row).collect();
    for (column, size) in sizes.iter().enumerate() {
        for costs in measure(*size, options.rounds) {
            costs.into_iter().zip(&mut rows).for_each(|(cost, row)| row.costs[column].push(cost));
        }
    }
    write_down(options, &sizes, &rows);
    true
}

/// All rows' costs at one size, round by round.
fn measure(size: usize, rounds: usize) -> Vec<Vec<Cost>> {
    let tell = |what: &str| eprintln!("{} connections: {what}", number(size as f64));
    let mut desk = FullDesk::open(size, &[]);
    let mut picked = Vec::new();
    let mut notices = Vec::new();
    for round in 1..=rounds {
        tell(&format!("picked, round {round} of {rounds}"));
        let opens = desk.open_or_close(true);
        let all = desk.pick_the_first();
        picked.push(OPERATIONS.iter().map(|operation| desk.measure(operation)).collect::<Vec<_>>());
        let (nobody, one) = (desk.tell_nobody(), desk.tell_one());
        desk.release_the_first();
        let closes = desk.open_or_close(false);
        // One of them is half of both.
        let either = Cost { ns: opens.ns.midpoint(closes.ns), frames: opens.frames.midpoint(closes.frames) };
        notices.push([nobody, one, all, either]);
    }
    drop(desk);
    tell("assigned");
    let mut desk = FullDesk::open(size, &["--assign", "least-busy", "--max-chats", "1"]);
    desk.assign_the_first();
    let assigned: Vec<_> = (0..rounds)
        .map(|_| ASSIGNED.iter().map(|operation| desk.measure(operation)).collect::<Vec<_>>())
        .collect();
    drop(desk);
    tell("at rest");
    let mut desk = FullDesk::open(size, &["--ping-interval", "1"]);
    let pings: Vec<_> = (0..rounds).map(|_| desk.ping_all(2 * SECOND)).collect();
    let parts = picked.into_iter().zip(assigned).zip(pings).zip(notices);
    parts
        .map(|(((picked, assigned), ping), notices)| {
            picked.into_iter().chain(assigned).chain([ping]).chain(notices).collect()
        })
        .collect()
}

fn write_down(options: &Options, sizes: &[usize], rows: &[Row]) {
    let mut header = vec!["CPU µs of one (frames sent for it)".to_owned()];
    header.extend(sizes.iter().map(|size| number(*size as f64)));
    header.extend(["last / first", "what must be sent"].map(str::to_owned));
    let (mut table, mut lines) = (Vec::new(), Vec::new());
    for row in rows {
        let middle = |costs: &[Cost], of: fn(&Cost) -> f64| median(&costs.iter().map(of).collect::<Vec<_>>());
        let costs: Vec<f64> = row.costs.iter().map(|costs| middle(costs, |cost| cost.ns) / 1e3).collect();
        let frames = row.costs.iter().map(|costs| middle(costs, |cost| cost.frames));
        let mut cells = vec![row.name.to_owned()];
        cells.extend(costs.iter().zip(frames).map(|(cost, n)| format!("{} ({})", number(*cost), number(n))));
        cells.push(number(costs[costs.len() - 1] / costs[0]));
        cells.push(row.must_be_sent.to_owned());
        table.push(cells);
        let points = sizes.iter().map(|size| *size as f64).zip(costs.iter().map(|cost| cost.max(0.1)));
        lines.push(Line { name: row.name.to_owned(), points: points.collect() });
    }
    let page = format!(
        "Measured {} on {}: the median of {} rounds. So many users are connected and wait, each with a ticket; 2 staff. \
         The server's CPU time for one operation, each done by itself, so that it contains the waking up; in brackets the \
         frames that were sent for it.\n\n{}",
        today(),
        usage::machine(),
        options.rounds,
        markdown(&header, &table)
    );
    println!("{page}");
    let directory = target_directory();
    fs::write(directory.join("growth.md"), page).expect("the results' file");
    let caption = "What one operation costs as the desk gets fuller";
    picture::draw_lines(&directory.join("growth.svg"), caption, "CPU µs", &lines);
    eprintln!("written: {}/growth.md and growth.svg", directory.display());
}
