//! People at two nodes of one desk.

use crate::redis::Redis;
use crate::setup::{health, launch, node, serving, two};
use crate::support::client::int;
use crate::support::scenario::eventually;
use crate::support::{Desk, Staff, User, text};

/// Alice at one node has a ticket that Sam at the other has picked, and both have read all about it.
pub(crate) fn chat(one: &Desk, other: &Desk) -> (User, Staff, String) {
    let mut sam = other.staff("sam").online();
    let mut alice = one.user("alice");
    let ticket = alice.create("the printer");
    sam.sees(&ticket, "waiting");
    sam.pick(&ticket);
    alice.expect("staff_joined");
    alice.drain();
    sam.drain();
    (alice, sam, ticket)
}

#[test]
fn a_user_at_one_node_chats_with_staff_at_the_other() {
    let (_redis, one, other) = two();
    let (mut alice, mut sam, ticket) = chat(&one, &other);
    alice.say(1, "it is on fire");
    assert_eq!(text(&sam.expect("message"), "text"), "it is on fire");
    let seq = int(&alice.expect("ack"), "seq");
    sam.delivered(&ticket, seq);
    assert_eq!(int(&alice.expect("delivered"), "seq"), seq);
    sam.typing(&ticket, true);
    alice.expect("typing");
    sam.say(&ticket, 1, "leave the building");
    let message = alice.expect("message");
    assert_eq!(text(&message, "text"), "leave the building");
    alice.delivered(int(&message, "seq"));
    sam.expect("delivered");
    sam.close_ticket(&ticket);
    alice.expect("ticket_closed");
    sam.expect("ticket_closed");
    alice.rate(&ticket, 5);
    sam.expect("rated");
}

#[test]
fn staff_at_another_node_are_shown_the_chat_so_far_once_for_each_pick() {
    let (redis, one, other) = two();
    let (mut alice, mut sam, ticket) = chat(&one, &other);
    let lines = serde_json::json!([
        { "from": "user", "name": "Alice", "text": "it is \"on fire\"\n", "at": alice.welcome["now"] },
        { "from": "staff", "name": null, "text": "leave the building", "at": sam.welcome["now"] },
    ]);
    alice.recap(&lines);
    let recap = sam.expect("recap");
    assert_eq!((text(&recap, "ticket_id"), &recap["lines"]), (ticket, &lines));
    alice.recap(&lines);
    alice.refused("rate_limited");
    let third = node(&redis);
    third.staff("kim").nothing_of(&["recap"]);
}

#[test]
fn a_user_goes_on_at_another_node_with_the_same_session_and_nobody_else_does() {
    let (_redis, one, other) = two();
    let (alice, mut sam, ticket) = chat(&one, &other);
    let session = alice.session.clone();
    sam.say(&ticket, 1, "still there?");
    sam.expect("ack");
    let mut again = other.user_again("alice", &session);
    assert_eq!(again.welcome["resumed"], true);
    assert_eq!(
        again.session, session,
        "the log has its hash only, and each node what its own users have sent"
    );
    assert_eq!(text(&again.expect("message"), "text"), "still there?");
    alice.expect_close(4409);
    one.user_peer("alice", Some("0123456789abcdef0123456789abcdef")).expect_close(4403);
    again.leave();
    assert_eq!(one.user_again("alice", &session).welcome["resumed"], true);
}

#[test]
fn a_staff_member_who_leaves_one_node_is_away_for_users_at_the_other() {
    let (_redis, one, other) = two();
    let (mut alice, sam, ticket) = chat(&one, &other);
    let mut kim = one.staff("kim").online();
    sam.leave();
    alice.expect("staff_offline");
    kim.sees(&ticket, "paused");
    kim.pick(&ticket);
    alice.expect("staff_joined");
}

#[test]
fn a_node_that_comes_later_has_all_that_there_is() {
    let (redis, one, other) = two();
    let (mut alice, _sam, ticket) = chat(&one, &other);
    let third = node(&redis);
    let kim = third.staff("kim");
    assert_eq!(kim.welcome["tickets"][0]["ticket_id"], ticket.as_str());
    assert_eq!(third.metrics().total(&["deskwire_nodes"]), 3.0);
    assert_eq!(third.metrics().total(&["deskwire_node_keeper"]), 0.0);
    alice.close_ticket();
    alice.expect("ticket_closed");
}

