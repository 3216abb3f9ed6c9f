//! A line of the log: its two formats, its escapes and its maximum length.

use std::fmt::{self, Display, Formatter, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use log::Level;

use crate::calendar::{self, DAY_S};
use crate::config::{LOG_LINE_BYTES_MAX, LOG_QUOTED_BYTES_MAX, LogFormat};

/// Marks a text that was cut.
const CUT: &str = "...";
/// Bytes reserved for the end of a line: the number of lines left out, the end of the object, and the line feed.
const NOTE_BYTES: usize = 64;

/// A line without its end, since the number of lines left out after it is not known yet.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    text: String,
    format: LogFormat,
}

impl Line {
    /// Begins a line. The plain format is simple_logger's.
    pub(super) fn new(
        format: LogFormat,
        at: SystemTime,
        level: Level,
        target: &str,
        message: fmt::Arguments<'_>,
    ) -> Self {
        let mut line =
            Bounded { text: String::new(), format, left: LOG_LINE_BYTES_MAX - NOTE_BYTES - CUT.len() };
        let at = Timestamp(at);
        // Writing fails only when the capacity is used up.
        let written = match format {
            LogFormat::Plain => write!(line, "{at} {level:<5} [{target}] {message}"),
            LogFormat::Json => {
                // These values are our own and short: nothing needs escaping, and they are never cut.
                let start =
                    format_args!(r#"{{"time":"{at}","level":"{level}","target":"{target}","message":""#);
                line.text = start.to_string();
                line.left = line.left.saturating_sub(line.text.len());
                write!(line, "{message}")
            }
        };
        if written.is_err() {
            line.text.push_str(CUT);
        }
        Self { text: line.text, format }
    }

    /// Returns the whole line, without a line feed. `more` is the number of lines of this kind that were left out after
    /// it.
    pub(super) fn finish(self, more: u64) -> String {
        let Self { text, format } = self;
        match (format, more) {
            (LogFormat::Plain, 0) => text,
            (LogFormat::Plain, more) => format!("{text} (and {more} more in the last second)"),
            (LogFormat::Json, 0) => format!("{text}\"}}"),
            (LogFormat::Json, more) => format!("{text}\",\"more\":{more}}}"),
        }
    }
}

#[cfg(test)]
impl From<&str> for Line {
    fn from(text: &str) -> Self {
        Self { text: text.to_owned(), format: LogFormat::Plain }
    }
}

/// A string with a maximum length that escapes control characters, which could break the line or control a terminal.
struct Bounded {
    text: String,
    format: LogFormat,
    left: usize,
}

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|char| self.write_char(char))
    }

    fn write_char(&mut self, char: char) -> fmt::Result {
        let before = self.text.len();
        match (self.format, char) {
            (LogFormat::Plain, char) if char.is_control() => self.text.extend(char.escape_default()),
            // RFC 8259 7: quotes, backslashes and U+0000 to U+001F must be escaped. Escaping up to U+009F is allowed.
            (LogFormat::Json, '"' | '\\') => self.text.extend(['\\', char]),
            (LogFormat::Json, char) if char.is_control() => write!(self.text, "\\u{:04x}", u32::from(char))?,
            _ => self.text.push(char),
        }
        // Never cut inside an escape.
        match self.left.checked_sub(self.text.len() - before) {
            Some(left) => self.left = left,
            None => {
                self.text.truncate(before);
                return Err(fmt::Error);
            }
        }
        Ok(())
    }
}

/// A peer's text for a line of the log: quoted, escaped, and cut so that at most `LOG_QUOTED_BYTES_MAX` bytes are
/// shown.
pub(crate) struct Quoted<'a>(pub(crate) &'a str);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut left = LOG_QUOTED_BYTES_MAX;
        f.write_char('"')?;
        for char in self.0.chars() {
            let escaped = char.escape_debug();
            let length = escaped.clone().map(char::len_utf8).sum();
            match left.checked_sub(length) {
                Some(rest) => left = rest,
                None => return write!(f, "\"{CUT}"),
            }
            write!(f, "{escaped}")?;
        }
        f.write_char('"')
    }
}

/// A time in the format of RFC 3339, in UTC, with milliseconds.
struct Timestamp(SystemTime);

