//! Selectors of a stylesheet.

use crate::Names;
use crate::source::{names_after, without, words_after};

/// The names behind `.` or `#` in all selectors.
pub(crate) fn names(css: &str, mark: char) -> Names {
    names_after(&selectors(css), &mark.to_string())
}

pub(crate) fn variables(css: &str) -> Names {
    let lines = without(css, "/*", "*/");
    let defined = lines.lines().filter(|line| line.trim_start().starts_with("--"));
    words_after(&defined.collect::<Vec<_>>().join("\n"), "  --")
}

/// The text in front of each `{`, including nested rules, but without the conditions of at-rules.
fn selectors(css: &str) -> String {
    let css = without(css, "/*", "*/");
    let before = css.split('{').map(|part| part.rsplit([';', '}']).next().unwrap_or_default().trim());
    let mut all: Vec<&str> = before.filter(|selector| !selector.starts_with('@')).collect();
    all.pop(); // behind the last brace
    all.join("\n")
}
