//! The log: whatever happens to stderr, the server goes on; whatever peers do, the log stays small.

mod json_lines;

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::time::Instant;

use mio::unix::pipe;

use crate::support::scenario::{Chat, Desk, TempFile};
use crate::support::wire::whole;
use crate::support::{Launch, PATIENCE, Request, TOKEN, Wire, json, op};

/// A line of the log, with its line feed.
const LINE_BYTES_MAX: usize = 1024;

// --- a stderr that cannot be written

/// Causes log lines of six kinds, and asserts that the server goes on.
fn chat_and_refuse(desk: &Desk) {
    let Chat { mut alice, mut sam, ticket } = desk.chat();
    refuse(desk.server.addr, "http://evil.example");
    alice.say(1, "does it hold?");
    assert_eq!(sam.expect("message")["text"], "does it hold?");
    sam.close_ticket(&ticket);
    alice.expect("ticket_closed");
    desk.assert_healthy();
}

fn refuse(addr: SocketAddr, origin: &str) {
    let request = Request::upgrade("/ws/user/mallory").header("Origin", origin);
    assert_eq!(Wire::ask(addr, &request).1.status, 403);
}

fn lines_lost(desk: &Desk) -> f64 {
    desk.metrics().total(&["deskwire_log_lines_lost_total"])
}

/// Writes until it would block.
fn fill(mut sink: impl Write) {
    for size in [4096, 1] {
        let junk = vec![b'.'; size];
        loop {
            match sink.write(&junk) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("{error}"),
            }
        }
    }
}

/// A full pipe, and its reading end, from which nobody reads.
fn full_pipe(is_nonblocking: bool) -> (OwnedFd, pipe::Receiver) {
    let (sender, receiver) = pipe::new().unwrap();
    fill(&sender);
    sender.set_nonblocking(is_nonblocking).unwrap();
    (sender.into(), receiver)
}

/// Asserts that a server whose log goes here loses lines, and nothing else.
fn loses_only_lines(stderr: impl Into<Stdio>) {
    let desk = Desk::of(Launch::new().stderr(stderr));
    chat_and_refuse(&desk);
    assert!(lines_lost(&desk) >= 5.0);
    assert_eq!(desk.server.stop().code, Some(0));
}

#[test]
fn a_full_disk_does_not_end_the_server() {
    loses_only_lines(OpenOptions::new().write(true).open("/dev/full").unwrap());
}

#[test]
fn a_file_at_its_size_limit_does_not_end_the_server() {
    let file = TempFile::new("");
    let stderr = File::options().append(true).open(&file.0).unwrap();
    // The limit affects only the log: the server writes no other file.
    let desk = Desk::of(Launch::new().setup("ulimit -f 1").stderr(stderr));
    chat_and_refuse(&desk);
    assert!(lines_lost(&desk) >= 1.0);
    assert!(fs::read_to_string(&file.0).unwrap().contains("listening on "), "the first lines fit");
    assert_eq!(desk.server.stop().code, Some(0));
}

#[test]
fn a_pipe_that_nobody_can_read_any_more_does_not_end_the_server() {
    let (sender, receiver) = pipe::new().unwrap();
    sender.set_nonblocking(false).unwrap();
    drop(receiver);
    loses_only_lines(OwnedFd::from(sender));
}

#[test]
fn a_pipe_that_nobody_reads_does_not_stop_the_server() {
    for is_nonblocking in [false, true] {
        let (stderr, _unread) = full_pipe(is_nonblocking);
        loses_only_lines(stderr);
    }
}

#[test]
fn a_second_signal_ends_a_server_whose_log_nobody_reads() {
    let (stderr, _unread) = full_pipe(false);
    let mut desk = Desk::of(Launch::new().stderr(stderr));
    let mut silent = desk.user("alice");
    desk.server.signal("TERM");
    silent.expect_close_frame(1001); // not answered: the server would wait for it
    desk.server.signal("TERM");
    assert_eq!(desk.server.exit_within(PATIENCE), Some(1));
}

#[test]
fn a_socket_that_nobody_reads_does_not_stop_the_server() {
    let (stderr, _unread) = UnixStream::pair().unwrap();
    stderr.set_nonblocking(true).unwrap();
    fill(&stderr);
    stderr.set_nonblocking(false).unwrap();
    loses_only_lines(OwnedFd::from(stderr));
}

#[test]
fn a_closed_stderr_loses_nothing_and_does_not_end_the_server() {
    let desk = Desk::of(Launch::new().setup("exec 2>&-").stderr(Stdio::null()));
    chat_and_refuse(&desk);
    assert_eq!(lines_lost(&desk), 0.0);
    assert_eq!(desk.server.stop().code, Some(0));
}

/// The number of lines that a desk lost while its log went into a full pipe, and the lines it wrote once the pipe was
/// read again.
fn lost_in_a_full_pipe(launch: Launch) -> (f64, String) {
    let (stderr, mut reader) = full_pipe(false);
    let desk = Desk::of(launch.stderr(stderr));
    chat_and_refuse(&desk);
    let mut junk = vec![0; 1 << 20];
    assert!(reader.read(&mut junk).unwrap() > 0);
    let lost = lines_lost(&desk);
    desk.server.stop();
    reader.set_nonblocking(false).unwrap();
    let mut rest = String::new();
    reader.read_to_string(&mut rest).unwrap();
    (lost, rest)
}

