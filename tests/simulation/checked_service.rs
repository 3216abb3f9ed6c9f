//! The desk, checked: every call to it and everything that it sends is compared with the model.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::rc::Rc;

use deskwire::config::Millis;
use deskwire::desk::{Desk, Guest, Role};
use deskwire::metrics::Metrics;
use deskwire::net::ConnId;
use deskwire::net::close::CloseReason;
use deskwire::net::http::Request;
use deskwire::net::rate::RateVerdict;
use deskwire::net::websocket::Incoming;
use deskwire::outbox::{Item, Outbox};
use deskwire::service::{Answer, Service};

use crate::disk;
use crate::figures::{MESSAGES_BURST_S, PAYLOAD_BURST_S, PONG};
use crate::machine::SharedMachine;
use crate::model::Model;
use crate::model::wants::{Call, Sent};
use crate::network::{Ends, Shared};
use crate::plan::Setup;
use crate::roster::SharedRoster;
use crate::ticket_rates::TicketRates;

/// The link of each connection, by its slot and by its id.
#[derive(Default)]
pub struct Wiring {
    pub slots: BTreeMap<u32, Shared>,
    conns: BTreeMap<ConnId, Shared>,
}

pub struct CheckedService {
    pub desk: Desk,
    pub model: Model,
    pub wiring: Rc<RefCell<Wiring>>,
    ends: Ends,
    /// The first violation.
    pub violation: Option<String>,
    pub calls: u64,
    pub setup: Setup,
    generations: BTreeSet<u32>,
    /// Where the desk has its journal.
    pub disk: Option<disk::Shared>,
    pub ticket_rates: TicketRates,
    /// State's digest when the journal was last written.
    pub kept_digest: u64,
    pub roster: SharedRoster,
    pub machine: SharedMachine,
    /// Open connections, and those of them that are users'.
    pub open: usize,
    pub open_users: usize,
    /// Connections that a newer one has replaced, and that have not ended yet.
    pub taken_over: BTreeSet<ConnId>,
    /// The States that may be on the disk, while a stop is due.
    pub copies: Vec<disk::Copy>,
}

impl CheckedService {
    pub fn new(desk: Desk, model: Model, wiring: Rc<RefCell<Wiring>>, ends: Ends, setup: Setup) -> Self {
        Self {
            desk,
            model,
            wiring,
            ends,
            violation: None,
            calls: 0,
            setup,
            generations: BTreeSet::new(),
            disk: None,
            ticket_rates: TicketRates::default(),
            kept_digest: 0,
            roster: SharedRoster::default(),
            machine: SharedMachine::default(),
            open: 0,
            open_users: 0,
            taken_over: BTreeSet::new(),
            copies: Vec::new(),
        }
    }

    pub fn note_violation(&mut self, what: String) {
        // What a process does after it has stopped has no effect.
        if self.disk.as_ref().is_some_and(|disk| disk.0.borrow().is_stopped) {
            return;
        }
        self.violation.get_or_insert(what);
    }

