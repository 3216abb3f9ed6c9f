//! A desk of several processes, its nodes, joined by a log in Redis.
//!
//! State is a function of its inputs, so that nodes that apply the same inputs in the same order, at the same times, are one
//! desk. A node appends what its connections want to a stream of Redis, all of a turn at once, and applies nothing of it before
//! it reads it back, between the inputs of the others. The time of an input is that of its entry. Each node writes to its own
//! connections alone. So what was answered is in the log, and survives the node.
//!
//! | file | its part |
//! | --- | --- |
//! | url | where Redis is |
//! | resp | the protocol of Redis |
//! | socket, tls, link | one connection to it |
//! | wire | a node's commands and answers as those of Redis; the keys and scripts |
//! | command | what a node asks, and is answered |
//! | node | a node's life, and what it makes of an entry |
//! | members | the nodes that are there, as the log has them |
//! | entry | what is in the log |
//! | appends | what this node appends: numbered, and sent again until it is read back |
//! | clock | the time of the log |
//! | duties | what one node does for all: snapshots, and the comparison of digests |
//! | snapshot | a desk as it is stored |
//!
//! This file joins them to the poll: two connections, and when there are new ones. Both go together.

mod appends;
mod clock;
mod command;
mod duties;
mod entry;
mod link;
mod members;
mod node;
pub mod resp;
mod snapshot;
mod socket;
#[cfg(test)]
mod tests;
#[cfg(feature = "tls")]
mod tls;
mod url;
mod wire;

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};

use log::{info, warn};
use mio::{Registry, Token};

use self::command::Command;
use self::link::Link;
pub(crate) use self::node::Host;
use self::node::Node;
use self::snapshot::Unusable;
use self::socket::Connector;
pub use self::url::RedisUrl;
use self::wire::{Keys, Via};
use crate::config::{Millis, REDIS_RETRY_MS, REDIS_RETRY_MS_MAX};
use crate::metrics::Page;
use crate::state::{Input, Rules, State};

/// This process as a node of its desk.
pub struct Cluster {
    node: Node,
    keys: Keys,
    url: RedisUrl,
    addresses: Vec<SocketAddr>,
    connector: Connector,
    /// The poll, once there is one, and the names of the two connections in it.
    poll: Option<(Registry, [Token; 2])>,
    links: Option<[Link; 2]>,
    /// Whether the node knows of them.
    is_connected: bool,
    tries: usize,
    retry_at: Millis,
    retry_ms: Millis,
    has_warned: bool,
    /// When the last turn has ended.
    now: Millis,
    /// Why this process cannot be a node.
    unusable: Option<Unusable>,
}

impl Cluster {
    /// Makes a node of the desk of this name. It connects once it is given the poll. The name of the host is looked up here, and
    /// not again: that would block.
    ///
    /// # Errors
    /// There is no such host, or none that TLS could be spoken with.
    pub fn new(url: RedisUrl, desk: &str, (rules, state): (Rules, &State), nonce: u64) -> io::Result<Self> {
        let addresses: Vec<SocketAddr> = (url.host.as_str(), url.port).to_socket_addrs()?.collect();
        if addresses.is_empty() {
            return Err(io::Error::other("this host has no address"));
        }
        Ok(Self {
            node: Node::new(rules, state, nonce)?,
            keys: Keys::of(desk),
            connector: Connector::to(&url)?,
            url,
            addresses,
            poll: None,
            links: None,
            is_connected: false,
            tries: 0,
            retry_at: 0,
            retry_ms: REDIS_RETRY_MS,
            has_warned: false,
            now: 0,
            unusable: None,
        })
    }

    /// Takes the poll, and names for two sockets in it.
    pub(crate) fn attach(&mut self, registry: Registry, tokens: [Token; 2]) {
        self.poll = Some((registry, tokens));
    }

    /// Returns whether connections are let in.
    pub(crate) fn is_serving(&self) -> bool {
        self.node.is_serving()
    }

    /// Returns whether more inputs may come.
    pub(crate) fn has_capacity(&self) -> bool {
        self.node.has_capacity()
    }

    /// Takes an input. It comes back by `Host::apply`.
    pub(crate) fn submit(&mut self, input: &Input<'_>) {
        self.node.submit(input);
    }

