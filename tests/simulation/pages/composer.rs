//! composer.js: the field in which a message is written, as far as it sends typing notices.

use deskwire::config::Millis;

/// A typing notice "holds for 6 s unless renewed": the page renews it after 3 s.
const RENEW: Millis = 3000;

#[derive(Clone, Debug, Default)]
pub struct Composer {
    typing_since: Option<Millis>,
}

impl Composer {
    /// The text has changed. Returns the `active` of the notice to be sent, if any.
    pub fn changed(&mut self, is_empty: bool, now: Millis) -> Option<bool> {
        if is_empty {
            return self.stop_typing();
        }
        if self.typing_since.is_some_and(|since| now - since < RENEW) {
            return None;
        }
        self.typing_since = Some(now);
        Some(true)
    }

    pub fn stop_typing(&mut self) -> Option<bool> {
        self.typing_since.take().map(|_| false)
    }

    pub fn lock(&mut self) {
        self.typing_since = None;
    }
}
