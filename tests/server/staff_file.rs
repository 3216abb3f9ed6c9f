//! The staff file: which tokens it accepts, what SIGHUP changes, and the command that makes a line for it.

use crate::support::scenario::{TempFile, names_line};
use crate::support::{Desk, Launch, Staff, TOKEN};

/// Tokens for a staff file, with their SHA-256 as `sha256sum` gives it.
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
fn what_a_new_staff_file_changes_is_told_in_one_line() {
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
