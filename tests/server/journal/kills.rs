//! A desk that is killed in the middle of its traffic, again and again: `make kill`.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Directory;
use crate::support::client::int;
use crate::support::wire::{self, Next, Wire, op};
use crate::support::{Desk, Staff};

/// Messages of each side that may be under way at once.
const WINDOW: u64 = 8;

/// One side of the chat, and everything that it remembers across kills.
#[derive(Default)]
struct Side {
    name: &'static str,
    /// Up to here its messages were acknowledged, and sent.
    acked: u64,
    sent: u64,
    /// The number of each message: its own by their ids, and the other side's.
    own: BTreeMap<u64, u64>,
    others: BTreeMap<u64, u64>,
    received: u64,
}

impl Side {
    fn new(name: &'static str) -> Self {
        Self { name, ..Self::default() }
    }

    /// The desk says up to where it has its messages: nothing that was acknowledged is missing, nothing was made up.
    fn resumes(&mut self, last_id: u64) {
        let (least, most) = (self.acked, self.sent);
        assert!((least..=most).contains(&last_id), "{}: {last_id} of {least} to {most}", self.name);
        self.sent = last_id;
        self.acked = last_id;
    }

    fn note(&mut self, frame: &Value, ticket: &str, out: &mut Vec<Value>) {
        match frame["type"].as_str() {
            Some("ack") => {
                let id = int(frame, "id");
                assert_eq!(id, self.acked + 1, "{}: acknowledged in order", self.name);
                self.acked = id;
                note_number(&mut self.own, id, int(frame, "seq"));
            }
            Some("message") => {
                let (id, seq) = (int(frame, "id"), int(frame, "seq"));
                assert_eq!(frame["text"], words(id).as_str());
                note_number(&mut self.others, id, seq);
                self.received += 1;
                out.push(json!({ "type": "delivered", "ticket_id": ticket, "seq": seq }));
            }
            Some("error") => panic!("{}: {frame}", self.name),
            _ => {}
        }
    }

    fn says(&mut self, ticket: &str, out: &mut Vec<Value>) {
        while self.sent < self.acked + WINDOW {
            self.sent += 1;
            out.push(
                json!({ "type": "message", "ticket_id": ticket, "id": self.sent, "text": words(self.sent) }),
            );
        }
    }
}

/// A message has one number for ever.
fn note_number(numbers: &mut BTreeMap<u64, u64>, id: u64, seq: u64) {
    let before = numbers.insert(id, seq);
    assert!(before.is_none_or(|before| before == seq), "message {id} was {before:?} and is {seq}");
}

fn words(id: u64) -> String {
    format!("{id} {}", "blah ".repeat((id % 40) as usize))
}

/// Writes what is to be said, and reads what has come. False once the connection has ended.
fn turn(wire: &mut Wire, side: &mut Side, ticket: &str, says: bool) -> bool {
    let mut out = Vec::new();
    while let Next::Some(frame) = match wire.next(Instant::now() + Duration::from_millis(1)) {
        Next::Late => Next::Late,
        Next::Some(frame) => Next::Some(frame),
        _ => return false,
    } {
        if frame.op == op::TEXT {
            side.note(&serde_json::from_str(frame.text()).unwrap(), ticket, &mut out);
        }
    }
    if says {
        side.says(ticket, &mut out);
    }
    let frames = out.iter().flat_map(|frame| wire::whole(op::TEXT, frame.to_string().as_bytes()));
    let _ = wire.try_write(&frames.collect::<Vec<u8>>()); // an end is read, not written
    true
}

#[test]
#[ignore = "some minutes: make kill"]
#[expect(clippy::print_stderr, reason = "its figures")]
fn hundreds_of_kills_neither_lose_nor_duplicate_a_message() {
    let kills: u64 = std::env::var("KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(300);
    for when in ["turn", "second"] {
        let directory = Directory::new();
        let launch = || directory.launch().args(&["--rate-limit", "0", "--journal-sync", when]);
        let (mut ann, mut sam) = (Side::new("ann"), Side::new("sam"));
        let (mut session, mut ticket) = (String::new(), String::new());
        let mut rng: u64 = 1;
        for nth in 0..=kills {
            let desk = Desk::of(launch());
            let mut user = if nth == 0 { desk.user("ann") } else { desk.user_again("ann", &session) };
            if nth == 0 {
                (session, ticket) = (user.session.clone(), user.create("a chat that goes on"));
            } else {
                ann.resumes(int(&user.welcome["ticket"], "last_id"));
            }
            let mut staff: Staff = desk.staff("sam").online();
            sam.resumes(int(&staff.pick(&ticket), "last_id"));
            let (mut rest, mut out) = (Vec::new(), Vec::new());
            rest.extend(std::iter::from_fn(|| user.try_received()));
            rest.iter().for_each(|frame| ann.note(frame, &ticket, &mut out));
            rest = std::iter::from_fn(|| staff.try_received()).collect();
            rest.iter().for_each(|frame| sam.note(frame, &ticket, &mut out));
            let (mut user, mut staff) = (user.into_wire(), staff.into_wire());
            if nth == kills {
                let patience = Instant::now() + Duration::from_secs(2);
                while Instant::now() < patience {
                    assert!(
                        turn(&mut user, &mut ann, &ticket, false)
                            && turn(&mut staff, &mut sam, &ticket, false)
                    );
                }
                break;
            }
            rng = rng.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let wait = Duration::from_micros(1000 + (rng >> 33) % 40_000);
            thread::scope(|scope| {
                scope.spawn(|| {
                    thread::sleep(wait);
                    desk.server.signal("KILL");
                });
                let (mut there, mut here) = (true, true);
                while there || here {
                    there = there && turn(&mut user, &mut ann, &ticket, true);
                    here = here && turn(&mut staff, &mut sam, &ticket, true);
                }
            });
        }
        // Everything that was acknowledged has arrived at the other side, under the same number, and no number twice.
        for (from, to) in [(&ann, &sam), (&sam, &ann)] {
            for (id, seq) in &from.own {
                assert_eq!(to.others.get(id), Some(seq), "{}: message {id}", from.name);
            }
            assert_eq!(to.others.len() as u64, from.acked, "{}: each once", from.name);
        }
        let mut numbers: Vec<u64> = ann.others.values().chain(sam.others.values()).copied().collect();
        numbers.sort_unstable();
        assert!(numbers.iter().copied().eq(1..=numbers.len() as u64), "numbers without a gap");
        let again = ann.received + sam.received - numbers.len() as u64;
        eprintln!("--journal-sync {when}: {kills} kills, {} messages, {again} sent again", numbers.len());
    }
}
