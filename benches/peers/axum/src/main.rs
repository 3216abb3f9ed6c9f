//! deskwire's chat on axum, to compare with: the part of the protocol that the benches use, without authentication.
//! desk-on-axum PORT

use std::borrow::Cow;
use std::collections::HashMap;
use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::ws::{Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::get;
use futures_util::SinkExt;
use futures_util::stream::{SplitSink, StreamExt};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::net::TcpSocket;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

const SUBPROTOCOL: &str = "deskwire.v1";
const MESSAGE_BYTES_MAX: usize = 16 * 1024;
/// tungstenite's own 128 KiB for each connection cost time as well as memory.
const READ_BUFFER_BYTES: usize = 4 * 1024;
/// As many frames as a writer gathers for one write.
const GATHERED_MAX: usize = 64;

/// Whatever a client may send; which fields it needs is seen by the type.
#[derive(Deserialize)]
struct Incoming<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    ticket_id: Option<Cow<'a, str>>,
    id: Option<u64>,
    #[serde(borrow)]
    text: Option<Cow<'a, str>>,
    #[serde(borrow)]
    subject: Option<Cow<'a, str>>,
    seq: Option<u64>,
}

#[derive(Serialize)]
struct Chat<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    ticket_id: &'a str,
    seq: u64,
    from: &'static str,
    sender_id: &'a str,
    id: u64,
    text: &'a str,
    at: u64,
}

#[derive(Serialize)]
struct Ack<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    ticket_id: &'a str,
    id: u64,
    seq: u64,
    at: u64,
}

#[derive(Serialize)]
struct View<'a> {
    ticket_id: &'a str,
    user_id: &'a str,
    subject: &'a str,
    state: &'static str,
    staff_id: Option<&'a str>,
    user_online: bool,
    created_at: u64,
}

/// Somebody connected, as the others see them: a queue that a task of theirs writes to the socket.
struct Peer {
    id: String,
    frames: UnboundedSender<Utf8Bytes>,
}

impl Peer {
    fn send(&self, frame: &impl Serialize) {
        self.send_encoded(encode(frame));
    }

    fn send_encoded(&self, frame: Utf8Bytes) {
        let _ = self.frames.send(frame); // whoever has left needs it no more
    }

    fn refuse(&self, code: &str, frame: &Incoming<'_>) {
        let (id, ticket_id) = (frame.id, frame.ticket_id.as_deref());
        self.send(&json!({"type": "error", "code": code, "message": code, "id": id, "ticket_id": ticket_id}));
    }
}

struct Ticket {
    id: String,
    user: Arc<Peer>,
    subject: String,
    created_at: u64,
    staff: Option<Arc<Peer>>,
    last_seq: u64,
    last_staff_id: u64,
}

impl Ticket {
    fn view(&self) -> View<'_> {
        View {
            ticket_id: &self.id,
            user_id: &self.user.id,
            subject: &self.subject,
            state: if self.staff.is_some() { "active" } else { "waiting" },
            staff_id: self.staff.as_ref().map(|staff| staff.id.as_str()),
            user_online: !self.user.frames.is_closed(),
            created_at: self.created_at,
        }
    }

    fn relay(&mut self, from: &'static str, id: u64, text: &str) {
        let Some(staff) = &self.staff else { return };
        let (sender, receiver) = if from == "user" { (&self.user, staff) } else { (staff, &self.user) };
        self.last_seq += 1;
        let (ticket_id, seq, at) = (&self.id, self.last_seq, now());
        receiver.send(&Chat { kind: "message", ticket_id, seq, from, sender_id: &sender.id, id, text, at });
        sender.send(&Ack { kind: "ack", ticket_id, id, seq, at });
    }
}

#[derive(Default)]
struct Desk {
    staff: HashMap<String, Arc<Peer>>,
    online: Vec<String>,
    tickets: HashMap<String, Ticket>,
    /// The ticket of each user.
    ticket_of: HashMap<String, String>,
    ticket_count: u64,
}

impl Desk {
    fn tell_staff(&self, frame: &impl Serialize) {
        let frame = encode(frame);
        self.staff.values().for_each(|member| member.send_encoded(frame.clone()));
    }

