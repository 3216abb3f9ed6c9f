//! How fast one connection, and all connections of one address, may open new tickets. A ticket costs every staff member
//! a frame, and the desk memory, even after its user has left, until the grace time is over.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::{
    ADDRESS_TICKET_MS, ADDRESS_TICKETS_BURST, CONNECTION_TICKET_MS, CONNECTION_TICKETS_BURST, Millis,
};
use crate::net::ConnId;
use crate::net::address::ClientAddress;

/// How much of their allowance connections and addresses have used. One that has used nothing takes no memory.
#[derive(Debug, Default)]
pub(super) struct TicketRate {
    connections: Debts<ConnId>,
    addresses: Debts<ClientAddress>,
    /// When all allowances are full again, if no other ticket is opened before.
    clear_at: Option<Millis>,
}

impl TicketRate {
    /// Returns whether this connection may open a ticket now.
    pub(super) fn allows(&self, now: Millis, conn: ConnId, client: ClientAddress) -> bool {
        self.connections.of(&conn, now) <= CONNECTION_TICKET_MS * (CONNECTION_TICKETS_BURST - 1)
            && self.addresses.of(&client, now) <= ADDRESS_TICKET_MS * (ADDRESS_TICKETS_BURST - 1)
    }

    /// Counts a ticket that this connection has opened.
    pub(super) fn count(&mut self, now: Millis, conn: ConnId, client: ClientAddress) {
        self.connections.add(conn, CONNECTION_TICKET_MS, now);
        self.addresses.add(client, ADDRESS_TICKET_MS, now);
        self.clear_at = self.connections.latest().max(self.addresses.latest());
    }

    /// Forgets a connection that has closed. No other will have its id.
    pub(super) fn forget(&mut self, conn: ConnId) {
        self.connections.remove(conn);
    }

    /// Returns when `tick` has something to do.
    pub(super) fn next_due(&self) -> Option<Millis> {
        self.clear_at
    }

    /// Frees everything once all allowances are full again.
    pub(super) fn tick(&mut self, now: Millis) {
        if self.clear_at.is_some_and(|at| at <= now) {
            *self = Self::default();
        }
    }
}

/// Token buckets by key, each stored as the time at which it will be full again.
#[derive(Debug)]
struct Debts<K> {
    full_at: BTreeMap<K, Millis>,
    by_time: BTreeSet<(Millis, K)>,
}

impl<K> Default for Debts<K> {
    fn default() -> Self {
        Self { full_at: BTreeMap::new(), by_time: BTreeSet::new() }
    }
}

impl<K: Copy + Ord> Debts<K> {
    fn of(&self, key: &K, now: Millis) -> Millis {
        self.full_at.get(key).map_or(0, |full_at| full_at.saturating_sub(now))
    }

    /// Adds to a debt, and forgets the debts that time has paid.
    fn add(&mut self, key: K, span: Millis, now: Millis) {
        let full_at = now + self.of(&key, now) + span;
        if let Some(before) = self.full_at.insert(key, full_at) {
            self.by_time.remove(&(before, key));
        }
        self.by_time.insert((full_at, key));
        while let Some((_, paid)) = self.by_time.first().copied().filter(|(full_at, _)| *full_at <= now) {
            self.by_time.pop_first();
            self.full_at.remove(&paid);
        }
    }

    fn remove(&mut self, key: K) {
        if let Some(full_at) = self.full_at.remove(&key) {
            self.by_time.remove(&(full_at, key));
        }
    }

    fn latest(&self) -> Option<Millis> {
        self.by_time.last().map(|(full_at, _)| *full_at)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const NOW: Millis = 1_000_000;

    fn conn(slot: u32) -> ConnId {
        ConnId::here(slot, 0)
    }

    fn client(number: u32) -> ClientAddress {
        std::net::IpAddr::from(Ipv4Addr::from_bits(number)).into()
    }

    /// Opens a ticket if that is allowed, and returns whether it was.
    fn opens(rate: &mut TicketRate, now: Millis, slot: u32, address: u32) -> bool {
        let allowed = rate.allows(now, conn(slot), client(address));
        if allowed {
            rate.count(now, conn(slot), client(address));
        }
        allowed
    }

    #[test]
    fn a_connection_opens_three_at_once_and_one_in_ten_seconds() {
        let mut rate = TicketRate::default();
        let opened = |rate: &mut TicketRate, now| (0..10).filter(|_| opens(rate, now, 1, 1)).count();
        assert_eq!(opened(&mut rate, NOW), 3);
        assert_eq!(opened(&mut rate, NOW + 9_999), 0);
        assert_eq!(opened(&mut rate, NOW + 10_000), 1);
        assert_eq!(opened(&mut rate, NOW + 19_999), 0);
        assert_eq!(opened(&mut rate, NOW + 60_000), 3);
        assert!(opens(&mut rate, NOW + 60_000, 2, 1), "another connection has its own");
    }

    #[test]
    fn an_address_opens_thirty_at_once_and_one_a_second() {
        let mut rate = TicketRate::default();
        let opened = |rate: &mut TicketRate, now, first| {
            (first..first + 100).filter(|slot| opens(rate, now, *slot, 1)).count()
        };
        assert_eq!(opened(&mut rate, NOW, 0), 30);
        assert_eq!(opened(&mut rate, NOW + 999, 100), 0);
        assert_eq!(opened(&mut rate, NOW + 1_000, 200), 1);
        assert_eq!(opened(&mut rate, NOW + 4_000, 300), 3);
        assert!(opens(&mut rate, NOW + 4_000, 400, 2), "another address has its own");
    }

    #[test]
    fn a_connection_that_has_closed_is_forgotten_and_its_address_is_not() {
        let mut rate = TicketRate::default();
        for slot in 0..30 {
            assert!(opens(&mut rate, NOW, slot, 1));
            rate.forget(conn(slot));
        }
        assert!(rate.connections.full_at.is_empty() && rate.connections.by_time.is_empty());
        assert!(!opens(&mut rate, NOW, 30, 1), "who connects anew has no more tickets for it");
    }

    #[test]
    fn an_address_without_a_debt_is_forgotten() {
        let mut rate = TicketRate::default();
        for number in 0..100_000 {
            assert!(opens(&mut rate, NOW + u64::from(number), number, number));
        }
        assert_eq!(rate.connections.full_at.len(), rate.connections.by_time.len());
        assert!(rate.connections.full_at.len() <= 10_000, "{}", rate.connections.full_at.len());
        assert!(rate.addresses.full_at.len() <= 1_000, "{}", rate.addresses.full_at.len());
        let due = rate.next_due().unwrap();
        assert_eq!(due, NOW + 99_999 + 10_000, "ten seconds after the last ticket");
        rate.tick(due);
        assert!(rate.connections.full_at.is_empty() && rate.addresses.full_at.is_empty());
        assert_eq!(rate.next_due(), None);
    }
}
