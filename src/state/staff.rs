//! Staff: who is connected, who is online, and what they are sent.

use std::collections::{BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use super::assign::Turn;
use super::board::Board;
use super::event::{Dismissal, Emit, EndedTicket, Event, Record, Side, StaffName};
use super::held::{Sender, Unrelayed};
use super::link::Link;
use super::rating::Rated;
use super::slots::{Key, key_type};
use super::ticket_ids::TicketNo;
use super::{Owner, State};
use crate::config::Millis;
use crate::ids::{ConnId, JsonText, StaffId, StoredText, UserId};

key_type! {
    /// The key of a staff member, valid for as long as they are known.
    StaffKey for Staff
}

/// A staff member. They are known while connected, and while a ticket that they had is paused.
#[derive(Clone, Debug, Hash, Serialize, Deserialize)]
pub(super) struct Staff {
    pub(super) id: StaffId,
    /// The name that the operator has given them, if any. It takes precedence over `own_name`.
    listed_name: Option<StoredText>,
    /// The name that they have given themselves.
    own_name: Option<StoredText>,
    pub(super) link: Option<Link>,
    pub(super) online: bool,
    /// The tickets that they have.
    pub(super) active: BTreeSet<TicketNo>,
    /// The tickets that they had when they went offline.
    pub(super) paused: BTreeSet<TicketNo>,
    pub(super) turn: Turn,
    pub(super) board: Board,
    /// Open chats of which something has yet to be sent.
    pub(super) behind: BTreeSet<TicketNo>,
    /// Closed chats of which something has yet to be sent.
    pub(super) closed: VecDeque<ClosedChat>,
    /// Ratings that have yet to be sent.
    pub(super) ratings: VecDeque<Rated>,
    /// Colleagues whose presence has yet to be sent.
    pub(super) colleagues: BTreeSet<StaffId>,
}

/// A chat that closed before its staff member was sent all of it.
#[derive(Clone, Debug, Hash, Serialize, Deserialize)]
pub(super) struct ClosedChat {
    pub(super) ended: EndedTicket,
    pub(super) unrelayed: Unrelayed,
    pub(super) user: UserId,
    pub(super) user_name: Option<StoredText>,
}

impl Staff {
    /// Returns the id and the name that others see.
    pub(super) fn name(&self) -> StaffName<'_> {
        StaffName { id: &self.id, name: self.shown_name().map(StoredText::as_json) }
    }

    pub(super) fn shown_name(&self) -> Option<&StoredText> {
        self.listed_name.as_ref().or(self.own_name.as_ref())
    }
}

impl State {
    /// Returns every staff member who is connected.
    pub(crate) fn staff_connected(&self) -> impl Iterator<Item = (&StaffId, ConnId)> {
        self.staff.values().filter_map(|staff| Some((&staff.id, staff.link.as_ref()?.conn)))
    }

    /// Returns the connection of a staff member, if they are connected.
    pub(crate) fn staff_connection(&self, id: &StaffId) -> Option<ConnId> {
        let key = self.staff_by_id.get(id)?;
        self.staff[*key].link.as_ref().map(|link| link.conn)
    }

    /// Connects a staff member, who starts offline. Closes an earlier connection of theirs.
    pub(super) fn staff_connects(
        &mut self,
        now: Millis,
        (conn, id): (ConnId, &StaffId),
        name: Option<&JsonText<'_>>,
        out: &mut dyn Emit,
    ) {
        let key = match self.staff_by_id.get(id).copied() {
            Some(key) => {
                if let Some(older) = self.lose_staff(now, key, out) {
                    out.close(older, Dismissal::Elsewhere);
                }
                key
            }
            None => self.add_staff(id),
        };
        self.list_name(now, key, name, out);
        self.staff[key].link = Some(Link::new(conn));
        self.owners.insert(conn, Owner::Staff(key));
        self.welcome_staff(now, key, out);
    }

