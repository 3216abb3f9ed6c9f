//! A desk of several processes, its nodes, joined by a log in Redis.
//!
//! State is a function of its inputs. So nodes that apply the same inputs in the same order and at the same times have the
//! same State. A node appends the inputs of its connections to the log, one entry for each turn of its loop, and applies them
//! only when it reads the entry back, in order with the entries of the other nodes. The time of an input is that of its entry.
//! Each node sends to its own connections only. So whatever a client was answered is in the log, and survives the node.
//!
//! | file | its part |
//! | --- | --- |
//! | url | the address of Redis |
//! | resp | RESP, the protocol of Redis |
//! | addresses | where its host is |
//! | socket, tls, link | one connection to Redis |
//! | wire | translates a node's commands to those of Redis, and replies to answers; has the keys and scripts |
//! | command | the commands of a node, and their answers |
//! | node | the phases of a node, and how it applies an entry |
//! | members | the nodes of the desk, according to the log |
//! | entry | the entries of the log |
//! | appends | the entries that this node appends: numbered, and sent again until they are read back |
//! | clock | the time of the log |
//! | duties | what one node does for all: snapshots, and the comparison of digests |
//! | snapshot | the stored form of a desk |
//! | retry | when to connect to Redis again |
//!
//! This file connects them to the poll. There are two connections to Redis; if one fails, both are replaced.

mod addresses;
mod appends;
mod clock;
mod command;
mod duties;
mod entry;
mod link;
mod members;
mod node;
pub mod resp;
mod retry;
mod snapshot;
mod socket;
#[cfg(test)]
mod tests;
#[cfg(feature = "tls")]
mod tls;
mod url;
mod wire;

use std::io;

use log::{info, warn};
use mio::{Registry, Token};

use self::addresses::Addresses;
use self::command::Command;
use self::link::Link;
pub(crate) use self::node::Host;
use self::node::Node;
use self::retry::Retry;
use self::snapshot::Unusable;
use self::socket::Connector;
pub use self::url::RedisUrl;
use self::wire::{Keys, Via};
use crate::config::Millis;
use crate::metrics::Page;
use crate::state::{Input, Rules, State};

/// This process as a node of its desk.
pub(crate) struct Cluster {
    node: Node,
    keys: Keys,
    url: RedisUrl,
    addresses: Addresses,
    connector: Connector,
    /// The poll, once there is one, and the tokens of the two connections in it.
    poll: Option<(Registry, [Token; 2])>,
    links: Option<[Link; 2]>,
    /// Whether the node was notified that both links are up.
    is_connected: bool,
    retry: Retry,
    has_warned: bool,
    /// The time of the last `end_turn`, for the metrics.
    now: Millis,
    /// Why this process cannot be a node.
    unusable: Option<Unusable>,
}

impl Cluster {
    /// Makes a node of the desk of this name. It connects once it is given the poll.
    ///
    /// # Errors
    /// There is no such host, or none that TLS could be spoken with.
    pub(crate) fn new(
        url: RedisUrl,
        desk: &str,
        (rules, state): (Rules, &State),
        nonce: u64,
    ) -> io::Result<Self> {
        let addresses = Addresses::look_up(|| url.look_up())?;
        Ok(Self {
            node: Node::new(rules, state, nonce)?,
            keys: Keys::of(desk),
            connector: Connector::to(&url)?,
            url,
            addresses,
            poll: None,
            links: None,
            is_connected: false,
            retry: Retry::default(),
            has_warned: false,
            now: 0,
            unusable: None,
        })
    }

    /// Takes the poll, and tokens for two sockets in it.
    pub(crate) fn attach(&mut self, registry: Registry, tokens: [Token; 2]) {
        self.poll = Some((registry, tokens));
    }

    /// Returns whether connections of clients are accepted.
    pub(crate) fn is_serving(&self) -> bool {
        self.node.is_serving()
    }

    /// Returns whether more inputs may come.
    pub(crate) fn has_capacity(&self) -> bool {
        self.node.has_capacity()
    }

    /// Takes an input. `Host::apply` is called with it once it was read back from the log.
    pub(crate) fn submit(&mut self, input: &Input<'_>) {
        self.node.submit(input);
    }

    /// Returns why the process has to end, once.
    pub(crate) fn take_unusable(&mut self) -> Option<io::Error> {
        self.unusable.take().map(io::Error::other)
    }

    /// Returns whether the process has to end.
    pub(crate) fn is_unusable(&self) -> bool {
        self.unusable.is_some()
    }

    /// Returns when `tick` has something to do.
    pub(crate) fn next_due(&self, state: &State) -> Option<Millis> {
        let retry = self.links.is_none().then_some(self.retry.at());
        let deadlines = self.links.iter().flatten().filter_map(Link::deadline);
        self.node.next_due(state).into_iter().chain(retry).chain(deadlines).min()
    }

    /// Does what is due.
    pub(crate) fn tick(&mut self, now: Millis, host: &mut impl Host) {
        if self.links.iter().flatten().filter_map(Link::deadline).any(|due| due <= now) {
            self.fail(now, &"no answer");
        }
        if self.links.is_none() && self.retry.at() <= now {
            self.connect(now);
        }
        self.node.tick(now, host);
        self.pump(now);
    }

