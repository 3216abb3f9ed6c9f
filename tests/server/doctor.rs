//! `deskwire doctor` and `deskwire check`: each finding, with a proxy that has just that fault.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use socket2::{Domain, Socket, Type};

use crate::support::scenario::TempFile;
use crate::support::{Desk, Launch, PATIENCE, TOKEN};

/// What a proxy does to the head of a request; an answer of its own, instead of passing the request on, is an error.
type Edit = fn(String) -> Result<String, String>;

/// Starts a proxy in front of the desk. It ends an upgraded connection after `idle` without a byte.
fn proxy(desk: SocketAddr, idle: Duration, edit: Edit) -> SocketAddr {
    // As proxies do, it names itself in each answer.
    proxy_with_name(desk, idle, edit, "Server: a proxy\r\n")
}

fn proxy_with_name(desk: SocketAddr, idle: Duration, edit: Edit, name: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            thread::spawn(move || pass(client, (desk, idle), edit, name));
        }
    });
    address
}

fn pass(
    mut client: TcpStream,
    (desk, idle): (SocketAddr, Duration),
    edit: Edit,
    name: &'static str,
) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte).ok()?;
        head.extend(byte);
    }
    let head = match edit(String::from_utf8(head).ok()?) {
        Ok(head) => head,
        Err(answer) => return client.write_all(answer.as_bytes()).ok(),
    };
    let mut behind = TcpStream::connect(desk).ok()?;
    behind.write_all(head.as_bytes()).ok()?;
    behind.set_read_timeout(Some(idle)).ok()?;
    let (mut from, mut to) = (client.try_clone().ok()?, behind.try_clone().ok()?);
    thread::spawn(move || std::io::copy(&mut from, &mut to).and(to.shutdown(Shutdown::Write)));
    let mut buffer = [0; 4096];
    let mut answer = Some(name);
    while let Ok(length @ 1..) = behind.read(&mut buffer) {
        let mut bytes = buffer[..length].to_vec();
        if let Some(name) = answer.take() {
            let line = bytes.iter().position(|byte| *byte == b'\n')? + 1;
            bytes.splice(line..line, name.bytes());
        }
        client.write_all(&bytes).ok()?;
    }
    let _ = client.shutdown(Shutdown::Both);
    behind.shutdown(Shutdown::Both).ok()
}

/// A proxy without a fault.
fn good(head: String) -> Result<String, String> {
    Ok(head.replace("\r\n\r\n", "\r\nX-Forwarded-For: 198.51.100.7\r\n\r\n"))
}

fn without(head: &str, field: &str) -> Result<String, String> {
    let lines = head.split_inclusive("\r\n").filter(|line| !line.starts_with(&format!("{field}:")));
    good(lines.collect())
}

fn answered(status: &str) -> Result<String, String> {
    Err(format!("HTTP/1.1 {status}\r\nServer: a proxy\r\nContent-Length: 0\r\n\r\n"))
}

/// What the doctor found: its exit code, and all findings that are not fine.
struct Findings {
    code: Option<i32>,
    bad: Vec<(String, String)>,
    all: Value,
}

fn examined(url: &str, args: &[&str]) -> Findings {
    let launch = Launch::bare().args(&["doctor", url, "--json"]).args(args);
    let launch = if args.contains(&"--idle") { launch } else { launch.args(&["--idle", "0"]) };
    let ended = launch.run();
    let all: Value =
        serde_json::from_str(&ended.stdout.join("")).unwrap_or_else(|_| panic!("{:?}", ended.stderr));
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap_or("").to_owned();
    let bad = all["findings"].as_array().unwrap().iter().filter(|finding| finding["severity"] != "ok");
    let bad = bad.map(|finding| (text(finding, "code"), text(finding, "fix"))).collect();
    Findings { code: ended.code, bad, all }
}

/// Behind this proxy, the doctor finds this fault and no other, with this in the line that fixes it.
fn finds(desk: &Desk, edit: Edit, args: &[&str], (code, exit, fix): (&str, i32, &str)) {
    let found = examined(&format!("http://{}", proxy(desk.server.addr, PATIENCE, edit)), args);
    let [(found_code, found_fix)] = &found.bad[..] else { panic!("{code}: {}", found.all) };
    assert_eq!((found_code.as_str(), found.code), (code, Some(exit)), "{}", found.all);
    assert!(found_fix.contains(fix), "{code}: {found_fix}");
}

