//! What happens to a ticket: created, picked, released, transferred, assigned, closed.

use deskwire::config::{Assign, Millis};
use deskwire::net::ConnId;
use serde_json::{Value, json};

use super::asks::{Ask, Frame, NewTicket};
use super::wants::{Call, Sent, Track};
use super::{Model, Side, Staff, State, Ticket, places};

impl Ticket {
    fn new(id: String, user: &str, new: NewTicket, now: Millis) -> Self {
        Self {
            id,
            user: user.to_owned(),
            user_name: new.name,
            subject: new.subject,
            page: new.page,
            state: State::Waiting,
            since: now,
            was_picked: false,
            has_recap: false,
            staff: None,
            created_at: now,
            last_seq: 0,
            by_user: Side::default(),
            by_staff: Side::default(),
            released_by: None,
            place: places::Known::default(),
        }
    }
}

impl Model {
    pub(super) fn user_asks(
        &mut self,
        (conn, id): (ConnId, &str),
        ask: Ask,
        frame: &Frame,
        call: &Call,
    ) -> Result<(), String> {
        let at =
            self.users.get(id).and_then(|user| user.ticket.clone()).and_then(|ticket| self.find(&ticket));
        let refused = match (ask, at) {
            (Ask::Create(ticket), None) => match self.why_not_create(id) {
                None => {
                    self.create((conn, id), ticket, call)?;
                    None
                }
                refused => refused,
            },
            (Ask::Rate(score), _) => self.rate(id, frame.ticket.as_deref(), score),
            (Ask::Create(_), Some(_)) => Some("ticket_exists"),
            (_, None) => Some("no_ticket"),
            (Ask::Message(id, text), Some(at)) => self.user_message(conn, at, id, &text),
            (Ask::Delivered(seq), Some(at)) => self.user_confirms(at, seq),
            (Ask::Typing(active), Some(at)) => self.types(at, true, active),
            (Ask::Recap(lines), Some(at)) => self.recap(at, &lines),
            (Ask::Close, Some(at)) => {
                self.close(at, "user");
                None
            }
            _ => None,
        };
        if let Some(code) = refused {
            self.refuse(conn, frame, vec![code]);
        }
        Ok(())
    }

    pub(super) fn staff_asks(&mut self, (conn, id): (ConnId, &str), ask: Ask, frame: &Frame) {
        match ask.clone() {
            Ask::GoOnline(name) => return self.staff_goes_online(id, name),
            Ask::GoOffline => return self.staff_goes_offline(id, true),
            _ => {}
        }
        let at = frame.ticket.as_deref().and_then(|ticket| self.find(ticket));
        if ask == Ask::Pick {
            let codes = self.why_not_pick(id, at);
            return match at {
                Some(at) if codes.is_empty() => self.assign_to(at, id, &json!(false), (None, None)),
                _ => self.refuse(conn, frame, codes),
            };
        }
        let Some(at) = at else { return self.refuse(conn, frame, vec!["no_ticket"]) };
        let is_own = self.tickets[at].state == State::Active && self.tickets[at].staff.as_deref() == Some(id);
        let refused = match ask {
            _ if !is_own => Some("not_yours"),
            Ask::Release => {
                self.release(at, id);
                None
            }
            Ask::Transfer(to, note) => self.transfer(at, id, &to, note),
            Ask::Message(message, text) => self.staff_message((conn, id), at, message, &text),
            Ask::Delivered(seq) => self.staff_confirms(at, seq),
            Ask::Typing(active) => self.types(at, false, active),
            Ask::Close => {
                self.close(at, "staff");
                None
            }
            _ => None,
        };
        if let Some(code) = refused {
            self.refuse(conn, frame, vec![code]);
        }
    }

