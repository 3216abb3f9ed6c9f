//! The open tickets, by number.

use std::collections::BTreeMap;
use std::collections::btree_map::Range;
use std::hash::{Hash, Hasher};
use std::ops::{Index, IndexMut, RangeBounds};

use serde::{Deserialize, Serialize, Serializer};

use super::ticket::Ticket;
use super::ticket_ids::TicketNo;

/// The open tickets, in the order in which they were created.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(from = "BTreeMap<TicketNo, Box<Ticket>>")]
pub(super) struct Tickets {
    by_number: BTreeMap<TicketNo, Box<Ticket>>,
    /// The sum of their texts. It follows from them, and is neither stored nor hashed.
    text_bytes: usize,
}

impl From<BTreeMap<TicketNo, Box<Ticket>>> for Tickets {
    fn from(by_number: BTreeMap<TicketNo, Box<Ticket>>) -> Self {
        let text_bytes = by_number.values().map(|ticket| ticket.text_bytes()).sum();
        Self { by_number, text_bytes }
    }
}

impl Serialize for Tickets {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.by_number.serialize(serializer)
    }
}

impl Hash for Tickets {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.by_number.hash(state);
    }
}

impl Tickets {
    /// Takes the first one out.
    pub(super) fn pop_first(&mut self) -> Option<(TicketNo, Box<Ticket>)> {
        let first = self.by_number.pop_first();
        self.text_bytes -= first.as_ref().map_or(0, |(_, ticket)| ticket.text_bytes());
        first
    }

    pub(super) fn len(&self) -> usize {
        self.by_number.len()
    }

    pub(super) fn contains(&self, number: TicketNo) -> bool {
        self.by_number.contains_key(&number)
    }

    pub(super) fn get(&self, number: TicketNo) -> Option<&Ticket> {
        self.by_number.get(&number).map(Box::as_ref)
    }

    pub(super) fn get_mut(&mut self, number: TicketNo) -> Option<&mut Ticket> {
        self.by_number.get_mut(&number).map(Box::as_mut)
    }

    pub(super) fn last(&self) -> Option<TicketNo> {
        self.by_number.last_key_value().map(|(number, _)| *number)
    }

    pub(super) fn range(&self, numbers: impl RangeBounds<TicketNo>) -> Range<'_, TicketNo, Box<Ticket>> {
        self.by_number.range(numbers)
    }

    pub(super) fn insert(&mut self, number: TicketNo, ticket: Ticket) {
        self.text_bytes += ticket.text_bytes();
        self.by_number.insert(number, Box::new(ticket));
    }

    pub(super) fn remove(&mut self, number: TicketNo) -> Option<Box<Ticket>> {
        let removed = self.by_number.remove(&number);
        self.text_bytes -= removed.as_ref().map_or(0, |ticket| ticket.text_bytes());
        removed
    }

    /// Returns what their subjects, names and pages take, in bytes.
    pub(super) fn text_bytes(&self) -> usize {
        self.text_bytes
    }
}

impl Extend<(TicketNo, Box<Ticket>)> for Tickets {
    fn extend<I: IntoIterator<Item = (TicketNo, Box<Ticket>)>>(&mut self, tickets: I) {
        for (number, ticket) in tickets {
            self.text_bytes += ticket.text_bytes();
            self.by_number.insert(number, ticket);
        }
    }
}

impl Index<TicketNo> for Tickets {
    type Output = Ticket;
    fn index(&self, number: TicketNo) -> &Ticket {
        &self.by_number[&number]
    }
}

impl IndexMut<TicketNo> for Tickets {
    fn index_mut(&mut self, number: TicketNo) -> &mut Ticket {
        match self.by_number.get_mut(&number) {
            Some(ticket) => ticket,
            None => unreachable!("the number of a ticket that is not open"),
        }
    }
}
