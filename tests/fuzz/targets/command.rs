//! Any text as a command of either role: nothing panics, and what is read is what the tables of PROTOCOL.md say of that text.
#![no_main]

#[path = "../properties/command.rs"]
mod property;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| property::check(text));
