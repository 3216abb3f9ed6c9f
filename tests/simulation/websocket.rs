//! A client's request for an upgrade, and a decoder of what the server sends, which reports what no server may send.

use crate::codec;

/// Returns the head that a browser sends.
pub fn head(path: &str, protocols: &[String]) -> Vec<u8> {
    head_from(path, protocols, None)
}

/// The same, for a page of this origin.
pub fn head_from(path: &str, protocols: &[String], origin: Option<&str>) -> Vec<u8> {
    let origin = origin.map(|origin| format!("Origin: {origin}\r\n")).unwrap_or_default();
    let offered = match protocols {
        [] => String::new(),
        _ => format!("Sec-WebSocket-Protocol: {}\r\n", protocols.join(", ")),
    };
    format!(
        "GET {path} HTTP/1.1\r\nHost: desk\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {}\r\nSec-WebSocket-Version: 13\r\n{origin}{offered}\r\n",
        codec::KEY
    )
    .into_bytes()
}

/// What the client has received.
#[derive(Debug, PartialEq, Eq)]
pub enum Received {
    /// 101, and the subprotocol.
    Upgraded(Option<String>),
    /// Another status.
    Status(u16),
    Text(Vec<u8>),
    Ping(Vec<u8>),
    Close(Option<u16>),
    /// What no server may send.
    Breach(&'static str),
}

/// Splits what the server sends into a response and frames.
#[derive(Default)]
pub struct Decoder {
    pub bytes: Vec<u8>,
    is_upgraded: bool,
    /// The response was not 101: the rest is its body.
    is_answered: bool,
    at: usize,
}

impl Decoder {
    pub fn next(&mut self) -> Option<Received> {
        let received = match self.is_upgraded {
            true => self.frame(),
            false if self.is_answered => {
                self.at = self.bytes.len();
                None
            }
            false => self.answer(),
        };
        if received.is_none() && self.at > 0 {
            self.bytes.drain(..self.at);
            self.at = 0;
        }
        received
    }

    /// Whether an incomplete frame is left.
    pub fn has_rest(&self) -> bool {
        self.at < self.bytes.len()
    }

    fn answer(&mut self) -> Option<Received> {
        let bytes = &self.bytes[self.at..];
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        self.at += end;
        let status = head.get(9..12).and_then(|status| status.parse().ok()).unwrap_or(0);
        if status != 101 {
            self.is_answered = true;
            return Some(Received::Status(status));
        }
        self.is_upgraded = true;
        if !head.contains(&format!("Sec-WebSocket-Accept: {}\r\n", codec::ACCEPT)) {
            return Some(Received::Breach("a wrong Sec-WebSocket-Accept"));
        }
        let protocol = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Protocol: "));
        Some(Received::Upgraded(protocol.map(str::to_owned)))
    }

    fn frame(&mut self) -> Option<Received> {
        let bytes = &self.bytes[self.at..];
        let header = codec::header(bytes)?;
        if header.is_masked {
            return Some(Received::Breach("a masked frame"));
        }
        let payload = bytes.get(header.payload.clone())?.to_vec();
        self.at += header.payload.end;
        Some(match header.first {
            0x81 => Received::Text(payload),
            0x89 => Received::Ping(payload),
            0x8A => return self.frame(),
            0x88 if payload.is_empty() => Received::Close(None),
            0x88 if payload.len() > 1 => Received::Close(Some(u16::from_be_bytes([payload[0], payload[1]]))),
            _ => Received::Breach("a frame that the server has no use for"),
        })
    }
}
