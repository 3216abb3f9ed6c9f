//! Redis goes, comes back, and has lost something; a desk that cannot be joined.

use crate::redis::Redis;
use crate::setup::{expect_lost_entries, health, launch, node, two, until_serving};
use crate::stories::chat;
use crate::support::client::int;
use crate::support::scenario::eventually;
use crate::support::{Desk, text};

#[test]
fn a_node_that_finds_no_redis_lets_nobody_in_until_there_is_one() {
    let mut redis = Redis::stopped(&[]);
    let desk = Desk::of(launch(&redis));
    assert_eq!(health(&desk), 503);
    desk.user_peer("ann", None).expect_close(1013);
    redis.restart();
    until_serving(&desk);
    desk.user("ann").create("help");
}

#[test]
fn redis_may_be_killed_and_come_back_and_nothing_is_lost_or_doubled() {
    let (mut redis, one, other) = two();
    let (mut alice, mut sam, ticket) = chat(&one, &other);
    for round in 0..3 {
        let first = 1 + 20 * round;
        (first..first + 10).for_each(|id| alice.say(id, &format!("text {id}")));
        redis.kill();
        eventually("it is noticed", || health(&one) == 503 && health(&other) == 503);
        (first + 10..first + 20).for_each(|id| alice.say(id, &format!("text {id}")));
        redis.restart();
        for id in first..first + 20 {
            assert_eq!(int(&alice.expect("ack"), "id"), id);
            let message = sam.expect("message");
            assert_eq!(text(&message, "text"), format!("text {id}"));
            sam.delivered(&ticket, int(&message, "seq"));
        }
        until_serving(&one);
    }
    sam.nothing_of(&["message"]);
}

#[test]
fn a_redis_that_has_lost_its_tail_has_the_nodes_begin_anew_from_what_it_has() {
    let (mut redis, one, other) = two();
    let (mut alice, mut sam, ticket) = chat(&one, &other);
    let copy = redis.copy();
    alice.say(1, "accepted, and lost with the tail");
    alice.expect("ack");
    sam.expect("message"); // both nodes have read what will be lost
    redis.kill();
    redis.go_back_to(&copy);
    redis.restart();
    let session = alice.session.clone();
    expect_lost_entries([&one, &other], (alice, sam));
    let mut sam = one.staff("sam").online();
    let mut alice = other.user_again("alice", &session);
    assert_eq!(alice.welcome["ticket"]["ticket_id"], ticket.as_str());
    assert_eq!(
        alice.welcome["ticket"]["last_id"], 0,
        "the page learns that its message is not there, and sends it again"
    );
    sam.pick(&ticket);
    alice.say(1, "again");
    assert_eq!(text(&sam.expect("message"), "text"), "again");
}

#[test]
fn a_redis_that_has_lost_everything_has_a_new_desk() {
    let (mut redis, one, other) = two();
    let (alice, sam, _) = chat(&one, &other);
    redis.cli(&["FLUSHALL"]);
    redis.kill();
    redis.restart();
    alice.expect_close(1012);
    sam.expect_close(1012);
    until_serving(&one);
    until_serving(&other);
    assert_eq!(one.staff("sam").welcome["tickets"].as_array().map(Vec::len), Some(0));
    assert!(
        one.server.log.all().contains("begins a new one")
            || other.server.log.all().contains("begins a new one")
    );
}

#[test]
fn a_desk_of_another_version_is_left_as_it_is() {
    let redis = Redis::start();
    drop(node(&redis));
    redis.cli(&["HSET", "deskwire:desk:snapshot", "body", r#"{"version":1,"state":"of old"}"#]);
    let outcome = launch(&redis).run();
    assert_eq!(outcome.code, Some(1));
    let why = outcome.stderr.last().unwrap();
    assert!(why.contains("version 1") && why.contains("another version"), "{why}");
    assert!(redis.cli(&["HGET", "deskwire:desk:snapshot", "body"]).contains("of old"));
}

#[test]
fn what_cannot_be_meant_is_said_before_the_start_and_without_the_password() {
    let run = |url: &str| crate::support::Launch::bare().args(&["--redis", url]).run();
    for (url, why) in [
        #[cfg(not(feature = "tls"))]
        ("rediss://:secret@h", "built with the feature tls"),
        ("http://:secret@h", "must be redis://"),
        ("redis://:secret@h/db", "the database must be a number"),
    ] {
        let outcome = run(url);
        let line = outcome.stderr.join("\n");
        assert_eq!(outcome.code, Some(2), "{line}");
        assert!(line.contains(why) && !line.contains("secret"), "{line}");
    }
    let both = crate::support::Launch::bare().args(&["--redis", "redis://h", "--journal", "file"]).run();
    assert_eq!(both.code, Some(2), "{:?}", both.stderr);
}

#[test]
fn what_is_in_the_log_and_none_of_a_desk_is_skipped_by_all() {
    let (redis, one, other) = two();
    let (mut alice, mut sam, _) = chat(&one, &other);
    redis.cli(&["XADD", "deskwire:desk:log", "*", "entry", "{\"turn\":", "tag", "x"]);
    redis.cli(&["XADD", "deskwire:desk:log", "*", "other", "thing"]);
    for _ in 0..2 {
        one.server.log.wait("that it is none", |line| line.contains("is skipped"));
    }
    alice.say(1, "as before");
    assert_eq!(text(&sam.expect("message"), "text"), "as before");
}
