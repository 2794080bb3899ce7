//! What was said: messages, and the calls of tools in them.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::null_is_default;
use crate::{Content, Map};

/// A message, of a request or of an answer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// `system`, `developer`, `user`, `assistant`, `tool` or `function`.
    #[serde(default = "assistant")]
    pub role: String,
    /// What it says; `null` in an answer that only calls tools.
    #[serde(default)]
    pub content: Option<Content>,
    /// Who says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The calls an assistant makes.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_is_default"
    )]
    pub tool_calls: Vec<ToolCall>,
    /// Which call a `tool` message answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
    /// The legacy form of one tool call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function_call: Option<FunctionCall>,
    /// The refusal's text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
    /// Thinking as text, for vendors that show it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<String>,
    /// Thinking with its signatures, to be sent back unchanged.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_is_default"
    )]
    pub thinking_blocks: Vec<ThinkingBlock>,
    /// Anthropic's cache marker on a whole message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_control: Option<Value>,
    /// Spoken answer: `{id, data, expires_at, transcript}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audio: Option<Value>,
    /// Generated images: `[{index, type, image_url: {url}}]`.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_is_default"
    )]
    pub images: Vec<Value>,
    /// Citations: `[{type: "url_citation", url_citation: {...}}]`.
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

/// One block of thinking.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ThinkingBlock {
    /// Thinking in clear, with the vendor's signature.
    Thinking {
        /// The text.
        #[serde(default)]
        thinking: String,
        /// Proof that the vendor wrote it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signature: Option<String>,
    },
    /// Thinking that only the vendor can read.
    RedactedThinking {
        /// The sealed text.
        data: String,
    },
}

/// A call of a tool. In chunks, a fragment of one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// Which of the parallel calls a fragment belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u64>,
    /// The call's id; only the first fragment has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// `function`, or `custom`.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// What is called.
    #[serde(default)]
    pub function: FunctionCall,
    /// Thought signatures and the like.
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

/// A function's name and its arguments.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct FunctionCall {
    /// Its name; only the first fragment has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// JSON text, or a fragment of it. An object is accepted and becomes its text.
    #[serde(default, deserialize_with = "arguments")]
    pub arguments: String,
}

fn assistant() -> String {
    "assistant".into()
}

/// OpenAI sends a string; some vendors send the object itself, or `null`.
fn arguments<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    struct Arguments;
    impl<'de> serde::de::Visitor<'de> for Arguments {
        type Value = String;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("arguments as JSON text")
        }
        fn visit_str<E>(self, text: &str) -> Result<String, E> {
            Ok(text.to_owned())
        }
        fn visit_string<E>(self, text: String) -> Result<String, E> {
            Ok(text)
        }
        fn visit_unit<E>(self) -> Result<String, E> {
            Ok(String::new())
        }
        fn visit_none<E>(self) -> Result<String, E> {
            Ok(String::new())
        }
        fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<String, A::Error> {
            let map = Map::deserialize(serde::de::value::MapAccessDeserializer::new(map))?;
            serde_json::to_string(&map).map_err(serde::de::Error::custom)
        }
    }
    deserializer.deserialize_any(Arguments)
}
