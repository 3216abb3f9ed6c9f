//! A connection to Redis. Nothing in it blocks, and any error ends it.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;

use mio::{Interest, Registry, Token};

use super::resp::{NoReply, Reply, append_command};
use super::socket::{Connector, Socket};
use super::url::RedisUrl;
use super::wire::{Request, append_greeting};
use crate::config::{
    Millis, REDIS_ANSWER_BYTES_MAX, REDIS_ANSWER_MS, REDIS_BUFFER_KEPT_BYTES, REDIS_RECV_BYTES,
};
use crate::net::retry_interrupted;

/// A connection that is being made, or is there.
pub(super) struct Link {
    socket: Socket,
    /// The number of replies to the greeting that have not come yet.
    greetings: usize,
    is_connected: bool,
    output: Vec<u8>,
    written: usize,
    input: Vec<u8>,
    /// How many bytes the next reply has at least. Fewer need not be parsed.
    needed: usize,
    /// The requests without a reply, the oldest first.
    pending: VecDeque<Request>,
    /// When something was last received, or the oldest pending request was made.
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
        let pending = std::iter::repeat_n(Request::Greeting, greetings).collect();
        Ok(Self {
            socket,
            greetings,
            is_connected: false,
            output,
            written: 0,
            input: Vec::new(),
            needed: 1,
            pending,
            since: now,
        })
    }

    /// Returns whether commands may be sent.
    pub(super) fn is_up(&self) -> bool {
        self.greetings == 0
    }

    /// Returns the deadline of the next reply.
    pub(super) fn deadline(&self) -> Option<Millis> {
        (!self.pending.is_empty()).then_some(self.since + REDIS_ANSWER_MS)
    }

    /// Queues a command, which `flush` writes. A reply to it is expected.
    pub(super) fn send(&mut self, request: Request, parts: &[&[u8]], now: Millis) {
        append_command(parts, &mut self.output);
        if self.pending.is_empty() {
            self.since = now;
        }
        self.pending.push_back(request);
    }

    /// Writes the queued commands, as far as the socket takes them.
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
        self.output.shrink_to(REDIS_BUFFER_KEPT_BYTES);
        self.written = 0;
        match self.socket.flush() {
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
            _ => Ok(()),
        }
    }

    /// Receives all that is there. It is not much: at most one answer to a read is under way, and the other answers are
    /// short.
    pub(super) fn receive(&mut self, now: Millis) -> io::Result<()> {
        while self.is_connected {
            let before = self.input.len();
            if before > REDIS_ANSWER_BYTES_MAX {
                return Err(io::Error::other("an answer is too long"));
            }
            self.input.resize(before + REDIS_RECV_BYTES, 0);
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

    /// Handles each complete reply, until `handle` returns false. The rest is then dropped with the connection.
    pub(super) fn handle_replies(
        &mut self,
        mut handle: impl FnMut(Request, &Reply<'_>) -> bool,
    ) -> io::Result<()> {
        let broken = || io::Error::other("a reply that is not RESP, or that no command has asked for");
        let input = std::mem::take(&mut self.input);
        let mut at = 0;
        while input.len() - at >= self.needed {
            match Reply::read(&input[at..]) {
                Ok((reply, length)) => {
                    let request = self.pending.pop_front().ok_or_else(broken)?;
                    if request == Request::Greeting {
                        if let Reply::Error(why) = reply {
                            return Err(io::Error::other(why.to_owned()));
                        }
                        self.greetings -= 1;
                    } else if !handle(request, &reply) {
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
        self.input.shrink_to(REDIS_BUFFER_KEPT_BYTES);
        Ok(())
    }

    /// Deregisters the socket, and closes it.
    pub(super) fn close(mut self, registry: &Registry) {
        let _ = registry.deregister(self.socket.tcp()); // the socket is closed anyway
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use mio::{Events, Poll};

    use super::*;

    /// How long an answer may take, as nodes.md says.
    const ANSWER_MS: Millis = 5_000;

    /// A link to a listener of this test, and the other end of it.
    fn link() -> (Poll, Link, std::net::TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let url = RedisUrl::parse(&format!("redis://{address}")).unwrap();
        let mut poll = Poll::new().unwrap();
        let connector = Connector::to(&url).unwrap();
        let link = Link::open((&connector, address), &url, (poll.registry(), Token(0)), 0).unwrap();
        let (redis, _) = listener.accept().unwrap();
        poll.poll(&mut Events::with_capacity(1), None).unwrap(); // it can be written
        (poll, link, redis)
    }

    #[test]
    fn an_answer_is_awaited_for_five_seconds_after_the_question_or_after_the_last_that_came() {
        let (mut poll, mut link, mut redis) = link(); // it begins with a PING, at the time 0
        link.flush().unwrap();
        link.send(Request::Role, &[b"ROLE"], 3_000);
        assert_eq!(link.deadline(), Some(ANSWER_MS), "the oldest question counts");
        redis.write_all(b"+PO").unwrap();
        poll.poll(&mut Events::with_capacity(1), None).unwrap();
        link.receive(4_000).unwrap();
        assert_eq!(link.deadline(), Some(4_000 + ANSWER_MS));
        redis.write_all(b"NG\r\n+master\r\n").unwrap();
        poll.poll(&mut Events::with_capacity(1), None).unwrap();
        link.receive(5_000).unwrap();
        link.handle_replies(|_, _| true).unwrap();
        assert_eq!(link.deadline(), None, "all is answered");
        link.send(Request::Role, &[b"ROLE"], 7_000);
        assert_eq!(link.deadline(), Some(7_000 + ANSWER_MS));
    }
}
