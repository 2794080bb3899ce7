//! What Cohere writes, as far as it matters here.

use llm_types::{Map, ToolCall, Usage};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// A whole answer.
#[derive(Debug, Deserialize)]
pub(super) struct Answer {
    #[serde(default)]
    pub(super) id: String,
    pub(super) finish_reason: String,
    pub(super) message: Message,
    pub(super) usage: Option<Counts>,
    pub(super) logprobs: Option<Vec<Logprob>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Message {
    #[serde(default, deserialize_with = "null_is_default")]
    pub(super) content: Vec<Block>,
    pub(super) tool_plan: Option<String>,
    #[serde(default, deserialize_with = "null_is_default")]
    pub(super) tool_calls: Vec<ToolCall>,
    #[serde(default, deserialize_with = "null_is_default")]
    pub(super) citations: Vec<Value>,
}

/// A piece of content; which of the two is there says its kind.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Block {
    pub(super) text: Option<String>,
    pub(super) thinking: Option<String>,
}

/// One event of a stream, told apart by `type`.
#[derive(Debug, Deserialize)]
pub(super) struct Event {
    #[serde(rename = "type", default)]
    pub(super) kind: String,
    pub(super) id: Option<String>,
    #[serde(default)]
    pub(super) index: u64,
    #[serde(default, deserialize_with = "null_is_default")]
    pub(super) delta: EventDelta,
    pub(super) logprobs: Option<Logprob>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct EventDelta {
    #[serde(default, deserialize_with = "null_is_default")]
    pub(super) message: EventMessage,
    pub(super) finish_reason: Option<String>,
    pub(super) usage: Option<Counts>,
    pub(super) error: Option<String>,
}

/// The parts are objects in deltas, and (empty) lists in `message-start`.
#[derive(Debug, Default, Deserialize)]
pub(super) struct EventMessage {
    #[serde(default)]
    pub(super) content: Value,
    pub(super) tool_plan: Option<String>,
    #[serde(default)]
    pub(super) tool_calls: Value,
    #[serde(default)]
    pub(super) citations: Value,
}

/// `usage`: `tokens` is what the model saw and wrote, `billed_units` what is paid for.
#[derive(Debug, Deserialize)]
pub(super) struct Counts {
    tokens: Option<Tokens>,
    billed_units: Option<Value>,
    cached_tokens: Option<f64>,
}

#[derive(Debug, Default, Deserialize)]
struct Tokens {
    input_tokens: Option<f64>,
    output_tokens: Option<f64>,
    reasoning_tokens: Option<f64>,
    #[serde(flatten)]
    others: Map,
}

#[derive(Debug, Deserialize)]
pub(super) struct Logprob {
    #[serde(default)]
    text: Option<String>,
    #[serde(default, deserialize_with = "null_is_default")]
    token_ids: Vec<u64>,
    #[serde(default, deserialize_with = "null_is_default")]
    logprobs: Vec<f64>,
}

impl Counts {
    /// The same in OpenAI's shape; the vendor's own figures stay beside it.
    pub(super) fn usage(self) -> Usage {
        let tokens = self.tokens.unwrap_or_default();
        let mut usage = Usage::new(whole(tokens.input_tokens), whole(tokens.output_tokens));
        if let Some(cached) = self.cached_tokens {
            usage
                .prompt_tokens_details
                .get_or_insert_default()
                .cached_tokens = whole(Some(cached));
        }
        if let Some(reasoning) = tokens.reasoning_tokens {
            usage
                .completion_tokens_details
                .get_or_insert_default()
                .reasoning_tokens = whole(Some(reasoning));
        }
        usage.extra = tokens.others.into();
        if let Some(billed) = self.billed_units {
            usage.extra.insert("billed_units".into(), billed);
        }
        usage
    }
}

/// OpenAI's `logprobs`: one entry for each of the vendor's; several tokens under one text stay together in `token_ids`.
pub(super) fn logprobs(entries: Vec<Logprob>) -> Value {
    let content: Vec<Value> = entries
        .into_iter()
        .map(|entry| {
            let text = entry.text.unwrap_or_default();
            serde_json::json!({
                "token": text,
                "logprob": entry.logprobs.iter().sum::<f64>(),
                "bytes": text.as_bytes(),
                "top_logprobs": [],
                "token_ids": entry.token_ids,
            })
        })
        .collect();
    serde_json::json!({ "content": content, "refusal": null })
}

/// Cohere writes counts as floats.
pub(super) fn whole(count: Option<f64>) -> u64 {
    count.filter(|count| *count > 0.0).unwrap_or(0.0) as u64
}

pub(super) fn null_is_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}
