//! The script's part on the hub: connections are buffers, and everything else is as it is in the server.

use std::cell::RefCell;
use std::io::{self, ErrorKind, Read, Write};
use std::net::Ipv4Addr;
use std::rc::Rc;

use deskwire::config::{Limits, Millis};
use deskwire::desk::Desk;
use deskwire::desk::auth::{SecretSource, StaffTokens};
use deskwire::hub::Hub;
use deskwire::net::connection::Stream;
use deskwire::net::input::Readiness;

use crate::frame::Frame;
use crate::script::{NOTICE_MS, NOW, RULES, SUBJECT, Scene, TEXT};
use crate::server::TOKEN;
use crate::websocket;

/// Both directions of a connection. The buffers are large enough from the start, so that what is allocated is the hub's.
struct Pipe {
    to_server: Vec<u8>,
    to_client: Vec<u8>,
    ended: bool,
}

/// The server's end.
struct Socket(Rc<RefCell<Pipe>>);

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut pipe = self.0.borrow_mut();
        let length = pipe.to_server.len().min(buffer.len());
        if length == 0 && !pipe.ended {
            return Err(ErrorKind::WouldBlock.into());
        }
        buffer[..length].copy_from_slice(&pipe.to_server[..length]);
        pipe.to_server.drain(..length);
        Ok(length)
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().to_client.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for Socket {
    fn shutdown_write(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The client's end.
#[derive(Clone)]
struct Client {
    pipe: Rc<RefCell<Pipe>>,
    slot: u32,
}

pub(crate) struct HubScene {
    hub: Hub<Socket, Desk>,
    now: Millis,
    connections: u32,
    staff: Client,
    user: Client,
    ticket: String,
    messages: u64,
    /// Those who wait; kept, so that they stay connected.
    waiting: Vec<Client>,
}

impl HubScene {
    pub(crate) fn with_waiting(waiting: u32) -> Self {
        let tokens = StaffTokens::desk(TOKEN).expect("a token");
        let mut count = 0_u64;
        let secrets = SecretSource::from_fn(move |bytes| {
            for chunk in bytes.chunks_mut(8) {
                count += 1;
                chunk.copy_from_slice(&count.to_ne_bytes()[..chunk.len()]);
            }
            Ok(())
        });
        let desk = Desk::new(RULES, tokens, None, Vec::new(), secrets).expect("a desk");
        // A limit that is kept and never reached: time stands still here.
        let limits = Limits {
            messages_per_s: 2_000_000,
            payload_bytes_per_s: u32::MAX,
            connections_max: 1 << 20,
            ..Limits::default()
        };
        let mut hub = Hub::new(desk, limits);
        let staff = connect(&mut hub, NOW, "/ws/staff/sam", Some(TOKEN));
        let mut scene = Self {
            user: staff.clone(),
            staff,
            hub,
            now: NOW,
            connections: 0,
            ticket: String::new(),
            messages: 0,
            waiting: Vec::new(),
        };
        scene.staff_says(|out| out.extend_from_slice(br#"{"type":"go_online"}"#));
        (scene.user, scene.ticket) = scene.comes();
        scene.staff_asks("pick_ticket", &scene.ticket.clone());
        for _ in 0..waiting {
            let (user, _) = scene.comes();
            scene.waiting.push(user);
        }
        scene.notice(); // and none of what follows is due for another
        scene
    }

    /// A user connects and opens a ticket.
    fn comes(&mut self) -> (Client, String) {
        self.connections += 1;
        let user = connect(&mut self.hub, self.now, &format!("/ws/user/user-{}", self.connections), None);
        user.pipe.borrow_mut().to_client.clear(); // the welcome
        self.says(&user, |out| {
            for part in [r#"{"type":"create_ticket","subject":""#, SUBJECT, r#""}"#] {
                out.extend_from_slice(part.as_bytes());
            }
        });
        let ticket = {
            let pipe = user.pipe.borrow();
            let (_, payload) = websocket::next_frame(&pipe.to_client).expect("ticket_created");
            let json = std::str::from_utf8(&pipe.to_client[payload]).expect("UTF-8");
            Frame::read(json).ticket.to_owned()
        };
        self.forget_output(&user);
        (user, ticket)
    }

    /// A client sends a text, and the hub does what it does in a turn.
    fn says(&mut self, client: &Client, write: impl FnOnce(&mut Vec<u8>)) {
        websocket::append(&mut client.pipe.borrow_mut().to_server, websocket::TEXT, write);
        turn(&mut self.hub, self.now, client.slot);
    }

    fn staff_says(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let staff = self.staff.clone();
        self.says(&staff, write);
        self.forget_output(&staff);
    }

    fn staff_asks(&mut self, command: &str, ticket: &str) {
        self.staff_says(|out| {
            for part in [r#"{"type":""#, command, r#"","ticket_id":""#, ticket, r#""}"#] {
                out.extend_from_slice(part.as_bytes());
            }
        });
    }

    fn forget_output(&self, client: &Client) {
        client.pipe.borrow_mut().to_client.clear();
    }
}

fn connect(hub: &mut Hub<Socket, Desk>, now: Millis, path: &str, secret: Option<&str>) -> Client {
    const BUFFER_BYTES: usize = 1024;
    let buffer = || Vec::with_capacity(BUFFER_BYTES);
    let pipe = Rc::new(RefCell::new(Pipe { to_server: buffer(), to_client: buffer(), ended: false }));
    websocket::append_request(&mut pipe.borrow_mut().to_server, "127.0.0.1:8000", path, secret);
    let slot = hub.admit(Socket(Rc::clone(&pipe)), Ipv4Addr::LOCALHOST.into(), now).expect("no limit");
    turn(hub, now, slot);
    let length = websocket::answer_length(&pipe.borrow().to_client).expect("101");
    pipe.borrow_mut().to_client.drain(..length);
    Client { pipe, slot }
}

fn turn(hub: &mut Hub<Socket, Desk>, now: Millis, slot: u32) {
    hub.ready(slot, Readiness { readable: true, writable: true, ..Readiness::default() });
    hub.turn(now, |_| {});
}

impl Scene for HubScene {
    fn message(&mut self) {
        self.messages += 1;
        let (seq, id) = (self.messages, self.messages.div_ceil(2));
        let (user, staff) = (self.user.clone(), self.staff.clone());
        let is_users = seq % 2 == 1;
        let (from, to) = if is_users { (&user, &staff) } else { (&staff, &user) };
        let mut ticket = [0; 32];
        let ticket = &mut ticket[..self.ticket.len()];
        ticket.copy_from_slice(self.ticket.as_bytes());
        let named = |out: &mut Vec<u8>, by_staff: bool| {
            if by_staff {
                for part in [br#""ticket_id":""#, &*ticket, br#"","#] {
                    out.extend_from_slice(part);
                }
            }
        };
        let number = |out: &mut Vec<u8>, name: &str, number: u64| {
            for part in [name, itoa::Buffer::new().format(number)] {
                out.extend_from_slice(part.as_bytes());
            }
        };
        self.says(from, |out| {
            out.extend_from_slice(br#"{"type":"message","#);
            named(out, !is_users);
            number(out, r#""id":"#, id);
            for part in [r#","text":""#, TEXT, r#""}"#] {
                out.extend_from_slice(part.as_bytes());
            }
        });
        self.says(to, |out| {
            out.extend_from_slice(br#"{"type":"delivered","#);
            named(out, is_users);
            number(out, r#""seq":"#, seq);
            out.push(b'}');
        });
        assert!(!from.pipe.borrow().to_client.is_empty(), "an ack and a receipt");
        self.forget_output(&user);
        self.forget_output(&staff);
    }

    fn visit(&mut self) {
        let (user, ticket) = self.comes();
        for command in ["pick_ticket", "release_ticket", "pick_ticket"] {
            self.staff_asks(command, &ticket);
        }
        self.says(&user, |out| out.extend_from_slice(br#"{"type":"close_ticket"}"#));
        websocket::append(&mut user.pipe.borrow_mut().to_server, websocket::CLOSE, |out| {
            out.extend_from_slice(&1000_u16.to_be_bytes());
        });
        turn(&mut self.hub, self.now, user.slot);
        user.pipe.borrow_mut().ended = true;
        turn(&mut self.hub, self.now, user.slot);
        self.forget_output(&self.staff);
        self.now += 1;
    }

    fn notice(&mut self) {
        self.now += NOTICE_MS;
        let ticket = self.ticket.clone();
        self.staff_asks("release_ticket", &ticket);
        self.staff_asks("pick_ticket", &ticket);
        self.waiting.iter().for_each(|client| self.forget_output(client));
        self.forget_output(&self.user);
    }
}