    /// Reads what the desk has sent in this call, and notes each frame for the links that have to get it.
    pub fn sent(&mut self, now: Millis, out: &Outbox) -> Call {
        let mut call = Call { now, ..Call::default() };
        let wiring = Rc::clone(&self.wiring);
        let wiring = wiring.borrow();
        for item in out.items() {
            match item {
                Item::Frame(to, bytes, _) => {
                    let payload: Rc<[u8]> = payload(bytes).into();
                    for conn in to {
                        if let Some(link) = wiring.conns.get(conn) {
                            let note = &mut link.borrow_mut().note;
                            note.emitted.push_back(Rc::clone(&payload));
                            note.answers += u64::from(payload.starts_with(br#"{"type":"message""#));
                        }
                    }
                    match serde_json::from_slice(&payload) {
                        Ok(frame) => {
                            call.sent.push(Sent {
                                to: to.to_vec(),
                                bytes: bytes.len(),
                                frame: Rc::new(frame),
                            });
                        }
                        Err(error) => {
                            self.note_violation(format!(
                                "not JSON: {error}: {}",
                                String::from_utf8_lossy(&payload)
                            ));
                        }
                    }
                }
                Item::CloseAll(why) => self.note_violation(format!("all are closed with {}", why.code)),
                Item::Close(conn, why) => {
                    call.closed.push((conn, why.code));
                    if let Some(link) = wiring.conns.get(&conn) {
                        link.borrow_mut().note.closes.push(why.code);
                    }
                }
                Item::NotifyDrained(conn) => {
                    if !call.asked.insert(conn) {
                        self.note_violation(format!("asked twice to be notified when {conn} has taken all"));
                    }
                }
            }
        }
        if let Some(falsify) = self.setup.falsifies {
            falsify(&mut call);
        }
        self.calls += 1;
        self.model.start(&call);
        call
    }

    pub fn finish(&mut self, what: &str, call: &Call, result: Result<(), String>) {
        self.note_given();
        if let Err(problem) = result.and_then(|()| self.model.settle(call)) {
            self.note_violation(format!("{what}: {problem}"));
        }
    }

    pub fn link(&self, conn: ConnId) -> Option<Shared> {
        self.wiring.borrow().conns.get(&conn).cloned()
    }

    /// Checks the rate limit. Twice as much as is allowed at once is a flood.
    fn check_rate(&mut self, link: &Shared, verdict: RateVerdict, bytes: usize, now: Millis) {
        /// The server counts in whole microseconds; a byte takes 15. A message takes 19,607.8 at 51 a second.
        const ROUNDING: u64 = 1000 * 100;
        const ROUNDING_OF_MESSAGES: u64 = 100;
        let note = &mut link.borrow_mut().note;
        let per_s = u64::from(self.setup.messages_per_s);
        let bytes_per_s = u64::from(self.setup.payload_bytes_per_s);
        let passed = now - note.level_at;
        note.level = note.level.saturating_sub(passed * per_s);
        // For each message that it is sent, a peer may send one frame that is not counted.
        let is_answer = note.answers > 0;
        if is_answer {
            note.answers -= 1;
        } else {
            note.level += 1000;
        }
        note.bytes_level = note.bytes_level.saturating_sub(passed * bytes_per_s) + 1000 * bytes as u64;
        note.level_at = now;
        let is_exact = per_s == 0 || 1_000_000_u64.is_multiple_of(per_s);
        let rounding = if is_exact { 0 } else { ROUNDING_OF_MESSAGES };
        let [least, most] = [
            (note.level.saturating_sub(rounding), note.bytes_level.saturating_sub(ROUNDING)),
            (note.level + rounding, note.bytes_level + ROUNDING),
        ]
        .map(|(messages, bytes)| {
            let of_messages = match is_answer {
                true => RateVerdict::Within,
                false => right_verdict(messages, per_s * MESSAGES_BURST_S),
            };
            of_messages.max(right_verdict(bytes, bytes_per_s * PAYLOAD_BURST_S))
        });
        if verdict < least || verdict > most {
            let (messages, bytes) = (note.level / 1000, note.bytes_level / 1000);
            self.note_violation(format!("{verdict:?} at a level of {messages} messages and {bytes} bytes"));
        }
    }

    /// "Once it has read the end of a connection, that peer is absent for everything that it reads later."
    fn check_ends(&mut self, conn: ConnId) {
        let ends = std::mem::take(&mut *self.ends.borrow_mut());
        let other = ends.iter().find(|link| {
            let note = &link.borrow().note;
            note.open && note.conn != Some(conn)
        });
        if let Some(other) = other.and_then(|link| link.borrow().note.conn) {
            self.note_violation(format!(
                "the end of {other} was read before what {conn} sent, and is reported later"
            ));
        }
    }

    /// Checks that the text is the next one that the client of this link has sent.
    fn check_text(&mut self, link: &Shared, text: &str) {
        let note = &mut link.borrow_mut().note;
        let sent = note.sent.pop_front();
        if sent.as_ref().is_none_or(|(_, sent)| **sent != *text) && note.breach.is_empty() {
            self.note_violation(format!("read {text:?} where the client had sent {sent:?}"));
        }
    }
}

/// A burst of 0 is no limit.
fn right_verdict(level: u64, burst: u64) -> RateVerdict {
    match level {
        _ if burst == 0 => RateVerdict::Within,
        level if level <= 1000 * burst => RateVerdict::Within,
        level if level <= 2000 * burst => RateVerdict::Exceeded,
        _ => RateVerdict::Flood,
    }
}

/// Returns the payload of a server's frame.
fn payload(frame: &[u8]) -> &[u8] {
    let header = match frame.get(1) {
        Some(127) => 10,
        Some(126) => 4,
        _ => 2,
    };
    &frame[header..]
}

impl Service for CheckedService {
    type Guest = Guest;
    type Identity = Role;

    fn request(&mut self, request: &Request<'_>, metrics: &Metrics) -> Answer<Guest> {
        self.calls += 1;
        let answer = self.desk.request(request, metrics);
        if matches!(answer, Answer::Upgrade { .. }) {
            self.note_places(request.path);
        }
        answer
    }

    fn opened(
        &mut self,
        now: Millis,
        conn: ConnId,
        guest: Guest,
        out: &mut Outbox,
    ) -> Result<Role, CloseReason> {
        let link = self.wiring.borrow().slots.get(&conn.slot).cloned();
        if let Some(link) = &link {
            let note = &mut link.borrow_mut().note;
            (note.conn, note.open, note.changed_at) = (Some(conn), true, now);
            self.wiring.borrow_mut().conns.insert(conn, Rc::clone(link));
        }
        self.check_ends(conn);
        if !self.generations.insert(conn.generation) {
            self.note_violation(format!("{conn} has a generation that another had"));
        }
        let (is_user, id, session) = match &guest {
            Guest::User(id, session, _) => (true, id.as_str().to_owned(), session.clone()),
            Guest::Staff(id, _) => (false, id.as_str().to_owned(), None),
        };
        let result = self.desk.opened(now, conn, guest, out);
        let call = self.sent(now, out);
        let expected = if is_user {
            self.user_opens(conn, &id, session.as_deref(), &call)
        } else {
            self.staff_opens(conn, &id, link.as_ref(), &call)
        };
        let refused = result.as_ref().err().map(|why| why.code);
        if let Some(link) = &link {
            self.check_places(&link.borrow());
            if refused.is_none() {
                self.take_over_place(&link.borrow(), is_user);
            }
        }
        self.open += usize::from(refused.is_none());
        self.open_users += usize::from(refused.is_none() && is_user);
        if let (Some(code), Some(link)) = (refused, &link) {
            let note = &mut link.borrow_mut().note;
            note.open = false;
            note.closes.push(code);
        }
        let dismissed = call.closed.iter().find(|(closed, _)| *closed == conn).map(|(_, code)| *code);
        let code = refused.or(dismissed);
        let verdict = match expected {
            Ok(expected) if expected != code => Err(format!("{expected:?} was right, {code:?} was done")),
            other => other.map(|_| ()),
        };
        self.finish(&format!("{conn} opens as {id}"), &call, verdict);
        result
    }

    fn without_place(&mut self, guest: &Guest) -> Result<Option<ConnId>, CloseReason> {
        self.check_without_place(guest)
    }

    fn message(
        &mut self,
        now: Millis,
        from: (ConnId, Role),
        message: Incoming,
        verdict: RateVerdict,
        out: &mut Outbox,
    ) {
        let (conn, _) = from;
        self.check_ends(conn);
        let link = self.link(conn);
        if let Some(link) = &link {
            self.check_rate(link, verdict, message.payload_bytes(), now);
        }
        let text = if let Incoming::Text(text) = &message { Some(text.as_str().to_owned()) } else { None };
        if let (Some(link), Some(text)) = (&link, &text) {
            self.check_text(link, text);
        }
        let may_ask = self.may_ask(now, from, text.as_deref());
        let in_time = verdict == RateVerdict::Within && may_ask;
        self.desk.message(now, from, message, verdict, out);
        let call = self.sent(now, out);
        self.count_tickets(conn, &call);
        let result = match &text {
            Some(text) => self.model.message(conn, text, in_time, &call),
            None => Ok(()),
        };
        self.finish(&format!("{conn} sends {}", text.as_deref().unwrap_or("nothing")), &call, result);
    }

    fn closed(&mut self, now: Millis, from: (ConnId, Role), out: &mut Outbox) {
        let link = self.link(from.0);
        if let Some(link) = link {
            let mut link = link.borrow_mut();
            let excuse = link.excuse(now, self.setup.ping_interval_ms + PONG);
            let has_stalled = link.has_stalled(now);
            let note = &mut link.note;
            note.was_stalled |= has_stalled;
            note.blame = note.blame.or(excuse);
            (note.open, note.changed_at) = (false, now);
            if note.blame.is_none() && note.closes.is_empty() && note.breach.is_empty() {
                self.note_violation(format!("{} was cut off without a reason", from.0));
            }
        }
        if !self.taken_over.remove(&from.0) {
            self.open -= 1;
            self.open_users -= usize::from(from.1 != Role::Staff);
        }
        self.desk.closed(now, from, out);
        let call = self.sent(now, out);
        self.model.closes(from.0);
        self.finish(&format!("{} is gone", from.0), &call, Ok(()));
        self.wiring.borrow_mut().conns.remove(&from.0);
    }

    fn drained(&mut self, now: Millis, from: (ConnId, Role), out: &mut Outbox) {
        self.desk.drained(now, from, out);
        let mut call = self.sent(now, out);
        call.drained = Some(from.0);
        let result = self.model.drained(from.0);
        self.finish(&format!("{} has taken all", from.0), &call, result);
    }

    fn next_due(&self) -> Option<Millis> {
        self.desk.next_due()
    }

    fn reload(&mut self, now: Millis, out: &mut Outbox) {
        self.check_reload(now, out);
    }

    fn is_kept(&self) -> bool {
        self.desk.is_kept()
    }

    fn keep(&mut self) -> io::Result<()> {
        self.keep_watched()
    }

    fn tick(&mut self, now: Millis, out: &mut Outbox) {
        self.desk.tick(now, out);
        let call = self.sent(now, out);
        self.model.tick(&call);
        self.finish("tick", &call, Ok(()));
    }
}
