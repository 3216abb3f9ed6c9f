//! The closing handshake when the server starts it (RFC 6455 7.1.2): input is read only to find the peer's close frame.

use super::websocket::{Codec, ReadEnd, Reader};

/// Reads up to the peer's close frame and drops the messages in front of it: the peer sent them before it had read our
/// close frame (RFC 6455 1.4). Returns `None` while the close frame may still come. After `bytes_left` bytes the wait
/// is over, and the connection ends without it.
pub(super) fn find_close(
    reader: &mut Reader,
    bytes_left: &mut usize,
    shared: &mut Box<Codec>,
    input: &mut &[u8],
) -> Option<ReadEnd> {
    let (mut searched, _) = input.split_at(input.len().min(*bytes_left));
    *bytes_left -= searched.len();
    *input = &[]; // bytes beyond the limit are not even parsed
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
