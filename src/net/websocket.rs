//! RFC 6455 for one connection: bytes in, messages out. Frames, masks, fragments, UTF-8 and control frames are
//! tungstenite's work; it reads from a buffer and never sees a socket.
//!
//! A context costs a peer about a kilobyte, and most peers are quiet most of the time. So there is one context that
//! all share, and a connection gets one of its own only while it is in the middle of a frame or a message. Whether it
//! is cannot be asked of tungstenite, but it can be counted: a message of n bytes took at least n and the shortest
//! header for n on the wire. If all bytes that went in are accounted for in this way, none is left inside.

#[cfg(test)]
mod tests;

use std::io::{self, Read, Write};

use tungstenite::error::Error;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::protocol::{CloseFrame, Role, WebSocketConfig, WebSocketContext};
use tungstenite::{Bytes, Message, Utf8Bytes};

use super::close::{self, CloseReason};
use crate::config::{FRAGMENT_BYTES_MIN, FRAGMENTS_BYTES_SLACK, READ_BUFFER_BYTES, WRITE_BUFFER_BYTES_MAX};

/// A message from a peer.
#[derive(Debug)]
pub enum Incoming {
    /// A whole text message.
    Text(Utf8Bytes),
    /// A whole binary message.
    Binary(Bytes),
    /// A ping, whose answer is on its way, or a pong.
    Control,
}

impl Incoming {
    /// Returns the length of the payload in bytes. A control frame has 125 at most (RFC 6455 5.5), and counts as empty.
    pub fn payload_bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
            Self::Control => 0,
        }
    }
}

/// Why nothing more can be read of a connection.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ReadEnd {
    /// The peer sent a close frame. If it was the first to, the answer is in the replies (RFC 6455 5.5.1).
    ClosedByPeer {
        /// Whether its code may be sent (RFC 6455 7.4), and nothing has come behind it so far.
        orderly: bool,
    },
    /// The peer broke RFC 6455, and is to be sent this.
    Fault(CloseReason),
}

/// A tungstenite context and the bytes in it that no message accounts for yet.
#[derive(Debug)]
pub struct Codec {
    context: WebSocketContext,
    message_bytes_max: usize,
    /// Bytes that went in and that no message accounts for. 0 only where nothing is left inside.
    unaccounted: usize,
    /// Bytes that came in since a message was complete, control frames not counted.
    incomplete_bytes: usize,
}

impl Codec {
    /// A context between two messages.
    pub fn new(message_bytes_max: usize) -> Box<Self> {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER_BYTES) // default 128 KiB, eager
            .write_buffer_size(0) // replies go straight into our output
            .max_write_buffer_size(WRITE_BUFFER_BYTES_MAX) // default unlimited; one control frame is enough
            .max_message_size(Some(message_bytes_max)) // default 64 MiB
            .max_frame_size(Some(message_bytes_max)); // default 16 MiB
        Box::new(Self {
            context: WebSocketContext::new(Role::Server, Some(config)),
            message_bytes_max,
            unaccounted: 0,
            incomplete_bytes: 0,
        })
    }

    fn is_between_messages(&self) -> bool {
        self.unaccounted == 0
    }

    /// Drops what is left of a peer's bytes. To be called on the shared context by who stops reading in the middle, or the next
    /// peer would be given the rest.
    pub(crate) fn forget_unread(self: &mut Box<Self>) {
        if !self.is_between_messages() {
            *self = Self::new(self.message_bytes_max);
        }
    }

    /// Takes the next message out of `input`. `None` when all of it has been read and the next message is not complete.
    fn next(&mut self, input: &mut &[u8], replies: &mut Vec<u8>) -> Result<Option<Incoming>, ReadEnd> {
        if input.is_empty() && self.is_between_messages() {
            return Ok(None); // what a read would find out at the price of zeroing its buffer
        }
        let before = input.len();
        let mut pipe = Pipe { input, replies };
        let read = self.context.read(&mut pipe);
        let read_bytes = before - pipe.input.len();
        self.unaccounted += read_bytes;
        self.incomplete_bytes += read_bytes;
        let (incoming, payload_bytes) = match read {
            Ok(Message::Text(text)) => {
                let bytes = text.len();
                (Incoming::Text(text), bytes)
            }
            Ok(Message::Binary(binary)) => {
                let bytes = binary.len();
                (Incoming::Binary(binary), bytes)
            }
            Ok(Message::Ping(payload)) => {
                // RFC 6455 5.5.2: a pong must be sent in response, as soon as is practical.
                self.context.flush(&mut pipe).map_err(|error| end(&error))?;
                (Incoming::Control, payload.len())
            }
            // RFC 6455 5.5.3: a pong may come unsolicited, and no response to it is expected.
            Ok(Message::Pong(payload)) => (Incoming::Control, payload.len()),
            Ok(Message::Close(close)) => {
                // RFC 6455 5.5.1: a close frame must be sent in response. It goes into the replies; that flush then reports
                // the end of the connection is known already.
                let _ = self.context.flush(&mut pipe);
                let orderly = self.is_orderly(close.as_ref(), input);
                return Err(ReadEnd::ClosedByPeer { orderly });
            }
            Ok(Message::Frame(_)) => return Err(ReadEnd::Fault(close::PROTOCOL_ERROR)), // never given by read
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                return self.wait_for_more();
            }
            Err(error) => return Err(end(&error)),
        };
        self.account_for(&incoming, wire_bytes_min(payload_bytes));
        Ok(Some(incoming))
    }

    /// Returns whether a close frame has a code that may be sent, and nothing around it: no message was under way, and
    /// nothing has come behind it.
    fn is_orderly(&self, close: Option<&CloseFrame>, behind: &[u8]) -> bool {
        // RFC 6455 7.4: tungstenite shows a code that must not be sent as the 1002 that it answers with.
        let is_allowed = close.is_none_or(|close| close.code != CloseCode::Protocol);
        let payload_bytes = close.map_or(0, |close| 2 + close.reason.len());
        is_allowed && self.unaccounted == wire_bytes_min(payload_bytes) && behind.is_empty()
    }

    /// A message in the smallest fragments has its limit from tungstenite, in bytes of payload. Fragments without any
    /// (RFC 6455 5.4 allows them) have theirs from here.
    fn wait_for_more(&self) -> Result<Option<Incoming>, ReadEnd> {
        let longest = FRAGMENT_BYTES_MIN * self.message_bytes_max + FRAGMENTS_BYTES_SLACK;
        if self.incomplete_bytes > longest { Err(ReadEnd::Fault(close::FLOODING)) } else { Ok(None) }
    }

    /// Notes that a message has come out, which took at least `frame_bytes` on the wire.
    fn account_for(&mut self, incoming: &Incoming, frame_bytes: usize) {
        // A message in fragments, or with a length that is not minimal, leaves a rest that is never accounted for. Then the
        // connection keeps a context of its own for longer than it needs, which is safe; never for shorter.
        self.unaccounted -= self.unaccounted.min(frame_bytes);
        // RFC 6455 5.4: fragmentation is for the sender to choose, so each message has the same allowance. A control frame
        // may come between two fragments and gives no new one, or a ping now and then would let a flood go on.
        self.incomplete_bytes = match incoming {
            Incoming::Control => self.incomplete_bytes - self.incomplete_bytes.min(frame_bytes),
            Incoming::Text(_) | Incoming::Binary(_) => 0,
        };
    }
}

