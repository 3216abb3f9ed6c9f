//! How the desk knows its users' addresses, and how many descriptors it has, read from its metrics.

use deskwire::config::DOCTOR_DESCRIPTORS_MIN;

use super::finding::{self, Finding};

/// The pages of /metrics before and after the doctor's requests, and after one with an X-Forwarded-For of its own.
pub(super) struct Pages<'a> {
    pub(super) before: &'a str,
    pub(super) after: &'a str,
    pub(super) after_probe: &'a str,
}

/// Whether a proxy is on the way: it names itself in its answers, which the desk does not.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Proxied,
    Unnamed,
}

/// Judges by what the requests were counted as. Others' requests are counted as well: they have come the same way, most of
/// the time.
pub(super) fn examine(pages: &Pages<'_>, way: Way) -> Vec<Finding> {
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
    } else if way == Way::Proxied || !(probed("forwarded") || probed("untrusted")) {
        // The field is not sent, or it is removed, even where there was one.
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
