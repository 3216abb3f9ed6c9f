//! As many connections as there may be: who is refused, who waits, and who gets the next free place.

use std::time::{Duration, Instant};

use super::limits::refused;
use crate::support::scenario::{Metrics, eventually};
use crate::support::{Chat, Desk, Launch, Next, PATIENCE, Peer, Request, Staff, TOKEN, User, Wire};

/// So many that, if each waited for the server to try again by itself, which is once a second, it would take longer than
/// a test has patience.
const WAITING: usize = 25;

// --- connections

/// Connects sockets that never say anything.
fn silent(desk: &Desk, count: usize) -> Vec<Wire> {
    (0..count).map(|_| Wire::connect(desk.server.addr)).collect()
}

#[test]
fn one_more_than_max_connections_is_told_that_the_server_is_full() {
    // Half of so small a desk is kept for staff.
    let desk = Desk::with(&["--max-connections", "4"]);
    let mut alice = desk.user("alice");
    let bob = desk.user("bob");
    for _ in 0..3 {
        assert_eq!(desk.user_peer("carol", None).expect_close(1013), "server full");
    }
    let mut sam = desk.staff("sam");
    let _kim = desk.staff("kim");
    assert_eq!(desk.staff_peer("lee", Some(TOKEN)).expect_close(1013), "server full");
    // Whoever asks whether it lives is answered all the same, and the others notice nothing.
    desk.is_well();
    alice.nothing_more();
    sam.nothing_of(&["error"]);
    bob.leave();
    eventually("the place is free again", || desk.user_peer("carol", None).try_next().is_some());
    alice.nothing_more();
}

#[test]
fn with_all_sockets_in_use_the_oldest_that_is_not_open_makes_room() {
    /// Those who may come in beside the one, to be told that it is full.
    const OVERFLOW: usize = 32;
    let desk = Desk::with(&["--max-connections", "1"]);
    let mut alice = desk.user("alice");
    let mut silent: Vec<Wire> = (0..OVERFLOW).map(|_| Wire::connect(desk.server.addr)).collect();
    let mut newcomer = Wire::connect(desk.server.addr);
    newcomer.write(&Request::get("/metrics").bytes(desk.server.addr));
    assert_eq!(newcomer.response().status, 200);
    let metrics = Metrics::parse(&newcomer.rest());
    assert_eq!(metrics.total(&["connections{"]), (1 + OVERFLOW) as f64);
    assert_eq!(metrics.total(&["accepted"]), (1 + OVERFLOW + 1) as f64);
    assert_eq!(metrics.total(&["connections_refused", "evicted"]), 1.0);
    let mut oldest = silent.remove(0);
    assert!(!matches!(oldest.more(Instant::now() + PATIENCE), Next::Late), "it is gone");
    for wire in &mut silent {
        assert!(matches!(wire.more(Instant::now()), Next::Late), "it is still there");
    }
    alice.nothing_more();
}

#[test]
fn fifty_users_at_a_desk_of_fifty_do_not_keep_staff_out() {
    let desk = Desk::with(&["--max-connections", "50"]);
    // Half of a small desk is for staff. Those who are refused stay, and do not answer their close.
    let mut users: Vec<User> = (0..25).map(|n| desk.user(&format!("user-{n}"))).collect();
    let refused_users: Vec<Peer> = (25..50)
        .map(|n| {
            let mut peer = desk.user_peer(&format!("user-{n}"), None);
            assert_eq!(peer.expect_close_frame(1013), "server full");
            peer
        })
        .collect();
    let mut staff: Vec<Staff> = (0..24).map(|n| desk.staff(&format!("staff-{n}"))).collect();
    // To say that one is staff is not enough.
    assert_eq!(desk.staff_peer("eve", Some("wrong")).expect_close(1013), "server full");
    staff.push(desk.staff("sam").online());
    assert_eq!(desk.staff_peer("one-more", Some(TOKEN)).expect_close(1013), "server full");
    desk.is_well();
    assert_eq!(refused(&desk, "full"), 27.0);
    let ticket = users[0].create("hello");
    staff.last_mut().unwrap().pick(&ticket);
    users[0].expect("staff_joined");
    // The place that a user leaves is a user's.
    users.pop().unwrap().leave();
    eventually("a user gets in", || desk.user_peer("late", None).try_next().is_some());
    drop(refused_users);
}

