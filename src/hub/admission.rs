//! Which sockets are accepted, and which clients get a place for an open connection.
//!
//! | resource | available to | when it has run out |
//! | --- | --- | --- |
//! | sockets, memory for partial heads | all clients | the oldest connection that is not open is evicted |
//! | connections of one address | its clients | 1013 or 503; far beyond, dropped unread |
//! | places for open connections | all clients, the last ones only those with `Priority::Kept` | 1013 |
//! | sockets at the metrics' own listener | its clients, whatever their address | clients wait in its backlog |
//!
//! A client that connects again takes over the place of its older connection, so that a full desk does not lock it out.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;

use log::debug;
use slab::Slab;

use super::keeping::Kept;
use super::{Drain, Hub, Place, Slot, find};
use crate::config::{
    ADDRESS_OVERFLOW, METRICS_CONNECTIONS_MAX, Millis, PARTIAL_HEADS_BYTES_MAX, TIDY_ENTRIES_MIN,
};
use crate::metrics::RefusalCause;
use crate::net::ConnId;
use crate::net::address::{AddressSource, ClientAddress, TrustedProxies};
use crate::net::close::{self, CloseReason};
use crate::net::connection::{Connection, PhaseName, Stream};
use crate::net::deadlines::NEVER;
use crate::net::http::Request;
use crate::net::scope::Scope;
use crate::service::{Priority, Service};

/// How the number of connections from an address, including this one, compares to its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AddressStanding {
    Within,
    /// Over the limit: the client gets an answer that says so.
    Over,
    /// So far over the limit that the client gets no answer.
    FarOver,
}

/// The origin of a connection, and the address that it is counted under.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin {
    /// The address of the socket's other end.
    socket: IpAddr,
    counted_as: Option<ClientAddress>,
    /// Whether it exceeded the limit when it was counted.
    is_over: bool,
    /// What the connection's listener serves.
    scope: Scope,
}

/// The number of connections from each address, and their limit.
#[derive(Debug)]
pub(super) struct AddressLimit {
    proxies: TrustedProxies,
    /// 0 means no limit.
    connections_max: u32,
    counts: BTreeMap<ClientAddress, u32>,
}

impl AddressLimit {
    pub(super) fn new(connections_max: u32) -> Self {
        Self { proxies: TrustedProxies::default(), connections_max, counts: BTreeMap::new() }
    }

    fn enter(&mut self, address: ClientAddress) -> AddressStanding {
        let count = self.counts.entry(address).or_default();
        *count += 1;
        match self.connections_max {
            max if max == 0 || *count <= max => AddressStanding::Within,
            max if *count <= max.saturating_add(ADDRESS_OVERFLOW) => AddressStanding::Over,
            _ => AddressStanding::FarOver,
        }
    }

    fn leave(&mut self, address: ClientAddress) {
        if let Some(count) = self.counts.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&address);
            }
        }
    }

    fn is_over(&self, address: ClientAddress) -> bool {
        let max = self.connections_max;
        max != 0 && self.counts.get(&address).is_some_and(|count| *count > max)
    }

    /// Returns where the address of a request's client was found. `None` at the metrics' own listener.
    pub(super) fn source(&self, origin: &Origin, request: &Request<'_>) -> Option<AddressSource> {
        (origin.scope != Scope::Metrics).then(|| self.proxies.source(origin.socket, &request.forwarded_for))
    }

    /// Fills in the request's client and scope, and counts the connection under that client's address from now on.
    pub(super) fn identify(&mut self, origin: &mut Origin, request: &mut Request<'_>) -> AddressStanding {
        request.scope = origin.scope;
        if origin.scope == Scope::Metrics {
            return AddressStanding::Within;
        }
        request.client = self.proxies.client_of(origin.socket, &request.forwarded_for).into();
        let client = self.proxies.counted_address(origin.socket, &request.forwarded_for);
        if client == origin.counted_as {
            // It was counted when it was accepted. If others have left since, it no longer exceeds the limit.
            let is_still_over = origin.is_over && client.is_some_and(|client| self.is_over(client));
            return if is_still_over { AddressStanding::Over } else { AddressStanding::Within };
        }
        if let Some(before) = std::mem::replace(&mut origin.counted_as, client) {
            self.leave(before);
        }
        client.map_or(AddressStanding::Within, |client| self.enter(client))
    }
}

/// Connections that are not open, in the order in which they are to be evicted. One that has opened since is skipped.
#[derive(Debug, Default)]
pub(super) struct EvictionQueue(VecDeque<ConnId>);

impl EvictionQueue {
    fn oldest<S: Stream, I>(&mut self, slots: &mut Slab<Slot<S, I>>) -> Option<ConnId> {
        while let Some(id) = self.0.front().copied() {
            match find(slots, id) {
                Some(slot) if !slot.connection.is_open() => return Some(id),
                Some(slot) => slot.is_in_eviction_queue = false,
                None => {}
            }
            self.0.pop_front();
        }
        None
    }