#[test]
fn desks_of_other_names_and_databases_know_nothing_of_each_other() {
    let redis = Redis::start();
    let one = node(&redis);
    let named = serving(launch(&redis).args(&["--desk", "sales"]));
    let elsewhere = serving(crate::support::Launch::new().args(&["--redis", &format!("{}/3", redis.url())]));
    one.user("ann").create("here");
    for other in [&named, &elsewhere] {
        assert_eq!(other.staff("sam").welcome["tickets"].as_array().map(Vec::len), Some(0));
        assert_eq!(other.metrics().total(&["deskwire_nodes"]), 1.0);
    }
}

#[test]
fn redis_is_given_texts_and_hashes_but_no_secret() {
    let (redis, one, other) = two();
    let (mut alice, _sam, _) = chat(&one, &other);
    alice.say(1, "known to the log");
    alice.expect("ack");
    let log = redis.cli(&["XRANGE", "deskwire:desk:log", "-", "+"]);
    assert!(log.contains("known to the log"));
    assert!(!log.contains(&alice.session) && !log.contains(crate::support::TOKEN), "{log}");
}

#[test]
fn a_user_of_redis_needs_the_keys_of_the_desk_and_a_few_commands() {
    let redis = Redis::start();
    let rights = ["ACL", "SETUSER", "desk", "on", ">pass:word", "~deskwire:desk:*"];
    let commands = ["+ping", "+select", "+role", "+eval", "+xadd", "+xread", "+xrange", "+xtrim"];
    let in_scripts = ["+exists", "+hset", "+hget", "+hmget", "+incr"];
    redis.cli(&[&rights[..], &commands, &in_scripts].concat());
    let url = |password: &str| format!("redis://desk:{password}@127.0.0.1:{}", redis.port);
    let desk = serving(crate::support::Launch::new().env("DESKWIRE_REDIS", &url("pass%3aword")));
    desk.user("ann").create("help");
    let refused = Desk::of(crate::support::Launch::new().env("DESKWIRE_REDIS", &url("wrong")));
    let line = refused.server.log.wait("why not", |line| line.contains("is away"));
    assert!(line.contains("WRONGPASS") && !line.contains("wrong@"), "{line}");
    assert_eq!(health(&refused), 503);
}

#[test]
fn a_new_staff_file_signs_out_at_its_own_node_alone() {
    let redis = Redis::start();
    let hash = |token: &str| {
        let out = crate::support::Launch::bare().args(&["staff-token", token]).run().stdout;
        let token_line = out[0].rsplit(' ').next().unwrap().to_owned();
        (token_line, out[2].clone())
    };
    let (token, line) = hash("sam");
    let path = std::env::temp_dir().join(format!("deskwire-cluster-staff-{}", std::process::id()));
    std::fs::write(&path, &line).unwrap();
    let file = ["--staff-file", path.to_str().unwrap()];
    let launch = || {
        crate::support::Launch::bare().args(&["--listen", "127.0.0.1:0", "--redis", &redis.url()]).args(&file)
    };
    let (one, other) = (serving(launch()), serving(launch()));
    let mut sam = Staff::welcomed(one.staff_peer("sam", Some(&token)));
    std::fs::write(&path, "").unwrap();
    other.server.signal("HUP");
    other.server.log.wait("it was read", |line| line.contains("0 were signed out"));
    sam.go_online();
    one.server.signal("HUP");
    sam.expect_close(4401);
    let _ = std::fs::remove_file(path);
}

#[test]
#[ignore = "a minute or more: for so long nothing is trimmed"]
fn a_desk_is_stored_now_and_then_and_the_log_is_trimmed() {
    let redis = Redis::start();
    let args = ["--rate-limit", "0", "--listen", "127.0.0.1:0"];
    let one = serving(launch(&redis).args(&args));
    let (mut alice, mut sam, ticket) = chat(&one, &one);
    let long = "x".repeat(4_000);
    // The second snapshot, or a later one, drops what is before the one before it and older than a minute.
    let begins = || redis.cli(&["XRANGE", "deskwire:desk:log", "-", "+", "COUNT", "1"]).contains("begins");
    for id in 1.. {
        alice.say(id, &long);
        let seq = int(&sam.expect("message"), "seq");
        sam.delivered(&ticket, seq);
        alice.expect("ack");
        alice.expect("delivered");
        if id % 500 == 0 && !begins() {
            break;
        }
        assert!(id < 200_000, "nothing is trimmed in 800 MB");
    }
    assert!(one.metrics().total(&["deskwire_stream_snapshots_total"]) >= 2.0);
    let other = node(&redis);
    let kim = other.staff("kim");
    assert_eq!(kim.welcome["tickets"][0]["ticket_id"], ticket.as_str());
    eventually("all is read back", || one.metrics().total(&["deskwire_stream_waiting_bytes"]) == 0.0);
}