#[test]
fn when_the_pipe_is_read_again_a_line_says_how_many_were_lost() {
    let (lost, rest) = lost_in_a_full_pipe(Launch::new());
    let lines: Vec<&str> = rest.trim_start_matches('.').lines().collect();
    let report = format!("{lost} lines of the log could not be written");
    assert!(lines[0].ends_with(&report), "not {report:?}: {lines:#?}");
    assert!(lines[0].contains(" WARN "), "{lines:#?}");
    assert!(lines.last().unwrap().ends_with("stopped"), "{lines:#?}");
    let reports = lines.iter().filter(|line| line.contains("could not be written")).count();
    assert_eq!(reports, 1, "once is enough: {lines:#?}");
}

// --- many lines

/// The number of events that a line stands for.
fn events(line: &str) -> u64 {
    let more =
        line.rsplit_once(" (and ").and_then(|(_, rest)| rest.strip_suffix(" more in the last second)"));
    1 + more.map_or(0, |more| more.parse().unwrap())
}

#[test]
fn a_thousand_refusals_are_a_few_lines_with_the_right_count() {
    let desk = Desk::start();
    let started = Instant::now();
    for _ in 0..1_000 {
        refuse(desk.server.addr, "http://evil.example");
    }
    let seconds = started.elapsed().as_secs();
    let written = desk.server.stop();
    let lines: Vec<&String> = written.stderr.iter().filter(|line| line.contains("evil.example")).collect();
    assert_eq!(lines.iter().map(|line| events(line)).sum::<u64>(), 1_000, "{lines:#?}");
    // The first line, one at the end of each second, and one when the server stops.
    assert!(lines.len() as u64 <= seconds + 3, "{seconds} s: {lines:#?}");
    assert!(written.stderr.last().unwrap().ends_with("stopped"), "{:#?}", written.stderr);
}

#[test]
fn suppressed_lines_are_counted_in_the_log_even_if_nothing_else_happens() {
    let desk = Desk::start();
    desk.server.in_one_turn(|| {
        for _ in 0..3 {
            let mut wire = Wire::connect(desk.server.addr);
            let request = Request::upgrade("/ws/user/mallory").header("Origin", "http://evil.example");
            wire.write(&request.bytes(desk.server.addr));
        }
    });
    desk.server.log.wait("the count", |line| line.ends_with("was refused (and 1 more in the last second)"));
    let lines = desk.server.log.lines();
    assert_eq!(lines.iter().filter(|line| line.contains("evil.example")).count(), 2, "{lines:#?}");
}

#[test]
fn each_kind_of_line_is_counted_by_itself() {
    let desk = Desk::start();
    for _ in 0..100 {
        refuse(desk.server.addr, "http://evil.example");
    }
    desk.staff_peer("lee", Some("a-wrong-token")).expect_close(4401);
    let written = desk.server.stop();
    let refusals = written.stderr.iter().filter(|line| line.contains("staff lee was refused"));
    assert_eq!(refusals.map(|line| events(line)).collect::<Vec<_>>(), [1]);
}

#[test]
fn a_line_is_whole_and_short_however_long_and_odd_the_origin() {
    let desk = Desk::start();
    // Each takes more bytes in escapes than on the wire.
    for odd in ["\u{200b}", "\"\\", "\u{85}", "\u{1f600}"] {
        let origin = format!("http://{}", odd.repeat(7_000 / odd.len()));
        refuse(desk.server.addr, &origin);
    }
    let written = desk.server.stop();
    let (first, last) = (&written.stderr[0], written.stderr.last().unwrap());
    assert!(first.contains("listening on") && last.ends_with("stopped"), "{:#?}", written.stderr);
    let refused: Vec<&String> = written.stderr.iter().filter(|line| line.contains("a page of ")).collect();
    assert!(!refused.is_empty());
    for line in &written.stderr {
        assert!(!line.contains(char::is_control), "{line:?}");
        assert!(line.len() < LINE_BYTES_MAX, "{} bytes", line.len());
        let (time, rest) = line.split_once(' ').unwrap();
        let digits = time.bytes().map(|byte| if byte.is_ascii_digit() { b'0' } else { byte });
        assert_eq!(digits.collect::<Vec<u8>>(), b"0000-00-00T00:00:00.000Z", "{line}");
        assert!(rest.starts_with("INFO  [deskwire"), "{line}");
    }
    for line in refused {
        let (_, shown) = line.split_once("a page of ").unwrap();
        assert!(shown.len() < 200, "{} bytes of a peer's text: {line}", shown.len());
    }
}

// --- what peers write

/// A line of the log is one event: no control character from a peer can break or colour it.
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
    desk.server.signal("TERM");
    sam.expect_close(1001);
    kim.expect_close(1001);
    let written = desk.server.outcome();
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
