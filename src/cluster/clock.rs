//! An estimate of the log's time between two entries.

use crate::config::Millis;

/// The last entry's time, and the local time at which it was read. The clock of Redis may differ from ours, and may be set.
#[derive(Debug, Default)]
pub(super) struct LogClock {
    log: Millis,
    here: Millis,
}

impl LogClock {
    pub(super) fn note(&mut self, log: Millis, here: Millis) {
        (self.log, self.here) = (log, here);
    }

    /// Returns the local time at which the log's time will be `log`. It may be a little late, by the time that it took to read
    /// the last entry.
    pub(super) fn here(&self, log: Millis) -> Millis {
        self.here + log.saturating_sub(self.log)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_the_log_is_as_far_from_the_last_entry_here_as_there() {
        let mut clock = LogClock::default();
        clock.note(5_000, 70);
        assert_eq!((clock.here(5_100), clock.here(4_000)), (170, 70));
        clock.note(5_050, 500); // the clock of Redis was set back: its ids wait for it
        assert_eq!(clock.here(5_100), 550);
    }
}
