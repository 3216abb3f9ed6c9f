//! The head of a request, and the opening handshake in it. This is as much of HTTP as a WebSocket server needs: one
//! request per connection, and no request bodies.

use tungstenite::handshake::derive_accept_key;

use super::address::ClientAddress;
use super::response::Status;
use super::scope::Scope;
use super::target;
use crate::config::{HEAD_BYTES_MAX, HEAD_FIELDS_MAX};

/// The result of parsing the bytes received so far.
#[derive(Debug)]
pub(crate) enum Head<'a> {
    /// A part of a head.
    Partial,
    /// A whole head: the request, and how many bytes follow it. Those belong to the WebSocket.
    Whole(Request<'a>, usize),
    /// Not a head, or one that is not served: to be answered with this status.
    Refused(Status),
}

/// A request method, as far as the server tells methods apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `GET`.
    Get,
    /// `HEAD`: the response to GET without its body (RFC 9110 9.3.2).
    Head,
    /// Any other method.
    Other,
}

/// A well-formed request.
#[derive(Debug)]
pub struct Request<'a> {
    /// The method.
    pub method: Method,
    /// The path of the target, without the query.
    pub path: &'a str,
    /// The host and port that the request is for: those of the target, or else the Host field, which may be empty. Also
    /// empty if an HTTP/1.0 client sent no Host.
    pub host: &'a str,
    /// The Origin field: the site whose page sends the request (RFC 6454 7). Clients that are not browsers usually send
    /// none. Empty if the field is not UTF-8, which no origin equals.
    pub origin: Option<&'a str>,
    /// Whether the response may be compressed with gzip (RFC 9110 12.5.3).
    pub(crate) accepts_gzip: bool,
    /// The entity tags that the client has already (RFC 9110 13.1.2).
    pub(crate) if_none_match: Vec<&'a str>,
    upgrade: Upgrade,
    /// The subprotocols that the client offers, in its order (RFC 6455 4.1, 10.).
    pub protocols: Vec<&'a str>,
    /// The values of the X-Forwarded-For fields, in order. They are bytes because a client may put anything in front of
    /// what its proxy appends.
    pub forwarded_for: Vec<&'a [u8]>,
    /// The client's address. The hub fills it in from the socket's address and `forwarded_for`.
    pub client: ClientAddress,
    /// What the request's listener serves. The hub fills it in.
    pub scope: Scope,
}

impl Request<'_> {
    /// Returns the opening handshake in this request (RFC 6455 4.2.1).
    ///
    /// # Errors
    /// The request is not an opening handshake. The error is the status to answer with if its path serves only
    /// WebSockets.
    pub fn handshake(&self) -> Result<Handshake, Status> {
        match (self.method, self.upgrade) {
            (Method::Other, _) => Err(Status::MethodNotAllowed),
            (_, Upgrade::Malformed) => Err(Status::BadRequest),
            // RFC 6455 4.2.1, 1.: "an HTTP/1.1 or higher GET request"
            (Method::Get, Upgrade::Handshake(handshake)) => Ok(handshake),
            (Method::Get | Method::Head, _) => Err(Status::UpgradeRequired),
        }
    }
}

/// What the fields of a request say about a WebSocket, before its method is considered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Upgrade {
    /// A plain request.
    None,
    /// A handshake with another version than 13.
    OtherVersion,
    /// A handshake that breaks RFC 6455 4.2.1.
    Malformed,
    Handshake(Handshake),
}

/// A client's opening handshake that meets RFC 6455 4.2.1. Only `Request::handshake` returns one, so that no other
/// request can be upgraded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handshake {
    /// The Sec-WebSocket-Key: 16 bytes in base64.
    key: [u8; KEY_BYTES],
}

/// 16 bytes in base64 (RFC 6455 4.1).
const KEY_BYTES: usize = 24;

impl Handshake {
    fn from_key(key: &str) -> Option<Self> {
        let digits = key.strip_suffix("==")?;
        let is_base64 = digits.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'+' || b == b'/');
        let key = key.as_bytes().try_into().ok().filter(|_| is_base64)?;
        Some(Self { key })
    }

    /// Appends the server's handshake, after which the connection is a WebSocket (RFC 6455 4.2.2). `protocol` is one of
    /// the subprotocols that the client offered.
    pub(crate) fn append_answer(&self, protocol: Option<&str>, out: &mut Vec<u8>) {
        out.extend_from_slice(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ",
        );
        out.extend_from_slice(derive_accept_key(&self.key).as_bytes());
        if let Some(protocol) = protocol {
            out.extend_from_slice(b"\r\nSec-WebSocket-Protocol: ");
            out.extend_from_slice(protocol.as_bytes());
        }
        out.extend_from_slice(b"\r\n\r\n");
    }
}

