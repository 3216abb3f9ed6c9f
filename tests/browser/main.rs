//! Both pages in a real Chromium, driven by mouse and keys. Each test runs twice: with the pages from disk, and served.
//!
//! Every page is checked at its end: nothing in the console, no request but for its own files and its
//! one socket (windows.rs). `PAGES_DIR` names other pages than frontend/, to see the tests fail on broken ones.
//! `CHROME` names a browser. The main test runs once more in Firefox, on demand (firefox.rs). What the pages are held
//! to, and which test holds them to it, is in tests/README.md.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::zombie_processes, reason = "Chromium ends with the pipe that it is driven by")]
#![allow(clippy::nonminimal_bool, reason = "said as one would say it")]
#![allow(unreachable_pub, missing_docs, reason = "its readers are the tests beside it")]

#[path = "../support/mod.rs"]
mod support;

// The tools.
mod axe;
mod chromium;
mod device;
mod input;
mod opening;
mod page;
#[path = "../support/proxy.rs"]
mod proxy;
mod record;
#[allow(dead_code, reason = "the tests of nodes use the rest")]
#[path = "../cluster/redis.rs"]
mod redis;
mod scripted;
mod secure;
mod setup;
mod simulation;
mod slow_line;
mod windows;

// The simulation's files name each other from the root of their crate.
use simulation::*;

// The tests.
mod accessibility;
mod agreement;
mod alerts;
mod asking;
mod canned;
mod chat;
mod console;
mod cost;
mod day;
mod disconnects;
mod extremes;
mod firefox;
mod focus;
mod history;
mod hostile;
mod i18n;
mod keyboard;
mod layout;
mod log;
mod measure;
mod people;
mod refusals;
mod reverse_proxy;
mod screenshots;
mod secrets;
mod session_conflicts;
mod slips;
mod states;
mod survival;
#[cfg(feature = "tls")]
mod tls;
mod tree;
mod truth;
mod typing;
mod widget;
