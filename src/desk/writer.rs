//! The way from State's events to frames in the outbox, and from its records to lines in the log.

use log::info;

use super::counters::Counters;
use crate::config::{SCORE_MAX, SCORE_MIN};
use crate::ids::{ConnId, NodeId};
use crate::net::frame::Opcode;
use crate::outbox::Outbox;
use crate::protocol::{self, close};
use crate::state::{Dismissal, Emit, Event, Record};

/// Writes State's events as frames, and counts them.
pub(super) struct EventWriter<'a> {
    pub(super) out: &'a mut Outbox,
    pub(super) counters: &'a mut Counters,
    /// The number of this process in State.
    pub(super) node: NodeId,
    /// Whether the input was another node's, which logs and counts it.
    pub(super) is_others: bool,
}

impl EventWriter<'_> {
    fn count(&mut self, event: &Event<'_>) {
        match event {
            Event::Message { .. } => self.counters.messages += 1,
            Event::TicketCreated { .. } => self.counters.tickets_opened += 1,
            Event::Error { code, .. } => self.counters.refused[*code as usize] += 1,
            _ => {}
        }
    }
}

impl Emit for EventWriter<'_> {
    fn emit(&mut self, to: ConnId, event: &Event<'_>) {
        let Some(to) = to.local_to(self.node) else { return };
        self.count(event);
        let write = |frame: &mut Vec<u8>| protocol::append_event(frame, event);
        match event {
            Event::Message { .. } => self.out.send_for_reply(to, Opcode::Text, write),
            _ => self.out.send(to, Opcode::Text, write),
        }
    }

    fn emit_all(&mut self, to: &[ConnId], event: &Event<'_>) {
        let write = |frame: &mut Vec<u8>| protocol::append_event(frame, event);
        if self.node == NodeId::HERE {
            return self.out.send_all(to.iter().copied(), Opcode::Text, write);
        }
        self.out.send_all(to.iter().filter_map(|conn| conn.local_to(self.node)), Opcode::Text, write);
    }

    fn close(&mut self, conn: ConnId, why: Dismissal) {
        let Some(conn) = conn.local_to(self.node) else { return };
        let why = match why {
            Dismissal::Elsewhere => close::ELSEWHERE,
            Dismissal::SessionMismatch => self.counters.refuse_session(format_args!("connection {conn}")),
        };
        self.out.close(conn, why);
    }

    fn notify_drained(&mut self, conn: ConnId) {
        if let Some(conn) = conn.local_to(self.node) {
            self.out.notify_drained(conn);
        }
    }

    /// Writes a line to the log. Ids hold nothing that would need escaping; texts and names are not logged.
    fn record(&mut self, record: &Record<'_>) {
        if self.is_others {
            return;
        }
        match record {
            Record::TicketOpened { ticket, user } => info!("ticket {ticket} opened by {user}"),
            Record::TicketChanged(view) => {
                let staff = view.staff.map_or("nobody", |staff| staff.id.as_str());
                let user = if view.user_online { "connected" } else { "away" };
                info!("ticket {} {:?}: staff {staff}, user {} {user}", view.ticket, view.state, view.user);
            }
            Record::TicketClosed { ticket, by } => info!("ticket {ticket} closed: {by:?}"),
            Record::TicketRated { ticket, score } => {
                info!("ticket {ticket} rated {} of {SCORE_MAX}", score.number());
                self.counters.ratings[usize::from(score.number() - SCORE_MIN)] += 1;
            }
            Record::StaffPresence { staff, online } => {
                info!("staff {staff} went {}", if *online { "online" } else { "offline" });
            }
        }
    }
}
