//! OpenAI's legacy text completions.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{JsonError, JsonObject, Map, Usage};

/// The parts of a text completion request that a bridge to chat must understand.
#[derive(Debug, Clone, PartialEq)]
pub struct CompletionRequest {
    /// What to complete.
    pub prompt: Prompt,
    /// Text after the gap, for fill-in-the-middle models.
    pub suffix: Option<String>,
    /// Whether to repeat the prompt in the answer.
    pub echo: bool,
}

/// A prompt in one of its four spellings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "expected a string, a list of strings, a list of tokens or a list of token lists"
)]
pub enum Prompt {
    /// One text.
    Text(String),
    /// Several texts, each answered.
    Texts(Vec<String>),
    /// One text as token ids.
    Tokens(Vec<u32>),
    /// Several texts as token ids.
    TokenLists(Vec<Vec<u32>>),
}

/// The answer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CompletionResponse {
    /// The answer's id.
    #[serde(default)]
    pub id: String,
    /// Always `text_completion`.
    #[serde(default)]
    pub object: String,
    /// Seconds since 1970.
    #[serde(default)]
    pub created: u64,
    /// The model that answered.
    #[serde(default)]
    pub model: String,
    /// The answers.
    #[serde(default)]
    pub choices: Vec<CompletionChoice>,
    /// What it consumed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// Every other key.
    #[serde(flatten)]
    pub extra: Map,
}

/// One of the answers, or a piece of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CompletionChoice {
    /// The text.
    #[serde(default)]
    pub text: String,
    /// Which one.
    #[serde(default)]
    pub index: u64,
    /// Token probabilities.
    #[serde(default)]
    pub logprobs: Option<Value>,
    /// Why it ended.
    #[serde(default)]
    pub finish_reason: Option<String>,
    /// Every other key.
    #[serde(flatten)]
    pub extra: Map,
}

impl CompletionRequest {
    /// Reads a body; the error names the field.
    pub fn from_object(object: &JsonObject) -> Result<Self, JsonError> {
        Ok(Self {
            prompt: object
                .get("prompt")?
                .ok_or_else(|| JsonError::new("prompt", "is missing"))?,
            suffix: object.get("suffix")?,
            echo: object.get("echo")?.unwrap_or_default(),
        })
    }
}
