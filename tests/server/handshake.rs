//! Handshakes, good and bad.

use crate::support::head::KEY;
use crate::support::{Desk, Request, Response, Value, Wire};

fn ask(desk: &Desk, request: &Request) -> Response {
    Wire::ask(desk.server.addr, request).1
}

fn status(desk: &Desk, request: &Request) -> u16 {
    ask(desk, request).status
}

pub(super) fn welcomed(desk: &Desk, request: &Request) {
    let (mut wire, response) = Wire::ask(desk.server.addr, request);
    assert_eq!(response.status, 101, "{response:?}");
    let welcome: Value = serde_json::from_str(wire.frame().text()).expect("JSON");
    assert_eq!(welcome["type"], "welcome");
}

#[test]
fn a_handshake_that_lacks_what_the_rfc_requires_is_refused() {
    let desk = Desk::start();
    let good = || Request::upgrade("/ws/user/alice");
    assert_eq!(status(&desk, &good().without("Sec-WebSocket-Key")), 400);
    // RFC 6455 4.2.1: a key that decodes to 16 bytes.
    for key in
        ["", "short", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25jZWVlZWVl", "dGhl!HNhbXBsZSBub25jZQ=="]
    {
        let request = good().without("Sec-WebSocket-Key").header("Sec-WebSocket-Key", key);
        assert_eq!(status(&desk, &request), 400, "key {key:?}");
    }
    // 11.3.1: it must not appear more than once, be it the same.
    for key in [KEY, "AAAAAAAAAAAAAAAAAAAAAA=="] {
        assert_eq!(status(&desk, &good().header("Sec-WebSocket-Key", key)), 400, "and {key:?}");
    }
    for version in ["8", "12", "14", "x"] {
        let request = good().without("Sec-WebSocket-Version").header("Sec-WebSocket-Version", version);
        let response = ask(&desk, &request);
        assert!(matches!(response.status, 400 | 426), "version {version}: {response:?}");
        assert_eq!(
            response.header("sec-websocket-version"),
            Some("13"),
            "RFC 6455 4.4: says which it speaks"
        );
    }
    // Each of these asks for no WebSocket upgrade.
    for request in [
        good().without("Upgrade"),
        good().without("Upgrade").header("Upgrade", "h2c"),
        good().without("Connection"),
        good().without("Connection").header("Connection", "keep-alive"),
        good().without("Connection").header("Connection", "Upgraded"),
    ] {
        assert!(
            matches!(status(&desk, &request), 400 | 426),
            "{}",
            request.bytes(desk.server.addr).escape_ascii()
        );
    }
    // RFC 6455 4.1: at least HTTP/1.1.
    assert!(matches!(status(&desk, &good().version("HTTP/1.0")), 400 | 426));
    desk.user("alice");
}

#[test]
fn a_handshake_may_be_written_in_many_ways() {
    let desk = Desk::start();
    let bare = |user: &str| Request::get(&format!("/ws/user/{user}"));
    let good =
        |user: &str| Request::upgrade(&format!("/ws/user/{user}")).without("Connection").without("Upgrade");
    let ways = [
        good("a").header("upgrade", "WebSocket").header("connection", "upgrade"),
        good("b").header("Upgrade", "websocket").header("Connection", "keep-alive, Upgrade"),
        good("c")
            .header("Upgrade", "websocket")
            .header("Connection", "keep-alive")
            .header("Connection", "Upgrade"),
        good("d")
            .header("Upgrade", "websocket")
            .header("Connection", "Upgrade")
            .header("Connection", "keep-alive"),
        good("e").header("Upgrade", "websocket").header("Connection", "keep-alive,Upgrade,foo"),
        // In another order, with blanks that RFC 9110 5.5 allows around a value.
        bare("f")
            .header("SEC-WEBSOCKET-VERSION", " 13 ")
            .header("sec-websocket-key", "  dGhlIHNhbXBsZSBub25jZQ==\t")
            .header("CONNECTION", "UPGRADE")
            .header("UPGRADE", "websocket")
            .header("User-Agent", "tests"),
    ];
    for way in ways {
        welcomed(&desk, &way);
    }
}

#[test]
fn an_id_is_1_to_64_of_the_legal_characters() {
    let desk = Desk::start();
    let legal = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~-";
    for id in legal.split("").filter(|id| !id.is_empty()) {
        assert_eq!(desk.user(id).welcome["user_id"], id);
    }
    let (first, last) = legal.split_at(33);
    for id in [first, last, &"x".repeat(64), "..", "__proto__"] {
        assert_eq!(desk.user(id).welcome["user_id"], id);
        assert_eq!(desk.staff(id).welcome["staff_id"], id);
    }
    let illegal =
        ["", "a/b", "a%20b", "%61", "a+b", "a:b", "a@b", "a,b", "a;b", "a=b", "a*b", "a!b", "a'b", "a(b)"];
    let long = "x".repeat(65);
    for id in illegal.iter().copied().chain([long.as_str()]) {
        for role in ["user", "staff"] {
            assert_eq!(status(&desk, &Request::upgrade(&format!("/ws/{role}/{id}"))), 400, "{role} {id:?}");
        }
    }
}

#[test]
fn an_upgrade_with_a_body_is_refused() {
    let desk = Desk::start();
    let good = || Request::upgrade("/ws/user/alice");
    let bodies = [
        ("Content-Length", "7"),
        ("Content-Length", "x"),
        ("Content-Length", "0, 7"),
        ("Transfer-Encoding", "chunked"),
        ("Transfer-Encoding", "identity"),
    ];
    for (name, value) in bodies {
        assert_eq!(status(&desk, &good().header(name, value)), 400, "{name}: {value}");
    }
    welcomed(&desk, &good().header("Content-Length", "0"));
    // A plain request with a body is answered, and its body is ignored.
    assert_eq!(status(&desk, &Request::get("/healthz").header("Content-Length", "7")), 200);
}
