//! HTTP/1.1 heads, written and parsed by hand: the handshake of RFC 6455 4, and plain requests.

use std::net::SocketAddr;

/// The sample key of RFC 6455 1.3, and the answer to it.
pub const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
pub const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// A request head.
#[derive(Clone)]
pub struct Request {
    method: String,
    path: String,
    version: &'static str,
    headers: Vec<(String, String)>,
}

impl Request {
    pub fn new(method: &str, path: &str) -> Self {
        Self { method: method.to_owned(), path: path.to_owned(), version: "HTTP/1.1", headers: Vec::new() }
    }

    pub fn get(path: &str) -> Self {
        Self::new("GET", path)
    }

    /// A client's handshake with the fields that RFC 6455 4.1 requires.
    pub fn upgrade(path: &str) -> Self {
        Self::get(path)
            .header("Upgrade", "websocket")
            .header("Connection", "Upgrade")
            .header("Sec-WebSocket-Key", KEY)
            .header("Sec-WebSocket-Version", "13")
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
        self
    }

    pub fn method(mut self, method: &str) -> Self {
        method.clone_into(&mut self.method);
        self
    }

    pub fn version(mut self, version: &'static str) -> Self {
        self.version = version;
        self
    }

    /// The bytes of the head. The `Host` is the server's address unless the test set another one.
    pub fn bytes(&self, addr: SocketAddr) -> Vec<u8> {
        let mut head = format!("{} {} {}\r\n", self.method, self.path, self.version);
        if !self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            head += &format!("Host: {addr}\r\n");
        }
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += "\r\n";
        head.into_bytes()
    }
}

/// A response head.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    headers: Vec<(String, String)>,
}

impl Response {
    pub fn parse(head: &[u8]) -> Self {
        let head = std::str::from_utf8(head).expect("a response head is text");
        let mut lines = head.trim_end_matches("\r\n").split("\r\n");
        let status = lines.next().unwrap_or_default();
        let code = status.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.split(' ').next());
        let code =
            code.and_then(|code| code.parse().ok()).unwrap_or_else(|| panic!("bad status line {status:?}"));
        let header = |line: &str| {
            let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("bad header line {line:?}"));
            assert!(!name.contains([' ', '\n', '\t']), "bad header name {name:?}");
            assert!(!value.contains(['\n', '\r']), "bad header value {value:?}");
            (name.to_ascii_lowercase(), value.trim().to_owned())
        };
        Self { status: code, headers: lines.map(header).collect() }
    }

    /// A header's value. Panics if the header occurs twice, which is always a defect.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "{name} stands twice in {self:?}");
        value
    }
}