/// Parses a request head of at most `HEAD_BYTES_MAX` bytes.
pub(crate) fn parse(bytes: &[u8]) -> Head<'_> {
    let mut fields = [httparse::EMPTY_HEADER; HEAD_FIELDS_MAX];
    let mut head = httparse::Request::new(&mut fields);
    match head.parse(&bytes[..bytes.len().min(HEAD_BYTES_MAX)]) {
        Ok(httparse::Status::Complete(length)) => match request(&head) {
            Some(request) => Head::Whole(request, bytes.len() - length),
            None => Head::Refused(Status::BadRequest),
        },
        Ok(httparse::Status::Partial) if bytes.len() < HEAD_BYTES_MAX => Head::Partial,
        Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => {
            Head::Refused(Status::FieldsTooLarge)
        }
        Err(_) => Head::Refused(Status::BadRequest),
    }
}

fn request<'a>(head: &httparse::Request<'_, 'a>) -> Option<Request<'a>> {
    let method = match head.method? {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        _ => Method::Other,
    };
    let http_1_1 = head.version? == 1;
    let host = match at_most_one(head, "host")? {
        Some(host) => std::str::from_utf8(host).ok()?,
        None if http_1_1 => return None, // RFC 9112 3.2: a request without Host is answered with 400
        None => "",
    };
    target::host(host)?;
    // RFC 9112 3.2.2: the authority of the target takes precedence over the Host field.
    let (authority, path) = target::split(head.path?)?;
    let fields = Fields(head);
    Some(Request {
        method,
        path,
        host: authority.unwrap_or(host),
        origin: at_most_one(head, "origin")?.map(|origin| std::str::from_utf8(origin).unwrap_or("")),
        accepts_gzip: fields.list("accept-encoding").any(is_gzip),
        if_none_match: fields.list("if-none-match").collect(),
        upgrade: upgrade(&fields, http_1_1),
        protocols: fields.list("sec-websocket-protocol").collect(),
        forwarded_for: fields.bytes("x-forwarded-for").collect(),
        client: ClientAddress::UNSPECIFIED,
        scope: Scope::All,
    })
}

/// Returns whether a member of Accept-Encoding allows gzip. The weight 0 forbids it (RFC 9110 12.4.2).
fn is_gzip(coding: &str) -> bool {
    let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
    let is_named = ["gzip", "x-gzip", "*"].iter().any(|coding| name.trim().eq_ignore_ascii_case(coding));
    let is_forbidden = weight
        .trim()
        .strip_prefix("q=")
        .is_some_and(|q| q.bytes().all(|digit| digit == b'0' || digit == b'.'));
    is_named && !is_forbidden
}

/// Checks the fields against RFC 6455 4.2.1; the numbers below are its points.
fn upgrade(fields: &Fields<'_, '_, '_>, http_1_1: bool) -> Upgrade {
    let asks = |name, token: &str| fields.list(name).any(|listed| listed.eq_ignore_ascii_case(token));
    // 3. and 4. Several fields of one name, such as two of Connection, are one list (RFC 9110 5.3).
    if !asks("upgrade", "websocket") || !asks("connection", "upgrade") {
        return Upgrade::None;
    }
    // 6. To another version we answer with the one that we speak (4.4).
    if !fields.values("sec-websocket-version").eq(["13"]) {
        return Upgrade::OtherVersion;
    }
    // RFC 9110 7.8: the new protocol begins behind the request. We read no body, so its bytes would be taken for
    // frames.
    let has_body = fields
        .values("content-length")
        .any(|length| length.is_empty() || length.bytes().any(|digit| digit != b'0'))
        || fields.values("transfer-encoding").next().is_some();
    // 5. "when decoded, is 16 bytes in length", and 1. "HTTP/1.1 or higher"
    let mut keys = fields.values("sec-websocket-key");
    match (keys.next(), keys.next()) {
        (Some(key), None) if http_1_1 && !has_body => {
            Handshake::from_key(key).map_or(Upgrade::Malformed, Upgrade::Handshake)
        }
        _ => Upgrade::Malformed,
    }
}

struct Fields<'h, 'f, 'a>(&'h httparse::Request<'f, 'a>);

impl<'a> Fields<'_, '_, 'a> {
    /// Returns the values of all fields with this name, as bytes.
    fn bytes(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        let named = self.0.headers.iter().filter(move |field| field.name.eq_ignore_ascii_case(name));
        named.map(|field| field.value.trim_ascii())
    }

    /// Returns the values of all fields with this name. A value that is not UTF-8 becomes empty: no value that we look
    /// for is.
    fn values(&self, name: &str) -> impl Iterator<Item = &'a str> {
        self.bytes(name).map(|value| std::str::from_utf8(value).unwrap_or(""))
    }

    /// Returns the elements of a field whose value is a list (RFC 9110 5.6.1).
    fn list(&self, name: &str) -> impl Iterator<Item = &'a str> {
        self.values(name).flat_map(|value| value.split(',')).map(str::trim).filter(|e| !e.is_empty())
    }
}

