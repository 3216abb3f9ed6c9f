//! The desk: the service that joins the wire to State. Who may connect is decided here, what they may do there.

pub mod auth;
mod site;

use std::path::PathBuf;

use log::{debug, error, info, warn};

use self::auth::{AuthError, SecretSource, StaffTokens};
use self::site::{Page, Route};
use crate::config::Millis;
use crate::ids::{SecretHash, StaffId, UserId};
use crate::metrics::{self, Metrics};
use crate::net::ConnId;
use crate::net::close::{self as net_close, CloseReason};
use crate::net::frame::Opcode;
use crate::net::http::{Method, Request, Response, Status, Upgrade};
use crate::net::pace::Pace;
use crate::net::websocket::Incoming;
use crate::outbox::Outbox;
use crate::protocol::{self, Refusal, SECRET_PREFIX, SUBPROTOCOL, close};
use crate::service::{Answer, Service};
use crate::state::{Emit, ErrorCode, Event, Rules, StaffKey, State, TicketRef, UserKey};

/// The support desk, as a service.
pub struct Desk {
    state: State,
    staff_tokens: StaffTokens,
    /// Where to read the tokens again.
    staff_file: Option<PathBuf>,
    allowed_origins: Vec<String>,
    secrets: SecretSource,
    tally: Tally,
}

/// Who was let in by a request.
#[derive(Debug)]
pub enum Guest {
    /// A user, and the session that they brought.
    User(UserId, Option<String>),
    /// A staff member, and whether their token is right.
    Staff(StaffId, bool),
}

/// Whose an open connection is.
#[derive(Clone, Copy, Debug)]
pub enum Peer {
    /// A user's.
    User(UserKey),
    /// A staff member's.
    Staff(StaffKey),
}

/// What the desk counts.
#[derive(Debug, Default)]
struct Tally {
    users: u64,
    staff: u64,
    messages: u64,
    refused: [u64; ErrorCode::ALL.len()],
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
        Ok(Self { state, staff_tokens, staff_file, allowed_origins, secrets, tally: Tally::default() })
    }

    /// The State, to look at.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// State and where its events go, for one call.
    fn parts<'a>(&'a mut self, out: &'a mut Outbox) -> (&'a mut State, Letters<'a>) {
        (&mut self.state, Letters { out, tally: &mut self.tally, offered: "", fresh: "" })
    }

    fn upgrade(&self, request: &Request<'_>, guest: impl FnOnce(Option<&str>) -> Guest) -> Answer<Guest> {
        match request.upgrade {
            _ if request.method == Method::Other => Answer::Http(Status::MethodNotAllowed.into()),
            Upgrade::Malformed => Answer::Http(Status::BadRequest.into()),
            Upgrade::Key(_) if request.method == Method::Get => {
                if let Some(origin) = self.foreign_origin(request) {
                    info!("a page of {:?} was refused", shorten(origin));
                    return Answer::Http(Status::Forbidden.into());
                }
                let secret = request.protocols.iter().find_map(|offered| offered.strip_prefix(SECRET_PREFIX));
                let protocol = request.protocols.contains(&SUBPROTOCOL).then_some(SUBPROTOCOL);
                Answer::Upgrade { protocol, guest: guest(secret) }
            }
            // RFC 6455 4.1: the method of a handshake must be GET
            Upgrade::None | Upgrade::OtherVersion | Upgrade::Key(_) => {
                Answer::Http(Status::UpgradeRequired.into())
            }
        }
    }

    /// The origin, if it is none that may connect. Programs send none; a page opened from disk sends `null`.
    fn foreign_origin<'a>(&self, request: &Request<'a>) -> Option<&'a str> {
        let origin = request.origin?;
        let host = origin.split_once("://").map(|(_, host)| host);
        let is_own = host.is_some_and(|host| host.eq_ignore_ascii_case(request.host));
        let is_allowed = || self.allowed_origins.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin));
        (origin != "null" && !is_own && !is_allowed()).then_some(origin)
    }

    fn user_opened(
        &mut self,
        now: Millis,
        conn: ConnId,
        id: UserId,
        offered: Option<&str>,
        out: &mut Outbox,
    ) -> Result<Peer, CloseReason> {
        let Ok(fresh) = self.secrets.session() else {
            error!("the kernel gives no random bytes");
            return Err(net_close::SERVER_FULL);
        };
        let offered_hash = offered.map(SecretHash::of);
        let fresh_hash = SecretHash::of(&fresh);
        let (state, mut letters) = self.parts(out);
        (letters.offered, letters.fresh) = (offered.unwrap_or(""), &fresh);
        let connected =
            state.user_connects(now, conn, id.clone(), offered_hash.as_ref(), fresh_hash, &mut letters);
        let Ok(key) = connected else {
            info!("user {id} was refused: another session");
            return Err(close::NOT_YOUR_ID);
        };
        debug!("connection {conn} is user {id}");
        self.tally.users += 1;
        Ok(Peer::User(key))
    }

    fn staff_opened(
        &mut self,
        now: Millis,
        conn: ConnId,
        id: StaffId,
        token_is_right: bool,
        out: &mut Outbox,
    ) -> Result<Peer, CloseReason> {
        if !token_is_right {
            warn!("staff {id} was refused: token missing or wrong");
            return Err(close::STAFF_TOKEN);
        }
        info!("staff {id} signed in");
        let (state, mut letters) = self.parts(out);
        let key = state.staff_connects(now, conn, id, &mut letters);
        self.tally.staff += 1;
        Ok(Peer::Staff(key))
    }

    fn metrics_page(&self, metrics: &Metrics) -> Response {
        let mut page = metrics::Page::default();
        metrics.append(&mut page);
        let counts = self.state.counts();
        page.family("deskwire_connections_open", "gauge", "Open connections, by role.")
            .labelled("role", [("user", self.tally.users), ("staff", self.tally.staff)]);
        page.family("deskwire_staff_online", "gauge", "Staff who are online.")
            .value(counts.staff_online as u64);
        page.family("deskwire_tickets", "gauge", "Open tickets, by state.").labelled(
            "state",
            [
                ("waiting", counts.tickets_waiting as u64),
                ("active", counts.tickets_active as u64),
                ("paused", counts.tickets_paused as u64),
            ],
        );
        page.family("deskwire_messages_total", "counter", "Messages handed on, those sent again included.")
            .value(self.tally.messages);
        let refused = ErrorCode::ALL.map(|code| (code.code(), self.tally.refused[code as usize]));
        page.family("deskwire_refused_total", "counter", "Frames refused, by error code.")
            .labelled("code", refused);
        Response {
            status: Status::Ok,
            content_type: metrics::Page::CONTENT_TYPE,
            fields: "",
            body: page.into_text().into_bytes().into(),
        }
    }
}

