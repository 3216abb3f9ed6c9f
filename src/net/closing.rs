//! The closing handshake that the server has started (RFC 6455 7.1.2): what comes before the peer's close frame.

use super::websocket::{Codec, ReadEnd, Reader};

/// Reads up to the peer's close frame, and drops what it sent before it had read ours (RFC 6455 1.4). `None` while the frame may
/// still come. Once `bytes_left` have been read it may not, and the connection ends without it.
pub(super) fn find_close(
    reader: &mut Reader,
    bytes_left: &mut usize,
    shared: &mut Box<Codec>,
    input: &mut &[u8],
) -> Option<ReadEnd> {
    let (mut searched, _) = input.split_at(input.len().min(*bytes_left));
    *bytes_left -= searched.len();
    *input = &[]; // what is beyond is not even parsed
    let mut unsent_replies = Vec::new();
    loop {
        match reader.next(shared, &mut searched, &mut unsent_replies) {
            Ok(Some(_)) => unsent_replies.clear(),
            Ok(None) if *bytes_left > 0 => return None,
            Ok(None) | Err(ReadEnd::Fault(_)) => return Some(ReadEnd::ClosedByPeer { orderly: false }),
            Err(end) => return Some(end),
        }
    }
}
