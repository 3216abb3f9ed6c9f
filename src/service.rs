//! What the loop asks of whatever it serves: the desk, or the echo in examples/.

use crate::config::Millis;
use crate::metrics::Metrics;
use crate::net::ConnId;
use crate::net::close::CloseReason;
use crate::net::http::{Handshake, Request, Response};
use crate::net::rate::RateVerdict;
use crate::net::websocket::Incoming;
use crate::outbox::Outbox;

/// A service on WebSockets. It is told what happens and says what to send, and neither blocks nor fails.
pub trait Service {
    /// Somebody who was let in by `request` and whose connection is about to open.
    type Guest;
    /// Who a connection belongs to while it is open.
    type Peer: Copy;

    /// Answers a request head.
    fn request(&mut self, request: &Request<'_>, metrics: &Metrics) -> Answer<Self::Guest>;

    /// A connection has opened; what is sent here comes right after the handshake. An error closes it again, and
    /// nothing else is sent.
    fn opened(
        &mut self,
        now: Millis,
        conn: ConnId,
        guest: Self::Guest,
        out: &mut Outbox,
    ) -> Result<Self::Peer, CloseReason>;

    /// A message has come in, or a control frame, which is answered already.
    fn message(
        &mut self,
        now: Millis,
        from: (ConnId, Self::Peer),
        message: Incoming,
        verdict: RateVerdict,
        out: &mut Outbox,
    );

    /// A connection is no longer open: whatever is sent to it from here on reaches nobody. Where the peer ended it, this
    /// comes before anything that was read later, in the same turn too.
    fn closed(&mut self, now: Millis, from: (ConnId, Self::Peer), out: &mut Outbox);

    /// All output of a connection has left, as asked for by `Outbox::ask_when_drained`: in the next turn, or in one of the
    /// next where it is so for many at once. Told once for each time that it was asked for, and only of an open connection.
    fn drained(&mut self, _now: Millis, _from: (ConnId, Self::Peer), _out: &mut Outbox) {}

    /// How much it keeps: a count of things, such as tickets, by which the loop sees that it has become smaller.
    fn items(&self) -> usize {
        0
    }

    /// When `tick` is due, if nothing happens until then.
    fn next_due(&self) -> Option<Millis> {
        None
    }

    /// Time has passed.
    fn tick(&mut self, _now: Millis, _out: &mut Outbox) {}

    /// The operator asks to read the configuration again (SIGHUP).
    fn reload(&mut self, _now: Millis, _out: &mut Outbox) {}
}

/// What a request is answered with.
#[derive(Debug)]
pub enum Answer<G> {
    /// This, and the connection ends.
    Http(Response),
    /// 101: the connection opens, for this guest.
    Upgrade {
        /// The request's handshake.
        handshake: Handshake,
        /// The subprotocol selected, one of those offered.
        protocol: Option<&'static str>,
        /// Who it is for.
        guest: G,
        /// Which of the places it may have.
        priority: Priority,
    },
}

/// Which of the places for connections somebody may have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Priority {
    /// All but those that are kept.
    #[default]
    Ordinary,
    /// Those that are kept as well.
    Kept,
}
