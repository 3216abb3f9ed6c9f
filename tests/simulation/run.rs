//! Runs a seed; if it fails, looks for the shortest history that still fails.

use std::cell::Cell;
use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use crate::model::Stories;
use crate::plan::{Setup, Step, plan};
use crate::world::World;

/// Runs spent on making a failing history shorter.
const SHRINKS_MAX: usize = 600;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    pub digest: u64,
    pub turns: u64,
    pub delivered: u64,
}

pub struct Failure {
    pub what: String,
    pub log: Vec<String>,
}

/// Runs these steps in this world. `keeps_log` keeps a line for each thing that happens.
pub fn run(setup: Setup, steps: &[Step], keeps_log: bool) -> Result<(Outcome, Stories), Failure> {
    thread_local!(static IS_QUIET: Cell<bool> = const { Cell::new(false) });
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !IS_QUIET.get() {
                usual(panic);
            }
        }));
    });
    let mut world = World::new(setup, keeps_log);
    IS_QUIET.set(!keeps_log);
    let result = catch_unwind(AssertUnwindSafe(|| run_steps(&mut world, steps)));
    IS_QUIET.set(false);
    let what = match result {
        Ok(()) => world.violation.take(),
        Err(panic) => Some(format!("a panic: {}", panic_message(&*panic))),
    };
    match what {
        Some(what) => Err(Failure { what, log: world.log.take().unwrap_or_default() }),
        None => {
            let digest = world.written.borrow().0 ^ world.now;
            let stories = &mut world.server.hub.service.model.stories;
            let machine = world.machine.borrow();
            (stories.stops, stories.refused_calls) = (machine.stops, machine.refused_calls);
            stories.made_room = machine.evicted;
            stories.reloads = world.roster.borrow().reloads;
            let outcome = Outcome { digest, turns: world.turns, delivered: world.ledger.delivered };
            Ok((outcome, std::mem::take(&mut world.server.hub.service.model.stories)))
        }
    }
}

fn run_steps(world: &mut World, steps: &[Step]) {
    for step in steps {
        world.step(step);
        if world.violation.is_some() {
            return;
        }
    }
    world.quiesce();
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}

/// Runs a seed, with those steps for which `keeps` returns true. An error has the shortest history that was found.
pub fn run_seed(seed: u64, steps: usize, keeps: fn(&Step) -> bool) -> Result<(Outcome, Stories), String> {
    let (setup, mut steps) = plan(seed, steps);
    steps.retain(keeps);
    run(setup, &steps, false).map_err(|failure| report(setup, steps, failure.what))
}

fn report(setup: Setup, steps: Vec<Step>, first: String) -> String {
    let count = steps.len();
    let short = shrink(setup, steps);
    let failure = run(setup, &short, true).err();
    let mut text = format!("seed {} with {count} steps: {first}\n", setup.seed);
    let _ = writeln!(text, "{setup:?}");
    match failure {
        Some(Failure { what, log }) => {
            let _ = writeln!(text, "the shortest history found has {} steps:", short.len());
            for line in log {
                let _ = writeln!(text, "{line}");
            }
            let _ = writeln!(text, "=> {what}");
        }
        None => text.push_str("and it does not happen again\n"),
    }
    text
}

/// Leaves out steps, at first half of them at once, as long as the rest still fails.
fn shrink(setup: Setup, mut steps: Vec<Step>) -> Vec<Step> {
    let mut runs = 0;
    let mut size = steps.len().div_ceil(2);
    while size > 0 && runs < SHRINKS_MAX {
        let mut start = 0;
        let mut has_shrunk = false;
        while start < steps.len() && runs < SHRINKS_MAX {
            let end = (start + size).min(steps.len());
            let fewer: Vec<Step> = [&steps[..start], &steps[end..]].concat();
            runs += 1;
            if run(setup, &fewer, false).is_err() {
                steps = fewer;
                has_shrunk = true;
            } else {
                start = end;
            }
        }
        if size == 1 && !has_shrunk {
            break;
        }
        size = if size == 1 { 1 } else { size.div_ceil(2) };
    }
    steps
}
