//! Request heads that are slow, endless, or followed by too much.

use std::time::{Duration, Instant};

use super::{KIB, MIB, sockets_max, while_two_chat};
use crate::support::wire::whole;
use crate::support::{Desk, Next, Request, Wire, op};

/// Limit: ten seconds from accept to a whole head, never extended.
#[test]
fn silent_and_slow_heads_are_all_answered_with_408() {
    let desk = Desk::start();
    let grown = while_two_chat(&desk, || {
        let started = Instant::now();
        let crowd = sockets_max(200);
        let mut all: Vec<Wire> = (0..crowd).map(|_| Wire::connect(desk.server.addr)).collect();
        // Connections that come and go leave deadlines behind. Those are removed, and no others with them.
        (0..3000).for_each(|_| drop(Wire::connect(desk.server.addr)));
        let mut head = b"GET / HTTP/1.1\r\nHost: x\r\nX: ".iter().chain([b'x'; 1000].iter());
        // Half of them send nothing, the others a byte every half second. The first is answered when the time is over.
        loop {
            let byte = *head.next().expect("slower than the deadline");
            for wire in all.iter_mut().skip(1).step_by(2) {
                let _ = wire.try_write(&[byte]);
            }
            match all[0].more(Instant::now() + Duration::from_millis(500)) {
                Next::Late => {
                    assert!(started.elapsed() < Duration::from_secs(15), "ten seconds are long over");
                }
                _ => break,
            }
        }
        for mut wire in all {
            let response = wire.response();
            assert_eq!((response.status, response.header("connection")), (408, Some("close")));
            wire.rest();
        }
        assert!(started.elapsed() < Duration::from_secs(15), "a byte now and then has bought more time");
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
            // A refused head is not read to its end: the write may fail, but the answer has been sent.
            if wire.try_write(head).is_ok() {
                assert_eq!(wire.response().status, 431);
            }
        }
        // The smallest headers possible: fewer than 8 KiB, but very many lines.
        let mut many = b"GET /healthz HTTP/1.1\r\nHost: x\r\n".to_vec();
        many.extend(b"a:\r\n".repeat(1500));
        many.extend(b"\r\n");
        let mut wire = Wire::connect(desk.server.addr);
        wire.write(&many);
        assert!(matches!(wire.response().status, 200 | 400 | 431));
    });
    assert!(grown < 3 * KIB, "grown by {grown} KiB");
}

/// Limit: what follows a head is read like all input, one bounded recv a turn.
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
