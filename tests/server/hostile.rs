//! Attacks, each while two honest people chat: all of their messages arrive, nobody else is stalled, memory stays bounded,
//! and each attack meets the limit that is named in it. What needs no crowd stands elsewhere: bad frames in wire.rs,
//! descriptors that run out, log injection and the unanswered close in operation.rs.

use std::fs;
use std::io::{ErrorKind, Read};
use std::net::TcpStream;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::client::of_type;
use crate::support::head::KEY;
use crate::support::scenario::{eventually, upgrade};
use crate::support::wire::{close_body, frame, header, whole};
use crate::support::{Chat, Desk, Next, PATIENCE, Request, Staff, TOKEN, User, Value, Wire, int, json, op};

const KIB: u64 = 1024;
const MIB: usize = 1024 * 1024;

/// How long an honest round trip may take in the middle of an attack. Far more than it does on an idle machine; the loop
/// that let one client have the whole turn took 3.5 s.
const ROUND_TRIP_MAX: Duration = Duration::from_secs(2);
/// Between two rounds of the honest: their own rate stays well below what is allowed.
const BETWEEN_ROUNDS: Duration = Duration::from_millis(60);
/// How long those attacks last that could go on for ever: longer than a round trip may take, so that a turn that does
/// not end before the attack does is seen.
const ATTACK: Duration = Duration::from_secs(5);

/// Runs the attack while Alice and Sam chat, and tells by how many KiB the server has grown through it.
fn while_two_chat(desk: &Desk, attack: impl FnOnce()) -> u64 {
    let Chat { alice, sam, ticket } = desk.chat();
    let (stop, stopped) = mpsc::channel();
    let (warm, warmed) = mpsc::channel();
    let chat = thread::spawn(move || {
        let mut honest = Honest { alice, sam, ticket, rounds: 0, longest: Duration::ZERO };
        // Buffers have their size and the allocator its pools before anything is measured.
        (0..3).for_each(|_| honest.round());
        warm.send(()).expect("the test waits for it");
        while stopped.recv_timeout(BETWEEN_ROUNDS) == Err(mpsc::RecvTimeoutError::Timeout) {
            honest.round();
        }
        // And once more when it is over.
        honest.round();
        honest
    });
    warmed.recv().expect("the honest chat before the attack");
    let before = desk.server.rss_kib();
    attack();
    let after = desk.server.rss_kib();
    stop.send(()).expect("the honest chat to the end of the attack");
    let mut honest = chat.join().expect("the honest notice nothing");
    assert!(honest.longest < ROUND_TRIP_MAX, "a round trip took {:?}", honest.longest);
    honest.alice.nothing_of(&["staff_offline", "error", "message"]);
    honest.sam.nothing_of(&["error", "message", "ticket_closed"]);
    desk.is_well();
    after.saturating_sub(before)
}

struct Honest {
    alice: User,
    sam: Staff,
    ticket: String,
    rounds: u64,
    longest: Duration,
}

impl Honest {
    /// A question and an answer, each accepted, received, confirmed, in the right order.
    fn round(&mut self) {
        self.rounds += 1;
        let begun = Instant::now();
        let question = self.rounds * 2 - 1;
        self.alice.say(self.rounds, "question");
        assert_eq!(int(&self.sam.expect("message"), "seq"), question);
        assert_eq!(int(&self.alice.expect("ack"), "seq"), question);
        self.sam.delivered(&self.ticket, question);
        self.sam.say(&self.ticket, self.rounds, "answer");
        assert_eq!(int(&self.alice.expect("message"), "seq"), question + 1);
        self.alice.expect("delivered");
        self.alice.delivered(question + 1);
        self.sam.expect("delivered");
        self.longest = self.longest.max(begun.elapsed());
    }
}

/// An attacker's socket, upgraded, with nothing read but the head; its writes do not wait for long.
fn intruder(desk: &Desk, name: &str) -> Wire {
    let (wire, response) = Wire::ask(desk.server.addr, &Request::upgrade(&format!("/ws/user/{name}")));
    assert_eq!(response.status, 101);
    wire.stream().set_write_timeout(Some(Duration::from_millis(200))).expect("an open socket");
    wire
}

/// Writes the same bytes until the time is up or the server takes no more.
fn pour(wire: &mut Wire, bytes: &[u8]) {
    let until = Instant::now() + ATTACK;
    while Instant::now() < until && wire.try_write(bytes).is_ok() {}
}

