//! A journal's lines, and how damage differs from a last write that was cut off.
//!
//! ```text
//! deskwire journal 2 state 3
//! 0c5e0f8a8d2d3f41 {"snapshot":{"at":1764150000000,"digest":"99527...","part":{"users":[...]}}}
//! 7b1d9a34c0e5f2aa {"at":1764150000120,"synced":20410,"inputs":[{"user_asks":["1.7",{"message":{"id":1,"text":"hi"}}]}]}
//! ```
//!
//! Each line begins with a hash of its JSON and of the hash of the line before. So a line that was changed, removed, duplicated
//! or moved is detected. `synced` is the number of bytes of the file that were synced when the line was written: a power cut
//! may damage the bytes after these, in any order, but none before.

use sha2::{Digest, Sha256};

/// The digits of a hash. 64 bits detect accidental damage. A forged line is no concern: anyone who can
/// forge one can write the whole file.
pub(super) const HASH_DIGITS: usize = 16;

/// The key before the number of synced bytes.
pub(super) const SYNCED: &[u8] = b",\"synced\":";

/// The hash of the last line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chain(String);

impl Chain {
    /// Starts with the header, which has no hash of its own.
    pub(super) fn start(header: &str) -> Self {
        Self(hash(header, b""))
    }

    /// Appends a line that holds this JSON.
    pub(super) fn append(&mut self, json: &[u8], out: &mut Vec<u8>) {
        self.0 = hash(&self.0, json);
        out.extend_from_slice(self.0.as_bytes());
        out.push(b' ');
        out.extend_from_slice(json);
        out.push(b'\n');
    }

    /// Returns the JSON of the next line if its hash is right.
    fn follow<'a>(&mut self, line: &'a [u8]) -> Option<&'a str> {
        let (own, json) = split(line)?;
        let is_next = hash(&self.0, json.as_bytes()) == own;
        if is_next {
            own.clone_into(&mut self.0);
        }
        is_next.then_some(json)
    }
}

fn hash(before: &str, json: &[u8]) -> String {
    let digest = Sha256::new().chain_update(before).chain_update(json).finalize();
    let mut hex = crate::ids::hex(&digest);
    hex.truncate(HASH_DIGITS);
    hex
}

/// Splits a line into its hash and its JSON.
fn split(line: &[u8]) -> Option<(&str, &str)> {
    let line = std::str::from_utf8(line).ok()?;
    let (own, json) = line.split_at_checked(HASH_DIGITS)?;
    Some((own, json.strip_prefix(' ')?))
}

/// The lines of a journal after its header, up to the first that is not complete.
pub(super) struct Lines<'a> {
    bytes: &'a [u8],
    /// The end of the complete lines.
    pub(super) at: usize,
    pub(super) chain: Chain,
}

impl<'a> Lines<'a> {
    pub(super) fn new(bytes: &'a [u8], header: &str) -> Self {
        Self { bytes, at: header.len() + 1, chain: Chain::start(header) }
    }

    /// Returns whether the bytes after the complete lines had been synced once, according to a `synced` in them. Otherwise they
    /// are from a write that was interrupted.
    pub(super) fn is_damaged(&self) -> bool {
        let tail = self.bytes.get(self.at..).unwrap_or_default();
        // A text cannot contain this key, since its quotes are escaped.
        let found = tail.windows(SYNCED.len()).enumerate().filter(|(_, window)| *window == SYNCED);
        let numbers = found.map(|(start, _)| {
            let digits = tail[start + SYNCED.len()..].iter().take_while(|byte| byte.is_ascii_digit());
            digits.fold(0_usize, |number, digit| {
                number.saturating_mul(10).saturating_add(usize::from(digit - b'0'))
            })
        });
        numbers.into_iter().any(|synced| synced > self.at)
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let rest = self.bytes.get(self.at..)?;
        let length = rest.iter().position(|byte| *byte == b'\n')?;
        let json = self.chain.follow(&rest[..length])?;
        self.at += length + 1;
        Some(json)
    }
}
