//! What staff see of the tickets: all of them once, and then each change.
//!
//! A connection is sent the board from the oldest ticket on, as fast as it takes it. How far it has come is all that is
//! kept of it: a ticket beyond that is not spoken of yet, since it will be sent as it is when its turn comes.

use std::ops::Bound;

use serde::{Deserialize, Serialize};

use super::State;
use super::event::{ClosedBy, Emit, Event, StaffWelcome, TicketView};
use super::presence::StaffKey;
use super::ticket::Ticket;
use super::ticket_ids::TicketNo;
use crate::config::{BOARD_BYTES_MAX, Millis, WELCOME_TICKETS_MAX};
use crate::ids::{StaffId, TicketId};
use crate::net::ConnId;

/// How much of the board a staff member's connection has been sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) enum Board {
    /// All of it.
    #[default]
    Whole,
    /// The tickets up to this one.
    UpTo(TicketNo),
}

impl Board {
    fn shows(self, number: TicketNo) -> bool {
        match self {
            Self::Whole => true,
            Self::UpTo(last) => number <= last,
        }
    }
}

/// What a frame has besides texts and ids, at most.
const TICKET_FRAME_BYTES: usize = 250;

impl State {
    pub(super) fn welcome_staff(&mut self, now: Millis, conn: ConnId, key: StaffKey, out: &mut impl Emit) {
        let online: Vec<&StaffId> =
            self.staff_by_id.iter().filter(|(_, key)| self.staff[**key].online).map(|(id, _)| id).collect();
        // Ids that do not fit follow one by one, as if these colleagues came just now.
        let mut bytes = 0;
        let fitting = online.iter().take_while(|id| {
            bytes += id.as_str().len() + 3;
            bytes < BOARD_BYTES_MAX / 2
        });
        let (listed, others) = online.split_at(fitting.count());
        let (views, last) =
            self.views_after(None, WELCOME_TICKETS_MAX, BOARD_BYTES_MAX.saturating_sub(bytes));
        let more = self.tickets.len() - views.len();
        out.emit(
            conn,
            &Event::StaffWelcome(StaffWelcome {
                staff_id: &self.staff[key].id,
                now,
                max_chats: self.rules.max_chats,
                assign: self.rules.assign,
                tickets: &views,
                more,
                staff: listed,
            }),
        );
        for staff in others {
            out.emit(conn, &Event::Colleague { staff, online: true });
        }
        self.note_sent(conn, key, more, last, out);
    }

    /// Everything emitted to this connection has left: sends the next part of the board.
    pub fn send_more_tickets(&mut self, (conn, key): (ConnId, StaffKey), out: &mut impl Emit) {
        let Some(Board::UpTo(last)) = self.staff_at(key, conn).map(|staff| staff.board) else { return };
        let (views, next) = self.views_after(Some(last), usize::MAX, BOARD_BYTES_MAX);
        for view in &views {
            out.emit(conn, &Event::TicketAdded(*view));
        }
        let more =
            next.is_some_and(|next| self.tickets.last_key_value().is_some_and(|(last, _)| *last > next));
        self.note_sent(conn, key, usize::from(more), next, out);
    }

    pub(super) fn announce_new(&self, number: TicketNo, out: &mut impl Emit) {
        self.announce(number, &Event::TicketAdded(self.view(&self.tickets[&number])), out);
    }

    pub(super) fn announce_update(&self, number: TicketNo, out: &mut impl Emit) {
        self.announce(number, &Event::TicketUpdated(self.view(&self.tickets[&number])), out);
    }

    pub(super) fn announce_removal(
        &self,
        number: TicketNo,
        ticket: TicketId,
        by: ClosedBy,
        out: &mut impl Emit,
    ) {
        self.announce(number, &Event::TicketRemoved { ticket, by }, out);
    }

    /// Tells every staff member who has been sent this ticket, or all of the board.
    fn announce(&self, number: TicketNo, event: &Event<'_>, out: &mut impl Emit) {
        let watching = self.staff.values().filter(|staff| staff.board.shows(number));
        out.emit_all(&mut watching.filter_map(|staff| staff.conn), event);
    }

    fn note_sent(
        &mut self,
        conn: ConnId,
        key: StaffKey,
        more: usize,
        last: Option<TicketNo>,
        out: &mut impl Emit,
    ) {
        self.staff[key].board = match last.filter(|_| more > 0) {
            Some(last) => {
                out.ask_when_drained(conn);
                Board::UpTo(last)
            }
            None => Board::Whole,
        };
    }

