//! The staff file: for each staff member an id, the hash of a token, and perhaps a name. SIGHUP reloads it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use log::{Level, error, info, log};

use super::Desk;
use super::auth::{AuthError, Member, StaffTokens};
use crate::config::{Millis, NAME_CHARS_MAX};
use crate::ids::{ID_RULE, JsonText, SecretHash, StaffId, is_name};
use crate::outbox::Outbox;
use crate::protocol::close;
use crate::state::Input;

impl StaffTokens {
    /// Reads a staff file. Each line has an id, a SHA-256 and optionally a name, which staff then cannot change. Empty
    /// lines and lines that start with `#` are skipped.
    ///
    /// # Errors
    /// The file cannot be read, or a line is wrong.
    pub fn read(path: &Path) -> Result<Self, AuthError> {
        let text = std::fs::read_to_string(path).map_err(|error| AuthError::File(path.to_owned(), error))?;
        // Some editors put a byte order mark in front of UTF-8.
        let text = text.strip_prefix('\u{FEFF}').unwrap_or(&text);
        let mut members = BTreeMap::new();
        for (number, line) in (1..).zip(text.lines().map(str::trim)) {
            let wrong = |what| AuthError::Line(path.to_owned(), number, what);
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (id, member) = member(line).map_err(wrong)?;
            if members.insert(id, member).is_some() {
                return Err(wrong("this id has a line already"));
            }
        }
        Ok(Self::Each(members))
    }
}

/// Parses a line. Errors never quote it, since a hash is almost as sensitive as its token.
fn member(line: &str) -> Result<(StaffId, Member), &'static str> {
    let (id, rest) = first_word(line);
    let (hash, name) = first_word(rest);
    let id = StaffId::parse(id).ok_or(ID_RULE)?;
    let token =
        SecretHash::from_hex(hash).ok_or("after the id comes the SHA-256 of the token, 64 hex digits")?;
    Ok((id, Member { token, name: staff_name(name)? }))
}

/// Splits a line into its first word and the rest.
fn first_word(line: &str) -> (&str, &str) {
    line.split_once(char::is_whitespace).map_or((line, ""), |(word, rest)| (word, rest.trim_start()))
}

/// Checks the name, which is the rest of a line.
fn staff_name(name: &str) -> Result<Option<JsonText<'static>>, &'static str> {
    if name.is_empty() {
        return Ok(None);
    }
    if name.split_whitespace().any(|word| SecretHash::from_hex(word).is_some()) {
        return Err(
            "the name behind the hash holds 64 hex digits: the hash of a token is in the wrong place",
        );
    }
    if name.starts_with('#') {
        return Err("behind the hash comes a name; a comment has a line of its own");
    }
    if name.chars().count() > NAME_CHARS_MAX {
        return Err("the name behind the hash is longer than 64 characters");
    }
    if !is_name(name) {
        return Err("the name behind the hash holds control or bidirectional control characters");
    }
    Ok(Some(JsonText::from_parsed(Cow::Owned(name.to_owned()))))
}

impl Desk {
    /// Reads the staff file again. Closes the connections of staff who are no longer in it or have another token, and
    /// gives the others their new names.
    pub(super) fn reload_staff_file(&mut self, now: Millis, out: &mut Outbox) {
        let Some(path) = &self.staff_file else { return };
        let tokens = match StaffTokens::read(path) {
            Ok(tokens) => tokens,
            Err(error) => return error!("the old staff file stays in force: {error}"),
        };
        let (mut signed_out, mut renamed) = (0, Vec::new());
        for (id, conn) in self.state.staff_connected() {
            #[cfg(feature = "redis")]
            let Some(conn) = self.shared.as_ref().map_or(Some(conn), |shared| shared.local(conn)) else {
                continue;
            };
            if !tokens.has_same(id, &self.staff_tokens) {
                info!("staff {id} is signed out: not in the staff file, or with another token");
                out.close(conn, close::STAFF_TOKEN);
                signed_out += 1;
            } else if tokens.name(id) != self.staff_tokens.name(id) {
                renamed.push((conn, tokens.name(id).cloned()));
            }
        }
        let (members, before) = (tokens.members(), self.staff_tokens.members());
        // With an empty file nobody can sign in, which is more likely a mistake than intended.
        let level = if members == 0 { Level::Warn } else { Level::Info };
        log!(level, "the staff file has {members} members, it had {before}; {signed_out} were signed out");
        self.staff_tokens = tokens;
        for (conn, name) in renamed {
            self.submit(now, &Input::StaffNamed(conn, name), out);
        }
    }
}
