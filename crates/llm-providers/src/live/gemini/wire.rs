//! What Gemini says in a session.

use serde::{Deserialize, de::IgnoredAny};
use serde_json::Value;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Message {
    pub(super) setup_complete: Option<IgnoredAny>,
    pub(super) server_content: Option<Content>,
    pub(super) tool_call: Option<ToolCall>,
    pub(super) tool_call_cancellation: Option<Cancelled>,
    pub(super) usage_metadata: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Content {
    pub(super) model_turn: Option<Turn>,
    pub(super) input_transcription: Option<Transcription>,
    pub(super) output_transcription: Option<Transcription>,
    pub(super) interrupted: bool,
    pub(super) turn_complete: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Turn {
    pub(super) parts: Vec<Part>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Part {
    pub(super) text: Option<String>,
    /// The model thinks aloud: no part of what it says.
    pub(super) thought: bool,
    pub(super) inline_data: Option<Blob>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Blob {
    pub(super) data: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Transcription {
    pub(super) text: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ToolCall {
    pub(super) function_calls: Vec<FunctionCall>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct FunctionCall {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) args: Value,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Cancelled {
    pub(super) ids: Vec<String>,
}
