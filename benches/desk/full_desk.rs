//! A desk with a long queue, a few people who act, and the cost of one act for the server.
//!
//! A change of the queue is followed by a notice to everyone whose place has changed, at most once a second. To keep
//! the notice out of the cost of its cause, one is provoked first, and the act right after it is measured before the
//! next one.

use crate::crowd::{Crowd, Nanos, SECOND};
use crate::frame::Kind;
use crate::lobby::Lobby;
use crate::server::Server;

/// After a notice, the next one comes a second later. Within this time we are safely before it.
const UNDISTURBED: Nanos = SECOND * 7 / 10;
/// Longer than the pauses within one notice to all on a busy machine, and far shorter than the second between two
/// notices.
const SILENCE: Nanos = SECOND / 8;
/// The time after which the kernel has accounted for the server's work.
const BOOKED: Nanos = SECOND / 200;
const TIMES_MAX: usize = 300;

/// An operation: its name, the frames that it must send, and how to do it once.
pub(crate) struct Operation {
    pub(crate) name: &'static str,
    pub(crate) must_be_sent: &'static str,
    pub(crate) act: fn(&mut FullDesk),
}

/// The operations at a desk where staff pick tickets.
pub(crate) const OPERATIONS: [Operation; 7] = [
    Operation { name: "message", must_be_sent: "the message and its ack", act: FullDesk::send_message },
    Operation {
        name: "pick and release",
        must_be_sent: "2 to the user, 1 to the picker, 2 to each of 2 staff",
        act: |desk| {
            let ticket = desk.lobby.ticket(desk.in_the_middle).to_owned();
            desk.staff_ask("pick_ticket", &ticket, Kind::StaffJoined);
            desk.staff_ask("release_ticket", &ticket, Kind::StaffLeft);
        },
    },
    Operation {
        name: "new ticket and its close",
        must_be_sent: "3 to the user, 2 to each of 2 staff",
        act: |desk| {
            desk.ask(desk.newcomer, CREATE, Kind::TicketCreated);
            desk.ask(desk.newcomer, CLOSE, Kind::TicketClosed);
        },
    },
    Operation {
        name: "user connects and leaves",
        must_be_sent: "the handshake, the welcome, the close",
        act: |desk| {
            desk.visits += 1;
            desk.crowd.connect_user(desk.idle_user, &format!("visitor-{}", desk.visits), None);
            desk.await_one(&[Kind::Welcome], |_| {});
            desk.leave(desk.idle_user);
        },
    },
    Operation {
        name: "user with a ticket leaves and is back",
        must_be_sent: "the same, and 2 to each of 2 staff",
        act: FullDesk::leave_and_come_back,
    },
    Operation {
        name: "staff go online and offline, beside another",
        must_be_sent: "1 to them, 1 to the other, twice",
        act: FullDesk::colleague_comes_and_goes,
    },
    Operation {
        name: "staff connect, are sent the board, leave",
        must_be_sent: "a welcome with 200 tickets, then 1 for each ticket",
        act: |desk| {
            desk.visits += 1;
            let added = desk.lobby.count(Kind::TicketAdded);
            desk.crowd.connect_staff(desk.visiting_staff, &format!("visiting-{}", desk.visits));
            desk.await_one(&[Kind::Welcome], |_| {});
            let rest = desk.tickets.saturating_sub(deskwire::config::WELCOME_TICKETS_MAX);
            desk.lobby.await_more(&mut desk.crowd, Kind::TicketAdded, added, rest);
            desk.leave(desk.visiting_staff);
        },
    },
];

/// The operations at a desk that assigns tickets itself, to its only staff member, who can have one chat.
pub(crate) const ASSIGNED: [Operation; 2] = [
    Operation {
        name: "message, where tickets are assigned",
        must_be_sent: "the message and its ack",
        act: FullDesk::send_message,
    },
    Operation {
        name: "close, assignment of the next, new ticket",
        must_be_sent: "3 to the user, 1 to the next, 2 and 4 of the board to the staff member",
        act: |desk| {
            let who = desk.customer;
            desk.await_one(&[Kind::TicketPicked, Kind::StaffJoined], |desk| desk.crowd.send(who, CLOSE));
            desk.ask(who, CREATE, Kind::TicketCreated);
            // First in, first out.
            desk.customer = desk.users[(who + 1) % desk.users.len()];
            desk.message_id = 0;
        },
    },
];