    /// The next tickets in order, as many as fit, and the number of the last of them.
    fn views_after(
        &self,
        last: Option<TicketNo>,
        count_max: usize,
        bytes_max: usize,
    ) -> (Vec<TicketView<'_>>, Option<TicketNo>) {
        let start = last.map_or(Bound::Unbounded, Bound::Excluded);
        let (mut views, mut sent, mut bytes) = (Vec::new(), last, 0);
        for (number, ticket) in self.tickets.range((start, Bound::Unbounded)).take(count_max) {
            let view = self.view(ticket);
            bytes += TICKET_FRAME_BYTES + view.subject.len() + view.user.as_str().len();
            bytes += view.staff.map_or(0, |staff| staff.as_str().len());
            // One at least, or a board would never come to an end.
            if bytes > bytes_max && !views.is_empty() {
                break;
            }
            views.push(view);
            sent = Some(*number);
        }
        (views, sent)
    }

    fn view<'a>(&'a self, ticket: &'a Ticket) -> TicketView<'a> {
        let user = &self.users[ticket.user];
        TicketView {
            ticket: ticket.id,
            user: &user.id,
            subject: &ticket.subject,
            state: ticket.status.state(),
            staff: ticket.status.staff().map(|key| &self.staff[key].id),
            user_online: user.conn.is_some(),
            created_at: ticket.created_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;
    use crate::config::{Assign, SUBJECT_CHARS_MAX};
    use crate::ids::{JsonText, SecretHash, UserId};
    use crate::protocol::append_event;
    use crate::state::{Rules, StaffCommand, UserCommand};

    const NOW: Millis = 1_000_000;

    /// What one connection is sent, in bytes.
    #[derive(Default)]
    struct Scales {
        watched: Option<ConnId>,
        frames: Vec<usize>,
        has_asked: bool,
    }

    impl Emit for Scales {
        fn emit(&mut self, to: ConnId, event: &Event<'_>) {
            if Some(to) == self.watched {
                let mut bytes = Vec::new();
                append_event(&mut bytes, event, "");
                self.frames.push(bytes.len());
            }
        }

        fn emit_all(&mut self, to: &mut dyn Iterator<Item = ConnId>, event: &Event<'_>) {
            to.for_each(|conn| self.emit(conn, event));
        }

        fn dismiss(&mut self, _: ConnId) {}

        fn ask_when_drained(&mut self, _: ConnId) {
            self.has_asked = true;
        }
    }

    impl Scales {
        /// What was sent since the last time is as much as there may be, and not much less.
        fn weigh(&mut self) {
            let bytes: usize = self.frames.drain(..).sum();
            assert!(bytes <= BOARD_BYTES_MAX, "{bytes} bytes");
            assert!(bytes > BOARD_BYTES_MAX / 5 * 4 || !self.has_asked, "{bytes} bytes, and more to come");
        }
    }

    fn conn(slot: u32) -> ConnId {
        ConnId { slot, generation: 0 }
    }

    /// An id of the longest sort.
    fn long_id(name: &str, number: u32) -> String {
        format!("{name}-{number:-<58}")
    }

    /// A desk with so many staff online and so many tickets, all with the longest of ids and subjects.
    fn desk(staff: u32, tickets: u32) -> State {
        let rules = Rules { max_chats: 1, assign: Assign::Manual, user_grace_ms: 0 };
        let (mut state, mut out) = (State::new(rules, [7, 9]), Scales::default());
        for number in 0..staff {
            let id = StaffId::parse(&long_id("staff", number)).unwrap();
            let key = state.staff_connects(NOW, conn(number), id, &mut out);
            state.staff_asks(NOW, (conn(number), key), &StaffCommand::GoOnline, &mut out);
        }
        let subject = "\u{1F5A8}".repeat(SUBJECT_CHARS_MAX);
        for number in 0..tickets {
            let (at, session) = (conn(staff + number), SecretHash::of(""));
            let id = UserId::parse(&long_id("user", number)).unwrap();
            let key = state.user_connects(NOW, at, id, None, session, &mut out).unwrap();
            let subject = JsonText::from_parsed(Cow::Borrowed(&subject));
            state.user_asks(NOW, (at, key), &UserCommand::CreateTicket { subject }, &mut out);
        }
        state
    }

    #[test]
    fn a_board_comes_in_parts_that_are_full_and_not_too_large() {
        // Colleagues may take up half of it.
        for colleagues in [0, 500, 1440] {
            let mut state = desk(colleagues, 400);
            let sam = conn(u32::MAX);
            let mut out = Scales { watched: Some(sam), ..Scales::default() };
            let key = state.staff_connects(NOW, sam, StaffId::parse("sam").unwrap(), &mut out);
            out.weigh();
            while std::mem::take(&mut out.has_asked) {
                state.send_more_tickets((sam, key), &mut out);
                out.weigh();
            }
            assert_eq!(state.staff[key].board, Board::Whole);
        }
    }
}
