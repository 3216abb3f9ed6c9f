//! An ordered set of tickets, in which the rank of a ticket is found without counting all that are before it.
//!
//! Ticket numbers are grouped into blocks of 256, these into blocks of 256 blocks, and so on. Each block counts how
//! many of its numbers are in the set. The rank of a number is then the sum of at most 255 counts on each level.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::ticket_ids::TicketNo;
use crate::ids::TicketId;

const BLOCK_BITS: u32 = 8;
/// Blocks of the last level are so large that there are no more than 256 of them.
const LEVELS: usize = (TicketId::BITS / BLOCK_BITS - 1) as usize;

/// Tickets in the order of their numbers.
#[derive(Clone, Debug, Default, Hash, Serialize, Deserialize)]
pub(super) struct RankIndex {
    numbers: BTreeSet<TicketNo>,
    /// How many numbers are in each block, level by level. Empty blocks are not kept.
    blocks: [BTreeMap<u64, usize>; LEVELS],
}

impl RankIndex {
    pub(super) fn len(&self) -> usize {
        self.numbers.len()
    }

    pub(super) fn first(&self) -> Option<&TicketNo> {
        self.numbers.first()
    }

    /// Adds a number. Returns whether it is new.
    pub(super) fn insert(&mut self, number: TicketNo) -> bool {
        let is_new = self.numbers.insert(number);
        if is_new {
            for (blocks, index) in self.blocks.iter_mut().zip(blocks_of(number)) {
                *blocks.entry(index).or_default() += 1;
            }
        }
        is_new
    }

    /// Removes a number. Returns whether it was there.
    pub(super) fn remove(&mut self, number: TicketNo) -> bool {
        let was_there = self.numbers.remove(&number);
        if was_there {
            for (blocks, index) in self.blocks.iter_mut().zip(blocks_of(number)) {
                if let Entry::Occupied(mut count) = blocks.entry(index) {
                    *count.get_mut() -= 1;
                    if *count.get() == 0 {
                        count.remove();
                    }
                }
            }
        }
        was_there
    }

    pub(super) fn contains(&self, number: TicketNo) -> bool {
        self.numbers.contains(&number)
    }

    /// Returns the position of a number, beginning with 1. The number itself need not be in the set.
    pub(super) fn position(&self, number: TicketNo) -> u64 {
        let older = self.numbers.range(..number).rev();
        let block = number.block(BLOCK_BITS);
        let mut before = older.take_while(|other| other.block(BLOCK_BITS) == block).count();
        for (blocks, index) in self.blocks.iter().zip(blocks_of(number)) {
            let first = index >> BLOCK_BITS << BLOCK_BITS;
            before += blocks.range(first..index).map(|(_, count)| count).sum::<usize>();
        }
        before as u64 + 1
    }
}

/// Returns the indices of the blocks that a number is in, level by level.
fn blocks_of(number: TicketNo) -> impl Iterator<Item = u64> {
    (1..).map(move |level| number.block(level * BLOCK_BITS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_one_more_than_the_number_of_tickets_before_it() {
        // Numbers that are close together, on both sides of a block's edge on each level, and as far apart as possible.
        let edges = (0..TicketId::BITS).step_by(4).flat_map(|bit| [(1 << bit) - 1, 1 << bit, (1 << bit) + 1]);
        let numbers: BTreeSet<u64> =
            (1..1000).chain(edges).chain((0..1 << TicketId::BITS).step_by(77_777_777_777)).collect();
        let mut index = RankIndex::default();
        // They are inserted and removed in an order that is neither ascending nor descending.
        let shuffled: BTreeSet<(u64, u64)> =
            numbers.iter().map(|number| (number.wrapping_mul(0x9E37_79B9_7F4A_7C15), *number)).collect();
        let mut expected = BTreeSet::new();
        for (_, number) in &shuffled {
            assert!(index.insert(TicketNo::from(*number)));
            assert!(!index.insert(TicketNo::from(*number)), "twice");
            expected.insert(*number);
        }
        for (nth, (_, number)) in shuffled.iter().enumerate() {
            if nth % 40 == 0 {
                let positions: Vec<u64> =
                    numbers.iter().map(|number| index.position(TicketNo::from(*number))).collect();
                let counted: Vec<u64> =
                    numbers.iter().map(|number| expected.range(..number).count() as u64 + 1).collect();
                assert_eq!(positions, counted);
            }
            assert!(index.remove(TicketNo::from(*number)));
            assert!(!index.remove(TicketNo::from(*number)), "twice");
            expected.remove(number);
        }
        assert!(index.blocks.iter().all(BTreeMap::is_empty));
    }
}
