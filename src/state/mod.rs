//! The desk's State: every decision about tickets and presence, and nothing else.
//!
//! [`State::apply`] is the only way in, and State is deterministic: the same inputs at the same times produce the same
//! events and the same State on every machine. So State reads no clock, does no I/O, and uses no randomness, no floats
//! and no maps with a random iteration order. Secrets are generated outside and kept as hashes only. Timeouts are kept
//! in `alarms` and expire with [`Input::Tick`].
//!
//! A key or ticket number that State keeps always refers to something: removing a ticket, a user or a staff member
//! removes its key everywhere, in the same call. So State indexes with keys, and a dangling key is a bug that ends the
//! process. `get` is used only where the item may be gone by now: for a change that has yet to be sent, and in a round
//! of notices.
//!
//! | file | contents |
//! | --- | --- |
//! | command | the inputs, among them the commands of users and staff |
//! | event | the events that State sends |
//! | error_code | why a command is refused |
//! | users | users: how they connect, leave and come back |
//! | staff | staff: how they connect, go online and offline, and their chats |
//! | requests | finds the method that carries out a request of a user or staff member |
//! | ticket | a ticket's transitions: created, picked, paused, released, transferred, closed |
//! | rating | a user's rating of a ticket that has closed |
//! | recap | a chat as its user's page shows it, for the staff member who has picked it |
//! | status | what a user is sent about their ticket's status |
//! | chat | messages, receipts and typing notices between the two sides |
//! | conversation | a chat's sequence numbers: accepted, confirmed, relayed |
//! | held | messages that are not confirmed yet |
//! | queue | the tickets that wait, their places and the estimated wait |
//! | rank_index | an ordered set in which a rank is found quickly |
//! | assign | automatic assignment: which staff member gets the next ticket |
//! | board | the list of tickets that staff see |
//! | fanout | events for many connections, sent to some of them each turn |
//! | link | flow control: how much more a connection may be sent |
//! | restart | what changes when a process starts or ends |
//! | digest | a hash of the whole State |
//! | parts | a State in parts, which are stored one after the other |
//! | slots, tickets, owners | users and staff by key, tickets by number, owners by connection |
//! | ticket_ids | ticket ids that do not show how many tickets there were |

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
mod names;
mod owners;
mod parts;
mod queue;
mod rank_index;
mod rating;
mod recap;
mod requests;
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
#[cfg(any(feature = "journal", feature = "redis"))]
pub(crate) use self::digest::digest_text;
pub use self::error_code::ErrorCode;
pub use self::event::{
    ClosedBy, Dismissal, Emit, EndedTicket, Event, MessageView, OwnTicket, Participant, Picked, Place,
    Record, Side, StaffChange, StaffName, StaffWelcome, TicketState, TicketView, UserWelcome,
};
pub use self::names::{IdRef, MoreNames, Names, TicketRef};
pub use self::parts::{Assembly, Part, Parts};
pub use self::rating::Score;
pub use self::recap::{Recap, RecapLine};
pub(crate) use self::ticket_ids::Seed;

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

/// The version of State's inputs, of its stored form and of its behaviour. It is raised whenever one of these changes,
/// since a journal that was written by another version may lead to another State.
pub const STATE_VERSION: u32 = 3;

/// The operator's settings.
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
#[derive(Clone, Debug, Hash, Serialize, Deserialize)]
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
    /// The user or staff member that each connection belongs to.
    owners: Owners,
    alarms: BTreeSet<(Millis, Alarm)>,
    /// Tickets that were never picked and whose users are away, by the time at which they will be closed.
    abandoned: BTreeSet<(Millis, TicketNo)>,
    /// Absent users who are kept only because of a closed ticket, by the time at which they will be forgotten.
    known_absent: BTreeSet<(Millis, UserKey)>,
    #[serde(skip)]
    spare: Spare,
}

/// A timeout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
enum Alarm {
    /// A user has been away for the whole grace time.
    Absence(UserKey),
    /// A typing notice has not been renewed.
    Typing(TicketNo, Side),
}

/// The numbers of users, staff and tickets, for the operator.
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
    /// Creates an empty desk. `seed` must be random and new, so that a restart does not give out the same ticket ids
    /// again.
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

    /// Applies an input at the time `now`. This is the only way to change State.
    pub fn apply(&mut self, now: Millis, input: &Input<'_>, out: &mut dyn Emit) {
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
            Input::UserAsks(conn, command, names) => {
                if let Some(Owner::User(key)) = self.owners.get(*conn) {
                    self.user_asks(now, key, (command, names.as_deref()), out);
                }
            }
            Input::StaffAsks(conn, command, names) => {
                if let Some(Owner::Staff(key)) = self.owners.get(*conn) {
                    self.staff_asks(now, key, (command, names.as_deref()), out);
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

    fn leaves(&mut self, now: Millis, conn: ConnId, out: &mut dyn Emit) {
        match self.owners.remove(conn) {
            Some(Owner::User(key)) => self.user_leaves(now, key, out),
            Some(Owner::Staff(key)) => self.staff_leaves(now, key, out),
            None => {} // replaced by another connection, or never let in
        }
    }

    fn drained(&mut self, now: Millis, conn: ConnId, out: &mut dyn Emit) {
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

    /// Returns when [`Input::Tick`] has something to do. While work is spread over several turns, that time has passed
    /// already.
    pub fn next_due(&self) -> Option<Millis> {
        let alarm = self.alarms.first().map(|(due, _)| *due);
        alarm.into_iter().chain(self.queue.notice_due()).chain(self.fanout.next_due()).min()
    }

    fn tick(&mut self, now: Millis, out: &mut dyn Emit) {
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
        // These come after the timeouts, so that they already include what those have changed.
        self.assign_waiting(now, out);
        self.fan_out(now, out);
        self.send_places(now, out);
    }

    /// Returns the operator's settings.
    #[cfg(any(feature = "journal", feature = "redis"))]
    pub(crate) fn rules(&self) -> Rules {
        self.rules
    }

    /// Returns the number of users and tickets.
    pub(crate) fn items(&self) -> usize {
        self.users.len() + self.tickets.len()
    }

    /// Returns the numbers of users, staff and tickets.
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

    /// Returns a hash of the whole State. Equal States have the same digest on every machine.
    pub fn digest(&self) -> u64 {
        let mut hasher = Fnv::default();
        self.hash(&mut hasher);
        hasher.finish()
    }

    /// Finds an open ticket by its id.
    fn find(&self, id: TicketId) -> Result<TicketNo, ErrorCode> {
        let number = self.ids.number(id);
        if self.tickets.contains(number) { Ok(number) } else { Err(ErrorCode::NoTicket) }
    }

    /// Sends an event to a user if they are connected, even if their connection has no credit.
    fn to_user(&self, key: UserKey, event: &Event<'_>, out: &mut dyn Emit) {
        if let Some(link) = &self.users[key].link {
            link.send(event, out);
        }
    }

    /// Sends an event to a staff member if they are connected, even if their connection has no credit.
    fn to_staff(&self, key: StaffKey, event: &Event<'_>, out: &mut dyn Emit) {
        if let Some(link) = &self.staff[key].link {
            link.send(event, out);
        }
    }
}
