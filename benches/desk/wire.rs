//! A client's end of RFC 6455: masked frames to the server, plain ones from it.

use std::ops::Range;

/// The sample key of RFC 6455 1.3, so that the answer is known.
pub(crate) const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

pub(crate) const TEXT: u8 = 0x1;
pub(crate) const CLOSE: u8 = 0x8;
pub(crate) const PING: u8 = 0x9;
pub(crate) const PONG: u8 = 0xA;
pub(crate) const FIN: u8 = 0x80;

const MASKED: u8 = 0x80;
const LENGTH_16: u8 = 126;
const LENGTH_64: u8 = 127;
const MASK_BYTES: usize = 4;

/// Appends a whole masked frame whose payload `write` appends. Payloads here are below 64 KiB.
pub(crate) fn append(out: &mut Vec<u8>, opcode: u8, write: impl FnOnce(&mut Vec<u8>)) {
    append_part(out, FIN | opcode, write);
}

/// The same with the first byte as given: fragments have no FIN.
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

/// The next whole frame in `input`: its opcode, where its payload is, and where the next one starts.
pub(crate) fn next_frame(input: &[u8]) -> Option<(u8, Range<usize>)> {
    let (opcode, payload) = next_header(input)?;
    (input.len() >= payload.end).then_some((opcode, payload))
}

/// The same once the header is whole, however much of the payload is there.
pub(crate) fn next_header(input: &[u8]) -> Option<(u8, Range<usize>)> {
    let [first, length, ..] = input else { return None };
    let (header, length) = match *length {
        LENGTH_16 => (4, usize::from(u16::from_be_bytes([*input.get(2)?, *input.get(3)?]))),
        LENGTH_64 => {
            let bytes: [u8; 8] = input.get(2..10)?.try_into().ok()?;
            (10, u64::from_be_bytes(bytes) as usize)
        }
        length => (2, usize::from(length)),
    };
    assert!(length < 1 << 32, "a masked frame from the server"); // its length byte is then above 127, or nonsense
    assert!(first & FIN != 0, "the server fragments");
    Some((first & !FIN, header..header + length))
}
