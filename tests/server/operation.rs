//! What an operator sees: options, environment, exit codes, the log, and limits that hold.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use crate::support::client::of_type;
use crate::support::scenario::{Metrics, TempFile, eventually, names, upgrade};
use crate::support::shape::Side;
use crate::support::wire::whole;
use crate::support::{
    Chat, Desk, Launch, Next, PATIENCE, Peer, Request, Staff, TOKEN, Value, Wire, int, json, op,
};

/// A token bucket of so many frames, filled with 50 a second.
const BURST_FRAMES: usize = 100;

// --- options and environment

#[test]
fn a_mistake_in_the_options_is_one_clear_line_and_exit_2() {
    let mistakes: [(&[&str], &str); 24] = [
        (&["--nonsense"], "--nonsense"),
        (&["stray"], "stray"),
        (&["--listen"], "--listen"),
        (&["--listen", "nowhere"], "nowhere"),
        (&["--listen", "127.0.0.1"], "127.0.0.1"),
        (&["--listen", "127.0.0.1:99999"], "99999"),
        (&["--allow-origin", "help.example"], "help.example"),
        (&["--allow-origin", "https://help.example/"], "https://help.example/"),
        (&["--allow-origin", "https://"], "https://"),
        (&["--assign", "random"], "random"),
        (&["--max-chats", "many"], "many"),
        (&["--max-chats", "-1"], "-1"),
        (&["--max-connections", "all"], "all"),
        (&["--user-grace", "soon"], "soon"),
        (&["--ping-interval", "1s"], "1s"),
        (&["--max-per-address", "many"], "many"),
        (&["--max-tickets", "0"], "0"),
        (&["--trust-proxy", "proxy.example"], "proxy.example"),
        (&["--trust-proxy", "10.0.0.0/33"], "10.0.0.0/33"),
        (&["--trust-proxy", "10.0.0.1,"], "--trust-proxy"),
        (&["--trust-proxy", "10.0.0.1:8000"], "10.0.0.1:8000"),
        (&["--rate-limit", "fast"], "fast"),
        (&["--log-level", "loud"], "loud"),
        (&["--staff-file", "/no/such/staff/file"], "/no/such/staff/file"),
    ];
    for (args, culprit) in mistakes {
        let ended = Launch::bare().args(args).run();
        assert_eq!(ended.code, Some(2), "{args:?}: {:?}", ended.stderr);
        let [line] = &ended.stderr[..] else { panic!("{args:?}: not one line: {:#?}", ended.stderr) };
        assert!(line.contains(culprit), "{args:?}: {line} does not name {culprit}");
        assert!(ended.stdout.is_empty(), "{args:?}: {:?}", ended.stdout);
    }
}

#[test]
fn a_mistake_in_the_environment_is_one_clear_line_and_exit_2() {
    for (name, value) in [
        ("DESKWIRE_LISTEN", "nowhere"),
        ("DESKWIRE_ASSIGN", "random"),
        ("DESKWIRE_MAX_CHATS", "many"),
        ("DESKWIRE_USER_GRACE", "soon"),
        ("DESKWIRE_LOG_LEVEL", "loud"),
        ("DESKWIRE_TRUST_PROXY", "somewhere"),
        ("DESKWIRE_MAX_PER_ADDRESS", "many"),
    ] {
        let ended = Launch::bare().env(name, value).run();
        assert_eq!(ended.code, Some(2), "{name}: {:?}", ended.stderr);
        let [line] = &ended.stderr[..] else { panic!("{name}: not one line: {:#?}", ended.stderr) };
        assert!(line.contains(value), "{line} does not say what was wrong");
    }
}

#[test]
fn a_mistake_in_the_staff_file_is_one_line_that_says_where() {
    let hash = "4d0a3a34a8b0284c55a2f76b10355ed10df3e6c4f628c6aa09300c71016d01cc";
    let wrong = [
        "kim".to_owned(),
        "kim not-a-hash".to_owned(),
        format!("kim {}", &hash[1..]),
        format!("kim {hash}0"),
        format!("kim {hash} and more"),
        format!("kim/lee {hash}"),
        format!("{} {hash}", "x".repeat(65)),
        format!("kim {}", hash.replace('4', "g")),
        // Which of two would it be?
        format!("sam {hash}"),
    ];
    for line in wrong {
        let file = TempFile::new(&format!("# staff\nsam {hash}\n\n{line}\n"));
        let ended = Launch::bare().args(&["--staff-file", file.path()]).run();
        assert_eq!(ended.code, Some(2), "{line:?}: {:?}", ended.stderr);
        let [said] = &ended.stderr[..] else { panic!("{line:?}: not one line: {:#?}", ended.stderr) };
        assert!(names(said, file.path(), 4), "{said} does not say where {line:?} is");
        assert!(!said.contains(hash), "a hash is a secret too: {said}");
    }
}

