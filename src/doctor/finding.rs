//! The findings of a doctor: what may be wrong, in plain words, each with the configuration that fixes it.

use serde::Serialize;

use super::client::STEP;

/// The severity of a finding, in ascending order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Severity {
    Ok,
    /// Cannot be determined from here.
    Unknown,
    Warning,
    Fault,
}

/// A finding: what is right or wrong, and how to fix it. Its fields are those of `--json`, which examples/host/doctor.md lists.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    pub(super) code: &'static str,
    pub(super) severity: Severity,
    pub(super) message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) fix: Option<String>,
}

impl Finding {
    pub(super) fn ok(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, severity: Severity::Ok, message: message.into(), fix: None }
    }

    pub(super) fn unknown(code: &'static str, message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { code, severity: Severity::Unknown, message: message.into(), fix: Some(fix.into()) }
    }

    pub(super) fn warning(code: &'static str, message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { code, severity: Severity::Warning, message: message.into(), fix: Some(fix.into()) }
    }

    pub(super) fn fault(code: &'static str, message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { code, severity: Severity::Fault, message: message.into(), fix: Some(fix.into()) }
    }
}

/// The URL requires TLS, which this binary was built without.
#[cfg(not(feature = "tls"))]
pub(super) fn no_tls_here() -> Finding {
    Finding::fault(
        "tls",
        "this binary was built without TLS, so it cannot check https",
        "build it with --features tls; or on the host: deskwire doctor http://127.0.0.1:8000",
    )
}

pub(super) fn redirect(to: &str) -> Finding {
    let base = to.strip_suffix("/healthz").unwrap_or(to);
    // The command is to be copied to a shell, and this text is from the peer.
    let is_plain = base.bytes().all(|byte| byte.is_ascii_alphanumeric() || b":/.-_[]".contains(&byte));
    let command = if is_plain { format!(": deskwire doctor {base}") } else { String::new() };
    Finding::fault(
        "redirect",
        format!("requests are redirected to {to}, and a WebSocket does not follow redirects"),
        format!("use that address everywhere{command}"),
    )
}

pub(super) fn needs_tls(authority: &str) -> Finding {
    Finding::fault(
        "needs-tls",
        "this port speaks TLS, but the request came without",
        format!("deskwire doctor https://{authority}"),
    )
}

pub(super) fn silent(what: &str) -> Finding {
    Finding::fault(
        "silent",
        format!("{what}: the connection is accepted, but no answer comes within {} s", STEP.as_secs()),
        "WatchdogSec=10 in the unit restarts a desk that hangs; a proxy needs the right proxy_pass",
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
        "a proxy drops the field Sec-WebSocket-Protocol, which carries tokens and sessions",
        "nginx: proxy_set_header Sec-WebSocket-Protocol $http_sec_websocket_protocol;",
    )
}

pub(super) fn host() -> Finding {
    Finding::fault(
        "host",
        "the desk's own pages get 403: a proxy replaces the field Host, so they seem to come from another site",
        "nginx: proxy_set_header Host $http_host;",
    )
}

pub(super) fn origin_dropped() -> Finding {
    Finding::fault(
        "origin-dropped",
        "pages of any site may connect: a proxy drops the field Origin, by which the desk tells sites apart",
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
        format!("the desk accepts no more connections: {reason}"),
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

/// No X-Forwarded-For has come, and no proxy has named itself.
pub(super) fn direct() -> Finding {
    Finding::unknown(
        "forwarded",
        "no proxy was seen on the way; if there is one, all of its users look like one address",
        "look at the address that users have; behind nginx: proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;",
    )
}

/// The metrics cannot be fetched.
pub(super) fn no_metrics(url: &str) -> Finding {
    Finding::unknown(
        "forwarded",
        "whether the desk sees its users' own addresses: its metrics cannot be fetched from here",
        format!("check from the desk's machine: deskwire doctor {url} --metrics http://127.0.0.1:8000"),
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
        format!("the desk may have only {limit} descriptors, and each connection needs one"),
        "in its unit: LimitNOFILE=100064; in a shell: ulimit -n 100064",
    )
}

pub(super) fn clock(seconds: u64) -> Finding {
    Finding::warning(
        "clock",
        format!("the clocks of the desk and of this machine differ by {seconds} s"),
        "timedatectl set-ntp true on both; then restart the desk, which reads the clock only at its start",
    )
}
