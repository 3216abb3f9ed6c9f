//! The desk's State: every decision about tickets and presence, and nothing else.
//!
//! It is deterministic: the same calls with the same `now` give the same events and the same State, on any machine. So
//! there is no clock in it, no randomness, no I/O, no float, and no map whose order is anybody's guess. Secrets are made
//! outside and come in hashed. What is due later is in `alarms` and happens in `tick`.
//!
//! | file | its part |
//! | --- | --- |
//! | presence | who comes and goes: users, staff, online, offline |
//! | ticket | a ticket's life: created, picked, released, transferred, closed |
//! | conversation | a chat's numbers, and the messages that are not confirmed yet |
//! | chat | messages, receipts and typing between the two sides |
//! | queue | who waits, where, and for how long |
//! | line | the order of those who wait |
//! | assign | who gets the next ticket, where nobody picks |
//! | board | what staff see of the tickets |
//! | ticket_ids | numbers to ids that do not tell the number |

mod assign;
mod board;
mod chat;
mod command;
mod conversation;
mod event;
mod line;
mod presence;
mod queue;
#[cfg(test)]
mod tests;
mod ticket;
mod ticket_ids;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};
use slab::Slab;

pub use self::command::{StaffCommand, UserCommand};
pub use self::event::{
    ClosedBy, Emit, EndedTicket, ErrorCode, Event, MessageView, OwnTicket, Picked, Place, Side, StaffChange,
    StaffWelcome, TicketRef, TicketState, TicketView, UserWelcome,
};
pub use self::presence::{SomebodyElse, StaffKey, UserKey};
pub use self::ticket_ids::Seed;

use self::assign::Seats;
use self::conversation::Spare;
use self::presence::{Staff, User};
use self::queue::Queue;
use self::ticket::Ticket;
use self::ticket_ids::{TicketIds, TicketNo};
use crate::config::{Assign, Millis};
use crate::ids::{StaffId, TicketId, UserId};
use crate::net::ConnId;

