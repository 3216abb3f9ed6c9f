//! The target of a request: its host and its path (RFC 9112 3.2 and 3.3).

use std::net::Ipv6Addr;

/// Splits a request target into its authority, if it has one, and its path without the query. `None` if it is malformed:
/// RFC 9112 3. advises 400 for such a request line.
pub(super) fn split(target: &str) -> Option<(Option<&str>, &str)> {
    // RFC 3986 2.: other characters are percent-encoded. RFC 9112 3.2: a target has no fragment.
    if !target.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
        return None;
    }
    // RFC 9112 3.2.2: a server must also accept a target with scheme and host. RFC 3986 3.1: schemes ignore case.
    let is_ours =
        |scheme: &str| ["http", "https", "ws", "wss"].iter().any(|s| s.eq_ignore_ascii_case(scheme));
    let (authority, path) = match target.split_once("://") {
        Some((scheme, rest)) if is_ours(scheme) => {
            let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
            // RFC 9110 4.2.1: an http URI with an empty host is invalid.
            if host(authority).is_none_or(str::is_empty) {
                return None;
            }
            (Some(authority), path)
        }
        _ => (None, target),
    };
    let path = path.split('?').next().unwrap_or(path);
    // RFC 9110 4.2.3: an empty path is "/".
    Some((authority, if authority.is_some() && path.is_empty() { "/" } else { path }))
}

/// Returns the host of a `uri-host [":" port]` (RFC 9110 7.2), which may be empty. `None` if the text is malformed: RFC
/// 9112 3.2 requires 400 for a request with such a Host.
pub(crate) fn host(authority: &str) -> Option<&str> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']')?;
            address.parse::<Ipv6Addr>().ok()?;
            (&authority[..address.len() + 2], port)
        }
        None => {
            let (host, port) = authority.split_at(authority.find(':').unwrap_or(authority.len()));
            (is_registered_name(host).then_some(host)?, port)
        }
    };
    let digits = if port.is_empty() { port } else { port.strip_prefix(':')? };
    digits.bytes().all(|byte| byte.is_ascii_digit()).then_some(host)
}

/// RFC 3986 3.2.2: `*( unreserved / pct-encoded / sub-delims )`. IPv4 addresses match it too.
fn is_registered_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    while let Some(byte) = bytes.next() {
        let is_right = match byte {
            b'%' => {
                [bytes.next(), bytes.next()].iter().all(|digit| digit.is_some_and(|d| d.is_ascii_hexdigit()))
            }
            _ => byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&byte),
        };
        if !is_right {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address_with_a_port_or_without() {
        for (authority, name) in [
            ("desk.example", "desk.example"),
            ("desk.example:8000", "desk.example"),
            ("desk.example:", "desk.example"),
            ("127.0.0.1:8000", "127.0.0.1"),
            ("[::1]", "[::1]"),
            ("[2001:db8::1]:8000", "[2001:db8::1]"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
            ("a_b%20c", "a_b%20c"),
            ("", ""),
            (":8000", ""),
        ] {
            assert_eq!(host(authority), Some(name), "{authority}");
        }
        for bad in [
            "a b", "a\tb", "a/b", "a?b", "a#b", "user@a", "http://a", "a:b", "a:80:80", "a:-1", "[::1",
            "::1", "[::1]x", "[a]", "[::1]:x", "[]", "a%2", "a%zz", "a,b c", "\u{e9}", "a\"b", "<a>", "a\\b",
        ] {
            assert_eq!(host(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_target_may_name_scheme_and_host() {
        assert_eq!(split("/staff?x=/y"), Some((None, "/staff")));
        assert_eq!(split("http://desk.example:8000/staff?x"), Some((Some("desk.example:8000"), "/staff")));
        assert_eq!(split("HTTP://desk.example/healthz"), Some((Some("desk.example"), "/healthz")));
        assert_eq!(split("http://desk.example"), Some((Some("desk.example"), "/")));
        assert_eq!(split("ws://desk.example?x=/y"), Some((Some("desk.example"), "/")));
        assert_eq!(split("/a://b"), Some((None, "/a://b")));
        for bad in
            ["http:///healthz", "http://", "http://:80/", "http://user@h/", "http://a b/", "/a#b", "/\u{fc}"]
        {
            assert_eq!(split(bad), None, "{bad}");
        }
    }
}
