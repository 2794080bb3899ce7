//! Which events of a stream are the answer, and which only its frame.

use llm_types::{ChatChunk, CompletionResponse, Delta, Op};
use serde::Deserialize;

use crate::Chunk;

impl Chunk {
    /// Whether it says something of the answer itself: text, thinking, a refusal, a call, a picture. Roles, starts,
    /// ends, usage and pings do not. What nobody here knows counts as content. `op`: the dialect of raw chunks.
    pub fn is_content(&self, op: Op) -> bool {
        match (self, op) {
            (Self::Chat(chunk), _) => says_something(chunk),
            (Self::Raw { data, .. }, Op::Chat) => read(data).is_none_or(|c| says_something(&c)),
            (Self::Raw { data, .. }, Op::Completion) => {
                read(data).is_none_or(|piece: CompletionResponse| {
                    piece.choices.iter().any(|choice| !choice.text.is_empty())
                })
            }
            (Self::Raw { event, data }, Op::Messages) => in_messages(event.as_deref(), data),
            (Self::Raw { event, .. }, Op::Responses) => in_responses(event.as_deref()),
            (Self::Raw { data, .. }, Op::GenerateContent) => in_generate(data),
            (Self::Raw { .. }, _) => true,
        }
    }
}

fn read<'a, T: Deserialize<'a>>(data: &'a [u8]) -> Option<T> {
    serde_json::from_slice(data).ok()
}

fn says_something(chunk: &ChatChunk) -> bool {
    chunk
        .choices
        .iter()
        .any(|choice| is_something(&choice.delta))
}

fn is_something(delta: &Delta) -> bool {
    let texts = [&delta.content, &delta.refusal, &delta.reasoning_content];
    texts.iter().any(|text| text.as_ref().is_some_and(|text| !text.is_empty()))
        || !delta.thinking_blocks.is_empty()
        || !delta.tool_calls.is_empty()
        || delta.function_call.is_some()
        || delta.audio.is_some()
        || !delta.images.is_empty()
        || !delta.annotations.is_empty()
        || !delta.provider_specific_fields.is_empty()
        // Vendors that show thinking under another name.
        || ["reasoning", "reasoning_details"].iter().any(|key| {
            delta.extra.get(*key).is_some_and(|value| match value {
                serde_json::Value::String(text) => !text.is_empty(),
                value => !value.is_null(),
            })
        })
}

#[derive(Deserialize)]
struct BlockStart<'a> {
    #[serde(borrow)]
    content_block: StartedBlock<'a>,
}

#[derive(Deserialize)]
struct StartedBlock<'a> {
    #[serde(rename = "type", borrow)]
    kind: std::borrow::Cow<'a, str>,
    #[serde(borrow, default)]
    text: std::borrow::Cow<'a, str>,
    #[serde(borrow, default)]
    thinking: std::borrow::Cow<'a, str>,
}

/// Blocks of text and thinking begin empty; any other block says something by beginning.
fn in_messages(event: Option<&[u8]>, data: &[u8]) -> bool {
    match event {
        Some(b"message_start" | b"ping" | b"content_block_stop" | b"message_delta") => false,
        Some(b"message_stop") => false,
        Some(b"content_block_start") => read::<BlockStart<'_>>(data).is_none_or(|start| {
            let block = start.content_block;
            !matches!(&*block.kind, "text" | "thinking")
                || !block.text.is_empty()
                || !block.thinking.is_empty()
        }),
        _ => true,
    }
}

/// What ends a part says again what its pieces said; what ends an item may be all that is told of it.
fn in_responses(event: Option<&[u8]>) -> bool {
    !matches!(
        event,
        Some(
            b"response.created"
                | b"response.queued"
                | b"response.in_progress"
                | b"response.output_item.added"
                | b"response.content_part.added"
                | b"response.reasoning_summary_part.added"
                | b"response.output_text.done"
                | b"response.refusal.done"
                | b"response.content_part.done"
                | b"response.function_call_arguments.done"
                | b"response.reasoning_text.done"
                | b"response.reasoning_summary_text.done"
                | b"response.reasoning_summary_part.done"
                | b"keepalive"
        )
    )
}

fn in_generate(data: &[u8]) -> bool {
    let Some(event) = read::<serde_json::Value>(data) else {
        return true;
    };
    let candidates = event["candidates"].as_array().into_iter().flatten();
    candidates
        .flat_map(|candidate| {
            candidate["content"]["parts"]
                .as_array()
                .into_iter()
                .flatten()
        })
        .any(|part| part.get("text").is_none_or(|text| text != ""))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn raw(event: &'static str, data: &'static str) -> Chunk {
        Chunk::Raw {
            event: Some(event)
                .filter(|e| !e.is_empty())
                .map(|e| Bytes::from_static(e.as_bytes())),
            data: Bytes::from_static(data.as_bytes()),
        }
    }

    #[test]
    fn frames_are_no_content() {
        for (op, event, data) in [
            (
                Op::Chat,
                "",
                r#"{"choices":[{"delta":{"role":"assistant","content":""}}]}"#,
            ),
            (
                Op::Chat,
                "",
                r#"{"choices":[],"usage":{"prompt_tokens":1}}"#,
            ),
            (
                Op::Chat,
                "",
                r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#,
            ),
            (Op::Completion, "", r#"{"choices":[{"text":""}]}"#),
            (Op::Messages, "message_start", "{}"),
            (
                Op::Messages,
                "content_block_start",
                r#"{"content_block":{"type":"text","text":""}}"#,
            ),
            (Op::Responses, "response.output_item.added", "{}"),
            (
                Op::GenerateContent,
                "",
                r#"{"candidates":[{"content":{"parts":[{"text":""}]}}]}"#,
            ),
            (Op::GenerateContent, "", r#"{"usageMetadata":{}}"#),
        ] {
            assert!(!raw(event, data).is_content(op), "{data}");
        }
    }

    #[test]
    fn whatever_the_client_can_see_is() {
        for (op, event, data) in [
            (Op::Chat, "", r#"{"choices":[{"delta":{"content":"H"}}]}"#),
            (Op::Chat, "", r#"{"choices":[{"delta":{"reasoning":"H"}}]}"#),
            (
                Op::Chat,
                "",
                r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"c"}]}}]}"#,
            ),
            (Op::Chat, "", "odd"),
            (Op::Completion, "", r#"{"choices":[{"text":"H"}]}"#),
            (Op::Messages, "content_block_delta", "{}"),
            (
                Op::Messages,
                "content_block_start",
                r#"{"content_block":{"type":"tool_use"}}"#,
            ),
            (Op::Responses, "response.output_text.delta", "{}"),
            (
                Op::GenerateContent,
                "",
                r#"{"candidates":[{"content":{"parts":[{"text":"H"}]}}]}"#,
            ),
            (Op::Speech, "", "x"),
        ] {
            assert!(raw(event, data).is_content(op), "{data}");
        }
    }
}
