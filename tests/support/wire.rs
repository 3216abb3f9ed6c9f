//! Hand-made RFC 6455 frames over a plain socket: a test can choose every byte, and every received one is checked.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use super::head::{Request, Response};
pub use super::websocket as op;
use super::websocket;

/// Time limit for things that should happen at once. It is generous, since only a failing test reaches it.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// A frame from the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub fin: bool,
    pub op: u8,
    pub payload: Vec<u8>,
}

impl Frame {
    /// RFC 6455 5.5.1: the first two bytes of a close frame's body, if it has one.
    pub fn close_code(&self) -> Option<u16> {
        assert_eq!(self.op, op::CLOSE, "not a close frame: {self:?}");
        self.payload.first_chunk().map(|code| u16::from_be_bytes(*code))
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.payload).expect("RFC 6455 5.6: text is UTF-8")
    }
}

/// The result of waiting for the next item from a socket.
#[derive(Debug)]
pub enum Next<T> {
    Some(T),
    /// The other side shut down its sending side in an orderly way.
    Eof,
    /// The connection was reset.
    Reset,
    /// The deadline came first.
    Late,
}

impl<T: std::fmt::Debug> Next<T> {
    pub fn unwrap(self, what: &str) -> T {
        match self {
            Next::Some(it) => it,
            other => panic!("wanted {what}, got {other:?}"),
        }
    }
}

/// A client's frame, masked as RFC 6455 5.3 requires.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    websocket::append_frame(&mut frame, first, payload, [0xA5, 0x3C, 0x5A, 0xC3]);
    frame
}

/// A whole message in one frame.
pub fn whole(opcode: u8, payload: &[u8]) -> Vec<u8> {
    frame(op::FIN | opcode, payload)
}

/// Only the header of a frame, which may announce any length.
pub fn header(first: u8, len: u64, mask: Option<[u8; 4]>) -> Vec<u8> {
    let mut header = Vec::new();
    websocket::append_header(&mut header, first, len, mask);
    header
}

/// The body of a close frame.
pub fn close_body(code: u16, reason: &str) -> Vec<u8> {
    [&code.to_be_bytes()[..], reason.as_bytes()].concat()
}

/// A socket, and the bytes that were read from it but not parsed yet.
pub struct Wire {
    stream: TcpStream,
    unread: Vec<u8>,
    at: usize,
}

impl Wire {
    pub fn connect(addr: SocketAddr) -> Self {
        Self::over(TcpStream::connect_timeout(&addr, PATIENCE).expect("the server accepts"))
    }

    fn over(stream: TcpStream) -> Self {
        stream.set_nodelay(true).expect("an open socket");
        stream.set_write_timeout(Some(PATIENCE)).expect("an open socket");
        Self { stream, unread: Vec::new(), at: 0 }
    }

