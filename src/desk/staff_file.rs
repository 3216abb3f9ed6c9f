//! The staff file: the id of each staff member, and the hash of their token.

use std::collections::BTreeMap;
use std::path::Path;

use log::{Level, error, info, log};

use super::Desk;
use super::auth::{AuthError, StaffTokens};
use crate::ids::{ID_RULE, SecretHash, StaffId};
use crate::outbox::Outbox;
use crate::protocol::close;

impl StaffTokens {
    /// Reads a staff file: a line for each member, with id and SHA-256. Empty lines and those that start with `#` are
    /// skipped.
    ///
    /// # Errors
    /// The file cannot be read, or a line is wrong.
    pub fn read(path: &Path) -> Result<Self, AuthError> {
        let text = std::fs::read_to_string(path).map_err(|error| AuthError::File(path.to_owned(), error))?;
        // Some editors put a byte order mark before a text in UTF-8.
        let text = text.strip_prefix('\u{FEFF}').unwrap_or(&text);
        let mut tokens = BTreeMap::new();
        for (number, line) in (1..).zip(text.lines()) {
            let wrong = |what| AuthError::Line(path.to_owned(), number, what);
            let mut words = line.split_whitespace();
            let Some(id) = words.next().filter(|word| !word.starts_with('#')) else { continue };
            let id = StaffId::parse(id).ok_or_else(|| wrong(ID_RULE))?;
            let hash = words.next().and_then(SecretHash::from_hex);
            let hash =
                hash.ok_or_else(|| wrong("after the id comes the SHA-256 of the token, 64 hex digits"))?;
            if words.next().is_some() {
                return Err(wrong("more than an id and a hash"));
            }
            if tokens.insert(id, hash).is_some() {
                return Err(wrong("this id has a line already"));
            }
        }
        Ok(Self::Each(tokens))
    }
}

impl Desk {
    /// Reads the staff file again, and closes the connections of those who are no longer in it or have another token.
    pub(super) fn reload_staff_file(&mut self, out: &mut Outbox) {
        let Some(path) = &self.staff_file else { return };
        let tokens = match StaffTokens::read(path) {
            Ok(tokens) => tokens,
            Err(error) => return error!("the staff file stays as it was: {error}"),
        };
        let mut signed_out = 0;
        for (id, conn) in self.state.staff_connected() {
            if !tokens.has_same(id, &self.staff_tokens) {
                info!("staff {id} is signed out: not in the staff file, or with another token");
                out.close(conn, close::STAFF_TOKEN);
                signed_out += 1;
            }
        }
        let (members, before) = (tokens.members(), self.staff_tokens.members());
        // With an empty file nobody can sign in: more often a mistake than meant.
        let level = if members == 0 { Level::Warn } else { Level::Info };
        log!(level, "the staff file has {members} members, it had {before}; {signed_out} were signed out");
        self.staff_tokens = tokens;
    }
}
