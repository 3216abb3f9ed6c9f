//! Any sequence of inputs from anybody, with time passing: nothing panics, every ticket is in one state, a message goes only to
//! the other side of its own ticket and with the next number, State can be stored and read again and then goes on as the one that
//! was stored, and once everybody has gone nothing is left.
#![no_main]

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use arbitrary::Arbitrary;
use deskwire::config::{Assign, TEXT_CHARS_MAX};
use deskwire::ids::{ConnId, JsonText, NodeId, StaffId, TicketId, UserId};
use deskwire::state::{
    Counts, Dismissal, Emit, Event, Input, Participant, Recap, RecapLine, Record, Rules, Score, Session,
    Side, StaffCommand, State, UserCommand,
};
use libfuzzer_sys::fuzz_target;

const PEOPLE: usize = 4;

/// Who does something: one of a few users or staff members.
#[derive(Arbitrary, Clone, Copy, Debug)]
struct Who(u8);

impl Who {
    fn at(self) -> usize {
        usize::from(self.0) % PEOPLE
    }
}

/// A ticket that was opened some time ago; a few are none.
#[derive(Arbitrary, Clone, Copy, Debug)]
struct Nth(u8);

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Said {
    Short,
    Long,
}

#[derive(Arbitrary, Debug)]
enum UserStep {
    Connect { with_session: bool, node: u8 },
    Leave,
    Create { with_texts: bool },
    Say { id: u8, said: Said },
    Delivered { seq: u8 },
    Typing(bool),
    Close,
    Recap { lines: u8, said: Said },
    Rate { ticket: Nth, score: u8 },
}

#[derive(Arbitrary, Debug)]
enum StaffStep {
    Connect { named: bool, node: u8 },
    Leave,
    Named(bool),
    Online(bool),
    Offline,
    Pick(Nth),
    Release(Nth),
    Transfer { ticket: Nth, to: Who, with_note: bool },
    Say { ticket: Nth, id: u8, said: Said },
    Delivered { ticket: Nth, seq: u8 },
    Typing(Nth, bool),
    Close(Nth),
}

#[derive(Arbitrary, Debug)]
enum Step {
    User(Who, UserStep),
    Staff(Who, StaffStep),
    Drained,
    Tick { tenths: u8 },
    Store,
    Restart,
    NodeEnds(u8),
}

#[derive(Arbitrary, Debug)]
struct Script {
    assign: u8,
    is_small: bool,
    steps: Vec<Step>,
}

/// What was emitted, and what must hold of it.
#[derive(Default)]
struct Sink {
    /// Open tickets and their users, and all tickets that there were.
    open: BTreeMap<TicketId, UserId>,
    known: Vec<TicketId>,
    undrained: Vec<ConnId>,
    users: BTreeMap<ConnId, UserId>,
    staff: BTreeMap<ConnId, StaffId>,
    /// Who was given a ticket last, and over which connection.
    holders: BTreeMap<TicketId, ConnId>,
    /// The last number that each connection was sent of a ticket.
    shown: BTreeMap<(TicketId, ConnId), u64>,
    owners: BTreeMap<TicketId, UserId>,
}

impl Sink {
    /// Checks that a connection may be told of a ticket's chat.
    fn is_of(&self, to: ConnId, ticket: TicketId) {
        match self.users.get(&to) {
            Some(user) => assert_eq!(self.owners.get(&ticket), Some(user), "another user's ticket"),
            None => assert_eq!(
                self.holders.get(&ticket),
                Some(&to),
                "a ticket that this connection was not given"
            ),
        }
    }
}

