//! Answers to messages that were refused before State was asked.

use super::Desk;
use super::writer::EventWriter;
use crate::ids::{ConnId, NodeId, TicketId};
use crate::net::rate::RateVerdict;
use crate::outbox::Outbox;
use crate::protocol::Refusal;
use crate::state::{Emit, ErrorCode, Event};

impl Desk {
    /// Refuses a command that exceeded a rate limit.
    pub(super) fn refuse_command(
        &mut self,
        conn: ConnId,
        (id, ticket): (Option<u64>, Option<TicketId>),
        out: &mut Outbox,
    ) {
        self.refuse(conn, &Event::refused(ErrorCode::RateLimited, id, ticket), out);
    }

    /// Refuses a message. If it exceeded the rate limit, that is the reason given, whatever else is wrong with it.
    pub(super) fn refuse_message(
        &mut self,
        conn: ConnId,
        refusal: &Refusal<'_>,
        verdict: RateVerdict,
        out: &mut Outbox,
    ) {
        let code = if verdict == RateVerdict::Within { refusal.code } else { ErrorCode::RateLimited };
        self.refuse(conn, &Event::Error { code, id: refusal.id, ticket: refusal.ticket() }, out);
    }

    fn refuse(&mut self, conn: ConnId, error: &Event<'_>, out: &mut Outbox) {
        let (counters, node) = (&mut self.counters, NodeId::HERE);
        EventWriter { out, counters, node, is_others: false }.emit(conn, error);
    }
}
