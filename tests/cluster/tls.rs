//! Nodes that reach Redis over TLS: `rediss://`.

use crate::redis::Redis;
use crate::setup::{health, launch_at, serving, until_serving};
use crate::stories::chat;
use crate::support::tls::Certificate;
use crate::support::{Desk, Launch, text};

/// A node that trusts this certificate, and no other.
fn launch(redis: &Redis, trusted: &Certificate) -> Launch {
    launch_at(&redis.url()).env("SSL_CERT_FILE", &trusted.certificate())
}

#[test]
fn two_nodes_reach_redis_over_tls_before_and_after_it_was_killed() {
    let certificate = Certificate::new();
    let mut redis = Redis::with_tls(&certificate);
    assert!(redis.url().starts_with("rediss://"));
    let node = || serving(launch(&redis, &certificate));
    let (one, other) = (node(), node());
    let (mut alice, mut sam, ticket) = chat(&one, &other);
    // Entries of many records, and an answer of many.
    let long = "x".repeat(4_000);
    for id in 1..=20 {
        alice.say(id, &long);
        let message = sam.expect("message");
        assert_eq!(text(&message, "text"), long);
        sam.delivered(&ticket, id);
        alice.expect("ack");
    }
    redis.kill();
    alice.say(21, "waits");
    redis.restart();
    alice.expect_where("ack", "the one that has waited", |ack| ack["id"] == 21);
    until_serving(&one);
    until_serving(&other);
    let third = serving(launch(&redis, &certificate));
    assert_eq!(third.staff("kim").welcome["tickets"][0]["ticket_id"], ticket.as_str());
}

#[test]
fn a_redis_whose_certificate_is_not_trusted_is_told_no_password() {
    let (certificate, another) = (Certificate::new(), Certificate::new());
    let redis = Redis::with_tls(&certificate);
    let url = redis.url().replace("rediss://", "rediss://:secret@");
    let refused = Desk::of(launch_at(&url).env("SSL_CERT_FILE", &another.certificate()));
    let line = refused.server.log.wait("why not", |line| line.contains("is away"));
    assert!(line.contains("certificate") && !line.contains("secret"), "{line}");
    assert_eq!(health(&refused), 503);
    assert!(!redis.cli(&["INFO", "commandstats"]).contains("cmdstat_auth"));
}

#[test]
fn a_redis_without_tls_at_such_a_url_is_said_to_be_away() {
    let (certificate, redis) = (Certificate::new(), Redis::start());
    let url = redis.url().replace("redis://", "rediss://");
    let desk = Desk::of(launch_at(&url).env("SSL_CERT_FILE", &certificate.certificate()));
    desk.server.log.wait("why not", |line| line.contains("is away"));
    assert_eq!(health(&desk), 503);
}

#[test]
fn a_machine_that_trusts_nobody_is_told_so_at_the_start() {
    let outcome = launch_at("rediss://:secret@localhost").env("SSL_CERT_FILE", "/dev/null").run();
    let line = outcome.stderr.join("\n");
    assert_eq!(outcome.code, Some(2), "{line}");
    assert!(line.contains("SSL_CERT_FILE") && !line.contains("secret"), "{line}");
}
