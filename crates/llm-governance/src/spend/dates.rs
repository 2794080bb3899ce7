//! The time a report is about.

use jiff::{ToSpan, civil::Date, civil::DateTime, tz::TimeZone};
use llm_store::Moment;

use crate::{Form, Refusal};

/// Days from the first to the last, as `2026-11-21`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) from: String,
    pub(super) to: String,
}

/// The days that were asked for; without them, the last thirty.
pub(super) fn days(form: &Form) -> Result<Range, Refusal> {
    range(form, "start_date", "end_date", 29)
}

/// The days that were asked for; without them, as many before today.
pub(super) fn range(
    form: &Form,
    start: &'static str,
    end: &'static str,
    back: i64,
) -> Result<Range, Refusal> {
    let to = match form.text(end) {
        Some(text) => day(end, text)?,
        None => today(),
    };
    let from = match form.text(start) {
        Some(text) => day(start, text)?,
        None => to.saturating_sub(back.days()),
    };
    if from > to {
        return Err(Refusal::bad(start, format!("'{start}' is after '{end}'")));
    }
    Ok(Range {
        from: from.to_string(),
        to: to.to_string(),
    })
}

/// The days that must be given.
pub(super) fn needed(form: &Form) -> Result<Range, Refusal> {
    for name in ["start_date", "end_date"] {
        if form.text(name).is_none() {
            return Err(Refusal::bad(
                name,
                "please give 'start_date' and 'end_date' as 2026-11-21",
            ));
        }
    }
    days(form)
}

/// The days, one more where the caller's days begin or end beside those of UTC. `timezone` is in minutes, positive in the
/// west, as a browser says it.
pub(super) fn local(form: &Form) -> Result<Range, Refusal> {
    let mut range = needed(form)?;
    let Some(text) = form.text("timezone") else {
        return Ok(range);
    };
    let minutes: i64 = text
        .parse()
        .ok()
        .filter(|minutes| (-900..=900).contains(minutes))
        .ok_or_else(|| {
            Refusal::bad(
                "timezone",
                "'timezone' is an offset in minutes, such as 480",
            )
        })?;
    let shift = |text: &str, by: i64| -> Result<String, Refusal> {
        Ok(day("start_date", text)?
            .saturating_add(by.days())
            .to_string())
    };
    if minutes < 0 {
        range.from = shift(&range.from, -1)?;
    }
    if minutes > 0 {
        range.to = shift(&range.to, 1)?;
    }
    Ok(range)
}

/// A moment that was asked for: a day, or a day and a time in UTC. A day that ends something ends with its last
/// millisecond.
pub(super) fn moment(
    form: &Form,
    name: &'static str,
    ends: bool,
) -> Result<Option<Moment>, Refusal> {
    let Some(text) = form.text(name) else {
        return Ok(None);
    };
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return Ok(Some(time.into()));
    }
    let utc = |time: DateTime| {
        let zoned = time.to_zoned(TimeZone::UTC).ok()?;
        Some(Moment::from(zoned.timestamp()))
    };
    let found = match text.parse::<Date>().ok().filter(|_| text.len() == 10) {
        Some(day) if ends => utc(day.at(23, 59, 59, 999_000_000)),
        Some(day) => utc(day.at(0, 0, 0, 0)),
        None => text.parse::<DateTime>().ok().and_then(utc),
    };
    let wrong = || {
        Refusal::bad(
            name,
            format!("'{name}' is not a time such as 2026-11-21 14:00:00"),
        )
    };
    found.map(Some).ok_or_else(wrong)
}

/// A day as charts show it: `Nov 21`.
pub(super) fn short(day: &str) -> String {
    match day.parse::<Date>() {
        Ok(date) => date.strftime("%b %d").to_string(),
        Err(_) => day.to_owned(),
    }
}

/// Every day of the range behind `after`.
pub(super) fn days_after(after: &str, range: &Range) -> Vec<String> {
    let (Ok(after), Ok(to)) = (after.parse::<Date>(), range.to.parse::<Date>()) else {
        return Vec::new();
    };
    let following = after.series(1.day()).skip(1);
    following
        .take_while(|day| *day <= to)
        .map(|day| day.to_string())
        .collect()
}

fn day(name: &'static str, text: &str) -> Result<Date, Refusal> {
    // A time behind the day is left out: sums are of whole days.
    let date = text.get(..10).unwrap_or(text);
    let wrong = |_| Refusal::bad(name, format!("'{name}' is not a day such as 2026-11-21"));
    date.parse::<Date>().map_err(wrong)
}

fn today() -> Date {
    Moment::now().to_jiff().to_zoned(TimeZone::UTC).date()
}
