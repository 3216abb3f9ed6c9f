//! A naive desk, written from PROTOCOL.md and not from the code: lists that are searched from the start.
//!
//! It gets every call that the service gets, and tells what has to be sent for it. Where PROTOCOL.md leaves a choice
//! (a ticket's id, who is assigned a ticket), it checks whether what was sent is allowed.

pub mod asks;
mod chat;
mod estimates;
mod places;
mod presence;
mod readers;
mod shown;
mod stories;
mod tickets;
pub mod wants;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use deskwire::config::{Assign, Millis};
use deskwire::net::ConnId;
use deskwire::state::{Counts, Rules};
use serde_json::{Value, json};

pub use self::stories::{FLOOR_SEEDS, FLOOR_STEPS, Stories};

use self::readers::Reader;
use self::wants::{Call, Refusal, Track, Want, Wants};

#[derive(Clone)]
pub struct Model {
    pub rules: Rules,
    pub now: Millis,
    /// The users who are known: "while connected, while a ticket is open, and for the grace time after a ticket closed in their
    /// absence".
    pub users: BTreeMap<String, User>,
    /// The staff who are connected.
    pub staff: BTreeMap<String, Staff>,
    /// The open tickets, the oldest first.
    pub tickets: Vec<Ticket>,
    pub peers: BTreeMap<ConnId, Who>,
    /// What each connection has been sent, and has yet to be sent.
    pub readers: BTreeMap<ConnId, Reader>,
    pub stories: Stories,
    wants: Wants,
    sessions: BTreeSet<String>,
    ticket_ids: BTreeSet<String>,
    picks: u64,
    estimates: estimates::Estimates,
    /// The names of staff who are known: connected, or with a paused ticket.
    names: BTreeMap<String, String>,
    /// How many `ticket_closed` each connection was sent in this call.
    closed_sent: BTreeMap<ConnId, usize>,
    /// Views of tickets at moments of this call.
    views: Vec<(String, Value)>,
    /// Boards or presence may have changed in this call.
    is_changed: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    User(String),
    Staff(String),
}

#[derive(Clone)]
pub struct User {
    session: String,
    pub conn: Option<ConnId>,
    pub ticket: Option<String>,
    away_since: Millis,
    /// When a ticket of theirs closed in their absence.
    closed_away: Option<Millis>,
    ended: Option<Ended>,
    /// The ticket of theirs that ended last, and who had it last, until it is rated.
    unrated: Option<(String, Option<String>)>,
}

/// A ticket that has closed, and whose user has not been sent all of it.
#[derive(Clone)]
struct Ended {
    view: Value,
    ticket: String,
    held: Vec<Held>,
    /// A `welcome` has named it, and what was held follows.
    is_sent: bool,
}

#[derive(Clone)]
pub struct Staff {
    pub conn: ConnId,
    pub online: bool,
    /// The number of their last pick or assignment, if they have been connected since.
    last_turn: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Waiting,
    Active,
    Paused,
}

#[derive(Clone)]
pub struct Ticket {
    pub id: String,
    pub user: String,
    user_name: Option<String>,
    subject: String,
    page: Option<String>,
    pub state: State,
    since: Millis,
    was_picked: bool,
    /// A recap was relayed since the last pick.
    has_recap: bool,
    /// The staff member who has it, or had it when it was paused.
    pub staff: Option<String>,
    created_at: Millis,
    last_seq: u64,
    by_user: Side,
    by_staff: Side,
    released_by: Option<String>,
    place: places::Known,
}

#[derive(Clone, Default)]
struct Side {
    last_id: u64,
    last_id_seq: u64,
    last_id_at: Millis,
    delivered_seq: u64,
    held: Vec<Held>,
    /// Until when this side's typing notice holds, and the connection that was sent it.
    typing: Option<(Millis, Option<ConnId>)>,
}

#[derive(Clone)]
struct Held {
    seq: u64,
    id: u64,
    at: Millis,
    from: &'static str,
    sender: String,
    sender_name: Option<String>,
    text: String,
}

impl Held {
    fn frame(&self, ticket: &str) -> Value {
        json!({ "type": "message", "ticket_id": ticket, "seq": self.seq, "from": self.from,
            "sender_id": self.sender, "sender_name": self.sender_name, "id": self.id, "text": self.text, "at": self.at })
    }
}

