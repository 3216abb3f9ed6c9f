//! The deadline of each phase, and what happens when it passes.

use super::{Connection, Stream};
use crate::config::{CLOSING_MS, HEAD_MS, HTTP_MS, LINGER_MS, Limits, Millis, PONG_MS, STALL_MS};
use crate::net::close;
use crate::net::deadlines::NEVER;
use crate::net::frame;
use crate::net::http::Method;
use crate::net::phase::Phase;
use crate::net::response::Status;

/// Why a connection was ended by its deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GivenUp {
    /// The request head is not complete; it is answered with 408.
    NoHead,
    /// The peer took none of the waiting output; it is closed with 1013.
    TakesNothing,
    /// The peer did not answer a ping.
    Silent,
}

impl<S: Stream> Connection<S> {
    /// Returns the time at which to call `expire`, unless something is read or written before.
    pub fn deadline(&self, limits: &Limits) -> Millis {
        match self.phase {
            Phase::Head(_) => self.since + HEAD_MS,
            Phase::Open(_) => {
                // Counted from the ping, not from the silence before it: a stopped and resumed process sends it late.
                let silence = self.since + if self.awaits_pong { PONG_MS } else { limits.ping_interval_ms };
                let stall = self.output.blocked_since().map_or(NEVER, |since| since + STALL_MS);
                stall.min(silence)
            }
            Phase::Closing(..) => self.since + CLOSING_MS,
            Phase::Flushing => self.since + HTTP_MS,
            Phase::Linger => self.since + LINGER_MS,
            Phase::Dead => NEVER,
        }
    }

    /// Returns whether input that has not been read yet may still avert the deadline: by completing the head, or by
    /// answering the ping.
    pub(crate) fn is_judged_by_input(&self) -> bool {
        match self.phase {
            Phase::Head(_) => true,
            Phase::Open(_) => self.awaits_pong,
            _ => false,
        }
    }

    /// Acts on a deadline that has passed. Returns the reason if that ends a connection that was not ending already.
    pub fn expire(&mut self, now: Millis) -> Option<GivenUp> {
        match self.phase {
            Phase::Head(_) => {
                self.respond(&Status::Timeout.into(), Method::Get, now);
                Some(GivenUp::NoHead)
            }
            Phase::Open(_) if self.output.blocked_since().is_some_and(|since| since + STALL_MS <= now) => {
                // The close frame follows the waiting output: a peer that wakes up after all learns the reason.
                self.refuse(close::TAKES_NOTHING, now);
                Some(GivenUp::TakesNothing)
            }
            Phase::Open(_) if !self.awaits_pong => {
                (self.since, self.awaits_pong) = (now, true);
                self.output.bytes().extend_from_slice(&frame::PING);
                None
            }
            Phase::Open(_) => {
                self.enter(Phase::Dead, now);
                Some(GivenUp::Silent)
            }
            Phase::Closing(..) | Phase::Flushing | Phase::Linger | Phase::Dead => {
                self.enter(Phase::Dead, now);
                None
            }
        }
    }
}
