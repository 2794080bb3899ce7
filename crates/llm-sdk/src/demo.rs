//! The built-in demo model: a deterministic vendor inside the process, so that a first answer needs no key and no network.
//!
//! It is a vendor like any other, with a row and OpenAI's wire; only its address is not on the network.

use std::{sync::Arc, time::SystemTime};

use bytes::Bytes;
use futures_util::stream;
use http::{Request, Response, header::CONTENT_TYPE};
use llm_providers::{
    Error,
    transport::{BoxFuture, ByteStream, Transport},
};
use llm_types::{ChatRequest, EmbeddingInput, EmbeddingRequest, JsonObject, Tool};
use serde_json::{Value, json};

/// The demo model's provider.
pub const PROVIDER: &str = "demo";

/// The host that no resolver knows (RFC 6761) and that this transport answers for.
const HOST: &str = "demo.invalid";

/// Answers for the demo model, and hands everything else to the network.
pub(crate) struct Demo(Arc<dyn Transport>);

impl Demo {
    pub(crate) fn beside(network: Arc<dyn Transport>) -> Self {
        Self(network)
    }
}

impl Transport for Demo {
    fn send(
        &self,
        request: Request<llm_providers::Outgoing>,
    ) -> BoxFuture<'_, Result<Response<ByteStream>, Error>> {
        if request.uri().host() != Some(HOST) {
            return self.0.send(request);
        }
        Box::pin(async move {
            answer(
                request.uri().path(),
                request.body().bytes().unwrap_or(&Bytes::new()),
            )
        })
    }
}

fn answer(path: &str, body: &Bytes) -> Result<Response<ByteStream>, Error> {
    let object = JsonObject::parse(body)?;
    if path.ends_with("/embeddings") {
        return Ok(whole(&embeddings(&EmbeddingRequest::from_object(&object)?)));
    }
    let request = ChatRequest::from_object(&object)?;
    let response = chat(&request);
    Ok(if request.stream {
        streamed(&response)
    } else {
        whole(&response)
    })
}

fn chat(request: &ChatRequest) -> Value {
    let asked = request
        .messages
        .iter()
        .rev()
        .find(|m| m.role == "user")
        .and_then(|m| m.content.as_ref());
    let asked = asked.map(|content| content.text()).unwrap_or_default();
    let prompt: u64 = request
        .messages
        .iter()
        .filter_map(|m| m.content.as_ref())
        .map(|c| words(&c.text()))
        .sum();
    let mut message = json!({"role": "assistant", "content": null});
    let (finish_reason, completion) = match tool(request) {
        Some(tool) => {
            let arguments = tool
                .parameters
                .as_ref()
                .map_or_else(|| json!({}), |schema| sample(schema, &asked, 0))
                .to_string();
            let count = words(&arguments);
            message["tool_calls"] = json!([{
                "id": "call_demo_0", "type": "function", "function": {"name": tool.name, "arguments": arguments},
            }]);
            ("tool_calls", count)
        }
        None => {
            let text = format!(
                "This is Interlingua's demo model: it needs no key and always answers the same. You said: {asked}"
            );
            let count = words(&text);
            message["content"] = text.into();
            ("stop", count)
        }
    };
    json!({
        "id": "chatcmpl-demo", "object": "chat.completion", "created": now(), "model": request.model,
        "choices": [{"index": 0, "message": message, "finish_reason": finish_reason}],
        "usage": {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion},
    })
}

/// The tool to call: the first on offer, unless the request forbids it or has just brought a result.
fn tool(request: &ChatRequest) -> Option<&llm_types::FunctionDef> {
    let forbidden = request
        .tool_choice
        .as_ref()
        .and_then(|choice| choice.mode())
        == Some("none");
    if forbidden || request.messages.last().is_some_and(|m| m.role == "tool") {
        return None;
    }
    let named = request
        .tool_choice
        .as_ref()
        .and_then(|choice| choice.function_name());
    let mut functions = request
        .tools
        .iter()
        .flatten()
        .filter_map(|tool: &Tool| tool.function.as_ref());
    functions.find(|function| named.is_none_or(|name| name == function.name))
}

/// A value that fits a schema.
fn sample(schema: &Value, text: &str, depth: usize) -> Value {
    if let Some(first) = schema.get("enum").and_then(|list| list.get(0)) {
        return first.clone();
    }
    match schema.get("type").and_then(Value::as_str) {
        Some("string") => text.into(),
        Some("integer" | "number") => 1.into(),
        Some("boolean") => true.into(),
        Some("array") if depth < 8 => schema.get("items").map_or_else(
            || json!([]),
            |items| json!([sample(items, text, depth + 1)]),
        ),
        Some("array") => json!([]),
        _ => {
            let properties = schema
                .get("properties")
                .and_then(Value::as_object)
                .filter(|_| depth < 8);
            properties
                .into_iter()
                .flatten()
                .map(|(key, schema)| (key.clone(), sample(schema, text, depth + 1)))
                .collect()
        }
    }
}