impl Model {
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            now: 0,
            users: BTreeMap::new(),
            staff: BTreeMap::new(),
            tickets: Vec::new(),
            peers: BTreeMap::new(),
            readers: BTreeMap::new(),
            stories: Stories::default(),
            wants: Wants::default(),
            sessions: BTreeSet::new(),
            ticket_ids: BTreeSet::new(),
            picks: 0,
            estimates: estimates::Estimates::default(),
            names: BTreeMap::new(),
            closed_sent: BTreeMap::new(),
            views: Vec::new(),
            is_changed: false,
        }
    }

    /// Begins a call. What the desk sent in it is already known.
    pub fn start(&mut self, call: &Call) {
        self.now = call.now;
        self.views.clear();
        self.closed_sent.clear();
        for sent in &call.sent {
            self.stories.note_sent(&sent.frame, sent.to.len() as u64);
        }
        for sent in call.sent.iter().filter(|sent| sent.frame["type"] == "ticket_closed") {
            for conn in &sent.to {
                *self.closed_sent.entry(*conn).or_default() += 1;
            }
        }
    }

    /// Whether the desk waits for a connection's output to leave before it sends more.
    pub fn is_behind(&self, conn: ConnId) -> bool {
        self.readers.get(&conn).is_some_and(|reader| reader.is_behind)
    }

    /// All output of a connection has left.
    pub fn drained(&mut self, conn: ConnId) -> Result<(), String> {
        let was_behind = self.readers.get_mut(&conn).map(|reader| std::mem::take(&mut reader.is_behind));
        match was_behind {
            Some(false) => Err(format!("{conn} has taken all, and the desk had not asked to be notified")),
            _ => Ok(()),
        }
    }

    /// Ends a call: compares what was sent with what had to be.
    pub fn settle(&mut self, call: &Call) -> Result<(), String> {
        self.assign(call)?;
        self.compare(call)?;
        self.note_ended();
        self.estimates.note(call.now, self.has_staff());
        self.note_places();
        self.note_shown()?;
        self.forget_names();
        Ok(())
    }

    fn forget_names(&mut self) {
        let mut names = std::mem::take(&mut self.names);
        names.retain(|id, _| self.is_known(id));
        self.names = names;
    }

    /// Whether a staff member is connected, or has a paused ticket.
    fn is_known(&self, staff: &str) -> bool {
        let had = |ticket: &Ticket| ticket.state == State::Paused && ticket.staff.as_deref() == Some(staff);
        self.staff.contains_key(staff) || self.tickets.iter().any(had)
    }

    /// Forgets all connections: the process has stopped.
    fn forget_connections(&mut self) {
        self.peers.clear();
        self.readers.clear();
        self.wants = Wants::default();
        self.note_places();
        self.forget_names();
    }

    /// Checks that nothing is overdue.
    pub fn check_time(&mut self) -> Result<(), String> {
        self.check_absences()?;
        self.check_typing()?;
        self.check_places()?;
        self.check_shown()
    }

    /// Returns when the desk has to act next.
    pub fn next_due(&self) -> Option<Millis> {
        let typing = self.tickets.iter().flat_map(|ticket| {
            [&ticket.by_user, &ticket.by_staff].into_iter().filter_map(|side| side.typing.map(|(due, _)| due))
        });
        let absences = self.users.values().filter(|user| user.conn.is_none());
        let absences = absences.map(|user| user.away_since + self.rules.user_grace_ms);
        typing.chain(absences).chain(self.boards_due()).min()
    }

    pub fn counts(&self) -> Counts {
        let in_state = |state| self.tickets.iter().filter(|ticket| ticket.state == state).count();
        let paused_by = |ticket: &Ticket| match &ticket.staff {
            Some(staff) if ticket.state == State::Paused && !self.staff.contains_key(staff) => {
                Some(staff.clone())
            }
            _ => None,
        };
        let remembered: BTreeSet<String> = self.tickets.iter().filter_map(paused_by).collect();
        Counts {
            users_known: self.users.len(),
            staff_known: self.staff.len() + remembered.len(),
            staff_online: self.staff.values().filter(|staff| staff.online).count(),
            tickets_waiting: in_state(State::Waiting),
            tickets_active: in_state(State::Active),
            tickets_paused: in_state(State::Paused),
        }
    }

    /// Returns a ticket as staff see it.
    pub fn view(&self, ticket: &Ticket) -> Value {
        json!({ "ticket_id": ticket.id, "user_id": ticket.user, "user_name": ticket.user_name,
            "subject": ticket.subject, "page": ticket.page, "state": ticket.state.name(),
            "staff_id": ticket.staff, "staff_name": self.name(ticket.staff.as_deref()),
            "created_at": ticket.created_at, "since": ticket.since, "user_online": self.users.get(&ticket.user).is_some_and(|user| user.conn.is_some()) })
    }

    /// Returns the name of a staff member, if they are known and have one.
    fn name(&self, staff: Option<&str>) -> Option<&String> {
        self.names.get(staff?)
    }

    fn find(&self, id: &str) -> Option<usize> {
        self.tickets.iter().position(|ticket| ticket.id == id)
    }

    fn to(&mut self, conn: Option<ConnId>, track: Track, frame: Value) {
        if let Some(conn) = conn {
            self.want(conn, track, Want::Frame(Rc::new(frame)));
        }
    }

    fn tell_user(&mut self, id: &str, frame: Value) {
        let conn = self.users.get(id).and_then(|user| user.conn);
        self.to(conn, Track::Talk, frame);
    }

    /// Notes that a ticket has changed.
    fn board_update(&mut self, at: usize) {
        let view = self.view(&self.tickets[at]);
        self.views.push((self.tickets[at].id.clone(), view));
        self.is_changed = true;
    }

    fn refuse(&mut self, conn: ConnId, frame: &asks::Frame, codes: Vec<&'static str>) {
        self.stories.refused += 1;
        let is_due = frame.is_message();
        self.want(
            conn,
            Track::Talk,
            Want::Error(Refusal {
                codes,
                id: frame.id,
                id_is_due: is_due,
                ticket: frame.ticket.clone(),
                ticket_is_due: is_due && matches!(self.peers.get(&conn), Some(Who::Staff(_))),
            }),
        );
    }

    fn pong(&mut self, conn: ConnId) {
        self.to(Some(conn), Track::Talk, json!({ "type": "pong", "now": self.now }));
    }

    /// Handles a frame from this connection. `is_within` is false if the rate limit refuses it.
    pub fn message(&mut self, conn: ConnId, text: &str, is_within: bool, call: &Call) -> Result<(), String> {
        match self.peers.get(&conn).cloned() {
            Some(Who::User(id)) if self.users.get(&id).is_some_and(|user| user.conn == Some(conn)) => {
                let frame = asks::read(text, false);
                match frame.ask.clone() {
                    Err(codes) => self.refuse(conn, &frame, or_too_fast(codes, is_within)),
                    Ok(_) if !is_within => self.refuse(conn, &frame, vec!["rate_limited"]),
                    Ok(asks::Ask::Ping) => self.pong(conn),
                    Ok(ask) => self.user_asks((conn, &id), ask, &frame, call)?,
                }
            }
            Some(Who::Staff(id)) if self.staff.get(&id).is_some_and(|staff| staff.conn == conn) => {
                let frame = asks::read(text, true);
                match frame.ask.clone() {
                    Err(codes) => self.refuse(conn, &frame, or_too_fast(codes, is_within)),
                    Ok(_) if !is_within => self.refuse(conn, &frame, vec!["rate_limited"]),
                    Ok(asks::Ask::Ping) => self.pong(conn),
                    Ok(ask) => self.staff_asks((conn, &id), ask, &frame),
                }
            }
            _ => {} // replaced by a newer one: its frames are ignored
        }
        Ok(())
    }
}

fn or_too_fast(mut codes: Vec<&'static str>, is_within: bool) -> Vec<&'static str> {
    if !is_within {
        codes.push("rate_limited");
    }
    codes
}

impl State {
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Active => "active",
            Self::Paused => "paused",
        }
    }
}

/// Whether the desk assigns tickets.
fn is_automatic(rules: &Rules) -> bool {
    rules.assign != Assign::Manual
}
