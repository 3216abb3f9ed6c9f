//! A deterministic world around the real desk: the real State, the real connections, and everything else invented.
//!
//! ```text
//! rng               random numbers from a seed
//! plan              a seed's world, and its steps
//! network           sockets and the network between them
//! codec             RFC 6455 from the client's side, shared with other tests
//! websocket         what a client reads of the server's frames
//! pages             the two pages, as far as they speak to the desk
//! adversary         peers who break the rules
//! checked_service   the desk, with each call and each frame held against the model
//! model             a naive desk, written from PROTOCOL.md
//! disk              what a journal is written to, and what is left when the process stops
//! ledger            which text was sent, shown, and told to be delivered
//! world             all of them, and a clock; client, acts, turns and quiesce are its parts
//! run               a seed from the start to the end, and the shortest history of a failure
//! sabotage          bugs put in on purpose (the list is in bugs), each of which has to be found
//! ```
//!
//! `SIM_SEEDS`, `SIM_STEPS` and `SIM_FIRST_SEED` say what to run; each seed is a world of its own.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stderr, reason = "a long run tells how far it has come")]
#![allow(clippy::cast_possible_truncation, reason = "the numbers of a simulation are small")]
#![allow(unreachable_pub, missing_docs, reason = "its readers are here")]

mod acts;
mod adversary;
mod bugs;
mod checked_service;
mod client;
#[path = "../support/websocket.rs"]
mod codec;
mod disk;
mod ledger;
mod model;
mod network;
#[allow(dead_code, reason = "its record is for tests/browser/agreement.rs")]
mod pages;
mod plan;
mod quiesce;
mod rng;
mod run;
mod sabotage;
mod turns;
mod websocket;
mod world;

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use model::Stories;
use run::run_seed;

const SEEDS: u64 = 200;
const STEPS: u64 = 150;
/// Every so many seeds, one is run twice.
const TWICE: u64 = 50;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.replace('_', "").parse().ok()).unwrap_or(default)
}

#[test]
fn every_promise_is_kept_in_every_world() {
    let (first, seeds) = (number("SIM_FIRST_SEED", 0), number("SIM_SEEDS", SEEDS));
    let steps = number("SIM_STEPS", STEPS) as usize;
    let (next, failed) = (AtomicU64::new(first), AtomicBool::new(false));
    let failures = Mutex::new(Vec::new());
    let total = Mutex::new((Stories::default(), 0, 0));
    let started = Instant::now();
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + seeds || failed.load(Ordering::Relaxed) {
                break;
            }
            let is_again = seed % TWICE == 0;
            let result = run_seed(seed, steps).and_then(|outcome| match is_again {
                true if run_seed(seed, steps)?.0 != outcome.0 => Err(format!("seed {seed}: another digest")),
                _ => Ok(outcome),
            });
            match result {
                Ok((outcome, stories)) => {
                    let mut total = total.lock().unwrap();
                    total.0.add(&stories);
                    (total.1, total.2) = (total.1 + outcome.turns, total.2 + outcome.delivered);
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
    if let Some(failure) = failures.lock().unwrap().first() {
        panic!("{failure}");
    }
    let took = started.elapsed().as_secs_f64();
    let (stories, turns, delivered) = *total.lock().unwrap();
    eprintln!(
        "{seeds} seeds from {first}, {steps} steps each, in {took:.1} s: {:.0} a second",
        seeds as f64 / took
    );
    eprintln!("{turns} turns, {delivered} messages shown as delivered, {stories:?}");
}
