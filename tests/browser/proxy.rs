//! A line that can break: every connection between a page and the desk goes through here, and obeys the test.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use crate::chromium::lock;

/// Which way bytes go.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From the page to the desk.
    Up,
    /// From the desk to the page.
    Down,
}

pub struct Proxy {
    pub addr: SocketAddr,
    line: Arc<Line>,
}

struct Line {
    now: Mutex<Now>,
    changed: Condvar,
}

struct Now {
    desk: SocketAddr,
    /// Nobody gets through, and whoever was is cut off.
    is_cut: bool,
    stalled: [bool; 2],
    /// Raised by each cut: a connection of an earlier count is dead, and what it held is lost.
    cuts: u64,
    open: Vec<TcpStream>,
    /// How often somebody came, let through or not.
    calls: u64,
}

impl Proxy {
    pub fn to(desk: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let addr = listener.local_addr().expect("it is bound");
        let now = Now { desk, is_cut: false, stalled: [false; 2], cuts: 0, open: Vec::new(), calls: 0 };
        let line = Arc::new(Line { now: Mutex::new(now), changed: Condvar::new() });
        let ours = Arc::clone(&line);
        thread::spawn(move || {
            for page in listener.incoming().flatten() {
                ours.join(page);
            }
        });
        Self { addr, line }
    }

    /// Ends every connection at once, without a close frame; what was stalled is lost. New ones are turned away.
    pub fn cut(&self) {
        let mut now = self.line.now();
        now.is_cut = true;
        now.stalled = [false; 2];
        now.cuts += 1;
        for stream in now.open.drain(..) {
            let _ = stream.shutdown(Shutdown::Both); // it may have ended by itself
        }
        drop(now);
        self.line.changed.notify_all();
    }

    /// Whoever comes now gets through.
    pub fn mend(&self) {
        self.line.now().is_cut = false;
    }

    /// Takes bytes and passes none on: a line that looks alive.
    pub fn stall(&self, way: Way) {
        self.line.now().stalled[way as usize] = true;
    }

    /// What was held goes on its way.
    pub fn flow(&self) {
        self.line.now().stalled = [false; 2];
        self.line.changed.notify_all();
    }

    /// Another desk stands at the other end from now on.
    pub fn lead_to(&self, desk: SocketAddr) {
        self.line.now().desk = desk;
    }

    pub fn calls(&self) -> u64 {
        self.line.now().calls
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.cut();
    }
}

impl Line {
    fn now(&self) -> MutexGuard<'_, Now> {
        lock(&self.now)
    }

    fn join(self: &Arc<Self>, page: TcpStream) {
        let mut now = self.now();
        now.calls += 1;
        if now.is_cut {
            return;
        }
        let Ok(desk) = TcpStream::connect(now.desk) else { return };
        let cuts = now.cuts;
        let twin = |stream: &TcpStream| stream.try_clone().expect("descriptors enough");
        now.open.extend([twin(&page), twin(&desk)]);
        for (from, to, way) in [(twin(&page), twin(&desk), Way::Up), (desk, page, Way::Down)] {
            let line = Arc::clone(self);
            thread::spawn(move || line.carry(from, to, way, cuts));
        }
    }

    fn carry(&self, mut from: TcpStream, mut to: TcpStream, way: Way, cuts: u64) {
        let mut bytes = [0; 16 * 1024];
        while let Ok(n) = from.read(&mut bytes) {
            let now = self.now();
            let was_stalled = now.stalled[way as usize];
            let now = self.changed.wait_while(now, |now| now.stalled[way as usize] && now.cuts == cuts);
            if now.is_ok_and(|now| now.cuts != cuts) {
                return;
            }
            // An attempt to connect that the page has given up meanwhile must not reach the desk behind the one that it made
            // since: the desk would take it for the newer of the two.
            if was_stalled && has_ended(&from) {
                break;
            }
            if n == 0 || to.write_all(&bytes[..n]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Write); // the other end may be gone already
    }
}

/// Whether the other end has closed its side, and nothing else has come.
fn has_ended(stream: &TcpStream) -> bool {
    let _ = stream.set_read_timeout(Some(Duration::from_millis(1)));
    let ended = !matches!(stream.peek(&mut [0]), Ok(1..) | Err(_));
    let _ = stream.set_read_timeout(None);
    ended
}
