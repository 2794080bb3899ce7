//! Answers, whole and in chunks.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{FunctionCall, Message, ThinkingBlock, ToolCall, null_is_default};
use crate::{Map, Usage};

/// A whole answer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ChatResponse {
    /// The vendor's id where it is OpenAI-like, else ours.
    #[serde(default)]
    pub id: String,
    /// Always `chat.completion`.
    #[serde(default = "chat_completion")]
    pub object: String,
    /// Seconds since 1970.
    #[serde(default, deserialize_with = "null_is_default")]
    pub created: u64,
    /// The model that answered.
    #[serde(default, deserialize_with = "null_is_default")]
    pub model: String,
    /// The answers, `n` of them.
    #[serde(default)]
    pub choices: Vec<Choice>,
    /// What it consumed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// The tier that served it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_tier: Option<String>,
    /// OpenAI's backend configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system_fingerprint: Option<String>,
    /// Every other key.
    #[serde(flatten)]
    pub extra: Map,
}

/// One of the answers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// Which one.
    #[serde(default)]
    pub index: u64,
    /// The answer.
    #[serde(default)]
    pub message: Message,
    /// `stop`, `length`, `tool_calls`, `content_filter` or `function_call`.
    #[serde(default)]
    pub finish_reason: Option<String>,
    /// Token probabilities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<Value>,
    /// `native_finish_reason` and the like.
    #[serde(
        default,
        skip_serializing_if = "Map::is_empty",
        deserialize_with = "null_is_default"
    )]
    pub provider_specific_fields: Map,
    /// Every other key.
    #[serde(flatten)]
    pub extra: Map,
}

/// A piece of a streamed answer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ChatChunk {
    /// The same in all chunks of a stream.
    #[serde(default, deserialize_with = "null_is_default")]
    pub id: String,
    /// Always `chat.completion.chunk`.
    #[serde(default = "chat_chunk")]
    pub object: String,
    /// Seconds since 1970, the same in all chunks.
    #[serde(default, deserialize_with = "null_is_default")]
    pub created: u64,
    /// The model that answers.
    #[serde(default, deserialize_with = "null_is_default")]
    pub model: String,
    /// What is new. Empty in OpenAI's usage chunk.
    #[serde(default, deserialize_with = "null_is_default")]
    pub choices: Vec<ChunkChoice>,
    /// What the whole answer consumed, in the last chunk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// Every other key.
    #[serde(flatten)]
    pub extra: Map,
}

/// What is new in one of the answers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ChunkChoice {
    /// Which answer.
    #[serde(default)]
    pub index: u64,
    /// The new part.
    #[serde(default)]
    pub delta: Delta,
    /// Why it ended, in its last chunk.
    #[serde(default)]
    pub finish_reason: Option<String>,
    /// Token probabilities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<Value>,
    /// `native_finish_reason` and the like.
    #[serde(
        default,
        skip_serializing_if = "Map::is_empty",
        deserialize_with = "null_is_default"
    )]
    pub provider_specific_fields: Map,
    /// Every other key.
    #[serde(flatten)]
    pub extra: Map,
}

/// The new part of a message.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Delta {
    /// In the first chunk only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// More text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// Fragments of tool calls.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_is_default"
    )]
    pub tool_calls: Vec<ToolCall>,
    /// The legacy form of one tool call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function_call: Option<FunctionCall>,
    /// More of a refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
    /// More thinking.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<String>,
    /// Thinking with its signatures: fragments in order, a signature in a block of its own.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_is_default"
    )]
    pub thinking_blocks: Vec<ThinkingBlock>,
    /// More speech.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audio: Option<Value>,
    /// Generated images.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_is_default"
    )]
    pub images: Vec<Value>,
    /// Citations.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_is_default"
    )]
    pub annotations: Vec<Value>,
    /// What a vendor says beyond all of this.
    #[serde(
        default,
        skip_serializing_if = "Map::is_empty",
        deserialize_with = "null_is_default"
    )]
    pub provider_specific_fields: Map,
    /// Every other key.
    #[serde(flatten)]
    pub extra: Map,
}

fn chat_completion() -> String {
    "chat.completion".into()
}

fn chat_chunk() -> String {
    "chat.completion.chunk".into()
}
