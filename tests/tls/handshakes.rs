//! Handshakes: the versions of TLS, and peers that are slow, broken, or speak something else.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use crate::support::scenario::{Metrics, eventually};
use crate::support::tls::{Certificate, certificate, s_client, tunnel};
use crate::support::{Chat, Desk, Next, PATIENCE, Request, Wire, int};
use crate::{desk, desk_with, through_tunnel};

const HEALTH: &str = "GET /healthz HTTP/1.1\r\nHost: desk.example\r\n\r\n";
const KIB: u64 = 1024;

/// A socket with the start of a TLS record that announces more bytes than follow.
fn silent_client(desk: &Desk) -> TcpStream {
    let mut socket = TcpStream::connect(desk.server.addr).unwrap();
    socket.set_read_timeout(Some(PATIENCE * 2)).unwrap();
    socket.write_all(&[0x16, 3, 1, 1, 0, 1]).unwrap();
    socket
}

fn failures(desk: &Desk) -> usize {
    desk.server.log.lines().iter().filter(|line| line.contains("a TLS handshake has failed")).count()
}

#[test]
fn a_chat_over_tls_is_a_chat() {
    let desk = through_tunnel(desk(), &certificate().client());
    let Chat { mut alice, mut sam, ticket } = desk.chat();
    alice.say(1, "is anybody there?");
    assert_eq!(sam.expect("message")["text"], "is anybody there?");
    assert_eq!(int(&alice.expect("ack"), "seq"), 1);
    sam.say(&ticket, 1, &"\u{1F5A8}".repeat(4000));
    assert_eq!(int(&alice.expect("message"), "seq"), 2);
    alice.leave();
    sam.leave();
}

