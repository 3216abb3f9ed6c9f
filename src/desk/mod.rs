//! The desk: the service that joins the wire to State. Who may connect is decided here, what they may do there.

pub mod auth;
mod counters;
mod site;
#[cfg(test)]
mod tests;
mod ticket_rate;
mod writer;

use std::path::PathBuf;

use log::{Level, debug, error, info, log, warn};

use self::auth::{AuthError, SecretSource, StaffTokens};
use self::counters::Counters;
use self::site::{Page, Route};

use self::ticket_rate::TicketRate;
use self::writer::EventWriter;
use crate::config::Millis;
use crate::ids::{ConnId, StaffId, UserId};
use crate::logging::Quoted;
use crate::metrics::Metrics;
use crate::net::address::ClientAddress;
use crate::net::close::{self as net_close, CloseReason};
use crate::net::http::{Method, Request, Response, Status};
use crate::net::rate::RateVerdict;
use crate::net::target;
use crate::net::websocket::Incoming;
use crate::outbox::Outbox;
use crate::protocol::{self, Refusal, SECRET_PREFIX, SUBPROTOCOL, close};
use crate::service::{Answer, Priority, Service};
use crate::state::{Emit, ErrorCode, Event, Input, Rules, Session, State, TicketRef, UserCommand};

/// The support desk, as a service.
pub struct Desk {
    state: State,
    staff_tokens: StaffTokens,
    /// Where to read the tokens again.
    staff_file: Option<PathBuf>,
    allowed_origins: Vec<String>,
    secrets: SecretSource,
    /// `None` is without a limit.
    ticket_rate: Option<TicketRate>,
    counters: Counters,
}

/// Who was let in by a request.
#[derive(Debug)]
pub enum Guest {
    /// A user, the session that they brought, and where they come from.
    User(UserId, Option<String>, ClientAddress),
    /// A staff member, and whether their token is right.
    Staff(StaffId, bool),
}

/// Which of the two protocols an open connection speaks. Whose it is, State knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A user's, who comes from this address.
    User(ClientAddress),
    /// A staff member's.
    Staff,
}

