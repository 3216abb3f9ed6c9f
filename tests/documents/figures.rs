//! Figures that were measured: a document has those of the last record, which the command that measures them has written.

use std::collections::BTreeMap;

use crate::DOCUMENTS;

const RESULTS: &str = include_str!("../../benches/results/results.md");
const HONEST: &str = include_str!("../../benches/results/honest.md");
const JOURNAL: &str = include_str!("../../benches/results/journal.md");
const PAGES: &str = include_str!("../../benches/results/pages.md");
/// The servers in the order of the README's columns, as the record names them.
const SERVERS: [&str; 4] = ["deskwire", "axum", "node-ws", "fastapi"];

fn readme() -> &'static str {
    DOCUMENTS.iter().find(|(path, _)| *path == "benches/README.md").unwrap().1
}

pub(crate) fn cells(row: &str) -> Vec<&str> {
    row.trim().trim_matches('|').split('|').map(str::trim).collect()
}

/// The record: by workload and server, what stands in which column.
fn recorded() -> BTreeMap<(String, String), BTreeMap<&'static str, &'static str>> {
    let mut recorded = BTreeMap::new();
    for part in RESULTS.split("\n### ").skip(1) {
        let workload = part.split(':').next().unwrap();
        let mut table = part.lines().filter(|line| line.starts_with('|'));
        let header = cells(table.next().unwrap());
        for row in table.skip(1) {
            let row = cells(row);
            let columns = header.iter().copied().zip(row.iter().copied()).rev().collect();
            recorded.insert((workload.to_owned(), row[0].to_owned()), columns);
        }
    }
    recorded
}

fn number(text: &str) -> f64 {
    text.replace([',', '*'], "").trim().parse().unwrap_or_else(|_| panic!("{text:?} is no number"))
}

/// The README in one line, so that a sentence is found whatever line it is broken in.
fn readme_words() -> String {
    readme().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Asserts that the README has all of these.
pub(crate) fn expect_all(sentences: &[String]) {
    let readme = readme_words();
    let missing: Vec<_> = sentences.iter().filter(|sentence| !readme.contains(*sentence)).collect();
    assert!(missing.is_empty(), "by the last record it is {missing:#?}");
}

/// The number that a text begins with, without its unit.
fn quantity(text: &str) -> f64 {
    number(text.split(' ').next().unwrap())
}

/// The cells of the record's row that begins with this one, as numbers; `nth` counts the tables that have such a row.
pub(crate) fn row(record: &str, first: &str, nth: usize) -> Vec<f64> {
    let rows = record.lines().filter(|line| line.starts_with('|')).map(cells);
    let mut found = rows.filter(|row| row[0] == first);
    let row = found.nth(nth).unwrap_or_else(|| panic!("nothing is recorded of {first}"));
    row[1..].iter().map(|cell| quantity(cell)).collect()
}

/// Whether `shown` is `exact`, rounded to the places that it shows.
pub(crate) fn is_rounded(shown: &str, exact: f64) -> bool {
    let digits = shown.split(' ').next().unwrap().replace(',', "");
    let unit = match digits.split_once('.') {
        Some((_, decimals)) => 0.1_f64.powi(i32::try_from(decimals.len()).unwrap()),
        None => 10_f64.powi(i32::try_from(digits.len() - digits.trim_end_matches('0').len()).unwrap()),
    };
    (quantity(shown) - exact).abs() <= unit * 0.501
}

/// The rows of the README's table with this header.
pub(crate) fn rows(header: &str) -> impl Iterator<Item = Vec<&'static str>> {
    let (_, rest) = readme().split_once(header).unwrap_or_else(|| panic!("no table {header}"));
    rest.lines().skip(2).take_while(|line| line.starts_with('|')).map(cells)
}

#[test]
fn the_table_of_costs_is_that_of_the_last_record() {
    let recorded = recorded();
    let mut compared = 0;
    for row in rows("| workload | | deskwire | axum | Node.js ws | FastAPI |") {
        let workload = row[0].trim_start_matches('*').split('*').next().unwrap();
        for (cell, server) in row[2..].iter().zip(SERVERS) {
            let Some(columns) = recorded.get(&(workload.to_owned(), server.to_owned())) else {
                panic!("{workload}: nothing is recorded of {server}")
            };
            let Some(figure) =
                cell.split(", ").next().filter(|text| text.starts_with(|c: char| c.is_ascii_digit()))
            else {
                continue; // it fell behind
            };
            let best = columns.iter().find(|(name, _)| name.starts_with("**")).unwrap().1;
            assert!((number(best) - number(figure)).abs() < 1e-9, "{workload}, {server}: {best} is recorded");
            if let Some((_, ratio)) = cell.split_once('×') {
                let is = number(columns["×"]);
                assert!((is - number(ratio)).abs() < 0.051, "{workload}, {server}: ×{is} is recorded");
            }
            compared += 1;
        }
    }
    assert!(compared > 25, "{compared}");
}

