//! A running desk with its users and staff, and other set-up of tests.

use std::fs;
use std::io::Read;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::client::Peer;
use super::head::Request;
use super::roles::{Staff, User};
use super::schema::Side;
use super::server::{Launch, Server, TOKEN};
use super::wire::{PATIENCE, Wire};

/// A running server that users and staff can connect to.
pub struct Desk {
    pub server: Server,
}

/// Two people in the middle of a chat who have read everything that they were sent.
pub struct Chat {
    pub alice: User,
    pub sam: Staff,
    pub ticket: String,
}

impl Desk {
    pub fn start() -> Self {
        Self::with(&[])
    }

    pub fn with(args: &[&str]) -> Self {
        Self::of(Launch::new().args(args))
    }

    pub fn of(launch: Launch) -> Self {
        Self { server: launch.start() }
    }

    /// A new user.
    pub fn user(&self, name: &str) -> User {
        let user = User::welcomed(self.user_peer(name, None));
        assert_eq!(user.welcome["resumed"], false, "{name} is new");
        user
    }

    /// A user who comes back with the session from an earlier `welcome`.
    pub fn user_again(&self, name: &str, session: &str) -> User {
        User::welcomed(self.user_peer(name, Some(session)))
    }

    /// A user's connection after the handshake, with nothing read: the server may still refuse it.
    pub fn user_peer(&self, name: &str, session: Option<&str>) -> Peer {
        Peer::open(self.server.addr, Side::User, name, &upgrade("user", name, session))
    }

    pub fn staff(&self, name: &str) -> Staff {
        Staff::welcomed(self.staff_peer(name, Some(TOKEN)))
    }

    pub fn staff_peer(&self, name: &str, token: Option<&str>) -> Peer {
        Peer::open(self.server.addr, Side::Staff, name, &upgrade("staff", name, token))
    }

    /// A chat: Alice has a ticket, Sam has picked it, and both have read everything about it.
    pub fn chat(&self) -> Chat {
        let mut sam = self.staff("sam").online();
        let mut alice = self.user("alice");
        let ticket = alice.create("the printer");
        sam.pick(&ticket);
        alice.expect("staff_joined");
        alice.drain();
        sam.drain();
        Chat { alice, sam, ticket }
    }

    /// Another chat of Sam's: Bob has a ticket, and Sam has picked it.
    pub fn second_chat(&self, sam: &mut Staff) -> (User, String) {
        let mut bob = self.user("bob");
        let ticket = bob.create("another matter");
        sam.pick(&ticket);
        bob.expect("staff_joined");
        (bob, ticket)
    }

    /// The samples of `/metrics`.
    pub fn metrics(&self) -> Metrics {
        let (response, body) = Wire::fetch(self.server.addr, &Request::get("/metrics"));
        assert_eq!(response.status, 200);
        Metrics::parse(&body)
    }

    /// Asserts that `/healthz` answers.
    pub fn assert_healthy(&self) {
        let (response, body) = Wire::fetch(self.server.addr, &Request::get("/healthz"));
        assert_eq!((response.status, body.trim_ascii()), (200, &b"ok"[..]));
    }
}

/// The samples of a metrics page: names with their labels, and values.
#[derive(Debug)]
pub struct Metrics(Vec<(String, f64)>);

impl Metrics {
    pub fn parse(body: &[u8]) -> Self {
        let body = std::str::from_utf8(body).expect("text");
        let samples = body.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        let sample = |line: &str| {
            let (name, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no sample: {line:?}"));
            (name.to_owned(), value.parse().unwrap_or_else(|_| panic!("no number: {line:?}")))
        };
        Self(samples.map(sample).collect())
    }

    /// The sum of the samples that have all these words in their names.
    pub fn total(&self, words: &[&str]) -> f64 {
        let found: Vec<_> =
            self.0.iter().filter(|(name, _)| words.iter().all(|word| name.contains(word))).collect();
        assert!(!found.is_empty(), "no sample has {words:?} in {self:#?}");
        found.iter().map(|(_, value)| value).sum()
    }
}

/// A page's handshake: it offers the protocol and, as a second entry, the secret.
pub fn upgrade(role: &str, name: &str, secret: Option<&str>) -> Request {
    let protocol = secret.map_or("deskwire.v1".to_owned(), |secret| format!("deskwire.v1, secret.{secret}"));
    Request::upgrade(&format!("/ws/{role}/{name}")).header("Sec-WebSocket-Protocol", &protocol)
}

/// Waits for something that no frame announces, such as a freed descriptor, by checking it every 20 ms.
///
/// The limit is shorter than the deadline of a request head, which would free a socket anyway.
pub fn eventually(what: &str, mut met: impl FnMut() -> bool) {
    let (mut silent, _open) = UnixStream::pair().expect("a socket pair");
    silent.set_read_timeout(Some(Duration::from_millis(20))).expect("an open socket");
    let deadline = Instant::now() + PATIENCE / 2;
    while !met() {
        assert!(Instant::now() < deadline, "never came true: {what}");
        let _ = silent.read(&mut [0]);
    }
}

/// Whether a line of the log names this file and this line number.
pub fn names_line(line: &str, path: &str, number: u32) -> bool {
    line.contains(&format!("{path}:{number}"))
        || (line.contains(path) && line.contains(&format!("line {number}")))
}

/// A temporary file, which is removed when the test ends.
pub struct TempFile(pub PathBuf);

impl TempFile {
    pub fn new(content: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let file = Self(std::env::temp_dir().join(format!("deskwire-test-{}-{count}", std::process::id())));
        file.write(content);
        file
    }

    pub fn write(&self, content: &str) {
        fs::write(&self.0, content).expect("the temporary directory can be written");
    }

    pub fn path(&self) -> &str {
        self.0.to_str().expect("a path in UTF-8")
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
