//! From a socket to the service: the bytes of one recv are a request head or messages.
//!
//! Each read of a connection is completed before the next begins: its requests are decided, and the service's answers
//! are queued. So a message that is read first also counts first, for everybody.

use log::{debug, info};

use super::admission::AddressStanding;
use super::keeping::Kept;
use super::turn::Budget;
use super::{Hub, Place, find};
use crate::config::{FRAGMENT_COST_FACTOR, MESSAGE_COST_BYTES, Millis, REQUEST_COST_BYTES};
use crate::metrics::{Metrics, RefusalCause};
use crate::net::ConnId;
use crate::net::close::{self, CloseReason};
use crate::net::connection::Stream;
use crate::net::http::{Head, Method, Request};
use crate::net::input::Received;
use crate::net::rate::RateVerdict;
use crate::net::response::Status;
use crate::net::scope::Scope;
use crate::service::{Answer, Service};

/// The header of most frames from a client: an opcode, three bytes of length, and the mask (RFC 6455 5.2).
const CLIENT_HEADER_BYTES: usize = 8;

impl<S: Stream, V: Service> Hub<S, V> {
    /// Reads a connection once: the bytes kept from an earlier recv, or else one recv of at most `most` bytes.
    pub(super) fn read(&mut self, id: ConnId, (budget, most): (&mut Budget, usize), now: Millis) {
        let Some(slot) = find(&mut self.slots, id) else { return };
        slot.in_run_queue = false;
        // It may have been closed, or fallen behind, since it was queued to run.
        if !slot.connection.wants_read() {
            return;
        }
        if let Some(unread) = slot.connection.take_unread() {
            let extra_cost = self.read_messages(id, &unread, now);
            // Bytes that are kept once more have cost nothing yet.
            let kept = find(&mut self.slots, id).map_or(0, |slot| slot.connection.unread_bytes());
            budget.spend(unread.len() - kept + extra_cost);
        } else {
            // Taken out of the hub, which is itself needed to process the bytes in it.
            let mut scratch = std::mem::take(&mut self.scratch);
            let received = slot.connection.receive(&mut scratch[..budget.recv_bytes(most)], now);
            let length = if let Received::Bytes(length) = received { length } else { 0 };
            let mut cost = length + slot.connection.read_overhead();
            if length > 0 {
                self.metrics.bytes_in += length as u64;
                cost += self.read_bytes(id, &scratch[..length], now);
            }
            budget.spend(cost);
            self.scratch = scratch;
        }
        self.mark_dirty(id); // settle writes the answers, and queues the connection again if it may have more input
        let Some(slot) = find(&mut self.slots, id) else { return };
        // The end comes after the bytes of the same recv, so these still count. If they are kept, the end waits with
        // them.
        if slot.connection.is_at_eof() {
            slot.connection.end_of_input(now);
        }
        // What is read first counts first: for everything that is read after this, even in this turn, the peer is away.
        if !slot.connection.is_open() {
            self.notify_closed(id, now);
        }
    }

    /// Handles the bytes of a recv, according to the connection's phase. Returns what they cost in addition to their
    /// number.
    fn read_bytes(&mut self, id: ConnId, bytes: &[u8], now: Millis) -> usize {
        let Some(slot) = find(&mut self.slots, id) else { return 0 };
        match slot.connection.read_head(bytes) {
            None => return self.read_messages(id, bytes, now),
            Some(Head::Partial) => {}
            Some(Head::Refused(status)) => {
                debug!("connection {id}: {} {}", status as u16, status.phrase());
                // The method is unknown, so the answer has a body.
                slot.connection.respond(&status.into(), Method::Get, now);
            }
            Some(Head::Whole(mut request, behind)) => {
                // The address is checked before the service is asked, so that a crowd from one address costs no lookup.
                if let Some(source) = self.addresses.source(&slot.origin, &request) {
                    self.metrics.address_sources[source as usize] += 1;
                }
                let standing = self.addresses.identify(&mut slot.origin, &mut request);
                if standing != AddressStanding::Within {
                    debug!("connection {id}: too many connections from its address");
                }
                if standing == AddressStanding::FarOver {
                    self.metrics.refused(RefusalCause::Address);
                    slot.connection.end_of_input(now);
                    return REQUEST_COST_BYTES;
                }
                let method = request.method;
                let answer = answer_to(&mut self.service, &request, standing, &self.metrics);
                self.answer(id, (answer, method), standing, now);
                // RFC 6455 4.1: a client waits for the 101. But if its first frames do come with the head, no event
                // will announce them.
                return REQUEST_COST_BYTES + self.read_messages(id, &bytes[bytes.len() - behind..], now);
            }
        }
        0
    }

