use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;

use super::*;
use crate::config::{Assign, JOURNAL_AGE_MS, JOURNAL_BYTES_MAX, JOURNAL_PART_MS};
use crate::ids::{ConnId, JsonText, StaffId, UserId};
use crate::state::{Rules, Session, StaffCommand, UserCommand};

const NOW: Millis = 1_700_000_000_000;

/// A disk: what was written, how much of it is certain, and whether it takes more.
#[derive(Default)]
struct Disk {
    bytes: Vec<u8>,
    synced: usize,
    syncs: usize,
    next: Vec<u8>,
    replaced: usize,
    is_full: bool,
}

#[derive(Clone, Default)]
struct Memory(Rc<RefCell<Disk>>);

impl Store for Memory {
    fn append(&mut self, place: Place, bytes: &[u8]) -> io::Result<()> {
        let disk = &mut *self.0.borrow_mut();
        let file = if place == Place::Current { &mut disk.bytes } else { &mut disk.next };
        if disk.is_full {
            file.extend_from_slice(&bytes[..bytes.len() / 2]);
            return Err(io::ErrorKind::StorageFull.into());
        }
        file.extend_from_slice(bytes);
        Ok(())
    }

    fn sync(&mut self, place: Place) -> io::Result<()> {
        let mut disk = self.0.borrow_mut();
        if place == Place::Current {
            (disk.synced, disk.syncs) = (disk.bytes.len(), disk.syncs + 1);
        }
        Ok(())
    }

    fn begin(&mut self) -> io::Result<()> {
        self.0.borrow_mut().next.clear();
        Ok(())
    }

    fn replace(&mut self) -> io::Result<()> {
        let mut disk = self.0.borrow_mut();
        disk.bytes = std::mem::take(&mut disk.next);
        (disk.synced, disk.replaced) = (disk.bytes.len(), disk.replaced + 1);
        Ok(())
    }
}

struct World {
    state: State,
    journal: Journal,
    disk: Memory,
    now: Millis,
}

impl World {
    fn new(sync: JournalSync) -> Self {
        let rules = Rules { max_chats: 5, max_tickets: 100, assign: Assign::Manual, user_grace_ms: 600_000 };
        let (state, disk) = (State::new(rules, [1, 2]), Memory::default());
        let journal = Journal::start(disk.clone(), JournalRules::with(sync), NOW, &state).unwrap();
        Self { state, journal, disk, now: NOW }
    }

    fn give(&mut self, input: &Input<'_>) {
        assert!(self.journal.note(self.now, input));
        self.state.apply(self.now, input, &mut ());
    }

    fn keep(&mut self) {
        self.journal.keep(&self.state).unwrap();
    }

    /// Lets time pass until nothing of a snapshot is left to be written.
    fn finish_snapshot(&mut self) {
        while self.journal.snapshot.is_some() {
            self.part();
        }
    }

    /// The next part of a snapshot is due.
    fn part(&mut self) {
        self.now += JOURNAL_PART_MS;
        self.journal.tick(self.now);
        self.keep();
    }

    /// A turn in which a user connects and opens a ticket.
    fn turn(&mut self, slot: u32) {
        let conn = ConnId::here(slot, slot);
        let (user, fresh) = (UserId::parse(&format!("u{slot}")).unwrap(), Session::parse("s3cret").unwrap());
        self.give(&Input::UserConnects { conn, user, offered: None, fresh });
        let subject = JsonText::from_parsed("a \"subject\"".to_owned().into());
        self.give(&Input::UserAsks(
            conn,
            UserCommand::CreateTicket { subject, name: None, page: None },
            None,
        ));
        self.keep();
    }

