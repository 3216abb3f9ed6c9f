//! Any bytes, in any pieces, to two connections of a desk: nothing panics, output and deadlines stay bounded, and one
//! peer's bytes never become another's.
#![no_main]

use std::io::{self, Read, Write};
use std::net::Ipv4Addr;

use deskwire::config::{Assign, Limits, OUTPUT_BEHIND_BYTES};
use deskwire::desk::Desk;
use deskwire::desk::auth::{SecretSource, StaffTokens};
use deskwire::hub::Hub;
use deskwire::net::connection::Stream;
use deskwire::net::input::Readiness;
use deskwire::state::Rules;
use libfuzzer_sys::fuzz_target;

/// Input in pieces; output is taken or, where the input says so, refused for a while.
struct Scripted {
    pieces: Vec<Vec<u8>>,
    written: usize,
    refusals: u8,
}

impl Read for Scripted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.pieces.pop() {
            Some(mut piece) => {
                let taken = piece.len().min(buffer.len());
                buffer[..taken].copy_from_slice(&piece[..taken]);
                if taken < piece.len() {
                    self.pieces.push(piece.split_off(taken));
                }
                Ok(taken)
            }
            None => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

impl Write for Scripted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.refusals > 0 {
            self.refusals -= 1;
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.written += bytes.len();
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for Scripted {
    fn shutdown_write(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const HEAD: &[u8] = b"GET /ws/user/ann HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// The first byte says whether the head is ours or the input's, the second how often output is refused; each piece is a
/// byte of length and so many bytes.
fn scripted(data: &[u8], head: bool, refusals: u8) -> Scripted {
    let mut pieces = Vec::new();
    if head {
        pieces.push(HEAD.to_vec());
    }
    let mut rest = data;
    while let Some((length, more)) = rest.split_first() {
        let (piece, more) = more.split_at(usize::from(*length).min(more.len()));
        if !piece.is_empty() {
            pieces.push(piece.to_vec());
        }
        rest = more;
    }
    pieces.reverse();
    Scripted { pieces, written: 0, refusals }
}

fuzz_target!(|data: &[u8]| {
    let [head, refusals, data @ ..] = data else { return };
    let rules = Rules { max_chats: 5, max_tickets: 10, assign: Assign::Manual, user_grace_ms: 1000 };
    let Ok(tokens) = StaffTokens::desk("token") else { return };
    let secrets = SecretSource::from_fn(|bytes| {
        bytes.fill(7);
        Ok(())
    });
    let Ok(desk) = Desk::new(rules, tokens, None, Vec::new(), secrets) else { return };
    let limits = Limits { messages_per_s: 0, payload_bytes_per_s: 0, ..Limits::default() };
    let mut hub = Hub::new(desk, limits);
    let mut now = 1_000_000;
    let (attacker, honest) = (
        scripted(data, head & 1 == 1, refusals % 8),
        scripted(&[8, 0x81, 0x82, 0, 0, 0, 0, b'{', b'}'], true, 0),
    );
    let [Some(attacker), Some(honest)] =
        [attacker, honest].map(|stream| hub.admit(stream, Ipv4Addr::LOCALHOST.into(), now))
    else {
        return;
    };
    let ready = Readiness { readable: true, writable: true, ..Readiness::default() };
    for turn in 0..200 {
        hub.ready(attacker, ready);
        hub.ready(honest, ready);
        hub.turn(now, |_| {});
        let stats = hub.stats();
        // What waits before a peer is not read any more, and the longest answer to what it sends: its welcome, and the board.
        assert!(stats.output_bytes_max <= OUTPUT_BEHIND_BYTES + 256 * 1024);
        assert_eq!(stats.without_deadline, 0);
        if !hub.has_work() && turn > 20 {
            let Some(due) = hub.next_due() else { break };
            now = due;
        }
        if now > 1_500_000 {
            break;
        }
    }
});