#[test]
fn a_port_that_is_taken_is_one_clear_line() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let ended = Launch::bare().args(&["--listen", &addr]).run();
    assert!(ended.code.is_some_and(|code| code != 0), "{:?}", ended.code);
    let [line] = &ended.stderr[..] else { panic!("not one line: {:#?}", ended.stderr) };
    assert!(line.contains(&addr) && !line.contains("panicked"), "{line}");
}

#[test]
fn help_and_version_are_no_mistakes() {
    let help = Launch::bare().args(&["--help"]).run();
    assert_eq!((help.code, help.stderr.len()), (Some(0), 0));
    let text = help.stdout.join("\n");
    for option in [
        "--listen",
        "--staff-file",
        "--allow-origin",
        "--assign",
        "--max-chats",
        "--max-connections",
        "--max-per-address",
        "--max-tickets",
        "--trust-proxy",
        "--user-grace",
        "--ping-interval",
        "--rate-limit",
        "--log-level",
    ] {
        assert!(text.contains(option), "{option} is not in the help");
    }
    let version = Launch::bare().args(&["--version"]).run();
    assert_eq!(version.code, Some(0));
    assert!(version.stdout.join("\n").contains(env!("CARGO_PKG_VERSION")));
}

#[test]
fn the_first_line_of_the_log_names_the_port_that_was_taken() {
    let desk = Desk::start();
    let first = desk.server.log.lines()[0].clone();
    assert!(first.contains(&format!("listening on {}", desk.server.addr)), "{first}");
    assert_ne!(desk.server.addr.port(), 0);
    desk.is_well();
}

#[test]
fn every_option_can_be_given_in_the_environment() {
    let hash = "4d0a3a34a8b0284c55a2f76b10355ed10df3e6c4f628c6aa09300c71016d01cc";
    let file = TempFile::new(&format!("sam {hash}\n"));
    let launch = Launch::bare()
        .env("DESKWIRE_LISTEN", "127.0.0.1:0")
        .env("DESKWIRE_STAFF_FILE", file.path())
        .env("DESKWIRE_ALLOW_ORIGIN", "https://help.example")
        .env("DESKWIRE_ASSIGN", "least-busy")
        .env("DESKWIRE_MAX_CHATS", "3")
        .env("DESKWIRE_MAX_CONNECTIONS", "2")
        .env("DESKWIRE_MAX_PER_ADDRESS", "1")
        .env("DESKWIRE_MAX_TICKETS", "1")
        .env("DESKWIRE_TRUST_PROXY", "10.0.0.0/8,127.0.0.1")
        .env("DESKWIRE_USER_GRACE", "1")
        .env("DESKWIRE_PING_INTERVAL", "1")
        .env("DESKWIRE_RATE_LIMIT", "0")
        .env("DESKWIRE_LOG_LEVEL", "debug");
    let desk = Desk::of(launch);
    let sam = desk.staff_peer("sam", Some("sams-own-token-0123456789abcdef"));
    let mut sam = Staff::welcomed(sam).online();
    assert_eq!((&sam.welcome["assign"], &sam.welcome["max_chats"]), (&json!("least-busy"), &json!(3)));
    let request = upgrade("user", "alice", None).header("Origin", "https://help.example");
    let request = request.header("X-Forwarded-For", "198.51.100.1, 10.0.0.1");
    let (mut wire, response) = Wire::ask(desk.server.addr, &request);
    assert_eq!(response.status, 101);
    assert!(wire.frame().text().contains("welcome"));
    let create = json!({ "type": "create_ticket", "subject": "from elsewhere" }).to_string();
    wire.write(&whole(op::TEXT, create.as_bytes()));
    assert_eq!(sam.expect("ticket_picked")["auto"], true);
    let same_address = upgrade("user", "bob", None).header("X-Forwarded-For", "198.51.100.1");
    let too_many = Peer::open(desk.server.addr, Side::User, "bob", &same_address).expect_close(1013);
    assert_eq!(too_many, "too many connections from your address");
    let full = desk.user_peer("bob", None).expect_close(1013);
    assert_eq!(full, "server full");
    assert!(sam.pinged(1, PATIENCE));
    for _ in 0..BURST_FRAMES * 4 {
        sam.send(&json!({ "type": "go_online" }));
    }
    sam.nothing_of(&["error"]);
    drop(wire);
    assert_eq!(sam.expect("ticket_closed")["by"], "timeout");
    assert!(
        desk.server.log.lines().iter().any(|line| line.to_ascii_lowercase().contains("debug")),
        "the level counts"
    );
}

// --- the log

