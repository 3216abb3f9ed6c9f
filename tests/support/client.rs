//! A client on an open WebSocket that speaks JSON. Messages that a test does not expect yet are kept, in order.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::ops::DerefMut;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::head::{ACCEPT, Request};
use super::schema::{self, Side};
use super::wire::{self, Frame, Next, PATIENCE, Wire, op};

/// Longer than the 100 ms for which changes of the list are batched before they are sent.
const BATCH_WAIT: Duration = Duration::from_millis(130);

/// The result of one read.
#[derive(Debug)]
enum Step {
    Json(Value),
    Ping,
    Pong(Vec<u8>),
    Close(Frame),
    Gone(Next<()>),
}

/// The client of a user or a staff member, without what is specific to the role.
pub struct Peer {
    pub name: String,
    side: Side,
    wire: Wire,
    received: VecDeque<Value>,
    /// The number of the server's pings that were answered.
    pub pings: u32,
    pings_sent: u32,
}

impl Peer {
    /// Connects and upgrades. Reads nothing after the handshake.
    pub fn open(addr: SocketAddr, side: Side, name: &str, request: &Request) -> Self {
        let (wire, response) = Wire::ask(addr, request);
        assert_eq!(response.status, 101, "{name} is let in: {response:?}");
        assert_eq!(response.header("sec-websocket-accept"), Some(ACCEPT), "RFC 6455 4.2.2");
        Self::upgraded(wire, side, name)
    }

    /// Takes over a socket whose handshake is done.
    pub fn upgraded(wire: Wire, side: Side, name: &str) -> Self {
        Self { name: name.to_owned(), side, wire, received: VecDeque::new(), pings: 0, pings_sent: 0 }
    }

    pub fn send(&mut self, message: &Value) {
        self.send_text(&message.to_string());
    }

    pub fn send_text(&mut self, text: &str) {
        self.write(&wire::whole(op::TEXT, text.as_bytes()));
    }

    pub fn write(&mut self, bytes: &[u8]) {
        self.wire.write(bytes);
    }

    /// Sends many messages in one write, so that the server reads them together.
    pub fn send_all(&mut self, messages: &[Value]) {
        let frames = messages.iter().flat_map(|m| wire::whole(op::TEXT, m.to_string().as_bytes()));
        self.write(&frames.collect::<Vec<u8>>());
    }

    /// The next message of any type, in the order of arrival.
    pub fn next(&mut self) -> Value {
        match self.received.pop_front() {
            Some(message) => message,
            None => self.read_json("any message", Instant::now() + PATIENCE),
        }
    }

    /// The next message, or `None` if the server closes first.
    pub fn try_next(&mut self) -> Option<Value> {
        match self.received.pop_front() {
            Some(message) => Some(message),
            None => match self.step(Instant::now() + PATIENCE) {
                Step::Json(message) => Some(message),
                Step::Close(_) => None,
                other => panic!("{}: wanted a message or a close, got {other:?}", self.name),
            },
        }
    }

    /// The first message that has been read but not expected yet.
    pub fn try_received(&mut self) -> Option<Value> {
        self.received.pop_front()
    }

    /// The first message of this type that has not been expected yet. Others are kept.
    pub fn expect(&mut self, kind: &str) -> Value {
        self.expect_where(kind, kind, |_| true)
    }

    pub fn expect_where(&mut self, kind: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        self.expect_within(PATIENCE, kind, what, wanted)
    }

    pub fn expect_within(
        &mut self,
        limit: Duration,
        kind: &str,
        what: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> Value {
        self.matching_within(limit, what, |message| message["type"] == kind && wanted(message))
    }

    /// The first matching message that has not been expected yet. Others are kept.
    pub fn expect_matching(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        self.matching_within(PATIENCE, what, wanted)
    }

    fn matching_within(&mut self, limit: Duration, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        if let Some(at) = self.received.iter().position(&wanted) {
            return self.received.remove(at).expect("it is there");
        }
        let deadline = Instant::now() + limit;
        loop {
            let message = self.read_json(what, deadline);
            if wanted(&message) {
                return message;
            }
            self.received.push_back(message);
        }
    }

    /// Expects an `error` with this code.
    pub fn refused(&mut self, code: &str) -> Value {
        let error = self.expect("error");
        assert_eq!(error["code"], code, "{}: {error}", self.name);
        error
    }

    /// Everything that the server has sent up to now and the test has not expected yet. The pong comes after everything
    /// that was sent before, so this proves an absence without waiting.
    pub fn drain(&mut self) -> Vec<Value> {
        self.pings_sent += 1;
        let payload = format!("round trip {}", self.pings_sent).into_bytes();
        self.write(&wire::whole(op::PING, &payload));
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.step(deadline) {
                Step::Json(message) => self.received.push_back(message),
                Step::Pong(echo) if echo == payload => return self.received.drain(..).collect(),
                Step::Ping => {}
                other => panic!("{}: wanted a pong, got {other:?}", self.name),
            }
        }
    }

    /// Asserts that nothing was sent beyond what the test has expected.
    pub fn nothing_more(&mut self) {
        self.listen(BATCH_WAIT);
        let rest = self.drain();
        assert!(rest.is_empty(), "{} was sent more: {rest:#?}", self.name);
    }

    /// Like `nothing_more` for many peers, but waits for batched changes only once.
    pub fn nothing_more_for_each(peers: &mut [impl DerefMut<Target = Self>]) {
        if let [first, ..] = peers {
            first.listen(BATCH_WAIT);
        }
        for peer in peers {
            let rest = peer.drain();
            assert!(rest.is_empty(), "{} was sent more: {rest:#?}", peer.name);
        }
    }

