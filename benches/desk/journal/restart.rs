//! How long a desk with many tickets takes to restart.

use std::path::Path;
use std::time::Duration;

use super::{new_journal, options};
use crate::crowd::Crowd;
use crate::lobby::Lobby;
use crate::server::Server;

/// Users who are connected at once while tickets are opened: far fewer than descriptors.
const WAVE: usize = 4000;

/// What starting took.
pub(super) struct Restart {
    pub(super) tickets: usize,
    /// The journal when the desk was killed, and the start with it.
    pub(super) file_bytes: u64,
    pub(super) start: Duration,
    /// The snapshot that this start has written, and the start with it.
    pub(super) snapshot_bytes: u64,
    pub(super) start_from_snapshot: Duration,
    pub(super) rss_bytes: u64,
}

fn start(journal: &Path) -> Server {
    let mut options = options(Some("second"), journal);
    // All tickets stay, though their users have left.
    options.extend(["--user-grace", "86400", "--max-tickets", "1000000"].map(str::to_owned));
    Server::deskwire(&options.iter().map(String::as_str).collect::<Vec<_>>())
}

fn length(journal: &Path) -> u64 {
    journal.metadata().expect("a journal").len()
}

/// Opens tickets, kills the desk, and starts it twice.
pub(super) fn run(tickets: usize) -> Restart {
    let journal = new_journal();
    let server = start(&journal);
    for first in (0..tickets).step_by(WAVE) {
        // A crowd for each wave: its connections end with it.
        let (crowd, lobby) = (&mut Crowd::at(&server), &mut Lobby::default());
        let users = lobby.admit_users(crowd, WAVE.min(tickets - first), &format!("user-{first}-"));
        lobby.open_tickets(crowd, &users);
    }
    drop(server); // kills it
    let file_bytes = length(&journal);
    let server = start(&journal);
    let after_kill = server.start;
    drop(server);
    let snapshot_bytes = length(&journal);
    let server = start(&journal);
    let restart = Restart {
        tickets,
        file_bytes,
        start: after_kill,
        snapshot_bytes,
        start_from_snapshot: server.start,
        rss_bytes: server.rss_bytes(),
    };
    eprintln!("{tickets} tickets: {after_kill:?}, then {:?}", restart.start_from_snapshot);
    restart
}