impl Service for Desk {
    type Guest = Guest;
    type Peer = Peer;

    fn request(&mut self, request: &Request<'_>, metrics: &Metrics) -> Answer<Guest> {
        let route = site::route(request.path);
        let is_plain = request.method != Method::Other;
        Answer::Http(match route {
            Route::NotFound => Status::NotFound.into(),
            Route::BadId => Status::BadRequest.into(),
            Route::User(id) => {
                return self.upgrade(request, |secret| Guest::User(id, secret.map(str::to_owned)));
            }
            Route::Staff(id) => {
                return self.upgrade(request, |token| {
                    let is_right = self.staff_tokens.admits(&id, token);
                    Guest::Staff(id, is_right)
                });
            }
            Route::Page(_) | Route::Health | Route::Metrics if !is_plain => Status::MethodNotAllowed.into(),
            Route::Page(page) => Page::response(page),
            Route::Health => Response { body: b"ok".into(), ..Status::Ok.into() },
            Route::Metrics => self.metrics_page(metrics),
        })
    }

    fn opened(
        &mut self,
        now: Millis,
        conn: ConnId,
        guest: Guest,
        out: &mut Outbox,
    ) -> Result<Peer, CloseReason> {
        match guest {
            Guest::User(id, offered) => self.user_opened(now, conn, id, offered.as_deref(), out),
            Guest::Staff(id, token_is_right) => self.staff_opened(now, conn, id, token_is_right, out),
        }
    }

    fn message(
        &mut self,
        now: Millis,
        from: (ConnId, Peer),
        message: Incoming,
        pace: Pace,
        out: &mut Outbox,
    ) {
        let (conn, peer) = from;
        let text = match message {
            Incoming::Text(text) => text,
            Incoming::Binary(_) => return out.close(conn, net_close::UNSUPPORTED),
            Incoming::Control => return,
        };
        let (state, mut letters) = self.parts(out);
        let in_time = pace == Pace::Fair;
        match peer {
            Peer::User(key) => match protocol::user_command(&text) {
                Ok(command) if in_time => state.user_asks(now, (conn, key), &command, &mut letters),
                Ok(command) => letters.refuse(conn, ErrorCode::RateLimited, command.message_id(), None),
                Err(refusal) => letters.refuse_frame(conn, &refusal, in_time),
            },
            Peer::Staff(key) => match protocol::staff_command(&text) {
                Ok(command) if in_time => state.staff_asks(now, (conn, key), &command, &mut letters),
                Ok(command) => {
                    let ticket = command.ticket().map(TicketRef::Id);
                    letters.refuse(conn, ErrorCode::RateLimited, command.message_id(), ticket);
                }
                Err(refusal) => letters.refuse_frame(conn, &refusal, in_time),
            },
        }
    }

