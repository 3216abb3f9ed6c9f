//! Attacks, each while two honest people chat: all of their messages arrive, nobody is stalled, memory is bounded, and
//! each attack runs into the limit that its comment names. Attacks without a crowd are elsewhere: bad frames and the
//! unanswered close in wire.rs, descriptors that run out in capacity.rs, log injection in log.rs.

use std::fs;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{Chat, Desk, Next, PATIENCE, Request, Staff, User, Wire, int, op};

mod connections;
mod floods;
mod heads;

const KIB: u64 = 1024;
const MIB: usize = 1024 * 1024;

/// How long an honest round trip may take during an attack. It takes far less on an idle machine; a loop that gave one
/// client the whole turn took 3.5 s.
const ROUND_TRIP_MAX: Duration = Duration::from_secs(2);

/// Pause between two rounds of the chat: its rate stays well below the rate limit.
const BETWEEN_ROUNDS: Duration = Duration::from_millis(60);

/// Duration of the attacks that have no end of their own. It is longer than a round trip may take, so that a turn that
/// lasts as long as the attack is noticed.
const ATTACK: Duration = Duration::from_secs(5);

/// Runs the attack while Alice and Sam chat. Returns by how many KiB the server has grown meanwhile.
fn while_two_chat(desk: &Desk, attack: impl FnOnce()) -> u64 {
    let Chat { alice, sam, ticket } = desk.chat();
    let (stop, stopped) = mpsc::channel();
    let (warm, warmed) = mpsc::channel();
    let chat = thread::spawn(move || {
        let mut honest = HonestChat { alice, sam, ticket, rounds: 0, longest: Duration::ZERO };
        // Let buffers and the allocator's pools grow before anything is measured.
        (0..3).for_each(|_| honest.round());
        warm.send(()).expect("the test waits for it");
        while stopped.recv_timeout(BETWEEN_ROUNDS) == Err(mpsc::RecvTimeoutError::Timeout) {
            honest.round();
        }
        // Once more after the attack.
        honest.round();
        honest
    });
    warmed.recv().expect("the honest chat before the attack");
    let before = desk.server.rss_kib();
    attack();
    let after = desk.server.rss_kib();
    stop.send(()).expect("the honest chat to the end of the attack");
    let mut honest = chat.join().expect("the honest notice nothing");
    assert!(honest.longest < ROUND_TRIP_MAX, "a round trip took {:?}", honest.longest);
    honest.alice.nothing_of(&["staff_offline", "error", "message"]);
    honest.sam.nothing_of(&["error", "message", "ticket_closed"]);
    desk.assert_healthy();
    after.saturating_sub(before)
}

struct HonestChat {
    alice: User,
    sam: Staff,
    ticket: String,
    rounds: u64,
    longest: Duration,
}

impl HonestChat {
    /// A question and an answer, each accepted, received and confirmed, in the right order.
    fn round(&mut self) {
        self.rounds += 1;
        let started = Instant::now();
        let question = self.rounds * 2 - 1;
        self.alice.say(self.rounds, "question");
        assert_eq!(int(&self.sam.expect("message"), "seq"), question);
        assert_eq!(int(&self.alice.expect("ack"), "seq"), question);
        self.sam.delivered(&self.ticket, question);
        self.sam.say(&self.ticket, self.rounds, "answer");
        assert_eq!(int(&self.alice.expect("message"), "seq"), question + 1);
        self.alice.expect("delivered");
        self.alice.delivered(question + 1);
        self.sam.expect("delivered");
        self.longest = self.longest.max(started.elapsed());
    }
}

/// An attacker's socket after the upgrade, with only the head read. Its writes time out early.
fn attacker(desk: &Desk, name: &str) -> Wire {
    let (wire, response) = Wire::ask(desk.server.addr, &Request::upgrade(&format!("/ws/user/{name}")));
    assert_eq!(response.status, 101);
    wire.stream().set_write_timeout(Some(Duration::from_millis(200))).expect("an open socket");
    wire
}

/// Writes the same bytes until the time is up or a write blocks.
fn flood(wire: &mut Wire, bytes: &[u8]) {
    let until = Instant::now() + ATTACK;
    while Instant::now() < until && wire.try_write(bytes).is_ok() {}
}

/// Reads up to the close frame. The frames before it are dropped.
fn close_code(wire: &mut Wire) -> Option<u16> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match wire.next(deadline) {
            Next::Some(frame) if frame.op == op::CLOSE => return frame.close_code(),
            Next::Some(_) => {}
            end => panic!("wanted a close frame, got {end:?}"),
        }
    }
}

/// How many sockets a test may open while other tests run.
fn sockets_max(wanted: usize) -> usize {
    let limits = fs::read_to_string("/proc/self/limits").expect("Linux");
    let line =
        limits.lines().find(|line| line.starts_with("Max open files")).expect("a limit of descriptors");
    let soft = line.split_whitespace().nth(3).and_then(|limit| limit.parse().ok()).unwrap_or(usize::MAX);
    wanted.min(soft.saturating_sub(300))
}
