//! A desk at an entry of its log, as it is stored.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::members::Members;
use crate::state::{STATE_VERSION, State, digest_text};

/// Behind it, entries are replayed.
#[derive(Serialize, Deserialize)]
struct Stored<S, M> {
    version: u32,
    digest: String,
    nodes: M,
    state: S,
}

/// The version alone: the rest of another one may be anything.
#[derive(Deserialize)]
struct Version {
    version: u32,
}

/// Why a snapshot cannot be used. The node ends.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unusable {
    /// Another version of deskwire has written it.
    Version(u32),
    /// It is not what was stored.
    Damaged(String),
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(theirs) => write!(
                f,
                "the desk in Redis is of another version of deskwire: its state is of version {theirs}, and here it is \
                 {STATE_VERSION}"
            ),
            Self::Damaged(why) => write!(f, "the desk in Redis is damaged: {why}"),
        }
    }
}

impl std::error::Error for Unusable {}

/// Stores a State and the nodes that are there.
pub(super) fn write(state: &State, nodes: &Members) -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec(&Stored { version: STATE_VERSION, digest: digest_text(state.digest()), nodes, state })
}

/// Reads what was stored.
pub(super) fn read(text: &str) -> Result<(State, Members), Unusable> {
    let damaged = |error: serde_json::Error| Unusable::Damaged(error.to_string());
    let Version { version } = serde_json::from_str(text).map_err(damaged)?;
    if version != STATE_VERSION {
        return Err(Unusable::Version(version));
    }
    let stored: Stored<State, Members> = serde_json::from_str(text).map_err(damaged)?;
    if digest_text(stored.state.digest()) != stored.digest {
        return Err(Unusable::Damaged("it is not the State that was stored".into()));
    }
    Ok((stored.state, stored.nodes))
}
