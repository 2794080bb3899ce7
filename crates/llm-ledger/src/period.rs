use std::{fmt, str::FromStr};

use jiff::{Span, Timestamp, tz::TimeZone};
use llm_store::Moment;

/// How long a window or a key lasts: `30s`, `15m`, `1h`, `30d`, `1w`, `1mo`, or a word such as `daily`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Period {
    pub(crate) count: i64,
    pub(crate) unit: Unit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Unit {
    Second,
    Minute,
    Hour,
    Day,
    Month,
}

/// Why a text is no period.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a duration: a positive number and one of s, m, h, d, w, mo, at most a hundred years"
)]
pub struct PeriodError(String);

impl Period {
    /// When something that lasts this long from `now` ends; a month is the same day of the next, or its last.
    pub fn after(self, now: Moment) -> Moment {
        let end = now
            .to_jiff()
            .to_zoned(TimeZone::UTC)
            .checked_add(self.span());
        end.map_or(Moment(i64::MAX), |end| end.timestamp().into())
    }

    pub(crate) fn span(self) -> Span {
        let span = Span::new();
        // Parsing has seen to it that the count is within the unit's range.
        let span = match self.unit {
            Unit::Second => span.try_seconds(self.count),
            Unit::Minute => span.try_minutes(self.count),
            Unit::Hour => span.try_hours(self.count),
            Unit::Day => span.try_days(self.count),
            Unit::Month => span.try_months(self.count),
        };
        span.unwrap_or_default()
    }

    /// Whether a hundred years are enough.
    fn is_bounded(self) -> bool {
        let seconds = match self.unit {
            Unit::Second => 1,
            Unit::Minute => 60,
            Unit::Hour => 3600,
            Unit::Day => 86_400,
            Unit::Month => 31 * 86_400,
        };
        let most = 100 * 366 * 86_400;
        self.count
            .checked_mul(seconds)
            .is_some_and(|length| length <= most)
    }
}

impl FromStr for Period {
    type Err = PeriodError;

    fn from_str(text: &str) -> Result<Self, PeriodError> {
        let fault = || PeriodError(text.chars().take(40).collect());
        let text = match text.trim() {
            "hourly" => "1h",
            "daily" => "24h",
            "weekly" => "7d",
            "monthly" => "30d",
            other => other,
        };
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (count, unit) = text.split_at(digits);
        let count: i64 = count.parse().map_err(|_| fault())?;
        let (count, unit) = match unit {
            "s" => (count, Unit::Second),
            "m" => (count, Unit::Minute),
            "h" => (count, Unit::Hour),
            "d" => (count, Unit::Day),
            "w" => (count.checked_mul(7).ok_or_else(fault)?, Unit::Day),
            "mo" => (count, Unit::Month),
            _ => return Err(fault()),
        };
        let period = Self { count, unit };
        if count < 1 || !period.is_bounded() {
            return Err(fault());
        }
        Ok(period)
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.unit {
            Unit::Second => "s",
            Unit::Minute => "m",
            Unit::Hour => "h",
            Unit::Day => "d",
            Unit::Month => "mo",
        };
        write!(f, "{}{unit}", self.count)
    }
}

/// The moment as the time library's, for calculations.
pub(crate) fn timestamp(moment: Moment) -> Timestamp {
    moment.to_jiff()
}

#[cfg(test)]
mod tests {
    use llm_store::Moment;
    use proptest::prelude::*;

    use super::Period;

    fn moment(text: &str) -> Moment {
        text.parse::<jiff::Timestamp>().unwrap().into()
    }

    #[test]
    fn words_and_units_are_read() {
        for (text, shown) in [
            ("30s", "30s"),
            ("30m", "30m"),
            ("30h", "30h"),
            ("30d", "30d"),
            ("1w", "7d"),
            ("1mo", "1mo"),
            ("hourly", "1h"),
            ("daily", "24h"),
            ("weekly", "7d"),
            ("monthly", "30d"),
        ] {
            assert_eq!(text.parse::<Period>().unwrap().to_string(), shown);
        }
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in [
            "",
            "30",
            "30x",
            "0d",
            "-1d",
            "1.5h",
            "d",
            "1 d",
            "99999999999999999999s",
            "9000000000000000000w",
            "5000mo",
        ] {
            let error = text.parse::<Period>().unwrap_err();
            assert!(error.to_string().contains("is not a duration"));
        }
    }

    #[test]
    fn a_month_of_life_ends_on_the_same_day_or_the_last() {
        let month: Period = "1mo".parse().unwrap();
        assert_eq!(
            month.after(moment("2026-01-31T10:00:00Z")),
            moment("2026-02-28T10:00:00Z")
        );
        let days: Period = "30d".parse().unwrap();
        assert_eq!(
            days.after(moment("2026-01-31T10:00:00Z")),
            moment("2026-03-02T10:00:00Z")
        );
    }

    proptest! {
        #[test]
        fn no_text_breaks_it(text in "[0-9]{0,22}[a-z]{0,3}|.*", now in 0i64..4_000_000_000_000) {
            if let Ok(period) = text.parse::<Period>() {
                prop_assert!(period.after(Moment(now)) > Moment(now));
            }
        }
    }
}
