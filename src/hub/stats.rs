//! Counts of what a hub holds, for tests that check its bounds.

use super::Hub;
use crate::net::connection::Stream;
use crate::service::Service;

/// Counts of what a hub holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HubStats {
    /// Connections in any phase.
    pub connections: usize,
    /// Connections with a place: the service has opened them and has not been notified of their end.
    pub open: usize,
    /// The largest waiting output of a connection, in bytes.
    pub output_bytes_max: usize,
    /// Connections whose deadline is not in the queue. Always 0 after a turn.
    pub without_deadline: usize,
    /// Entries in the queue of deadlines, outdated ones included.
    pub deadlines: usize,
}

impl<S: Stream, V: Service> Hub<S, V> {
    /// Counts everything. Walks all connections.
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
