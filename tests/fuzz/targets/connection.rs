//! Any bytes, in any pieces, to two connections of a desk: nothing panics, output and deadlines stay bounded, and one
//! peer's bytes never become another's.
#![no_main]

#[path = "../../support/stream.rs"]
mod stream;
#[allow(dead_code, reason = "a client reads and writes more than this target does")]
#[path = "../../support/websocket.rs"]
mod websocket;

use std::net::Ipv4Addr;

use deskwire::config::{Assign, Limits, OUTPUT_BEHIND_BYTES};
use deskwire::desk::Desk;
use deskwire::desk::auth::{SecretSource, StaffTokens};
use deskwire::hub::Hub;
use deskwire::net::input::Readiness;
use deskwire::state::Rules;
use libfuzzer_sys::fuzz_target;
use stream::{Peer, Socket};

/// The pieces that a peer sends, one per turn, the first one last, and the number of turns for which its output is
/// refused.
struct Script {
    pieces: Vec<Vec<u8>>,
    refusals: u8,
}

impl Script {
    fn turn(&mut self, peer: &mut Peer) {
        peer.sent.extend(self.pieces.pop().unwrap_or_default());
        peer.takes = if self.refusals > 0 { 0 } else { usize::MAX };
        self.refusals = self.refusals.saturating_sub(1);
    }
}

/// A user's request for a WebSocket.
fn head(user: &str) -> Vec<u8> {
    let mut head = Vec::new();
    websocket::append_request(&mut head, "a", &format!("/ws/user/{user}"), None);
    head
}

/// The first byte says whether the head is ours or the input's, the second how often output is refused; each piece is a
/// byte of length and so many bytes.
fn scripted(data: &[u8], head: Option<Vec<u8>>, refusals: u8) -> Script {
    let mut pieces = Vec::from_iter(head);
    let mut rest = data;
    while let Some((length, more)) = rest.split_first() {
        let (piece, more) = more.split_at(usize::from(*length).min(more.len()));
        if !piece.is_empty() {
            pieces.push(piece.to_vec());
        }
        rest = more;
    }
    pieces.reverse();
    Script { pieces, refusals }
}

fuzz_target!(|data: &[u8]| {
    let [head_byte, refusals, data @ ..] = data else { return };
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
    let mut attacker = scripted(data, (head_byte & 1 == 1).then(|| head("ann")), refusals % 8);
    let mut honest = scripted(&[8, 0x81, 0x82, 0, 0, 0, 0, b'{', b'}'], Some(head("bob")), 0);
    let [attackers, honests] = [Socket::pair(), Socket::pair()].map(|(socket, peer)| {
        let slot = hub.admit(socket, Ipv4Addr::LOCALHOST.into(), now);
        (slot.expect("a desk with room"), peer)
    });
    let ready = Readiness { readable: true, writable: true, ..Readiness::default() };
    for turn in 0..200 {
        attacker.turn(&mut attackers.1.borrow_mut());
        honest.turn(&mut honests.1.borrow_mut());
        hub.ready(attackers.0, ready);
        hub.ready(honests.0, ready);
        hub.turn(now, |_| {});
        let stats = hub.stats();
        // What waits before a peer is not read any more, and the longest answer to what it sends: its welcome, and the
        // board.
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
    is_told_only_of_the_desk(&honests.1.borrow().received);
});

/// Who never had a ticket is told nothing that another peer wrote.
fn is_told_only_of_the_desk(received: &[u8]) {
    const FRAMES: [&[u8]; 4] =
        [br#"{"type":"welcome""#, br#"{"type":"error","code":"bad_message""#, br#"{"type":"desk""#, b"\x03"];
    let Some(start) = websocket::answer_length(received) else { return };
    let mut rest = &received[start..];
    while let Some((_, payload)) = websocket::next_frame(rest) {
        let frame = &rest[payload.clone()];
        assert!(
            frame.is_empty() || FRAMES.iter().any(|start| frame.starts_with(start)),
            "{:?}",
            String::from_utf8_lossy(frame)
        );
        rest = &rest[payload.end..];
    }
}
