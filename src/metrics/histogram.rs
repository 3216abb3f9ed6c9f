//! Histograms with fixed buckets, so that counting a value is to find its bucket and add one.

use std::iter::once;
use std::marker::PhantomData;
use std::time::Duration;

use super::Page;

const BOUNDS: usize = 11;

/// The unit of a histogram's values. Values are counted as whole numbers, and shown in Prometheus's base unit.
pub(crate) trait Unit {
    /// The upper bounds of all buckets but the last, which has none.
    const BOUNDS: [u64; BOUNDS];

    /// Returns the index of a value's bucket. The search starts at the small values, which are the common ones.
    fn bucket(number: u64) -> usize {
        Self::BOUNDS.iter().position(|bound| number <= *bound).unwrap_or(BOUNDS)
    }

    /// Formats a value in the base unit.
    fn shown(number: u64) -> String;
}

/// Times in microseconds, shown in seconds. A turn with one message takes about 20 us; a bench fails at 10 ms.
#[derive(Debug, Default)]
pub(crate) struct Micros;

impl Unit for Micros {
    const BOUNDS: [u64; BOUNDS] =
        [50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 100_000, 1_000_000];

    fn shown(number: u64) -> String {
        Duration::from_micros(number).as_secs_f64().to_string()
    }
}

/// Sizes in bytes. Messages that people write have about 100 bytes; the longest that is read has 16 KiB.
#[derive(Debug, Default)]
pub(crate) struct Bytes;

impl Unit for Bytes {
    const BOUNDS: [u64; BOUNDS] = [32, 64, 128, 256, 512, 1_024, 2_048, 4_096, 8_192, 16_384, 32_768];

    /// Each bound is twice the one before, so the bucket follows from the number of bits, without a search: each
    /// message is counted once for every receiver.
    fn bucket(number: u64) -> usize {
        let below_first = Self::BOUNDS[0] - 1;
        let bits = (number.saturating_sub(1) | below_first).ilog2() - below_first.ilog2();
        BOUNDS.min(bits as usize)
    }

    fn shown(number: u64) -> String {
        number.to_string()
    }
}

/// Counts by bucket, and the sum of all values.
#[derive(Debug, Default)]
pub(crate) struct Histogram<U> {
    counts: [u64; BOUNDS + 1],
    sum: u64,
    unit: PhantomData<U>,
}

impl<U: Unit> Histogram<U> {
    /// Counts a value.
    #[inline]
    pub(crate) fn count(&mut self, number: u64) {
        self.counts[U::bucket(number)] += 1;
        self.sum = self.sum.wrapping_add(number);
    }

    /// Appends the samples to the page's current family.
    pub(crate) fn append(&self, page: &mut Page) {
        let bounds = U::BOUNDS.into_iter().map(U::shown).chain(once("+Inf".to_owned()));
        page.histogram(bounds.zip(self.counts), &U::shown(self.sum));
    }
}

impl Histogram<Micros> {
    /// Counts a duration.
    pub(crate) fn count_span(&mut self, span: Duration) {
        self.count(u64::try_from(span.as_micros()).unwrap_or(u64::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_its_bucket_and_buckets_are_cumulative() {
        let mut turns = Histogram::<Micros>::default();
        for us in [0, 50, 51, 1_000_000, 1_000_001] {
            turns.count(us);
        }
        let mut page = Page::default();
        turns.append(page.family("turn_seconds", "histogram", "Turns."));
        let text = page.into_text();
        for line in [
            "turn_seconds_bucket{le=\"0.00005\"} 2",
            "turn_seconds_bucket{le=\"0.0001\"} 3",
            "turn_seconds_bucket{le=\"0.1\"} 3",
            "turn_seconds_bucket{le=\"1\"} 4",
            "turn_seconds_bucket{le=\"+Inf\"} 5",
            "turn_seconds_sum 2.000102",
            "turn_seconds_count 5",
        ] {
            assert!(text.lines().any(|shown| shown == line), "no {line:?} in {text}");
        }
    }

    #[test]
    fn bounds_rise_and_a_size_is_in_the_first_bucket_that_it_fits_into() {
        assert!(Micros::BOUNDS.is_sorted_by(|a, b| a < b));
        assert!(Bytes::BOUNDS.is_sorted_by(|a, b| a < b));
        let around = Bytes::BOUNDS.into_iter().flat_map(|bound| [bound - 1, bound, bound + 1]);
        for bytes in around.chain([0, 1, 100_000, u64::MAX]) {
            let first = Bytes::BOUNDS.iter().position(|bound| bytes <= *bound).unwrap_or(BOUNDS);
            assert_eq!(Bytes::bucket(bytes), first, "{bytes} bytes");
        }
    }
}
