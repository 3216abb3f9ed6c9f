//! "the estimated wait in seconds, from the latest picks; null if there is no estimate".

use deskwire::config::Millis;

/// How many picks are the latest. An estimate is the mean time between them, times the place in the queue.
const LATEST_PICKS: usize = 16;

/// The time from the first to the last of the latest picks, and how many followed the first.
type Rate = Option<(Millis, u64)>;

#[derive(Clone, Default)]
pub struct Estimates {
    picks: Vec<Millis>,
    /// The rates so far, each with the time from which it held.
    rates: Vec<(Millis, Rate)>,
}

impl Estimates {
    /// Notes that a waiting ticket was picked.
    pub fn picked(&mut self, now: Millis) {
        self.picks.push(now);
    }

    /// Returns the rate of picks. While no staff are online, there is none.
    fn rate(&self, has_staff: bool) -> Rate {
        let late = &self.picks[self.picks.len().saturating_sub(LATEST_PICKS)..];
        let (first, last) = late.first().zip(late.last()).filter(|_| has_staff && late.len() > 1)?;
        Some((last - first, late.len() as u64 - 1))
    }

    /// Notes the rate at the end of a call.
    pub fn note(&mut self, now: Millis, has_staff: bool) {
        let rate = self.rate(has_staff);
        if self.rates.last().is_none_or(|(_, last)| *last != rate) {
            self.rates.push((now, rate));
        }
    }

    /// Whether a place may be sent with this estimate: it must be right, or have been right at most `age` ago.
    pub fn allow(
        &self,
        wait_s: Option<u64>,
        position: u64,
        (now, has_staff): (Millis, bool),
        age: Millis,
    ) -> bool {
        let fits = |rate: Rate| rate.map(|(span, picks)| (position * span).div_ceil(picks * 1000)) == wait_s;
        let ends = self.rates.iter().skip(1).map(|(at, _)| *at).chain([now]);
        let recent = self.rates.iter().zip(ends).filter(|(_, end)| end + age >= now);
        let is_first = self.rates.is_empty() && wait_s.is_none();
        is_first || fits(self.rate(has_staff)) || recent.into_iter().any(|((_, rate), _)| fits(*rate))
    }
}