#[test]
fn the_table_of_latencies_is_that_of_the_last_record() {
    let recorded = recorded();
    let mut compared = 0;
    for row in rows("| workload | deskwire | axum | Node.js ws | FastAPI |") {
        for (cell, server) in row[1..].iter().zip(SERVERS) {
            let Some((p50, p99)) = cell.split_once(" / ") else { continue };
            let columns = &recorded[&(row[0].to_owned(), server.to_owned())];
            for (figure, column) in [(p50, "p50 µs"), (p99, "p99 µs")] {
                let is = columns[column];
                assert!((number(is) - number(figure)).abs() < 1e-9, "{}, {server}, {column}: {is}", row[0]);
            }
            compared += 1;
        }
    }
    assert!(compared > 25, "{compared}");
}

#[test]
fn so_many_attacks_are_within_their_bounds_as_the_readme_says() {
    let rows: Vec<&str> = HONEST.lines().filter(|line| line.starts_with("| ")).skip(2).collect();
    let within = rows.iter().filter(|row| row.trim_end().ends_with("| holds |")).count();
    let sentence = format!("{within} of the {} rows are within their bounds", rows.len());
    assert!(readme().contains(&sentence), "right is {sentence:?}");
}

#[test]
fn the_figures_of_a_small_desk_are_those_of_the_last_record() {
    let recorded = recorded();
    let idle = &recorded[&("idle".to_owned(), "deskwire".to_owned())];
    let start_mib = number(idle["KiB before"]) / 1024.0;
    expect_all(&[
        format!("| an idle connection, with everything known about its user | {} bytes |", {
            idle.iter().find(|(name, _)| name.starts_with("**")).unwrap().1.replace('*', "")
        }),
        format!(
            "| the same after a chat, with the ticket still open | {} bytes |",
            idle["chatted, ticket open"]
        ),
        format!("| from the start to the first accepted connection | {} ms |", idle["ms to start"]),
        format!("| resident before anyone connects | {start_mib:.1} MiB |"),
        format!("| CPU with {} idle connections | {} % |", idle["connections"], idle["CPU % at rest"]),
    ]);
}

#[test]
fn the_figures_of_the_pages_are_those_of_the_last_record() {
    let (cold, warm) = (row(PAGES, "cold", 0), row(PAGES, "warm", 0));
    let cost = |what| row(PAGES, what, 0);
    let (key, message) = (
        cost("a key in a message, with 8 chats and 700 tickets"),
        cost("a message arrives in that chat, with its receipt"),
    );
    let (search, board) = (cost("a key in the search of that board"), cost("a board of 500 tickets arrives"));
    let (task, empty) = (cost("the longest task as the board arrives"), cost("a key in an empty page"));
    let s = |ms: f64| ms / 1000.0;
    expect_all(&[
        format!("one request of {:.1} kB, and one {} when", s(cold[2]), warm[1]),
        format!("could be written in after {:.2} s and {:.2} s", s(cold[4]), s(warm[4])),
        format!("connected {:.1} s later", s(cold[5] - cold[4])),
        format!("{:.1} ms a key, of which {:.1} ms is what an empty page takes", key[0], empty[0]),
        format!("takes; {:.0} ms on a CPU six times slower", key[1]),
        format!(
            "A message with its receipt takes {:.0} ms, a key in the search of 500 tickets {:.1} ms",
            message[0], search[0]
        ),
        format!("A board of 500 tickets takes {:.2} s in all", s(board[0])),
        format!("its longest task {:.0} ms", task[0]),
    ]);
}

#[test]
fn the_figures_of_a_journal_are_those_of_the_last_record() {
    let mut compared = 0;
    for cells in rows(
        "| `--journal-sync` | one chat: median, 99 of 100 | 64 chats: messages a second | CPU of one of these |",
    ) {
        let record = row(JOURNAL, cells[0], 0);
        let (median, p99) = cells[1].split_once(", ").unwrap();
        for (shown, exact) in
            [(median, record[0]), (p99, record[1]), (cells[2], record[3]), (cells[3], record[6])]
        {
            assert!(is_rounded(shown, exact), "{}: {shown} is shown, {exact} is recorded", cells[0]);
            compared += 1;
        }
    }
    assert_eq!(compared, 12);
    let day = row(JOURNAL, "`turn`", 1);
    let (some, many) = (row(JOURNAL, "10,000", 0), row(JOURNAL, "100,000", 0));
    expect_all(&[
        format!("of a ticket takes {:.0} bytes, such a day {:.0} MB", day[1], day[0]),
        format!(
            "A start takes {:.1} s with 10,000 tickets that wait, {:.1} s with 100,000",
            some[1] / 1000.0,
            many[1] / 1000.0
        ),
        format!("(a snapshot of {:.0} MB)", many[2]),
    ]);
}
