//! Users: who they are, how long they are known, and what they are sent when they come back.

use serde::{Deserialize, Serialize};

use super::command::Session;
use super::error_code::ErrorCode;
use super::event::{Dismissal, Emit, EndedTicket, Event, OwnTicket, Side, UserWelcome};
use super::held::{Sender, Unrelayed};
use super::link::Link;
use super::rating::Unrated;
use super::slots::{Key, key_type};
use super::ticket::{Status, Ticket};
use super::ticket_ids::TicketNo;
use super::{Alarm, ClosedBy, Owner, State};
use crate::config::Millis;
use crate::ids::{ConnId, SecretHash, UserId};

key_type! {
    /// The key of a user, valid for as long as they are known.
    UserKey for User
}

/// A user. They are known while connected, while a ticket is open, and for the grace time after one closed in their
/// absence.
#[derive(Clone, Debug, Hash, Serialize, Deserialize)]
pub(super) struct User {
    pub(super) id: UserId,
    session: SecretHash,
    pub(super) link: Option<Link>,
    pub(super) ticket: Option<TicketNo>,
    /// Whether the connection shows that staff are online.
    pub(super) desk_shown: bool,
    /// When their ticket closes, or they are forgotten if they have none, unless they come back.
    absent_until: Option<Millis>,
    ended: Option<Box<Ended>>,
    /// Boxed, since few users have one: every connected user takes what is here.
    pub(super) unrated: Option<Box<Unrated>>,
    /// The end of the grace time after a ticket closed in their absence. Until then the id stays theirs, even after
    /// they were sent the end of the ticket.
    known_until: Millis,
}

/// What a user has yet to be sent about a ticket that closed while they were absent or their connection had no credit.
#[derive(Clone, Debug, Hash, Serialize, Deserialize)]
struct Ended {
    ticket: EndedTicket,
    unrelayed: Unrelayed,
    /// Whether a welcome has named the ticket, so that only its messages are left to be sent.
    is_announced: bool,
}

impl User {
    /// Returns how much the texts take that are held for them.
    pub(super) fn text_bytes(&self) -> usize {
        self.ended.as_ref().map_or(0, |ended| ended.unrelayed.text_bytes())
    }

    /// Checks that this user may open a ticket. Their last one counts as open until all of it has been sent.
    ///
    /// # Errors
    /// They have an open ticket, or have not been sent all of the last one.
    pub(super) fn may_create(&self) -> Result<(), ErrorCode> {
        match &self.ended {
            _ if self.ticket.is_some() => Err(ErrorCode::TicketExists),
            Some(ended) if ended.is_announced => Err(ErrorCode::RateLimited),
            Some(_) => Err(ErrorCode::TicketExists),
            None => Ok(()),
        }
    }
}

impl State {
    /// Lets a user in, if the session that they offered is theirs. A user who is not known yet gets the fresh session.
    pub(super) fn user_connects(
        &mut self,
        now: Millis,
        (conn, id): (ConnId, &UserId),
        offered: Option<Session<'_>>,
        fresh: Session<'_>,
        out: &mut dyn Emit,
    ) {
        let known = match self.known_user(id, offered) {
            Ok(known) => known,
            Err(why) => return out.close(conn, why),
        };
        let (key, session) = known.unwrap_or_else(|| (self.add_user(id, fresh.hash()), fresh));
        let user = &mut self.users[key];
        let before = user.link.replace(Link::new(conn));
        let due = user.absent_until.take();
        let ticket = user.ticket;
        if let Some(due) = due {
            self.alarms.remove(&(due, Alarm::Absence(key)));
            self.known_absent.remove(&(due, key));
            if let Some(number) = ticket {
                self.abandoned.remove(&(due, number));
            }
        }
        if let Some(older) = &before {
            self.owners.remove(older.conn);
            out.close(older.conn, Dismissal::Elsewhere);
        }
        self.owners.insert(conn, Owner::User(key));
        self.welcome_user(now, key, (session, known.is_some()), out);
        if let Some(number) = ticket {
            if before.is_none() {
                self.queue.set_present(number, true);
                self.announce_update(now, number, out);
            }
            self.queue.forget_notice(&mut self.tickets, number, now);
        }
    }

