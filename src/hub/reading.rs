//! From a socket to the service: what one recv holds, a request head or messages.

use log::{debug, info};

use super::admission::AddressStanding;
use super::turn::Budget;
use super::{Hub, find};
use crate::config::Millis;
use crate::metrics::RefusalCause;
use crate::net::ConnId;
use crate::net::close::{self, CloseReason};
use crate::net::connection::Stream;
use crate::net::http::{self, Head, Request, Status};
use crate::net::input::Received;
use crate::net::rate::RateVerdict;
use crate::service::{Answer, Service};

impl<S: Stream, V: Service> Hub<S, V> {
    /// All that is read from this connection in this turn: what was kept, or one recv of `most` bytes at most.
    pub(super) fn read(&mut self, id: ConnId, (budget, most): (&mut Budget, usize), now: Millis) {
        let Some(slot) = find(&mut self.slots, id) else { return };
        slot.in_run_queue = false;
        if !slot.connection.wants_read() {
            return;
        }
        if let Some(unread) = slot.connection.take_unread() {
            self.read_messages(id, &unread, now);
            let kept = find(&mut self.slots, id).map_or(0, |slot| slot.connection.unread_bytes());
            budget.spend(unread.len() - kept);
        } else {
            let mut scratch = std::mem::take(&mut self.scratch);
            let received = slot.connection.receive(&mut scratch[..budget.recv_bytes(most)], now);
            let length = if let Received::Bytes(length) = received { length } else { 0 };
            budget.spend(length);
            if length > 0 {
                self.metrics.bytes_in += length as u64;
                self.read_bytes(id, &scratch[..length], now);
            }
            self.scratch = scratch;
        }
        self.mark_dirty(id);
        let Some(slot) = find(&mut self.slots, id) else { return };
        if slot.connection.is_at_eof() {
            slot.connection.end_of_input(now);
        }
        // What is read first counts first: for all that is read after this, in this turn too, the peer is away.
        if !slot.connection.is_open() {
            self.notify_closed(id, now);
        }
    }

    fn read_bytes(&mut self, id: ConnId, bytes: &[u8], now: Millis) {
        let Some(slot) = self.slot(id) else { return };
        let head = slot.connection.take_head();
        match head {
            None => self.read_messages(id, bytes, now),
            Some(so_far) if so_far.is_empty() => self.read_head(id, bytes, now),
            Some(mut so_far) => {
                so_far.extend_from_slice(bytes);
                self.read_head(id, &so_far, now);
            }
        }
    }

    fn read_head(&mut self, id: ConnId, bytes: &[u8], now: Millis) {
        match http::parse(bytes) {
            Head::Partial => self.with_connection(id, |connection| connection.keep_head(bytes.to_vec())),
            Head::Refused(status) => {
                debug!("connection {id}: {} {}", status as u16, status.phrase());
                self.with_connection(id, |c| c.respond(&status.into(), http::Method::Get, now));
            }
            Head::Whole(mut request, length) => {
                let standing = self.identify(id, &mut request);
                if standing != AddressStanding::Within {
                    debug!("connection {id}: too many of its address");
                    self.metrics.refused(RefusalCause::Address);
                }
                match standing {
                    AddressStanding::FarOver => self.with_connection(id, |c| c.end_of_input(now)),
                    _ => self.answer(id, &request, standing, &bytes[length..], now),
                }
            }
        }
    }

    /// Answers a request. A client who has too many connections gets no more than is needed to tell them so: a page can read
    /// a close code, but no status of a handshake.
    fn answer(
        &mut self,
        id: ConnId,
        request: &Request<'_>,
        standing: AddressStanding,
        rest: &[u8],
        now: Millis,
    ) {
        let is_within = standing == AddressStanding::Within;
        let answer = if is_within || request.handshake().is_ok() {
            self.service.request(request, &self.metrics)
        } else {
            Answer::Http(Status::Unavailable.into())
        };
        match answer {
            Answer::Http(response) => {
                self.with_connection(id, |connection| connection.respond(&response, request.method, now));
            }
            Answer::Upgrade { handshake, protocol, guest, priority } => {
                self.with_connection(id, |connection| {
                    connection.open(now, |out| handshake.append_answer(protocol, out));
                });
                if is_within {
                    self.welcome(id, guest, priority, now);
                } else {
                    self.close(id, close::TOO_MANY_CONNECTIONS, now);
                }
                self.read_messages(id, rest, now); // no event will tell of these
            }
        }
    }

    fn read_messages(&mut self, id: ConnId, mut bytes: &[u8], now: Millis) {
        while let Some(slot) = find(&mut self.slots, id) {
            if slot.connection.is_behind() {
                slot.flush(now, &mut self.spare, &mut self.metrics);
                if slot.connection.is_behind() {
                    slot.connection.keep_unread(bytes, &mut self.codec);
                    break;
                }
            }
            match slot.connection.next_message(&mut self.codec, &mut bytes, now) {
                Ok(None) => break,
                Err(why) => {
                    self.note_fault(id, why);
                    break;
                }
                Ok(Some(message)) => {
                    let verdict = slot.connection.count_message(&message, &self.limits, now);
                    let Some(peer) = slot.peer else { break };
                    if verdict == RateVerdict::Flood {
                        slot.connection.refuse(close::FLOODING, now);
                        self.note_fault(id, close::FLOODING);
                        break;
                    }
                    self.metrics.frames_in += 1;
                    self.service.message(now, (id, peer), message, verdict, &mut self.outbox);
                    self.deliver(now);
                }
            }
        }
        self.codec.forget_unread();
    }

    fn note_fault(&mut self, id: ConnId, why: CloseReason) {
        info!("connection {id}: closed with {}: {}", why.code, why.reason);
        self.metrics.closed(why.code);
    }
}
