//! A deterministic world around the real desk: the real State, the real connections, and everything else simulated.
//!
//! ```text
//! rng               random numbers from a seed
//! plan              a seed's world, and its steps
//! machine           the operating system under the server: polls, accept, signals, and their failures
//! faults            what goes wrong around the process
//! roster            which staff may sign in, and a staff file that changes
//! crowd             many users at once
//! network           sockets and the network between them
//! codec             RFC 6455 from the client's side, shared with other tests
//! websocket         what a client reads of the server's frames
//! pages             a model of the two pages: what they send, and what they show of what they receive
//! adversary         peers who break the rules
//! process           the server on that machine, and its desk
//! checked_service   the desk, with each call and each frame compared with the model
//! admission         who is admitted, judged by what clients have sent
//! model             a naive desk, written from PROTOCOL.md
//! disk              what a journal is written to, and what is left when the process stops
//! figures           the figures of PROTOCOL.md, which the code is compared with
//! ticket_rates      how fast tickets may be opened
//! ledger            which text was sent, shown, and reported as delivered
//! world             all of them, and a clock; client, acts, turns and quiesce are its parts
//! run               a seed from the start to the end, and the shortest history of a failure
//! accusations       what the desk sends, falsified, so that each check of the model is seen to find it
//! sabotage          planted bugs (the list is in bugs), each of which has to be found
//! ```
//!
//! `SIM_SEEDS`, `SIM_STEPS` and `SIM_FIRST_SEED` say what to run; each seed is a world of its own. With `SIM_JOURNAL=1` all of
//! them have a journal, stop often, and are replayed after each step.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stderr, reason = "a run prints what it did")]
#![allow(clippy::cast_possible_truncation, reason = "the numbers of a simulation are small")]
#![allow(unreachable_pub, missing_docs, reason = "nothing outside this crate uses it")]

mod accusations;
mod acts;
mod admission;
mod adversary;
mod bugs;
mod checked_service;
mod client;
#[path = "../support/websocket.rs"]
mod codec;
mod crowd;
mod disk;
mod faults;
mod figures;
mod ledger;
mod machine;
mod model;
mod network;
#[allow(dead_code, reason = "its record is for tests/browser/agreement.rs")]
mod pages;
mod plan;
mod process;
mod quiesce;
mod rng;
mod roster;
mod run;
mod sabotage;
mod ticket_rates;
mod turns;
mod websocket;
mod world;

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use model::{FLOOR_SEEDS, FLOOR_STEPS, Stories};
use plan::Step;
use run::run_seed;

const SEEDS: u64 = 200;
const STEPS: u64 = 150;
/// One seed of this many is run twice: both runs must have the same digest.
const TWICE: u64 = 50;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.replace('_', "").parse().ok()).unwrap_or(default)
}

#[test]
fn every_promise_is_kept_in_every_world() {
    let (first, seeds) = (number("SIM_FIRST_SEED", 0), number("SIM_SEEDS", SEEDS));
    let steps = number("SIM_STEPS", STEPS);
    let started = Instant::now();
    let total =
        run_worlds(first, seeds, steps as usize, |_| true).unwrap_or_else(|failure| panic!("{failure}"));
    let took = started.elapsed().as_secs_f64();
    eprintln!(
        "{seeds} seeds from {first}, {steps} steps each, in {took:.1} s: {:.0} a second",
        seeds as f64 / took
    );
    eprintln!("{} turns, {} messages shown as delivered, {}", total.turns, total.delivered, total.stories);
    let has_floors = steps >= FLOOR_STEPS && std::env::var_os("SIM_JOURNAL").is_none(); // no desk of these is ever full
    let seldom = if has_floors { total.stories.too_seldom(seeds) } else { Vec::new() };
    assert!(seldom.is_empty(), "nothing was broken, but too little happened: {seldom:?}");
}

/// A simulation in which nothing happens finds nothing, so it must not pass.
#[test]
fn a_run_in_which_nothing_happens_fails() {
    let total =
        run_worlds(0, FLOOR_SEEDS, STEPS as usize, |_| false).unwrap_or_else(|failure| panic!("{failure}"));
    let seldom = total.stories.too_seldom(FLOOR_SEEDS);
    for what in ["messages", "picked", "transfers", "refused", "restarts", "frame ack", "close 1002"] {
        assert!(seldom.iter().any(|text| text.starts_with(what)), "{what} is missed: {seldom:?}");
    }
}

/// Sums over all worlds of a run.
#[derive(Default)]
struct Total {
    stories: Stories,
    turns: u64,
    delivered: u64,
}

/// Runs worlds on all cores, with those steps for which `keeps` returns true.
fn run_worlds(first: u64, seeds: u64, steps: usize, keeps: fn(&Step) -> bool) -> Result<Total, String> {
    let (next, failed) = (AtomicU64::new(first), AtomicBool::new(false));
    let failures = Mutex::new(Vec::new());
    let total = Mutex::new(Total::default());
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + seeds || failed.load(Ordering::Relaxed) {
                break;
            }
            let is_again = seed % TWICE == 0;
            let result = run_seed(seed, steps, keeps).and_then(|outcome| match is_again {
                true if run_seed(seed, steps, keeps)?.0 != outcome.0 => {
                    Err(format!("seed {seed}: another digest"))
                }
                _ => Ok(outcome),
            });
            match result {
                Ok((outcome, stories)) => {
                    let mut total = total.lock().unwrap();
                    total.stories.add(&stories);
                    total.turns += outcome.turns;
                    total.delivered += outcome.delivered;
                }
                Err(failure) => {
                    failed.store(true, Ordering::Relaxed);
                    failures.lock().unwrap().push(failure);
                }
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| (0..threads).for_each(|_| _ = scope.spawn(work)));
    match failures.into_inner().unwrap().pop() {
        Some(failure) => Err(failure),
        None => Ok(total.into_inner().unwrap()),
    }
}