/// What the operator has decided.
#[derive(Clone, Copy, Debug, Hash, Serialize, Deserialize)]
pub struct Rules {
    /// Chats that a staff member may have at once.
    pub max_chats: u32,
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
    /// The open tickets by their number, which is by age.
    tickets: BTreeMap<TicketNo, Box<Ticket>>,
    queue: Queue,
    seats: Seats,
    alarms: BTreeSet<(Millis, Alarm)>,
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
            tickets: BTreeMap::new(),
            queue: Queue::default(),
            seats: Seats::default(),
            alarms: BTreeSet::new(),
            spare: Spare::default(),
        }
    }

    /// Does what a user asks for.
    pub fn user_asks(
        &mut self,
        now: Millis,
        (conn, key): (ConnId, UserKey),
        command: &UserCommand<'_>,
        out: &mut impl Emit,
    ) {
        if self.user_at(key, conn).is_none() {
            return; // closed, and not gone yet
        }
        let done = match command {
            UserCommand::CreateTicket { subject } => self.create(now, key, subject, out),
            UserCommand::Message { id, text } => self.user_message(now, key, *id, text, out),
            UserCommand::Delivered { seq } => self.user_confirms(now, key, *seq, out),
            UserCommand::Typing { active } => self.user_types(now, key, *active, out),
            UserCommand::CloseTicket => self.user_closes(now, key, out),
        };
        if let Err(code) = done {
            out.emit(conn, &Event::Error { code, id: command.message_id(), ticket: None });
        }
        self.assign_waiting(now, out);
    }

    /// Does what a staff member asks for.
    pub fn staff_asks(
        &mut self,
        now: Millis,
        (conn, key): (ConnId, StaffKey),
        command: &StaffCommand<'_>,
        out: &mut impl Emit,
    ) {
        if self.staff_at(key, conn).is_none() {
            return; // closed, and not gone yet
        }
        let done = match command {
            StaffCommand::GoOnline => self.go_online(now, key, out),
            StaffCommand::GoOffline => self.go_offline(now, key, out),
            StaffCommand::PickTicket { ticket } => self.pick(now, key, *ticket, out),
            StaffCommand::ReleaseTicket { ticket } => self.release(now, key, *ticket, out),
            StaffCommand::TransferTicket { ticket, to, note } => {
                self.transfer(now, key, *ticket, to, note.as_ref(), out)
            }
            StaffCommand::Message { ticket, id, text } => {
                self.staff_message(now, key, *ticket, *id, text, out)
            }
            StaffCommand::Delivered { ticket, seq } => self.staff_confirms(now, key, *ticket, *seq, out),
            StaffCommand::Typing { ticket, active } => self.staff_types(now, key, *ticket, *active, out),
            StaffCommand::CloseTicket { ticket } => self.staff_closes(now, key, *ticket, out),
        };
        if let Err(code) = done {
            let ticket = command.ticket().map(TicketRef::Id);
            out.emit(conn, &Event::Error { code, id: command.message_id(), ticket });
        }
        self.assign_waiting(now, out);
    }

    /// When `tick` has something to do.
    pub fn next_due(&self) -> Option<Millis> {
        let alarm = self.alarms.first().map(|(due, _)| *due);
        alarm.into_iter().chain(self.queue.notice_due()).min()
    }

    /// Time has passed: does what is due.
    pub fn tick(&mut self, now: Millis, out: &mut impl Emit) {
        while let Some((due, alarm)) = self.alarms.first().copied().filter(|(due, _)| *due <= now) {
            self.alarms.remove(&(due, alarm));
            match alarm {
                Alarm::Absence(key) => self.give_up_user(now, key, out),
                Alarm::Typing(number, side) => self.typing_runs_out(due, number, side, out),
            }
        }
        self.assign_waiting(now, out);
        if self.queue.notice_due().is_some_and(|due| due <= now) {
            self.tell_places(now, out);
        }
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

    /// A number that is the same for the same State, for tests and for comparing two runs.
    pub fn digest(&self) -> u64 {
        // FNV-1a: std's own hasher may change between releases.
        struct Fnv(u64);
        impl Hasher for Fnv {
            fn finish(&self) -> u64 {
                self.0
            }
            fn write(&mut self, bytes: &[u8]) {
                for byte in bytes {
                    self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
                }
            }
        }
        let mut hasher = Fnv(0xcbf2_9ce4_8422_2325);
        self.hash(&mut hasher);
        hasher.finish()
    }

    /// The open ticket of this id.
    fn find(&self, id: TicketId) -> Result<TicketNo, ErrorCode> {
        let number = self.ids.number(id);
        if self.tickets.contains_key(&number) { Ok(number) } else { Err(ErrorCode::NoTicket) }
    }

    fn to_user(&self, key: UserKey, event: &Event<'_>, out: &mut impl Emit) {
        if let Some(conn) = self.users[key].conn {
            out.emit(conn, event);
        }
    }

    fn to_staff(&self, key: StaffKey, event: &Event<'_>, out: &mut impl Emit) {
        if let Some(conn) = self.staff[key].conn {
            out.emit(conn, event);
        }
    }
}

/// A slab with keys of its own, that can be hashed. Keys are used to find, never to order.
#[derive(Debug, Serialize, Deserialize)]
#[serde(transparent)]
struct Slots<T>(Slab<T>);

/// A place in `Slots<T>`.
trait Key<T> {
    fn place(self) -> usize;
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self(Slab::new())
    }
}

impl<T> Slots<T> {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn values(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|(_, value)| value)
    }

    fn get(&self, key: impl Key<T>) -> Option<&T> {
        self.0.get(key.place())
    }

    #[expect(clippy::cast_possible_truncation, reason = "there is no memory for 2^32 of them")]
    fn insert(&mut self, value: T) -> u32 {
        self.0.insert(value) as u32
    }

    fn remove(&mut self, key: impl Key<T>) -> Option<T> {
        self.0.try_remove(key.place())
    }
}

impl<T, K: Key<T>> std::ops::Index<K> for Slots<T> {
    type Output = T;
    fn index(&self, key: K) -> &T {
        &self.0[key.place()]
    }
}

impl<T, K: Key<T>> std::ops::IndexMut<K> for Slots<T> {
    fn index_mut(&mut self, key: K) -> &mut T {
        &mut self.0[key.place()]
    }
}

impl<T: Hash> Hash for Slots<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.len().hash(state);
        for entry in &self.0 {
            entry.hash(state);
        }
    }
}
