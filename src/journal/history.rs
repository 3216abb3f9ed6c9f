//! A journal that is read: the snapshot, and what has happened since.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::line::{Chain, Lines};
use crate::config::Millis;
use crate::state::{Input, STATE_VERSION, State};

/// The way in which lines are written.
const FORMAT_VERSION: u32 = 1;

/// The first line.
pub(super) fn header() -> String {
    format!("deskwire journal {FORMAT_VERSION} state {STATE_VERSION}")
}

/// The line behind the header.
#[derive(Serialize, Deserialize)]
struct SnapshotLine<S> {
    snapshot: Snapshot<S>,
}

/// The State at a time, and its digest.
#[derive(Serialize, Deserialize)]
struct Snapshot<S> {
    at: Millis,
    digest: String,
    state: S,
}

/// Any other line: what State was given in a turn.
#[derive(Deserialize)]
struct TurnLine<'a> {
    at: Millis,
    #[serde(borrow)]
    inputs: Vec<Input<'a>>,
}

/// Why a journal cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub enum Unusable {
    /// It is no journal.
    Foreign,
    /// It was written by another version.
    Version(String),
    /// From this byte on it is not what was written.
    Damaged(usize),
    /// The line that ends at this byte is whole, and means nothing.
    Meaningless(usize, String),
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign => f.write_str("not a journal of deskwire"),
            Self::Version(theirs) => {
                write!(
                    f,
                    "written by another version of deskwire: {theirs:?}, and this one reads {:?}",
                    header()
                )
            }
            Self::Damaged(at) => write!(f, "damaged: byte {at} and what follows is not what was written"),
            Self::Meaningless(at, why) => write!(f, "damaged: the line that ends at byte {at}: {why}"),
        }
    }
}

impl std::error::Error for Unusable {}

/// What a journal holds.
#[derive(Debug)]
pub struct History {
    /// The State at its end.
    pub state: State,
    /// When it was written to last.
    pub at: Millis,
    /// When its snapshot was made.
    pub snapshot_at: Millis,
    /// The snapshot's size, in bytes.
    pub snapshot_bytes: usize,
    /// Turns since the snapshot.
    pub turns: u64,
    /// Inputs since the snapshot, by kind.
    pub inputs: BTreeMap<&'static str, u64>,
    /// Bytes that are whole.
    pub bytes: usize,
    /// Bytes behind them, of a last write that did not come to its end.
    pub torn_bytes: usize,
}

impl History {
    /// Reads a journal, and replays what is in it.
    ///
    /// # Errors
    /// It cannot be used, and why.
    pub fn read(bytes: &[u8]) -> Result<Self, Unusable> {
        let header = check_header(bytes)?;
        let mut lines = Lines::new(bytes, &header);
        let first = lines.next().ok_or(Unusable::Damaged(header.len() + 1))?;
        let meaningless = |at: usize, why: &dyn fmt::Display| Unusable::Meaningless(at, why.to_string());
        let SnapshotLine { snapshot: Snapshot::<State> { at, digest, state } } =
            serde_json::from_str(first).map_err(|error| meaningless(lines.at, &error))?;
        if super::digest_text(&state) != digest {
            return Err(meaningless(lines.at, &"the snapshot is not of the State that was stored"));
        }
        let mut history = Self {
            state,
            at,
            snapshot_at: at,
            snapshot_bytes: lines.at,
            turns: 0,
            inputs: BTreeMap::new(),
            bytes: 0,
            torn_bytes: 0,
        };
        while let Some(json) = lines.next() {
            let turn: TurnLine<'_> =
                serde_json::from_str(json).map_err(|error| meaningless(lines.at, &error))?;
            if turn.at < history.at {
                return Err(meaningless(lines.at, &"time goes back"));
            }
            history.replay(turn.at, &turn.inputs);
        }
        if lines.is_damaged() {
            return Err(Unusable::Damaged(lines.at));
        }
        (history.bytes, history.torn_bytes) = (lines.at, bytes.len() - lines.at);
        Ok(history)
    }

    fn replay(&mut self, at: Millis, inputs: &[Input<'_>]) {
        for input in inputs {
            self.state.apply(at, input, &mut ());
            *self.inputs.entry(input.kind()).or_default() += 1;
        }
        self.at = at;
        self.turns += 1;
    }
}

fn check_header(bytes: &[u8]) -> Result<String, Unusable> {
    const LENGTH_MAX: usize = 100;
    let line = bytes.iter().take(LENGTH_MAX).position(|byte| *byte == b'\n').map(|end| &bytes[..end]);
    let line = line.and_then(|line| std::str::from_utf8(line).ok()).ok_or(Unusable::Foreign)?;
    match line {
        line if line == header() => Ok(line.to_owned()),
        line if line.starts_with("deskwire journal ") => Err(Unusable::Version(line.to_owned())),
        _ => Err(Unusable::Foreign),
    }
}

/// Appends the lines with which a journal starts: the header and a snapshot.
pub(super) fn start(at: Millis, state: &State, out: &mut Vec<u8>) -> serde_json::Result<Chain> {
    let header = header();
    out.extend_from_slice(header.as_bytes());
    out.push(b'\n');
    let mut chain = Chain::start(&header);
    let snapshot = Snapshot { at, digest: super::digest_text(state), state };
    chain.append(&serde_json::to_vec(&SnapshotLine { snapshot })?, out);
    Ok(chain)
}