impl Desk {
    /// A desk where nobody is yet.
    ///
    /// # Errors
    /// There are no random bytes.
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
            ticket_rate: None,
            counters: Counters::default(),
        })
    }

    /// Limits how fast a connection, and an address, opens new tickets.
    pub fn limit_new_tickets(&mut self) {
        self.ticket_rate = Some(TicketRate::default());
    }

    /// The State, to look at.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The only way into State.
    fn apply(&mut self, now: Millis, input: &Input<'_>, out: &mut Outbox) {
        self.state.apply(now, input, &mut EventWriter { out, counters: &mut self.counters });
    }

    fn refuse(
        &mut self,
        conn: ConnId,
        (code, id, ticket): (ErrorCode, Option<u64>, Option<TicketRef<'_>>),
        out: &mut Outbox,
    ) {
        let mut writer = EventWriter { out, counters: &mut self.counters };
        writer.emit(conn, &Event::Error { code, id, ticket });
    }

    fn upgrade(
        &mut self,
        request: &Request<'_>,
        guest: impl FnOnce(&StaffTokens, Option<&str>) -> Guest,
    ) -> Answer<Guest> {
        let handshake = match request.handshake() {
            Ok(handshake) => handshake,
            Err(status) => return Answer::Http(status.into()),
        };
        if let Some(origin) = self.foreign_origin(request) {
            info!("a page of {} was refused", Quoted(origin));
            self.counters.foreign_origins += 1;
            return Answer::Http(Status::Forbidden.into());
        }
        let secret = request.protocols.iter().find_map(|offered| offered.strip_prefix(SECRET_PREFIX));
        let protocol = request.protocols.contains(&SUBPROTOCOL).then_some(SUBPROTOCOL);
        let guest = guest(&self.staff_tokens, secret);
        // Users must not keep staff out; whoever only says to be staff must not either.
        let priority = match guest {
            Guest::Staff(_, true) => Priority::Kept,
            Guest::Staff(_, false) | Guest::User(..) => Priority::Ordinary,
        };
        Answer::Upgrade { handshake, protocol, guest, priority }
    }

    /// The origin, if it is none that may connect. Programs send none; a page opened from disk sends `null`.
    fn foreign_origin<'a>(&self, request: &Request<'a>) -> Option<&'a str> {
        let origin = request.origin?;
        let host = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        // A request without a host, or with an empty one, is for nobody: no page can be ours.
        let has_host = target::host(request.host).is_some_and(|host| !host.is_empty());
        let is_own = has_host && host.is_some_and(|host| host.eq_ignore_ascii_case(request.host));
        let is_allowed = || self.allowed_origins.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin));
        (origin != "null" && !is_own && !is_allowed()).then_some(origin)
    }

    fn user_opened(
        &mut self,
        now: Millis,
        conn: ConnId,
        (id, client): (UserId, ClientAddress),
        offered: Option<&str>,
        out: &mut Outbox,
    ) -> Result<Role, CloseReason> {
        let fresh = self.secrets.session();
        let Some(fresh) = fresh.as_deref().ok().and_then(Session::parse) else {
            error!("the kernel gives no random bytes");
            return Err(net_close::INTERNAL_ERROR);
        };
        let offered = offered.and_then(Session::parse);
        debug!("connection {conn} says it is user {id}");
        self.apply(now, &Input::UserConnects { conn, user: id, offered, fresh }, out);
        self.counters.users += 1;
        Ok(Role::User(client))
    }

    fn staff_opened(
        &mut self,
        now: Millis,
        conn: ConnId,
        id: StaffId,
        token_is_right: bool,
        out: &mut Outbox,
    ) -> Result<Role, CloseReason> {
        if !token_is_right {
            warn!("staff {id} was refused: token missing or wrong");
            self.counters.wrong_tokens += 1;
            return Err(close::STAFF_TOKEN);
        }
        info!("staff {id} signed in");
        self.apply(now, &Input::StaffConnects { conn, staff: id }, out);
        self.counters.staff += 1;
        Ok(Role::Staff)
    }

    /// Of a frame that was too fast it does not matter what else is wrong with it.
    fn refuse_frame(&mut self, conn: ConnId, refusal: &Refusal<'_>, verdict: RateVerdict, out: &mut Outbox) {
        let code = if verdict == RateVerdict::Within { refusal.code } else { ErrorCode::RateLimited };
        self.refuse(conn, (code, refusal.id, refusal.ticket()), out);
    }

    /// A ticket that State does not open costs nothing.
    fn user_asks(
        &mut self,
        now: Millis,
        (conn, client): (ConnId, ClientAddress),
        command: UserCommand<'_>,
        out: &mut Outbox,
    ) {
        let is_create = matches!(command, UserCommand::CreateTicket { .. });
        if is_create && self.ticket_rate.as_ref().is_some_and(|rate| !rate.allows(now, conn, client)) {
            return self.refuse(conn, (ErrorCode::RateLimited, None, None), out);
        }
        let opened_before = self.counters.tickets_opened;
        self.apply(now, &Input::UserAsks(conn, command), out);
        if self.counters.tickets_opened > opened_before
            && let Some(rate) = &mut self.ticket_rate
        {
            rate.count(now, conn, client);
        }
    }
}

impl Service for Desk {
    type Guest = Guest;
    type Peer = Role;

