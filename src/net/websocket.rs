//! RFC 6455 for one connection: bytes in, messages out. tungstenite handles frames, masks, fragments, UTF-8 and control
//! frames; it reads from a buffer and never sees a socket.
//!
//! A tungstenite context takes about a kilobyte, and most peers are quiet most of the time. So all connections share
//! one context, and a connection gets its own only while it is in the middle of a frame or a message. tungstenite does
//! not say whether it is, so `Framing` follows the frames on their way into the context.

mod framing;
#[cfg(test)]
mod tests;

use std::io::{self, Read, Write};

use tungstenite::error::Error;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::protocol::{CloseFrame, Role, WebSocketConfig, WebSocketContext};
use tungstenite::{Bytes, Message, Utf8Bytes};

use self::framing::Framing;
use super::close::{self, CloseReason};
use crate::config::{FRAGMENT_BYTES_MIN, FRAGMENTS_BYTES_SLACK, READ_BUFFER_BYTES, WRITE_BUFFER_BYTES_MAX};

/// A message from a peer.
#[derive(Debug)]
pub enum Incoming {
    /// A whole text message.
    Text(Utf8Bytes),
    /// A whole binary message.
    Binary(Bytes),
    /// A ping, which has been answered already, or a pong.
    Control,
}

impl Incoming {
    /// Returns the length of the payload in bytes. A control frame, at most 125 bytes (RFC 6455 5.5), counts as empty.
    pub fn payload_bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
            Self::Control => 0,
        }
    }
}

/// Why no more messages can be read from a connection.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ReadEnd {
    /// The peer sent a close frame. If it did so first, the answer is in the replies (RFC 6455 5.5.1).
    ClosedByPeer {
        /// Whether its code is one that may be sent (RFC 6455 7.4), and no bytes have come after it so far.
        orderly: bool,
    },
    /// The peer broke RFC 6455, and is to be closed with this reason.
    Fault(CloseReason),
}

/// A tungstenite context, and what is known of the bytes in it.
#[derive(Debug)]
pub struct Codec {
    context: WebSocketContext,
    framing: Framing,
    message_bytes_max: usize,
}

impl Codec {
    /// Creates a codec that is between two messages.
    pub fn new(message_bytes_max: usize) -> Box<Self> {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER_BYTES) // default 128 KiB, eager
            .write_buffer_size(0) // replies go straight into our output
            .max_write_buffer_size(WRITE_BUFFER_BYTES_MAX) // default unlimited; one control frame is enough
            .max_message_size(Some(message_bytes_max)) // default 64 MiB
            .max_frame_size(Some(message_bytes_max)); // default 16 MiB
        Box::new(Self {
            context: WebSocketContext::new(Role::Server, Some(config)),
            framing: Framing::default(),
            message_bytes_max,
        })
    }

    fn is_between_messages(&self) -> bool {
        self.framing.is_between_messages()
    }

    /// Drops the bytes that a peer has left inside. Has to be called on the shared codec when reading stops in the
    /// middle of a peer's input: otherwise the next peer would get the rest.
    pub(crate) fn forget_unread(self: &mut Box<Self>) {
        if !self.is_between_messages() {
            *self = Self::new(self.message_bytes_max);
        }
    }

    /// Takes the next message out of `input`. `None` if all input has been read and the next message is not complete.
    fn next(&mut self, input: &mut &[u8], replies: &mut Vec<u8>) -> Result<Option<Incoming>, ReadEnd> {
        if input.is_empty() && self.is_between_messages() {
            return Ok(None); // a read would return the same, but only after zeroing its buffer
        }
        let mut pipe = Pipe { input, replies, framing: &mut self.framing };
        let incoming = match self.context.read(&mut pipe) {
            Ok(Message::Text(text)) => Incoming::Text(text),
            Ok(Message::Binary(binary)) => Incoming::Binary(binary),
            Ok(Message::Ping(_)) => {
                // RFC 6455 5.5.2: a pong must be sent in response, as soon as is practical.
                self.context.flush(&mut pipe).map_err(|error| end(&error))?;
                Incoming::Control
            }
            // RFC 6455 5.5.3: a pong may come unsolicited, and no response to it is expected.
            Ok(Message::Pong(_)) => Incoming::Control,
            Ok(Message::Close(close)) => {
                // RFC 6455 5.5.1: a close frame must be sent in response. The flush puts it into the replies, and then
                // returns an error for the end of the connection, which is known already.
                let _ = self.context.flush(&mut pipe);
                self.framing.take();
                let orderly = is_allowed(close.as_ref()) && self.is_between_messages() && input.is_empty();
                return Err(ReadEnd::ClosedByPeer { orderly });
            }
            Ok(Message::Frame(_)) => return Err(ReadEnd::Fault(close::PROTOCOL_ERROR)), // read never returns this
            Err(Error::Io(_)) => {
                let fault = self.framing.fault().or_else(|| self.flooding());
                return fault.map_or(Ok(None), |why| Err(ReadEnd::Fault(why)));
            }
            Err(error) => return Err(end(&error)),
        };
        self.framing.take();
        Ok(Some(incoming))
    }

    /// Limits the bytes of an incomplete message. tungstenite limits its payload; this also limits empty fragments,
    /// which RFC 6455 5.4 allows.
    fn flooding(&self) -> Option<CloseReason> {
        let longest = FRAGMENT_BYTES_MIN * self.message_bytes_max + FRAGMENTS_BYTES_SLACK;
        (self.framing.fragments_bytes() > longest as u64).then_some(close::FLOODING)
    }
}

