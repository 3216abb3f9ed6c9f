//! backoff.js: a wait before something is tried again, each longer than the one before.

use deskwire::config::Millis;

#[derive(Clone, Copy, Debug, Default)]
pub struct Backoff {
    tries: u32,
    due: Option<Millis>,
}

impl Backoff {
    pub fn wait(&mut self, now: Millis, first: Millis, most: Millis) {
        self.due = Some(now + most.min(first << self.tries));
        self.tries = (self.tries + 1).min(10);
    }

    pub fn due(&self) -> Option<Millis> {
        self.due
    }

    /// Whether the wait is over just now.
    pub fn is_over(&mut self, now: Millis) -> bool {
        self.due.take_if(|due| *due <= now).is_some()
    }

    pub fn reset(&mut self) {
        *self = Self::default();
    }
}