    /// A user has one ticket, and may open the next when all of the last one has been sent. At a full desk, "a new one closes one
    /// that was never picked and whose user is absent", "beginning with the user who has been absent longest".
    fn why_not_create(&mut self, id: &str) -> Option<&'static str> {
        if let Some(ended) = self.users.get(id).and_then(|user| user.ended.as_ref()) {
            return Some(if ended.is_sent { "rate_limited" } else { "ticket_exists" });
        }
        while self.tickets.len() >= self.rules.max_tickets as usize {
            let absent = self.tickets.iter().enumerate().filter_map(|(at, ticket)| {
                let user = self.users.get(&ticket.user).filter(|user| user.conn.is_none())?;
                (!ticket.was_picked).then_some((user.away_since, at))
            });
            let Some((_, at)) = absent.min() else {
                self.stories.desk_full += 1;
                return Some("desk_full");
            };
            self.stories.evicted += 1;
            self.close(at, "timeout");
        }
        None
    }

    fn create(&mut self, (conn, user): (ConnId, &str), new: NewTicket, call: &Call) -> Result<(), String> {
        let sent = &call.sent;
        let subject = new.subject.clone();
        let created =
            sent.iter().find(|sent| sent.frame["type"] == "ticket_created" && sent.to.contains(&conn));
        let id = created.and_then(|sent| sent.frame["ticket_id"].as_str()).unwrap_or("").to_owned();
        if id.is_empty() || !self.ticket_ids.insert(id.clone()) {
            return Err(format!("{conn} got no ticket, or an id that was given before: {id:?}"));
        }
        self.tickets.push(Ticket::new(id.clone(), user, new, self.now));
        if let Some(user) = self.users.get_mut(user) {
            user.ticket = Some(id.clone());
        }
        let at = self.tickets.len() - 1;
        let (position, waiting) = self.place(at);
        let place =
            places::Known { place: Some((position, waiting)), sent_at: Some(self.now), ..Default::default() };
        self.tickets[at].place = place;
        let notice = sent.iter().find(|sent| sent.frame["type"] == "queue" && sent.frame["ticket_id"] == *id);
        let wait_s = notice.map_or(Value::Null, |sent| sent.frame["wait_s"].clone());
        if !self.may_be_estimate(&wait_s, position) {
            return Err(format!("an estimate of {wait_s} for place {position}"));
        }
        self.to(
            Some(conn),
            Track::Talk,
            json!({ "type": "ticket_created", "ticket_id": id, "subject": subject, "at": self.now }),
        );
        self.to(
            Some(conn),
            Track::Talk,
            json!({ "type": "queue", "ticket_id": id, "position": position,
            "waiting": waiting, "wait_s": wait_s }),
        );
        self.board_update(at);
        Ok(())
    }

    /// "only while online and below `max_chats`; only a ticket that is `waiting` or `paused`"
    fn why_not_pick(&self, id: &str, at: Option<usize>) -> Vec<&'static str> {
        let mut codes = Vec::new();
        if !self.staff.get(id).is_some_and(|staff| staff.online) {
            codes.push("you_are_offline");
        }
        if !self.has_capacity(id) {
            codes.push("at_capacity");
        }
        match at {
            None => codes.push("no_ticket"),
            Some(at) if self.tickets[at].state == State::Active => codes.push("ticket_taken"),
            Some(_) => {}
        }
        codes
    }

    fn chats(&self, staff: &str) -> usize {
        let is_theirs =
            |ticket: &&Ticket| ticket.state == State::Active && ticket.staff.as_deref() == Some(staff);
        self.tickets.iter().filter(is_theirs).count()
    }

    /// Whether a staff member is below `max_chats`. A chat whose end has not been sent yet counts.
    fn has_capacity(&self, staff: &str) -> bool {
        let conn = self.staff.get(staff).map(|staff| staff.conn);
        self.chats(staff) + conn.map_or(0, |conn| self.ends_owed(conn)) < self.rules.max_chats as usize
    }

    /// Whether a staff member may be given a chat that they did not ask for: not while their connection is behind.
    fn takes_more(&self, staff: &str) -> bool {
        let conn = self.staff.get(staff).map(|staff| staff.conn);
        conn.and_then(|conn| self.readers.get(&conn)).is_some_and(|reader| !reader.is_behind)
    }

    /// A connection no longer has a chat.
    pub(super) fn leave_chat(&mut self, conn: Option<ConnId>, at: usize) {
        if let Some(reader) = conn.and_then(|conn| self.readers.get_mut(&conn)) {
            reader.forget_chat(&self.tickets[at].id);
        }
    }

    /// Gives a ticket to a staff member: a pick, a transfer or an assignment.
    fn assign_to(
        &mut self,
        at: usize,
        staff: &str,
        auto: &Value,
        (from, note): (Option<&str>, Option<String>),
    ) {
        self.picks += 1;
        if self.tickets[at].state == State::Waiting {
            self.estimates.picked(self.now);
        }
        self.stories.picked += 1;
        self.board_update(at); // a board may be sent its earlier state in this call
        self.stories.assigned += u64::from(*auto == true);
        let picks = self.picks;
        let conn = self.staff.get_mut(staff).map(|member| {
            member.last_turn = Some(picks);
            member.conn
        });
        let ticket = &mut self.tickets[at];
        let is_again = ticket.state == State::Paused && ticket.staff.as_deref() == Some(staff);
        (ticket.state, ticket.since, ticket.was_picked) = (State::Active, self.now, true);
        ticket.has_recap = false;
        ticket.staff = Some(staff.to_owned());
        // A pick sends all of a chat anew, its typing notice included.
        ticket.by_user.typing = ticket.by_user.typing.map(|(due, _)| (due, None));
        self.leave_chat(conn, at); // the same connection may have had it before
        let ticket = &self.tickets[at];
        let picked = json!({ "type": "ticket_picked", "ticket_id": ticket.id, "user_id": ticket.user,
            "user_name": ticket.user_name, "page": ticket.page, "subject": ticket.subject, "last_seq": ticket.last_seq, "last_id": ticket.by_staff.last_id,
            "delivered_seq": ticket.by_staff.delivered_seq, "at": self.now, "auto": auto, "from_staff": from,
            "note": note });
        let held: Vec<Value> = ticket.by_user.held.iter().map(|held| held.frame(&ticket.id)).collect();
        self.stories.sent_again += held.len() as u64;
        self.to(conn, Track::Talk, picked);
        held.into_iter().for_each(|frame| self.to(conn, Track::Talk, frame));
        self.tell_staff(at, if is_again { "staff_reconnected" } else { "staff_joined" }, staff);
        self.board_update(at);
    }

    fn release(&mut self, at: usize, id: &str) {
        self.end_typing(at, false);
        let conn = self.staff.get(id).map(|staff| staff.conn);
        self.leave_chat(conn, at);
        let ticket = &mut self.tickets[at];
        (ticket.state, ticket.since) = (State::Waiting, self.now);
        ticket.staff = None;
        ticket.released_by = Some(id.to_owned());
        ticket.place = places::Known::default(); // it is sent at once, as on creation
        self.tell_staff(at, "staff_left", id);
        self.board_update(at);
    }

    fn transfer(&mut self, at: usize, id: &str, to: &str, note: Option<String>) -> Option<&'static str> {
        let target = self.staff.get(to).filter(|_| to != id);
        match target {
            None => return Some("unknown_staff"),
            Some(target) if !target.online => return Some("staff_offline"),
            Some(_) if !self.has_capacity(to) || !self.takes_more(to) => return Some("at_capacity"),
            Some(_) => {}
        }
        self.stories.transfers += 1;
        self.end_typing_of(at, false);
        let conn = self.staff.get(id).map(|staff| staff.conn);
        self.leave_chat(conn, at);
        self.assign_to(at, to, &json!(false), (Some(id), note));
        None
    }

    /// "the tickets that are `waiting` or `paused` are assigned, oldest first, to online staff below `max_chats`". A staff member
    /// whose connection is behind is passed over; one whose connection falls behind in this call may be.
    pub(super) fn assign(&mut self, call: &Call) -> Result<(), String> {
        if !super::is_automatic(&self.rules) {
            return Ok(());
        }
        let is_assigned = |sent: &&Sent| sent.frame["type"] == "ticket_picked" && sent.frame["auto"] == true;
        let mut given = call.sent.iter().filter(is_assigned).peekable();
        while let Some(at) = self.tickets.iter().position(|ticket| ticket.state != State::Active) {
            let is_candidate =
                |id: &str, staff: &Staff| staff.online && self.has_capacity(id) && self.takes_more(id);
            let candidates = self.staff.iter().filter(|(id, staff)| is_candidate(id, staff));
            let candidates: Vec<String> = candidates.map(|(id, _)| id.clone()).collect();
            let is_sure = |id: &&String| !call.asked.contains(&self.staff[*id].conn);
            let sure: Vec<String> = candidates.iter().filter(is_sure).cloned().collect();
            let ticket = self.tickets[at].id.clone();
            let next = given.peek().filter(|sent| sent.frame["ticket_id"] == *ticket).map(|sent| &sent.to);
            let Some(to) = next else {
                if sure.is_empty() {
                    break;
                }
                return Err(format!("{ticket} went to none of {sure:?}, who are below max_chats"));
            };
            let chosen = candidates.iter().find(|id| **to == [self.staff[*id].conn]);
            let Some(chosen) = chosen else {
                return Err(format!(
                    "{ticket} went to {to:?}, and to none of {candidates:?}, who are below max_chats"
                ));
            };
            given.next();
            self.check_choice(at, chosen, &sure)?;
            self.assign_to(at, &chosen.clone(), &json!(true), (None, None));
        }
        match given.next() {
            Some(sent) => Err(format!("assigned without a reason: {}", sent.frame)),
            None => Ok(()),
        }
    }

    /// Checks an assignment. Round robin chooses the staff member who got a ticket least recently, least busy the one with the
    /// fewest chats. The one who released the ticket comes last.
    fn check_choice(&self, at: usize, chosen: &str, candidates: &[String]) -> Result<(), String> {
        let released_by = self.tickets[at].released_by.as_deref();
        if released_by == Some(chosen) && candidates.iter().any(|id| id != chosen) {
            return Err(format!("{chosen} got back what they had released"));
        }
        let is_before =
            |id: &str| match (self.rules.assign, self.staff[id].last_turn, self.staff[chosen].last_turn) {
                (Assign::LeastBusy, _, _) => self.chats(id) < self.chats(chosen),
                (_, Some(theirs), Some(of_chosen)) => theirs < of_chosen,
                _ => false,
            };
        let before = candidates.iter().find(|id| released_by != Some(id) && is_before(id));
        match before {
            Some(before) => Err(format!("{chosen} was assigned a ticket before {before}")),
            None => Ok(()),
        }
    }

    /// Returns the tickets that their users may rate.
    pub fn unrated(&self) -> Vec<String> {
        self.users
            .values()
            .filter_map(|user| user.unrated.as_ref())
            .map(|(ticket, _)| ticket.clone())
            .collect()
    }

    /// "rates the user's last ticket that has closed, once, while the user is known"; sent to the staff member who had it last.
    fn rate(&mut self, user: &str, ticket: Option<&str>, score: u64) -> Option<&'static str> {
        let unrated = self.users.get_mut(user).map(|user| &mut user.unrated);
        let is_it = |unrated: &&mut Option<(String, _)>| {
            unrated.as_ref().is_some_and(|(rateable, _)| Some(rateable.as_str()) == ticket)
        };
        let Some((ticket, staff)) = unrated.filter(is_it).and_then(Option::take) else {
            return Some("no_ticket");
        };
        self.stories.ratings += 1;
        let conn = staff.and_then(|staff| self.staff.get(&staff)).map(|staff| staff.conn);
        self.to(conn, Track::Loose, json!({ "type": "rated", "ticket_id": ticket, "score": score }));
        None
    }

    pub(super) fn close(&mut self, at: usize, by: &str) {
        self.end_typing(at, true);
        let ticket = self.tickets.remove(at);
        let last = ticket.staff.clone().or_else(|| ticket.released_by.clone());
        if let Some(user) = self.users.get_mut(&ticket.user) {
            user.unrated = Some((ticket.id.clone(), last));
        }
        let owner = ticket.staff.as_deref().filter(|_| ticket.state == State::Active);
        let conn = owner.and_then(|owner| self.staff.get(owner)).map(|staff| staff.conn);
        self.to(
            conn,
            Track::Talk,
            json!({ "type": "ticket_closed", "ticket_id": ticket.id, "by": by, "at": self.now }),
        );
        self.is_changed = true;
        self.end_for_user(ticket, by);
    }
}