/// Returns whether a close frame has a code that may be sent. If it has none, tungstenite reports the 1002 that it
/// answers with instead (RFC 6455 7.4).
fn is_allowed(close: Option<&CloseFrame>) -> bool {
    close.is_none_or(|close| close.code != CloseCode::Protocol)
}

/// Converts an error of tungstenite. tungstenite sends no close frame for these, and must not be read again after one.
fn end(error: &Error) -> ReadEnd {
    match error {
        Error::ConnectionClosed | Error::AlreadyClosed => ReadEnd::ClosedByPeer { orderly: false },
        Error::Capacity(_) => ReadEnd::Fault(close::TOO_BIG), // RFC 6455 7.4.1: 1009
        Error::Utf8(_) => ReadEnd::Fault(close::INVALID_UTF8), // RFC 6455 8.1: 1007
        _ => ReadEnd::Fault(close::PROTOCOL_ERROR),
    }
}

/// A connection's position in its stream of frames: its own codec if it is inside a message, else nothing.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    own: Option<Box<Codec>>,
}

impl Reader {
    /// Takes the next message out of `input`. `None` if `input` has been read and holds no whole message. After an
    /// error, nothing more must be read.
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
                // No bytes of this connection are left in its codec, so it can serve as the shared one.
                if let Some(own) = self.own.take() {
                    *shared = own;
                }
            }
            Ok(None) if self.own.is_none() => {
                // In the middle of a message: the bytes inside are this connection's, and the others get a new codec.
                self.own = Some(std::mem::replace(shared, Codec::new(message_bytes_max)));
            }
            Ok(None) => {}
            // A codec that failed must not be used again: the bytes left in it belong to no message.
            Err(_) if self.own.take().is_none() => *shared = Codec::new(message_bytes_max),
            Err(_) => {}
        }
        next
    }

    /// Takes over the shared codec if it has read ahead: the messages in it are this connection's, and are taken later.
    pub(crate) fn keep_context(&mut self, shared: &mut Box<Codec>) {
        if self.own.is_none() && !shared.is_between_messages() {
            let fresh = Codec::new(shared.message_bytes_max);
            self.own = Some(std::mem::replace(shared, fresh));
        }
    }
}

/// The stream that tungstenite sees: reads come from the bytes of one recv, writes go to the replies.
struct Pipe<'a, 'i> {
    input: &'a mut &'i [u8],
    replies: &'a mut Vec<u8>,
    framing: &'a mut Framing,
}

impl Read for Pipe<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.input.is_empty() && self.framing.fault().is_none() {
            return Err(io::ErrorKind::WouldBlock.into()); // not the end of the stream: the next recv may bring more
        }
        let length = self.input.read(buffer)?;
        match self.framing.follow(&buffer[..length], self.input.len()) {
            0 => Err(io::ErrorKind::InvalidData.into()),
            good => Ok(good), // the messages before a fault are read first
        }
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