/// Reads to the close frame; the frames before it are thrown away.
fn close_code(wire: &mut Wire) -> Option<u16> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match wire.next(deadline) {
            Next::Some(frame) if frame.op == op::CLOSE => return frame.close_code(),
            Next::Some(_) => {}
            end => panic!("wanted a close frame, got {end:?}"),
        }
    }
}

/// How many sockets a test may open beside those of its neighbours.
fn sockets_max(wanted: usize) -> usize {
    let limits = fs::read_to_string("/proc/self/limits").expect("Linux");
    let line =
        limits.lines().find(|line| line.starts_with("Max open files")).expect("a limit of descriptors");
    let soft = line.split_whitespace().nth(3).and_then(|limit| limit.parse().ok()).unwrap_or(usize::MAX);
    wanted.min(soft.saturating_sub(300))
}

// --- floods

/// Limit: one recv of 64 KiB a connection and turn, then the others' turn.
#[test]
fn a_flood_of_empty_fragments_stalls_nobody() {
    let desk = Desk::with(&["--rate-limit", "0"]);
    let grown = while_two_chat(&desk, || {
        let mut wire = intruder(&desk, "mallory");
        wire.write(&frame(op::TEXT, b""));
        pour(&mut wire, &frame(op::CONTINUATION, b"").repeat(20_000));
    });
    assert!(grown < 2 * KIB, "grown by {grown} KiB");
}

/// Limit: a message has 16 KiB, in however many frames it comes.
#[test]
fn a_flood_of_one_byte_fragments_is_1009() {
    let desk = Desk::with(&["--rate-limit", "0"]);
    let grown = while_two_chat(&desk, || {
        let mut wire = intruder(&desk, "mallory");
        wire.write(&frame(op::TEXT, b" "));
        let _ = wire.try_write(&frame(op::CONTINUATION, b" ").repeat(20_000));
        assert_eq!(close_code(&mut wire), Some(1009));
    });
    assert!(grown < 2 * KIB, "grown by {grown} KiB");
}

/// Limit: one pong at most is owed, and nothing is read from a peer whose output is blocked.
#[test]
fn a_flood_of_pings_from_one_who_never_reads_grows_nothing() {
    let desk = Desk::with(&["--rate-limit", "0"]);
    let grown = while_two_chat(&desk, || {
        let mut wire = intruder(&desk, "mallory");
        pour(&mut wire, &whole(op::PING, &[b'p'; 125]).repeat(500));
    });
    assert!(grown < 3 * KIB, "grown by {grown} KiB");
}

