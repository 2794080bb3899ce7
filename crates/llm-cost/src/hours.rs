//! Prices that hold at certain hours only.

use serde_json::{Map, Value};

use crate::{Rate, pricing};

const MINUTE: u64 = 60;
const DAY: u64 = 24 * 60 * MINUTE;
/// China has had one time zone without summer time since 1991.
const CHINA: u64 = 8 * 60 * MINUTE;

/// Cheaper hours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OffPeak {
    windows: Vec<Window>,
    /// How far the clock that decides what day it is runs ahead of UTC, in seconds.
    weekday_ahead: u64,
    pub(crate) rates: Vec<Rate>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Window {
    /// From and to, in seconds of the UTC day.
    hours: Vec<(u64, u64)>,
    /// 1 is Monday, 7 is Sunday; empty means every day.
    weekdays: Vec<u64>,
}

impl OffPeak {
    /// `None` for a shape or a time zone that we do not know: the standard price then holds at all hours.
    pub(crate) fn from_json(value: &Value) -> Option<Self> {
        let fields = value.as_object()?;
        let weekday_ahead = match fields.get("weekday_timezone").and_then(Value::as_str) {
            None | Some("UTC") => 0,
            Some("Asia/Shanghai") => CHINA,
            Some(_) => return None,
        };
        let windows = match fields.get("windows") {
            Some(windows) => windows
                .as_array()?
                .iter()
                .map(window)
                .collect::<Option<_>>()?,
            None => vec![window(value)?],
        };
        Some(Self {
            windows,
            weekday_ahead,
            rates: pricing::rates(fields),
        })
    }

    /// Whether the second since 1970 lies in it.
    pub(crate) fn contains(&self, at: u64) -> bool {
        let second = at % DAY;
        // 1 January 1970 was a Thursday.
        let weekday = ((at + self.weekday_ahead) / DAY + 3) % 7 + 1;
        self.windows.iter().any(|window| {
            (window.weekdays.is_empty() || window.weekdays.contains(&weekday))
                && window.hours.iter().any(|(from, to)| match from < to {
                    true => (*from..*to).contains(&second),
                    false => second >= *from || second < *to,
                })
        })
    }
}

fn window(value: &Value) -> Option<Window> {
    let fields: &Map<String, Value> = value.as_object()?;
    let hours = match fields.get("hours_utc")? {
        Value::String(one) => vec![hours(one)?],
        Value::Array(many) => many
            .iter()
            .map(|text| hours(text.as_str()?))
            .collect::<Option<_>>()?,
        _ => return None,
    };
    let weekdays = match fields.get("weekdays") {
        Some(days) => days.as_array()?.iter().filter_map(Value::as_u64).collect(),
        None => Vec::new(),
    };
    Some(Window { hours, weekdays })
}

fn hours(text: &str) -> Option<(u64, u64)> {
    let (from, to) = text.split_once('-')?;
    let to = second(to)?;
    Some((second(from)?, if to == 0 { DAY } else { to }))
}

fn second(text: &str) -> Option<u64> {
    let (hour, minute) = text.trim().split_once(':')?;
    let (hour, minute): (u64, u64) = (hour.parse().ok()?, minute.parse().ok()?);
    (hour <= 24 && minute < 60).then_some((hour * 60 + minute) * MINUTE)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Friday 20 November 2026, 00:00 UTC.
    const FRIDAY: u64 = 1_795_132_800;

    #[test]
    fn windows_follow_hours_and_weekdays() {
        let off_peak = OffPeak::from_json(&json!({
            "input_cost_per_token": 1e-7,
            "weekday_timezone": "Asia/Shanghai",
            "windows": [
                {"hours_utc": ["00:00-01:00", "10:00-00:00"], "weekdays": [1, 2, 3, 4, 5]},
                {"hours_utc": "00:00-00:00", "weekdays": [6, 7]},
            ],
        }))
        .unwrap();
        let hour = |h: u64| off_peak.contains(FRIDAY + h * 3600);
        assert!(hour(0) && !hour(1) && !hour(9) && hour(10) && hour(15));
        // From 16:00 UTC it is Saturday in Shanghai, all day long.
        assert!(hour(16) && hour(16 + 5) && hour(24 + 5));
        assert_eq!(off_peak.rates.len(), 1);
    }

    #[test]
    fn a_night_may_pass_midnight() {
        let night = OffPeak::from_json(&json!({"hours_utc": "16:30-00:30"})).unwrap();
        let minute = |m: u64| night.contains(FRIDAY + m * 60);
        assert!(minute(16 * 60 + 30) && minute(0) && minute(29) && !minute(30) && !minute(16 * 60));
    }
}
