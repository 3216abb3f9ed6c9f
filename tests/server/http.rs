//! What the port answers to plain HTTP, and to heads that are none; handshakes are in handshake.rs. The one answer that takes
//! ten seconds, 408, is waited for in hostile.rs.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::support::scenario::{Metrics, eventually};
use crate::support::wire::whole;
use crate::support::{Chat, Desk, Request, Response, Value, Wire, op};

/// The limit of the protocol for a request head.
const HEAD_BYTES_MAX: usize = 8 * 1024;

fn fetch(desk: &Desk, request: &Request) -> (Response, Vec<u8>) {
    let (response, body) = Wire::fetch(desk.server.addr, request);
    check(&response);
    let length = response.header("content-length").expect("a length, so that a cut body shows");
    assert!(
        body.is_empty() || length == body.len().to_string(),
        "{length} was promised, {} came",
        body.len()
    );
    (response, body)
}

fn status(desk: &Desk, request: &Request) -> u16 {
    fetch(desk, request).0.status
}

/// What each plain answer has: the word that it is the last, and its date.
fn check(response: &Response) {
    assert!(is_last(response), "{response:?}");
    let date = response.header("date").expect("RFC 9110 6.6.1: an answer has a date");
    let at = httpdate::parse_http_date(date).expect("a date of RFC 9110 5.6.7");
    let now = SystemTime::now();
    assert!(at <= now && now.duration_since(at).is_ok_and(|age| age < Duration::from_secs(60)), "{date}");
    assert_eq!(httpdate::fmt_http_date(at), date, "the form that may be sent");
}

/// Whether `Connection` says that nothing will follow; beside `close` it may name `Upgrade`, where one is offered.
fn is_last(response: &Response) -> bool {
    let options = response.header("connection").unwrap_or_default().split(',');
    options.into_iter().any(|option| option.trim().eq_ignore_ascii_case("close"))
}

/// Sends bytes that are no proper request, and reads the answer to its orderly end.
fn status_of(desk: &Desk, bytes: &[u8]) -> u16 {
    let mut wire = Wire::connect(desk.server.addr);
    // The server may have answered and be done before it was told all.
    let _ = wire.try_write(bytes);
    let response = wire.response();
    check(&response);
    wire.rest();
    response.status
}

fn welcomed(desk: &Desk, request: &Request) {
    let (mut wire, response) = Wire::ask(desk.server.addr, request);
    assert_eq!(response.status, 101, "{response:?}");
    let welcome: Value = serde_json::from_str(wire.frame().text()).expect("JSON");
    assert_eq!(welcome["type"], "welcome");
}

#[test]
fn a_socket_path_without_an_upgrade_is_426() {
    let desk = Desk::start();
    for path in ["/ws/user/alice", "/ws/staff/sam"] {
        for method in ["GET", "HEAD"] {
            let (response, _) = fetch(&desk, &Request::new(method, path));
            assert_eq!(response.status, 426, "{method} {path}");
            assert!(response.header("upgrade").is_some_and(|value| value.eq_ignore_ascii_case("websocket")));
            assert_eq!(response.header("sec-websocket-version"), Some("13"));
        }
    }
}

#[test]
fn both_pages_and_every_file_that_they_name_are_served_as_they_stand_in_frontend() {
    let desk = Desk::start();
    let frontend = Path::new(env!("CARGO_MANIFEST_DIR")).join("frontend");
    let mut served = Vec::new();
    for path in ["/", "/staff"] {
        let (response, body) = fetch(&desk, &Request::get(path));
        assert_eq!(response.status, 200, "{path}");
        let kind = response.header("content-type").expect("a type");
        assert!(
            kind.starts_with("text/html") && kind.to_ascii_lowercase().contains("utf-8"),
            "{path}: {kind}"
        );
        let page = String::from_utf8(body).expect("a page is UTF-8");
        for name in named_files(&page) {
            let (response, body) = fetch(&desk, &Request::get(&format!("/{name}")));
            assert_eq!(response.status, 200, "{path} names {name}");
            assert_eq!(body, fs::read(frontend.join(&name)).expect("it stands in frontend/"), "{name}");
            let kind = response.header("content-type").expect("a type");
            let wanted = match name.rsplit_once('.').expect("an ending").1 {
                "css" => "text/css",
                "js" => "text/javascript",
                "svg" => "image/svg+xml",
                "html" => "text/html",
                "png" => "image/png",
                "ico" => "image/",
                "webmanifest" | "json" => "application/",
                other => panic!("{name}: what type has a .{other} file?"),
            };
            assert!(kind.starts_with(wanted), "{name} came as {kind}");
            served.push(name);
        }
    }
    assert!(served.iter().any(|name| name.ends_with(".js")), "the pages do something: {served:?}");
    assert!(served.iter().any(|name| name.ends_with(".css")), "the pages look like something: {served:?}");
}

