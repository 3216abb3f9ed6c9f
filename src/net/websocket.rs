//! RFC 6455 for one connection: bytes in, messages out. Frames, masks, fragments, UTF-8 and control frames are
//! tungstenite's work; it reads from a buffer and never sees a socket.
//!
//! A context costs a peer about a kilobyte, and most peers are quiet most of the time. So there is one context that
//! all share, and a connection gets one of its own only while it is in the middle of a frame or a message. Whether it
//! is cannot be asked of tungstenite, but it can be counted: a message of n bytes took at least n and the shortest
//! header for n on the wire. If all bytes that went in are accounted for in this way, none is left inside.

use std::io::{self, Read, Write};

use tungstenite::error::Error;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};
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
                // RFC 6455 5.5.2: the pong, as soon as is practical
                self.context.flush(&mut pipe).map_err(|error| end(&error))?;
                (Incoming::Control, payload.len())
            }
            Ok(Message::Pong(payload)) => (Incoming::Control, payload.len()),
            Ok(Message::Close(close)) => {
                // The answer goes into the replies. That flush then reports the end of the connection is known already.
                let _ = self.context.flush(&mut pipe);
                // tungstenite shows a code that may not be sent as the 1002 that it answers with.
                let is_allowed = close.as_ref().is_none_or(|close| close.code != CloseCode::Protocol);
                let payload_bytes = close.map_or(0, |close| 2 + close.reason.len());
                let orderly =
                    is_allowed && self.unaccounted == wire_bytes_min(payload_bytes) && input.is_empty();
                return Err(ReadEnd::ClosedByPeer { orderly });
            }
            Ok(Message::Frame(_)) => return Err(ReadEnd::Fault(close::PROTOCOL_ERROR)), // never given by read
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                // A message in the smallest fragments has its limit from tungstenite; fragments of nothing from here.
                let flood = self.incomplete_bytes
                    > FRAGMENT_BYTES_MIN * self.message_bytes_max + FRAGMENTS_BYTES_SLACK;
                return if flood { Err(ReadEnd::Fault(close::FLOODING)) } else { Ok(None) };
            }
            Err(error) => return Err(end(&error)),
        };
        let frame_bytes = wire_bytes_min(payload_bytes);
        // A message in fragments leaves a rest that is never accounted for: then the context simply stays.
        self.unaccounted -= self.unaccounted.min(frame_bytes);
        // RFC 6455 5.4: fragmentation is for the sender to choose, so each message has the same allowance. A control frame
        // may come between two fragments and gives no new one, or a ping now and then would let a flood go on.
        self.incomplete_bytes = match incoming {
            Incoming::Control => self.incomplete_bytes - self.incomplete_bytes.min(frame_bytes),
            Incoming::Text(_) | Incoming::Binary(_) => 0,
        };
        Ok(Some(incoming))
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
        Error::Capacity(_) => ReadEnd::Fault(close::TOO_BIG),
        Error::Utf8(_) => ReadEnd::Fault(close::INVALID_UTF8),
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
            return Err(io::ErrorKind::WouldBlock.into()); // the turn's budget is used up
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

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: usize = 1000;

    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![first];
        match payload.len() {
            n @ 0..=125 => frame.push(0x80 | u8::try_from(n).unwrap()),
            n => {
                frame.push(0x80 | 126);
                frame.extend(u16::try_from(n).unwrap().to_be_bytes());
            }
        }
        let mask = [0x37, 0xFA, 0x21, 0x3D];
        frame.extend(mask);
        frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        frame
    }

    fn read_all(
        reader: &mut Reader,
        shared: &mut Box<Codec>,
        mut input: &[u8],
    ) -> Result<Vec<String>, ReadEnd> {
        let mut texts = Vec::new();
        while let Some(incoming) = reader.next(shared, &mut input, &mut Vec::new())? {
            texts.extend(match incoming {
                Incoming::Text(text) => Some(text.to_string()),
                _ => None,
            });
        }
        Ok(texts)
    }

    #[test]
    fn whole_messages_leave_nothing_in_the_shared_context() {
        let (mut reader, mut shared) = (Reader::default(), Codec::new(MAX));
        let input = [frame(0x81, b"hello"), frame(0x89, b"ping"), frame(0x81, &[b'x'; 700])].concat();
        assert_eq!(read_all(&mut reader, &mut shared, &input).unwrap().len(), 2);
        assert!(reader.own.is_none());
    }

    #[test]
    fn a_frame_in_two_pieces_at_any_byte_is_read_once_and_the_context_given_back() {
        let input = [frame(0x81, b"one"), frame(0x81, &[b'x'; 200]), frame(0x81, b"three")].concat();
        for cut in 1..input.len() {
            let (mut alice, mut bob, mut shared) = (Reader::default(), Reader::default(), Codec::new(MAX));
            let mut texts = read_all(&mut alice, &mut shared, &input[..cut]).unwrap();
            // Another connection in between must not be given what is left of it.
            assert_eq!(read_all(&mut bob, &mut shared, &frame(0x81, b"else")).unwrap(), ["else"]);
            texts.extend(read_all(&mut alice, &mut shared, &input[cut..]).unwrap());
            assert_eq!(texts, ["one".to_owned(), "x".repeat(200), "three".to_owned()], "cut at {cut}");
            assert!(alice.own.is_none());
        }
    }

    #[test]
    fn fragments_and_lengths_that_are_not_minimal_never_look_finished_too_early() {
        let long_length = |payload: &[u8]| {
            let mut padded = frame(0x81, payload);
            let length = padded[1] & 0x7F;
            padded.splice(1..2, [0x80 | 126, 0, length]);
            padded
        };
        let input = [frame(0x01, b"a"), frame(0x80, b"b"), long_length(b"c"), frame(0x81, b"d")].concat();
        for cut in 1..input.len() {
            let (mut reader, mut shared) = (Reader::default(), Codec::new(MAX));
            let mut texts = read_all(&mut reader, &mut shared, &input[..cut]).unwrap();
            assert_eq!(
                read_all(&mut Reader::default(), &mut shared, &frame(0x81, b"else")).unwrap(),
                ["else"]
            );
            texts.extend(read_all(&mut reader, &mut shared, &input[cut..]).unwrap());
            assert_eq!(texts, ["ab", "c", "d"], "cut at {cut}");
        }
    }

    #[test]
    fn a_fault_has_its_close_code_and_does_not_spoil_the_shared_context() {
        let mut shared = Codec::new(MAX);
        for (input, why) in [
            (frame(0x81, &[b'x'; MAX + 1]), close::TOO_BIG),
            (frame(0x81, b"\xff"), close::INVALID_UTF8),
            (frame(0x83, b""), close::PROTOCOL_ERROR),
            (b"\x81\x00".to_vec(), close::PROTOCOL_ERROR),
        ] {
            assert_eq!(read_all(&mut Reader::default(), &mut shared, &input), Err(ReadEnd::Fault(why)));
            assert_eq!(read_all(&mut Reader::default(), &mut shared, &frame(0x81, b"x")).unwrap(), ["x"]);
        }
    }

    #[test]
    fn a_flood_of_empty_fragments_ends() {
        let (mut reader, mut shared) = (Reader::default(), Codec::new(MAX));
        let start = frame(0x01, b"x");
        read_all(&mut reader, &mut shared, &start).unwrap();
        let fragments = frame(0x00, b"").repeat(5000);
        let flood = (0..100).find_map(|_| read_all(&mut reader, &mut shared, &fragments).err());
        assert_eq!(flood, Some(ReadEnd::Fault(close::FLOODING)));
    }

    #[test]
    fn a_ping_now_and_then_does_not_let_a_flood_of_empty_fragments_go_on() {
        let (mut reader, mut shared) = (Reader::default(), Codec::new(MAX));
        read_all(&mut reader, &mut shared, &frame(0x01, b"x")).unwrap();
        let fragments = [frame(0x00, b"").repeat(5000), frame(0x89, b"ping")].concat();
        let flood = (0..100).find_map(|_| read_all(&mut reader, &mut shared, &fragments).err());
        assert_eq!(flood, Some(ReadEnd::Fault(close::FLOODING)));
    }

    #[test]
    fn any_number_of_long_messages_may_come_in_fragments_of_any_size() {
        const LONGEST: usize = 16 * 1024;
        for (text, fragment_bytes, messages) in [
            ("x".repeat(4000), 1, 200),
            ("\u{1F5A8}".repeat(4000), 1, 200),
            ("\u{1F5A8}".repeat(4000), 10, 200),
            ("x".repeat(4000), 2000, 100_000),
        ] {
            let mut pieces = text.as_bytes().chunks(fragment_bytes).enumerate().peekable();
            let mut input = Vec::new();
            while let Some((nth, piece)) = pieces.next() {
                let fin = if pieces.peek().is_none() { 0x80 } else { 0 };
                input.extend(frame(fin | u8::from(nth == 0), piece));
            }
            let (mut reader, mut shared) = (Reader::default(), Codec::new(LONGEST));
            for nth in 0..messages {
                let read = read_all(&mut reader, &mut shared, &input).map(|texts| texts.len());
                assert_eq!(read, Ok(1), "message {nth} in fragments of {fragment_bytes}");
            }
        }
    }

    #[test]
    fn the_longest_message_in_the_smallest_fragments_is_no_flood() {
        const LONGEST: usize = 32 * 1024; // so long that the slack alone does not let it pass
        let (mut reader, mut shared) = (Reader::default(), Codec::new(LONGEST));
        let mut texts = read_all(&mut reader, &mut shared, &frame(0x01, b"x")).unwrap();
        for _ in 0..LONGEST - 2 {
            texts.extend(read_all(&mut reader, &mut shared, &frame(0x00, b"x")).unwrap());
        }
        texts.extend(read_all(&mut reader, &mut shared, &frame(0x80, b"x")).unwrap());
        assert_eq!(texts, ["x".repeat(LONGEST)]);
    }

    #[test]
    fn a_close_is_answered_with_its_code_and_what_is_out_of_order_is_noticed() {
        let bye = frame(0x88, b"\x03\xe8bye");
        for (input, code, orderly) in [
            (bye.clone(), b"\x88\x05\x03\xe8", true),
            (frame(0x88, b""), b"\x88\0", true),
            ([&bye[..], &bye].concat(), b"\x88\x05\x03\xe8", false),
            ([&frame(0x01, b"x")[..], &bye].concat(), b"\x88\x05\x03\xe8", false),
            (frame(0x88, b"\x03\xec"), b"\x88\x14\x03\xea", false), // 1004, which may not be sent
        ] as [(Vec<u8>, &[u8], bool); 5]
        {
            let mut replies = Vec::new();
            let end = Reader::default().next(&mut Codec::new(MAX), &mut &input[..], &mut replies);
            assert_eq!(end.err(), Some(ReadEnd::ClosedByPeer { orderly }));
            assert!(replies.starts_with(code), "{replies:x?}");
        }
    }
}