const CREATE: &str = r#"{"type":"create_ticket","subject":"The coffee is cold"}"#;
const CLOSE: &str = r#"{"type":"close_ticket"}"#;
const GO_ONLINE: &str = r#"{"type":"go_online"}"#;
const GO_OFFLINE: &str = r#"{"type":"go_offline"}"#;

/// The nanoseconds and frames of one operation.
#[derive(Clone, Copy)]
pub(crate) struct Cost {
    pub(crate) ns: f64,
    pub(crate) frames: f64,
}

pub(crate) struct FullDesk {
    server: Server,
    crowd: Crowd,
    lobby: Lobby,
    users: Vec<usize>,
    tickets: usize,
    /// Has those who chat.
    picker: usize,
    colleague: usize,
    visiting_staff: usize,
    /// Chats.
    customer: usize,
    in_the_middle: usize,
    name_in_the_middle: String,
    /// Is connected, and has no ticket.
    newcomer: usize,
    idle_user: usize,
    message_id: u64,
    visits: u64,
}

impl FullDesk {
    /// A desk with these options where this many users wait.
    pub(crate) fn open(size: usize, options: &[&str]) -> Self {
        let server = Server::deskwire(&[&["--rate-limit", "0"], options].concat());
        let mut crowd = Crowd::at(&server);
        let mut lobby = Lobby::default();
        let users = lobby.admit_users(&mut crowd, size, "user-");
        lobby.open_tickets(&mut crowd, &users);
        let staff = lobby.admit_staff(&mut crowd, 2, "staff-");
        let newcomer = lobby.admit_users(&mut crowd, 1, "newcomer-")[0];
        let idle_user = lobby.admit_users(&mut crowd, 1, "visitor-")[0];
        let visiting_staff = lobby.admit_staff(&mut crowd, 1, "visiting-")[0];
        crowd.run_until_quiet(&mut lobby, 2 * SECOND); // the board, and the last of the queue notices
        let middle = size / 2;
        let mut desk = Self {
            server,
            crowd,
            lobby,
            tickets: size,
            picker: staff[0],
            colleague: staff[1],
            visiting_staff,
            customer: users[0],
            in_the_middle: users[middle],
            name_in_the_middle: format!("user-{middle}"),
            newcomer,
            idle_user,
            message_id: 0,
            visits: 0,
            users,
        };
        desk.leave(idle_user);
        desk.leave(visiting_staff);
        desk
    }

    /// Measures an operation, without the queue notice that may follow.
    pub(crate) fn measure(&mut self, operation: &Operation) -> Cost {
        self.wait_for_notice();
        self.colleague_comes_and_goes();
        let begun = self.crowd.now();
        self.crowd.run_until_quiet(&mut self.lobby, SILENCE);
        let before = self.so_far();
        let mut times = 0;
        while times < TIMES_MAX && (self.crowd.now() < begun + UNDISTURBED || times == 0) {
            (operation.act)(self);
            times += 1;
        }
        self.cost_since(before, times)
    }

    /// The only staff member online comes, or goes, and all users get a notice.
    pub(crate) fn open_or_close(&mut self, online: bool) -> Cost {
        self.wait_for_notice();
        let (before, notices) = (self.so_far(), self.lobby.count(Kind::Desk));
        self.ask(self.picker, if online { GO_ONLINE } else { GO_OFFLINE }, Kind::Presence);
        self.lobby.await_more(&mut self.crowd, Kind::Desk, notices, self.users.len() + 1);
        self.crowd.run_until_quiet(&mut self.lobby, SILENCE);
        self.cost_since(before, 1)
    }

    /// The first in the queue is picked, and all others get their places.
    pub(crate) fn pick_the_first(&mut self) -> Cost {
        self.wait_for_notice();
        let (before, notices) = (self.so_far(), self.lobby.count(Kind::Queue));
        let ticket = self.lobby.ticket(self.customer).to_owned();
        self.staff_ask("pick_ticket", &ticket, Kind::StaffJoined);
        self.lobby.await_more(&mut self.crowd, Kind::Queue, notices, self.tickets - 1);
        self.cost_since(before, 1)
    }

