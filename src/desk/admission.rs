//! Who may connect: a client with a handshake, from a page whose origin is allowed, and, as staff, with the right
//! token.

use log::{debug, error, info, warn};

use super::auth::StaffTokens;
use super::{Desk, Role};
use crate::config::Millis;
use crate::ids::{ConnId, StaffId, UserId};
use crate::logging::Quoted;
use crate::net::address::ClientAddress;
use crate::net::close::{self as net_close, CloseReason};
use crate::net::http::Request;
use crate::net::response::Status;
use crate::net::target;
use crate::outbox::Outbox;
use crate::protocol::{SECRET_PREFIX, SUBPROTOCOL, close};
use crate::service::{Answer, Priority};
use crate::state::{Input, Session};

/// The client of an accepted handshake.
#[derive(Debug)]
pub enum Guest {
    /// A user, the session that they offer, and their address.
    User(UserId, Option<String>, ClientAddress),
    /// A staff member, and whether their token is right.
    Staff(StaffId, bool),
}

impl Desk {
    /// Answers a request for a WebSocket. `guest` is called with the secret that was offered, and returns who the
    /// client is.
    pub(super) fn admit(
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
        // The last places are kept for staff whose token is right: neither users nor impostors must keep staff out.
        let priority = match guest {
            Guest::Staff(_, true) => Priority::Kept,
            Guest::Staff(_, false) | Guest::User(..) => Priority::Ordinary,
        };
        Answer::Upgrade { handshake, protocol, guest, priority }
    }

    /// Returns the origin of the requesting page if it may not connect. Clients that are not browsers send no origin; a
    /// page opened from disk sends `null`.
    fn foreign_origin<'a>(&self, request: &Request<'a>) -> Option<&'a str> {
        let origin = request.origin?;
        let host = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        // Without a host in the request, no origin can be our own.
        let has_host = target::host(request.host).is_some_and(|host| !host.is_empty());
        let is_own = has_host && host.is_some_and(|host| host.eq_ignore_ascii_case(request.host));
        let is_allowed = || self.allowed_origins.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin));
        (origin != "null" && !is_own && !is_allowed()).then_some(origin)
    }

    /// Returns the open connection that a client replaces, if its secret is right and there is one.
    ///
    /// # Errors
    /// The secret is missing or wrong.
    pub(super) fn replaced_by(&mut self, guest: &Guest) -> Result<Option<ConnId>, CloseReason> {
        let older = match guest {
            Guest::User(id, offered, _) => {
                let offered = offered.as_deref().and_then(Session::parse);
                let Ok(older) = self.state.user_connection(id, offered) else {
                    return Err(self.counters.refuse_session(format_args!("user {id}")));
                };
                older
            }
            Guest::Staff(id, true) => self.state.staff_connection(id),
            Guest::Staff(id, false) => return Err(self.refuse_token(id)),
        };
        Ok(older.and_then(|older| self.local(older)))
    }

    /// Returns a connection as the loop knows it, if this process has it.
    fn local(&self, conn: ConnId) -> Option<ConnId> {
        #[cfg(feature = "redis")]
        if let Some(shared) = &self.shared {
            return shared.local(conn);
        }
        Some(conn)
    }

    fn refuse_token(&mut self, id: &StaffId) -> CloseReason {
        warn!("staff {id} was refused: token missing or wrong");
        self.counters.wrong_tokens += 1;
        close::STAFF_TOKEN
    }

    pub(super) fn user_opened(
        &mut self,
        now: Millis,
        conn: ConnId,
        (id, client): (UserId, ClientAddress),
        offered: Option<&str>,
        out: &mut Outbox,
    ) -> Result<Role, CloseReason> {
        let fresh = self.secrets.session();
        let Some(fresh) = fresh.as_deref().ok().and_then(Session::parse) else {
            error!("the kernel returns no random bytes");
            return Err(net_close::INTERNAL_ERROR);
        };
        let offered = offered.and_then(Session::parse);
        debug!("connection {conn} says it is user {id}");
        self.submit(now, &Input::UserConnects { conn, user: id, offered, fresh }, out);
        self.counters.users += 1;
        Ok(Role::User(client))
    }

    pub(super) fn staff_opened(
        &mut self,
        now: Millis,
        conn: ConnId,
        id: StaffId,
        token_is_right: bool,
        out: &mut Outbox,
    ) -> Result<Role, CloseReason> {
        if !token_is_right {
            return Err(self.refuse_token(&id));
        }
        info!("staff {id} signed in");
        let name = self.staff_tokens.name(&id).cloned();
        self.submit(now, &Input::StaffConnects { conn, staff: id, name }, out);
        self.counters.staff += 1;
        Ok(Role::Staff)
    }
}
