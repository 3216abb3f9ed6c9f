//! The script's part on the hub: connections are buffers, and everything else is as in the server.

use std::cell::RefCell;
use std::net::Ipv4Addr;
use std::rc::Rc;

use deskwire::config::{Limits, Millis};
use deskwire::desk::Desk;
use deskwire::desk::auth::{SecretSource, StaffTokens};
use deskwire::hub::Hub;
use deskwire::net::input::Readiness;

use crate::frame::Frame;
use crate::script::{NOTICE_MS, NOW, RULES, SUBJECT, Scene, TEXT};
use crate::server::TOKEN;
use crate::stream::{End, Peer, Socket};
use crate::websocket;

/// The client's end.
#[derive(Clone)]
struct Client {
    peer: Rc<RefCell<Peer>>,
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
    /// The waiting users, who are kept so that they stay connected.
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
        // A limit that is counted but never reached, since time stands still here.
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
        scene.notice(); // so that no other notice is due during what follows
        scene
    }

    /// A user connects and opens a ticket.
    fn comes(&mut self) -> (Client, String) {
        self.connections += 1;
        let user = connect(&mut self.hub, self.now, &format!("/ws/user/user-{}", self.connections), None);
        user.peer.borrow_mut().received.clear(); // the welcome
        self.says(&user, |out| {
            for part in [r#"{"type":"create_ticket","subject":""#, SUBJECT, r#""}"#] {
                out.extend_from_slice(part.as_bytes());
            }
        });
        let ticket = {
            let peer = user.peer.borrow();
            let (_, payload) = websocket::next_frame(&peer.received).expect("ticket_created");
            let json = std::str::from_utf8(&peer.received[payload]).expect("UTF-8");
            Frame::read(json).ticket.to_owned()
        };
        self.forget_output(&user);
        (user, ticket)
    }

    /// Sends a client's text, and does one turn of the hub.
    fn says(&mut self, client: &Client, write: impl FnOnce(&mut Vec<u8>)) {
        websocket::append(&mut client.peer.borrow_mut().sent, websocket::TEXT, write);
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
        client.peer.borrow_mut().received.clear();
    }
}

fn connect(hub: &mut Hub<Socket, Desk>, now: Millis, path: &str, secret: Option<&str>) -> Client {
    const BUFFER_BYTES: usize = 1024;
    // Large enough from the start, so that only the hub's own allocations count.
    let buffer = || Vec::with_capacity(BUFFER_BYTES);
    let (socket, peer) = Socket::pair();
    *peer.borrow_mut() = Peer { sent: buffer(), received: buffer(), ..Peer::default() };
    websocket::append_request(&mut peer.borrow_mut().sent, "127.0.0.1:8000", path, secret);
    let slot = hub.admit(socket, Ipv4Addr::LOCALHOST.into(), now).expect("no limit");
    turn(hub, now, slot);
    let length = websocket::answer_length(&peer.borrow().received).expect("101");
    peer.borrow_mut().received.drain(..length);
    Client { peer, slot }
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
        assert!(!from.peer.borrow().received.is_empty(), "an ack and a receipt");
        self.forget_output(&user);
        self.forget_output(&staff);
    }

    fn visit(&mut self) {
        let (user, ticket) = self.comes();
        for command in ["pick_ticket", "release_ticket", "pick_ticket"] {
            self.staff_asks(command, &ticket);
        }
        self.says(&user, |out| out.extend_from_slice(br#"{"type":"close_ticket"}"#));
        websocket::append(&mut user.peer.borrow_mut().sent, websocket::CLOSE, |out| {
            out.extend_from_slice(&1000_u16.to_be_bytes());
        });
        turn(&mut self.hub, self.now, user.slot);
        user.peer.borrow_mut().end = Some(End::Eof);
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
