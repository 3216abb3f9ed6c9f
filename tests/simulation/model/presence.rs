//! Users and staff who connect, leave, and go online or offline.

use std::collections::BTreeSet;

use deskwire::config::Millis;
use deskwire::net::ConnId;
use serde_json::{Value, json};

use super::readers::Reader;
use super::wants::{Call, Sent, Track};
use super::{Model, Staff, State, Ticket, User, Who};

/// A `welcome` lists no more than 200 tickets, and fewer only if it is longer than this.
const TICKETS_LISTED: usize = 200;
const BYTES_LISTED: usize = 24 * 1024;
const SESSION_LENGTH: usize = 32; // 128 bits in hex

impl Model {
    /// Returns the connection of a user, if there is one; `None` if they are known and the session is not theirs.
    pub fn user_conn(&self, id: &str, offered: Option<&str>) -> Option<Option<ConnId>> {
        match self.users.get(id) {
            Some(user) if offered != Some(user.session.as_str()) => None,
            user => Some(user.and_then(|user| user.conn)),
        }
    }

    /// A user's connection opens. Returns false if it has to be refused.
    pub fn user_opens(
        &mut self,
        conn: ConnId,
        id: &str,
        offered: Option<&str>,
        call: &Call,
    ) -> Result<bool, String> {
        let resumed = self.users.get(id).map(|user| offered == Some(user.session.as_str()));
        if resumed == Some(false) {
            return Ok(false);
        }
        if resumed.is_none() {
            self.add_user(id, welcome_of(conn, call)?)?;
        }
        let desk_online = self.staff.values().any(|staff| staff.online);
        let Some(user) = self.users.get_mut(id) else { return Ok(false) };
        let older = user.conn.replace(conn);
        self.stories.replaced += u64::from(older.is_some());
        older.map(|older| self.readers.remove(&older));
        self.readers.insert(conn, Reader::default());
        let ended = user.ended.as_mut().map(|ended| {
            ended.is_sent = true;
            let frames = ended.held.iter().map(|held| held.frame(&ended.ticket)).collect::<Vec<_>>();
            (ended.view.clone(), frames)
        });
        let (session, ticket) = (user.session.clone(), user.ticket.clone());
        self.peers.insert(conn, Who::User(id.to_owned()));
        let at = ticket.as_deref().and_then(|ticket| self.find(ticket));
        let own = at.map(|at| self.own_ticket(&self.tickets[at]));
        self.to(
            Some(conn),
            Track::Talk,
            json!({ "type": "welcome", "protocol": 1, "role": "user", "user_id": id,
            "session": session, "resumed": resumed.is_some(), "now": self.now, "desk_online": desk_online,
            "ticket": own, "ended": ended.as_ref().map(|(view, _)| view) }),
        );
        for frame in ended.into_iter().flat_map(|(_, held)| held) {
            self.stories.sent_again += 1;
            self.to(Some(conn), Track::Talk, frame);
        }
        if let Some(at) = at {
            self.user_is_back(conn, at, older.is_some());
        }
        Ok(true)
    }

    /// Adds a user who was not known, with the session that their `welcome` has.
    fn add_user(&mut self, id: &str, welcome: &Value) -> Result<(), String> {
        let session = welcome["session"].as_str().unwrap_or("").to_owned();
        if session.len() < SESSION_LENGTH || !self.sessions.insert(session.clone()) {
            return Err(format!("a session too short, or given before: {session}"));
        }
        let user = User {
            session,
            conn: None,
            ticket: None,
            away_since: 0,
            closed_away: None,
            ended: None,
            unrated: None,
        };
        self.users.insert(id.to_owned(), user);
        Ok(())
    }

