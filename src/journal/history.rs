//! Reads a journal: the snapshot, and the inputs since then, which are replayed.

use std::collections::BTreeMap;
use std::{fmt, io};

use serde::{Deserialize, Serialize};

use super::line::Lines;
use crate::config::{JOURNAL_HEADER_BYTES_MAX, Millis};
use crate::state::{Assembly, Input, Part, STATE_VERSION, State, digest_text};

/// The version of the format of lines.
const FORMAT_VERSION: u32 = 2;

/// The first line.
pub(super) fn header() -> String {
    format!("deskwire journal {FORMAT_VERSION} state {STATE_VERSION}")
}

/// A line of a snapshot.
#[derive(Serialize, Deserialize)]
struct PartLine<P> {
    snapshot: StoredPart<P>,
}

/// The beginning of a line of a snapshot.
const PART_LINE: &str = "{\"snapshot\":";

/// A part of the State at this time, and the part's digest.
#[derive(Serialize, Deserialize)]
struct StoredPart<P> {
    at: Millis,
    digest: String,
    part: P,
}

/// Any other line: the inputs of a turn. It may come between the parts of a snapshot that was begun before.
#[derive(Deserialize)]
struct TurnLine<'a> {
    at: Millis,
    #[serde(borrow)]
    inputs: Vec<Input<'a>>,
}

/// Why a journal cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub enum Unusable {
    /// It is not a journal.
    Foreign,
    /// It was written by another version.
    Version(String),
    /// It was changed from this byte on.
    Damaged(usize),
    /// The line that ends at this byte has the right hash, but cannot be understood.
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
            Self::Damaged(at) => write!(f, "damaged: the lines after byte {at} are not what was written"),
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
    /// When it was last written to.
    pub at: Millis,
    /// When its snapshot was made.
    pub(crate) snapshot_at: Millis,
    /// The snapshot's size, in bytes.
    pub snapshot_bytes: usize,
    /// Turns since the snapshot.
    pub turns: u64,
    /// Inputs since the snapshot, by kind.
    pub inputs: BTreeMap<&'static str, u64>,
    /// The size of its complete lines, in bytes.
    pub bytes: usize,
    /// The bytes after them, from a last write that was interrupted.
    pub torn_bytes: usize,
}

impl History {
    /// Reads a journal, and replays it.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub fn read(bytes: &[u8]) -> Result<Self, Unusable> {
        let header = check_header(bytes)?;
        let mut lines = Lines::new(bytes, &header);
        let mut history = Self::read_snapshot(&mut lines)?;
        while let Some(json) = lines.next() {
            history.replay(json, lines.at)?;
        }
        if lines.is_damaged() {
            return Err(Unusable::Damaged(lines.at));
        }
        (history.bytes, history.torn_bytes) = (lines.at, bytes.len() - lines.at);
        Ok(history)
    }

    /// Reads the parts of the snapshot, and replays the turns between them.
    fn read_snapshot(lines: &mut Lines<'_>) -> Result<Self, Unusable> {
        let mut assembly = Assembly::default();
        let (mut turns, mut snapshot_bytes) = (Vec::new(), lines.at);
        let mut before = lines.at;
        while let Some(json) = lines.next() {
            if !json.starts_with(PART_LINE) {
                turns.push((json, lines.at));
                before = lines.at;
                continue;
            }
            let meaningless = |why: String| Unusable::Meaningless(lines.at, why);
            let PartLine { snapshot: StoredPart::<Part> { at, digest, part } } =
                serde_json::from_str(json).map_err(|error| meaningless(error.to_string()))?;
            if digest_text(part.digest()) != digest {
                return Err(meaningless("the digest of this part of the snapshot differs".to_owned()));
            }
            snapshot_bytes += lines.at - before;
            before = lines.at;
            let Some(state) = assembly.add(part) else { continue };
            let inputs = BTreeMap::new();
            let mut history = Self {
                state,
                at,
                snapshot_at: at,
                snapshot_bytes,
                turns: 0,
                inputs,
                bytes: 0,
                torn_bytes: 0,
            };
            turns.into_iter().try_for_each(|(json, end)| history.replay(json, end))?;
            return Ok(history);
        }
        Err(Unusable::Damaged(lines.at))
    }

    /// Replays a turn, whose line ends at this byte.
    fn replay(&mut self, json: &str, end: usize) -> Result<(), Unusable> {
        let TurnLine { at, inputs } =
            serde_json::from_str(json).map_err(|error| Unusable::Meaningless(end, error.to_string()))?;
        if at < self.at {
            return Err(Unusable::Meaningless(end, "time goes back".to_owned()));
        }
        for input in &inputs {
            self.state.apply(at, input, &mut ());
            *self.inputs.entry(input.kind()).or_default() += 1;
        }
        self.at = at;
        self.turns += 1;
        Ok(())
    }
}

fn check_header(bytes: &[u8]) -> Result<String, Unusable> {
    let line =
        bytes.iter().take(JOURNAL_HEADER_BYTES_MAX).position(|byte| *byte == b'\n').map(|end| &bytes[..end]);
    let line = line.and_then(|line| std::str::from_utf8(line).ok()).ok_or(Unusable::Foreign)?;
    match line {
        line if line == header() => Ok(line.to_owned()),
        line if line.starts_with("deskwire journal ") => Err(Unusable::Version(line.to_owned())),
        _ => Err(Unusable::Foreign),
    }
}

/// Returns the JSON of a line that holds a part of the snapshot made at this time.
pub(super) fn part_json(at: Millis, part: &Part) -> io::Result<Vec<u8>> {
    let snapshot = StoredPart { at, digest: digest_text(part.digest()), part };
    Ok(serde_json::to_vec(&PartLine { snapshot })?)
}
