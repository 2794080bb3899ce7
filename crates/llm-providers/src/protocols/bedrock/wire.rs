//! What Converse answers, whole and in events. Requests are written as JSON where they are built.

use llm_types::Map;
use serde::Deserialize;
use serde_json::Value;

/// `POST /model/{id}/converse` answers this.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ConverseResponse {
    pub(super) output: Output,
    #[serde(default)]
    pub(super) stop_reason: Option<String>,
    #[serde(default)]
    pub(super) usage: Option<TokenUsage>,
    #[serde(default)]
    pub(super) service_tier: Option<ServiceTier>,
    /// `metrics`, `trace`, `performanceConfig`, `additionalModelResponseFields`.
    #[serde(flatten)]
    pub(super) rest: Map,
}

#[derive(Debug, Deserialize)]
pub(super) struct Output {
    pub(super) message: OutputMessage,
}

#[derive(Debug, Deserialize)]
pub(super) struct OutputMessage {
    #[serde(default)]
    pub(super) content: Vec<Block>,
}

/// A union: one of these is there.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Block {
    pub(super) text: Option<String>,
    pub(super) tool_use: Option<ToolUse>,
    pub(super) reasoning_content: Option<Value>,
    pub(super) citations_content: Option<Value>,
    pub(super) image: Option<Media>,
    /// What a tool that Bedrock ran itself returned.
    pub(super) tool_result: Option<Value>,
    #[serde(flatten)]
    pub(super) rest: Map,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ToolUse {
    pub(super) tool_use_id: String,
    pub(super) name: String,
    #[serde(default)]
    pub(super) input: Value,
    /// `server_tool_use` where Bedrock runs the tool.
    #[serde(rename = "type", default)]
    pub(super) kind: Option<String>,
}

impl ToolUse {
    /// Whether Bedrock runs the tool itself, so that the client must not.
    pub(super) fn is_server_side(&self) -> bool {
        self.kind.as_deref() == Some("server_tool_use")
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Reasoning {
    pub(super) reasoning_text: Option<ReasoningText>,
    pub(super) redacted_content: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ReasoningText {
    pub(super) text: Option<String>,
    pub(super) signature: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct CitationsContent {
    pub(super) content: Vec<CitedText>,
    pub(super) citations: Vec<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct CitedText {
    pub(super) text: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Media {
    pub(super) format: String,
    pub(super) source: MediaSource,
}

#[derive(Debug, Deserialize)]
pub(super) struct MediaSource {
    #[serde(default)]
    pub(super) bytes: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct TokenUsage {
    pub(super) input_tokens: u64,
    pub(super) output_tokens: u64,
    pub(super) total_tokens: u64,
    pub(super) cache_read_input_tokens: Option<u64>,
    pub(super) cache_write_input_tokens: Option<u64>,
    pub(super) cache_details: Vec<CacheDetail>,
    #[serde(flatten)]
    pub(super) rest: Map,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct CacheDetail {
    pub(super) ttl: String,
    pub(super) input_tokens: u64,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct ServiceTier {
    #[serde(rename = "type")]
    pub(super) kind: String,
}

/// `contentBlockStart`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BlockStart {
    #[serde(default)]
    pub(super) content_block_index: u64,
    #[serde(default)]
    pub(super) start: Start,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Start {
    pub(super) tool_use: Option<ToolUse>,
    #[serde(flatten)]
    pub(super) rest: Map,
}

/// `contentBlockDelta`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BlockDelta {
    #[serde(default)]
    pub(super) content_block_index: u64,
    #[serde(default)]
    pub(super) delta: Delta,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Delta {
    pub(super) text: Option<String>,
    pub(super) tool_use: Option<InputDelta>,
    pub(super) reasoning_content: Option<ReasoningDelta>,
    pub(super) citation: Option<Value>,
    pub(super) image: Option<Media>,
    /// A list of what a tool that Bedrock ran returned.
    pub(super) tool_result: Option<Value>,
    #[serde(flatten)]
    pub(super) rest: Map,
}

#[derive(Debug, Deserialize)]
pub(super) struct InputDelta {
    #[serde(default)]
    pub(super) input: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ReasoningDelta {
    pub(super) text: Option<String>,
    pub(super) signature: Option<String>,
    pub(super) redacted_content: Option<String>,
}

/// `contentBlockStop`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BlockStop {
    #[serde(default)]
    pub(super) content_block_index: u64,
}

/// `messageStop`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MessageStop {
    pub(super) stop_reason: String,
    /// `additionalModelResponseFields`.
    #[serde(flatten)]
    pub(super) rest: Map,
}

/// `metadata`, the last event.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Metadata {
    #[serde(default)]
    pub(super) usage: Option<TokenUsage>,
    #[serde(default)]
    pub(super) service_tier: Option<ServiceTier>,
    /// `metrics`, `trace`, `performanceConfig`.
    #[serde(flatten)]
    pub(super) rest: Map,
}
