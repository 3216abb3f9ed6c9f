//! Connections that close, break, are refused, or race, many at a time.

use std::io::{ErrorKind, Read};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use super::{KIB, attacker, close_code, sockets_max, while_two_chat};
use crate::support::client::of_type;
use crate::support::head::KEY;
use crate::support::scenario::{eventually, upgrade};
use crate::support::wire::{close_body, frame, header, whole};
use crate::support::{Desk, Next, PATIENCE, TOKEN, Value, Wire, json, op};

/// Limit: a connection is done with its first close frame.
#[test]
fn closes_of_every_sort_stall_nobody() {
    let desk = Desk::start();
    let before = desk.server.descriptors();
    while_two_chat(&desk, || {
        for (n, code) in [0, 999, 1000, 1004, 1005, 1006, 1015, 2999, 3000, 4999, 5000, 65535]
            .into_iter()
            .cycle()
            .take(240)
            .enumerate()
        {
            let mut wire = attacker(&desk, &format!("mallory-{n}"));
            // Only the first of these close frames counts.
            let _ = wire.try_write(&whole(op::CLOSE, &close_body(code, &"x".repeat(123))).repeat(50));
            assert!(close_code(&mut wire).is_some());
        }
    });
    eventually("all are closed", || desk.server.descriptors() <= before);
}

/// Limit: none is needed; a connection that breaks is freed in any phase.
#[test]
fn a_session_cut_off_at_any_byte_leaves_nothing_behind() {
    let desk = Desk::with(&["--user-grace", "1"]);
    let before = desk.server.descriptors();
    let grown = while_two_chat(&desk, || {
        let session = |n: usize| {
            let head = format!(
                "GET /ws/user/mallory-{n:03} HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n",
                desk.server.addr
            );
            let frames = [
                whole(op::TEXT, br#"{"type":"create_ticket","subject":"cut"}"#),
                whole(op::PING, b"ping"),
                frame(op::TEXT, b"{\"type\":"),
                frame(0x80 | op::CONTINUATION, b"\"close_ticket\"}"),
                whole(op::CLOSE, &close_body(1000, "bye")),
            ];
            (head.len(), [head.into_bytes(), frames.concat()].concat())
        };
        let whole_session = session(0).1.len();
        for n in 0..=whole_session {
            let (head, bytes) = session(n);
            let mut wire = Wire::connect(desk.server.addr);
            wire.write(&bytes[..n]);
            if n >= head {
                // Since the answer is unread in our socket, the kernel resets the connection instead of ending it.
                wire.stream().set_read_timeout(Some(PATIENCE)).expect("an open socket");
                assert!(wire.stream().peek(&mut [0]).is_ok_and(|len| len == 1), "cut off before byte {n}");
            }
        }
    });
    assert!(grown < 3 * KIB, "grown by {grown} KiB");
    eventually("every descriptor is back", || desk.server.descriptors() <= before);
    // The tickets of those connections end with the grace time, and so does that of the two who chatted.
    let mut watcher = desk.staff("watcher");
    let mut open: Vec<Value> =
        watcher.welcome["tickets"].as_array().unwrap().iter().map(|t| t["ticket_id"].clone()).collect();
    while !open.is_empty() {
        let gone = watcher.expect("ticket_removed");
        open.retain(|ticket| *ticket != gone["ticket_id"]);
    }
}

/// Limit: a socket that is closed at once costs one accept.
#[test]
fn twenty_thousand_connects_and_drops_leave_nothing_behind() {
    let desk = Desk::start();
    let before = desk.server.descriptors();
    let grown = while_two_chat(&desk, || {
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for n in 0..10_000 {
                        let wire = TcpStream::connect_timeout(&desk.server.addr, PATIENCE)
                            .expect("the server accepts");
                        // Every fourth sends a few bytes of a head.
                        if n % 4 == 0 {
                            let _ = std::io::Write::write(&mut &wire, b"GET /");
                        }
                    }
                });
            }
        });
        desk.assert_healthy();
    });
    assert!(grown < 4 * KIB, "grown by {grown} KiB");
    eventually("every descriptor is back", || desk.server.descriptors() <= before);
}

