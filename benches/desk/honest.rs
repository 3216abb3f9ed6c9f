//! What honest people notice while others attack: their round trips, with each attack and without one.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::attack::Attack;
use crate::crowd::{Nanos, SECOND};
use crate::relay::{self, Drive};
use crate::server::{Server, move_to_load_core, target_directory};
use crate::table::{Outcome, markdown, number, today};
use crate::usage;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Seconds that each measurement lasts
    #[arg(long, default_value_t = 5)]
    secs: u64,
}

/// The chats of the honest, and their messages a second: 40 of each side, within the default rate limit.
const CHATS: usize = 10;
const PER_SECOND: u64 = 800;
const WARM: Nanos = SECOND;
/// For the honest to be there and the attack to be in full swing.
const HEAD_START: Duration = Duration::from_secs(2);
/// How long an attack may go on before and after what is measured.
const SETTING_UP_MAX: Duration = Duration::from_secs(60);
/// What 999 of 1,000 round trips stay under, in microseconds: less than a human notices, and than a network takes.
const ROUND_TRIP_MAX_US: f64 = 20_000.0;

/// An attack that ends with this value, if not before.
struct Running(Child);

impl Running {
    fn start(attack: Attack, server: &Server, span: Duration) -> Self {
        let line = attack.command_line(server, span);
        let child = Command::new(&line[0]).args(&line[1..]).stdout(Stdio::null()).spawn();
        Self(child.expect("chrt (util-linux)"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill(); // it may have ended by itself
        let _ = self.0.wait();
    }
}

pub(crate) fn run(options: &Options) -> bool {
    move_to_load_core();
    let mut rows = Vec::new();
    let mut is_good = true;
    for attack in [None].into_iter().chain(Attack::value_variants().iter().copied().map(Some)) {
        let title = attack.map_or("nobody attacks", Attack::title);
        eprintln!("{title}");
        let server = Server::deskwire(&[]); // with the limits that everybody has
        let span = HEAD_START + Duration::from_secs(options.secs) + SETTING_UP_MAX;
        let running = attack.map(|attack| Running::start(attack, &server, span));
        std::thread::sleep(HEAD_START);
        let outcome = relay::run(&server, CHATS, Drive::PerSecond(PER_SECOND), (WARM, options.secs * SECOND));
        drop(running);
        let (row, is_fine) = judge(title, outcome.as_ref(), &server);
        is_good &= is_fine;
        rows.push(row);
    }
    let header = ["while", "p50 µs", "p99 µs", "p99.9 µs", "server CPU %", "MiB resident", "all arrived"];
    let page = format!(
        "Measured {} on {}: {CHATS} chats, {PER_SECOND} messages a second, from when a message is due to its ack.\n\n{}",
        today(),
        usage::machine(),
        markdown(&header.map(str::to_owned), &rows)
    );
    println!("{page}");
    std::fs::write(target_directory().join("honest.md"), page).expect("the results' file");
    is_good
}

fn judge(title: &str, outcome: Option<&Outcome>, server: &Server) -> (Vec<String>, bool) {
    let figure = |name: &str| outcome.and_then(|outcome| outcome.figure(name)).unwrap_or(f64::NAN);
    let is_fine = outcome.is_some_and(|outcome| outcome.is_good) && figure("ack p999 µs") < ROUND_TRIP_MAX_US;
    let mib = server.rss_bytes() as f64 / 1024.0 / 1024.0;
    let mut row = vec![title.to_owned()];
    row.extend(["ack p50 µs", "ack p99 µs", "ack p999 µs", "server CPU %"].map(|name| number(figure(name))));
    row.extend([number(mib), if is_fine { "yes" } else { "NO" }.to_owned()]);
    (row, is_fine)
}
