//! Both pages in a real Chromium, from disk and served: each story is told twice, by real mouse and keys.
//!
//! Whatever the story, a page that goes is checked: nothing in the console, no request but for its own files and its
//! one socket (windows.rs). `PAGES_DIR` names other pages than frontend/, to see the stories fail on broken ones;
//! `CHROME` names a browser. The main story is told once more in Firefox, on demand (firefox.rs). What the pages are held
//! to, and which story holds them to it, is in tests/README.md.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::zombie_processes, reason = "Chromium ends with the pipe that it is driven by")]
#![allow(clippy::nonminimal_bool, reason = "said as one would say it")]
#![allow(unreachable_pub, missing_docs, reason = "its readers are the tests beside it")]

#[path = "../support/mod.rs"]
mod support;

// The tools: a browser, a page in it, the hands that use it, a line that breaks, and a desk that says what it is told.
mod axe;
mod chromium;
mod device;
mod hands;
mod opening;
mod page;
mod proxy;
mod record;
mod scene;
mod scripted;
mod windows;

// The stories.
mod access;
mod alerts;
mod cuts;
mod firefox;
mod focus;
mod hostile;
mod keyboard;
mod layout;
mod refused;
mod screenshots;
mod secrets;
mod states;
mod strangers;
mod talk;
mod typing;
mod words;
