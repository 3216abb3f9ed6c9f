//! The environment of an attack: its connections, the signals to begin and to stop, and its report.

use std::io::BufRead;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::plan::Plan;
use super::swarm::{News, Swarm};
use crate::frame::Kind;
use crate::server::TOKEN;
use crate::websocket;

/// Connections under way at once while many are opened.
const AT_ONCE: usize = 64;
/// The longest time for setting up an attack.
const SET_UP_MAX: Duration = Duration::from_secs(60);
/// The longest wait of a turn, so that the signal to stop is noticed.
const TURN: Duration = Duration::from_millis(5);

/// The words exchanged with the measuring process.
pub(crate) const READY: &str = "ready";
pub(crate) const GO: &str = "go";
pub(crate) const END: &str = "end";

pub(crate) struct Stage {
    pub(crate) swarm: Swarm,
    pub(crate) connections: usize,
    go: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
    began: Instant,
    seconds: Duration,
}

impl Stage {
    /// Listens on stdin: "go" begins the attack, its end stops it.
    pub(crate) fn new(server: SocketAddr, connections: usize, seconds: u64) -> Self {
        let (go, stop) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (go_on, stopped) = (Arc::clone(&go), Arc::clone(&stop));
        thread::spawn(move || {
            for line in std::io::stdin().lock().lines().map_while(Result::ok) {
                go_on.fetch_or(line == GO, Ordering::Relaxed);
            }
            stopped.store(true, Ordering::Relaxed);
        });
        let swarm = Swarm::new(server);
        Self { swarm, connections, go, stop, began: Instant::now(), seconds: Duration::from_secs(seconds) }
    }

    /// Reports that everything is set up, and waits for the word to begin.
    pub(crate) fn ready(&mut self) {
        println!("{READY}");
        while !self.go.load(Ordering::Relaxed) && !self.stop.load(Ordering::Relaxed) {
            assert!(self.began.elapsed() < SET_UP_MAX, "nobody gives the word to begin");
            self.swarm.turn(TURN);
        }
        self.began = Instant::now();
    }

    /// The time since the word to begin.
    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Does one turn, which ends soon if nothing happens. `None` once the attack is over.
    pub(crate) fn turn(&mut self) -> Option<Vec<News>> {
        self.turn_within(TURN)
    }

    pub(crate) fn turn_within(&mut self, wait: Duration) -> Option<Vec<News>> {
        if self.stop.load(Ordering::Relaxed) || self.began.elapsed() > self.seconds {
            return None;
        }
        Some(self.swarm.turn(wait))
    }

    /// Turns until `done` says so of a piece of news, while setting up.
    pub(crate) fn until(&mut self, what: &str, mut done: impl FnMut(&mut Swarm, News) -> bool) {
        loop {
            assert!(self.began.elapsed() < SET_UP_MAX, "waited in vain for {what}");
            // `done` gets all news of a turn, even after it is satisfied.
            let mut is_done = false;
            for news in self.swarm.turn(TURN) {
                is_done |= done(&mut self.swarm, news);
            }
            if is_done {
                return;
            }
        }
    }

    /// Opens as many connections as there are plans, a few at a time, and waits for the welcome of each.
    pub(crate) fn open(&mut self, plans: impl ExactSizeIterator<Item = Plan>) -> Vec<usize> {
        let (count, mut welcomed) = (plans.len(), 0);
        let mut whos = Vec::with_capacity(count);
        for plan in plans {
            whos.push(self.swarm.connect(Plan { listens: true, ..plan }));
            if whos.len() >= welcomed + AT_ONCE || whos.len() == count {
                let least = if whos.len() == count { count } else { welcomed + AT_ONCE / 2 };
                self.until("a welcome", |_, news| {
                    welcomed += usize::from(is_kind(&news, Kind::Welcome));
                    assert!(!matches!(news, News::Gone(..)), "refused at the set-up: {news:?}");
                    welcomed >= least
                });
            }
        }
        whos
    }

    /// Sends the same frame to each, a few at a time, and waits until each has received this kind of frame. Returns the
    /// tickets that these frames name, in the order of `whos`.
    pub(crate) fn ask_each(&mut self, whos: &[usize], json: &str, heard: Kind) -> Vec<String> {
        let mut tickets = vec![String::new(); whos.len()];
        for (number, some) in whos.chunks(AT_ONCE).enumerate() {
            some.iter().for_each(|who| self.swarm.send(*who, &text(json)));
            let mut count = 0;
            self.until(&format!("{heard:?}"), |_, news| {
                assert!(!is_kind(&news, Kind::Error), "the server refuses {json}");
                if let News::Frame(who, frame) = news
                    && frame.kind == heard
                    && let Some(place) = some.iter().position(|one| *one == who)
                {
                    tickets[number * AT_ONCE + place] = frame.ticket;
                    count += 1;
                }
                count >= some.len()
            });
        }
        tickets
    }

    /// Opens connections of staff members, and waits until they are welcomed.
    pub(crate) fn staff(&mut self, count: usize, name: &str) -> Vec<usize> {
        let host = self.host();
        self.open((0..count).map(|number| Plan::new(staff_request(&host, &format!("{name}{number}")))))
    }

    /// Opens connections of users, each with its own address, and waits until they are welcomed.
    pub(crate) fn users(&mut self, count: usize, name: &str) -> Vec<usize> {
        let host = self.host();
        self.open(
            (0..count).map(|number| Plan::new(user_request(&host, &format!("{name}{number}"), Some(number)))),
        )
    }

    pub(crate) fn host(&self) -> String {
        self.swarm.server.to_string()
    }

    /// Reports how often something was done. Fewer than `least` means that the attack did not take place.
    pub(crate) fn did(&self, what: &str, count: u64, least: u64) {
        println!("did\t{what}\t{count}\t{least}");
    }

    /// Reports how often something happened that must not happen.
    pub(crate) fn harm(&self, what: &str, count: u64) {
        println!("harm\t{what}\t{count}");
    }

    pub(crate) fn note(&self, what: &str, value: u64) {
        println!("note\t{what}\t{value}");
    }
}

pub(crate) fn is_kind(news: &News, kind: Kind) -> bool {
    matches!(news, News::Frame(_, frame) if frame.kind == kind)
}

/// A text frame.
pub(crate) fn text(json: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    websocket::append(&mut bytes, websocket::TEXT, |out| out.extend_from_slice(json.as_bytes()));
    bytes
}

pub(crate) fn staff_request(host: &str, id: &str) -> Vec<u8> {
    let mut request = Vec::new();
    websocket::append_request(&mut request, host, &format!("/ws/staff/{id}"), Some(TOKEN));
    request
}

/// A user's request. With a number, it comes through a proxy for a client whose address is made of that number.
pub(crate) fn user_request(host: &str, id: &str, address: Option<usize>) -> Vec<u8> {
    let mut request = Vec::new();
    let field = address.map_or_else(String::new, forwarded);
    websocket::append_request_with(&mut request, host, &format!("/ws/user/{id}"), None, &field);
    request
}

fn forwarded(number: usize) -> String {
    const FIRST: u32 = 0x0A00_0001; // 10.0.0.1
    format!("X-Forwarded-For: {}\r\n", Ipv4Addr::from(FIRST + number as u32))
}
