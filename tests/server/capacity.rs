//! As many connections as there may be: who waits, who gets a place, and what the log says of it.

use std::time::Instant;

use crate::support::scenario::eventually;
use crate::support::{Desk, Launch, PATIENCE, Request, Wire};

/// So many that, if each waited for the server to try again by itself, which is once a second, it would take longer than
/// a test has patience.
const WAITING: usize = 25;

/// Connections that say nothing, as many as the server takes, and one more that it does not accept.
fn fill(desk: &Desk) -> Vec<Wire> {
    let is_full = || desk.server.log.lines().iter().any(|line| line.contains("accepting rests"));
    let mut silent = Vec::new();
    while !is_full() {
        let before = desk.server.descriptors();
        silent.push(Wire::connect(desk.server.addr));
        eventually("it is accepted, or waits", || desk.server.descriptors() > before || is_full());
    }
    silent
}

#[test]
fn a_place_that_is_freed_goes_to_the_next_who_waits_and_the_log_tells_once_that_they_wait() {
    let desk = Desk::start();
    desk.server.limit_descriptors(20);
    let mut silent = fill(&desk);
    let waiting: Vec<Wire> = (0..WAITING).map(|_| Wire::connect(desk.server.addr)).collect();
    let begun = Instant::now();
    // The one that waits, and one that has a place: the first of the others gets it.
    silent.truncate(silent.len() - 2);
    for mut wire in waiting {
        wire.write(&Request::get("/healthz").bytes(desk.server.addr));
        assert_eq!(wire.response().status, 200);
        // Its own end, here, gives its place to the next.
    }
    assert!(begun.elapsed() < PATIENCE, "each has waited for more than a free place");
    assert!(desk.metrics().total(&["accept_pauses"]) >= 2.0);
    let warnings = desk.server.log.lines().iter().filter(|line| line.contains("accepting rests")).count();
    assert_eq!(warnings, 1, "the metrics count, the log tells");
}

#[test]
fn a_soft_limit_of_descriptors_is_raised_to_the_hard_one() {
    const LOW: u32 = 64;
    let desk = Desk::of(Launch::new().soft_descriptors(LOW));
    let (soft, hard) = desk.server.descriptor_limits();
    assert!(hard > LOW.into(), "this machine's own limit is too low for this test");
    assert_eq!(soft, hard);
}
