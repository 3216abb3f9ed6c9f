//! Single failures, each at a time at which it matters. The figures are those of examples/host/nodes.md, and not taken from the
//! code.

use std::collections::BTreeSet;

use super::world::World;
use crate::cluster::entry::Position;

impl World {
    /// Keeps a node from its connections to the log for so long.
    fn cut_off(&mut self, at: usize, ms: u64) {
        self.lose_connection(at);
        self.processes[at].retry_at = self.now + ms;
    }

    /// Gives the nodes inputs until each has served some people.
    fn fill(&mut self) {
        for at in (0..self.processes.len()).cycle().take(200) {
            self.submit(at);
        }
        self.pass(2_000);
    }

    /// Returns the tags of the entries behind this position.
    fn tags_after(&self, position: Option<&Position>) -> BTreeSet<String> {
        let new =
            self.log.entries.iter().filter(|entry| position.is_none_or(|before| entry.at.id > before.id));
        new.map(|entry| entry.at.tag.clone()).collect()
    }
}

#[test]
fn whoever_was_there_through_a_node_that_has_died_is_gone_after_ten_seconds() {
    let mut world = World::with(3, 2);
    world.settle();
    world.fill();
    let dead = world.processes.remove(1).node.number().expect("a node that serves");
    let left = |world: &World| {
        let state = &world.processes[0].desk.state;
        state.staff_connected().filter(|(_, conn)| conn.node == dead).count()
    };
    assert!(left(&world) > 0, "otherwise this shows nothing");
    world.pass(8_000);
    assert!(left(&world) > 0, "it may come back");
    world.pass(5_000);
    assert_eq!(left(&world), 0);
}

#[test]
fn a_node_without_its_log_closes_its_connections_after_ten_seconds() {
    let mut world = World::with(4, 2);
    world.settle();
    world.fill();
    let before = world.seen.rejoins;
    world.cut_off(1, 60_000);
    world.pass(8_000);
    assert_eq!(world.seen.rejoins, before, "the log may come back");
    world.pass(4_000);
    assert_eq!(world.seen.rejoins, before + 1);
}

#[test]
fn a_node_that_slept_finds_all_entries_that_it_has_missed_whatever_snapshots_were_made() {
    let mut world = World::with(5, 2);
    world.settle();
    world.fill();
    let keeper = world.processes.iter().position(|process| process.node.is_keeper()).expect("one of them");
    let before = world.log.snapshots;
    world.processes[1 - keeper].suspended_until = world.now + 8_000;
    for _ in 0..70 {
        (0..40).for_each(|_| world.submit(keeper));
        world.pass(100);
    }
    let made = world.log.snapshots - before;
    assert!(made >= 3, "{made} snapshots: the first entries were not in danger");
    world.settle(); // the two have to have the same State after each entry
    assert_eq!(world.seen.rejoins, 0, "none was missing");
}

#[test]
fn what_is_due_in_state_comes_when_it_is_due_and_not_with_the_next_sign_of_life() {
    let mut world = World::with(6, 2);
    world.settle();
    let (mut late, mut waited) = (0, 0);
    for _ in 0..300 {
        world.submit(0);
        world.pass(100);
        let due = world.processes[0].desk.state.next_due();
        waited += u64::from(due.is_some());
        late = late.max(due.map_or(0, |due| world.log.clock.saturating_sub(due)));
    }
    assert!(waited > 100, "{waited}");
    assert!(late <= 300, "{late} ms"); // a step and its answer, and not the second between two ticks
}

#[test]
fn entries_that_are_sent_over_another_connection_have_another_tag() {
    let mut world = World::with(7, 1);
    world.settle();
    world.fill();
    let before = world.tags_after(None);
    let last = world.log.entries.last().map(|entry| entry.at.clone());
    world.lose_connection(0);
    world.pass(5_000);
    world.fill();
    let after = world.tags_after(last.as_ref());
    assert!(!after.is_empty() && after.is_disjoint(&before), "{after:?}");
}
