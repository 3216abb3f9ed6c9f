//! The desk as the loop sees it: requests, connections, messages, and what is due.

#[cfg(any(feature = "journal", feature = "redis"))]
use std::io;

#[cfg(feature = "redis")]
use mio::{Registry, Token};

use super::site::{self, Route};
use super::ticket_rate::TicketRate;
use super::{Desk, Guest, Role};
use crate::config::Millis;
use crate::ids::ConnId;
#[cfg(feature = "journal")]
use crate::journal::Journal;
use crate::metrics::Metrics;
use crate::net::close::{self, CloseReason};
use crate::net::http::{Method, Request};
use crate::net::rate::RateVerdict;
use crate::net::response::{Body, Response, Status};
use crate::net::websocket::Incoming;
use crate::outbox::Outbox;
use crate::protocol::{self, Refusal};
use crate::service::{Answer, Service};
use crate::state::Input;

impl Service for Desk {
    type Guest = Guest;
    type Identity = Role;

    fn request(&mut self, request: &Request<'_>, metrics: &Metrics) -> Answer<Guest> {
        let route = site::route(request.path, request.scope);
        let is_plain = request.method != Method::Other;
        Answer::Http(match route {
            Route::NotFound => Status::NotFound.into(),
            Route::BadId => Status::BadRequest.into(),
            Route::User(id) => {
                return self
                    .admit(request, |_, secret| Guest::User(id, secret.map(str::to_owned), request.client));
            }
            Route::Staff(id) => {
                return self.admit(request, |tokens, token| {
                    let is_right = tokens.admits(&id, token);
                    Guest::Staff(id, is_right)
                });
            }
            Route::UserPage | Route::StaffPage | Route::Widget | Route::Health | Route::Metrics
                if !is_plain =>
            {
                Status::MethodNotAllowed.into()
            }
            Route::UserPage => self.page(request, |pages| &pages.user),
            Route::Widget => self.page(request, |pages| &pages.widget),
            Route::StaffPage => self.page(request, |pages| &pages.staff),
            Route::Health if !self.is_serving() => Status::Unavailable.into(),
            Route::Health => Response { body: Body::Static(b"ok"), ..Status::Ok.into() },
            Route::Metrics => self.metrics_page(metrics),
        })
    }

    fn opened(
        &mut self,
        now: Millis,
        conn: ConnId,
        guest: Guest,
        out: &mut Outbox,
    ) -> Result<Role, CloseReason> {
        #[cfg(feature = "redis")]
        if !self.is_serving() {
            return Err(protocol::close::LOG_AWAY);
        }
        match guest {
            Guest::User(id, offered, client) => {
                self.user_opened(now, conn, (id, client), offered.as_deref(), out)
            }
            Guest::Staff(id, token_is_right) => self.staff_opened(now, conn, id, token_is_right, out),
        }
    }

    fn without_place(&mut self, guest: &Guest) -> Result<Option<ConnId>, CloseReason> {
        self.replaced_by(guest)
    }

    fn message(
        &mut self,
        now: Millis,
        from: (ConnId, Role),
        message: Incoming,
        verdict: RateVerdict,
        out: &mut Outbox,
    ) {
        let (conn, role) = from;
        let text = match message {
            Incoming::Text(text) => text,
            Incoming::Binary(_) => return out.close(conn, close::UNSUPPORTED),
            Incoming::Control => return,
        };
        let refusal = match role {
            Role::User(client) => match protocol::user_command(&text) {
                Ok((command, names)) if verdict == RateVerdict::Within => {
                    return self.user_asks(now, (conn, client), (command, names), out);
                }
                Ok((command, names)) => Refusal::by_rate(names.map_or(command.names(), |names| *names)),
                Err(refusal) => refusal,
            },
            Role::Staff => match protocol::staff_command(&text) {
                Ok((command, names)) if verdict == RateVerdict::Within => {
                    return self.submit(now, &Input::StaffAsks(conn, command, names), out);
                }
                Ok((command, names)) => Refusal::by_rate(names.map_or(command.names(), |names| *names)),
                Err(refusal) => refusal,
            },
        };
        self.refuse_message(conn, &refusal, verdict, out);
    }

    fn closed(&mut self, now: Millis, (conn, role): (ConnId, Role), out: &mut Outbox) {
        match role {
            Role::User(_) => self.counters.users -= 1,
            Role::Staff => self.counters.staff -= 1,
        }
        self.ticket_rate.iter_mut().for_each(|rate| rate.forget(conn));
        self.submit(now, &Input::Leaves(conn), out);
    }

    fn drained(&mut self, now: Millis, (conn, _): (ConnId, Role), out: &mut Outbox) {
        self.submit(now, &Input::Drained(conn), out);
    }

    fn items(&self) -> usize {
        self.state.items()
    }

    fn next_due(&self) -> Option<Millis> {
        let ticket_rate = self.ticket_rate.as_ref().and_then(TicketRate::next_due);
        #[cfg(feature = "journal")]
        let journal = self.journal.as_ref().and_then(Journal::next_due);
        #[cfg(not(feature = "journal"))]
        let journal = None;
        #[cfg(feature = "redis")]
        if let Some(shared) = &self.shared {
            return shared.cluster.next_due(&self.state).into_iter().chain(ticket_rate).min();
        }
        self.state.next_due().into_iter().chain(ticket_rate).chain(journal).min()
    }

    fn tick(&mut self, now: Millis, out: &mut Outbox) {
        self.ticket_rate.iter_mut().for_each(|rate| rate.tick(now));
        #[cfg(feature = "redis")]
        if self.shared.is_some() {
            return self.log_tick(now, out);
        }
        if self.state.next_due().is_some_and(|due| due <= now) {
            self.submit(now, &Input::Tick, out);
        }
        #[cfg(feature = "journal")]
        self.journal.iter_mut().for_each(|journal| journal.tick(now));
    }

    #[cfg(any(feature = "journal", feature = "redis"))]
    fn is_kept(&self) -> bool {
        #[cfg(feature = "redis")]
        if self.shared.as_ref().is_some_and(|shared| shared.cluster.is_unusable()) {
            return false;
        }
        #[cfg(feature = "journal")]
        return self.journal.as_ref().is_none_or(Journal::is_kept);
        #[cfg(not(feature = "journal"))]
        true
    }

    #[cfg(any(feature = "journal", feature = "redis"))]
    fn keep(&mut self) -> io::Result<()> {
        #[cfg(feature = "redis")]
        if let Some(error) = self.shared.as_mut().and_then(|shared| shared.cluster.take_unusable()) {
            return Err(error);
        }
        #[cfg(feature = "journal")]
        return self.journal.as_mut().map_or(Ok(()), |journal| journal.keep(&self.state));
        #[cfg(not(feature = "journal"))]
        Ok(())
    }

    #[cfg(feature = "redis")]
    fn takes_input(&self) -> bool {
        self.shared.as_ref().is_none_or(|shared| shared.cluster.has_capacity())
    }

    #[cfg(feature = "redis")]
    fn attach(&mut self, registry: Registry, tokens: [Token; 2]) {
        self.attach_log(registry, tokens);
    }

    #[cfg(feature = "redis")]
    fn ready(&mut self, now: Millis, token: Token, out: &mut Outbox) {
        self.log_ready(now, token, out);
    }

    #[cfg(feature = "redis")]
    fn end_turn(&mut self, now: Millis) {
        self.shared.iter_mut().for_each(|shared| shared.cluster.end_turn(now));
    }

    fn reload(&mut self, now: Millis, out: &mut Outbox) {
        self.reload_staff_file(now, out);
    }
}
