//! A State in parts, for a journal that cannot store all of it in one turn.
//!
//! The parts are of a copy, so that the State goes on meanwhile. A copy of 10,000 tickets takes some milliseconds, a tenth of
//! what it takes to store them.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};
use std::mem::take;

use serde::{Deserialize, Serialize};

use super::digest::Fnv;
use super::owners::Owners;
use super::ticket::Ticket;
use super::ticket_ids::TicketNo;
use super::users::{User, UserKey};
use super::{Alarm, State};
use crate::config::{Millis, STATE_PART_BYTES};
use crate::ids::UserId;

/// A part of a State.
#[derive(Debug, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Part(Content);

/// What is in a part. They follow each other in this order.
#[derive(Debug, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Content {
    /// Slots of users, from the first on.
    Users(Vec<Option<User>>),
    Tickets(Vec<(TicketNo, Box<Ticket>)>),
    UsersById(BTreeMap<UserId, UserKey>),
    Owners(Owners),
    Alarms(BTreeSet<(Millis, Alarm)>),
    Abandoned(BTreeSet<(Millis, TicketNo)>),
    KnownAbsent(BTreeSet<(Millis, UserKey)>),
    /// A State that lacks the other parts.
    Rest(Box<State>),
}

impl Part {
    /// A number that is the same for the same part, on any machine.
    pub fn digest(&self) -> u64 {
        let mut hasher = Fnv::default();
        self.hash(&mut hasher);
        hasher.finish()
    }
}

/// The parts of a copy of a State.
#[derive(Debug)]
pub struct Parts {
    users: std::vec::IntoIter<Option<User>>,
    /// What is left of the copy. `None` after the last part.
    state: Option<Box<State>>,
}

impl State {
    /// Copies the State, to be taken apart.
    pub fn parts(&self) -> Parts {
        let mut state = Box::new(self.clone());
        let users: Vec<_> = take(&mut state.users).into();
        Parts { users: users.into_iter(), state: Some(state) }
    }
}

impl Iterator for Parts {
    type Item = Part;

    fn next(&mut self) -> Option<Part> {
        let mut state = self.state.take()?;
        let users = some(&mut self.users, |user| user.as_ref().map_or(0, User::text_bytes));
        let content = if !users.is_empty() {
            Content::Users(users)
        } else if state.tickets.len() > 0 {
            let tickets = std::iter::from_fn(|| state.tickets.pop_first());
            Content::Tickets(some(tickets, |(_, ticket)| ticket.conversation.text_bytes()))
        } else if !state.users_by_id.is_empty() {
            Content::UsersById(take(&mut state.users_by_id))
        } else if !state.owners.is_empty() {
            Content::Owners(take(&mut state.owners))
        } else if !state.alarms.is_empty() {
            Content::Alarms(take(&mut state.alarms))
        } else if !state.abandoned.is_empty() {
            Content::Abandoned(take(&mut state.abandoned))
        } else if !state.known_absent.is_empty() {
            Content::KnownAbsent(take(&mut state.known_absent))
        } else {
            return Some(Part(Content::Rest(state)));
        };
        self.state = Some(state);
        Some(Part(content))
    }
}

/// Takes as many as make a part.
fn some<T>(items: impl Iterator<Item = T>, text_bytes: impl Fn(&T) -> usize) -> Vec<T> {
    /// About how much a user or a ticket takes as JSON without its texts, in bytes.
    const ITEM_BYTES: usize = 500;
    let mut bytes = 0;
    let mut taken = Vec::new();
    for item in items {
        bytes += ITEM_BYTES + text_bytes(&item);
        taken.push(item);
        if bytes >= STATE_PART_BYTES {
            break;
        }
    }
    taken
}

/// A State that is put together.
#[derive(Debug, Default)]
pub struct Assembly {
    users: Vec<Option<User>>,
    tickets: Vec<(TicketNo, Box<Ticket>)>,
    users_by_id: BTreeMap<UserId, UserKey>,
    owners: Owners,
    alarms: BTreeSet<(Millis, Alarm)>,
    abandoned: BTreeSet<(Millis, TicketNo)>,
    known_absent: BTreeSet<(Millis, UserKey)>,
}

impl Assembly {
    /// Adds the next part. Returns the State with the last one.
    pub fn add(&mut self, part: Part) -> Option<State> {
        match part.0 {
            Content::Users(users) => self.users.extend(users),
            Content::Tickets(tickets) => self.tickets.extend(tickets),
            Content::UsersById(users_by_id) => self.users_by_id = users_by_id,
            Content::Owners(owners) => self.owners = owners,
            Content::Alarms(alarms) => self.alarms = alarms,
            Content::Abandoned(abandoned) => self.abandoned = abandoned,
            Content::KnownAbsent(known_absent) => self.known_absent = known_absent,
            Content::Rest(mut state) => {
                state.users = take(&mut self.users).into();
                state.tickets.extend(take(&mut self.tickets));
                state.users_by_id = take(&mut self.users_by_id);
                state.owners = take(&mut self.owners);
                state.alarms = take(&mut self.alarms);
                state.abandoned = take(&mut self.abandoned);
                state.known_absent = take(&mut self.known_absent);
                return Some(*state);
            }
        }
        None
    }
}
