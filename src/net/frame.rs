//! The server's frames, written straight into a buffer (RFC 6455 5.2).
//!
//! These frames are neither masked nor fragmented, so the header is only the opcode and the length. The length is known
//! only after the payload is written. So room for the longest header is reserved, the payload is written after it, and
//! then the header directly in front of the payload.

use std::ops::Range;

use super::close::CloseReason;

/// The opcodes of RFC 6455 5.2 that the server sends, with the FIN bit set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Opcode {
    /// A whole text message.
    Text = 0x81,
    /// A whole binary message.
    Binary = 0x82,
    /// A close frame, with a code and a reason.
    Close = 0x88,
    /// A ping.
    Ping = 0x89,
}

/// One byte for FIN and opcode, one for the length marker 127, and eight for the length.
const HEADER_BYTES_MAX: usize = 10;

/// Appends a frame whose payload is written by `write`, and returns its range in the buffer. The bytes in front of it
/// that a shorter header did not need belong to no frame.
pub(crate) fn append(buffer: &mut Vec<u8>, opcode: Opcode, write: impl FnOnce(&mut Vec<u8>)) -> Range<usize> {
    buffer.extend_from_slice(&[0; HEADER_BYTES_MAX]);
    let payload = buffer.len();
    write(buffer);
    let length = buffer.len() - payload;
    // RFC 6455 5.2: the minimal number of bytes must be used to encode the length.
    let start = match length {
        0..=125 => {
            buffer[payload - 1] = length.to_be_bytes()[7];
            payload - 2
        }
        126..=0xFFFF => {
            buffer[payload - 3] = 126;
            buffer[payload - 2..payload].copy_from_slice(&length.to_be_bytes()[6..]);
            payload - 4
        }
        _ => {
            buffer[payload - 9] = 127;
            buffer[payload - 8..payload].copy_from_slice(&length.to_be_bytes());
            payload - 10
        }
    };
    buffer[start] = opcode as u8;
    start..buffer.len()
}

/// A ping without a payload, since any pong answers it.
pub(crate) const PING: [u8; 2] = [Opcode::Ping as u8, 0];

/// Appends a close frame (RFC 6455 5.5.1).
pub(crate) fn append_close(buffer: &mut Vec<u8>, why: CloseReason) {
    let [length, ..] = (why.reason.len() + 2).to_le_bytes();
    buffer.extend_from_slice(&[Opcode::Close as u8, length]);
    buffer.extend_from_slice(&why.code.to_be_bytes());
    buffer.extend_from_slice(why.reason.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::close;

    #[test]
    fn the_length_takes_the_fewest_bytes() {
        let cases: [(usize, &[u8]); 6] = [
            (0, &[0x81, 0]),
            (125, &[0x81, 125]),
            (126, &[0x81, 126, 0, 126]),
            (0xFFFF, &[0x81, 126, 0xFF, 0xFF]),
            (0x1_0000, &[0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
            (200_000, &[0x81, 127, 0, 0, 0, 0, 0, 3, 0x0D, 0x40]),
        ];
        for (length, header) in cases {
            let mut buffer = b"before".to_vec();
            let frame = append(&mut buffer, Opcode::Text, |b| b.resize(b.len() + length, b'x'));
            assert_eq!(&buffer[frame.start..][..header.len()], header);
            assert_eq!(frame.len(), header.len() + length);
            assert!(buffer[frame][header.len()..].iter().all(|b| *b == b'x'));
        }
    }

    #[test]
    fn a_close_frame_holds_code_and_reason() {
        let mut buffer = Vec::new();
        append_close(&mut buffer, close::FLOODING);
        assert_eq!(buffer, b"\x88\x0a\x03\xf0flooding");
    }
}
