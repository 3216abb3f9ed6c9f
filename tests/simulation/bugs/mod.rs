//! Bugs to plant: the file, the text to find, its replacement, and the promise that it breaks.

mod edges;
mod journal;
mod layers;
mod net;
mod process;
mod state;

/// What has to find a bug: the simulation, or other tests whose names begin so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detector {
    Simulation,
    Unit(&'static str),
    Sockets(&'static str),
    Documents(&'static str),
}

impl Detector {
    /// The name in `tests/sabotage.md`.
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

/// Returns all bugs.
pub fn all() -> impl Iterator<Item = &'static Bug> {
    state::BUGS
        .iter()
        .chain(net::BUGS)
        .chain(journal::BUGS)
        .chain(edges::BUGS)
        .chain(process::BUGS)
        .chain(layers::BUGS)
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
