//! Any bytes as a reply of Redis: nothing panics, and what is read does not depend on how the bytes come.
#![no_main]

#[path = "../properties/resp.rs"]
mod property;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| property::check(data));
