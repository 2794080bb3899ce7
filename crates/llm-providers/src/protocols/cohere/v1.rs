//! Cohere's first chat API, for models and servers that have no other: one message, the rest as history.

use http::Request;
use llm_types::{
    ChatResponse, Choice, ChunkChoice, Content, Delta, FunctionCall, JsonObject, Map, Message,
    Tool, ToolCall, ToolChoice, Usage,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    response::finish_reason,
    wire::{null_is_default, whole},
};
use crate::{
    Answer, Call, Chunks, Decoder, Error, Kind, Outgoing, Reply,
    frame::Frame,
    protocols::{
        emit::{self, Emitter},
        legacy, openai,
    },
};

/// Whether `call` goes here: the model says so (`v1/command`), or the address.
pub(super) fn is_meant(call: &Call<'_>) -> bool {
    let base = call.base_url();
    call.model().starts_with("v1/") || base.ends_with("/v1") || base.ends_with("/v1/chat")
}

pub(super) fn encode(call: &Call<'_>) -> Result<Request<Outgoing>, Error> {
    let mut body = call.fields().clone();
    let model = call.model();
    body.set_str("model", model.strip_prefix("v1/").unwrap_or(model));
    body.set("stream", &call.stream);
    for key in [
        "stream_options",
        "user",
        "reasoning_effort",
        "thinking",
        "logprobs",
    ] {
        body.remove(key);
    }
    super::request::renamed(&mut body)?;
    legacy::modernise(&mut body)?;
    messages(&mut body)?;
    tools(&mut body)?;
    if let Some(format) = body.take::<Value>("response_format")? {
        let schema = &format["json_schema"]["schema"];
        let native = match schema {
            Value::Null => format,
            schema => json!({"type": "json_object", "schema": schema}),
        };
        body.set("response_format", &native);
    }
    let base = call.base_url();
    let uri = match (base.ends_with("/chat"), base.ends_with("/v1")) {
        (true, _) => base.to_owned(),
        (_, true) => format!("{base}/chat"),
        _ => format!("{base}/v1/chat"),
    };
    openai::request(&uri, body.to_bytes())
}

/// The last user message, or the last results of tools, is what is asked; all others are history.
fn messages(body: &mut JsonObject) -> Result<(), Error> {
    let mut messages: Vec<Message> = body
        .take("messages")?
        .ok_or_else(|| Error::bad_request("messages", "'messages' is missing"))?;
    legacy::messages(&mut messages);
    let results_from = messages
        .iter()
        .rposition(|message| message.role != "tool")
        .map_or(0, |at| at + 1);
    let results = results(&messages, results_from);
    let mut history = Vec::new();
    let mut asked = String::new();
    let last = messages.len().checked_sub(1);
    for (i, message) in messages.iter().enumerate() {
        let text = text_only(i, message)?;
        match message.role.as_str() {
            "user" if Some(i) == last => asked = text,
            "user" => history.push(json!({"role": "USER", "message": text})),
            "system" | "developer" => history.push(json!({"role": "SYSTEM", "message": text})),
            "assistant" => history.push(chatbot(i, message, text)?),
            "tool" if i < results_from => {
                history.push(
                    json!({"role": "TOOL", "tool_results": self::results(&messages[..=i], i)}),
                );
            }
            "tool" => {}
            role => {
                return Err(Error::bad_request(
                    format!("messages[{i}].role"),
                    format!("'{role}' is not a role"),
                ));
            }
        }
    }
    body.set_str("message", &asked);
    if !history.is_empty() {
        body.set("chat_history", &history);
    }
    if !results.is_empty() {
        body.set("tool_results", &results);
    }
    Ok(())
}

fn text_only(i: usize, message: &Message) -> Result<String, Error> {
    let content = message.content.clone().map(Content::into_parts);
    let mut text = String::new();
    for (j, part) in content.into_iter().flatten().enumerate() {
        if part.kind != "text" {
            return Err(Error::bad_request(
                format!("messages[{i}].content[{j}]"),
                format!(
                    "Cohere's first chat API does not take parts of type '{}'",
                    part.kind
                ),
            ));
        }
        text.push_str(&part.text.unwrap_or_default());
    }
    Ok(text)
}

fn chatbot(i: usize, message: &Message, text: String) -> Result<Value, Error> {
    let mut native = json!({"role": "CHATBOT", "message": text});
    let calls = message
        .tool_calls
        .iter()
        .enumerate()
        .map(|(j, call)| {
            native_call(call).ok_or_else(|| {
                Error::bad_request(
                    format!("messages[{i}].tool_calls[{j}].function.arguments"),
                    "the arguments are not JSON",
                )
            })
        })
        .collect::<Result<Vec<_>, _>>()?;
    if !calls.is_empty() {
        native["tool_calls"] = calls.into();
    }
    Ok(native)
}

