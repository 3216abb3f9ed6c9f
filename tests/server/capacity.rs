//! The limits on connections and descriptors: at the limit, which connections are refused, which wait, and which are
//! accepted next.

use std::time::{Duration, Instant};

use super::limits::{ADDRESS, OTHER_ADDRESS, TOO_MANY, forwarded_peer_with, forwarded_user, refused};
use crate::support::scenario::{Metrics, eventually};
use crate::support::{Chat, Desk, Launch, Next, PATIENCE, Peer, Request, Staff, TOKEN, User, Wire};

/// Enough that the test would time out if each had to wait for the server's own retry, which comes once a second.
const WAITING: usize = 25;

// --- connections

/// Connects sockets that never send anything.
fn silent(desk: &Desk, count: usize) -> Vec<Wire> {
    (0..count).map(|_| Wire::connect(desk.server.addr)).collect()
}

#[test]
fn one_more_than_max_connections_is_closed_since_the_server_is_full() {
    // Half of such a small desk is kept for staff.
    let desk = Desk::with(&["--max-connections", "4"]);
    let mut alice = desk.user("alice");
    let bob = desk.user("bob");
    for _ in 0..3 {
        assert_eq!(desk.user_peer("carol", None).expect_close(1013), "server full");
    }
    let mut sam = desk.staff("sam");
    let _kim = desk.staff("kim");
    assert_eq!(desk.staff_peer("lee", Some(TOKEN)).expect_close(1013), "server full");
    // The health check is still answered, and the other connections are not affected.
    desk.assert_healthy();
    alice.nothing_more();
    sam.nothing_of(&["error"]);
    bob.leave();
    eventually("the place is free again", || desk.user_peer("carol", None).try_next().is_some());
    alice.nothing_more();
}

#[test]
fn with_all_sockets_in_use_the_oldest_that_is_not_open_is_closed() {
    /// Further connections that are accepted, so that they can be closed with 1013.
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
    // Half of a small desk is kept for staff. The refused stay connected and do not answer the close frame.
    let mut users: Vec<User> = (0..25).map(|n| desk.user(&format!("user-{n}"))).collect();
    let refused_users: Vec<Peer> = (25..50)
        .map(|n| {
            let mut peer = desk.user_peer(&format!("user-{n}"), None);
            assert_eq!(peer.expect_close_frame(1013), "server full");
            peer
        })
        .collect();
    let mut staff: Vec<Staff> = (0..24).map(|n| desk.staff(&format!("staff-{n}"))).collect();
    // The path of staff is not enough without a right token.
    desk.staff_peer("eve", Some("wrong")).expect_close(4401);
    staff.push(desk.staff("sam").online());
    assert_eq!(desk.staff_peer("one-more", Some(TOKEN)).expect_close(1013), "server full");
    desk.assert_healthy();
    assert_eq!((refused(&desk, "full"), refused(&desk, "staff_token")), (26.0, 1.0));
    let ticket = users[0].create("hello");
    staff.last_mut().unwrap().pick(&ticket);
    users[0].expect("staff_joined");
    // A user who leaves makes way for another user.
    users.pop().unwrap().leave();
    eventually("a user gets in", || desk.user_peer("late", None).try_next().is_some());
    drop(refused_users);
}

/// A desk of eight: four users, one of whom is ann, and four staff members, one of whom is sam.
fn full_desk() -> (Desk, User, Staff, Vec<User>, Vec<Staff>) {
    let desk = Desk::with(&["--max-connections", "8"]);
    let (ann, sam) = (desk.user("ann"), desk.staff("sam"));
    let users = (0..3).map(|n| desk.user(&format!("user-{n}"))).collect();
    let staff = (0..3).map(|n| desk.staff(&format!("staff-{n}"))).collect();
    desk.user_peer("one-more", None).expect_close(1013);
    desk.staff_peer("one-more", Some(TOKEN)).expect_close(1013);
    (desk, ann, sam, users, staff)
}

