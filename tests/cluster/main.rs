//! A desk of several nodes, joined by a real Redis: what people at one node see of those at another, and what is kept when
//! nodes and Redis come and go. Each test starts a Redis of its own, on a free port.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../support/mod.rs"]
mod support;

mod failures;
mod frozen;
mod kills;
#[allow(dead_code, unreachable_pub, reason = "the tests of pages use the rest")]
#[path = "../support/proxy.rs"]
mod proxy;
mod redis;
mod replicas;
mod setup;
mod stories;
#[cfg(feature = "tls")]
mod tls;
