//! The desk: the service that connects the wire to State. It decides who may connect; State decides what they may do.
//!
//! A message is parsed into a command, checked against the rate limits, and submitted to State as an input. The events
//! that State emits become frames in the outbox. With a journal, every input is noted there before it is applied.

mod admission;
pub mod auth;
pub mod branding;
#[cfg(feature = "redis")]
mod cluster;
mod counters;
#[cfg(feature = "journal")]
mod keeping;
pub mod pages;
mod refusals;
mod site;
mod staff_file;
#[cfg(test)]
mod tests;
mod ticket_rate;
mod writer;

#[cfg(any(feature = "journal", feature = "redis"))]
use std::io;
use std::path::PathBuf;
use std::rc::Rc;

#[cfg(feature = "redis")]
use mio::{Registry, Token};

pub use self::admission::Guest;
use self::auth::{AuthError, SecretSource, StaffTokens};
#[cfg(feature = "redis")]
pub use self::cluster::ShareError;
#[cfg(feature = "redis")]
use self::cluster::Shared;
use self::counters::Counters;
use self::pages::{Document, Pages};
use self::site::Route;
use self::ticket_rate::TicketRate;
use self::writer::EventWriter;
use crate::config::Millis;
use crate::ids::{ConnId, NodeId};
#[cfg(feature = "journal")]
use crate::journal::Journal;
use crate::metrics::Metrics;
use crate::net::address::ClientAddress;
use crate::net::close::{self, CloseReason};
use crate::net::http::{Method, Request};
use crate::net::rate::RateVerdict;
use crate::net::response::{Body, Response, Status};
use crate::net::websocket::Incoming;
use crate::outbox::Outbox;
use crate::protocol;
use crate::service::{Answer, Service};
use crate::state::{Input, Rules, State, UserCommand};

/// The support desk as a service.
pub struct Desk {
    state: State,
    staff_tokens: StaffTokens,
    /// The file that a reload reads the tokens from.
    staff_file: Option<PathBuf>,
    allowed_origins: Vec<String>,
    secrets: SecretSource,
    /// `None` if the desk serves no pages.
    pages: Option<Rc<Pages>>,
    /// `None` if new tickets are not limited.
    ticket_rate: Option<TicketRate>,
    counters: Counters,
    /// `None` if a restart forgets all tickets.
    #[cfg(feature = "journal")]
    journal: Option<Journal>,
    /// `None` if the desk is this process alone.
    #[cfg(feature = "redis")]
    shared: Option<Box<Shared>>,
}

/// The role of an open connection. Only State knows which user or staff member it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A user, who connects from this address.
    User(ClientAddress),
    /// A staff member.
    Staff,
}

impl Desk {
    /// Creates an empty desk.
    ///
    /// # Errors
    /// The source of secrets has no random bytes.
    pub fn new(
        rules: Rules,
        staff_tokens: StaffTokens,
        staff_file: Option<PathBuf>,
        allowed_origins: Vec<String>,
        mut secrets: SecretSource,
    ) -> Result<Self, AuthError> {
        let state = State::new(rules, secrets.seed()?);
        Ok(Self {
            state,
            staff_tokens,
            staff_file,
            allowed_origins,
            secrets,
            pages: None,
            ticket_rate: None,
            counters: Counters::default(),
            #[cfg(feature = "journal")]
            journal: None,
            #[cfg(feature = "redis")]
            shared: None,
        })
    }

    /// Serves these pages.
    pub fn serve_pages(&mut self, pages: Rc<Pages>) {
        self.pages = Some(pages);
    }

    /// Limits how fast a connection, and all connections of an address, may open new tickets.
    pub fn limit_new_tickets(&mut self) {
        self.ticket_rate = Some(TicketRate::default());
    }

    /// Returns the State, read-only.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Notes an input in the journal, if there is one, and applies it. The events it causes leave the process only
    /// after the journal has kept the input.
    fn submit(&mut self, now: Millis, input: &Input<'_>, out: &mut Outbox) {
        #[cfg(feature = "redis")]
        if let Some(shared) = &mut self.shared {
            return shared.submit(input); // applied when it is read back
        }
        #[cfg(feature = "journal")]
        if let Some(journal) = &mut self.journal
            && !journal.note(now, input)
        {
            return;
        }
        self.apply(now, input, out);
    }

    /// Applies an input to State, and writes the events it causes to the outbox.
    fn apply(&mut self, now: Millis, input: &Input<'_>, out: &mut Outbox) {
        let (counters, node) = (&mut self.counters, NodeId::HERE);
        self.state.apply(now, input, &mut EventWriter { out, counters, node, is_others: false });
    }

    /// Whether connections are let in. Only a desk of several nodes may have none to keep what they ask for.
    fn is_serving(&self) -> bool {
        #[cfg(feature = "redis")]
        return self.shared.as_ref().is_none_or(|shared| shared.cluster.is_serving());
        #[cfg(not(feature = "redis"))]
        true
    }

    /// Whether what State makes of an input is known when it was submitted.
    fn applies_at_once(&self) -> bool {
        #[cfg(feature = "redis")]
        return self.shared.is_none();
        #[cfg(not(feature = "redis"))]
        true
    }

    fn page(&self, request: &Request<'_>, which: impl FnOnce(&Pages) -> &Document) -> Response {
        self.pages.as_deref().map_or_else(|| Status::NotFound.into(), |pages| which(pages).response(request))
    }

    /// Submits a user's command. Only a ticket that State really opens counts against the limit on new tickets.
    /// If State answers only later, each command that asks for one counts, or many could be under way at once.
    fn user_asks(
        &mut self,
        now: Millis,
        (conn, client): (ConnId, ClientAddress),
        command: UserCommand<'_>,
        out: &mut Outbox,
    ) {
        let is_create = matches!(command, UserCommand::CreateTicket { .. });
        if is_create && self.ticket_rate.as_ref().is_some_and(|rate| !rate.allows(now, conn, client)) {
            return self.refuse_command(conn, (None, None), out);
        }
        let opened_before = self.counters.tickets_opened;
        self.submit(now, &Input::UserAsks(conn, command), out);
        let is_opened = self.counters.tickets_opened > opened_before || !self.applies_at_once();
        if is_create
            && is_opened
            && let Some(rate) = &mut self.ticket_rate
        {
            rate.count(now, conn, client);
        }
    }
}

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
        let refused = match role {
            Role::User(client) => match protocol::user_command(&text) {
                Ok(command) if verdict == RateVerdict::Within => {
                    return self.user_asks(now, (conn, client), command, out);
                }
                Ok(command) => Ok((command.message_id(), command.ticket())),
                Err(refusal) => Err(refusal),
            },
            Role::Staff => match protocol::staff_command(&text) {
                Ok(command) if verdict == RateVerdict::Within => {
                    return self.submit(now, &Input::StaffAsks(conn, command), out);
                }
                Ok(command) => Ok((command.message_id(), command.ticket())),
                Err(refusal) => Err(refusal),
            },
        };
        match refused {
            Ok(command) => self.refuse_command(conn, command, out),
            Err(refusal) => self.refuse_message(conn, &refusal, verdict, out),
        }
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
