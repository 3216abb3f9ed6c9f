//! Which pages may connect: the Origin of a handshake, and the host that it is compared with.

use crate::support::{Desk, Request, TOKEN, Wire, json};

fn status(desk: &Desk, request: &Request) -> u16 {
    Wire::ask(desk.server.addr, request).1.status
}

#[test]
fn no_origin_null_and_the_own_host_are_let_in() {
    let desk = Desk::start();
    let addr = desk.server.addr;
    let port = addr.port();
    desk.user("without");
    let alike = [
        ("a", "null".to_owned(), addr.to_string()),
        ("b", format!("http://{addr}"), addr.to_string()),
        ("c", format!("http://localhost:{port}"), format!("localhost:{port}")),
        // Behind a proxy that ends TLS the scheme differs, and the port is the scheme's own.
        ("d", "https://help.example".to_owned(), "help.example".to_owned()),
    ];
    for (user, origin, host) in alike {
        let request =
            Request::upgrade(&format!("/ws/user/{user}")).header("Host", &host).header("Origin", &origin);
        assert_eq!(status(&desk, &request), 101, "origin {origin}, host {host}");
    }
}

#[test]
fn any_other_origin_is_403() {
    let desk = Desk::start();
    let port = desk.server.addr.port();
    let others = [
        "https://evil.example".to_owned(),
        format!("http://evil.example:{port}"),
        format!("http://127.0.0.1:{}", port ^ 1),
        "http://127.0.0.1".to_owned(),
        format!("http://127.0.0.1:{port}.evil.example"),
        format!("http://evil.example/127.0.0.1:{port}"),
        format!("http://x127.0.0.1:{port}"),
        "nullx".to_owned(),
        String::new(),
    ];
    for origin in others {
        for path in ["/ws/user/alice", "/ws/staff/sam"] {
            let request = Request::upgrade(path)
                .header("Origin", &origin)
                .header("Sec-WebSocket-Protocol", &format!("deskwire.v1, secret.{TOKEN}"));
            let (response, _) = Wire::fetch(desk.server.addr, &request);
            assert_eq!(response.status, 403, "{path} from {origin:?}");
            assert_eq!(response.header("connection").map(str::to_ascii_lowercase).as_deref(), Some("close"));
        }
    }
    // A second field does not hide the first.
    let two =
        Request::upgrade("/ws/user/alice").header("Origin", "null").header("Origin", "https://evil.example");
    assert!(matches!(status(&desk, &two), 400 | 403));
    let sam = desk.staff("sam");
    assert_eq!(sam.welcome["tickets"], json!([]));
}

#[test]
fn an_origin_that_is_not_utf_8_is_403() {
    let desk = Desk::start();
    let mut head = Request::upgrade("/ws/user/alice").bytes(desk.server.addr);
    head.truncate(head.len() - 2);
    head.extend_from_slice(b"Origin: http://\xff\r\n\r\n");
    let mut wire = Wire::connect(desk.server.addr);
    wire.write(&head);
    assert_eq!(wire.response().status, 403);
}

#[test]
fn an_origin_without_a_host_or_with_another_scheme_is_403() {
    let desk = Desk::start();
    for (host, origin) in [
        ("", "file://"),
        ("", "http://"),
        (":80", "http://:80"),
        ("app", "file://app"),
        ("app", "chrome-extension://app"),
    ] {
        let request = Request::upgrade("/ws/user/alice").header("Host", host).header("Origin", origin);
        assert_eq!(status(&desk, &request), 403, "host {host:?}, origin {origin:?}");
    }
    let old = Request::upgrade("/ws/user/alice").header("Host", "");
    assert_eq!(status(&desk, &old), 101, "a program sends no Origin");
}

#[test]
fn the_host_of_the_target_overrides_the_host_field() {
    let desk = Desk::start();
    let own = format!("http://{}", desk.server.addr);
    let elsewhere = Request::upgrade("http://help.example/ws/user/a").header("Origin", &own);
    assert_eq!(status(&desk, &elsewhere), 403);
    let alike =
        Request::upgrade(&format!("{own}/ws/user/b")).header("Host", "help.example").header("Origin", &own);
    assert_eq!(status(&desk, &alike), 101);
}

#[test]
fn each_allowed_origin_is_let_in_and_no_other() {
    let desk = Desk::with(&[
        "--allow-origin",
        "https://help.example",
        "--allow-origin",
        "http://intra.example:8080",
    ]);
    let from = |user: &str, origin: &str| {
        status(&desk, &Request::upgrade(&format!("/ws/user/{user}")).header("Origin", origin))
    };
    assert_eq!(from("a", "https://help.example"), 101);
    assert_eq!(from("b", "http://intra.example:8080"), 101);
    assert_eq!(from("c", "null"), 101);
    let others = [
        "http://help.example",
        "https://help.example:8443",
        "http://intra.example",
        "https://x.help.example",
    ];
    for origin in others {
        assert_eq!(from("d", origin), 403, "{origin}");
    }
}
