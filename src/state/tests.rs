//! State by itself: what depends on time, on the size of the desk, or on being the same twice.

mod queue;

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::*;
use crate::ids::{JsonText, SecretHash};

/// A desk, everybody at it, and what each connection was told, as a word or two.
struct World {
    state: State,
    now: Millis,
    told: Told,
    next_slot: u32,
}

#[derive(Default)]
struct Told {
    by_conn: BTreeMap<ConnId, Vec<String>>,
    dismissed: Vec<ConnId>,
    asked_for_room: Vec<ConnId>,
    events: usize,
}

type At<K> = (ConnId, K);

impl Emit for Told {
    fn emit(&mut self, to: ConnId, event: &Event<'_>) {
        self.events += 1;
        self.by_conn.entry(to).or_default().push(in_short(event));
    }

    fn emit_all(&mut self, to: &mut dyn Iterator<Item = ConnId>, event: &Event<'_>) {
        to.for_each(|conn| self.emit(conn, event));
    }

    fn dismiss(&mut self, conn: ConnId) {
        self.dismissed.push(conn);
    }

    fn ask_when_drained(&mut self, conn: ConnId) {
        self.asked_for_room.push(conn);
    }
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
        Event::Presence { online } => format!("presence {online}"),
        Event::Colleague { staff, online } => format!("{staff} {online}"),
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
        Event::Error { code, .. } => code.code().into(),
    }
}

impl World {
    fn new(assign: Assign) -> Self {
        let rules = Rules { max_chats: 2, assign, user_grace_ms: 60_000 };
        Self { state: State::new(rules, [7, 9]), now: 1_000_000, told: Told::default(), next_slot: 0 }
    }

    fn conn(&mut self) -> ConnId {
        self.next_slot += 1;
        ConnId { slot: self.next_slot, generation: 0 }
    }

    fn user(&mut self, id: &str) -> At<UserKey> {
        let (conn, session) = (self.conn(), SecretHash::of(id));
        let id = UserId::parse(id).unwrap();
        let key =
            self.state.user_connects(self.now, conn, id, Some(&session), session, &mut self.told).unwrap();
        (conn, key)
    }

    fn staff(&mut self, id: &str) -> At<StaffKey> {
        let conn = self.conn();
        let key = self.state.staff_connects(self.now, conn, StaffId::parse(id).unwrap(), &mut self.told);
        (conn, key)
    }

    fn online(&mut self, id: &str) -> At<StaffKey> {
        let staff = self.staff(id);
        self.does(staff, StaffCommand::GoOnline);
        staff
    }

    fn asks(&mut self, user: At<UserKey>, command: UserCommand<'_>) {
        self.state.user_asks(self.now, user, &command, &mut self.told);
    }

    fn does(&mut self, staff: At<StaffKey>, command: StaffCommand<'_>) {
        self.state.staff_asks(self.now, staff, &command, &mut self.told);
    }

    fn create(&mut self, user: At<UserKey>) -> TicketId {
        self.asks(user, UserCommand::CreateTicket { subject: text("subject") });
        self.state.ids.id(self.state.users[user.1].ticket.unwrap())
    }

    fn leave(&mut self, user: At<UserKey>) {
        self.state.user_leaves(self.now, user, &mut self.told);
    }

    /// Takes the rest of the board, as a connection does whose output has left. In how many parts?
    fn take_board(&mut self, staff: At<StaffKey>) -> usize {
        let mut parts = 0;
        while let Some(asked) = self.told.asked_for_room.iter().position(|conn| *conn == staff.0) {
            self.told.asked_for_room.remove(asked);
            self.state.send_more_tickets(staff, &mut self.told);
            parts += 1;
        }
        parts
    }

    /// Lets time pass as the loop does: from one thing that is due to the next.
    fn wait(&mut self, ms: Millis) {
        let end = self.now + ms;
        while let Some(due) = self.state.next_due().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.state.tick(self.now, &mut self.told);
            assert!(self.state.next_due().is_none_or(|next| next > self.now), "a tick does all that is due");
        }
        self.now = end;
    }

    /// What a connection was told since it was asked last.
    fn told(&mut self, (conn, _): At<impl Copy>) -> Vec<String> {
        self.told.by_conn.remove(&conn).unwrap_or_default()
    }
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
        assert_eq!(one.told.by_conn, other.told.by_conn);
    }
    assert_ne!(a_busy_hour(Assign::Manual).state.digest(), a_busy_hour(Assign::RoundRobin).state.digest());
}

