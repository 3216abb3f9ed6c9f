//! Checks documents that state facts about the code: a document that nothing checks is wrong sooner or later.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

#[path = "documents/doctor.rs"]
mod doctor;
#[path = "documents/earlier.rs"]
mod earlier;
#[path = "documents/figures.rs"]
mod figures;
#[path = "documents/frames.rs"]
mod frames;
#[path = "documents/ignored.rs"]
mod ignored;
#[path = "documents/limits.rs"]
mod limits;
#[path = "documents/metrics.rs"]
mod metrics;
#[path = "documents/quotes.rs"]
mod quotes;

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::document::{Document, code};
use support::schema::PROTOCOL;

const DOCUMENTS: [(&str, &str); 9] = [
    ("README.md", include_str!("../README.md")),
    ("benches/README.md", include_str!("../benches/README.md")),
    ("tests/README.md", include_str!("README.md")),
    ("src/protocol/PROTOCOL.md", include_str!("../src/protocol/PROTOCOL.md")),
    ("examples/host/README.md", HOST),
    ("examples/host/doctor.md", include_str!("../examples/host/doctor.md")),
    ("examples/host/metrics.md", include_str!("../examples/host/metrics.md")),
    ("examples/host/nodes.md", include_str!("../examples/host/nodes.md")),
    ("examples/host/options.md", include_str!("../examples/host/options.md")),
];
const HOST: &str = include_str!("../examples/host/README.md");
const MAKEFILE: &str = include_str!("../Makefile");

fn readme() -> Document {
    Document::parse(DOCUMENTS[0].1)
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files with this extension in a directory and its subdirectories.
fn files(directory: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).expect("a directory of this repository") {
        let path = entry.expect("an entry").path();
        if path.is_dir() && !path.ends_with("target") {
            found.extend(files(&path, ending));
        } else if path.extension().is_some_and(|extension| extension == ending) {
            found.push(path);
        }
    }
    found
}

/// The text between `start` and the next `end`.
fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let (_, rest) = text.split_once(start).unwrap_or_else(|| panic!("{start:?} is not in the code any more"));
    rest.split_once(end).map_or(rest, |(inside, _)| inside)
}

/// Panics unless a document lists exactly what the code has. The message names what only one of them has.
fn compare<T: Ord + Debug>(what: &str, listed: &BTreeSet<T>, in_code: &BTreeSet<T>) {
    let (listed_only, code_only) = (listed.difference(in_code), in_code.difference(listed));
    let (listed_only, code_only): (Vec<_>, Vec<_>) = (listed_only.collect(), code_only.collect());
    let is_same = listed_only.is_empty() && code_only.is_empty();
    assert!(is_same, "{what}: only in the document {listed_only:?}, only in the code {code_only:?}");
}

fn words(table: &str, column: &str) -> BTreeSet<&'static str> {
    let rows = PROTOCOL.table(table, column).rows.iter();
    rows.map(|row| row[0].trim_matches('`')).collect()
}

/// Rust sources by path.
struct Sources(Vec<(PathBuf, String)>);

impl Sources {
    fn of(directories: &[&str]) -> Self {
        let paths = directories.iter().flat_map(|directory| files(&root().join(directory), "rs"));
        Self(paths.map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect())
    }

    /// Whether a type has this function, or a module this item.
    fn has(&self, owner: &str, name: &str) -> bool {
        self.0.iter().any(|(path, text)| {
            let is_module = path.with_extension("").iter().any(|part| part == owner);
            if is_module && defines(text, name) {
                return true;
            }
            let blocks = text.split("\nimpl").skip(1).map(|block| between(block, "", "\n}\n"));
            blocks.into_iter().any(|block| {
                let head = block.split('{').next().unwrap();
                head.split(|c: char| !c.is_alphanumeric()).any(|word| word == owner) && defines(block, name)
            })
        })
    }
}

fn defines(text: &str, name: &str) -> bool {
    ["fn ", "struct ", "enum ", "const "].iter().any(|keyword| {
        let start = format!("{keyword}{name}");
        text.match_indices(&start)
            .any(|(at, _)| text[at + start.len()..].starts_with(|c: char| !c.is_alphanumeric() && c != '_'))
    })
}

#[test]
fn every_function_that_a_document_names_is_there() {
    let sources = Sources::of(&["src"]);
    for (document, text) in DOCUMENTS {
        let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
        for word in text.split(|c: char| !is_part(c)).filter(|word| word.contains("::")) {
            let (owner, name) = word.trim_end_matches(':').rsplit_once("::").unwrap_or_default();
            // An address, or a field of Limits: their table has its own test.
            if owner.is_empty() || name.is_empty() || owner == "Limits" {
                continue;
            }
            let owner = owner.rsplit("::").next().unwrap();
            assert!(sources.has(owner, name), "{document}: there is no {word}");
        }
    }
}