    /// Connects from this local address, such as another one of 127.0.0.0/8.
    pub fn connect_from(local: IpAddr, addr: SocketAddr) -> Self {
        let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None).expect("a socket");
        socket.bind(&SocketAddr::new(local, 0).into()).expect("an address of this machine");
        socket.connect_timeout(&addr.into(), PATIENCE).expect("the server accepts");
        Self::over(socket.into())
    }

    /// Connects, sends a request head, and reads the response head.
    pub fn ask(addr: SocketAddr, request: &Request) -> (Self, Response) {
        let mut wire = Self::connect(addr);
        wire.write(&request.bytes(addr));
        let response = wire.response();
        (wire, response)
    }

    /// Sends a plain request and reads the whole response and an orderly end: the server keeps no plain connection
    /// open.
    pub fn fetch(addr: SocketAddr, request: &Request) -> (Response, Vec<u8>) {
        let (wire, response) = Self::ask(addr, request);
        (response, wire.rest())
    }

    pub fn write(&mut self, bytes: &[u8]) {
        self.try_write(bytes).expect("the server takes bytes");
    }

    /// Writes, but may fail because the server closes.
    pub fn try_write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    pub fn response(&mut self) -> Response {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(end) = self.pending().windows(4).position(|four| four == b"\r\n\r\n") {
                return Response::parse(&self.take(end + 4));
            }
            self.more(deadline).unwrap("a response head");
        }
    }

    /// All bytes up to the orderly end.
    pub fn rest(mut self) -> Vec<u8> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.more(deadline) {
                Next::Some(()) => {}
                Next::Eof => return self.pending().to_vec(),
                other => panic!("wanted an orderly end, got {other:?} after {} bytes", self.pending().len()),
            }
        }
    }

    /// The next frame, which must be one that RFC 6455 allows a server to send.
    pub fn next(&mut self, deadline: Instant) -> Next<Frame> {
        loop {
            if let Some((frame, len)) = unpack(self.pending()) {
                self.at += len;
                return Next::Some(frame);
            }
            match self.more(deadline) {
                Next::Some(()) => {}
                Next::Eof => {
                    assert!(self.pending().is_empty(), "the stream ended inside a frame");
                    return Next::Eof;
                }
                Next::Reset => return Next::Reset,
                Next::Late => return Next::Late,
            }
        }
    }

    pub fn frame(&mut self) -> Frame {
        self.next(Instant::now() + PATIENCE).unwrap("a frame")
    }

    /// The socket itself.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Ends with a FIN, without a close frame.
    pub fn fin(self) {
        // Everything is read before the socket is closed: closing with unread bytes would send a reset.
        self.stream.shutdown(Shutdown::Write).expect("an open socket");
        let deadline = Instant::now() + PATIENCE;
        let mut this = self;
        while let Next::Some(()) = this.more(deadline) {}
    }

    /// Ends with a reset. Linux sends one when a socket with unread bytes is closed, and the pong makes sure of these.
    pub fn reset(mut self) {
        self.write(&whole(op::PING, b"unread"));
        self.stream.set_read_timeout(Some(PATIENCE)).expect("an open socket");
        self.stream.peek(&mut [0]).expect("the pong arrives");
    }

    fn pending(&self) -> &[u8] {
        &self.unread[self.at..]
    }

    fn take(&mut self, len: usize) -> Vec<u8> {
        let taken = self.pending()[..len].to_vec();
        self.at += len;
        taken
    }

    /// Reads what has arrived into the buffer.
    pub fn more(&mut self, deadline: Instant) -> Next<()> {
        let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        self.stream.set_read_timeout(Some(left)).expect("an open socket");
        self.unread.drain(..std::mem::take(&mut self.at));
        let mut chunk = [0; 16 * 1024];
        loop {
            match self.stream.read(&mut chunk) {
                Ok(0) => return Next::Eof,
                Ok(len) => {
                    self.unread.extend_from_slice(&chunk[..len]);
                    return Next::Some(());
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return Next::Late;
                }
                Err(_) => return Next::Reset,
            }
        }
    }
}

/// The whole frame at the start of `bytes`, and the number of bytes it takes.
fn unpack(bytes: &[u8]) -> Option<(Frame, usize)> {
    let header = websocket::header(bytes)?;
    let (first, opcode, range) = (header.first, header.first & op::OPCODE, header.payload);
    assert_eq!(first & op::RSV, 0, "RFC 6455 5.2: RSV bits mean an extension, and none was agreed on");
    assert!(!header.is_masked, "RFC 6455 5.1: a server must not mask");
    let shortest = match range.len() {
        0..=125 => 2,
        126..=0xFFFF => 4,
        _ => 10,
    };
    assert_eq!(range.start, shortest, "RFC 6455 5.2: the minimal number of bytes encodes a length");
    let fin = first & op::FIN != 0;
    match opcode {
        op::CONTINUATION | op::TEXT | op::BINARY => {}
        op::CLOSE | op::PING | op::PONG => {
            assert!(fin && range.len() <= 125, "RFC 6455 5.5: a control frame is short and whole");
        }
        other => panic!("RFC 6455 5.2: opcode {other} is reserved"),
    }
    let (payload, end) = (bytes.get(range.clone())?.to_vec(), range.end);
    if opcode == op::CLOSE {
        assert_ne!(payload.len(), 1, "RFC 6455 5.5.1: a close code is two bytes");
        assert!(payload.len() < 2 || std::str::from_utf8(&payload[2..]).is_ok(), "a close reason is UTF-8");
    }
    Some((Frame { fin, op: opcode, payload }, end))
}
