//! A slab whose keys are types of their own, and that can be hashed. Keys are used to find, never to order.

use std::hash::{Hash, Hasher};
use std::ops::{Index, IndexMut};

use serde::{Deserialize, Serialize};
use slab::Slab;

/// Values of one kind, each with a key.
#[derive(Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Slots<T>(Slab<T>);

/// The key of a value in `Slots<T>`.
pub(super) trait Key<T>: Copy + From<u32> {
    fn index(self) -> usize;
}

macro_rules! key_type {
    ($(#[$doc:meta])* $name:ident for $value:ty) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub(super) struct $name(u32);

        impl From<u32> for $name {
            fn from(index: u32) -> Self {
                Self(index)
            }
        }

        impl Key<$value> for $name {
            fn index(self) -> usize {
                self.0 as usize
            }
        }
    };
}
pub(super) use key_type;

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self(Slab::new())
    }
}

impl<T> Slots<T> {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|(_, value)| value)
    }

    #[expect(clippy::cast_possible_truncation, reason = "there is no memory for 2^32 of them")]
    pub(super) fn insert<K: Key<T>>(&mut self, value: T) -> K {
        K::from(self.0.insert(value) as u32)
    }

    pub(super) fn remove(&mut self, key: impl Key<T>) -> Option<T> {
        let removed = self.0.try_remove(key.index());
        // An empty desk keeps no memory of a full one.
        if self.0.is_empty() {
            self.0.shrink_to_fit();
        }
        removed
    }

    /// The keys of a range of slots, for work that is done part by part; `None` once the range is beyond the last slot.
    pub(super) fn keys_from<K: Key<T>>(&self, first: u32, count: u32) -> Option<Vec<K>> {
        // Not the capacity: that depends on what there was before, and on how State was stored.
        let slots = self.0.iter().next_back().map_or(0, |(last, _)| last + 1);
        let slots = u32::try_from(slots).unwrap_or(u32::MAX);
        let last = first.saturating_add(count).min(slots);
        (first < slots)
            .then(|| (first..last).filter(|at| self.0.contains(*at as usize)).map(K::from).collect())
    }
}

impl<T, K: Key<T>> Index<K> for Slots<T> {
    type Output = T;
    fn index(&self, key: K) -> &T {
        &self.0[key.index()]
    }
}

impl<T, K: Key<T>> IndexMut<K> for Slots<T> {
    fn index_mut(&mut self, key: K) -> &mut T {
        &mut self.0[key.index()]
    }
}

impl<T: Hash> Hash for Slots<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.len().hash(state);
        for entry in &self.0 {
            entry.hash(state);
        }
    }
}
