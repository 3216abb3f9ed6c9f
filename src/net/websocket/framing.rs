//! Where a peer is in its stream of frames, and what RFC 6455 asks of them and tungstenite does not check, or checks late:
//! a length takes as few bytes as it can (5.2), and a text fails at the first byte that cannot be UTF-8 (8.1), even in a
//! frame that is not complete.

use std::str;

use crate::net::close::{self, CloseReason};

/// Two bytes, eight of length, four of mask (RFC 6455 5.2).
const HEADER_BYTES_MAX: usize = 14;
const MASK_BYTES: usize = 4;
const TEXT: u8 = 1;
const FIN: u8 = 0x80;
const CONTROL: u8 = 8;

/// Follows a peer's frames through the bytes that it sends.
#[derive(Debug, Default)]
pub(super) struct Framing {
    /// The beginning of a header that is not complete.
    header: [u8; HEADER_BYTES_MAX],
    header_bytes: usize,
    frame: Frame,
    payload_left: u64,
    text: Option<MaskedText>,
    /// Bytes of the fragments of the message that is not complete; 0 if there is none.
    fragments_bytes: u64,
    /// Whole messages that have not been taken, control frames included.
    untaken: usize,
    fault: Option<CloseReason>,
}

/// The frame that is being followed.
#[derive(Clone, Copy, Debug, Default)]
struct Frame {
    first: u8,
    bytes: u64,
}

impl Framing {
    /// Returns the fault at which the frames cannot be followed any further.
    pub(super) fn fault(&self) -> Option<CloseReason> {
        self.fault
    }

    /// Whether no byte is left that is part of a message which has not been taken.
    pub(super) fn is_between_messages(&self) -> bool {
        let is_inside_frame = self.header_bytes > 0 || self.payload_left > 0 || self.fault.is_some();
        self.untaken == 0 && self.fragments_bytes == 0 && !is_inside_frame
    }

    /// Returns how many bytes the fragments of an incomplete message have, headers included. A frame counts once it is
    /// complete.
    pub(super) fn fragments_bytes(&self) -> u64 {
        self.fragments_bytes
    }

    /// Notes that the oldest message has been taken.
    pub(super) fn take(&mut self) {
        self.untaken = self.untaken.saturating_sub(1);
    }

    /// Follows the frames through `bytes`, behind which `behind` more have been received. Returns how many bytes are
    /// before a fault.
    pub(super) fn follow(&mut self, bytes: &[u8], behind: usize) -> usize {
        let mut at = 0;
        while at < bytes.len() && self.fault.is_none() {
            if self.payload_left > 0 {
                let length = usize::try_from(self.payload_left).unwrap_or(usize::MAX).min(bytes.len() - at);
                self.payload_left -= length as u64;
                let payload = &bytes[at..at + length];
                // A frame that has been received as a whole is checked by tungstenite, and once is enough.
                let is_complete = self.payload_left <= behind as u64;
                if !is_complete && self.text.as_mut().is_some_and(|text| !text.may_go_on_with(payload)) {
                    self.fault = Some(close::INVALID_UTF8);
                    break;
                }
                at += length;
                if self.payload_left == 0 {
                    self.end(self.frame);
                }
                continue;
            }
            if let Some(length) = whole_short_frame(&bytes[at..]).filter(|_| self.header_bytes == 0) {
                self.end(Frame { first: bytes[at], bytes: length as u64 });
                at += length;
                continue;
            }
            let before = self.header_bytes;
            let more = (HEADER_BYTES_MAX - before).min(bytes.len() - at);
            self.header[before..before + more].copy_from_slice(&bytes[at..at + more]);
            match Header::read(&self.header[..before + more]) {
                None => {
                    self.header_bytes += more;
                    at += more;
                }
                Some(header) if !header.is_minimal => self.fault = Some(close::PROTOCOL_ERROR),
                Some(header) => {
                    (self.header_bytes, self.frame) = (0, header.frame());
                    (self.payload_left, self.text) = (header.payload_bytes, header.text);
                    at += header.bytes - before;
                    if self.payload_left == 0 {
                        self.end(self.frame);
                    }
                }
            }
        }
        at
    }

