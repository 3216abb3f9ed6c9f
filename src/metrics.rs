//! The loop's counters, and their text for Prometheus. Names follow Prometheus's conventions: base units, and `_total`
//! at the end of every counter.

mod histogram;
mod page;

use std::collections::BTreeMap;
#[cfg(feature = "tls")]
use std::rc::Rc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub(crate) use self::histogram::{Bytes, Histogram, Micros};
pub(crate) use self::page::Page;
use crate::logging;
use crate::net::address::AddressSource;
use crate::net::connection::PhaseName;
#[cfg(feature = "tls")]
use crate::net::tls::Handshakes;

/// The loop's counters. Plain numbers, since there is only one thread.
#[derive(Debug, Default)]
pub struct Metrics {
    /// When the process started. `None` if the hub runs without a real server.
    pub(crate) started: Option<SystemTime>,
    /// The largest permitted number of open connections.
    pub(crate) connections_max: usize,
    /// Connections accepted.
    pub(crate) accepted: u64,
    /// How often accepting was paused, because descriptors ran out or the limit on connections was reached.
    pub(crate) accept_pauses: u64,
    /// Present connections by phase: head, open, closing, flushing, linger.
    pub(crate) phases: [u64; 5],
    /// Bytes read.
    pub(crate) bytes_in: u64,
    /// Bytes written.
    pub(crate) bytes_out: u64,
    /// Messages read, by payload size. Control frames count as empty messages.
    pub(crate) messages_in: Histogram<Bytes>,
    /// Messages queued, by frame size, once for each receiver.
    pub(crate) messages_out: Histogram<Bytes>,
    /// Turns of the loop, by duration without the wait.
    pub(crate) turns: Histogram<Micros>,
    /// The duration of the longest turn.
    pub(crate) turn_max: Duration,
    /// Close frames that the server sent first, by code.
    pub(crate) closes: BTreeMap<u16, u64>,
    /// Connections ended by a deadline.
    pub(crate) expired: u64,
    /// Connections refused, by `RefusalCause`.
    pub(crate) refusals: [u64; RefusalCause::ALL.len()],
    /// Requests, by `AddressSource`.
    pub(crate) address_sources: [u64; AddressSource::ALL.len()],
    /// Handshakes of TLS. `None` where it is not spoken.
    #[cfg(feature = "tls")]
    pub(crate) handshakes: Option<Rc<Handshakes>>,
}

/// Why the hub refused or dropped a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RefusalCause {
    /// Its address has too many connections.
    Address,
    /// All places for open connections are taken.
    Full,
    /// It was not open, and its socket was needed for another connection.
    Evicted,
}

impl RefusalCause {
    /// All causes, in the order of their discriminants.
    pub(crate) const ALL: [Self; 3] = [Self::Address, Self::Full, Self::Evicted];

    /// Returns the value of the metric's label.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Full => "full",
            Self::Evicted => "evicted",
        }
    }
}

const PHASES: [(PhaseName, &str); 5] = [
    (PhaseName::Head, "head"),
    (PhaseName::Open, "open"),
    (PhaseName::Closing, "closing"),
    (PhaseName::Flushing, "flushing"),
    (PhaseName::Linger, "linger"),
];

impl Metrics {
    /// Counts a connection's change from one phase to another. Dead connections are not counted.
    pub(crate) fn moved(&mut self, from: PhaseName, to: PhaseName) {
        if let Some(count) = self.phases.get_mut(from as usize) {
            *count -= 1;
        }
        if let Some(count) = self.phases.get_mut(to as usize) {
            *count += 1;
        }
    }

    /// Counts a close frame that the server sent first.
    pub(crate) fn closed(&mut self, code: u16) {
        *self.closes.entry(code).or_default() += 1;
    }

    /// Counts a connection that was refused or dropped.
    pub(crate) fn refused(&mut self, cause: RefusalCause) {
        self.refusals[cause as usize] += 1;
    }

