//! A desk that is killed in the middle of its traffic, again and again: `make kill`.

use std::thread;

use super::Directory;
use crate::support::Desk;
use crate::support::traffic::{Mode, Pauses, Side, assert_complete, settle};

#[test]
#[ignore = "some minutes: make kill"]
#[expect(clippy::print_stderr, reason = "its figures")]
fn hundreds_of_kills_neither_lose_nor_duplicate_a_message() {
    let kills: u64 = std::env::var("KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(300);
    for when in ["turn", "second"] {
        let directory = Directory::new();
        let launch = || directory.launch().args(&["--rate-limit", "0", "--journal-sync", when]);
        let (mut ann, mut sam) = (Side::new("ann"), Side::new("sam"));
        let (mut session, mut ticket) = (String::new(), String::new());
        let mut pauses = Pauses::new(1);
        for nth in 0..=kills {
            let desk = Desk::of(launch());
            let mut user = if nth == 0 { desk.user("ann") } else { desk.user_again("ann", &session) };
            if nth == 0 {
                (session, ticket) = (user.session.clone(), user.create("a chat that goes on"));
            } else {
                ann.user_is_back(&mut user, &ticket);
            }
            let mut staff = desk.staff("sam").online();
            sam.staff_is_back(&mut staff, &ticket);
            let (mut user, mut staff) = (user.into_wire(), staff.into_wire());
            if nth == kills {
                settle([&mut ann, &mut sam], [&mut user, &mut staff], &ticket);
                break;
            }
            let wait = pauses.next();
            thread::scope(|scope| {
                scope.spawn(|| {
                    thread::sleep(wait);
                    desk.server.signal("KILL");
                });
                let (mut there, mut here) = (true, true);
                while there || here {
                    there = there && ann.turn(&mut user, &ticket, Mode::Send);
                    here = here && sam.turn(&mut staff, &ticket, Mode::Send);
                }
            });
        }
        let (messages, again) = assert_complete(&ann, &sam);
        eprintln!("--journal-sync {when}: {kills} kills, {messages} messages, {again} sent again");
    }
}
