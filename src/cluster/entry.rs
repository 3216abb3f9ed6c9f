//! The entries of the log, and how they are written.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::config::Millis;
use crate::ids::NodeId;
use crate::state::{Input, Rules};

/// The id of an entry: the time at which Redis took it, in milliseconds, and a number that distinguishes the entries of the
/// same millisecond. Redis makes each id higher than the one before, even if its clock is set back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct EntryId {
    pub(super) ms: Millis,
    pub(super) seq: u64,
}

impl EntryId {
    /// Reads an id as Redis writes it.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (ms, seq) = text.split_once('-')?;
        Some(Self { ms: ms.parse().ok()?, seq: seq.parse().ok()? })
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.seq)
    }
}

/// A position in the log: that of an entry. After a failover, another entry may have the id of one that was lost. They have
/// different tags: a tag names the process that has appended the entry, and its connection. Each entry is sent over a
/// connection only once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Position {
    pub(super) id: EntryId,
    pub(super) tag: String,
}

/// An entry as it was read. Tag and text are borrowed from the reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record<'a> {
    pub(super) id: EntryId,
    pub(super) tag: &'a str,
    pub(super) text: &'a str,
}

/// The text of an entry, parsed. Texts and ids are borrowed from it.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Entry<'a> {
    /// The first entry of a desk.
    Begins,
    /// A node begins to serve.
    Starts {
        node: NodeId,
        /// Distinguishes it from another node of the same number. There may be one if Redis has lost its last changes.
        nonce: u64,
        rules: Rules,
    },
    #[serde(borrow)]
    Turn(Turn<'a>),
}

/// The inputs of a node's connections in a turn of its loop. A turn without inputs is a tick: it shows that the node is there,
/// and brings the time forward.
#[derive(Serialize, Deserialize)]
pub(super) struct Turn<'a> {
    pub(super) node: NodeId,
    /// Counts the turns of this node from 1.
    pub(super) n: u64,
    /// The ids of connections in them are without the number of the node.
    #[serde(borrow)]
    pub(super) inputs: Vec<Input<'a>>,
    /// Whether all nodes are to take the digest of their State after they have applied this.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) takes_digest: bool,
    /// The digest that this node has taken after an earlier entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) digest: Option<TakenDigest>,
}

/// The digest of a State after an entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TakenDigest {
    /// The entry's id.
    pub(super) at: String,
    pub(super) digest: String,
}

/// Serialises a turn. Its inputs are serialised already, as the inside of a JSON array.
pub(super) fn write_turn(
    (node, n): (NodeId, u64),
    inputs: &[u8],
    (takes_digest, digest): (bool, Option<TakenDigest>),
) -> Vec<u8> {
    let turn = Turn { node, n, inputs: Vec::new(), takes_digest, digest };
    let text = serde_json::to_string(&Entry::Turn(turn)).unwrap_or_default(); // numbers and our own texts do not fail
    let place = "\"inputs\":[";
    match text.find(place) {
        Some(at) if !inputs.is_empty() => {
            let (front, back) = text.as_bytes().split_at(at + place.len());
            [front, inputs, back].concat()
        }
        _ => text.into_bytes(),
    }
}

/// Serialises an entry that is not a turn.
pub(super) fn write(entry: &Entry<'_>) -> Vec<u8> {
    serde_json::to_vec(entry).unwrap_or_default() // numbers and our own names do not fail
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::ConnId;

    #[test]
    fn an_entry_is_what_a_person_can_read() {
        let input = serde_json::to_vec(&Input::Leaves(ConnId::here(1, 7))).unwrap();
        let two = [&input[..], b",", &input].concat();
        let text = String::from_utf8(write_turn((NodeId(3), 17), &two, (false, None))).unwrap();
        assert_eq!(text, r#"{"turn":{"node":3,"n":17,"inputs":[{"leaves":"1.7"},{"leaves":"1.7"}]}}"#);
        let Ok(Entry::Turn(turn)) = serde_json::from_str(&text) else { panic!("{text}") };
        assert_eq!((turn.inputs.len(), turn.takes_digest, turn.digest), (2, false, None));
        let taken = TakenDigest { at: "1-2".into(), digest: "00ff".into() };
        let text = String::from_utf8(write_turn((NodeId(3), 18), b"", (true, Some(taken)))).unwrap();
        assert_eq!(
            text,
            r#"{"turn":{"node":3,"n":18,"inputs":[],"takes_digest":true,"digest":{"at":"1-2","digest":"00ff"}}}"#
        );
        assert_eq!(write(&Entry::Begins), b"\"begins\"");
    }

    #[test]
    fn ids_are_in_the_order_in_which_redis_gives_them() {
        let ids = ["9-1", "10-0", "10-2", "10-10"].map(|text| EntryId::parse(text).unwrap());
        assert!(ids.is_sorted());
        assert_eq!(ids[3].to_string(), "10-10");
        assert_eq!([EntryId::parse("10"), EntryId::parse("-1"), EntryId::parse("1-x")], [None; 3]);
    }
}
