//! Any sequence of commands from anybody, with time passing: nothing panics, every ticket is in one state, State can be
//! stored and read again, and once everybody has gone nothing is left.
#![no_main]

use std::borrow::Cow;

use deskwire::config::Assign;
use deskwire::ids::{ConnId, JsonText, StaffId, TicketId, UserId};
use deskwire::state::{
    Counts, Dismissal, Emit, Event, Input, Recap, RecapLine, Record, Rules, Score, Session, Side, StaffCommand, State,
    UserCommand,
};
use libfuzzer_sys::fuzz_target;

/// Remembers the tickets that were spoken of, and who is to be drained.
#[derive(Default)]
struct Sink {
    tickets: Vec<TicketId>,
    undrained: Vec<ConnId>,
}

impl Emit for Sink {
    fn emit(&mut self, _: ConnId, event: &Event<'_>) {
        if let Event::TicketCreated { ticket, .. } = event {
            self.tickets.push(*ticket);
        }
    }

    fn emit_all(&mut self, to: &[ConnId], event: &Event<'_>) {
        to.iter().for_each(|conn| self.emit(*conn, event));
    }

    fn close(&mut self, _: ConnId, _: Dismissal) {}

    fn notify_drained(&mut self, conn: ConnId) {
        assert!(!self.undrained.contains(&conn));
        self.undrained.push(conn);
    }

    fn record(&mut self, _: &Record<'_>) {}
}

const PEOPLE: usize = 4;

/// Returns the State that is read of what this one stores: it is the same, and goes on in its place.
fn stored_and_read(state: &State) -> State {
    let json = serde_json::to_string(state).expect("a State can be stored");
    let read: State = serde_json::from_str(&json).expect("and read again");
    assert_eq!(read.digest(), state.digest());
    read
}

fuzz_target!(|data: &[u8]| {
    let [assign, data @ ..] = data else { return };
    let (is_small, assign) = (*assign >= 128, usize::from(*assign) % 3);
    let assign = [Assign::Manual, Assign::RoundRobin, Assign::LeastBusy][assign];
    let max_tickets = if is_small { 2 } else { 100 };
    let mut state = State::new(Rules { max_chats: 2, max_tickets, assign, user_grace_ms: 5_000 }, [1, 2]);
    let (mut sink, mut now, mut slot) = (Sink::default(), 1_000_000, 0);
    let mut users: [Option<ConnId>; PEOPLE] = [None; PEOPLE];
    let mut staff: [Option<ConnId>; PEOPLE] = [None; PEOPLE];
    let text = |text| JsonText::from_parsed(Cow::Borrowed(text));
    let long = "x".repeat(16_000);
    for step in data.chunks_exact(3) {
        let [what, who, which] = [step[0], step[1], step[2]].map(usize::from);
        let who = who % PEOPLE;
        let ticket = sink.tickets.get(which % sink.tickets.len().max(1)).copied();
        let ticket = ticket.unwrap_or(TicketId::from_bits(which as u64));
        let say = |command| users[who].map(|conn| Input::UserAsks(conn, command, None));
        let act = |command| staff[who].map(|conn| Input::StaffAsks(conn, command, None));
        let said = if which % 8 == 7 { text(&long) } else { text("t") };
        let input = match what % 20 {
            0 | 2 => {
                slot += 1;
                let conn = ConnId::here(slot, 0);
                if what % 20 == 0 {
                    users[who] = Some(conn);
                    let (user, session) = (UserId::parse(&format!("u{who}")).unwrap(), Session::parse("s").unwrap());
                    Some(Input::UserConnects { conn, user, offered: Some(session), fresh: session })
                } else {
                    staff[who] = Some(conn);
                    let name = (which % 2 == 1).then(|| text("Sam"));
                    Some(Input::StaffConnects { conn, staff: StaffId::parse(&format!("s{who}")).unwrap(), name })
                }
            }
            1 => users[who].take().map(Input::Leaves),
            3 => staff[who].take().map(Input::Leaves),
            4 => say(UserCommand::CreateTicket { subject: text("s"), name: Some(text("Ann")), page: None }),
            5 => say(UserCommand::Message { id: which as u64 + 1, text: said }),
            6 => say(UserCommand::Delivered { seq: which as u64 }),
            7 => say(UserCommand::Typing { active: which % 2 == 0 }),
            8 if which % 8 < 4 => {
                let line = RecapLine { from: Side::User, name: None, text: said, at: 0 };
                say(UserCommand::Recap(Recap::new(vec![line])))
            }
            9 if which % 8 < 4 => {
                let score = Score::new(which as u64 % 5 + 1).unwrap();
                say(UserCommand::RateTicket { ticket, score })
            }
            8 => say(UserCommand::CloseTicket),
            9 => act(StaffCommand::GoOnline { name: None }),
            10 => act(StaffCommand::GoOffline),
            11 => act(StaffCommand::PickTicket { ticket }),
            12 => act(StaffCommand::ReleaseTicket { ticket }),
            13 => {
                let to = Cow::Owned(format!("s{}", which % PEOPLE));
                act(StaffCommand::TransferTicket { ticket, to, note: None })
            }
            14 => act(StaffCommand::Message { ticket, id: which as u64 + 1, text: said }),
            15 => act(StaffCommand::Delivered { ticket, seq: which as u64 }),
            16 => act(StaffCommand::Typing { ticket, active: which % 2 == 0 }),
            17 => act(StaffCommand::CloseTicket { ticket }),
            18 => sink.undrained.pop().map(Input::Drained),
            _ => {
                now += which as u64 * 100;
                Some(Input::Tick)
            }
        };
        if let Some(input) = input {
            state.apply(now, &input, &mut sink);
        }
        if what >= 240 {
            state = stored_and_read(&state);
        }
        let counts = state.counts();
        assert!(counts.tickets_waiting + counts.tickets_active + counts.tickets_paused <= PEOPLE);
        assert!(counts.tickets_active <= 2 * counts.staff_online && counts.staff_known <= PEOPLE);
    }
    for conn in users.into_iter().chain(staff).flatten() {
        state.apply(now, &Input::Leaves(conn), &mut sink);
    }
    for _ in 0..100 {
        now += 10_000;
        state.apply(now, &Input::Tick, &mut sink);
    }
    assert_eq!(state.counts(), Counts::default());
    assert_eq!(state.next_due(), None);
});