    /// Appends the inputs of this turn.
    pub(crate) fn end_turn(&mut self, now: Millis) {
        self.now = now;
        self.node.append(now);
        self.pump(now);
    }

    /// Handles an event of the poll.
    pub(crate) fn ready(&mut self, now: Millis, token: Token, host: &mut impl Host) {
        let Some((_, tokens)) = &self.poll else { return };
        let (Some(links), Some(at)) = (&mut self.links, tokens.iter().position(|own| *own == token)) else {
            return;
        };
        let (node, unusable) = (&mut self.node, &mut self.unusable);
        let link = &mut links[at];
        let received = link.flush().and_then(|()| link.receive(now));
        let mut is_broken = false;
        // Replies that came before the connection failed are handled first: one may say why it failed.
        let handled = link.handle_replies(|request, reply| {
            match wire::answer(request, reply) {
                Some(answer) => match node.answer(now, answer, host) {
                    Ok(()) => {}
                    Err(why) => *unusable = Some(why),
                },
                None => is_broken = true,
            }
            !is_broken && unusable.is_none() && node.has_links()
        });
        if let Err(error) = handled.and(received) {
            return self.fail(now, &error);
        }
        if is_broken {
            return self.fail(now, &"a reply that does not fit its command");
        }
        if !self.is_connected && links.iter().all(Link::is_up) {
            self.is_connected = true;
            self.node.connected();
        }
        if self.node.is_serving() {
            self.retry.succeeded();
            if std::mem::take(&mut self.has_warned) {
                info!("Redis at {} is back", self.url);
            }
        }
        self.pump(now);
    }

    fn connect(&mut self, now: Millis) {
        let Some((registry, tokens)) = &self.poll else { return };
        if self.node.is_away() {
            self.addresses.refresh(now, || self.url.look_up());
        }
        let address = self.addresses.next(now);
        let open = |via: Via| {
            Link::open((&self.connector, address), &self.url, (registry, tokens[via as usize]), now)
        };
        match open(Via::Reads).and_then(|reads| Ok([reads, open(Via::Writes)?])) {
            Ok(links) => (self.links, self.is_connected) = (Some(links), false),
            Err(error) => self.fail(now, &error),
        }
    }

    /// Sends the node's commands to Redis.
    fn pump(&mut self, now: Millis) {
        for command in self.node.take_commands() {
            if command == Command::Reconnect {
                return self.drop_links(now);
            }
            let Some(links) = &mut self.links else { return };
            wire::write_command(&command, &self.keys, |via, request, parts| {
                links[via as usize].send(request, parts, now);
            });
        }
        let flushed = self.links.iter_mut().flatten().try_for_each(Link::flush);
        if let Err(error) = flushed {
            self.fail(now, &error);
        }
    }

    /// Drops the connections, and logs the reason if it is the first time.
    fn fail(&mut self, now: Millis, why: &dyn std::fmt::Display) {
        if !std::mem::replace(&mut self.has_warned, true) {
            warn!("Redis at {} is away: {why}", self.url);
        }
        self.drop_links(now);
    }

    fn drop_links(&mut self, now: Millis) {
        if let Some((registry, _)) = &self.poll {
            self.links.take().into_iter().flatten().for_each(|link| link.close(registry));
        }
        self.is_connected = false;
        self.node.disconnected();
        self.retry.failed(now);
    }

    /// Appends the metrics of the node.
    pub(crate) fn append_metrics(&self, page: &mut Page) {
        let node = &self.node;
        let mut add = |name, kind, help: &str, value: u64| {
            page.family(name, kind, help).value(value);
        };
        let number = node.number().map_or(0, |number| u64::from(number.0));
        add("deskwire_node", "gauge", "Number of this node; 0 while it has none.", number);
        add(
            "deskwire_node_serving",
            "gauge",
            "Whether this node accepts connections.",
            node.is_serving().into(),
        );
        add(
            "deskwire_node_keeper",
            "gauge",
            "Whether this node writes the snapshots.",
            node.is_keeper().into(),
        );
        add("deskwire_nodes", "gauge", "Nodes of the desk, according to this one.", node.members() as u64);
        add("deskwire_node_joins_total", "counter", "Times this process has joined its desk.", node.joins);
        add(
            "deskwire_stream_entries_total",
            "counter",
            "Entries of the stream applied.",
            node.entries_applied,
        );
        add("deskwire_stream_snapshots_total", "counter", "Snapshots stored.", node.snapshots());
        add(
            "deskwire_stream_waiting_bytes",
            "gauge",
            "Size of the inputs not yet read back from the stream.",
            node.appends().bytes() as u64,
        );
        let lag = node.appends().oldest().map_or(0, |oldest| self.now.saturating_sub(oldest));
        let help = "Time since the oldest entry not yet read back was made.";
        page.family("deskwire_stream_lag_seconds", "gauge", help)
            .value(std::time::Duration::from_millis(lag).as_secs_f64());
    }
}