fn native_call(call: &ToolCall) -> Option<Value> {
    let text = Some(call.function.arguments.trim()).filter(|text| !text.is_empty());
    let parameters: Value = serde_json::from_str(text.unwrap_or("{}")).ok()?;
    Some(json!({"name": call.function.name, "parameters": parameters}))
}

/// The results from `from` on, each with its call.
fn results(messages: &[Message], from: usize) -> Vec<Value> {
    let answered = messages.iter().skip(from).map(|message| {
        let id = message.tool_call_id.as_deref();
        let call = messages
            .iter()
            .rev()
            .flat_map(|earlier| &earlier.tool_calls)
            .find(|call| call.id.as_deref() == id)
            .and_then(native_call);
        let text = message
            .content
            .as_ref()
            .map(Content::text)
            .unwrap_or_default();
        // Outputs are objects; what is none becomes one.
        let output = match serde_json::from_str(&text) {
            Ok(Value::Object(object)) => Value::Object(object),
            _ => json!({ "output": text }),
        };
        let unknown = || json!({"name": message.name, "parameters": {}});
        json!({"call": call.unwrap_or_else(unknown), "outputs": [output]})
    });
    answered.collect()
}

/// Tools have flat parameters here.
fn tools(body: &mut JsonObject) -> Result<(), Error> {
    let choice: Option<ToolChoice> = body.take("tool_choice")?;
    let Some(mut tools) = body.take::<Vec<Tool>>("tools")? else {
        return Ok(());
    };
    if let Some(name) = choice.as_ref().and_then(ToolChoice::function_name) {
        tools.retain(|tool| tool.function.as_ref().is_some_and(|f| f.name == name));
        body.set("force_single_step", &true);
    }
    match choice.as_ref().and_then(ToolChoice::mode) {
        Some("none") => return Ok(()),
        Some("required") => body.set("force_single_step", &true),
        _ => {}
    }
    let mut native = Vec::with_capacity(tools.len());
    for (i, tool) in tools.into_iter().enumerate() {
        let Some(function) = tool.function else {
            return Err(Error::bad_request(
                format!("tools[{i}]"),
                format!("Cohere does not have the tool '{}'", tool.kind),
            ));
        };
        let schema = function.parameters.unwrap_or_default();
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        let properties = schema["properties"]
            .as_object()
            .cloned()
            .unwrap_or_default();
        let definitions: Map = properties
            .into_iter()
            .map(|(name, property)| {
                let mut definition = json!({"type": property.get("type").unwrap_or(&json!("str"))});
                if let Some(text) = property.get("description") {
                    definition["description"] = text.clone();
                }
                definition["required"] = required.contains(&json!(name)).into();
                (name, definition)
            })
            .collect();
        native.push(json!({
            "name": function.name,
            "description": function.description.unwrap_or_default(),
            "parameter_definitions": definitions,
        }));
    }
    if !native.is_empty() {
        body.set("tools", &native);
    }
    Ok(())
}

/// A whole answer, also at the end of a stream.
#[derive(Debug, Default, Deserialize)]
struct Native {
    #[serde(default)]
    generation_id: String,
    #[serde(default)]
    text: String,
    finish_reason: Option<String>,
    #[serde(default, deserialize_with = "null_is_default")]
    tool_calls: Vec<NativeCall>,
    #[serde(default, deserialize_with = "null_is_default")]
    citations: Vec<Value>,
    #[serde(default, deserialize_with = "null_is_default")]
    documents: Vec<Value>,
    #[serde(default, deserialize_with = "null_is_default")]
    meta: Meta,
}

#[derive(Debug, Deserialize)]
struct NativeCall {
    name: String,
    #[serde(default)]
    parameters: Value,
}

#[derive(Debug, Default, Deserialize)]
struct Meta {
    tokens: Option<Map>,
    billed_units: Option<Map>,
    cached_tokens: Option<f64>,
}

impl Native {
    fn usage(&self) -> Option<Usage> {
        let counts = self
            .meta
            .tokens
            .as_ref()
            .or(self.meta.billed_units.as_ref())?;
        let count = |key: &str| whole(counts.get(key).and_then(Value::as_f64));
        let mut usage = Usage::new(count("input_tokens"), count("output_tokens"));
        if let Some(cached) = self.meta.cached_tokens {
            usage
                .prompt_tokens_details
                .get_or_insert_default()
                .cached_tokens = whole(Some(cached));
        }
        if let Some(billed) = &self.meta.billed_units {
            usage
                .extra
                .insert("billed_units".into(), billed.clone().into());
        }
        Some(usage)
    }

