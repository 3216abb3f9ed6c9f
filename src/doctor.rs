//! `deskwire doctor`: connects to a desk as users and staff do, and reports everything that is wrong on the way.
//!
//! Each step is a request that a page would make. The first fault ends the search, since later steps would only fail
//! for the same reason.

mod addresses;
mod client;
mod finding;
mod line;
#[cfg(feature = "tls")]
mod tls;
#[cfg(feature = "tls")]
mod tls_finding;

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use deskwire::config::{DOCTOR_CLOCK_MS, DoctorOptions};
use deskwire::desk::auth::new_token;
use serde_json::{Value, json};

use self::addresses::{Pages, Proxy};
use self::client::{Answer, CLOSE, PING, STEP, TEXT, Target};
use self::finding::{Finding, Severity};
use self::line::Line;
use crate::{Failure, say};

/// The exit status if there are only warnings. 0 means that all is well, 1 a fault, 2 a mistake in the options.
const EXIT_WARNING: u8 = 3;
/// The sample key of RFC 6455 1.3. A doctor needs no random key, since it does not mind an answer from a cache.
const UPGRADE: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const OFFERED: &str = "Sec-WebSocket-Protocol: deskwire.v1";
/// An origin that no site has (RFC 6761 6.4).
const FOREIGN_ORIGIN: &str = "https://foreign.invalid";

/// A field with an address that no host has (RFC 5737), to find out whether X-Forwarded-For arrives.
const PROBE: &str = "X-Forwarded-For: 192.0.2.1\r\nConnection: close\r\n";

/// Examines a desk, prints the findings, and returns the exit status of the worst. `local_url` is the desk of
/// `--local`.
pub(crate) fn run(options: &DoctorOptions, local_url: String) -> Result<(), Failure> {
    let url = options.url.clone().unwrap_or(local_url);
    let target = parse(&url)?;
    let metrics =
        options.metrics.as_deref().map(|url| url.trim_end_matches("/metrics")).map(parse).transpose()?;
    let mut findings = Vec::new();
    // A fault ends the search: later steps would only fail for the same reason.
    if let Err(fault) = examine((&target, metrics.as_ref()), options, &mut findings) {
        findings.push(fault);
    }
    let worst = findings.iter().map(|finding| finding.severity).max().unwrap_or(Severity::Ok);
    // Something that cannot be seen from here is not a fault.
    let worst = if worst == Severity::Unknown { Severity::Ok } else { worst };
    say(&if options.json { as_json(&url, worst, &findings) } else { as_text(&findings) })?;
    match worst {
        Severity::Ok | Severity::Unknown => Ok(()),
        Severity::Warning => Err(Failure::Printed(EXIT_WARNING)),
        Severity::Fault => Err(Failure::Printed(1)),
    }
}

fn parse(url: &str) -> Result<Target, Failure> {
    Target::parse(url).ok_or_else(|| {
        Failure::Mistake(format!(
            "{url:?}: a URL is http:// or https:// and a host, with a port or a path if need be"
        ))
    })
}

fn as_json(url: &str, outcome: Severity, findings: &[Finding]) -> String {
    let printed = json!({ "url": url, "outcome": outcome, "findings": findings });
    format!("{printed}\n")
}

fn as_text(findings: &[Finding]) -> String {
    // A part of it is from peers, and a terminal obeys control characters.
    let printable = |text: &str| text.replace(char::is_control, "\u{FFFD}");
    let lines = findings.iter().map(|finding| {
        let grade = match finding.severity {
            Severity::Ok => "ok",
            Severity::Unknown => "unknown",
            Severity::Warning => "warning",
            Severity::Fault => "fault",
        };
        let fix = finding.fix.as_deref().map(printable);
        let what = if finding.severity == Severity::Unknown { "to find out" } else { "to fix it" };
        let fix = fix.map_or_else(String::new, |fix| format!("         {what}: {fix}\n"));
        format!("{grade:<8} {}: {}\n{fix}", finding.code, printable(&finding.message))
    });
    lines.collect()
}

/// A client of the desk that is examined.
struct Client<'a> {
    target: &'a Target,
    addresses: Vec<SocketAddr>,
    /// `None` for a URL without TLS.
    #[cfg(feature = "tls")]
    trust: Option<tls::Trust>,
}

fn examine(
    (target, metrics): (&Target, Option<&Target>),
    options: &DoctorOptions,
    findings: &mut Vec<Finding>,
) -> Result<(), Finding> {
    let client = Client::new(target, options.local)?;
    #[cfg(feature = "tls")]
    if !options.local {
        findings.extend(client.certificate()?);
    }
    client.ask("/healthz").and_then(|answer| is_desk(answer, target))?;
    findings.push(Finding::ok("alive", format!("a desk answers at {}", target.authority)));
    if options.local {
        return Ok(());
    }
    let metrics = metrics.map(|target| Client::new(target, false)).transpose()?;
    let metrics_client = metrics.as_ref().unwrap_or(&client);
    let before = metrics_client.metrics();
    let (mut user, proxy) = client.user()?;
    findings.push(Finding::ok("upgrade", "users connect, and are welcomed"));
    findings.extend(clock(&user.1));
    client.origins(options.origin.as_deref())?;
    findings.push(Finding::ok("origin", "pages of the desk connect, those of other sites do not"));
    if let Some(token) = &options.token {
        client.staff(&options.staff, token)?;
        findings.push(Finding::ok("token", format!("{} signs in", options.staff)));
    }
    let after = metrics_client.metrics();
    client.send(&target.head("/healthz", PROBE), "/healthz")?;
    match (before, after, metrics_client.metrics()) {
        (Some(before), Some(after), Some(after_probe)) => {
            let pages = Pages { before: &before, after: &after, after_probe: &after_probe };
            findings.extend(addresses::examine(&pages, proxy));
        }
        _ => findings.push(finding::no_metrics(&target.origin())),
    }
    if options.idle > 0 {
        findings.push(watch(&mut user.0, Duration::from_secs(options.idle.into()))?);
    }
    Ok(())
}

