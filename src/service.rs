//! The interface between the loop and the service that it runs, which is the desk or examples/echo.rs.

use std::io;

use mio::{Registry, Token};

use crate::config::Millis;
use crate::metrics::Metrics;
use crate::net::ConnId;
use crate::net::close::CloseReason;
use crate::net::http::{Handshake, Request};
use crate::net::rate::RateVerdict;
use crate::net::response::Response;
use crate::net::websocket::Incoming;
use crate::outbox::Outbox;

/// A service over WebSockets. The hub calls it when something has happened, and it puts its answers into an outbox. Its
/// methods must not block, and only `keep` may fail.
pub trait Service {
    /// What `request` has learned about a client, and what `opened` needs to know.
    type Guest;
    /// The owner of an open connection, as far as the service needs to know it for each message.
    type Identity: Copy;

    /// Returns the answer to a request.
    fn request(&mut self, request: &Request<'_>, metrics: &Metrics) -> Answer<Self::Guest>;

    /// Handles a connection that has just opened. What is sent to it now comes right after the handshake.
    ///
    /// # Errors
    /// The connection is to be closed again for this reason. Nothing else is sent to it.
    fn opened(
        &mut self,
        now: Millis,
        conn: ConnId,
        guest: Self::Guest,
        out: &mut Outbox,
    ) -> Result<Self::Identity, CloseReason>;

    /// Decides about a client for whom there is no place. Returns the open connection that the client replaces, if it
    /// does, so that it can take over that one's place; only then is `opened` called.
    ///
    /// # Errors
    /// The client would not be let in if there were a place either, and is to be closed for this reason.
    fn without_place(&mut self, _guest: &Self::Guest) -> Result<Option<ConnId>, CloseReason> {
        Ok(None)
    }

    /// Handles a message, or a control frame that the codec has answered already. `verdict` says whether the message
    /// exceeds the rate limit. If it does, the service has to refuse it.
    fn message(
        &mut self,
        now: Millis,
        from: (ConnId, Self::Identity),
        message: Incoming,
        verdict: RateVerdict,
        out: &mut Outbox,
    );

    /// Handles the end of a connection. What is sent to it from now on is dropped. If the peer has ended the
    /// connection, this call comes before those for anything that was read later, even in the same turn.
    fn closed(&mut self, now: Millis, from: (ConnId, Self::Identity), out: &mut Outbox);

    /// Handles that all output of an open connection has left. This is called once for each `Outbox::notify_drained`:
    /// in the next turn, or later if many connections have drained at once.
    fn drained(&mut self, _now: Millis, _from: (ConnId, Self::Identity), _out: &mut Outbox) {}

    /// Returns how many items the service keeps, such as tickets, so that the loop can give memory back when there are
    /// fewer.
    fn items(&self) -> usize {
        0
    }

    /// Returns when `tick` is due, if nothing happens until then.
    fn next_due(&self) -> Option<Millis> {
        None
    }

    /// Does what is due at `now`.
    fn tick(&mut self, _now: Millis, _out: &mut Outbox) {}

    /// Returns whether the service has kept all its input, such as in a journal. Until then nothing is written to a
    /// socket.
    fn is_kept(&self) -> bool {
        true
    }

    /// Keeps all input since the last call. This is called at the end of a turn, and earlier if a write cannot wait
    /// that long.
    ///
    /// # Errors
    /// The input cannot be kept. The service is not called again, what it has sent since the last call does not leave,
    /// and all connections end.
    fn keep(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Returns whether the service takes more messages. While it does not, open connections are not read, so that backpressure
    /// reaches the peers.
    fn takes_input(&self) -> bool {
        true
    }

    /// Takes the poll's registry, and tokens for two sockets of the service's own.
    fn attach(&mut self, _registry: Registry, _tokens: [Token; 2]) {}

    /// Handles an event of one of these sockets.
    fn ready(&mut self, _now: Millis, _token: Token, _out: &mut Outbox) {}

    /// Handles the end of a turn: what the service has gathered in it can be passed on.
    fn end_turn(&mut self, _now: Millis) {}

    /// Reads the configuration again, because the operator has sent SIGHUP.
    fn reload(&mut self, _now: Millis, _out: &mut Outbox) {}
}

/// The answer to a request.
#[derive(Debug)]
pub enum Answer<G> {
    /// An HTTP response, after which the connection ends.
    Http(Response),
    /// 101: the connection becomes a WebSocket.
    Upgrade {
        /// The request's handshake.
        handshake: Handshake,
        /// The subprotocol selected, one of those offered.
        protocol: Option<&'static str>,
        /// Passed to `Service::opened`.
        guest: G,
        /// Which of the places for open connections it may take.
        priority: Priority,
    },
}

/// Which of the places for open connections a client may take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Priority {
    /// Any place that is not reserved.
    #[default]
    Ordinary,
    /// Any place, including those that are reserved.
    Kept,
}
