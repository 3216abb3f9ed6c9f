//! Figures that were measured: a document has those of the last record, which the command that measures them has written.

use std::collections::BTreeMap;

use crate::DOCUMENTS;

const RESULTS: &str = include_str!("../../benches/results/results.md");
const HONEST: &str = include_str!("../../benches/results/honest.md");
/// The servers in the order of the README's columns, as the record names them.
const SERVERS: [&str; 4] = ["deskwire", "axum", "node-ws", "fastapi"];

fn readme() -> &'static str {
    DOCUMENTS.iter().find(|(path, _)| *path == "benches/README.md").unwrap().1
}

fn cells(row: &str) -> Vec<&str> {
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

/// The rows of the README's table with this header.
fn rows(header: &str) -> impl Iterator<Item = Vec<&'static str>> {
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