impl Display for Timestamp {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let since_epoch: Duration = self.0.duration_since(UNIX_EPOCH).unwrap_or_default();
        let (days, second) = (since_epoch.as_secs() / DAY_S, since_epoch.as_secs() % DAY_S);
        let (year, month, day) = calendar::date(days);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        let ms = since_epoch.subsec_millis();
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64, ms: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_millis(ms)
    }

    fn line(at: SystemTime, level: Level, target: &str, message: fmt::Arguments<'_>) -> String {
        Line::new(LogFormat::Plain, at, level, target, message).finish(0)
    }

    fn json(message: fmt::Arguments<'_>) -> Line {
        Line::new(LogFormat::Json, at(1_709_210_096, 7), Level::Warn, "deskwire::desk", message)
    }

    #[test]
    fn a_line_has_the_format_of_simple_logger() {
        let shown = line(at(1_709_210_096, 7), Level::Warn, "deskwire::desk", format_args!("a {}", 1));
        assert_eq!(shown, "2024-02-29T12:34:56.007Z WARN  [deskwire::desk] a 1");
    }

    #[test]
    fn a_time_has_the_format_of_rfc_3339() {
        for (seconds, ms, shown) in [
            (0, 0, "1970-01-01T00:00:00.000Z"),
            (951_782_399, 999, "2000-02-28T23:59:59.999Z"),
            (4_107_542_400, 50, "2100-03-01T00:00:00.050Z"),
        ] {
            assert_eq!(Timestamp(at(seconds, ms)).to_string(), shown);
        }
    }

    #[test]
    fn nothing_in_a_message_breaks_its_line() {
        let shown = line(at(0, 0), Level::Info, "x", format_args!("{}", "a\r\nb\u{1b}[31m\u{85}c"));
        assert!(shown.ends_with("[x] a\\r\\nb\\u{1b}[31m\\u{85}c"), "{shown}");
    }

    #[test]
    fn a_line_that_is_too_long_is_cut_at_a_character() {
        for unit in ["x", "\u{e9}", "\u{20ac}", "\u{1f600}", "\n", "\u{85}", "\""] {
            let long = unit.repeat(2_000);
            let shown = line(at(0, 0), Level::Info, "x", format_args!("{long}"));
            assert!(shown.ends_with(CUT), "{shown}");
            let length = shown.len() + NOTE_BYTES;
            assert!((LOG_LINE_BYTES_MAX - 6..=LOG_LINE_BYTES_MAX).contains(&length), "{length} of {unit:?}");

            let shown = json(format_args!("{long}")).finish(u64::MAX);
            assert!((LOG_LINE_BYTES_MAX - 64..LOG_LINE_BYTES_MAX).contains(&shown.len()), "{shown}");
            let value: serde_json::Value = serde_json::from_str(&shown).unwrap();
            let message = value["message"].as_str().unwrap().strip_suffix(CUT).unwrap();
            assert!(message.len() > 100 && long.starts_with(message), "{message}");
        }
    }

    #[test]
    fn a_line_in_json_is_an_object_of_the_same() {
        assert_eq!(
            json(format_args!("a {}", 1)).finish(0),
            r#"{"time":"2024-02-29T12:34:56.007Z","level":"WARN","target":"deskwire::desk","message":"a 1"}"#
        );
        let odd = "\"\\/\0\u{1}\t\r\n\u{1b}\u{7f}\u{85}\u{2028}\u{1f600}";
        let shown = json(format_args!("{odd}")).finish(3);
        assert!(!shown.contains(char::is_control), "{shown}");
        let value: serde_json::Value = serde_json::from_str(&shown).unwrap();
        assert_eq!((value["message"].as_str(), value["more"].as_u64()), (Some(odd), Some(3)));
    }

    #[test]
    fn quoted_text_is_bounded_after_escaping() {
        assert_eq!(Quoted("http://x").to_string(), "\"http://x\"");
        assert_eq!(Quoted("a\"\n\u{200b}").to_string(), "\"a\\\"\\n\\u{200b}\"");
        for unit in ["x", "\"", "\u{200b}", "\u{1f600}"] {
            let shown = Quoted(&unit.repeat(2_000)).to_string();
            assert!(shown.len() <= LOG_QUOTED_BYTES_MAX + 2 + CUT.len(), "{shown}");
            assert!(shown.ends_with("\"..."), "{shown}");
        }
    }
}
