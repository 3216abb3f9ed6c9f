//! Finds the members of an object in a text that serde_json rejects.
//!
//! serde_json stops at the first thing that it cannot represent: half a surrogate pair, a number that is too large for
//! a float, a syntax error. This scanner checks nothing. In one pass, without recursion, it counts brackets and skips
//! strings, so that it finds a member whatever is wrong with those before it.

/// Calls `found` with the raw key and the raw value of each member of the object that `text` begins with, in order. A
/// member in which the text breaks off is left out, since a number may lack digits, for instance.
pub(super) fn members<'a>(text: &'a str, mut found: impl FnMut(&'a str, &'a str)) {
    let text = text.trim_start();
    if !text.starts_with('{') {
        return;
    }
    let bytes = text.as_bytes();
    let (mut at, mut depth, mut start, mut key) = (1, 1_usize, 1, None);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => at = string_end(bytes, at),
            b'{' | b'[' => depth += 1,
            // Another colon before the next comma is an error, and is left in the value.
            b':' if depth == 1 && key.is_none() => {
                key = Some(text[start..at].trim());
                start = at + 1;
            }
            b',' | b'}' | b']' if depth == 1 => {
                if let Some(key) = key.take() {
                    found(key, text[start..at].trim());
                }
                if *byte != b',' {
                    return;
                }
                start = at + 1;
            }
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        at += 1;
    }
}

/// Returns the index of the closing quote of the string that begins at `start`, or the end of the text.
fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at,
            b'\\' => at += 2, // an escaped character does not end the string
            _ => at += 1,
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<(&str, &str)> {
        let mut all = Vec::new();
        members(text, |key, value| all.push((key, value)));
        all
    }

    #[test]
    fn members_are_found_after_any_kind_of_error() {
        for wrong in [
            r#""\ud800""#,
            r#""\q\"" "#,
            "\"a\nb\"",
            "1e400",
            "nul",
            r#"[{"id":1},"]"]"#,
            r#"{"id":{"id":2}}"#,
            "",
            "1 2",
        ] {
            let text = format!(r#" {{"text" : {wrong} ,"id":7}} "#);
            assert_eq!(found(&text), [(r#""text""#, wrong.trim()), (r#""id""#, "7")], "{text}");
        }
    }

    #[test]
    fn a_member_in_which_the_text_breaks_off_is_left_out() {
        assert_eq!(found(r#"{"id":7,"ticket_id":"0000-0000"#), [(r#""id""#, "7")]);
        for text in [r#"{"id":7"#, r#"{"id":"#, r#"{"id""#, r#"{"id\"#, "{", "", r#"[{"id":7}]"#, "7", "é"] {
            assert_eq!(found(text), [], "{text}");
        }
        assert_eq!(found(r#"{"id":7} {"id":8}"#), [(r#""id""#, "7")]);
    }

    #[test]
    fn nesting_costs_no_stack() {
        let deep = format!(r#"{{"a":{},"id":7}}"#, "[".repeat(100_000) + &"]".repeat(100_000));
        assert_eq!(found(&deep)[1], (r#""id""#, "7"));
    }
}
