//! What a journal may be as a file, and what may differ between two starts: the disk, the options, the clock.

use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use deskwire::config::{Assign, JournalRules, JournalSync};
use deskwire::journal::{FileStore, History, Journal};
use deskwire::state::{Rules, State};

use super::{Directory, kill};
use crate::support::server::Outcome;
use crate::support::{Desk, Request, User, Wire, json};

/// For root, who may read and write everything otherwise.
const WITHOUT_PRIVILEGES: &str = "if [ \"$(id -u)\" = 0 ]; then \
    exec setpriv --bounding-set -dac_override,-dac_read_search --inh-caps -dac_override,-dac_read_search \"$0\" \"$@\"; fi";

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// A journal with the tickets of these users, whose sessions it returns. The process has been killed.
fn kept(directory: &Directory, names: &[&str], subject: &str) -> Vec<String> {
    let desk = directory.desk();
    let mut users: Vec<User> = names.iter().map(|name| desk.user(name)).collect();
    users.iter_mut().for_each(|user| drop(user.create(subject)));
    let sessions = users.iter().map(|user| user.session.clone()).collect();
    kill(desk);
    sessions
}

/// A start that fails for another reason than its options: its last line says why.
fn failed(outcome: &Outcome) -> &str {
    assert_eq!((outcome.code, outcome.stdout.len()), (Some(1), 0), "{:?}", outcome.stderr);
    outcome.stderr.last().unwrap()
}

#[test]
fn what_is_no_regular_file_is_refused_and_left_as_it_is() {
    let directory = Directory::new();
    fs::create_dir(directory.file()).unwrap();
    assert!(directory.refused().contains("Is a directory"));
    fs::remove_dir(directory.file()).unwrap();
    assert!(Command::new("mkfifo").arg(directory.file()).status().unwrap().success());
    assert!(directory.refused().ends_with("not a regular file"));
    assert!(fs::symlink_metadata(directory.file()).unwrap().file_type().is_fifo());
}

#[test]
fn a_file_that_may_not_be_read_or_written_is_refused() {
    let directory = Directory::new();
    kept(&directory, &["ann"], "please");
    let before = fs::read(directory.file()).unwrap();
    for mode in [0o000, 0o400] {
        set_mode(&directory.file(), mode);
        let outcome = directory.launch().setup(WITHOUT_PRIVILEGES).run();
        assert_eq!((outcome.code, outcome.stderr.len()), (Some(2), 1), "{:?}", outcome.stderr);
        assert!(outcome.stderr[0].contains("Permission denied"), "{:?}", outcome.stderr);
    }
    set_mode(&directory.file(), 0o600);
    assert_eq!(fs::read(directory.file()).unwrap(), before);
}

#[test]
fn where_nothing_can_be_written_beside_it_the_journal_stays_as_it_is() {
    let directory = Directory::new();
    let sessions = kept(&directory, &["ann"], "please");
    let before = fs::read(directory.file()).unwrap();
    set_mode(&directory.0, 0o500);
    let outcome = directory.launch().setup(WITHOUT_PRIVILEGES).run();
    set_mode(&directory.0, 0o700);
    assert!(failed(&outcome).contains("Permission denied"), "{:?}", outcome.stderr);
    assert_eq!(fs::read(directory.file()).unwrap(), before);
    assert_eq!(directory.desk().user_again("ann", &sessions[0]).welcome["resumed"], true);
}

#[test]
fn a_link_stays_a_link_and_the_file_that_it_names_is_the_journal() {
    let directory = Directory::new();
    let file = directory.0.join("elsewhere");
    symlink(&file, directory.file()).unwrap();
    let sessions = kept(&directory, &["ann"], "please");
    let desk = directory.desk(); // which has written a snapshot
    assert_eq!(desk.user_again("ann", &sessions[0]).welcome["resumed"], true);
    assert!(fs::symlink_metadata(directory.file()).unwrap().is_symlink());
    assert!(fs::symlink_metadata(&file).unwrap().is_file());
    assert!(directory.refused().ends_with("another process uses it"));
}

