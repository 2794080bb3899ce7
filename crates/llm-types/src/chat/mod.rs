//! OpenAI chat completions: the request; messages, tools and answers below.

mod answer;
mod message;
mod tool;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Number, Value};

use crate::{JsonError, JsonObject, Map};

pub use answer::{ChatChunk, ChatResponse, Choice, ChunkChoice, Delta};
pub use message::{FunctionCall, Message, ThinkingBlock, ToolCall};
pub use tool::{FunctionDef, Tool, ToolChoice};

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

impl ChatRequest {
    /// Reads a body; the error names the field that is missing or of the wrong type.
    pub fn from_object(object: &JsonObject) -> Result<Self, JsonError> {
        let stop = match object.get::<OneOrMany>("stop")? {
            None => None,
            Some(OneOrMany::One(text)) => Some(vec![text]),
            Some(OneOrMany::Many(list)) => Some(list),
        };
        Ok(Self {
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
            extra: object.rest(Self::FIELDS)?,
        })
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

fn null_is_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::Content;

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
