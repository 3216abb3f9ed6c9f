//! The staff file: which tokens it accepts, what SIGHUP changes, and the command that makes a line for it.

use serde_json::json;

use crate::support::scenario::{TempFile, names_line};
use crate::support::{Desk, Launch, Staff, TOKEN};

/// Tokens for a staff file, and their SHA-256 as `sha256sum` prints it.
const SAM: (&str, &str) =
    ("sams-own-token-0123456789abcdef", "4d0a3a34a8b0284c55a2f76b10355ed10df3e6c4f628c6aa09300c71016d01cc");
const KIM: (&str, &str) =
    ("kims-own-token-0123456789abcdef", "9e2bb8d1c9a7e736730a2490eb02d6941e5d7f91104d7970728ef9d0bc01745e");

fn sam_and_kim() -> String {
    format!("# the morning shift\n\nsam {}\nkim {}\n", SAM.1, KIM.1)
}

/// A desk with a staff file and no desk token.
fn desk_with_staff(file: &TempFile) -> Desk {
    Desk::of(Launch::bare().args(&["--listen", "127.0.0.1:0", "--staff-file", file.path()]))
}

#[test]
fn with_a_staff_file_each_token_opens_its_own_id_only() {
    let file = TempFile::new(&sam_and_kim());
    let desk = desk_with_staff(&file);
    let enters = |id: &str, token: &str| desk.staff_peer(id, Some(token)).expect("welcome");
    assert_eq!(enters("sam", SAM.0)["staff_id"], "sam");
    assert_eq!(enters("kim", KIM.0)["staff_id"], "kim");
    for (id, token) in
        [("sam", KIM.0), ("kim", SAM.0), ("bob", SAM.0), ("sam", SAM.1), ("sam", TOKEN), ("SAM", SAM.0)]
    {
        desk.staff_peer(id, Some(token)).expect_close(4401);
    }
    desk.staff_peer("sam", None).expect_close(4401);
}

#[test]
fn a_staff_file_takes_precedence_over_the_desk_token() {
    let file = TempFile::new(&sam_and_kim());
    let desk = Desk::with(&["--staff-file", file.path()]);
    desk.staff_peer("sam", Some(TOKEN)).expect_close(4401);
    desk.staff_peer("sam", Some(SAM.0)).expect("welcome");
}

#[test]
fn staff_removed_from_the_file_are_closed_with_4401_on_sighup() {
    let file = TempFile::new(&sam_and_kim());
    let desk = desk_with_staff(&file);
    let mut sam = Staff::welcomed(desk.staff_peer("sam", Some(SAM.0))).online();
    let mut kim = Staff::welcomed(desk.staff_peer("kim", Some(KIM.0)));
    let mut alice = desk.user("alice");
    let ticket = alice.create("a chat that is cut short");
    sam.pick(&ticket);
    alice.expect("staff_joined");

    file.write(&format!("kim {}\n", KIM.1));
    desk.server.signal("HUP");
    sam.expect_close(4401);
    assert_eq!(alice.expect("staff_offline")["staff_id"], "sam");
    kim.sees(&ticket, "paused");
    kim.expect_where("colleague", "sam going", |m| m["staff_id"] == "sam" && m["online"] == false);
    kim.go_online();
    desk.staff_peer("sam", Some(SAM.0)).expect_close(4401);

    // Back in the file, sam is let in again; kim's token changed, so that the old one is worth nothing.
    file.write(&format!("sam {}\nkim {}\n", SAM.1, SAM.1));
    desk.server.signal("HUP");
    kim.expect_close(4401);
    desk.staff_peer("sam", Some(SAM.0)).expect("welcome");
}

#[test]
fn offline_staff_removed_from_the_file_are_closed_on_sighup_too() {
    let file = TempFile::new(&sam_and_kim());
    let desk = desk_with_staff(&file);
    let sam = Staff::welcomed(desk.staff_peer("sam", Some(SAM.0)));
    let mut kim = Staff::welcomed(desk.staff_peer("kim", Some(KIM.0)));
    file.write(&format!("kim {}\n", KIM.1));
    desk.server.signal("HUP");
    sam.expect_close(4401);
    kim.nothing_more();
}