/// The relative files in `src` and `href` of a page.
fn named_files(page: &str) -> Vec<String> {
    let values = ["src=\"", "href=\""].into_iter().flat_map(|name| page.split(name).skip(1));
    let values = values.filter_map(|rest| rest.split('"').next()).map(|value| value.trim_start_matches("./"));
    let file = |value: &&str| value.contains('.') && !value.contains(':') && !value.starts_with('#');
    values.filter(file).map(|value| value.trim_start_matches('/').to_owned()).collect()
}

#[test]
fn a_page_says_what_it_may_load_who_may_embed_it_and_that_it_is_to_be_asked_for_again() {
    let desk = Desk::start();
    for path in ["/", "/staff"] {
        for method in ["GET", "HEAD"] {
            let (response, _) = fetch(&desk, &Request::new(method, path));
            let policy = response.header("content-security-policy").expect("a policy");
            assert!(policy.contains("default-src 'none'"), "{path}: {policy}");
            assert!(
                policy.split(';').any(|part| part.trim().starts_with("frame-ancestors ")),
                "{path}: {policy}"
            );
            let caching = response.header("cache-control").expect("Cache-Control");
            assert!(caching.contains("no-cache") || caching.contains("no-store"), "{path}: {caching}");
            assert_eq!(response.header("x-content-type-options"), Some("nosniff"), "{path}");
            assert_eq!(response.header("referrer-policy"), Some("no-referrer"), "{path}");
        }
    }
}

#[test]
fn healthz_says_ok() {
    let desk = Desk::start();
    let (response, body) = fetch(&desk, &Request::get("/healthz"));
    assert_eq!(response.status, 200);
    assert_eq!(body.trim_ascii(), b"ok");
}

#[test]
fn head_is_answered_like_get_without_the_body() {
    let desk = Desk::start();
    for path in ["/", "/staff", "/healthz"] {
        let (get, body) = fetch(&desk, &Request::get(path));
        let (head, nothing) = fetch(&desk, &Request::new("HEAD", path));
        assert_eq!(head.status, 200, "{path}");
        assert_eq!(head.header("content-length"), Some(body.len().to_string().as_str()), "{path}");
        assert_eq!(head.header("content-type"), get.header("content-type"), "{path}");
        assert!(nothing.is_empty(), "{path}: HEAD has no body");
    }
    let (head, nothing) = fetch(&desk, &Request::new("HEAD", "/metrics"));
    assert_eq!((head.status, nothing.len()), (200, 0));
    let (head, nothing) = fetch(&desk, &Request::new("HEAD", "/nowhere"));
    assert_eq!((head.status, nothing.len()), (404, 0));
}

