//! Answers to messages that were refused before State was asked.

use super::Desk;
use super::writer::EventWriter;
use crate::ids::{ConnId, NodeId};
use crate::net::rate::RateVerdict;
use crate::outbox::Outbox;
use crate::protocol::Refusal;
use crate::state::{Emit, ErrorCode, Event};

impl Desk {
    /// Refuses a message. If it exceeded the rate limit, that is the reason given, whatever else is wrong with it.
    pub(super) fn refuse_message(
        &mut self,
        conn: ConnId,
        refusal: &Refusal<'_>,
        verdict: RateVerdict,
        out: &mut Outbox,
    ) {
        let code = if verdict == RateVerdict::Within { refusal.code } else { ErrorCode::RateLimited };
        let (counters, node) = (&mut self.counters, NodeId::HERE);
        let error = Event::Error { code, names: &refusal.names };
        EventWriter { out, counters, node, is_others: false }.emit(conn, &error);
    }
}