impl Emit for Sink {
    fn emit(&mut self, to: ConnId, event: &Event<'_>) {
        assert!(self.users.contains_key(&to) || self.staff.contains_key(&to), "there is no connection {to}");
        match event {
            Event::UserWelcome(welcome) => assert_eq!(self.users.get(&to), Some(welcome.user)),
            Event::StaffWelcome(welcome) => assert_eq!(self.staff.get(&to), Some(welcome.staff.id)),
            Event::TicketPicked(picked) => {
                assert!(self.staff.contains_key(&to));
                assert_eq!(self.owners.get(&picked.ticket), Some(picked.user));
                self.holders.insert(picked.ticket, to);
                self.shown.remove(&(picked.ticket, to)); // what is not confirmed comes again
            }
            Event::Message { ticket, message } => {
                self.is_of(to, *ticket);
                match message.from {
                    Participant::User { id, .. } => {
                        assert!(self.staff.contains_key(&to), "a user's message goes to staff");
                        assert_eq!(self.owners.get(ticket), Some(id));
                    }
                    Participant::Staff(_) => assert!(self.users.contains_key(&to), "staff write to users"),
                }
                let last = self.shown.insert((*ticket, to), message.seq);
                assert!(last.is_none_or(|last| last < message.seq), "{last:?}, then {}", message.seq);
            }
            Event::TicketCreated { ticket, .. } => {
                let user = self.users.get(&to).expect("tickets are users'").clone();
                self.owners.insert(*ticket, user);
            }
            Event::Typing { ticket, .. } | Event::Delivered { ticket, .. } => self.is_of(to, *ticket),
            Event::Recap { ticket, .. } => {
                assert!(self.staff.contains_key(&to));
                self.is_of(to, *ticket);
            }
            Event::Queue { ticket, place } => {
                self.is_of(to, *ticket);
                assert!((1..=place.waiting).contains(&place.position));
            }
            _ => {}
        }
    }

    fn emit_all(&mut self, to: &[ConnId], event: &Event<'_>) {
        to.iter().for_each(|conn| self.emit(*conn, event));
    }

    fn close(&mut self, conn: ConnId, _: Dismissal) {
        assert!(self.users.contains_key(&conn) || self.staff.contains_key(&conn));
    }

    fn notify_drained(&mut self, conn: ConnId) {
        assert!(!self.undrained.contains(&conn));
        self.undrained.push(conn);
    }

    fn record(&mut self, record: &Record<'_>) {
        match record {
            Record::TicketOpened { ticket, user } => {
                assert!(self.open.insert(*ticket, (*user).clone()).is_none());
                assert!(!self.known.contains(ticket), "an id comes once");
                let owner = self.owners.entry(*ticket).or_insert_with(|| (*user).clone());
                assert_eq!(owner, *user, "who was sent the ticket is who opened it");
                self.known.push(*ticket);
            }
            Record::TicketClosed { ticket, .. } => {
                assert!(self.open.remove(ticket).is_some(), "open, and closed once")
            }
            _ => {}
        }
    }
}

/// Returns the State that is read of what this one stores: it is the same.
fn stored_and_read(state: &State) -> State {
    let json = serde_json::to_string(state).expect("a State can be stored");
    let read: State = serde_json::from_str(&json).expect("and read again");
    assert_eq!(read.digest(), state.digest());
    read
}

struct World {
    state: State,
    /// A State that was stored and read. It is given the same inputs from then on.
    twin: Option<State>,
    sink: Sink,
    now: u64,
    slot: u32,
    users: [Option<ConnId>; PEOPLE],
    staff: [Option<ConnId>; PEOPLE],
}

fn text<'a>(text: &'a str) -> JsonText<'a> {
    JsonText::from_parsed(Cow::Borrowed(text))
}

impl World {
    fn ticket(&self, nth: Nth) -> TicketId {
        let known = &self.sink.known;
        let from_last = usize::from(nth.0);
        known
            .len()
            .checked_sub(1 + from_last % (known.len() + 1))
            .map_or(TicketId::from_bits(nth.0.into()), |at| known[at])
    }

    fn conn(&mut self, node: u8) -> ConnId {
        self.slot += 1;
        ConnId { node: NodeId(u32::from(node % 3)), ..ConnId::here(self.slot, 0) }
    }

