//! How many connections an address may have, which address a connection has, and what is counted as refused.

use std::net::IpAddr;
use std::time::Instant;

use crate::support::scenario::{eventually, upgrade};
use crate::support::shape::Side;
use crate::support::{Desk, Next, PATIENCE, Peer, Request, User, Wire};

pub(crate) mod rates;

/// Documentation addresses (RFC 5737, RFC 3849).
const ADDRESS: &str = "198.51.100.1";
const OTHER_ADDRESS: &str = "198.51.100.2";
const TOO_MANY: &str = "too many connections from your address";

/// A user whose proxy on this machine tells this address.
fn told_peer(desk: &Desk, name: &str, forwarded_for: &str) -> Peer {
    let request = upgrade("user", name, None).header("X-Forwarded-For", forwarded_for);
    Peer::open(desk.server.addr, Side::User, name, &request)
}

fn told(desk: &Desk, name: &str, forwarded_for: &str) -> User {
    User::welcomed(told_peer(desk, name, forwarded_for))
}

/// The same from a socket with this local address.
fn told_from(desk: &Desk, local: [u8; 4], name: &str, forwarded_for: &str) -> Peer {
    let request = upgrade("user", name, None).header("X-Forwarded-For", forwarded_for);
    let mut wire = Wire::connect_from(IpAddr::from(local), desk.server.addr);
    wire.write(&request.bytes(desk.server.addr));
    assert_eq!(wire.response().status, 101);
    Peer::upgraded(wire, Side::User, name)
}

pub(super) fn refused(desk: &Desk, cause: &str) -> f64 {
    desk.metrics().total(&["connections_refused_total", &format!("cause=\"{cause}\"")])
}

#[test]
fn the_257th_connection_of_an_address_is_closed_with_1013_and_another_address_gets_in() {
    let desk = Desk::start();
    let mut users: Vec<User> = (0..256).map(|n| told(&desk, &format!("user-{n}"), ADDRESS)).collect();
    assert_eq!(told_peer(&desk, "one-more", ADDRESS).expect_close(1013), TOO_MANY);
    // A plain request has no close frame to tell it by.
    let request = Request::get("/").header("X-Forwarded-For", ADDRESS);
    assert_eq!(Wire::fetch(desk.server.addr, &request).0.status, 503);
    assert_eq!(refused(&desk, "address"), 2.0);
    // Another address, this machine itself, and the proxy's own question.
    told(&desk, "another", OTHER_ADDRESS).nothing_more();
    desk.user("local").nothing_more();
    desk.is_well();
    users.pop().expect("the last of them").leave();
    eventually("one more gets in", || told_peer(&desk, "one-more", ADDRESS).try_next().is_some());
    Peer::nothing_more_for_each(&mut users);
}

#[test]
fn this_machine_itself_is_not_counted() {
    let desk = Desk::with(&["--max-per-address", "1"]);
    let mut users: Vec<User> = (0..40).map(|n| desk.user(&format!("user-{n}"))).collect();
    Peer::nothing_more_for_each(&mut users);
    assert_eq!(refused(&desk, "address"), 0.0);
}

#[test]
fn max_per_address_0_is_none() {
    let desk = Desk::with(&["--max-per-address", "0"]);
    let mut users: Vec<User> = (0..300).map(|n| told(&desk, &format!("user-{n}"), ADDRESS)).collect();
    Peer::nothing_more_for_each(&mut users);
}

#[test]
fn an_ipv6_client_is_its_prefix_of_64_bits() {
    let desk = Desk::with(&["--max-per-address", "2"]);
    let _first = told(&desk, "ann", "2001:db8:0:1::1");
    let _second = told(&desk, "bob", "[2001:db8:0:1:ffff:ffff:ffff:ffff]:4711");
    assert_eq!(told_peer(&desk, "eve", "2001:db8:0:1:abcd::").expect_close(1013), TOO_MANY);
    told(&desk, "kim", "2001:db8:0:2::1").nothing_more();
    let _third = told(&desk, "lee", ADDRESS);
    let _fourth = told(&desk, "max", &format!("::ffff:{ADDRESS}"));
    assert_eq!(told_peer(&desk, "eve", ADDRESS).expect_close(1013), TOO_MANY);
}

