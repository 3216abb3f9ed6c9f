//! State by itself: what depends on time, on the size of the desk, on slow readers, and on determinism.

mod behind;
mod credit;
mod floods;
mod nodes;
mod queue;
mod replay;
mod returning;
mod sizes;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::config::GATHER_MS;
use crate::ids::{JsonText, NodeId};

/// A desk with its connections, and what each was sent, in a few words for each event.
struct World {
    state: State,
    replay: replay::Replay,
    now: Millis,
    sent: Sent,
    /// The node of new connections.
    node: NodeId,
    next_slot: u32,
    /// Connections whose output does not leave before `drain`.
    slow: BTreeSet<ConnId>,
}

#[derive(Default)]
struct Sent {
    by_conn: BTreeMap<ConnId, Vec<String>>,
    closed: Vec<(ConnId, Dismissal)>,
    undrained: BTreeSet<ConnId>,
    /// The bytes that each connection was sent since it was last drained.
    bytes: BTreeMap<ConnId, usize>,
    created: Option<TicketId>,
    events: usize,
}

impl Emit for Sent {
    fn emit(&mut self, to: ConnId, event: &Event<'_>) {
        self.events += 1;
        *self.bytes.entry(to).or_default() += event.bytes_max();
        if let Event::TicketCreated { ticket, .. } = event {
            self.created = Some(*ticket);
        }
        self.by_conn.entry(to).or_default().push(in_short(event));
    }

    fn emit_all(&mut self, to: &[ConnId], event: &Event<'_>) {
        to.iter().for_each(|conn| self.emit(*conn, event));
    }

    fn close(&mut self, conn: ConnId, why: Dismissal) {
        self.closed.push((conn, why));
    }

    fn notify_drained(&mut self, conn: ConnId) {
        assert!(self.undrained.insert(conn), "State asks once about {conn}");
    }

    fn record(&mut self, _: &Record<'_>) {}
}

fn in_short(event: &Event<'_>) -> String {
    match event {
        Event::UserWelcome(welcome) => {
            format!("welcome{}", if welcome.ended.is_some() { ", ended" } else { "" })
        }
        Event::StaffWelcome(welcome) => {
            format!("welcome, {} tickets, {} more", welcome.tickets.len(), welcome.more)
        }
        Event::Desk { online } => format!("desk {online}"),
        Event::TicketCreated { .. } => "created".into(),
        Event::Queue { place, .. } => {
            format!("place {} of {}, {:?} s", place.position, place.waiting, place.wait_s)
        }
        Event::Staff { what, .. } => format!("staff {what:?}"),
        Event::Pong { .. } => "pong".into(),
        Event::Presence { online } => format!("presence {online}"),
        Event::Colleague { staff, online } => format!("{} {online}", staff.id),
        Event::TicketAdded(view) => format!("added {}", view.user),
        Event::TicketUpdated(view) => format!("updated {} {:?}", view.user, view.state),
        Event::TicketRemoved { .. } => "removed".into(),
        Event::TicketPicked(picked) => {
            format!("picked {}{}", picked.user, if picked.auto { ", auto" } else { "" })
        }
        Event::Message { message, .. } => {
            format!("message {} {}", message.seq, String::from_utf8_lossy(&message.text.concat()))
        }
        Event::Ack { id, seq, .. } => format!("ack {id} {seq:?}"),
        Event::Delivered { seq, .. } => format!("delivered {seq}"),
        Event::Typing { active, .. } => format!("typing {active}"),
        Event::TicketClosed { by, .. } => format!("closed {by:?}"),
        Event::Rated { score, .. } => format!("rated {}", score.number()),
        Event::Recap { recap, .. } => format!("recap of {} lines", recap.lines().len()),
        Event::Error { code, .. } => code.code().into(),
    }
}

impl World {
    fn new(assign: Assign) -> Self {
        Self::with(Rules { max_chats: 2, max_tickets: 10_000, assign, user_grace_ms: 60_000 })
    }

    fn with(rules: Rules) -> Self {
        Self {
            state: State::new(rules, [7, 9]),
            replay: replay::Replay::new(rules),
            now: 1_000_000,
            sent: Sent::default(),
            node: NodeId::HERE,
            next_slot: 0,
            slow: BTreeSet::new(),
        }
    }

    fn conn(&mut self) -> ConnId {
        self.next_slot += 1;
        ConnId { node: self.node, ..ConnId::here(self.next_slot, 0) }
    }

    /// Lets connections come to another node while `act` runs.
    fn on_node<T>(&mut self, node: u32, act: impl FnOnce(&mut Self) -> T) -> T {
        let before = std::mem::replace(&mut self.node, NodeId(node));
        let done = act(self);
        self.node = before;
        done
    }

