//! Counters of the loop, and their Prometheus text.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::logging;
use crate::net::address::AddressSource;
use crate::net::connection::PhaseName;

/// What the loop counts. Plain numbers, as there is one thread.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Connections accepted.
    pub(crate) accepted: u64,
    /// Times that accepting was paused, for want of descriptors or at the cap.
    pub(crate) accept_pauses: u64,
    /// Connections now, by phase: head, open, closing, flushing, linger.
    pub(crate) phases: [u64; 5],
    /// Bytes read.
    pub(crate) bytes_in: u64,
    /// Bytes written.
    pub(crate) bytes_out: u64,
    /// Messages read, control frames included.
    pub(crate) messages_in: u64,
    /// Messages queued, counted once for each receiver.
    pub(crate) messages_out: u64,
    /// Turns of the loop.
    pub(crate) turns: u64,
    /// The longest turn, in microseconds, its wait not counted.
    pub(crate) turn_us_max: u64,
    /// Close frames that we sent first, by code.
    pub(crate) closes: BTreeMap<u16, u64>,
    /// Connections ended by a deadline.
    pub(crate) expired: u64,
    /// Connections refused, by `RefusalCause`.
    pub(crate) refusals: [u64; RefusalCause::ALL.len()],
    /// Requests, by `AddressSource`.
    pub(crate) address_sources: [u64; AddressSource::ALL.len()],
}

/// Why the hub has refused or dropped a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RefusalCause {
    /// Its address has too many connections.
    Address,
    /// All places for open connections are taken.
    Full,
    /// It was not open, and its socket was needed for another.
    Evicted,
}

impl RefusalCause {
    /// All causes, in order.
    pub(crate) const ALL: [Self; 3] = [Self::Address, Self::Full, Self::Evicted];

    /// Returns the value of its label.
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
    /// Counts a connection that went from one phase to another. The dead are not counted.
    pub(crate) fn moved(&mut self, from: PhaseName, to: PhaseName) {
        if let Some(count) = self.phases.get_mut(from as usize) {
            *count -= 1;
        }
        if let Some(count) = self.phases.get_mut(to as usize) {
            *count += 1;
        }
    }

    /// Counts a close frame that was sent first.
    pub(crate) fn closed(&mut self, code: u16) {
        *self.closes.entry(code).or_default() += 1;
    }

    /// Counts a connection that was refused or dropped.
    pub(crate) fn refused(&mut self, cause: RefusalCause) {
        self.refusals[cause as usize] += 1;
    }

    /// Returns how many connections were refused, by cause. A service has causes of its own, and shows them together.
    pub(crate) fn refusal_samples(&self) -> impl Iterator<Item = (&'static str, u64)> {
        RefusalCause::ALL.into_iter().map(|cause| (cause.name(), self.refusals[cause as usize]))
    }

    /// Appends all counters but the refusals.
    pub(crate) fn append(&self, page: &mut Page) {
        let phases = PHASES.map(|(phase, name)| (name, self.phases[phase as usize]));
        page.family("deskwire_connections", "gauge", "Connections, by phase.").labelled("phase", phases);
        let closes = self.closes.iter().map(|(code, count)| (code, *count));
        page.family("deskwire_closes_total", "counter", "Close frames sent first, by code.")
            .labelled("code", closes);
        let sources = AddressSource::ALL.map(|source| (source.name(), self.address_sources[source as usize]));
        let help = "Requests, by where the client's address is from.";
        page.family("deskwire_client_addresses_total", "counter", help).labelled("from", sources);
        for (name, kind, help, value) in [
            ("deskwire_accepted_total", "counter", "Connections accepted.", self.accepted),
            (
                "deskwire_accept_pauses_total",
                "counter",
                "Times that accepting was paused.",
                self.accept_pauses,
            ),
            ("deskwire_bytes_in_total", "counter", "Bytes read.", self.bytes_in),
            ("deskwire_bytes_out_total", "counter", "Bytes written.", self.bytes_out),
            (
                "deskwire_frames_in_total",
                "counter",
                "WebSocket messages read, control frames included.",
                self.messages_in,
            ),
            (
                "deskwire_frames_out_total",
                "counter",
                "WebSocket messages queued, once for each receiver.",
                self.messages_out,
            ),
            ("deskwire_expired_total", "counter", "Connections ended by a deadline.", self.expired),
            (
                "deskwire_log_lines_lost_total",
                "counter",
                "Lines of the log that could not be written.",
                logging::lines_lost(),
            ),
            ("deskwire_turns_total", "counter", "Turns of the loop.", self.turns),
            ("deskwire_turn_longest_microseconds", "gauge", "The longest turn.", self.turn_us_max),
        ] {
            page.family(name, kind, help).value(value);
        }
    }
}

/// A page in Prometheus' text format, version 0.0.4.
#[derive(Debug, Default)]
pub(crate) struct Page {
    text: String,
    family: &'static str,
}

impl Page {
    /// The Content-Type of such a page.
    pub(crate) const CONTENT_TYPE: &'static str = "text/plain; version=0.0.4; charset=utf-8";

    /// Starts a family of samples.
    pub(crate) fn family(&mut self, name: &'static str, kind: &str, help: &str) -> &mut Self {
        self.family = name;
        // Writing to a String does not fail, here and below.
        let _ = write!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        self
    }

    /// Appends the family's only sample.
    pub(crate) fn value(&mut self, value: u64) -> &mut Self {
        let _ = writeln!(self.text, "{} {value}", self.family);
        self
    }

    /// Appends a sample for each value of a label. The values are our own words and numbers: nothing to escape.
    pub(crate) fn labelled<L: std::fmt::Display>(
        &mut self,
        label: &str,
        samples: impl IntoIterator<Item = (L, u64)>,
    ) -> &mut Self {
        for (value, sample) in samples {
            let _ = writeln!(self.text, "{}{{{label}=\"{value}\"}} {sample}", self.family);
        }
        self
    }

    /// Returns the text.
    pub(crate) fn into_text(self) -> String {
        self.text
    }
}
