//! How long a vendor asks to wait, in the many ways that vendors say it. No clock: a date counts from the `date` of the
//! same reply.

use std::time::Duration;

use http::StatusCode;
use serde_json::Value;

use crate::Reply;

/// No vendor means more than a day.
const LONGEST: Duration = Duration::from_secs(86_400);

/// How long the reply asks to wait, if it does.
pub(super) fn asked(reply: &Reply) -> Option<Duration> {
    let said = milliseconds(reply)
        .or_else(|| retry_after(reply))
        .or_else(|| retry_info(reply))
        .or_else(|| reset(reply))?;
    Some(said.min(LONGEST))
}

fn milliseconds(reply: &Reply) -> Option<Duration> {
    let ms: f64 = reply.header("retry-after-ms")?.trim().parse().ok()?;
    Duration::try_from_secs_f64(ms / 1000.0).ok()
}

/// Seconds, or a date.
fn retry_after(reply: &Reply) -> Option<Duration> {
    let text = reply.header("retry-after")?.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    until(http_date(text)?, reply)
}

/// Google: `error.details[].retryDelay`, such as `"3.5s"`.
fn retry_info(reply: &Reply) -> Option<Duration> {
    memchr::memmem::find(&reply.body, b"\"retryDelay\"")?;
    let json: Value = serde_json::from_slice(&reply.body).ok()?;
    let json = json.get(0).unwrap_or(&json);
    let details = json.pointer("/error/details")?.as_array()?;
    let text = details
        .iter()
        .find_map(|detail| detail.get("retryDelay")?.as_str())?;
    span(text)
}

/// When an exhausted limit is full again: only of a 429, and only of the limits that are exhausted.
fn reset(reply: &Reply) -> Option<Duration> {
    const LIMITS: [(&str, &str); 8] = [
        (
            "x-ratelimit-remaining-requests",
            "x-ratelimit-reset-requests",
        ),
        ("x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"),
        ("x-ratelimit-remaining", "x-ratelimit-reset"),
        ("ratelimit-remaining", "ratelimit-reset"),
        (
            "anthropic-ratelimit-requests-remaining",
            "anthropic-ratelimit-requests-reset",
        ),
        (
            "anthropic-ratelimit-input-tokens-remaining",
            "anthropic-ratelimit-input-tokens-reset",
        ),
        (
            "anthropic-ratelimit-output-tokens-remaining",
            "anthropic-ratelimit-output-tokens-reset",
        ),
        (
            "anthropic-ratelimit-tokens-remaining",
            "anthropic-ratelimit-tokens-reset",
        ),
    ];
    if reply.status != StatusCode::TOO_MANY_REQUESTS {
        return None;
    }
    LIMITS
        .iter()
        .filter(|(remaining, _)| {
            reply
                .header(remaining)
                .is_some_and(|left| left.trim() == "0")
        })
        .filter_map(|(_, reset)| moment_or_span(reply.header(reset)?.trim(), reply))
        .max()
}

fn moment_or_span(text: &str, reply: &Reply) -> Option<Duration> {
    if let Ok(number) = text.parse::<f64>() {
        return match number {
            // Milliseconds and seconds since 1970, or seconds from now.
            n if n > 1e11 => until((n / 1000.0) as i64, reply),
            n if n > 1e8 => until(n as i64, reply),
            n => Duration::try_from_secs_f64(n).ok(),
        };
    }
    span(text).or_else(|| until(rfc3339(text)?, reply))
}

fn until(then: i64, reply: &Reply) -> Option<Duration> {
    let now = http_date(reply.header("date")?)?;
    u64::try_from(then - now).ok().map(Duration::from_secs)
}

/// `1h2m3.5s`, `20ms`.
fn span(text: &str) -> Option<Duration> {
    let (mut rest, mut seconds) = (text, 0.0);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        let letters = &rest[digits..];
        let end = letters
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(letters.len());
        seconds += number
            * match &letters[..end] {
                "h" => 3600.0,
                "m" => 60.0,
                "s" => 1.0,
                "ms" => 0.001,
                _ => return None,
            };
        rest = &letters[end..];
    }
    (!text.is_empty())
        .then(|| Duration::try_from_secs_f64(seconds).ok())
        .flatten()
}

/// `Sun, 06 Nov 1994 08:49:37 GMT` in seconds since 1970, and the two older forms that HTTP has:
/// `Sunday, 06-Nov-94 08:49:37 GMT` and `Sun Nov  6 08:49:37 1994`.
fn http_date(text: &str) -> Option<i64> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let mut words = text.split([' ', ',', '-']).filter(|word| !word.is_empty());
    let mut next = || words.next();
    let (_, second, third, fourth, fifth) = (next()?, next()?, next()?, next()?, next()?);
    let is_day = second.bytes().all(|byte| byte.is_ascii_digit());
    let (day, name, year, time) = match is_day {
        true => (second, third, fourth, fifth),
        false => (third, second, fifth, fourth),
    };
    let month = MONTHS.iter().position(|month| *month == name)? as i64 + 1;
    let year = match (year.len(), year.parse().ok()?) {
        // Two digits are of the years from 1970 on.
        (2, short @ 70..) => 1900 + short,
        (2, short) => 2000 + short,
        (_, year) => year,
    };
    Some(days(year, month, day.parse().ok()?)? * 86_400 + clock(time)?)
}

/// `2026-06-08T18:45:39Z` in seconds since 1970. Vendors write UTC.
pub(crate) fn rfc3339(text: &str) -> Option<i64> {
    let (date, time) = text.split_once('T')?;
    let mut parts = date.split('-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    let time = time.split(['Z', '.', '+']).next()?;
    Some(days(year, month, day)? * 86_400 + clock(time)?)
}

fn clock(text: &str) -> Option<i64> {
    let mut parts = text.split(':').map(|part| part.parse::<i64>().ok());
    let (h, m, s) = (parts.next()??, parts.next()??, parts.next()??);
    let fits = (0..24).contains(&h) && (0..60).contains(&m) && (0..=60).contains(&s);
    fits.then_some(h * 3600 + m * 60 + s)
}

/// Days since 1970 of a date of the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1970..10_000).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Years that start in March put the leap day at their end.
    let (y, m) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let of_year = (153 * m + 2) / 5 + day - 1;
    Some(y * 365 + y / 4 - y / 100 + y / 400 + of_year - 719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        for date in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ] {
            assert_eq!(http_date(date), Some(784_111_777), "{date}");
        }
        assert_eq!(
            http_date("Monday, 08-Jun-26 18:45:39 GMT"),
            rfc3339("2026-06-08T18:45:39Z")
        );
        assert_eq!(rfc3339("1994-11-06T08:49:37Z"), Some(784_111_777));
        assert_eq!(rfc3339("2000-02-29T00:00:00Z"), Some(951_782_400));
        for wrong in [
            "",
            "x, y",
            "Sun, 99 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 8 GMT",
            "Sun, 06 Nix 1994 08:49:37 GMT",
            "Sun Nov  6 08:49:37",
        ] {
            assert_eq!(http_date(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn spans() {
        assert_eq!(span("6m0s"), Some(Duration::from_secs(360)));
        assert_eq!(span("20ms"), Some(Duration::from_millis(20)));
        assert_eq!(span("1h1.5s"), Some(Duration::from_millis(3_601_500)));
        for wrong in ["", "5", "s", "5x", "1s2"] {
            assert_eq!(span(wrong), None, "{wrong}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_harmless(text: String) {
            let _ = (http_date(&text), rfc3339(&text), span(&text));
        }
    }
}
