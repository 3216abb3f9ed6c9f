//! Bugs to put in on purpose: where, what stands there, what to put in its place, and the promise that is broken by it.

mod edges;
mod journal;
mod net;
mod process;
mod state;

/// What a bug is found by: the simulation, or a test of another kind, of these names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detector {
    Simulation,
    Unit(&'static str),
    Sockets(&'static str),
    Documents(&'static str),
}

impl Detector {
    /// As `tests/sabotage.md` has it.
    pub fn name(self) -> String {
        match self {
            Self::Simulation => "simulation".to_owned(),
            Self::Unit(tests) => format!("unit tests `{tests}`"),
            Self::Sockets(tests) => format!("socket tests `{tests}`"),
            Self::Documents(tests) => format!("documents `{tests}`"),
        }
    }
}

pub struct Bug {
    pub promise: &'static str,
    pub detector: Detector,
    pub file: &'static str,
    pub find: &'static str,
    pub replace: &'static str,
}

/// All of them.
pub fn all() -> impl Iterator<Item = &'static Bug> {
    state::BUGS.iter().chain(net::BUGS).chain(journal::BUGS).chain(edges::BUGS).chain(process::BUGS)
}

const fn bug(promise: &'static str, file: &'static str, find: &'static str, replace: &'static str) -> Bug {
    bug_for(Detector::Simulation, promise, file, find, replace)
}

const fn bug_for(
    detector: Detector,
    promise: &'static str,
    file: &'static str,
    find: &'static str,
    replace: &'static str,
) -> Bug {
    Bug { promise, detector, file, find, replace }
}