#[test]
fn what_a_new_staff_file_changes_is_logged_in_one_line() {
    let file = TempFile::new(&sam_and_kim());
    let desk = desk_with_staff(&file);
    let sam = Staff::welcomed(desk.staff_peer("sam", Some(SAM.0)));
    let kim = Staff::welcomed(desk.staff_peer("kim", Some(KIM.0)));
    let said = |what: &str| desk.server.log.wait(what, |line| line.contains(what));
    file.write(&format!("kim {}\n", KIM.1));
    desk.server.signal("HUP");
    let line = said("the staff file has 1 members, it had 2; 1 were signed out");
    assert!(line.contains("INFO"), "{line}");
    sam.expect_close(4401);
    file.write("");
    desk.server.signal("HUP");
    let line = said("the staff file has 0 members, it had 1; 1 were signed out");
    assert!(line.contains("WARN"), "{line}");
    kim.expect_close(4401);
}

#[test]
fn a_byte_order_mark_before_the_staff_file_is_skipped() {
    let file = TempFile::new(&format!("\u{FEFF}sam {}\n", SAM.1));
    let desk = desk_with_staff(&file);
    desk.staff_peer("sam", Some(SAM.0)).expect("welcome");
}

#[test]
fn a_staff_file_that_became_wrong_ends_nobody() {
    let file = TempFile::new(&sam_and_kim());
    let desk = desk_with_staff(&file);
    let mut sam = Staff::welcomed(desk.staff_peer("sam", Some(SAM.0)));
    file.write(&format!("sam {}\nkim what-is-this\n", SAM.1));
    desk.server.signal("HUP");
    desk.server.log.wait("a complaint that says where", |line| names_line(line, file.path(), 2));
    sam.nothing_more();
    desk.staff_peer("kim", Some(KIM.0)).expect("welcome");
}

#[test]
fn a_name_in_the_staff_file_takes_precedence_over_the_one_that_staff_enter() {
    let file = TempFile::new(&format!("sam {} Sam \"Анна\" O'Hara\nkim {}\n", SAM.1, KIM.1));
    let desk = desk_with_staff(&file);
    let mut kim = Staff::welcomed(desk.staff_peer("kim", Some(KIM.0)));
    assert_eq!(kim.welcome["staff_name"], json!(null));
    let mut sam = Staff::welcomed(desk.staff_peer("sam", Some(SAM.0)));
    let name = "Sam \"Анна\" O'Hara";
    assert_eq!(sam.welcome["staff_name"], name);
    for (staff, shown) in [(&mut sam, name), (&mut kim, "The boss")] {
        staff.send(&json!({ "type": "go_online", "name": "The boss" }));
        staff.expect("presence");
        let mut alice = desk.user(&format!("user-of-{}", staff.name));
        let ticket = alice.create("who are you?");
        staff.pick(&ticket);
        assert_eq!(alice.expect("staff_joined")["staff_name"], shown);
        staff.say(&ticket, 1, "hello");
        assert_eq!(alice.expect("message")["sender_name"], shown);
    }
    let colleague = kim.expect_where("colleague", "sam", |m| m["staff_id"] == "sam");
    assert_eq!(colleague["staff_name"], name);
    assert!(!desk.server.log.all().contains("O'Hara"), "the log has ids only");
}

#[test]
fn a_new_name_in_the_staff_file_is_taken_on_sighup() {
    let lines = |name: &str| format!("sam {} {name}\nkim {}\n", SAM.1, KIM.1);
    let file = TempFile::new(&lines("Sam"));
    let desk = desk_with_staff(&file);
    let mut kim = Staff::welcomed(desk.staff_peer("kim", Some(KIM.0)));
    let mut sam = Staff::welcomed(desk.staff_peer("sam", Some(SAM.0)));
    sam.send(&json!({ "type": "go_online", "name": "Sammy" }));
    let mut alice = desk.user("alice");
    let ticket = alice.create("the printer");
    sam.pick(&ticket);
    assert_eq!(kim.sees(&ticket, "active")["staff_name"], "Sam");
    for (id, (written, shown)) in (1..).zip([("Sam Smith", "Sam Smith"), ("", "Sammy"), ("Sam", "Sam")]) {
        file.write(&lines(written));
        desk.server.signal("HUP");
        let of_sam = |m: &serde_json::Value| m["staff_id"] == "sam" && m["staff_name"] == shown;
        let colleague = kim.expect_where("colleague", "the new name", of_sam);
        assert_eq!(colleague["online"], true, "still there");
        let listed = kim.sees_where("the new name", |m| m["ticket"]["staff_name"] == shown);
        assert_eq!((&listed["ticket_id"], &listed["state"]), (&json!(ticket), &json!("active")));
        sam.say(&ticket, id, "hello");
        assert_eq!(alice.expect("message")["sender_name"], shown);
        alice.delivered(id);
    }
    // The same names again change nothing.
    sam.listen(std::time::Duration::ZERO);
    kim.drain();
    desk.server.signal("HUP");
    desk.server.log.wait("read again", |line| line.contains("it had 2; 0 were signed out"));
    kim.nothing_more();
}