#[test]
fn metrics_are_prometheus_text_and_count_what_happens() {
    let desk = Desk::start();
    let Chat { mut alice, mut sam, ticket } = desk.chat();
    let mut bob = desk.user("bob");
    bob.create("a lamp");
    bob.send_text("nonsense");
    bob.refused("bad_message");
    alice.say(1, "hello");
    alice.expect("ack");
    desk.staff_peer("kim", None).expect_close(4401);
    let mut mallory = desk.user_peer("mallory", None);
    mallory.write(&whole(3, b"an opcode that is not in use"));
    mallory.expect_close(1002);
    desk.server.log.wait("whose fault it was", |line| line.contains("closed with 1002"));

    let (response, body) = fetch(&desk, &Request::get("/metrics"));
    assert_eq!(response.status, 200);
    assert!(
        response.header("content-type").is_some_and(|kind| kind.starts_with("text/plain")),
        "{response:?}"
    );
    let body = String::from_utf8(body).expect("text");
    assert!(body.ends_with('\n'), "the format wants the last line ended");
    for name in ["alice", "bob", "sam", ticket.as_str(), "printer", "hello"] {
        assert!(!body.contains(name), "{name} is nobody's business");
    }
    let mut typed = Vec::new();
    for line in body.lines().filter(|line| !line.is_empty()) {
        if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').expect("a name and a type");
            assert!(["counter", "gauge", "histogram", "summary"].contains(&kind), "{line}");
            assert!(!typed.contains(&name), "{name} is typed twice");
            typed.push(name);
        } else if !line.starts_with('#') {
            let name = line.split(['{', ' ']).next().expect("a name");
            assert!(
                typed.last().is_some_and(|last| name.starts_with(last)),
                "{line} stands outside its family"
            );
        }
    }

    let metrics = desk.metrics();
    let total = |words: &[&str]| metrics.total(words);
    assert_eq!(total(&["tickets", "state=\"waiting\""]), 1.0);
    assert_eq!(total(&["tickets", "state=\"active\""]), 1.0);
    assert_eq!(total(&["tickets", "state=\"paused\""]), 0.0);
    assert_eq!(total(&["role=\"user\""]), 2.0);
    assert_eq!(total(&["role=\"staff\""]), 1.0);
    assert!(total(&["connections", "phase=\"open\""]) >= 3.0);
    assert!(total(&["messages"]) >= 1.0);
    assert_eq!(total(&["code=\"bad_message\""]), 1.0);
    assert_eq!(total(&["clos", "code=\"4401\""]), 1.0);
    assert_eq!(total(&["clos", "code=\"1002\""]), 1.0);
    assert!(total(&["bytes"]) > 500.0);
    assert!(total(&["turns"]) > 5.0);
    total(&["turn", "longest"]);
    sam.nothing_of(&["error"]);
}

#[test]
fn what_comes_in_and_goes_out_is_counted_to_the_byte() {
    let desk = Desk::start();
    let Chat { mut alice, mut sam, .. } = desk.chat();
    let question = Request::get("/metrics").bytes(desk.server.addr);
    let look = || {
        let mut wire = Wire::connect(desk.server.addr);
        wire.write(&question);
        wire.rest()
    };
    let counted = |answer: &[u8]| {
        let head = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
        let metrics = Metrics::parse(&answer[head + 4..]);
        ["accepted", "bytes_in", "bytes_out", "frames_in", "frames_out"].map(|name| metrics.total(&[name]))
    };
    let (first, second) = (look(), look());
    alice.say(1, "hello");
    alice.expect("ack");
    sam.expect("message");
    let third = look();
    let grown = |before: &[u8], after: &[u8]| {
        let (before, after) = (counted(before), counted(after));
        std::array::from_fn(|nth| after[nth] - before[nth])
    };
    // What has asked is counted already, its answer is not yet.
    let between: [f64; 5] = grown(&first, &second);
    assert_eq!(between, [1.0, question.len() as f64, first.len() as f64, 0.0, 0.0]);
    let [accepted, bytes_in, bytes_out, frames_in, frames_out] = grown(&second, &third);
    assert_eq!([accepted, frames_in, frames_out], [1.0, 1.0, 2.0], "a message, its ack and itself");
    assert!(bytes_in > question.len() as f64 && bytes_out > second.len() as f64);
}

#[test]
fn any_other_path_is_404() {
    let desk = Desk::start();
    let paths =
        ["/nowhere", "/index.php", "/ws", "/ws/", "/ws/user", "/ws/boss/alice", "/healthz/x", "/staff/x"];
    let outside =
        ["/../Cargo.toml", "/../../../etc/passwd", "/%2e%2e/Cargo.toml", "/frontend/../Cargo.toml", "//"];
    for path in paths.iter().chain(&outside) {
        assert_eq!(status(&desk, &Request::get(path)), 404, "{path}");
    }
    assert_eq!(status(&desk, &Request::upgrade("/ws/boss/alice")), 404);
}

