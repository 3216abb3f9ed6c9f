//! The load generator's loop: many client connections on one epoll, with one write per connection and turn.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token, Waker};
use socket2::{Domain, Protocol, Socket, Type};

use crate::frame::Frame;
use crate::server::{Server, TOKEN};
use crate::ticker::Ticker;
use crate::websocket;

/// Nanoseconds since the crowd was made.
pub(crate) type Nanos = u64;
pub(crate) const SECOND: Nanos = 1_000_000_000;
/// Nothing on loopback takes this long, except the slowest peer with the maximum number of connections.
const DONE_MAX: Nanos = 120 * SECOND;
/// The longest wait for silence.
const UNREST_MAX: Nanos = 5 * SECOND;
const RECV_BYTES: usize = 256 * 1024;
const EVENTS_PER_TURN: usize = 256;
/// Addresses of ours to connect from, so that ports do not run out while closed ones are in TIME_WAIT.
const SOURCES: usize = 250;
const TICKER: Token = Token(usize::MAX);

/// Receives the events of a crowd.
pub(crate) trait Script {
    /// A frame for connection `who`, received at `at`.
    fn frame(&mut self, crowd: &mut Crowd, who: usize, at: Nanos, frame: &Frame<'_>);

    /// Called when a connection has ended: by the server's close frame with this code, or without one.
    fn gone(&mut self, _crowd: &mut Crowd, who: usize, code: Option<u16>) {
        panic!("the server closed connection {who} with {code:?}");
    }
}

/// Client connections of one process to one server.
pub(crate) struct Crowd {
    poll: Poll,
    events: Events,
    started: Instant,
    server: SocketAddr,
    members: Vec<Member>,
    /// The connections with something to write.
    unflushed: Vec<usize>,
    scratch: Vec<u8>,
    connects: usize,
    /// Pings from the server so far.
    pub(crate) pings: u64,
    ticker: Option<Ticker>,
}

struct Member {
    stream: Option<TcpStream>,
    upgraded: bool,
    /// Whether the socket takes output, as far as is known.
    writable: bool,
    is_unflushed: bool,
    output: Vec<u8>,
    /// The beginning of a frame or head.
    unread: Vec<u8>,
}

impl Crowd {
    pub(crate) fn at(server: &Server) -> Self {
        Self::to(server.address)
    }

    pub(crate) fn to(server: SocketAddr) -> Self {
        assert!(server.ip().is_loopback(), "benches stay on this machine");
        Self {
            poll: Poll::new().expect("an epoll"),
            events: Events::with_capacity(EVENTS_PER_TURN),
            started: Instant::now(),
            server,
            members: Vec::new(),
            unflushed: Vec::new(),
            scratch: vec![0; RECV_BYTES],
            connects: 0,
            pings: 0,
            ticker: None,
        }
    }

    pub(crate) fn now(&self) -> Nanos {
        self.started.elapsed().as_nanos() as Nanos
    }

    /// Ends waits this many times a second, from `start` on, for work at fixed times.
    pub(crate) fn wake_often(&mut self, start: Nanos, per_second: u64) {
        let waker = Waker::new(self.poll.registry(), TICKER).expect("an eventfd");
        let start = self.started + Duration::from_nanos(start);
        self.ticker = Some(Ticker::start(waker, start, per_second));
    }

    /// Starts a user's connection, and returns its number.
    pub(crate) fn add_user(&mut self, id: &str, session: Option<&str>) -> usize {
        let who = self.add_place();
        self.connect(who, &format!("/ws/user/{id}"), session);
        who
    }

    /// Starts a staff member's connection, and returns its number.
    pub(crate) fn add_staff(&mut self, id: &str) -> usize {
        let who = self.add_place();
        self.connect_staff(who, id);
        who
    }

    pub(crate) fn connect_user(&mut self, who: usize, id: &str, session: Option<&str>) {
        self.connect(who, &format!("/ws/user/{id}"), session);
    }

    pub(crate) fn connect_staff(&mut self, who: usize, id: &str) {
        self.connect(who, &format!("/ws/staff/{id}"), Some(TOKEN));
    }