    /// Sets or removes the name that the operator has given a staff member. Staff who see the name are sent the change.
    pub(super) fn list_name(
        &mut self,
        now: Millis,
        key: StaffKey,
        name: Option<&JsonText<'_>>,
        out: &mut dyn Emit,
    ) {
        let staff = &mut self.staff[key];
        let before = staff.shown_name().cloned();
        staff.listed_name = name.map(StoredText::from);
        if staff.shown_name() == before.as_ref() {
            return;
        }
        if staff.online {
            let id = staff.id.clone();
            self.colleague_changed(now, id);
        }
        let staff = &self.staff[key];
        for number in staff.active.union(&staff.paused).copied().collect::<Vec<_>>() {
            self.announce_update(now, number, out);
        }
    }

    pub(super) fn staff_leaves(&mut self, now: Millis, key: StaffKey, out: &mut dyn Emit) {
        self.lose_staff(now, key, out);
        self.forget_staff_if_gone(key);
    }

    pub(super) fn go_online(
        &mut self,
        now: Millis,
        key: StaffKey,
        name: Option<&JsonText<'_>>,
        out: &mut dyn Emit,
    ) {
        let staff = &mut self.staff[key];
        if let Some(name) = name {
            staff.own_name = Some(name.into());
        }
        if staff.online {
            self.to_staff(key, &Event::Presence { online: true }, out); // nothing changes, but they have asked
            return;
        }
        staff.online = true;
        self.staff_online += 1;
        self.refresh_turn(key);
        self.announce_presence(now, key, out);
        self.send_paused_status(now, key, out);
    }

    pub(super) fn go_offline(&mut self, now: Millis, key: StaffKey, out: &mut dyn Emit) {
        if self.staff[key].online {
            self.take_offline(now, key, out);
        } else {
            self.to_staff(key, &Event::Presence { online: false }, out);
        }
    }

    /// Whether a staff member may have another chat. A closed chat counts until all of it has been sent.
    pub(super) fn has_capacity(&self, key: StaffKey) -> bool {
        let staff = &self.staff[key];
        staff.active.len() + staff.closed.len() < self.rules.max_chats as usize
    }

    /// Whether a staff member can be sent something that they did not ask for, which takes credit. What others do must
    /// not pile up for somebody who reads slowly.
    pub(super) fn takes_more(&self, key: StaffKey) -> bool {
        self.staff[key].link.as_ref().is_some_and(Link::has_credit)
    }

    /// Adds a ticket to a staff member's chats.
    pub(super) fn take_chat(&mut self, key: StaffKey, number: TicketNo) {
        self.staff[key].active.insert(number);
        self.note_turn(key);
        self.refresh_turn(key);
    }

    /// Removes a ticket from a staff member's chats.
    pub(super) fn drop_chat(&mut self, key: StaffKey, number: TicketNo) {
        self.staff[key].active.remove(&number);
        self.staff[key].behind.remove(&number);
        self.refresh_turn(key);
    }

    /// Sends a staff member's connection what has been waiting for it, as far as its credit goes. Chats come first,
    /// since users wait for answers.
    pub(super) fn catch_up_staff(&mut self, now: Millis, key: StaffKey, out: &mut dyn Emit) {
        if !self.send_closed(key, out) {
            return;
        }
        self.send_ratings(key, out);
        // Without this, the next batch would repeat what is sent now.
        self.take_changes(key);
        while self.takes_more(key)
            && let Some(number) = self.staff[key].behind.pop_first()
        {
            self.catch_up_chat(now, number, Side::Staff, out); // notes it in `behind` again if the credit runs out
        }
        self.catch_up_colleagues(key, out);
        if self.takes_more(key) {
            self.catch_up_board(key, out);
        }
    }

    /// Sends a staff member the changed presence of colleagues, as far as their credit goes.
    pub(super) fn catch_up_colleagues(&mut self, key: StaffKey, out: &mut dyn Emit) {
        while self.takes_more(key)
            && let Some(id) = self.staff[key].colleagues.pop_first()
        {
            self.send_colleague(key, &id, out);
        }
    }

