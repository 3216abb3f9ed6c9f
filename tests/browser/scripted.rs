//! A desk whose frames a test sends itself. Plain requests are forwarded to a real desk, so that it can serve a page
//! as well.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use serde_json::{Value, json};
use tungstenite::handshake::server::{Request, Response};
use tungstenite::protocol::CloseFrame;
use tungstenite::{Message, WebSocket};

use crate::page::TIMEOUT;
use crate::setup::Kind;

pub struct ScriptedDesk {
    pub addr: SocketAddr,
    connections: Receiver<Connection>,
}

impl ScriptedDesk {
    pub fn beside(real: SocketAddr) -> Self {
        let (sender, connections) = channel();
        let addr = listen(move |head, stream| {
            if head.is_upgrade() {
                if let Some(connection) = Connection::accept(head, stream) {
                    let _ = sender.send(connection); // nobody may wait for it any more
                }
            } else {
                head.forward(stream, real);
            }
        });
        Self { addr, connections }
    }

    /// Waits for the next page that connects.
    #[track_caller]
    pub fn accept(&self) -> Connection {
        self.connections.recv_timeout(TIMEOUT).expect("a page connects")
    }

    /// Asserts that nobody else has connected.
    #[track_caller]
    pub fn nobody_came(&self) {
        assert!(self.connections.try_recv().is_err(), "nobody should have connected");
    }

    /// Sends these frames to each page that connects, and ignores what it sends.
    pub fn always_sending(real: SocketAddr, frames: Vec<Value>) -> SocketAddr {
        let desk = Self::beside(real);
        let addr = desk.addr;
        thread::spawn(move || {
            for mut connection in desk.connections {
                let frames = frames.clone();
                thread::spawn(move || {
                    for frame in &frames {
                        let _ = connection.socket.send(frame.to_string().into());
                    }
                    while connection.socket.read().is_ok() {} // until the page leaves
                });
            }
        });
        addr
    }
}

/// A reverse proxy that serves a desk under a path, and 404 for all other paths.
pub fn under_path(path: &'static str, real: SocketAddr) -> SocketAddr {
    listen(move |mut head, mut stream| {
        let inside = head.text.replacen(&format!(" {path}/"), " /", 1);
        if inside == head.text {
            let _ =
                stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            return;
        }
        head.text = inside;
        head.forward(stream, real);
    })
}

/// Calls `serve` with each connection, in a thread of its own.
fn listen(serve: impl Fn(Head, TcpStream) + Clone + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = listener.local_addr().expect("it is bound");
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let serve = serve.clone();
            thread::spawn(move || {
                // A connection that the browser opened in advance may never ask for anything.
                if let Ok(head) = Head::read(&mut stream) {
                    serve(head, stream);
                }
            });
        }
    });
    addr
}

/// The head of a request, as it came.
struct Head {
    text: String,
}

impl Head {
    fn read(stream: &mut TcpStream) -> io::Result<Self> {
        let mut bytes = Vec::new();
        while !bytes.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            bytes.push(byte[0]);
        }
        Ok(Self { text: String::from_utf8_lossy(&bytes).into_owned() })
    }

    fn is_upgrade(&self) -> bool {
        self.text.to_ascii_lowercase().contains("upgrade: websocket")
    }

    /// Forwards one plain request a connection, so that each is seen. An upgraded connection stays until one side closes.
    fn forward(self, mut page: TcpStream, real: SocketAddr) {
        let Ok(mut desk) = TcpStream::connect(real) else { return };
        let head = self.text.replace("Connection: keep-alive", "Connection: close");
        if desk.write_all(head.as_bytes()).is_err() {
            return;
        }
        let (mut from_page, mut to_desk) = (twin(&page), twin(&desk));
        thread::spawn(move || {
            let _ = io::copy(&mut from_page, &mut to_desk);
            let _ = to_desk.shutdown(Shutdown::Write);
        });
        let _ = io::copy(&mut desk, &mut page);
        let _ = page.shutdown(Shutdown::Both);
    }
}

fn twin(stream: &TcpStream) -> TcpStream {
    stream.try_clone().expect("descriptors enough")
}

/// A stream whose first bytes have been read already.
struct Reread {
    first: io::Cursor<Vec<u8>>,
    stream: TcpStream,
}

impl Read for Reread {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.first.read(buffer)? {
            0 => self.stream.read(buffer),
            n => Ok(n),
        }
    }
}