    fn ticket_of(&mut self, user: &Peer) -> Option<&mut Ticket> {
        self.tickets.get_mut(self.ticket_of.get(&user.id)?)
    }

    fn close_ticket(&mut self, user: &Peer) -> bool {
        let Some(ticket) = self.ticket_of.remove(&user.id).and_then(|id| self.tickets.remove(&id)) else {
            return false;
        };
        let closed = json!({"type": "ticket_closed", "ticket_id": ticket.id, "by": "user", "at": now()});
        user.send(&closed);
        if let Some(staff) = &ticket.staff {
            staff.send(&closed);
        }
        self.tell_staff(&json!({"type": "ticket_removed", "ticket_id": ticket.id}));
        true
    }

    fn user_says(&mut self, user: &Arc<Peer>, frame: &Incoming<'_>) {
        match (&*frame.kind, frame.id, &frame.text, &frame.subject, frame.seq) {
            ("message", Some(id), Some(text), ..) => match self.ticket_of(user) {
                None => user.refuse("no_ticket", frame),
                Some(ticket) if ticket.staff.is_none() => user.refuse("staff_offline", frame),
                Some(ticket) => ticket.relay("user", id, text),
            },
            ("delivered", _, _, _, Some(seq)) => {
                if let Some(ticket) = self.ticket_of(user)
                    && let Some(staff) = &ticket.staff
                {
                    let ticket_id = &ticket.id;
                    staff
                        .send(&json!({"type": "delivered", "ticket_id": ticket_id, "seq": seq, "at": now()}));
                }
            }
            ("create_ticket", _, _, Some(_), _) if self.ticket_of.contains_key(&user.id) => {
                user.refuse("ticket_exists", frame);
            }
            ("create_ticket", _, _, Some(subject), _) => {
                self.ticket_count += 1;
                let ticket = Ticket {
                    id: format!("T{}", self.ticket_count),
                    user: user.clone(),
                    subject: subject.to_string(),
                    created_at: now(),
                    staff: None,
                    last_seq: 0,
                    last_staff_id: 0,
                };
                let (id, at) = (&ticket.id, ticket.created_at);
                user.send(&json!({"type": "ticket_created", "ticket_id": id, "subject": subject, "at": at}));
                self.tell_staff(&json!({"type": "ticket_added", "ticket": ticket.view()}));
                self.ticket_of.insert(user.id.clone(), ticket.id.clone());
                self.tickets.insert(ticket.id.clone(), ticket);
            }
            ("close_ticket", ..) => {
                if !self.close_ticket(user) {
                    user.refuse("no_ticket", frame);
                }
            }
            _ => user.refuse("bad_message", frame),
        }
    }

    fn staff_says(&mut self, member: &Arc<Peer>, frame: &Incoming<'_>) {
        if frame.kind == "go_online" {
            if !self.online.contains(&member.id) {
                self.online.push(member.id.clone());
            }
            return member.send(&json!({"type": "presence", "online": true}));
        }
        let ticket = frame.ticket_id.as_deref().and_then(|id| self.tickets.get_mut(id));
        let Some(ticket) = ticket else { return member.refuse("no_ticket", frame) };
        let is_theirs = ticket.staff.as_ref().is_some_and(|staff| Arc::ptr_eq(staff, member));
        match (&*frame.kind, frame.id, &frame.text, frame.seq) {
            ("message", Some(id), Some(text), _) if is_theirs => {
                ticket.last_staff_id = id;
                ticket.relay("staff", id, text);
            }
            ("message", ..) => member.refuse("not_yours", frame),
            ("delivered", _, _, Some(seq)) if is_theirs => {
                let ticket_id = &ticket.id;
                ticket
                    .user
                    .send(&json!({"type": "delivered", "ticket_id": ticket_id, "seq": seq, "at": now()}));
            }
            ("pick_ticket", ..) if !self.online.contains(&member.id) => {
                member.refuse("you_are_offline", frame)
            }
            ("pick_ticket", ..) if ticket.staff.is_some() => member.refuse("ticket_taken", frame),
            ("pick_ticket", ..) => {
                ticket.staff = Some(member.clone());
                let at = now();
                member.send(&json!({
                    "type": "ticket_picked",
                    "ticket_id": ticket.id,
                    "user_id": ticket.user.id,
                    "subject": ticket.subject,
                    "last_seq": ticket.last_seq,
                    "last_id": ticket.last_staff_id,
                    "at": at,
                }));
                let (id, staff_id) = (&ticket.id, &member.id);
                ticket
                    .user
                    .send(&json!({"type": "staff_joined", "ticket_id": id, "staff_id": staff_id, "at": at}));
                let updated = json!({"type": "ticket_updated", "ticket": ticket.view()});
                self.tell_staff(&updated);
            }
            _ => member.refuse("bad_message", frame),
        }
    }
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Desk>>);

