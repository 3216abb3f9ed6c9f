//! The input of an attacker's connection: the answer to the handshake, then frames, most of which are only counted.

use crate::frame::{Frame, Kind};
use crate::websocket;

/// A frame that the attack looks at.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    pub(crate) kind: Kind,
    pub(crate) ticket: String,
    pub(crate) seq: u64,
}

/// Something that came.
#[derive(Clone, Debug)]
pub(crate) enum Received {
    /// 101.
    Upgraded,
    /// The status line of any other answer. The rest is dropped.
    Answer(String),
    Frame(Heard),
    /// A close frame with this code.
    Close(Option<u16>),
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Head,
    Frames,
    Dropping,
}

/// The input of one connection.
#[derive(Debug)]
pub(crate) struct Input {
    state: State,
    /// The beginning of a head or frame.
    rest: Vec<u8>,
    /// The rest of a payload to be skipped, in bytes.
    skip: usize,
    pub(crate) listens: bool,
}

impl Input {
    pub(crate) fn new(listens: bool) -> Self {
        Self { state: State::Head, rest: Vec::new(), skip: 0, listens }
    }

    pub(crate) fn take(&mut self, bytes: &[u8], received: &mut impl FnMut(Received)) {
        let mut rest = std::mem::take(&mut self.rest);
        if rest.is_empty() {
            let used = self.parse(bytes, received);
            rest.extend_from_slice(&bytes[used..]);
        } else {
            rest.extend_from_slice(bytes);
            let used = self.parse(&rest, received);
            rest.drain(..used);
        }
        self.rest = rest;
    }

    fn parse(&mut self, input: &[u8], received: &mut impl FnMut(Received)) -> usize {
        let mut used = 0;
        if self.state == State::Head {
            let Some(length) = head_length(input) else { return 0 };
            used = length;
            let status = String::from_utf8_lossy(&input[..length]);
            let status = status.lines().next().unwrap_or_default();
            if status.starts_with("HTTP/1.1 101") {
                self.state = State::Frames;
                received(Received::Upgraded);
            } else {
                self.state = State::Dropping;
                received(Received::Answer(status.to_owned()));
            }
        }
        if self.state == State::Dropping {
            return input.len();
        }
        loop {
            let skipped = self.skip.min(input.len() - used);
            self.skip -= skipped;
            used += skipped;
            let Some((opcode, payload)) = websocket::next_header(&input[used..]) else { return used };
            if opcode != websocket::CLOSE && !(opcode == websocket::TEXT && self.listens) {
                used += payload.start;
                self.skip = payload.len();
                continue;
            }
            let Some(bytes) = input[used..].get(payload.clone()) else { return used };
            used += payload.end;
            if opcode == websocket::CLOSE {
                received(Received::Close(bytes.first_chunk().map(|code| u16::from_be_bytes(*code))));
            } else {
                let frame = Frame::read(std::str::from_utf8(bytes).expect("UTF-8 in a text frame"));
                let heard = Heard { kind: frame.kind, ticket: frame.ticket.to_owned(), seq: frame.seq };
                received(Received::Frame(heard));
            }
        }
    }
}

fn head_length(input: &[u8]) -> Option<usize> {
    const END: &[u8] = b"\r\n\r\n";
    input.windows(END.len()).position(|bytes| bytes == END).map(|start| start + END.len())
}
