//! All connections, and what a turn does with them: serve, expire, settle.
//!
//! admission.rs decides which sockets and clients are accepted, and turn.rs which connections are read when. reading.rs
//! is the way in, from a socket to the service; delivery.rs the way out, from the service to sockets. keeping.rs holds
//! back output that must not leave yet, slot.rs has what is known of one connection, and stats.rs counts for tests.
//!
//! The hub has no poll and no clock: readiness and time are arguments. server.rs drives it with real sockets, the
//! simulation with scripted ones.

mod admission;
mod delivery;
mod keeping;
mod reading;
mod slot;
mod stats;
#[cfg(test)]
mod tests;
mod turn;

use std::collections::VecDeque;
use std::io;

use log::debug;
use mio::Token;
use slab::Slab;

use self::admission::{AddressLimit, EvictionQueue};
use self::keeping::{Kept, Unkept};
use self::slot::{Drain, Place, Slot, find};
pub use self::stats::HubStats;
use self::turn::RunQueue;
use crate::config::{Limits, Millis, RECV_BYTES, TURN_EXPIRIES_MAX};
use crate::metrics::Metrics;
use crate::net::ConnId;
use crate::net::close;
use crate::net::connection::{Connection, GivenUp, PhaseName, Stream};
use crate::net::deadlines::{Deadlines, NEVER};
use crate::net::input::Readiness;
use crate::net::scope::Scope;
use crate::net::websocket::Codec;
use crate::outbox::Outbox;
use crate::service::Service;

/// A service and all of its connections.
pub struct Hub<S, V: Service> {
    /// The service.
    pub service: V,
    /// The counters of the hub.
    pub(crate) metrics: Metrics,
    limits: Limits,
    addresses: AddressLimit,
    slots: Slab<Slot<S, V::Identity>>,
    generation: u32,
    /// The number of connections with a place, and of those with an ordinary place.
    open: usize,
    open_ordinary: usize,
    /// What the desk's listener serves.
    public_scope: Scope,
    /// Connections from the metrics' own listener, which have a limit of their own.
    metrics_connections: usize,
    /// Connections that may be evicted.
    eviction_queue: EvictionQueue,
    /// The memory of all partial heads, in bytes, as last counted.
    partial_heads_bytes: usize,
    /// Connections that wait to be read.
    run_queue: RunQueue,
    /// Connections that wait to be read until the service takes input.
    waiting: Vec<ConnId>,
    /// Connections whose output has left, and of which the service has yet to be notified.
    drained: VecDeque<ConnId>,
    /// Bytes queued in this turn, counted once for each receiver.
    queued_bytes: usize,
    /// Connections to be settled at the end of the turn.
    dirty: Vec<ConnId>,
    deadlines: Deadlines,
    outbox: Outbox,
    /// Output of this turn that must not leave before the service has kept its input.
    unkept: Vec<Unkept>,
    /// The error that keeps the service from going on.
    failure: Option<io::Error>,
    /// The codec that all connections between two messages share.
    codec: Box<Codec>,
    /// The buffer that every recv reads into.
    scratch: Box<[u8]>,
    /// Output buffers that no connection uses now.
    spare: Vec<Vec<u8>>,
}

impl<S: Stream, V: Service> Hub<S, V> {
    /// Creates a hub without connections.
    pub fn new(service: V, limits: Limits) -> Self {
        Self {
            service,
            metrics: Metrics { connections_max: limits.connections_max, ..Metrics::default() },
            limits,
            addresses: AddressLimit::new(limits.connections_per_address_max),
            slots: Slab::new(),
            generation: 0,
            open: 0,
            open_ordinary: 0,
            public_scope: Scope::All,
            metrics_connections: 0,
            eviction_queue: EvictionQueue::default(),
            partial_heads_bytes: 0,
            run_queue: RunQueue::default(),
            waiting: Vec::new(),
            drained: VecDeque::new(),
            queued_bytes: 0,
            dirty: Vec::new(),
            deadlines: Deadlines::default(),
            outbox: Outbox::default(),
            unkept: Vec::new(),
            failure: None,
            codec: Codec::new(limits.message_bytes_max),
            scratch: vec![0; RECV_BYTES].into_boxed_slice(),
            spare: Vec::new(),
        }
    }

    /// Frees the spare buffers, which are kept for the next busy moment.
    pub(crate) fn drop_spare(&mut self) {
        self.spare = Vec::new();
    }

