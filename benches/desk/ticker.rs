//! Wakes the load generator at fixed times that lie closer together than the whole milliseconds an epoll waits for.
//!
//! Polling again and again would do as well on an idle machine. But on a busy one, a process that always wants to run
//! does not run at once, and that would show as the server's latency.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use mio::Waker;

pub(crate) struct Ticker {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    /// Wakes this many times a second, from `start` on.
    pub(crate) fn start(waker: Waker, start: Instant, per_second: u64) -> Self {
        // How many nanoseconds late a sleep may end: 50 us by default. The thread inherits this.
        let _ = std::fs::write("/proc/self/timerslack_ns", "1"); // older kernels: somewhat late
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut beat = 0;
            while !stopped.load(Ordering::Relaxed) {
                let due = start + Duration::from_nanos(beat * 1_000_000_000 / per_second);
                thread::sleep(due.saturating_duration_since(Instant::now()));
                if waker.wake().is_err() {
                    return;
                }
                beat += 1;
            }
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}