#[test]
fn the_doctor_finds_nothing_where_all_is_well() {
    let desk = Desk::start();
    for url in [
        format!("http://{}", desk.server.addr),
        format!("http://{}/", proxy(desk.server.addr, PATIENCE, good)),
    ] {
        let found = examined(&url, &["--token", TOKEN]);
        assert_eq!((found.code, &found.all["outcome"]), (Some(0), &"ok".into()), "{url}: {}", found.all);
    }
    let path: Edit = |head| good(head.replace("GET /support/", "GET /"));
    let found = examined(&format!("http://{}/support", proxy(desk.server.addr, PATIENCE, path)), &[]);
    assert_eq!(found.code, Some(0), "{}", found.all);
    let ended =
        Launch::bare().args(&["doctor", &format!("http://{}", desk.server.addr), "--idle", "0"]).run();
    assert!(ended.stdout[0].starts_with("ok       alive: "), "{:?}", ended.stdout);
}

#[test]
fn the_doctor_finds_each_fault_of_a_proxy() {
    let desk = Desk::start();
    finds(&desk, |head| without(&head, "Upgrade"), &[], ("upgrade", 1, "proxy_set_header Upgrade"));
    finds(&desk, |head| without(&head, "Connection"), &[], ("upgrade", 1, "proxy_set_header Upgrade"));
    finds(
        &desk,
        |head| without(&head, "Sec-WebSocket-Protocol"),
        &[],
        ("subprotocol", 1, "Sec-WebSocket-Protocol"),
    );
    let renamed: Edit = |head| {
        let (before, rest) = head.split_once("Host: ").unwrap();
        good(format!("{before}Host: behind.example\r\n{}", rest.split_once("\r\n").unwrap().1))
    };
    finds(&desk, renamed, &[], ("host", 1, "Host $http_host"));
    finds(&desk, |head| without(&head, "Origin"), &[], ("origin-dropped", 1, "Origin"));
    let without_forwarded: Edit =
        |head| Ok(without(&head, "X-Forwarded-For")?.replace("X-Forwarded-For: 198.51.100.7\r\n", ""));
    finds(&desk, without_forwarded, &[], ("forwarded", 3, "X-Forwarded-For"));
    // It passes on the client's own X-Forwarded-For, and adds nothing.
    finds(&desk, Ok, &[], ("forwarded", 3, "X-Forwarded-For"));
    finds(&desk, |_| answered("502 Bad Gateway"), &[], ("gateway", 1, "proxy_pass"));
    finds(&desk, |_| answered("404 Not Found"), &[], ("other", 1, "location /support/"));
    let redirect: Edit = |_| answered("301 Moved\r\nLocation: https://desk.example/healthz");
    finds(&desk, redirect, &[], ("redirect", 1, "deskwire doctor https://desk.example"));
    // nginx's own response.
    const PAGE: &str = "HTTP/1.1 400 Bad Request\r\n\r\nThe plain HTTP request was sent to HTTPS port";
    let needs_tls: Edit = |_| Err(PAGE.to_owned());
    finds(&desk, needs_tls, &[], ("needs-tls", 1, "deskwire doctor https://127.0.0.1"));
}

/// Returns severity and fix of the finding on users' addresses.
fn of_addresses(found: &Findings) -> (String, String) {
    let all = found.all["findings"].as_array().unwrap();
    let of_addresses = all.iter().filter(|finding| finding["code"] == "forwarded").collect::<Vec<_>>();
    let [finding] = of_addresses[..] else { panic!("{}", found.all) };
    let text = |key: &str| finding[key].as_str().unwrap_or("").to_owned();
    (text("severity"), text("fix"))
}

/// A proxy that names itself nowhere, sends no X-Forwarded-For, and does not pass on /metrics.
#[test]
fn what_the_doctor_cannot_see_it_calls_unknown() {
    let desk = Desk::start();
    let hidden: Edit = |head| match head.contains("GET /metrics") {
        true => Err("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".into()),
        false => Ok(without(&head, "X-Forwarded-For")?.replace("X-Forwarded-For: 198.51.100.7\r\n", "")),
    };
    let url = format!("http://{}", proxy_with_name(desk.server.addr, PATIENCE, hidden, ""));
    let found = examined(&url, &[]);
    let (severity, fix) = of_addresses(&found);
    assert_eq!((severity.as_str(), found.code), ("unknown", Some(0)), "{}", found.all);
    assert!(fix.contains(&format!("deskwire doctor {url} --metrics")), "{fix}");
    // As that line says, where the metrics are to be seen.
    let metrics = format!("http://{}/metrics", desk.server.addr);
    let found = examined(&url, &["--metrics", &metrics]);
    assert_eq!((of_addresses(&found).0.as_str(), found.code), ("warning", Some(3)), "{}", found.all);
    // Without a proxy nothing is wrong, but one that hides would look the same.
    let found = examined(&format!("http://{}", desk.server.addr), &[]);
    assert_eq!((of_addresses(&found).0.as_str(), found.code), ("unknown", Some(0)), "{}", found.all);
    let text = Launch::bare().args(&["doctor", &url, "--idle", "0"]).run();
    assert!(text.stdout.iter().any(|line| line.starts_with("unknown  forwarded: ")), "{:?}", text.stdout);
}