    fn apply(&mut self, input: &Input<'_>) {
        self.state.apply(self.now, input, &mut self.sink);
        if let Some(twin) = &mut self.twin {
            twin.apply(self.now, input, &mut ());
        }
    }

    fn leave(&mut self, conn: ConnId) {
        self.apply(&Input::Leaves(conn));
        self.forget(conn);
    }

    fn forget(&mut self, conn: ConnId) {
        self.sink.users.remove(&conn);
        self.sink.staff.remove(&conn);
        self.sink.undrained.retain(|undrained| *undrained != conn);
        for slot in self.users.iter_mut().chain(&mut self.staff) {
            slot.take_if(|known| *known == conn);
        }
    }

    fn user(&mut self, who: usize, step: &UserStep) {
        let long = "x".repeat(TEXT_CHARS_MAX);
        let said = |said: &Said| text(if let Said::Long = said { &long } else { "t" });
        let command = match step {
            UserStep::Connect { with_session, node } => {
                let conn = self.conn(*node);
                let (user, session) =
                    (UserId::parse(&format!("u{who}")).unwrap(), Session::parse("s").unwrap());
                self.sink.users.insert(conn, user.clone());
                self.users[who] = Some(conn);
                let offered = with_session.then_some(session);
                return self.apply(&Input::UserConnects { conn, user, offered, fresh: session });
            }
            UserStep::Leave => return self.users[who].into_iter().for_each(|conn| self.leave(conn)),
            UserStep::Create { with_texts } => UserCommand::CreateTicket {
                subject: text("s"),
                name: with_texts.then(|| text("Ann")),
                page: with_texts.then(|| text("http://shop.example/")),
            },
            UserStep::Say { id, said: what } => {
                UserCommand::Message { id: u64::from(*id) + 1, text: said(what) }
            }
            UserStep::Delivered { seq } => UserCommand::Delivered { seq: (*seq).into() },
            UserStep::Typing(active) => UserCommand::Typing { active: *active },
            UserStep::Close => UserCommand::CloseTicket,
            UserStep::Recap { lines, said: what } => {
                let line = || RecapLine { from: Side::User, name: None, text: said(what), at: 0 };
                UserCommand::Recap(Recap::new((0..=lines % 4).map(|_| line()).collect()))
            }
            UserStep::Rate { ticket, score } => {
                let score = Score::new(u64::from(score % 5) + 1).unwrap();
                UserCommand::RateTicket { ticket: self.ticket(*ticket), score }
            }
        };
        if let Some(conn) = self.users[who] {
            self.apply(&Input::UserAsks(conn, command, None));
        }
    }

    fn staff(&mut self, who: usize, step: &StaffStep) {
        let long = "x".repeat(TEXT_CHARS_MAX);
        let said = |said: &Said| text(if let Said::Long = said { &long } else { "t" });
        let command = match step {
            StaffStep::Connect { named, node } => {
                let conn = self.conn(*node);
                let staff = StaffId::parse(&format!("s{who}")).unwrap();
                self.sink.staff.insert(conn, staff.clone());
                self.staff[who] = Some(conn);
                let name = named.then(|| text("Sam"));
                return self.apply(&Input::StaffConnects { conn, staff, name });
            }
            StaffStep::Leave => return self.staff[who].into_iter().for_each(|conn| self.leave(conn)),
            StaffStep::Named(named) => {
                let Some(conn) = self.staff[who] else { return };
                return self.apply(&Input::StaffNamed(conn, named.then(|| text("Kim"))));
            }
            StaffStep::Online(named) => StaffCommand::GoOnline { name: named.then(|| text("Lee")) },
            StaffStep::Offline => StaffCommand::GoOffline,
            StaffStep::Pick(ticket) => StaffCommand::PickTicket { ticket: self.ticket(*ticket) },
            StaffStep::Release(ticket) => StaffCommand::ReleaseTicket { ticket: self.ticket(*ticket) },
            StaffStep::Transfer { ticket, to, with_note } => StaffCommand::TransferTicket {
                ticket: self.ticket(*ticket),
                to: Cow::Owned(format!("s{}", to.at())),
                note: with_note.then(|| text("note")),
            },
            StaffStep::Say { ticket, id, said: what } => StaffCommand::Message {
                ticket: self.ticket(*ticket),
                id: u64::from(*id) + 1,
                text: said(what),
            },
            StaffStep::Delivered { ticket, seq } => {
                StaffCommand::Delivered { ticket: self.ticket(*ticket), seq: (*seq).into() }
            }
            StaffStep::Typing(ticket, active) => {
                StaffCommand::Typing { ticket: self.ticket(*ticket), active: *active }
            }
            StaffStep::Close(ticket) => StaffCommand::CloseTicket { ticket: self.ticket(*ticket) },
        };
        if let Some(conn) = self.staff[who] {
            self.apply(&Input::StaffAsks(conn, command, None));
        }
    }

