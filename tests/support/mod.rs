//! The harness of tests that run the server: the server as a child process, a hand-written client of RFC 6455, and the
//! roles of user and staff on top of it.
#![allow(dead_code, unused_imports, reason = "each test crate compiles all of this and uses a part")]
#![allow(unreachable_pub, missing_docs, reason = "its readers are the tests beside it")]
#![allow(clippy::print_stderr, reason = "a failed test shows the server's log")]

pub mod client;
pub mod document;
pub mod head;
pub mod roles;
pub mod scenario;
pub mod schema;
pub mod server;
pub mod stream;
#[cfg(feature = "tls")]
pub mod tls;
pub mod traffic;
pub mod websocket;
pub mod wire;

pub use client::{Peer, int, text};
pub use head::{Request, Response};
pub use roles::{Staff, User};
pub use scenario::{Chat, Desk};
pub use serde_json::{Value, json};
pub use server::{Launch, Server, TOKEN};
pub use wire::op;
pub use wire::{Next, PATIENCE, Wire};
