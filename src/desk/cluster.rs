//! A desk that shares its State with other nodes.

use std::collections::BTreeMap;

use log::info;
use mio::{Registry, Token};

use super::Desk;
use super::auth::AuthError;
use super::counters::Counters;
use super::writer::EventWriter;
use crate::cluster::{Cluster, Host, RedisUrl};
use crate::config::Millis;
use crate::ids::{ConnId, NodeId};
use crate::net::close::CloseReason;
use crate::outbox::Outbox;
use crate::state::{Input, Session, State};

/// What a desk needs in addition if it is one of several nodes.
pub(super) struct Shared {
    pub(super) cluster: Cluster,
    /// The number of this process in State.
    own: NodeId,
    /// The sessions of users whose connects are on their way through the log. The log has only their hashes.
    secrets: BTreeMap<ConnId, Secrets>,
}

struct Secrets {
    offered: Option<String>,
    fresh: String,
}

impl Shared {
    pub(super) fn submit(&mut self, input: &Input<'_>) {
        if let Input::UserConnects { conn, offered, fresh, .. } = input {
            let [offered, fresh] =
                [*offered, Some(*fresh)].map(|session| session.map(|s| s.plain().to_owned()));
            self.secrets.insert(*conn, Secrets { offered, fresh: fresh.unwrap_or_default() });
        }
        self.cluster.submit(input);
    }

    /// Returns the id by which the loop knows a connection, if it is one of this process.
    pub(super) fn local(&self, conn: ConnId) -> Option<ConnId> {
        conn.local_to(self.own)
    }
}

/// The parts of the desk that entries of the log change.
struct SharedDesk<'a> {
    state: &'a mut State,
    counters: &'a mut Counters,
    own: &'a mut NodeId,
    secrets: &'a mut BTreeMap<ConnId, Secrets>,
    out: &'a mut Outbox,
}

impl Host for SharedDesk<'_> {
    fn state(&self) -> &State {
        self.state
    }

    fn restore(&mut self, state: State, own: NodeId) {
        *self.state = state;
        *self.own = own;
        self.secrets.clear();
    }

    fn apply(&mut self, at: Millis, input: &Input<'_>, by: Option<NodeId>) {
        let is_others = by.is_some_and(|by| by != *self.own);
        let mut writer = EventWriter { out: self.out, counters: self.counters, node: *self.own, is_others };
        match input {
            Input::UserConnects { conn, user, offered, fresh } if !is_others => {
                let secrets = self.secrets.remove(&ConnId { node: NodeId::HERE, ..*conn });
                let plain = secrets.as_ref().and_then(|secrets| secrets.offered.as_deref());
                let offered = offered.map(|session| Session::known(session.hash(), plain));
                let plain = secrets.as_ref().map(|secrets| secrets.fresh.as_str());
                let fresh = Session::known(fresh.hash(), plain);
                let (conn, user) = (*conn, user.clone());
                self.state.apply(at, &Input::UserConnects { conn, user, offered, fresh }, &mut writer);
            }
            _ => self.state.apply(at, input, &mut writer),
        }
    }

    fn close_all(&mut self, why: CloseReason) {
        info!("closing all connections with {}: {}", why.code, why.reason);
        self.out.close_all(why);
    }
}

impl Desk {
    /// Joins the desk of this name in this Redis, as one of its nodes.
    ///
    /// # Errors
    /// There are no random bytes, or the host is unknown.
    pub fn share(&mut self, url: RedisUrl, name: &str) -> Result<(), ShareError> {
        let [nonce, _] = self.secrets.seed().map_err(ShareError::Random)?;
        let cluster =
            Cluster::new(url, name, (self.state.rules(), &self.state), nonce).map_err(ShareError::Redis)?;
        self.shared = Some(Box::new(Shared { cluster, own: NodeId::HERE, secrets: BTreeMap::new() }));
        Ok(())
    }

    /// Calls `act` with the node and the parts of the desk that it may change.
    fn with_log(&mut self, out: &mut Outbox, act: impl FnOnce(&mut Cluster, &mut SharedDesk<'_>)) {
        let Some(shared) = &mut self.shared else { return };
        let Shared { cluster, own, secrets } = &mut **shared;
        let (state, counters) = (&mut self.state, &mut self.counters);
        act(cluster, &mut SharedDesk { state, counters, own, secrets, out });
    }

    pub(super) fn attach_log(&mut self, registry: Registry, tokens: [Token; 2]) {
        if let Some(shared) = &mut self.shared {
            shared.cluster.attach(registry, tokens);
        }
    }

    pub(super) fn log_ready(&mut self, now: Millis, token: Token, out: &mut Outbox) {
        self.with_log(out, |cluster, desk| cluster.ready(now, token, desk));
    }

    pub(super) fn log_tick(&mut self, now: Millis, out: &mut Outbox) {
        self.with_log(out, |cluster, desk| cluster.tick(now, desk));
    }
}

/// Why a desk cannot be one of several nodes.
#[derive(Debug)]
pub enum ShareError {
    /// There are no random bytes.
    Random(AuthError),
    /// The host of Redis is unknown.
    Redis(std::io::Error),
}
