//! The nodes, their connections to the log, and what happens to them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::log::{Log, Owned};
use super::process::{Desk, Process};
use crate::cluster::command::Command;
use crate::cluster::duties::DutyRules;
use crate::cluster::entry::{EntryId, Position};
use crate::cluster::node::Node;
use crate::config::{Assign, Millis};
use crate::ids::{ConnId, JsonText, NodeId, StaffId, UserId};
use crate::state::{Input, Rules, Session, StaffCommand, State, UserCommand};

const RULES: Rules =
    Rules { max_chats: 3, max_tickets: 20, assign: Assign::RoundRobin, user_grace_ms: 30_000 };

/// How often each kind of thing has happened.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    pub(super) entries: u64,
    pub(super) inputs: u64,
    pub(super) duplicates: u64,
    pub(super) tails: u64,
    pub(super) rejoins: u64,
    pub(super) snapshots: u64,
    pub(super) digests: u64,
    pub(super) deaths: u64,
    pub(super) suspended: u64,
}

impl Seen {
    pub(super) fn add(&mut self, other: &Self) {
        self.entries += other.entries;
        self.inputs += other.inputs;
        self.duplicates += other.duplicates;
        self.tails += other.tails;
        self.rejoins += other.rejoins;
        self.snapshots += other.snapshots;
        self.digests += other.digests;
        self.deaths += other.deaths;
        self.suspended += other.suspended;
    }
}