    /// Asserts that nothing of these types was sent; other messages are dropped.
    pub fn nothing_of(&mut self, kinds: &[&str]) {
        self.listen(BATCH_WAIT);
        let rest = self.drain();
        let found = rest.iter().find(|message| kinds.iter().any(|kind| message["type"] == *kind));
        assert!(found.is_none(), "{} was sent {found:?}", self.name);
    }

    /// Reads for this long and answers pings. Messages are kept.
    pub fn listen(&mut self, time: Duration) {
        let deadline = Instant::now() + time;
        loop {
            match self.step(deadline) {
                Step::Json(message) => self.received.push_back(message),
                Step::Gone(Next::Late) => return,
                Step::Ping | Step::Pong(_) => {}
                other => panic!("{}: wanted silence, got {other:?}", self.name),
            }
        }
    }

    /// Reads until the server has sent this many pings in total. Returns false if time runs out first.
    pub fn pinged(&mut self, times: u32, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        while self.pings < times {
            match self.step(deadline) {
                Step::Json(message) => self.received.push_back(message),
                Step::Gone(Next::Late) => return false,
                Step::Ping | Step::Pong(_) => {}
                other => panic!("{}: wanted a ping, got {other:?}", self.name),
            }
        }
        true
    }

    /// Expects a close frame with this code, answers it, and expects an orderly end. Returns the reason.
    pub fn expect_close(mut self, code: u16) -> String {
        let reason = self.expect_close_frame(code);
        // The server may have closed already, so this write may fail. The end is checked by reading.
        let _ = self.wire.try_write(&wire::whole(op::CLOSE, &code.to_be_bytes()));
        self.expect_end();
        reason
    }

    /// Expects only the close frame, and does not answer it.
    pub fn expect_close_frame(&mut self, code: u16) -> String {
        self.expect_close_within(PATIENCE, code)
    }

    pub fn expect_close_within(&mut self, limit: Duration, code: u16) -> String {
        let deadline = Instant::now() + limit;
        loop {
            match self.step(deadline) {
                Step::Json(message) => self.received.push_back(message),
                Step::Ping | Step::Pong(_) => {}
                Step::Close(frame) => {
                    assert_eq!(frame.close_code(), Some(code), "{}: {frame:?}", self.name);
                    return String::from_utf8(frame.payload[2..].to_vec()).expect("a reason is UTF-8");
                }
                Step::Gone(end) => panic!("{}: wanted a close frame {code}, got {end:?}", self.name),
            }
        }
    }

    /// Expects the end of the stream: not a reset, and nothing before it.
    pub fn expect_end(mut self) {
        let end = self.step(Instant::now() + PATIENCE);
        assert!(matches!(end, Step::Gone(Next::Eof)), "{}: wanted an orderly end, got {end:?}", self.name);
    }

    /// Starts the closing handshake (RFC 6455 7.1.2), and expects the server to complete it.
    pub fn leave(self) {
        self.leave_with(1000, "");
    }

    /// Like `leave`, with a code and a reason. After our close frame the server may send nothing but its own.
    pub fn leave_with(mut self, code: u16, reason: &str) {
        self.write(&wire::whole(op::CLOSE, &wire::close_body(code, reason)));
        self.expect_close_frame(code);
        self.expect_end();
    }

    /// Breaks the connection with a reset.
    pub fn cut(self) {
        self.wire.reset();
    }

    /// Ends the connection without a close frame.
    pub fn fin(self) {
        self.wire.fin();
    }

    /// The socket underneath, for what a correct client never does.
    pub fn into_wire(self) -> Wire {
        self.wire
    }

    fn read_json(&mut self, what: &str, deadline: Instant) -> Value {
        loop {
            match self.step(deadline) {
                Step::Json(message) => return message,
                Step::Ping | Step::Pong(_) => {}
                other => {
                    panic!("{}: wanted {what}, got {other:?}; received: {:#?}", self.name, self.received)
                }
            }
        }
    }

    fn step(&mut self, deadline: Instant) -> Step {
        let frame = match self.wire.next(deadline) {
            Next::Some(frame) => frame,
            Next::Eof => return Step::Gone(Next::Eof),
            Next::Reset => return Step::Gone(Next::Reset),
            Next::Late => return Step::Gone(Next::Late),
        };
        match frame.op {
            op::TEXT => {
                assert!(frame.fin, "one JSON object per text frame");
                let message =
                    serde_json::from_str(frame.text()).unwrap_or_else(|e| panic!("{e} in {}", frame.text()));
                schema::check(self.side, &message);
                Step::Json(message)
            }
            op::PING => {
                // RFC 6455 5.5.3: a pong has the same payload as its ping.
                self.write(&wire::whole(op::PONG, &frame.payload));
                self.pings += 1;
                Step::Ping
            }
            op::PONG => Step::Pong(frame.payload),
            op::CLOSE => Step::Close(frame),
            other => panic!("{}: opcode {other} is not in the protocol", self.name),
        }
    }
}

/// The value of a field that must be a text.
pub fn text(message: &Value, field: &str) -> String {
    message[field].as_str().unwrap_or_else(|| panic!("no text {field} in {message}")).to_owned()
}

/// The value of a field that must be a whole number.
pub fn int(message: &Value, field: &str) -> u64 {
    message[field].as_u64().unwrap_or_else(|| panic!("no number {field} in {message}"))
}

/// The messages of one type, in order.
pub fn of_type(messages: &[Value], kind: &str) -> Vec<Value> {
    messages.iter().filter(|message| message["type"] == kind).cloned().collect()
}

/// A message without fields.
pub fn bare(kind: &str) -> Value {
    json!({ "type": kind })
}
