//! The network: from a socket to a message and back. Nothing here knows of tickets or JSON.

pub mod close;
pub mod connection;
pub mod deadlines;
pub mod frame;
pub mod http;
pub mod listener;
pub mod output;
pub mod pace;
pub mod websocket;

use std::io;

use serde::{Deserialize, Serialize};

/// One connection, for as long as it lives: its slot, and how often the slot had been used before. The next connection
/// in the same slot has another generation, so that whoever still holds this id reaches nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ConnId {
    /// The place in the slab.
    pub slot: u32,
    /// The use of that place, counted over all slots.
    pub generation: u32,
}

impl std::fmt::Display for ConnId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.slot, self.generation)
    }
}

/// A call that a signal has interrupted is made again.
fn retry_interrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
