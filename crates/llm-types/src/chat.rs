//! OpenAI chat completions: request, message, tool call, response, chunk.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Number, Value};

use crate::{Content, JsonError, JsonObject, Map, Usage};

/// A chat request, typed for protocols that translate it. Pass-through protocols never build one.
///
/// Fields that are not part of OpenAI's chat API end up in `extra`, so a translating protocol can see what it
/// would otherwise lose.
#[derive(Debug, Clone, Default, PartialEq)]
#[expect(
    missing_docs,
    reason = "the fields are OpenAI's own, under their own names"
)]
pub struct ChatRequest {
    pub model: String,
    pub messages: Vec<Message>,
    pub temperature: Option<Number>,
    pub top_p: Option<Number>,
    pub n: Option<u64>,
    pub stream: bool,
    pub stream_options: Option<StreamOptions>,
    /// One string is read as a list of one.
    pub stop: Option<Vec<String>>,
    pub max_tokens: Option<u64>,
    pub max_completion_tokens: Option<u64>,
    pub presence_penalty: Option<Number>,
    pub frequency_penalty: Option<Number>,
    pub logit_bias: Option<Value>,
    pub user: Option<String>,
    pub seed: Option<Number>,
    pub logprobs: Option<bool>,
    pub top_logprobs: Option<u64>,
    pub response_format: Option<Value>,
    pub tools: Option<Vec<Tool>>,
    pub tool_choice: Option<ToolChoice>,
    pub parallel_tool_calls: Option<bool>,
    pub functions: Option<Vec<FunctionDef>>,
    pub function_call: Option<Value>,
    /// A level, or `{effort, summary}`.
    pub reasoning_effort: Option<Value>,
    /// `{type, budget_tokens?}` in Anthropic's shape.
    pub thinking: Option<Value>,
    pub modalities: Option<Vec<String>>,
    pub audio: Option<Value>,
    pub prediction: Option<Value>,
    pub web_search_options: Option<Value>,
    pub service_tier: Option<String>,
    pub verbosity: Option<String>,
    pub store: Option<bool>,
    pub metadata: Option<Value>,
    pub safety_identifier: Option<String>,
    pub prompt_cache_key: Option<String>,
    /// Every other key of the body.
    pub extra: Map,
}

/// `stream_options`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StreamOptions {
    /// Whether the client wants the usage chunk.
    #[serde(default, deserialize_with = "null_is_default")]
    pub include_usage: bool,
    /// Whatever else.
    #[serde(flatten)]
    pub extra: Map,
}

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

/// A tool on offer: a function, or a vendor's own tool kept as it is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Tool {
    /// `function`, or the name of a hosted tool such as `web_search_20250305`.
    #[serde(rename = "type", default = "function")]
    pub kind: String,
    /// The function, where `kind` says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function: Option<FunctionDef>,
    /// Anthropic's cache marker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_control: Option<Value>,
    /// All of a hosted tool, and every other key of a function tool.
    #[serde(flatten)]
    pub extra: Map,
}

/// A function on offer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct FunctionDef {
    /// Its name.
    pub name: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// JSON Schema of its arguments, keys in the caller's order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Value>,
    /// Whether the arguments must match the schema exactly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
    /// Every other key.
    #[serde(flatten)]
    pub extra: Map,
}

/// Whether and which tools must be called.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ToolChoice {
    /// `auto`, `none`, `required`.
    Mode(String),
    /// `{type: "function", function: {name}}` and vendors' relatives.
    Named(Map),
}

impl ToolChoice {
    /// The mode: `auto`, `none`, `required`, or `None` for a named tool. `{"type": "auto"}` counts as its mode.
    pub fn mode(&self) -> Option<&str> {
        match self {
            Self::Mode(mode) => Some(mode),
            Self::Named(map) if !map.contains_key("function") => match map.get("type")?.as_str()? {
                mode @ ("auto" | "none" | "required") => Some(mode),
                "any" => Some("required"),
                _ => None,
            },
            Self::Named(_) => None,
        }
    }

    /// The named function.
    pub fn function_name(&self) -> Option<&str> {
        match self {
            Self::Mode(_) => None,
            Self::Named(map) => map
                .get("function")
                .and_then(|f| f.get("name"))
                .or_else(|| map.get("name"))?
                .as_str(),
        }
    }
}

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

