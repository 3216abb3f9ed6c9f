//! What the model expects to be sent, and whether that is what was sent.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::rc::Rc;

use deskwire::config::Millis;
use deskwire::net::ConnId;
use serde_json::Value;

use super::readers::Reader;
use super::{Model, Who};

/// Frames of the track `Talk` must be sent in the order in which they are expected, those of `Loose` in any order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Track {
    Talk,
    Loose,
}

#[derive(Clone, Debug)]
pub enum Want {
    Frame(Rc<Value>),
    /// A frame that may be sent.
    Maybe(Rc<Value>),
    /// An `ack` with one of two times.
    Ack(Value, [u64; 2]),
    Error(Refusal),
}

/// An `error`: one of these codes, with the frame's `id` and `ticket_id`, which must or may be sent.
#[derive(Clone, Debug, Default)]
pub struct Refusal {
    pub codes: Vec<&'static str>,
    pub id: Option<u64>,
    pub id_is_due: bool,
    pub ticket: Option<String>,
    pub ticket_is_due: bool,
}

/// A frame that was sent.
#[derive(Debug)]
pub struct Sent {
    pub to: Vec<ConnId>,
    pub bytes: usize,
    pub frame: Rc<Value>,
}

/// What the desk sent in one call.
#[derive(Debug, Default)]
pub struct Call {
    pub now: Millis,
    pub sent: Vec<Sent>,
    pub closed: Vec<(ConnId, u16)>,
    /// Connections of which the desk asks to be notified when all their output has left.
    pub asked: BTreeSet<ConnId>,
    /// The connection whose output has left, if this call is that notification.
    pub drained: Option<ConnId>,
}

/// What is expected of a call, by connection.
pub type Wants = BTreeMap<ConnId, Vec<(Track, Want)>>;

impl Model {
    pub(super) fn want(&mut self, to: ConnId, track: Track, want: Want) {
        self.wants.entry(to).or_default().push((track, want));
    }

    /// Compares what was sent in a call with what was expected. A connection that is not behind is sent all of it; one that is
    /// behind is sent the answers to its requests, and is owed the rest.
    pub(super) fn compare(&mut self, call: &Call) -> Result<(), String> {
        let mut wants = std::mem::take(&mut self.wants);
        let mut frames: BTreeMap<ConnId, Vec<(usize, Rc<Value>)>> = BTreeMap::new();
        for sent in &call.sent {
            for conn in &sent.to {
                frames.entry(*conn).or_default().push((sent.bytes, Rc::clone(&sent.frame)));
            }
        }
        let concerned = wants.keys().chain(frames.keys()).chain(&call.asked).chain(&call.drained);
        for conn in concerned.copied().collect::<BTreeSet<_>>() {
            let wants = wants.remove(&conn).unwrap_or_default();
            let frames = frames.remove(&conn).unwrap_or_default();
            let mut reader = self.readers.remove(&conn).unwrap_or_default();
            let result = self.compare_for(conn, &mut reader, wants, &frames, call);
            if self.peers.contains_key(&conn) {
                self.readers.insert(conn, reader);
            }
            result?;
        }
        Ok(())
    }

    fn compare_for(
        &mut self,
        conn: ConnId,
        reader: &mut Reader,
        wants: Vec<(Track, Want)>,
        frames: &[(usize, Rc<Value>)],
        call: &Call,
    ) -> Result<(), String> {
        let is_drained = call.drained == Some(conn);
        let was_behind = reader.is_behind || is_drained;
        let problem = |problem: String| format!("{conn} {problem}");
        reader.count(frames, call.asked.contains(&conn), is_drained).map_err(problem)?;
        self.stories.behind += u64::from(reader.is_behind && !was_behind);
        self.stories.caught_up += u64::from(!reader.is_behind && was_behind);
        // A staff member who is given a ticket is sent all gathered changes at once, up to that ticket. The credit may end before
        // it comes.
        let is_given = |frame: &Value| {
            let staff = || frame["ticket"]["staff_id"].as_str().unwrap_or("").to_owned();
            frame["type"] == "ticket_added" && self.peers.get(&conn) == Some(&Who::Staff(staff()))
        };
        let is_early = was_behind || reader.is_behind || frames.iter().any(|(_, frame)| is_given(frame));
        let mut list = List::default();
        for (track, want) in wants {
            match want.deferrable() {
                Some(frame) if was_behind => reader.owe(frame, want.is_due()),
                _ => list.wants.push((track, want, false)),
            }
        }
        let owes = if was_behind { Some(is_drained) } else { None };
        for (_, frame) in frames {
            self.compare_frame((conn, owes), reader, &mut list, frame)?;
            self.show(conn, reader, frame, is_early).map_err(problem)?;
        }
        let missing = list.defer(reader).or_else(|| reader.first_owed().filter(|_| !reader.is_behind));
        match missing {
            Some(missing) => Err(format!("{conn} was not sent {missing}; but {}", frames_text(frames))),
            None => Ok(()),
        }
    }

