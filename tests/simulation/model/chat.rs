//! Messages, receipts and typing notices.

use std::rc::Rc;

use deskwire::net::ConnId;
use serde_json::{Value, json};

use super::readers::Reader;
use super::wants::{Call, Track, Want};
use super::{Held, Model, Side, State, Ticket, Who};
use crate::figures::{HELD_BYTES, HELD_MESSAGES, TYPING};

impl Ticket {
    fn side(&mut self, is_user: bool) -> &mut Side {
        if is_user { &mut self.by_user } else { &mut self.by_staff }
    }
}

impl Model {
    pub(super) fn user_message(
        &mut self,
        conn: ConnId,
        at: usize,
        id: u64,
        text: &str,
    ) -> Option<&'static str> {
        if self.is_repeated(conn, at, true, id) {
            return None;
        }
        let Some(to) = self.other_end(at, true) else { return Some("staff_offline") };
        let (sender, name) = (self.tickets[at].user.clone(), self.tickets[at].user_name.clone());
        self.accept((conn, to), at, true, (id, text), (sender, name))
    }

    pub(super) fn staff_message(
        &mut self,
        (conn, staff): (ConnId, &str),
        at: usize,
        id: u64,
        text: &str,
    ) -> Option<&'static str> {
        if self.is_repeated(conn, at, false, id) {
            return None;
        }
        let Some(to) = self.other_end(at, false) else { return Some("user_offline") };
        let name = self.names.get(staff).cloned();
        self.accept((conn, to), at, false, (id, text), (staff.to_owned(), name))
    }

    /// "The latest accepted `id` is acknowledged again with its `seq`, an older one with `seq` null."
    fn is_repeated(&mut self, conn: ConnId, at: usize, is_user: bool, id: u64) -> bool {
        let ticket = self.tickets[at].id.clone();
        let side = self.tickets[at].side(is_user);
        if id > side.last_id {
            return false;
        }
        let seq = (id == side.last_id).then_some(side.last_id_seq);
        let times = [side.last_id_at, self.now];
        self.stories.repeated += 1;
        let ack = json!({ "type": "ack", "ticket_id": ticket, "id": id, "seq": seq });
        self.want(conn, Track::Talk, Want::Ack(ack, times));
        true
    }

    fn accept(
        &mut self,
        (conn, to): (ConnId, ConnId),
        at: usize,
        is_user: bool,
        (id, text): (u64, &str),
        (sender, sender_name): (String, Option<String>),
    ) -> Option<&'static str> {
        // "While the other side has not confirmed 200 messages or 64 KiB, the sender is refused with `unread_limit`".
        let bytes = |text: &str| json!(text).to_string().len() - 2;
        let held = &self.tickets[at].side(is_user).held;
        let held_bytes = held.iter().map(|held| bytes(&held.text)).sum::<usize>();
        if held.len() >= HELD_MESSAGES || held_bytes + bytes(text) > HELD_BYTES {
            self.stories.unread_limits += 1;
            return Some("unread_limit");
        }
        self.stories.messages += 1;
        let now = self.now;
        let ticket = &mut self.tickets[at];
        ticket.last_seq += 1;
        let (seq, name) = (ticket.last_seq, ticket.id.clone());
        let from = if is_user { "user" } else { "staff" };
        let held = Held { seq, id, at: now, from, sender, sender_name, text: text.to_owned() };
        let frame = held.frame(&name);
        let side = ticket.side(is_user);
        (side.last_id, side.last_id_seq, side.last_id_at) = (id, seq, now);
        side.held.push(held);
        self.to(Some(to), Track::Talk, frame);
        self.to(
            Some(conn),
            Track::Talk,
            json!({ "type": "ack", "ticket_id": name, "id": id, "seq": seq, "at": now }),
        );
        None
    }

    /// "once for each pick, which includes transfers and assignments"; refused "if the staff member has much to read".
    pub(super) fn recap(&mut self, at: usize, lines: &[Value]) -> Option<&'static str> {
        let Some(to) = self.other_end(at, true) else { return Some("staff_offline") };
        if self.tickets[at].has_recap {
            return Some("rate_limited");
        }
        if self.is_behind(to) {
            return Some("unread_limit");
        }
        self.stories.recaps += 1;
        self.tickets[at].has_recap = true;
        let frame = json!({ "type": "recap", "ticket_id": self.tickets[at].id, "lines": lines });
        self.to(Some(to), Track::Talk, frame);
        None
    }

    pub(super) fn user_confirms(&mut self, at: usize, seq: u64) -> Option<&'static str> {
        self.confirm(at, true, seq);
        None
    }

    pub(super) fn staff_confirms(&mut self, at: usize, seq: u64) -> Option<&'static str> {
        self.confirm(at, false, seq);
        None
    }

    /// "everything up to `seq` is on my screen"
    fn confirm(&mut self, at: usize, by_user: bool, seq: u64) {
        let ticket = &mut self.tickets[at];
        let last_seq = ticket.last_seq;
        let side = ticket.side(!by_user);
        if seq > last_seq || seq <= side.delivered_seq {
            return;
        }
        side.delivered_seq = seq;
        side.held.retain(|held| held.seq > seq);
        let id = ticket.id.clone();
        // A confirmed message is not sent again.
        if let Some(reader) = self.other_end(at, !by_user).and_then(|conn| self.readers.get_mut(&conn)) {
            reader.forget_messages(&id, seq);
        }
        let to = self.other_end(at, by_user);
        self.to(to, Track::Talk, json!({ "type": "delivered", "ticket_id": id, "seq": seq, "at": self.now }));
    }

    /// Returns the connection of the other side, while the chat is open.
    fn other_end(&self, at: usize, of_user: bool) -> Option<ConnId> {
        let ticket = &self.tickets[at];
        match &ticket.staff {
            Some(staff) if of_user && ticket.state == State::Active => {
                self.staff.get(staff).map(|staff| staff.conn)
            }
            _ if of_user => None,
            _ => self.users.get(&ticket.user)?.conn,
        }
    }

    pub(super) fn types(&mut self, at: usize, is_user: bool, active: bool) -> Option<&'static str> {
        if !active {
            self.stop_typing(at, is_user, true);
            return None;
        }
        if self.tickets[at].state != State::Active {
            return None;
        }
        let to = self.other_end(at, is_user);
        self.tickets[at].side(is_user).typing = Some((self.now + TYPING, to));
        let frame = json!({ "type": "typing", "ticket_id": self.tickets[at].id, "active": true });
        self.to(to, Track::Talk, frame);
        None
    }

    /// A typing notice ends. A connection that was sent its start must be sent its end, others may be. A chat that is locked or
    /// closed ends the notice without a frame.
    fn stop_typing(&mut self, at: usize, is_user: bool, is_due: bool) {
        let shown_to = self.tickets[at].side(is_user).typing.take().and_then(|(_, shown_to)| shown_to);
        let Some(to) = self.typing_shown_to(at, is_user) else { return };
        let frame = Rc::new(json!({ "type": "typing", "ticket_id": self.tickets[at].id, "active": false }));
        let want = if is_due && shown_to == Some(to) { Want::Frame(frame) } else { Want::Maybe(frame) };
        self.want(to, Track::Talk, want);
    }

    /// Returns the connection that a side's typing notice is for.
    fn typing_shown_to(&self, at: usize, is_user: bool) -> Option<ConnId> {
        match &self.tickets[at].staff {
            Some(staff) if is_user => self.staff.get(staff).map(|staff| staff.conn),
            _ if is_user => None,
            _ => self.users.get(&self.tickets[at].user)?.conn,
        }
    }

    /// Both notices end, or only the user's.
    pub(super) fn end_typing(&mut self, at: usize, of_user_alone: bool) {
        self.stop_typing(at, true, false);
        if !of_user_alone {
            self.end_typing_of(at, false);
        }
    }

    pub(super) fn end_typing_of(&mut self, at: usize, is_user: bool) {
        self.stop_typing(at, is_user, false);
    }

    /// Does what is due: closes the tickets of users absent for too long, and ends typing notices.
    pub fn tick(&mut self, call: &Call) {
        self.give_up_users(call);
        for at in 0..self.tickets.len() {
            for is_user in [true, false] {
                if self.tickets[at].side(is_user).typing.is_some_and(|(due, _)| due <= self.now) {
                    self.stop_typing(at, is_user, true);
                }
            }
        }
    }

    /// Checks a typing notice that was not expected: it must be true, and a change.
    pub(super) fn check_types_now(&self, conn: ConnId, reader: &Reader, frame: &Value) -> Result<(), String> {
        let ticket = frame["ticket_id"].as_str().unwrap_or("");
        let to_user = matches!(self.peers.get(&conn), Some(Who::User(_)));
        let ticket_now = self.find(ticket).map(|at| &self.tickets[at]);
        let side = ticket_now.map(|ticket| if to_user { &ticket.by_staff } else { &ticket.by_user });
        let active = side.is_some_and(|side| side.typing.is_some());
        if frame["active"] == active && reader.shown.types(ticket) != active {
            return Ok(());
        }
        Err(format!("was sent {frame}, which is not true, or no change"))
    }

    pub(super) fn check_typing(&self) -> Result<(), String> {
        let is_over =
            |side: &Side| side.typing.is_some_and(|(due, shown_to)| shown_to.is_some() && due < self.now);
        match self.tickets.iter().find(|ticket| is_over(&ticket.by_user) || is_over(&ticket.by_staff)) {
            Some(ticket) => Err(format!("a typing notice in {} was not ended", ticket.id)),
            None => Ok(()),
        }
    }
}
