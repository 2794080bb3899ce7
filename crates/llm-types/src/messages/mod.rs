//! Anthropic Messages: request, turn, block, response, stream event, usage, error.
//!
//! Everything that is not named here survives in `extra`; a tool's input stays JSON text, so numbers and key order do too.

mod error;
mod event;
mod usage;

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};
use serde_json::{Number, Value, value::RawValue};

pub use error::{MessagesError, MessagesErrorDetail};
pub use event::{EventDelta, StreamEvent};
pub use usage::MessagesUsage;

use crate::{JsonError, JsonObject, Map};

/// A Messages request.
#[derive(Debug, Clone, Default, Serialize)]
#[expect(
    missing_docs,
    reason = "the fields are Anthropic's own, under their own names"
)]
pub struct MessagesRequest {
    /// Absent where the model is in the path (Vertex, Bedrock).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<Blocks>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<ToolParam>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<ToolChoiceParam>,
    pub messages: Vec<Turn>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_k: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_sequences: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thinking: Option<Value>,
    /// `{effort?, format?, task_budget?}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_config: Option<Map>,
    /// The older place of `output_config.format`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_format: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Map>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_tier: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub stream: bool,
    /// Every other key of the body.
    #[serde(flatten)]
    pub extra: Map,
}

/// One turn of the conversation.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Turn {
    /// `user` or `assistant`; newer models also take `system` between them.
    pub role: String,
    /// What is said.
    pub content: Blocks,
    /// Every other key.
    #[serde(flatten)]
    pub extra: Map,
}

/// A turn's content, a system prompt, or a tool's result.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum Blocks {
    /// Plain text.
    Text(String),
    /// Blocks in order.
    List(Vec<Block>),
    /// One object: the error or the result of a server tool.
    Object(Map),
}

/// One block of content. `kind` says which of the other fields matters.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Block {
    /// `text`, `thinking`, `redacted_thinking`, `tool_use`, `tool_result`, `image`, `document`, `server_tool_use`, ...
    #[serde(rename = "type")]
    pub kind: String,
    /// The id of a tool call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The name of the tool that is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What the tool is called with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Box<RawValue>>,
    /// The text of a text block.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The text of a thinking block.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thinking: Option<String>,
    /// Proof that the vendor wrote the thinking.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    /// Sealed thinking.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// Which call a result answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_use_id: Option<String>,
    /// A result's content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Blocks>,
    /// Whether the tool failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_error: Option<bool>,
    /// Where an image or document is: `{type: base64 | url | file | text | content, ...}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Value>,
    /// In an answer the list of citations, in a request `{enabled}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub citations: Option<Value>,
    /// The cache marker, `{type, ttl?}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_control: Option<Value>,
    /// Every other key.
    #[serde(flatten)]
    pub extra: Map,
}

/// A tool on offer.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ToolParam {
    /// `custom` or absent for the caller's own tools, else the versioned name of a hosted one.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// JSON Schema of its input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_schema: Option<Value>,
    /// Whether the input must match the schema exactly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
    /// The cache marker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_control: Option<Value>,
    /// Every other key; all of a hosted tool.
    #[serde(flatten)]
    pub extra: Map,
}

/// Whether and which tools must be called.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ToolChoiceParam {
    /// `auto`, `any`, `none` or `tool`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The tool, where `kind` is `tool`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whether at most one tool may be called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disable_parallel_tool_use: Option<bool>,
    /// Every other key.
    #[serde(flatten)]
    pub extra: Map,
}

/// A whole answer.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct MessagesResponse {
    /// The answer's id.
    #[serde(default)]
    pub id: String,
    /// Always `message`.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// Always `assistant`.
    #[serde(default = "assistant")]
    pub role: String,
    /// The model that answered.
    #[serde(default)]
    pub model: String,
    /// What it says.
    #[serde(default)]
    pub content: Vec<Block>,
    /// `end_turn`, `max_tokens`, `stop_sequence`, `tool_use`, `pause_turn`, `refusal`, ...
    #[serde(default)]
    pub stop_reason: Option<String>,
    /// The stop sequence that was met.
    #[serde(default)]
    pub stop_sequence: Option<String>,
    /// What it consumed.
    #[serde(default)]
    pub usage: MessagesUsage,
    /// Every other key: `container`, `context_management`, `stop_details`, ...
    #[serde(flatten)]
    pub extra: Map,
}

