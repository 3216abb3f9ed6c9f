//! Writes JSON objects.
//!
//! Most texts are put between quotes as they are. Their types, which implement `PlainText`, have nothing to escape.
//! Only one text may hold anything, and is escaped here.

use crate::ids::{JsonPieces, JsonStr, StaffId, TicketId, UserId};
use crate::state::Session;

/// A text that can be put between the quotes of a JSON string as it is.
pub(super) trait PlainText {
    fn append(self, out: &mut Vec<u8>);
}

/// The words of the protocol, which are literals in this program.
impl PlainText for &'static str {
    fn append(self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_bytes());
    }
}

impl PlainText for &UserId {
    fn append(self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_str().as_bytes());
    }
}

impl PlainText for &StaffId {
    fn append(self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_str().as_bytes());
    }
}

impl PlainText for TicketId {
    fn append(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.text());
    }
}

impl PlainText for Session<'_> {
    fn append(self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.plain().as_bytes());
    }
}

impl PlainText for JsonStr<'_> {
    fn append(self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_str().as_bytes());
    }
}

impl PlainText for JsonPieces<'_> {
    fn append(self, out: &mut Vec<u8>) {
        self.as_bytes().iter().for_each(|piece| out.extend_from_slice(piece));
    }
}

/// The longest key, in bytes.
const KEY_BYTES_MAX: usize = 16;

/// A JSON object that is being written.
pub(super) struct Object<'a> {
    out: &'a mut Vec<u8>,
    is_empty: bool,
}

impl<'a> Object<'a> {
    pub(super) fn new(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, is_empty: true }
    }

    pub(super) fn end(self) {
        self.out.push(b'}');
    }

    #[inline(always)]
    pub(super) fn text(mut self, key: &'static str, value: impl PlainText) -> Self {
        self.key(key);
        string(self.out, value);
        self
    }

    #[inline(always)]
    pub(super) fn text_or_null(self, key: &'static str, value: Option<impl PlainText>) -> Self {
        match value {
            Some(value) => self.text(key, value),
            None => self.null(key),
        }
    }

    /// Appends a text that may need escaping.
    pub(super) fn foreign(mut self, key: &'static str, value: &str) -> Self {
        self.key(key);
        // Writing a string to a Vec does not fail.
        let _ = serde_json::to_writer(&mut *self.out, value);
        self
    }

    #[inline(always)]
    pub(super) fn num(mut self, key: &'static str, value: u64) -> Self {
        self.key(key);
        self.out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
        self
    }

    /// Appends an integer that is written already.
    pub(super) fn digits(mut self, key: &'static str, digits: &str) -> Self {
        self.key(key);
        self.out.extend_from_slice(digits.as_bytes());
        self
    }

    #[inline(always)]
    pub(super) fn num_or_null(self, key: &'static str, value: Option<u64>) -> Self {
        match value {
            Some(value) => self.num(key, value),
            None => self.null(key),
        }
    }

    #[inline(always)]
    pub(super) fn bool(mut self, key: &'static str, value: bool) -> Self {
        self.key(key);
        self.out.extend_from_slice(if value { b"true" } else { b"false" });
        self
    }

    pub(super) fn object(mut self, key: &'static str, write: impl FnOnce(Object<'_>)) -> Self {
        self.key(key);
        write(Object::new(self.out));
        self
    }

    pub(super) fn object_or_null<T>(
        self,
        key: &'static str,
        value: Option<&T>,
        write: impl FnOnce(Object<'_>, &T),
    ) -> Self {
        match value {
            Some(value) => self.object(key, |object| write(object, value)),
            None => self.null(key),
        }
    }

    pub(super) fn objects<T>(
        self,
        key: &'static str,
        values: &[T],
        mut write: impl FnMut(Object<'_>, &T),
    ) -> Self {
        self.array(key, values, |out, value| write(Object::new(out), value))
    }

    pub(super) fn texts<T, P: PlainText>(
        self,
        key: &'static str,
        values: &[T],
        mut text: impl FnMut(&T) -> P,
    ) -> Self {
        self.array(key, values, |out, value| string(out, text(value)))
    }

    fn array<T>(mut self, key: &'static str, values: &[T], mut write: impl FnMut(&mut Vec<u8>, &T)) -> Self {
        self.key(key);
        self.out.push(b'[');
        for (index, value) in values.iter().enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            write(self.out, value);
        }
        self.out.push(b']');
        self
    }

    fn null(mut self, key: &'static str) -> Self {
        self.key(key);
        self.out.extend_from_slice(b"null");
        self
    }

    /// Appends the key, with a comma before it unless it is the first. Where this is inlined, the key is a constant, so
    /// all of it becomes one check of the capacity and a few stores.
    #[inline(always)]
    fn key(&mut self, key: &'static str) {
        let mut bytes = [0; KEY_BYTES_MAX + 4];
        bytes[..2].copy_from_slice(b",\"");
        bytes[2..][..key.len()].copy_from_slice(key.as_bytes());
        bytes[2 + key.len()..][..2].copy_from_slice(b"\":");
        // The first member has no comma before it.
        let start = usize::from(std::mem::replace(&mut self.is_empty, false));
        self.out.extend_from_slice(&bytes[start..key.len() + 4]);
    }
}

fn string(out: &mut Vec<u8>, text: impl PlainText) {
    out.push(b'"');
    text.append(out);
    out.push(b'"');
}
