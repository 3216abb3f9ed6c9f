//! RESP2, the protocol of Redis: writes commands and reads replies.
//!
//! No crate is used for it: the best known parser does not limit how deep a reply is nested, starts again whenever more of a
//! reply has come, and depends on five crates.

use crate::config::{RESP_DEPTH_MAX, RESP_LINE_BYTES_MAX};

/// A reply, borrowed from the bytes that were received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply<'a> {
    /// A status, such as `OK`.
    Simple(&'a str),
    /// Why a command was refused.
    Error(&'a str),
    /// A number.
    Integer(i64),
    /// Any bytes.
    Bulk(&'a [u8]),
    /// Other replies.
    Array(Vec<Reply<'a>>),
    /// There is no such value.
    Nil,
}

/// Why no reply can be read.
#[derive(Debug, PartialEq, Eq)]
pub enum NoReply {
    /// It is incomplete, and has at least this many bytes.
    Partial(usize),
    /// It is not RESP, or is beyond a limit.
    Broken,
}

impl<'a> Reply<'a> {
    /// Reads the reply at the start of the bytes. Returns it with its length.
    ///
    /// # Errors
    /// The bytes are an incomplete reply, or not a reply.
    pub fn read(bytes: &'a [u8]) -> Result<(Self, usize), NoReply> {
        let mut reader = Reader { bytes, at: 0 };
        let reply = reader.reply(RESP_DEPTH_MAX)?;
        Ok((reply, reader.at))
    }

    pub(super) fn as_array(&self) -> Option<&[Self]> {
        if let Self::Array(replies) = self { Some(replies) } else { None }
    }

    pub(super) fn as_text(&self) -> Option<&'a str> {
        match self {
            Self::Bulk(bytes) => std::str::from_utf8(bytes).ok(),
            Self::Simple(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn as_integer(&self) -> Option<i64> {
        if let Self::Integer(number) = self { Some(*number) } else { None }
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn reply(&mut self, depth: usize) -> Result<Reply<'a>, NoReply> {
        let line = self.line()?;
        let (kind, rest) = line.split_at_checked(1).ok_or(NoReply::Broken)?;
        match kind {
            "+" => Ok(Reply::Simple(rest)),
            "-" => Ok(Reply::Error(rest)),
            ":" => rest.parse().map(Reply::Integer).map_err(|_| NoReply::Broken),
            "$" if rest == "-1" => Ok(Reply::Nil),
            "*" if rest == "-1" => Ok(Reply::Nil),
            "$" => self.bulk(length(rest)?),
            "*" if depth > 0 => {
                let count = length(rest)?;
                // Not allocated in advance: the peer may claim any count.
                let mut replies = Vec::new();
                for _ in 0..count {
                    replies.push(self.reply(depth - 1)?);
                }
                Ok(Reply::Array(replies))
            }
            _ => Err(NoReply::Broken),
        }
    }

    fn line(&mut self) -> Result<&'a str, NoReply> {
        let rest = &self.bytes[self.at..];
        let Some(length) = rest.iter().take(RESP_LINE_BYTES_MAX).position(|byte| *byte == b'\n') else {
            let is_broken = rest.len() >= RESP_LINE_BYTES_MAX;
            return Err(if is_broken { NoReply::Broken } else { NoReply::Partial(self.bytes.len() + 1) });
        };
        self.at += length + 1;
        let line = rest[..length].strip_suffix(b"\r").ok_or(NoReply::Broken)?;
        std::str::from_utf8(line).map_err(|_| NoReply::Broken)
    }

    fn bulk(&mut self, length: usize) -> Result<Reply<'a>, NoReply> {
        let end = self.at.checked_add(length).and_then(|end| end.checked_add(2)).ok_or(NoReply::Broken)?;
        let bytes = self.bytes.get(self.at..end).ok_or(NoReply::Partial(end))?;
        self.at = end;
        bytes.strip_suffix(b"\r\n").map(Reply::Bulk).ok_or(NoReply::Broken)
    }
}

fn length(text: &str) -> Result<usize, NoReply> {
    text.parse().map_err(|_| NoReply::Broken)
}

/// Appends a command.
pub(super) fn append_command(parts: &[&[u8]], out: &mut Vec<u8>) {
    let mut number = itoa::Buffer::new();
    let mut line = |kind: u8, length: usize, out: &mut Vec<u8>| {
        out.push(kind);
        out.extend_from_slice(number.format(length).as_bytes());
        out.extend_from_slice(b"\r\n");
    };
    line(b'*', parts.len(), out);
    for part in parts {
        line(b'$', part.len(), out);
        out.extend_from_slice(part);
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
#[path = "../../tests/fuzz/properties/resp.rs"]
#[allow(unreachable_pub, reason = "the fuzz target uses it, too")]
mod property;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_read_when_it_is_complete_and_not_before() {
        let bytes = b"*3\r\n$5\r\nhe\r\no\r\n*2\r\n:-7\r\n*-1\r\n$-1\r\n+OK\r\n";
        let expected = Reply::Array(vec![
            Reply::Bulk(b"he\r\no"),
            Reply::Array(vec![Reply::Integer(-7), Reply::Nil]),
            Reply::Nil,
        ]);
        let length = bytes.len() - 5;
        for end in 0..length {
            let Err(NoReply::Partial(needed)) = Reply::read(&bytes[..end]) else { panic!("{end}") };
            assert!((end + 1..=length).contains(&needed), "{end}: {needed}");
        }
        assert_eq!(Reply::read(bytes), Ok((expected, length)));
        assert_eq!(Reply::read(&bytes[length..]), Ok((Reply::Simple("OK"), 5)));
        assert_eq!(Reply::read(b"-ERR no\r\n"), Ok((Reply::Error("ERR no"), 9)));
        assert_eq!(Reply::read(b"*0\r\n$0\r\n\r\n"), Ok((Reply::Array(Vec::new()), 4)));
    }

    #[test]
    fn what_is_not_a_reply_is_refused_and_no_claim_allocates_memory() {
        let nested = "*1\r\n".repeat(100_000);
        let long = format!("+{}", "x".repeat(5000));
        let broken =
            ["x\r\n", "\r\n", "+OK\n", ":\r\n", ":1x\r\n", "$-2\r\n", "*-2\r\n", "$1\r\nabc", "$x\r\n"];
        for text in broken.into_iter().chain([nested.as_str(), &long, "$18446744073709551615\r\n"]) {
            assert_eq!(Reply::read(text.as_bytes()), Err(NoReply::Broken), "{text:.20}");
        }
        // A million entries are claimed, and nothing is allocated for them.
        assert_eq!(Reply::read(b"*1000000000\r\n"), Err(NoReply::Partial(14)));
    }

    #[test]
    fn a_command_is_an_array_of_its_parts() {
        let mut out = Vec::new();
        append_command(&[b"XADD", b"", b"a\r\nb"], &mut out);
        assert_eq!(out, b"*3\r\n$4\r\nXADD\r\n$0\r\n\r\n$4\r\na\r\nb\r\n");
    }

    /// SplitMix64: the same numbers in each run.
    struct Random(u64);

    impl Random {
        fn below(&mut self, bound: usize) -> usize {
            self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            usize::try_from((z ^ (z >> 27)) % bound as u64).unwrap()
        }

        fn reply(&mut self, depth: usize) -> Reply<'static> {
            const TEXTS: [&str; 4] = ["", "OK", "5-1", "WRONGPASS \u{fc}"];
            const BULKS: [&[u8]; 4] = [b"", b"{\"turn\":1}", b"\r\n$-1\r\n", &[0xFF; 40]];
            match self.below(if depth > 0 { 7 } else { 5 }) {
                0 => Reply::Simple(TEXTS[self.below(4)]),
                1 => Reply::Error(TEXTS[self.below(4)]),
                2 => Reply::Integer([0, -7, i64::MAX, i64::MIN][self.below(4)]),
                3 => Reply::Nil,
                4 => Reply::Bulk(BULKS[self.below(4)]),
                _ => Reply::Array((0..self.below(5)).map(|_| self.reply(depth - 1)).collect()),
            }
        }
    }

    /// The same as the fuzz target, of replies and of damaged ones.
    #[test]
    fn what_is_read_depends_neither_on_the_pieces_nor_on_what_follows() {
        let mut random = Random(1);
        for _ in 0..2_000 {
            let reply = random.reply(RESP_DEPTH_MAX);
            let mut bytes = Vec::new();
            property::write(&reply, &mut bytes);
            assert_eq!(Reply::read(&bytes), Ok((reply, bytes.len())));
            property::check(&bytes);
            let at = random.below(bytes.len());
            match random.below(3) {
                0 => bytes[at] = b"\r\n*$:-+09x\xFF"[random.below(11)],
                1 => _ = bytes.remove(at),
                _ => bytes.insert(at, b"\r\n*$:-+09x"[random.below(10)]),
            }
            bytes.extend_from_slice(b":1\r\n");
            property::check(&bytes);
        }
    }
}