/// A line of the log is one event: no control character of a peer's can break or colour it.
fn assert_clean(lines: &[String], secrets: &[&str]) {
    for line in lines {
        assert!(!line.contains(char::is_control), "a control character: {line:?}");
        assert!(!line.starts_with("FORGED"), "a peer wrote a line of its own: {line:?}");
        let secret = secrets.iter().find(|secret| line.contains(*secret));
        assert!(secret.is_none(), "{secret:?} is in {line:?}");
    }
}

#[test]
fn no_text_token_or_session_is_in_the_log_even_at_debug() {
    let desk = Desk::with(&["--log-level", "debug", "--user-grace", "1"]);
    let mut sam = desk.staff("sam").online();
    let mut kim = desk.staff("kim").online();
    let mut alice = desk.user("alice");
    let ticket = alice.create("SUBJECT-MARK");
    sam.pick(&ticket);
    alice.say(1, "TEXT-MARK");
    sam.expect("message");
    sam.say(&ticket, 1, "TEXT-MARK");
    sam.say(&ticket, 1, "TEXT-MARK");
    sam.transfer(&ticket, "kim", "NOTE-MARK");
    kim.expect("ticket_picked");
    sam.say(&ticket, 2, "TEXT-MARK");
    sam.refused("not_yours");
    alice.say(2, &"TEXT-MARK".repeat(500));
    alice.refused("too_long");
    alice.send_text("{\"type\":\"message\",\"text\":\"TEXT-MARK\"");
    alice.refused("bad_message");
    alice.send(&json!({ "type": "message", "id": 0, "text": "TEXT-MARK" }));
    alice.refused("bad_message");
    desk.staff_peer("lee", Some("WRONG-TOKEN-MARK")).expect_close(4401);
    desk.user_peer("alice", Some("WRONG-SESSION-MARK")).expect_close(4403);
    let mut bob = desk.user("bob");
    bob.write(&whole(op::BINARY, b"BYTES-MARK"));
    bob.expect_close(1003);
    let mut carol = desk.user("carol");
    carol.write(&whole(op::TEXT, b"TEXT-MARK \xFF"));
    carol.expect_close(1007);
    desk.user("dave").leave_with(1000, "REASON-MARK");
    let session = alice.session.clone();
    alice.cut();
    kim.expect("ticket_closed");
    let written = desk.server.stop();
    assert_eq!(written.code, Some(0));
    assert!(written.stderr.len() > 1, "at debug there is something to look at");
    let marks = [
        "SUBJECT-MARK",
        "TEXT-MARK",
        "NOTE-MARK",
        "BYTES-MARK",
        "REASON-MARK",
        "WRONG-TOKEN-MARK",
        "WRONG-SESSION-MARK",
    ];
    let secrets: Vec<&str> = marks.into_iter().chain([TOKEN, session.as_str()]).collect();
    assert_clean(&written.stderr, &secrets);
    assert_clean(&written.stdout, &secrets);
}

#[test]
fn no_peer_can_write_a_line_of_the_log() {
    let desk = Desk::with(&["--log-level", "debug"]);
    let addr = desk.server.addr;
    for head in [
        &b"GET /\nFORGED HTTP/1.1\r\nHost: x\r\n\r\n"[..],
        b"GET /\x1b[31mFORGED HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /ws/user/a%0aFORGED HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /ws/user/\xc2\x85FORGED HTTP/1.1\r\nHost: x\r\n\r\n",
        b"BREW\tFORGED / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: \x0bFORGED\r\n\r\n",
        b"\nFORGED\n\n",
    ] {
        let mut wire = Wire::connect(addr);
        wire.write(head);
        assert!(wire.response().status >= 400);
    }
    for value in ["https://\u{85}FORGED", "\u{9b}31mFORGED", "http://x\tFORGED", "\u{2028}FORGED"] {
        let request = Request::upgrade("/ws/user/alice").header("Origin", value).header("User-Agent", value);
        assert!(Wire::ask(addr, &request).1.status >= 400);
    }
    let forged = "\r\nFORGED \u{1b}[2J\u{85}";
    let mut sam = desk.staff("sam").online();
    let mut alice = desk.user("alice");
    alice.send(&json!({ "type": forged }));
    alice.refused("bad_message");
    let ticket = alice.create(forged);
    sam.pick(&ticket);
    sam.ask_for(forged);
    sam.refused("no_ticket");
    sam.transfer(&ticket, forged, forged);
    sam.refused("unknown_staff");
    alice.say(1, forged);
    sam.expect("message");
    alice.leave_with(4000, forged);
    sam.leave();
    let written = desk.server.stop();
    assert_clean(&written.stderr, &[]);
    assert_clean(&written.stdout, &[]);
}

