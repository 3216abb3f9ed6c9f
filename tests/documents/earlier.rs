//! Figures that no command has recorded yet: documents agree with each other and with what was copied from them when they
//! were measured.

use crate::DOCUMENTS;
use crate::figures::{cells, expect_all, is_rounded, row, rows};

const EARLIER: &str = include_str!("../../benches/results/earlier.md");
const SIZE: &str = include_str!("../../benches/results/size.md");

/// The text of the part that begins with this heading.
fn part(heading: &str) -> &'static str {
    let (_, rest) = EARLIER.split_once(&format!("\n## {heading}")).unwrap_or_else(|| panic!("no {heading}"));
    rest.split("\n## ").next().unwrap()
}

fn document(path: &str) -> &'static str {
    DOCUMENTS.iter().find(|(document, _)| *document == path).unwrap().1
}

/// The rows of a table, from its header to its end.
fn table<'a>(text: &'a str, header: &str) -> Vec<&'a str> {
    let at = text.find(header).unwrap_or_else(|| panic!("no table {header}"));
    text[at..].lines().take_while(|line| line.starts_with('|')).collect()
}

#[test]
fn the_latencies_with_the_cores_kept_awake_are_those_that_were_measured() {
    let of = |server| row(part("Latencies"), server, 0);
    let pair = |server| format!("{:.1} / {:.0}", of(server)[0], of(server)[1]);
    expect_all(&[format!(
        "p50 / p99 are {} µs, axum's {}, Node's {}, FastAPI's {:.1} / 2,{:.0}.",
        pair("deskwire"),
        pair("axum"),
        pair("node-ws"),
        of("fastapi")[0],
        of("fastapi")[1] - 2000.0
    )]);
}

#[test]
fn memory_after_many_users_is_what_was_measured() {
    let (some, many) = (row(part("After"), "100,000", 0), row(part("After"), "1,000,000", 0));
    assert!(some[1] == 0.0 && many[1] == 0.0);
    expect_all(&[format!(
        "resident after 100,000 users and after 1,000,000 | {:.1} and {:.1} MiB; no descriptor left",
        some[0], many[0]
    )]);
}

#[test]
fn the_table_of_nodes_is_what_was_measured_and_the_text_follows_from_it() {
    let header = "| nodes | messages a second | median, 99 of 100 | CPU of each node | CPU of Redis | entries a second |";
    let mut of_redis_an_entry = Vec::new();
    for cells in rows(header) {
        let is = row(part("Nodes"), cells[0], 0);
        let text = part("Nodes").lines().find(|line| line.starts_with(&format!("| {} |", cells[0]))).unwrap();
        let plain = |cell: &str| cell.replace(" ms", "").replace(" us", "");
        let shown: Vec<String> = cells.iter().map(|cell| plain(cell)).collect();
        assert_eq!(shown, self::cells(text), "{} nodes", cells[0]);
        of_redis_an_entry.push(is[0] * is[3] / is[4]);
    }
    let [_, with_two, with_four] = of_redis_an_entry[..] else { panic!("three rows") };
    expect_all(&[format!(
        "Redis takes {:.0} us for an entry with 4 nodes and {:.0} us with 2",
        with_four.floor(),
        with_two.floor()
    )]);
    let each_us = (with_four - with_two) / 2.0;
    expect_all(&[format!("so {:.0} us more for each node that reads it", each_us.floor())]);
}

#[test]
fn tables_that_were_measured_by_hand_are_as_they_were_measured() {
    for (path, header, heading) in [
        ("examples/host/options.md", "| | no TLS | TLS in the desk | nginx in front |", "TLS"),
        ("examples/host/README.md", "| at once | resident | with the kernel's sockets |", "A host"),
    ] {
        assert_eq!(table(document(path), header), table(part(heading), header), "{path}");
    }
    let of_all = row(part("A host"), "15,000 users", 0)[1];
    let words = document("examples/host/README.md").split_whitespace().collect::<Vec<_>>().join(" ");
    let most = row(part("A host"), "the same, and 20,000 messages in 200 chats", 0)[1];
    assert!(words.contains("15,000 users take a sixth of 256 MB") && of_all < most);
    assert!((256.0 / most).round() == 6.0, "{most} MB");
    let (some, many) = (row(part("The copy"), "10,000", 0), row(part("The copy"), "100,000", 0));
    expect_all(&[format!(
        "the copy: {:.0} to {:.0} ms with 10,000 tickets, {:.0} to {:.0} ms with 100,000",
        some[0], some[1], many[0], many[1]
    )]);
}

#[test]
fn the_binary_is_as_large_as_recorded() {
    let bytes = row(SIZE, "release", 0)[0];
    let shown = rows("| | |").find(|cells| cells[0] == "binary, stripped").expect("a row of the binary");
    assert!(is_rounded(shown[1], bytes / 1e6), "{} is shown, {bytes} bytes are recorded", shown[1]);
}
