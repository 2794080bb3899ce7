//! What Ollama writes: whole answers and the lines of a stream have the same shape.

use llm_types::{Map, Usage};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use sha2::{Digest, Sha256};

#[derive(Debug, Deserialize)]
pub(super) struct Line {
    #[serde(default)]
    pub(super) model: String,
    #[serde(default)]
    pub(super) created_at: String,
    /// Of `/api/chat`.
    pub(super) message: Option<Message>,
    /// Of `/api/generate`.
    pub(super) response: Option<String>,
    /// Of `/api/generate`.
    pub(super) thinking: Option<String>,
    #[serde(default)]
    pub(super) done: bool,
    pub(super) done_reason: Option<String>,
    pub(super) logprobs: Option<Vec<Value>>,
    prompt_eval_count: Option<u64>,
    eval_count: Option<u64>,
    total_duration: Option<u64>,
    load_duration: Option<u64>,
    prompt_eval_duration: Option<u64>,
    eval_duration: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Message {
    #[serde(default, deserialize_with = "null_is_default")]
    pub(super) content: String,
    pub(super) thinking: Option<String>,
    #[serde(default, deserialize_with = "null_is_default")]
    pub(super) tool_calls: Vec<Call>,
    #[serde(default, deserialize_with = "null_is_default")]
    pub(super) images: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Call {
    pub(super) id: Option<String>,
    pub(super) function: Function,
}

#[derive(Debug, Deserialize)]
pub(super) struct Function {
    pub(super) name: String,
    #[serde(default)]
    pub(super) arguments: Value,
}

impl Line {
    /// What was consumed, with the server's own timings (nanoseconds) beside it; `None` where it does not say.
    pub(super) fn usage(&self) -> Option<Usage> {
        if self.prompt_eval_count.is_none() && self.eval_count.is_none() {
            return None;
        }
        let mut usage = Usage::new(
            self.prompt_eval_count.unwrap_or(0),
            self.eval_count.unwrap_or(0),
        );
        let timings = [
            ("total_duration", self.total_duration),
            ("load_duration", self.load_duration),
            ("prompt_eval_duration", self.prompt_eval_duration),
            ("eval_duration", self.eval_duration),
        ];
        usage.extra = timings
            .into_iter()
            .filter_map(|(name, time)| Some((name.to_owned(), time?.into())))
            .collect::<Map>()
            .into();
        Some(usage)
    }

    /// An id for the answer, as Ollama gives none: the same for the same line, another for another answer.
    pub(super) fn id(&self, prefix: &str, nth: usize) -> String {
        let seed = format!("{}\0{}\0{nth}", self.model, self.created_at);
        format!("{prefix}{}", &hex::encode(Sha256::digest(seed))[..24])
    }
}

/// Seconds since 1970 of an RFC 3339 time; zero for anything else.
pub(super) fn seconds(time: &str) -> u64 {
    parse(time).unwrap_or(0)
}

fn parse(time: &str) -> Option<u64> {
    let part = |from: usize, to: usize| time.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (part(0, 4)?, part(5, 7)?, part(8, 10)?);
    let (hour, minute, second) = (part(11, 13)?, part(14, 16)?, part(17, 19)?);
    if !(1..=12).contains(&month) {
        return None;
    }
    // Days from the civil date, with years that start in March: the leap day is then the last of its year.
    let (y, m) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719_468;
    let utc = ((days * 24 + hour) * 60 + minute) * 60 + second;
    u64::try_from(utc - offset(time)?).ok()
}

/// Seconds east of Greenwich.
fn offset(time: &str) -> Option<i64> {
    let zone = time
        .get(19..)?
        .trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
    let Some(rest) = zone.strip_prefix(['+', '-']) else {
        return (zone == "Z").then_some(0);
    };
    let (hours, minutes) = rest.split_once(':')?;
    let east = hours.parse::<i64>().ok()? * 3600 + minutes.parse::<i64>().ok()? * 60;
    Some(if zone.starts_with('-') { -east } else { east })
}

fn null_is_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_seconds() {
        assert_eq!(seconds("1970-01-01T00:00:00Z"), 0);
        assert_eq!(seconds("2024-02-29T23:59:59.123456Z"), 1_709_251_199);
        assert_eq!(seconds("2024-03-01T01:59:59+02:00"), 1_709_251_199);
        assert_eq!(seconds("2024-02-29T18:59:59.5-05:00"), 1_709_251_199);
        for odd in [
            "",
            "yesterday",
            "2024-13-01T00:00:00Z",
            "1960-01-01T00:00:00Z",
        ] {
            assert_eq!(seconds(odd), 0, "{odd}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_time_or_zero(text: String) {
            seconds(&text);
        }
    }
}
