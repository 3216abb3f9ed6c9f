//! Shows that the tests find bugs: plants them in a copy of the crate, one at a time, and expects each to be found.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::bugs::{self, Bug, Detector};

/// Most bugs are found within the first hundred seeds. `SABOTAGE_SEEDS` overrides this.
const SEEDS: &str = "20000";
/// What a failure of the simulation has in its message, and a copy that does not compile has not.
const VERDICT: &str = "with 150 steps: ";

/// A run of all of them takes an hour or two; `SABOTAGE` takes those whose promise, file or detector has this in it, or one of
/// several, with a `;` between them.
#[test]
#[ignore = "builds the tests once for each bug: `make sabotage`"]
fn sabotage_is_caught() {
    let only = std::env::var("SABOTAGE").unwrap_or_default();
    let is_chosen = |bug: &&Bug| {
        let texts = [bug.promise, bug.file, &bug.detector.name()].map(str::to_owned);
        only.split(';').any(|part| texts.iter().any(|text| text.contains(part)))
    };
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let here = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sabotage");
    let copy = here.join("crate");
    let _ = fs::remove_dir_all(&copy); // the copy of an earlier run; its build directory stays
    fs::create_dir_all(&copy).expect("a directory for the copy");
    for part in fs::read_dir(package).expect("the package").flatten() {
        let name = part.file_name();
        if name != "target" && name != ".git" {
            copy_all(&part.path(), &copy.join(name));
        }
    }
    let detect_in_copy = |detector| detect(detector, &copy, &here.join("target"), None);
    let mut seeds = BTreeSet::new();
    let mut missed = Vec::new();
    for bug in bugs::all().filter(is_chosen) {
        let started = Instant::now();
        let (file, whole) = plant(&copy, bug);
        let caught = detect_in_copy(bug.detector);
        fs::write(file, whole).expect("the copy's file");
        let seconds = started.elapsed().as_secs();
        match caught {
            Some(verdict) => {
                seeds.extend(seed_of(&verdict));
                eprintln!(
                    "| {} | {} | {} | {seconds} s: {verdict} |",
                    bug.promise,
                    bug.file,
                    bug.detector.name()
                );
            }
            None => missed.push(bug.promise),
        }
    }
    for detector in bugs::all().filter(is_chosen).map(|bug| bug.detector).collect::<Vec<_>>() {
        if missed.is_empty() && !matches!(detector, Detector::Simulation) {
            assert_eq!(detect_in_copy(detector), None, "the copy without a bug");
        }
    }
    for seed in seeds {
        let found = detect(Detector::Simulation, &copy, &here.join("target"), Some(seed));
        assert_eq!(found, None, "a world that fails without a bug, too");
    }
    assert!(missed.is_empty(), "not caught: {missed:?}");
}

/// Returns the seed of the world that has failed.
fn seed_of(verdict: &str) -> Option<u64> {
    let (before, _) = verdict.split_once(VERDICT.trim_end())?;
    before.trim_end().rsplit(' ').next()?.parse().ok()
}

/// `tests/sabotage.md` says of each planted bug which promise it breaks, and what has caught it.
#[test]
fn the_table_of_planted_bugs_is_the_list() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sabotage.md");
    let text = fs::read_to_string(&path).expect("the document");
    let rows: Vec<String> = bugs::all()
        .map(|bug| format!("| {} | `{}` | {} |", bug.promise, bug.file, bug.detector.name()))
        .collect();
    let written: Vec<&str> = text.lines().filter(|line| line.contains("| `src/")).collect();
    let missing: Vec<&String> = rows.iter().filter(|row| !written.contains(&row.as_str())).collect();
    let left: Vec<&&str> = written.iter().filter(|line| !rows.iter().any(|row| row == *line)).collect();
    assert!(missing.is_empty() && left.is_empty(), "missing: {missing:#?}, of no bug: {left:#?}");
}

#[test]
fn every_planted_bug_still_has_its_place_in_the_code() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let misplaced: Vec<_> = bugs::all()
        .filter(|bug| {
            let text = fs::read_to_string(package.join(bug.file)).unwrap_or_default();
            text.matches(bug.find).count() != 1
        })
        .map(|bug| format!("{}: once in {}: {}", bug.promise, bug.file, bug.find))
        .collect();
    assert!(misplaced.is_empty(), "{misplaced:#?}");
}

/// Plants a bug. Returns its file, and what the file was before.
fn plant(copy: &Path, bug: &Bug) -> (PathBuf, String) {
    let file = copy.join(bug.file);
    let whole = fs::read_to_string(&file).expect("a file of the copy");
    assert_eq!(whole.matches(bug.find).count(), 1, "{}: once in {}: {}", bug.promise, bug.file, bug.find);
    fs::write(&file, whole.replace(bug.find, bug.replace)).expect("the copy's file");
    (file, whole)
}

/// Builds and runs the tests that have to find the bug, or only the world of one seed. Returns the failure, or `None` if they
/// pass.
fn detect(detector: Detector, copy: &Path, target: &Path, seed: Option<u64>) -> Option<String> {
    let arguments: &[&str] = match &detector {
        Detector::Simulation => &["--test", "simulation"],
        Detector::Unit(tests) => &["--lib", tests],
        Detector::Sockets(tests) => &["--test", "server", tests],
        Detector::Documents(tests) => &["--test", "documents", tests],
    };
    let seeds = std::env::var("SABOTAGE_SEEDS").unwrap_or_else(|_| SEEDS.to_owned());
    let (seeds, first) = seed.map_or((seeds, 0), |seed| ("1".to_owned(), seed));
    let output = Command::new(env!("CARGO"))
        .args(["test", "--offline"])
        .args(arguments)
        .current_dir(copy)
        .env("CARGO_TARGET_DIR", target)
        // Building takes longer than running.
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        .env("CARGO_INCREMENTAL", "1")
        .env("RUSTFLAGS", "-Awarnings")
        .envs([("SIM_SEEDS", &*seeds), ("SIM_STEPS", "150"), ("SIM_FIRST_SEED", &first.to_string())])
        .output()
        .expect("cargo");
    let text =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    if output.status.success() {
        return None;
    }
    let is_verdict = |line: &&str| match detector {
        Detector::Simulation => line.contains(VERDICT),
        _ => line.starts_with("test ") && line.ends_with("... FAILED"),
    };
    let verdict = text.lines().find(is_verdict);
    Some(verdict.unwrap_or_else(|| panic!("neither passed nor failed:\n{text}")).to_owned())
}

fn copy_all(from: &Path, to: &Path) {
    if from.is_dir() {
        fs::create_dir_all(to).expect("a directory for the copy");
        for entry in fs::read_dir(from).expect("a directory").flatten() {
            copy_all(&entry.path(), &to.join(entry.file_name()));
        }
    } else if from.exists() {
        fs::copy(from, to).expect("a file of the copy");
    }
}
