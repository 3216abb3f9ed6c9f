//! Both pages in a real Chromium, from disk and served.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::zombie_processes, reason = "Chromium ends with the pipe that it is driven by")]
#![allow(clippy::nonminimal_bool, reason = "said as one would say it")]
#![allow(unreachable_pub, missing_docs, reason = "its readers are the tests beside it")]

#[path = "../support/mod.rs"]
mod support;

mod access;
mod alerts;
mod axe;
mod chromium;
mod hands;
mod hostile;
mod keyboard;
mod layout;
mod page;
mod proxy;
mod scene;

mod cuts;
mod screenshots;
mod states;
mod strangers;
mod talk;
mod typing;
mod words;
