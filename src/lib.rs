//! deskwire, a real-time support desk: a single-threaded, hand-written mio poll loop that speaks WebSocket.
//!
//! # The modules, in the order in which a message passes them
//!
//! ```text
//! server    the loop: wait, serve, expire, settle; kernel: what it asks of the operating system: poll, accept, signals, time
//! hub       all connections, and what a turn does with them: admission (which are accepted), turn (which are read when),
//!           reading (from a socket to the service), delivery (from the service to sockets)
//! net       one socket's life: connection (its phases), input and output, http, target and address (its request), response,
//!           websocket and closing (bytes to messages), frame and close (messages to bytes), deadlines, rate and debt (its
//!           limits), listener, stream, tls (behind the feature of this name)
//! service   what the loop asks of the service that it runs: the desk, or examples/echo.rs
//! desk      the service: who may connect, the pages, the metrics page, the limits on new tickets
//! protocol  text to Command, Event to text
//! state     every decision about tickets; no socket, no clock, no JSON, no randomness
//! journal   what State is given, kept in a file, so that tickets survive a restart
//! outbox    frames from the service to connections, in order; they go back through hub and net
//! ```
//!
//! Beside them: `clock` is the desk's time; `config` has every option and every limit; `ids` the types of ids and secrets; `logging` writes lines to
//! stderr without blocking and without failing; `metrics` counts what the loop does; `memory` gives back what a busy time
//! has used; `supervisor` notifies the service manager.
//!
//! # Glossary
//!
//! - **admit**: to take an accepted socket into the hub. **Evict**: to end a connection that is not open, since its socket is
//!   needed for a new one.
//! - **assign**: to make a ticket the chat of a staff member, who has picked it or was chosen by the desk.
//! - **behind**: of a connection. In the hub: more output waits than `OUTPUT_BEHIND_BYTES`, and it is not read. In State: its
//!   credit is used up, and State remembers what it is still to be sent.
//! - **board**: the list of tickets that a staff member sees, kept up to date by events.
//! - **codec**: tungstenite's WebSocket context with a count of the bytes in it; shared by all connections between two messages.
//! - **connection**: one socket with its phase, input and output. Its `ConnId` names it until it is freed, and no other.
//! - **credit**: what State may send to a connection before all of its output has left, in bytes.
//! - **deadline**: the time at which a phase ends if nothing happens. Derived from the connection, not stored.
//! - **debt**: the bytes that a connection has sent of late. With much of it, it is served after the others.
//! - **dirty**: of a connection that was read or written to in this turn, so that settle has to look at it.
//! - **drained**: of a connection all of whose output has left. The service is notified if it has asked.
//! - **edge**: an event of the poll. Edge-triggered: it comes once, when a socket becomes ready.
//! - **gather**: to collect changes of the board for `GATHER_MS`, and send them as one batch.
//! - **grace**: the time for which a ticket waits for its absent user.
//! - **guest**: what the service has learned from the request of a client that is about to be upgraded.
//! - **handshake**: the request that opens a WebSocket, and its answer 101. **Closing handshake**: a close frame from each side.
//! - **held**: of a message that State keeps until its receiver confirms it.
//! - **identity**: who an open connection belongs to, as the service has named it. The desk's is a **role**: user or staff.
//! - **journal**: the inputs of State, kept in a file. With a **snapshot**, a State that is stored, it is all that a restart needs.
//! - **linger**: to read and drop input after our side is shut down, so that no reset destroys the last bytes.
//! - **message**: a WebSocket message, which may come in several frames. Also the text of a chat, inside of one.
//! - **owner**: in State, the user or staff member that a connection belongs to.
//! - **peer**: the other end of a socket.
//! - **phase**: of a connection: head, open, closing, flushing, linger, dead. Of a turn: wait, serve, expire, settle.
//! - **place**: what an open connection has and a socket alone has not. The last places are kept for staff.
//! - **presence**: whether a user, or any staff member, is connected, and whether they type.
//! - **relayed**: of a message that was accepted from one side and sent to the other.
//! - **run queue**: the connections that wait to be read, those with much debt in a second one.
//! - **session**: the secret by which a user's browser proves that a ticket is its own.
//! - **spare**: an output buffer that no connection uses now.
//! - **turn**: one pass of the loop, from a poll to the next.

#[cfg(test)]
extern crate self as deskwire; // tests/support/stream.rs calls it so, wherever it is compiled

pub mod clock;
pub mod config;
pub mod desk;
pub mod hub;
pub mod ids;
#[cfg(feature = "journal")]
pub mod journal;
pub mod kernel;
pub mod logging;
mod memory;
pub mod metrics;
pub mod net;
pub mod outbox;
pub mod protocol;
pub mod server;
pub mod service;
pub mod state;
mod supervisor;
