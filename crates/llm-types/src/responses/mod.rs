//! OpenAI Responses: what a client that speaks it asks and is answered, typed for translation.

mod usage;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Number, Value};

use crate::{JsonError, JsonObject, Map};

pub use usage::ResponsesUsage;

/// A Responses request, typed for bridges. Pass-through never builds one.
#[derive(Debug, Clone, Default, PartialEq)]
#[expect(
    missing_docs,
    reason = "the fields are OpenAI's own, under their own names"
)]
pub struct ResponsesRequest {
    pub model: Option<String>,
    pub input: Input,
    pub instructions: Option<String>,
    pub max_output_tokens: Option<u64>,
    pub temperature: Option<Number>,
    pub top_p: Option<Number>,
    pub top_logprobs: Option<u64>,
    pub tools: Vec<Map>,
    /// A mode, or an object that names a tool.
    pub tool_choice: Option<Value>,
    pub parallel_tool_calls: Option<bool>,
    /// `{effort, summary}`.
    pub reasoning: Option<Map>,
    /// `{format, verbosity}`.
    pub text: Option<Map>,
    pub include: Vec<String>,
    pub background: bool,
    pub stream: bool,
    pub truncation: Option<String>,
    pub max_tool_calls: Option<u64>,
    /// Every other key of the body.
    pub extra: Map,
}

/// What is asked: a text, or the items of a conversation.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// One message of the user's.
    Text(String),
    /// Messages, calls, their outputs and thoughts, in order.
    Items(Vec<Item>),
}

/// One item of a conversation. `kind` says which of the other fields matters; what is not named here is in `extra`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// `message` (or absent), `function_call`, `function_call_output`, `reasoning`, ...
    #[serde(rename = "type", default, skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// Its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Whose message it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// What a message says: a text, or parts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Value>,
    /// The tool that is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What ties a call and its output together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_id: Option<String>,
    /// What a function is called with, as JSON text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments: Option<Value>,
    /// What a custom tool is called with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Value>,
    /// What came of a call: a text, or parts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// A thought in short: `[{type: "summary_text", text}]`.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_is_default"
    )]
    pub summary: Vec<Map>,
    /// A thought as only its vendor can read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encrypted_content: Option<String>,
    /// Every other key.
    #[serde(flatten)]
    pub extra: Map,
}

impl Default for Input {
    fn default() -> Self {
        Self::Items(Vec::new())
    }
}

impl ResponsesRequest {
    /// Reads a body; the error names the field that is of the wrong type.
    pub fn from_object(object: &JsonObject) -> Result<Self, JsonError> {
        Ok(Self {
            model: object.get("model")?,
            input: Input::of(object)?,
            instructions: object.get("instructions")?,
            max_output_tokens: object.get("max_output_tokens")?,
            temperature: object.get("temperature")?,
            top_p: object.get("top_p")?,
            top_logprobs: object.get("top_logprobs")?,
            tools: object.get("tools")?.unwrap_or_default(),
            tool_choice: object.get("tool_choice")?,
            parallel_tool_calls: object.get("parallel_tool_calls")?,
            reasoning: object.get("reasoning")?,
            text: object.get("text")?,
            include: object.get("include")?.unwrap_or_default(),
            background: object.get("background")?.unwrap_or_default(),
            stream: object.get("stream")?.unwrap_or_default(),
            truncation: object.get("truncation")?,
            max_tool_calls: object.get("max_tool_calls")?,
            extra: object.rest(Self::FIELDS)?,
        })
    }

    /// The keys that have a field of their own.
    pub const FIELDS: &'static [&'static str] = &[
        "model",
        "input",
        "instructions",
        "max_output_tokens",
        "temperature",
        "top_p",
        "top_logprobs",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "reasoning",
        "text",
        "include",
        "background",
        "stream",
        "truncation",
        "max_tool_calls",
    ];
}

impl Input {
    /// The `input` of a body.
    fn of(object: &JsonObject) -> Result<Self, JsonError> {
        let Some(raw) = object.raw("input") else {
            return Ok(Self::default());
        };
        match raw.first() {
            Some(b'"') => Ok(Self::Text(object.get("input")?.unwrap_or_default())),
            Some(b'[') => Ok(Self::Items(object.get("input")?.unwrap_or_default())),
            _ => Err(JsonError::new(
                "input",
                "expected a string or a list of items",
            )),
        }
    }

    /// The input as items; a text becomes one message of the user's.
    pub fn into_items(self) -> Vec<Item> {
        match self {
            Self::Text(text) => vec![Item {
                kind: "message".into(),
                role: Some("user".into()),
                content: Some(text.into()),
                ..Item::default()
            }],
            Self::Items(items) => items,
        }
    }
}

impl Item {
    /// What it is; what has a role and no type is a message.
    pub fn kind(&self) -> &str {
        match self.kind.as_str() {
            "" if self.role.is_some() => "message",
            kind => kind,
        }
    }
}

fn null_is_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn request(text: &'static str) -> Result<ResponsesRequest, JsonError> {
        let body = Bytes::from_static(text.as_bytes());
        ResponsesRequest::from_object(&JsonObject::parse(&body).expect("an object"))
    }

    #[test]
    fn a_text_and_a_bare_message_are_messages() {
        let text = request(r#"{"input":"Hi","top_k":4}"#).expect("a request");
        assert_eq!(text.extra["top_k"], 4);
        let items = text.input.into_items();
        assert_eq!(
            (items[0].kind(), items[0].role.as_deref()),
            ("message", Some("user"))
        );
        let bare = request(r#"{"input":[{"role":"user","content":"Hi"}]}"#).expect("a request");
        assert_eq!(bare.input.into_items()[0].kind(), "message");
    }

    #[test]
    fn wrong_types_are_named() {
        for (text, field) in [
            (r#"{"input":5}"#, "input"),
            (r#"{"input":[{"type":3}]}"#, "input[0].type"),
            (r#"{"input":[],"tools":{}}"#, "tools"),
            (r#"{"input":[],"reasoning":"high"}"#, "reasoning"),
        ] {
            assert_eq!(request(text).expect_err("refused").field, field, "{text}");
        }
    }
}
