//! Answers to messages that were refused before State was asked.

use super::Desk;
use super::writer::EventWriter;
use crate::ids::{ConnId, NodeId, TicketId};
use crate::net::rate::RateVerdict;
use crate::outbox::Outbox;
use crate::protocol::Refusal;
use crate::state::{Emit, ErrorCode, Event, IdRef, TicketRef};

impl Desk {
    /// Refuses a command that exceeded a rate limit.
    pub(super) fn refuse_command(
        &mut self,
        conn: ConnId,
        (id, ticket): (Option<u64>, Option<TicketId>),
        out: &mut Outbox,
    ) {
        let (id, ticket) = (id.map(IdRef::Id), ticket.map(TicketRef::Id));
        self.refuse(conn, (ErrorCode::RateLimited, id, ticket), out);
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
        self.refuse(conn, (code, refusal.id, refusal.ticket()), out);
    }

    fn refuse(
        &mut self,
        conn: ConnId,
        (code, id, ticket): (ErrorCode, Option<IdRef<'_>>, Option<TicketRef<'_>>),
        out: &mut Outbox,
    ) {
        let (counters, node) = (&mut self.counters, NodeId::HERE);
        let mut writer = EventWriter { out, counters, node, is_others: false };
        writer.emit(conn, &Event::Error { code, id, ticket });
    }
}
