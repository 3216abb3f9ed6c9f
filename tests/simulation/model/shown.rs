//! What a connection shows of boards, presence and statuses, by the frames that it was sent, compared with the model.

use std::collections::{BTreeMap, BTreeSet};

use deskwire::config::Millis;
use deskwire::net::ConnId;
use serde_json::Value;

use super::readers::{Reader, text};
use super::wants::Track;
use super::{Model, State, Ticket, Who};

/// "Changes that follow each other closely are gathered for up to 100 ms"
const GATHERED: Millis = 100;

#[derive(Clone, Debug, Default)]
pub struct Shown {
    /// To a user: whether staff are online, and their ticket.
    desk: Option<bool>,
    ticket: Option<(String, Status)>,
    /// To a staff member: the tickets, and who else is online.
    board: BTreeMap<String, Value>,
    colleagues: BTreeSet<String>,
    /// When it was last sent changes that are not its own.
    pub(super) batch_at: Option<Millis>,
    wrong_since: Option<Millis>,
    /// Tickets whose other side types.
    typing: BTreeSet<String>,
}

/// A ticket's state as its user is sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    Waiting,
    Active(String),
    Paused(String),
    /// Paused, and its staff member is back.
    Returned(String),
}

impl Shown {
    pub(super) fn types(&self, ticket: &str) -> bool {
        self.typing.contains(ticket)
    }

    fn welcome(&mut self, frame: &Value) {
        self.desk = frame["desk_online"].as_bool();
        let ticket = &frame["ticket"];
        let staff = || text(ticket, "staff_id");
        let status = match ticket["state"].as_str() {
            Some("waiting") => Some(Status::Waiting),
            Some("active") => Some(Status::Active(staff())),
            Some(_) => Some(Status::Paused(staff())),
            None => None,
        };
        self.ticket = status.map(|status| (text(ticket, "ticket_id"), status));
        let tickets = frame["tickets"].as_array().into_iter().flatten();
        self.board = tickets.map(|view| (text(view, "ticket_id"), view.clone())).collect();
        let staff = frame["staff"].as_array().into_iter().flatten().filter_map(Value::as_str);
        self.colleagues = staff.map(str::to_owned).collect();
    }
}

impl Model {
    /// Checks a frame: it must be true, and a change.
    pub(super) fn show(
        &self,
        conn: ConnId,
        reader: &mut Reader,
        frame: &Value,
        is_early: bool,
    ) -> Result<(), String> {
        let shown = &mut reader.shown;
        let ticket = text(frame, "ticket_id");
        let kind = frame["type"].as_str().unwrap_or("");
        match kind {
            "welcome" => shown.welcome(frame),
            "ticket_created" => shown.ticket = Some((ticket, Status::Waiting)),
            "ticket_closed" => shown.ticket = None,
            "ticket_picked" => _ = shown.typing.remove(&ticket),
            "typing" if frame["active"] == true => _ = shown.typing.insert(ticket),
            "typing" => _ = shown.typing.remove(&ticket),
            "desk" => {
                let online = self.staff.values().any(|staff| staff.online);
                if frame["online"] != online || shown.desk.replace(online) == Some(online) {
                    return Err(format!("was sent {frame}"));
                }
            }
            "colleague" => {
                let id = text(frame, "staff_id");
                let online = self.staff.get(&id).is_some_and(|staff| staff.online);
                let is_own = self.peers.get(&conn) == Some(&Who::Staff(id.clone()));
                // The desk forgets a name when the last ticket closes: in this call it may still have it or not.
                let is_nameless = frame["staff_name"].is_null() && !self.is_known(&id);
                let is_named = frame["staff_name"] == self.json_name(&id) || is_nameless;
                let is_right = frame["online"] == online && is_named;
                if is_own || !is_right {
                    return Err(format!("was sent {frame}"));
                }
                if online {
                    shown.colleagues.insert(id)
                } else {
                    shown.colleagues.remove(&id)
                };
                self.note_batch(shown, is_early)?;
            }
            "ticket_added" | "ticket_updated" | "ticket_removed" => {
                self.show_board(conn, shown, frame, is_early)?;
            }
            _ if kind.starts_with("staff_") => self.show_status(shown, frame)?,
            _ => {}
        }
        Ok(())
    }

