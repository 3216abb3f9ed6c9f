//! What takes ten seconds: a node or Redis that is away for so long. `make test-redis` runs these.

use std::time::Duration;

use crate::setup::{health, two, until_serving};
use crate::stories::chat;
use crate::support::client::int;
use crate::support::text;

/// Longer than the ten seconds after which something has gone.
const GONE: Duration = Duration::from_secs(15);

#[test]
#[ignore = "10 s"]
fn with_a_node_that_is_killed_its_connections_go_and_the_others_stay() {
    let (_redis, one, other) = two();
    let (mut alice, _sam, ticket) = chat(&one, &other);
    let mut kim = one.staff("kim").online();
    other.server.signal("KILL");
    alice.expect_within(GONE, "staff_offline", "sam's node has gone", |_| true);
    kim.sees(&ticket, "paused");
    kim.pick(&ticket);
    alice.expect("staff_joined");
    alice.say(1, "are you there?");
    assert_eq!(text(&kim.expect("message"), "text"), "are you there?");
    assert_eq!(one.metrics().total(&["deskwire_nodes"]), 1.0);
}

#[test]
#[ignore = "10 s"]
fn a_node_that_was_frozen_for_too_long_begins_anew() {
    let (_redis, one, other) = two();
    let (mut alice, mut sam, ticket) = chat(&one, &other);
    other.server.signal("STOP");
    alice.expect_within(GONE, "staff_offline", "sam's node has gone", |_| true);
    sam.say(&ticket, 1, "written to a frozen node");
    other.server.signal("CONT");
    sam.expect_close(1012);
    until_serving(&other);
    alice.nothing_of(&["message"]);
    let mut sam = other.staff("sam").online();
    sam.pick(&ticket);
    alice.expect("staff_reconnected");
    sam.say(&ticket, 1, "written once more");
    assert_eq!(text(&alice.expect("message"), "text"), "written once more");
}

#[test]
#[ignore = "10 s"]
fn a_redis_that_is_away_for_too_long_has_everybody_try_again_later() {
    let (mut redis, one, other) = two();
    let (mut alice, sam, ticket) = chat(&one, &other);
    redis.kill();
    alice.say(1, "waits");
    let session = alice.session.clone();
    alice.expect_close_within(GONE, 1013);
    sam.expect_close(1013);
    assert_eq!((health(&one), health(&other)), (503, 503));
    one.user_peer("alice", Some(&session)).expect_close(1013);
    redis.restart();
    until_serving(&one);
    until_serving(&other);
    let mut alice = one.user_again("alice", &session);
    assert_eq!(alice.welcome["ticket"]["ticket_id"], ticket.as_str());
    assert_eq!(int(&alice.welcome["ticket"], "last_id"), 0, "it was never confirmed");
    let mut sam = other.staff("sam").online();
    sam.pick(&ticket);
    alice.expect("staff_reconnected");
}