// --- limits

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
fn frames_over_the_rate_are_refused_by_name_and_not_done() {
    let desk = Desk::start();
    let Chat { mut alice, mut sam, ticket } = desk.chat();
    let burst = |from: u64| -> Vec<Value> {
        (from..from + 130).map(|id| json!({ "type": "message", "id": id, "text": "x" })).collect()
    };
    alice.send_all(&burst(1));
    let seen = alice.drain();
    let accepted = of_type(&seen, "ack");
    let refused = of_type(&seen, "error");
    assert_eq!(accepted.len() + refused.len(), 130, "each is answered");
    assert!(
        accepted.len() >= BURST_FRAMES - 5,
        "only {} of a burst of {BURST_FRAMES} were let through",
        accepted.len()
    );
    assert!(!refused.is_empty());
    for error in &refused {
        assert_eq!(error["code"], "rate_limited");
        assert!(error["id"].is_u64(), "which one was it? {error}");
    }
    // What was refused was not relayed, and what was relayed has no gap.
    let relayed = of_type(&sam.drain(), "message");
    let ids = |messages: &[Value]| messages.iter().map(|m| int(m, "id")).collect::<Vec<u64>>();
    assert_eq!(ids(&relayed), ids(&accepted));
    let seqs: Vec<u64> = relayed.iter().map(|m| int(m, "seq")).collect();
    assert_eq!(seqs, (1..=relayed.len() as u64).collect::<Vec<u64>>());
    // The bucket fills again, what was refused having cost as well: a patient sender gets through.
    alice.listen(Duration::from_millis(1200));
    let next = relayed.last().map(|m| int(m, "id")).unwrap() + 1;
    alice.say(next, "slowly now");
    assert_eq!(sam.expect("message")["text"], "slowly now");
    sam.say(&ticket, 1, "and the other side has a bucket of its own");
    alice.expect("message");
}

#[test]
fn a_flood_is_closed_with_1008() {
    let desk = Desk::start();
    let Chat { mut alice, mut sam, .. } = desk.chat();
    let flood: Vec<Value> = (0..1000).map(|_| json!({ "type": "typing", "active": true })).collect();
    alice.send_all(&flood);
    alice.expect_close(1008);
    sam.expect_where("ticket_updated", "alice going", |m| m["ticket"]["user_online"] == false);
    let mut bob = desk.user("bob");
    // No message at all is a frame as well.
    bob.write(&whole(op::TEXT, b"").repeat(1000));
    bob.expect_close(1008);
    desk.is_well();
}

#[test]
fn rate_limit_0_is_none() {
    let desk = Desk::with(&["--rate-limit", "0"]);
    let Chat { mut alice, mut sam, ticket } = desk.chat();
    for first in (1..=1500).step_by(100) {
        let many: Vec<Value> =
            (first..first + 100).map(|id| json!({ "type": "message", "id": id, "text": "x" })).collect();
        alice.send_all(&many);
        assert_eq!(of_type(&alice.drain(), "ack").len(), 100);
        assert_eq!(of_type(&sam.drain(), "message").len(), 100);
        sam.delivered(&ticket, first + 99);
        alice.expect("delivered");
    }
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

/// Costs the six seconds that it is about: five for the answer to a close, one for what may still come.
#[test]
fn a_close_that_is_never_answered_is_freed() {
    let desk = Desk::start();
    let before = desk.server.descriptors();
    let mut silent: Vec<Wire> = (0..20).map(|_| desk.staff_peer("sam", Some("wrong")).into_wire()).collect();
    let deadline = Instant::now() + PATIENCE;
    for wire in &mut silent {
        assert_eq!(wire.frame().close_code(), Some(4401));
    }
    for wire in &mut silent {
        assert!(matches!(wire.next(deadline), Next::Eof), "the server ends it, with a FIN");
    }
    // They stay open on our side.
    eventually("every descriptor is back", || desk.server.descriptors() <= before);
    drop(silent);
}

#[test]
fn an_idle_server_sleeps() {
    let desk = Desk::start();
    let Chat { mut alice, mut sam, .. } = desk.chat();
    let mut idle: Vec<_> = (0..50).map(|n| desk.user(&format!("user-{n}"))).collect();
    idle[0].create("waits");
    sam.go_offline();
    alice.expect("staff_offline");
    // The notice of a place in the queue may still be under way.
    alice.listen(Duration::from_millis(1100));
    let (ticks, naps) = (desk.server.cpu_ticks(), desk.server.naps());
    alice.listen(Duration::from_millis(1500));
    let (ticks, naps) = (desk.server.cpu_ticks() - ticks, desk.server.naps() - naps);
    assert!(ticks <= 1, "{ticks} ticks of 10 ms in 1.5 s of doing nothing");
    assert!(naps <= 2, "woken {naps} times in 1.5 s of doing nothing");
}
