//! Maps ticket numbers to ticket ids and back.
//!
//! Numbers count up from 1. Ids must not show this, or a stranger could count the desk's tickets by opening two. So an
//! id is its number, permuted by a small Feistel network with keys from a random seed. Within one run no id repeats,
//! because a permutation has no collisions. After a restart with another seed, a new id equals one of the n earlier ids
//! with a probability of n in 2^40. This hides a count; it is not encryption, and must not be used to keep a secret.

use std::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};

use crate::ids::TicketId;

/// Random bits that key the permutation.
pub(crate) type Seed = [u64; 2];

/// A ticket's number: the order in which tickets were created.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct TicketNo(u64);

impl TicketNo {
    /// Returns the number after this one.
    pub(super) fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// Returns the index of the block of 2^`bits` numbers that this number is in.
    pub(super) fn block(self, bits: u32) -> u64 {
        self.0 >> bits
    }
}

#[cfg(test)]
impl From<u64> for TicketNo {
    fn from(number: u64) -> Self {
        Self(number)
    }
}

const HALF_BITS: u32 = TicketId::BITS / 2;
const HALF_MASK: u64 = (1 << HALF_BITS) - 1;
const ROUNDS: u64 = 6;

/// The counter of tickets, and the seed of the permutation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct TicketIds {
    seed: Seed,
    last: u64,
}

/// Hashes number by number: an array of integers is hashed as it lies in memory, which differs between machines.
impl Hash for TicketIds {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let [first, second] = self.seed;
        (first, second, self.last).hash(state);
    }
}

impl TicketIds {
    pub(super) fn new(seed: Seed) -> Self {
        Self { seed, last: 0 }
    }

    /// Counts one more ticket and returns its number.
    pub(super) fn next(&mut self) -> TicketNo {
        self.last += 1;
        TicketNo(self.last)
    }

    pub(super) fn id(&self, number: TicketNo) -> TicketId {
        let (mut left, mut right) = (number.0 >> HALF_BITS & HALF_MASK, number.0 & HALF_MASK);
        for round in 0..ROUNDS {
            (left, right) = (right, left ^ self.mix(round, right));
        }
        TicketId::from_bits(left << HALF_BITS | right)
    }

    pub(super) fn number(&self, id: TicketId) -> TicketNo {
        let (mut left, mut right) = (id.bits() >> HALF_BITS, id.bits() & HALF_MASK);
        for round in (0..ROUNDS).rev() {
            (left, right) = (right ^ self.mix(round, left), left);
        }
        TicketNo(left << HALF_BITS | right)
    }

    /// The finaliser of SplitMix64 (Steele, Lea, Flood 2014), keyed by round and seed.
    fn mix(&self, round: u64, half: u64) -> u64 {
        let key = self.seed[(round % 2) as usize].wrapping_add(round.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let mut z = half.wrapping_mul(0xD6E8_FEB8_6659_FD93) ^ key;
        z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ z >> 31) & HALF_MASK
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn numbers_follow_each_other_and_64_make_a_block_of_6_bits() {
        assert_eq!(TicketNo(5).next(), TicketNo(6));
        assert_eq!([0, 63, 64, 130].map(|number| TicketNo(number).block(6)), [0, 0, 1, 2]);
    }

    #[test]
    fn ids_lead_back_to_their_numbers_and_do_not_repeat() {
        let mut ids = TicketIds::new([1, 2]);
        let mut seen = BTreeSet::new();
        for _ in 0..10_000 {
            let number = ids.next();
            let id = ids.id(number);
            assert_eq!(ids.number(id), number);
            assert!(seen.insert(id), "{id} twice");
        }
    }

    #[test]
    fn ids_do_not_repeat_beyond_a_million_tickets() {
        let ids = TicketIds::new([1, 2]);
        let numbers = (0..TicketId::BITS).map(|bit| TicketNo(1 << bit)).chain([TicketNo((1 << 40) - 1)]);
        let mut seen = BTreeSet::new();
        for number in numbers {
            let id = ids.id(number);
            assert_eq!(ids.number(id), number);
            assert!(seen.insert(id), "{id} twice");
        }
    }

    #[test]
    fn ids_of_neighbours_and_of_other_seeds_are_unrelated() {
        let (ids, others) = (TicketIds::new([1, 2]), TicketIds::new([1, 3]));
        let differing_bits = |a: TicketId, b: TicketId| (a.bits() ^ b.bits()).count_ones();
        let mean = |pairs: &dyn Fn(u64) -> (TicketId, TicketId)| {
            (1..=1000).map(pairs).map(|(a, b)| differing_bits(a, b)).sum::<u32>() / 1000
        };
        assert!((18..=22).contains(&mean(&|n| (ids.id(TicketNo(n)), ids.id(TicketNo(n + 1))))));
        assert!((18..=22).contains(&mean(&|n| (ids.id(TicketNo(n)), others.id(TicketNo(n))))));
    }

    #[test]
    fn a_round_agrees_with_splitmix64() {
        // The first three outputs of the reference implementation, seeded with 0.
        const FROM_0: [u64; 3] = [0xE220_A839_7B1D_CDAF, 0x6E78_9E6A_A1B9_65F4, 0x06C4_5D18_8009_454F];
        let ids = TicketIds::new([0, 0]);
        for (round, number) in (1..).zip(FROM_0) {
            assert_eq!(ids.mix(round, 0), number & HALF_MASK);
        }
    }
}