    fn user_is_back(&mut self, conn: ConnId, at: usize, was_there: bool) {
        let ticket = &mut self.tickets[at];
        ticket.place = super::places::Known::default();
        let id = ticket.id.clone();
        let held: Vec<Value> = ticket.by_staff.held.iter().map(|held| held.frame(&id)).collect();
        self.stories.sent_again += held.len() as u64;
        let (state, staff) = (ticket.state, ticket.staff.clone());
        held.into_iter().for_each(|frame| self.to(Some(conn), Track::Talk, frame));
        let is_back =
            staff.as_deref().and_then(|staff| self.staff.get(staff)).is_some_and(|staff| staff.online);
        if state == State::Paused && is_back {
            let name = self.name(staff.as_deref());
            let frame = json!({ "type": "staff_online", "ticket_id": id, "staff_id": staff, "staff_name": name,
                "at": self.now });
            self.to(Some(conn), Track::Talk, frame);
        }
        if !was_there {
            self.board_update(at);
        }
    }

    pub fn closes(&mut self, conn: ConnId) {
        self.readers.remove(&conn);
        match self.peers.remove(&conn) {
            Some(Who::User(id)) => self.user_leaves(conn, &id),
            Some(Who::Staff(id)) if self.staff.get(&id).is_some_and(|staff| staff.conn == conn) => {
                self.staff_goes_offline(&id, false);
                self.staff.remove(&id);
            }
            _ => {}
        }
    }

    /// The process stops and starts again: all connections end, and users who are away have their whole time again.
    pub fn restarts(&mut self, now: Millis) {
        self.now = now;
        self.stories.restarts += 1;
        for conn in self.peers.keys().copied().collect::<Vec<_>>() {
            self.closes(conn);
        }
        for user in self.users.values_mut() {
            user.away_since = now;
            if user.ticket.is_none() {
                user.closed_away = user.closed_away.map(|_| now);
            }
        }
        self.forget_connections();
    }

    fn user_leaves(&mut self, conn: ConnId, id: &str) {
        let Some(user) = self.users.get_mut(id).filter(|user| user.conn == Some(conn)) else { return };
        user.conn = None;
        user.away_since = self.now;
        let grace = self.rules.user_grace_ms;
        let Some(ticket) = user.ticket.clone() else {
            match user.closed_away.filter(|at| at + grace > self.now) {
                Some(at) => user.away_since = at,
                None => _ = self.users.remove(id),
            }
            self.forget_first_of_many();
            return;
        };
        let Some(at) = self.find(&ticket) else { return };
        self.end_typing(at, true);
        self.board_update(at);
    }

    /// A staff member's connection opens, with the right token.
    pub fn staff_opens(&mut self, conn: ConnId, id: &str, call: &Call) -> Result<(), String> {
        let mut last_turn = None;
        if self.staff.contains_key(id) {
            self.stories.replaced += 1;
            self.staff_goes_offline(id, false);
            let older = self.staff.remove(id);
            older.as_ref().map(|older| self.readers.remove(&older.conn));
            last_turn = older.and_then(|older| older.last_turn);
        }
        self.staff.insert(id.to_owned(), Staff { conn, online: false, last_turn });
        self.readers.insert(conn, Reader::default());
        self.is_changed = true;
        self.peers.insert(conn, Who::Staff(id.to_owned()));
        // The list of ids has no order.
        let listed = welcome_of(conn, call)?["staff"].clone();
        let mut ids: Vec<&str> = listed.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        ids.sort_unstable();
        let online: Vec<&str> =
            self.staff.iter().filter(|(_, staff)| staff.online).map(|(id, _)| id.as_str()).collect();
        if ids != online {
            return Err(format!("online are {online:?}, and {id} is sent {ids:?}"));
        }
        let colleague = |id: &&str| json!({ "staff_id": id, "staff_name": self.name(Some(id)) });
        let in_order = listed.as_array().into_iter().flatten().filter_map(Value::as_str);
        let colleagues: Vec<Value> = in_order.map(|id| colleague(&id)).collect();
        let name = self.name(Some(id)).cloned();
        // The oldest: 200 of them, or fewer if they are long. The others follow.
        let welcome = welcome_of(conn, call)?;
        let count = welcome["tickets"].as_array().map_or(0, Vec::len);
        let is_cut = count == TICKETS_LISTED || welcome.to_string().len() > BYTES_LISTED;
        let count = if is_cut { count.min(self.tickets.len()) } else { self.tickets.len() };
        let more = self.tickets.len() - count;
        self.stories.cut_lists += u64::from(more > 0);
        let tickets: Vec<Value> = self.tickets[..count].iter().map(|ticket| self.view(ticket)).collect();
        let assign = match self.rules.assign {
            deskwire::config::Assign::Manual => "manual",
            deskwire::config::Assign::RoundRobin => "round-robin",
            deskwire::config::Assign::LeastBusy => "least-busy",
        };
        self.to(
            Some(conn),
            Track::Talk,
            json!({ "type": "welcome", "protocol": 1, "role": "staff", "staff_id": id,
            "staff_name": name, "online": false, "now": self.now, "max_chats": self.rules.max_chats, "assign": assign,
            "tickets": tickets, "more": more, "staff": listed, "colleagues": colleagues }),
        );
        Ok(())
    }

