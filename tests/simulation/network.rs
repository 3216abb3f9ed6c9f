//! The network: sockets with edges, buffers that fill, bytes that arrive late, in pieces, or never.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::rc::Rc;

use deskwire::config::Millis;
use deskwire::net::ConnId;
use deskwire::net::connection::Stream;

use crate::disk;
use crate::figures::STALL;
use crate::machine::SharedMachine;
use crate::rng::Trail;

pub type Shared = Rc<RefCell<Link>>;
/// The hash of all that the server has written.
pub type Written = Rc<RefCell<Trail>>;

/// The connections whose end the server has read, and not reported to the service yet.
pub type Ends = Rc<RefCell<Vec<Shared>>>;

/// How one side ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Fin,
    Reset,
}

/// One connection: both directions of it, and what has been seen of it.
#[derive(Default)]
pub struct Link {
    /// From the client, in flight; in the server's receive buffer; from the server, in its send buffer or in flight.
    pub up: VecDeque<u8>,
    pub inbox: VecDeque<u8>,
    pub down: VecDeque<u8>,
    pub up_end: Option<End>,
    pub arrived_end: Option<End>,
    pub down_end: Option<End>,
    /// The client's socket is closed: what the server sends then is answered with a reset.
    pub client_gone: bool,
    pub server_gone: bool,
    /// The size of the server's send buffer in bytes; whether it was full; whether the next poll reports the socket.
    pub send_buffer_bytes: usize,
    pub no_space: bool,
    pub was_refused: bool,
    pub edge: bool,
    pub lag: Millis,
    pub up_at: Option<Millis>,
    pub down_at: Option<Millis>,
    /// The network swallows everything; the client does not read.
    pub dead: bool,
    pub choked: bool,
    /// What the client reads, in bytes a second; without it, all at once.
    pub rate: Option<u64>,
    /// The sizes of the next pieces that arrive, either way. Without any, all comes at once.
    pub pieces: Vec<usize>,
    pub slot: Option<u32>,
    /// It comes from an address that has a limit.
    pub is_remote: bool,
    pub note: Note,
}

/// What was observed of a connection, for the checks.
#[derive(Default)]
pub struct Note {
    pub conn: Option<ConnId>,
    /// When it was accepted.
    pub accepted_at: Millis,
    /// The service has opened it, and not seen its end.
    pub open: bool,
    /// When `open` changed last.
    pub changed_at: Millis,
    /// Why it may end without a close frame; `None` if it may not.
    pub blame: Option<&'static str>,
    /// Close codes that may come: the service's, and those that a breach must be answered with.
    pub closes: Vec<u16>,
    pub breach: Vec<u16>,
    /// Where the breach ends in the client's stream.
    pub breach_end: u64,
    /// It has not always taken at once what it was sent.
    pub was_slow: bool,
    /// Since when its socket has taken nothing of what the server has for it.
    pub refused_since: Option<Millis>,
    /// When it was closed, it had taken nothing for `STALL`.
    pub was_stalled: bool,
    /// Where the client's close frame ends in the stream.
    pub close_end: Option<u64>,
    pub flooded: bool,
    /// The last bytes read, or taken after a while of refusing them.
    pub sign_at: Millis,
    /// How long the process has been stopped since then.
    pub stopped_ms: Millis,
    pub read_bytes: u64,
    pub sent_bytes: u64,
    /// The secret that the bytes of its head offer.
    pub offered: Option<String>,
    /// At its upgrade, no connection was free for it, or its address had too many.
    pub is_full: bool,
    pub is_over: bool,
    /// The connection of the same client that it replaces, since no other place was free.
    pub replaces: Option<ConnId>,
    /// What the service has sent, and the client has not read yet.
    pub emitted: VecDeque<Rc<[u8]>>,
    /// Texts that the client has sent and the service has not got yet, and where each ends in the stream.
    pub sent: VecDeque<(u64, Rc<str>)>,
    /// The rate limit: the level of frames in its leaky bucket, times 1000.
    pub level: u64,
    /// Messages that were sent to it, and that it may answer.
    pub answers: u64,
    /// The same for bytes of payload; and when both were computed.
    pub bytes_level: u64,
    pub level_at: Millis,
    pub operations: u64,
    pub now: Millis,
}

