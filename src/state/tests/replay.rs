//! The stored form of State: inputs and States that went through JSON lead to the same State. Every test of State is
//! replayed in this way, while its desk and its history are small.

use super::*;
use crate::ids::SecretHash;

/// A second State, which is given all inputs in their stored form, and is itself stored and read back between them.
pub(super) struct Replay {
    state: Option<State>,
    digest: u64,
    inputs: usize,
}

impl Replay {
    pub(super) fn new(rules: Rules) -> Self {
        let state = State::new(rules, [7, 9]);
        Self { digest: state.digest(), state: Some(state), inputs: 0 }
    }

    pub(super) fn apply(&mut self, now: Millis, input: &Input<'_>, right: &State) {
        const ITEMS_MAX: usize = 30;
        const INPUTS_MAX: usize = 400;
        self.inputs += 1;
        let is_small = right.items() <= ITEMS_MAX && self.inputs <= INPUTS_MAX;
        let Some(state) = self.state.take().filter(|_| is_small) else { return };
        let stored = serde_json::to_string(&state).unwrap();
        let mut state: State = serde_json::from_str(&stored).unwrap();
        assert_eq!(
            state.digest(),
            self.digest,
            "the State that was read is not the one that was stored: {stored}"
        );
        let stored = serde_json::to_string(input).unwrap();
        state.apply(now, &serde_json::from_str(&stored).unwrap(), &mut ());
        self.digest = state.digest();
        assert_eq!(self.digest, right.digest(), "{stored} leads to another State");
        self.state = Some(state);
    }
}

/// A history that shows whether State behaves as before.
fn history() -> World {
    let mut world = a_busy_hour(Assign::RoundRobin);
    world.wait(100_000);
    let rules = world.state.rules;
    world.apply(&Input::Starts(rules));
    world.online("sam");
    world.user("u0");
    world.wait(10_000);
    world.apply(&Input::NodeStarts { rules, is_only: false });
    world.on_node(2, |world| world.user("u1"));
    world.apply(&Input::NodeEnds(NodeId(2)));
    world.wait(1_000);
    world
}

#[test]
fn a_change_of_behaviour_is_a_new_version_of_state() {
    // If this fails because State was changed on purpose: raise STATE_VERSION if the present one was released, and
    // write the new digest here.
    assert_eq!((STATE_VERSION, format!("{:016x}", history().state.digest())), (3, "f33c57104a7b2826".into()));
}

#[test]
fn no_secret_is_stored() {
    let mut world = World::new(Assign::Manual);
    world.user("ann");
    let session = Session::parse("s3cret");
    let (conn, user) = (world.conn(), UserId::parse("ben").unwrap());
    let input = Input::UserConnects { conn, user, offered: session, fresh: session.unwrap() };
    let stored = serde_json::to_string(&input).unwrap();
    world.apply(&input);
    assert!(stored.contains(&SecretHash::of("s3cret").to_hex()) && !stored.contains("s3cret"), "{stored}");
    let stored = serde_json::to_string(&world.state).unwrap();
    assert!(stored.contains(&SecretHash::of("s3cret").to_hex()) && !stored.contains("s3cret"), "{stored}");
}

