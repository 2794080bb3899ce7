//! Moderation: is a text or an image acceptable. OpenAI's shape.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{JsonError, JsonObject, Map};

/// A moderation request, typed for protocols that translate it.
#[derive(Debug, Clone, PartialEq)]
pub struct ModerationRequest {
    /// The model; empty where the caller leaves it to the vendor.
    pub model: String,
    /// What is judged.
    pub input: ModerationInput,
    /// Every other key of the body.
    pub extra: Map,
}

/// What is judged, in one of its spellings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "expected a string, a list of strings or a list of parts"
)]
pub enum ModerationInput {
    /// One text.
    Text(String),
    /// Several texts, each with a verdict of its own.
    Texts(Vec<String>),
    /// Texts and images that are judged together.
    Parts(Vec<Value>),
}

/// The verdicts.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ModerationResponse {
    /// The answer's id.
    #[serde(default)]
    pub id: String,
    /// The model that judged.
    #[serde(default)]
    pub model: String,
    /// One for each input.
    #[serde(default)]
    pub results: Vec<Verdict>,
    /// Every other key.
    #[serde(flatten)]
    pub extra: Map,
}

/// The verdict on one input.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Whether any category applies.
    #[serde(default)]
    pub flagged: bool,
    /// Category -> whether it applies.
    #[serde(default)]
    pub categories: Map,
    /// Category -> how surely, from 0 to 1.
    #[serde(default)]
    pub category_scores: Map,
    /// Every other key.
    #[serde(flatten)]
    pub extra: Map,
}

impl ModerationRequest {
    /// Reads a body; the error names the field.
    pub fn from_object(object: &JsonObject) -> Result<Self, JsonError> {
        Ok(Self {
            model: object.get("model")?.unwrap_or_default(),
            input: object.require("input")?,
            extra: object.rest(&["model", "input"])?,
        })
    }
}
