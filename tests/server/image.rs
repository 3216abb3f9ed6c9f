//! The desk of the container image, as a runtime would run it. `make test-image` prepares its root and its network.

use crate::support::{Chat, Desk, Launch, Request, TOKEN, Wire, text};

/// Another user than the image's, in the root of the image, which nothing can write.
const IN_IMAGE: [&str; 4] = ["--setgid=4711", "--setuid=4711", "--wd=/", "/deskwire"];

fn launch(root: &str, before: &[&str]) -> Launch {
    let root = format!("--root={root}");
    Launch::bare()
        .program(&[&["unshare"], before, &[&root], &IN_IMAGE[..]].concat())
        .env("DESKWIRE_LISTEN", "0.0.0.0:8000") // as the image has it; the network is the test's own
        .env("DESKWIRE_STAFF_TOKEN", TOKEN)
}

#[test]
#[ignore = "it needs the root of an image; `make test-image` makes one"]
fn the_desk_of_the_image_serves_as_process_1_and_stops_when_asked() {
    let root = std::env::var("IMAGE_ROOT").expect("make test-image says where the image's root is");
    let health = || launch(&root, &[]).args(&["doctor", "--local"]).run().code;
    assert_eq!(health(), Some(1), "there is no desk yet");
    let desk = Desk::of(launch(&root, &["--pid", "--fork", "--kill-child"]));
    assert_eq!(health(), Some(0));
    for page in ["/", "/staff", "/widget.js"] {
        assert_eq!(Wire::fetch(desk.server.addr, &Request::get(page)).0.status, 200, "{page}");
    }
    let Chat { mut alice, mut sam, .. } = desk.chat();
    alice.say(1, "it is on fire");
    assert_eq!(text(&sam.expect("message"), "text"), "it is on fire");
    // Process 1 gets only the signals that it handles.
    desk.server.signal_child("TERM");
    alice.expect_close(1001);
    sam.expect_close(1001);
    assert_eq!(desk.server.outcome().code, Some(0));
    assert_eq!(health(), Some(1));
}

#[test]
#[ignore = "it needs the root of an image with TLS; `make test-image` makes one"]
fn the_desk_of_the_image_speaks_tls_and_its_health_check_too() {
    let root = std::env::var("IMAGE_ROOT").expect("make test-image says where the image's root is");
    let with_tls = |before: &[&str]| {
        let launch = launch(&root, before).env("DESKWIRE_LISTEN", "0.0.0.0:8001");
        launch.env("DESKWIRE_TLS_CERT", "/certificate.pem").env("DESKWIRE_TLS_KEY", "/key.pem")
    };
    let health = || with_tls(&[]).args(&["doctor", "--local"]).run().code;
    assert_eq!(health(), Some(1), "there is no desk yet");
    let desk = Desk::of(with_tls(&["--pid", "--fork", "--kill-child"]));
    assert_eq!(health(), Some(0));
    let (answer, body) = Wire::fetch(desk.server.addr, &Request::get("/healthz"));
    assert_eq!(answer.status, 400, "without TLS there is nothing but a hint");
    assert!(String::from_utf8_lossy(&body).contains("https://"));
    desk.server.signal_child("TERM");
    assert_eq!(desk.server.outcome().code, Some(0));
}