impl ChatRequest {
    /// Reads a body; the error names the field that is missing or of the wrong type.
    pub fn from_object(object: &JsonObject) -> Result<Self, JsonError> {
        let stop = match object.get::<OneOrMany>("stop")? {
            None => None,
            Some(OneOrMany::One(text)) => Some(vec![text]),
            Some(OneOrMany::Many(list)) => Some(list),
        };
        let mut request = Self {
            model: object.get("model")?.unwrap_or_default(),
            messages: object
                .get("messages")?
                .ok_or_else(|| JsonError::new("messages", "is missing"))?,
            temperature: object.get("temperature")?,
            top_p: object.get("top_p")?,
            n: object.get("n")?,
            stream: object.get("stream")?.unwrap_or_default(),
            stream_options: object.get("stream_options")?,
            stop,
            max_tokens: object.get("max_tokens")?,
            max_completion_tokens: object.get("max_completion_tokens")?,
            presence_penalty: object.get("presence_penalty")?,
            frequency_penalty: object.get("frequency_penalty")?,
            logit_bias: object.get("logit_bias")?,
            user: object.get("user")?,
            seed: object.get("seed")?,
            logprobs: object.get("logprobs")?,
            top_logprobs: object.get("top_logprobs")?,
            response_format: object.get("response_format")?,
            tools: object.get("tools")?,
            tool_choice: object.get("tool_choice")?,
            parallel_tool_calls: object.get("parallel_tool_calls")?,
            functions: object.get("functions")?,
            function_call: object.get("function_call")?,
            reasoning_effort: object.get("reasoning_effort")?,
            thinking: object.get("thinking")?,
            modalities: object.get("modalities")?,
            audio: object.get("audio")?,
            prediction: object.get("prediction")?,
            web_search_options: object.get("web_search_options")?,
            service_tier: object.get("service_tier")?,
            verbosity: object.get("verbosity")?,
            store: object.get("store")?,
            metadata: object.get("metadata")?,
            safety_identifier: object.get("safety_identifier")?,
            prompt_cache_key: object.get("prompt_cache_key")?,
            extra: Map::new(),
        };
        for (key, raw) in object.iter() {
            if !Self::FIELDS.contains(&key) && &raw[..] != b"null" {
                let value =
                    serde_json::from_slice(raw).map_err(|e| JsonError::new(key, e.to_string()))?;
                request.extra.insert(key.to_owned(), value);
            }
        }
        Ok(request)
    }

    /// The keys that have a field of their own.
    pub const FIELDS: &'static [&'static str] = &[
        "model",
        "messages",
        "temperature",
        "top_p",
        "n",
        "stream",
        "stream_options",
        "stop",
        "max_tokens",
        "max_completion_tokens",
        "presence_penalty",
        "frequency_penalty",
        "logit_bias",
        "user",
        "seed",
        "logprobs",
        "top_logprobs",
        "response_format",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "functions",
        "function_call",
        "reasoning_effort",
        "thinking",
        "modalities",
        "audio",
        "prediction",
        "web_search_options",
        "service_tier",
        "verbosity",
        "store",
        "metadata",
        "safety_identifier",
        "prompt_cache_key",
    ];

    /// The client's limit on output tokens, under either name.
    pub fn output_limit(&self) -> Option<u64> {
        self.max_completion_tokens.or(self.max_tokens)
    }
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a string or a list of strings")]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

fn assistant() -> String {
    "assistant".into()
}

fn function() -> String {
    "function".into()
}

fn chat_completion() -> String {
    "chat.completion".into()
}

fn chat_chunk() -> String {
    "chat.completion.chunk".into()
}

fn null_is_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
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

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn request(text: &'static str) -> Result<ChatRequest, JsonError> {
        ChatRequest::from_object(
            &JsonObject::parse(&Bytes::from_static(text.as_bytes())).expect("an object"),
        )
    }

    #[test]
    fn reads_the_many_spellings() {
        let r = request(
            r#"{"model":"m","messages":[{"role":"assistant","content":null,"tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":{"x":1}}}]},
                {"role":"user","content":["a",{"type":"text","text":"b"}]}],"stop":"x","stream":null,"top_k":4}"#,
        )
        .expect("a request");
        assert_eq!(r.messages[0].tool_calls[0].function.arguments, r#"{"x":1}"#);
        assert_eq!(
            r.messages[1].content.as_ref().map(Content::text).as_deref(),
            Some("ab")
        );
        assert_eq!(r.stop, Some(vec!["x".to_owned()]));
        assert_eq!(r.extra["top_k"], 4);
    }

    #[test]
    fn wrong_types_are_named() {
        let cases = [
            (r#"{"model":"m"}"#, "messages"),
            (r#"{"messages":{}}"#, "messages"),
            (r#"{"messages":[],"temperature":"hot"}"#, "temperature"),
            (r#"{"messages":[],"stop":3}"#, "stop"),
            (
                r#"{"messages":[{"role":"user","content":5}]}"#,
                "messages[0].content",
            ),
            (
                r#"{"messages":[],"tools":[{"type":"function","function":{"name":1}}]}"#,
                "tools[0].function.name",
            ),
        ];
        for (text, field) in cases {
            assert_eq!(request(text).expect_err("refused").field, field, "{text}");
        }
    }

    #[test]
    fn fields_are_listed_once_and_all() {
        let text = serde_json::to_string(
            &ChatRequest::FIELDS
                .iter()
                .map(|f| (*f, Value::Null))
                .collect::<std::collections::BTreeMap<_, _>>(),
        );
        let mut object = JsonObject::parse(&Bytes::from(text.expect("json"))).expect("an object");
        object.set_raw("messages", "[]");
        assert!(
            ChatRequest::from_object(&object)
                .expect("a request")
                .extra
                .is_empty()
        );
    }

    #[test]
    fn unknown_fields_of_an_answer_survive() {
        let text = r#"{"id":"1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"x","odd":true},"finish_reason":"stop","odd":1}],"citations":["u"]}"#;
        let response: ChatResponse = serde_json::from_str(text).expect("a response");
        assert_eq!(serde_json::to_string(&response).expect("json"), text);
    }
}
