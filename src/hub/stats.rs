//! What a hub holds, for tests that bound it.

use super::Hub;
use crate::net::connection::Stream;
use crate::service::Service;

/// What a hub holds, counted for tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HubStats {
    /// Connections in any phase.
    pub connections: usize,
    /// Connections with a place: the service has opened them and not closed.
    pub open: usize,
    /// The largest output that waits, in bytes.
    pub output_bytes_max: usize,
    /// Connections whose deadline is not in the queue. Always 0 after a turn.
    pub without_deadline: usize,
    /// Entries in the queue of deadlines, outdated ones included.
    pub deadlines: usize,
}

impl<S: Stream, V: Service> Hub<S, V> {
    /// Counts what there is. Walks all connections.
    pub fn stats(&self) -> HubStats {
        let slots = || self.slots.iter().map(|(_, slot)| slot);
        HubStats {
            connections: self.slots.len(),
            open: self.open,
            output_bytes_max: slots().map(|slot| slot.connection.output_bytes()).max().unwrap_or(0),
            without_deadline: slots()
                .filter(|slot| slot.scheduled_at > slot.connection.deadline(&self.limits))
                .count(),
            deadlines: self.deadlines.len(),
        }
    }
}
