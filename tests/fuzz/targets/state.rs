//! Any sequence of commands from anybody, with time passing: nothing panics, every ticket is in one state, State can be
//! stored and read again, and once everybody has gone nothing is left.
#![no_main]

use std::borrow::Cow;

use deskwire::config::Assign;
use deskwire::ids::{JsonText, SecretHash, StaffId, TicketId, UserId};
use deskwire::net::ConnId;
use deskwire::state::{Counts, Emit, Event, Rules, StaffCommand, StaffKey, State, UserCommand, UserKey};
use libfuzzer_sys::fuzz_target;

/// Remembers the tickets that were spoken of, and who was dismissed.
#[derive(Default)]
struct Ears {
    tickets: Vec<TicketId>,
    asked: Vec<ConnId>,
}

impl Emit for Ears {
    fn emit(&mut self, _: ConnId, event: &Event<'_>) {
        if let Event::TicketCreated { ticket, .. } = event {
            self.tickets.push(*ticket);
        }
    }
    fn emit_all(&mut self, to: &mut dyn Iterator<Item = ConnId>, event: &Event<'_>) {
        to.for_each(|conn| self.emit(conn, event));
    }
    fn dismiss(&mut self, _: ConnId) {}
    fn ask_when_drained(&mut self, conn: ConnId) {
        self.asked.push(conn);
    }
}

const PEOPLE: usize = 4;

fuzz_target!(|data: &[u8]| {
    let [assign, data @ ..] = data else { return };
    let assign = [Assign::Manual, Assign::RoundRobin, Assign::LeastBusy][usize::from(*assign) % 3];
    let mut state = State::new(Rules { max_chats: 2, assign, user_grace_ms: 5_000 }, [1, 2]);
    let (mut ears, mut now, mut slot) = (Ears::default(), 1_000_000, 0);
    let mut users: [Option<(ConnId, UserKey)>; PEOPLE] = [None; PEOPLE];
    let mut staff: [Option<(ConnId, StaffKey)>; PEOPLE] = [None; PEOPLE];
    let text = |text| JsonText::from_parsed(Cow::Borrowed(text));
    for step in data.chunks_exact(3) {
        let [what, who, which] = [step[0], step[1], step[2]].map(usize::from);
        let who = who % PEOPLE;
        slot += 1;
        let conn = ConnId { slot, generation: 0 };
        let ticket = ears.tickets.get(which % ears.tickets.len().max(1)).copied();
        let ticket = ticket.unwrap_or(TicketId::from_bits(which as u64));
        let say = |command: UserCommand<'_>, state: &mut State, ears: &mut Ears| {
            if let Some(user) = users[who] {
                state.user_asks(now, user, &command, ears);
            }
        };
        let act = |command: StaffCommand<'_>, state: &mut State, ears: &mut Ears| {
            if let Some(member) = staff[who] {
                state.staff_asks(now, member, &command, ears);
            }
        };
        match what % 19 {
            0 => {
                let (id, session) = (UserId::parse(&format!("u{who}")).unwrap(), SecretHash::of("s"));
                users[who] =
                    state.user_connects(now, conn, id, Some(&session), session, &mut ears).ok().map(|key| (conn, key));
            }
            1 => users[who].take().into_iter().for_each(|user| state.user_leaves(now, user, &mut ears)),
            2 => {
                let id = StaffId::parse(&format!("s{who}")).unwrap();
                staff[who] = Some((conn, state.staff_connects(now, conn, id, &mut ears)));
            }
            3 => staff[who].take().into_iter().for_each(|member| state.staff_leaves(now, member, &mut ears)),
            4 => say(UserCommand::CreateTicket { subject: text("s"), name: None, page: None }, &mut state, &mut ears),
            5 => say(UserCommand::Message { id: which as u64 + 1, text: text("t") }, &mut state, &mut ears),
            6 => say(UserCommand::Delivered { seq: which as u64 }, &mut state, &mut ears),
            7 => say(UserCommand::Typing { active: which % 2 == 0 }, &mut state, &mut ears),
            8 => say(UserCommand::CloseTicket, &mut state, &mut ears),
            9 => act(StaffCommand::GoOnline { name: None }, &mut state, &mut ears),
            10 => act(StaffCommand::GoOffline, &mut state, &mut ears),
            11 => act(StaffCommand::PickTicket { ticket }, &mut state, &mut ears),
            12 => act(StaffCommand::ReleaseTicket { ticket }, &mut state, &mut ears),
            13 => {
                let to = Cow::Owned(format!("s{}", which % PEOPLE));
                act(StaffCommand::TransferTicket { ticket, to, note: None }, &mut state, &mut ears);
            }
            14 => act(StaffCommand::Message { ticket, id: which as u64 + 1, text: text("t") }, &mut state, &mut ears),
            15 => act(StaffCommand::Delivered { ticket, seq: which as u64 }, &mut state, &mut ears),
            16 => act(StaffCommand::Typing { ticket, active: which % 2 == 0 }, &mut state, &mut ears),
            17 => act(StaffCommand::CloseTicket { ticket }, &mut state, &mut ears),
            _ => {
                now += which as u64 * 100;
                state.tick(now, &mut ears);
                assert!(state.next_due().is_none_or(|due| due > now));
            }
        }
        for conn in std::mem::take(&mut ears.asked) {
            let member = staff.iter().flatten().find(|(c, _)| *c == conn);
            member.into_iter().for_each(|member| state.send_more_tickets(*member, &mut ears));
        }
        let counts = state.counts();
        assert!(counts.tickets_waiting + counts.tickets_active + counts.tickets_paused <= PEOPLE);
        assert!(counts.tickets_active <= 2 * counts.staff_online && counts.staff_known <= PEOPLE);
    }
    users.iter_mut().for_each(|u| u.take().into_iter().for_each(|user| state.user_leaves(now, user, &mut ears)));
    staff.iter_mut().for_each(|s| s.take().into_iter().for_each(|s| state.staff_leaves(now, s, &mut ears)));
    for _ in 0..3 {
        now += 10_000;
        state.tick(now, &mut ears);
    }
    assert_eq!(state.counts(), Counts::default());
    assert_eq!(state.next_due(), None);
});
