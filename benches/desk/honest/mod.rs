//! What honest people notice while others attack: their round trips with each attack and without one, and the attack's
//! cost for the server.

mod askers;
mod attackers;
mod round;
mod verdict;
mod watch;

use clap::Args;

use crate::attack::list::Attack;
use crate::server::{move_to_load_core, target_directory};
use crate::table::{markdown, today};
use crate::usage;
use round::{CHATS, PER_SECOND};
use verdict::{HEADER, Verdict};

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Seconds that each measurement lasts
    #[arg(long, default_value_t = 3)]
    secs: u64,
    /// Rounds at most: of what is timed the best one counts, and there are no more once that is within its bounds
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Only this attack; may be repeated
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Connections of the attackers, instead of those in the list
    #[arg(long, value_name = "N")]
    connections: Option<usize>,
    /// Fail if an attack goes beyond a bound
    #[arg(long)]
    check: bool,
    /// Print the names of the attacks
    #[arg(long)]
    list: bool,
}

pub(crate) fn run(options: &Options) -> bool {
    if options.list {
        Attack::all().for_each(|attack| println!("{:20} {}", attack.name, attack.title));
        return true;
    }
    if let Some(name) = options.only.iter().find(|name| Attack::named(name).is_none()) {
        eprintln!("no attack is called {name}; --list names them");
        return false;
    }
    move_to_load_core();
    let mut rows = Vec::new();
    let mut is_good = true;
    for attack in chosen(options) {
        let verdict = judge(attack, options);
        eprintln!("{}", verdict.row().join(" | "));
        is_good &= verdict.is_good();
        rows.push(verdict.row());
    }
    let page = format!(
        "Measured {} on {}: {CHATS} chats, {PER_SECOND} messages a second, from when a message is due to its ack; \
         of what is timed, the best of at most {} rounds of {} s.\n\n{}",
        today(),
        usage::machine(),
        options.rounds,
        options.secs,
        markdown(&HEADER.map(str::to_owned), &rows)
    );
    println!("{page}");
    std::fs::write(target_directory().join("honest.md"), page).expect("the results' file");
    is_good || !options.check
}

/// No attack, and each attack with each of its numbers of connections.
fn chosen(options: &Options) -> Vec<Option<(&'static Attack, usize)>> {
    let mut chosen = vec![None];
    for attack in Attack::all() {
        if !options.only.is_empty() && !options.only.iter().any(|name| name == attack.name) {
            continue;
        }
        match options.connections {
            Some(connections) => chosen.push(Some((attack, connections))),
            None => chosen.extend(attack.connections.iter().map(|connections| Some((attack, *connections)))),
        }
    }
    chosen
}

fn judge(attack: Option<(&'static Attack, usize)>, options: &Options) -> Verdict {
    let mut verdict = Verdict::new(attack);
    for _ in 0..options.rounds.max(1) {
        verdict.take(round::run(attack, options.secs));
        if verdict.is_decided() {
            break;
        }
    }
    verdict
}
