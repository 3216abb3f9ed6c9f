//! What the hub knows of one connection.

use slab::Slab;

use super::admission::Origin;
use super::keeping::Kept;
use crate::config::Millis;
use crate::metrics::Metrics;
use crate::net::ConnId;
use crate::net::connection::{Connection, PhaseName, Stream};
use crate::service::Priority;

/// A connection, and what the hub knows of it.
pub(super) struct Slot<S, I> {
    pub(super) id: ConnId,
    pub(super) connection: Connection<S>,
    pub(super) origin: Origin,
    /// The connection's place among the open ones, from `Service::opened` until `Service::closed`.
    pub(super) place: Option<Place<I>>,
    /// The phase in which the metrics last counted it.
    pub(super) counted: PhaseName,
    /// The memory of its partial head, as last counted, in bytes.
    pub(super) counted_head_bytes: u32,
    /// The time of its earliest entry in the queue of deadlines.
    pub(super) scheduled_at: Millis,
    pub(super) in_run_queue: bool,
    pub(super) is_dirty: bool,
    /// Whether it has been read once more since its deadline passed.
    pub(super) was_read_last: bool,
    pub(super) is_in_eviction_queue: bool,
    pub(super) drain: Drain,
}

/// A place for an open connection.
pub(super) struct Place<I> {
    /// Who the connection belongs to.
    pub(super) identity: I,
    /// `None` once a newer connection of the same client has taken over the place.
    pub(super) priority: Option<Priority>,
}

/// Whether the service is to be notified when all output of a connection has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Drain {
    /// The service has not asked, or has been notified since.
    Unasked,
    Asked,
    /// All output has left, and the connection is in the queue of drained ones.
    Queued,
}

impl<S: Stream, I> Slot<S, I> {
    pub(super) fn flush(
        &mut self,
        _: Kept<'_>,
        now: Millis,
        spare: &mut Vec<Vec<u8>>,
        metrics: &mut Metrics,
    ) {
        metrics.bytes_out += self.connection.flush(now, spare) as u64;
    }

    /// Returns whether the connection is open and all of its output has left.
    pub(super) fn is_drained(&self) -> bool {
        !self.connection.has_output() && self.connection.is_open()
    }
}

/// Returns the slot of a connection, if the connection still has it. Borrows only the slots, so that the rest of the
/// hub can be used at the same time.
pub(super) fn find<S, I>(slots: &mut Slab<Slot<S, I>>, id: ConnId) -> Option<&mut Slot<S, I>> {
    slots.get_mut(id.slot as usize).filter(|slot| slot.id == id)
}