#[test]
fn at_a_full_desk_a_wrong_secret_is_refused_as_such() {
    let (desk, mut ann, mut sam, _users, _staff) = full_desk();
    for token in [None, Some("wrong")] {
        desk.staff_peer("sam", token).expect_close(4401);
        desk.staff_peer("stranger", token).expect_close(4401);
    }
    for session in [None, Some("wrong"), Some(TOKEN)] {
        desk.user_peer("ann", session).expect_close(4403);
    }
    for (cause, count) in [("staff_token", 4.0), ("session", 3.0), ("full", 2.0)] {
        assert_eq!(refused(&desk, cause), count, "{cause}");
    }
    // An id that nobody has needs no secret, whatever the client offers.
    assert_eq!(desk.user_peer("stranger", Some("wrong")).expect_close(1013), "server full");
    ann.nothing_more();
    sam.nothing_of(&["error"]);
}

#[test]
fn at_a_full_desk_the_same_id_with_the_right_secret_takes_over_its_own_place() {
    let (desk, ann, sam, mut users, mut staff) = full_desk();
    let session = ann.session.clone();
    let (mut ann, mut sam) = (ann, sam);
    for _ in 0..20 {
        let newer = User::welcomed(desk.user_peer("ann", Some(&session)));
        assert_eq!(newer.welcome["resumed"], true);
        std::mem::replace(&mut ann, newer).expect_close(4409);
        let newer = desk.staff("sam");
        std::mem::replace(&mut sam, newer).expect_close(4409);
    }
    // No place was gained or lost.
    assert_eq!(desk.user_peer("one-more", None).expect_close(1013), "server full");
    assert_eq!(desk.staff_peer("one-more", Some(TOKEN)).expect_close(1013), "server full");
    // A user who is known but not connected has no place to take over.
    let ticket = ann.create("hello");
    ann.leave();
    eventually("the place is free", || desk.user_peer("late", None).try_next().is_some());
    let _late = desk.user("late-again");
    assert_eq!(desk.user_peer("ann", Some(&session)).expect_close(1013), "server full");
    sam.go_online();
    sam.pick(&ticket);
    users.iter_mut().for_each(|user| user.nothing_of(&["error"]));
    staff.iter_mut().for_each(|member| member.nothing_of(&["error"]));
}

#[test]
fn an_address_at_its_limit_can_replace_its_own_connections_and_no_others() {
    let desk = Desk::with(&["--max-per-address", "2"]);
    let mut ann = forwarded_user(&desk, "ann", ADDRESS);
    let _bob = forwarded_user(&desk, "bob", ADDRESS);
    let kim = forwarded_user(&desk, "kim", OTHER_ADDRESS);
    let session = ann.session.clone();
    for _ in 0..10 {
        let newer = User::welcomed(forwarded_peer_with(&desk, "ann", Some(&session), ADDRESS));
        std::mem::replace(&mut ann, newer).expect_close(4409);
    }
    for secret in [None, Some("wrong")] {
        forwarded_peer_with(&desk, "ann", secret, ADDRESS).expect_close(4403);
        forwarded_peer_with(&desk, "kim", secret, ADDRESS).expect_close(4403);
    }
    // This connection would be one more.
    let moved = forwarded_peer_with(&desk, "kim", Some(&kim.session), ADDRESS);
    assert_eq!(moved.expect_close(1013), TOO_MANY);
    assert_eq!(refused(&desk, "address"), 1.0);
}

#[test]
fn two_hundred_silent_sockets_beside_fifty_users_keep_out_neither_staff_nor_healthz() {
    let desk = Desk::with(&["--max-connections", "50"]);
    let mut users: Vec<User> = (0..25).map(|n| desk.user(&format!("user-{n}"))).collect();
    let crowd = silent(&desk, 200);
    let mut sam = desk.staff("sam").online();
    desk.assert_healthy();
    let more = silent(&desk, 200);
    desk.assert_healthy();
    let mut kim = desk.staff("kim").online();
    assert!(refused(&desk, "evicted") > 200.0);
    // Open connections are not affected.
    let ticket = users[24].create("hello");
    sam.pick(&ticket);
    kim.expect("ticket_added");
    users[0].drain();
    drop((crowd, more));
}

