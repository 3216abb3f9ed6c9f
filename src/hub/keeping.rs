//! Nothing is written to a socket before what caused it is kept.
//!
//! A service may keep what it is given, on a disk for instance, and keeps a whole turn at once. Until then the hub only
//! queues what the service sends. Every write to a socket takes a [`Kept`], so that none can come too early.

use std::io;
use std::marker::PhantomData;

use super::{Hub, find};
use crate::config::Millis;
use crate::net::ConnId;
use crate::net::close;
use crate::net::connection::Stream;
use crate::service::Service;

/// Proof that the service has kept all that it was given. It borrows the service, which is given nothing more meanwhile.
#[derive(Clone, Copy)]
pub(super) struct Kept<'a>(PhantomData<&'a ()>);

impl<'a> Kept<'a> {
    /// `None` if something is not kept yet.
    pub(super) fn by<V: Service>(service: &'a V) -> Option<Self> {
        service.is_kept().then_some(Self(PhantomData))
    }
}

/// Output of a connection that must not leave yet: all that follows so many bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unkept {
    id: ConnId,
    kept_bytes: usize,
    was_open: bool,
}

impl<S: Stream, V: Service> Hub<S, V> {
    /// Notes how much output of a connection may leave, before more is queued for it that depends on what is not kept yet.
    pub(super) fn note_unkept(&mut self, id: ConnId) {
        if !self.service.is_kept()
            && let Some(slot) = find(&mut self.slots, id)
        {
            let (kept_bytes, was_open) = (slot.connection.output_bytes(), slot.connection.is_open());
            self.unkept.push(Unkept { id, kept_bytes, was_open });
        }
    }

    /// Has the service keep what it was given. Where it fails, nothing leaves that depends on it, and all connections end.
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

    /// The same at the end of a turn, when the dirty connections before the nth are settled. The ends of the others are kept
    /// with the rest, so that a turn is kept at once.
    pub(super) fn keep_turn(&mut self, mut nth: usize, now: Millis) {
        while let Some(id) = self.dirty.get(nth).copied() {
            self.notify_closed(id, now);
            nth += 1;
        }
        self.keep(now);
    }

    /// Drops the output that depends on what could not be kept.
    fn withdraw(&mut self, now: Millis) {
        // The latest first: of a connection that was sent several frames, the first entry says what may leave.
        for Unkept { id, kept_bytes, was_open } in std::mem::take(&mut self.unkept).into_iter().rev() {
            if let Some(slot) = find(&mut self.slots, id) {
                slot.connection.withdraw(kept_bytes, was_open.then_some(close::INTERNAL_ERROR), now);
                self.mark_dirty(id);
            }
        }
    }

    /// Returns why the service cannot go on, once.
    pub(crate) fn take_failure(&mut self) -> Option<io::Error> {
        self.failure.take()
    }
}
