//! The rate limits of a connection: messages a second, and payload bytes a second. Both are token buckets; the service
//! refuses messages over a limit, and the hub closes a connection that floods.

use super::websocket::Incoming;
use crate::config::{FLOOD_FACTOR, Limits, MESSAGES_BURST_S, Millis, PAYLOAD_BURST_S};

const US_PER_MS: u64 = 1000;
const US_PER_S: u64 = 1_000_000;

/// How a message compares to the rate limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RateVerdict {
    /// Within both limits.
    Within,
    /// Over a limit: the service refuses the message.
    Exceeded,
    /// Far over a limit: the connection is closed.
    Flood,
}

/// A token bucket, stored as the time at which it will be full again, so that no timer has to fill it.
#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    /// In microseconds. A time in the past means a full bucket.
    full_at_us: u64,
}

impl Bucket {
    /// Takes out as much as flows back in `cost_us`.
    fn take(&mut self, cost_us: u64, now: Millis) {
        self.full_at_us = self.full_at_us.max(now * US_PER_MS) + cost_us;
    }

    /// Returns how long the bucket takes to be full again, in microseconds.
    fn debt_us(&self, now: Millis) -> u64 {
        self.full_at_us.saturating_sub(now * US_PER_MS)
    }
}

/// How much of its limits a connection has used.
#[derive(Debug, Default)]
pub(crate) struct RateLimit {
    messages: Bucket,
    payload: Bucket,
    /// Uncounted messages that the peer may still send.
    answers: u32,
}

impl RateLimit {
    /// Lets the peer send one uncounted message: the confirmation of a message that it was sent. Other people decide
    /// how many messages it is sent, so confirming each of them must not count as a flood.
    pub(crate) fn allow_answer(&mut self) {
        self.answers = self.answers.saturating_add(1);
    }

    /// Counts a message and returns how it compares to the limits. A message over a limit counts too. A rate of 0 means
    /// no limit.
    pub(crate) fn count(&mut self, message: &Incoming, limits: &Limits, now: Millis) -> RateVerdict {
        let messages = if self.answers > 0 {
            self.answers -= 1;
            RateVerdict::Within
        } else {
            count(&mut self.messages, 1, limits.messages_per_s, MESSAGES_BURST_S, now)
        };
        let bytes = message.payload_bytes() as u64;
        messages.max(count(&mut self.payload, bytes, limits.payload_bytes_per_s, PAYLOAD_BURST_S, now))
    }
}

fn count(bucket: &mut Bucket, amount: u64, per_s: u32, burst_s: u64, now: Millis) -> RateVerdict {
    if per_s == 0 {
        return RateVerdict::Within;
    }
    bucket.take(amount * US_PER_S / u64::from(per_s), now);
    match bucket.debt_us(now) {
        debt if debt <= burst_s * US_PER_S => RateVerdict::Within,
        debt if debt <= FLOOD_FACTOR * burst_s * US_PER_S => RateVerdict::Exceeded,
        _ => RateVerdict::Flood,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use RateVerdict::{Exceeded, Flood, Within};

    const KIB: usize = 1024;

    fn verdicts(rate: &mut RateLimit, bytes: usize, times: usize, now: Millis) -> Vec<RateVerdict> {
        let message = Incoming::Text("x".repeat(bytes).into());
        (0..times).map(|_| rate.count(&message, &Limits::default(), now)).collect()
    }

    #[test]
    fn messages_of_two_seconds_are_within_as_many_again_exceed_and_more_is_a_flood() {
        let mut rate = RateLimit::default();
        assert_eq!(verdicts(&mut rate, 1, 100, 1000), [Within; 100]);
        assert_eq!(verdicts(&mut rate, 1, 100, 1000), [Exceeded; 100]);
        assert_eq!(verdicts(&mut rate, 1, 1, 1000), [Flood]);
        assert_eq!(verdicts(&mut rate, 1, 1, 2500), [Exceeded], "later, as much has come back");
        assert_eq!(verdicts(&mut rate, 1, 100, 9000), [Within; 100], "and some time later all of it");
    }

    #[test]
    fn each_message_sent_allows_one_uncounted_answer() {
        let mut rate = RateLimit::default();
        verdicts(&mut rate, 1, 200, 1000);
        (0..500).for_each(|_| rate.allow_answer());
        assert_eq!(verdicts(&mut rate, 1, 500, 1000), [Within; 500]);
        assert_eq!(verdicts(&mut rate, 1, 1, 1000), [Flood]);
    }

    #[test]
    fn a_payload_of_256_kib_is_within_as_much_again_exceeds_and_more_is_a_flood() {
        let mut rate = RateLimit::default();
        assert_eq!(verdicts(&mut rate, 8 * KIB, 32, 1000), [Within; 32]);
        assert_eq!(verdicts(&mut rate, 8 * KIB, 32, 1000), [Exceeded; 32]);
        assert_eq!(verdicts(&mut rate, 1, 1, 1000), [Flood]);
        assert_eq!(
            verdicts(&mut rate, 64 * KIB, 2, 6001),
            [Within, Exceeded],
            "64 KiB come back in a second"
        );
    }

    #[test]
    fn a_rate_of_zero_is_no_limit() {
        let limits = Limits { messages_per_s: 0, payload_bytes_per_s: 0, ..Limits::default() };
        let mut rate = RateLimit::default();
        let message = Incoming::Text("x".repeat(16 * KIB).into());
        assert!((0..1000).all(|_| rate.count(&message, &limits, 1000) == Within));
    }
}