fn embeddings(request: &EmbeddingRequest) -> Value {
    let texts: Vec<String> = match &request.input {
        EmbeddingInput::Text(text) => vec![text.clone()],
        EmbeddingInput::Texts(texts) => texts.clone(),
        EmbeddingInput::Tokens(tokens) => vec![format!("{tokens:?}")],
        EmbeddingInput::TokenLists(lists) => {
            lists.iter().map(|tokens| format!("{tokens:?}")).collect()
        }
        EmbeddingInput::Parts(parts) => parts.iter().map(Value::to_string).collect(),
    };
    let size = request.dimensions.unwrap_or(64).clamp(1, 4096) as usize;
    let base64 = request.encoding_format.as_deref() == Some("base64");
    let data: Vec<Value> = texts
        .iter()
        .enumerate()
        .map(|(index, text)| {
            let vector = vector(text, size);
            let embedding = if base64 {
                llm_providers::embedding::base64(&vector).into()
            } else {
                json!(vector)
            };
            json!({"object": "embedding", "index": index, "embedding": embedding})
        })
        .collect();
    let tokens: u64 = texts.iter().map(|text| words(text)).sum();
    json!({"object": "list", "data": data, "model": request.model, "usage": {"prompt_tokens": tokens, "total_tokens": tokens}})
}

/// A vector of length 1 that depends on every byte of the text.
fn vector(text: &str, size: usize) -> Vec<f32> {
    let seed = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    let mut dice = fastrand::Rng::with_seed(seed);
    let raw: Vec<f32> = (0..size).map(|_| dice.f32() - 0.5).collect();
    let norm = raw
        .iter()
        .map(|x| x * x)
        .sum::<f32>()
        .sqrt()
        .max(f32::MIN_POSITIVE);
    raw.into_iter().map(|x| x / norm).collect()
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

fn words(text: &str) -> u64 {
    text.split_whitespace().count() as u64
}

pub(crate) fn whole(json: &Value) -> Response<ByteStream> {
    reply("application/json", vec![json.to_string()])
}

fn streamed(response: &Value) -> Response<ByteStream> {
    let message = &response["choices"][0]["message"];
    let chunk = |delta: Value, finish: Value| {
        let choices = json!([{"index": 0, "delta": delta, "finish_reason": finish}]);
        format!(
            "data: {}\n\n",
            json!({"id": response["id"], "object": "chat.completion.chunk", "created": response["created"], "model": response["model"], "choices": choices})
        )
    };
    let mut events = vec![chunk(
        json!({"role": "assistant", "content": ""}),
        Value::Null,
    )];
    for word in message["content"]
        .as_str()
        .unwrap_or_default()
        .split_inclusive(' ')
    {
        events.push(chunk(json!({"content": word}), Value::Null));
    }
    if let Some(call) = message["tool_calls"].get(0) {
        let (name, arguments) = (
            &call["function"]["name"],
            call["function"]["arguments"].as_str().unwrap_or_default(),
        );
        let start = json!({"index": 0, "id": call["id"], "type": "function", "function": {"name": name, "arguments": ""}});
        events.push(chunk(json!({"tool_calls": [start]}), Value::Null));
        for piece in arguments.split_inclusive(',') {
            events.push(chunk(
                json!({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}),
                Value::Null,
            ));
        }
    }
    events.push(chunk(
        json!({}),
        response["choices"][0]["finish_reason"].clone(),
    ));
    events.push(format!("data: {}\n\n", json!({"id": response["id"], "object": "chat.completion.chunk", "created": response["created"], "model": response["model"], "choices": [], "usage": response["usage"]})));
    events.push("data: [DONE]\n\n".to_owned());
    reply("text/event-stream", events)
}

pub(crate) fn reply<T: Into<Bytes>>(
    content_type: &'static str,
    pieces: Vec<T>,
) -> Response<ByteStream> {
    let pieces: Vec<Result<Bytes, Error>> = pieces.into_iter().map(|p| Ok(p.into())).collect();
    let body: ByteStream = Box::pin(stream::iter(pieces));
    let mut response = Response::new(body);
    response
        .headers_mut()
        .insert(CONTENT_TYPE, http::HeaderValue::from_static(content_type));
    response
}