/// Limit: 50 frames a second with a burst of 100; 100 more are the end.
#[test]
fn a_flood_of_valid_messages_is_1008() {
    let desk = Desk::start();
    let grown = while_two_chat(&desk, || {
        let flood = whole(op::TEXT, br#"{"type":"message","id":1,"text":"flood"}"#).repeat(2000);
        let mut all: Vec<Wire> = (0..10).map(|n| intruder(&desk, &format!("mallory-{n}"))).collect();
        for wire in &mut all {
            let _ = wire.try_write(&flood);
        }
        for wire in &mut all {
            assert_eq!(close_code(wire), Some(1008));
        }
    });
    assert!(grown < 3 * KIB, "grown by {grown} KiB");
}

/// Limit: 100 sockets cost 100 turns of a bounded size, whatever they hold.
#[test]
fn a_crowd_that_talks_nonsense_stalls_nobody() {
    let desk = Desk::with(&["--rate-limit", "0"]);
    let grown = while_two_chat(&desk, || {
        let deep = "[".repeat(16 * 1024);
        let nonsense =
            [whole(op::TEXT, deep.as_bytes()), whole(op::TEXT, b"{\"type\":\"nonsense\"}").repeat(50)]
                .concat();
        let mut all: Vec<Wire> = (0..100).map(|n| intruder(&desk, &format!("mallory-{n}"))).collect();
        for wire in &mut all {
            let _ = wire.try_write(&nonsense);
        }
        for mut wire in all {
            assert!(wire.frame().text().contains("welcome"));
            assert!(wire.frame().text().contains("bad_message"));
        }
    });
    assert!(grown < 8 * KIB, "grown by {grown} KiB");
}

// --- heads

/// Limit: ten seconds from accept to a whole head, never extended.
#[test]
fn silent_and_slow_heads_are_all_answered_with_408() {
    let desk = Desk::start();
    let grown = while_two_chat(&desk, || {
        let begun = Instant::now();
        let crowd = sockets_max(200);
        let mut all: Vec<Wire> = (0..crowd).map(|_| Wire::connect(desk.server.addr)).collect();
        // Those who come and go leave deadlines behind that are swept away, and none of the others' with them.
        (0..3000).for_each(|_| drop(Wire::connect(desk.server.addr)));
        let mut head = b"GET / HTTP/1.1\r\nHost: x\r\nX: ".iter().chain([b'x'; 1000].iter());
        // Half of them say nothing, the others a byte every half second: the first of them tells when it is over.
        loop {
            let byte = *head.next().expect("slower than the deadline");
            for wire in all.iter_mut().skip(1).step_by(2) {
                let _ = wire.try_write(&[byte]);
            }
            match all[0].more(Instant::now() + Duration::from_millis(500)) {
                Next::Late => assert!(begun.elapsed() < Duration::from_secs(15), "ten seconds are long over"),
                _ => break,
            }
        }
        for mut wire in all {
            let response = wire.response();
            assert_eq!((response.status, response.header("connection")), (408, Some("close")));
            wire.rest();
        }
        assert!(begun.elapsed() < Duration::from_secs(15), "a byte now and then has bought more time");
        assert_eq!(desk.metrics().total(&["expired"]), crowd as f64);
    });
    assert!(grown < 3 * KIB, "grown by {grown} KiB");
}

/// Limit: a head has 8 KiB.
#[test]
fn endless_heads_are_431_and_not_kept() {
    let desk = Desk::start();
    let grown = while_two_chat(&desk, || {
        let mut one_header = b"GET / HTTP/1.1\r\nHost: x\r\nX: ".to_vec();
        one_header.resize(5 * MIB, b'x');
        let mut headers = b"GET / HTTP/1.1\r\nHost: x\r\n".to_vec();
        headers.extend((0..2000).flat_map(|n| format!("X-{n}: y\r\n").into_bytes()));
        let mut path = b"GET /".to_vec();
        path.resize(MIB, b'x');
        for head in [&one_header, &headers, &path].into_iter().cycle().take(12) {
            let mut wire = Wire::connect(desk.server.addr);
            wire.stream().set_write_timeout(Some(Duration::from_millis(500))).expect("an open socket");
            // What is refused is not read to its end, so the write may break off; the answer is there all the same.
            if wire.try_write(head).is_ok() {
                assert_eq!(wire.response().status, 431);
            }
        }
        // The smallest headers that there are: fewer bytes than 8 KiB, more lines than anybody needs.
        let mut many = b"GET /healthz HTTP/1.1\r\nHost: x\r\n".to_vec();
        many.extend(b"a:\r\n".repeat(1500));
        many.extend(b"\r\n");
        let mut wire = Wire::connect(desk.server.addr);
        wire.write(&many);
        assert!(matches!(wire.response().status, 200 | 400 | 431));
    });
    assert!(grown < 3 * KIB, "grown by {grown} KiB");
}

/// Limit: what follows a head is read like anything else, one bounded recv a turn.
#[test]
fn a_megabyte_behind_a_head_stalls_nobody() {
    let desk = Desk::with(&["--rate-limit", "0"]);
    let grown = while_two_chat(&desk, || {
        for n in 0..10 {
            let mut bytes = Request::upgrade(&format!("/ws/user/mallory-{n}")).bytes(desk.server.addr);
            bytes.extend(whole(op::PONG, &[b'p'; 100]).repeat(10_000));
            bytes.extend(whole(op::PING, b"the end"));
            let mut wire = Wire::connect(desk.server.addr);
            wire.write(&bytes);
            assert_eq!(wire.response().status, 101);
            assert!(wire.frame().text().contains("welcome"));
            assert_eq!(wire.frame().payload, b"the end");
        }
    });
    assert!(grown < 3 * KIB, "grown by {grown} KiB");
}

// --- lengths and closes

/// Limit: a frame has 16 KiB, and nothing is set aside for what was only announced.
#[test]
fn announced_lengths_cost_nothing() {
    let desk = Desk::start();
    let address_space = desk.server.vm_kib();
    let grown = while_two_chat(&desk, || {
        let mut all = Vec::new();
        for n in 0..20 {
            for (kind, len) in [16 * KIB + 1, 16 << 20, 1 << 31, 1 << 63, u64::MAX].into_iter().enumerate() {
                let mut wire = intruder(&desk, &format!("mallory-{n}-{kind}"));
                wire.write(&header(0x80 | op::TEXT, len, Some([1, 2, 3, 4])));
                all.push(wire);
            }
            // As much as is allowed, of which nothing ever comes.
            let mut wire = intruder(&desk, &format!("mallory-{n}-allowed"));
            wire.write(&header(0x80 | op::TEXT, 16 * KIB, Some([1, 2, 3, 4])));
            wire.write(b"{");
            assert!(wire.frame().text().contains("welcome"));
        }
        for wire in &mut all {
            assert!(matches!(close_code(wire), Some(1002 | 1009)));
        }
    });
    assert!(grown < 3 * KIB, "grown by {grown} KiB");
    let grown = desk.server.vm_kib().saturating_sub(address_space);
    assert!(grown < 64 * KIB, "the address space has grown by {grown} KiB");
}

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
            let mut wire = intruder(&desk, &format!("mallory-{n}"));
            // A storm of closes, of which the first counts.
            let _ = wire.try_write(&whole(op::CLOSE, &close_body(code, &"x".repeat(123))).repeat(50));
            assert!(close_code(&mut wire).is_some());
        }
    });
    eventually("all are buried", || desk.server.descriptors() <= before);
}

