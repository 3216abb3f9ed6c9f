//! Shows that the simulation finds what it is there to find: a copy of the crate, one bug at a time, each to be caught.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::bugs::{self, Bug};

/// What is found at all is found soon: most bugs within the first hundred seeds.
const SEEDS: &str = "20000";
/// What a failure of the simulation starts with; a copy that does not compile says something else.
const VERDICT: &str = "with 150 steps: ";

#[test]
#[ignore = "builds the simulation once for each bug: some minutes"]
fn sabotage_is_caught() {
    let only = std::env::var("SABOTAGE").unwrap_or_default();
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let here = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sabotage");
    let copy = here.join("crate");
    let _ = fs::remove_dir_all(&copy); // of a run before; what was built stays
    fs::create_dir_all(copy.join("tests")).expect("a directory for the copy");
    for part in ["src", "frontend", "examples", "benches", "tests/simulation", "Cargo.toml", "Cargo.lock"] {
        copy_all(&package.join(part), &copy.join(part));
    }
    let run = || simulate(&copy, &here.join("target"));
    assert_eq!(run(), None, "the copy without a bug");
    let mut missed = Vec::new();
    for bug in bugs::all().filter(|bug| bug.promise.contains(&only)) {
        let started = Instant::now();
        let (file, whole) = put_in(&copy, bug);
        let caught = run();
        fs::write(file, whole).expect("the copy's file");
        let seconds = started.elapsed().as_secs();
        match caught {
            Some(verdict) => eprintln!("caught in {seconds} s: {:?}: {verdict}", bug.promise),
            None => missed.push(bug.promise),
        }
    }
    assert!(missed.is_empty(), "not caught: {missed:?}");
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

/// Puts the bug in; gives the file, and what it was.
fn put_in(copy: &Path, bug: &Bug) -> (PathBuf, String) {
    let file = copy.join(bug.file);
    let whole = fs::read_to_string(&file).expect("a file of the copy");
    assert_eq!(whole.matches(bug.find).count(), 1, "{}: once in {}: {}", bug.promise, bug.file, bug.find);
    fs::write(&file, whole.replace(bug.find, bug.replace)).expect("the copy's file");
    (file, whole)
}

/// Builds and runs the copy's simulation. What it found, if it found something.
fn simulate(copy: &Path, target: &Path) -> Option<String> {
    let output = Command::new(env!("CARGO"))
        .args(["test", "--release", "--offline", "--test", "simulation"])
        .current_dir(copy)
        .env("CARGO_TARGET_DIR", target)
        // Built once for each bug: what it takes to build counts for more than what it takes to run.
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
        .env("CARGO_INCREMENTAL", "1")
        .env("RUSTFLAGS", "-Awarnings")
        .envs([("SIM_SEEDS", SEEDS), ("SIM_STEPS", "150"), ("SIM_FIRST_SEED", "0")])
        .output()
        .expect("cargo");
    let text =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    if output.status.success() {
        return None;
    }
    let verdict = text.lines().find(|line| line.contains(VERDICT));
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
