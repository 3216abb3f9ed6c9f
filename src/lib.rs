//! deskwire, a real-time support desk: a single-threaded, hand-written mio poll loop that speaks WebSocket.
//!
//! # The modules, in the order in which a message passes them
//!
//! ```text
//! server    the loop: wait, serve, expire, settle
//! kernel    the loop's interface to the operating system: poll, accept, signals, time
//! hub       all connections, and what a turn does with them: admission (which are accepted), turn (when each is read),
//!           reading (from a socket to the service), delivery (from the service to sockets)
//! net       one socket's life: connection (its phases), input and output, http, target and address (its request),
//!           response, websocket and closing (bytes to messages), frame and close (messages to bytes), deadlines, rate
//!           and debt (its limits), listener, stream, tls (behind the feature of this name)
//! service   the interface between the loop and the service that it runs: the desk, or examples/echo.rs
//! desk      the service: who may connect, the pages, the metrics page, the limits on new tickets
//! protocol  from text to Command, from Event to text
//! state     every decision about tickets; no socket, no clock, no JSON, no randomness
//! journal   the inputs of State, kept in a file so that tickets survive a restart
//! cluster   the inputs of State, in a log in Redis that makes one desk of several processes
//! outbox    frames from the service to connections, in order; they go back through hub and net
//! ```
//!
//! The other modules: `calendar` has dates; `clock` is the desk's time; `config` has every option and every limit; `ids`
//! has the types of ids and secrets; `logging` writes lines to stderr, and neither blocks nor fails; `metrics` counts
//! what the loop does; `memory` gives memory back after a busy time; `supervisor` notifies the service manager.
//!
//! # Glossary
//!
//! - **admit**: to take an accepted socket into the hub. **Evict**: to end a connection that is not open, because its
//!   socket is needed for a new one.
//! - **assign**: to give a ticket to a staff member, who has picked it or was chosen by the desk.
//! - **behind**: in the hub, a connection is behind while more output waits than `OUTPUT_BEHIND_BYTES`; nothing is read
//!   from it. In State, it is behind while its credit is used up; State remembers what it has yet to be sent.
//! - **board**: the list of tickets that a staff member sees, kept up to date by events.
//! - **codec**: tungstenite's WebSocket context, with a count of the bytes in it. All connections that are between two
//!   messages share one.
//! - **connection**: one socket with its phase, input and output. Its `ConnId` names this connection alone, until it is
//!   freed.
//! - **credit**: how many bytes State may send to a connection before all of its output has left.
//! - **deadline**: the time at which a phase ends if nothing happens. Derived from the connection, not stored.
//! - **debt**: the bytes that a connection has sent recently. A connection with much debt is served after the others.
//! - **dirty**: a connection is dirty if it was read or written to in this turn, so that settle has to look at it.
//! - **drained**: a connection is drained when all of its output has left. The service is notified if it has asked.
//! - **edge**: an event of the poll. Edge-triggered: it comes once, when a socket becomes ready.
//! - **gather**: to collect changes of the board for `GATHER_MS`, and send them as one batch.
//! - **grace**: the time for which a ticket waits for its absent user.
//! - **guest**: what the service has learned from the request of a client that is about to be upgraded.
//! - **handshake**: the request that opens a WebSocket, and its answer 101. **Closing handshake**: a close frame from
//!   each side.
//! - **held**: a message is held by State until its receiver confirms it.
//! - **identity**: the owner of an open connection, as the service names it. At the desk it is a **role**: user or
//!   staff.
//! - **journal**: the inputs of State, kept in a file. Together with a **snapshot**, which is a stored State, they are
//!   all that a restart needs.
//! - **keeper**: the node that does what one node has to do for all of a desk: the one that has been there longest.
//! - **linger**: to read and drop input after our side is shut down, so that no reset destroys the last bytes.
//! - **message**: a WebSocket message, which may come in several frames. Also a message of a chat, which is sent inside
//!   one.
//! - **node**: one of the processes that are a desk together. They share the **log**, a stream of **entries** in Redis, each of
//!   which holds a **turn** of one node: what its connections wanted in a turn of its loop.
//! - **owner**: in State, the user or staff member that a connection belongs to.
//! - **peer**: the other end of a socket.
//! - **phase**: of a connection: head, open, closing, flushing, linger, dead. Of a turn: wait, serve, expire, settle.
//! - **place**: what an open connection takes, and a mere socket does not. The last places are reserved for staff.
//! - **presence**: whether a user is connected, or a staff member is online.
//! - **relayed**: a message is relayed when it was accepted from one side and sent to the other.
//! - **run queue**: the connections that wait to be read. Those with much debt wait in a second queue.
//! - **scope**: which paths a listener serves. The metrics may have a listener of their own.
//! - **session**: the secret by which a user's browser proves that a ticket is its own.
//! - **spare**: a buffer that is not in use, and is kept for the next connection or chat that needs one.
//! - **turn**: one pass of the loop, from a poll to the next.

#[cfg(test)]
extern crate self as deskwire; // tests/support/stream.rs uses this name, and is compiled into the unit tests too

mod calendar;
pub mod clock;
#[cfg(feature = "redis")]
pub mod cluster;
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
