//! A service manager, simulated: a datagram socket that is notified, and a listening socket that is passed in.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::scenario::eventually;
use crate::support::{Desk, Launch, PATIENCE, Request, TOKEN, Wire};

/// The socket at which a service manager is notified; its path is in `NOTIFY_SOCKET`.
struct Notifications {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Notifications {
    fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("deskwire-notify-{test}-{}", process::id()));
        let _ = fs::remove_file(&path);
        let socket = UnixDatagram::bind(&path).expect("a path that is free");
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { socket, path }
    }

    fn launch(&self) -> Launch {
        Launch::new().env("NOTIFY_SOCKET", self.path.to_str().unwrap())
    }

    fn next(&self) -> String {
        let mut datagram = [0; 1024];
        let length = self.socket.recv(&mut datagram).expect("a notification in time");
        String::from_utf8_lossy(&datagram[..length]).into_owned()
    }

    /// The next notification but beats of the watchdog.
    fn next_change(&self) -> String {
        loop {
            let notification = self.next();
            if !notification.starts_with("WATCHDOG=1\n") {
                return notification;
            }
        }
    }
}

impl Drop for Notifications {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

fn listening() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

#[test]
fn the_service_manager_sees_ready_then_beats_then_stopping() {
    let manager = Notifications::new("life");
    let socket = listening();
    let addr = socket.local_addr().unwrap();
    let launch = manager.launch().env("WATCHDOG_USEC", "200000").pass_socket(socket.try_clone().unwrap());
    let mut desk = Desk::of(launch);
    assert_eq!(desk.server.addr, addr, "the socket that was passed in, and not --listen");
    assert_eq!(manager.next(), "READY=1\nSTATUS=connections: 0\n");
    let alice = desk.user("alice");
    let started = Instant::now();
    while manager.next() != "WATCHDOG=1\nSTATUS=connections: 1\n" {
        assert!(started.elapsed() < PATIENCE, "no beat has counted the user");
    }
    let started = Instant::now();
    (0..3).for_each(|_| assert!(manager.next().starts_with("WATCHDOG=1\n")));
    assert!(
        started.elapsed() >= Duration::from_millis(150),
        "a beat comes after half of the time, not before"
    );
    desk.server.signal("TERM");
    assert_eq!(manager.next_change(), "STOPPING=1\nSTATUS=closing all connections\n");
    alice.expect_close(1001);
    assert_eq!(desk.server.exit_within(PATIENCE), Some(0));
}

#[test]
fn a_loop_that_hangs_sends_no_beats() {
    let manager = Notifications::new("hang");
    let desk = Desk::of(manager.launch().env("WATCHDOG_USEC", "100000"));
    assert!(manager.next().starts_with("READY=1\n"));
    manager.next();
    desk.server.in_one_turn(|| {
        manager.socket.set_nonblocking(true).unwrap();
        while manager.socket.recv(&mut [0; 1024]).is_ok() {}
        manager.socket.set_nonblocking(false).unwrap();
        manager.socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        assert!(manager.socket.recv(&mut [0; 1024]).is_err(), "a beat of a process that stands still");
    });
    manager.socket.set_read_timeout(Some(PATIENCE)).unwrap();
    assert!(manager.next().starts_with("WATCHDOG=1\n"), "it goes on");
}

#[test]
fn without_a_watchdog_there_are_no_beats() {
    let manager = Notifications::new("quiet");
    let mut desk = Desk::of(manager.launch());
    assert!(manager.next().starts_with("READY=1\n"));
    let wakeups = desk.server.wakeups();
    desk.assert_healthy();
    assert!(desk.server.wakeups() - wakeups < 20, "nothing to wake up for");
    desk.server.signal("TERM");
    assert!(manager.next().starts_with("STOPPING=1\n"));
    assert_eq!(desk.server.exit_within(PATIENCE), Some(0));
}

#[test]
fn a_service_manager_that_is_gone_does_not_stop_the_desk() {
    let manager = Notifications::new("gone");
    let launch = manager.launch().env("WATCHDOG_USEC", "100000");
    drop(manager);
    let desk = Desk::of(launch);
    desk.server.log.wait("what is wrong", |line| line.contains("the service manager could not be notified"));
    desk.assert_healthy();
}

#[test]
fn a_restart_with_a_socket_that_was_passed_in_refuses_nobody() {
    let socket = listening();
    let addr = socket.local_addr().unwrap();
    let pass_socket = || Launch::new().pass_socket(socket.try_clone().unwrap());
    let desk = Desk::of(pass_socket());
    let alice = desk.user("alice");
    desk.server.signal("TERM");
    alice.expect_close(1001);
    let mut early = Wire::connect(addr);
    early.write(&Request::get("/healthz").bytes(addr));
    assert_eq!(desk.server.outcome().code, Some(0));
    let between = TcpStream::connect(addr).expect("the service manager's socket takes it");
    let desk = Desk::of(pass_socket());
    assert_eq!(early.response().status, 200, "asked of the old one, answered by the new one");
    drop(between);
    desk.assert_healthy();
}

#[test]
fn a_socket_that_others_can_reach_needs_a_token_whatever_listen_says() {
    let open = TcpListener::bind("0.0.0.0:0").unwrap();
    let addr = open.local_addr().unwrap().to_string();
    let ended = Launch::bare().pass_socket(open.try_clone().unwrap()).run();
    assert_eq!(ended.code, Some(2), "{:?}", ended.stderr);
    let [line] = &ended.stderr[..] else { panic!("not one line: {:#?}", ended.stderr) };
    assert!(line.contains(&addr) && line.contains("DESKWIRE_STAFF_TOKEN"), "{line}");
    let desk = Desk::of(Launch::bare().env("DESKWIRE_STAFF_TOKEN", TOKEN).pass_socket(open));
    desk.assert_healthy();
}

#[test]
fn a_passed_in_socket_that_does_not_listen_is_a_mistake() {
    let listener = listening();
    let connected = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let ended = Launch::new().pass_socket(connected).run();
    assert!(ended.code.is_some_and(|code| code != 0));
    let [line] = &ended.stderr[..] else { panic!("not one line: {:#?}", ended.stderr) };
    assert!(line.contains("does not listen"), "Accept=yes hands in such a socket: {line}");

    let ended = Launch::new().pass_socket(UnixDatagram::unbound().unwrap()).run();
    assert_eq!(ended.code, Some(2));
    let [line] = &ended.stderr[..] else { panic!("not one line: {:#?}", ended.stderr) };
    assert!(line.contains("LISTEN_FDS"), "{line}");
}

/// systemd's own program listens, and starts the desk with the first connection.
#[test]
#[ignore = "it needs systemd-socket-activate; `make test-unit` asks for it"]
fn systemd_passes_in_both_sockets() {
    let [desk_at, metrics_at] = [listening(), listening()].map(|socket| socket.local_addr().unwrap());
    let [first, second] = [desk_at, metrics_at].map(|address| address.to_string());
    thread::spawn(move || eventually("systemd listens", || TcpStream::connect(metrics_at).is_ok()));
    let program = ["systemd-socket-activate", "-l", &first, "-l", &second];
    let names = ["--fdname=deskwire.socket:metrics", "-E", "DESKWIRE_STAFF_TOKEN"];
    let words = [&program[..], &names[..], &[env!("CARGO_BIN_EXE_deskwire")]].concat();
    let desk = Desk::of(Launch::new().program(&words));
    assert_eq!(desk.server.addr, desk_at);
    assert_eq!(Wire::fetch(desk_at, &Request::get("/metrics")).0.status, 404);
    assert_eq!(Wire::fetch(metrics_at, &Request::get("/metrics")).0.status, 200);
    desk.user("alice").leave();
    assert_eq!(desk.server.stop().code, Some(0));
}

#[test]
fn a_second_socket_is_told_from_the_first_by_its_name() {
    for names in ["deskwire.socket:metrics", "metrics:deskwire.socket"] {
        let (desk, metrics) = (listening(), listening());
        let [desk_at, metrics_at] = [&desk, &metrics].map(|socket| socket.local_addr().unwrap());
        let sockets = if names.starts_with("metrics") { [metrics, desk] } else { [desk, metrics] };
        let desk = Desk::of(Launch::new().pass_two_sockets(sockets, names));
        assert_eq!(desk.server.addr, desk_at, "{names}");
        assert_eq!(Wire::fetch(metrics_at, &Request::get("/metrics")).0.status, 200, "{names}");
        assert_eq!(Wire::fetch(desk_at, &Request::get("/metrics")).0.status, 404, "{names}");
    }
    for (names, whose) in [("", "the desk"), ("one:two", "the desk"), ("metrics:metrics", "the metrics")] {
        let ended = Launch::new().pass_two_sockets([listening(), listening()], names).run();
        assert_eq!(ended.code, Some(2), "{names:?}");
        let said = ended.stdout.join("\n");
        assert!(said.contains(&format!("two sockets for {whose}")), "{said}");
    }
}
