//! Secrets: the tokens of staff, and the random bytes for tokens, sessions and seeds.
//!
//! The desk keeps only hashes of tokens and sessions, so that a copy of the journal is not enough to sign in.

use std::collections::BTreeMap;
use std::fmt;

use crate::config::TOKEN_BYTES_MAX;
use crate::ids::{JsonText, SecretHash, StaffId, hex};
use crate::state::Seed;

/// The random bytes in a token that the desk makes: 256 bits.
const TOKEN_BYTES: usize = 32;
/// The random bytes in a session: 128 bits.
const SESSION_BYTES: usize = 16;

/// The hashes of the tokens with which staff sign in.
#[derive(Debug)]
pub enum StaffTokens {
    /// One token for every staff id.
    Desk(SecretHash),
    /// A token for each staff member.
    Each(BTreeMap<StaffId, Member>),
}

/// What the staff file says about one staff member.
#[derive(Debug)]
pub struct Member {
    pub(super) token: SecretHash,
    /// The name that users see. Without one, staff may choose their own.
    pub(super) name: Option<JsonText<'static>>,
}

/// An error in a token, in the staff file or in the source of random bytes.
#[derive(Debug)]
pub enum AuthError {
    /// The file cannot be read.
    File(std::path::PathBuf, std::io::Error),
    /// A line of the file, counted from 1, and what is wrong with it.
    Line(std::path::PathBuf, usize, &'static str),
    /// The desk's token cannot be offered as a subprotocol.
    Token,
    /// The kernel returns no random bytes.
    Random(getrandom::Error),
}

impl fmt::Display for AuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Line(path, line, what) => write!(f, "{}:{line}: {what}", path.display()),
            Self::Token => f.write_str(
                "DESKWIRE_STAFF_TOKEN: 1 to 256 letters, digits and !#$%&'*+-.^_`|~, which a browser can send",
            ),
            Self::Random(error) => write!(f, "no random bytes: {error}"),
        }
    }
}

impl std::error::Error for AuthError {}

impl StaffTokens {
    /// Creates the tokens of a desk whose staff all share one token.
    ///
    /// # Errors
    /// A browser cannot send the token: a subprotocol has to be a token of RFC 9110 5.6.2.
    pub fn desk(token: &str) -> Result<Self, AuthError> {
        let is_sendable = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        if token.is_empty() || token.len() > TOKEN_BYTES_MAX || !token.bytes().all(is_sendable) {
            return Err(AuthError::Token);
        }
        Ok(Self::Desk(SecretHash::of(token)))
    }

    /// Returns how many staff members have a token of their own.
    pub fn members(&self) -> usize {
        match self {
            Self::Desk(_) => 0,
            Self::Each(members) => members.len(),
        }
    }

    /// Returns how many of these have a name in the staff file.
    pub fn named(&self) -> usize {
        match self {
            Self::Desk(_) => 0,
            Self::Each(members) => members.values().filter(|member| member.name.is_some()).count(),
        }
    }

    /// Returns whether this is the staff member's token. Takes as long for an unknown id, so that the time reveals no
    /// ids.
    pub(super) fn admits(&self, id: &StaffId, token: Option<&str>) -> bool {
        let offered = SecretHash::of(token.unwrap_or(""));
        match self {
            Self::Desk(hash) => token.is_some() && *hash == offered,
            Self::Each(members) => {
                let known = members.get(id).map(|member| member.token);
                let is_right = known.unwrap_or_else(|| SecretHash::of("nobody's")) == offered;
                token.is_some() && known.is_some() && is_right
            }
        }
    }

    /// Returns the name that the operator has given this staff member.
    pub(super) fn name(&self, id: &StaffId) -> Option<&JsonText<'static>> {
        match self {
            Self::Desk(_) => None,
            Self::Each(members) => members.get(id)?.name.as_ref(),
        }
    }

    /// Returns whether this staff member has the same token in both.
    pub(super) fn has_same(&self, id: &StaffId, other: &Self) -> bool {
        self.hash(id).is_some_and(|hash| other.hash(id) == Some(hash))
    }

    fn hash(&self, id: &StaffId) -> Option<SecretHash> {
        match self {
            Self::Desk(hash) => Some(*hash),
            Self::Each(members) => members.get(id).map(|member| member.token),
        }
    }
}

