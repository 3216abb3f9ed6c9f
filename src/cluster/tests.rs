//! Two to four nodes on one log in memory, which is slow, forgets, and loses connections; and nodes that freeze and die. At
//! every entry all nodes have the same State, and each input counts once.

mod log;
mod process;
mod world;

use self::world::World;

const STEPS: u64 = 600;

/// Runs a world by its seed, and returns what has happened in it.
fn run(seed: u64) -> world::Seen {
    let mut world = World::new(seed);
    for _ in 0..STEPS {
        world.step();
    }
    world.quiesce()
}

const SEEDS: u64 = 150;

/// `SIM_SEEDS` and `SIM_FIRST_SEED` say which seeds to run, as for the simulation.
fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.replace('_', "").parse().ok()).unwrap_or(default)
}

#[test]
#[expect(clippy::print_stderr, reason = "a failure names its seed, and a long run its figures")]
fn all_nodes_have_the_same_state_at_every_entry_whatever_fails() {
    let (first, seeds) = (number("SIM_FIRST_SEED", 0), number("SIM_SEEDS", SEEDS));
    let mut all = world::Seen::default();
    for seed in first..first + seeds {
        let seen = std::panic::catch_unwind(|| run(seed)).unwrap_or_else(|_| panic!("seed {seed}"));
        all.add(&seen);
    }
    eprintln!("{seeds} seeds from {first}, {STEPS} steps each: {all:?}");
    // Worlds in which too little happens would prove nothing.
    let world::Seen { entries, inputs, doubled, tails, anew, snapshots, digests, deaths, frozen } = all;
    for (what, count, min) in [
        ("entries applied", entries, 20_000),
        ("inputs", inputs, 5_000),
        ("entries appended twice", doubled, 50),
        ("tails lost", tails, 20),
        ("lives that ended with connections", anew, 30),
        ("snapshots", snapshots, 100),
        ("digests compared", digests, 100),
        ("nodes killed", deaths, 50),
        ("nodes frozen", frozen, 50),
    ] {
        let min = min * seeds / SEEDS;
        assert!(count >= min, "{what}: {count}, of {min} at least");
    }
}

#[test]
fn a_node_of_which_the_state_differs_begins_anew() {
    for (nodes, wrong, anew) in [(2, 0, 2), (2, 1, 2), (3, 0, 1), (3, 2, 1)] {
        let mut world = World::with(7, nodes);
        world.settle();
        world.corrupt(wrong);
        let before = world.seen.anew;
        world.pass(20_000);
        assert_eq!(world.seen.anew, before + anew, "of {nodes}, and number {wrong} was changed");
        world.quiesce();
    }
}