    pub(crate) fn release_the_first(&mut self) {
        let ticket = self.lobby.ticket(self.customer).to_owned();
        self.staff_ask("release_ticket", &ticket, Kind::StaffLeft);
    }

    /// A queue notice without a receiver, together with the coming and going that causes it.
    pub(crate) fn tell_nobody(&mut self) -> Cost {
        self.wait_for_notice();
        let before = self.so_far();
        self.colleague_comes_and_goes();
        self.crowd.run_until_quiet(&mut self.lobby, SILENCE);
        self.cost_since(before, 1)
    }

    /// A queue notice to one user in the middle, together with the return that causes it.
    pub(crate) fn tell_one(&mut self) -> Cost {
        self.wait_for_notice();
        let before = self.so_far();
        self.await_one(&[Kind::Queue], Self::leave_and_come_back);
        self.cost_since(before, 1)
    }

    /// A staff member comes to a desk that assigns, and gets the first ticket.
    pub(crate) fn assign_the_first(&mut self) {
        let picker = self.picker;
        self.await_one(&[Kind::TicketPicked, Kind::StaffJoined], |desk| desk.crowd.send(picker, GO_ONLINE));
    }

    /// Silence for this long, except for pings and pongs: the cost of one of these for one connection.
    pub(crate) fn ping_all(&mut self, span: Nanos) -> Cost {
        let (before, pings, end) = (self.so_far(), self.crowd.pings, self.crowd.now() + span);
        self.crowd.run_to(&mut self.lobby, end);
        let pings = (self.crowd.pings - pings) as usize;
        let cost = self.cost_since(before, pings);
        Cost { frames: 1.0, ..cost }
    }

    fn send_message(&mut self) {
        self.message_id += 1;
        let message = format!(r#"{{"type":"message","id":{},"text":"It blinks again."}}"#, self.message_id);
        let who = self.customer;
        self.await_one(&[Kind::Message, Kind::Ack], |desk| desk.crowd.send(who, &message));
    }

    fn leave_and_come_back(&mut self) {
        let (who, id) = (self.in_the_middle, self.name_in_the_middle.clone());
        self.leave(who);
        let session = self.lobby.session(who).to_owned();
        self.await_one(&[Kind::Welcome], |desk| desk.crowd.connect_user(who, &id, Some(&session)));
    }

    fn colleague_comes_and_goes(&mut self) {
        self.ask(self.colleague, GO_ONLINE, Kind::Presence);
        self.ask(self.colleague, GO_OFFLINE, Kind::Presence);
    }

    fn staff_ask(&mut self, command: &str, ticket: &str, heard: Kind) {
        self.ask(self.picker, &format!(r#"{{"type":"{command}","ticket_id":"{ticket}"}}"#), heard);
    }

    fn ask(&mut self, who: usize, json: &str, heard: Kind) {
        self.await_one(&[heard], |desk| desk.crowd.send(who, json));
    }

    /// Does this, and waits until one more frame of each kind has come.
    fn await_one(&mut self, kinds: &[Kind], act: impl FnOnce(&mut Self)) {
        let before: Vec<_> = kinds.iter().map(|kind| (*kind, self.lobby.count(*kind))).collect();
        act(self);
        for (kind, before) in before {
            self.lobby.await_more(&mut self.crowd, kind, before, 1);
        }
    }

    fn leave(&mut self, who: usize) {
        let gone = self.lobby.gone_so_far();
        self.crowd.send_close(who);
        self.lobby.await_gone(&mut self.crowd, gone, 1);
    }

    /// Until the last notice was more than a second ago, so that the next follows its cause at once.
    fn wait_for_notice(&mut self) {
        self.crowd.run_until_quiet(&mut self.lobby, SECOND + SECOND / 5);
    }

    /// The present counts: the server's CPU time, and the frames received.
    fn so_far(&mut self) -> Cost {
        let end = self.crowd.now() + BOOKED;
        self.crowd.run_to(&mut self.lobby, end);
        Cost { ns: self.server.cpu_ns() as f64, frames: self.lobby.frames as f64 }
    }

    fn cost_since(&mut self, before: Cost, times: usize) -> Cost {
        let (now, times) = (self.so_far(), times as f64);
        Cost { ns: (now.ns - before.ns) / times, frames: (now.frames - before.frames) / times }
    }
}