    /// A place for a connection, without one.
    pub(crate) fn add_place(&mut self) -> usize {
        self.members.push(Member {
            stream: None,
            upgraded: false,
            writable: false,
            is_unflushed: false,
            output: Vec::new(),
            unread: Vec::new(),
        });
        self.members.len() - 1
    }

    fn connect(&mut self, who: usize, path: &str, secret: Option<&str>) {
        let mut stream = connect_from(self.connects, self.server).expect("a connection");
        self.connects += 1;
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut stream, Token(who), interest).expect("a place in the epoll");
        let member = &mut self.members[who];
        member.stream = Some(stream);
        member.upgraded = false;
        member.writable = false; // the first event says that it is connected
        member.unread.clear();
        member.output.clear();
        websocket::append_request(&mut member.output, &self.server.to_string(), path, secret);
    }

    /// Queues a text frame whose payload `write` appends.
    pub(crate) fn send_with(&mut self, who: usize, write: impl FnOnce(&mut Vec<u8>)) {
        websocket::append(&mut self.members[who].output, websocket::TEXT, write);
        self.note_unflushed(who);
    }

    /// Queues a text frame.
    pub(crate) fn send(&mut self, who: usize, json: &str) {
        self.send_with(who, |out| out.extend_from_slice(json.as_bytes()));
    }

    /// Queues a close frame (1000).
    pub(crate) fn send_close(&mut self, who: usize) {
        websocket::append(&mut self.members[who].output, websocket::CLOSE, |out| {
            out.extend_from_slice(&1000_u16.to_be_bytes());
        });
        self.note_unflushed(who);
    }

    /// Ends a connection without a close frame.
    pub(crate) fn hang_up(&mut self, who: usize) {
        self.members[who].stream = None;
    }

    /// Does one turn: writes what is queued, waits for input until `until` at the latest, and passes it on. Returns the
    /// number of events.
    pub(crate) fn turn(&mut self, script: &mut impl Script, until: Nanos) -> usize {
        self.flush();
        // An epoll waits for whole milliseconds, rounded up. A shorter wait becomes polling again and again, unless
        // there is a ticker to end the wait.
        let mut wait = Duration::from_nanos(until.saturating_sub(self.now()));
        if self.ticker.is_none() && wait < Duration::from_millis(1) {
            wait = Duration::ZERO;
        }
        match self.poll.poll(&mut self.events, Some(wait)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return 0,
            result => result.expect("the epoll"),
        }
        let events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        let mut scratch = std::mem::take(&mut self.scratch);
        let mut count = 0;
        for event in &events {
            if event.token() == TICKER {
                continue;
            }
            count += 1;
            let Token(who) = event.token();
            if event.is_writable() && !self.members[who].writable {
                self.members[who].writable = true;
                self.write(who);
            }
            if event.is_readable() || event.is_read_closed() || event.is_error() {
                self.read(script, who, &mut scratch);
            }
        }
        (self.events, self.scratch) = (events, scratch);
        count
    }

    /// Turns until `done`, which must not take long.
    pub(crate) fn run<S: Script>(&mut self, script: &mut S, what: &str, done: impl FnMut(&S) -> bool) {
        assert!(self.run_at_most(script, DONE_MAX, done), "waited in vain for {what}");
    }

    /// Turns until `done`, for this long at most. Returns whether it is done.
    pub(crate) fn run_at_most<S: Script>(
        &mut self,
        script: &mut S,
        span: Nanos,
        mut done: impl FnMut(&S) -> bool,
    ) -> bool {
        let end = self.now() + span;
        while !done(script) {
            if self.now() >= end {
                return false;
            }
            let until = self.now() + SECOND / 10;
            self.turn(script, until);
        }
        true
    }

    /// Turns until this time.
    pub(crate) fn run_to(&mut self, script: &mut impl Script, end: Nanos) {
        while self.now() < end {
            self.turn(script, end);
        }
    }

