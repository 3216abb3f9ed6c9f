//! Who gets in: the staff's tokens and the places, judged by what clients have sent and by what is open.

use std::collections::BTreeSet;

use deskwire::config::Millis;
use deskwire::net::ConnId;
use deskwire::outbox::Outbox;
use deskwire::service::Service;

use crate::checked_service::CheckedService;
use crate::figures::STAFF_PLACES;
use crate::network::Link;

impl CheckedService {
    /// Whether the token that a client has offered is this member's.
    pub fn has_token(&self, id: &str, link: &Link) -> bool {
        self.roster.borrow().admits(id, link.note.offered.as_deref())
    }

    /// A client is to be upgraded: notes whether there is a place for it. Some are for staff alone.
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

    pub fn check_places(&mut self, link: &Link) {
        if link.note.is_full {
            self.accuse("a client got a place, and there was none".to_owned());
        }
        if link.note.is_over {
            self.accuse("a client got a place, and its address had too many".to_owned());
        }
    }

    /// SIGHUP: those whose token is another one are closed, and nobody else.
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
