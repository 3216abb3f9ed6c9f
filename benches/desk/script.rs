//! The script whose instructions `check` counts: the same acts, one after the other, in a process without a socket.
//!
//! `State` is called directly. `hub` gets bytes through streams in memory, so that handshake, frames, JSON and State
//! are all counted. So is the work of the script itself, such as masking a frame, which is the same each time. Time
//! stands still, except for a millisecond per visit, as at a busy desk, and for the notices.

use std::borrow::Cow;
use std::hint::black_box;

use clap::{Args, ValueEnum};
use deskwire::config::{Assign, Millis};
use deskwire::ids::{ConnId, JsonText, StaffId, TicketId, UserId};
use deskwire::state::{
    Dismissal, Emit, Event, Input, Record, Rules, Session, StaffCommand, State, UserCommand,
};

use crate::script_hub::HubScene;

#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Options {
    pub(crate) layer: Layer,
    /// Users who wait, with a ticket each, before anything is done
    pub(crate) waiting: u32,
    /// Messages from one side to the other and its receipt, the sides in turn
    pub(crate) messages: u32,
    /// Users who connect, open a ticket, are picked, released, picked again, close and leave
    pub(crate) visits: u32,
    /// Queue notices to all who wait
    pub(crate) notices: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Layer {
    State,
    Hub,
}

/// A desk with a staff member who is online and has one chat.
pub(crate) trait Scene {
    fn message(&mut self);
    fn visit(&mut self);
    fn notice(&mut self);
}

pub(crate) const RULES: Rules =
    Rules { max_chats: u32::MAX, max_tickets: u32::MAX, assign: Assign::Manual, user_grace_ms: 600_000 };
pub(crate) const NOW: Millis = 1_700_000_000_000;
/// Longer than between two notices.
pub(crate) const NOTICE_MS: Millis = 2000;
pub(crate) const TEXT: &str =
    "The printer on the third floor is out of paper again, and it blinks as if it knew about that.";
pub(crate) const SUBJECT: &str = "The printer on the third floor";

pub(crate) fn run(options: &Options) -> bool {
    match options.layer {
        Layer::State => play(StateScene::with_waiting(options.waiting), options),
        Layer::Hub => play(HubScene::with_waiting(options.waiting), options),
    }
    true
}

fn play(mut scene: impl Scene, options: &Options) {
    (0..options.messages).for_each(|_| scene.message());
    (0..options.visits).for_each(|_| scene.visit());
    (0..options.notices).for_each(|_| scene.notice());
    std::process::exit(0); // tearing everything down must not be counted
}

/// The receiver of events, which counts them and keeps the last ticket.
#[derive(Default)]
struct Sink {
    events: u64,
    ticket: Option<TicketId>,
    undrained: Option<ConnId>,
}

impl Emit for Sink {
    fn emit(&mut self, to: ConnId, event: &Event<'_>) {
        self.events += 1;
        if let Event::TicketCreated { ticket, .. } = event {
            self.ticket = Some(*ticket);
        }
        black_box((to, event));
    }

    fn emit_all(&mut self, to: &[ConnId], event: &Event<'_>) {
        to.iter().for_each(|to| self.emit(*to, event));
    }

    fn close(&mut self, _: ConnId, _: Dismissal) {}

    fn notify_drained(&mut self, conn: ConnId) {
        self.undrained = Some(conn);
    }

    fn record(&mut self, record: &Record<'_>) {
        black_box(record);
    }
}

/// State, with a staff member who is always there.
struct Front {
    state: State,
    sink: Sink,
    now: Millis,
    connections: u32,
    staff: ConnId,
}

struct StateScene {
    desk: Front,
    user: ConnId,
    ticket: TicketId,
    messages: u64,
}

impl StateScene {
    fn with_waiting(waiting: u32) -> Self {
        let staff = ConnId::here(0, 0);
        let state = State::new(RULES, [1, 2]);
        let mut desk = Front { state, sink: Sink::default(), now: NOW, connections: 1, staff };
        desk.apply(&Input::StaffConnects {
            conn: staff,
            staff: StaffId::parse("sam").expect("an id"),
            name: None,
        });
        desk.staff_asks(StaffCommand::GoOnline { name: None });
        let (user, ticket) = desk.comes();
        let mut scene = Self { desk, user, ticket, messages: 0 };
        scene.desk.staff_asks(StaffCommand::PickTicket { ticket });
        (0..waiting).for_each(|_| {
            scene.desk.comes();
        });
        scene.notice(); // so that no other notice is due during what follows
        scene
    }
}

impl Front {
    /// Applies an input. The frames it sends leave at once.
    fn apply(&mut self, input: &Input<'_>) {
        self.state.apply(self.now, input, &mut self.sink);
        while let Some(conn) = self.sink.undrained.take() {
            self.state.apply(self.now, &Input::Drained(conn), &mut self.sink);
        }
    }

    /// A user connects and opens a ticket.
    fn comes(&mut self) -> (ConnId, TicketId) {
        let conn = ConnId::here(self.connections, self.connections);
        self.connections += 1;
        let user = UserId::parse(&format!("user-{}", self.connections)).expect("an id");
        let plain = user.as_str().to_owned();
        self.apply(&Input::UserConnects {
            conn,
            user,
            offered: None,
            fresh: Session::parse(&plain).unwrap(),
        });
        self.user_asks(
            conn,
            UserCommand::CreateTicket { subject: json_text(SUBJECT), name: None, page: None },
        );
        (conn, self.sink.ticket.expect("a ticket"))
    }

    fn user_asks(&mut self, user: ConnId, command: UserCommand<'_>) {
        self.apply(&Input::UserAsks(user, command, None));
    }

    fn staff_asks(&mut self, command: StaffCommand<'_>) {
        self.apply(&Input::StaffAsks(self.staff, command, None));
    }
}

fn json_text(text: &str) -> JsonText<'_> {
    JsonText::from_parsed(Cow::Borrowed(text))
}

impl Scene for StateScene {
    fn message(&mut self) {
        let (user, ticket) = (self.user, self.ticket);
        let (id, text) = (self.messages / 2 + 1, json_text(TEXT));
        self.messages += 1;
        let seq = self.messages;
        if seq % 2 == 1 {
            self.desk.user_asks(user, UserCommand::Message { id, text });
            self.desk.staff_asks(StaffCommand::Delivered { ticket, seq });
        } else {
            self.desk.staff_asks(StaffCommand::Message { ticket, id, text });
            self.desk.user_asks(user, UserCommand::Delivered { seq });
        }
    }

    fn visit(&mut self) {
        let (user, ticket) = self.desk.comes();
        self.desk.staff_asks(StaffCommand::PickTicket { ticket });
        self.desk.staff_asks(StaffCommand::ReleaseTicket { ticket });
        self.desk.staff_asks(StaffCommand::PickTicket { ticket });
        self.desk.user_asks(user, UserCommand::CloseTicket);
        self.desk.apply(&Input::Leaves(user));
        self.desk.now += 1;
        while self.desk.state.next_due().is_some_and(|due| due <= self.desk.now) {
            self.desk.apply(&Input::Tick);
        }
    }

    fn notice(&mut self) {
        self.desk.now += NOTICE_MS;
        let ticket = self.ticket;
        self.desk.staff_asks(StaffCommand::ReleaseTicket { ticket });
        self.desk.staff_asks(StaffCommand::PickTicket { ticket });
        self.desk.apply(&Input::Tick);
    }
}
