//! What an answer says, whole or streamed, in one shape that can be compared.

use llm_types::{ChatChunk, ChatResponse, ThinkingBlock, Usage};
use serde_json::Value;

use crate::Streamed;

/// The meaning of one answer.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Said {
    pub(crate) text: String,
    pub(crate) reasoning: String,
    /// Signatures and sealed thinking, in order.
    pub(crate) seals: Vec<String>,
    /// Id, name, arguments.
    pub(crate) calls: Vec<(String, String, Value)>,
    pub(crate) citations: Vec<Value>,
    pub(crate) annotations: usize,
    pub(crate) finish: String,
    /// Input with cache, output, cache read, cache written.
    pub(crate) usage: Option<(u64, u64, u64, u64)>,
}

impl Said {
    /// What a whole answer says.
    pub(crate) fn whole(response: &ChatResponse) -> Self {
        let choice = &response.choices[0];
        let message = &choice.message;
        let calls = message.tool_calls.iter().map(|call| {
            (
                call.id.clone().unwrap_or_default(),
                call.function.name.clone().unwrap_or_default(),
                parsed(&call.function.arguments),
            )
        });
        Self {
            text: message
                .content
                .as_ref()
                .map(|c| c.text())
                .unwrap_or_default(),
            reasoning: message.reasoning_content.clone().unwrap_or_default(),
            seals: message.thinking_blocks.iter().filter_map(seal).collect(),
            calls: calls.collect(),
            citations: list(message.provider_specific_fields.get("citations")),
            annotations: message.annotations.len(),
            finish: choice.finish_reason.clone().unwrap_or_default(),
            usage: response.usage.as_ref().map(counts),
        }
    }

    /// What a stream's chunks say together; its usage is the one that the decoder reports.
    pub(crate) fn streamed(stream: &Streamed) -> Self {
        let mut said = Self {
            usage: stream.usage.as_ref().map(counts),
            ..Self::default()
        };
        let chunks = stream.chunks.iter().cloned();
        let chunks: Vec<ChatChunk> = chunks
            .map(|chunk| chunk.into_chat().expect("a chat chunk"))
            .collect();
        let mut calls: Vec<(String, String, String)> = Vec::new();
        for choice in chunks.iter().flat_map(|chunk| &chunk.choices) {
            assert!(said.finish.is_empty(), "nothing follows the finish reason");
            let delta = &choice.delta;
            said.text += delta.content.as_deref().unwrap_or_default();
            said.reasoning += delta.reasoning_content.as_deref().unwrap_or_default();
            said.seals
                .extend(delta.thinking_blocks.iter().filter_map(seal));
            said.citations
                .extend(delta.provider_specific_fields.get("citation").cloned());
            said.citations
                .extend(list(delta.provider_specific_fields.get("citations")));
            said.annotations += delta.annotations.len();
            for call in &delta.tool_calls {
                let at = call.index.expect("an index") as usize;
                if at == calls.len() {
                    calls.push(Default::default());
                }
                let entry = &mut calls[at];
                entry.0 += call.id.as_deref().unwrap_or_default();
                entry.1 += call.function.name.as_deref().unwrap_or_default();
                entry.2 += &call.function.arguments;
            }
            if let Some(reason) = &choice.finish_reason {
                said.finish = reason.clone();
            }
        }
        said.calls = calls
            .into_iter()
            .map(|(id, name, arguments)| (id, name, parsed(&arguments)))
            .collect();
        said
    }
}

/// `Ok` if both say the same.
pub(crate) fn same(ours: &Said, theirs: &Said) -> Result<(), String> {
    if ours == theirs {
        return Ok(());
    }
    Err(format!("\n  ours   {ours:?}\n  theirs {theirs:?}"))
}

/// Arguments as JSON, or as the text they are.
pub(crate) fn parsed(arguments: &str) -> Value {
    serde_json::from_str(arguments).unwrap_or_else(|_| Value::String(arguments.to_owned()))
}

fn seal(block: &ThinkingBlock) -> Option<String> {
    match block {
        ThinkingBlock::Thinking { signature, .. } => signature.clone(),
        ThinkingBlock::RedactedThinking { data } => Some(data.clone()),
    }
}

fn counts(usage: &Usage) -> (u64, u64, u64, u64) {
    (
        usage.prompt_tokens,
        usage.completion_tokens,
        usage.cached_tokens(),
        usage.cache_write_tokens(),
    )
}

fn list(value: Option<&Value>) -> Vec<Value> {
    value.and_then(Value::as_array).cloned().unwrap_or_default()
}

/// Like [`assert_eq`], as a result: both as JSON, `null`s and absent keys alike.
pub(crate) fn same_json(got: &Value, expected: &Value) -> Result<(), String> {
    let (got, expected) = (without_nulls(got), without_nulls(expected));
    if got == expected {
        return Ok(());
    }
    Err(format!("got {got}\n  expected {expected}"))
}

fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(map) => map
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| (key.clone(), without_nulls(value)))
            .collect(),
        Value::Array(list) => list.iter().map(without_nulls).collect(),
        Value::Number(number) if number.as_f64().is_some_and(|f| f.fract() == 0.0) => {
            Value::from(number.as_f64().unwrap_or_default() as i64)
        }
        other => other.clone(),
    }
}
