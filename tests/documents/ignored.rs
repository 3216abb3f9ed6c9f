//! Tests that `cargo test` leaves out: each is run by a make target, and the README of the tests says by which.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::support::document::code;
use crate::{DOCUMENTS, MAKEFILE, between, compare, files, root};

/// The path of each ignored test, as a filter of cargo test sees it, and its name. Where a macro makes several, the name of
/// their file stands for them.
fn ignored() -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    for file in ["tests", "benches", "src"].iter().flat_map(|directory| files(&root().join(directory), "rs"))
    {
        let text = fs::read_to_string(&file).unwrap();
        let module = file.file_stem().unwrap().to_string_lossy().into_owned();
        for rest in text.split("#[ignore = \"").skip(1) {
            let name = between(rest, "fn ", "(");
            let name = if name.starts_with('$') { &module } else { name };
            found.insert((format!("{module}::{name}"), name.to_owned()));
        }
    }
    found
}

/// What a make target does, with the text of the script that it runs.
fn recipe(target: &str) -> String {
    let mut text = between(MAKEFILE, &format!("\n{target}: "), "\n\n").to_owned();
    let words: Vec<String> =
        text.split_whitespace().map(|word| word.trim_start_matches('@').to_owned()).collect();
    for script in words.iter().filter(|word| Path::new(word).starts_with("tests")) {
        text.push_str(&fs::read_to_string(root().join(script)).unwrap_or_default());
    }
    text
}

#[test]
fn every_ignored_test_is_run_by_the_make_target_that_the_readme_names() {
    let (_, readme) = DOCUMENTS.iter().find(|(path, _)| *path == "tests/README.md").unwrap();
    let rows = between(readme, "| ignored test | run by |\n| --- | --- |\n", "\n\n").lines();
    let rows: Vec<Vec<&str>> = rows.map(|row| code(row).collect()).collect();
    let named = rows.iter().map(|row| row[0].to_owned()).collect();
    let ignored = ignored();
    compare("ignored tests", &named, &ignored.iter().map(|(_, name)| name.clone()).collect());
    for row in rows {
        let recipe = recipe(row[1].trim_start_matches("make "));
        let (path, _) = ignored.iter().find(|(_, name)| name == row[0]).unwrap();
        let filters: Vec<&str> = between(&recipe, "--ignored", "\n")
            .split_whitespace()
            .map(|word| word.trim_matches('\''))
            .filter(|word| !word.starts_with('-'))
            .collect();
        assert!(filters.iter().any(|filter| path.contains(filter)), "{}: {path} by {filters:?}", row[1]);
    }
}
