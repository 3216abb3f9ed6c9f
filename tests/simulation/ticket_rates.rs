//! How fast tickets may be opened: "new tickets of a connection, at once | 3", and "new tickets of an address, at once | 30".

use std::collections::BTreeMap;

use deskwire::config::Millis;
use deskwire::desk::Role;
use deskwire::net::ConnId;

use crate::checked_service::CheckedService;
use crate::figures::{TICKETS_OF_ADDRESS, TICKETS_OF_CONNECTION};
use crate::model::asks::{self, Ask};
use crate::model::wants::{Call, Sent};

/// What connections have used, and the two addresses that there are.
#[derive(Default)]
pub struct TicketRates {
    connections: BTreeMap<ConnId, Used>,
    addresses: BTreeMap<bool, Used>,
}

/// When each ticket that was opened lately counts no longer, one after the other.
#[derive(Default)]
struct Used(Vec<Millis>);

impl Used {
    fn has_left(&self, now: Millis, burst: usize) -> bool {
        self.0.iter().filter(|until| **until > now).count() < burst
    }

    fn add(&mut self, now: Millis, span: Millis) {
        self.0.retain(|until| *until > now);
        let last = self.0.last().copied().unwrap_or(now);
        self.0.push(last + span);
    }
}

impl CheckedService {
    /// Whether it is no ticket that a frame asks for, or one that may be opened now.
    pub fn may_ask(&mut self, now: Millis, (conn, role): (ConnId, Role), text: Option<&str>) -> bool {
        let asks_ticket = role != Role::Staff
            && text.is_some_and(|text| matches!(asks::read(text, false).ask, Ok(Ask::Create(_))));
        if !self.setup.limits_tickets || !asks_ticket {
            return true;
        }
        let address = self.address(conn);
        let TicketRates { connections, addresses } = &self.ticket_rates;
        let may = connections.get(&conn).is_none_or(|used| used.has_left(now, TICKETS_OF_CONNECTION.0))
            && addresses.get(&address).is_none_or(|used| used.has_left(now, TICKETS_OF_ADDRESS.0));
        self.model.stories.too_many_tickets += u64::from(!may);
        may
    }

    /// Counts a ticket that was opened.
    pub fn count_tickets(&mut self, conn: ConnId, call: &Call) {
        let is_opened = |sent: &Sent| sent.frame["type"] == "ticket_created" && sent.to.contains(&conn);
        if call.sent.iter().any(is_opened) {
            let address = self.address(conn);
            let TicketRates { connections, addresses } = &mut self.ticket_rates;
            connections.entry(conn).or_default().add(call.now, TICKETS_OF_CONNECTION.1);
            addresses.entry(address).or_default().add(call.now, TICKETS_OF_ADDRESS.1);
        }
    }

    /// Whether it is the address that has a limit on connections, too.
    fn address(&self, conn: ConnId) -> bool {
        self.link(conn).is_some_and(|link| link.borrow().is_remote)
    }
}
