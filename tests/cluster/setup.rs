//! What most tests start with: a Redis, and nodes of one desk.

use crate::redis::Redis;
use crate::support::scenario::eventually;
use crate::support::{Desk, Launch, Request, Staff, User, Wire};

/// How a node of the desk is started.
pub(crate) fn launch(redis: &Redis) -> Launch {
    launch_at(&redis.url())
}

/// The same, where this URL leads to Redis.
pub(crate) fn launch_at(url: &str) -> Launch {
    Launch::new().args(&["--redis", url])
}

/// A node that serves.
pub(crate) fn node(redis: &Redis) -> Desk {
    serving(launch(redis))
}

/// Starts a node, and waits until it serves.
pub(crate) fn serving(launch: Launch) -> Desk {
    let desk = Desk::of(launch);
    until_serving(&desk);
    desk
}

/// A Redis, and two nodes that serve.
pub(crate) fn two() -> (Redis, Desk, Desk) {
    let redis = Redis::start();
    let (one, other) = (node(&redis), node(&redis));
    (redis, one, other)
}

/// What `/healthz` answers.
pub(crate) fn health(desk: &Desk) -> u16 {
    Wire::fetch(desk.server.addr, &Request::get("/healthz")).0.status
}

pub(crate) fn until_serving(desk: &Desk) {
    eventually("the node serves", || health(desk) == 200);
}

/// Expects that all nodes find that the log has lost entries, end their connections, and serve again.
pub(crate) fn expect_lost_entries(desks: [&Desk; 2], (alice, sam): (User, Staff)) {
    alice.expect_close(1012);
    sam.expect_close(1012);
    for desk in desks {
        desk.server.log.wait("that it has lost entries", |line| line.contains("is missing in the log"));
        until_serving(desk);
    }
}
