//! A page of metrics in Prometheus's text format.

use std::fmt::{Display, Write};

/// A page in Prometheus's text format, version 0.0.4, built one family of samples after the other.
#[derive(Debug, Default)]
pub(crate) struct Page {
    text: String,
    family: &'static str,
}

impl Page {
    /// The Content-Type of such a page.
    pub(crate) const CONTENT_TYPE: &'static str = "text/plain; version=0.0.4; charset=utf-8";

    /// Starts a family of samples, to which the methods below append.
    pub(crate) fn family(&mut self, name: &'static str, kind: &str, help: &str) -> &mut Self {
        self.family = name;
        // Writing to a String cannot fail, here and below.
        let _ = write!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        self
    }

    /// Appends the family's only sample.
    pub(crate) fn value(&mut self, value: impl Display) -> &mut Self {
        let _ = writeln!(self.text, "{} {value}", self.family);
        self
    }

    /// Appends a sample for each value of a label. The values are our own words and numbers, so none needs escaping.
    pub(crate) fn labelled<L: Display>(
        &mut self,
        label: &str,
        samples: impl IntoIterator<Item = (L, u64)>,
    ) -> &mut Self {
        for (value, sample) in samples {
            let _ = writeln!(self.text, "{}{{{label}=\"{value}\"}} {sample}", self.family);
        }
        self
    }

    /// Appends a histogram: a cumulative count for each upper bound, and the sum and number of all values.
    pub(super) fn histogram(&mut self, buckets: impl IntoIterator<Item = (String, u64)>, sum: &str) {
        let (name, mut total) = (self.family, 0);
        for (bound, count) in buckets {
            total += count;
            let _ = writeln!(self.text, "{name}_bucket{{le=\"{bound}\"}} {total}");
        }
        let _ = write!(self.text, "{name}_sum {sum}\n{name}_count {total}\n");
    }

    /// Returns the text.
    pub(crate) fn into_text(self) -> String {
        self.text
    }
}