#[test]
fn the_digest_tells_states_apart_that_differ_in_one_secret() {
    let digest = |session: &str| {
        let mut world = World::new(Assign::Manual);
        let (conn, id) = (world.conn(), UserId::parse("ann").unwrap());
        let fresh = SecretHash::of(session);
        world.state.user_connects(world.now, conn, id, None, fresh, &mut world.told).unwrap();
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
    assert_eq!(one.told.by_conn, other.told.by_conn);
}

#[test]
fn when_everybody_has_left_nothing_is_kept() {
    let mut world = a_busy_hour(Assign::Manual);
    for slot in 1..=world.next_slot {
        let conn = ConnId { slot, generation: 0 };
        for place in 0..20 {
            let key = |name: &str| serde_json::from_str(&format!("{place}")).expect(name);
            world.state.user_leaves(world.now, (conn, key("a user's key")), &mut world.told);
            let key = serde_json::from_str(&format!("{place}")).expect("a staff member's key");
            world.state.staff_leaves(world.now, (conn, key), &mut world.told);
        }
    }
    world.wait(2 * world.state.rules.user_grace_ms);
    assert_eq!(world.state.counts(), Counts::default());
    let empty =
        |text: &str, what: &str| assert!(text.contains(&format!("\"{what}\":{{}}")), "{what}: {text}");
    let stored = serde_json::to_string(&world.state).unwrap();
    for what in ["users", "users_by_id", "staff", "staff_by_id", "tickets"] {
        empty(&stored, what);
    }
    assert_eq!(world.state.next_due(), None, "nothing is due any more");
}

#[test]
fn an_absent_user_finds_out_what_became_of_the_ticket_and_only_once() {
    let mut world = World::new(Assign::Manual);
    let (ann, sam) = (world.user("ann"), world.online("sam"));
    let ticket = world.create(ann);
    world.does(sam, StaffCommand::PickTicket { ticket });
    world.does(sam, StaffCommand::Message { ticket, id: 1, text: text("are you there?") });
    world.leave(ann);
    world.wait(59_999);
    assert_eq!(world.state.counts().tickets_active, 1, "the grace time is not over");
    world.wait(1);
    assert!(world.told(sam).ends_with(&["closed Timeout".to_owned(), "removed".to_owned()]));
    world.wait(59_999);
    let ann = world.user("ann");
    assert_eq!(world.told(ann), ["welcome, ended", "message 1 are you there?"]);
    world.leave(ann);
    let ann = world.user("ann");
    assert_eq!(world.told(ann), ["welcome"]);
}

#[test]
fn an_id_stays_its_users_for_the_grace_time_even_when_they_have_been_told() {
    let mut world = World::new(Assign::Manual);
    let (ann, sam) = (world.user("ann"), world.online("sam"));
    let ticket = world.create(ann);
    world.does(sam, StaffCommand::PickTicket { ticket });
    world.leave(ann);
    world.does(sam, StaffCommand::CloseTicket { ticket });
    let ann = world.user("ann");
    world.leave(ann);
    let mut stranger_is_let_in = |after_ms| {
        world.wait(after_ms);
        let (conn, id) = (world.conn(), UserId::parse("ann").unwrap());
        let fresh = SecretHash::of("another");
        world.state.user_connects(world.now, conn, id, None, fresh, &mut world.told).is_ok()
    };
    assert!(!stranger_is_let_in(0));
    assert!(!stranger_is_let_in(59_999));
    assert!(stranger_is_let_in(1));
}

#[test]
fn who_comes_back_in_time_is_waited_for_anew() {
    let mut world = World::new(Assign::Manual);
    let ann = world.user("ann");
    world.create(ann);
    world.leave(ann);
    world.wait(59_000);
    let ann = world.user("ann");
    world.wait(100_000);
    assert_eq!(world.state.counts().tickets_waiting, 1);
    world.leave(ann);
    world.wait(59_999);
    assert_eq!(world.state.counts().tickets_waiting, 1);
    world.wait(1);
    assert_eq!(world.state.counts().tickets_waiting, 0);
}

#[test]
fn a_typing_notice_ends_by_itself_and_a_renewed_one_later() {
    let mut world = World::new(Assign::Manual);
    let (ann, sam) = (world.user("ann"), world.online("sam"));
    let ticket = world.create(ann);
    world.does(sam, StaffCommand::PickTicket { ticket });
    world.told(sam);
    world.asks(ann, UserCommand::Typing { active: true });
    world.wait(5_000);
    world.asks(ann, UserCommand::Typing { active: true });
    world.wait(5_999);
    assert_eq!(world.told(sam), ["typing true", "typing true"]);
    world.wait(1);
    assert_eq!(world.told(sam), ["typing false"]);
    world.asks(ann, UserCommand::Typing { active: true });
    world.asks(ann, UserCommand::Message { id: 1, text: text("done") });
    world.wait(10_000);
    assert_eq!(world.told(sam), ["typing true", "message 1 done", "typing false"]);
}

#[test]
fn a_staff_member_who_connects_again_is_one_person_and_has_to_pick_again() {
    let mut world = World::new(Assign::Manual);
    let (ann, sam) = (world.user("ann"), world.online("sam"));
    let ticket = world.create(ann);
    world.does(sam, StaffCommand::PickTicket { ticket });
    world.told(ann);
    let again = world.staff("sam");
    assert_eq!(world.told.dismissed, [sam.0]);
    assert_eq!(world.told(ann), ["desk false", "staff Offline"]);
    world.does(sam, StaffCommand::Message { ticket, id: 1, text: text("from the older one") });
    world.state.staff_leaves(world.now, sam, &mut world.told);
    assert_eq!(world.told(ann), [""; 0], "the older connection counts for nothing");
    world.does(again, StaffCommand::GoOnline);
    world.does(again, StaffCommand::PickTicket { ticket });
    assert_eq!(world.told(ann), ["desk true", "staff Online", "staff Reconnected"]);
}

#[test]
fn a_wrong_session_is_somebody_else() {
    let mut world = World::new(Assign::Manual);
    world.user("ann");
    let conn = world.conn();
    for offered in [None, Some(SecretHash::of("guessed"))] {
        let (id, fresh) = (UserId::parse("ann").unwrap(), SecretHash::of("fresh"));
        let refused =
            world.state.user_connects(world.now, conn, id, offered.as_ref(), fresh, &mut world.told);
        assert_eq!(refused, Err(SomebodyElse));
    }
    assert_eq!(world.told.dismissed, [], "and does not push out who is there");
}
