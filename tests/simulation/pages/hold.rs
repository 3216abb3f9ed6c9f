//! conversation.js: the refusals that make the messages of a chat wait.

use deskwire::config::Millis;

use super::backoff::Backoff;

/// After `rate_limited`, the message is sent again.
const REFUSED_FIRST: Millis = 1000;
const REFUSED_MAX: Millis = 10_000;

/// Why the messages of a chat wait. `unread_limit` ends with the other side's next receipt, `rate_limited` after a while.
#[derive(Clone, Debug)]
pub struct Hold {
    pub code: Option<&'static str>,
    pub backoff: Backoff,
}

pub const UNREAD_LIMIT: &str = "unread_limit";
pub const RATE_LIMITED: &str = "rate_limited";

impl Hold {
    pub fn new() -> Self {
        Self { code: None, backoff: Backoff::new(REFUSED_FIRST, REFUSED_MAX) }
    }

    pub fn is_on(&self) -> bool {
        self.code == Some(UNREAD_LIMIT) || self.backoff.due().is_some()
    }

    pub fn begin(&mut self, code: &'static str, now: Millis) {
        if self.code != Some(code) {
            self.end();
            self.code = Some(code);
        }
        if code == RATE_LIMITED {
            self.backoff.wait(now);
        }
    }

    pub fn end(&mut self) {
        self.backoff.reset();
        self.code = None;
    }
}
