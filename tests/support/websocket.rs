//! RFC 6455 from the client's side: masked frames to the server, plain ones from it. Written without the server's code,
//! and shared by all that plays a client: socket tests, simulation and benches.
#![allow(dead_code, reason = "each crate that includes this uses a part")]
#![allow(clippy::cast_possible_truncation, reason = "a match has said how long it is; a mask may be any")]

use std::ops::Range;

/// The sample key of RFC 6455 1.3, so that the answer is known.
pub(crate) const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
pub(crate) const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// The opcodes, and the bits of the first byte beside them (RFC 6455 5.2).
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

/// The same with the first byte as given: fragments have no FIN. Payloads are below 64 KiB.
pub(crate) fn append_part(out: &mut Vec<u8>, first: u8, write: impl FnOnce(&mut Vec<u8>)) {
    // The long form of the header, which is cut short below where the payload is; a chat's frames mostly need it.
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
        out.drain(start + 2..start + 4); // RFC 6455 5.2: the fewest bytes
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

/// Appends a frame's header alone, which may announce any length and may lack the mask that RFC 6455 5.1 asks for.
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

/// Not random, but different from frame to frame and without a zero byte: unmasking costs what it costs.
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

/// The same with more header fields, each with its line end.
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

/// The length of the answer to the request once it has come whole.
///
/// # Panics
/// It is another one than to a good request.
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
    /// Where the payload is, or will be once it has come.
    pub(crate) payload: Range<usize>,
}

/// Reads the header at the start of `input`, once it is whole. Whether a server may send it is for the caller to say.
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

/// The next whole frame in `input`: its opcode, and where its payload is, behind which the next one starts.
pub(crate) fn next_frame(input: &[u8]) -> Option<(u8, Range<usize>)> {
    next_header(input).filter(|(_, payload)| input.len() >= payload.end)
}

/// The same once the header is whole, however much of the payload is there.
///
/// # Panics
/// It is not one of those that this server sends: whole and not masked.
pub(crate) fn next_header(input: &[u8]) -> Option<(u8, Range<usize>)> {
    let header = header(input)?;
    assert!(!header.is_masked, "a masked frame from the server");
    assert!(header.first & FIN != 0, "the server fragments");
    Some((header.first & !FIN, header.payload))
}
