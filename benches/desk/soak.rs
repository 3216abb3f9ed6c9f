//! Users come, chat and leave, again and again: nothing of theirs may stay behind, neither descriptors nor memory.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;

use clap::Args;

use crate::crowd::{Crowd, Nanos, SECOND, Script};
use crate::frame::{Frame, Kind};
use crate::lobby::Lobby;
use crate::server::{Server, move_to_load_core};
use crate::table::{markdown, number};
use crate::usage;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Users who connect, chat and leave
    #[arg(long, default_value_t = 1_000_000)]
    cycles: u64,
    /// File for the results
    #[arg(long, default_value = "benches/results/soak.md")]
    file: PathBuf,
}

/// Users who are connected at once.
const AT_ONCE: usize = 64;
/// The number of measurements, the first of them after warming up.
const LOOKS: u64 = 10;
/// How much memory may vary between measurements: the allocator's rounding, and a hash map that doubles.
const RSS_MORE_MAX: u64 = 256 * 1024;
const SETTLE: Nanos = SECOND / 2;

/// The steps of a visit, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Gone,
    Arriving,
    Asking,
    Waiting,
    /// The user's message is under way.
    Talking,
    /// The staff member's answer is under way, and the receipt for it.
    Listening,
    Closing,
    Leaving,
}

struct Visit {
    number: u64,
    step: Step,
    ticket: String,
}

/// Users, each in a place that the next one takes over, and the staff member who chats with all of them.
struct Visits {
    staff: usize,
    places: HashMap<usize, Visit>,
    place_of: HashMap<String, usize>,
    begun: u64,
    done: u64,
    cycles: u64,
}

impl Visits {
    /// Starts the next visit, if there is one left.
    fn come(&mut self, crowd: &mut Crowd, who: usize) {
        if self.begun == self.cycles {
            return;
        }
        self.begun += 1;
        let number = self.begun;
        self.places.insert(who, Visit { number, step: Step::Arriving, ticket: String::new() });
        crowd.connect_user(who, &format!("visitor-{number}"), None);
    }

    /// Moves a visit on, and checks that it was at this step: nothing comes twice, too early, or to the wrong user.
    fn goes_on(&mut self, who: usize, from: Step, to: Step) -> &mut Visit {
        let visit = self.places.get_mut(&who).expect("a user");
        assert_eq!(visit.step, from, "visit {}", visit.number);
        visit.step = to;
        visit
    }