#[test]
fn silent_sockets_are_closed_too_when_descriptors_are_few() {
    let desk = Desk::of(Launch::new().descriptors(40));
    let mut ann = desk.user("ann");
    let crowd = silent(&desk, 100);
    desk.assert_healthy();
    let mut sam = desk.staff("sam").online();
    let ticket = ann.create("hello");
    sam.pick(&ticket);
    drop(crowd);
}

#[test]
fn a_complete_head_is_answered_even_if_many_connect_after_it() {
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

/// Silent connections: as many as the server accepts, and one more.
fn fill(desk: &Desk) -> Vec<Wire> {
    let is_full = || desk.server.log.lines().iter().any(|line| line.contains("accepting is paused"));
    let mut silent = Vec::new();
    while !is_full() {
        let before = desk.server.descriptors();
        silent.push(Wire::connect(desk.server.addr));
        eventually("it is accepted, or waits", || desk.server.descriptors() > before || is_full());
    }
    silent
}

#[test]
fn a_freed_descriptor_goes_to_the_next_waiting_connection_and_the_log_warns_once() {
    let desk = Desk::start();
    desk.server.limit_descriptors(20);
    let mut silent = fill(&desk);
    let waiting: Vec<Wire> = (0..WAITING).map(|_| Wire::connect(desk.server.addr)).collect();
    let started = Instant::now();
    // Close the connection that waits and one that was accepted: the first of the others is accepted next.
    silent.truncate(silent.len() - 2);
    for mut wire in waiting {
        wire.write(&Request::get("/healthz").bytes(desk.server.addr));
        assert_eq!(wire.response().status, 200);
        // Its end, here, frees a descriptor for the next.
    }
    assert!(started.elapsed() < PATIENCE, "each has waited for more than a free place");
    assert!(desk.metrics().total(&["accept_pauses"]) >= 2.0);
    let warnings = desk.server.log.lines().iter().filter(|line| line.contains("accepting is paused")).count();
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
fn waiting_connections_are_served_when_a_descriptor_is_free_without_another_connect() {
    let desk = Desk::start();
    desk.server.limit_descriptors(20);
    let mut all: Vec<Wire> = (0..60).map(|_| Wire::connect(desk.server.addr)).collect();
    for (n, wire) in all.iter_mut().enumerate() {
        wire.write(&Request::upgrade(&format!("/ws/user/user-{n}")).bytes(desk.server.addr));
    }
    desk.server.log.wait("that there are no more", |line| line.contains("accepting is paused"));
    // In order: each is accepted once those before it are closed, without another connect.
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
fn honest_users_chat_on_while_every_descriptor_is_taken() {
    let desk = Desk::start();
    let Chat { mut alice, mut sam, ticket } = desk.chat();
    desk.server.limit_descriptors(20);
    let silent: Vec<Wire> = (0..80).map(|_| Wire::connect(desk.server.addr)).collect();
    desk.server.log.wait("that there are no more", |line| line.contains("accepting is paused"));
    let ticks = desk.server.cpu_ticks();
    for id in 1..=40 {
        alice.say(id, "hello");
        sam.expect("message");
        sam.say(&ticket, id, "hello");
        alice.expect("message");
    }
    // A loop that woke again and again for connections that it cannot accept would use all of this time.
    alice.listen(Duration::from_millis(700));
    let burnt = desk.server.cpu_ticks() - ticks;
    assert!(burnt < 40, "{burnt} ticks of 10 ms");
    drop(silent);
    desk.assert_healthy();
}
