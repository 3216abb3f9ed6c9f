//! The server as its clients see it: the binary as a child process, with sockets, signals and files. tests/README.md
//! lists the modules.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../support/mod.rs"]
mod support;

mod auth;
mod capacity;
mod closing;
mod deadlines;
mod doctor;
mod handshake;
mod hostile;
mod http;
mod image;
mod journal;
mod limits;
mod log;
mod messages;
mod operation;
mod origins;
mod presence;
mod queue;
mod rating;
mod recap;
mod refusals;
mod signals;
mod slow_readers;
mod staff_file;
mod supervisor;
mod texts;
mod tickets;
mod wire;
