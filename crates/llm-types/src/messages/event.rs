//! The events of a streamed answer.

use serde::Deserialize;
use serde_json::Value;

use super::{Block, MessagesResponse, MessagesUsage};

/// One event of a stream. `kind` says which of the other fields matters.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct StreamEvent {
    /// `message_start`, `content_block_start`, `content_block_delta`, `content_block_stop`, `message_delta`,
    /// `message_stop`, `ping` or `error`.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// Which block.
    #[serde(default)]
    pub index: Option<u64>,
    /// The answer so far, in `message_start`.
    #[serde(default)]
    pub message: Option<Box<MessagesResponse>>,
    /// The block that starts.
    #[serde(default)]
    pub content_block: Option<Box<Block>>,
    /// What is new in a block, or in the message.
    #[serde(default)]
    pub delta: Option<EventDelta>,
    /// What was consumed, in `message_delta`.
    #[serde(default)]
    pub usage: Option<Box<MessagesUsage>>,
    /// What the vendor did to the context, in `message_delta`.
    #[serde(default)]
    pub context_management: Option<Value>,
}

/// What is new: in a block (`kind` says what), or in the message (no `kind`).
#[derive(Debug, Clone, Default, Deserialize)]
pub struct EventDelta {
    /// `text_delta`, `input_json_delta`, `thinking_delta`, `signature_delta`, `citations_delta`, ...
    #[serde(rename = "type", default)]
    pub kind: Option<String>,
    /// More text.
    #[serde(default)]
    pub text: Option<String>,
    /// More of a tool's input.
    #[serde(default)]
    pub partial_json: Option<String>,
    /// More thinking.
    #[serde(default)]
    pub thinking: Option<String>,
    /// The thinking's signature.
    #[serde(default)]
    pub signature: Option<String>,
    /// One more citation.
    #[serde(default)]
    pub citation: Option<Value>,
    /// The text of a compaction.
    #[serde(default)]
    pub content: Option<Value>,
    /// Why the answer ended.
    #[serde(default)]
    pub stop_reason: Option<String>,
    /// The stop sequence that was met.
    #[serde(default)]
    pub stop_sequence: Option<String>,
    /// More about the end: a refusal's category.
    #[serde(default)]
    pub stop_details: Option<Value>,
    /// The container that code ran in.
    #[serde(default)]
    pub container: Option<Value>,
}
