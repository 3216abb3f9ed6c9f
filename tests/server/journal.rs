//! The journal: what a desk is after its process has ended, and what it says of a file that it cannot use.

mod files;
mod kills;

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::client::int;
use crate::support::server::Outcome;
use crate::support::{Chat, Desk, Launch, Staff, User, json};

/// A directory for the journal of one test.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        use std::sync::atomic::{AtomicU32, Ordering};
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name =
            format!("deskwire-journal-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("desk.journal")
    }

    fn launch(&self) -> Launch {
        Launch::new().args(&["--journal", self.file().to_str().unwrap()])
    }

    fn desk(&self) -> Desk {
        Desk::of(self.launch())
    }

    /// Runs a desk that is expected to refuse its journal.
    fn refused(&self) -> String {
        let Outcome { code, stderr, stdout } = self.launch().run();
        assert_eq!((code, stderr.len(), stdout.len()), (Some(2), 1, 0), "{stderr:?}");
        stderr[0].clone()
    }

    fn report(&self, args: &[&str]) -> Outcome {
        Launch::bare().args(&["journal", self.file().to_str().unwrap()]).args(args).run()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Kills the process, which has no chance to do anything before it ends.
fn kill(desk: Desk) {
    desk.server.signal("KILL");
    let mut server = desk.server;
    server.exit_within(std::time::Duration::from_secs(10));
}

#[test]
fn a_recap_is_never_written_but_that_there_was_one_is_known_after_a_kill() {
    let directory = Directory::new();
    let desk = directory.desk();
    let Chat { mut alice, mut sam, .. } = desk.chat();
    let at = &alice.welcome["now"];
    let lines = json!([{ "from": "user", "name": "Ann Unwritten", "text": "never on a disk", "at": at }]);
    alice.recap(&lines);
    assert_eq!(sam.expect("recap")["lines"], lines);
    alice.recap(&lines);
    alice.refused("rate_limited");
    let is_clean = |text: &str| !text.contains("never on a disk") && !text.contains("Unwritten");
    let written = fs::read_to_string(directory.file()).unwrap();
    assert!(written.contains("recap") && is_clean(&written), "{written}");
    kill(desk);
    let desk = directory.desk(); // which has written a snapshot
    desk.user_again("alice", &alice.session);
    let written = fs::read_to_string(directory.file()).unwrap();
    assert!(written.contains("\"has_recap\":true") && is_clean(&written), "{written}");
}

#[test]
fn after_a_kill_a_ticket_that_has_ended_is_rated_once() {
    let directory = Directory::new();
    let desk = directory.desk();
    let Chat { mut alice, mut sam, ticket } = desk.chat();
    sam.close_ticket(&ticket);
    alice.expect("ticket_closed");
    let second = alice.create("again");
    kill(desk);
    let desk = directory.desk();
    let mut sam = desk.staff("sam");
    let mut alice = desk.user_again("alice", &alice.session);
    assert_eq!(alice.welcome["ticket"]["ticket_id"], second.as_str());
    alice.rate(&ticket, 2);
    assert_eq!(sam.expect("rated")["score"], 2);
    kill(desk);
    let desk = directory.desk();
    let mut alice = desk.user_again("alice", &alice.session);
    alice.rate(&ticket, 5);
    alice.refused("no_ticket");
}

#[test]
fn after_a_kill_the_chat_is_there_and_locked_until_it_is_picked_again() {
    let directory = Directory::new();
    let desk = directory.desk();
    let mut sam = desk.staff("sam").online();
    let mut ann = desk.user("ann");
    let ticket = ann.create("it burns");
    sam.pick(&ticket);
    ann.expect("staff_joined");
    ann.say(1, "seen");
    ann.expect("ack");
    let seq = int(&sam.expect("message"), "seq");
    sam.delivered(&ticket, seq);
    ann.expect("delivered");
    ann.say(2, "acknowledged \"and\" not confirmed");
    ann.expect("ack");
    let session = ann.session.clone();
    kill(desk);

    let desk = directory.desk();
    let mut ann = desk.user_again("ann", &session);
    assert_eq!(ann.welcome["resumed"], true);
    let own = &ann.welcome["ticket"];
    assert_eq!((own["state"].as_str(), own["ticket_id"].as_str()), (Some("paused"), Some(ticket.as_str())));
    assert_eq!((int(own, "last_id"), int(own, "last_seq"), int(own, "delivered_seq")), (2, 2, 1));
    ann.say(3, "too early");
    ann.refused("staff_offline");
    ann.say(2, "acknowledged \"and\" not confirmed");
    assert_eq!(int(&ann.expect("ack"), "seq"), 2, "it is known, and not taken twice");

    let mut sam = desk.staff("sam").online();
    assert_eq!(ann.expect("staff_online")["staff_id"], "sam");
    sam.pick(&ticket);
    ann.expect("staff_reconnected");
    let message = sam.expect("message");
    assert_eq!(
        (int(&message, "seq"), message["text"].as_str()),
        (2, Some("acknowledged \"and\" not confirmed"))
    );
    sam.nothing_of(&["message"]);
    sam.say(&ticket, 1, "back again");
    assert_eq!(ann.expect("message")["text"], "back again");
}

#[test]
fn after_a_kill_the_queue_is_as_it_was_and_numbers_go_on() {
    let directory = Directory::new();
    let desk = directory.desk();
    let mut users: Vec<User> = ["ann", "ben", "cleo"].map(|name| desk.user(name)).into();
    let tickets: Vec<String> = users.iter_mut().map(|user| user.create("please")).collect();
    users[0].close_ticket();
    users[0].expect("ticket_closed");
    let sessions: Vec<String> = users.iter().map(|user| user.session.clone()).collect();
    kill(desk);

    let desk = directory.desk();
    for (name, nth, position) in [("cleo", 2, 2), ("ben", 1, 1)] {
        let mut user = desk.user_again(name, &sessions[nth]);
        assert_eq!(user.welcome["ticket"]["ticket_id"], tickets[nth].as_str());
        assert_eq!(int(&user.expect("queue"), "position"), position);
    }
    let mut dora = desk.user("dora");
    let ticket = dora.create("please, too");
    assert!(!tickets.contains(&ticket), "no id is given twice");
    desk.user_peer("ben", None).expect_close(4403);
}

#[test]
fn a_desk_that_was_stopped_comes_back_with_what_it_had_and_the_options_of_the_new_start() {
    let directory = Directory::new();
    let desk = directory.desk();
    let mut ann = desk.user("ann");
    let ticket = ann.create("later");
    assert_eq!(desk.server.stop().code, Some(0));
    let desk = Desk::of(directory.launch().args(&["--assign", "round-robin"]));
    let mut sam = desk.staff("sam").online();
    assert_eq!(sam.expect("ticket_picked")["ticket_id"], ticket.as_str());
}

#[test]
fn synced_once_a_second_a_kill_takes_nothing_either() {
    let directory = Directory::new();
    let launch = || directory.launch().args(&["--journal-sync", "second"]);
    let desk = Desk::of(launch());
    let mut ann = desk.user("ann");
    let ticket = ann.create("now");
    let session = ann.session.clone();
    kill(desk);
    let desk = Desk::of(launch());
    assert_eq!(desk.user_again("ann", &session).welcome["ticket"]["ticket_id"], ticket.as_str());
}

#[test]
fn a_journal_in_use_is_refused_and_the_desk_that_has_it_goes_on() {
    let directory = Directory::new();
    let desk = directory.desk();
    assert!(directory.refused().ends_with("another process uses it"));
    let mut ann = desk.user("ann");
    ann.create("still here");
    assert!(directory.refused().ends_with("another process uses it"), "after a snapshot and after a write");
}

#[test]
fn a_file_that_is_no_journal_damaged_or_of_another_version_is_refused_and_left_as_it_is() {
    let directory = Directory::new();
    let desk = directory.desk();
    for name in ["ann", "ben"] {
        desk.user(name).create("please");
    }
    kill(desk);
    let good = fs::read(directory.file()).unwrap();
    let half = good.len() / 2;
    let damaged = [&good[..half], &[good[half] ^ 1], &good[half + 1..]].concat();
    let other = String::from_utf8(good).unwrap().replacen("state ", "state 9", 1).into_bytes();
    for (bytes, words) in
        [(damaged, "damaged: "), (other, "another version"), (b"my dear diary\n".to_vec(), "not a journal")]
    {
        fs::write(directory.file(), &bytes).unwrap();
        let line = directory.refused();
        assert!(line.contains(words) && line.contains("desk.journal"), "{line}");
        assert_eq!(fs::read(directory.file()).unwrap(), bytes, "nothing is overwritten");
        let report = directory.report(&[]);
        assert_eq!((report.code, report.stderr.len()), (Some(2), 1));
    }
}

#[test]
fn a_write_that_did_not_come_to_its_end_is_dropped() {
    let directory = Directory::new();
    let desk = directory.desk();
    let ann = {
        let mut ann = desk.user("ann");
        ann.create("kept");
        ann.session.clone()
    };
    kill(desk);
    let mut bytes = fs::read(directory.file()).unwrap();
    bytes.extend_from_slice(b"0123456789abcdef {\"at\":17");
    fs::write(directory.file(), &bytes).unwrap();
    let desk = directory.desk();
    desk.server.log.wait("the torn write", |line| line.contains("25 bytes of a last write"));
    assert_eq!(desk.user_again("ann", &ann).welcome["ticket"]["subject"], "kept");
}

#[test]
fn on_a_full_disk_the_desk_ends_and_has_acknowledged_only_what_is_kept() {
    let directory = Directory::new();
    // A limit on the size of files, in blocks of 512 bytes, whose signal is ignored.
    let desk = Desk::of(directory.launch().setup("trap '' XFSZ; ulimit -f 64"));
    let mut ann = desk.user("ann");
    let mut sam = desk.staff("sam").online();
    let ticket = ann.create("a long story");
    sam.pick(&ticket);
    ann.expect("staff_joined");
    let mut acknowledged = 0;
    for id in 1..=60 {
        ann.say(id, &"x".repeat(1000));
        let answer = std::iter::from_fn(|| ann.try_next()).find(|frame| frame["type"] == "ack");
        let Some(ack) = answer else { break };
        acknowledged = int(&ack, "id");
    }
    assert!((5..60).contains(&acknowledged), "{acknowledged}");
    let session = ann.session.clone();
    let mut server = desk.server;
    drop((ann, sam));
    assert_eq!(server.exit_within(std::time::Duration::from_secs(10)), Some(1));
    let lines = server.log.lines();
    assert!(lines.last().unwrap().contains("ended: "), "{lines:?}");
    drop(server);

    let desk = directory.desk();
    let ann = desk.user_again("ann", &session);
    assert_eq!(int(&ann.welcome["ticket"], "last_id"), acknowledged, "what was acknowledged, and no more");
}

#[test]
fn a_full_disk_closes_with_1011() {
    let directory = Directory::new();
    let desk = Desk::of(directory.launch().setup("trap '' XFSZ; ulimit -f 8"));
    let idle = desk.staff("tom");
    let mut ann = desk.user("ann");
    let long = "y".repeat(200);
    ann.create(&long);
    let mut others = Vec::new();
    // Each connects, and is welcomed, until one is not.
    for n in 0..20 {
        let mut peer = desk.user_peer(&format!("user-{n}"), None);
        match peer.try_next() {
            Some(welcome) => assert_eq!(welcome["type"], "welcome"),
            None => break,
        }
        others.push(peer);
    }
    assert!(others.len() < 20);
    idle.expect_close(1011);
    ann.expect_close(1011);
    others.into_iter().for_each(|peer| drop(peer.expect_close(1011)));
}

#[test]
fn a_report_counts_and_shows_texts_only_where_they_are_asked_for() {
    let directory = Directory::new();
    let desk = directory.desk();
    desk.user("ann").create("my secret wish");
    let report = directory.report(&[]);
    assert_eq!(report.code, Some(0));
    let short = report.stdout.join("\n");
    assert!(short.contains("tickets        1 waiting, 0 active, 0 paused"), "{short}");
    assert!(!short.contains("secret wish"));
    assert!(directory.report(&["--texts"]).stdout.join("\n").contains("my secret wish"));
}

#[test]
fn the_file_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let directory = Directory::new();
    let desk = directory.desk();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&directory.file()), 0o600);
    drop(desk);
}

#[test]
fn staff_who_were_there_have_to_pick_again() {
    let directory = Directory::new();
    let desk = directory.desk();
    let mut sam = desk.staff("sam").online();
    let mut ann = desk.user("ann");
    let ticket = ann.create("please");
    sam.pick(&ticket);
    kill(desk);
    let desk = directory.desk();
    let mut sam: Staff = desk.staff("sam");
    let listed = &sam.welcome["tickets"][0];
    assert_eq!(
        (listed["ticket_id"].as_str(), listed["state"].as_str()),
        (Some(ticket.as_str()), Some("paused"))
    );
    assert_eq!(listed["user_online"], false);
    sam.go_online();
    sam.say(&ticket, 1, "hello?");
    sam.refused("not_yours");
    sam.pick(&ticket);
}