    /// Applies an input, and drains all connections that are not slow.
    fn apply(&mut self, input: &Input<'_>) {
        self.state.apply(self.now, input, &mut self.sent);
        self.replay.apply(self.now, input, &self.state);
        while let Some(conn) = self.sent.undrained.difference(&self.slow).next().copied() {
            self.drain(conn);
        }
    }

    /// Lets all output of a connection leave.
    fn drain(&mut self, conn: ConnId) {
        if self.sent.undrained.remove(&conn) {
            self.sent.bytes.remove(&conn);
            let input = Input::Drained(conn);
            self.state.apply(self.now, &input, &mut self.sent);
            self.replay.apply(self.now, &input, &self.state);
        }
    }

    fn user(&mut self, id: &str) -> ConnId {
        let conn = self.conn();
        let (user, session) = (UserId::parse(id).unwrap(), Session::parse(id).unwrap());
        self.apply(&Input::UserConnects { conn, user, offered: Some(session), fresh: session });
        conn
    }

    fn staff(&mut self, id: &str) -> ConnId {
        let conn = self.conn();
        self.apply(&Input::StaffConnects { conn, staff: StaffId::parse(id).unwrap(), name: None });
        conn
    }

    fn online(&mut self, id: &str) -> ConnId {
        let staff = self.staff(id);
        self.does(staff, StaffCommand::GoOnline { name: None });
        staff
    }

    fn asks(&mut self, user: ConnId, command: UserCommand<'_>) {
        self.apply(&Input::UserAsks(user, command, None));
    }

    fn does(&mut self, staff: ConnId, command: StaffCommand<'_>) {
        self.apply(&Input::StaffAsks(staff, command, None));
    }

    fn create(&mut self, user: ConnId) -> TicketId {
        self.asks(user, create());
        self.sent.created.take().unwrap()
    }

    fn leave(&mut self, conn: ConnId) {
        self.sent.undrained.remove(&conn);
        self.apply(&Input::Leaves(conn));
    }

    /// Lets time pass, with a tick whenever something is due, as in the loop.
    fn wait(&mut self, ms: Millis) {
        let end = self.now + ms;
        while let Some(due) = self.state.next_due().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.apply(&Input::Tick);
        }
        self.now = end;
    }

    /// Returns what a connection was sent since the last call.
    fn sent(&mut self, conn: ConnId) -> Vec<String> {
        self.sent.by_conn.remove(&conn).unwrap_or_default()
    }
}

fn create() -> UserCommand<'static> {
    UserCommand::CreateTicket { subject: text("subject"), name: None, page: None }
}

fn text(text: &str) -> JsonText<'_> {
    JsonText::from_parsed(Cow::Borrowed(text))
}

/// An hour at a small desk.
fn a_busy_hour(assign: Assign) -> World {
    let mut world = World::new(assign);
    let (sam, tom) = (world.online("sam"), world.online("tom"));
    let users: Vec<_> = (0..8).map(|n| world.user(&format!("u{n}"))).collect();
    for (n, user) in users.iter().enumerate() {
        let ticket = world.create(*user);
        let staff = if n % 2 == 0 { sam } else { tom };
        world.does(staff, StaffCommand::PickTicket { ticket });
        world.asks(*user, UserCommand::Message { id: 1, text: text("hello") });
        world.does(staff, StaffCommand::Message { ticket, id: 1, text: text("hi") });
        world.asks(*user, UserCommand::Typing { active: true });
        world.wait(10_000);
        match n {
            3 => world.leave(*user),
            4 => world.does(tom, StaffCommand::GoOffline),
            5 => world.does(sam, StaffCommand::CloseTicket { ticket }),
            6 => world.does(sam, StaffCommand::ReleaseTicket { ticket }),
            _ => {}
        }
    }
    world
}

#[test]
fn the_same_commands_give_the_same_state() {
    for assign in [Assign::Manual, Assign::RoundRobin, Assign::LeastBusy] {
        let (one, other) = (a_busy_hour(assign), a_busy_hour(assign));
        assert_eq!(one.state.digest(), other.state.digest());
        assert_eq!(one.sent.by_conn, other.sent.by_conn);
    }
    assert_ne!(a_busy_hour(Assign::Manual).state.digest(), a_busy_hour(Assign::RoundRobin).state.digest());
}

#[test]
fn states_that_differ_in_one_secret_have_different_digests() {
    let digest = |session: &str| {
        let mut world = World::new(Assign::Manual);
        let (conn, user) = (world.conn(), UserId::parse("ann").unwrap());
        world.apply(&Input::UserConnects {
            conn,
            user,
            offered: None,
            fresh: Session::parse(session).unwrap(),
        });
        world.state.digest()
    };
    assert_eq!(digest("one"), digest("one"));
    assert_ne!(digest("one"), digest("another"));
}

