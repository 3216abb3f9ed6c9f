//! A replica that takes the place of its Redis. The name that the nodes know leads to one or to the other, as a failover has
//! it: here it is a proxy.

use crate::proxy::Proxy;
use crate::redis::Redis;
use crate::setup::{expect_lost_entries, health, launch_at, serving, until_serving};
use crate::stories::chat;
use crate::support::client::int;
use crate::support::scenario::eventually;
use crate::support::{Desk, Staff, User, text};

/// A Redis with a replica, and two nodes that reach one of them by a name of its own.
struct Failover {
    first: Redis,
    second: Redis,
    name: Proxy,
}

impl Failover {
    fn start() -> (Self, Desk, Desk) {
        // By default it waits for more replicas before it sends its data to the first one.
        let first = Redis::with(&["--repl-diskless-sync-delay", "0"]);
        let second = Redis::with(&["--replicaof", "127.0.0.1", &first.port.to_string()]);
        eventually("it is a replica", || {
            second.cli(&["INFO", "replication"]).contains("master_link_status:up")
        });
        let name = Proxy::to(first.address());
        let node = || serving(launch_at(&format!("redis://{}", name.addr)));
        let (one, other) = (node(), node());
        (Self { first, second, name }, one, other)
    }

    /// Waits until the replica has all that there is. WAIT would wait only for what its own connection has written.
    fn until_replicated(&self) {
        let offset = |redis: &Redis, name: &str| {
            let info = redis.cli(&["INFO", "replication"]);
            info.lines()
                .find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok())
                .expect("an offset")
        };
        eventually("the replica has all", || {
            offset(&self.second, "slave_repl_offset:") == offset(&self.first, "master_repl_offset:")
        });
    }

    fn promote(&self) {
        assert_eq!(self.second.cli(&["REPLICAOF", "NO", "ONE"]).trim(), "OK");
    }

    /// Connections end, and new ones reach the second.
    fn switch(&self) {
        self.name.disconnect();
        self.name.lead_to(self.second.address());
        self.name.restore();
    }
}

/// Expects that the nodes serve again, and that Sam gets what Alice wrote before and meanwhile, each once.
fn expect_that_nothing_is_lost(desks: [&Desk; 2], (alice, sam): (&mut User, &mut Staff), ticket: &str) {
    desks.into_iter().for_each(until_serving);
    assert_eq!(int(&alice.expect("ack"), "id"), 2);
    for words in ["before", "waits"] {
        let message = sam.expect("message");
        assert_eq!(text(&message, "text"), words);
        sam.delivered(ticket, int(&message, "seq"));
    }
    sam.nothing_of(&["message"]);
}

#[test]
fn a_promoted_replica_that_has_all_goes_on_and_nobody_notices() {
    let (mut redis, one, other) = Failover::start();
    let (mut alice, mut sam, ticket) = chat(&one, &other);
    alice.say(1, "before");
    alice.expect("ack");
    redis.until_replicated();
    redis.first.kill();
    redis.switch();
    // It is not promoted yet: a node that wrote to it would be refused, and one that only read might read what is lost later.
    for desk in [&one, &other] {
        desk.server.log.wait("that it is a replica", |line| line.contains("is a replica"));
        eventually("it does not serve", || health(desk) == 503);
    }
    alice.say(2, "waits");
    redis.promote();
    expect_that_nothing_is_lost([&one, &other], (&mut alice, &mut sam), &ticket);
}

#[test]
fn a_promoted_replica_that_lacks_the_tail_has_the_nodes_begin_anew_from_what_it_has() {
    let (mut redis, one, other) = Failover::start();
    let (mut alice, mut sam, ticket) = chat(&one, &other);
    alice.say(1, "replicated");
    alice.expect("ack");
    redis.until_replicated();
    redis.promote(); // from here on it gets nothing more
    alice.say(2, "accepted, and lost with the tail");
    assert_eq!(int(&alice.expect("ack"), "id"), 2);
    sam.expect("message");
    sam.expect("message"); // both nodes have read what will be lost
    redis.first.kill();
    redis.switch();
    let session = alice.session.clone();
    expect_lost_entries([&one, &other], (alice, sam));
    let mut alice = other.user_again("alice", &session);
    assert_eq!(int(&alice.welcome["ticket"], "last_id"), 1, "the page learns what is missing");
    let mut sam = one.staff("sam").online();
    sam.pick(&ticket);
    assert_eq!(text(&sam.expect("message"), "text"), "replicated");
    alice.say(2, "again");
    assert_eq!(text(&sam.expect("message"), "text"), "again");
}

#[test]
fn a_redis_that_becomes_a_replica_itself_is_left_and_loses_nothing() {
    let (redis, one, other) = Failover::start();
    let (mut alice, mut sam, ticket) = chat(&one, &other);
    alice.say(1, "before");
    alice.expect("ack");
    let second = redis.second.port.to_string();
    // Redis holds writes back until the replica has all, and changes the roles then. The nodes stay connected to it.
    let to = ["FAILOVER", "TO", "127.0.0.1", &second, "TIMEOUT", "10000"];
    assert_eq!(redis.first.cli(&to).trim(), "OK");
    eventually("the roles are changed", || redis.second.cli(&["ROLE"]).contains("master"));
    for desk in [&one, &other] {
        eventually("it does not serve", || health(desk) == 503);
    }
    alice.say(2, "waits");
    redis.switch();
    expect_that_nothing_is_lost([&one, &other], (&mut alice, &mut sam), &ticket);
}