#[test]
fn the_doctor_reads_metrics_at_their_own_listener() {
    let desk = Desk::with(&["--metrics-listen", "127.0.0.1:0"]);
    let line = desk.server.out.wait("the address", |line| line.starts_with("metrics      "));
    let url = format!("http://{}", proxy(desk.server.addr, PATIENCE, good));
    assert_eq!(of_addresses(&examined(&url, &[])).0, "unknown");
    let found = examined(&url, &["--metrics", line.trim_start_matches("metrics      ")]);
    assert_eq!((of_addresses(&found).0.as_str(), found.code), ("ok", Some(0)), "{}", found.all);
}

#[test]
fn the_doctor_finds_each_fault_of_a_desk() {
    let desk = Desk::start();
    finds(&desk, good, &["--token", "wrong"], ("token", 1, "deskwire staff-token doctor"));
    let shop = "https://shop.example";
    finds(&desk, good, &["--origin", shop], ("origin", 1, "--allow-origin https://shop.example"));
    finds(&Desk::with(&["--trust-proxy", "none"]), good, &[], ("untrusted", 3, "--trust-proxy"));
    finds(&Desk::of(Launch::new().descriptors(200)), good, &[], ("descriptors", 3, "LimitNOFILE"));
    let full = Desk::with(&["--max-connections", "2"]);
    let _taken = full.user("alice");
    finds(&full, good, &[], ("full", 1, "--max-connections"));
}

#[test]
fn the_doctor_finds_a_proxy_that_cuts_idle_connections() {
    let desk = Desk::with(&["--ping-interval", "1"]);
    let cuts = proxy(desk.server.addr, Duration::from_millis(300), good);
    let found = examined(&format!("http://{cuts}"), &["--idle", "5"]);
    assert_eq!((found.code, found.bad[0].0.as_str()), (Some(1), "idle"), "{}", found.all);
    assert!(found.bad[0].1.contains("proxy_read_timeout"), "{}", found.all);
    let open_for_long = proxy(desk.server.addr, PATIENCE, good);
    let found = examined(&format!("http://{open_for_long}"), &["--idle", "5"]);
    assert_eq!(found.code, Some(0), "{}", found.all);
}

#[test]
fn the_doctor_finds_what_keeps_it_from_the_desk() {
    let code = |url: &str| {
        let found = examined(url, &[]);
        assert_eq!(found.code, Some(1), "{}", found.all);
        found.bad[0].0.clone()
    };
    assert_eq!(code("http://no-such-desk.invalid"), "name");
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(code(&format!("http://{free}")), "refused");
    if cfg!(not(feature = "tls")) {
        assert_eq!(code("https://desk.example"), "tls");
    }
    // Connections wait in its backlog, and nobody accepts them.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    assert_eq!(code(&format!("http://{}", silent.local_addr().unwrap())), "silent");
    // Its backlog is full, so that the kernel drops what would connect, as a firewall does.
    let full = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    full.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    full.listen(0).unwrap();
    let address = full.local_addr().unwrap().as_socket().unwrap();
    let _waiting: Vec<TcpStream> =
        std::iter::from_fn(|| TcpStream::connect_timeout(&address, Duration::from_millis(200)).ok())
            .collect();
    assert_eq!(code(&format!("http://{address}")), "unreachable");
}

