//! Messages answers to chat answers.

use bytes::Bytes;
use llm_types::{
    ChatResponse, Choice, Content, FunctionCall, Map, Message, ThinkingBlock, ToolCall,
    messages::{Block, MessagesResponse},
};
use memchr::memmem;
use serde_json::{Value, json};

use super::{
    Flavor,
    caps::Caps,
    error_of,
    schema::{self, Way},
};
use crate::{Call, Error, Reply, call::JSON_TOOL, protocols::names::Names};

/// What must be known of the request to read its answer.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    pub(super) provider: &'static str,
    pub(super) include_usage: bool,
    pub(super) json: Option<JsonAnswer>,
    /// Tools that the vendor runs are on offer.
    pub(super) hosted: bool,
    /// Raw, because most answers call no tool and then nobody needs the names.
    tools: Option<Bytes>,
    functions: Option<Bytes>,
}

/// The answer is the input of a tool.
#[derive(Debug, Clone, Copy)]
pub(super) struct JsonAnswer {
    /// Some models wrap the answer in `{"values": ...}`; not where the schema itself says `values`.
    pub(super) unwrap_values: bool,
}

impl Reading {
    /// Of an answer as it stands, whatever was asked.
    pub(crate) fn plain() -> Self {
        Self {
            provider: "",
            include_usage: false,
            json: None,
            hosted: false,
            tools: None,
            functions: None,
        }
    }

    /// What `call` says.
    pub(crate) fn of(call: &Call<'_>, flavor: &Flavor) -> Result<Self, Error> {
        let body = call.fields();
        let format: Option<Value> = body.get("response_format")?;
        let json = match schema::way(format.as_ref(), Caps::of(call.target), flavor)? {
            Way::Tool(schema) => Some(JsonAnswer {
                unwrap_values: schema
                    .get("properties")
                    .is_none_or(|properties| properties.get("values").is_none()),
            }),
            _ => None,
        };
        let own_keys = ["web_search_options", "mcp_servers", "context_management"];
        let hosted = body
            .raw("tools")
            .is_some_and(|tools| memmem::find(tools, b"_20").is_some())
            || own_keys.iter().any(|key| body.raw(key).is_some());
        Ok(Self {
            provider: call.target.provider.name,
            include_usage: call.include_usage,
            json,
            hosted,
            tools: body.raw("tools").cloned(),
            functions: body.raw("functions").cloned(),
        })
    }

    pub(super) fn names(&self) -> Names {
        match (&self.tools, &self.functions) {
            (Some(tools), _) => Names::of_tools(tools),
            (None, Some(functions)) => Names::of_tools(functions),
            (None, None) => Names::default(),
        }
    }
}

/// The chat answer in a successful reply.
pub(crate) fn chat_response(reading: &Reading, reply: &Reply) -> Result<ChatResponse, Error> {
    let read: Result<MessagesResponse, _> = serde_json::from_slice(&reply.body);
    match read {
        Ok(response) if response.kind == "message" => Ok(translate(reading, response)),
        Ok(response) if response.kind == "error" => Err(error_of(reading.provider, &reply.body)),
        Ok(response) => Err(Error::decode(
            reading.provider,
            format!("expected a message, got '{}'", response.kind),
        )),
        Err(e) => Err(Error::decode(reading.provider, e)),
    }
}

/// The chat answer that says the same.
pub(super) fn translate(reading: &Reading, response: MessagesResponse) -> ChatResponse {
    let mut said = Said::default();
    if response.content.iter().any(|block| is_hosted(&block.kind)) {
        said.fields
            .insert("content_blocks".into(), json!(response.content));
    }
    for block in response.content {
        said.take(block, reading);
    }
    let json = reading.json.is_some() && said.unwrap_json(reading);
    for key in ["container", "context_management", "stop_details"] {
        if let Some(value) = response.extra.get(key).filter(|value| !value.is_null()) {
            said.fields.insert(key.into(), value.clone());
        }
    }
    let (finish, fields) = finish(
        response.stop_reason.as_deref(),
        response.stop_sequence,
        json,
    );
    let choice = Choice {
        message: said.message(),
        finish_reason: Some(finish.to_owned()),
        provider_specific_fields: fields,
        ..Choice::default()
    };
    ChatResponse {
        id: response.id,
        object: "chat.completion".into(),
        model: response.model,
        choices: vec![choice],
        usage: Some(response.usage.normalise()),
        ..ChatResponse::default()
    }
}

/// Blocks that chat has no words for: hosted tools, their results, compactions.
pub(super) fn is_hosted(kind: &str) -> bool {
    !matches!(kind, "text" | "thinking" | "redacted_thinking" | "tool_use")
}

/// Under which name a hosted tool's result is reported.
pub(super) fn result_field(kind: &str) -> Option<&'static str> {
    match kind {
        "web_search_tool_result" => Some("web_search_results"),
        "compaction" => Some("compaction_blocks"),
        kind if kind.ends_with("_result") => Some("tool_results"),
        _ => None,
    }
}

/// OpenAI's reason for Anthropic's, and what that loses. `json`: the only call was the answer itself.
pub(super) fn finish(
    native: Option<&str>,
    sequence: Option<String>,
    json: bool,
) -> (&'static str, Map) {
    let reason = match native {
        Some("max_tokens" | "model_context_window_exceeded" | "compaction") => "length",
        Some("tool_use") if json => "stop",
        Some("tool_use") => "tool_calls",
        Some("refusal") => "content_filter",
        _ => "stop",
    };
    let mut fields = Map::new();
    if let Some(native) = native
        && native != reason
    {
        fields.insert("native_finish_reason".into(), native.into());
    }
    if let Some(sequence) = sequence {
        fields.insert("stop_sequence".into(), sequence.into());
    }
    (reason, fields)
}