    /// Drops the entries of connections that have opened or ended, once they are more than half. Otherwise they would
    /// pile up behind an entry that stays at the front for long.
    fn tidy<S: Stream, I>(&mut self, slots: &mut Slab<Slot<S, I>>) {
        if self.0.len() <= 2 * slots.len().max(TIDY_ENTRIES_MIN) {
            return;
        }
        self.0.retain(|id| {
            let Some(slot) = find(slots, *id) else { return false };
            slot.is_in_eviction_queue = !slot.connection.is_open();
            slot.is_in_eviction_queue
        });
        self.0.shrink_to(2 * self.0.len().max(TIDY_ENTRIES_MIN));
    }
}

impl<S: Stream, V: Service> Hub<S, V> {
    /// Trusts the X-Forwarded-For of these proxies instead of those on this machine.
    pub(crate) fn set_trusted_proxies(&mut self, proxies: TrustedProxies) {
        self.addresses.proxies = proxies;
    }

    /// Returns whether another socket may be accepted: there are fewer than the limit, or one can be evicted.
    pub(crate) fn has_capacity(&mut self) -> bool {
        self.public_connections() < self.limits.sockets_max()
            || self.eviction_queue.oldest(&mut self.slots).is_some()
    }

    /// Returns whether every connection is open, so that none can be evicted.
    pub(crate) fn is_full_of_open(&self) -> bool {
        self.open == self.public_connections()
    }

    fn public_connections(&self) -> usize {
        self.slots.len() - self.metrics_connections
    }

    /// Serves the metrics only to connections of `admit_for_metrics` from now on.
    pub(crate) fn keep_metrics_apart(&mut self) {
        self.public_scope = Scope::Public;
    }

    /// Returns whether another socket may be accepted at the metrics' own listener.
    pub(crate) fn has_capacity_for_metrics(&self) -> bool {
        self.metrics_connections < METRICS_CONNECTIONS_MAX
    }

    /// Admits a socket from the metrics' own listener. It takes no place of the others, counts for no address, and is
    /// not evicted.
    pub(crate) fn admit_for_metrics(&mut self, stream: S, address: IpAddr, now: Millis) -> u32 {
        self.metrics.accepted += 1;
        self.metrics_connections += 1;
        let origin = Origin { socket: address, counted_as: None, is_over: false, scope: Scope::Metrics };
        self.insert(stream, origin, now)
    }

    /// Admits a socket, and returns its slot, by which the poll will report it. `None` if its address has far too many
    /// connections.
    pub fn admit(&mut self, stream: S, address: IpAddr, now: Millis) -> Option<u32> {
        self.metrics.accepted += 1;
        let counted_as = self.addresses.proxies.counted_address(address, &[]);
        let standing = counted_as.map(|client| self.addresses.enter(client));
        if let (Some(client), Some(AddressStanding::FarOver)) = (counted_as, standing) {
            self.addresses.leave(client);
            self.metrics.refused(RefusalCause::Address);
            return None;
        }
        if self.public_connections() >= self.limits.sockets_max()
            && let Some(oldest) = self.eviction_queue.oldest(&mut self.slots)
        {
            self.evict(oldest, now);
        }
        let is_over = standing == Some(AddressStanding::Over);
        let origin = Origin { socket: address, counted_as, is_over, scope: self.public_scope };
        Some(self.insert(stream, origin, now))
    }

    fn insert(&mut self, stream: S, origin: Origin, now: Millis) -> u32 {
        let entry = self.slots.vacant_entry();
        #[expect(clippy::cast_possible_truncation, reason = "there are no 2^32 sockets")]
        let slot = entry.key() as u32;
        let id = ConnId::here(slot, self.generation);
        self.generation = self.generation.wrapping_add(1);
        entry.insert(Slot {
            id,
            connection: Connection::new(stream, now),
            origin,
            place: None,
            counted: PhaseName::Dead,
            counted_head_bytes: 0,
            scheduled_at: NEVER,
            in_run_queue: false,
            is_dirty: false,
            was_read_last: false,
            is_in_eviction_queue: false,
            drain: Drain::Unasked,
        });
        self.mark_dirty(id);
        slot
    }

    /// Ends a connection at once, whatever its phase. Its output is written as far as the socket takes it.
    fn evict(&mut self, id: ConnId, now: Millis) {
        self.notify_closed(id, now);
        self.keep(now);
        if let Some(kept) = Kept::by(&self.service)
            && let Some(slot) = find(&mut self.slots, id)
        {
            slot.flush(kept, now, &mut self.spare, &mut self.metrics);
            debug!("connection {id}: evicted to make room");
            self.metrics.refused(RefusalCause::Evicted);
        }
        self.remove(id);
    }

