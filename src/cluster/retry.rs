//! When to connect to Redis again.

use crate::config::{Millis, REDIS_RETRY_MS, REDIS_RETRY_MS_MAX};

/// The time of the next attempt, and how long to wait after it if it fails.
#[derive(Debug)]
pub(super) struct Retry {
    at: Millis,
    wait_ms: Millis,
}

impl Default for Retry {
    /// The first attempt is made at once.
    fn default() -> Self {
        Self { at: 0, wait_ms: REDIS_RETRY_MS }
    }
}

impl Retry {
    /// Returns when to connect, unless there are connections.
    pub(super) fn at(&self) -> Millis {
        self.at
    }

    /// Notes that the connections have failed. Each further attempt comes twice as late, so that a Redis that starts is not
    /// kept from it.
    pub(super) fn failed(&mut self, now: Millis) {
        self.at = now + self.wait_ms;
        self.wait_ms = (2 * self.wait_ms).min(REDIS_RETRY_MS_MAX);
    }

    /// Notes that the connections are good: after a later failure, the next attempt comes soon.
    pub(super) fn succeeded(&mut self) {
        self.wait_ms = REDIS_RETRY_MS;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_come_at_once_then_after_50_ms_and_each_twice_as_late_up_to_two_seconds() {
        let mut retry = Retry::default();
        assert_eq!(retry.at(), 0);
        let waits = [1, 2, 3, 4, 5, 6, 7, 8, 9].map(|n| {
            retry.failed(n * 10_000);
            retry.at() - n * 10_000
        });
        assert_eq!(waits, [50, 100, 200, 400, 800, 1_600, 2_000, 2_000, 2_000]);
        retry.succeeded();
        retry.failed(0);
        assert_eq!(retry.at(), 50);
    }
}
