//! RFC 6455 from the client's side: masked frames to the server, unmasked ones from it. Independent of the server's
//! code, so that a mistake there is not repeated here, and shared by socket tests, simulation and benches.
#![allow(dead_code, reason = "each crate that includes this uses a part")]
#![allow(clippy::cast_possible_truncation, reason = "a match has said how long it is; a mask may be any")]

use std::ops::Range;

/// The sample key of RFC 6455 1.3, and the answer to it that the RFC gives.
pub(crate) const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
pub(crate) const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// The opcodes, and the other bits of the first byte (RFC 6455 5.2).
pub(crate) const CONTINUATION: u8 = 0;
pub(crate) const TEXT: u8 = 0x1;
pub(crate) const BINARY: u8 = 0x2;
pub(crate) const CLOSE: u8 = 0x8;
pub(crate) const PING: u8 = 0x9;
pub(crate) const PONG: u8 = 0xA;
pub(crate) const OPCODE: u8 = 0x0F;
pub(crate) const RSV: u8 = 0x70;
pub(crate) const FIN: u8 = 0x80;

const MASKED: u8 = 0x80;
const LENGTH_16: u8 = 126;
const LENGTH_64: u8 = 127;
const MASK_BYTES: usize = 4;

/// Appends a whole message in one frame; `write` appends its payload.
pub(crate) fn append(out: &mut Vec<u8>, opcode: u8, write: impl FnOnce(&mut Vec<u8>)) {
    append_part(out, FIN | opcode, write);
}

/// Like `append`, but with this first byte: fragments have no FIN. The payload must be below 64 KiB.
pub(crate) fn append_part(out: &mut Vec<u8>, first: u8, write: impl FnOnce(&mut Vec<u8>)) {
    // The header is written in its long form, which most frames of a chat need, and shortened below if the payload is
    // short.
    let start = out.len();
    let mask = mask_for(start);
    out.extend_from_slice(&[first, MASKED | LENGTH_16, 0, 0]);
    out.extend_from_slice(&mask);
    let payload = out.len();
    write(out);
    let length = u16::try_from(out.len() - payload).expect("a payload below 64 KiB");
    apply_mask(&mut out[payload..], mask);
    if length < u16::from(LENGTH_16) {
        out[start + 1] = MASKED | length as u8;
        out.drain(start + 2..start + 4); // RFC 6455 5.2: a length takes the fewest bytes
    } else {
        out[start + 2..start + 4].copy_from_slice(&length.to_be_bytes());
    }
}

/// Appends a frame of any length.
pub(crate) fn append_frame(out: &mut Vec<u8>, first: u8, payload: &[u8], mask: [u8; MASK_BYTES]) {
    append_header(out, first, payload.len() as u64, Some(mask));
    let start = out.len();
    out.extend_from_slice(payload);
    apply_mask(&mut out[start..], mask);
}

/// Appends only a frame's header, which may announce any length and may lack the mask that RFC 6455 5.1 requires.
pub(crate) fn append_header(out: &mut Vec<u8>, first: u8, length: u64, mask: Option<[u8; MASK_BYTES]>) {
    let masked = if mask.is_some() { MASKED } else { 0 };
    out.push(first);
    match length {
        0..=125 => out.push(masked | length as u8),
        126..=0xFFFF => {
            out.push(masked | LENGTH_16);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        _ => {
            out.push(masked | LENGTH_64);
            out.extend_from_slice(&length.to_be_bytes());
        }
    }
    out.extend(mask.iter().flatten());
}

/// Returns a mask that is not random but differs from frame to frame, without a zero byte, so that unmasking does real
/// work.
fn mask_for(place: usize) -> [u8; MASK_BYTES] {
    (0x5A17_93C1_u32.wrapping_add((place as u32).wrapping_mul(0x9E37_79B1)) | 0x0101_0101).to_ne_bytes()
}

fn apply_mask(payload: &mut [u8], mask: [u8; MASK_BYTES]) {
    let wide = u64::from(u32::from_ne_bytes(mask)) * 0x1_0000_0001;
    let (words, rest) = payload.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
}

/// Appends the request for a WebSocket at `path`.
pub(crate) fn append_request(out: &mut Vec<u8>, host: &str, path: &str, secret: Option<&str>) {
    append_request_with(out, host, path, secret, "");
}

/// Like `append_request`, with more header fields, each with its line end.
pub(crate) fn append_request_with(
    out: &mut Vec<u8>,
    host: &str,
    path: &str,
    secret: Option<&str>,
    fields: &str,
) {
    let protocol =
        secret.map_or_else(String::new, |s| format!("Sec-WebSocket-Protocol: deskwire.v1, secret.{s}\r\n"));
    out.extend_from_slice(
        format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n{protocol}{fields}\r\n"
        )
        .as_bytes(),
    );
}

/// The length of the server's handshake, once the whole of it has come.
///
/// # Panics
/// The answer is not the one to a good request.
pub(crate) fn answer_length(input: &[u8]) -> Option<usize> {
    const END: &[u8] = b"\r\n\r\n";
    let end = input.windows(END.len()).position(|bytes| bytes == END)?;
    let head = String::from_utf8_lossy(&input[..end]);
    assert!(head.starts_with("HTTP/1.1 101") && head.contains(ACCEPT), "no upgrade: {head}");
    Some(end + END.len())
}

/// The header of a frame from the server.
#[derive(Debug)]
pub(crate) struct Header {
    /// The opcode, FIN and the reserved bits.
    pub(crate) first: u8,
    pub(crate) is_masked: bool,
    /// Where the payload is, or will be once it has arrived.
    pub(crate) payload: Range<usize>,
}

/// Parses the header at the start of `input`, once it is whole. Does not check whether a server may send it.
pub(crate) fn header(input: &[u8]) -> Option<Header> {
    let [first, length, ..] = input else { return None };
    let (start, bytes) = match *length & !MASKED {
        LENGTH_16 => (4, u64::from(u16::from_be_bytes(*input.get(2..)?.first_chunk()?))),
        LENGTH_64 => (10, u64::from_be_bytes(*input.get(2..)?.first_chunk()?)),
        length => (2, u64::from(length)),
    };
    let end = start + usize::try_from(bytes).expect("a length that fits memory");
    Some(Header { first: *first, is_masked: length & MASKED != 0, payload: start..end })
}

/// The next whole frame in `input`: its opcode and the range of its payload. The next frame starts behind that.
pub(crate) fn next_frame(input: &[u8]) -> Option<(u8, Range<usize>)> {
    next_header(input).filter(|(_, payload)| input.len() >= payload.end)
}

/// Like `next_frame`, as soon as the header is whole, even if the payload is not.
///
/// # Panics
/// The frame is fragmented or masked. This server sends neither.
pub(crate) fn next_header(input: &[u8]) -> Option<(u8, Range<usize>)> {
    let header = header(input)?;
    assert!(!header.is_masked, "a masked frame from the server");
    assert!(header.first & FIN != 0, "the server fragments");
    Some((header.first & !FIN, header.payload))
}
