//! What an answer says, whole or streamed, in a form that can be compared.

use llm_providers::Chunk;
use llm_types::{ChatChunk, ChatResponse, Content, Usage};
use serde_json::Value;

/// One answer's content.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct Facts {
    pub(crate) text: String,
    pub(crate) reasoning: String,
    /// Names and arguments, in order.
    pub(crate) calls: Vec<(String, Value)>,
    /// Ids, in order.
    pub(crate) ids: Vec<String>,
    pub(crate) citations: Vec<Value>,
    pub(crate) annotations: usize,
    pub(crate) finish: String,
    pub(crate) usage: Option<(u64, u64)>,
}

impl Facts {
    pub(crate) fn of(response: &ChatResponse) -> Self {
        let choice = &response.choices[0];
        let message = &choice.message;
        Self {
            text: message
                .content
                .as_ref()
                .map(Content::text)
                .unwrap_or_default(),
            reasoning: message.reasoning_content.clone().unwrap_or_default(),
            calls: message
                .tool_calls
                .iter()
                .map(|call| {
                    (
                        call.function.name.clone().unwrap_or_default(),
                        arguments(&call.function.arguments),
                    )
                })
                .collect(),
            ids: message
                .tool_calls
                .iter()
                .filter_map(|call| call.id.clone())
                .collect(),
            citations: list(message.provider_specific_fields.get("citations")),
            annotations: message.annotations.len(),
            finish: choice.finish_reason.clone().unwrap_or_default(),
            usage: response.usage.as_ref().map(counts),
        }
    }

    /// Folds a stream; its usage is the one that the decoder reports.
    pub(crate) fn folded(chunks: &[Chunk], usage: Option<&Usage>) -> Self {
        let mut facts = Self {
            usage: usage.map(counts),
            ..Self::default()
        };
        let mut calls: Vec<(String, String)> = Vec::new();
        for chunk in chunks {
            let chunk: ChatChunk = chunk.clone().into_chat().expect("a chat chunk");
            for choice in chunk.choices {
                let delta = choice.delta;
                facts.text.push_str(&delta.content.unwrap_or_default());
                facts
                    .reasoning
                    .push_str(&delta.reasoning_content.unwrap_or_default());
                facts
                    .citations
                    .extend(list(delta.provider_specific_fields.get("citations")));
                facts.annotations += delta.annotations.len();
                for call in delta.tool_calls {
                    let at = call.index.expect("an index") as usize;
                    if at == calls.len() {
                        calls.push(Default::default());
                        facts
                            .ids
                            .push(call.id.expect("an id with the first fragment"));
                    }
                    calls[at]
                        .0
                        .push_str(&call.function.name.unwrap_or_default());
                    calls[at].1.push_str(&call.function.arguments);
                }
                if let Some(finish) = choice.finish_reason {
                    assert!(facts.finish.is_empty(), "one finish reason a stream");
                    facts.finish = finish;
                }
            }
        }
        facts.calls = calls
            .into_iter()
            .map(|(name, text)| (name, arguments(&text)))
            .collect();
        facts
    }

    /// `Ok` if both say the same.
    pub(crate) fn same(&self, expected: &Self) -> Result<(), String> {
        if self == expected {
            return Ok(());
        }
        Err(format!("got {self:?}\n  expected {expected:?}"))
    }
}

/// Arguments as JSON, or as the text they are.
pub(crate) fn arguments(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| text.into())
}

fn counts(usage: &Usage) -> (u64, u64) {
    (usage.prompt_tokens, usage.completion_tokens)
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
