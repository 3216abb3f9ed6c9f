//! backoff.js: waits before something is tried again; each wait is twice as long as the last one. The model leaves out the
//! jitter.

use deskwire::config::Millis;

#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    first: Millis,
    most: Millis,
    tries: u32,
    due: Option<Millis>,
}

impl Backoff {
    pub fn new(first: Millis, most: Millis) -> Self {
        Self { first, most, tries: 0, due: None }
    }

    pub fn wait(&mut self, now: Millis) {
        self.due = Some(now + self.most.min(self.first << self.tries));
        self.tries = (self.tries + 1).min(10);
    }

    pub fn due(&self) -> Option<Millis> {
        self.due
    }

    /// Returns true once, when the wait is over.
    pub fn is_over(&mut self, now: Millis) -> bool {
        self.due.take_if(|due| *due <= now).is_some()
    }

    pub fn reset(&mut self) {
        (self.tries, self.due) = (0, None);
    }
}
