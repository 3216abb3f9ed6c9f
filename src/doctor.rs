//! `deskwire doctor`: connects as users and staff do, and says what is wrong on the way.

mod client;
mod finding;

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use deskwire::config::{DOCTOR_CLOCK_MS, DOCTOR_DESCRIPTORS_MIN, DoctorOptions};
use deskwire::desk::auth::new_token;
use serde_json::{Value, json};

use self::client::{Answer, CLOSE, PING, STEP, TEXT, Target};
use self::finding::{Finding, Severity};
use crate::{Failure, say};

/// Exit status where only something could be better. 0 is all well, 1 a fault, 2 a mistake in the options.
const EXIT_WARNING: u8 = 3;
/// The sample key of RFC 6455 1.3. A doctor has nothing to hide from a cache.
const UPGRADE: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const OFFERED: &str = "Sec-WebSocket-Protocol: deskwire.v1";
/// A name that nobody has (RFC 6761 6.4).
const FOREIGN_ORIGIN: &str = "https://foreign.invalid";

/// Looks, prints what was found, and ends with a status that says how bad it is.
pub(crate) fn run(options: &DoctorOptions, listen: SocketAddr) -> Result<(), Failure> {
    let url = match &options.url {
        Some(url) => url.clone(),
        None => local_url(listen),
    };
    let Some(target) = Target::parse(&url) else {
        return Err(Failure::Mistake(format!(
            "{url:?}: a URL is http:// and a host, with a port or a path if need be"
        )));
    };
    let mut findings = Vec::new();
    // A fault ends the search: what follows from it would be found again and again.
    if let Err(fault) = examine(&target, options, &mut findings) {
        findings.push(fault);
    }
    let worst = findings.iter().map(|finding| finding.severity).max().unwrap_or(Severity::Ok);
    say(&if options.json { as_json(&url, worst, &findings) } else { as_text(&findings) })?;
    match worst {
        Severity::Ok => Ok(()),
        Severity::Warning => Err(Failure::Printed(EXIT_WARNING)),
        Severity::Fault => Err(Failure::Printed(1)),
    }
}

/// A desk that listens everywhere is asked at loopback.
fn local_url(mut listen: SocketAddr) -> String {
    if listen.ip().is_unspecified() {
        listen.set_ip(if listen.is_ipv4() { [127, 0, 0, 1].into() } else { [0, 0, 0, 0, 0, 0, 0, 1].into() });
    }
    format!("http://{listen}")
}

fn as_json(url: &str, outcome: Severity, findings: &[Finding]) -> String {
    let printed = json!({ "url": url, "outcome": outcome, "findings": findings });
    format!("{printed}\n")
}

fn as_text(findings: &[Finding]) -> String {
    let lines = findings.iter().map(|finding| {
        let grade = match finding.severity {
            Severity::Ok => "ok",
            Severity::Warning => "warning",
            Severity::Fault => "fault",
        };
        let mend =
            finding.mend.as_ref().map_or_else(String::new, |mend| format!("         mend it by: {mend}\n"));
        format!("{grade:<8} {}: {}\n{mend}", finding.code, finding.says)
    });
    lines.collect()
}

/// A desk, as it is reached.
struct Patient<'a> {
    target: &'a Target,
    addresses: Vec<SocketAddr>,
}

fn examine(target: &Target, options: &DoctorOptions, findings: &mut Vec<Finding>) -> Result<(), Finding> {
    if target.is_secure {
        return Err(Finding::fault(
            "tls",
            "this binary speaks no TLS, so it cannot look behind https",
            "on the host: deskwire doctor http://127.0.0.1:8000; through TLS: \
             socat TCP-LISTEN:8001,fork,bind=127.0.0.1 OPENSSL:HOST:443 and deskwire doctor http://127.0.0.1:8001",
        ));
    }
    let patient = Patient { target, addresses: target.resolve()? };
    patient.ask("/healthz").and_then(is_desk)?;
    findings.push(Finding::ok("alive", format!("a desk answers at {}", target.authority)));
    if options.local {
        return Ok(());
    }
    let before = patient.metrics();
    let (mut user, is_proxied) = patient.user()?;
    findings.push(Finding::ok("upgrade", "users connect, and are welcomed"));
    findings.extend(clock(&user.1));
    patient.origins(options.origin.as_deref())?;
    findings.push(Finding::ok("origin", "pages of the desk connect, those of other sites do not"));
    if let Some(token) = &options.token {
        patient.staff(&options.staff, token)?;
        findings.push(Finding::ok("token", format!("{} signs in", options.staff)));
    }
    findings.extend(addresses(before.as_deref(), patient.metrics().as_deref(), is_proxied));
    if options.idle > 0 {
        findings.push(watch(&mut user.0, Duration::from_secs(options.idle.into()))?);
    }
    Ok(())
}

/// Whether that was the answer of a desk to /healthz.
fn is_desk(answer: Answer) -> Result<(), Finding> {
    let status = answer.status;
    if (502..=504).contains(&status) {
        return Err(Finding::fault(
            "gateway",
            format!("a proxy answers with {status}: it does not reach the desk behind it"),
            "nginx: proxy_pass http://127.0.0.1:8000; and systemctl start deskwire.socket",
        ));
    }
    let body = answer.whole().map_err(|_| finding::silent("/healthz"))?;
    if (status, body.as_str()) == (200, "ok") {
        return Ok(());
    }
    Err(Finding::fault(
        "other",
        format!("something answers, and it is no desk: /healthz gets {status}"),
        "nginx: proxy_pass http://127.0.0.1:8000; with a path: location /support/ { proxy_pass http://127.0.0.1:8000/; }",
    ))
}

