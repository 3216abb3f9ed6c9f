//! Dates of the Gregorian calendar, in UTC, as days from 1970-01-01.
//!
//! Years start in March here, so that a leap day is the last day of its year (Howard Hinnant, "chrono-compatible
//! low-level date algorithms").

/// Seconds of a day. UTC counts as if it had no leap seconds.
pub(crate) const DAY_S: u64 = 24 * 60 * 60;

/// From 1 March of the year 0 to 1 January 1970.
const DAYS_TO_EPOCH: u64 = 719_468;
/// The calendar repeats itself after 400 years.
const DAYS_OF_400_YEARS: u64 = 146_097;

/// Returns year, month and day of a day counted from 1970.
pub(crate) fn date(days_since_epoch: u64) -> (u64, u64, u64) {
    let days = days_since_epoch + DAYS_TO_EPOCH;
    let (era, day_of_era) = (days / DAYS_OF_400_YEARS, days % DAYS_OF_400_YEARS);
    let leap_days = |day: u64| day / 1_460 - day / 36_524 + day / 146_096;
    let year_of_era = (day_of_era - leap_days(day_of_era)) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let is_next_year = month_from_march >= 10;
    let month = if is_next_year { month_from_march - 9 } else { month_from_march + 3 };
    (era * 400 + year_of_era + u64::from(is_next_year), month, day)
}

/// Returns the days from 1970 to a date of 1970 or later.
#[cfg(any(test, feature = "tls"))]
pub(crate) fn days((year, month, day): (u64, u64, u64)) -> u64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    year * 365 + year / 4 - year / 100 + year / 400 + day_of_year - DAYS_TO_EPOCH
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_around_leap_days_are_those_of_the_calendar() {
        for (seconds, shown) in [
            (0, (1970, 1, 1)),
            (951_782_399, (2000, 2, 28)),
            (951_782_400, (2000, 2, 29)),
            (951_868_800, (2000, 3, 1)),
            (1_709_210_096, (2024, 2, 29)),
            (1_735_689_599, (2024, 12, 31)),
            (1_735_689_600, (2025, 1, 1)),
            (4_107_542_399, (2100, 2, 28)),
            (4_107_542_400, (2100, 3, 1)),
            (253_402_300_799, (9999, 12, 31)),
        ] {
            assert_eq!(date(seconds / DAY_S), shown);
            assert_eq!(days(shown), seconds / DAY_S);
        }
    }

    #[test]
    fn each_day_of_800_years_follows_the_one_before_and_is_counted_back() {
        let mut before = date(0);
        for day in 1..2 * DAYS_OF_400_YEARS {
            let today = date(day);
            let (year, month, _) = before;
            let new_month = if month == 12 { (year + 1, 1, 1) } else { (year, month + 1, 1) };
            assert!(today == (year, month, before.2 + 1) || today == new_month, "{before:?}, then {today:?}");
            assert_eq!(days(today), day);
            before = today;
        }
        assert_eq!(before, (2769, 12, 31));
    }
}