/// Makes a token of 256 random bits.
///
/// # Errors
/// The kernel returns no random bytes.
pub fn new_token() -> Result<String, AuthError> {
    let mut bytes = [0; TOKEN_BYTES];
    getrandom::fill(&mut bytes).map_err(AuthError::Random)?;
    Ok(hex(&bytes))
}

/// A source of random bytes. It asks the kernel for the bytes of many sessions at once, since the system call costs
/// more than everything else about a session.
pub struct SecretSource {
    fill: Fill,
    pool: [u8; POOL_BYTES],
    /// How many bytes of the pool have been used.
    used: usize,
}

type Fill = Box<dyn FnMut(&mut [u8]) -> Result<(), AuthError>>;
const POOL_BYTES: usize = SESSION_BYTES * 32;

impl SecretSource {
    /// Uses the kernel's random bytes.
    pub fn system() -> Self {
        Self::from_fn(|bytes| getrandom::fill(bytes).map_err(AuthError::Random))
    }

    /// Uses the bytes that `fill` writes, so that a test can repeat a run.
    pub fn from_fn(fill: impl FnMut(&mut [u8]) -> Result<(), AuthError> + 'static) -> Self {
        Self { fill: Box::new(fill), pool: [0; POOL_BYTES], used: POOL_BYTES }
    }

    pub(super) fn session(&mut self) -> Result<String, AuthError> {
        self.take().map(|bytes| hex(&bytes))
    }

    pub(super) fn seed(&mut self) -> Result<Seed, AuthError> {
        let number = u128::from_ne_bytes(self.take()?);
        #[expect(clippy::cast_possible_truncation, reason = "one half each")]
        Ok([number as u64, (number >> 64) as u64])
    }

    fn take(&mut self) -> Result<[u8; SESSION_BYTES], AuthError> {
        if self.used == POOL_BYTES {
            (self.fill)(&mut self.pool)?;
            self.used = 0;
        }
        let mut bytes = [0; SESSION_BYTES];
        let given = &mut self.pool[self.used..self.used + SESSION_BYTES];
        bytes.copy_from_slice(given);
        given.fill(0); // so that a used secret is not found in memory
        self.used += SESSION_BYTES;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_of_the_desk_has_1_to_256_characters_that_a_browser_can_send() {
        let is_right = |token: &str| StaffTokens::desk(token).is_ok();
        assert!(is_right("a") && is_right(&"x".repeat(256)) && is_right("!#$%&'*+-.^_`|~"));
        assert!(!is_right("") && !is_right(&"x".repeat(257)) && !is_right("a b") && !is_right("\u{e4}"));
    }

    #[test]
    fn staff_with_tokens_of_their_own_are_admitted_by_those_alone() {
        let [sam, tom] = ["sam", "tom"].map(|id| StaffId::parse(id).unwrap());
        let member = Member { token: SecretHash::of("sams"), name: None };
        let tokens = StaffTokens::Each([(sam.clone(), member)].into());
        assert!(tokens.admits(&sam, Some("sams")));
        for (id, token) in
            [(&sam, None), (&sam, Some("toms")), (&tom, Some("sams")), (&tom, Some("nobody's"))]
        {
            assert!(!tokens.admits(id, token), "{id} with {token:?}");
        }
        assert_eq!((tokens.members(), tokens.named()), (1, 0));
    }

    #[test]
    fn a_seed_has_all_its_random_bytes() {
        let mut source = SecretSource::from_fn(|bytes| {
            (0..=u8::MAX).cycle().zip(bytes).for_each(|(at, byte)| *byte = at);
            Ok(())
        });
        let bytes = source.seed().unwrap().map(u64::to_ne_bytes).concat();
        let mut expected: Vec<u8> = (0..16).collect();
        if cfg!(target_endian = "big") {
            expected.rotate_left(8);
        }
        assert_eq!(bytes, expected);
    }
}
