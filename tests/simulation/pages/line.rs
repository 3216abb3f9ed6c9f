//! wire.js: one WebSocket that is replaced when it is lost or silent, for as long as it takes.

use deskwire::config::Millis;
use serde_json::Value;

use crate::rng::Rng;

const RETRY_FIRST: Millis = 500;
const RETRY_MAX: Millis = 15_000;
const ANSWER_MAX: Millis = 8000;
const SILENCE_MAX: Millis = 25_000;
/// How often the page checks its deadlines.
const CHECK: Millis = 1000;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Status {
    #[default]
    Stopped,
    Connecting,
    Retrying,
    Open,
}

#[derive(Clone, Default)]
pub struct Line {
    pub status: Status,
    pub reason: Option<&'static str>,
    /// The link of the socket.
    pub socket: Option<usize>,
    failures: u32,
    connected_at: Millis,
    heard_at: Millis,
    asked_at: Option<Millis>,
    retry_at: Option<Millis>,
}

/// What has become due.
#[derive(Debug, PartialEq, Eq)]
pub enum Due {
    Connect,
    Lost,
    Probe,
}

impl Line {
    pub fn start(&mut self) {
        *self = Self { status: Status::Connecting, retry_at: Some(0), ..Self::default() };
    }

    pub fn connected(&mut self, socket: usize, now: Millis) {
        self.socket = Some(socket);
        self.retry_at = None;
        self.connected_at = now;
        self.asked_at = Some(now); // it waits for the `welcome`
    }

    /// Notes a frame that was sent. The desk does not answer some, so silence after these is no sign of a lost connection.
    pub fn note_sent(&mut self, frame: &Value, now: Millis) {
        let kind = frame["type"].as_str().unwrap_or("");
        if !matches!(kind, "delivered" | "typing" | "recap" | "rate_ticket") {
            self.asked_at.get_or_insert(now);
        }
    }

    /// Only a `welcome` counts as success: with a wrong secret, the connection is closed after an upgrade that succeeds.
    pub fn receive(&mut self, frame: &Value, now: Millis) {
        self.heard_at = now;
        self.asked_at = None;
        if frame["type"] == "welcome" {
            self.failures = 0;
            self.status = Status::Open;
            self.reason = None;
        }
    }

    /// The page becomes visible. Returns true if it has to send a ping.
    pub fn check_now(&mut self, now: Millis) -> bool {
        if self.status == Status::Retrying && self.socket.is_none() {
            self.retry_at = Some(now);
        }
        self.status == Status::Open && self.asked_at.is_none() && now - self.heard_at > CHECK
    }

    pub fn next_due(&self) -> Option<Millis> {
        let probe = (self.status == Status::Open && self.asked_at.is_none())
            .then(|| self.check_after(self.heard_at + SILENCE_MAX));
        let answer = self.asked_at.map(|at| self.check_after(at + ANSWER_MAX));
        self.retry_at.into_iter().chain(probe).chain(answer).min()
    }

    /// Returns the first check after this time.
    fn check_after(&self, time: Millis) -> Millis {
        self.connected_at + ((time - self.connected_at) / CHECK + 1) * CHECK
    }

    pub fn due(&self, now: Millis) -> Option<Due> {
        if self.next_due()? > now {
            return None;
        }
        Some(match (self.retry_at, self.asked_at) {
            (Some(_), _) => Due::Connect,
            (None, Some(at)) if now - at > ANSWER_MAX => Due::Lost,
            _ => Due::Probe,
        })
    }

    /// Forgets the socket; the code says whether to try again. Returns the reason, and the wait as a fraction of the longest
    /// one, from 0.5 to 1.
    pub fn lost(&mut self, code: u16, now: Millis, rng: &mut Rng) -> (&'static str, f64) {
        self.socket = None;
        self.asked_at = None;
        let stop = match code {
            4401 => "refused",
            4403 => "not-yours",
            4409 => "elsewhere",
            _ => {
                let longest = RETRY_MAX.min(RETRY_FIRST << self.failures);
                self.failures = (self.failures + 1).min(10);
                let wait = rng.in_ms(longest / 2, longest);
                self.retry_at = Some(now + wait);
                self.status = Status::Retrying;
                self.reason = Some("lost");
                return ("lost", wait as f64 / longest as f64);
            }
        };
        self.status = Status::Stopped;
        self.reason = Some(stop);
        (stop, 0.5)
    }
}
