//! The counters of the desk, and the page at /metrics. examples/host/metrics.md lists all metrics.

use std::fmt::Display;

use log::info;

use super::Desk;
use crate::config::{SCORE_MAX, SCORE_MIN};
use crate::metrics::{Metrics, Page};
use crate::net::close::CloseReason;
use crate::net::response::{Body, Response, Status};
use crate::protocol::close;
use crate::state::{Counts, ErrorCode, Score};

/// The counters of the desk. The loop's own are in `Metrics`.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) users: u64,
    pub(super) staff: u64,
    pub(super) messages: u64,
    pub(super) tickets_opened: u64,
    /// Connections refused because of the page's origin, a staff token, or a session.
    pub(super) foreign_origins: u64,
    pub(super) wrong_tokens: u64,
    pub(super) wrong_sessions: u64,
    /// Messages refused, by `ErrorCode`.
    pub(super) refused: [u64; ErrorCode::ALL.len()],
    /// Tickets rated, by score.
    pub(super) ratings: [u64; (SCORE_MAX - SCORE_MIN + 1) as usize],
}

impl Counters {
    /// Logs and counts a client who does not have the session of its user id. Returns why its connection is closed.
    pub(super) fn refuse_session(&mut self, client: impl Display) -> CloseReason {
        info!("{client} was refused: the user id is known, and this is not its session");
        self.wrong_sessions += 1;
        close::SESSION_MISMATCH
    }

    /// Appends these counters, the counts of State, and the refused connections of both the desk and the loop.
    fn append(&self, page: &mut Page, counts: Counts, metrics: &Metrics) {
        page.family("deskwire_connections_open", "gauge", "Open connections, by role.")
            .labelled("role", [("user", self.users), ("staff", self.staff)]);
        page.family("deskwire_staff_online", "gauge", "Staff who are online.")
            .value(counts.staff_online as u64);
        page.family("deskwire_tickets", "gauge", "Open tickets, by state.").labelled(
            "state",
            [
                ("waiting", counts.tickets_waiting as u64),
                ("active", counts.tickets_active as u64),
                ("paused", counts.tickets_paused as u64),
            ],
        );
        page.family("deskwire_tickets_opened_total", "counter", "Tickets opened.").value(self.tickets_opened);
        page.family(
            "deskwire_messages_relayed_total",
            "counter",
            "Messages relayed, including those sent again.",
        )
        .value(self.messages);
        let refusals = metrics.refusal_samples().chain([
            ("origin", self.foreign_origins),
            ("staff_token", self.wrong_tokens),
            ("session", self.wrong_sessions),
        ]);
        let help = "Connections refused or dropped, by cause.";
        page.family("deskwire_connections_refused_total", "counter", help).labelled("cause", refusals);
        let refused = ErrorCode::ALL.map(|code| (code.code(), self.refused[code as usize]));
        page.family("deskwire_messages_refused_total", "counter", "Messages refused, by error code.")
            .labelled("code", refused);
        page.family("deskwire_ratings_total", "counter", "Tickets rated by their users, by score.")
            .labelled("score", Score::all().map(Score::number).zip(self.ratings));
    }
}

impl Desk {
    /// Returns the response to a request for /metrics.
    pub(super) fn metrics_page(&self, metrics: &Metrics) -> Response {
        let mut page = Page::default();
        metrics.append(&mut page);
        self.counters.append(&mut page, self.state.counts(), metrics);
        #[cfg(feature = "journal")]
        if let Some(journal) = &self.journal {
            journal.append_metrics(&mut page);
        }
        #[cfg(feature = "redis")]
        if let Some(shared) = &self.shared {
            shared.cluster.append_metrics(&mut page);
        }
        // A convention of Prometheus's own client libraries. Left out if the kernel does not report it.
        if let Ok((descriptors, _)) = rlimit::Resource::NOFILE.get() {
            page.family("process_max_fds", "gauge", "Maximum number of open file descriptors.")
                .value(descriptors);
        }
        Response {
            status: Status::Ok,
            content_type: Page::CONTENT_TYPE,
            fields: "".into(),
            body: Body::Owned(page.into_text().into_bytes()),
        }
    }
}