#[test]
fn every_test_and_every_metric_that_a_document_names_is_there() {
    let sources = Sources::of(&["src", "tests"]);
    for (document, text) in DOCUMENTS {
        let is_metric = |word: &&str| word.starts_with("deskwire_") || word.starts_with("process_");
        for word in code(text).filter(is_metric) {
            let quoted = format!("\"{word}\"");
            assert!(
                sources.0.iter().any(|(_, text)| text.contains(&quoted)),
                "{document}: there is no {word}"
            );
        }
        for word in code(text).filter(|word| is_test(word) && !is_metric(word)) {
            assert!(sources.0.iter().any(|(_, text)| defines(text, word)), "{document}: there is no {word}");
        }
    }
}

/// The names of tests are sentences.
fn is_test(word: &str) -> bool {
    let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    word.matches('_').count() >= 3 && word.chars().all(is_name)
}

#[test]
fn every_idea_in_the_readme_names_where_it_is_and_what_shows_it() {
    let readme = readme();
    let table = readme.tables.iter().find(|table| table.columns[0] == "idea").unwrap();
    for row in &table.rows {
        assert!(code(row[1]).any(|word| word.contains("::")), "where is {row:?}?");
        assert!(code(row[2]).any(is_test), "what shows {row:?}?");
    }
}

#[test]
fn every_link_and_every_path_leads_to_a_file() {
    for (document, text) in DOCUMENTS {
        let directory = root().join(document).parent().unwrap().to_owned();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = link.split('#').next().unwrap();
            let is_there = link.starts_with("http") || path.is_empty() || directory.join(path).exists();
            assert!(is_there, "{document}: {link}");
        }
        let directories = ["src/", "tests/", "benches/", "examples/", "frontend/"];
        for path in code(text).filter(|word| directories.iter().any(|start| word.starts_with(start))) {
            assert!(root().join(path).exists(), "{document}: {path}");
        }
    }
}

#[test]
fn every_make_target_that_a_document_names_is_there() {
    for (document, text) in DOCUMENTS {
        let commands = text.split("make ").skip(1).zip(text.split("make "));
        let commands = commands.filter(|(_, before)| before.ends_with('`') || before.ends_with("    "));
        for (rest, _) in commands {
            let target = rest.split(|c: char| !c.is_ascii_lowercase() && c != '-').next().unwrap();
            let is_there = [":", " "].iter().any(|end| MAKEFILE.contains(&format!("\n{target}{end}")));
            assert!(is_there, "{document}: make {target}");
        }
    }
}

#[test]
fn every_command_for_a_host_copies_what_is_there_and_every_variable_is_an_option() {
    let options: String = Sources::of(&["src/config"]).0.into_iter().map(|(_, text)| text).collect();
    for word in HOST.split(|c: char| c.is_whitespace() || "`=,".contains(c)) {
        let is_there = !word.starts_with("examples/") || root().join(word).exists();
        assert!(is_there, "there is no {word}");
        let is_option = !word.starts_with("DESKWIRE_") || options.contains(&format!("\"{word}\""));
        assert!(is_option, "{word} is no option");
    }
}

/// Runs the commands that start no service and change nothing outside of a directory.
#[test]
fn the_commands_of_the_binary_for_a_host_do_what_they_say() {
    let directory = std::env::temp_dir().join(format!("deskwire-host-{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    let staff = directory.join("staff");
    let run = |command: &str| {
        let (name, args) = command.split_once(' ').unwrap();
        assert!(name == "deskwire" && HOST.contains(&format!("\n    {command}\n")), "{command}");
        let args = args.replace("/etc/deskwire/staff", staff.to_str().unwrap());
        let ran = Command::new(env!("CARGO_BIN_EXE_deskwire")).args(args.split(' ')).output().unwrap();
        assert!(ran.status.success(), "{command}: {}", String::from_utf8_lossy(&ran.stderr));
        String::from_utf8(ran.stdout).unwrap()
    };
    let line = run("deskwire staff-token sam").lines().last().unwrap().to_owned();
    fs::write(&staff, format!("{line}\n")).unwrap();
    let checked = run("deskwire check --staff-file /etc/deskwire/staff");
    assert!(checked.contains("1 in the staff file"), "{checked}");
    fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn the_readme_is_read_on_one_screen_without_scrolling_sideways() {
    let lines: Vec<&str> = DOCUMENTS[0].1.lines().collect();
    assert!(lines.len() < 150, "{} lines", lines.len());
    for line in lines {
        assert!(line.chars().count() <= 120, "{} columns: {line}", line.chars().count());
    }
}

#[test]
fn every_directory_and_file_of_tests_is_in_their_readme() {
    for entry in fs::read_dir(root().join("tests")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name != "README.md" {
            assert!(DOCUMENTS[2].1.contains(&format!("({name})")), "tests/README.md does not link {name}");
        }
    }
}