    /// Calls have no ids here; ours are made of the answer's.
    fn tool_calls(&self, indexed: bool) -> Vec<ToolCall> {
        (0_u64..)
            .zip(&self.tool_calls)
            .map(|(nth, call)| ToolCall {
                index: indexed.then_some(nth),
                id: Some(format!("call_{}_{nth}", self.generation_id)),
                kind: Some("function".into()),
                function: FunctionCall {
                    name: Some(call.name.clone()),
                    arguments: call.parameters.to_string(),
                },
                ..ToolCall::default()
            })
            .collect()
    }

    fn reason(&self, provider: &'static str) -> Result<(&'static str, String), Error> {
        let native = self
            .finish_reason
            .clone()
            .unwrap_or_else(|| "COMPLETE".into());
        let reason = finish_reason(&native, provider)?;
        match self.tool_calls.is_empty() {
            true => Ok((reason, native)),
            false => Ok(("tool_calls", native)),
        }
    }

    fn own(&self) -> Map {
        let mut own = Map::new();
        for (key, list) in [
            ("citations", &self.citations),
            ("documents", &self.documents),
        ] {
            if !list.is_empty() {
                own.insert(key.into(), list.clone().into());
            }
        }
        own
    }
}

pub(super) fn decode(call: &Call<'_>, reply: &Reply) -> Result<Answer, Error> {
    let name = call.target.provider.name;
    let native: Native = serde_json::from_slice(&reply.body).map_err(|e| Error::decode(name, e))?;
    let (reason, word) = native.reason(name)?;
    let choice = Choice {
        message: Message {
            role: "assistant".into(),
            tool_calls: native.tool_calls(false),
            provider_specific_fields: native.own(),
            content: Some(Content::Text(native.text.clone())),
            ..Message::default()
        },
        finish_reason: Some(reason.into()),
        provider_specific_fields: emit::native_reason(&word, reason),
        ..Choice::default()
    };
    Ok(Answer::chat(ChatResponse {
        usage: native.usage(),
        id: native.generation_id,
        object: "chat.completion".into(),
        model: call.model().to_owned(),
        choices: vec![choice],
        ..ChatResponse::default()
    }))
}

/// One line of a stream.
#[derive(Debug, Deserialize)]
struct Line {
    event_type: Option<String>,
    generation_id: Option<String>,
    text: Option<String>,
    finish_reason: Option<String>,
    response: Option<Native>,
    message: Option<String>,
}

pub(super) struct ChatStream {
    provider: &'static str,
    include_usage: bool,
    emitter: Emitter,
    complete: bool,
}

impl ChatStream {
    pub(super) fn new(call: &Call<'_>) -> Self {
        Self {
            provider: call.target.provider.name,
            include_usage: call.include_usage,
            emitter: Emitter::new(call),
            complete: false,
        }
    }

    /// The last line repeats the whole answer; what came in pieces is not said again.
    fn end(&mut self, line: Line, out: &mut Chunks) -> Result<(), Error> {
        let mut native = line.response.unwrap_or_default();
        native.finish_reason = line.finish_reason.or(native.finish_reason);
        let (reason, word) = native.reason(self.provider)?;
        out.chat(self.emitter.choice(ChunkChoice {
            delta: Delta {
                tool_calls: native.tool_calls(true),
                provider_specific_fields: native.own(),
                ..Delta::default()
            },
            finish_reason: Some(reason.into()),
            provider_specific_fields: emit::native_reason(&word, reason),
            ..ChunkChoice::default()
        }));
        out.usage = native.usage();
        if let Some(usage) = out.usage.clone().filter(|_| self.include_usage) {
            out.chat(self.emitter.usage(usage));
        }
        self.complete = true;
        out.done = true;
        Ok(())
    }
}

impl Decoder for ChatStream {
    fn push(&mut self, frame: Frame, out: &mut Chunks) -> Result<(), Error> {
        if self.complete {
            return Ok(());
        }
        let line: Line =
            serde_json::from_slice(&frame.data).map_err(|e| Error::decode(self.provider, e))?;
        match line.event_type.as_deref() {
            Some("stream-start") => {
                self.emitter.id = line.generation_id.unwrap_or_default();
                out.chat(self.emitter.delta(emit::opening()));
            }
            Some("text-generation") => {
                out.chat(self.emitter.delta(Delta {
                    content: line.text,
                    ..Delta::default()
                }));
            }
            Some("stream-end") => return self.end(line, out),
            Some(_) => {}
            None => {
                let said = line
                    .message
                    .unwrap_or_else(|| "the stream broke off".into());
                return Err(Error::new(Kind::Upstream, said).of(self.provider));
            }
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut Chunks) -> Result<(), Error> {
        if self.complete {
            out.done = true;
            return Ok(());
        }
        Err(Error::cut(self.provider))
    }
}
