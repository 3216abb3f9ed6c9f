//! How much a peer has sent of late: those who sent much are served after the others.

use crate::config::{DEBT_LEAK_BYTES_PER_S, FRONT_DEBT_BYTES, Millis};

/// Bytes received, less those that have leaked away since; kept as a time so that nothing has to leak.
#[derive(Debug, Default)]
pub(super) struct ByteDebt {
    /// When all of them will have leaked, in microseconds.
    clear_at_us: u64,
}

impl ByteDebt {
    pub(super) fn add(&mut self, bytes: usize, now: Millis) {
        self.clear_at_us = self.clear_at_us.max(now * US_PER_MS) + leak_us(bytes);
    }

    /// Returns whether it is more than a person at a keyboard causes.
    pub(super) fn is_much(&self, now: Millis) -> bool {
        self.clear_at_us > now * US_PER_MS + leak_us(FRONT_DEBT_BYTES)
    }
}

const US_PER_MS: u64 = 1000;
const US_PER_S: u64 = 1_000_000;

/// How long so many bytes take to leak.
const fn leak_us(bytes: usize) -> u64 {
    bytes as u64 * US_PER_S / DEBT_LEAK_BYTES_PER_S
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_kib_at_once_are_not_much_one_byte_more_is_and_it_leaks() {
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
