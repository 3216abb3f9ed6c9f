//! Compares the table of metrics with the page of a running desk, and the alert rules with the table.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use crate::support::document::{Document, code};
use crate::support::{Desk, Request, Wire};
use crate::{compare, root};

/// A family of samples, from the document or from the page.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Family {
    name: String,
    kind: String,
    help: String,
    /// Labels and their values, except for codes: only those that were used are on the page.
    labels: BTreeMap<String, BTreeSet<String>>,
}

/// The metrics of a node, whether it has found its Redis or not.
fn page_of_node() -> String {
    let desk = Desk::with(&["--redis", "redis://127.0.0.1:1"]);
    let (_, body) = Wire::fetch(desk.server.addr, &Request::get("/metrics"));
    String::from_utf8(body).unwrap()
}

/// The metrics page of a desk with a journal, on which each label has a sample.
fn page() -> String {
    let name = format!("deskwire-test-{}-metrics", std::process::id());
    let journal = Journal(std::env::temp_dir().join(name));
    let desk = Desk::with(&["--journal", journal.0.to_str().unwrap()]);
    desk.staff_peer("sam", Some("a wrong token")).expect_close(4401);
    let (response, body) = Wire::fetch(desk.server.addr, &Request::get("/metrics"));
    assert_eq!(response.status, 200);
    String::from_utf8(body).unwrap()
}

/// A file that is removed when the test ends.
struct Journal(PathBuf);

impl Drop for Journal {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn families_of(page: &str) -> BTreeSet<Family> {
    let mut families = BTreeSet::new();
    for block in page.split("# HELP ").skip(1) {
        let mut lines = block.lines();
        let (name, help) = lines.next().unwrap().split_once(' ').unwrap();
        let kind = lines.next().unwrap().rsplit(' ').next().unwrap();
        let mut labels = BTreeMap::<String, BTreeSet<String>>::new();
        for sample in lines.filter(|line| line.contains('{') && kind != "histogram") {
            let (label, value) = sample.split(['{', '}']).nth(1).unwrap().split_once('=').unwrap();
            let values = labels.entry(label.to_owned()).or_default();
            if label != "code" {
                values.insert(value.trim_matches('"').to_owned());
            }
        }
        let [name, kind, help] = [name, kind, help].map(str::to_owned);
        families.insert(Family { name, kind, help, labels });
    }
    families
}

/// The families in the table under this heading.
fn families_listed(heading: &str) -> BTreeSet<Family> {
    let document = Document::parse(include_str!("../../examples/host/metrics.md"));
    let family = |row: &Vec<&str>| {
        let mut words = code(row[2]).map(str::to_owned);
        let labels = words.next().map(|label| (label, words.collect())).into_iter().collect();
        let [name, kind, help] = [row[0].trim_matches('`'), row[1], row[3]].map(str::to_owned);
        Family { name, kind, help, labels }
    };
    document.table(heading, "metric").rows.iter().map(family).collect()
}

#[test]
fn every_metric_is_in_its_document_with_type_labels_and_help() {
    // A label of the second page has no more samples than of the first.
    let (page, page_of_node) = (families_of(&page()), families_of(&page_of_node()));
    let has = |family: &Family| page.iter().any(|other| other.name == family.name);
    let of_nodes = page_of_node.into_iter().filter(|family| !has(family));
    let all = of_nodes.chain(page.iter().cloned()).collect();
    compare("metrics", &families_listed("Metrics"), &all);
}

#[cfg(feature = "tls")]
#[test]
fn every_metric_of_tls_is_in_its_table() {
    use crate::support::Launch;
    use crate::support::tls::{certificate, tunnel};
    let options = certificate().options();
    let desk = Launch::new().args(&options.iter().map(String::as_str).collect::<Vec<_>>()).start_direct();
    let address = tunnel(desk.addr, &certificate().client());
    let (_, body) = Wire::fetch(address, &Request::get("/metrics"));
    let mut families = families_of(std::str::from_utf8(&body).unwrap());
    families.retain(|family| family.name.starts_with("deskwire_tls_"));
    compare("metrics of TLS", &families_listed("TLS without a proxy"), &families);
}

#[test]
fn alert_rules_name_metrics_and_labels_that_there_are() {
    let families: Vec<Family> =
        ["Metrics", "TLS without a proxy"].into_iter().flat_map(families_listed).collect();
    let rules = include_str!("../../examples/host/alerts.yml");
    let words = rules.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let mut named = 0;
    for word in words.filter(|word| word.starts_with("deskwire_") || word.starts_with("process_")) {
        let is_sample = |family: &Family| {
            let parts: &[&str] =
                if family.kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
            parts.iter().any(|part| word == format!("{}{part}", family.name))
        };
        assert!(families.iter().any(is_sample), "alerts.yml: there is no {word}");
        named += 1;
    }
    assert!(named > 5, "it names only {named}");
    for matcher in rules.split('{').skip(1).filter_map(|rest| rest.split('}').next()) {
        let Some((label, value)) = matcher.split_once('=').filter(|(label, _)| *label != "job") else {
            continue;
        };
        let values: Vec<&str> = value.trim_matches(['~', '"']).split('|').collect();
        let has_all = |family: &Family| {
            let all = family.labels.get(label);
            all.is_some_and(|all| all.is_empty() || values.iter().all(|value| all.contains(*value)))
        };
        assert!(label == "le" || families.iter().any(has_all), "alerts.yml: there is no {{{matcher}}}");
    }
}

/// Runs promtool with this on its stdin.
fn promtool(arguments: &[&str], input: &str) -> Output {
    let command = Command::new("promtool")
        .args(arguments)
        .current_dir(root())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = command.unwrap_or_else(|error| {
        panic!("promtool cannot be run: {error}. Debian has it in the package prometheus: apt-get install prometheus")
    });
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
#[ignore = "it needs promtool; `make test-metrics` asks for it"]
fn promtool_has_nothing_to_say_about_metrics_and_alert_rules() {
    let page = page();
    for (arguments, input) in [
        (&["check", "metrics"][..], page.as_str()),
        (&["check", "rules", "examples/host/alerts.yml"], ""),
        (&["test", "rules", "tests/documents/alerts.yml"], ""),
    ] {
        let output = promtool(arguments, input);
        let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        assert!(output.status.success(), "promtool {arguments:?}: {said:#?}");
        assert!(arguments[1] != "metrics" || said.iter().all(String::is_empty), "of the metrics: {said:#?}");
    }
}