    fn user_receives(&mut self, crowd: &mut Crowd, who: usize, frame: &Frame<'_>) {
        match frame.kind {
            Kind::Welcome => {
                let visit = self.goes_on(who, Step::Arriving, Step::Asking);
                let number = visit.number;
                crowd.send(who, &format!(r#"{{"type":"create_ticket","subject":"printer {number}"}}"#));
            }
            Kind::TicketCreated => {
                self.goes_on(who, Step::Asking, Step::Waiting).ticket = frame.ticket.to_owned();
                self.place_of.insert(frame.ticket.to_owned(), who);
                let pick = format!(r#"{{"type":"pick_ticket","ticket_id":"{}"}}"#, frame.ticket);
                crowd.send(self.staff, &pick);
            }
            Kind::StaffJoined => {
                let number = self.goes_on(who, Step::Waiting, Step::Talking).number;
                crowd.send(who, &format!(r#"{{"type":"message","id":1,"text":"asks {number}"}}"#));
            }
            Kind::Message => {
                let visit = self.goes_on(who, Step::Talking, Step::Listening);
                assert_eq!((frame.seq, frame.text), (2, &*format!("answers {}", visit.number)));
                crowd.send(who, r#"{"type":"delivered","seq":2}"#);
            }
            Kind::TicketClosed => {
                self.goes_on(who, Step::Closing, Step::Leaving);
                self.leave(crowd, who);
            }
            _ => {}
        }
    }

    /// Every second user sends a close frame; the others just disconnect.
    fn leave(&mut self, crowd: &mut Crowd, who: usize) {
        if self.places[&who].number.is_multiple_of(2) {
            crowd.send_close(who);
        } else {
            crowd.hang_up(who);
            self.gone(crowd, who, None);
        }
    }

    fn staff_receives(&mut self, crowd: &mut Crowd, frame: &Frame<'_>) {
        match frame.kind {
            Kind::Message => {
                let who = self.place_of[frame.ticket];
                let (visit, ticket) = (&self.places[&who], frame.ticket);
                assert_eq!((frame.seq, frame.text), (1, &*format!("asks {}", visit.number)));
                let number = visit.number;
                crowd.send(self.staff, &format!(r#"{{"type":"delivered","ticket_id":"{ticket}","seq":1}}"#));
                let answer = format!(
                    r#"{{"type":"message","ticket_id":"{ticket}","id":1,"text":"answers {number}"}}"#
                );
                crowd.send(self.staff, &answer);
            }
            Kind::Delivered => {
                let who = self.place_of[frame.ticket];
                self.goes_on(who, Step::Listening, Step::Closing);
                crowd.send(who, r#"{"type":"close_ticket"}"#);
            }
            _ => {}
        }
    }
}

impl Script for Visits {
    fn frame(&mut self, crowd: &mut Crowd, who: usize, _: Nanos, frame: &Frame<'_>) {
        assert!(frame.kind != Kind::Error, "the server refuses something");
        if who == self.staff {
            self.staff_receives(crowd, frame);
        } else {
            self.user_receives(crowd, who, frame);
        }
    }

    fn gone(&mut self, crowd: &mut Crowd, who: usize, _: Option<u16>) {
        let ticket = std::mem::take(&mut self.goes_on(who, Step::Leaving, Step::Gone).ticket);
        self.place_of.remove(&ticket);
        self.done += 1;
        self.come(crowd, who);
    }
}

/// What the server holds when only the staff member is connected.
#[derive(Clone, Copy, Debug)]
struct Look {
    visits: u64,
    rss_bytes: u64,
    descriptors: usize,
    cpu_ns: u64,
}

pub(crate) fn run(options: &Options) -> bool {
    move_to_load_core();
    // A staff member with 64 chats writes faster than anybody types.
    let server = Server::deskwire(&["--rate-limit", "0"]);
    let crowd = &mut Crowd::at(&server);
    let lobby = &mut Lobby::default();
    let staff = lobby.admit_staff(crowd, 1, "staff-")[0];
    lobby.go_online(crowd, &[staff]);
    let visits =
        &mut Visits { staff, places: HashMap::new(), place_of: HashMap::new(), begun: 0, done: 0, cycles: 0 };
    let places: Vec<_> = (0..AT_ONCE).map(|_| crowd.add_place()).collect();
    let mut looks = vec![look(&server, crowd, visits)];
    for part in 1..=LOOKS {
        visits.cycles = options.cycles * part / LOOKS;
        places.iter().for_each(|who| visits.come(crowd, *who));
        while visits.done < visits.cycles {
            let (done, goal) = (visits.done, visits.cycles.min(visits.done + 10_000));
            crowd.run(visits, &format!("visit {done}"), |visits| visits.done >= goal);
        }
        looks.push(look(&server, crowd, visits));
        eprintln!("{:?}", looks[looks.len() - 1]);
    }
    let rows = looks.windows(2).map(|pair| {
        let [before, now] = [pair[0], pair[1]];
        let each_us = (now.cpu_ns - before.cpu_ns) as f64 / 1e3 / (now.visits - before.visits).max(1) as f64;
        let kib = number(now.rss_bytes as f64 / 1024.0);
        vec![number(now.visits as f64), kib, now.descriptors.to_string(), number(each_us)]
    });
    let header = ["visits", "KiB resident", "descriptors", "CPU µs a visit"].map(str::to_owned);
    let page = format!("Before: {:?}\n\n{}", looks[0], markdown(&header, &rows.collect::<Vec<_>>()));
    println!("{page}");
    fs::write(&options.file, page).expect("the results' file");
    let (warm, last) = (looks[1], looks[looks.len() - 1]);
    let highest = looks[1..].iter().map(|look| look.rss_bytes).max().unwrap_or_default();
    highest <= warm.rss_bytes + RSS_MORE_MAX && last.descriptors == looks[0].descriptors
}

fn look(server: &Server, crowd: &mut Crowd, visits: &mut Visits) -> Look {
    crowd.run_until_quiet(visits, SETTLE);
    let pid = server.pid();
    let (rss_bytes, descriptors) = (server.rss_bytes(), usage::descriptors(pid));
    Look { visits: visits.done, rss_bytes, descriptors, cpu_ns: server.cpu_ns() }
}
