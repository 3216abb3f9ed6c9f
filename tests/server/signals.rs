//! SIGTERM, SIGINT and SIGHUP.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::support::{Chat, Desk, Next, PATIENCE, Request, Wire};

/// The server stops within 5 s of SIGTERM or SIGINT. A busy machine gets some more.
const OUT_WITHIN: Duration = Duration::from_secs(8);

#[test]
fn sigterm_and_sigint_close_everyone_with_1001_and_end_with_exit_0() {
    for signal in ["TERM", "INT"] {
        let mut desk = Desk::start();
        let Chat { alice, sam, .. } = desk.chat();
        let bob = desk.user("bob");
        let kim = desk.staff("kim");
        desk.server.signal(signal);
        alice.expect_close(1001);
        bob.expect_close(1001);
        sam.expect_close(1001);
        kim.expect_close(1001);
        assert_eq!(desk.server.exit_within(OUT_WITHIN), Some(0), "SIG{signal}");
        assert!(TcpStream::connect(desk.server.addr).is_err(), "nobody listens any more");
    }
}

#[test]
fn peers_that_do_not_answer_the_close_do_not_keep_the_server_running() {
    let mut desk = Desk::start();
    let mut silent: Vec<_> = (0..5).map(|n| desk.user(&format!("user-{n}"))).collect();
    let mut half_a_head = {
        let mut wire = Wire::connect(desk.server.addr);
        wire.write(b"GET / HT");
        wire
    };
    desk.assert_healthy();
    desk.server.signal("TERM");
    for user in &mut silent {
        user.expect_close_frame(1001);
    }
    // A connection without a complete head is closed at once.
    assert!(!matches!(half_a_head.more(Instant::now() + PATIENCE), Next::Late));
    let mut other = silent.swap_remove(0).into_wire();
    assert!(matches!(other.more(Instant::now()), Next::Late), "it has waited for the others' answers");
    assert_eq!(desk.server.exit_within(OUT_WITHIN), Some(0));
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let mut desk = Desk::start();
    let mut silent = desk.user("alice");
    desk.server.signal("TERM");
    // Not answered: the server has five seconds to wait for it.
    silent.expect_close_frame(1001);
    desk.server.signal("TERM");
    desk.server.exit_within(Duration::from_secs(3));
}

#[test]
fn two_signals_of_one_turn_are_one_request_to_stop() {
    let mut desk = Desk::start();
    let alice = desk.user("alice");
    desk.server.in_one_turn(|| {
        desk.server.signal("TERM");
        desk.server.signal("INT");
    });
    alice.expect_close(1001);
    assert_eq!(desk.server.exit_within(OUT_WITHIN), Some(0));
}

#[test]
fn a_server_that_is_stopping_accepts_nobody() {
    let desk = Desk::start();
    let mut silent = desk.user("alice");
    desk.server.signal("TERM");
    silent.expect_close_frame(1001);
    if let Ok(mut late) = TcpStream::connect(desk.server.addr) {
        use std::io::{Read, Write};
        let _ = late.write_all(&Request::upgrade("/ws/user/bob").bytes(desk.server.addr));
        late.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut answer = Vec::new();
        let _ = late.read_to_end(&mut answer);
        assert!(!answer.starts_with(b"HTTP/1.1 101"), "{}", answer.escape_ascii());
    }
}

#[test]
fn sighup_without_a_staff_file_changes_nothing() {
    let desk = Desk::start();
    let Chat { mut alice, mut sam, .. } = desk.chat();
    desk.server.signal("HUP");
    alice.say(1, "still there?");
    assert_eq!(sam.expect("message")["text"], "still there?");
    desk.assert_healthy();
}
