//! What the socket tests share: the server as a child, a raw RFC 6455 client, and words to tell a story with.
#![allow(dead_code, unused_imports, reason = "each test crate compiles all of this and uses a part")]
#![allow(unreachable_pub, missing_docs, reason = "its readers are the tests beside it")]
#![allow(clippy::print_stderr, reason = "a failed test shows the server's log")]

pub mod client;
pub mod document;
pub mod ends;
pub mod head;
pub mod scenario;
pub mod server;
pub mod shape;
pub mod wire;

pub use client::{Peer, int, text};
pub use ends::{Staff, User};
pub use head::{Request, Response};
pub use scenario::{Chat, Desk};
pub use serde_json::{Value, json};
pub use server::{Launch, Server, TOKEN};
pub use wire::{Next, PATIENCE, Wire, op};
