//! A proxy between two programs, such as a page and the desk, which a test can disconnect, stall, or lead elsewhere.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// A direction.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From the page to the desk.
    Up,
    /// From the desk to the page.
    Down,
}

pub struct Proxy {
    pub addr: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    desk: SocketAddr,
    /// Refuses connections.
    is_disconnected: bool,
    stalled: [bool; 2],
    /// Counts the disconnects. A connection made before the last one is dead, and what it held is lost.
    disconnects: u64,
    open: Vec<TcpStream>,
    /// Counts the connections, refused ones included.
    calls: u64,
}

impl Proxy {
    pub fn to(desk: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let addr = listener.local_addr().expect("it is bound");
        let state = State {
            desk,
            is_disconnected: false,
            stalled: [false; 2],
            disconnects: 0,
            open: Vec::new(),
            calls: 0,
        };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        let ours = Arc::clone(&shared);
        thread::spawn(move || {
            for page in listener.incoming().flatten() {
                ours.join(page);
            }
        });
        Self { addr, shared }
    }

    /// Ends every connection at once, without a close frame, and refuses new ones. What was stalled is lost.
    pub fn disconnect(&self) {
        let mut state = self.shared.state();
        state.is_disconnected = true;
        state.stalled = [false; 2];
        state.disconnects += 1;
        for stream in state.open.drain(..) {
            let _ = stream.shutdown(Shutdown::Both); // it may have ended by itself
        }
        drop(state);
        self.shared.changed.notify_all();
    }

    /// Accepts connections again.
    pub fn restore(&self) {
        self.shared.state().is_disconnected = false;
    }

    /// Takes bytes and forwards none, so that the connection looks alive.
    pub fn stall(&self, way: Way) {
        self.shared.state().stalled[way as usize] = true;
    }

    /// Forwards what was held, and all that comes.
    pub fn flow(&self) {
        self.shared.state().stalled = [false; 2];
        self.shared.changed.notify_all();
    }

    /// Leads new connections to another desk.
    pub fn lead_to(&self, desk: SocketAddr) {
        self.shared.state().desk = desk;
    }

    pub fn calls(&self) -> u64 {
        self.shared.state().calls
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.disconnect();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner) // a test that failed may have poisoned it
    }

    fn join(self: &Arc<Self>, page: TcpStream) {
        let mut state = self.state();
        state.calls += 1;
        if state.is_disconnected {
            return;
        }
        let Ok(desk) = TcpStream::connect(state.desk) else { return };
        let disconnects = state.disconnects;
        let twin = |stream: &TcpStream| stream.try_clone().expect("descriptors enough");
        state.open.extend([twin(&page), twin(&desk)]);
        for (from, to, way) in [(twin(&page), twin(&desk), Way::Up), (desk, page, Way::Down)] {
            let shared = Arc::clone(self);
            thread::spawn(move || shared.carry(from, to, way, disconnects));
        }
    }

    fn carry(&self, mut from: TcpStream, mut to: TcpStream, way: Way, disconnects: u64) {
        let mut bytes = [0; 16 * 1024];
        while let Ok(n) = from.read(&mut bytes) {
            let state = self.state();
            let was_stalled = state.stalled[way as usize];
            let state = self
                .changed
                .wait_while(state, |state| state.stalled[way as usize] && state.disconnects == disconnects);
            if state.is_ok_and(|state| state.disconnects != disconnects) {
                return;
            }
            // An attempt to connect that the page has given up meanwhile must not reach the desk behind the one that it has
            // made since: the desk would take the older one for the newer.
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
