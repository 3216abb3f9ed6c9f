//! Who is admitted: tokens and free places, judged by what clients have sent and by what is open.

use std::collections::BTreeSet;

use deskwire::config::Millis;
use deskwire::desk::Guest;
use deskwire::net::ConnId;
use deskwire::net::close::CloseReason;
use deskwire::outbox::Outbox;
use deskwire::service::Service;

use crate::checked_service::CheckedService;
use crate::figures::STAFF_PLACES;
use crate::model::wants::Call;
use crate::network::{Link, Shared};

impl CheckedService {
    /// Whether the token that a client has offered is this member's.
    pub fn has_token(&self, id: &str, link: &Link) -> bool {
        self.roster.borrow().admits(id, link.note.offered.as_deref())
    }

    /// Before an upgrade, notes whether a place is free. The last ones are reserved for staff.
    pub fn note_places(&mut self, path: &str) {
        let Some(link) = self.machine.borrow().read_last.clone() else { return };
        let is_staff = path.strip_prefix("/ws/staff/").is_some_and(|id| self.has_token(id, &link.borrow()));
        let all = self.setup.connections_max;
        let for_users = all - STAFF_PLACES.min(all / 2);
        let is_over = link.borrow().note.is_over && self.machine.borrow().is_over();
        let note = &mut link.borrow_mut().note;
        note.is_full = self.open >= all || (!is_staff && self.open_users >= for_users);
        note.is_over = is_over;
        self.model.stories.full += u64::from(note.is_full);
        self.model.stories.over += u64::from(note.is_over);
    }

    /// No place is free. A client with a wrong secret is closed for that, and one that is already connected takes the place of
    /// its older connection.
    pub fn check_without_place(&mut self, guest: &Guest) -> Result<Option<ConnId>, CloseReason> {
        let result = self.desk.without_place(guest);
        let Some(link) = self.machine.borrow().read_last.clone() else { return result };
        let right = match guest {
            Guest::User(id, offered, _) => self.model.user_conn(id.as_str(), offered.as_deref()).ok_or(4403),
            Guest::Staff(id, _) if !self.has_token(id.as_str(), &link.borrow()) => Err(4401),
            Guest::Staff(id, _) => Ok(self.model.staff.get(id.as_str()).map(|staff| staff.conn)),
        };
        let done = result.as_ref().map_err(|why| why.code).copied();
        if done != right {
            self.note_violation(format!(
                "without a place, {guest:?}: {right:?} was right, {done:?} was done"
            ));
        }
        let note = &mut link.borrow_mut().note;
        match right {
            Ok(older) => note.replaces = older,
            Err(code) => note.closes.push(code),
        }
        self.model.stories.replaced_without_place += u64::from(note.replaces.is_some());
        self.model.stories.refused_without_place += u64::from(right.is_err());
        result
    }

    /// Opens a user's connection in the model. Returns the code that it must be closed with, if any.
    pub fn user_opens(
        &mut self,
        conn: ConnId,
        id: &str,
        session: Option<&str>,
        call: &Call,
    ) -> Result<Option<u16>, String> {
        if std::mem::take(&mut self.machine.borrow_mut().random_failed) {
            self.model.stories.no_random_bytes += 1;
            return Ok(Some(1011));
        }
        let is_admitted = self.model.user_opens(conn, id, session, call)?;
        Ok(if is_admitted { None } else { Some(4403) })
    }

    /// The same for a staff member. The token is checked by what the client has sent, not by what the desk says of it.
    pub fn staff_opens(
        &mut self,
        conn: ConnId,
        id: &str,
        link: Option<&Shared>,
        call: &Call,
    ) -> Result<Option<u16>, String> {
        self.machine.borrow_mut().random_failed = false;
        if link.is_some_and(|link| self.has_token(id, &link.borrow())) {
            return self.model.staff_opens(conn, id, call).map(|()| None);
        }
        Ok(Some(4401))
    }

    pub fn check_places(&mut self, link: &Link) {
        if link.note.is_full && link.note.replaces.is_none() {
            self.note_violation("a client got a place, and there was none".to_owned());
        }
        if link.note.is_over && link.note.replaces.is_none() {
            self.note_violation("a client got a place, and its address had too many".to_owned());
        }
    }

    /// Notes that a connection has the place of the older one that it replaces.
    pub fn take_over_place(&mut self, link: &Link, is_user: bool) {
        if let Some(older) = link.note.replaces {
            self.taken_over.insert(older);
            self.open -= 1;
            self.open_users -= usize::from(is_user);
        }
    }

    /// SIGHUP: checks that those whose token has changed are closed, and nobody else.
    pub fn check_reload(&mut self, now: Millis, out: &mut Outbox) {
        self.desk.reload(now, out);
        self.machine.borrow_mut().is_reload_due = false;
        let call = self.sent(now, out);
        let signed_out = self.roster.borrow_mut().reload();
        let is_out = |id: &&String| signed_out.contains(*id);
        let right: BTreeSet<(ConnId, u16)> = self
            .model
            .staff
            .iter()
            .filter(|(id, _)| is_out(id))
            .map(|(_, staff)| (staff.conn, 4401))
            .collect();
        let closed: BTreeSet<(ConnId, u16)> = call.closed.iter().copied().collect();
        self.model.stories.signed_out += closed.len() as u64;
        let result =
            if closed == right { Ok(()) } else { Err(format!("{closed:?} were closed; right is {right:?}")) };
        self.finish("SIGHUP", &call, result);
    }
}