#[test]
fn the_last_address_that_is_not_a_proxys_is_the_clients() {
    let desk = Desk::with(&["--max-per-address", "1", "--trust-proxy", "127.0.0.0/8,10.0.0.0/8"]);
    let _ann = told(&desk, "ann", ADDRESS);
    for forged in [
        format!("203.0.113.1, {ADDRESS}"),
        format!("{OTHER_ADDRESS},{ADDRESS}, 10.1.2.3"),
        format!("unknown, {ADDRESS}:80,10.0.0.1 , 10.0.0.2"),
    ] {
        assert_eq!(told_peer(&desk, "eve", &forged).expect_close(1013), TOO_MANY, "{forged}");
    }
    // Two fields are one list.
    let two = upgrade("user", "eve", None).header("X-Forwarded-For", OTHER_ADDRESS);
    let two = two.header("x-forwarded-for", ADDRESS);
    let peer = Peer::open(desk.server.addr, Side::User, "eve", &two);
    assert_eq!(peer.expect_close(1013), TOO_MANY);
    told(&desk, "bob", &format!("{ADDRESS}, {OTHER_ADDRESS}, 10.0.0.1")).nothing_more();
}

#[test]
fn what_an_address_says_that_is_not_trusted_is_ignored() {
    let desk = Desk::with(&["--max-per-address", "2", "--trust-proxy", "127.0.0.1/32"]);
    let _first = told_from(&desk, [127, 0, 0, 2], "ann", "203.0.113.1");
    let _second = told_from(&desk, [127, 0, 0, 2], "bob", "203.0.113.2");
    let third = told_from(&desk, [127, 0, 0, 2], "eve", "203.0.113.3");
    assert_eq!(third.expect_close(1013), TOO_MANY);
    // Whom it named has all of their own.
    let _one = told(&desk, "kim", "203.0.113.1");
    told(&desk, "lee", "203.0.113.1").nothing_more();
}

#[test]
fn with_none_nobody_is_trusted() {
    let desk = Desk::with(&["--max-per-address", "1", "--trust-proxy", "none"]);
    let _first = told(&desk, "ann", "203.0.113.1");
    assert_eq!(told_peer(&desk, "bob", "203.0.113.2").expect_close(1013), TOO_MANY);
}

#[test]
fn far_beyond_the_limit_of_an_address_nothing_is_answered() {
    /// Those over the limit who are still told so.
    const TOLD: usize = 16;
    let desk = Desk::with(&["--max-per-address", "1"]);
    let mut ann = told(&desk, "ann", ADDRESS);
    let mut refused: Vec<Peer> = (0..TOLD)
        .map(|n| {
            let mut peer = told_peer(&desk, &format!("user-{n}"), ADDRESS);
            assert_eq!(peer.expect_close_frame(1013), TOO_MANY);
            peer // stays connected: it does not answer the close
        })
        .collect();
    let mut dropped = Wire::connect(desk.server.addr);
    let request = upgrade("user", "eve", None).header("X-Forwarded-For", ADDRESS);
    dropped.write(&request.bytes(desk.server.addr));
    assert!(matches!(dropped.more(Instant::now() + PATIENCE), Next::Eof | Next::Reset));
    told(&desk, "bob", OTHER_ADDRESS).nothing_more();
    ann.nothing_more();
    refused.clear();
}

#[test]
fn refused_connections_are_counted_by_cause() {
    let desk = Desk::start();
    let _ann = desk.user("ann");
    desk.user_peer("ann", Some("another-session")).expect_close(4403);
    desk.staff_peer("sam", Some("wrong")).expect_close(4401);
    desk.staff_peer("sam", None).expect_close(4401);
    let foreign = upgrade("user", "bob", None).header("Origin", "https://elsewhere.example");
    assert_eq!(Wire::ask(desk.server.addr, &foreign).1.status, 403);
    for (cause, count) in [
        ("session", 1.0),
        ("staff_token", 2.0),
        ("origin", 1.0),
        ("address", 0.0),
        ("full", 0.0),
        ("evicted", 0.0),
    ] {
        assert_eq!(refused(&desk, cause), count, "{cause}");
    }
}