    /// Returns why the process cannot go on, once.
    pub(crate) fn take_unusable(&mut self) -> Option<io::Error> {
        self.unusable.take().map(io::Error::other)
    }

    /// Returns whether there is such a reason.
    pub(crate) fn is_unusable(&self) -> bool {
        self.unusable.is_some()
    }

    /// Returns when `tick` has something to do.
    pub(crate) fn next_due(&self, state: &State) -> Option<Millis> {
        let retry = self.links.is_none().then_some(self.retry_at);
        let deadlines = self.links.iter().flatten().filter_map(Link::deadline);
        self.node.next_due(state).into_iter().chain(retry).chain(deadlines).min()
    }

    /// Does what is due.
    pub(crate) fn tick(&mut self, now: Millis, host: &mut impl Host) {
        if self.links.iter().flatten().filter_map(Link::deadline).any(|due| due <= now) {
            self.lose(now, &"no answer");
        }
        if self.links.is_none() && self.retry_at <= now {
            self.connect(now);
        }
        self.node.tick(now, host);
        self.pump(now);
    }

    /// Sends what has come in this turn.
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
        // What came before an end still counts: it may say why.
        let handled = link.replies(|asked, reply| {
            match wire::answer(asked, reply) {
                Some(answer) => match node.answer(now, answer, host) {
                    Ok(()) => {}
                    Err(why) => *unusable = Some(why),
                },
                None => is_broken = true,
            }
            !is_broken && unusable.is_none() && node.has_links()
        });
        if let Err(error) = handled.and(received) {
            return self.lose(now, &error);
        }
        if is_broken {
            return self.lose(now, &"an answer to another question");
        }
        if !self.is_connected && links.iter().all(Link::is_up) {
            self.is_connected = true;
            self.node.connected();
        }
        if self.node.is_serving() {
            self.retry_ms = REDIS_RETRY_MS;
            if std::mem::take(&mut self.has_warned) {
                info!("Redis at {} is back", self.url);
            }
        }
        self.pump(now);
    }

    fn connect(&mut self, now: Millis) {
        let Some((registry, tokens)) = &self.poll else { return };
        let address = self.addresses[self.tries % self.addresses.len()];
        self.tries += 1;
        let open = |via: Via| {
            Link::open((&self.connector, address), &self.url, (registry, tokens[via as usize]), now)
        };
        match open(Via::Reads).and_then(|reads| Ok([reads, open(Via::Writes)?])) {
            Ok(links) => (self.links, self.is_connected) = (Some(links), false),
            Err(error) => self.lose(now, &error),
        }
    }

    /// Passes on the node's commands, and writes.
    fn pump(&mut self, now: Millis) {
        for command in self.node.take_commands() {
            if command == Command::Reconnect {
                return self.drop_links(now);
            }
            let Some(links) = &mut self.links else { return };
            wire::write_command(&command, &self.keys, |via, asked, parts| {
                links[via as usize].ask(asked, parts, now);
            });
        }
        let flushed = self.links.iter_mut().flatten().try_for_each(Link::flush);
        if let Err(error) = flushed {
            self.lose(now, &error);
        }
    }

    /// Notes that Redis is away, and says it once.
    fn lose(&mut self, now: Millis, why: &dyn std::fmt::Display) {
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
        self.retry_at = now + self.retry_ms;
        self.retry_ms = (2 * self.retry_ms).min(REDIS_RETRY_MS_MAX);
    }

    /// Appends what it counts.
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
            "Whether this node lets connections in.",
            node.is_serving().into(),
        );
        add(
            "deskwire_node_keeper",
            "gauge",
            "Whether this node writes the snapshots.",
            node.is_keeper().into(),
        );
        add("deskwire_nodes", "gauge", "Nodes of the desk, as this one knows them.", node.members() as u64);
        add(
            "deskwire_node_joins_total",
            "counter",
            "Times that this process has joined its desk.",
            node.joins,
        );
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
            "Inputs not read back from the stream.",
            node.appends().bytes() as u64,
        );
        let lag = node.appends().oldest().map_or(0, |oldest| self.now.saturating_sub(oldest));
        let help = "Time for which the oldest of these waits.";
        page.family("deskwire_stream_lag_seconds", "gauge", help)
            .value(std::time::Duration::from_millis(lag).as_secs_f64());
    }
}