/// Limit: a guess of 100 characters is compared with a hash, and costs one close if it is wrong.
#[test]
fn a_thousand_wrong_secrets_open_nothing() {
    let desk = Desk::start();
    let stale = desk.user("alice-before").session;
    let grown = while_two_chat(&desk, || {
        let long = "x".repeat(4000);
        let guesses = [
            None,
            Some("wrong"),
            Some(&TOKEN[1..]),
            Some(stale.as_str()),
            Some(long.as_str()),
            Some("%00"),
            Some("'"),
        ];
        for guess in guesses.into_iter().cycle().take(500) {
            for (role, name, code) in [("staff", "sam", 4401), ("user", "alice", 4403)] {
                let (mut wire, response) = Wire::ask(desk.server.addr, &upgrade(role, name, guess));
                assert_eq!(response.status, 101);
                let first = wire.frame();
                assert_eq!((first.op, first.close_code()), (op::CLOSE, Some(code)), "{guess:?}");
                let _ = wire.try_write(&whole(op::CLOSE, &code.to_be_bytes()));
            }
        }
    });
    assert!(grown < 3 * KIB, "grown by {grown} KiB");
}

/// Limit: 64 KiB after our close frame.
#[test]
fn a_refused_peer_that_goes_on_sending_is_not_read_for_long() {
    let desk = Desk::start();
    let grown = while_two_chat(&desk, || {
        let started = Instant::now();
        for _ in 0..20 {
            let mut wire = refused(&desk);
            // The rate limit counts what open connections send. This one is closing.
            let _ = wire.try_write(&whole(op::PING, b"").repeat(200_000));
            // Our side ends long before the time for a close frame is over.
            let mut byte = [0];
            wire.stream().set_read_timeout(Some(PATIENCE)).expect("an open socket");
            let end = wire.stream().read(&mut byte).map_err(|error| error.kind());
            assert!(matches!(end, Ok(0) | Err(ErrorKind::ConnectionReset)), "{end:?}");
        }
        assert!(started.elapsed() < Duration::from_secs(20), "20 of them took {:?}", started.elapsed());
    });
    assert!(grown < 3 * KIB, "grown by {grown} KiB");
}

/// Limit: 5 s from our close frame, whatever the peer sends.
#[test]
fn a_refused_peer_that_trickles_does_not_keep_its_socket() {
    let desk = Desk::start();
    let before = desk.server.descriptors();
    let started = Instant::now();
    let mut all: Vec<Wire> = (0..20).map(|_| refused(&desk)).collect();
    // A byte of a frame that never ends, five times a second. The first is closed when the time is over.
    let _ = all.iter_mut().map(|wire| wire.write(&header(op::BINARY, 1000, Some([0; 4])))).count();
    while let Next::Late = all[0].more(Instant::now() + Duration::from_millis(200)) {
        assert!(started.elapsed() < Duration::from_secs(8), "five seconds are long over");
        for wire in &mut all {
            let _ = wire.try_write(b" ");
        }
    }
    eventually("every descriptor is back", || desk.server.descriptors() <= before);
    assert!(started.elapsed() >= Duration::from_secs(4), "time to answer a close frame");
}

/// A staff member's socket with a wrong token, and the close frame read.
fn refused(desk: &Desk) -> Wire {
    let (mut wire, response) = Wire::ask(desk.server.addr, &upgrade("staff", "mallory", Some("wrong")));
    assert_eq!(response.status, 101);
    wire.stream().set_write_timeout(Some(PATIENCE)).expect("an open socket");
    assert_eq!(wire.frame().close_code(), Some(4401));
    wire
}

/// Limit: a ticket has one owner.
#[test]
fn a_thousand_staff_racing_for_one_ticket_have_one_winner() {
    let desk = Desk::start();
    while_two_chat(&desk, || {
        let mut racers: Vec<Wire> = (0..sockets_max(1000))
            .map(|n| {
                let (mut wire, response) =
                    Wire::ask(desk.server.addr, &upgrade("staff", &format!("racer-{n}"), Some(TOKEN)));
                assert_eq!(response.status, 101);
                wire.write(&whole(op::TEXT, br#"{"type":"go_online"}"#));
                wire
            })
            .collect();
        let mut bob = desk.user("bob");
        let ticket = bob.create("the only one");
        let pick =
            whole(op::TEXT, json!({ "type": "pick_ticket", "ticket_id": ticket }).to_string().as_bytes());
        for racer in &mut racers {
            racer.write(&pick);
        }
        let (mut winners, mut losers) = (0, 0);
        for racer in &mut racers {
            // The answer comes after the notices about all the others.
            let answer = loop {
                let frame = racer.frame();
                let text = frame.text();
                if text.contains("\"ticket_picked\"") || text.contains("\"error\"") {
                    break text.to_owned();
                }
            };
            if answer.contains("\"ticket_picked\"") {
                winners += 1;
            } else {
                assert!(answer.contains("\"ticket_taken\""), "{answer}");
                losers += 1;
            }
        }
        assert_eq!((winners, losers), (1, racers.len() - 1));
        bob.expect("staff_joined");
        assert!(of_type(&bob.drain(), "staff_joined").is_empty(), "joined once");
    });
}