    /// Returns the number of connections plus the number of items that the service keeps.
    pub(crate) fn items(&self) -> usize {
        self.slots.len() + self.service.items()
    }

    /// Returns the number of connections in any phase.
    pub(crate) fn connections(&self) -> usize {
        self.slots.len()
    }

    /// Returns whether there is no connection.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Returns whether there is work that no event will announce.
    pub fn has_work(&self) -> bool {
        let may_read = !self.waiting.is_empty() && self.service.takes_input();
        may_read || !self.run_queue.is_empty() || !self.drained.is_empty() || !self.dirty.is_empty()
    }

    /// Returns when there is something to do, unless an event comes before.
    pub fn next_due(&self) -> Option<Millis> {
        self.deadlines.next_due().into_iter().chain(self.service.next_due()).min()
    }

    /// Calls `act` with the socket in a slot, to register it with the poll.
    ///
    /// # Errors
    /// The slot is empty, or `act` fails.
    pub(crate) fn with_stream<T>(
        &mut self,
        slot: u32,
        act: impl FnOnce(&mut S) -> io::Result<T>,
    ) -> io::Result<T> {
        match self.slots.get_mut(slot as usize) {
            Some(slot) => act(slot.connection.stream()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// Ends a connection that cannot be registered.
    pub(crate) fn abandon(&mut self, slot: u32, now: Millis) {
        if let Some(slot) = self.slots.get_mut(slot as usize) {
            slot.connection.end_of_input(now);
        }
    }

    /// Notes what the poll has reported for a slot. Slots are freed only at the end of a turn, so the slot still has
    /// the same connection.
    pub fn ready(&mut self, slot: u32, readiness: Readiness) {
        let Some(slot) = self.slots.get_mut(slot as usize) else { return };
        slot.connection.note_readiness(readiness);
        let id = slot.id;
        let (is_blocked, wants_read) = (slot.connection.is_blocked(), slot.connection.wants_read());
        if readiness.writable && is_blocked {
            self.mark_dirty(id); // settle flushes it, and queues it to be read if it was behind
        }
        if wants_read {
            self.queue_to_run(id);
        }
    }

    /// Does one turn's work: serves the connections that are ready, lets `accept` admit new ones, handles deadlines
    /// that have passed, and settles the results. Returns how many connections have ended; each has freed a descriptor.
    ///
    /// New sockets are admitted after the others are served: admitting one may evict a connection, and a head that has
    /// just arrived should be answered first.
    pub fn turn(&mut self, now: Millis, accept: impl FnOnce(&mut Self)) -> usize {
        self.serve(now);
        accept(self);
        self.expire(now);
        let freed = self.settle(now);
        self.service.end_turn(now);
        freed
    }

    /// Phase "expire": handles the connections whose deadline has passed, up to a bound. The others are due in the next
    /// turn, which then comes at once.
    fn expire(&mut self, now: Millis) {
        for _ in 0..TURN_EXPIRIES_MAX {
            let Some((due, id)) = self.deadlines.pop_due(now) else { break };
            if self.slot(id).is_some_and(|slot| slot.scheduled_at == due) {
                self.expire_slot(id, now);
                self.mark_dirty(id); // and scheduled again in settle
            }
        }
        if self.service.next_due().is_some_and(|due| due <= now) {
            self.service.tick(now, &mut self.outbox);
            self.deliver(now);
        }
    }

    /// After the process was stopped for a while (a closed laptop, a debugger), all deadlines have passed at once. So a
    /// peer's waiting input is read before its silence is judged: it may have been sent in time.
    fn expire_slot(&mut self, id: ConnId, now: Millis) {
        let limits = self.limits;
        if self.slot(id).is_some_and(|slot| slot.connection.is_blocked()) {
            self.keep(now);
        }
        let kept = Kept::by(&self.service);
        let Some(slot) = find(&mut self.slots, id) else { return };
        slot.scheduled_at = NEVER;
        if slot.connection.is_blocked()
            && let Some(kept) = kept
        {
            slot.flush(kept, now, &mut self.spare, &mut self.metrics);
        }
        if slot.connection.deadline(&limits) > now {
            slot.was_read_last = false;
        } else if slot.connection.is_judged_by_input() && slot.in_run_queue {
            // It waits to be read. Until then its deadline is checked in each turn.
        } else if slot.connection.is_judged_by_input() && !std::mem::replace(&mut slot.was_read_last, true) {
            // The poll may not have reported its input yet.
            slot.connection.note_readiness(Readiness { readable: true, ..Readiness::default() });
            self.queue_to_run(id);
        } else {
            slot.was_read_last = false;
            if let Some(why) = slot.connection.expire(now) {
                debug!("connection {id}: ended by its deadline: {why:?}");
                self.metrics.expired += 1;
                if why == GivenUp::TakesNothing {
                    self.metrics.closed(close::TAKES_NOTHING.code);
                }
            }
        }
    }

    /// Phase "settle": notifies the service of connections that have closed, flushes each dirty one, and frees the
    /// dead. Frames that the service sends in response are settled too, until none is left. Returns how many
    /// connections were freed.
    fn settle(&mut self, now: Millis) -> usize {
        let mut freed = 0;
        let mut next = 0;
        // The list grows during the loop: a connection that is written to meanwhile is added at the end.
        while let Some(id) = self.dirty.get(next).copied() {
            next += 1;
            self.notify_closed(id, now);
            if !self.service.is_kept() {
                self.keep_turn(next, now);
            }
            freed += usize::from(self.settle_one(id, now));
        }
        self.dirty.clear();
        self.keep(now); // in case the turn has sent nothing
        freed += self.evict_partial_heads(now);
        self.tidy_eviction_queue();
        if freed > 0 {
            self.tidy_deadlines();
        }
        freed
    }

    /// Flushes a dirty connection, counts its phase, and queues it for what is to come next. Returns whether it was dead,
    /// and is freed.
    fn settle_one(&mut self, id: ConnId, now: Millis) -> bool {
        let Some(slot) = find(&mut self.slots, id) else { return false };
        slot.is_dirty = false;
        if let Some(kept) = Kept::by(&self.service) {
            slot.flush(kept, now, &mut self.spare, &mut self.metrics);
        }
        let phase = slot.connection.phase();
        if phase != slot.counted {
            self.metrics.moved(std::mem::replace(&mut slot.counted, phase), phase);
        }
        if phase == PhaseName::Head || slot.counted_head_bytes > 0 {
            let head_bytes = slot.connection.partial_head_bytes();
            self.partial_heads_bytes += head_bytes as usize;
            self.partial_heads_bytes -= std::mem::replace(&mut slot.counted_head_bytes, head_bytes) as usize;
        }
        if phase == PhaseName::Dead && slot.place.is_some() {
            self.mark_dirty(id); // the write has failed: settled once more, so that the service is notified
            return false;
        }
        if phase == PhaseName::Dead {
            self.remove(id);
            return true;
        }
        self.deadlines.schedule(id, &mut slot.scheduled_at, slot.connection.deadline(&self.limits));
        if slot.drain == Drain::Asked && slot.is_drained() {
            slot.drain = Drain::Queued;
            self.drained.push_back(id);
        }
        if slot.connection.wants_read() && !std::mem::replace(&mut slot.in_run_queue, true) {
            self.run_queue.push_again(id, slot.connection.has_sent_much(now));
        }
        if phase != PhaseName::Open {
            self.note_evictable(id);
        }
        false
    }

    /// Drops the deadlines of connections that have ended, once there are too many.
    fn tidy_deadlines(&mut self) {
        let slots = &self.slots;
        self.deadlines.tidy(slots.len(), |due, id| {
            slots.get(id.slot as usize).is_some_and(|slot| slot.id == id && slot.scheduled_at == due)
        });
    }

    /// Has the service handle an event of a socket of its own.
    pub(crate) fn service_ready(&mut self, token: Token, now: Millis) {
        self.service.ready(now, token, &mut self.outbox);
        self.deliver(now);
    }

    /// Makes the service read its configuration again.
    pub(crate) fn reload(&mut self, now: Millis) {
        self.service.reload(now, &mut self.outbox);
        self.deliver(now);
    }

    fn slot(&mut self, id: ConnId) -> Option<&mut Slot<S, V::Identity>> {
        find(&mut self.slots, id)
    }

    fn with_connection(&mut self, id: ConnId, act: impl FnOnce(&mut Connection<S>)) {
        if let Some(slot) = self.slot(id) {
            act(&mut slot.connection);
        }
    }

    fn queue_to_run(&mut self, id: ConnId) {
        if let Some(slot) = self.slot(id)
            && !std::mem::replace(&mut slot.in_run_queue, true)
        {
            self.run_queue.push(id);
        }
    }

    fn mark_dirty(&mut self, id: ConnId) {
        if let Some(slot) = self.slot(id)
            && !std::mem::replace(&mut slot.is_dirty, true)
        {
            self.dirty.push(id);
        }
    }
}
