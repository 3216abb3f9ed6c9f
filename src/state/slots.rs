//! Values by key, for users and staff. Each kind of value has a type of key, so that one cannot be taken for the other.
//!
//! A new value takes the lowest free slot, so its key depends only on which slots are in use: a State that was stored
//! and read back gives the next user the same key. The order of keys means nothing; it only breaks ties.

use std::collections::BTreeSet;
use std::hash::{Hash, Hasher};
use std::ops::{Index, IndexMut};

use serde::{Deserialize, Serialize, Serializer};

/// Values of one kind, each with a key.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "Vec<Option<T>>")]
pub(super) struct Slots<T> {
    /// The last slot is never empty.
    slots: Vec<Option<T>>,
    /// The empty slots. The lowest is used next.
    free: BTreeSet<u32>,
}

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
        Self { slots: Vec::new(), free: BTreeSet::new() }
    }
}

impl<T> From<Vec<Option<T>>> for Slots<T> {
    fn from(slots: Vec<Option<T>>) -> Self {
        let mut slots = Self { slots, free: BTreeSet::new() };
        slots.drop_last_free();
        slots.free = (0..slots.end()).filter(|at| slots.slots[*at as usize].is_none()).collect();
        slots
    }
}

impl<T> From<Slots<T>> for Vec<Option<T>> {
    fn from(slots: Slots<T>) -> Self {
        slots.slots
    }
}

impl<T> Slots<T> {
    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Returns the index after the last slot.
    #[expect(clippy::cast_possible_truncation, reason = "there is no memory for 2^32 values")]
    fn end(&self) -> u32 {
        self.slots.len() as u32
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &T> {
        self.slots.iter().flatten()
    }

    pub(super) fn get_mut(&mut self, key: impl Key<T>) -> Option<&mut T> {
        self.slots.get_mut(key.index())?.as_mut()
    }

    pub(super) fn insert<K: Key<T>>(&mut self, value: T) -> K {
        let index = self.free.pop_first().unwrap_or_else(|| {
            self.slots.push(None);
            self.end() - 1
        });
        self.slots[index as usize] = Some(value);
        K::from(index)
    }

    pub(super) fn remove(&mut self, key: impl Key<T>) -> Option<T> {
        let removed = self.slots.get_mut(key.index())?.take()?;
        // The last slot is dropped rather than added to `free`, which saves an allocation.
        if key.index() + 1 == self.slots.len() {
            self.drop_last_free();
        } else {
            self.free.extend(u32::try_from(key.index()));
        }
        Some(removed)
    }

    fn drop_last_free(&mut self) {
        while let Some(None) = self.slots.last() {
            self.slots.pop();
            self.free.remove(&self.end());
        }
        // Without this, an empty desk would keep as much memory as a full one.
        if self.slots.is_empty() {
            self.slots = Vec::new();
        }
    }

    /// Returns the keys of all values.
    pub(super) fn keys<K: Key<T>>(&self) -> Vec<K> {
        self.keys_from(0, u32::MAX).unwrap_or_default()
    }

    /// Returns the keys in a range of slots, for work that is spread over several turns; `None` if the range begins
    /// after the last slot.
    pub(super) fn keys_from<K: Key<T>>(&self, first: u32, count: u32) -> Option<Vec<K>> {
        let slots = self.end();
        let last = first.saturating_add(count).min(slots);
        (first < slots)
            .then(|| (first..last).filter(|at| self.slots[*at as usize].is_some()).map(K::from).collect())
    }
}

impl<T, K: Key<T>> Index<K> for Slots<T> {
    type Output = T;
    fn index(&self, key: K) -> &T {
        match &self.slots[key.index()] {
            Some(value) => value,
            None => unreachable!("a key without a value"),
        }
    }
}

impl<T, K: Key<T>> IndexMut<K> for Slots<T> {
    fn index_mut(&mut self, key: K) -> &mut T {
        match &mut self.slots[key.index()] {
            Some(value) => value,
            None => unreachable!("a key without a value"),
        }
    }
}

impl<T: Serialize> Serialize for Slots<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.slots.serialize(serializer)
    }
}

impl<T: Hash> Hash for Slots<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.slots.hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    key_type! {
        /// The key of a letter.
        LetterKey for char
    }

    #[test]
    fn the_keys_in_a_range_are_those_of_values_and_after_the_last_slot_there_are_none() {
        let mut letters = Slots::default();
        let keys = ['a', 'b', 'c'].map(|letter| letters.insert::<LetterKey>(letter));
        letters.remove(keys[1]);
        assert_eq!(letters.keys_from(0, 2), Some(vec![keys[0]]));
        assert_eq!(letters.keys_from(2, 2), Some(vec![keys[2]]));
        assert_eq!(letters.keys_from::<LetterKey>(3, 2), None);
    }
}
