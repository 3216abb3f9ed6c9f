//! From a socket to messages and back: HTTP heads, WebSocket frames, limits and deadlines of one connection. Nothing
//! here knows about tickets or JSON, so that the same code serves the desk and the echo example.

pub mod address;
pub mod close;
mod closing;
pub mod connection;
pub(crate) mod deadlines;
mod debt;
pub mod frame;
pub mod http;
pub mod input;
pub(crate) mod listener;
pub(crate) mod output;
mod phase;
pub mod rate;
pub mod response;
pub mod scope;
mod stream;
pub(crate) mod target;
#[cfg(feature = "tls")]
pub mod tls;
pub mod websocket;

use std::io;

pub use self::stream::Socket;
pub use crate::ids::ConnId;

/// Repeats a system call while it fails with EINTR.
pub(crate) fn retry_interrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