    /// Notes that a frame is complete. tungstenite refuses those that may not come where they do.
    fn end(&mut self, frame: Frame) {
        if frame.first & CONTROL != 0 {
            // RFC 6455 5.5: a control frame is a message, and may come between two fragments. It does not renew their
            // allowance, or a flood of empty fragments could go on with a ping now and then.
            self.untaken += 1;
        } else if frame.first & FIN != 0 {
            // RFC 6455 5.4: the sender chooses how to fragment, so each message has the same allowance.
            (self.untaken, self.fragments_bytes) = (self.untaken + 1, 0);
        } else {
            self.fragments_bytes = self.fragments_bytes.saturating_add(frame.bytes);
        }
    }
}

/// Returns the length of the frame that `bytes` begin with, if it is short and there as a whole, as most are.
fn whole_short_frame(bytes: &[u8]) -> Option<usize> {
    let length = 2 + MASK_BYTES + usize::from(bytes.get(1).filter(|second| *second & 0x7F < 126)? & 0x7F);
    (length <= bytes.len()).then_some(length)
}

struct Header {
    first: u8,
    bytes: usize,
    payload_bytes: u64,
    is_minimal: bool,
    /// What is known of a text message that begins with this frame.
    text: Option<MaskedText>,
}

impl Header {
    /// Reads a header from the beginning of `bytes`. `None` if it is not complete. The header of a frame without a
    /// mask, which tungstenite refuses, is read as if it had one.
    fn read(bytes: &[u8]) -> Option<Self> {
        let [first, second, rest @ ..] = bytes else { return None };
        let (length, shorter_max, rest) = match second & 0x7F {
            126 => rest
                .split_first_chunk()
                .map(|(length, rest)| (u16::from_be_bytes(*length).into(), 125, rest))?,
            127 => {
                rest.split_first_chunk().map(|(length, rest)| (u64::from_be_bytes(*length), 0xFFFF, rest))?
            }
            length => (length.into(), 0, rest),
        };
        let (mask, rest) = rest.split_first_chunk()?;
        Some(Self {
            first: *first,
            bytes: bytes.len() - rest.len(),
            payload_bytes: length,
            is_minimal: shorter_max == 0 || length > shorter_max,
            text: (first & 0x0F == TEXT).then_some(MaskedText {
                mask: *mask,
                partial: [0; 3],
                partial_bytes: 0,
            }),
        })
    }

    fn frame(&self) -> Frame {
        Frame { first: self.first, bytes: self.payload_bytes.saturating_add(self.bytes as u64) }
    }
}

/// A masked text of which the end is still to come.
#[derive(Debug)]
struct MaskedText {
    /// The mask, beginning with the byte for the next byte of the payload.
    mask: [u8; 4],
    /// The first bytes of a character that is not complete.
    partial: [u8; 3],
    partial_bytes: usize,
}

impl MaskedText {
    /// Returns whether the text may still become UTF-8 after these bytes.
    fn may_go_on_with(&mut self, masked: &[u8]) -> bool {
        let mut block = [0; 64];
        masked.chunks(block.len() - self.partial.len()).all(|masked| {
            let text = &mut block[..self.partial_bytes + masked.len()];
            text[..self.partial_bytes].copy_from_slice(&self.partial[..self.partial_bytes]);
            let unmasked = masked.iter().zip(self.mask.iter().cycle()).map(|(byte, mask)| byte ^ mask);
            text[self.partial_bytes..].iter_mut().zip(unmasked).for_each(|(to, byte)| *to = byte);
            self.mask.rotate_left(masked.len() % 4);
            let valid = match str::from_utf8(text) {
                Ok(_) => text.len(),
                Err(error) if error.error_len().is_none() => error.valid_up_to(),
                Err(_) => return false,
            };
            self.partial_bytes = text.len() - valid;
            self.partial[..self.partial_bytes].copy_from_slice(&text[valid..]);
            true
        })
    }
}