impl Link {
    pub fn send(&mut self, bytes: &[u8], now: Millis) {
        if self.client_gone || self.up_end.is_some() {
            return;
        }
        if self.note.sent_bytes == 0 {
            let head = String::from_utf8_lossy(bytes);
            let offered = head.split_once("secret.").and_then(|(_, rest)| rest.split("\r\n").next());
            self.note.offered = offered.map(str::to_owned);
        }
        self.note.sent_bytes += bytes.len() as u64;
        self.up.extend(bytes);
        self.up_at.get_or_insert(now + self.lag);
    }

    /// The client ends its side, or all of it.
    pub fn end(&mut self, how: End, gone: bool, now: Millis) {
        self.client_gone |= gone;
        if how == End::Reset {
            self.up.clear();
        }
        if self.up_end.is_none() || how == End::Reset {
            self.up_end = Some(how);
        }
        self.up_at.get_or_insert(now + self.lag);
    }

    pub fn is_moving(&self) -> bool {
        !self.dead && (self.up_at.is_some() || (self.down_at.is_some() && !self.choked))
    }

    pub fn next_move(&self) -> Option<Millis> {
        if self.dead {
            return None;
        }
        let down = if self.choked { None } else { self.down_at };
        self.up_at.into_iter().chain(down).min()
    }

    /// Lets arrive at the server what is due.
    pub fn move_up(&mut self, now: Millis) {
        if self.dead || self.up_at.is_none_or(|at| at > now) {
            return;
        }
        let count = self.piece(self.up.len());
        if self.server_gone {
            // The server has closed this socket: its kernel answers with a reset, which destroys what was not read yet.
            if !self.up.is_empty() {
                self.down.clear();
                self.down_end = Some(End::Reset);
                self.down_at.get_or_insert(now + self.lag);
            }
            self.up.clear();
        } else {
            self.edge |= count > 0;
            self.inbox.extend(self.up.drain(..count));
        }
        if self.up.is_empty() {
            self.up_at = None;
            if let Some(end) = self.up_end
                && self.arrived_end != Some(end)
            {
                self.arrived_end = Some(end);
                self.edge |= !self.server_gone;
            }
        } else {
            self.up_at = Some(now + 1 + self.lag / 4);
        }
    }

    /// Lets the client read what is due. Returns how the stream ended, if it has.
    pub fn move_down(&mut self, now: Millis, into: &mut Vec<u8>) -> Option<End> {
        if self.dead || self.choked || self.down_at.is_none_or(|at| at > now) {
            return None;
        }
        let count = match self.rate {
            Some(rate) => (chunk(rate) as usize).min(self.down.len()),
            None => self.piece(self.down.len()),
        };
        if self.client_gone && count > 0 {
            self.down.clear();
            self.end(End::Reset, true, now);
        } else {
            into.extend(self.down.drain(..count));
        }
        // Linux reports a socket as writable only when a third of its buffer is free.
        if self.no_space && self.down.len() * 3 <= self.send_buffer_bytes * 2 {
            self.no_space = false;
            self.edge |= !self.server_gone;
        }
        if self.down.is_empty() {
            self.down_at = None;
            return self.down_end;
        }
        let pause = self.rate.map_or(self.lag / 4, |rate| chunk(rate) * 1000 / rate);
        self.down_at = Some(now + 1 + pause);
        None
    }

    /// From now on the client reads this many bytes a second. The send buffer shrinks with the rate.
    pub fn throttle(&mut self, rate: Option<u64>) {
        self.rate = rate;
        if let Some(rate) = rate {
            self.send_buffer_bytes = self.send_buffer_bytes.min(10 * rate as usize);
            self.note.was_slow = true;
        }
    }

