//! What an operator sees: options, environment, exit codes, and a server that sleeps when it is idle.

use std::net::TcpListener;
use std::time::Duration;

use super::limits::rates::BURST_FRAMES;
use crate::support::scenario::{TempFile, names_line, upgrade};
use crate::support::schema::Side;
use crate::support::wire::whole;
use crate::support::{Chat, Desk, Launch, PATIENCE, Peer, Staff, Wire, json, op};

#[test]
fn a_mistake_in_the_options_is_one_clear_line_and_exit_2() {
    let mistakes: [(&[&str], &str); 29] = [
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
        (&["--accent", "#ffcc00"], "too light to be read on white"),
        (&["--accent", "green"], "a colour is #"),
        (&["--name", "two\nlines"], "one line"),
        (&["--greeting", ""], "one line"),
        (&["--allow-embed", "https://shop.example/"], "an origin is"),
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
        format!("kim {hash} {hash}"),
        format!("kim/lee {hash}"),
        format!("{} {hash}", "x".repeat(65)),
        format!("kim {}", hash.replace('4', "g")),
        // The same id twice.
        format!("sam {hash}"),
    ];
    for line in wrong {
        let file = TempFile::new(&format!("# staff\nsam {hash}\n\n{line}\n"));
        let ended = Launch::bare().args(&["--staff-file", file.path()]).run();
        assert_eq!(ended.code, Some(2), "{line:?}: {:?}", ended.stderr);
        let [said] = &ended.stderr[..] else { panic!("{line:?}: not one line: {:#?}", ended.stderr) };
        assert!(names_line(said, file.path(), 4), "{said} does not say where {line:?} is");
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
fn help_and_version_exit_with_0() {
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
    desk.assert_healthy();
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
    let (ticks, wakeups) = (desk.server.cpu_ticks(), desk.server.wakeups());
    alice.listen(Duration::from_millis(1500));
    let (ticks, wakeups) = (desk.server.cpu_ticks() - ticks, desk.server.wakeups() - wakeups);
    assert!(ticks <= 1, "{ticks} ticks of 10 ms in 1.5 s of doing nothing");
    assert!(wakeups <= 2, "woken {wakeups} times in 1.5 s of doing nothing");
}