    /// Counts a turn that took `span`.
    pub(crate) fn turned(&mut self, span: Duration) {
        self.turns.count_span(span);
        self.turn_max = self.turn_max.max(span);
    }

    /// Returns the number of refused connections by cause. The service adds causes of its own to the same family.
    pub(crate) fn refusal_samples(&self) -> impl Iterator<Item = (&'static str, u64)> {
        RefusalCause::ALL.into_iter().map(|cause| (cause.name(), self.refusals[cause as usize]))
    }

    /// Appends all counters but the refusals.
    pub(crate) fn append(&self, page: &mut Page) {
        let phases = PHASES.map(|(phase, name)| (name, self.phases[phase as usize]));
        page.family("deskwire_connections", "gauge", "Connections, by phase.").labelled("phase", phases);
        page.family("deskwire_connections_limit", "gauge", "Maximum number of open connections.")
            .value(self.connections_max as u64);
        let closes = self.closes.iter().map(|(code, count)| (code, *count));
        page.family("deskwire_closes_total", "counter", "Close frames that the server sent first, by code.")
            .labelled("code", closes);
        let sources = AddressSource::ALL.map(|source| (source.name(), self.address_sources[source as usize]));
        let help = "Requests, by the source of the client's address.";
        page.family("deskwire_client_addresses_total", "counter", help).labelled("from", sources);
        for (name, help, value) in [
            ("deskwire_connections_accepted_total", "Connections accepted.", self.accepted),
            ("deskwire_connections_expired_total", "Connections ended by a deadline.", self.expired),
            ("deskwire_accept_pauses_total", "How often accepting was paused.", self.accept_pauses),
            ("deskwire_received_bytes_total", "Bytes read from sockets.", self.bytes_in),
            ("deskwire_sent_bytes_total", "Bytes written to sockets.", self.bytes_out),
            ("deskwire_log_lines_lost_total", "Log lines that could not be written.", logging::lines_lost()),
        ] {
            page.family(name, "counter", help).value(value);
        }
        #[cfg(feature = "tls")]
        if let Some(handshakes) = &self.handshakes {
            page.family("deskwire_tls_handshakes_total", "counter", "TLS handshakes that were completed.")
                .value(handshakes.done());
            let help = "TLS handshakes that have failed, by cause.";
            page.family("deskwire_tls_handshakes_failed_total", "counter", help)
                .labelled("cause", handshakes.failed());
        }
        self.append_histograms(page);
        if let Some(started) = self.started.and_then(|at| at.duration_since(UNIX_EPOCH).ok()) {
            page.family("process_start_time_seconds", "gauge", "Start time of the process, in Unix time.")
                .value(started.as_secs());
        }
    }

    fn append_histograms(&self, page: &mut Page) {
        let help = "Payload size of WebSocket messages read; control frames count as empty.";
        self.messages_in.append(page.family("deskwire_received_message_bytes", "histogram", help));
        let help = "Frame size of WebSocket messages queued, once for each receiver.";
        self.messages_out.append(page.family("deskwire_sent_message_bytes", "histogram", help));
        let help = "Duration of a turn of the loop, without its wait.";
        self.turns.append(page.family("deskwire_turn_duration_seconds", "histogram", help));
        page.family(
            "deskwire_turn_longest_seconds",
            "gauge",
            "Duration of the longest turn since the start.",
        )
        .value(self.turn_max.as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_turn_stays_the_longest() {
        let mut metrics = Metrics::default();
        for ms in [2, 30, 4] {
            metrics.turned(Duration::from_millis(ms));
        }
        let mut page = Page::default();
        metrics.append(&mut page);
        let text = page.into_text();
        assert!(text.contains("deskwire_turn_longest_seconds 0.03\n"), "{text}");
        assert!(text.contains("deskwire_turn_duration_seconds_count 3\n"), "{text}");
    }
}