    /// A staff member picks the ticket of the first user, and both write.
    fn chat(&mut self) {
        let conn = ConnId::here(1000, 0);
        let staff = StaffId::parse("sam").unwrap();
        self.give(&Input::StaffConnects { conn, staff, name: None });
        self.give(&Input::StaffAsks(conn, StaffCommand::GoOnline { name: None }, None));
        self.keep();
        let stored = serde_json::to_value(&self.state).unwrap();
        let id = stored["tickets"].as_object().unwrap().values().next().unwrap()["id"].clone();
        let ticket = serde_json::from_value(id).unwrap();
        self.give(&Input::StaffAsks(conn, StaffCommand::PickTicket { ticket }, None));
        self.keep();
        let text = JsonText::from_parsed("hi".to_owned().into());
        self.give(&Input::StaffAsks(conn, StaffCommand::Message { ticket, id: 1, text }, None));
        self.says(0, 2);
    }

    /// A user who has a chat, or a staff member who does not confirm, writes.
    fn says(&mut self, slot: u32, bytes: usize) {
        let conn = ConnId::here(slot, slot);
        let text = JsonText::from_parsed("x".repeat(bytes).into());
        self.give(&Input::UserAsks(conn, UserCommand::Message { id: 1, text }, None));
        self.keep();
    }

    fn bytes(&self) -> Vec<u8> {
        self.disk.0.borrow().bytes.clone()
    }

    fn synced(&self) -> usize {
        self.disk.0.borrow().synced
    }
}

#[test]
fn what_was_kept_is_read_again() {
    let mut world = World::new(JournalSync::Turn);
    (0..10).for_each(|slot| world.turn(slot));
    let history = History::read(&world.bytes()).unwrap();
    assert_eq!(history.state.digest(), world.state.digest());
    assert_eq!((history.turns, history.inputs["user_asks"], history.torn_bytes), (10, 10, 0));
    assert_eq!(world.synced(), world.bytes().len(), "at the end of each turn");
    assert!(!String::from_utf8_lossy(&world.bytes()).contains("s3cret"));
}

#[test]
fn of_a_torn_write_all_before_it_is_read_wherever_it_is_torn() {
    let mut world = World::new(JournalSync::Turn);
    world.turn(0);
    let (kept, digest) = (world.bytes().len(), world.state.digest());
    world.turn(1);
    let (whole, after) = (world.bytes(), world.state.digest());
    for length in kept..whole.len() {
        for garbage in [&[][..], &[0; 40], b"\n\n{}\n"] {
            let torn = [&whole[..length], garbage].concat();
            if torn.starts_with(&whole) {
                continue; // only its last byte was missing, and that is what follows
            }
            let history = History::read(&torn).unwrap();
            assert_eq!((history.bytes, history.torn_bytes), (kept, torn.len() - kept), "{length}");
            assert_eq!(history.state.digest(), digest);
        }
    }
    assert_eq!(History::read(&whole).unwrap().state.digest(), after);
}