#[test]
fn an_input_is_stored_in_a_readable_form_and_read_back_with_unknown_fields() {
    let ask = UserCommand::Message { id: 3, text: JsonText::from_parsed(Cow::Owned("\"é\"".into())) };
    let conn = ConnId::here(1, 7);
    let stored = serde_json::to_string(&Input::UserAsks(conn, ask, None)).unwrap();
    assert_eq!(stored, r#"{"user_asks":["1.7",{"message":{"id":3,"text":"\"é\""}}]}"#);
    let more = stored.replace(r#""id":3"#, r#""id":3,"colour":"red""#);
    let read: Input<'_> = serde_json::from_str(&more).unwrap();
    assert_eq!(serde_json::to_string(&read).unwrap(), stored);
    assert_eq!(serde_json::to_string(&Input::Tick).unwrap(), r#""tick""#);
    let names = Names { id: Some(IdRef::OutOfRange("-1")), ticket: Some(TicketRef::Unknown("\"".into())) };
    let input = Input::UserAsks(conn, UserCommand::Ping, Some(Box::new(names)));
    let stored = serde_json::to_string(&input).unwrap();
    assert_eq!(
        stored,
        r#"{"user_asks":["1.7","ping",{"id":{"out_of_range":"-1"},"ticket":{"unknown":"\""}}]}"#
    );
    let read: Input<'_> = serde_json::from_str(&stored).unwrap();
    assert_eq!(format!("{read:?}"), format!("{input:?}"));
}

#[test]
fn a_recap_is_stored_with_its_lines_for_other_nodes_and_without_them_for_a_journal() {
    let quoted = || JsonText::from_parsed(Cow::Owned("\"é\"".to_owned()));
    let line =
        |from, name: Option<&'static str>, at| RecapLine { from, name: name.map(text), text: quoted(), at };
    let recap = Recap::new(vec![line(Side::User, Some("Ann"), 1), line(Side::Staff, None, 2)]);
    let stored = serde_json::to_string(&recap).unwrap();
    let read: Recap<'_> = serde_json::from_str(&stored).unwrap();
    assert_eq!(
        (format!("{read:?}"), read.bytes_max()),
        (format!("{recap:?}"), recap.bytes_max()),
        "{stored}"
    );
    assert_eq!(read.lines()[0].text.as_str(), r#"\"é\""#);
    let stored = serde_json::to_string(&recap.without_lines()).unwrap();
    assert_eq!(stored, recap.bytes_max().to_string());
    let read: Recap<'_> = serde_json::from_str(&stored).unwrap();
    assert_eq!((read.lines().len(), read.bytes_max()), (0, recap.bytes_max()));
}

#[test]
fn state_depends_on_the_hash_of_a_session_and_not_on_the_secret() {
    let credit = |plain: &str| {
        let mut world = World::new(Assign::Manual);
        let (conn, user) = (world.conn(), UserId::parse("ann").unwrap());
        let fresh = Session::parse(plain).unwrap();
        world.apply(&Input::UserConnects { conn, user, offered: None, fresh });
        serde_json::to_value(&world.state).unwrap()["users"][0]["link"]["credit"].clone()
    };
    assert_eq!(credit("a"), credit(&"a".repeat(64)));
}

#[test]
fn a_start_ends_what_depended_on_connections() {
    let mut world = World::new(Assign::Manual);
    let sam = world.online("sam");
    let (ann, ben, cleo) = (world.user("ann"), world.user("ben"), world.user("cleo"));
    let (with_sam, waiting, left) = (world.create(ann), world.create(ben), world.create(cleo));
    world.does(sam, StaffCommand::PickTicket { ticket: with_sam });
    world.asks(ann, UserCommand::Message { id: 1, text: text("hello") });
    world.leave(cleo);
    world.wait(50_000); // of the minute for which this desk waits for cleo
    let rules = Rules { max_chats: 1, ..world.state.rules };
    world.apply(&Input::Starts(rules));
    let counts =
        Counts { users_known: 3, staff_known: 1, tickets_waiting: 2, tickets_paused: 1, ..Counts::default() };
    assert_eq!(world.state.counts(), counts);
    world.wait(50_000);
    assert_eq!(world.state.counts(), counts, "everybody has a minute from the start");
    let ann = world.user("ann");
    assert_eq!(world.sent(ann), ["welcome"]);
    let sam = world.staff("sam");
    world.sent(ann);
    world.does(sam, StaffCommand::GoOnline { name: None });
    world.does(sam, StaffCommand::PickTicket { ticket: with_sam });
    let sent = world.sent(sam);
    assert!(sent.contains(&"picked ann".to_owned()), "{sent:?}");
    assert!(sent.iter().any(|line| line.starts_with("message")), "held since before the start: {sent:?}");
    world.does(sam, StaffCommand::PickTicket { ticket: waiting });
    assert!(world.sent(sam).contains(&"at_capacity".to_owned()), "the rules are those of the start");
    world.wait(60_000);
    assert_eq!(world.state.counts().tickets_waiting, 0, "{left} and {waiting} have closed");
}

#[test]
fn a_state_with_texts_in_a_ring_is_read_back_unchanged() {
    let mut world = World::new(Assign::Manual);
    let (sam, ann) = (world.online("sam"), world.user("ann"));
    let ticket = world.create(ann);
    world.does(sam, StaffCommand::PickTicket { ticket });
    for id in 1..=100 {
        let said = JsonText::from_parsed(Cow::Owned(format!("é\"{}", "x".repeat(id % 40))));
        world.asks(ann, UserCommand::Message { id: id as u64, text: said.clone() });
        world.does(sam, StaffCommand::Message { ticket, id: id as u64, text: said });
        if id % 3 == 0 {
            world.asks(ann, UserCommand::Delivered { seq: 2 * id as u64 - 5 });
        }
    }
}

/// A State that is replayed has to count the same credit, and a refusal counts by its size.
#[test]
#[cfg(feature = "journal")]
fn a_recap_is_stored_for_a_journal_with_the_names_that_its_refusal_has() {
    let line = RecapLine { from: Side::User, name: None, text: text("x"), at: 1 };
    let names = Names { id: Some(IdRef::OutOfRange("-7")), ticket: None };
    let recap = UserCommand::Recap(Recap::new(vec![line]));
    let input = Input::UserAsks(ConnId::here(1, 7), recap, Some(Box::new(names)));
    let stored = serde_json::to_string(&input.stored_instead().unwrap()).unwrap();
    assert!(stored.ends_with(r#"},{"id":{"out_of_range":"-7"}}]}"#), "{stored}");
}
