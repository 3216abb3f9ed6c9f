//! The desk's State: every decision about tickets and presence, and nothing else.
//!
//! There is one way in, [`State::apply`], and what comes out follows from what went in: the same inputs at the same times
//! give the same events and the same State, on any machine. So there is no clock in it, no randomness, no I/O, no float, and
//! no map whose order is random. Secrets are made outside and are kept hashed. What is due later is in `alarms` and happens
//! with [`Input::Tick`].
//!
//! Keys and ticket numbers lead somewhere as long as State keeps them: who forgets a ticket, a user or a staff member
//! forgets its key everywhere in the same call. So they are indexed with, and one that leads nowhere is a bug that ends
//! the process. `get` is for what may have gone since it was noted: a change that is yet to be sent, a round of notices.
//!
//! | file | its part |
//! | --- | --- |
//! | command | the inputs, and what users and staff ask for |
//! | event | what State sends, and to which connections |
//! | error_code | why something is refused |
//! | users | users: known, connected, away |
//! | staff | staff: connected, online, their chats |
//! | ticket | the steps of a ticket: created, picked, released, transferred, closed |
//! | rating | what a user says of a ticket that has ended |
//! | recap | what a user's page has of a chat, for the staff member who has picked it |
//! | status | what a user is sent about their ticket's status |
//! | chat | messages, receipts and typing between the two sides |
//! | conversation | a chat's numbers: accepted, confirmed, relayed |
//! | held | the messages that are not confirmed yet |
//! | queue | who waits, where, and for how long |
//! | rank_index | the order of those who wait |
//! | assign | which staff member gets the next ticket, if nobody picks |
//! | board | what staff see of the tickets |
//! | fanout | what is sent to many, a part each turn |
//! | link | how much a connection may still be sent |
//! | restart | what a start or an end of a process changes |
//! | digest | a State as one number |
//! | slots, tickets, owners | users and staff by key, tickets by number, and whose a connection is |
//! | ticket_ids | numbers to ids that do not show the number |

mod assign;
mod board;
mod chat;
mod command;
mod conversation;
mod digest;
mod error_code;
mod event;
mod fanout;
mod held;
mod link;
mod owners;
mod queue;
mod rank_index;
mod rating;
mod recap;
mod restart;
mod slots;
mod staff;
mod status;
#[cfg(test)]
mod tests;
mod ticket;
mod ticket_ids;
mod tickets;
mod users;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher as _};

use serde::{Deserialize, Serialize};

pub use self::command::{Input, Session, StaffCommand, UserCommand};
pub use self::error_code::ErrorCode;
pub use self::event::{
    ClosedBy, Dismissal, Emit, EndedTicket, Event, MessageView, OwnTicket, Participant, Picked, Place,
    Record, Side, StaffChange, StaffName, StaffWelcome, TicketRef, TicketState, TicketView, UserWelcome,
};
pub use self::rating::Score;
pub use self::recap::{Recap, RecapLine};
pub use self::ticket_ids::Seed;

use self::assign::Turns;
use self::digest::Fnv;
use self::fanout::Fanout;
use self::held::Spare;
use self::link::Link;
use self::owners::{Owner, Owners};
use self::queue::Queue;
use self::slots::Slots;
use self::staff::{Staff, StaffKey};
use self::ticket_ids::{TicketIds, TicketNo};
use self::tickets::Tickets;
use self::users::{User, UserKey};
use crate::config::{ALARMS_PER_TURN, Assign, Millis};
use crate::ids::{ConnId, StaffId, TicketId, UserId};

/// Which inputs State understands, how it is stored, and what it makes of them. It is raised with each change of these, since a
/// history that another version has written may lead elsewhere.
pub const STATE_VERSION: u32 = 3;

/// What the operator has decided.
#[derive(Clone, Copy, Debug, Hash, Serialize, Deserialize)]
pub struct Rules {
    /// Chats that a staff member may have at once.
    pub max_chats: u32,
    /// Tickets that may be open at once.
    pub max_tickets: u32,
    /// Who gets a waiting ticket.
    pub assign: Assign,
    /// How long a ticket waits for its user to come back.
    pub user_grace_ms: Millis,
}

/// All tickets, users and staff.
#[derive(Debug, Hash, Serialize, Deserialize)]
pub struct State {
    rules: Rules,
    ids: TicketIds,
    users: Slots<User>,
    users_by_id: BTreeMap<UserId, UserKey>,
    staff: Slots<Staff>,
    staff_by_id: BTreeMap<StaffId, StaffKey>,
    staff_online: usize,
    tickets: Tickets,
    queue: Queue,
    turns: Turns,
    fanout: Fanout,
    /// Whose each connection is.
    owners: Owners,
    alarms: BTreeSet<(Millis, Alarm)>,
    /// Tickets that nobody ever picked and whose users are away, by when their time is up.
    abandoned: BTreeSet<(Millis, TicketNo)>,
    /// Users who are away and are known only for a ticket that has closed, by when their time is up.
    known_absent: BTreeSet<(Millis, UserKey)>,
    #[serde(skip)]
    spare: Spare,
}