#[test]
fn two_hundred_silent_sockets_beside_fifty_users_keep_out_neither_staff_nor_healthz() {
    let desk = Desk::with(&["--max-connections", "50"]);
    let mut users: Vec<User> = (0..25).map(|n| desk.user(&format!("user-{n}"))).collect();
    let crowd = silent(&desk, 200);
    let mut sam = desk.staff("sam").online();
    desk.is_well();
    let more = silent(&desk, 200);
    desk.is_well();
    let mut kim = desk.staff("kim").online();
    assert!(refused(&desk, "evicted") > 200.0);
    // Whoever is open has noticed nothing.
    let ticket = users[24].create("hello");
    sam.pick(&ticket);
    kim.expect("ticket_added");
    users[0].drain();
    drop((crowd, more));
}

#[test]
fn where_descriptors_are_few_silent_sockets_make_room_too() {
    let desk = Desk::of(Launch::new().descriptors(40));
    let mut ann = desk.user("ann");
    let crowd = silent(&desk, 100);
    desk.is_well();
    let mut sam = desk.staff("sam").online();
    let ticket = ann.create("hello");
    sam.pick(&ticket);
    drop(crowd);
}

#[test]
fn whoever_has_sent_a_head_is_answered_whoever_comes_behind_them() {
    let desk = Desk::with(&["--max-connections", "1"]);
    let (mut askers, mut crowd) = (Vec::new(), Vec::new());
    desk.server.in_one_turn(|| {
        for _ in 0..20 {
            let mut wire = Wire::connect(desk.server.addr);
            wire.write(&Request::get("/healthz").bytes(desk.server.addr));
            askers.push(wire);
        }
        crowd = silent(&desk, 100);
    });
    for mut asker in askers {
        assert_eq!(asker.response().status, 200);
    }
    drop(crowd);
}

// --- descriptors

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

#[test]
fn those_who_wait_for_a_descriptor_are_served_when_one_is_free_without_a_newcomer() {
    let desk = Desk::start();
    desk.server.limit_descriptors(20);
    let mut all: Vec<Wire> = (0..60).map(|_| Wire::connect(desk.server.addr)).collect();
    for (n, wire) in all.iter_mut().enumerate() {
        wire.write(&Request::upgrade(&format!("/ws/user/user-{n}")).bytes(desk.server.addr));
    }
    desk.server.log.wait("that there are no more", |line| line.contains("accepting rests"));
    // From the first: each is answered once those before it are gone, and nobody else knocks.
    for mut wire in all {
        assert_eq!(wire.response().status, 101);
        assert!(wire.frame().text().contains("welcome"));
    }
    let Chat { mut alice, mut sam, .. } = desk.chat();
    alice.say(1, "as if nothing had been");
    sam.expect("message");
    assert!(desk.metrics().total(&["accept_pauses"]) >= 1.0);
}

#[test]
fn with_every_descriptor_taken_the_honest_chat_on() {
    let desk = Desk::start();
    let Chat { mut alice, mut sam, ticket } = desk.chat();
    desk.server.limit_descriptors(20);
    let silent: Vec<Wire> = (0..80).map(|_| Wire::connect(desk.server.addr)).collect();
    desk.server.log.wait("that there are no more", |line| line.contains("accepting rests"));
    let ticks = desk.server.cpu_ticks();
    for id in 1..=40 {
        alice.say(id, "hello");
        sam.expect("message");
        sam.say(&ticket, id, "hello");
        alice.expect("message");
    }
    // A loop that is told again and again of connections that it cannot accept would burn all of this.
    alice.listen(Duration::from_millis(700));
    let burnt = desk.server.cpu_ticks() - ticks;
    assert!(burnt < 40, "{burnt} ticks of 10 ms");
    drop(silent);
    desk.is_well();
}
