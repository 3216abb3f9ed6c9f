//! The open tickets, by number.

use std::collections::BTreeMap;
use std::collections::btree_map::Range;
use std::ops::{Index, IndexMut, RangeBounds};

use serde::{Deserialize, Serialize};

use super::ticket::Ticket;
use super::ticket_ids::TicketNo;

/// The open tickets, in the order in which they were created.
#[derive(Clone, Debug, Default, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Tickets(BTreeMap<TicketNo, Box<Ticket>>);

impl Tickets {
    /// Takes the first one out.
    pub(super) fn pop_first(&mut self) -> Option<(TicketNo, Box<Ticket>)> {
        self.0.pop_first()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn contains(&self, number: TicketNo) -> bool {
        self.0.contains_key(&number)
    }

    pub(super) fn get(&self, number: TicketNo) -> Option<&Ticket> {
        self.0.get(&number).map(Box::as_ref)
    }

    pub(super) fn get_mut(&mut self, number: TicketNo) -> Option<&mut Ticket> {
        self.0.get_mut(&number).map(Box::as_mut)
    }

    pub(super) fn last(&self) -> Option<TicketNo> {
        self.0.last_key_value().map(|(number, _)| *number)
    }

    pub(super) fn range(&self, numbers: impl RangeBounds<TicketNo>) -> Range<'_, TicketNo, Box<Ticket>> {
        self.0.range(numbers)
    }

    pub(super) fn insert(&mut self, number: TicketNo, ticket: Ticket) {
        self.0.insert(number, Box::new(ticket));
    }

    pub(super) fn remove(&mut self, number: TicketNo) -> Option<Box<Ticket>> {
        self.0.remove(&number)
    }
}

impl Extend<(TicketNo, Box<Ticket>)> for Tickets {
    fn extend<I: IntoIterator<Item = (TicketNo, Box<Ticket>)>>(&mut self, tickets: I) {
        self.0.extend(tickets);
    }
}

impl Index<TicketNo> for Tickets {
    type Output = Ticket;
    fn index(&self, number: TicketNo) -> &Ticket {
        &self.0[&number]
    }
}

impl IndexMut<TicketNo> for Tickets {
    fn index_mut(&mut self, number: TicketNo) -> &mut Ticket {
        match self.0.get_mut(&number) {
            Some(ticket) => ticket,
            None => unreachable!("the number of a ticket that is not open"),
        }
    }
}