    /// Returns a user who is known, with the session that was offered, which is theirs.
    fn known_user<'a>(
        &self,
        id: &UserId,
        offered: Option<Session<'a>>,
    ) -> Result<Option<(UserKey, Session<'a>)>, Dismissal> {
        match (self.users_by_id.get(id), offered) {
            (None, _) => Ok(None),
            (Some(key), Some(offered)) if offered.hash() == self.users[*key].session => {
                Ok(Some((*key, offered)))
            }
            (Some(_), _) => Err(Dismissal::SessionMismatch),
        }
    }

    /// Returns the connection of a user, if they are connected.
    ///
    /// # Errors
    /// The user is known, and the session that was offered is not theirs.
    pub(crate) fn user_connection(
        &self,
        id: &UserId,
        offered: Option<Session<'_>>,
    ) -> Result<Option<ConnId>, Dismissal> {
        let known = self.known_user(id, offered)?;
        Ok(known.and_then(|(key, _)| self.users[key].link.as_ref()).map(|link| link.conn))
    }

    pub(super) fn user_leaves(&mut self, now: Millis, key: UserKey, out: &mut dyn Emit) {
        let user = &mut self.users[key];
        user.link = None;
        let (ticket, known_until) = (user.ticket, user.known_until);
        match ticket {
            Some(number) => {
                self.stop_typing(number, Side::User, out);
                let due = now + self.rules.user_grace_ms;
                self.await_user(key, due);
                self.queue.set_present(number, false);
                // A full desk may close such a ticket before its time: see `ensure_capacity`.
                if !self.tickets[number].was_picked {
                    self.abandoned.insert((due, number));
                }
                self.announce_update(now, number, out);
            }
            None if known_until > now => self.await_user(key, known_until),
            None => self.forget_user(key),
        }
    }

    /// Closes the ticket of a user who has not come back in time. A user without a ticket is forgotten.
    pub(super) fn give_up_user(&mut self, now: Millis, key: UserKey, out: &mut dyn Emit) {
        let user = &mut self.users[key];
        let due = user.absent_until.take();
        match user.ticket {
            Some(number) => {
                due.map(|due| self.abandoned.remove(&(due, number)));
                self.close(now, number, ClosedBy::Timeout, out);
            }
            None => {
                due.map(|due| self.known_absent.remove(&(due, key)));
                self.forget_user(key);
            }
        }
    }

    /// Sends a user the end of their ticket, or keeps it until it can be sent.
    pub(super) fn end_for_user(
        &mut self,
        now: Millis,
        key: UserKey,
        ticket: EndedTicket,
        unrelayed: Unrelayed,
        out: &mut dyn Emit,
    ) {
        let grace_ms = self.rules.user_grace_ms;
        let user = &mut self.users[key];
        user.ticket = None;
        match &user.link {
            Some(link) if link.has_credit() => {
                link.send(&Event::TicketClosed { ticket: ticket.ticket, by: ticket.by, at: ticket.at }, out);
            }
            link => {
                let is_absent = link.is_none();
                user.ended = Some(Box::new(Ended { ticket, unrelayed, is_announced: false }));
                user.known_until = now + grace_ms;
                if is_absent {
                    self.await_user(key, now + grace_ms);
                }
            }
        }
    }

    /// Sends a user's connection what has been waiting for it, as far as its credit goes.
    pub(super) fn catch_up_user(&mut self, now: Millis, key: UserKey, out: &mut dyn Emit) {
        if let Some(mut ended) = self.users[key].ended.take()
            && let Some(link) = &self.users[key].link
        {
            let EndedTicket { ticket, by, at } = ended.ticket;
            let user = Sender { id: &self.users[key].id, name: None };
            if !ended.unrelayed.relay((ticket, user), link, out) || !link.has_credit() {
                self.users[key].ended = Some(ended);
                return;
            }
            if !ended.is_announced {
                link.send(&Event::TicketClosed { ticket, by, at }, out);
            }
        }
        self.send_desk(key, out);
        if let Some(number) = self.users[key].ticket {
            let is_open = matches!(self.tickets[number].status, Status::Active(_));
            // `staff_joined` comes before the messages of an open chat. In a locked chat, the messages come first,
            // since they were written before the frame that locks it.
            if is_open {
                self.send_status(now, number, out);
            }
            self.catch_up_chat(now, number, Side::User, out);
            self.send_status(now, number, out);
            if self.tickets[number].last_notice.is_none() {
                self.queue.forget_notice(&mut self.tickets, number, now);
            }
        }
    }

    fn welcome_user(
        &mut self,
        now: Millis,
        key: UserKey,
        (session, resumed): (Session<'_>, bool),
        out: &mut dyn Emit,
    ) {
        let desk_online = self.staff_online > 0;
        let mut ended = self.users[key].ended.take();
        self.users[key].desk_shown = desk_online;
        if let Some(ended) = &mut ended {
            ended.unrelayed.reset_connection(); // what the last connection was sent may not have arrived
        }
        let user = &self.users[key];
        let welcome = UserWelcome {
            user: &user.id,
            session,
            resumed,
            now,
            desk_online,
            ticket: user.ticket.map(|number| self.own_ticket(&self.tickets[number])),
            ended: ended.as_ref().map(|ended| ended.ticket),
        };
        self.to_user(key, &Event::UserWelcome(welcome), out);
        if let (Some(mut ended), Some(link)) = (ended, &user.link) {
            let sender = Sender { id: &user.id, name: None };
            ended.is_announced = true;
            if !ended.unrelayed.relay((ended.ticket.ticket, sender), link, out) {
                self.users[key].ended = Some(ended);
            }
        }
        if let Some(number) = self.users[key].ticket {
            let shown = self.shown_by_welcome(self.tickets[number].status);
            let ticket = &mut self.tickets[number];
            ticket.shown = shown;
            ticket.conversation.reset_connection(Side::User);
            self.relay_held(number, Side::Staff, out);
            self.send_status(now, number, out);
        }
    }

    fn own_ticket<'a>(&'a self, ticket: &'a Ticket) -> OwnTicket<'a> {
        let sent = ticket.conversation.sent_by(Side::User);
        OwnTicket {
            ticket: ticket.id,
            subject: ticket.subject.as_json(),
            state: ticket.status.state(),
            staff: ticket.status.staff().map(|staff| self.staff[staff].name()),
            created_at: ticket.created_at,
            last_seq: ticket.conversation.last_seq,
            last_id: sent.last_id,
            delivered_seq: sent.delivered_seq,
        }
    }

    fn add_user(&mut self, id: &UserId, session: SecretHash) -> UserKey {
        let user = User {
            id: id.clone(),
            session,
            link: None,
            ticket: None,
            desk_shown: false,
            absent_until: None,
            ended: None,
            unrated: None,
            known_until: 0,
        };
        let key = self.users.insert(user);
        self.users_by_id.insert(id.clone(), key);
        key
    }

    fn forget_user(&mut self, key: UserKey) {
        if let Some(user) = self.users.remove(key) {
            self.users_by_id.remove(&user.id);
        }
    }

    /// Waits for an absent user until `due`. There may be no more users who are known only because of a closed ticket
    /// than there may be tickets. Beyond that, the one who would be forgotten first is forgotten now.
    fn await_user(&mut self, key: UserKey, due: Millis) {
        let user = &mut self.users[key];
        let has_ticket = user.ticket.is_some();
        if let Some(earlier) = user.absent_until.replace(due) {
            self.alarms.remove(&(earlier, Alarm::Absence(key)));
        }
        self.alarms.insert((due, Alarm::Absence(key)));
        if !has_ticket {
            self.known_absent.insert((due, key));
            if self.known_absent.len() > self.rules.max_tickets as usize
                && let Some((due, first)) = self.known_absent.pop_first()
            {
                self.alarms.remove(&(due, Alarm::Absence(first)));
                self.forget_user(first);
            }
        }
    }

    /// Gives every absent user the whole grace time from now on, since they could not come back before.
    pub(super) fn renew_grace(&mut self, now: Millis) {
        let due = now + self.rules.user_grace_ms;
        for key in self.users.keys::<UserKey>() {
            let Some(user) = self.users.get_mut(key) else { continue }; // forgotten by `await_user` in this loop
            let Some(earlier) = user.absent_until else { continue };
            match user.ticket {
                Some(number) if self.abandoned.remove(&(earlier, number)) => {
                    self.abandoned.insert((due, number));
                }
                Some(_) => {}
                None => {
                    user.known_until = due;
                    self.known_absent.remove(&(earlier, key));
                }
            }
            self.await_user(key, due);
        }
    }

    /// Removes a ticket from `abandoned`, because it has been picked or is about to close.
    pub(super) fn forget_abandoned(&mut self, number: TicketNo) {
        let user = self.tickets[number].user;
        if let Some(due) = self.users[user].absent_until {
            self.abandoned.remove(&(due, number));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_takes_128_bytes_beside_their_id() {
        assert_eq!(size_of::<Option<User>>(), 128, "everyone takes as much; what few have is boxed");
    }
}