#[test]
fn tls_1_2_and_1_3_are_spoken_and_nothing_older() {
    let desk = desk();
    for (version, protocol) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
        let said = s_client(desk.server.addr, &[version, "-alpn", "h2,http/1.1"], HEALTH);
        assert!(said.contains(&format!("New, {protocol}, Cipher is")), "{said}");
        assert!(said.contains("ALPN protocol: http/1.1"), "{said}");
        assert!(said.contains("HTTP/1.1 200 OK"), "{said}");
        // A close_notify has come before the end: s_client tells the two apart.
        assert!(said.contains("closed") && !said.contains("unexpected eof"), "{said}");
    }
    let refused = s_client(desk.server.addr, &["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], HEALTH);
    assert!(refused.contains("alert") && !refused.contains("200 OK"), "{refused}");
    let other = s_client(desk.server.addr, &["-alpn", "h2"], HEALTH);
    assert!(other.contains("alert no application protocol"), "{other}");
    desk.server.log.wait("why", |line| line.contains("INFO") && line.contains("a TLS handshake has failed"));
}

#[test]
fn a_request_without_tls_is_told_so() {
    let desk = desk();
    for request in [Request::get("/"), Request::upgrade("/ws/user/ann")] {
        let (response, body) = Wire::fetch(desk.server.addr, &request);
        assert_eq!((response.status, response.header("connection")), (400, Some("close")));
        assert!(String::from_utf8(body).unwrap().contains("https://"));
    }
    // It has sent a megabyte behind, and no reset destroys the answer.
    let mut wire = Wire::connect(desk.server.addr);
    wire.stream().set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    let _ = wire.try_write(&[b"POST / HTTP/1.1\r\nHost: a\r\n\r\n", &[b'x'; 1 << 20][..]].concat());
    assert_eq!(wire.response().status, 400);
    let lines = desk.server.log.lines().iter().filter(|line| line.contains("without TLS")).count();
    assert!((1..=2).contains(&lines), "at most one a second");
}

#[test]
fn each_way_in_which_a_handshake_ends_is_counted() {
    let desk = desk();
    let direct = desk.server.addr;
    let trusted = tunnel(direct, &certificate().client());
    let counted = |words: &[&str]| {
        let (_, body) = Wire::fetch(trusted, &Request::get("/metrics"));
        Metrics::parse(&body).total(words)
    };
    let done = counted(&["tls_handshakes_total"]);
    assert_eq!(counted(&["tls_handshakes_total"]), done + 1.0);
    assert_eq!(counted(&["handshakes_failed"]), 0.0);
    // Each of these has just one fault.
    Wire::fetch(direct, &Request::get("/"));
    s_client(direct, &["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], "");
    s_client(direct, &["-alpn", "h2"], "");
    // It trusts another certificate than this one.
    let untrusting = TcpStream::connect(tunnel(direct, &Certificate::new().client())).unwrap();
    let _ = { &untrusting }.read(&mut [0]);
    let mut broken = TcpStream::connect(direct).unwrap();
    broken.write_all(&[0x16; 3000]).unwrap();
    let _ = broken.read_to_end(&mut Vec::new());
    silent_client(&desk);
    let mut left = TcpStream::connect(direct).unwrap();
    left.write_all(&recorded_hello()).unwrap();
    assert!(left.read(&mut [0; 100]).is_ok_and(|length| length > 0));
    drop(left);
    // A connection that sends nothing, such as a health check's, has begun no handshake.
    drop(TcpStream::connect(direct));
    for (cause, count) in
        [("plain", 1.0), ("incompatible", 2.0), ("alert", 1.0), ("malformed", 1.0), ("unfinished", 2.0)]
    {
        let label = format!("cause=\"{cause}\"");
        eventually(cause, || counted(&["handshakes_failed", &label]) >= count);
        assert_eq!(counted(&["handshakes_failed", &label]), count, "{cause}");
    }
}

/// Limit: the head's 10 s, from accept to the last byte of the head, with the handshake in it.
#[test]
fn a_handshake_that_stalls_is_ended_at_the_heads_deadline_and_counted() {
    let desk = desk();
    let before = desk.server.descriptors();
    let started = Instant::now();
    let mut stalled: Vec<TcpStream> = (0..20).map(|_| silent_client(&desk)).collect();
    stalled.extend((0..20).map(|_| TcpStream::connect(desk.server.addr).unwrap()));
    for mut socket in stalled {
        socket.set_read_timeout(Some(PATIENCE * 2)).unwrap();
        let _ = socket.write(&[0]);
        assert!(
            socket.read(&mut [0; 64]).is_ok_and(|length| length <= 7) || started.elapsed().as_secs() >= 10
        );
    }
    assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
    eventually("every descriptor is back", || desk.server.descriptors() <= before);
    let desk = through_tunnel(desk, &certificate().client());
    assert_eq!(desk.metrics().total(&["expired"]), 40.0);
}

#[test]
fn broken_handshakes_end_at_once_in_one_line_a_second() {
    let desk = desk();
    let before = desk.server.descriptors();
    let hello = recorded_hello();
    let mut garbage =
        vec![vec![0x80; 100], vec![0x16, 3, 1, 0xFF, 0xFF], vec![0x16; 3000], vec![0x17, 3, 3, 0, 1, 0]];
    garbage.push(
        [&[0x16, 3, 1, 0, 4, 1, 0xFF, 0xFF, 0xFF][..], &[0x16, 3, 1, 0x3F, 0xFF], &[0; 0x3FFF]].concat(),
    );
    // Each byte of a good hello once wrong, and each end cut off with the connection.
    for at in 0..hello.len() {
        let mut wrong = hello.clone();
        wrong[at] ^= 0x55;
        garbage.push(wrong);
    }
    let started = Instant::now();
    for bytes in garbage.iter().map(Vec::as_slice).chain((0..hello.len()).map(|length| &hello[..length])) {
        let mut socket = TcpStream::connect(desk.server.addr).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.write_all(bytes).unwrap();
        socket.shutdown(Shutdown::Write).unwrap();
        // An alert, an answer, or nothing, and the end.
        let mut answer = Vec::new();
        let _ = socket.read_to_end(&mut answer);
        assert!(answer.len() < 4096);
    }
    let seconds = usize::try_from(started.elapsed().as_secs()).unwrap();
    assert!((1..=seconds + 2).contains(&failures(&desk)), "{} lines in {seconds} s", failures(&desk));
    eventually("every descriptor is back", || desk.server.descriptors() <= before);
    through_tunnel(desk, &certificate().client()).assert_healthy();
}

/// What a client of rustls sends first.
fn recorded_hello() -> Vec<u8> {
    let name = "localhost".try_into().unwrap();
    let mut client = rustls::ClientConnection::new(certificate().client(), name).unwrap();
    let mut hello = Vec::new();
    client.write_tls(&mut hello).unwrap();
    hello
}

/// Limit: 8 KiB of a handshake, as of a head; and a turn takes a bounded number of handshakes, which cost far more than
/// bytes.
#[test]
fn a_crowd_of_handshakes_stalls_nobody_and_is_not_kept() {
    let desk = desk();
    let direct = desk.server.addr;
    let before = desk.server.descriptors();
    let desk = through_tunnel(desk, &certificate().client());
    let Chat { mut alice, mut sam, ticket } = desk.chat();
    let rss = desk.server.rss_kib();
    let hello = recorded_hello();
    let mut longest = Duration::ZERO;
    for id in 1..=10 {
        // Whole hellos of clients that never go on, and records that never end.
        let mut crowd: Vec<TcpStream> = (0..50).map(|_| TcpStream::connect(direct).unwrap()).collect();
        for (nth, socket) in crowd.iter_mut().enumerate() {
            let endless = [&[0x16, 3, 1, 0x3F, 0xFF][..], &[1, 0, 0x3F, 0xF0], &[0; 0x3000]].concat();
            let _ = socket.write_all(if nth % 2 == 0 { &hello } else { &endless });
        }
        let started = Instant::now();
        alice.say(id, "still there?");
        assert_eq!(int(&sam.expect("message"), "id"), id);
        longest = longest.max(started.elapsed());
        sam.delivered(&ticket, id);
        alice.expect("delivered");
    }
    assert!(longest < Duration::from_secs(2), "{longest:?}");
    eventually("every descriptor is back", || desk.server.descriptors() <= before + 2);
    let grown = desk.server.rss_kib().saturating_sub(rss);
    assert!(grown < 3 * KIB, "grown by {grown} KiB");
}

/// Whatever the pieces in which records come, they are the same bytes.
#[test]
fn a_slow_line_that_cuts_records_into_bytes_brings_all_of_them() {
    let desk = desk_with(certificate(), &["--rate-limit", "0"]);
    let mut session =
        rustls::ClientConnection::new(certificate().client(), "localhost".try_into().unwrap()).unwrap();
    let mut socket = TcpStream::connect(desk.server.addr).unwrap();
    socket.set_nodelay(true).unwrap();
    session.complete_io(&mut socket).unwrap();
    let request = format!("GET /healthz HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(3000));
    for piece in request.as_bytes().chunks(500) {
        session.writer().write_all(piece).unwrap();
    }
    let mut records = Vec::new();
    while session.wants_write() {
        session.write_tls(&mut records).unwrap();
    }
    for byte in records {
        socket.write_all(&[byte]).unwrap();
    }
    let mut answer = Vec::new();
    rustls::Stream::new(&mut session, &mut socket).read_to_end(&mut answer).unwrap();
    assert!(String::from_utf8(answer).unwrap().ends_with("\r\n\r\nok"));
}

/// Limit: 32 KiB of output, of which at most one record is encrypted, and what the kernel takes.
#[test]
fn one_who_reads_nothing_costs_no_more_than_without_tls() {
    let desk = through_tunnel(desk_with(certificate(), &["--rate-limit", "0"]), &certificate().client());
    let (mut wire, response) = Wire::ask(desk.server.addr, &Request::upgrade("/ws/user/mallory"));
    assert_eq!(response.status, 101);
    wire.frame();
    let before = desk.server.rss_kib();
    wire.stream().set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    let questions = crate::support::wire::whole(crate::support::op::TEXT, b"{}").repeat(10_000);
    while wire.try_write(&questions).is_ok() {}
    let grown = desk.server.rss_kib().saturating_sub(before);
    assert!(grown < KIB, "grown by {grown} KiB");
    // It reads at last, and each answer is whole.
    for _ in 0..10_000 {
        assert!(
            matches!(wire.next(Instant::now() + PATIENCE), Next::Some(frame) if frame.text().contains("bad_message"))
        );
    }
}
