//! OpenAI embeddings.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{JsonError, JsonObject, Map, Usage};

/// An embeddings request, typed for protocols that translate it.
#[derive(Debug, Clone, PartialEq)]
pub struct EmbeddingRequest {
    /// The model.
    pub model: String,
    /// What to embed.
    pub input: EmbeddingInput,
    /// How long the vectors should be.
    pub dimensions: Option<u64>,
    /// `float` or `base64`.
    pub encoding_format: Option<String>,
    /// The end user.
    pub user: Option<String>,
    /// `search_document`, `search_query`, ...: for vendors that ask.
    pub input_type: Option<String>,
    /// Every other key of the body.
    pub extra: Map,
}

/// What to embed, in one of its spellings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "expected a string, a list of strings, a list of tokens or a list of token lists"
)]
pub enum EmbeddingInput {
    /// One text.
    Text(String),
    /// Several texts.
    Texts(Vec<String>),
    /// One text as token ids.
    Tokens(Vec<u32>),
    /// Several texts as token ids.
    TokenLists(Vec<Vec<u32>>),
    /// Images and other parts, for multimodal models.
    Parts(Vec<Value>),
}

/// The vectors.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct EmbeddingResponse {
    /// Always `list`.
    #[serde(default)]
    pub object: String,
    /// One for each input, in order.
    #[serde(default)]
    pub data: Vec<Embedding>,
    /// The model that answered.
    #[serde(default)]
    pub model: String,
    /// What it consumed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// Every other key.
    #[serde(flatten)]
    pub extra: Map,
}

/// One vector.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Embedding {
    /// Always `embedding`.
    pub object: String,
    /// Which input.
    pub index: u64,
    /// The vector.
    pub embedding: EmbeddingVector,
}

/// A vector, as numbers or as base64 of little-endian 32-bit floats.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum EmbeddingVector {
    /// Numbers, as the vendor wrote them.
    Floats(Vec<serde_json::Number>),
    /// Base64.
    Base64(String),
}

impl EmbeddingRequest {
    const FIELDS: &'static [&'static str] = &[
        "model",
        "input",
        "dimensions",
        "encoding_format",
        "user",
        "input_type",
    ];

    /// Reads a body; the error names the field.
    pub fn from_object(object: &JsonObject) -> Result<Self, JsonError> {
        Ok(Self {
            model: object.get("model")?.unwrap_or_default(),
            input: object.require("input")?,
            dimensions: object.get("dimensions")?,
            encoding_format: object.get("encoding_format")?,
            user: object.get("user")?,
            input_type: object.get("input_type")?,
            extra: object.rest(Self::FIELDS)?,
        })
    }
}