/// Returns the value of a field that may occur at most once; the outer `None` if it occurs twice.
#[expect(clippy::option_option, reason = "refused, absent and present are three things")]
fn at_most_one<'a>(head: &httparse::Request<'_, 'a>, name: &str) -> Option<Option<&'a [u8]>> {
    let fields = Fields(head);
    let mut values = fields.bytes(name);
    let first = values.next();
    values.next().is_none().then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HANDSHAKE: &str = "GET /chat?x=1 HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: WebSocket\r\n\
        Connection: keep-alive\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: superchat, x\r\nSec-WebSocket-Version: 13\r\n\r\n";

    fn refused(head: &str) -> Option<Status> {
        match parse(head.as_bytes()) {
            Head::Refused(status) => Some(status),
            _ => None,
        }
    }

    #[test]
    fn a_head_is_a_part_until_it_is_too_long() {
        let part = format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(HEAD_BYTES_MAX));
        assert!(matches!(parse(&part.as_bytes()[..HEAD_BYTES_MAX - 1]), Head::Partial));
        assert_eq!(refused(&part[..HEAD_BYTES_MAX]), Some(Status::FieldsTooLarge));
    }

    #[test]
    fn gzip_is_accepted_unless_its_weight_is_0() {
        for coding in ["gzip", "x-gzip", "GZIP", "*", "gzip;q=1", "gzip; q=0.5", "gzip ;q=0.001"] {
            assert!(is_gzip(coding), "{coding}");
        }
        for coding in ["", "br", "gzip;q=0", "gzip; q=0.000", "*;q=0", "br;q=1"] {
            assert!(!is_gzip(coding), "{coding}");
        }
    }

    #[test]
    fn the_handshake_of_the_rfc_with_its_lists_in_pieces() {
        let bytes = [HANDSHAKE.as_bytes(), b"\x81\x80"].concat();
        let Head::Whole(request, behind) = parse(&bytes) else { panic!("not whole") };
        assert_eq!(behind, 2);
        assert_eq!(
            (request.method, request.path, request.host),
            (Method::Get, "/chat", "server.example.com")
        );
        assert_eq!(request.protocols, ["chat", "superchat", "x"]);
        let mut answer = Vec::new();
        request.handshake().unwrap().append_answer(Some("chat"), &mut answer);
        assert!(String::from_utf8(answer).unwrap().contains("Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
    }

    #[test]
    fn every_shorter_piece_of_a_head_is_partial() {
        for length in 0..HANDSHAKE.len() {
            assert!(matches!(parse(&HANDSHAKE.as_bytes()[..length]), Head::Partial), "{length}");
        }
    }

    #[test]
    fn a_bad_head_is_refused() {
        assert_eq!(refused("GET / HTTP/1.1\r\n\r\n"), Some(Status::BadRequest));
        assert_eq!(refused("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), Some(Status::BadRequest));
        assert_eq!(refused("\x16\x03\x01\x02"), Some(Status::BadRequest));
        let long = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}", "x".repeat(HEAD_BYTES_MAX));
        assert_eq!(refused(&long), Some(Status::FieldsTooLarge));
        let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "A: b\r\n".repeat(HEAD_FIELDS_MAX));
        assert_eq!(refused(&many), Some(Status::FieldsTooLarge));
    }

    #[test]
    fn each_fault_of_a_handshake_has_its_status() {
        for (from, to, status) in [
            ("GET", "POST", Some(Status::MethodNotAllowed)),
            ("GET", "HEAD", Some(Status::UpgradeRequired)),
            ("Version: 13", "Version: 8", Some(Status::UpgradeRequired)),
            ("ub25jZQ==", "ub25jZQ=", Some(Status::BadRequest)),
            ("ub25jZQ==", "ub25jZQQ==", Some(Status::BadRequest)),
            ("ub25jZQ==", "ub25j_Q==", Some(Status::BadRequest)),
            ("HTTP/1.1", "HTTP/1.0", Some(Status::BadRequest)),
            ("Host:", "Content-Length: 1\r\nHost:", Some(Status::BadRequest)),
            ("Host:", "Content-Length: x\r\nHost:", Some(Status::BadRequest)),
            ("Host:", "Transfer-Encoding: chunked\r\nHost:", Some(Status::BadRequest)),
            ("Host:", "Content-Length: 0\r\nHost:", None),
            ("Connection: Upgrade", "Connection: close", Some(Status::UpgradeRequired)),
            ("WebSocket\r", "h2c\r", Some(Status::UpgradeRequired)),
        ] {
            let head = HANDSHAKE.replace(from, to);
            let Head::Whole(request, _) = parse(head.as_bytes()) else { panic!("{from}") };
            assert_eq!(request.handshake().err(), status, "{from} as {to}");
        }
    }
}