/// The shortest frame from a client that holds so much: header, length, mask and payload (RFC 6455 5.2).
fn wire_bytes_min(payload: usize) -> usize {
    let length_bytes = match payload {
        0..=125 => 0,
        126..=0xFFFF => 2,
        _ => 8,
    };
    2 + length_bytes + 4 + payload
}

/// tungstenite sends no close frame for these errors; after one of them it must not be read again either.
fn end(error: &Error) -> ReadEnd {
    match error {
        Error::ConnectionClosed | Error::AlreadyClosed => ReadEnd::ClosedByPeer { orderly: false },
        Error::Capacity(_) => ReadEnd::Fault(close::TOO_BIG), // RFC 6455 7.4.1: 1009
        Error::Utf8(_) => ReadEnd::Fault(close::INVALID_UTF8), // RFC 6455 8.1: 1007
        _ => ReadEnd::Fault(close::PROTOCOL_ERROR),
    }
}

/// A connection's place in its stream of frames.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    own: Option<Box<Codec>>,
}

impl Reader {
    /// Takes the next message out of `input`, which is empty when there is none. After an error, nothing more is read.
    pub(crate) fn next(
        &mut self,
        shared: &mut Box<Codec>,
        input: &mut &[u8],
        replies: &mut Vec<u8>,
    ) -> Result<Option<Incoming>, ReadEnd> {
        let codec = self.own.as_mut().unwrap_or(shared);
        let message_bytes_max = codec.message_bytes_max;
        let next = codec.next(input, replies);
        match &next {
            Ok(Some(_)) => {}
            Ok(None) if codec.is_between_messages() => {
                // It has nothing of this connection in it any more, so that it can serve as the shared one.
                if let Some(own) = self.own.take() {
                    *shared = own;
                }
            }
            Ok(None) if self.own.is_none() => {
                // In the middle: the bytes inside are this connection's, and the others get a fresh context.
                self.own = Some(std::mem::replace(shared, Codec::new(message_bytes_max)));
            }
            Ok(None) => {}
            // A context that failed must not be used again: what is left in it belongs to no message.
            Err(_) if self.own.take().is_none() => *shared = Codec::new(message_bytes_max),
            Err(_) => {}
        }
        next
    }

    /// Takes over the context, if `shared` has read ahead: its messages are this connection's, and are taken later.
    pub(crate) fn keep_context(&mut self, shared: &mut Box<Codec>) {
        if self.own.is_none() && !shared.is_between_messages() {
            let fresh = Codec::new(shared.message_bytes_max);
            self.own = Some(std::mem::replace(shared, fresh));
        }
    }
}

/// The stream that tungstenite is shown: reads come from what one recv brought, writes go to the output that waits.
struct Pipe<'a, 'i> {
    input: &'a mut &'i [u8],
    replies: &'a mut Vec<u8>,
}

impl Read for Pipe<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.input.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into()); // not the end: more will come with the next recv
        }
        self.input.read(buffer)
    }
}

impl Write for Pipe<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.replies.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
