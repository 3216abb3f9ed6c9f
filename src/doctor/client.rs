//! A blocking client of HTTP and WebSocket. Each step has a deadline.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use deskwire::config::DOCTOR_STEP_MS;

use super::finding::Finding;
use super::line::Line;

pub(super) const STEP: Duration = Duration::from_millis(DOCTOR_STEP_MS);

/// The parts of a desk's URL.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) is_secure: bool,
    /// Host and port as in the field Host.
    pub(super) authority: String,
    pub(super) host: String,
    port: u16,
    /// The path in front of the desk's own paths, without a slash at its end.
    prefix: String,
}

impl Target {
    /// Parses an http or https URL, with an optional port and path.
    pub(super) fn parse(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let is_secure = match scheme {
            "http" | "ws" => false,
            "https" | "wss" => true,
            _ => return None,
        };
        let rest = rest.split(['?', '#']).next()?;
        let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        let port_at = authority.rfind(':').filter(|at| !authority[*at..].contains(']'));
        let (host, port) = match port_at {
            Some(at) => (&authority[..at], authority[at + 1..].parse().ok()?),
            None => (authority, if is_secure { 443 } else { 80 }),
        };
        let is_graphic = url.bytes().all(|byte| byte.is_ascii_graphic());
        if host.is_empty() || authority.contains('@') || !is_graphic {
            return None;
        }
        Some(Self {
            is_secure,
            authority: authority.to_owned(),
            host: host.trim_matches(['[', ']']).to_owned(),
            port,
            prefix: path.trim_end_matches('/').to_owned(),
        })
    }

    /// Resolves the name in a separate thread, since the system's resolver has no deadline.
    pub(super) fn resolve(&self) -> Result<Vec<SocketAddr>, Finding> {
        let (sender, receiver) = mpsc::channel();
        let name = (self.host.clone(), self.port);
        thread::spawn(move || sender.send(name.to_socket_addrs().map(Vec::from_iter)));
        let resolved = receiver.recv_timeout(STEP).ok().and_then(Result::ok);
        resolved.filter(|found| !found.is_empty()).ok_or_else(|| {
            let message = format!("the name {} has no address", self.host);
            Finding::fault("name", message, format!("DNS: an A or AAAA record for {}", self.host))
        })
    }

    pub(super) fn connect(&self, addresses: &[SocketAddr]) -> Result<TcpStream, Finding> {
        let mut last = None;
        for address in addresses {
            match TcpStream::connect_timeout(address, STEP) {
                Ok(stream) => return Ok(stream),
                Err(error) => last = Some((address, error)),
            }
        }
        let (address, error) = last.map_or((self.host.clone(), None), |(a, e)| (a.to_string(), Some(e)));
        Err(match error.map(|error| error.kind()) {
            Some(ErrorKind::ConnectionRefused) => Finding::fault(
                "refused",
                format!("nothing listens at {address}"),
                format!("systemctl start deskwire.socket, or deskwire --listen {address}"),
            ),
            _ => Finding::fault(
                "unreachable",
                format!("{address} does not answer within {} s", STEP.as_secs()),
                format!("a firewall on the way has to let TCP port {} through", self.port),
            ),
        })
    }

    /// Returns the origin of this desk's pages (RFC 6454 6.2).
    pub(super) fn origin(&self) -> String {
        let scheme = if self.is_secure { "https" } else { "http" };
        format!("{scheme}://{}", self.authority)
    }

    /// Returns a request head. Each of the `fields` ends with CRLF.
    pub(super) fn head(&self, path: &str, fields: &str) -> String {
        let (prefix, authority) = (&self.prefix, &self.authority);
        format!("GET {prefix}{path} HTTP/1.1\r\nHost: {authority}\r\n{fields}\r\n")
    }
}

/// The response, and the connection that it came on.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    fields: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    line: Line,
}

/// The opcodes of the desk's frames (RFC 6455 5.2).
pub(super) const TEXT: u8 = 1;
pub(super) const CLOSE: u8 = 8;
pub(super) const PING: u8 = 9;

/// A frame from the desk: opcode and payload.
pub(super) type Frame = (u8, Vec<u8>);

impl Answer {
    /// Sends a request, and reads the response head.
    pub(super) fn of(mut line: Line, request: &str) -> io::Result<Self> {
        let deadline = Instant::now() + STEP;
        line.send(request.as_bytes())?;
        let mut bytes = Vec::new();
        loop {
            line.receive(&mut bytes, deadline)?;
            let mut fields = [httparse::EMPTY_HEADER; 64];
            let mut head = httparse::Response::new(&mut fields);
            let length = match head.parse(&bytes).map_err(io::Error::other)? {
                httparse::Status::Complete(length) => length,
                httparse::Status::Partial => continue,
            };
            let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
            return Ok(Self {
                status: head.code.unwrap_or(0),
                fields: head.headers.iter().map(|f| (f.name.to_lowercase(), text(f.value))).collect(),
                body: bytes.split_off(length),
                line,
            });
        }
    }

    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    /// Reads the body to its end.
    pub(super) fn whole(mut self) -> io::Result<String> {
        let deadline = Instant::now() + STEP;
        let length = self.field("content-length").and_then(|length| length.parse().ok());
        while length.is_none_or(|length: usize| self.body.len() < length) {
            match self.line.receive(&mut self.body, deadline) {
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => break,
                read => read?,
            }
        }
        Ok(String::from_utf8_lossy(&self.body).into_owned())
    }

    /// Reads the next frame. RFC 6455 5.1: the server's are not masked.
    pub(super) fn frame(&mut self, deadline: Instant) -> io::Result<Frame> {
        loop {
            if let [first, second, rest @ ..] = &self.body[..] {
                let (opcode, short) = (first & 0x0f, usize::from(second & 0x7f));
                let (skip, length) = match (short, rest) {
                    (0..=125, _) => (2, Some(short)),
                    (126, [a, b, ..]) => (4, Some(usize::from(u16::from_be_bytes([*a, *b])))),
                    (126, _) => (4, None),
                    _ => return Err(ErrorKind::InvalidData.into()), // the desk never sends a frame this long
                };
                if let Some(end) = length.map(|length| skip + length).filter(|end| *end <= self.body.len()) {
                    let payload = self.body[skip..end].to_vec();
                    self.body.drain(..end);
                    return Ok((opcode, payload));
                }
            }
            self.line.receive(&mut self.body, deadline)?;
        }
    }
}