impl Shared {
    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn encode(frame: &impl Serialize) -> Utf8Bytes {
    serde_json::to_string(frame).expect("plain data").into()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64
}

async fn connect(
    ws: WebSocketUpgrade,
    Path((role, id)): Path<(String, String)>,
    State(desk): State<Shared>,
) -> Response {
    ws.protocols([SUBPROTOCOL])
        .max_message_size(MESSAGE_BYTES_MAX)
        .read_buffer_size(READ_BUFFER_BYTES)
        .on_upgrade(move |socket| serve(socket, role == "staff", id, desk))
}

async fn serve(socket: WebSocket, is_staff: bool, id: String, shared: Shared) {
    let (sink, mut stream) = socket.split();
    let (frames, queue) = unbounded_channel();
    let peer = Arc::new(Peer { id, frames });
    tokio::spawn(write(sink, queue));
    if is_staff {
        let mut desk = shared.desk();
        desk.staff.insert(peer.id.clone(), peer.clone());
        let tickets: Vec<_> = desk.tickets.values().map(Ticket::view).collect();
        peer.send(&json!({
            "type": "welcome", "protocol": 1, "role": "staff", "staff_id": peer.id, "online": false, "now": now(),
            "tickets": tickets, "more": 0, "staff": desk.online,
        }));
    } else {
        let desk_online = !shared.desk().staff.is_empty();
        peer.send(&json!({
            "type": "welcome", "protocol": 1, "role": "user", "user_id": peer.id, "session": "0".repeat(32),
            "resumed": false, "now": now(), "desk_online": desk_online, "ticket": null, "ended": null,
        }));
    }
    while let Some(Ok(message)) = stream.next().await {
        let Message::Text(text) = message else { continue };
        match serde_json::from_str::<Incoming<'_>>(&text) {
            Ok(frame) if is_staff => shared.desk().staff_says(&peer, &frame),
            Ok(frame) => shared.desk().user_says(&peer, &frame),
            Err(_) => peer.send(&json!({"type": "error", "code": "bad_message", "message": "not a frame"})),
        }
    }
    let mut desk = shared.desk();
    if is_staff {
        desk.staff.remove(&peer.id);
        desk.online.retain(|id| *id != peer.id);
    } else {
        desk.close_ticket(&peer);
    }
}

/// Gathers what is queued, and flushes when there is nothing more.
async fn write(mut sink: SplitSink<WebSocket, Message>, mut queue: UnboundedReceiver<Utf8Bytes>) {
    let mut gathered = Vec::new();
    while queue.recv_many(&mut gathered, GATHERED_MAX).await > 0 {
        for frame in gathered.drain(..) {
            if sink.feed(Message::Text(frame)).await.is_err() {
                return;
            }
        }
        if sink.flush().await.is_err() {
            return;
        }
    }
}

/// One thread, as there is one core for it.
fn main() -> io::Result<()> {
    let port = std::env::args().nth(1).and_then(|port| port.parse().ok());
    let port: u16 = port.ok_or_else(|| io::Error::other("desk-on-axum PORT"))?;
    let app = Router::new().route("/ws/{role}/{id}", get(connect)).with_state(Shared::default());
    tokio::runtime::Builder::new_current_thread().enable_io().build()?.block_on(async {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.set_nodelay(true)?; // inherited by what is accepted, on Linux
        socket.bind((Ipv4Addr::LOCALHOST, port).into())?;
        axum::serve(socket.listen(4096)?, app).await
    })
}