/// A citation with an address, as OpenAI writes it. `span`: where the text it supports stands, in characters.
pub(super) fn annotation(citation: &Value, span: Option<(usize, usize)>) -> Option<Value> {
    let text = |key: &str| citation.get(key).and_then(Value::as_str);
    let url = text("url").or_else(|| text("source").filter(|s| s.starts_with("http")))?;
    let mut body = Map::new();
    if let Some((start, end)) = span {
        body.insert("start_index".into(), start.into());
        body.insert("end_index".into(), end.into());
    }
    body.insert("url".into(), url.into());
    body.insert("title".into(), text("title").unwrap_or_default().into());
    Some(json!({"type": "url_citation", "url_citation": body}))
}

/// A message in the making.
#[derive(Default)]
struct Said {
    text: String,
    has_text: bool,
    /// In characters, for citations.
    length: usize,
    reasoning: String,
    thinking: Vec<ThinkingBlock>,
    calls: Vec<ToolCall>,
    annotations: Vec<Value>,
    fields: Map,
    names: Option<Names>,
}

impl Said {
    fn take(&mut self, block: Block, reading: &Reading) {
        match block.kind.as_str() {
            "text" => self.text(block),
            "thinking" => {
                let thinking = block.thinking.unwrap_or_default();
                self.reasoning.push_str(&thinking);
                self.thinking.push(ThinkingBlock::Thinking {
                    thinking,
                    signature: block.signature,
                });
            }
            "redacted_thinking" => self.thinking.push(ThinkingBlock::RedactedThinking {
                data: block.data.unwrap_or_default(),
            }),
            "tool_use" => self.call(block, reading),
            kind => {
                if let Some(field) = result_field(kind)
                    && let Value::Array(list) =
                        self.fields.entry(field).or_insert_with(|| json!([]))
                {
                    list.push(json!(block));
                }
            }
        }
    }

    fn text(&mut self, block: Block) {
        let text = block.text.unwrap_or_default();
        let start = self.length;
        self.length += text.chars().count();
        if let Some(Value::Array(citations)) = block.citations {
            let span = Some((start, self.length));
            self.annotations
                .extend(citations.iter().filter_map(|c| annotation(c, span)));
            let supported = citations
                .into_iter()
                .map(|citation| with_text(citation, &text));
            let supported = Value::Array(supported.collect());
            if let Value::Array(list) = self.fields.entry("citations").or_insert_with(|| json!([]))
            {
                list.push(supported);
            }
        }
        self.text.push_str(&text);
        self.has_text = true;
    }

    fn call(&mut self, block: Block, reading: &Reading) {
        let names = self.names.get_or_insert_with(|| reading.names());
        self.calls.push(ToolCall {
            id: block.id,
            kind: Some("function".into()),
            function: FunctionCall {
                name: block.name.map(|name| names.own(name)),
                arguments: block.input.map_or_else(
                    || "{}".to_owned(),
                    |input| Box::<str>::from(input).into_string(),
                ),
            },
            provider_specific_fields: caller(&block.extra),
            ..ToolCall::default()
        });
    }

    /// Makes the JSON tool's input the text; beside other calls it is only taken out.
    fn unwrap_json(&mut self, reading: &Reading) -> bool {
        let is_json = |call: &ToolCall| call.function.name.as_deref() == Some(JSON_TOOL);
        let Some(at) = self.calls.iter().position(is_json) else {
            return false;
        };
        let answer = self.calls.swap_remove(at).function.arguments;
        self.calls.retain(|call| !is_json(call));
        if !self.calls.is_empty() {
            return false;
        }
        let unwrap = reading.json.is_some_and(|json| json.unwrap_values);
        self.text = if unwrap { unwrapped(answer) } else { answer };
        self.has_text = true;
        true
    }

    fn message(self) -> Message {
        Message {
            role: "assistant".into(),
            content: (self.has_text || self.calls.is_empty()).then_some(Content::Text(self.text)),
            tool_calls: self.calls,
            reasoning_content: Some(self.reasoning).filter(|text| !text.is_empty()),
            thinking_blocks: self.thinking,
            annotations: self.annotations,
            provider_specific_fields: self.fields,
            ..Message::default()
        }
    }
}

/// Who called the tool, where it was code that the model runs.
pub(super) fn caller(extra: &Map) -> Map {
    extra
        .get("caller")
        .filter(|caller| caller.get("type").is_some_and(|kind| kind != "direct"))
        .map(|caller| Map::from_iter([("caller".to_owned(), caller.clone())]))
        .unwrap_or_default()
}

/// A citation with the text that it supports, as LiteLLM reports it.
fn with_text(citation: Value, text: &str) -> Value {
    match citation {
        Value::Object(mut map) => {
            map.insert("supported_text".into(), text.into());
            Value::Object(map)
        }
        other => other,
    }
}

/// The answer inside `{"values": {...}}`, where a model wraps it.
pub(super) fn unwrapped(answer: String) -> String {
    let object = llm_types::JsonObject::parse(&Bytes::copy_from_slice(answer.as_bytes()));
    match object {
        Ok(object) if object.len() == 1 => object
            .raw("values")
            .filter(|inner| inner.starts_with(b"{"))
            .and_then(|inner| std::str::from_utf8(inner).ok())
            .map(str::to_owned)
            .unwrap_or(answer),
        _ => answer,
    }
}
