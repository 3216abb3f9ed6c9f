//! A connection to Redis: it neither blocks nor fails but by its end.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;

use mio::{Interest, Registry, Token};

use super::resp::{NoReply, Reply, append_command};
use super::socket::{Connector, Socket};
use super::url::RedisUrl;
use super::wire::{Asked, append_greeting};
use crate::config::{Millis, REDIS_ANSWER_BYTES_MAX, REDIS_ANSWER_MS};
use crate::net::retry_interrupted;

/// One recv.
const CHUNK_BYTES: usize = 64 * 1024;
/// What an emptied buffer keeps of its capacity.
const KEPT_BYTES: usize = 256 * 1024;

/// A connection, on its way or there.
pub(super) struct Link {
    socket: Socket,
    /// Replies to what the connection begins with that are yet to come.
    greetings: usize,
    is_connected: bool,
    output: Vec<u8>,
    written: usize,
    input: Vec<u8>,
    /// Bytes that the next reply needs at least.
    needed: usize,
    asked: VecDeque<Asked>,
    /// When something was heard last, or asked while nothing was to come.
    since: Millis,
}

impl Link {
    /// Begins to connect.
    pub(super) fn open(
        (connector, address): (&Connector, SocketAddr),
        url: &RedisUrl,
        (registry, token): (&Registry, Token),
        now: Millis,
    ) -> io::Result<Self> {
        let mut socket = connector.connect(address)?;
        registry.register(socket.tcp(), token, Interest::READABLE | Interest::WRITABLE)?;
        let mut output = Vec::new();
        let greetings = append_greeting(url, &mut output);
        let asked = std::iter::repeat_n(Asked::Greeting, greetings).collect();
        Ok(Self {
            socket,
            greetings,
            is_connected: false,
            output,
            written: 0,
            input: Vec::new(),
            needed: 1,
            asked,
            since: now,
        })
    }

    /// Returns whether commands may be asked.
    pub(super) fn is_up(&self) -> bool {
        self.greetings == 0
    }

    /// Returns by when it has to be heard of.
    pub(super) fn deadline(&self) -> Option<Millis> {
        (!self.asked.is_empty()).then_some(self.since + REDIS_ANSWER_MS)
    }

    /// Appends a command, which `flush` writes, and expects the reply to it.
    pub(super) fn ask(&mut self, asked: Asked, parts: &[&[u8]], now: Millis) {
        append_command(parts, &mut self.output);
        if self.asked.is_empty() {
            self.since = now;
        }
        self.asked.push_back(asked);
    }

    /// Writes what waits.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        if !self.is_connected {
            let tcp = self.socket.tcp();
            if let Some(error) = tcp.take_error()? {
                return Err(error);
            }
            match tcp.peer_addr() {
                Ok(_) => self.is_connected = true,
                Err(error) if error.kind() == ErrorKind::NotConnected => return Ok(()),
                Err(error) => return Err(error),
            }
            tcp.set_nodelay(true)?;
        }
        while self.written < self.output.len() {
            match retry_interrupted(|| self.socket.write(&self.output[self.written..])) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => self.written += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        self.output.clear();
        self.output.shrink_to(KEPT_BYTES);
        self.written = 0;
        match self.socket.flush() {
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
            _ => Ok(()),
        }
    }

    /// Reads what is there. At most one answer to a read is, and what others have asked is small.
    pub(super) fn receive(&mut self, now: Millis) -> io::Result<()> {
        while self.is_connected {
            let before = self.input.len();
            if before > REDIS_ANSWER_BYTES_MAX {
                return Err(io::Error::other("an answer beyond the limit"));
            }
            self.input.resize(before + CHUNK_BYTES, 0);
            let received = retry_interrupted(|| self.socket.read(&mut self.input[before..]));
            self.input.truncate(before + received.as_ref().copied().unwrap_or(0));
            match received {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(_) => self.since = now,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Handles each reply that is whole. `handle` stops it by `false`: then the rest is of no interest.
    pub(super) fn replies(&mut self, mut handle: impl FnMut(Asked, &Reply<'_>) -> bool) -> io::Result<()> {
        let broken = || io::Error::other("no answer to what was asked");
        let input = std::mem::take(&mut self.input);
        let mut at = 0;
        while input.len() - at >= self.needed {
            match Reply::read(&input[at..]) {
                Ok((reply, length)) => {
                    let asked = self.asked.pop_front().ok_or_else(broken)?;
                    if asked == Asked::Greeting {
                        if let Reply::Error(why) = reply {
                            return Err(io::Error::other(why.to_owned()));
                        }
                        self.greetings -= 1;
                    } else if !handle(asked, &reply) {
                        return Ok(());
                    }
                    (at, self.needed) = (at + length, 1);
                }
                Err(NoReply::Partial(needed)) => self.needed = needed,
                Err(NoReply::Broken) => return Err(broken()),
            }
        }
        self.input = input;
        self.input.drain(..at);
        self.input.shrink_to(KEPT_BYTES);
        Ok(())
    }

    /// Stops watching it.
    pub(super) fn close(mut self, registry: &Registry) {
        let _ = registry.deregister(self.socket.tcp()); // it is dropped anyway
    }
}