#[test]
fn a_state_that_was_stored_and_read_again_goes_on_as_before() {
    let (mut one, mut other) = (a_busy_hour(Assign::LeastBusy), a_busy_hour(Assign::LeastBusy));
    let stored = serde_json::to_string(&other.state).unwrap();
    other.state = serde_json::from_str(&stored).unwrap();
    assert_eq!(one.state.digest(), other.state.digest());
    for world in [&mut one, &mut other] {
        let kim = world.user("kim");
        world.create(kim);
        world.wait(1_000_000);
    }
    assert_eq!(one.sent.by_conn, other.sent.by_conn);
}

#[test]
fn when_everybody_has_left_nothing_is_kept() {
    let mut world = a_busy_hour(Assign::Manual);
    for slot in 1..=world.next_slot {
        world.leave(ConnId::here(slot, 0));
    }
    world.wait(2 * world.state.rules.user_grace_ms);
    assert_eq!(world.state.counts(), Counts::default());
    let empty =
        |text: &str, what: &str| assert!(text.contains(&format!("\"{what}\":{{}}")), "{what}: {text}");
    let stored = serde_json::to_string(&world.state).unwrap();
    for what in ["users_by_id", "staff_by_id", "tickets", "nodes"] {
        empty(&stored, what);
    }
    for what in ["users", "staff", "alarms", "abandoned", "known_absent"] {
        assert!(stored.contains(&format!("\"{what}\":[]")), "{what}: {stored}");
    }
    assert_eq!(world.state.next_due(), None, "nothing is due any more");
}

#[test]
fn a_typing_notice_ends_by_itself_and_a_renewed_one_later() {
    let mut world = World::new(Assign::Manual);
    let (ann, sam) = (world.user("ann"), world.online("sam"));
    let ticket = world.create(ann);
    world.does(sam, StaffCommand::PickTicket { ticket });
    world.wait(1_000);
    world.sent(sam);
    world.asks(ann, UserCommand::Typing { active: true });
    world.wait(5_000);
    world.asks(ann, UserCommand::Typing { active: true });
    world.wait(5_999);
    assert_eq!(world.sent(sam), ["typing true", "typing true"]);
    world.wait(1);
    assert_eq!(world.sent(sam), ["typing false"]);
    world.asks(ann, UserCommand::Typing { active: true });
    world.asks(ann, UserCommand::Message { id: 1, text: text("done") });
    world.wait(10_000);
    assert_eq!(world.sent(sam), ["typing true", "message 1 done", "typing false"]);
}

#[test]
fn at_the_limit_a_new_ticket_closes_one_never_picked_of_the_user_who_is_absent_longest() {
    let mut world =
        World::with(Rules { max_chats: 9, max_tickets: 4, assign: Assign::Manual, user_grace_ms: 60_000 });
    let sam = world.online("sam");
    let users = ["here", "picked", "first", "second"].map(|id| world.user(id));
    let tickets = users.map(|user| world.create(user));
    world.does(sam, StaffCommand::PickTicket { ticket: tickets[1] });
    world.does(sam, StaffCommand::ReleaseTicket { ticket: tickets[1] });
    world.leave(users[1]);
    world.wait(10);
    world.leave(users[2]);
    world.wait(10);
    world.leave(users[3]);
    let late = ["late", "later", "too late"].map(|id| id.replace(' ', "-")).map(|id| world.user(&id));
    world.create(late[0]);
    assert_eq!(world.state.find(tickets[2]), Err(ErrorCode::NoTicket), "the longest absent");
    assert!(world.state.find(tickets[3]).is_ok());
    let back = world.user("second");
    world.sent(back);
    world.asks(late[1], create());
    assert_eq!(
        world.sent(late[1]),
        ["welcome", "desk_full"],
        "the only absent user has a ticket that was picked once"
    );
    world.leave(back);
    world.create(late[1]);
    world.asks(late[2], create());
    assert!(world.sent(late[2]).contains(&"desk_full".to_owned()));
    let first = world.user("first");
    assert_eq!(world.sent(first), ["welcome, ended"], "a user who comes back is sent the end");
}

#[test]
fn there_are_no_more_users_known_for_a_closed_ticket_than_there_may_be_tickets() {
    let mut world =
        World::with(Rules { max_chats: 9, max_tickets: 10, assign: Assign::Manual, user_grace_ms: 60_000 });
    for n in 0..1_000 {
        let user = world.user(&format!("u{n}"));
        world.create(user);
        world.leave(user);
        assert!(world.state.counts().users_known <= 21);
    }
    world.wait(200_000);
    assert_eq!(world.state.counts(), Counts::default());
}
