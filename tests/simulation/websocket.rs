//! RFC 6455 from the client's side: a head and frames out, frames in. Written for the simulation, and shared with nobody.

/// The request of a browser.
pub fn head(path: &str, protocols: &[String]) -> Vec<u8> {
    let offered = match protocols {
        [] => String::new(),
        _ => format!("Sec-WebSocket-Protocol: {}\r\n", protocols.join(", ")),
    };
    format!(
        "GET {path} HTTP/1.1\r\nHost: desk\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{offered}\r\n"
    )
    .into_bytes()
}

pub const CONTINUATION: u8 = 0;
pub const TEXT: u8 = 1;
pub const BINARY: u8 = 2;
pub const CLOSE: u8 = 8;
pub const PING: u8 = 9;
pub const PONG: u8 = 10;
pub const FIN: u8 = 0x80;

/// Appends a masked frame; `first` is the opcode and the bits before it.
pub fn append_frame(out: &mut Vec<u8>, first: u8, payload: &[u8], mask: u32) {
    append_header(out, first, payload.len() as u64, mask);
    let mask = mask.to_be_bytes();
    out.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
}

/// Appends the header of a frame that announces so many bytes.
pub fn append_header(out: &mut Vec<u8>, first: u8, length: u64, mask: u32) {
    out.push(first);
    match length {
        0..=125 => out.push(0x80 | length.to_be_bytes()[7]),
        126..=0xFFFF => {
            out.push(0x80 | 126);
            out.extend(&length.to_be_bytes()[6..]);
        }
        _ => {
            out.push(0x80 | 127);
            out.extend(length.to_be_bytes());
        }
    }
    out.extend(mask.to_be_bytes());
}

/// What the server said.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
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

/// Takes apart what the server sends.
#[derive(Default)]
pub struct Decoder {
    pub bytes: Vec<u8>,
    is_upgraded: bool,
    /// It was another answer than 101: the rest is its body.
    is_answered: bool,
    at: usize,
}

impl Decoder {
    pub fn next(&mut self) -> Option<Heard> {
        let heard = match self.is_upgraded {
            true => self.frame(),
            false if self.is_answered => {
                self.at = self.bytes.len();
                None
            }
            false => self.answer(),
        };
        if heard.is_none() && self.at > 0 {
            self.bytes.drain(..self.at);
            self.at = 0;
        }
        heard
    }

    /// Whether something came that is not whole.
    pub fn has_rest(&self) -> bool {
        self.at < self.bytes.len()
    }

    fn answer(&mut self) -> Option<Heard> {
        let bytes = &self.bytes[self.at..];
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        self.at += end;
        let status = head.get(9..12).and_then(|status| status.parse().ok()).unwrap_or(0);
        if status != 101 {
            self.is_answered = true;
            return Some(Heard::Status(status));
        }
        self.is_upgraded = true;
        if !head.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n") {
            return Some(Heard::Breach("a wrong Sec-WebSocket-Accept"));
        }
        let protocol = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Protocol: "));
        Some(Heard::Upgraded(protocol.map(str::to_owned)))
    }

    fn frame(&mut self) -> Option<Heard> {
        let bytes = &self.bytes[self.at..];
        let (&first, &second) = (bytes.first()?, bytes.get(1)?);
        let (length, start) = match second {
            0..=125 => (usize::from(second), 2),
            126 => (usize::from(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?])), 4),
            127 => (u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?) as usize, 10),
            _ => return Some(Heard::Breach("a masked frame")),
        };
        let payload = bytes.get(start..start + length)?.to_vec();
        self.at += start + length;
        Some(match first {
            0x81 => Heard::Text(payload),
            0x89 => Heard::Ping(payload),
            0x8A => return self.frame(),
            0x88 if payload.is_empty() => Heard::Close(None),
            0x88 if payload.len() > 1 => Heard::Close(Some(u16::from_be_bytes([payload[0], payload[1]]))),
            _ => Heard::Breach("a frame that the server has no use for"),
        })
    }
}