// --- coming and going

/// Limit: none is needed; a connection that broke is forgotten, wherever it was.
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
                // With the answer unread in our socket, the kernel resets the connection instead of ending it.
                wire.stream().set_read_timeout(Some(PATIENCE)).expect("an open socket");
                assert!(wire.stream().peek(&mut [0]).is_ok_and(|len| len == 1), "cut off before byte {n}");
            }
        }
    });
    assert!(grown < 3 * KIB, "grown by {grown} KiB");
    eventually("every descriptor is back", || desk.server.descriptors() <= before);
    // All tickets of the cut are gone with the grace; only those of the honest, who have left too, might linger.
    let mut watcher = desk.staff("watcher");
    let mut open: Vec<Value> =
        watcher.welcome["tickets"].as_array().unwrap().iter().map(|t| t["ticket_id"].clone()).collect();
    while !open.is_empty() {
        let gone = watcher.expect("ticket_removed");
        open.retain(|ticket| *ticket != gone["ticket_id"]);
    }
}

/// Limit: accept takes what is there and goes on; a socket that is gone again costs its accept.
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
                        // Now and then a few bytes of a head.
                        if n % 4 == 0 {
                            let _ = std::io::Write::write(&mut &wire, b"GET /");
                        }
                    }
                });
            }
        });
        desk.is_well();
    });
    assert!(grown < 4 * KIB, "grown by {grown} KiB");
    eventually("every descriptor is back", || desk.server.descriptors() <= before);
}

/// Limit: 100 characters of a guess are compared with a hash; a wrong one costs one close.
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
fn one_who_was_refused_and_goes_on_sending_is_not_read_for_long() {
    let desk = Desk::start();
    let grown = while_two_chat(&desk, || {
        let begun = Instant::now();
        for _ in 0..20 {
            let mut wire = refused(&desk);
            // The rate limit counts what an open connection sends; this one is none.
            let _ = wire.try_write(&whole(op::PING, b"").repeat(200_000));
            // Our side ends long before the time for a close frame is over.
            let mut byte = [0];
            wire.stream().set_read_timeout(Some(PATIENCE)).expect("an open socket");
            let end = wire.stream().read(&mut byte).map_err(|error| error.kind());
            assert!(matches!(end, Ok(0) | Err(ErrorKind::ConnectionReset)), "{end:?}");
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "20 of them took {:?}", begun.elapsed());
    });
    assert!(grown < 3 * KIB, "grown by {grown} KiB");
}

/// Limit: 5 s from our close frame, whatever comes.
#[test]
fn one_who_was_refused_and_trickles_does_not_keep_its_socket() {
    let desk = Desk::start();
    let before = desk.server.descriptors();
    let begun = Instant::now();
    let mut all: Vec<Wire> = (0..20).map(|_| refused(&desk)).collect();
    // A byte of a frame that never ends, five times a second: the first to end tells when it is over.
    let _ = all.iter_mut().map(|wire| wire.write(&header(op::BINARY, 1000, Some([0; 4])))).count();
    while let Next::Late = all[0].more(Instant::now() + Duration::from_millis(200)) {
        assert!(begun.elapsed() < Duration::from_secs(8), "five seconds are long over");
        for wire in &mut all {
            let _ = wire.try_write(b" ");
        }
    }
    eventually("every descriptor is back", || desk.server.descriptors() <= before);
    assert!(begun.elapsed() >= Duration::from_secs(4), "time to answer a close frame");
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
            // The answer is somewhere behind the notices of all the others.
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
