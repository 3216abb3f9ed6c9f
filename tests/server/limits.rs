//! What one address, one connection or one crowd may have, and who still gets in beside them.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::support::client::{bare, of_type};
use crate::support::scenario::{eventually, upgrade};
use crate::support::shape::Side;
use crate::support::{Desk, Launch, Next, PATIENCE, Peer, Request, Staff, TOKEN, User, Value, Wire, json};

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

/// Connects sockets that never say anything.
fn silent(desk: &Desk, count: usize) -> Vec<Wire> {
    (0..count).map(|_| Wire::connect(desk.server.addr)).collect()
}

fn refused(desk: &Desk, cause: &str) -> f64 {
    desk.metrics().total(&["connections_refused_total", &format!("cause=\"{cause}\"")])
}

// --- connections of one address

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
    for user in &mut users {
        user.nothing_more();
    }
}

#[test]
fn this_machine_itself_is_not_counted() {
    let desk = Desk::with(&["--max-per-address", "1"]);
    let mut users: Vec<User> = (0..40).map(|n| desk.user(&format!("user-{n}"))).collect();
    for user in &mut users {
        user.nothing_more();
    }
    assert_eq!(refused(&desk, "address"), 0.0);
}

#[test]
fn max_per_address_0_is_none() {
    let desk = Desk::with(&["--max-per-address", "0"]);
    let mut users: Vec<User> = (0..300).map(|n| told(&desk, &format!("user-{n}"), ADDRESS)).collect();
    for user in &mut users {
        user.nothing_more();
    }
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

// --- places

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

// --- rates

/// A message of 16,000 bytes that asks for nothing.
fn long_message() -> Value {
    json!({ "type": "nothing", "padding": "x".repeat(16_000 - 32) })
}

fn codes(errors: &[Value], code: &str) -> usize {
    errors.iter().filter(|error| error["code"] == code).count()
}

#[test]
fn bytes_over_the_rate_are_refused_by_name() {
    let desk = Desk::start();
    let mut alice = desk.user("alice");
    let begun = Instant::now();
    alice.send_all(&vec![long_message(); 30]);
    let errors = of_type(&alice.drain(), "error");
    // 256 KiB hold 16 of them, and in a second there come back four.
    let back = 1 + usize::try_from(begun.elapsed().as_millis()).unwrap() * 4 / 1000;
    let (read, limited) = (codes(&errors, "bad_message"), codes(&errors, "rate_limited"));
    assert_eq!(read + limited, 30);
    assert!((16..=16 + back).contains(&read), "{read} were read, and {back} could have come back");
    // Patience pays: what was refused has cost as well.
    alice.listen(Duration::from_millis(4000));
    alice.send(&long_message());
    alice.refused("bad_message");
}

#[test]
fn a_flood_of_bytes_is_closed_with_1008() {
    let desk = Desk::start();
    let mut alice = desk.user("alice");
    alice.send_all(&vec![long_message(); 60]);
    alice.expect_close(1008);
    desk.is_well();
}

#[test]
fn rate_limit_0_is_none_for_bytes_and_tickets_too() {
    let desk = Desk::with(&["--rate-limit", "0"]);
    let mut alice = desk.user("alice");
    alice.send_all(&vec![long_message(); 60]);
    assert_eq!(codes(&of_type(&alice.drain(), "error"), "bad_message"), 60);
    for _ in 0..60 {
        alice.create("again");
        alice.close_ticket();
        alice.expect("ticket_closed");
    }
}

/// Opens and closes tickets until one is refused: how many there were.
fn tickets_until_refused(user: &mut User) -> u64 {
    for opened in 0..1000 {
        user.send(&json!({ "type": "create_ticket", "subject": "hello" }));
        let answers = user.drain();
        if let Some(error) = of_type(&answers, "error").first() {
            assert_eq!(error["code"], "rate_limited");
            assert!(of_type(&answers, "ticket_created").is_empty());
            return opened;
        }
        user.send(&bare("close_ticket"));
        user.expect("ticket_closed");
    }
    panic!("never refused");
}

#[test]
fn a_connection_opens_three_tickets_at_once_and_the_next_is_refused() {
    let desk = Desk::start();
    let mut alice = desk.user("alice");
    let begun = Instant::now();
    let opened = tickets_until_refused(&mut alice);
    assert!((3..=3 + begun.elapsed().as_secs() / 10).contains(&opened), "{opened}");
    #[expect(clippy::cast_precision_loss, reason = "a handful")]
    let counted = desk.metrics().total(&["tickets_opened"]) == opened as f64;
    assert!(counted, "a refused one is no ticket");
    // Another connection has its own.
    assert!(tickets_until_refused(&mut desk.user("bob")) >= 3);
}

#[test]
fn a_ticket_that_is_not_opened_costs_nothing() {
    let desk = Desk::start();
    let mut alice = desk.user("alice");
    alice.create("the first");
    for _ in 0..10 {
        alice.send(&json!({ "type": "create_ticket", "subject": "another" }));
        alice.refused("ticket_exists");
        alice.send(&json!({ "type": "create_ticket", "subject": "" }));
        alice.refused("bad_message");
    }
    for _ in 0..2 {
        alice.close_ticket();
        alice.expect("ticket_closed");
        alice.create("the next");
    }
}

#[test]
fn an_address_opens_thirty_tickets_at_once_and_another_address_its_own() {
    let desk = Desk::start();
    let begun = Instant::now();
    let (mut opened, mut users) = (0, Vec::new());
    for number in 0..60 {
        let mut user = told(&desk, &format!("user-{number}"), ADDRESS);
        let of_one = tickets_until_refused(&mut user);
        opened += of_one;
        users.push(user);
        if of_one == 0 {
            break;
        }
    }
    let back = begun.elapsed().as_secs();
    assert!((30..=31 + back).contains(&opened), "{opened} were opened, and {back} could have come back");
    for mut other in [told(&desk, "bob", OTHER_ADDRESS), desk.user("local")] {
        let of_other = tickets_until_refused(&mut other);
        assert!(of_other >= 3, "{} has an address of their own", other.name);
        opened += of_other;
    }
    assert_eq!(desk.metrics().total(&["tickets_opened_total"]), opened as f64);
}

#[test]
fn staff_who_confirm_every_message_by_itself_are_no_flood() {
    let desk = Desk::start();
    let mut sam = desk.staff("sam").online();
    let mut users: Vec<User> = (0..5).map(|n| desk.user(&format!("user-{n}"))).collect();
    let tickets: Vec<String> = users.iter_mut().map(|user| user.create("hello")).collect();
    for (user, ticket) in users.iter_mut().zip(&tickets) {
        sam.pick(ticket);
        let many: Vec<Value> =
            (1..=90).map(|id| json!({ "type": "message", "id": id, "text": "hello" })).collect();
        user.send_all(&many);
    }
    let seqs: Vec<Value> = (0..450).map(|_| sam.expect("message")).collect();
    let receipts: Vec<Value> = seqs
        .iter()
        .map(|m| json!({ "type": "delivered", "ticket_id": m["ticket_id"], "seq": m["seq"] }))
        .collect();
    sam.send_all(&receipts);
    sam.nothing_of(&["error"]);
    for user in &mut users {
        user.expect_where("delivered", "the last receipt", |m| m["seq"] == 90);
    }
}