/// What happens later, if nothing prevents it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
enum Alarm {
    /// A user has been away too long.
    Absence(UserKey),
    /// A typing notice has not been renewed.
    Typing(TicketNo, Side),
}

/// How many there are of what, for the operator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Counts {
    pub users_known: usize,
    pub staff_known: usize,
    pub staff_online: usize,
    pub tickets_waiting: usize,
    pub tickets_active: usize,
    pub tickets_paused: usize,
}

impl State {
    /// An empty desk. `seed` is random, and new with each start, so that ticket ids do not repeat.
    pub fn new(rules: Rules, seed: Seed) -> Self {
        Self {
            rules,
            ids: TicketIds::new(seed),
            users: Slots::default(),
            users_by_id: BTreeMap::new(),
            staff: Slots::default(),
            staff_by_id: BTreeMap::new(),
            staff_online: 0,
            tickets: Tickets::default(),
            queue: Queue::default(),
            turns: Turns::default(),
            fanout: Fanout::default(),
            owners: Owners::default(),
            alarms: BTreeSet::new(),
            abandoned: BTreeSet::new(),
            known_absent: BTreeSet::new(),
            spare: Spare::default(),
        }
    }

    /// Applies an input. The only way to change State.
    pub fn apply(&mut self, now: Millis, input: &Input<'_>, out: &mut impl Emit) {
        match input {
            Input::UserConnects { conn, user, offered, fresh } => {
                self.user_connects(now, (*conn, user), *offered, *fresh, out);
            }
            Input::StaffConnects { conn, staff, name } => {
                self.staff_connects(now, (*conn, staff), name.as_ref(), out);
            }
            Input::StaffNamed(conn, name) => {
                if let Some(Owner::Staff(key)) = self.owners.get(*conn) {
                    self.list_name(now, key, name.as_ref(), out);
                }
            }
            Input::Leaves(conn) => self.leaves(now, *conn, out),
            Input::UserAsks(conn, command) => {
                if let Some(Owner::User(key)) = self.owners.get(*conn) {
                    self.user_asks(now, key, command, out);
                }
            }
            Input::StaffAsks(conn, command) => {
                if let Some(Owner::Staff(key)) = self.owners.get(*conn) {
                    self.staff_asks(now, key, command, out);
                }
            }
            Input::Drained(conn) => self.drained(now, *conn, out),
            Input::Tick => self.tick(now, out),
            Input::Starts(rules) => self.starts(now, *rules, out),
            Input::NodeStarts { rules, is_only } => self.node_starts(now, *rules, *is_only),
            Input::NodeEnds(node) => self.node_ends(now, *node, out),
        }
        self.assign_waiting(now, out);
    }

    fn leaves(&mut self, now: Millis, conn: ConnId, out: &mut impl Emit) {
        match self.owners.remove(conn) {
            Some(Owner::User(key)) => self.user_leaves(now, key, out),
            Some(Owner::Staff(key)) => self.staff_leaves(now, key, out),
            None => {} // replaced, or never let in
        }
    }

    fn user_asks(&mut self, now: Millis, key: UserKey, command: &UserCommand<'_>, out: &mut impl Emit) {
        let done = match command {
            UserCommand::CreateTicket { subject, name, page } => {
                self.create(now, key, (subject, name.as_ref(), page.as_ref()), out)
            }
            UserCommand::Ping => {
                self.to_user(key, &Event::Pong { now }, out);
                Ok(())
            }
            UserCommand::RateTicket { ticket, score } => self.rate(key, *ticket, *score, out),
            _ => match self.users[key].ticket {
                Some(number) => self.user_asks_of_ticket(now, number, command, out),
                None => Err(ErrorCode::NoTicket),
            },
        };
        if let Err(code) = done {
            let ticket = command.ticket().map(TicketRef::Id);
            self.to_user(key, &Event::Error { code, id: command.message_id(), ticket }, out);
        }
    }

    fn user_asks_of_ticket(
        &mut self,
        now: Millis,
        number: TicketNo,
        command: &UserCommand<'_>,
        out: &mut impl Emit,
    ) -> Result<(), ErrorCode> {
        match command {
            UserCommand::Message { id, text } => {
                return self.message(now, (number, Side::User), *id, text, out);
            }
            UserCommand::Delivered { seq } => self.confirm(now, (number, Side::User), *seq, out),
            UserCommand::Typing { active } => self.types(now, (number, Side::User), *active, out),
            UserCommand::CloseTicket => self.close(now, number, ClosedBy::User, out),
            UserCommand::Recap(recap) => return self.relay_recap(number, recap, out),
            UserCommand::CreateTicket { .. } | UserCommand::RateTicket { .. } | UserCommand::Ping => {}
        }
        Ok(())
    }