impl Patient<'_> {
    fn send(&self, head: &str, what: &str) -> Result<Answer, Finding> {
        let stream = self.target.connect(&self.addresses)?;
        Answer::of(stream, head).map_err(|_| finding::silent(what))
    }

    fn ask(&self, path: &str) -> Result<Answer, Finding> {
        self.send(&self.target.head(path, "Connection: close\r\n"), path)
    }

    /// The metrics. A proxy may keep them in.
    fn metrics(&self) -> Option<String> {
        let answer = self.ask("/metrics").ok().filter(|answer| answer.status == 200)?;
        answer.whole().ok().filter(|text| text.contains("deskwire_"))
    }

    fn shake_hands(&self, path: &str, secret: &str, origin: Option<&str>) -> Result<Answer, Finding> {
        let origin = origin.map_or_else(String::new, |origin| format!("Origin: {origin}\r\n"));
        self.send(&self.target.head(path, &format!("{UPGRADE}{OFFERED}{secret}\r\n{origin}")), path)
    }

    /// Connects as a user whom nobody knows. Returns the connection with its welcome, and whether a proxy is on the way: the
    /// desk itself names neither a server nor a way.
    fn user(&self) -> Result<((Answer, Value), bool), Finding> {
        let mut answer = self.shake_hands(&user_path()?, "", None)?;
        if answer.status != 101 {
            return Err(finding::upgrade(answer.status));
        }
        if answer.field("sec-websocket-protocol") != Some("deskwire.v1") {
            return Err(finding::subprotocol());
        }
        let is_proxied = self.is_proxied();
        let (opcode, payload) =
            answer.frame(Instant::now() + STEP).map_err(|_| finding::silent("the handshake"))?;
        if opcode == CLOSE {
            return Err(finding::full(&String::from_utf8_lossy(payload.get(2..).unwrap_or(&[]))));
        }
        let welcome = serde_json::from_slice(&payload).unwrap_or_default();
        Ok(((answer, welcome), is_proxied))
    }

    fn is_proxied(&self) -> bool {
        self.ask("/healthz")
            .is_ok_and(|answer| ["server", "via"].iter().any(|name| answer.field(name).is_some()))
    }

    /// Connects as pages do: the desk's own, those of a site that is to be allowed, and those of a foreign one.
    fn origins(&self, allowed: Option<&str>) -> Result<(), Finding> {
        let status = |origin: &str| Ok(self.shake_hands(&user_path()?, "", Some(origin))?.status);
        if status(FOREIGN_ORIGIN)? == 101 {
            return Err(finding::origin_dropped());
        }
        if status(&format!("http://{}", self.target.authority))? != 101 {
            return Err(finding::host());
        }
        match allowed {
            Some(origin) if status(origin)? != 101 => Err(finding::origin(origin)),
            _ => Ok(()),
        }
    }

    fn staff(&self, id: &str, token: &str) -> Result<(), Finding> {
        let secret = format!(", secret.{token}");
        let mut answer = self.shake_hands(&format!("/ws/staff/{id}"), &secret, None)?;
        match answer.frame(Instant::now() + STEP) {
            Ok((TEXT, _)) => Ok(()),
            Err(error) if error.kind() == ErrorKind::TimedOut => {
                Err(finding::silent("the staff's handshake"))
            }
            _ => Err(finding::token(id)),
        }
    }
}

fn user_path() -> Result<String, Finding> {
    let random =
        new_token().map_err(|error| Finding::fault("random", error.to_string(), "a newer kernel"))?;
    Ok(format!("/ws/user/doctor-{}", &random[..16]))
}

/// Compares the time in a welcome with that of this machine.
fn clock(welcome: &Value) -> Option<Finding> {
    let ours = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_millis();
    let apart_ms = u64::try_from(ours).ok()?.abs_diff(welcome["now"].as_u64()?);
    (apart_ms > DOCTOR_CLOCK_MS).then(|| finding::clock(apart_ms / 1000))
}

/// Reads from the metrics, before and after, how the desk knows its users' addresses, and its descriptors.
fn addresses(before: Option<&str>, after: Option<&str>, is_proxied: bool) -> Vec<Finding> {
    let Some(after) = after else {
        return vec![Finding::ok("metrics", "not to be seen from here, so that addresses are not looked at")];
    };
    let grown = |name: &str| {
        let of = |page: Option<&str>| page.and_then(|page| sample(page, name)).unwrap_or(0);
        of(Some(after)).saturating_sub(of(before)) > 0
    };
    let source = |from: &str| grown(&format!("deskwire_client_addresses_total{{from=\"{from}\"}}"));
    let mut found = Vec::new();
    if source("untrusted") {
        found.push(finding::untrusted());
    } else if is_proxied && !source("forwarded") {
        found.push(finding::forwarded());
    } else {
        found.push(Finding::ok("forwarded", "the desk sees its users' own addresses"));
    }
    let limit = sample(after, "process_max_fds").filter(|limit| *limit < DOCTOR_DESCRIPTORS_MIN);
    found.extend(limit.map(finding::descriptors));
    found
}

fn sample(page: &str, name: &str) -> Option<u64> {
    page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

/// Watches an idle connection until the desk's first ping.
fn watch(user: &mut Answer, span: Duration) -> Result<Finding, Finding> {
    let started = Instant::now();
    loop {
        match user.frame(started + span) {
            Ok((PING, _)) => {
                return Ok(Finding::ok("idle", "an idle connection lives until the desk's ping"));
            }
            Err(error) if error.kind() == ErrorKind::TimedOut => {
                return Ok(Finding::ok("idle", format!("an idle connection lives for {} s", span.as_secs())));
            }
            Ok((CLOSE, _)) | Err(_) => return Err(finding::idle(started.elapsed().as_secs())),
            Ok(_) => {}
        }
    }
}
