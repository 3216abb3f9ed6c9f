//! Request heads: malformed, too long, or in pieces.

use super::check;
use crate::handshake::welcomed;
use crate::support::wire::whole;
use crate::support::{Desk, Request, Wire, op};

/// The limit of the protocol for a request head.
const HEAD_BYTES_MAX: usize = 8 * 1024;

/// Sends bytes that are not a proper request, and reads the answer to its orderly end.
fn status_of(desk: &Desk, bytes: &[u8]) -> u16 {
    let mut wire = Wire::connect(desk.server.addr);
    // The server may answer and close before everything is written.
    let _ = wire.try_write(bytes);
    let response = wire.response();
    check(&response);
    wire.rest();
    response.status
}

#[test]
fn a_host_that_is_none_is_400() {
    let desk = Desk::start();
    let with = |host: &[u8]| {
        let head = [&b"GET /healthz HTTP/1.1\r\nHost: "[..], host, b"\r\n\r\n"].concat();
        status_of(&desk, &head)
    };
    for host in ["h", "desk.example:8000", "127.0.0.1", "[::1]:8000", "desk.example:", ""] {
        assert_eq!(with(host.as_bytes()), 200, "{host}");
    }
    let bad: [&[u8]; 9] = [
        b"a b",
        b"a/b",
        b"user@a",
        b"http://a",
        b"a:b",
        b"[::1",
        b"a,b c",
        b"\xff\xfe",
        "b\u{fc}cher.example".as_bytes(),
    ];
    for host in bad {
        assert_eq!(with(host), 400, "{}", host.escape_ascii());
    }
}

#[test]
fn a_malformed_request_is_400() {
    let desk = Desk::start();
    let heads: [&[u8]; 18] = [
        b"GARBAGE\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET / HTTP/3.7\r\nHost: x\r\n\r\n",
        b"GET / HTTQ/1.1\r\nHost: x\r\n\r\n",
        b"GET  / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nHo st: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n: nameless\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nA: nul \0 byte\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nA: esc \x1b[31m\r\n\r\n",
        // RFC 9112 3.2: a request of HTTP/1.1 without Host.
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n",
        // RFC 9112 5.1 and 5.2: a blank before the colon, and a field that goes on in the next line.
        b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n",
        // RFC 9112 3.2 and RFC 3986 2.: a target has no fragment, and is percent-encoded.
        b"GET /healthz#top HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /b\u{fc}cher HTTP/1.1\r\nHost: x\r\n\r\n".as_bytes(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        // A browser with an https link: the start of a TLS ClientHello.
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ];
    for head in heads {
        assert_eq!(status_of(&desk, head), 400, "{}", head.escape_ascii());
    }
}

#[test]
fn a_head_over_8_kib_is_431() {
    let desk = Desk::start();
    let padded = |bytes: usize| {
        let request = Request::upgrade("/ws/user/alice");
        let rest = bytes - request.clone().header("X", "").bytes(desk.server.addr).len();
        request.header("X", &"x".repeat(rest))
    };
    let just = padded(HEAD_BYTES_MAX);
    assert_eq!(just.bytes(desk.server.addr).len(), HEAD_BYTES_MAX);
    welcomed(&desk, &just);
    assert_eq!(status_of(&desk, &padded(HEAD_BYTES_MAX + 1).bytes(desk.server.addr)), 431);
    // A head without an end.
    let mut endless = b"GET / HTTP/1.1\r\nHost: x\r\nX: ".to_vec();
    endless.resize(HEAD_BYTES_MAX + 1, b'x');
    assert_eq!(status_of(&desk, &endless), 431);
    let mut path = b"GET /".to_vec();
    path.resize(HEAD_BYTES_MAX + 1, b'x');
    assert_eq!(status_of(&desk, &path), 431);
}

#[test]
fn bytes_pipelined_behind_a_head_do_not_count_as_head() {
    let desk = Desk::start();
    let mut wire = Wire::connect(desk.server.addr);
    let mut bytes = Request::upgrade("/ws/user/alice").bytes(desk.server.addr);
    let before = bytes.len();
    while bytes.len() < before + HEAD_BYTES_MAX {
        bytes.extend(whole(op::PING, &[b'p'; 100]));
    }
    wire.write(&bytes);
    assert_eq!(wire.response().status, 101);
    assert_eq!(wire.frame().op, op::TEXT, "the welcome");
    assert_eq!(wire.frame().op, op::PONG);
}

#[test]
fn a_head_that_arrives_byte_by_byte_is_a_head() {
    let desk = Desk::start();
    let mut wire = Wire::connect(desk.server.addr);
    for byte in Request::upgrade("/ws/user/alice").bytes(desk.server.addr) {
        wire.write(&[byte]);
    }
    assert_eq!(wire.response().status, 101);
    assert!(wire.frame().text().contains("welcome"));

    let mut wire = Wire::connect(desk.server.addr);
    for byte in Request::get("/healthz").bytes(desk.server.addr) {
        wire.write(&[byte]);
    }
    assert_eq!(wire.response().status, 200);
}