/// Checks that an answer to /healthz comes from a desk.
fn is_desk(answer: Answer, target: &Target) -> Result<(), Finding> {
    let status = answer.status;
    if let (300..=399, Some(to)) = (status, answer.field("location")) {
        return Err(finding::redirect(to));
    }
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
    // The answers of a desk and of nginx.
    if status == 400 && ["speaks TLS", "sent to HTTPS port"].iter().any(|text| body.contains(text)) {
        return Err(finding::needs_tls(&target.authority));
    }
    Err(Finding::fault(
        "other",
        format!("something answers, but it is not a desk: /healthz gets {status}"),
        "nginx: proxy_pass http://127.0.0.1:8000; with a path: location /support/ { proxy_pass http://127.0.0.1:8000/; }",
    ))
}

impl<'a> Client<'a> {
    #[cfg(feature = "tls")]
    fn new(target: &'a Target, is_local: bool) -> Result<Self, Finding> {
        let trust = match (target.is_secure, is_local) {
            (false, _) => None,
            (true, true) => tls::Trust::anybody(),
            (true, false) => Some(tls::Trust::of_this_machine().ok_or_else(tls_finding::no_roots)?),
        };
        Ok(Self { target, addresses: target.resolve()?, trust })
    }

    #[cfg(not(feature = "tls"))]
    fn new(target: &'a Target, _is_local: bool) -> Result<Self, Finding> {
        if target.is_secure {
            return Err(finding::no_tls_here());
        }
        Ok(Self { target, addresses: target.resolve()? })
    }

    fn connect(&self) -> Result<Line, Finding> {
        let socket = self.target.connect(&self.addresses)?;
        #[cfg(feature = "tls")]
        if let Some(trust) = &self.trust {
            return Ok(Line::Tls(Box::new(trust.shake_hands(socket, &self.target.host)?)));
        }
        Ok(Line::Plain(socket))
    }

    /// Checks the certificate, if the connection uses TLS.
    #[cfg(feature = "tls")]
    fn certificate(&self) -> Result<Option<Finding>, Finding> {
        match self.connect()? {
            Line::Tls(session) => Ok(Some(tls_finding::accepted(session.validity()))),
            Line::Plain(_) => Ok(None),
        }
    }

    fn send(&self, head: &str, what: &str) -> Result<Answer, Finding> {
        Answer::of(self.connect()?, head).map_err(|_| finding::silent(what))
    }

    fn ask(&self, path: &str) -> Result<Answer, Finding> {
        self.send(&self.target.head(path, "Connection: close\r\n"), path)
    }

    /// Fetches the metrics page. `None` if, for example, a proxy does not pass it on.
    fn metrics(&self) -> Option<String> {
        let answer = self.ask("/metrics").ok().filter(|answer| answer.status == 200)?;
        answer.whole().ok().filter(|text| text.contains("deskwire_"))
    }

    fn shake_hands(&self, path: &str, secret: &str, origin: Option<&str>) -> Result<Answer, Finding> {
        let origin = origin.map_or_else(String::new, |origin| format!("Origin: {origin}\r\n"));
        self.send(&self.target.head(path, &format!("{UPGRADE}{OFFERED}{secret}\r\n{origin}")), path)
    }

    /// Connects as a new user. Returns the connection with its welcome, and whether a proxy is on the way: proxies name
    /// themselves in the fields Server or Via, and the desk does not.
    fn user(&self) -> Result<((Answer, Value), Proxy), Finding> {
        let mut answer = self.shake_hands(&user_path()?, "", None)?;
        if answer.status != 101 {
            return Err(finding::upgrade(answer.status));
        }
        if answer.field("sec-websocket-protocol") != Some("deskwire.v1") {
            return Err(finding::subprotocol());
        }
        let proxy = self.proxy();
        let (opcode, payload) =
            answer.frame(Instant::now() + STEP).map_err(|_| finding::silent("the handshake"))?;
        if opcode == CLOSE {
            return Err(finding::full(&String::from_utf8_lossy(payload.get(2..).unwrap_or(&[]))));
        }
        let welcome = serde_json::from_slice(&payload).unwrap_or_default();
        Ok(((answer, welcome), proxy))
    }

    fn proxy(&self) -> Proxy {
        let is_named = |answer: Answer| ["server", "via"].iter().any(|name| answer.field(name).is_some());
        if self.ask("/healthz").is_ok_and(is_named) { Proxy::Named } else { Proxy::NotSeen }
    }

    /// Connects as pages do: those of a foreign site, the desk's own, and those of a site that should be allowed.
    fn origins(&self, allowed: Option<&str>) -> Result<(), Finding> {
        let status = |origin: &str| Ok(self.shake_hands(&user_path()?, "", Some(origin))?.status);
        if status(FOREIGN_ORIGIN)? == 101 {
            return Err(finding::origin_dropped());
        }
        if status(&self.target.origin())? != 101 {
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

/// Compares the time in a welcome with this machine's clock.
fn clock(welcome: &Value) -> Option<Finding> {
    let ours = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_millis();
    let apart_ms = u64::try_from(ours).ok()?.abs_diff(welcome["now"].as_u64()?);
    (apart_ms > DOCTOR_CLOCK_MS).then(|| finding::clock(apart_ms / 1000))
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
