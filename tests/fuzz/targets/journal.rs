//! Any bytes as a journal, and any line in a good one: it is read, or refused in words, and nothing panics. What is read has the
//! State that it says.
#![no_main]

use deskwire::journal::{History, report};
use libfuzzer_sys::fuzz_target;

/// A journal with a few turns: a ticket that is opened and picked, and a message from each side.
const GOOD: &[u8] = include_bytes!("../seeds/journal/good");

fuzz_target!(|data: &[u8]| {
    let _ = report(data, true);
    // Damage: a piece of a good one is replaced.
    if let [high, low, length, piece @ ..] = data {
        let at = usize::from(u16::from_be_bytes([*high, *low])) % GOOD.len();
        let end = (at + usize::from(*length)).min(GOOD.len());
        let damaged = [&GOOD[..at], piece, &GOOD[end..]].concat();
        if let Ok(history) = History::read(&damaged) {
            let good = History::read(GOOD).expect("of this STATE_VERSION: else it is to be made anew");
            assert!(history.turns <= good.turns, "no line can be added");
            assert!(damaged[..history.bytes] == GOOD[..history.bytes], "and none changed");
        }
    }
});
