//! Bugs to put in on purpose: where, what stands there, what to put in its place, and the promise that is broken by it.

mod edges;
mod journal;
mod net;
mod state;

pub struct Bug {
    pub promise: &'static str,
    pub file: &'static str,
    pub find: &'static str,
    pub replace: &'static str,
}

/// All of them.
pub fn all() -> impl Iterator<Item = &'static Bug> {
    state::BUGS.iter().chain(net::BUGS).chain(journal::BUGS).chain(edges::BUGS)
}

const fn bug(promise: &'static str, file: &'static str, find: &'static str, replace: &'static str) -> Bug {
    Bug { promise, file, find, replace }
}
