//! `--metrics-listen`: the metrics at a second listener, which need not be public.

use std::net::SocketAddr;
use std::time::Instant;

use super::fetch;
use crate::support::scenario::{Metrics, eventually};
use crate::support::{Chat, Desk, Launch, Next, PATIENCE, Request, Wire};

/// The most connections of this listener.
const CONNECTIONS_MAX: usize = 4;

/// A desk, and the address of its metrics.
fn desk(args: &[&str]) -> (Desk, SocketAddr) {
    let desk = Desk::of(Launch::new().args(&["--metrics-listen", "127.0.0.1:0"]).args(args));
    let line = desk.server.out.wait("the address", |line| line.starts_with("metrics      http://"));
    let address = line.trim_start_matches("metrics      http://").trim_end_matches("/metrics");
    let address = address.parse().unwrap_or_else(|error| panic!("{line}: {error}"));
    (desk, address)
}

fn status(address: SocketAddr, request: &Request) -> u16 {
    Wire::fetch(address, request).0.status
}

fn metrics(address: SocketAddr) -> Metrics {
    let (response, body) = Wire::fetch(address, &Request::get("/metrics"));
    assert_eq!(response.status, 200);
    Metrics::parse(&body)
}

#[test]
fn metrics_are_at_their_own_listener_and_nothing_else_is() {
    let (desk, metrics_addr) = desk(&[]);
    assert_eq!(fetch(&desk, &Request::get("/metrics")).0.status, 404, "not in public");
    desk.assert_healthy();
    assert_eq!(status(metrics_addr, &Request::get("/healthz")), 200);
    assert_eq!(status(metrics_addr, &Request::new("HEAD", "/metrics")), 200);
    assert_eq!(status(metrics_addr, &Request::new("POST", "/metrics")), 405);
    for path in ["/", "/staff", "/widget.js", "/metrics/", "/ws/user/ann"] {
        assert_eq!(status(metrics_addr, &Request::get(path)), 404, "{path}");
    }
    for path in ["/ws/user/ann", "/ws/staff/sam", "/metrics"] {
        assert_eq!(status(metrics_addr, &Request::upgrade(path)), 404, "{path}");
    }
    let Chat { mut alice, mut sam, .. } = desk.chat();
    alice.say(1, "hello");
    sam.expect("message");
    assert_eq!(metrics(metrics_addr).total(&["messages_relayed"]), 1.0, "of the whole desk");
}

#[test]
fn its_connections_count_for_no_limit_of_the_desk() {
    // All connections of the desk are in use, and all further sockets.
    let (desk, metrics_addr) = desk(&["--max-connections", "2"]);
    let (_alice, _sam) = (desk.user("alice"), desk.staff("sam"));
    let before = metrics(metrics_addr);
    let _silent: Vec<Wire> = (0..40).map(|_| Wire::connect(desk.server.addr)).collect();
    eventually("the flood is in", || metrics(metrics_addr).total(&["connections{"]) >= 34.0);
    let after = metrics(metrics_addr);
    assert_eq!(after.total(&["connections_open"]), 2.0);
    let sources = |metrics: &Metrics| metrics.total(&["client_addresses_total"]);
    assert_eq!(sources(&after), sources(&before), "a reader of metrics is not counted as a client");
}

#[test]
fn silent_connections_make_others_wait_at_this_listener_and_at_no_other() {
    let (desk, metrics_addr) = desk(&[]);
    let before = desk.server.descriptors();
    let mut silent: Vec<Wire> = (0..CONNECTIONS_MAX).map(|_| Wire::connect(metrics_addr)).collect();
    eventually("all are in", || desk.server.descriptors() >= before + CONNECTIONS_MAX);
    let mut late = Wire::connect(metrics_addr);
    late.write(&Request::get("/metrics").bytes(metrics_addr));
    desk.assert_healthy();
    assert!(matches!(late.more(Instant::now()), Next::Late), "it waits in the backlog");
    drop(silent.pop());
    assert_eq!(late.response().status, 200, "the next one is taken");
    // The deadline of a head ends the others.
    let deadline = Instant::now() + 2 * PATIENCE;
    for mut wire in silent {
        assert!(!matches!(wire.more(deadline), Next::Late), "408, and the end");
    }
}

#[test]
fn a_flood_at_this_listener_does_not_keep_users_out() {
    let (desk, metrics_addr) = desk(&["--max-connections", "2"]);
    // As many as the backlog holds.
    let flood: Vec<Wire> = (0..100).map(|_| Wire::connect(metrics_addr)).collect();
    let Chat { mut alice, mut sam, .. } = desk.chat();
    alice.say(1, "hello");
    sam.expect("message");
    drop(flood);
    eventually("it is served again", || status(metrics_addr, &Request::get("/healthz")) == 200);
}

#[test]
fn an_address_in_use_is_named() {
    let (_desk, metrics_addr) = desk(&[]);
    let ended = Launch::new().args(&["--metrics-listen", &metrics_addr.to_string()]).run();
    assert_eq!(ended.code, Some(1));
    let [line] = &ended.stderr[..] else { panic!("not one line: {:#?}", ended.stderr) };
    assert!(line.contains(&format!("cannot listen on {metrics_addr}")), "{line}");
}

#[test]
fn at_the_end_both_listeners_are_closed() {
    let (desk, metrics_addr) = desk(&[]);
    let address = desk.server.addr;
    assert_eq!(desk.server.stop().code, Some(0));
    for address in [address, metrics_addr] {
        assert!(std::net::TcpStream::connect(address).is_err(), "{address}");
    }
}
