//! deskwire, a real-time support desk: a single-threaded, hand-written mio poll loop that speaks WebSocket.
//!
//! The way of a message, from socket to socket:
//!
//! ```text
//! server    wait, serve, expire, settle: the loop, with the poll, the listener, the signals
//! hub       all connections, and what a turn does with them
//! net       connection (one socket's life), output, websocket (bytes to messages), http, frame, address, rate, deadlines,
//!           listener
//! service   what the loop asks of whatever it serves
//! desk      the service: who may connect, and the way between wire and State
//! protocol  text to Command, Event to text
//! state     every decision about tickets; no socket, no clock, no JSON, no randomness
//! outbox    what is to be sent to whom, in order, and back through hub and net
//! logging   lines to stderr: their format, their rate, and no way to block or to fail
//! ```

pub mod config;
pub mod desk;
pub mod hub;
pub mod ids;
pub mod logging;
mod memory;
pub mod metrics;
pub mod net;
pub mod outbox;
pub mod protocol;
pub mod server;
pub mod service;
pub mod state;
