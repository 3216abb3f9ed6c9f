//! Whether the desk sees its users' own addresses and has enough descriptors, judged by its metrics.

use deskwire::config::DOCTOR_DESCRIPTORS_MIN;

use super::finding::{self, Finding};

/// The metrics pages before and after the doctor's requests, and after a request with an X-Forwarded-For.
pub(super) struct Pages<'a> {
    pub(super) before: &'a str,
    pub(super) after: &'a str,
    pub(super) after_probe: &'a str,
}

/// Whether a proxy is on the way. Proxies name themselves in their answers, and the desk does not.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Proxy {
    Named,
    NotSeen,
}

/// Judges by how the requests were counted. Requests of others are counted too, but most of them come the same way.
pub(super) fn examine(pages: &Pages<'_>, proxy: Proxy) -> Vec<Finding> {
    let grown = |from: &str, before: &str, after: &str| {
        let name = format!("deskwire_client_addresses_total{{from=\"{from}\"}}");
        sample(after, &name).unwrap_or(0) > sample(before, &name).unwrap_or(0)
    };
    let plain = |from| grown(from, pages.before, pages.after);
    let probed = |from| grown(from, pages.after, pages.after_probe);
    let mut found = vec![if plain("untrusted") {
        finding::untrusted()
    } else if plain("forwarded") {
        Finding::ok("forwarded", "the desk sees its users' own addresses")
    } else if proxy == Proxy::Named || !(probed("forwarded") || probed("untrusted")) {
        // The proxy does not send the field, or removes even the one that the doctor sent.
        finding::forwarded()
    } else {
        finding::direct()
    }];
    let limit = sample(pages.after, "process_max_fds").filter(|limit| *limit < DOCTOR_DESCRIPTORS_MIN);
    found.extend(limit.map(finding::descriptors));
    found
}

fn sample(page: &str, name: &str) -> Option<u64> {
    page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}