#[test]
fn what_a_stranger_writes_is_shown_but_never_obeyed() {
    let desk = Desk::start();
    let redirect: Edit = |_| answered("301 Moved\r\nLocation: https://a.example/;reboot;\u{9b}31m");
    let ended = Launch::bare()
        .args(&["doctor", &format!("http://{}", proxy(desk.server.addr, PATIENCE, redirect)), "--idle", "0"])
        .run();
    let said = ended.stdout.join("\n");
    assert!(said.contains("redirected to https://a.example/;reboot;\u{FFFD}31m"), "{said:?}");
    let fix = ended.stdout.iter().find(|line| line.contains("to fix it")).unwrap();
    assert!(!fix.contains("reboot"), "it is copied to a shell: {fix}");
    // A close frame of a server that is full, with a sequence for terminals in its reason.
    let rude: Edit = |head| match head.contains("/ws/user") {
        true => {
            Err("HTTP/1.1 101 S\r\nSec-WebSocket-Protocol: deskwire.v1\r\n\r\n\u{8}\u{6}\u{3}p\u{1b}[2J"
                .into())
        }
        false => good(head),
    };
    let url = format!("http://{}", proxy(desk.server.addr, PATIENCE, rude));
    let ended = Launch::bare().args(&["doctor", &url, "--idle", "0"]).run();
    let said = ended.stdout.join("\n");
    assert!(said.contains("fault    full: ") && !said.contains('\u{1b}'), "{said:?}");
}

#[test]
fn the_doctor_finds_a_clock_that_is_off() {
    // A desk that is two minutes ahead, as far as its frames say.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let mut head = [0; 2048];
            let length = client.read(&mut head).unwrap();
            let head = String::from_utf8_lossy(&head[..length]).into_owned();
            let answer = match head {
                head if head.contains("/healthz") => "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".into(),
                head if head.contains("foreign.invalid") => "HTTP/1.1 403 Forbidden\r\n\r\n".into(),
                head if head.contains("/ws/user") => {
                    let welcome = format!("{{\"now\":{}}}", now_ms() + 120_000);
                    let head = "HTTP/1.1 101 Switching\r\nSec-WebSocket-Protocol: deskwire.v1\r\n\r\n";
                    // A frame whose first byte is ASCII, too: without FIN, which the doctor does not ask for.
                    format!("{head}\u{1}{}{welcome}", char::from(u8::try_from(welcome.len()).unwrap()))
                }
                _ => "HTTP/1.1 404 Not Found\r\n\r\n".into(),
            };
            let _ = client.write_all(answer.as_bytes());
        }
    });
    let found = examined(&format!("http://{address}"), &[]);
    assert_eq!((found.code, found.bad[0].0.as_str()), (Some(3), "clock"), "{}", found.all);
}

fn now_ms() -> u128 {
    std::time::UNIX_EPOCH.elapsed().unwrap().as_millis()
}

#[test]
fn a_health_check_asks_the_desk_of_this_machine() {
    let desk = Desk::with(&["--listen", "0.0.0.0:0"]);
    let check =
        |listen: &str| Launch::bare().env("DESKWIRE_LISTEN", listen).args(&["doctor", "--local"]).run();
    assert_eq!(check(&format!("0.0.0.0:{}", desk.server.addr.port())).code, Some(0));
    let port = desk.server.addr.port();
    desk.server.stop();
    assert_eq!(check(&format!("0.0.0.0:{port}")).code, Some(1));
}

#[test]
fn a_doctor_without_a_sensible_address_is_a_mistake() {
    for args in [
        &["doctor"][..],
        &["doctor", "desk.example"],
        &["doctor", "ftp://desk.example"],
        &["doctor", "http://"],
    ] {
        let ended = Launch::bare().args(args).run();
        assert_eq!((ended.code, ended.stderr.len()), (Some(2), 1), "{args:?}: {:?}", ended.stderr);
    }
}

#[test]
fn check_says_whether_a_desk_would_start_and_starts_none() {
    let hash = "4d0a3a34a8b0284c55a2f76b10355ed10df3e6c4f628c6aa09300c71016d01cc";
    let file = TempFile::new(&format!("sam {hash}\n"));
    let check = |args: &[&str]| Launch::bare().args(&["check"]).args(args).run();
    let ended = check(&["--staff-file", file.path(), "--listen", "0.0.0.0:80"]);
    assert_eq!((ended.code, ended.stdout.len()), (Some(0), 1), "{:?}", ended.stderr);
    assert!(ended.stdout[0].contains("1 in the staff file"), "{:?}", ended.stdout);
    file.write("sam\n");
    for args in [
        &["--staff-file", file.path()][..],
        &["--max-chats", "many"],
        &["--listen", "0.0.0.0:80"],
        &["check"],
    ] {
        let ended = check(args);
        assert_eq!((ended.code, ended.stderr.len()), (Some(2), 1), "{args:?}: {:?}", ended.stderr);
    }
    let ended = Launch::bare().env("DESKWIRE_ASSIGN", "random").args(&["check"]).run();
    assert_eq!(ended.code, Some(2), "the environment is checked too");
}