pub(super) struct World {
    rng: u64,
    pub(super) now: Millis,
    pub(super) log: Log,
    pub(super) processes: Vec<Process>,
    /// Appends that were sent over connections that failed, and that may still arrive.
    late: Vec<Command>,
    /// The digest after each entry.
    digests: BTreeMap<EntryId, (String, u64)>,
    /// Whether the State of a node was changed on purpose.
    is_corrupt: bool,
    next_conn: u32,
    next_text: u32,
    pub(super) seen: Seen,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        Self::with(seed, 2 + usize::try_from(seed % 3).unwrap())
    }

    pub(super) fn with(seed: u64, nodes: usize) -> Self {
        let mut world = Self {
            rng: seed,
            now: 1_000,
            log: Log::new(1_000_000),
            processes: Vec::new(),
            late: Vec::new(),
            digests: BTreeMap::new(),
            is_corrupt: false,
            next_conn: 0,
            next_text: 0,
            seen: Seen::default(),
        };
        for _ in 0..nodes {
            world.start();
        }
        world
    }

    fn below(&mut self, bound: usize) -> usize {
        self.rng = self.rng.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.rng;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((z ^ (z >> 31)) % bound as u64).unwrap()
    }

    fn start(&mut self) {
        let (seed, nonce) = (self.below(1000) as u64, self.below(1 << 30) as u64);
        let state = State::new(RULES, [seed, nonce]);
        let mut node = Node::new(RULES, &state, nonce).unwrap();
        node.set_duties(DutyRules { snapshot_bytes: 3_000, digest_ms: 5_000, kept_ms: 30_000 });
        let (applied, conns) = (BTreeSet::new(), Vec::new());
        let desk = Desk { state, own: NodeId::HERE, applied, digests: Vec::new(), closed: 0, conns };
        let (asked, answers) = (Default::default(), Default::default());
        self.processes.push(Process {
            node,
            desk,
            is_up: false,
            asked,
            answers,
            retry_at: 0,
            suspended_until: 0,
        });
    }

    /// Does a random step.
    pub(super) fn step(&mut self) {
        let at = self.below(self.processes.len());
        match self.below(100) {
            0..40 => {
                for _ in 0..20 {
                    let at = self.below(self.processes.len());
                    self.work(at);
                }
            }
            40..75 => self.submit(at),
            75..91 => {
                let ms = [1, 30, 100, 300, 1_000, 3_000][self.below(6)];
                self.pass_at_once(ms);
            }
            91..93 => self.lose_connection(at),
            93..95 if !self.late.is_empty() => {
                let command = self.late.remove(0); // in the order of its connection
                self.log.execute(&command);
                self.seen.duplicates += 1;
            }
            95 => {
                self.processes[at].suspended_until = self.now + 1_000 * self.below(16) as u64;
                self.seen.suspended += 1;
            }
            96 => {
                self.lose_connection(at);
                self.processes.remove(at);
                self.seen.deaths += 1;
                self.start();
            }
            97 if self.below(2) == 0 => self.lose_tail(),
            _ => self.pass_at_once(10),
        }
    }

    pub(super) fn pass_at_once(&mut self, ms: Millis) {
        self.now += ms;
        self.log.clock += ms;
    }

    /// Lets a node work: connect, have commands executed, read an answer, do what is due.
    pub(super) fn work(&mut self, at: usize) {
        let now = self.now;
        let process = &mut self.processes[at];
        if process.suspended_until > now {
            return;
        }
        if !process.is_up && process.retry_at <= now {
            process.is_up = true;
            process.node.connected();
        }
        let via = usize::from(self.below(2) == 0);
        for _ in 0..=self.below(3) {
            let process = &mut self.processes[at];
            if let Some(command) = process.asked[via].front()
                && let Some(answer) = self.log.execute(command)
            {
                process.asked[via].pop_front();
                process.answers[via].push_back(answer);
            }
        }
        if self.below(4) > 0
            && let Some(answer) = self.processes[at].answers[via].pop_front()
        {
            self.answer(at, &answer);
        }
        let process = &mut self.processes[at];
        // Without connections a process wakes up to connect again, every other second at least.
        if !process.is_up || process.node.next_due(&process.desk.state).is_some_and(|due| due <= now) {
            process.node.tick(now, &mut process.desk);
        }
        process.node.append(now);
        self.take_commands(at);
    }

    /// Lets a node read an answer, and checks its State after each entry.
    fn answer(&mut self, at: usize, answer: &Owned) {
        let process = &mut self.processes[at];
        process.node.answer(self.now, answer.borrow(), &mut process.desk).unwrap();
        if let Owned::Entries(entries, _) = answer {
            let with_digest = entries.iter().filter(|entry| entry.text.contains("\"digest\""));
            self.seen.digests += with_digest.count() as u64;
        }
        for (Position { id, tag }, found) in std::mem::take(&mut process.desk.digests) {
            self.seen.entries += 1;
            if !self.is_corrupt {
                let known = self.digests.entry(id).or_insert_with(|| (tag.clone(), found));
                assert_eq!(*known, (tag, found), "at {id}");
            }
        }
    }

    /// Queues the commands of a node.
    fn take_commands(&mut self, at: usize) {
        let process = &mut self.processes[at];
        for command in process.node.take_commands() {
            match command {
                Command::Reconnect => return self.lose_connection(at),
                Command::Find(_) | Command::Read(_) | Command::Replay(_) => {
                    process.asked[0].push_back(command);
                }
                _ => process.asked[1].push_back(command),
            }
        }
        self.seen.rejoins += std::mem::take(&mut process.desk.closed);
    }

    pub(super) fn lose_connection(&mut self, at: usize) {
        let delay = self.below(3_000) as u64;
        let process = &mut self.processes[at];
        let appends = |command: &Command| matches!(command, Command::Append(..));
        self.late.extend(process.asked[1].drain(..).filter(appends));
        process.asked[0].clear();
        process.answers.iter_mut().for_each(VecDeque::clear);
        process.is_up = false;
        process.retry_at = self.now + delay;
        process.node.disconnected();
        self.seen.rejoins += std::mem::take(&mut process.desk.closed);
    }

    fn lose_tail(&mut self) {
        let (count, loses_number) = (self.below(6), self.below(2) == 0);
        if self.log.entries.is_empty() {
            return;
        }
        for at in 0..self.processes.len() {
            self.lose_connection(at);
        }
        self.late.clear(); // they were sent to the master that has failed
        let last = self.log.lose_tail(count, loses_number);
        self.digests.retain(|id, _| *id <= last);
        self.seen.tails += 1;
    }

    /// Gives a node a random input.
    pub(super) fn submit(&mut self, at: usize) {
        if self.processes[at].suspended_until > self.now || !self.processes[at].node.is_serving() {
            return;
        }
        let (what, nth) = (self.below(8), self.below(6));
        let open = self.processes[at].desk.conns.len();
        let picked = self.below(open.max(1));
        let text = |text: String| JsonText::from_parsed(text.into());
        self.next_conn += 1;
        self.next_text += 1;
        let conn = ConnId::here(self.next_conn, 0);
        let message = text(format!("text {}", self.next_text));
        let Process { node, desk, .. } = &mut self.processes[at];
        let known = desk.conns.get(picked).copied();
        let input = match (what, known) {
            (0, _) => {
                let (user, fresh) =
                    (UserId::parse(&format!("u{nth}")).unwrap(), Session::parse("same").unwrap());
                desk.conns.push((conn, true));
                Input::UserConnects { conn, user, offered: Some(fresh), fresh }
            }
            (1, _) => {
                desk.conns.push((conn, false));
                Input::StaffConnects {
                    conn,
                    staff: StaffId::parse(&format!("s{}", nth % 3)).unwrap(),
                    name: None,
                }
            }
            (2, Some((conn, _))) => {
                desk.conns.remove(picked);
                Input::Leaves(conn)
            }
            (3, Some((conn, true))) => {
                let subject = text("help".into());
                Input::UserAsks(conn, UserCommand::CreateTicket { subject, name: None, page: None }, None)
            }
            (_, Some((conn, true))) => Input::UserAsks(
                conn,
                UserCommand::Message { id: u64::from(self.next_text), text: message },
                None,
            ),
            (_, Some((conn, false))) => Input::StaffAsks(conn, StaffCommand::GoOnline { name: None }, None),
            (_, None) => return,
        };
        node.submit(&input);
        node.append(self.now);
        self.seen.inputs += 1;
        self.take_commands(at);
    }

    /// Lets time pass without failures, until all nodes serve and have read all entries.
    pub(super) fn settle(&mut self) {
        self.processes.iter_mut().for_each(|process| process.suspended_until = 0);
        self.late.clear();
        self.pass(15_000);
        let last = self.log.entries.last().map(|entry| entry.at.id);
        let own: Vec<_> = self.processes.iter().filter_map(|process| process.node.number()).collect();
        for process in &self.processes {
            assert!(process.node.is_serving());
            let mut connected = process.desk.state.staff_connected();
            assert!(
                connected.all(|(_, conn)| own.contains(&conn.node)),
                "nobody is there through a node that is gone"
            );
            assert_eq!(
                process.node.members(),
                self.processes.len(),
                "each node has all nodes, and no others"
            );
            assert!(last.is_some());
        }
    }

    /// Lets time pass while all nodes work.
    pub(super) fn pass(&mut self, ms: Millis) {
        let end = self.now + ms;
        while self.now < end {
            for _ in 0..20 {
                for at in 0..self.processes.len() {
                    self.work(at);
                }
            }
            self.pass_at_once(100);
        }
    }

    pub(super) fn quiesce(&mut self) -> Seen {
        self.settle();
        // A node that joins now has the same State.
        self.start();
        self.settle();
        let digests: BTreeSet<u64> = {
            // Between two ticks, so that all have read the same entries.
            while !self.all_have_read_all() {
                for at in 0..self.processes.len() {
                    self.work(at);
                }
            }
            self.processes.iter().map(|process| process.desk.state.digest()).collect()
        };
        assert_eq!(digests.len(), 1, "all have the same State in the end");
        self.seen.snapshots = self.log.snapshots;
        self.seen
    }

    fn all_have_read_all(&self) -> bool {
        let last = self.log.entries.last().map(|entry| entry.at.id);
        self.processes.iter().all(|process| Some(process.node.position()) == last)
    }

    /// Changes the State of one node without the log.
    pub(super) fn corrupt(&mut self, at: usize) {
        let desk = &mut self.processes[at].desk;
        let (conn, user) = (ConnId::here(9_999, 9), UserId::parse("nobody").unwrap());
        let fresh = Session::parse("same").unwrap();
        self.is_corrupt = true;
        desk.state.apply(self.log.clock, &Input::UserConnects { conn, user, offered: None, fresh }, &mut ());
    }
}
