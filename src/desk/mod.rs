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
mod service;
mod site;
mod staff_file;
#[cfg(test)]
mod tests;
mod ticket_rate;
mod writer;

use std::path::PathBuf;
use std::rc::Rc;

pub use self::admission::Guest;
use self::auth::{AuthError, SecretSource, StaffTokens};
#[cfg(feature = "redis")]
pub use self::cluster::ShareError;
#[cfg(feature = "redis")]
use self::cluster::Shared;
use self::counters::Counters;
use self::pages::{Document, Pages};
use self::ticket_rate::TicketRate;
use self::writer::EventWriter;
use crate::config::Millis;
use crate::ids::{ConnId, NodeId};
#[cfg(feature = "journal")]
use crate::journal::Journal;
use crate::net::address::ClientAddress;
use crate::net::http::Request;
use crate::net::rate::RateVerdict;
use crate::net::response::{Response, Status};
use crate::outbox::Outbox;
use crate::protocol::Refusal;
use crate::state::{Input, MoreNames, Rules, State, UserCommand};

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

    /// Whether connections are admitted. One of several nodes admits none while it could not keep what they ask for.
    fn is_serving(&self) -> bool {
        #[cfg(feature = "redis")]
        return self.shared.as_ref().is_none_or(|shared| shared.cluster.is_serving());
        #[cfg(not(feature = "redis"))]
        true
    }

    /// Whether State has applied an input when `submit` returns.
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
        (command, names): (UserCommand<'_>, MoreNames<'_>),
        out: &mut Outbox,
    ) {
        let is_create = matches!(command, UserCommand::CreateTicket { .. });
        if is_create && self.ticket_rate.as_ref().is_some_and(|rate| !rate.allows(now, conn, client)) {
            let refusal = Refusal::by_rate(names.map_or(command.names(), |names| *names));
            return self.refuse_message(conn, &refusal, RateVerdict::Within, out);
        }
        let opened_before = self.counters.tickets_opened;
        self.submit(now, &Input::UserAsks(conn, command, names), out);
        let is_opened = self.counters.tickets_opened > opened_before || !self.applies_at_once();
        if is_create
            && is_opened
            && let Some(rate) = &mut self.ticket_rate
        {
            rate.count(now, conn, client);
        }
    }
}
