//! The server seen from outside: its metrics, and how long a newcomer waits for /healthz.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// The longest wait for an answer.
const ANSWER_MAX: Duration = Duration::from_secs(2);
/// The time between two requests for /healthz.
const PAUSE: Duration = Duration::from_millis(25);

/// The answer to a GET.
fn get(server: SocketAddr, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect_timeout(&server, ANSWER_MAX).ok()?;
    stream.set_read_timeout(Some(ANSWER_MAX)).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.starts_with("HTTP/1.1 200").then_some(answer)
}

/// The samples of /metrics, by name and label. Empty if the server does not answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metrics(BTreeMap<String, f64>);

impl Metrics {
    pub(crate) fn read(server: SocketAddr) -> Self {
        let text = get(server, "/metrics").unwrap_or_default();
        let samples = text.lines().filter(|line| line.starts_with("deskwire_"));
        let pairs = samples.filter_map(|line| line.rsplit_once(' '));
        Self(pairs.filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?))).collect())
    }

    /// The value of a sample, or NaN if there is none.
    pub(crate) fn value(&self, name: &str) -> f64 {
        self.0.get(name).copied().unwrap_or(f64::NAN)
    }

    /// How much a counter has grown.
    pub(crate) fn since(&self, before: &Self, name: &str) -> f64 {
        self.value(name) - before.value(name)
    }

    /// The close codes that the server used first since then.
    pub(crate) fn closes_since(&self, before: &Self) -> Vec<(String, u64)> {
        let codes = self.0.iter().filter_map(|(name, count)| {
            let code = name.strip_prefix("deskwire_closes_total{code=\"")?.strip_suffix("\"}")?;
            let count = count - before.0.get(name).copied().unwrap_or(0.0);
            (count > 0.0).then(|| (code.to_owned(), count as u64))
        });
        codes.collect()
    }
}

/// Requests /healthz again and again.
pub(crate) struct Newcomer {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Duration>>,
}

impl Newcomer {
    pub(crate) fn start(server: SocketAddr) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut times = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                let began = Instant::now();
                let is_answered = get(server, "/healthz").is_some();
                times.push(if is_answered { began.elapsed() } else { ANSWER_MAX });
                thread::sleep(PAUSE);
            }
            times
        });
        Self { stop, thread }
    }

    /// The longest request, in milliseconds.
    pub(crate) fn stop(self) -> f64 {
        self.stop.store(true, Ordering::Relaxed);
        let times = self.thread.join().unwrap_or_default();
        times.into_iter().max().unwrap_or(ANSWER_MAX).as_secs_f64() * 1e3
    }
}
