//! Returning memory to the operating system.
//!
//! The C library keeps freed memory unless it happens to be at the end of the heap: after a flood of tickets the
//! process would stay as large as it ever was. So once the desk has become much smaller, the C library is asked to
//! return all free pages.

use crate::config::{Millis, TRIM_ITEMS_MIN, TRIM_MS};

/// Watches the number of connections and tickets, and decides when to return memory.
#[derive(Debug, Default)]
pub(crate) struct Trim {
    /// The largest number of connections and tickets since memory was last returned.
    items_max: usize,
    due: Option<Millis>,
}

impl Trim {
    /// Notes the present number of connections and tickets, and returns whether to return memory now.
    pub(crate) fn is_due(&mut self, items: usize, now: Millis) -> bool {
        self.items_max = self.items_max.max(items);
        if self.items_max < TRIM_ITEMS_MIN || items > self.items_max / 2 {
            self.due = None;
            return false;
        }
        // Not at once: a desk that has begun to shrink usually goes on shrinking.
        if *self.due.get_or_insert(now + TRIM_MS) > now {
            return false;
        }
        *self = Self { items_max: items, due: None };
        true
    }

    /// Returns when to ask again if nothing happens before.
    pub(crate) fn next_due(&self) -> Option<Millis> {
        self.due
    }
}

/// Returns all free memory to the operating system. That takes about 5 ms for 30 MiB.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "the only way to ask for it, and no crate wraps it")]
pub(crate) fn give_back() {
    // SAFETY: malloc_trim(3) takes no pointer and may be called at any time.
    unsafe { libc::malloc_trim(0) };
}

/// Other allocators return memory by themselves, or not at all.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) fn give_back() {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_given_back_once_some_time_after_the_desk_has_become_half_as_large() {
        let mut trim = Trim::default();
        assert!(!trim.is_due(10 * TRIM_ITEMS_MIN, 0));
        assert!(!trim.is_due(6 * TRIM_ITEMS_MIN, 1));
        assert_eq!(trim.next_due(), None);
        assert!(!trim.is_due(5 * TRIM_ITEMS_MIN, 2));
        assert_eq!(trim.next_due(), Some(2 + TRIM_MS));
        assert!(!trim.is_due(TRIM_ITEMS_MIN, 1 + TRIM_MS));
        assert!(trim.is_due(0, 2 + TRIM_MS));
        assert_eq!(trim.next_due(), None);
        assert!(!trim.is_due(0, 100 * TRIM_MS), "once");
    }

    #[test]
    fn a_small_desk_and_one_that_grows_again_are_left_alone() {
        let mut trim = Trim::default();
        assert!(!trim.is_due(TRIM_ITEMS_MIN - 1, 0));
        assert!(!trim.is_due(0, 10 * TRIM_MS));
        assert!(!trim.is_due(TRIM_ITEMS_MIN, 10 * TRIM_MS));
        assert!(!trim.is_due(0, 10 * TRIM_MS));
        assert!(!trim.is_due(TRIM_ITEMS_MIN, 10 * TRIM_MS + 1));
        assert_eq!(trim.next_due(), None);
    }
}