    /// Ends all connections that `has_ended` names, as the input does that is applied after this.
    fn end(&mut self, input: &Input<'_>, has_ended: impl Fn(ConnId) -> bool) {
        self.apply(input);
        let conns: BTreeSet<ConnId> = self.sink.users.keys().chain(self.sink.staff.keys()).copied().collect();
        conns.into_iter().filter(|conn| has_ended(*conn)).for_each(|conn| self.forget(conn));
    }

    fn check(&self) {
        let counts = self.state.counts();
        let open = counts.tickets_waiting + counts.tickets_active + counts.tickets_paused;
        assert_eq!(open, self.sink.open.len(), "every open ticket is in one state");
        let users: BTreeSet<&UserId> = self.sink.open.values().collect();
        assert_eq!(users.len(), open, "a user has one");
        assert!(counts.tickets_active <= 2 * counts.staff_online && counts.staff_known <= PEOPLE);
    }
}

fuzz_target!(|script: Script| {
    let assign = [Assign::Manual, Assign::RoundRobin, Assign::LeastBusy][usize::from(script.assign) % 3];
    let max_tickets = if script.is_small { 2 } else { 100 };
    let rules = Rules { max_chats: 2, max_tickets, assign, user_grace_ms: 5_000 };
    let mut world = World {
        state: State::new(rules, [1, 2]),
        twin: None,
        sink: Sink::default(),
        now: 1_000_000,
        slot: 0,
        users: [None; PEOPLE],
        staff: [None; PEOPLE],
    };
    for step in &script.steps {
        match step {
            Step::User(who, step) => world.user(who.at(), step),
            Step::Staff(who, step) => world.staff(who.at(), step),
            Step::Drained => {
                if let Some(conn) = world.sink.undrained.pop() {
                    world.apply(&Input::Drained(conn));
                }
            }
            Step::Tick { tenths } => {
                world.now += u64::from(*tenths) * 100;
                world.apply(&Input::Tick);
            }
            Step::Store => {
                if let Some(twin) = &world.twin {
                    assert_eq!(
                        twin.digest(),
                        world.state.digest(),
                        "what was read has gone on in the same way"
                    );
                }
                world.twin = Some(stored_and_read(&world.state));
            }
            Step::Restart => world.end(&Input::Starts(rules), |_| true),
            Step::NodeEnds(node) => {
                let node = NodeId(u32::from(node % 3));
                world.end(&Input::NodeEnds(node), |conn| conn.node == node);
            }
        }
        world.check();
    }
    // Among them are those that were closed, because the same id connected again or offered no session.
    let conns: Vec<ConnId> = world.sink.users.keys().chain(world.sink.staff.keys()).copied().collect();
    conns.into_iter().for_each(|conn| world.leave(conn));
    for _ in 0..100 {
        world.now += 10_000;
        world.apply(&Input::Tick);
    }
    assert_eq!(world.state.counts(), Counts::default());
    assert_eq!(world.state.next_due(), None);
    if let Some(twin) = &world.twin {
        assert_eq!(twin.digest(), world.state.digest(), "what was read has gone on in the same way");
    }
});