    /// Why the server may end a connection that has done nothing wrong: it takes nothing, or gives no sign of life.
    pub fn excuse(&self, now: Millis, silence_ms: Millis) -> Option<&'static str> {
        if self.has_stalled(now) {
            return Some("it took nothing for 15 s");
        }
        (self.note.sign_at + silence_ms <= now).then_some("it gave no sign of life")
    }

    pub fn has_stalled(&self, now: Millis) -> bool {
        self.note.refused_since.is_some_and(|since| since + STALL <= now)
    }

    fn piece(&mut self, of: usize) -> usize {
        self.pieces.pop().map_or(of, |size| size.min(of))
    }
}

/// How much a client that reads this many bytes a second reads at once.
fn chunk(rate: u64) -> u64 {
    (rate / 20).max(100)
}

/// The server's end of a link.
pub struct Socket {
    pub ends: Ends,
    pub link: Shared,
    pub written: Written,
    pub disk: disk::Shared,
    pub machine: SharedMachine,
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.machine.borrow_mut().read_last = Some(Rc::clone(&self.link));
        let mut link = self.link.borrow_mut();
        link.note.operations += 1;
        if link.note.operations.is_multiple_of(31) {
            return Err(ErrorKind::Interrupted.into());
        }
        if link.inbox.is_empty() {
            if link.arrived_end.is_some() && link.note.open {
                self.ends.borrow_mut().push(Rc::clone(&self.link));
            }
            return match link.arrived_end {
                Some(End::Fin) => Ok(0),
                Some(End::Reset) => Err(ErrorKind::ConnectionReset.into()),
                None => Err(ErrorKind::WouldBlock.into()),
            };
        }
        let count = link.inbox.len().min(buffer.len());
        for (place, byte) in buffer.iter_mut().zip(link.inbox.drain(..count)) {
            *place = byte;
        }
        link.note.read_bytes += count as u64;
        link.note.sign_at = link.note.now;
        link.note.stopped_ms = 0;
        let has_close = link.note.close_end.is_some_and(|end| end <= link.note.read_bytes);
        if has_close && link.note.open && !link.no_space {
            self.ends.borrow_mut().push(Rc::clone(&self.link));
        }
        Ok(count)
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut link = self.link.borrow_mut();
        link.note.operations += 1;
        if link.note.operations.is_multiple_of(37) {
            return Err(ErrorKind::Interrupted.into());
        }
        if link.arrived_end == Some(End::Reset) || self.disk.0.borrow().is_stopped {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let count = bytes.len().min(link.send_buffer_bytes.saturating_sub(link.down.len()));
        let was_refused = std::mem::replace(&mut link.was_refused, count < bytes.len());
        link.no_space |= count < bytes.len();
        let (now, since) = (link.note.now, link.note.refused_since);
        link.note.refused_since = match since {
            _ if count == bytes.len() => None,
            Some(since) if count == 0 => Some(since),
            _ => Some(now),
        };
        if count == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        self.disk.0.borrow_mut().check_write();
        link.down.extend(&bytes[..count]);
        if was_refused {
            link.note.sign_at = now;
            link.note.stopped_ms = 0;
        }
        let due = now + link.lag;
        link.down_at.get_or_insert(due);
        self.written.borrow_mut().add_bytes(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for Socket {
    fn shutdown_write(&mut self) -> io::Result<()> {
        let mut link = self.link.borrow_mut();
        link.note.operations += 1;
        if link.arrived_end == Some(End::Reset) || self.disk.0.borrow().is_stopped {
            return Err(ErrorKind::NotConnected.into());
        }
        link.down_end.get_or_insert(End::Fin);
        let due = link.note.now + link.lag;
        link.down_at.get_or_insert(due);
        Ok(())
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let mut link = self.link.borrow_mut();
        self.machine.borrow_mut().dropped(&mut link);
        link.server_gone = true;
        link.edge = false;
        // Linux sends a reset if there is unread input, and drops what it has not sent.
        if link.inbox.is_empty() {
            link.down_end.get_or_insert(End::Fin);
        } else {
            link.down.clear();
            link.down_end = Some(End::Reset);
        }
        let due = link.note.now + link.lag;
        link.down_at.get_or_insert(due);
    }
}
