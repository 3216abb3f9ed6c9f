//! Notifications to the service manager, such as systemd, by sd_notify(3): that the desk is ready, alive or stopping.
//! Nothing is sent if `NOTIFY_SOCKET` is not in the environment.
//!
//! The loop itself sends the watchdog's heartbeats, between two turns. A loop that hangs sends none, and is restarted.

use std::time::Duration;

use log::warn;
use sd_notify::NotifyState;

use crate::config::Millis;

/// The service manager and the heartbeats it expects.
#[derive(Debug, Default)]
pub(crate) struct Supervisor {
    /// The time between two heartbeats. `None` without a watchdog.
    beat_ms: Option<Millis>,
    next_beat: Millis,
}

impl Supervisor {
    /// Reads the watchdog's time from `WATCHDOG_USEC`. Heartbeats come twice as often (sd_watchdog_enabled(3)).
    pub(crate) fn from_environment() -> Self {
        let watchdog = sd_notify::watchdog_enabled();
        Self { beat_ms: watchdog.map(beat_ms), next_beat: 0 }
    }

    /// Notifies the service manager that clients are served from now on.
    pub(crate) fn ready(&mut self, now: Millis, connections: usize) {
        notify(&[NotifyState::Ready, NotifyState::Status(&status(connections))]);
        self.schedule(now);
    }

    /// Sends a heartbeat if one is due.
    pub(crate) fn beat(&mut self, now: Millis, connections: usize) {
        if self.next_due().is_some_and(|due| due <= now) {
            notify(&[NotifyState::Watchdog, NotifyState::Status(&status(connections))]);
            self.schedule(now);
        }
    }

    /// Notifies the service manager that the server is stopping.
    pub(crate) fn stopping(&self) {
        notify(&[NotifyState::Stopping, NotifyState::Status("closing all connections")]);
    }

    /// Returns when the next heartbeat is due.
    pub(crate) fn next_due(&self) -> Option<Millis> {
        self.beat_ms.map(|_| self.next_beat)
    }

    fn schedule(&mut self, now: Millis) {
        self.next_beat = now.saturating_add(self.beat_ms.unwrap_or_default());
    }
}

/// Returns the time between two heartbeats if one has to come within `span`.
fn beat_ms(span: Duration) -> Millis {
    Millis::try_from(span.as_millis() / 2).unwrap_or(Millis::MAX).max(1)
}

fn status(connections: usize) -> String {
    format!("connections: {connections}")
}

fn notify(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        warn!("the service manager could not be notified: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heartbeats_come_twice_as_often_as_they_have_to() {
        assert_eq!(beat_ms(Duration::from_secs(10)), 5_000);
        assert_eq!(beat_ms(Duration::from_micros(1_500)), 1, "and never without a pause");
        let mut supervisor = Supervisor { beat_ms: Some(5_000), next_beat: 0 };
        supervisor.schedule(1_000);
        assert_eq!(supervisor.next_due(), Some(6_000));
        assert_eq!(Supervisor::default().next_due(), None);
    }
}