#[test]
fn what_a_snapshot_has_left_behind_is_written_over() {
    let directory = Directory::new();
    let sessions = kept(&directory, &["ann"], "please");
    let beside = directory.0.join("desk.journal.new");
    fs::write(&beside, "half of a snapshot").unwrap();
    let desk = directory.desk();
    assert_eq!(desk.user_again("ann", &sessions[0]).welcome["resumed"], true);
    assert!(!beside.exists());
    kill(desk);
    fs::create_dir(&beside).unwrap();
    let before = fs::read(directory.file()).unwrap();
    assert!(failed(&directory.launch().run()).contains("Is a directory"));
    assert_eq!(fs::read(directory.file()).unwrap(), before);
}

#[test]
fn a_start_for_which_the_disk_has_no_room_leaves_the_journal_as_it_was() {
    let directory = Directory::new();
    let long = "x".repeat(200);
    let names: Vec<String> = (0..30).map(|n| format!("user-{n}")).collect();
    let sessions = kept(&directory, &names.iter().map(String::as_str).collect::<Vec<_>>(), &long);
    let before = fs::read(directory.file()).unwrap();
    let outcome = directory.launch().setup("trap '' XFSZ; ulimit -f 16").run();
    assert!(failed(&outcome).contains("File too large"), "{:?}", outcome.stderr);
    assert_eq!(fs::read(directory.file()).unwrap(), before);
    let beside = directory.0.join("desk.journal.new");
    assert!(!beside.exists(), "it takes room, and holds texts");
    let desk = directory.desk();
    assert_eq!(desk.user_again("user-29", &sessions[29]).welcome["ticket"]["subject"], long.as_str());
}

#[test]
fn a_start_with_room_for_fewer_tickets_keeps_all_and_opens_no_more() {
    let directory = Directory::new();
    let sessions = kept(&directory, &["ann", "ben", "cleo"], "please");
    let desk = Desk::of(directory.launch().args(&["--max-tickets", "1"]));
    let mut users: Vec<User> = ["ann", "ben", "cleo"]
        .iter()
        .zip(&sessions)
        .map(|(name, session)| desk.user_again(name, session))
        .collect();
    for user in &users {
        assert_eq!(user.welcome["ticket"]["state"], "waiting");
    }
    let mut dora = desk.user("dora");
    dora.send(&json!({ "type": "create_ticket", "subject": "me too" }));
    dora.refused("desk_full");
    for user in &mut users {
        user.close_ticket();
        user.expect("ticket_closed");
    }
    dora.create("now");
}

#[test]
fn time_goes_on_where_it_was_after_a_clock_was_set_back() {
    let directory = Directory::new();
    // The journal of a desk whose clock was an hour ahead.
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let ahead = u64::try_from(wall).unwrap() + 3_600_000;
    let rules = Rules { max_chats: 5, max_tickets: 10, assign: Assign::Manual, user_grace_ms: 600_000 };
    let (store, bytes) = FileStore::open(&directory.file()).unwrap();
    assert!(bytes.is_empty());
    Journal::start(store, JournalRules::with(JournalSync::Turn), ahead, &State::new(rules, [1, 2])).unwrap();
    let mut last = ahead;
    for (tickets, name) in [(1, "ann"), (2, "ben")] {
        let desk = directory.desk();
        let mut user = desk.user_peer(name, None); // what it is sent has times that no test would take
        user.send(&json!({ "type": "create_ticket", "subject": "when?" }));
        desk.server.log.wait("the ticket", |line| line.contains("opened by"));
        // The line comes before the turn is kept. An answer that is asked for after it does not.
        Wire::fetch(desk.server.addr, &Request::get("/healthz"));
        kill(desk);
        let history = History::read(&fs::read(directory.file()).unwrap()).unwrap();
        assert!((last..ahead + 600_000).contains(&history.at), "{name}: {last} {}", history.at);
        assert_eq!(history.state.counts().tickets_waiting, tickets, "nobody's time was up");
        last = history.at;
    }
}
