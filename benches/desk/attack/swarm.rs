//! Many hostile connections in one loop and one thread: they flood, read slowly or not at all, and are dropped at will.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use super::input::{Heard, Input, Received};
use super::plan::{Plan, Reading, connect_from};

/// One read or write.
const CHUNK_BYTES: usize = 64 * 1024;
const EVENTS_PER_TURN: usize = 1024;
/// The time between two looks at connections that read or write at a limited rate.
const PACE_STEP: Duration = Duration::from_millis(2);
/// A flooding connection whose socket takes nothing for this long is given up and replaced.
const STUCK: Duration = Duration::from_millis(500);

/// The news of a turn.
#[derive(Clone, Debug)]
pub(crate) enum News {
    Upgraded(usize),
    /// Another answer than 101.
    Answer(usize),
    Frame(usize, Heard),
    /// By the server: with a close frame of this code, or without one.
    Gone(usize, Option<u16>),
    /// It did not take anything for too long, and was given up.
    Stuck(usize),
}

/// Counts of what was done so far.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) connects: u64,
    pub(crate) upgrades: u64,
    pub(crate) answers: BTreeMap<String, u64>,
    pub(crate) bytes_written: u64,
    pub(crate) bytes_read: u64,
    pub(crate) closes: BTreeMap<u16, u64>,
    /// Ends without a close frame.
    pub(crate) drops: u64,
}

struct Peer {
    stream: Option<TcpStream>,
    input: Input,
    plan: Plan,
    output: Vec<u8>,
    sent: usize,
    flooded: usize,
    readable: bool,
    writable: bool,
    is_running: bool,
    code: Option<u16>,
    read_credit: f64,
    write_credit: f64,
    bytes_read: u64,
    progress: Instant,
}

pub(crate) struct Swarm {
    poll: Poll,
    events: Events,
    pub(crate) server: SocketAddr,
    peers: Vec<Peer>,
    /// Connections that may read or write more without a new event.
    running: Vec<usize>,
    /// Connections that read or flood at a limited rate, and when they were last given credit.
    paced: Vec<usize>,
    paced_at: Instant,
    stuck_at: Instant,
    scratch: Vec<u8>,
    news: Vec<News>,
    pub(crate) counts: Counts,
}

impl Swarm {
    pub(crate) fn new(server: SocketAddr) -> Self {
        Self {
            poll: Poll::new().expect("an epoll"),
            events: Events::with_capacity(EVENTS_PER_TURN),
            server,
            peers: Vec::new(),
            running: Vec::new(),
            paced: Vec::new(),
            paced_at: Instant::now(),
            stuck_at: Instant::now(),
            scratch: vec![0; CHUNK_BYTES],
            news: Vec::new(),
            counts: Counts::default(),
        }
    }

    /// Opens a connection; returns its number.
    pub(crate) fn connect(&mut self, plan: Plan) -> usize {
        let who = self.peers.len();
        self.peers.push(Peer::closed(plan.clone()));
        self.reconnect(who, plan);
        who
    }

    /// Resets this connection, and opens another one in its place.
    pub(crate) fn reconnect(&mut self, who: usize, plan: Plan) {
        let is_paced = matches!(plan.reading, Reading::BytesPerSecond(_))
            || plan.flood.as_ref().is_some_and(|flood| flood.bytes_per_second.is_some());
        if is_paced {
            self.pace(who);
        }
        self.counts.connects += 1;
        let is_running = self.peers[who].is_running;
        let mut peer = Peer { is_running, ..Peer::closed(plan) };
        peer.output = peer.plan.request.clone();
        match connect_from(self.counts.connects as usize, self.server, peer.plan.line) {
            Ok(mut stream) => {
                let interest = Interest::READABLE | Interest::WRITABLE;
                self.poll
                    .registry()
                    .register(&mut stream, Token(who), interest)
                    .expect("a place in the epoll");
                peer.stream = Some(stream);
            }
            Err(_) => self.news.push(News::Gone(who, None)), // the backlog is full, or no port is free
        }
        self.peers[who] = peer;
    }

