//! The response to a request that is not an opening handshake, or to a handshake that is refused. After any response
//! the connection ends.

use std::borrow::Cow;
use std::ops::Deref;
use std::rc::Rc;
use std::time::{Duration, UNIX_EPOCH};

use httpdate::HttpDate;

use super::http::Method;
use crate::config::Millis;

/// The status codes that the server sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
#[expect(missing_docs, reason = "RFC 9110 section 15 defines them")]
pub enum Status {
    Ok = 200,
    NotModified = 304,
    BadRequest = 400,
    Forbidden = 403,
    NotFound = 404,
    MethodNotAllowed = 405,
    Timeout = 408,
    UpgradeRequired = 426,
    FieldsTooLarge = 431,
    Unavailable = 503,
}

impl Status {
    /// Returns the reason phrase, which is also the default body.
    pub(crate) fn phrase(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::NotModified => "Not Modified",
            Self::BadRequest => "Bad Request",
            Self::Forbidden => "Forbidden",
            Self::NotFound => "Not Found",
            Self::MethodNotAllowed => "Method Not Allowed",
            Self::Timeout => "Request Timeout",
            Self::UpgradeRequired => "Upgrade Required",
            Self::FieldsTooLarge => "Request Header Fields Too Large",
            Self::Unavailable => "Service Unavailable",
        }
    }
}

/// A response, after which the connection ends.
#[derive(Debug)]
pub struct Response {
    /// The status code.
    pub status: Status,
    /// The value of the Content-Type field.
    pub content_type: &'static str,
    /// Additional field lines, each with its CRLF.
    pub fields: Cow<'static, str>,
    /// The body, which is left out of a response to HEAD.
    pub body: Body,
}

/// The body of a response.
#[derive(Debug)]
pub enum Body {
    /// Built into the binary.
    Static(&'static [u8]),
    /// Made for this response.
    Owned(Vec<u8>),
    /// Made at the start, and shared by all responses.
    Shared(Rc<[u8]>),
}

impl Deref for Body {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Static(bytes) => bytes,
            Self::Owned(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }
}

impl From<Status> for Response {
    /// Creates a response whose body is the reason phrase.
    fn from(status: Status) -> Self {
        let fields = match status {
            Status::MethodNotAllowed => "Allow: GET, HEAD\r\n",
            // RFC 6455 4.4: the versions that the server supports
            Status::UpgradeRequired => "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
            _ => "",
        };
        let body = Body::Static(status.phrase().as_bytes());
        Self { status, content_type: "text/plain; charset=utf-8", fields: fields.into(), body }
    }
}

impl Response {
    /// Appends the response to a request with this method. `now` is the time for the Date field.
    pub(crate) fn append(&self, method: Method, now: Millis, out: &mut Vec<u8>) {
        // RFC 9110 6.6.1: an origin server with a clock must send Date
        let date = HttpDate::from(UNIX_EPOCH + Duration::from_millis(now));
        // RFC 9110 7.8: a server that sends Upgrade must list it in Connection as well
        let upgrade = if self.status == Status::UpgradeRequired { ", Upgrade" } else { "" };
        // RFC 9110 15.4.5: a 304 has no body, and the client has the type and the length already
        let content = match self.status {
            Status::NotModified => String::new(),
            _ => format!("Content-Type: {}\r\nContent-Length: {}\r\n", self.content_type, self.body.len()),
        };
        let head = format!(
            "HTTP/1.1 {} {}\r\nDate: {date}\r\n{content}{}\
             X-Content-Type-Options: nosniff\r\nConnection: close{upgrade}\r\n\r\n",
            self.status as u16,
            self.status.phrase(),
            self.fields,
        );
        out.extend_from_slice(head.as_bytes());
        if method != Method::Head && self.status != Status::NotModified {
            out.extend_from_slice(&self.body);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_answer_says_about_its_body_depends_on_status_and_method() {
        let answer = |status, method| {
            let mut answer = Vec::new();
            Response { body: Body::Static(b"body"), ..Response::from(status) }.append(method, 0, &mut answer);
            String::from_utf8(answer).unwrap()
        };
        let (length, body) = ("\r\nContent-Length: 4\r\n", "\r\n\r\nbody");
        let of_get = answer(Status::Ok, Method::Get);
        assert!(of_get.contains(length) && of_get.ends_with(body), "{of_get}");
        let of_head = answer(Status::Ok, Method::Head);
        assert!(of_head.contains(length) && of_head.ends_with("\r\n\r\n"), "{of_head}");
        let unchanged = answer(Status::NotModified, Method::Get);
        assert!(!unchanged.contains("\r\nContent-") && unchanged.ends_with("\r\n\r\n"), "{unchanged}");
        assert!(of_get.contains("\r\nConnection: close\r\n"), "{of_get}");
        let upgrade = answer(Status::UpgradeRequired, Method::Get);
        assert!(upgrade.contains("\r\nConnection: close, Upgrade\r\n"), "{upgrade}");
    }

    #[test]
    fn the_date_of_an_answer_is_that_of_the_rfc() {
        let mut answer = Vec::new();
        Response::from(Status::Ok).append(Method::Get, 784_111_777_999, &mut answer); // RFC 9110 5.6.7
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.contains("\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"), "{answer}");
    }
}
