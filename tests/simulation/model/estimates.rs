//! The wait that users are shown: "estimate from the picks of late, null where there is none".

use deskwire::config::Millis;

/// So many picks are of late; an estimate is the mean time between them, for each place.
const LATE: usize = 16;

/// How long the last picks took together, and how many there were after the first.
type Rate = Option<(Millis, u64)>;

#[derive(Clone, Default)]
pub struct Estimates {
    picks: Vec<Millis>,
    /// What held from when on, the latest last.
    rates: Vec<(Millis, Rate)>,
}

impl Estimates {
    /// A ticket that waited was picked.
    pub fn picked(&mut self, now: Millis) {
        self.picks.push(now);
    }

    /// While nobody is online, the last picks say nothing of the next.
    fn rate(&self, has_staff: bool) -> Rate {
        let late = &self.picks[self.picks.len().saturating_sub(LATE)..];
        let (first, last) = late.first().zip(late.last()).filter(|_| has_staff && late.len() > 1)?;
        Some((last - first, late.len() as u64 - 1))
    }

    /// A call is over.
    pub fn note(&mut self, now: Millis, has_staff: bool) {
        let rate = self.rate(has_staff);
        if self.rates.last().is_none_or(|(_, last)| *last != rate) {
            self.rates.push((now, rate));
        }
    }

    /// Whether a place may be sent with this estimate: by what is so, or was so at most `age` ago.
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