#[test]
fn a_bad_name_is_reported_with_its_line_and_never_with_the_hash() {
    let wrong = [
        (SAM.1.to_owned(), "64 hex digits"),
        (format!("kim {}", KIM.1), "64 hex digits"),
        (SAM.1.to_uppercase(), "64 hex digits"),
        ("x".repeat(65), "longer than 64 characters"),
        ("a\tb".to_owned(), "control"),
        ("a\u{202e}b".to_owned(), "control"),
        ("# of the night shift".to_owned(), "a comment has a line of its own"),
    ];
    for (name, what) in wrong {
        let file = TempFile::new(&format!("kim {}\nsam {} {name}\n", KIM.1, SAM.1));
        for args in [&["--staff-file", file.path()][..], &["check", "--staff-file", file.path()]] {
            let ended = Launch::bare().args(args).run();
            assert_eq!(ended.code, Some(2), "{name:?}: {:?}", ended.stderr);
            let [said] = &ended.stderr[..] else { panic!("{name:?}: not one line: {:#?}", ended.stderr) };
            assert!(names_line(said, file.path(), 2) && said.contains(what), "{said}");
            assert!(!said.contains(SAM.1) && !said.contains(KIM.1), "a hash is a secret too: {said}");
        }
    }
    let longest = "é".repeat(64);
    let file = TempFile::new(&format!("sam {}  {longest} \r\n", SAM.1));
    let desk = desk_with_staff(&file);
    assert_eq!(desk.staff_peer("sam", Some(SAM.0)).expect("welcome")["staff_name"], longest.as_str());
}

#[test]
fn check_says_how_many_have_a_name() {
    let file = TempFile::new(&format!("sam {} Sam\nkim {}\n", SAM.1, KIM.1));
    let ended = Launch::bare().args(&["check", "--staff-file", file.path()]).run();
    assert!(ended.stdout[0].contains("2 in the staff file, 1 with a name"), "{:?}", ended.stdout);
}

#[test]
fn staff_token_makes_a_token_and_the_line_for_it() {
    let made = Launch::bare().args(&["staff-token", "sam"]).run();
    assert_eq!(made.code, Some(0), "{:?}", made.stderr);
    let words: Vec<Vec<&str>> = made.stdout.iter().map(|line| line.split_whitespace().collect()).collect();
    let is_hash = |word: &str| word.len() == 64 && word.chars().all(|c| c.is_ascii_hexdigit());
    let line = words.iter().find(|words| matches!(words[..], ["sam", hash] if is_hash(hash)));
    let line = line.unwrap_or_else(|| panic!("no line to add: {:?}", made.stdout)).join(" ");
    let tokens: Vec<&str> =
        words.concat().into_iter().filter(|word| word.len() >= 43 && !line.contains(word)).collect();
    let [token] = tokens[..] else { panic!("no token of 256 bits, or more than one: {:?}", made.stdout) };

    let file = TempFile::new(&format!("{line}\n"));
    let desk = desk_with_staff(&file);
    desk.staff_peer("sam", Some(token)).expect("welcome");
    desk.staff_peer("kim", Some(token)).expect_close(4401);
    let again = Launch::bare().args(&["staff-token", "sam"]).run();
    assert_ne!(made.stdout, again.stdout, "a token is made once");
}

#[test]
fn staff_token_refuses_an_id_that_no_path_could_hold() {
    for args in [
        &["staff-token"][..],
        &["staff-token", "sam smith"],
        &["staff-token", ""],
        &["staff-token", "a", "b"],
    ] {
        let made = Launch::bare().args(args).run();
        assert_eq!(made.code, Some(2), "{args:?}: {:?}", made.stdout);
        assert_eq!(made.stderr.len(), 1, "one clear line: {:?}", made.stderr);
    }
}
