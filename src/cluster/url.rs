//! The URL of Redis: its address, and how to sign in.

use std::net::{SocketAddr, ToSocketAddrs};
use std::{fmt, io, vec};

/// The port of Redis that is registered with IANA.
const DEFAULT_PORT: u16 = 6379;

/// A URL of the scheme `redis`, or of `rediss`, which has TLS.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrl {
    /// A name or an address, without the brackets of an IPv6 address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The number of the database.
    pub database: u32,
    /// Whether there is TLS.
    pub(super) has_tls: bool,
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
}

/// The address without user and password, for log lines.
impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisUrl({self})")
    }
}

impl RedisUrl {
    /// Reads a URL.
    ///
    /// # Errors
    /// What is wrong with it. The text does not quote the URL, since a password may be in it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const FORM: &str = "must be redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE], or rediss:// for TLS";
        let (has_tls, rest) = match text.strip_prefix("rediss://") {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix("redis://").ok_or(FORM)?),
        };
        if has_tls && cfg!(not(feature = "tls")) {
            return Err("rediss:// needs a deskwire that was built with the feature tls");
        }
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (login, place) = match authority.rsplit_once('@') {
            Some((login, place)) => (Some(login), place),
            None => (None, authority),
        };
        let (user, password) = match login {
            Some(login) => read_login(login).ok_or(
                "special characters in user and password must be percent-encoded: %40 for @, %3A for :",
            )?,
            None => (None, None),
        };
        let (host, port) = read_place(place).ok_or(FORM)?;
        let database =
            if path.is_empty() { 0 } else { path.parse().map_err(|_| "the database must be a number")? };
        Ok(Self { host, port, database, has_tls, user, password })
    }

    /// Looks up the addresses of the host. Blocks until the resolver answers.
    pub(super) fn look_up(&self) -> io::Result<vec::IntoIter<SocketAddr>> {
        (self.host.as_str(), self.port).to_socket_addrs()
    }
}

/// Reads `user:password`, `:password` or, as redis-cli does, `user`.
fn read_login(login: &str) -> Option<(Option<String>, Option<String>)> {
    let (user, password) =
        login.split_once(':').map_or((login, None), |(user, password)| (user, Some(password)));
    let some = |text: &str| if text.is_empty() { Some(None) } else { percent_decode(text).map(Some) };
    Some((some(user)?, some(password.unwrap_or(""))?))
}

fn read_place(place: &str) -> Option<(String, u16)> {
    let (host, port) = match place.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            (host, if port.is_empty() { None } else { Some(port.strip_prefix(':')?) })
        }
        None => place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
    };
    let is_host =
        !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#[]@".contains(&byte));
    let port = port.map_or(Some(DEFAULT_PORT), |port| port.parse().ok())?;
    is_host.then(|| (host.to_owned(), port))
}

/// Decodes percent-encoding (RFC 3986 2.1).
fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digit =
                |byte: Option<u8>| char::from(byte?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
            let (high, low) = (digit(rest.next())?, digit(rest.next())?);
            bytes.push(high << 4 | low);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_read_with_all_its_parts() {
        let url = RedisUrl::parse("redis://desk:p%40ss%3aword@redis.example:6380/3").unwrap();
        assert_eq!((url.host.as_str(), url.port, url.database), ("redis.example", 6380, 3));
        assert_eq!((url.user.as_deref(), url.password.as_deref()), (Some("desk"), Some("p@ss:word")));
        let url = RedisUrl::parse("redis://:secret@[::1]").unwrap();
        assert_eq!((url.host.as_str(), url.port, url.database), ("::1", 6379, 0));
        assert_eq!((url.user, url.password.as_deref()), (None, Some("secret")));
        assert!(!url.has_tls);
        assert_eq!(RedisUrl::parse("redis://localhost/").unwrap().to_string(), "localhost:6379");
        assert_eq!(
            RedisUrl::parse("rediss://localhost").map(|url| url.has_tls).ok(),
            cfg!(feature = "tls").then_some(true)
        );
    }

    #[test]
    fn what_is_wrong_with_a_url_is_said_without_its_password() {
        let bad = [
            "",
            "localhost",
            "redis://",
            "redis://:secret@",
            "redis://:secret@h:port",
            "redis://:secret@h/x",
        ];
        for text in
            bad.into_iter().chain(["rediss://:secret@", "redis://:secret%@h", "redis://[::1", "redis://h?x"])
        {
            let why = RedisUrl::parse(text).unwrap_err();
            assert!(!why.contains("secret") && !why.is_empty(), "{text}");
        }
        let url = RedisUrl::parse("redis://:secret@h").unwrap();
        assert!(!format!("{url:?} {url}").contains("secret"));
    }
}