#[test]
fn damage_before_what_was_synced_is_found_whichever_byte_it_is() {
    let mut world = World::new(JournalSync::Turn);
    (0..3).for_each(|slot| world.turn(slot));
    let whole = world.bytes();
    let last = whole[..whole.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    for at in 0..last {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        assert!(History::read(&damaged).is_err(), "byte {at}");
    }
    for cut in [last / 3, last / 2] {
        let shorter = [&whole[..cut], &whole[cut + 1..]].concat();
        assert!(History::read(&shorter).is_err(), "without byte {cut}");
    }
}

#[test]
fn a_line_that_is_doubled_left_out_or_moved_is_found() {
    let mut world = World::new(JournalSync::Turn);
    (0..4).for_each(|slot| world.turn(slot));
    let text = String::from_utf8(world.bytes()).unwrap();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    for order in [[0, 1, 2, 2, 3, 4, 5], [0, 1, 3, 4, 5, 5, 5], [0, 1, 3, 2, 4, 5, 5], [0, 1, 2, 4, 3, 5, 5]]
    {
        let other: String = order.iter().map(|nth| lines[*nth]).collect();
        assert!(matches!(History::read(other.as_bytes()), Err(Unusable::Damaged(_))), "{order:?}");
    }
}

#[test]
fn what_is_no_journal_or_one_of_another_version_says_so() {
    let error = |text: &str| History::read(text.as_bytes()).unwrap_err();
    assert_eq!(error("hello\n"), Unusable::Foreign);
    assert_eq!(error("deskwire journal 1"), Unusable::Foreign);
    let other = error("deskwire journal 2 state 77\n");
    assert!(other.to_string().contains("another version"), "{other}");
    assert_eq!(error(&format!("{}\n", history::header())), Unusable::Damaged(27));
}

#[test]
fn a_snapshot_takes_the_place_of_what_is_before_it() {
    let mut world = World::new(JournalSync::Turn);
    world.turn(0);
    let due = world.journal.next_due().unwrap();
    assert_eq!(due, NOW + JOURNAL_AGE_MS);
    world.now = due;
    world.journal.tick(due);
    assert!(!world.journal.is_kept(), "it is due");
    world.keep();
    world.finish_snapshot();
    assert_eq!((world.disk.0.borrow().replaced, world.journal.next_due()), (2, None));
    let history = History::read(&world.bytes()).unwrap();
    assert_eq!((history.turns, history.snapshot_at, history.state.digest()), (0, due, world.state.digest()));
    world.turn(1);
    assert_eq!(History::read(&world.bytes()).unwrap().state.digest(), world.state.digest());
}

/// A world whose snapshot takes more than one turn, and is just begun.
fn amid_a_snapshot() -> World {
    let mut world = World::new(JournalSync::Turn);
    (0..90).for_each(|slot| world.turn(slot));
    world.now += JOURNAL_AGE_MS;
    world.journal.tick(world.now);
    world.keep();
    assert!(world.journal.snapshot.is_some());
    world
}

#[test]
fn a_snapshot_is_written_in_parts_and_whatever_happens_meanwhile_is_in_it() {
    let mut world = amid_a_snapshot();
    let mut parts = 0;
    while world.journal.snapshot.is_some() {
        assert_eq!(world.journal.next_due(), Some(world.now + JOURNAL_PART_MS), "others have their turns");
        assert_eq!(world.disk.0.borrow().replaced, 1, "not before it is whole");
        world.turn(100 + parts);
        let history = History::read(&world.bytes()).unwrap();
        assert_eq!(history.state.digest(), world.state.digest(), "what is there is whole at any time");
        assert_eq!(world.synced(), world.bytes().len());
        if let Ok(next) = History::read(&world.disk.0.borrow().next) {
            assert_eq!(next.state.digest(), world.state.digest(), "it is whole, and takes the place next");
        }
        world.part();
        parts += 1;
    }
    assert!(parts > 4, "{parts}");
    assert_eq!(world.disk.0.borrow().replaced, 2);
    let history = History::read(&world.bytes()).unwrap();
    assert_eq!((history.turns, history.state.digest()), (u64::from(parts), world.state.digest()));
    assert!(world.journal.next_due().is_some(), "what came meanwhile is behind the snapshot, and grows old");
}

#[test]
fn a_disk_that_is_full_amid_a_snapshot_leaves_what_was_kept() {
    let mut world = amid_a_snapshot();
    world.turn(100);
    let (digest, kept) = (world.state.digest(), world.bytes());
    world.disk.0.borrow_mut().is_full = true;
    world.now += JOURNAL_PART_MS;
    world.journal.tick(world.now);
    assert_eq!(world.journal.keep(&world.state).unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert!(world.journal.is_kept() && world.journal.next_due().is_none());
    assert_eq!(world.bytes(), kept);
    assert_eq!(History::read(&kept).unwrap().state.digest(), digest);
}

#[test]
fn a_part_that_is_not_what_was_stored_is_refused() {
    let mut world = World::new(JournalSync::Turn);
    world.turn(0);
    world.now += JOURNAL_AGE_MS;
    world.journal.tick(world.now);
    world.keep();
    world.finish_snapshot();
    let text = String::from_utf8(world.bytes()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    for nth in 1..lines.len() {
        // Another digest, and the line's hash and all that follow it made anew.
        let mut chain = line::Chain::start(lines[0]);
        let mut forged = format!("{}\n", lines[0]).into_bytes();
        for (at, line) in lines.iter().enumerate().skip(1) {
            let json = &line[line::HASH_DIGITS + 1..];
            let json =
                if at == nth { json.replacen("digest\":\"", "digest\":\"f", 1) } else { json.to_owned() };
            chain.append(json.as_bytes(), &mut forged);
        }
        let error = History::read(&forged).unwrap_err();
        assert!(
            error.to_string().contains("the digest of this part of the snapshot differs"),
            "{nth}: {error}"
        );
    }
}

#[test]
fn the_fuzz_targets_journal_is_of_this_version() {
    // Where this fails: GOOD=tests/fuzz/seeds/journal/good cargo test --lib the_fuzz_targets_journal writes it anew.
    let (good, mut world) = (Path::new("tests/fuzz/seeds/journal/good"), World::new(JournalSync::Turn));
    if let Some(path) = std::env::var_os("GOOD") {
        world.turn(0);
        world.chat();
        std::fs::write(path, world.bytes()).unwrap();
    }
    let history = History::read(&std::fs::read(good).unwrap()).unwrap_or_else(|why| panic!("{why}"));
    assert!(history.turns >= 3 && history.torn_bytes == 0);
    assert_eq!(history.state.counts().tickets_active, 1, "a chat is in it");
}

#[test]
fn a_snapshot_comes_when_there_is_much_behind_the_last_one() {
    let mut world = World::new(JournalSync::Turn);
    let text = "x".repeat(16_000);
    let conn = ConnId::here(0, 0);
    for id in 1..=JOURNAL_BYTES_MAX / 16_000 + 10 {
        let text = JsonText::from_parsed(text.as_str().into());
        world.give(&Input::UserAsks(conn, UserCommand::Message { id, text }, None));
        world.keep();
    }
    world.finish_snapshot();
    assert_eq!(world.disk.0.borrow().replaced, 2);
    assert!(world.bytes().len() < 1_000_000);
}

#[test]
fn once_a_second_is_enough_where_the_operator_says_so() {
    let mut world = World::new(JournalSync::Second);
    for slot in 0..5 {
        world.turn(slot);
        world.now += 150;
    }
    let start = world.synced();
    assert!(start < world.bytes().len());
    let due = world.journal.next_due().unwrap();
    assert_eq!(due, NOW + JOURNAL_SYNC_MS, "a second after the first that is not synced");
    world.now = due;
    world.journal.tick(due);
    world.keep();
    assert_eq!(world.synced(), world.bytes().len());
    // What is behind the last sync may be torn in any order, and what is before it not.
    let synced = world.synced();
    (5..8).for_each(|slot| world.turn(slot));
    let whole = world.bytes();
    for (from, is_read) in [(synced + 1, true), (start + 1, false)] {
        let mut torn = whole.clone();
        torn[from..from + 20].fill(0);
        assert_eq!(History::read(&torn).is_ok(), is_read, "torn at {from}");
    }
}

#[test]
fn after_a_failure_nothing_more_is_noted_or_due() {
    let mut world = World::new(JournalSync::Turn);
    world.turn(0);
    let digest = world.state.digest();
    world.disk.0.borrow_mut().is_full = true;
    world.give(&Input::StaffConnects {
        conn: ConnId::here(9, 9),
        staff: StaffId::parse("sam").unwrap(),
        name: None,
    });
    assert_eq!(world.journal.keep(&world.state).unwrap_err().kind(), io::ErrorKind::StorageFull);
    let (conn, go) = (ConnId::here(9, 9), StaffCommand::GoOffline);
    assert!(!world.journal.note(NOW, &Input::StaffAsks(conn, go, None)));
    assert!(world.journal.is_kept() && world.journal.next_due().is_none());
    assert_eq!(History::read(&world.bytes()).unwrap().state.digest(), digest, "what was kept is there");
}

#[test]
fn a_report_has_texts_only_where_they_are_asked_for() {
    let mut world = World::new(JournalSync::Turn);
    world.turn(0);
    let short = report(&world.bytes(), false).unwrap();
    assert!(short.contains("1 waiting, 0 active, 0 paused") && !short.contains("subject"), "{short}");
    assert!(report(&world.bytes(), true).unwrap().contains("a \\\"subject\\\""));
}
