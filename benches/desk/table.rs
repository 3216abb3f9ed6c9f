//! Figures as text: Markdown tables, and numbers with a sensible number of digits.

use std::fmt::Write;

use crate::calendar;

/// The results of one run of a workload. The first figure is the one that counts; less is better.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    /// Whether nothing was lost, duplicated, damaged or out of order.
    pub(crate) is_good: bool,
    pub(crate) figures: Vec<(&'static str, f64)>,
}

impl Outcome {
    pub(crate) fn main(&self) -> f64 {
        self.figures[0].1
    }

    pub(crate) fn figure(&self, name: &str) -> Option<f64> {
        self.figures.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }
}

/// A Markdown table; the first column is text, the others are numbers.
pub(crate) fn markdown(header: &[String], rows: &[Vec<String>]) -> String {
    let mut text = String::new();
    let mut line = |cells: &[String]| writeln!(text, "| {} |", cells.join(" | ")).expect("memory");
    line(header);
    let rule = (0..header.len()).map(|column| if column == 0 { "---" } else { "---:" }.to_owned());
    line(&rule.collect::<Vec<_>>());
    rows.iter().for_each(|row| line(row));
    text
}

/// Formats a number with three significant digits and separated thousands.
pub(crate) fn number(value: f64) -> String {
    match value {
        v if !v.is_finite() => "-".to_owned(),
        v if v.abs() < 0.005 => "0".to_owned(),
        v if v.abs() < 10.0 => format!("{v:.2}"),
        v if v.abs() < 100.0 => format!("{v:.1}"),
        v => thousands(v.round() as i64),
    }
}

fn thousands(value: i64) -> String {
    let digits = value.unsigned_abs().to_string();
    let mut text = if value < 0 { "-".to_owned() } else { String::new() };
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        length if length.is_multiple_of(2) => f64::midpoint(sorted[length / 2 - 1], sorted[length / 2]),
        length => sorted[length / 2],
    }
}

/// Today, for the head of a page of results.
pub(crate) fn today() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let (year, month, day) = calendar::date(now.as_secs() / calendar::DAY_S);
    format!("{year}-{month:02}-{day:02}")
}
