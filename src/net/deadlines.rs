//! The deadlines of all connections, in a queue.
//!
//! A connection's deadline is derived from its state and moves with every byte. Moving it in the queue each time would
//! cost time with every message. So the queue holds the earliest time at which to look at the connection again, and if
//! its deadline has moved on by then, the connection is queued for the new one.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::ConnId;
use crate::config::{Millis, TIDY_ENTRIES_MIN};

/// A time that never comes.
pub(crate) const NEVER: Millis = Millis::MAX;

/// Times at which to look at connections, the earliest first.
#[derive(Debug, Default)]
pub(crate) struct Deadlines {
    queue: BinaryHeap<Reverse<(Millis, ConnId)>>,
}

impl Deadlines {
    /// Queues `conn` for `due`, unless it is already queued for an earlier time. `scheduled_at`, which is kept with the
    /// connection, is the earliest time it is queued for.
    pub(crate) fn schedule(&mut self, conn: ConnId, scheduled_at: &mut Millis, due: Millis) {
        if due < *scheduled_at {
            *scheduled_at = due;
            self.queue.push(Reverse((due, conn)));
        }
    }

    /// Returns the earliest time in the queue.
    pub(crate) fn next_due(&self) -> Option<Millis> {
        self.queue.peek().map(|Reverse((due, _))| *due)
    }

    /// Takes the next entry that is due by `now`. An entry whose time differs from the connection's `scheduled_at` is
    /// outdated: an earlier one was queued after it.
    pub(crate) fn pop_due(&mut self, now: Millis) -> Option<(Millis, ConnId)> {
        if self.next_due()? > now {
            return None;
        }
        self.queue.pop().map(|Reverse(entry)| entry)
    }

    /// Drops outdated entries once they are more than half. Connections that have ended leave theirs behind, and a
    /// storm of short connections would take memory until those are due. `connections` is the number of connections
    /// now; `is_current` returns whether an entry still counts.
    pub(crate) fn tidy(&mut self, connections: usize, is_current: impl Fn(Millis, ConnId) -> bool) {
        if self.queue.len() > 2 * connections.max(TIDY_ENTRIES_MIN) {
            self.queue.retain(|Reverse((due, conn))| is_current(*due, *conn));
            self.queue.shrink_to(2 * self.queue.len().max(TIDY_ENTRIES_MIN));
        }
    }

    /// Returns the number of entries, outdated ones included.
    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_earlier_time_is_queued() {
        let conn = ConnId::here(0, 0);
        let (mut deadlines, mut scheduled_at) = (Deadlines::default(), NEVER);
        for due in [30, 50, 30, 10, 10] {
            deadlines.schedule(conn, &mut scheduled_at, due);
        }
        assert_eq!((scheduled_at, deadlines.len()), (10, 2));
        assert_eq!(deadlines.pop_due(9), None);
        assert_eq!(deadlines.pop_due(30), Some((10, conn)));
        assert_eq!(deadlines.pop_due(30), Some((30, conn)));
        assert_eq!(deadlines.len(), 0);
    }

    #[test]
    fn entries_of_ended_connections_are_dropped() {
        let conn = |slot| ConnId::here(slot, 0);
        let mut deadlines = Deadlines::default();
        for slot in 0..100_000 {
            deadlines.schedule(conn(slot), &mut NEVER.clone(), u64::from(slot));
            deadlines.tidy(1, |due, _| due == 7);
            assert!(deadlines.len() <= 2048, "{} entries", deadlines.len());
        }
        assert_eq!(deadlines.pop_due(NEVER), Some((7, conn(7))));
    }
    #[test]
    fn a_storm_of_short_connections_costs_each_entry_a_look_or_two() {
        const STAY: u32 = 10_000;
        const STORM: u32 = 50_000;
        let mut deadlines = Deadlines::default();
        let arm = |deadlines: &mut Deadlines, slot| {
            deadlines.schedule(ConnId::here(slot, 0), &mut NEVER.clone(), u64::from(slot));
        };
        (0..STAY).for_each(|slot| arm(&mut deadlines, slot));
        let looks = std::cell::Cell::new(0);
        for slot in STAY..STAY + STORM {
            arm(&mut deadlines, slot);
            if slot % 7 == 0 {
                deadlines.tidy(STAY as usize, |_, conn| {
                    looks.set(looks.get() + 1);
                    conn.slot < STAY
                });
            }
        }
        assert!(deadlines.len() <= 2 * STAY as usize + 7, "{} entries", deadlines.len());
        assert!(looks.get() <= 2 * STORM, "{} looks", looks.get());
    }
}
