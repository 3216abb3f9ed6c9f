//! The desk behind nginx and Caddy, with the configurations of examples/host as they stand. `make test-proxy`

mod programs;

use std::net::SocketAddr;

use serde_json::json;

use self::programs::{Program, ReverseProxy, with_path};
use crate::opening::faster_clock;
use crate::page::Page;
use crate::secure::{secure_chat, secure_page};
use crate::setup::{Source, Stage};
use crate::support::scenario::{eventually, upgrade};
use crate::support::schema::Side;
use crate::support::{Launch, Peer, Request, Staff, TOKEN, User, Wire, text};

/// Makes two tests of each function, one for each program.
macro_rules! behind_each {
    ($($name:ident),* $(,)?) => {
        mod nginx {
            $(#[test] #[ignore = "it needs nginx; `make test-proxy` asks for it"]
            fn $name() { super::$name(super::Program::Nginx); })*
        }
        mod caddy {
            $(#[test] #[ignore = "it needs caddy; `make test-proxy` asks for it"]
            fn $name() { super::$name(super::Program::Caddy); })*
        }
    };
}

behind_each![
    two_people_talk_over_tls,
    a_path_has_pages_sockets_and_the_widget,
    an_idle_chat_outlasts_the_time_out_of_a_proxy,
    each_message_passes_at_once,
    the_limit_of_an_address_counts_clients,
    only_the_desks_own_pages_connect,
    pages_pass_compressed_and_metrics_stay_inside,
    the_doctor_finds_nothing,
];

fn user_at(addr: SocketAddr, name: &str) -> User {
    User::welcomed(Peer::open(addr, Side::User, name, &upgrade("user", name, None)))
}

/// Connects from this address of loopback, and says to be forwarded for another one.
fn forged_user(addr: SocketAddr, local: [u8; 4], name: &str) -> Peer {
    let request = upgrade("user", name, None).header("X-Forwarded-For", "198.51.100.1");
    let mut wire = Wire::connect_from(local.into(), addr);
    wire.write(&request.bytes(addr));
    assert_eq!(wire.response().status, 101);
    Peer::upgraded(wire, Side::User, name)
}

fn two_people_talk_over_tls(program: Program) {
    let stage = Stage::new(Source::Served);
    let proxy = ReverseProxy::start(program, stage.desk.server.addr);
    let (user, console) = secure_chat(proxy.secure, "/", "");
    user.say("hello, the printer is on fire");
    console.until_received("hello, the printer is on fire");
    user.until_said("hello, the printer is on fire", "delivered");
    console.say("which colour?");
    user.until_received("which colour?");
    assert_eq!((user.sockets().len(), console.sockets().len()), (1, 1));
    assert!(user.sockets()[0].starts_with("wss://"), "{:?}", user.sockets());
    if program == Program::Nginx {
        let (_, answer) = Wire::ask(proxy.redirects, &Request::get("/staff").header("Host", "127.0.0.1"));
        assert_eq!((answer.status, answer.header("location")), (301, Some("https://127.0.0.1/staff")));
    }
}

fn a_path_has_pages_sockets_and_the_widget(program: Program) {
    let stage = Stage::new(Source::Served);
    let proxy = ReverseProxy::edited(program, stage.desk.server.addr, with_path);
    let (user, console) = secure_chat(proxy.secure, "/support/", "");
    user.say("hello");
    console.until_received("hello");
    // Without the last slash, from the one page to the other, and no metrics there either.
    let (_, answer) = Wire::ask(proxy.plain, &Request::get("/support"));
    assert!(matches!(answer.status, 301 | 302), "{answer:?}");
    let location = answer.header("location").unwrap();
    assert!(location.ends_with("/support/"), "{location}");
    let (_, answer) = Wire::ask(proxy.plain, &Request::get("/support/metrics"));
    assert_eq!(answer.status, 404);
    let page = secure_page(proxy.secure, "/support/staff", "");
    page.click("a[data-other-page]");
    page.until("location.pathname == '/support/' && document.readyState == 'complete'");
    page.until_connected();
    widget(program);
}

/// The user's page in a frame of another site, which has the script from a path of the desk.
fn widget(program: Program) {
    // The desk has to know the site, which the proxy serves: it is started first, in front of a desk that is to come.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let proxy = ReverseProxy::edited(program, port, with_path);
    let listen = port.to_string();
    let shop = format!("http://{}", proxy.shop);
    let stage = Stage::with(Source::Served, &["--listen", &listen, "--allow-embed", &shop]);
    assert_eq!(stage.desk.server.addr, port);
    let script = format!("https://{}/support/widget.js", proxy.secure);
    let shop = proxy.shop_page(&format!(
        "<!doctype html><title>shop</title><link rel=icon href=data:,><script src={script} async></script>"
    ));
    let mut page = Page::fresh((1280, 800));
    page.is_reusable.set(false);
    page.allowed = vec![shop.clone(), format!("https://{}/support/", proxy.secure)];
    page.cdp("Security.setIgnoreCertificateErrors", json!({ "ignore": true }));
    page.go(&shop);
    let host = "document.body.lastElementChild";
    page.until(&format!("{host}?.getBoundingClientRect().width > 0"));
    page.key("Tab");
    page.key("Enter");
    let users = || stage.desk.metrics().total(&["connections_open", "user"]);
    eventually("the page in the frame connects", || users() == 1.0);
}

