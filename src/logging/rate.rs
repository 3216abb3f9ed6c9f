//! The rate limit of the log: at most one line a second of each kind, whatever peers do. The other lines are counted.
//!
//! A kind is a place in the code. The second line within a second is held back and written when the second is over.
//! Later ones are only counted, which costs almost nothing. So the count never has to wait for a next line that may not
//! come, and if something happens twice at once, both lines can be read. A line keeps the time of its event, so lines
//! of different kinds may be out of order by a second.

use std::time::{Duration, Instant};

use super::line::Line;

/// The shortest time between two lines of a kind.
pub(super) const WINDOW: Duration = Duration::from_millis(crate::config::LOG_LINE_MS);

/// The place in the code that a line comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Site {
    pub(super) file: &'static str,
    pub(super) line: u32,
}

/// The state of one kind of line.
#[derive(Debug)]
struct Kind {
    site: Site,
    /// No other line of this kind is written before this time.
    until: Instant,
    held: Option<Held>,
}

/// A line that waits for the end of its second, and the number of lines that came after it.
#[derive(Debug)]
struct Held {
    line: Line,
    more: u64,
}

/// The lines of the last second, by kind. There are only as many kinds as places in the code that log: a few dozen.
#[derive(Debug, Default)]
pub(super) struct RateLimit {
    kinds: Vec<Kind>,
    /// When the first of the held lines is due.
    next_due: Option<Instant>,
}

impl RateLimit {
    /// Returns the finished line if it may be written now. Otherwise holds it back or counts it.
    pub(super) fn admit(&mut self, site: Site, now: Instant, line: impl FnOnce() -> Line) -> Option<String> {
        let until = now + WINDOW;
        let Some(kind) = self.kinds.iter_mut().find(|kind| kind.site == site) else {
            self.kinds.push(Kind { site, until, held: None });
            return Some(line().finish(0));
        };
        match &mut kind.held {
            Some(held) => held.more += 1,
            None if kind.until <= now => {
                kind.until = until;
                return Some(line().finish(0));
            }
            None => {
                kind.held = Some(Held { line: line(), more: 0 });
                self.next_due = Some(self.next_due.map_or(kind.until, |due| due.min(kind.until)));
            }
        }
        None
    }

    /// Returns when the next held line is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.next_due
    }

    /// Takes the held lines that are due, each with the number of lines left out after it.
    pub(super) fn take_due(&mut self, now: Instant) -> Vec<String> {
        if self.next_due.is_none_or(|due| due > now) {
            return Vec::new();
        }
        let due = self.kinds.iter_mut().filter(|kind| kind.until <= now);
        let due = due.filter_map(|kind| {
            let held = kind.held.take()?;
            kind.until = now + WINDOW;
            Some(held.line.finish(held.more))
        });
        let lines = due.collect();
        let waiting = self.kinds.iter().filter(|kind| kind.held.is_some());
        self.next_due = waiting.map(|kind| kind.until).min();
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The least time between two lines of a kind, as README says.
    const SECOND: Duration = Duration::from_secs(1);
    const HERE: Site = Site { file: "here.rs", line: 1 };
    const THERE: Site = Site { file: "here.rs", line: 2 };

    fn admit(rate: &mut RateLimit, site: Site, now: Instant, text: &str) -> bool {
        rate.admit(site, now, || text.into()).is_some()
    }

    #[test]
    fn a_second_line_waits_and_the_others_are_counted() {
        let (mut rate, start) = (RateLimit::default(), Instant::now());
        assert!(admit(&mut rate, HERE, start, "first"));
        for n in 0..1_000 {
            assert!(!admit(&mut rate, HERE, start, &format!("held {n}")));
        }
        assert!(rate.take_due(start + SECOND - Duration::from_millis(1)).is_empty());
        assert_eq!(rate.next_due(), Some(start + SECOND));
        let lines = rate.take_due(start + SECOND);
        assert_eq!(lines, ["held 0 (and 999 more in the last second)"]);
        assert_eq!(rate.next_due(), None);
        // The held line counts as the one line of the second in which it was written.
        assert!(!admit(&mut rate, HERE, start + SECOND, "again"));
        assert_eq!(rate.take_due(start + SECOND * 2), ["again"]);
        assert!(admit(&mut rate, HERE, start + SECOND * 4, "later"));
    }

    #[test]
    fn kinds_do_not_wait_for_each_other() {
        let (mut rate, start) = (RateLimit::default(), Instant::now());
        let later = start + SECOND / 2;
        assert!(admit(&mut rate, HERE, start, "a"));
        assert!(admit(&mut rate, THERE, later, "b"));
        assert!(!admit(&mut rate, THERE, later, "b held"));
        assert!(!admit(&mut rate, HERE, later, "a held"));
        assert_eq!(rate.take_due(start + SECOND), ["a held"]);
        assert_eq!(rate.next_due(), Some(later + SECOND));
        assert_eq!(rate.take_due(later + SECOND), ["b held"]);
    }

    #[test]
    fn a_line_behind_one_that_is_overdue_does_not_overtake_it() {
        let (mut rate, start) = (RateLimit::default(), Instant::now());
        assert!(admit(&mut rate, HERE, start, "first"));
        assert!(!admit(&mut rate, HERE, start, "held"));
        assert!(!admit(&mut rate, HERE, start + SECOND * 2, "late"));
        assert_eq!(rate.take_due(start + SECOND * 2), ["held (and 1 more in the last second)"]);
    }
}