    /// Turns until nothing has come for this long. Gives up if news never end.
    pub(crate) fn run_until_quiet(&mut self, script: &mut impl Script, silence: Nanos) {
        let mut last = self.now();
        let end = last + UNREST_MAX;
        while self.now() < (last + silence).min(end) {
            if self.turn(script, last + silence) > 0 {
                last = self.now();
            }
        }
    }

    fn note_unflushed(&mut self, who: usize) {
        if !std::mem::replace(&mut self.members[who].is_unflushed, true) {
            self.unflushed.push(who);
        }
    }

    fn flush(&mut self) {
        let mut unflushed = std::mem::take(&mut self.unflushed);
        for who in unflushed.drain(..) {
            self.members[who].is_unflushed = false;
            self.write(who);
        }
        self.unflushed = unflushed;
    }

    fn write(&mut self, who: usize) {
        let member = &mut self.members[who];
        let Some(stream) = member.stream.as_mut().filter(|_| member.writable && !member.output.is_empty())
        else {
            return;
        };
        // An error shows at the next read.
        let length = stream.write(&member.output).unwrap_or(0);
        member.writable = length == member.output.len();
        member.output.drain(..length);
    }

    fn read(&mut self, script: &mut impl Script, who: usize, scratch: &mut [u8]) {
        loop {
            let Some(stream) = &mut self.members[who].stream else { return };
            let length = match stream.read(scratch) {
                Ok(0) => return self.lose(script, who, None),
                Ok(length) => length,
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                    return;
                }
                Err(_) => return self.lose(script, who, None),
            };
            let (at, connects) = (self.now(), self.connects);
            let mut unread = std::mem::take(&mut self.members[who].unread);
            if unread.is_empty() {
                let used = self.parse(script, who, at, &scratch[..length]);
                unread.extend_from_slice(&scratch[used..length]);
            } else {
                unread.extend_from_slice(&scratch[..length]);
                let used = self.parse(script, who, at, &unread);
                unread.drain(..used);
            }
            let member = &mut self.members[who];
            if member.stream.is_none() || (connects != self.connects && !member.upgraded) {
                return; // it has ended, or another one has its place
            }
            member.unread = unread;
            if length < scratch.len() {
                return;
            }
        }
    }

    /// Passes on the whole frames in `input`, and returns the number of their bytes.
    fn parse(&mut self, script: &mut impl Script, who: usize, at: Nanos, input: &[u8]) -> usize {
        let mut used = 0;
        if !self.members[who].upgraded {
            let Some(length) = websocket::answer_length(input) else { return 0 };
            self.members[who].upgraded = true;
            used = length;
        }
        while let Some((opcode, payload)) = websocket::next_frame(&input[used..]) {
            let bytes = &input[used..][payload.clone()];
            used += payload.end;
            match opcode {
                websocket::TEXT => {
                    let json = std::str::from_utf8(bytes).expect("UTF-8 in a text frame");
                    script.frame(self, who, at, &Frame::read(json));
                }
                websocket::CLOSE => {
                    let code = bytes.first_chunk().map(|code| u16::from_be_bytes(*code));
                    self.lose(script, who, code);
                    return used;
                }
                websocket::PING => {
                    self.pings += 1;
                    websocket::append(&mut self.members[who].output, websocket::PONG, |out| {
                        out.extend_from_slice(bytes);
                    });
                    self.note_unflushed(who);
                }
                websocket::PONG => {}
                opcode => panic!("opcode {opcode} from the server"),
            }
            if self.members[who].stream.is_none() || !self.members[who].upgraded {
                break;
            }
        }
        used
    }

    fn lose(&mut self, script: &mut impl Script, who: usize, code: Option<u16>) {
        self.members[who].stream = None;
        script.gone(self, who, code);
    }
}

fn connect_from(number: usize, server: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    let source = Ipv4Addr::new(127, 0, 1, 1 + (number % SOURCES) as u8);
    socket.bind(&SocketAddr::from((source, 0)).into())?;
    match socket.connect(&server.into()) {
        Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => return Err(error),
        _ => {}
    }
    Ok(TcpStream::from_std(socket.into()))
}
