//! What a turn reads, in which order, and how much.
//!
//! A turn is bounded, so that no peer waits for long, whatever others send. Input beyond the bound waits for the next
//! turn, which then comes at once. Peers that have recently sent much are served last: a flood makes its own sender
//! wait.

use std::collections::VecDeque;

use super::{Drain, Hub, Place, find};
use crate::config::{
    CROWD_CONNECTIONS, CROWD_RECV_BYTES, FLUSHED_AT_ONCE_MAX, FRONT_DEBT_BYTES, Millis, RECV_BYTES,
    RECV_BYTES_MIN, TURN_BYTES_MAX, TURN_DRAINED_BYTES_MAX, TURN_READS_MAX, WRITE_COST_BYTES,
};
use crate::net::ConnId;
use crate::net::connection::Stream;
use crate::service::Service;

/// Connections that wait to be read, each in one of two queues.
#[derive(Debug, Default)]
pub(super) struct RunQueue {
    /// Connections in the order in which the poll reported them.
    front: VecDeque<ConnId>,
    /// Connections that have recently sent much, moved here when they came up in the other queue.
    back: VecDeque<ConnId>,
}

impl RunQueue {
    pub(super) fn push(&mut self, id: ConnId) {
        self.front.push_back(id);
    }

    /// Queues a connection that was read in this turn and may have more input.
    pub(super) fn push_again(&mut self, id: ConnId, has_sent_much: bool) {
        if has_sent_much {
            self.back.push_back(id);
        } else {
            self.front.push_back(id);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.front.len() + self.back.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// How much may still be read in this turn.
pub(super) struct Budget {
    reads: usize,
    bytes: usize,
}

impl Budget {
    fn for_a_turn() -> Self {
        Self { reads: TURN_READS_MAX, bytes: TURN_BYTES_MAX }
    }

    fn is_used_up(&self) -> bool {
        self.reads == 0 || self.bytes == 0
    }

    /// Returns the size of the next recv, at most `most` bytes.
    pub(super) fn recv_bytes(&self, most: usize) -> usize {
        self.bytes.clamp(RECV_BYTES_MIN, RECV_BYTES).min(most)
    }

    pub(super) fn spend(&mut self, bytes: usize) {
        self.reads = self.reads.saturating_sub(1);
        self.charge(bytes);
    }

    fn charge(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

impl<S: Stream, V: Service> Hub<S, V> {
    /// Phase "serve": reads each waiting connection once, as far as the turn's budget goes. A connection that is queued
    /// meanwhile is served in the next turn.
    pub(super) fn serve(&mut self, now: Millis) {
        self.serve_drained(now);
        if !self.waiting.is_empty() && self.service.takes_input() {
            self.waiting.drain(..).for_each(|id| self.run_queue.push(id));
        }
        let are_few = self.run_queue.len() <= FLUSHED_AT_ONCE_MAX;
        let most = match self.run_queue.len() {
            CROWD_CONNECTIONS.. => CROWD_RECV_BYTES,
            _ if are_few => RECV_BYTES,
            _ => FRONT_DEBT_BYTES,
        };
        let mut budget = Budget::for_a_turn();
        for _ in 0..self.run_queue.front.len() {
            if budget.is_used_up() {
                break;
            }
            let Some(id) = self.run_queue.front.pop_front() else { break };
            let Some(slot) = find(&mut self.slots, id) else { continue };
            if slot.connection.has_sent_much(now) {
                self.run_queue.back.push_back(id);
            } else {
                self.serve_one(id, (&mut budget, most), are_few, now);
            }
        }
        for nth in 0..self.run_queue.back.len() {
            // At least one of them, or a steady crowd would keep them out for ever.
            if nth > 0 && budget.is_used_up() {
                break;
            }
            let Some(id) = self.run_queue.back.pop_front() else { break };
            self.serve_one(id, (&mut budget, RECV_BYTES), are_few, now);
        }
    }

    fn serve_one(&mut self, id: ConnId, (budget, most): (&mut Budget, usize), are_few: bool, now: Millis) {
        // Others are still answered: a request for /healthz, a close frame.
        if !self.service.takes_input()
            && find(&mut self.slots, id).is_some_and(|slot| slot.connection.is_open())
        {
            return self.waiting.push(id);
        }
        let dirty_before = self.dirty.len();
        self.read(id, (&mut *budget, most), now);
        // A read counts with one write. Further connections that it has queued output for count extra.
        budget.charge((self.dirty.len() - dirty_before).saturating_sub(1) * WRITE_COST_BYTES);
        // A message to all connections is often followed by another to all, such as their places in the queue.
        if are_few && self.dirty.len() - dirty_before <= FLUSHED_AT_ONCE_MAX {
            self.flush_dirty(dirty_before, now);
        }
    }

    /// Calls `Service::drained` for connections whose output has left. Stops when the service has sent enough in
    /// response, and leaves the other connections for the next turn.
    fn serve_drained(&mut self, now: Millis) {
        if self.drained.is_empty() {
            return;
        }
        self.queued_bytes = 0;
        for _ in 0..self.drained.len() {
            if self.queued_bytes >= TURN_DRAINED_BYTES_MAX {
                break;
            }
            let Some(id) = self.drained.pop_front() else { break };
            let Some(slot) = find(&mut self.slots, id) else { continue };
            slot.drain = Drain::Asked; // more may have been queued for it meanwhile
            if slot.is_drained()
                && let Some(Place { identity, .. }) = slot.place
            {
                slot.drain = Drain::Unasked;
                self.service.drained(now, (id, identity), &mut self.outbox);
                self.deliver(now);
            }
        }
    }
}
