//! Texts of peers in their JSON form. They go from one peer to another as they came, without being read.

use std::borrow::Cow;
use std::fmt;
use std::rc::Rc;

/// A text of a peer in its JSON form, which is what stands between the quotes of a JSON string. A text goes from one
/// peer to another unread, and most have nothing to escape, so it is passed on as it came.
#[derive(Clone, PartialEq, Eq)]
pub struct JsonText<'a>(Cow<'a, str>);

impl<'a> JsonText<'a> {
    /// Takes a parsed string. A `Borrowed` one must be borrowed from JSON, so that it has no escapes.
    pub fn from_parsed(text: Cow<'a, str>) -> Self {
        match text {
            Cow::Borrowed(_) => Self(text),
            Cow::Owned(text) => {
                let quoted = serde_json::Value::String(text).to_string();
                Self(Cow::Owned(quoted[1..quoted.len() - 1].to_owned()))
            }
        }
    }

    /// Takes a text that was put into a ring in its JSON form.
    pub(crate) fn from_ring(text: &'a str) -> Self {
        Self(Cow::Borrowed(text))
    }

    /// Returns what is between the quotes.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Borrows the text.
    pub fn as_json(&self) -> JsonStr<'_> {
        JsonStr(&self.0)
    }
}

/// Shows only the length, so that no text gets into a log, not even into a debug log.
impl fmt::Debug for JsonText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_json().fmt(f)
    }
}

/// Whether a name can be shown within a line of other text, since it has no characters that change how the rest of the
/// line reads.
pub(crate) fn is_name(name: &str) -> bool {
    !name.chars().any(|c| c.is_control() || is_bidi_control(c))
}

/// Unicode's property `Bidi_Control` (UAX #9).
fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{61C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// A borrowed text in its JSON form, ready to be put between quotes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct JsonStr<'a>(&'a str);

impl<'a> JsonStr<'a> {
    /// Returns what is between the quotes.
    pub fn as_str(self) -> &'a str {
        self.0
    }
}

impl fmt::Debug for JsonStr<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({} bytes)", self.0.len())
    }
}

/// A text in its JSON form, as it lies in a ring: in one piece or in two. A character may be split between the two.
#[derive(Clone, Copy)]
pub struct JsonPieces<'a>([&'a [u8]; 2]);

impl<'a> JsonPieces<'a> {
    /// Takes the pieces of a text that was put into a ring in its JSON form.
    pub(crate) fn from_ring(front: &'a [u8], back: &'a [u8]) -> Self {
        Self([front, back])
    }

    pub(crate) fn as_bytes(self) -> [&'a [u8]; 2] {
        self.0
    }

    pub(crate) fn len(self) -> usize {
        self.0.iter().map(|piece| piece.len()).sum()
    }

    #[cfg(test)]
    pub(crate) fn concat(self) -> Vec<u8> {
        self.0.concat()
    }
}

impl<'a> From<JsonStr<'a>> for JsonPieces<'a> {
    fn from(text: JsonStr<'a>) -> Self {
        Self([text.as_str().as_bytes(), &[]])
    }
}

impl fmt::Debug for JsonPieces<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({} bytes)", self.len())
    }
}

/// An owned text in its JSON form, such as a subject or a name.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct StoredText(Rc<str>);

impl StoredText {
    /// Borrows the text.
    pub(crate) fn as_json(&self) -> JsonStr<'_> {
        JsonStr(&self.0)
    }
}

impl From<&JsonText<'_>> for StoredText {
    fn from(text: &JsonText<'_>) -> Self {
        Self(text.as_str().into())
    }
}

impl fmt::Debug for StoredText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_json().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_with_escapes_is_written_in_its_shortest_form() {
        let parsed = Cow::Owned("a\"b\\c\n\u{1}é/".to_owned());
        assert_eq!(JsonText::from_parsed(parsed).as_str(), r#"a\"b\\c\n\u0001é/"#);
        assert_eq!(JsonText::from_parsed(Cow::Borrowed("plain")).as_str(), "plain");
    }
}