    fn json_name(&self, staff: &str) -> Value {
        self.names.get(staff).map_or(Value::Null, |name| name.as_str().into())
    }

    fn show_board(
        &self,
        conn: ConnId,
        shown: &mut Shown,
        frame: &Value,
        is_early: bool,
    ) -> Result<(), String> {
        let view = &frame["ticket"];
        let id = if view.is_object() { text(view, "ticket_id") } else { text(frame, "ticket_id") };
        let present = self.find(&id).map(|at| self.view(&self.tickets[at]));
        let for_a_moment = || self.views.iter().any(|(ticket, earlier)| *ticket == id && earlier == view);
        let was_known = shown.board.contains_key(&id);
        let is_right = match frame["type"].as_str() {
            Some("ticket_added") => !was_known && (present.as_ref() == Some(view) || for_a_moment()),
            Some("ticket_updated") => was_known && (present.as_ref() == Some(view) || for_a_moment()),
            _ => was_known && present.is_none(),
        };
        if !is_right {
            return Err(format!(
                "was sent {frame}, known is {:?}, right is {present:?}",
                shown.board.get(&id)
            ));
        }
        let Some(Who::Staff(staff)) = self.peers.get(&conn) else { return Err(format!("was sent {frame}")) };
        if view["staff_id"] != **staff {
            self.note_batch(shown, is_early)?;
        }
        if view.is_object() {
            shown.board.insert(id, view.clone())
        } else {
            shown.board.remove(&id)
        };
        Ok(())
    }

    /// "each ticket is then sent once": changes that are not one's own come together, and not one by one.
    fn note_batch(&self, shown: &mut Shown, is_early: bool) -> Result<(), String> {
        if is_early {
            return Ok(());
        }
        match shown.batch_at.replace(self.now) {
            Some(before) if before != self.now && before + GATHERED > self.now => {
                Err(format!("was sent a change {} ms after those before", self.now - before))
            }
            _ => Ok(()),
        }
    }

    /// Checks a status: it must follow from the one that was sent before.
    fn show_status(&self, shown: &mut Shown, frame: &Value) -> Result<(), String> {
        let (id, staff) = (text(frame, "ticket_id"), text(frame, "staff_id"));
        let Some((_, before)) = shown.ticket.as_ref().filter(|(ticket, _)| *ticket == id) else {
            return Err(format!("was sent {frame}, and has no such ticket"));
        };
        let was_with = |status: &Status| match status {
            Status::Waiting => None,
            Status::Active(staff) | Status::Paused(staff) | Status::Returned(staff) => Some(staff.clone()),
        };
        let had = was_with(before) == Some(staff.clone());
        let (is_right, status) = match (frame["type"].as_str().unwrap_or(""), before) {
            ("staff_joined", Status::Active(_)) => (!had, Status::Active(staff)),
            ("staff_joined", Status::Waiting) => (true, Status::Active(staff)),
            ("staff_joined", _) => (!had, Status::Active(staff)),
            ("staff_reconnected", Status::Paused(_) | Status::Returned(_)) => (had, Status::Active(staff)),
            ("staff_offline", Status::Active(_) | Status::Returned(_)) => (had, Status::Paused(staff)),
            ("staff_online", Status::Paused(_)) => (had, Status::Returned(staff)),
            ("staff_left", Status::Active(_) | Status::Paused(_) | Status::Returned(_)) => {
                (had, Status::Waiting)
            }
            _ => (false, Status::Waiting),
        };
        if !is_right {
            return Err(format!("was sent {frame} after {before:?}"));
        }
        shown.ticket = Some((id, status));
        Ok(())
    }

    fn status(&self, ticket: &Ticket) -> Status {
        let staff = ticket.staff.clone().unwrap_or_default();
        match ticket.state {
            State::Waiting => Status::Waiting,
            State::Active => Status::Active(staff),
            State::Paused if self.staff.get(&staff).is_some_and(|staff| staff.online) => {
                Status::Returned(staff)
            }
            State::Paused => Status::Paused(staff),
        }
    }