/// The time of the pages runs 20 times as fast, and so does nginx's: 60 s, its default, are 3 s. The desk pings nobody.
fn an_idle_chat_outlasts_the_time_out_of_a_proxy(program: Program) {
    let stage = Stage::with(Source::Served, &["--ping-interval", "3600"]);
    let desk = stage.desk.server.addr;
    let proxy = match program {
        Program::Nginx => ReverseProxy::edited(program, desk, |config| {
            config.replace("proxy_read_timeout 75s", "proxy_read_timeout 3s")
        }),
        Program::Caddy => ReverseProxy::start(program, desk),
    };
    if program == Program::Nginx {
        user_at(proxy.plain, "silent").expect_end();
    }
    let (user, console) = secure_chat(proxy.secure, "/", &faster_clock(20));
    user.eval("window.began = Date.now()");
    user.until("Date.now() - began > 100000");
    user.say("are you still there?");
    console.until_received("are you still there?");
    assert_eq!((user.sockets().len(), console.sockets().len()), (1, 1));
}

/// No message waits for the next one in a buffer, the longest included.
fn each_message_passes_at_once(program: Program) {
    let stage = Stage::new(Source::Served);
    let proxy = ReverseProxy::start(program, stage.desk.server.addr);
    let mut ann = user_at(proxy.plain, "ann");
    let ticket = ann.create("the printer");
    let request = upgrade("staff", "sam", Some(TOKEN));
    let mut sam = Staff::welcomed(Peer::open(proxy.plain, Side::Staff, "sam", &request)).online();
    sam.pick(&ticket);
    for (id, length) in (1..).zip([1, 10, 100, 1000, 4000, 2, 4000, 4000]) {
        let said = "\u{1F525}".repeat(length);
        ann.say(id, &said);
        assert_eq!(text(&sam.expect("message"), "text"), said);
        sam.say(&ticket, id, &said);
        assert_eq!(text(&ann.expect("message"), "text"), said);
    }
}

fn the_limit_of_an_address_counts_clients(program: Program) {
    let stage = Stage::with(Source::Served, &["--max-per-address", "2", "--trust-proxy", "127.0.0.1/32"]);
    let proxy = ReverseProxy::start(program, stage.desk.server.addr);
    let client = [127, 0, 0, 7];
    let _first = forged_user(proxy.plain, client, "ann");
    let _second = forged_user(proxy.plain, client, "bob");
    let third = forged_user(proxy.plain, client, "eve");
    assert_eq!(third.expect_close(1013), "too many connections from your address");
    // Neither another client nor the address that was forged pays for that.
    User::welcomed(forged_user(proxy.plain, [127, 0, 0, 8], "kim")).nothing_more();
    let direct = upgrade("user", "lee", None).header("X-Forwarded-For", "198.51.100.1");
    User::welcomed(Peer::open(stage.desk.server.addr, Side::User, "lee", &direct)).nothing_more();
}

fn only_the_desks_own_pages_connect(program: Program) {
    let stage = Stage::new(Source::Served);
    let proxy = ReverseProxy::start(program, stage.desk.server.addr);
    let status = |user: &str, origin: &str, proto: &str| {
        let request = upgrade("user", user, None).header("Origin", origin);
        // What a client says of its own scheme changes nothing: the desk reads no X-Forwarded-Proto.
        let request = request.header("X-Forwarded-Proto", proto);
        Wire::ask(proxy.plain, &request).1.status
    };
    for (user, proto) in [("a", "https"), ("b", "http"), ("c", "file")] {
        assert_eq!(status(user, &format!("http://{}", proxy.plain), proto), 101);
        assert_eq!(status(user, &format!("https://{}", proxy.plain), proto), 101);
        assert_eq!(status(user, "https://evil.example", proto), 403);
        assert_eq!(status(user, &format!("http://{}", stage.desk.server.addr), proto), 403);
    }
}

fn pages_pass_compressed_and_metrics_stay_inside(program: Program) {
    let stage = Stage::new(Source::Served);
    let proxy = ReverseProxy::start(program, stage.desk.server.addr);
    let get = |path: &str| Request::get(path).header("Accept-Encoding", "gzip").header("Connection", "close");
    let (page, body) = Wire::fetch(proxy.plain, &get("/"));
    let (direct, expected) = Wire::fetch(stage.desk.server.addr, &get("/"));
    assert_eq!((page.status, page.header("content-encoding")), (200, Some("gzip")));
    assert!(body == expected, "{} and {} bytes", body.len(), expected.len());
    for field in ["etag", "content-security-policy", "cache-control"] {
        assert_eq!(page.header(field), direct.header(field), "{field}");
    }
    let again = get("/").header("If-None-Match", page.header("etag").unwrap());
    assert_eq!(Wire::fetch(proxy.plain, &again).0.status, 304);
    assert_eq!(Wire::fetch(proxy.plain, &get("/metrics")).0.status, 404);
    assert_eq!(Wire::fetch(proxy.plain, &get("/healthz")).0.status, 200);
    assert_eq!(Wire::fetch(stage.desk.server.addr, &get("/metrics")).0.status, 200);
}

fn the_doctor_finds_nothing(program: Program) {
    let stage = Stage::with(Source::Served, &["--ping-interval", "1"]);
    let proxy = ReverseProxy::start(program, stage.desk.server.addr);
    let url = format!("http://{}", proxy.plain);
    let ended = Launch::bare().args(&["doctor", &url, "--token", TOKEN, "--idle", "10"]).run();
    assert_eq!(ended.code, Some(0), "{:?}", ended.stdout);
    let with_path = ReverseProxy::edited(program, stage.desk.server.addr, with_path);
    let url = format!("http://{}/support", with_path.plain);
    let ended = Launch::bare().args(&["doctor", &url, "--token", TOKEN, "--idle", "10"]).run();
    assert_eq!(ended.code, Some(0), "{:?}", ended.stdout);
}
