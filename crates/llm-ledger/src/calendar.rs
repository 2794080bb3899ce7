use std::sync::Arc;

use jiff::{
    SignedDuration, Span, Zoned,
    civil::{Date, DateTime, Time, Weekday},
    tz::TimeZone,
};
use llm_store::Moment;

use crate::period::{Period, Unit, timestamp};

/// Where days begin: budgets reset at the boundaries of its hours, days, weeks and months.
#[derive(Debug, Clone)]
pub struct Calendar {
    zone: TimeZone,
    day_begins: Time,
}

impl Calendar {
    /// Days that begin at midnight in UTC.
    pub fn utc() -> Self {
        Self {
            zone: TimeZone::UTC,
            day_begins: Time::midnight(),
        }
    }

    /// Days of a zone such as `Europe/Berlin` that begin at a time such as `06:00`. `None` if either is unknown.
    pub fn new(zone: &str, day_begins: &str) -> Option<Self> {
        Some(Self {
            zone: TimeZone::get(zone).ok()?,
            day_begins: day_begins.parse().ok()?,
        })
    }

    /// When a window of `period` that `now` lies in ends. It is always later than `now`.
    pub fn end(&self, period: Period, now: Moment) -> Moment {
        let now = timestamp(now).to_zoned(self.zone.clone());
        let end = match period.unit {
            Unit::Second | Unit::Minute | Unit::Hour => self.within_a_day(period, &now),
            Unit::Day | Unit::Month => self.at_a_day(period, &now),
        };
        let end = end.filter(|end| *end > now);
        // Only at the end of time, or in an hour that a change of the clock repeats.
        let end = end.or_else(|| now.checked_add(period.span()).ok());
        end.map_or(Moment(i64::MAX), |end| end.timestamp().into())
    }

    /// The next hour, minute or second that the count divides.
    fn within_a_day(&self, period: Period, now: &Zoned) -> Option<Zoned> {
        let unit = match period.unit {
            Unit::Hour => 3600,
            Unit::Minute => 60,
            _ => 1,
        };
        let length = period.count.checked_mul(unit)?;
        let day = 86_400;
        if length == day {
            return self.at_a_day(
                Period {
                    count: 1,
                    unit: Unit::Day,
                },
                now,
            );
        }
        // Of what the count is a part: `5h` counts from midnight, `7m` from the full hour.
        let circle = [60, 3600, day]
            .into_iter()
            .find(|circle| length <= *circle)?;
        let time = now.time();
        let seconds = i64::from(time.hour()) * 3600
            + i64::from(time.minute()) * 60
            + i64::from(time.second());
        let begun = seconds - seconds % circle;
        let next = begun
            + ((seconds - begun) / length + 1)
                .checked_mul(length)?
                .min(circle);
        let midnight = now.date().to_datetime(Time::midnight());
        self.zoned(midnight.checked_add(SignedDuration::from_secs(next)).ok()?)
    }

    /// The next day, Monday, or first of a month.
    fn at_a_day(&self, period: Period, now: &Zoned) -> Option<Zoned> {
        let since_midnight = self.day_begins.duration_since(Time::midnight());
        let today = now.datetime().checked_sub(since_midnight).ok()?.date();
        let day = match (period.unit, period.count) {
            (Unit::Month, months) => first_after(today, months)?,
            (_, 30) => first_after(today, 1)?,
            (_, 7) => today.nth_weekday(1, Weekday::Monday).ok()?,
            (_, days) => today.checked_add(Span::new().try_days(days).ok()?).ok()?,
        };
        self.zoned(day.to_datetime(self.day_begins))
    }

    fn zoned(&self, time: DateTime) -> Option<Zoned> {
        time.to_zoned(self.zone.clone()).ok()
    }
}

fn first_after(day: Date, months: i64) -> Option<Date> {
    let span = Span::new().try_months(months).ok()?;
    day.first_of_month().checked_add(span).ok()
}

/// A period and the calendar it resets by.
#[derive(Debug, Clone)]
pub struct Window {
    /// How long.
    pub period: Period,
    /// By which days.
    pub calendar: Arc<Calendar>,
}

