//! Whether an answer was stopped by its vendor's filter.

use llm_providers::{Chunk, Payload};
use llm_types::Op;
use memchr::memmem;
use serde::Deserialize;

/// Why OpenAI's wire says that an answer ended there.
const FILTERED: &str = "content_filter";

/// Where answers in all dialects say why they ended. All of it may be missing.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Ends {
    choices: Vec<Choice>,
    stop_reason: Option<String>,
    delta: Stop,
    incomplete_details: Option<Why>,
    response: Option<Box<Ends>>,
    candidates: Vec<Candidate>,
    #[serde(rename = "promptFeedback")]
    prompt_feedback: Option<Feedback>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Choice {
    finish_reason: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Stop {
    stop_reason: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Why {
    reason: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Candidate {
    finish_reason: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Feedback {
    block_reason: Option<String>,
}

/// Whether all of a whole answer was stopped. `op`: the dialect that the vendor was asked in.
pub(crate) fn is_whole(op: Op, payload: &Payload) -> bool {
    match payload {
        Payload::Raw { body, .. } => says_so(op, body),
        Payload::Chat(chat) => {
            let reasons = chat.choices.iter().map(|c| c.finish_reason.as_deref());
            all_filtered(reasons)
        }
    }
}

/// Whether a chunk says that the answer was stopped.
pub(crate) fn is_chunk(op: Op, chunk: &Chunk) -> bool {
    match chunk {
        Chunk::Raw { data, .. } => says_so(op, data),
        Chunk::Chat(chunk) => {
            let reasons = chunk.choices.iter().map(|c| c.finish_reason.as_deref());
            all_filtered(reasons)
        }
    }
}

fn all_filtered<'a>(mut reasons: impl Iterator<Item = Option<&'a str>>) -> bool {
    let first = reasons.next();
    first == Some(Some(FILTERED)) && reasons.all(|reason| reason == Some(FILTERED))
}

fn says_so(op: Op, json: &[u8]) -> bool {
    let words: &[&str] = match op {
        Op::Messages => &["\"refusal\""],
        Op::GenerateContent => &["finishReason", "blockReason"],
        _ => &["\"content_filter\""],
    };
    // Nearly no answer says so, and none is parsed for nothing.
    let finds = |word: &&str| memmem::find(json, word.as_bytes()).is_some();
    if !words.iter().any(finds) {
        return false;
    }
    let Ok(ends) = serde_json::from_slice::<Ends>(json) else {
        return false;
    };
    match op {
        Op::Messages => [ends.stop_reason, ends.delta.stop_reason]
            .iter()
            .flatten()
            .any(|reason| reason == "refusal"),
        Op::Responses => {
            let details = ends.incomplete_details.or(ends
                .response
                .and_then(|response| response.incomplete_details));
            details.is_some_and(|why| why.reason.as_deref() == Some(FILTERED))
        }
        Op::GenerateContent => {
            let blocked = ends
                .prompt_feedback
                .and_then(|feedback| feedback.block_reason);
            blocked.is_some() && ends.candidates.is_empty()
                || !ends.candidates.is_empty()
                    && ends
                        .candidates
                        .iter()
                        .all(|c| stops(c.finish_reason.as_deref()))
        }
        _ => all_filtered(ends.choices.iter().map(|c| c.finish_reason.as_deref())),
    }
}

/// Gemini's reasons of a filter.
fn stops(reason: Option<&str>) -> bool {
    const FILTERS: [&str; 6] = [
        "SAFETY",
        "RECITATION",
        "BLOCKLIST",
        "PROHIBITED_CONTENT",
        "SPII",
        "IMAGE_SAFETY",
    ];
    reason.is_some_and(|reason| FILTERS.contains(&reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stopped_answers_are_known_in_every_dialect() {
        let stopped = [
            (
                Op::Chat,
                r#"{"choices":[{"index":0,"finish_reason":"content_filter"}]}"#,
            ),
            (
                Op::Completion,
                r#"{"choices":[{"text":"","finish_reason":"content_filter"}]}"#,
            ),
            (Op::Messages, r#"{"content":[],"stop_reason":"refusal"}"#),
            (
                Op::Messages,
                r#"{"type":"message_delta","delta":{"stop_reason":"refusal"}}"#,
            ),
            (
                Op::Responses,
                r#"{"status":"incomplete","incomplete_details":{"reason":"content_filter"}}"#,
            ),
            (
                Op::Responses,
                r#"{"type":"response.incomplete","response":{"incomplete_details":{"reason":"content_filter"}}}"#,
            ),
            (
                Op::GenerateContent,
                r#"{"candidates":[{"finishReason":"SAFETY"}]}"#,
            ),
            (
                Op::GenerateContent,
                r#"{"promptFeedback":{"blockReason":"SAFETY"}}"#,
            ),
        ];
        for (op, json) in stopped {
            assert!(says_so(op, json.as_bytes()), "{json}");
        }
        let told = [
            (
                Op::Chat,
                r#"{"choices":[{"finish_reason":"content_filter"},{"finish_reason":"stop"}]}"#,
            ),
            (
                Op::Chat,
                r#"{"choices":[{"delta":{"content":"\"content_filter\""},"finish_reason":null}]}"#,
            ),
            (Op::Chat, r#"{"choices":[],"note":"content_filter"}"#),
            (
                Op::Messages,
                r#"{"content":[{"text":"a \"refusal\""}],"stop_reason":"end_turn"}"#,
            ),
            (
                Op::GenerateContent,
                r#"{"candidates":[{"finishReason":"STOP"}]}"#,
            ),
            (
                Op::Responses,
                r#"{"status":"completed","incomplete_details":null,"x":"content_filter"}"#,
            ),
        ];
        for (op, json) in told {
            assert!(!says_so(op, json.as_bytes()), "{json}");
        }
    }
}
