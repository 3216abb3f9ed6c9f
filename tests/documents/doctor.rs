//! Compares the page on `deskwire doctor` with the code: the fields of its JSON, and all findings.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

use crate::support::Desk;
use crate::support::document::{Document, code};
use crate::{Sources, compare};

fn page() -> Document {
    Document::parse(include_str!("../../examples/host/doctor.md"))
}

/// Runs the doctor, and returns its JSON.
fn examine(url: &str) -> Value {
    let doctor = Command::new(env!("CARGO_BIN_EXE_deskwire"))
        .args(["doctor", url, "--json", "--idle", "0"])
        .env_clear()
        .output()
        .unwrap();
    serde_json::from_slice(&doctor.stdout).unwrap()
}

#[test]
fn every_field_of_the_doctors_json_is_in_its_document() {
    let desk = Desk::start();
    let runs = [
        examine(&format!("http://{}", desk.server.addr)),
        examine("http://127.0.0.1:1"), // refused
    ];
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let mut fields = BTreeSet::new();
    for run in &runs {
        fields.extend(keys(run).into_iter().map(|key| ("the whole", key)));
        for finding in run["findings"].as_array().unwrap() {
            fields.extend(keys(finding).into_iter().map(|key| ("a finding", key)));
        }
    }
    let page = page();
    let rows = page.table("What the doctor finds", "field").rows.iter();
    let listed = rows.map(|row| (row[1], row[0].trim_matches('`').to_owned())).collect();
    compare("fields", &listed, &fields);
}

#[test]
fn every_finding_of_the_doctor_is_in_its_document_with_its_severities() {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, text) in Sources::of(&["src"]).0 {
        if !path.iter().any(|part| part == "doctor" || part == "doctor.rs") {
            continue;
        }
        for call in text.split("Finding::").skip(1) {
            let Some((severity, rest)) = call.split_once('(') else { continue };
            let code = rest.trim_start().strip_prefix('"').and_then(|rest| rest.split('"').next());
            if let Some(code) = code.filter(|_| severity.chars().all(char::is_alphabetic)) {
                found.entry(code.to_owned()).or_default().insert(severity.to_owned());
            }
        }
    }
    let page = page();
    let rows = page.table("Findings", "code").rows.iter();
    let listed =
        rows.map(|row| (row[0].trim_matches('`').to_owned(), code(row[1]).map(str::to_owned).collect()));
    compare("findings", &listed.collect(), &found.into_iter().collect());
}