    /// How many chats have closed without this connection having been sent their end.
    pub(super) fn ends_owed(&self, conn: ConnId) -> usize {
        let wanted = self.wants.get(&conn).into_iter().flatten();
        let wanted = wanted.filter(|(track, want)| *track == Track::Talk && want.is_end()).count();
        let owed = self.readers.get(&conn).map_or(0, Reader::ends) + wanted;
        owed.saturating_sub(self.closed_sent.get(&conn).copied().unwrap_or(0))
    }

    /// After a call, a connection that is not behind shows its own tickets as they are, and others as they were a moment ago.
    pub(super) fn note_shown(&mut self) -> Result<(), String> {
        for user in self.users.values() {
            let reader =
                user.conn.and_then(|conn| self.readers.get(&conn)).filter(|reader| !reader.is_behind);
            let Some(reader) = reader else { continue };
            let at = user.ticket.as_deref().and_then(|ticket| self.find(ticket));
            let right = at.map(|at| (self.tickets[at].id.clone(), self.status(&self.tickets[at])));
            if reader.shown.ticket != right {
                return Err(format!("a user shows {:?}; right is {right:?}", reader.shown.ticket));
            }
        }
        if !std::mem::take(&mut self.is_changed) {
            return Ok(());
        }
        let views: BTreeMap<String, Value> =
            self.tickets.iter().map(|ticket| (ticket.id.clone(), self.view(ticket))).collect();
        let online: BTreeSet<String> =
            self.staff.iter().filter(|(_, staff)| staff.online).map(|(id, _)| id.clone()).collect();
        for (id, staff) in &self.staff {
            let Some(reader) = self.readers.get_mut(&staff.conn) else { continue };
            if reader.is_behind {
                reader.shown.wrong_since = None;
                self.is_changed = true; // until it has caught up
                continue;
            }
            let is_own = |view: &Value| view["staff_id"] == **id && view["state"] == "active";
            let is_stale = |(ticket, view): (&String, &Value)| {
                is_own(view) && reader.shown.board.get(ticket) != Some(view)
            };
            if views.iter().any(is_stale) {
                return Err(format!("{id} was not sent their own ticket at once"));
            }
            let colleagues = online.iter().filter(|other| *other != id);
            let is_wrong = reader.shown.board != views || reader.shown.colleagues.iter().ne(colleagues);
            let shown = &mut reader.shown;
            shown.wrong_since = if is_wrong { shown.wrong_since.or(Some(self.now)) } else { None };
            self.is_changed |= is_wrong;
        }
        Ok(())
    }

    /// Returns when the first board that is wrong must be right.
    pub(super) fn boards_due(&self) -> Option<Millis> {
        self.readers
            .values()
            .filter_map(|reader| reader.shown.wrong_since)
            .map(|since| since + GATHERED)
            .min()
    }

    /// Checks what must hold whenever nothing is due.
    pub(super) fn check_shown(&self) -> Result<(), String> {
        let desk_online = self.staff.values().any(|staff| staff.online);
        for user in self.users.values() {
            let reader =
                user.conn.and_then(|conn| self.readers.get(&conn)).filter(|reader| !reader.is_behind);
            if reader.is_some_and(|reader| reader.shown.desk != Some(desk_online)) {
                return Err("a user was not sent whether staff are online".to_owned());
            }
        }
        for (id, staff) in &self.staff {
            let Some(reader) = self.readers.get(&staff.conn) else { continue };
            if reader.shown.wrong_since.is_some_and(|since| since + GATHERED < self.now) {
                let right: Vec<Value> = self.tickets.iter().map(|ticket| self.view(ticket)).collect();
                let Shown { board, colleagues, .. } = &reader.shown;
                return Err(format!("{id} is shown {board:?} and {colleagues:?}; right is {right:?}"));
            }
        }
        Ok(())
    }
}