impl Write for Reread {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// A page that has connected.
pub struct Connection {
    pub path: String,
    /// The subprotocols that it offered. A secret is among them.
    pub offered: String,
    socket: WebSocket<Reread>,
    unclaimed: VecDeque<Value>,
}

/// The ticket of every scripted chat, and who takes part in it.
pub const TICKET: &str = "t-1";

impl Connection {
    #[allow(clippy::result_large_err, reason = "tungstenite's own type of callback")]
    fn accept(head: Head, stream: TcpStream) -> Option<Self> {
        stream.set_read_timeout(Some(TIMEOUT)).expect("a time-out that is not zero");
        let (mut path, mut offered) = (String::new(), String::new());
        let look = |request: &Request, mut response: Response| {
            request.uri().path().clone_into(&mut path);
            let value = request.headers().get("Sec-WebSocket-Protocol");
            offered = value.and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
            response.headers_mut().insert("Sec-WebSocket-Protocol", "deskwire.v1".parse().expect("a token"));
            Ok(response)
        };
        let first = io::Cursor::new(head.text.into_bytes());
        let socket = tungstenite::accept_hdr(Reread { first, stream }, look).ok()?;
        Some(Self { path, offered, socket, unclaimed: VecDeque::new() })
    }

    pub fn send(&mut self, frame: &Value) {
        self.socket.send(frame.to_string().into()).expect("the page is connected");
    }

    /// Waits for the next frame of any type.
    #[track_caller]
    pub fn next(&mut self) -> Value {
        if let Some(frame) = self.unclaimed.pop_front() {
            return frame;
        }
        loop {
            match self.socket.read().expect("the page says something") {
                Message::Text(text) => return serde_json::from_str(&text).expect("JSON"),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("wanted a frame, got {other:?}"),
            }
        }
    }

    /// Waits for the next frame of this type. Keeps the others, except for `typing`, and answers a `ping`.
    #[track_caller]
    pub fn expect(&mut self, kind: &str) -> Value {
        let mut passed = VecDeque::new();
        let found = loop {
            let frame = self.next();
            if frame["type"] == kind {
                break frame;
            }
            match frame["type"].as_str() {
                Some("ping") => self.send(&json!({ "type": "pong", "now": 1000 })),
                Some("typing") => {}
                _ => passed.push_back(frame),
            }
        };
        passed.append(&mut self.unclaimed);
        self.unclaimed = passed;
        found
    }

    /// Waits for a message with this text. Returns its id.
    #[track_caller]
    pub fn expect_message(&mut self, text: &str) -> Value {
        let message = self.expect("message");
        assert_eq!(message["text"], text);
        message["id"].clone()
    }

    pub fn ack(&mut self, id: &Value, seq: u64) {
        self.send(&json!({ "type": "ack", "ticket_id": TICKET, "id": id, "seq": seq, "at": 1000 }));
    }

    pub fn delivered(&mut self, seq: u64) {
        self.send(&json!({ "type": "delivered", "ticket_id": TICKET, "seq": seq, "at": 1000 }));
    }

    /// Refuses a frame. `id` is null if it had none.
    pub fn refuse(&mut self, id: &Value, code: &str) {
        let mut error = json!({ "type": "error", "code": code, "message": code, "ticket_id": TICKET });
        if !id.is_null() {
            error["id"] = id.clone();
        }
        self.send(&error);
    }

    pub fn close(mut self, code: u16) {
        let frame = CloseFrame { code: code.into(), reason: "".into() };
        self.socket.close(Some(frame)).expect("the page is connected");
        while self.socket.read().is_ok() {} // until the page has answered
    }

    pub fn welcome(&mut self, kind: Kind, ticket: Option<Value>) {
        let ticket = ticket.unwrap_or(Value::Null);
        let tickets = if ticket.is_null() { json!([]) } else { json!([ticket]) };
        self.send(&match kind {
            Kind::User => json!({ "type": "welcome", "protocol": 1, "role": "user", "user_id": "alice",
                "session": "a-session", "resumed": false, "now": 1000, "desk_online": true, "ticket": ticket, "ended": null }),
            Kind::Staff => json!({ "type": "welcome", "protocol": 1, "role": "staff", "staff_id": "sam", "online": false,
                "now": 1000, "max_chats": 5, "assign": "manual", "tickets": tickets, "more": 0, "staff": [] }),
        });
    }

    /// Welcomes the page and brings it into a chat.
    pub fn welcome_to_chat(&mut self, kind: Kind, last_id: u64, last_seq: u64) {
        self.welcome(kind, Some(ticket("active", last_id, last_seq)));
        if kind == Kind::Staff {
            self.send(&json!({ "type": "presence", "online": true }));
            self.picked(last_id, last_seq);
        }
    }

    pub fn picked(&mut self, last_id: u64, last_seq: u64) {
        self.send(&json!({ "type": "ticket_picked", "ticket_id": TICKET, "user_id": "alice", "subject": "the printer",
            "last_seq": last_seq, "last_id": last_id, "delivered_seq": 0, "at": 1000, "auto": true, "from_staff": null,
            "note": null }));
    }
}

/// Returns the ticket as it is in the user's welcome and on the staff's board.
pub fn ticket(state: &str, last_id: u64, last_seq: u64) -> Value {
    let staff = if state == "waiting" { Value::Null } else { "sam".into() };
    json!({ "ticket_id": TICKET, "user_id": "alice", "subject": "the printer", "state": state, "staff_id": staff,
        "user_online": true, "created_at": 1000, "last_seq": last_seq, "last_id": last_id, "delivered_seq": 0 })
}
