//! The inputs that a node appends to the log: gathered to turns, numbered, and kept until they are read back.

use std::collections::VecDeque;

use super::entry::{self, TakenDigest};
use crate::config::{APPENDS_IN_FLIGHT_MAX, ENTRY_BYTES_MAX, INPUTS_WAITING_BYTES_MAX, Millis};
use crate::ids::NodeId;
use crate::state::Input;

/// The inputs of a node on their way to the log.
#[derive(Debug, Default)]
pub(super) struct Appends {
    node: NodeId,
    /// Inputs that are in no turn yet: for each future turn the inside of a JSON array.
    inputs: VecDeque<Vec<u8>>,
    /// Turns that have not been read back, the oldest first.
    turns: VecDeque<Turn>,
    /// The size of both, in bytes.
    bytes: usize,
    /// The number of the last turn.
    last: u64,
    /// How many of the turns were sent over the present connection, and how many of these Redis has not answered.
    sent: usize,
    in_flight: usize,
}

#[derive(Debug)]
struct Turn {
    n: u64,
    entry: Vec<u8>,
    made_at: Millis,
}

impl Appends {
    /// Starts for a node that has appended no turn.
    pub(super) fn of(node: NodeId) -> Self {
        Self { node, ..Self::default() }
    }

    /// Takes an input. One that could not be written as JSON would be ignored; there is none.
    pub(super) fn note(&mut self, input: &Input<'_>) {
        if self.inputs.back().is_none_or(|inputs| inputs.len() >= ENTRY_BYTES_MAX) {
            self.inputs.push_back(Vec::new());
        }
        let Some(inputs) = self.inputs.back_mut() else { return };
        let before = inputs.len();
        if before > 0 {
            inputs.push(b',');
        }
        match serde_json::to_writer(&mut *inputs, input) {
            Ok(()) => self.bytes += inputs.len() - before,
            Err(_) => inputs.truncate(before),
        }
    }

    /// Returns whether more inputs may come.
    pub(super) fn has_capacity(&self) -> bool {
        self.bytes < INPUTS_WAITING_BYTES_MAX
    }

    /// Returns whether everything was read back.
    pub(super) fn is_empty(&self) -> bool {
        self.inputs.is_empty() && self.turns.is_empty()
    }

    /// Makes a turn of the inputs that wait, or an empty one.
    pub(super) fn make_turn(&mut self, now: Millis, digest: (bool, Option<TakenDigest>)) {
        let inputs = self.inputs.pop_front().unwrap_or_default();
        self.last += 1;
        let entry = entry::write_turn((self.node, self.last), &inputs, digest);
        self.bytes = self.bytes - inputs.len() + entry.len();
        self.turns.push_back(Turn { n: self.last, entry, made_at: now });
    }

    /// Returns the next entry to send.
    pub(super) fn next(&mut self, now: Millis) -> Option<Vec<u8>> {
        if self.in_flight >= APPENDS_IN_FLIGHT_MAX {
            return None;
        }
        if self.sent == self.turns.len() && !self.inputs.is_empty() {
            self.make_turn(now, (false, None));
        }
        let entry = self.turns.get(self.sent)?.entry.clone();
        self.sent += 1;
        self.in_flight += 1;
        Some(entry)
    }

    /// Notes that Redis has answered an entry.
    pub(super) fn answered(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// Notes that a turn was read back: it need not be sent again.
    pub(super) fn read_back(&mut self, n: u64) {
        while let Some(turn) = self.turns.front().filter(|turn| turn.n <= n) {
            self.bytes -= turn.entry.len();
            self.turns.pop_front();
            self.sent = self.sent.saturating_sub(1);
        }
    }

    /// Sends all that was not read back again, over a new connection: it is not known what has arrived.
    pub(super) fn send_again(&mut self) {
        self.sent = 0;
        self.in_flight = 0;
    }

    /// Returns when the oldest turn that was not read back was made.
    pub(super) fn oldest(&self) -> Option<Millis> {
        self.turns.front().map(|turn| turn.made_at)
    }

    /// Returns the size of what was not read back, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::ConnId;

    const NOW: Millis = 1_000;

    fn sent(appends: &mut Appends) -> Vec<String> {
        std::iter::from_fn(|| appends.next(NOW)).map(|entry| String::from_utf8(entry).unwrap()).collect()
    }

    #[test]
    fn what_comes_while_entries_are_on_their_way_is_gathered() {
        let mut appends = Appends::of(NodeId(2));
        for slot in 0..10 {
            appends.note(&Input::Leaves(ConnId::here(slot, 0)));
            assert_eq!(sent(&mut appends).len(), usize::from(slot < 4), "four are on their way");
        }
        appends.answered();
        let gathered = sent(&mut appends);
        assert_eq!((gathered.len(), gathered[0].matches("leaves").count()), (1, 6));
        appends.read_back(5);
        assert!(appends.is_empty() && appends.bytes() == 0);
    }

    #[test]
    fn over_another_connection_all_is_sent_again_that_was_not_read_back() {
        let mut appends = Appends::of(NodeId(2));
        let all: Vec<String> = (0..3)
            .flat_map(|slot| {
                appends.note(&Input::Leaves(ConnId::here(slot, 0)));
                sent(&mut appends)
            })
            .collect();
        appends.read_back(1);
        (0..2).for_each(|_| appends.answered()); // an answer is no proof: a Redis that fails over loses what it had answered
        appends.send_again();
        assert_eq!(sent(&mut appends), all[1..]);
        assert_eq!(appends.oldest(), Some(NOW));
        appends.read_back(3);
        assert!(appends.is_empty() && sent(&mut appends).is_empty());
    }

    #[test]
    fn what_waits_is_bounded_and_an_entry_too() {
        let mut appends = Appends::of(NodeId(2));
        let mut inputs = 0;
        while appends.has_capacity() {
            appends.note(&Input::Leaves(ConnId::here(inputs, u32::MAX)));
            inputs += 1;
        }
        appends.in_flight = 0;
        let mut entries = 0;
        while let Some(entry) = appends.next(NOW) {
            appends.answered();
            entries += 1;
            assert!(entry.len() < ENTRY_BYTES_MAX + 200, "{}", entry.len());
        }
        assert!(entries >= INPUTS_WAITING_BYTES_MAX / ENTRY_BYTES_MAX, "{entries}");
    }
}