    fn staff_asks(&mut self, now: Millis, key: StaffKey, command: &StaffCommand<'_>, out: &mut impl Emit) {
        if let Err(code) = self.try_staff_command(now, key, command, out) {
            let ticket = command.ticket().map(TicketRef::Id);
            self.to_staff(key, &Event::Error { code, id: command.message_id(), ticket }, out);
        }
    }

    fn try_staff_command(
        &mut self,
        now: Millis,
        key: StaffKey,
        command: &StaffCommand<'_>,
        out: &mut impl Emit,
    ) -> Result<(), ErrorCode> {
        match command {
            StaffCommand::GoOnline { name } => self.go_online(now, key, name.as_ref(), out),
            StaffCommand::GoOffline => self.go_offline(now, key, out),
            StaffCommand::Ping => self.to_staff(key, &Event::Pong { now }, out),
            StaffCommand::PickTicket { ticket } => return self.pick(now, key, *ticket, out),
            StaffCommand::ReleaseTicket { ticket } => return self.release(now, key, *ticket, out),
            StaffCommand::TransferTicket { ticket, to, note } => {
                return self.transfer(now, key, *ticket, (to, note.as_ref()), out);
            }
            StaffCommand::Message { ticket, id, text } => {
                let number = self.find_own(key, *ticket)?;
                return self.message(now, (number, Side::Staff), *id, text, out);
            }
            StaffCommand::Delivered { ticket, seq } => {
                let number = self.find_own(key, *ticket)?;
                self.confirm(now, (number, Side::Staff), *seq, out);
            }
            StaffCommand::Typing { ticket, active } => {
                let number = self.find_own(key, *ticket)?;
                self.types(now, (number, Side::Staff), *active, out);
            }
            StaffCommand::CloseTicket { ticket } => {
                let number = self.find_own(key, *ticket)?;
                self.close(now, number, ClosedBy::Staff, out);
            }
        }
        Ok(())
    }

    fn drained(&mut self, now: Millis, conn: ConnId, out: &mut impl Emit) {
        match self.owners.get(conn) {
            Some(Owner::User(key)) => {
                self.users[key].link.iter().for_each(Link::refill);
                self.catch_up_user(now, key, out);
            }
            Some(Owner::Staff(key)) => {
                self.staff[key].link.iter().for_each(Link::refill);
                self.catch_up_staff(now, key, out);
            }
            None => {}
        }
    }

    /// When [`Input::Tick`] has something to do; a time that has passed where it is to be done part by part.
    pub fn next_due(&self) -> Option<Millis> {
        let alarm = self.alarms.first().map(|(due, _)| *due);
        alarm.into_iter().chain(self.queue.notice_due()).chain(self.fanout.next_due()).min()
    }

    fn tick(&mut self, now: Millis, out: &mut impl Emit) {
        for _ in 0..ALARMS_PER_TURN {
            let Some((due, alarm)) = self.alarms.first().copied().filter(|(due, _)| *due <= now) else {
                break;
            };
            self.alarms.remove(&(due, alarm));
            match alarm {
                Alarm::Absence(key) => self.give_up_user(now, key, out),
                Alarm::Typing(number, side) => self.typing_runs_out(due, number, side, out),
            }
        }
        self.assign_waiting(now, out);
        self.fan_out(now, out);
        self.send_places(now, out);
    }

    /// Returns what the operator has decided.
    #[cfg(feature = "journal")]
    pub(crate) fn rules(&self) -> Rules {
        self.rules
    }

    /// How many users and tickets there are.
    pub(crate) fn items(&self) -> usize {
        self.users.len() + self.tickets.len()
    }

    /// How many there are of what.
    pub fn counts(&self) -> Counts {
        let (tickets_waiting, tickets_paused) = (self.queue.len(), self.queue.paused.len());
        Counts {
            users_known: self.users.len(),
            staff_known: self.staff.len(),
            staff_online: self.staff_online,
            tickets_waiting,
            tickets_active: self.tickets.len() - tickets_waiting - tickets_paused,
            tickets_paused,
        }
    }

    /// A number that is the same for the same State, on any machine.
    pub fn digest(&self) -> u64 {
        let mut hasher = Fnv::default();
        self.hash(&mut hasher);
        hasher.finish()
    }

    /// The open ticket of this id.
    fn find(&self, id: TicketId) -> Result<TicketNo, ErrorCode> {
        let number = self.ids.number(id);
        if self.tickets.contains(number) { Ok(number) } else { Err(ErrorCode::NoTicket) }
    }

    /// Sends an event to a user who is connected, whether their connection has credit or not.
    fn to_user(&self, key: UserKey, event: &Event<'_>, out: &mut impl Emit) {
        if let Some(link) = &self.users[key].link {
            link.send(event, out);
        }
    }

    /// Sends an event to a staff member who is connected, whether their connection has credit or not.
    fn to_staff(&self, key: StaffKey, event: &Event<'_>, out: &mut impl Emit) {
        if let Some(link) = &self.staff[key].link {
            link.send(event, out);
        }
    }
}