    fn request(&mut self, request: &Request<'_>, metrics: &Metrics) -> Answer<Guest> {
        let route = site::route(request.path);
        let is_plain = request.method != Method::Other;
        Answer::Http(match route {
            Route::NotFound => Status::NotFound.into(),
            Route::BadId => Status::BadRequest.into(),
            Route::User(id) => {
                return self.upgrade(request, |_, secret| {
                    Guest::User(id, secret.map(str::to_owned), request.client)
                });
            }
            Route::Staff(id) => {
                return self.upgrade(request, |tokens, token| {
                    let is_right = tokens.admits(&id, token);
                    Guest::Staff(id, is_right)
                });
            }
            Route::Page(_) | Route::Health | Route::Metrics if !is_plain => Status::MethodNotAllowed.into(),
            Route::Page(page) => Page::response(page),
            Route::Health => Response { body: b"ok".into(), ..Status::Ok.into() },
            Route::Metrics => self.counters.page(self.state.counts(), metrics),
        })
    }

    fn opened(
        &mut self,
        now: Millis,
        conn: ConnId,
        guest: Guest,
        out: &mut Outbox,
    ) -> Result<Role, CloseReason> {
        match guest {
            Guest::User(id, offered, client) => {
                self.user_opened(now, conn, (id, client), offered.as_deref(), out)
            }
            Guest::Staff(id, token_is_right) => self.staff_opened(now, conn, id, token_is_right, out),
        }
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
            Incoming::Binary(_) => return out.close(conn, net_close::UNSUPPORTED),
            Incoming::Control => return,
        };
        let refused = match role {
            Role::User(client) => match protocol::user_command(&text) {
                Ok(command) if verdict == RateVerdict::Within => {
                    return self.user_asks(now, (conn, client), command, out);
                }
                Ok(command) => (ErrorCode::RateLimited, command.message_id(), None),
                Err(refusal) => return self.refuse_frame(conn, &refusal, verdict, out),
            },
            Role::Staff => match protocol::staff_command(&text) {
                Ok(command) if verdict == RateVerdict::Within => {
                    return self.apply(now, &Input::StaffAsks(conn, command), out);
                }
                Ok(command) => {
                    (ErrorCode::RateLimited, command.message_id(), command.ticket().map(TicketRef::Id))
                }
                Err(refusal) => return self.refuse_frame(conn, &refusal, verdict, out),
            },
        };
        self.refuse(conn, refused, out);
    }

    fn closed(&mut self, now: Millis, (conn, role): (ConnId, Role), out: &mut Outbox) {
        match role {
            Role::User(_) => self.counters.users -= 1,
            Role::Staff => self.counters.staff -= 1,
        }
        self.apply(now, &Input::Leaves(conn), out);
    }

    fn drained(&mut self, now: Millis, (conn, _): (ConnId, Role), out: &mut Outbox) {
        self.apply(now, &Input::Drained(conn), out);
    }

    fn items(&self) -> usize {
        self.state.items()
    }

    fn next_due(&self) -> Option<Millis> {
        let ticket_rate = self.ticket_rate.as_ref().and_then(TicketRate::next_due);
        self.state.next_due().into_iter().chain(ticket_rate).min()
    }

    fn tick(&mut self, now: Millis, out: &mut Outbox) {
        self.ticket_rate.iter_mut().for_each(|rate| rate.tick(now));
        self.apply(now, &Input::Tick, out);
    }

    /// Whoever is not in the staff file any more, or has another token in it, has to sign in anew.
    fn reload(&mut self, _now: Millis, out: &mut Outbox) {
        let Some(path) = &self.staff_file else { return };
        let tokens = match StaffTokens::read(path) {
            Ok(tokens) => tokens,
            Err(error) => return error!("the staff file stays as it was: {error}"),
        };
        let mut signed_out = 0;
        for (id, conn) in self.state.staff_connected() {
            if !tokens.has_same(id, &self.staff_tokens) {
                info!("staff {id} is signed out: not in the staff file, or with another token");
                out.close(conn, close::STAFF_TOKEN);
                signed_out += 1;
            }
        }
        let (members, before) = (tokens.members(), self.staff_tokens.members());
        // Nobody can sign in any more: more often a slip than meant.
        let level = if members == 0 { Level::Warn } else { Level::Info };
        log!(level, "the staff file has {members} members, it had {before}; {signed_out} were signed out");
        self.staff_tokens = tokens;
    }
}
