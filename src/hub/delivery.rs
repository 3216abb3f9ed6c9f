//! From the service to sockets: the frames that it has sent are queued, and it is notified of connections that have
//! closed.

use log::debug;

use super::keeping::Kept;
use super::{Drain, Hub, Place, find};
use crate::config::Millis;
use crate::net::ConnId;
use crate::net::close::CloseReason;
use crate::net::connection::{PhaseName, Stream};
use crate::outbox::{Item, Reply};
use crate::service::Service;

impl<S: Stream, V: Service> Hub<S, V> {
    /// Queues the frames that the service has sent. Nothing is written yet.
    pub(super) fn deliver(&mut self, now: Millis) {
        if self.outbox.is_empty() {
            return;
        }
        let mut outbox = std::mem::take(&mut self.outbox);
        for item in outbox.items() {
            match item {
                Item::Frame(to, frame, reply) => {
                    for id in to {
                        self.queue_frame(*id, frame, reply);
                    }
                }
                Item::Close(id, why) => {
                    self.note_unkept(id);
                    self.close(id, why, now);
                }
                Item::CloseAll(why) => {
                    for id in self.ids() {
                        self.note_unkept(id);
                        self.close(id, why, now);
                    }
                }
                Item::NotifyDrained(id) => {
                    if let Some(slot) = self.slot(id)
                        && slot.drain == Drain::Unasked
                    {
                        slot.drain = Drain::Asked;
                        self.mark_dirty(id);
                    }
                }
            }
        }
        outbox.clear();
        self.outbox = outbox;
    }

    fn queue_frame(&mut self, id: ConnId, frame: &[u8], reply: Reply) {
        self.note_unkept(id);
        let Some(slot) = find(&mut self.slots, id) else { return };
        if slot.connection.is_open() {
            slot.connection.queue(frame, &mut self.spare);
            if reply == Reply::Expected {
                slot.connection.allow_answer();
            }
            self.metrics.messages_out.count(frame.len() as u64);
            self.queued_bytes += frame.len();
            self.mark_dirty(id);
        }
    }

    /// Flushes the dirty connections from the nth on, in reverse order: so the receiver of a message does not wait for
    /// the sender's receipt. Everything else about them waits for the end of the turn; so does the flush if something
    /// is not kept yet.
    pub(super) fn flush_dirty(&mut self, nth: usize, now: Millis) {
        let Some(kept) = Kept::by(&self.service) else { return };
        for id in self.dirty[nth..].iter().rev() {
            if let Some(slot) = find(&mut self.slots, *id).filter(|slot| slot.connection.is_open()) {
                slot.flush(kept, now, &mut self.spare, &mut self.metrics);
            }
        }
    }

    pub(super) fn close(&mut self, id: ConnId, why: CloseReason, now: Millis) {
        let Some(slot) = self.slot(id).filter(|slot| slot.connection.is_open()) else { return };
        slot.connection.close(why, now);
        self.metrics.closed(why.code);
        debug!("connection {id}: closing with {}: {}", why.code, why.reason);
        self.mark_dirty(id);
    }

    /// Closes all connections: open ones with the closing handshake, those without a request at once.
    pub(crate) fn close_all(&mut self, why: CloseReason, now: Millis) {
        for id in self.ids() {
            if let Some(slot) = self.slot(id) {
                match slot.connection.phase() {
                    PhaseName::Open => self.close(id, why, now),
                    PhaseName::Head => {
                        slot.connection.end_of_input(now);
                        self.mark_dirty(id);
                    }
                    _ => {}
                }
            }
        }
    }

    /// Returns the ids of all connections, so that they can be changed one by one.
    fn ids(&self) -> Vec<ConnId> {
        self.slots.iter().map(|(_, slot)| slot.id).collect()
    }

    /// Notifies the service, once, of a connection that is no longer open.
    pub(super) fn notify_closed(&mut self, id: ConnId, now: Millis) {
        let Some(slot) = self.slot(id).filter(|slot| !slot.connection.is_open()) else { return };
        if let Some(Place { identity, priority }) = slot.place.take() {
            self.uncount_place(priority);
            self.service.closed(now, (id, identity), &mut self.outbox);
            self.deliver(now);
        }
    }
}
