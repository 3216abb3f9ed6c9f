//! The answers to plain HTTP requests; handshakes are in handshake.rs. The test of 408, which takes ten seconds, is in
//! hostile/heads.rs.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::time::{Duration, SystemTime};

use flate2::read::GzDecoder;

use crate::support::scenario::eventually;
use crate::support::{Desk, Request, Response, Wire};

mod heads;
mod metrics;
mod metrics_listener;

fn fetch(desk: &Desk, request: &Request) -> (Response, Vec<u8>) {
    let (response, body) = Wire::fetch(desk.server.addr, request);
    check(&response);
    if response.status == 304 {
        return (response, body);
    }
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

/// Asserts what every plain answer has: `Connection: close`, and a date.
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
fn a_page_is_one_response_and_the_files_that_it_was_made_of_are_not_served() {
    let desk = Desk::start();
    for (path, from_disk) in [("/", "user.html"), ("/staff", "staff.html")] {
        let (response, body) = fetch(&desk, &Request::get(path));
        assert_eq!(response.status, 200, "{path}");
        let kind = response.header("content-type").expect("a type");
        assert!(
            kind.starts_with("text/html") && kind.to_ascii_lowercase().contains("utf-8"),
            "{path}: {kind}"
        );
        let page = String::from_utf8(body).expect("a page is UTF-8");
        let names = named_files(&page);
        assert!(names.iter().all(|name| name.ends_with(".html")), "only links to the other page: {names:?}");
        let frontend = Path::new(env!("CARGO_MANIFEST_DIR")).join("frontend");
        let source = fs::read_to_string(frontend.join(from_disk)).expect("it stands in frontend/");
        let parts = named_files(&source).into_iter().filter(|name| !name.ends_with(".html"));
        for name in parts {
            let text = fs::read_to_string(frontend.join(&name)).expect("it stands in frontend/");
            let last = text
                .lines()
                .map(str::trim)
                .rfind(|line| line.len() > 2 && !line.starts_with("//"))
                .expect("a line");
            // Without the comment behind it.
            let last =
                [" // ", " /* "].iter().fold(last, |code, mark| code.split(mark).next().unwrap_or(code));
            assert!(page.contains(last), "{path} has {name} inside: {last}");
            assert_eq!(fetch(&desk, &Request::get(&format!("/{name}"))).0.status, 404, "{name}");
        }
    }
}

/// The relative files in `src` and `href` of a page.
fn named_files(page: &str) -> Vec<String> {
    let values = [" src=\"", " href=\""].into_iter().flat_map(|name| page.split(name).skip(1));
    let values = values.filter_map(|rest| rest.split('"').next()).map(|value| value.trim_start_matches("./"));
    let file = |value: &&str| value.contains('.') && !value.contains(':') && !value.starts_with('#');
    values.filter(file).map(|value| value.trim_start_matches('/').to_owned()).collect()
}

#[test]
fn a_page_is_compressed_only_for_clients_that_accept_it() {
    let desk = Desk::start();
    let (plain, page) = fetch(&desk, &Request::get("/"));
    assert_eq!(plain.header("content-encoding"), None);
    for accepted in ["gzip", "br;q=1, GZIP;q=0.5", "*", "deflate,gzip"] {
        let (response, body) = fetch(&desk, &Request::get("/").header("Accept-Encoding", accepted));
        assert_eq!(response.header("content-encoding"), Some("gzip"), "{accepted}");
        assert_eq!(response.header("vary"), Some("Accept-Encoding"));
        assert_ne!(response.header("etag"), plain.header("etag"), "strong tags differ with the bytes");
        let mut unpacked = Vec::new();
        GzDecoder::new(&body[..]).read_to_end(&mut unpacked).expect("gzip");
        assert_eq!(unpacked, page, "{accepted}");
        assert!(body.len() <= 25_000, "{} bytes", body.len());
    }
    for refused in ["gzip;q=0", "identity", "br, gzip;q=0.0", ""] {
        let (response, body) = fetch(&desk, &Request::get("/").header("Accept-Encoding", refused));
        assert_eq!(response.header("content-encoding"), None, "{refused}");
        assert_eq!(body, page, "{refused}");
    }
}

#[test]
fn who_has_a_page_already_gets_304_and_no_body() {
    let desk = Desk::start();
    for path in ["/", "/staff"] {
        for coding in ["gzip", "identity"] {
            let asks = || Request::get(path).header("Accept-Encoding", coding);
            let (response, _) = fetch(&desk, &asks());
            let tag = response.header("etag").expect("a tag").to_owned();
            for had in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".to_owned()] {
                let (response, body) = fetch(&desk, &asks().header("If-None-Match", &had));
                assert_eq!((response.status, body.len()), (304, 0), "{path} {coding} {had}");
                assert_eq!(response.header("etag"), Some(&*tag));
                assert_eq!(response.header("vary"), Some("Accept-Encoding"));
                assert_eq!(response.header("content-length"), None);
            }
            let (response, _) = fetch(&desk, &asks().header("If-None-Match", "\"of another build\""));
            assert_eq!(response.status, 200, "{path} {coding}");
        }
    }
}

#[test]
fn the_company_is_on_the_pages_and_only_the_users_page_may_be_embedded() {
    let desk = Desk::with(&[
        "--name",
        "Acme <Support>",
        "--accent",
        "#123456",
        "--greeting",
        "Ask us anything",
        "--allow-embed",
        "https://shop.example",
        "--allow-embed",
        "https://b.example:8443",
    ]);
    for (path, ancestors) in [("/", "https://shop.example https://b.example:8443"), ("/staff", "'none'")] {
        let (response, body) = fetch(&desk, &Request::get(path));
        let page = String::from_utf8(body).expect("UTF-8");
        assert!(page.contains("<title>Acme &lt;Support&gt;</title>"), "{path}");
        assert!(page.contains("light-dark(#123456,"), "{path}");
        assert_eq!(page.contains("Ask us anything"), path == "/");
        let policy = response.header("content-security-policy").expect("a policy");
        assert!(policy.contains(&format!("frame-ancestors {ancestors};")), "{path}: {policy}");
    }
}

#[test]
fn a_page_has_a_policy_and_has_to_be_revalidated() {
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
fn any_other_path_is_404() {
    let desk = Desk::start();
    let paths = [
        "/nowhere",
        "/index.php",
        "/ws",
        "/ws/",
        "/ws/user",
        "/ws/boss/alice",
        "/healthz/x",
        "/staff/x",
        "/user.html",
        "/staff.html",
    ];
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
fn an_unread_body_does_not_reset_the_answer_away() {
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
fn a_plain_answer_comes_even_if_the_client_has_shut_down_its_side() {
    let desk = Desk::start();
    let mut wire = Wire::connect(desk.server.addr);
    wire.write(&Request::get("/healthz").bytes(desk.server.addr));
    wire.stream().shutdown(std::net::Shutdown::Write).expect("an open socket");
    assert_eq!(wire.response().status, 200);
    assert_eq!(wire.rest().trim_ascii(), b"ok");
}

#[test]
fn a_connection_that_ends_without_a_byte_is_forgotten() {
    let desk = Desk::start();
    let before = desk.server.descriptors();
    let silent: Vec<_> = (0..20).map(|_| Wire::connect(desk.server.addr)).collect();
    eventually("all are accepted", || desk.server.descriptors() >= before + 20);
    drop(silent);
    eventually("all are forgotten", || desk.server.descriptors() <= before);
}
