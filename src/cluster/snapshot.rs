//! The snapshot of a desk: State and the nodes after an entry of the log, in its stored form. It is serialised in parts, so that a
//! large desk does not block the loop.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::entry::Position;
use super::members::Members;
use crate::config::{Millis, REDIS_PART_MS};
use crate::state::{Assembly, Part, Parts, STATE_VERSION, State, digest_text};

/// The stored form.
#[derive(Deserialize)]
struct Stored {
    nodes: Members,
    parts: Vec<StoredPart<Part>>,
}

/// A part of the State, and its digest.
#[derive(Serialize, Deserialize)]
struct StoredPart<P> {
    digest: String,
    part: P,
}

/// The version only, which is checked first: in another version the rest may differ.
#[derive(Deserialize)]
struct Version {
    version: u32,
}

/// Why a snapshot cannot be used. The process then ends.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unusable {
    /// It is from another version of deskwire.
    Version(u32),
    /// It is not what was stored.
    Damaged(String),
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(theirs) => write!(
                f,
                "the desk in Redis is from another version of deskwire: its state has version {theirs}, and this one reads \
                 {STATE_VERSION}"
            ),
            Self::Damaged(why) => write!(f, "the desk in Redis is damaged: {why}"),
        }
    }
}

impl std::error::Error for Unusable {}

/// A snapshot that is being serialised, of a copy of State.
#[derive(Debug)]
pub(super) struct Snapshot {
    /// The entry after which it was begun.
    pub(super) at: Position,
    parts: Parts,
    body: Vec<u8>,
    /// When the next part is due.
    pub(super) due: Millis,
}

impl Snapshot {
    /// Begins a snapshot of State and the nodes.
    pub(super) fn begin(
        now: Millis,
        at: Position,
        state: &State,
        nodes: &Members,
    ) -> serde_json::Result<Self> {
        let mut body = format!("{{\"version\":{STATE_VERSION},\"nodes\":").into_bytes();
        serde_json::to_writer(&mut body, nodes)?;
        body.extend_from_slice(b",\"parts\":[");
        Ok(Self { at, parts: state.parts(), body, due: now })
    }

    /// Serialises the next part. Returns the snapshot once it is complete.
    pub(super) fn go_on(&mut self, now: Millis) -> serde_json::Result<Option<Vec<u8>>> {
        self.due = now + REDIS_PART_MS;
        let Some(part) = self.parts.next() else {
            let mut body = std::mem::take(&mut self.body);
            body.truncate(body.len() - 1); // the last comma
            body.extend_from_slice(b"]}");
            return Ok(Some(body));
        };
        let digest = digest_text(part.digest());
        serde_json::to_writer(&mut self.body, &StoredPart { digest, part })?;
        self.body.push(b',');
        Ok(None)
    }
}

/// Serialises State and the nodes at once.
pub(super) fn write(state: &State, nodes: &Members) -> serde_json::Result<Vec<u8>> {
    let mut snapshot = Snapshot::begin(0, Position::default(), state, nodes)?;
    loop {
        if let Some(body) = snapshot.go_on(0)? {
            return Ok(body);
        }
    }
}

/// Parses a snapshot, and checks its digest.
pub(super) fn read(text: &str) -> Result<(State, Members), Unusable> {
    let damaged = |error: serde_json::Error| Unusable::Damaged(error.to_string());
    let Version { version } = serde_json::from_str(text).map_err(damaged)?;
    if version != STATE_VERSION {
        return Err(Unusable::Version(version));
    }
    let stored: Stored = serde_json::from_str(text).map_err(damaged)?;
    let mut assembly = Assembly::default();
    for StoredPart { digest, part } in stored.parts {
        if digest_text(part.digest()) != digest {
            break;
        }
        if let Some(state) = assembly.add(part) {
            return Ok((state, stored.nodes));
        }
    }
    Err(Unusable::Damaged("the digest of a part differs".into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Assign;
    use crate::ids::{ConnId, JsonText, NodeId, UserId};
    use crate::state::{Input, Rules, Session, UserCommand};

    fn stored() -> (State, String) {
        let rules = Rules { max_chats: 3, max_tickets: 20, assign: Assign::Manual, user_grace_ms: 30_000 };
        let mut state = State::new(rules, [1, 2]);
        let (conn, user) = (ConnId::here(1, 0), UserId::parse("ann").unwrap());
        let fresh = Session::parse("same").unwrap();
        state.apply(5, &Input::UserConnects { conn, user, offered: None, fresh }, &mut ());
        let subject = JsonText::from_parsed("help".into());
        let asks = UserCommand::CreateTicket { subject, name: None, page: None };
        state.apply(6, &Input::UserAsks(conn, asks, None), &mut ());
        let mut members = Members::default();
        members.add(NodeId(7), 5);
        let body = String::from_utf8(write(&state, &members).unwrap()).unwrap();
        (state, body)
    }

    #[test]
    fn what_was_stored_in_parts_is_the_same_again() {
        let (state, body) = stored();
        let (again, members) = read(&body).unwrap();
        assert_eq!(again.digest(), state.digest());
        assert!(members.contains(NodeId(7)));
    }

    #[test]
    fn a_snapshot_of_which_a_part_is_changed_or_missing_is_refused() {
        let (_, body) = stored();
        let damaged = |body: &str| matches!(read(body), Err(Unusable::Damaged(_)));
        assert!(damaged(&body.replace("help", "hell")));
        let (rest, _) = body.rsplit_once(",{\"digest\"").unwrap();
        assert!(damaged(&format!("{rest}]}}")), "without its last part");
        assert!(damaged(&body[..body.len() - 1]));
        let version = format!("\"version\":{STATE_VERSION}");
        let other = body.replace(&version, "\"version\":999");
        assert_eq!(read(&other).map(|_| ()), Err(Unusable::Version(999)));
    }
}
