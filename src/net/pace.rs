//! How fast a peer talks.

use crate::config::{BURST_S, Millis};

/// How a frame stands to the rate limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Within it.
    Fair,
    /// Over it: refuse what it asks for.
    TooFast,
    /// Far over it: end the connection.
    Flood,
}

/// The rate limit's memory: a bucket that leaks at the allowed rate, kept as a time so that nothing has to leak.
#[derive(Debug, Default)]
pub struct Bucket {
    /// When the frames so far would have come at the allowed rate, in microseconds.
    paid_until_us: u64,
}

impl Bucket {
    /// Counts a frame. A rate of 0 is none.
    pub fn count(&mut self, frames_per_s: u32, now: Millis) -> Pace {
        const US_PER_MS: u64 = 1000;
        const US_PER_S: u64 = 1_000_000;
        if frames_per_s == 0 {
            return Pace::Fair;
        }
        let now_us = now * US_PER_MS;
        self.paid_until_us = self.paid_until_us.max(now_us) + US_PER_S / u64::from(frames_per_s);
        match self.paid_until_us - now_us {
            debt if debt <= BURST_S * US_PER_S => Pace::Fair,
            debt if debt <= 2 * BURST_S * US_PER_S => Pace::TooFast,
            _ => Pace::Flood,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_seconds_worth_at_once_are_fair_as_many_again_too_fast_and_more_a_flood() {
        let mut bucket = Bucket::default();
        let mut count = |now, times| (0..times).map(|_| bucket.count(50, now)).collect::<Vec<_>>();
        assert_eq!(count(1000, 100), [Pace::Fair; 100]);
        assert_eq!(count(1000, 100), [Pace::TooFast; 100]);
        assert_eq!(count(1000, 1), [Pace::Flood]);
        assert_eq!(count(2500, 1), [Pace::TooFast], "later, as much of the debt is paid");
        assert_eq!(count(9000, 100), [Pace::Fair; 100], "and some time later there is none");
    }
}