    /// Sends the rest of closed chats. Returns whether all of it has been sent.
    fn send_closed(&mut self, key: StaffKey, out: &mut dyn Emit) -> bool {
        let staff = &mut self.staff[key];
        let Some(link) = &staff.link else { return false };
        while let Some(chat) = staff.closed.front_mut() {
            let EndedTicket { ticket, by, at } = chat.ended;
            let user = Sender { id: &chat.user, name: chat.user_name.as_ref().map(StoredText::as_json) };
            if !chat.unrelayed.relay((ticket, user), link, out) || !link.has_credit() {
                return false;
            }
            link.send(&Event::TicketClosed { ticket, by, at }, out);
            staff.closed.pop_front();
        }
        self.refresh_turn(key);
        true
    }

    /// Sends a staff member whether a colleague is online.
    pub(super) fn send_colleague(&self, key: StaffKey, id: &StaffId, out: &mut dyn Emit) {
        let Some(link) = &self.staff[key].link else { return };
        link.send(&self.colleague(id), out);
    }

    /// Returns what others are sent of a staff member, who may be forgotten already.
    pub(super) fn colleague<'a>(&'a self, id: &'a StaffId) -> Event<'a> {
        let colleague = self.staff_by_id.get(id).map(|key| &self.staff[*key]);
        let staff = colleague.map_or(StaffName { id, name: None }, Staff::name);
        let online = colleague.is_some_and(|colleague| colleague.online);
        Event::Colleague { staff, online }
    }

    /// Forgets a staff member who is not connected and has no paused ticket.
    pub(super) fn forget_staff_if_gone(&mut self, key: StaffKey) {
        let staff = &self.staff[key];
        if staff.link.is_none() && staff.paused.is_empty() {
            self.staff_by_id.remove(&staff.id);
            self.staff.remove(key);
        }
    }

    fn add_staff(&mut self, id: &StaffId) -> StaffKey {
        let key = self.staff.insert(Staff {
            id: id.clone(),
            listed_name: None,
            own_name: None,
            link: None,
            online: false,
            active: BTreeSet::new(),
            paused: BTreeSet::new(),
            turn: Turn::default(),
            board: Board::default(),
            behind: BTreeSet::new(),
            closed: VecDeque::new(),
            ratings: VecDeque::new(),
            colleagues: BTreeSet::new(),
        });
        self.staff_by_id.insert(id.clone(), key);
        key
    }

    /// Ends what depends on a staff member's connection, which is gone or about to be replaced. Returns the connection.
    fn lose_staff(&mut self, now: Millis, key: StaffKey, out: &mut dyn Emit) -> Option<ConnId> {
        let staff = &mut self.staff[key];
        let link = staff.link.take();
        staff.behind.clear();
        staff.closed.clear();
        staff.ratings.clear();
        staff.colleagues.clear();
        staff.board = Board::default();
        let conn = link.map(|link| link.conn);
        if let Some(conn) = conn {
            self.owners.remove(conn);
        }
        if self.staff[key].online {
            self.take_offline(now, key, out);
        }
        conn
    }

    fn take_offline(&mut self, now: Millis, key: StaffKey, out: &mut dyn Emit) {
        self.staff[key].online = false;
        self.staff_online -= 1;
        self.refresh_turn(key);
        self.announce_presence(now, key, out);
        // For tickets that were paused before: their users may be shown that this staff member is back.
        self.send_paused_status(now, key, out);
        for number in std::mem::take(&mut self.staff[key].active) {
            self.pause(now, number, key, out);
        }
        self.staff[key].behind.clear();
    }

    fn announce_presence(&mut self, now: Millis, key: StaffKey, out: &mut dyn Emit) {
        let online = self.staff[key].online;
        self.to_staff(key, &Event::Presence { online }, out);
        let staff = self.staff[key].id.clone();
        out.record(&Record::StaffPresence { staff: &staff, online });
        self.colleague_changed(now, staff);
        if self.staff_online == usize::from(online) {
            self.schedule_desk_notices();
        }
        self.queue.changed(now); // estimates depend on whether staff are online
    }

    fn send_paused_status(&mut self, now: Millis, key: StaffKey, out: &mut dyn Emit) {
        for number in self.staff[key].paused.clone() {
            self.send_status(now, number, out);
        }
    }
}
