//! The rule that nothing is written to a socket before the input that caused it is kept.
//!
//! A service may keep its input, for example on disk, and keeps a whole turn at once. Until then the hub only queues
//! the frames that the service sends. Every write to a socket needs a [`Kept`], so that none can come too early.

use std::io;
use std::marker::PhantomData;

use super::{Hub, find};
use crate::config::Millis;
use crate::net::ConnId;
use crate::net::close;
use crate::net::connection::Stream;
use crate::service::Service;

/// Proof that the service has kept all of its input. It borrows the service, so that no more input can arrive
/// meanwhile.
#[derive(Clone, Copy)]
pub(super) struct Kept<'a>(PhantomData<&'a ()>);

impl<'a> Kept<'a> {
    /// Returns the proof, or `None` if something is not kept yet.
    pub(super) fn by<V: Service>(service: &'a V) -> Option<Self> {
        service.is_kept().then_some(Self(PhantomData))
    }
}

/// Output of a connection that must not leave yet: everything after the first `kept_bytes`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unkept {
    id: ConnId,
    kept_bytes: usize,
    was_open: bool,
}

impl<S: Stream, V: Service> Hub<S, V> {
    /// Notes how much of a connection's output may leave. Called before output is queued that depends on input that is
    /// not kept yet.
    pub(super) fn note_unkept(&mut self, id: ConnId) {
        if !self.service.is_kept()
            && let Some(slot) = find(&mut self.slots, id)
        {
            let (kept_bytes, was_open) = (slot.connection.output_bytes(), slot.connection.is_open());
            self.unkept.push(Unkept { id, kept_bytes, was_open });
        }
    }

    /// Makes the service keep its input. If that fails, the output that depends on it is dropped, and all connections
    /// end.
    pub(super) fn keep(&mut self, now: Millis) {
        if self.service.is_kept() {
            return;
        }
        match self.service.keep() {
            Ok(()) => self.unkept.clear(),
            Err(error) => {
                self.failure = Some(error);
                self.withdraw(now);
                self.close_all(close::INTERNAL_ERROR, now);
            }
        }
    }

    /// Like `keep`, at the end of a turn, when the dirty connections before the nth are settled. The service is
    /// notified first of the others that have closed, so that the whole turn is kept at once.
    pub(super) fn keep_turn(&mut self, mut nth: usize, now: Millis) {
        while let Some(id) = self.dirty.get(nth).copied() {
            self.notify_closed(id, now);
            nth += 1;
        }
        self.keep(now);
    }

    /// Drops the output that depends on input that could not be kept.
    fn withdraw(&mut self, now: Millis) {
        // The latest entry first: if a connection was sent several frames, its first entry says how much may leave.
        for Unkept { id, kept_bytes, was_open } in std::mem::take(&mut self.unkept).into_iter().rev() {
            if let Some(slot) = find(&mut self.slots, id) {
                slot.connection.withdraw(kept_bytes, was_open.then_some(close::INTERNAL_ERROR), now);
                self.mark_dirty(id);
            }
        }
    }

    /// Returns, once, the error that keeps the service from going on.
    pub(crate) fn take_failure(&mut self) -> Option<io::Error> {
        self.failure.take()
    }
}
