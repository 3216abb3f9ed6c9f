//! Two to four nodes with a log in memory, which is slow, loses its last entries, and drops connections. Nodes are suspended and
//! killed. After each entry all nodes have the same State, and each input is applied once.

mod log;
mod process;
mod stories;
mod world;

use self::world::World;

const STEPS: u64 = 600;

/// Runs the world of a seed, and returns how often what has happened in it.
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
    // If too little happened, the test would prove nothing.
    let world::Seen { entries, inputs, duplicates, tails, rejoins, snapshots, digests, deaths, suspended } =
        all;
    for (what, count, min) in [
        ("entries applied", entries, 20_000),
        ("inputs", inputs, 5_000),
        ("entries appended twice", duplicates, 50),
        ("losses of the last entries", tails, 20),
        ("nodes that left and joined again", rejoins, 30),
        ("snapshots", snapshots, 100),
        ("digests compared", digests, 100),
        ("nodes killed", deaths, 50),
        ("nodes suspended", suspended, 50),
    ] {
        let min = min * seeds / SEEDS;
        assert!(count >= min, "{what}: {count}, of {min} at least");
    }
}

#[test]
fn a_node_whose_state_differs_joins_again() {
    for (nodes, wrong, rejoins) in [(2, 0, 2), (2, 1, 2), (3, 0, 1), (3, 2, 1)] {
        let mut world = World::with(7, nodes);
        world.settle();
        world.corrupt(wrong);
        let before = world.seen.rejoins;
        world.pass(20_000);
        assert_eq!(
            world.seen.rejoins,
            before + rejoins,
            "{nodes} nodes, and that of node {wrong} was changed"
        );
        world.quiesce();
    }
}