    fn closed(&mut self, now: Millis, (conn, peer): (ConnId, Peer), out: &mut Outbox) {
        let (state, mut letters) = self.parts(out);
        match peer {
            Peer::User(key) => {
                state.user_leaves(now, (conn, key), &mut letters);
                self.tally.users -= 1;
            }
            Peer::Staff(key) => {
                state.staff_leaves(now, (conn, key), &mut letters);
                self.tally.staff -= 1;
            }
        }
    }

    fn drained(&mut self, _now: Millis, (conn, peer): (ConnId, Peer), out: &mut Outbox) {
        if let Peer::Staff(key) = peer {
            let (state, mut letters) = self.parts(out);
            state.send_more_tickets((conn, key), &mut letters);
        }
    }

    fn next_due(&self) -> Option<Millis> {
        self.state.next_due()
    }

    fn tick(&mut self, now: Millis, out: &mut Outbox) {
        let (state, mut letters) = self.parts(out);
        state.tick(now, &mut letters);
    }

    /// Whoever is not in the staff file any more, or has another token in it, has to sign in anew.
    fn reload(&mut self, _now: Millis, out: &mut Outbox) {
        let Some(path) = &self.staff_file else { return };
        let tokens = match StaffTokens::read(path) {
            Ok(tokens) => tokens,
            Err(error) => return error!("the staff file stays as it was: {error}"),
        };
        for (id, conn) in self.state.staff_connected() {
            if !tokens.has_same(id, &self.staff_tokens) {
                info!("staff {id} is signed out: not in the staff file, or with another token");
                out.close(conn, close::STAFF_TOKEN);
            }
        }
        self.staff_tokens = tokens;
    }
}

/// Writes State's events down as frames, counts them, and tells the operator of those that matter.
struct Letters<'a> {
    out: &'a mut Outbox,
    tally: &'a mut Tally,
    /// The session that a user brought, and the one made for them if it is not theirs yet.
    offered: &'a str,
    fresh: &'a str,
}

impl Letters<'_> {
    /// Of a frame that was too fast it does not matter what else is wrong with it.
    fn refuse_frame(&mut self, conn: ConnId, refusal: &Refusal<'_>, in_time: bool) {
        let code = if in_time { refusal.code } else { ErrorCode::RateLimited };
        self.refuse(conn, code, refusal.id, refusal.ticket());
    }

    fn refuse(&mut self, conn: ConnId, code: ErrorCode, id: Option<u64>, ticket: Option<TicketRef<'_>>) {
        self.emit(conn, &Event::Error { code, id, ticket });
    }
}

impl Emit for Letters<'_> {
    fn emit(&mut self, to: ConnId, event: &Event<'_>) {
        let session = match event {
            Event::UserWelcome(welcome) if welcome.resumed => self.offered,
            Event::UserWelcome(_) => self.fresh,
            Event::Message { .. } => {
                self.tally.messages += 1;
                ""
            }
            Event::Error { code, .. } => {
                self.tally.refused[*code as usize] += 1;
                ""
            }
            _ => "",
        };
        self.out.send(to, Opcode::Text, |frame| protocol::append_event(frame, event, session));
    }

    fn emit_all(&mut self, to: &mut dyn Iterator<Item = ConnId>, event: &Event<'_>) {
        log_event(event);
        self.out.send_all(to, Opcode::Text, |frame| protocol::append_event(frame, event, ""));
    }

    fn dismiss(&mut self, conn: ConnId) {
        self.out.close(conn, close::ELSEWHERE);
    }

    fn ask_when_drained(&mut self, conn: ConnId) {
        self.out.ask_when_drained(conn);
    }
}

/// What everybody is told is what the operator wants to know. Ids have nothing to escape; texts are left out.
fn log_event(event: &Event<'_>) {
    match event {
        Event::TicketAdded(view) => info!("ticket {} opened by {}", view.ticket, view.user),
        Event::TicketUpdated(view) => {
            let staff = view.staff.map_or("nobody", StaffId::as_str);
            let user = if view.user_online { "there" } else { "away" };
            info!("ticket {} {:?}: staff {staff}, user {} {user}", view.ticket, view.state, view.user);
        }
        Event::TicketRemoved { ticket, by } => info!("ticket {ticket} closed: {by:?}"),
        Event::Colleague { staff, online } => {
            info!("staff {staff} went {}", if *online { "online" } else { "offline" });
        }
        _ => {}
    }
}

/// As much of a peer's string as a log line needs.
fn shorten(text: &str) -> &str {
    const CHARS_MAX: usize = 100;
    text.char_indices().nth(CHARS_MAX).map_or(text, |(end, _)| &text[..end])
}
