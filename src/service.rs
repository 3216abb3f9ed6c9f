//! What the loop asks of the service that it runs: the desk, or the echo in examples/.

use std::io;

use crate::config::Millis;
use crate::metrics::Metrics;
use crate::net::ConnId;
use crate::net::close::CloseReason;
use crate::net::http::{Handshake, Request};
use crate::net::rate::RateVerdict;
use crate::net::response::Response;
use crate::net::websocket::Incoming;
use crate::outbox::Outbox;

/// A service on WebSockets. The hub calls it with what has happened, and it answers into an outbox. It neither blocks nor fails.
pub trait Service {
    /// What `request` has learned of the client, for `opened`.
    type Guest;
    /// Who an open connection belongs to, as far as the service needs to know it for each message.
    type Identity: Copy;

    /// Returns the answer to a request.
    fn request(&mut self, request: &Request<'_>, metrics: &Metrics) -> Answer<Self::Guest>;

    /// Handles an open connection; what is sent to it now comes right after the handshake.
    ///
    /// # Errors
    /// It is to be closed again, for this reason. Nothing else is sent.
    fn opened(
        &mut self,
        now: Millis,
        conn: ConnId,
        guest: Self::Guest,
        out: &mut Outbox,
    ) -> Result<Self::Identity, CloseReason>;

    /// Handles a message, or a control frame, which the codec has answered already. A message that exceeds its rate is for the
    /// service to refuse.
    fn message(
        &mut self,
        now: Millis,
        from: (ConnId, Self::Identity),
        message: Incoming,
        verdict: RateVerdict,
        out: &mut Outbox,
    );

    /// Handles the end of a connection; what is sent to it from here on is dropped. Where the peer ended it, this comes before
    /// anything that was read later, in the same turn too.
    fn closed(&mut self, now: Millis, from: (ConnId, Self::Identity), out: &mut Outbox);

    /// Handles that all output of an open connection has left. Called once for each `Outbox::notify_drained`, in the next turn, or
    /// a later one where many connections have drained at once.
    fn drained(&mut self, _now: Millis, _from: (ConnId, Self::Identity), _out: &mut Outbox) {}

    /// Returns how many things, such as tickets, it keeps, so that the loop sees when they have become fewer.
    fn items(&self) -> usize {
        0
    }

    /// Returns when `tick` is due, if nothing happens until then.
    fn next_due(&self) -> Option<Millis> {
        None
    }

    /// Does what is due at `now`.
    fn tick(&mut self, _now: Millis, _out: &mut Outbox) {}

    /// Returns whether it has kept all that it was given. Until then nothing is written to a socket.
    fn is_kept(&self) -> bool {
        true
    }

    /// Keeps all that it was given since the last call. Called at the end of a turn, and earlier where a write cannot wait for
    /// that.
    ///
    /// # Errors
    /// It cannot. It is asked for nothing more, nothing leaves that it has sent since the last call, and all connections end.
    fn keep(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Reads the configuration again, as the operator asks with SIGHUP.
    fn reload(&mut self, _now: Millis, _out: &mut Outbox) {}
}

/// The answer to a request.
#[derive(Debug)]
pub enum Answer<G> {
    /// An HTTP response, with which the connection ends.
    Http(Response),
    /// 101: the connection becomes a WebSocket.
    Upgrade {
        /// The request's handshake.
        handshake: Handshake,
        /// The subprotocol selected, one of those offered.
        protocol: Option<&'static str>,
        /// Handed to `Service::opened`.
        guest: G,
        /// Which of the places for open connections it may take.
        priority: Priority,
    },
}

/// Which of the places for open connections a client may take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Priority {
    /// Any but those that are kept.
    #[default]
    Ordinary,
    /// Any.
    Kept,
}
