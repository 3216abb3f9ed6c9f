//! The attackers, in a separate process: each attack begins and stops on command, and its time is bounded.
//!
//! | module | its job |
//! | --- | --- |
//! | list | all attacks, with what each needs and what it is held to |
//! | floods, churn, tickets, chats | the attacks |
//! | stage | what an attack runs in: set-up, signals, report |
//! | swarm, plan, input | its connections, in one loop and one thread; how one is to be; what it receives |

mod chats;
mod churn;
mod floods;
mod input;
pub(crate) mod list;
mod plan;
pub(crate) mod stage;
mod swarm;
mod tickets;

use std::net::SocketAddr;

use clap::Args;

use list::Attack;
use stage::Stage;

#[derive(Clone, Debug, Args)]
pub(crate) struct Options {
    name: String,
    connections: usize,
    server: SocketAddr,
    seconds: u64,
}

pub(crate) fn run(options: &Options) -> bool {
    assert!(options.server.ip().is_loopback(), "attacks stay on this machine");
    let attack = Attack::named(&options.name).expect("a known attack");
    let mut stage = Stage::new(options.server, options.connections, options.seconds);
    (attack.run)(&mut stage);
    println!("{}", stage::END);
    true
}