    /// Resets a connection.
    pub(crate) fn reset(&mut self, who: usize) {
        self.peers[who].stream = None;
    }

    pub(crate) fn open_count(&self) -> usize {
        self.peers.iter().filter(|peer| peer.stream.is_some()).count()
    }

    pub(crate) fn set_reading(&mut self, who: usize, reading: Reading) {
        self.peers[who].plan.reading = reading;
        if matches!(reading, Reading::BytesPerSecond(_)) {
            self.pace(who);
        }
    }

    /// Gives a connection credit from now on, so that it reads or floods at its rate.
    fn pace(&mut self, who: usize) {
        if !self.paced.contains(&who) {
            self.paced.push(who);
        }
    }

    /// The bytes that these connections have read.
    pub(crate) fn bytes_read_by(&self, whos: &[usize]) -> u64 {
        whos.iter().map(|who| self.peers[*who].bytes_read).sum()
    }

    pub(crate) fn set_listens(&mut self, who: usize, listens: bool) {
        self.peers[who].input.listens = listens;
    }

    /// Queues bytes, which leave in one write if the socket takes them.
    pub(crate) fn send(&mut self, who: usize, bytes: &[u8]) {
        let peer = &mut self.peers[who];
        if peer.stream.is_some() {
            peer.output.extend_from_slice(bytes);
            self.run(who);
        }
    }

    /// Does one turn, which waits at most `wait`.
    pub(crate) fn turn(&mut self, wait: Duration) -> Vec<News> {
        let wait = match () {
            () if !self.running.is_empty() || !self.news.is_empty() => Duration::ZERO,
            () if !self.paced.is_empty() => wait.min(PACE_STEP),
            () => wait,
        };
        match self.poll.poll(&mut self.events, Some(wait)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => result.expect("the epoll"),
        }
        let events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        for event in &events {
            let Token(who) = event.token();
            let peer = &mut self.peers[who];
            peer.writable |= event.is_writable();
            peer.readable |= event.is_readable() || event.is_read_closed() || event.is_error();
            if event.is_error() && peer.plan.reading == Reading::Nothing {
                self.end(who);
            }
            self.run(who);
        }
        self.events = events;
        self.give_credit();
        for who in std::mem::take(&mut self.running) {
            self.peers[who].is_running = false;
            if self.read(who) | self.write(who) {
                self.run(who);
            }
        }
        self.end_stuck();
        std::mem::take(&mut self.news)
    }

    fn run(&mut self, who: usize) {
        if !std::mem::replace(&mut self.peers[who].is_running, true) {
            self.running.push(who);
        }
    }

    fn give_credit(&mut self) {
        if self.paced.is_empty() || self.paced_at.elapsed() < PACE_STEP {
            return;
        }
        let span = self.paced_at.elapsed().as_secs_f64();
        self.paced_at = Instant::now();
        for who in self.paced.clone() {
            let peer = &mut self.peers[who];
            if let Reading::BytesPerSecond(rate) = peer.plan.reading {
                peer.read_credit = (peer.read_credit + rate * span).min(CHUNK_BYTES as f64);
            }
            if let Some(rate) = peer.plan.flood.as_ref().and_then(|flood| flood.bytes_per_second) {
                peer.write_credit = (peer.write_credit + rate * span).min(CHUNK_BYTES as f64);
            }
            self.run(who);
        }
    }

