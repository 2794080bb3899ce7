//! A request's way through the router, short enough for a header and a log line.

use http::{HeaderMap, HeaderName, HeaderValue};
use llm_router::{AttemptRecord, Decision, Reason, Skipped, Trace};
use serde_json::{Value, json};

use crate::error::class;

/// The header that asks for it.
static ASKED_BY: HeaderName = HeaderName::from_static("x-interlingua-debug");
/// The longest that servers between here and the client are sure to let pass.
const LONGEST: usize = 4096;
/// Of a list of deployments, so many.
const LISTED: usize = 20;
/// Of an error's message, so much.
const MESSAGE: usize = 120;

/// Whether the client asks for the way its request went.
pub(crate) fn is_asked_for(headers: &HeaderMap) -> bool {
    let value = headers.get(&ASKED_BY).and_then(|value| value.to_str().ok());
    value.is_some_and(|value| value.split(',').any(|word| word.trim() == "router"))
}

/// Every attempt, with how its deployment was picked and how it ended; none where one was made, at the first choice of
/// all, and went well.
pub(crate) fn row(trace: &Trace) -> Vec<Value> {
    match &trace.attempts[..] {
        [only] if is_plain(only) => Vec::new(),
        _ => attempts(trace, true),
    }
}

/// There is nothing to tell of it: it went well, and whoever was left out always is.
fn is_plain(attempt: &AttemptRecord) -> bool {
    let pick = &attempt.decision;
    let usual = |skipped: &Skipped| matches!(skipped.reason, Reason::Order | Reason::Affinity);
    let as_usual = pick.skipped.iter().all(usual) && pick.scores.is_empty();
    attempt.error.is_none() && as_usual && pick.tags.is_none()
}

fn attempts(trace: &Trace, picks: bool) -> Vec<Value> {
    trace.attempts.iter().map(|a| attempt(a, picks)).collect()
}

/// The header's value; what does not fit is left out, the details of the picks first.
pub(crate) fn header(trace: &Trace) -> Option<HeaderValue> {
    for picks in [true, false] {
        let whole = ascii(&whole(trace, attempts(trace, picks)).to_string());
        if whole.len() <= LONGEST {
            return HeaderValue::from_str(&whole).ok();
        }
    }
    let short = whole(trace, Vec::new()).to_string();
    HeaderValue::from_str(&ascii(&short)).ok()
}

fn whole(trace: &Trace, attempts: Vec<Value>) -> Value {
    let mut whole = json!({
        "attempts": attempts, "made": trace.attempts.len(), "fallbacks": trace.fallbacks,
        "seed": trace.seed,
    });
    if trace.retry_denied {
        whole["retry_denied"] = true.into();
    }
    if !trace.nobody.is_empty() {
        whole["nobody"] = serde_json::to_value(&trace.nobody).unwrap_or_default();
    }
    whole
}

fn attempt(record: &AttemptRecord, picks: bool) -> Value {
    let millis = |duration: std::time::Duration| duration.as_millis();
    let mut shown = json!({
        "deployment": record.deployment, "group": record.group,
        "began_ms": millis(record.began) as u64, "took_ms": millis(record.took) as u64,
    });
    let mut add = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            shown[key] = value;
        }
    };
    add("error", record.error.map(|kind| class(kind).into()));
    add("status", record.status.map(Value::from));
    let message = record.message.as_ref();
    let message = message.map(|text| text.chars().take(MESSAGE).collect::<String>());
    add("message", message.map(Value::from));
    add("rests_ms", record.cooled.map(Value::from));
    add("in_stream", record.in_stream.then_some(Value::Bool(true)));
    add("lost", record.lost.then_some(Value::Bool(true)));
    if picks {
        shown["pick"] = pick(&record.decision);
    }
    shown
}

/// Lists of a group of a thousand are cut, and say how much is missing.
fn pick(decision: &Decision) -> Value {
    fn first<T>(list: &[T]) -> &[T] {
        &list[..list.len().min(LISTED)]
    }
    let (skipped, scores) = (&decision.skipped, &decision.scores);
    let mut shown = json!({
        "strategy": decision.strategy, "among": decision.among, "skipped": first(skipped),
    });
    if !scores.is_empty() {
        shown["scores"] = json!(first(scores));
    }
    if let Some(tags) = &decision.tags {
        shown["tags"] = json!(tags);
    }
    for (more, all) in [
        ("more_skipped", skipped.len()),
        ("more_scores", scores.len()),
    ] {
        if all > LISTED {
            shown[more] = (all - LISTED).into();
        }
    }
    shown
}

/// Headers are plain text: other letters are written as JSON writes them where it must.
fn ascii(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for letter in json.chars() {
        if matches!(letter, ' '..='~') {
            out.push(letter);
            continue;
        }
        for unit in letter.encode_utf16(&mut [0; 2]) {
            out.push_str(&format!("\\u{unit:04x}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_tells_what_is_unusual_and_no_more_than_fits() {
        let plain = |skipped: usize| {
            let mut attempt = AttemptRecord {
                deployment: "d".into(),
                group: "g".into(),
                decision: Decision::default(),
                began: Default::default(),
                took: Default::default(),
                error: None,
                status: None,
                message: None,
                cooled: None,
                in_stream: false,
                lost: false,
            };
            let rests = |n: usize| Skipped {
                deployment: n.to_string(),
                reason: Reason::Cooling { millis: 9 },
            };
            attempt.decision.skipped = (0..skipped).map(rests).collect();
            Trace {
                attempts: vec![attempt],
                ..Trace::default()
            }
        };
        assert_eq!(row(&plain(0)), [Value::Null; 0]);
        let told = &row(&plain(1000))[0]["pick"];
        assert_eq!(told["skipped"].as_array().unwrap().len(), LISTED);
        assert_eq!(told["skipped"][0]["reason"], "cooling");
        assert_eq!(told["more_skipped"], 1000 - LISTED);
    }

    #[test]
    fn a_header_is_plain_and_bounded() {
        let long = AttemptRecord {
            deployment: "d\u{e9}pl\u{1f600}".into(),
            group: "g".into(),
            decision: Default::default(),
            began: Default::default(),
            took: std::time::Duration::from_millis(7),
            error: Some(llm_providers::Kind::RateLimit),
            status: Some(429),
            message: Some("slow \u{e9}\n".repeat(100)),
            cooled: Some(5000),
            in_stream: false,
            lost: false,
        };
        let mut trace = Trace {
            attempts: vec![long; 3],
            ..Trace::default()
        };
        let value = header(&trace).unwrap();
        let shown: Value = serde_json::from_slice(value.as_bytes()).unwrap();
        assert_eq!(shown["attempts"][0]["deployment"], "d\u{e9}pl\u{1f600}");
        assert_eq!(shown["attempts"][0]["error"], "RateLimitError");
        trace.attempts = vec![trace.attempts[0].clone(); 100];
        let value = header(&trace).unwrap();
        assert!(value.len() <= LONGEST);
        let shown: Value = serde_json::from_slice(value.as_bytes()).unwrap();
        assert_eq!(shown["made"], 100);
    }
}