    /// Sends the answer to a request, and opens the connection if the answer is an upgrade.
    fn answer(
        &mut self,
        id: ConnId,
        (answer, method): (Answer<V::Guest>, Method),
        standing: AddressStanding,
        now: Millis,
    ) {
        match answer {
            Answer::Http(response) => {
                if standing != AddressStanding::Within {
                    self.metrics.refused(RefusalCause::Address);
                }
                self.note_unkept(id); // a metrics page may count what is not kept yet
                self.with_connection(id, |c| c.respond(&response, method, now));
            }
            Answer::Upgrade { handshake, protocol, guest, priority } => {
                if let Some(slot) = find(&mut self.slots, id) {
                    slot.connection.open(now, &mut self.spare, |out| handshake.append_answer(protocol, out));
                }
                self.welcome(id, (guest, priority), standing, now);
            }
        }
    }

    /// Passes the messages in `bytes` to the service, one after the other, and queues its answers to each. Returns what
    /// they cost in addition to their bytes.
    fn read_messages(&mut self, id: ConnId, mut bytes: &[u8], now: Millis) -> usize {
        let (length, mut messages, mut message_bytes) = (bytes.len(), 0, 0);
        // Each message may end the connection, so the slot is looked up again for each.
        while let Some(slot) = find(&mut self.slots, id) {
            // Backpressure: a peer that does not take the answers to its requests is not read. Its socket fills, and
            // TCP's window (RFC 9293 3.8.6) stops it. It is written to first, since it may be behind only because of a
            // burst.
            if slot.connection.is_behind() {
                if let Some(kept) = Kept::by(&self.service) {
                    slot.flush(kept, now, &mut self.spare, &mut self.metrics);
                }
                if slot.connection.is_behind() {
                    slot.connection.keep_unread(bytes, &mut self.codec);
                    break;
                }
            }
            match slot.connection.next_message(&mut self.codec, &mut bytes, &mut self.spare, now) {
                Ok(None) => break, // the rest of a frame is still to come, or the connection is no longer open
                Err(why) => {
                    self.note_fault(id, why);
                    break;
                }
                Ok(Some(message)) => {
                    // Counted before it is handled, and control frames too: a flood of pings costs as much as any
                    // other.
                    let verdict = slot.connection.count_message(&message, &self.limits, now);
                    let Some(Place { identity, .. }) = slot.place else { break };
                    if verdict == RateVerdict::Flood {
                        slot.connection.refuse(close::FLOODING, now);
                        self.note_fault(id, close::FLOODING);
                        break;
                    }
                    messages += 1;
                    message_bytes += CLIENT_HEADER_BYTES + message.payload_bytes();
                    self.metrics.messages_in.count(message.payload_bytes() as u64);
                    self.service.message(now, (id, identity), message, verdict, &mut self.outbox);
                    self.deliver(now); // before the next message, which may depend on what this one has changed
                }
            }
        }
        // However the loop has ended, the next connection must not find this one's bytes in the shared codec.
        self.codec.forget_unread();
        // The bytes that belong to no whole message: headers of fragments, or the beginning of the next message.
        let rest = (length - bytes.len()).saturating_sub(message_bytes);
        messages * MESSAGE_COST_BYTES + rest * FRAGMENT_COST_FACTOR
    }

    fn note_fault(&mut self, id: ConnId, why: CloseReason) {
        info!("connection {id}: closed with {}: {}", why.code, why.reason);
        self.metrics.closed(why.code);
    }
}

/// Asks the service for the answer. A client with too many connections gets a refusal: a status, or, if it sends
/// a handshake, a close code after the handshake, since a page cannot see the status of a refused one.
fn answer_to<V: Service>(
    service: &mut V,
    request: &Request<'_>,
    standing: AddressStanding,
    metrics: &Metrics,
) -> Answer<V::Guest> {
    if request.scope == Scope::Metrics && request.handshake().is_ok() {
        return Answer::Http(Status::NotFound.into()); // there are no places for WebSockets at that listener
    }
    match standing {
        AddressStanding::Within => service.request(request, metrics),
        _ if request.handshake().is_ok() => service.request(request, metrics),
        _ => Answer::Http(Status::Unavailable.into()),
    }
}