    pub(super) fn staff_goes_online(&mut self, id: &str, name: Option<String>) {
        name.map(|name| self.names.insert(id.to_owned(), name));
        let Some(staff) = self.staff.get_mut(id) else { return };
        let (conn, was_online) = (staff.conn, std::mem::replace(&mut staff.online, true));
        self.to(Some(conn), Track::Loose, json!({ "type": "presence", "online": true }));
        if !was_online {
            self.is_changed = true;
            self.tell_paused(id, "staff_online");
        }
    }

    /// Goes offline: by request, which is answered, or because the connection has ended.
    pub(super) fn staff_goes_offline(&mut self, id: &str, by_request: bool) {
        let Some(staff) = self.staff.get_mut(id) else { return };
        let (conn, was_online) = (staff.conn, std::mem::replace(&mut staff.online, false));
        if by_request {
            self.to(Some(conn), Track::Loose, json!({ "type": "presence", "online": false }));
        }
        if !was_online {
            return;
        }
        // A connection that has ended is sent nothing of what follows.
        let cut_off = if by_request { None } else { self.staff.remove(id) };
        self.is_changed = true;
        self.tell_paused(id, "staff_offline");
        for at in 0..self.tickets.len() {
            if self.tickets[at].state == State::Active && self.tickets[at].staff.as_deref() == Some(id) {
                self.stories.paused += 1;
                self.end_typing(at, false);
                (self.tickets[at].state, self.tickets[at].since) = (State::Paused, self.now);
                self.leave_chat(Some(conn), at);
                self.tell_staff(at, "staff_offline", id);
                self.board_update(at);
            }
        }
        if let Some(staff) = cut_off {
            self.staff.insert(id.to_owned(), staff);
        }
    }

    fn tell_paused(&mut self, id: &str, what: &str) {
        for at in 0..self.tickets.len() {
            if self.tickets[at].state == State::Paused && self.tickets[at].staff.as_deref() == Some(id) {
                self.tell_staff(at, what, id);
            }
        }
    }

    pub(super) fn tell_staff(&mut self, at: usize, what: &str, staff: &str) {
        let (user, ticket) = (self.tickets[at].user.clone(), &self.tickets[at].id);
        let name = self.name(Some(staff));
        let frame = json!({ "type": what, "ticket_id": ticket, "staff_id": staff, "staff_name": name,
            "at": self.now });
        self.tell_user(&user, frame);
    }

