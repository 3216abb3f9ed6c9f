//! Nodes and Redis that are killed in the middle of the traffic between two nodes, again and again: `make kill`.
//!
//! With `appendfsync always` Redis has each entry on its disk before it answers, so that nothing acknowledged is lost,
//! whatever is killed. With `everysec` it may answer before it has written to its file, if a sync is under way: what a kill
//! loses then is up to two seconds, and the nodes notice it.

use std::thread;
use std::time::Instant;

use crate::redis::Redis;
use crate::setup::{health, launch, serving, until_serving};
use crate::support::client::int;
use crate::support::scenario::eventually;
use crate::support::traffic::{Mode, Pauses, Side, assert_complete, settle};
use crate::support::{Desk, PATIENCE, Wire};

/// In one of this many rounds, Redis is killed as well as a node.
const REDIS_EVERY: u64 = 5;

fn kills() -> u64 {
    std::env::var("KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(300)
}

fn start(redis: &Redis) -> Desk {
    serving(launch(redis).args(&["--rate-limit", "0"]))
}

/// Ann and Sam, each at one of two nodes.
struct People {
    ann: Side,
    sam: Side,
    /// The node of each of them.
    at: [usize; 2],
    wires: [Wire; 2],
    session: String,
    ticket: String,
}

impl People {
    fn new(nodes: &[Desk; 2]) -> Self {
        let (mut ann, mut sam) = (Side::new("ann"), Side::new("sam"));
        let mut staff = nodes[1].staff("sam").online();
        let mut user = nodes[0].user("ann");
        let (session, ticket) = (user.session.clone(), user.create("a chat that goes on"));
        staff.sees(&ticket, "waiting");
        sam.staff_is_back(&mut staff, &ticket);
        user.expect("staff_joined");
        ann.user_stays(&mut user, &ticket);
        Self { ann, sam, at: [0, 1], wires: [user.into_wire(), staff.into_wire()], session, ticket }
    }

    /// Does a turn of both. Returns whether each of them is still connected.
    fn turn(&mut self, modes: [Mode; 2]) -> [bool; 2] {
        let [user, staff] = &mut self.wires;
        let there = self.ann.turn(user, &self.ticket, modes[0]);
        [there, self.sam.turn(staff, &self.ticket, modes[1])]
    }

    /// Waits until all that they have sent is acknowledged. Returns whether each of them is still connected then.
    fn wait_for_acks(&mut self, is_there: [bool; 2]) -> bool {
        let patience = Instant::now() + PATIENCE;
        let has_all = |side: &Side, is_there: bool| !is_there || side.is_acknowledged();
        while !(has_all(&self.ann, is_there[0]) && has_all(&self.sam, is_there[1])) {
            assert!(Instant::now() < patience, "an acknowledgement is missing");
            let [user, staff] = &mut self.wires;
            let stays = [
                !is_there[0] || self.ann.turn(user, &self.ticket, Mode::Confirm),
                !is_there[1] || self.sam.turn(staff, &self.ticket, Mode::Confirm),
            ];
            if stays != [true, true] {
                return false;
            }
        }
        true
    }

    fn ann_comes_to(&mut self, nodes: &[Desk; 2], at: usize) {
        let mut user = nodes[at].user_again("ann", &self.session);
        self.ann.user_is_back(&mut user, &self.ticket);
        (self.at[0], self.wires[0]) = (at, user.into_wire());
    }

    fn sam_comes_to(&mut self, nodes: &[Desk; 2], at: usize) {
        let mut staff = nodes[at].staff("sam").online();
        self.sam.staff_is_back(&mut staff, &self.ticket);
        (self.at[1], self.wires[1]) = (at, staff.into_wire());
    }

    fn settle(mut self) -> (usize, u64) {
        let [user, staff] = &mut self.wires;
        settle([&mut self.ann, &mut self.sam], [user, staff], &self.ticket);
        assert_complete(&self.ann, &self.sam)
    }
}

#[test]
#[ignore = "some minutes: make kill"]
#[expect(clippy::print_stderr, reason = "its figures")]
fn hundreds_of_kills_of_nodes_and_of_redis_neither_lose_nor_duplicate_a_message() {
    let (kills, mut pauses, mut redis_kills) = (kills(), Pauses::new(1), 0);
    let mut redis = Redis::start();
    let mut nodes = [start(&redis), start(&redis)];
    let mut people = People::new(&nodes);
    for nth in 0..kills {
        let victim = usize::from(pauses.below(2) == 0);
        let kills_redis = nth % REDIS_EVERY == REDIS_EVERY - 1;
        redis_kills += u64::from(kills_redis);
        let waits = [pauses.next(), pauses.next()];
        let redis_first = pauses.below(2) == 0;
        let dies = people.at.map(|at| at == victim);
        let mut is_there = [true, true];
        thread::scope(|scope| {
            let killer = scope.spawn(|| {
                thread::sleep(waits[0]);
                let mut kill_redis = || {
                    redis.kill();
                    thread::sleep(waits[1]);
                    redis.restart();
                };
                if kills_redis && redis_first {
                    kill_redis();
                }
                nodes[victim].server.signal("KILL");
                if kills_redis && !redis_first {
                    kill_redis();
                }
            });
            while !killer.is_finished() || is_there.iter().zip(dies).any(|(there, dies)| *there && dies) {
                // One who is alone would soon have sent as much as the desk holds for the other.
                let mode = if is_there == [true, true] { Mode::Send } else { Mode::Confirm };
                let now = people.turn([mode, mode]);
                is_there = [is_there[0] && now[0], is_there[1] && now[1]];
            }
        });
        assert_eq!(is_there, dies.map(|dies| !dies), "a node's end ends its own connections, and no others");
        // The one who is left has not been sent that the other has gone: the desk still accepts, and holds, what is sent now.
        assert!(people.wait_for_acks(is_there), "nobody else is disconnected");
        nodes[victim] = start(&redis);
        let mut place = || usize::from(pauses.below(2) == 0);
        if dies[0] {
            people.ann_comes_to(&nodes, place());
        }
        if dies[1] {
            people.sam_comes_to(&nodes, place());
        }
    }
    let (messages, again) = people.settle();
    eprintln!(
        "appendfsync always: {kills} kills of a node and {redis_kills} of Redis, {messages} messages, {again} sent again"
    );
}

#[test]
#[ignore = "some minutes: make kill"]
#[expect(clippy::print_stderr, reason = "its figures")]
fn hundreds_of_kills_of_a_redis_that_syncs_each_second_lose_nothing_unnoticed() {
    let (kills, mut pauses) = (kills(), Pauses::new(2));
    let (mut tails, mut lost) = (0, 0);
    let mut redis = Redis::with(&["--appendfsync", "everysec"]);
    let nodes = [start(&redis), start(&redis)];
    let mut people = People::new(&nodes);
    for _ in 0..kills {
        let (wait, mut is_there) = (pauses.next(), [true, true]);
        thread::scope(|scope| {
            let killer = scope.spawn(|| {
                thread::sleep(wait);
                redis.kill();
                redis.restart();
            });
            while !killer.is_finished() && is_there == [true, true] {
                is_there = people.turn([Mode::Send, Mode::Send]);
            }
        });
        if is_there == [true, true] && people.wait_for_acks(is_there) {
            continue;
        }
        tails += 1;
        eventually("a node says what it has lost", || {
            nodes.iter().any(|node| node.server.log.all().contains("is missing in the log"))
        });
        nodes.iter().for_each(until_serving);
        lost += people.come_back_after_a_loss(&nodes);
    }
    assert!(nodes.iter().all(|node| health(node) == 200));
    let (messages, again) = people.settle();
    eprintln!(
        "appendfsync everysec: {kills} kills of Redis, {messages} messages, {again} sent again; {tails} tails lost, with \
         {lost} acknowledged messages, and noticed"
    );
}

impl People {
    /// Both were disconnected, and come back to what Redis has. Returns how many messages it has lost that were acknowledged.
    fn come_back_after_a_loss(&mut self, nodes: &[Desk; 2]) -> u64 {
        let user = nodes[0].user_again("ann", &self.session);
        let mut staff = nodes[1].staff("sam").online();
        let anns = int(&user.welcome["ticket"], "last_id");
        let sams = int(&staff.pick(&self.ticket), "last_id");
        self.wires = [user.into_wire(), staff.into_wire()];
        self.ann.loses_after(anns, sams) + self.sam.loses_after(sams, anns)
    }
}
