//! Who must act by when.
//!
//! A connection's deadline is derived from its state and moves with every byte. To move it in a queue as well would
//! cost every message; instead the queue keeps the earliest time at which somebody has to look at the connection again.
//! If by then its deadline has moved on, it is queued again for that.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::ConnId;
use crate::config::{Millis, TIDY_ENTRIES_MIN};

/// Never.
pub const NEVER: Millis = Millis::MAX;

/// Times at which to look at a connection, the earliest first.
#[derive(Debug, Default)]
pub struct Deadlines {
    queue: BinaryHeap<Reverse<(Millis, ConnId)>>,
}

impl Deadlines {
    /// Looks at `conn` at `due`, unless that has been arranged for an earlier time already: `scheduled_at` is when, and is the
    /// connection's to keep.
    pub fn schedule(&mut self, conn: ConnId, scheduled_at: &mut Millis, due: Millis) {
        if due < *scheduled_at {
            *scheduled_at = due;
            self.queue.push(Reverse((due, conn)));
        }
    }

    /// When to wake up.
    pub fn next_due(&self) -> Option<Millis> {
        self.queue.peek().map(|Reverse((due, _))| *due)
    }

    /// The next entry that is due by `now`: its time tells a current entry (the one that `scheduled_at` names) from one that an
    /// earlier one has overtaken.
    pub fn pop_due(&mut self, now: Millis) -> Option<(Millis, ConnId)> {
        if self.next_due()? > now {
            return None;
        }
        self.queue.pop().map(|Reverse(entry)| entry)
    }

    /// Drops what nobody waits for any more, once that is more than half: connections that came and went leave their
    /// entries behind, and a storm of them would be paid for until these are due. `is_current` tells those of the
    /// `connections` that there are.
    pub fn tidy(&mut self, connections: usize, is_current: impl Fn(Millis, ConnId) -> bool) {
        if self.queue.len() > 2 * connections.max(TIDY_ENTRIES_MIN) {
            self.queue.retain(|Reverse((due, conn))| is_current(*due, *conn));
            self.queue.shrink_to(2 * self.queue.len().max(TIDY_ENTRIES_MIN));
        }
    }

    /// How many entries wait.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_earlier_time_is_queued() {
        let conn = ConnId { slot: 0, generation: 0 };
        let (mut deadlines, mut scheduled_at) = (Deadlines::default(), NEVER);
        for due in [30, 50, 30, 10, 10] {
            deadlines.schedule(conn, &mut scheduled_at, due);
        }
        assert_eq!((scheduled_at, deadlines.len()), (10, 2));
        assert_eq!(deadlines.pop_due(9), None);
        assert_eq!(deadlines.pop_due(30), Some((10, conn)));
        assert_eq!(deadlines.pop_due(30), Some((30, conn)));
        assert!(deadlines.is_empty());
    }

    #[test]
    fn what_those_who_left_leave_behind_is_dropped() {
        let conn = |slot| ConnId { slot, generation: 0 };
        let mut deadlines = Deadlines::default();
        for slot in 0..100_000 {
            deadlines.schedule(conn(slot), &mut NEVER.clone(), u64::from(slot));
            deadlines.tidy(1, |due, _| due == 7);
            assert!(deadlines.len() <= 2048, "{} entries", deadlines.len());
        }
        assert_eq!(deadlines.pop_due(NEVER), Some((7, conn(7))));
    }
    #[test]
    fn a_storm_beside_many_who_stay_costs_each_entry_a_look_or_two() {
        const STAY: u32 = 10_000;
        const STORM: u32 = 50_000;
        let mut deadlines = Deadlines::default();
        let arm = |deadlines: &mut Deadlines, slot| {
            deadlines.schedule(ConnId { slot, generation: 0 }, &mut NEVER.clone(), u64::from(slot));
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
