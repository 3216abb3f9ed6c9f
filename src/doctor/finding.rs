//! What may be wrong, in plain words, each with the line of configuration that mends it.

use serde::Serialize;

use super::client::STEP;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Severity {
    Ok,
    /// It cannot be seen from here.
    Unknown,
    Warning,
    Fault,
}

/// A finding.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    pub(super) code: &'static str,
    pub(super) severity: Severity,
    pub(super) says: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) mend: Option<String>,
}

impl Finding {
    pub(super) fn ok(code: &'static str, says: impl Into<String>) -> Self {
        Self { code, severity: Severity::Ok, says: says.into(), mend: None }
    }

    pub(super) fn unknown(code: &'static str, says: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { code, severity: Severity::Unknown, says: says.into(), mend: Some(mend.into()) }
    }

    pub(super) fn warning(code: &'static str, says: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { code, severity: Severity::Warning, says: says.into(), mend: Some(mend.into()) }
    }

    pub(super) fn fault(code: &'static str, says: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { code, severity: Severity::Fault, says: says.into(), mend: Some(mend.into()) }
    }
}

/// The URL wants TLS, which this binary has not.
#[cfg(not(feature = "tls"))]
pub(super) fn no_tls_here() -> Finding {
    Finding::fault(
        "tls",
        "this binary speaks no TLS, so it cannot look behind https",
        "build it with --features tls; or on the host: deskwire doctor http://127.0.0.1:8000",
    )
}

pub(super) fn redirect(to: &str) -> Finding {
    let base = to.strip_suffix("/healthz").unwrap_or(to);
    Finding::fault(
        "redirect",
        format!("requests are sent on to {to}, and a WebSocket follows nobody"),
        format!("use that address everywhere: deskwire doctor {base}"),
    )
}

pub(super) fn needs_tls(authority: &str) -> Finding {
    Finding::fault(
        "needs-tls",
        "this port speaks TLS, and was asked without",
        format!("deskwire doctor https://{authority}"),
    )
}

pub(super) fn silent(what: &str) -> Finding {
    Finding::fault(
        "silent",
        format!("{what}: the connection is accepted, and no answer comes within {} s", STEP.as_secs()),
        "a desk that hangs is started anew with WatchdogSec=10 in its unit; a proxy needs the right proxy_pass",
    )
}

pub(super) fn upgrade(status: u16) -> Finding {
    Finding::fault(
        "upgrade",
        format!("the handshake is answered with {status}: a proxy drops the field Upgrade or Connection"),
        "nginx: proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection \"upgrade\";",
    )
}

pub(super) fn subprotocol() -> Finding {
    Finding::fault(
        "subprotocol",
        "a proxy drops the field Sec-WebSocket-Protocol, in which tokens and sessions are sent",
        "nginx: proxy_set_header Sec-WebSocket-Protocol $http_sec_websocket_protocol;",
    )
}

pub(super) fn host() -> Finding {
    Finding::fault(
        "host",
        "the desk's own pages get 403: a proxy replaces the field Host, so that their origin is another site's",
        "nginx: proxy_set_header Host $http_host;",
    )
}

pub(super) fn origin_dropped() -> Finding {
    Finding::fault(
        "origin-dropped",
        "a page of any site may connect: a proxy drops the field Origin, by which the desk knows them",
        "remove the proxy's line that empties it, such as nginx: proxy_set_header Origin \"\";",
    )
}

pub(super) fn origin(origin: &str) -> Finding {
    Finding::fault(
        "origin",
        format!("pages of {origin} get 403"),
        format!("deskwire --allow-origin {origin}"),
    )
}

pub(super) fn token(staff: &str) -> Finding {
    Finding::fault(
        "token",
        format!("the token is not that of staff member {staff}"),
        format!("deskwire staff-token {staff}, put its line into the staff file, and send SIGHUP"),
    )
}

pub(super) fn full(reason: &str) -> Finding {
    Finding::fault(
        "full",
        format!("the desk takes no further connection: {reason}"),
        "deskwire --max-connections N or --max-per-address N; in its unit: LimitNOFILE=100064",
    )
}

pub(super) fn idle(seconds: u64) -> Finding {
    Finding::fault(
        "idle",
        format!("an idle connection is cut after {seconds} s, before the desk's first ping"),
        format!("nginx: proxy_read_timeout 75s; or: deskwire --ping-interval {}", (seconds / 2).max(1)),
    )
}

pub(super) fn forwarded() -> Finding {
    Finding::warning(
        "forwarded",
        "all users look like one address: the proxy does not send X-Forwarded-For",
        "nginx: proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;",
    )
}

/// Nobody has named a client, and no proxy has named itself.
pub(super) fn direct() -> Finding {
    Finding::unknown(
        "forwarded",
        "no proxy shows on the way; if there is one, all its users look like one address",
        "nothing, if users reach the desk directly; else, nginx: proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;",
    )
}

/// The metrics cannot be seen.
pub(super) fn no_metrics(url: &str) -> Finding {
    Finding::unknown(
        "forwarded",
        "whether the desk sees its users' own addresses: its metrics are not to be had from here",
        format!("look from the desk's machine: deskwire doctor {url} --metrics http://127.0.0.1:8000"),
    )
}

pub(super) fn untrusted() -> Finding {
    Finding::warning(
        "untrusted",
        "all users look like one address: X-Forwarded-For comes from a proxy that the desk does not trust",
        "deskwire --trust-proxy ADDRESS-OF-THE-PROXY",
    )
}

pub(super) fn descriptors(limit: u64) -> Finding {
    Finding::warning(
        "descriptors",
        format!("the desk may have {limit} descriptors, and each connection is one"),
        "in its unit: LimitNOFILE=100064; in a shell: ulimit -n 100064",
    )
}

pub(super) fn clock(seconds: u64) -> Finding {
    Finding::warning(
        "clock",
        format!("the clocks of the desk and of this machine differ by {seconds} s"),
        "timedatectl set-ntp true on both; then start the desk anew, which reads its clock at the start",
    )
}
