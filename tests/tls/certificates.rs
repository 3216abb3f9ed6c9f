//! The certificate: which are read, what SIGHUP changes, what `deskwire check` and `deskwire doctor` say of it.

use std::fs;

use crate::support::tls::{Certificate, certificate, s_client};
use crate::support::{Launch, Wire};
use crate::{desk, desk_with, through_tunnel};

fn check(args: &[&str]) -> (Option<i32>, String) {
    let ended = Launch::bare().args(&["check"]).args(args).run();
    (ended.code, [ended.stdout, ended.stderr].concat().join("\n"))
}

/// The certificate's own number, as a client sees it.
fn serial(desk: &crate::support::Desk) -> String {
    let said = s_client(desk.server.addr, &["-no_ign_eof", "-showcerts"], "Q\n");
    let certificate = said.split("-----BEGIN CERTIFICATE-----").nth(1).unwrap_or_else(|| panic!("{said}"));
    certificate.split("-----END").next().unwrap().to_owned()
}

#[test]
fn a_new_certificate_is_served_from_sighup_on_and_open_connections_stay() {
    let (file, renewed) = (Certificate::new(), Certificate::new());
    let desk = desk_with(&file, &[]);
    let mut alice = through_tunnel_of(&desk, &file).user("alice");
    let first = serial(&desk);
    file.renew(&renewed);
    assert_eq!(serial(&desk), first, "nothing is read before SIGHUP");
    let lines = || desk.server.log.lines().iter().filter(|line| line.contains("is valid until")).count();
    assert_eq!(lines(), 1);
    desk.server.signal("HUP");
    crate::support::scenario::eventually("the new one is read", || lines() == 2);
    assert_ne!(serial(&desk), first);
    alice.drain();
    alice.create("still here");
    // A client that trusts the new one alone.
    through_tunnel_of(&desk, &renewed).user("bob").leave();
}

/// The desk's clients through a tunnel, while the desk itself is looked at directly.
fn through_tunnel_of(desk: &crate::support::Desk, certificate: &Certificate) -> Clients {
    Clients(crate::support::tls::tunnel(desk.server.addr, &certificate.client()))
}

struct Clients(std::net::SocketAddr);

impl Clients {
    fn user(&self, name: &str) -> crate::support::User {
        let request = crate::support::scenario::upgrade("user", name, None);
        let peer = crate::support::Peer::open(self.0, crate::support::schema::Side::User, name, &request);
        crate::support::User::welcomed(peer)
    }
}

#[test]
fn a_bad_pair_on_sighup_keeps_the_old_one_and_says_so_in_one_line() {
    let (file, other) = (Certificate::new(), Certificate::new());
    let desk = desk_with(&file, &[]);
    let first = serial(&desk);
    for spoil in [
        (|file, other| fs::copy(Certificate::key(other), Certificate::key(file)).map(drop)) as Spoil,
        |file, _| fs::write(file.key(), "-----BEGIN PRIVATE KEY-----\nsecret\n-----END PRIVATE KEY-----\n"),
        |file, _| fs::remove_file(file.certificate()),
    ] {
        spoil(&file, &other).unwrap();
        let complaints = || {
            let lines = desk.server.log.lines();
            lines.into_iter().filter(|line| line.contains("keeps the certificate")).collect::<Vec<_>>()
        };
        let before = complaints().len();
        desk.server.signal("HUP");
        crate::support::scenario::eventually("a complaint", || complaints().len() == before + 1);
        let line = complaints().pop().unwrap();
        assert!(
            line.contains("ERROR") && line.contains("certificate-") && !line.contains("secret"),
            "{line}"
        );
        assert_eq!(serial(&desk), first);
    }
}

type Spoil = fn(&Certificate, &Certificate) -> std::io::Result<()>;

#[test]
fn a_start_with_a_bad_pair_is_a_mistake_and_check_finds_it() {
    let (good, other) = (certificate(), Certificate::new());
    let (cert, key) = (good.certificate(), good.key());
    let (code, said) = check(&["--tls-cert", &cert, "--tls-key", &key]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("the certificate is valid until Fri, 31 Dec 2049 23:59:59 GMT"), "{said}");
    let expired = Certificate::until("20200201000000Z");
    let (code, said) = check(&["--tls-cert", &expired.certificate(), "--tls-key", &expired.key()]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("has expired on Sat, 01 Feb 2020"), "{said}");
    for (cert, key, why) in [
        (&cert, &other.key(), "cannot be used together"),
        (&key, &key, "nothing in PEM is in this file"),
        (&cert, &cert, "nothing in PEM is in this file"),
        (&cert, &"/nowhere".to_owned(), "/nowhere: No such file"),
    ] {
        let (code, said) = check(&["--tls-cert", cert, "--tls-key", key]);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(why) && said.lines().count() == 1, "{said}");
        let ended = Launch::new().args(&["--tls-cert", cert, "--tls-key", key]).run();
        assert_eq!((ended.code, ended.stderr.len()), (Some(2), 1), "{:?}", ended.stderr);
    }
    for half in [&["--tls-cert", cert.as_str()][..], &["--tls-key", &key], &["--tls-hsts", "60"]] {
        assert_eq!(check(half).0, Some(2), "{half:?}");
    }
}

#[test]
fn a_certificate_that_has_expired_or_soon_will_is_warned_of_at_the_start() {
    let expired = Certificate::until("20200201000000Z");
    let desk = desk_with(&expired, &[]);
    desk.server.log.wait("a warning", |line| line.contains("WARN") && line.contains("has expired on"));
    desk_with(certificate(), &[])
        .server
        .log
        .wait("how long", |line| line.contains("INFO") && line.contains("is valid until"));
}

#[test]
fn pages_ask_browsers_to_come_back_by_https_if_the_operator_wants_it() {
    let strict = |args: &[&str], path: &str, fields: &str| {
        let desk = through_tunnel(desk_with(certificate(), args), &certificate().client());
        let mut request = crate::support::Request::get(path);
        if !fields.is_empty() {
            request = request.header("If-None-Match", fields);
        }
        let (_, response) = Wire::ask(desk.server.addr, &request);
        response.header("strict-transport-security").map(str::to_owned)
    };
    let hsts = &["--tls-hsts", "31536000"];
    for path in ["/", "/staff", "/widget.js"] {
        assert_eq!(strict(hsts, path, "").as_deref(), Some("max-age=31536000"), "{path}");
        assert_eq!(strict(hsts, path, "*").as_deref(), Some("max-age=31536000"), "{path}, unchanged");
        assert_eq!(strict(&[], path, ""), None);
    }
}

#[test]
fn the_links_that_are_printed_are_https() {
    let desk = desk();
    assert!(
        desk.server
            .out
            .wait("the links", |line| line.starts_with("user page"))
            .contains(" https://127.0.0.1:")
    );
}
