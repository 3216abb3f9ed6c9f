//! What the model expects to be sent, and whether that is what was sent.

use std::fmt::Write;
use std::rc::Rc;

use deskwire::net::ConnId;
use serde_json::Value;

/// Frames of one track reach a connection in the order in which they were expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Track {
    Talk,
    Board,
    Loose,
}

#[derive(Debug)]
pub enum Want {
    Frame(Rc<Value>),
    /// May come.
    Maybe(Rc<Value>),
    /// An acknowledgement whose time may be either.
    Ack(Value, [u64; 2]),
    Error(Refusal),
}

/// An error: one of these codes, and what it speaks of, if it must or may be told.
#[derive(Debug, Default)]
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
    pub frame: Rc<Value>,
}

#[derive(Debug, Default)]
pub struct Wants {
    list: Vec<(ConnId, Track, Want)>,
}

impl Wants {
    pub fn add(&mut self, to: ConnId, track: Track, want: Want) {
        self.list.push((to, track, want));
    }

    /// Compares, empties itself, and gives the frames that nobody expected; an error where one is missing or in a wrong
    /// place.
    pub fn compare(&mut self, sent: &[Sent]) -> Result<Vec<(ConnId, Rc<Value>)>, String> {
        let list = std::mem::take(&mut self.list);
        let mut is_met = vec![false; list.len()];
        let mut others = Vec::new();
        for Sent { to, frame } in sent {
            for conn in to {
                let fits = |(at, want): &(usize, &(ConnId, Track, Want))| {
                    !is_met[*at] && want.0 == *conn && want.2.is_met_by(frame)
                };
                let Some((at, want)) = list.iter().enumerate().find(fits) else {
                    others.push((*conn, Rc::clone(frame)));
                    continue;
                };
                is_met[at] = true;
                let overtaken = list[..at].iter().zip(&is_met).find(|(earlier, is_met)| {
                    !**is_met && earlier.0 == *conn && earlier.1 == want.1 && earlier.2.is_due()
                });
                if let Some((earlier, _)) = overtaken.filter(|_| want.1 != Track::Loose) {
                    return Err(format!("{conn} was sent {frame} before {}", earlier.2.text()));
                }
            }
        }
        match list.iter().zip(&is_met).find(|(want, is_met)| !**is_met && want.2.is_due()) {
            Some((want, _)) => {
                Err(format!("{} was not sent {}; but {}", want.0, want.2.text(), said(&others)))
            }
            None => Ok(others),
        }
    }
}

fn said(frames: &[(ConnId, Rc<Value>)]) -> String {
    frames.iter().fold(String::new(), |mut text, (conn, frame)| {
        let _ = write!(text, "{conn}: {frame} ");
        text
    })
}

impl Want {
    fn is_due(&self) -> bool {
        !matches!(self, Self::Maybe(_))
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
