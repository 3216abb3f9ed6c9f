//! How much a peer has sent recently. The hub serves peers with much debt after the others, so that a flood delays its
//! own sender first.

use crate::config::{DEBT_LEAK_BYTES_PER_S, FRONT_DEBT_BYTES, Millis};

/// A leaky bucket of received bytes, stored as the time at which it will be empty, so that no timer has to drain it.
#[derive(Debug, Default)]
pub(super) struct ByteDebt {
    /// When the bucket will be empty, in microseconds.
    clear_at_us: u64,
}

impl ByteDebt {
    pub(super) fn add(&mut self, bytes: usize, now: Millis) {
        self.clear_at_us = self.clear_at_us.max(now * US_PER_MS) + leak_us(bytes);
    }

    /// Returns whether the debt is more than a person at a keyboard causes.
    pub(super) fn is_much(&self, now: Millis) -> bool {
        self.clear_at_us > now * US_PER_MS + leak_us(FRONT_DEBT_BYTES)
    }
}

const US_PER_MS: u64 = 1000;
const US_PER_S: u64 = 1_000_000;

/// Returns how long these bytes take to leak.
const fn leak_us(bytes: usize) -> u64 {
    bytes as u64 * US_PER_S / DEBT_LEAK_BYTES_PER_S
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_kib_at_once_are_not_much_and_a_debt_leaks_away() {
        let mut debt = ByteDebt::default();
        debt.add(4096, 1000);
        assert!(!debt.is_much(1000));
        debt.add(1, 1000);
        assert!(debt.is_much(1000));
        assert!(!debt.is_much(1001));
        debt.add(64 * 1024, 1001);
        assert!(debt.is_much(2000));
        assert!(!debt.is_much(2002), "a second's worth is left after a second, less what may always be");
        debt.add(4096, 1_000_000);
        assert!(!debt.is_much(1_000_000), "long ago does not count");
    }
}
