//! The head of a request, and the opening handshake in it. As much of HTTP as a WebSocket server needs: one request a
//! connection, and no body.

use tungstenite::handshake::derive_accept_key;

use super::address::ClientAddress;
use super::response::Status;
use super::target;
use crate::config::{HEAD_BYTES_MAX, HEAD_FIELDS_MAX};

/// What has come of a request head.
#[derive(Debug)]
pub(crate) enum Head<'a> {
    /// A part of it.
    Partial,
    /// All of it: the request, and how many of the bytes come behind it. These belong to the WebSocket.
    Whole(Request<'a>, usize),
    /// None, or none that is served: answered with this status.
    Refused(Status),
}

/// A request method, as far as it makes a difference here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `GET`.
    Get,
    /// `HEAD`: the response to GET without its body (RFC 9110 9.3.2).
    Head,
    /// Any other.
    Other,
}

/// A request that is well-formed.
#[derive(Debug)]
pub struct Request<'a> {
    /// Its method.
    pub method: Method,
    /// The path of the target, without the query.
    pub path: &'a str,
    /// Host and port that the request is for: those of the target, else the Host field, which may be empty. Empty as
    /// well where an HTTP/1.0 client sent none.
    pub host: &'a str,
    /// The Origin field: the site whose page sends the request (RFC 6454 7). Programs send none. Empty where it is not UTF-8, which is no origin.
    pub origin: Option<&'a str>,
    /// Whether the response may be compressed with gzip (RFC 9110 12.5.3).
    pub accepts_gzip: bool,
    /// The entity tags of what the client has already (RFC 9110 13.1.2).
    pub if_none_match: Vec<&'a str>,
    upgrade: Upgrade,
    /// The subprotocols that the client offers, in its order (RFC 6455 4.1, 10.).
    pub protocols: Vec<&'a str>,
    /// The values of the X-Forwarded-For fields, in order. As bytes: a client may put anything before what its proxy appends.
    pub forwarded_for: Vec<&'a [u8]>,
    /// The client. The hub fills it in, from the socket's address and `forwarded_for`.
    pub client: ClientAddress,
}

impl Request<'_> {
    /// Returns the opening handshake that this request is (RFC 6455 4.2.1).
    ///
    /// # Errors
    /// It is none: the status to answer it with, where a WebSocket is all that its path has.
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

/// The WebSocket side of a request, its method aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Upgrade {
    /// A plain request.
    None,
    /// A handshake of another version than 13.
    OtherVersion,
    /// A handshake that is not as RFC 6455 4.2.1 says.
    Malformed,
    Handshake(Handshake),
}

/// A client's opening handshake that fulfils RFC 6455 4.2.1. Only `Request::handshake` gives one, so that no other request
/// can be upgraded.
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

    /// Appends the server's handshake, which makes a WebSocket of the connection (RFC 6455 4.2.2). `protocol` is one of the
    /// subprotocols that were offered.
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

/// Parses a request head, at most `HEAD_BYTES_MAX` bytes of it.
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
    // RFC 9112 3.2.2: the authority of the target goes before the Host field.
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
    })
}

/// Whether a member of Accept-Encoding is gzip, and not with the weight 0, which forbids it (RFC 9110 12.4.2).
fn is_gzip(coding: &str) -> bool {
    let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
    let is_named = ["gzip", "x-gzip", "*"].iter().any(|coding| name.trim().eq_ignore_ascii_case(coding));
    let is_forbidden = weight
        .trim()
        .strip_prefix("q=")
        .is_some_and(|q| q.bytes().all(|digit| digit == b'0' || digit == b'.'));
    is_named && !is_forbidden
}

/// RFC 6455 4.2.1, point by point.
fn upgrade(fields: &Fields<'_, '_, '_>, http_1_1: bool) -> Upgrade {
    let asks = |name, token: &str| fields.list(name).any(|listed| listed.eq_ignore_ascii_case(token));
    // 3. and 4.; fields that come in pieces, such as two of Connection, are one list (RFC 9110 5.3)
    if !asks("upgrade", "websocket") || !asks("connection", "upgrade") {
        return Upgrade::None;
    }
    // 6.; with a version that we do not speak, 4.4 has us say which we do
    if !fields.values("sec-websocket-version").eq(["13"]) {
        return Upgrade::OtherVersion;
    }
    // 5. "when decoded, is 16 bytes in length", and 1. "HTTP/1.1 or higher"
    // RFC 9110 7.8: the new protocol begins behind the request. We read no body, so its bytes would be taken for frames.
    let has_body = fields
        .values("content-length")
        .any(|length| length.is_empty() || length.bytes().any(|digit| digit != b'0'))
        || fields.values("transfer-encoding").next().is_some();
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
    /// The values of all fields of a name, as bytes.
    fn bytes(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        let named = self.0.headers.iter().filter(move |field| field.name.eq_ignore_ascii_case(name));
        named.map(|field| field.value.trim_ascii())
    }

    /// The values of all fields of a name. One that is not UTF-8 is nothing that we look for.
    fn values(&self, name: &str) -> impl Iterator<Item = &'a str> {
        self.bytes(name).map(|value| std::str::from_utf8(value).unwrap_or(""))
    }

    /// The elements of a field that is a list (RFC 9110 5.6.1).
    fn list(&self, name: &str) -> impl Iterator<Item = &'a str> {
        self.values(name).flat_map(|value| value.split(',')).map(str::trim).filter(|e| !e.is_empty())
    }
}

/// A field that may stand once: `None` where it stands twice.
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
    fn what_is_no_handshake_has_its_status() {
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