#[test]
fn any_other_method_is_405_and_says_what_is_allowed() {
    let desk = Desk::start();
    for path in ["/", "/staff", "/healthz", "/metrics", "/ws/user/alice", "/ws/staff/sam"] {
        for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW"] {
            let (response, _) = fetch(&desk, &Request::new(method, path));
            assert_eq!(response.status, 405, "{method} {path}");
            let allow = response.header("allow").expect("RFC 9110 15.5.6: a 405 has Allow");
            let allow: Vec<_> = allow.split(',').map(str::trim).collect();
            assert!(allow.contains(&"GET") && allow.contains(&"HEAD"), "{path}: {allow:?}");
        }
    }
    assert_eq!(status(&desk, &Request::upgrade("/ws/user/alice").method("POST")), 405);
}

#[test]
fn a_body_that_nobody_reads_does_not_reset_the_answer_away() {
    let desk = Desk::start();
    let mut wire = Wire::connect(desk.server.addr);
    wire.write(&Request::new("POST", "/").header("Content-Length", "8000000").bytes(desk.server.addr));
    // More than all buffers on the way hold: had the server just closed its socket, this would break off in a reset.
    wire.write(&vec![b'x'; 8_000_000]);
    assert_eq!(wire.response().status, 405);
    wire.rest();
}

#[test]
fn only_the_first_of_two_pipelined_requests_is_answered() {
    let desk = Desk::start();
    let mut wire = Wire::connect(desk.server.addr);
    wire.write(&Request::get("/healthz").bytes(desk.server.addr).repeat(2));
    assert_eq!(wire.response().status, 200);
    let rest = String::from_utf8(wire.rest()).expect("text");
    assert!(!rest.contains("HTTP/1.1"), "Connection: close means that nothing follows: {rest}");
}

#[test]
fn a_target_may_name_scheme_and_host() {
    let desk = Desk::start();
    let addr = desk.server.addr;
    for target in [
        "http://h/healthz",
        "HTTP://h/healthz",
        &format!("http://{addr}/healthz?x"),
        "Http://[::1]:80/healthz",
    ] {
        assert_eq!(status(&desk, &Request::get(target)), 200, "{target}");
    }
    for target in ["http://h", "http://h?x=/healthz"] {
        let (response, _) = fetch(&desk, &Request::get(target));
        assert!(
            response.header("content-type").is_some_and(|kind| kind.starts_with("text/html")),
            "{target}"
        );
    }
    for target in ["http:///healthz", "http://:80/healthz", "http://user@h/healthz"] {
        assert_eq!(status(&desk, &Request::get(target)), 400, "{target}");
    }
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
    let heads: [&[u8]; 16] = [
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
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        // A browser that was told https: the start of a TLS ClientHello.
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
    // Without an end in sight.
    let mut endless = b"GET / HTTP/1.1\r\nHost: x\r\nX: ".to_vec();
    endless.resize(HEAD_BYTES_MAX + 1, b'x');
    assert_eq!(status_of(&desk, &endless), 431);
    let mut path = b"GET /".to_vec();
    path.resize(HEAD_BYTES_MAX + 1, b'x');
    assert_eq!(status_of(&desk, &path), 431);
}

#[test]
fn what_is_pipelined_behind_a_head_does_not_count_as_head() {
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

#[test]
fn a_plain_answer_comes_even_if_the_asker_has_shut_its_side() {
    let desk = Desk::start();
    let mut wire = Wire::connect(desk.server.addr);
    wire.write(&Request::get("/healthz").bytes(desk.server.addr));
    wire.stream().shutdown(std::net::Shutdown::Write).expect("an open socket");
    assert_eq!(wire.response().status, 200);
    assert_eq!(wire.rest().trim_ascii(), b"ok");
}

#[test]
fn a_connection_that_says_nothing_and_goes_is_forgotten() {
    let desk = Desk::start();
    let before = desk.server.descriptors();
    let silent: Vec<_> = (0..20).map(|_| Wire::connect(desk.server.addr)).collect();
    eventually("all are accepted", || desk.server.descriptors() >= before + 20);
    drop(silent);
    eventually("all are forgotten", || desk.server.descriptors() <= before);
}