impl MessagesRequest {
    /// Reads a body; the error names the field that is missing or of the wrong type.
    pub fn from_object(object: &JsonObject) -> Result<Self, JsonError> {
        Ok(Self {
            model: object.get("model")?,
            max_tokens: object.get("max_tokens")?,
            system: object.get("system")?,
            tools: object.get("tools")?,
            tool_choice: object.get("tool_choice")?,
            messages: object
                .get("messages")?
                .ok_or_else(|| JsonError::new("messages", "is missing"))?,
            temperature: object.get("temperature")?,
            top_p: object.get("top_p")?,
            top_k: object.get("top_k")?,
            stop_sequences: object.get("stop_sequences")?,
            thinking: object.get("thinking")?,
            output_config: object.get("output_config")?,
            output_format: object.get("output_format")?,
            metadata: object.get("metadata")?,
            service_tier: object.get("service_tier")?,
            stream: object.get("stream")?.unwrap_or_default(),
            extra: object.rest(Self::FIELDS)?,
        })
    }

    /// The keys that have a field of their own.
    pub const FIELDS: &'static [&'static str] = &[
        "model",
        "max_tokens",
        "system",
        "tools",
        "tool_choice",
        "messages",
        "temperature",
        "top_p",
        "top_k",
        "stop_sequences",
        "thinking",
        "output_config",
        "output_format",
        "metadata",
        "service_tier",
        "stream",
    ];
}

impl Blocks {
    /// The content as blocks; a text becomes one text block.
    pub fn into_list(self) -> Vec<Block> {
        match self {
            Self::Text(text) => vec![Block::text(text)],
            Self::List(list) => list,
            Self::Object(map) => serde_json::from_value(Value::Object(map))
                .into_iter()
                .collect(),
        }
    }
}

impl Default for Blocks {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

impl Block {
    /// An empty block of a kind.
    pub fn new(kind: impl Into<String>) -> Self {
        Self {
            kind: kind.into(),
            ..Self::default()
        }
    }

    /// A text block.
    pub fn text(text: impl Into<String>) -> Self {
        Self {
            text: Some(text.into()),
            ..Self::new("text")
        }
    }

    /// An image or document block.
    pub fn media(kind: impl Into<String>, source: Value) -> Self {
        Self {
            source: Some(source),
            ..Self::new(kind)
        }
    }
}

fn assistant() -> String {
    "assistant".into()
}

// By hand: an untagged enum would buffer the whole content before it looks at its first byte.
impl<'de> Deserialize<'de> for Blocks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct BlocksVisitor;
        impl<'de> Visitor<'de> for BlocksVisitor {
            type Value = Blocks;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a string or a list of content blocks")
            }
            fn visit_str<E>(self, text: &str) -> Result<Blocks, E> {
                Ok(Blocks::Text(text.to_owned()))
            }
            fn visit_string<E>(self, text: String) -> Result<Blocks, E> {
                Ok(Blocks::Text(text))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Blocks, A::Error> {
                let mut list = Vec::new();
                while let Some(block) = seq.next_element()? {
                    list.push(block);
                }
                Ok(Blocks::List(list))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Blocks, A::Error> {
                Map::deserialize(MapAccessDeserializer::new(map)).map(Blocks::Object)
            }
        }
        deserializer.deserialize_any(BlocksVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_survives_unknown_fields_and_exact_numbers() {
        let text = r#"{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[{"type":"tool_use","id":"t","name":"f","input":{"n":12345678901234567890123,"z":1.50}},{"type":"odd","x":[1]}],"stop_reason":"tool_use","stop_sequence":null,"usage":{"input_tokens":1,"output_tokens":2,"speed":"fast"},"container":{"id":"c"}}"#;
        let response: MessagesResponse = serde_json::from_str(text).expect("an answer");
        assert_eq!(serde_json::to_string(&response).expect("json"), text);
    }

    #[test]
    fn wrong_types_are_named() {
        let body =
            bytes::Bytes::from_static(br#"{"messages":[{"role":"user","content":[{"type":1}]}]}"#);
        let object = JsonObject::parse(&body).expect("an object");
        let error = MessagesRequest::from_object(&object).expect_err("refused");
        assert_eq!(error.field, "messages[0].content[0].type");
    }
}
