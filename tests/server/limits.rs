//! How many connections an address may have, which address a connection counts for, and which refusals are counted.

use std::net::IpAddr;
use std::time::Instant;

use crate::support::scenario::{eventually, upgrade};
use crate::support::schema::Side;
use crate::support::{Desk, Next, PATIENCE, Peer, Request, User, Wire};

pub(crate) mod rates;

/// Documentation addresses (RFC 5737, RFC 3849).
pub(super) const ADDRESS: &str = "198.51.100.1";
pub(super) const OTHER_ADDRESS: &str = "198.51.100.2";
pub(super) const TOO_MANY: &str = "too many connections from your address";

/// A user behind a proxy on this machine that forwards for this address.
fn forwarded_peer(desk: &Desk, name: &str, forwarded_for: &str) -> Peer {
    forwarded_peer_with(desk, name, None, forwarded_for)
}

/// The same with a secret.
pub(super) fn forwarded_peer_with(
    desk: &Desk,
    name: &str,
    secret: Option<&str>,
    forwarded_for: &str,
) -> Peer {
    let request = upgrade("user", name, secret).header("X-Forwarded-For", forwarded_for);
    Peer::open(desk.server.addr, Side::User, name, &request)
}

pub(super) fn forwarded_user(desk: &Desk, name: &str, forwarded_for: &str) -> User {
    User::welcomed(forwarded_peer(desk, name, forwarded_for))
}

/// The same from a socket with this local address.
fn forwarded_peer_from(desk: &Desk, local: [u8; 4], name: &str, forwarded_for: &str) -> Peer {
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
    let mut users: Vec<User> =
        (0..256).map(|n| forwarded_user(&desk, &format!("user-{n}"), ADDRESS)).collect();
    assert_eq!(forwarded_peer(&desk, "one-more", ADDRESS).expect_close(1013), TOO_MANY);
    // A plain request is answered with a status instead.
    let request = Request::get("/").header("X-Forwarded-For", ADDRESS);
    assert_eq!(Wire::fetch(desk.server.addr, &request).0.status, 503);
    assert_eq!(refused(&desk, "address"), 2.0);
    // Another address, loopback itself, and a request from the proxy itself.
    forwarded_user(&desk, "another", OTHER_ADDRESS).nothing_more();
    desk.user("local").nothing_more();
    desk.assert_healthy();
    users.pop().expect("the last of them").leave();
    eventually("one more gets in", || forwarded_peer(&desk, "one-more", ADDRESS).try_next().is_some());
    Peer::nothing_more_for_each(&mut users);
}

#[test]
fn loopback_itself_is_not_counted() {
    let desk = Desk::with(&["--max-per-address", "1"]);
    let mut users: Vec<User> = (0..40).map(|n| desk.user(&format!("user-{n}"))).collect();
    Peer::nothing_more_for_each(&mut users);
    assert_eq!(refused(&desk, "address"), 0.0);
}

#[test]
fn max_per_address_0_is_no_limit() {
    let desk = Desk::with(&["--max-per-address", "0"]);
    let mut users: Vec<User> =
        (0..300).map(|n| forwarded_user(&desk, &format!("user-{n}"), ADDRESS)).collect();
    Peer::nothing_more_for_each(&mut users);
}

#[test]
fn an_ipv6_client_is_its_prefix_of_64_bits() {
    let desk = Desk::with(&["--max-per-address", "2"]);
    let _first = forwarded_user(&desk, "ann", "2001:db8:0:1::1");
    let _second = forwarded_user(&desk, "bob", "[2001:db8:0:1:ffff:ffff:ffff:ffff]:4711");
    assert_eq!(forwarded_peer(&desk, "eve", "2001:db8:0:1:abcd::").expect_close(1013), TOO_MANY);
    forwarded_user(&desk, "kim", "2001:db8:0:2::1").nothing_more();
    let _third = forwarded_user(&desk, "lee", ADDRESS);
    let _fourth = forwarded_user(&desk, "max", &format!("::ffff:{ADDRESS}"));
    assert_eq!(forwarded_peer(&desk, "eve", ADDRESS).expect_close(1013), TOO_MANY);
}

#[test]
fn the_last_address_that_is_not_a_trusted_proxy_is_the_client() {
    let desk = Desk::with(&["--max-per-address", "1", "--trust-proxy", "127.0.0.0/8,10.0.0.0/8"]);
    let _ann = forwarded_user(&desk, "ann", ADDRESS);
    for forged in [
        format!("203.0.113.1, {ADDRESS}"),
        format!("{OTHER_ADDRESS},{ADDRESS}, 10.1.2.3"),
        format!("unknown, {ADDRESS}:80,10.0.0.1 , 10.0.0.2"),
    ] {
        assert_eq!(forwarded_peer(&desk, "eve", &forged).expect_close(1013), TOO_MANY, "{forged}");
    }
    // Two fields are one list.
    let two = upgrade("user", "eve", None).header("X-Forwarded-For", OTHER_ADDRESS);
    let two = two.header("x-forwarded-for", ADDRESS);
    let peer = Peer::open(desk.server.addr, Side::User, "eve", &two);
    assert_eq!(peer.expect_close(1013), TOO_MANY);
    forwarded_user(&desk, "bob", &format!("{ADDRESS}, {OTHER_ADDRESS}, 10.0.0.1")).nothing_more();
}

#[test]
fn forwarded_for_is_ignored_from_an_address_that_is_not_trusted() {
    let desk = Desk::with(&["--max-per-address", "2", "--trust-proxy", "127.0.0.1/32"]);
    let _first = forwarded_peer_from(&desk, [127, 0, 0, 2], "ann", "203.0.113.1");
    let _second = forwarded_peer_from(&desk, [127, 0, 0, 2], "bob", "203.0.113.2");
    let third = forwarded_peer_from(&desk, [127, 0, 0, 2], "eve", "203.0.113.3");
    assert_eq!(third.expect_close(1013), TOO_MANY);
    // The forged addresses still have their own limit.
    let _one = forwarded_user(&desk, "kim", "203.0.113.1");
    forwarded_user(&desk, "lee", "203.0.113.1").nothing_more();
}

#[test]
fn trust_proxy_none_trusts_nobody() {
    let desk = Desk::with(&["--max-per-address", "1", "--trust-proxy", "none"]);
    let _first = forwarded_user(&desk, "ann", "203.0.113.1");
    assert_eq!(forwarded_peer(&desk, "bob", "203.0.113.2").expect_close(1013), TOO_MANY);
}

#[test]
fn far_beyond_the_limit_of_an_address_connections_are_dropped() {
    /// How many connections over the limit are still closed with 1013.
    const ANSWERED_MAX: usize = 16;
    let desk = Desk::with(&["--max-per-address", "1"]);
    let mut ann = forwarded_user(&desk, "ann", ADDRESS);
    let mut refused: Vec<Peer> = (0..ANSWERED_MAX)
        .map(|n| {
            let mut peer = forwarded_peer(&desk, &format!("user-{n}"), ADDRESS);
            assert_eq!(peer.expect_close_frame(1013), TOO_MANY);
            peer // stays connected: it does not answer the close
        })
        .collect();
    let mut dropped = Wire::connect(desk.server.addr);
    let request = upgrade("user", "eve", None).header("X-Forwarded-For", ADDRESS);
    dropped.write(&request.bytes(desk.server.addr));
    assert!(matches!(dropped.more(Instant::now() + PATIENCE), Next::Eof | Next::Reset));
    forwarded_user(&desk, "bob", OTHER_ADDRESS).nothing_more();
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