impl Window {
    /// When the window that `now` lies in ends.
    pub fn end(&self, now: Moment) -> Moment {
        self.calendar.end(self.period, now)
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use llm_store::Moment;
    use proptest::prelude::*;

    use super::Calendar;
    use crate::Period;

    fn end(calendar: &Calendar, period: &str, now: &str) -> String {
        let now = Moment::from(now.parse::<Timestamp>().unwrap());
        calendar
            .end(period.parse().unwrap(), now)
            .to_jiff()
            .to_string()
    }

    #[test]
    fn windows_end_at_the_boundaries_of_the_calendar() {
        let utc = Calendar::utc();
        // A Friday.
        let now = "2026-11-20T14:27:05.5Z";
        for (period, expected) in [
            ("1d", "2026-11-21T00:00:00Z"),
            ("24h", "2026-11-21T00:00:00Z"),
            ("daily", "2026-11-21T00:00:00Z"),
            ("7d", "2026-11-23T00:00:00Z"),
            ("1w", "2026-11-23T00:00:00Z"),
            ("30d", "2026-12-01T00:00:00Z"),
            ("1mo", "2026-12-01T00:00:00Z"),
            ("3mo", "2027-02-01T00:00:00Z"),
            ("3d", "2026-11-23T00:00:00Z"),
            ("1h", "2026-11-20T15:00:00Z"),
            ("5h", "2026-11-20T15:00:00Z"),
            ("8h", "2026-11-20T16:00:00Z"),
            ("15m", "2026-11-20T14:30:00Z"),
            ("7m", "2026-11-20T14:28:00Z"),
            ("60m", "2026-11-20T15:00:00Z"),
            ("30s", "2026-11-20T14:27:30Z"),
            ("7s", "2026-11-20T14:27:07Z"),
        ] {
            assert_eq!(end(&utc, period, now), expected, "{period}");
        }
        assert_eq!(
            end(&utc, "5h", "2026-11-20T23:10:00Z"),
            "2026-11-21T00:00:00Z"
        );
    }

    #[test]
    fn a_boundary_itself_begins_the_next_window() {
        let utc = Calendar::utc();
        assert_eq!(
            end(&utc, "1d", "2026-11-21T00:00:00Z"),
            "2026-11-22T00:00:00Z"
        );
        assert_eq!(
            end(&utc, "7d", "2026-11-23T00:00:00Z"),
            "2026-11-30T00:00:00Z"
        );
        assert_eq!(
            end(&utc, "1mo", "2026-12-01T00:00:00Z"),
            "2027-01-01T00:00:00Z"
        );
    }

    #[test]
    fn days_are_those_of_the_zone() {
        let berlin = Calendar::new("Europe/Berlin", "00:00").unwrap();
        assert_eq!(
            end(&berlin, "1d", "2026-11-20T23:30:00Z"),
            "2026-11-21T23:00:00Z"
        );
        // The day that the clock goes back has 25 hours, the one it goes forward 23.
        assert_eq!(
            end(&berlin, "1d", "2026-10-24T23:00:00Z"),
            "2026-10-25T23:00:00Z"
        );
        assert_eq!(
            end(&berlin, "1d", "2026-03-29T00:00:00Z"),
            "2026-03-29T22:00:00Z"
        );
        let late = Calendar::new("Europe/Berlin", "06:30").unwrap();
        assert_eq!(
            end(&late, "1d", "2026-11-20T05:00:00Z"),
            "2026-11-20T05:30:00Z"
        );
        assert_eq!(
            end(&late, "30d", "2026-12-01T05:00:00Z"),
            "2026-12-01T05:30:00Z"
        );
        assert!(Calendar::new("Europe/Nowhere", "00:00").is_none());
        assert!(Calendar::new("UTC", "25:00").is_none());
    }

    proptest! {
        #[test]
        fn a_window_ends_later_and_all_of_it_agrees(
            now in 0i64..4_000_000_000_000,
            zone in prop::sample::select(vec!["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]),
            period in prop::sample::select(vec!["1d", "7d", "30d", "1mo", "1h", "6h", "24h", "15m", "30s"]),
            part in 0.0f64..1.0,
        ) {
            let calendar = Calendar::new(zone, "00:00").unwrap();
            let period: Period = period.parse().unwrap();
            let end = calendar.end(period, Moment(now));
            prop_assert!(end > Moment(now));
            // Any later moment of the window has the same end, but for clocks that go back within it.
            let later = Moment(now + ((end.0 - now) as f64 * part) as i64);
            let again = calendar.end(period, later);
            prop_assert!(again == end || zone != "UTC" && (again.0 - end.0).abs() <= 3_600_000, "{:?} {:?}", end, again);
        }
    }
}