    /// Closes tickets, `by` `timeout`, after "the user was absent for the grace time".
    pub(super) fn give_up_users(&mut self, call: &Call) {
        let grace = self.rules.user_grace_ms;
        let is_over = |user: &User| user.conn.is_none() && user.away_since + grace <= self.now;
        let mut gone: Vec<(Millis, Option<usize>, String)> = Vec::new();
        for (id, user) in self.users.iter().filter(|(_, user)| is_over(user)) {
            // Of two users who left at the same moment, either may be first.
            let is_theirs =
                |sent: &Sent| Some(sent.frame["ticket_id"].as_str()) == user.ticket.as_deref().map(Some);
            let place =
                call.sent.iter().position(|sent| sent.frame["type"] == "ticket_closed" && is_theirs(sent));
            gone.push((user.away_since, place, id.clone()));
        }
        gone.sort();
        for (_, _, id) in gone {
            let ticket = self.users.get(&id).and_then(|user| user.ticket.clone());
            match ticket.and_then(|ticket| self.find(&ticket)) {
                Some(at) => {
                    self.stories.timeouts += 1;
                    self.close(at, "timeout");
                }
                None => _ = self.users.remove(&id),
            }
        }
    }

    pub(super) fn check_absences(&self) -> Result<(), String> {
        let due = |user: &User| user.away_since + self.rules.user_grace_ms;
        match self.users.iter().find(|(_, user)| user.conn.is_none() && due(user) < self.now) {
            Some((id, user)) => Err(format!("user {id} has been away for {} ms", self.now - user.away_since)),
            None => Ok(()),
        }
    }

    /// Ends a ticket for its user, who is connected or not.
    pub(super) fn end_for_user(&mut self, ticket: Ticket, by: &str) {
        let Some(user) = self.users.get_mut(&ticket.user) else { return };
        user.ticket = None;
        let is_behind = user.conn.is_some_and(|conn| self.readers.get(&conn).is_some_and(|r| r.is_behind));
        if is_behind || user.conn.is_none() {
            user.closed_away = Some(self.now);
            user.ended = Some(super::Ended {
                view: json!({ "ticket_id": ticket.id, "by": by, "at": self.now }),
                ticket: ticket.id.clone(),
                held: ticket.by_staff.held,
                is_sent: false,
            });
        }
        if let Some(conn) = user.conn {
            let frame = json!({ "type": "ticket_closed", "ticket_id": ticket.id, "by": by, "at": self.now });
            self.to(Some(conn), Track::Talk, frame);
        } else {
            user.away_since = self.now;
            self.forget_first_of_many();
        }
    }

    /// "no more absent users who are known only because of a closed ticket than there may be open tickets".
    fn forget_first_of_many(&mut self) {
        let is_kept = |user: &&User| user.conn.is_none() && user.ticket.is_none();
        let kept = self.users.iter().filter(|(_, user)| is_kept(user));
        let kept: BTreeSet<(Millis, &String)> = kept.map(|(id, user)| (user.away_since, id)).collect();
        if kept.len() > self.rules.max_tickets as usize
            && let Some((_, first)) = kept.first()
        {
            let first = (*first).clone();
            self.users.remove(&first);
        }
    }

    /// Forgets closed tickets whose users have been sent all of them.
    pub(super) fn note_ended(&mut self) {
        for user in self.users.values_mut() {
            if let (Some(conn), Some(ended)) = (user.conn, &user.ended)
                && self.readers.get(&conn).is_some_and(|reader| !reader.is_owed(&ended.ticket))
            {
                user.ended = None;
            }
        }
    }

    fn own_ticket(&self, ticket: &Ticket) -> Value {
        json!({ "ticket_id": ticket.id, "subject": ticket.subject, "state": ticket.state.name(),
            "staff_id": ticket.staff, "staff_name": self.name(ticket.staff.as_deref()),
            "created_at": ticket.created_at, "last_seq": ticket.last_seq,
            "last_id": ticket.by_user.last_id, "delivered_seq": ticket.by_user.delivered_seq })
    }
}

fn welcome_of(conn: ConnId, call: &Call) -> Result<&Value, String> {
    let first = call.sent.iter().find(|sent| sent.to.contains(&conn)).map(|sent| &*sent.frame);
    first
        .filter(|frame| frame["type"] == "welcome")
        .ok_or_else(|| format!("{conn} was not sent a welcome first"))
}
