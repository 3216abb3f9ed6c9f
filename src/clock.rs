//! The desk's clock: the time of the wall clock at the start, and from then on a monotonic count.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::config::Millis;

/// A clock that never goes back. It does not see that the wall clock is set while it runs, and it does not start before
/// a time that is known to have passed, such as the last one in a journal.
pub struct Clock {
    started: Instant,
    started_ms: Millis,
}

impl Clock {
    /// Starts at the time of the wall clock, or at `earliest` if that is later.
    pub fn start(earliest: Millis) -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self::started(Instant::now(), millis(since_epoch).max(earliest))
    }

    /// Makes a clock that counts from the instant `started`, at which the time was `started_ms`.
    pub fn started(started: Instant, started_ms: Millis) -> Self {
        Self { started, started_ms }
    }

    /// Returns the time now.
    pub fn now(&self) -> Millis {
        self.at(Instant::now())
    }

    pub(crate) fn at(&self, instant: Instant) -> Millis {
        self.started_ms + millis(instant.duration_since(self.started))
    }
}

fn millis(span: Duration) -> Millis {
    Millis::try_from(span.as_millis()).unwrap_or(Millis::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_does_not_start_before_a_time_that_has_passed() {
        let wall = Clock::start(0).now();
        assert!(wall > 1_600_000_000_000, "the wall clock");
        let later = wall + 3_600_000;
        assert!(
            (later..later + 1000).contains(&Clock::start(later).now()),
            "though the wall clock was set back"
        );
        assert!(Clock::start(1).now() >= wall);
    }
}