    /// Evicts the oldest connections that are not open while partial heads take too much memory. Returns how many.
    pub(super) fn evict_partial_heads(&mut self, now: Millis) -> usize {
        let mut evicted = 0;
        while self.partial_heads_bytes > PARTIAL_HEADS_BYTES_MAX
            && let Some(oldest) = self.eviction_queue.oldest(&mut self.slots)
        {
            self.evict(oldest, now);
            evicted += 1;
        }
        evicted
    }

    /// Frees the slot of a connection, and drops its socket.
    pub(super) fn remove(&mut self, id: ConnId) {
        let Some(slot) = find(&mut self.slots, id) else { return };
        self.metrics.moved(slot.counted, PhaseName::Dead);
        self.partial_heads_bytes -= slot.counted_head_bytes as usize;
        if let Some(client) = slot.origin.counted_as {
            self.addresses.leave(client);
        }
        self.metrics_connections -= usize::from(slot.origin.scope == Scope::Metrics);
        self.slots.remove(id.slot as usize);
    }

    /// Queues a connection that is not open for eviction, once it is settled. Not earlier, so that no connection is
    /// evicted that was accepted in this turn and has not been read yet.
    pub(super) fn note_evictable(&mut self, id: ConnId) {
        if let Some(slot) = find(&mut self.slots, id)
            && !slot.connection.is_open()
            && slot.origin.scope != Scope::Metrics
            && !std::mem::replace(&mut slot.is_in_eviction_queue, true)
        {
            self.eviction_queue.0.push_back(id);
        }
    }

    /// Drops outdated entries.
    pub(super) fn tidy_eviction_queue(&mut self) {
        self.eviction_queue.oldest(&mut self.slots);
        self.eviction_queue.tidy(&mut self.slots);
    }

    /// Gives an upgraded connection a place and lets the service open it, or closes it again.
    pub(super) fn welcome(
        &mut self,
        id: ConnId,
        (guest, priority): (V::Guest, Priority),
        standing: AddressStanding,
        now: Millis,
    ) {
        let opened = self.find_place(id, (&guest, priority), standing).and_then(|older| {
            let identity = self.service.opened(now, id, guest, &mut self.outbox)?;
            Ok((identity, older))
        });
        match opened {
            Ok((identity, older)) => {
                let replaced = older.and_then(|older| find(&mut self.slots, older)?.place.as_mut());
                let freed = replaced.and_then(|place| place.priority.take());
                self.uncount_place(freed);
                if let Some(slot) = find(&mut self.slots, id) {
                    slot.place = Some(Place { identity, priority: Some(priority) });
                    self.open += 1;
                    self.open_ordinary += usize::from(priority == Priority::Ordinary);
                }
                self.deliver(now);
            }
            Err(why) => self.close(id, why, now),
        }
    }

    /// Checks that there is a place for a client. If there is none, the client may still take over the place of the
    /// connection that it replaces, which is then returned. If it is not who it says, that is the reason it is closed for:
    /// it would be refused at an empty desk too, and a page must not try again.
    fn find_place(
        &mut self,
        id: ConnId,
        (guest, priority): (&V::Guest, Priority),
        standing: AddressStanding,
    ) -> Result<Option<ConnId>, CloseReason> {
        let is_within = standing == AddressStanding::Within;
        if is_within && self.has_place(priority) {
            return Ok(None);
        }
        let older = self.service.without_place(guest)?;
        if older.is_some_and(|older| self.may_replace(older, id, is_within)) {
            return Ok(older);
        }
        let (cause, why) = if is_within {
            (RefusalCause::Full, close::SERVER_FULL)
        } else {
            (RefusalCause::Address, close::TOO_MANY_CONNECTIONS)
        };
        self.metrics.refused(cause);
        Err(why)
    }

    /// Returns whether an older connection has a place that `newer` may take over. An address over its limit can only
    /// replace connections of its own, so that it does not get more of them.
    fn may_replace(&mut self, older: ConnId, newer: ConnId, is_within: bool) -> bool {
        let address = find(&mut self.slots, newer).and_then(|slot| slot.origin.counted_as);
        let Some(slot) = find(&mut self.slots, older) else { return false };
        let has_place = slot.place.as_ref().is_some_and(|place| place.priority.is_some());
        has_place && (is_within || slot.origin.counted_as == address)
    }

    /// Counts a place as free.
    pub(super) fn uncount_place(&mut self, priority: Option<Priority>) {
        self.open -= usize::from(priority.is_some());
        self.open_ordinary -= usize::from(priority == Some(Priority::Ordinary));
    }

    fn has_place(&self, priority: Priority) -> bool {
        self.open < self.limits.connections_max
            && (priority == Priority::Kept || self.open_ordinary < self.limits.ordinary_connections_max())
    }
}