    /// Reads once. Returns whether another read may bring more.
    fn read(&mut self, who: usize) -> bool {
        let peer = &mut self.peers[who];
        let most = match peer.plan.reading {
            Reading::All => CHUNK_BYTES,
            Reading::Nothing => 0,
            Reading::BytesPerSecond(_) => peer.read_credit as usize,
        };
        let Some(stream) = peer.stream.as_mut().filter(|_| peer.readable && most > 0) else { return false };
        let length = match stream.read(&mut self.scratch[..most]) {
            Ok(0) if peer.plan.is_stubborn => {
                peer.readable = false;
                return false;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                peer.readable = false;
                return false;
            }
            Ok(length) if length > 0 => length,
            _ => {
                self.end(who);
                return false;
            }
        };
        peer.read_credit = (peer.read_credit - length as f64).max(0.0);
        self.counts.bytes_read += length as u64;
        peer.bytes_read += length as u64;
        let (counts, news, code) = (&mut self.counts, &mut self.news, &mut peer.code);
        peer.input.take(&self.scratch[..length], &mut |received| match received {
            Received::Upgraded => {
                counts.upgrades += 1;
                news.push(News::Upgraded(who));
            }
            Received::Answer(status) => {
                *counts.answers.entry(status).or_default() += 1;
                news.push(News::Answer(who));
            }
            Received::Frame(heard) => news.push(News::Frame(who, heard)),
            Received::Close(number) => *code = number.or(*code),
        });
        if peer.code.is_some() && !peer.plan.is_stubborn {
            self.end(who);
            return false;
        }
        peer.plan.reading == Reading::All
    }

    /// Writes once. Returns whether the socket may take more.
    fn write(&mut self, who: usize) -> bool {
        let peer = &mut self.peers[who];
        let Some(stream) = peer.stream.as_mut().filter(|_| peer.writable) else { return false };
        let queued = peer.output.len() - peer.sent;
        let bytes = match &peer.plan.flood {
            _ if queued > 0 => &peer.output[peer.sent..][..queued.min(CHUNK_BYTES)],
            Some(flood) => {
                let most = flood
                    .bytes_per_second
                    .map_or(CHUNK_BYTES, |_| peer.write_credit as usize)
                    .min(CHUNK_BYTES);
                let rest = &flood.bytes[peer.flooded..];
                &rest[..rest.len().min(most)]
            }
            None => return false,
        };
        if bytes.is_empty() {
            return false;
        }
        match stream.write(bytes) {
            Ok(length) => {
                self.counts.bytes_written += length as u64;
                peer.progress = Instant::now();
                peer.writable = length == bytes.len();
                peer.wrote(queued > 0, length);
                peer.writable
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                peer.writable = false;
                false
            }
            Err(_) => {
                self.end(who);
                false
            }
        }
    }

    /// Handles a connection that the server has ended.
    fn end(&mut self, who: usize) {
        let peer = &mut self.peers[who];
        if peer.stream.take().is_none() {
            return;
        }
        match peer.code {
            Some(code) => *self.counts.closes.entry(code).or_default() += 1,
            None => self.counts.drops += 1,
        }
        self.news.push(News::Gone(who, peer.code));
    }

    fn end_stuck(&mut self) {
        if self.stuck_at.elapsed() < STUCK / 4 {
            return;
        }
        self.stuck_at = Instant::now();
        for (who, peer) in self.peers.iter_mut().enumerate() {
            let is_stuck = peer.plan.flood.is_some() && !peer.writable && peer.progress.elapsed() > STUCK;
            if is_stuck && peer.stream.take().is_some() {
                self.news.push(News::Stuck(who));
            }
        }
    }
}

impl Peer {
    fn closed(plan: Plan) -> Self {
        Self {
            stream: None,
            input: Input::new(plan.listens),
            plan,
            output: Vec::new(),
            sent: 0,
            flooded: 0,
            readable: false,
            writable: false, // the first event says that it is connected
            is_running: false,
            code: None,
            read_credit: 0.0,
            write_credit: 0.0,
            bytes_read: 0,
            progress: Instant::now(),
        }
    }

    fn wrote(&mut self, is_output: bool, length: usize) {
        if is_output {
            self.sent += length;
            if self.sent == self.output.len() {
                self.output.clear();
                self.sent = 0;
            }
            return;
        }
        self.write_credit = (self.write_credit - length as f64).max(0.0);
        self.flooded += length;
        if self.plan.flood.as_ref().is_some_and(|flood| self.flooded == flood.bytes.len()) {
            self.flooded = 0;
        }
    }
}
