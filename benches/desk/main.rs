//! The benches of the whole server: `cargo bench --bench desk -- COMMAND`.
//!
//! | module | its job |
//! | --- | --- |
//! | compare | all servers on all workloads in alternation: the table and the picture |
//! | relay, idle, visits | the workloads: chats; connections that rest; connections that come, tickets that are shown |
//! | growth, full_desk | what each operation costs as the desk gets fuller |
//! | honest, attack | what honest people notice while others attack, and what an attack costs; the attacks |
//! | journal | what a journal costs: messages, restarts, the file |
//! | soak | users come, chat and leave, a million times |
//! | check, script, script_hub | instructions and allocations of a fixed script, against those recorded |
//! | crowd, ticker | the load generator: one loop, many client connections; its clock |
//! | awake | keeps the cores from going to sleep |
//! | stream (of tests/support) | a connection in memory |
//! | websocket (of tests/support), frame | a client's frames and the fields in a server's |
//! | lobby | gets users and staff to where a workload begins |
//! | peers, server, usage | which servers there are; one of them as a process; what it uses |
//! | tls, certificate (of tests/support) | what TLS costs; a certificate for it |
//! | span | what processors and latencies were in the measured time |
//! | table, picture | figures to Markdown and SVG |
//! | calendar (of src) | today's date |
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a bench that cannot go on ends with a message"
)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "progress and results are printed")]
#![allow(clippy::cast_possible_truncation, reason = "counts and times of one run, far below any limit")]

mod attack;
mod awake;
#[allow(
    dead_code,
    unused_imports,
    reason = "a bench needs only today's date, and does not run the unit tests"
)]
#[path = "../../src/calendar.rs"]
mod calendar;
#[cfg(feature = "tls")]
#[allow(dead_code, unreachable_pub, reason = "the tests use the rest")]
#[path = "../../tests/support/tls.rs"]
mod certificate;
mod check;
mod compare;
mod crowd;
mod frame;
mod full_desk;
mod growth;
mod honest;
mod idle;
#[cfg(feature = "journal")]
mod journal;
mod lobby;
mod peers;
mod picture;
mod relay;
mod script;
mod script_hub;
mod server;
mod soak;
mod span;
#[path = "../../tests/support/stream.rs"]
mod stream;
mod table;
mod ticker;
#[cfg(feature = "tls")]
mod tls;
mod usage;
mod visits;
#[path = "../../tests/support/websocket.rs"]
mod websocket;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Benches of deskwire. Without a command: compare.
#[derive(Debug, Parser)]
#[command(name = "desk")]
struct Options {
    /// Cargo says this to every bench
    #[arg(long, hide = true, global = true)]
    bench: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// deskwire and its peers on all workloads, in alternation
    Compare(compare::Options),
    /// What each operation costs with 100, 1,000, 10,000 and as many connections and waiting tickets as there may be
    Growth(growth::Options),
    /// Instructions and allocations of a fixed script against those in benches/instructions.txt
    Check(check::Options),
    /// A million users connect, chat and leave: no descriptor and no memory may stay
    Soak(soak::Options),
    /// The round trips of honest people while others attack
    Honest(honest::Options),
    /// What a journal costs: messages with each way of syncing, restarts, and the file
    #[cfg(feature = "journal")]
    Journal(journal::Options),
    /// What TLS costs in the desk, and in nginx in front of it
    #[cfg(feature = "tls")]
    Tls(tls::Options),
    /// Attacks a server, for `honest`
    #[command(hide = true)]
    Attack(attack::Options),
    /// The script that `check` counts
    #[command(hide = true)]
    Script(script::Options),
}

fn main() -> ExitCode {
    let Some(command) = Options::parse().command.or_else(|| Options::parse_from(["desk", "compare"]).command)
    else {
        return ExitCode::FAILURE;
    };
    // All that the kernel allows; the servers inherit it.
    rlimit::increase_nofile_limit(u64::MAX).expect("descriptors");
    let is_good = match &command {
        Command::Compare(options) => compare::run(options),
        Command::Growth(options) => growth::run(options),
        Command::Check(options) => check::run(options),
        Command::Soak(options) => soak::run(options),
        Command::Honest(options) => honest::run(options),
        #[cfg(feature = "journal")]
        Command::Journal(options) => journal::run(options),
        #[cfg(feature = "tls")]
        Command::Tls(options) => tls::run(options),
        Command::Attack(options) => attack::run(options),
        Command::Script(options) => script::run(options),
    };
    if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