    /// Compares one frame. `owes` is `None` for a connection that was not behind; otherwise, whether all its output has left.
    fn compare_frame(
        &mut self,
        (conn, owes): (ConnId, Option<bool>),
        reader: &mut Reader,
        list: &mut List,
        frame: &Rc<Value>,
    ) -> Result<(), String> {
        let problem = |problem: String| format!("{conn} {problem}");
        let was_behind = owes.is_some();
        if owes == Some(false) && !is_answer(frame) {
            return Err(format!("{conn} is behind, and is sent {frame}"));
        }
        if let Some(at) = list.meet(frame) {
            return match list.overtaken(at, reader.is_behind) {
                Some(earlier) => Err(format!("{conn} was sent {frame} before {}", earlier.text())),
                None => Ok(()),
            };
        }
        match frame["type"].as_str() {
            Some("typing") if was_behind && !reader.is_owed_typing(frame) => {
                self.check_types_now(conn, reader, frame).map_err(problem)
            }
            _ if was_behind && is_deferrable(frame) => reader.pay(frame, self.now).map_err(problem),
            Some("queue") if owes != Some(false) => self.told_place(conn, frame),
            _ if is_gathered(frame) => Ok(()),
            _ => Err(format!("{conn} was sent {frame} without a reason")),
        }
    }
}

/// What is expected for one connection, and whether it has come.
#[derive(Clone, Default)]
struct List {
    wants: Vec<(Track, Want, bool)>,
}

impl List {
    fn meet(&mut self, frame: &Value) -> Option<usize> {
        let at = self.wants.iter().position(|(_, want, is_met)| !is_met && want.is_met_by(frame))?;
        self.wants[at].2 = true;
        Some(at)
    }

    /// Returns a frame that was expected before the nth, on its track, and has not come. For a connection that is behind, only
    /// the order within a chat counts.
    fn overtaken(&self, at: usize, is_behind: bool) -> Option<&Want> {
        let (track, want, _) = &self.wants[at];
        if *track == Track::Loose {
            return None;
        }
        let is_overtaken = |earlier: &Want| match (earlier.deferrable(), want.deferrable()) {
            (Some(earlier), Some(frame)) if is_behind => earlier["ticket_id"] == frame["ticket_id"],
            (Some(_), None) => !is_behind,
            _ => true,
        };
        let earlier = self.wants[..at].iter().filter(|(other, _, is_met)| !is_met && other == track);
        earlier.map(|(_, want, _)| want).find(|earlier| earlier.is_due() && is_overtaken(earlier))
    }

    /// Notes frames that have not come as owed, if they may be. Returns one that is missing.
    fn defer(&self, reader: &mut Reader) -> Option<String> {
        for (_, want, _) in self.wants.iter().filter(|(_, _, is_met)| !is_met) {
            match want.deferrable() {
                Some(frame) if reader.is_behind => reader.owe(frame, want.is_due()),
                _ if want.is_due() => return Some(want.text()),
                _ => {}
            }
        }
        None
    }
}

/// Whether a connection that is behind is sent this later.
fn is_deferrable(frame: &Value) -> bool {
    let kind = frame["type"].as_str().unwrap_or("");
    kind.starts_with("staff_")
        || matches!(kind, "message" | "delivered" | "typing" | "ticket_closed" | "rated")
}

/// Whether a frame is one of the changes that are gathered for all.
fn is_gathered(frame: &Value) -> bool {
    matches!(
        frame["type"].as_str(),
        Some("desk" | "colleague" | "ticket_added" | "ticket_updated" | "ticket_removed")
    )
}

/// Whether a frame is the answer to a request, which is sent at once.
fn is_answer(frame: &Value) -> bool {
    let kind = frame["type"].as_str().unwrap_or("");
    matches!(kind, "ack" | "error" | "pong" | "presence" | "ticket_created" | "queue" | "ticket_picked")
}

fn frames_text(frames: &[(usize, Rc<Value>)]) -> String {
    frames.iter().fold(String::new(), |mut text, (_, frame)| {
        let _ = write!(text, "{frame} ");
        text
    })
}

impl Want {
    /// Whether it is the end of a chat.
    pub(super) fn is_end(&self) -> bool {
        self.deferrable().is_some_and(|frame| frame["type"] == "ticket_closed")
    }

    fn is_due(&self) -> bool {
        !matches!(self, Self::Maybe(_))
    }

    fn deferrable(&self) -> Option<&Rc<Value>> {
        match self {
            Self::Frame(frame) | Self::Maybe(frame) if is_deferrable(frame) => Some(frame),
            _ => None,
        }
    }

    fn is_met_by(&self, frame: &Value) -> bool {
        match self {
            Self::Frame(want) | Self::Maybe(want) => **want == *frame,
            Self::Ack(want, times) => {
                let mut plain = frame.clone();
                let at = plain.as_object_mut().and_then(|fields| fields.remove("at"));
                *want == plain && at.and_then(|at| at.as_u64()).is_some_and(|at| times.contains(&at))
            }
            Self::Error(refusal) => refusal.is_met_by(frame),
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Frame(frame) | Self::Maybe(frame) => frame.to_string(),
            other => format!("{other:?}"),
        }
    }
}

impl Refusal {
    fn is_met_by(&self, frame: &Value) -> bool {
        let id = frame.get("id").map(Value::as_u64);
        let ticket = frame.get("ticket_id").map(Value::as_str);
        frame["type"] == "error"
            && frame["code"].as_str().is_some_and(|code| self.codes.contains(&code))
            && frame["message"].is_string()
            && id.map_or(!self.id_is_due, |id| id == self.id)
            && ticket.map_or(!self.ticket_is_due, |ticket| ticket == self.ticket.as_deref())
    }
}
