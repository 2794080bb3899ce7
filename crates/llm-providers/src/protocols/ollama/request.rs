//! OpenAI's chat body as Ollama's.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::Request;
use llm_types::{Content, ContentPart, JsonObject, Map, Message, Op, Tool, ToolChoice};
use serde_json::{Value, json};

use super::endpoint;
use crate::{
    Call, Error, Outgoing,
    protocols::{effort, legacy, openai},
};

/// What stands beside `options` in the body.
const OWN: &[&str] = &[
    "model",
    "messages",
    "tools",
    "format",
    "options",
    "stream",
    "think",
    "keep_alive",
    "logprobs",
    "top_logprobs",
    "truncate",
    "shift",
];

/// OpenAI's names of what Ollama has among its options.
const RENAMED: [(&str, &str); 2] = [
    ("max_tokens", "num_predict"),
    ("max_completion_tokens", "num_predict"),
];

pub(super) fn chat(call: &Call<'_>) -> Result<Request<Outgoing>, Error> {
    let mut body = call.fields().clone();
    legacy::modernise(&mut body)?;
    body.set_str("model", call.model());
    messages(call, &mut body)?;
    tools(&mut body)?;
    shared(call, &mut body)?;
    gather_options(&mut body, OWN)?;
    openai::request(&endpoint(call.base_url(), "chat"), body.to_bytes())
}

/// What `/api/chat` and `/api/generate` have in common.
pub(super) fn shared(call: &Call<'_>, body: &mut JsonObject) -> Result<(), Error> {
    for key in ["stream_options", "user", "n"] {
        body.remove(key);
    }
    // Ollama streams where nobody says otherwise.
    body.set("stream", &call.stream);
    for (from, to) in RENAMED {
        body.rename(from, to);
    }
    format(body)?;
    think(call, body)
}

/// Says what Ollama cannot be asked for exactly. Part of settling a call's parameters.
pub(crate) fn settle(call: &mut Call<'_>) -> Result<(), Error> {
    if call.op != Op::Chat {
        return Ok(());
    }
    let choice: Option<ToolChoice> = call.fields().get("tool_choice")?;
    let named = choice.as_ref().and_then(ToolChoice::function_name);
    if let Some(name) = named {
        let message = format!("Ollama cannot force a call: only the tool '{name}' is offered");
        call.notice("tool_choice", message);
    } else if choice.as_ref().and_then(ToolChoice::mode) == Some("required") {
        call.notice("tool_choice", "dropped: Ollama cannot force a call");
    }
    for key in ["metadata", "safety_identifier", "prompt_cache_key"] {
        if call.fields_mut().remove(key).is_some() {
            call.notice(key, "dropped: Ollama has no use for it");
        }
    }
    Ok(())
}

/// The addresses of images, which Ollama does not fetch itself.
pub(super) fn images(call: &Call<'_>) -> Vec<String> {
    let messages: Vec<Message> = call
        .fields()
        .get("messages")
        .ok()
        .flatten()
        .unwrap_or_default();
    messages
        .into_iter()
        .flat_map(|message| message.content.map(Content::into_parts).unwrap_or_default())
        .filter(|part| part.kind == "image_url")
        .filter_map(|part| part.url().map(str::to_owned))
        .filter(|url| is_address(url))
        .collect()
}

fn is_address(url: &str) -> bool {
    url.starts_with("http://") || url.starts_with("https://")
}

fn messages(call: &Call<'_>, body: &mut JsonObject) -> Result<(), Error> {
    let mut messages: Vec<Message> = body
        .take("messages")?
        .ok_or_else(|| Error::bad_request("messages", "'messages' is missing"))?;
    legacy::messages(&mut messages);
    let mut native = Vec::with_capacity(messages.len());
    for (i, message) in messages.iter().enumerate() {
        let mut one = match message.role.as_str() {
            "system" | "developer" => json!({"role": "system"}),
            "user" => json!({"role": "user"}),
            "assistant" => assistant(i, message)?,
            "tool" => tool_result(message, &messages[..i]),
            role => {
                return Err(Error::bad_request(
                    format!("messages[{i}].role"),
                    format!("'{role}' is not a role"),
                ));
            }
        };
        content(call, i, message.content.as_ref(), &mut one)?;
        native.push(one);
    }
    body.set("messages", &native);
    Ok(())
}

fn assistant(i: usize, message: &Message) -> Result<Value, Error> {
    let mut native = json!({"role": "assistant"});
    if let Some(thinking) = &message.reasoning_content {
        native["thinking"] = thinking.as_str().into();
    }
    let mut calls = Vec::with_capacity(message.tool_calls.len());
    for (j, call) in message.tool_calls.iter().enumerate() {
        let text = call.function.arguments.trim();
        let text = if text.is_empty() { "{}" } else { text };
        let arguments: Value = serde_json::from_str(text).map_err(|e| {
            Error::bad_request(
                format!("messages[{i}].tool_calls[{j}].function.arguments"),
                format!("the arguments are not JSON: {e}"),
            )
        })?;
        let mut one = json!({"function": {"name": call.function.name, "arguments": arguments}});
        if let Some(id) = &call.id {
            one["id"] = id.as_str().into();
        }
        calls.push(one);
    }
    if !calls.is_empty() {
        native["tool_calls"] = calls.into();
    }
    Ok(native)
}

/// Ollama knows results by their tool's name, newer servers also by the call's id.
fn tool_result(message: &Message, before: &[Message]) -> Value {
    let mut native = json!({"role": "tool"});
    let id = message.tool_call_id.as_deref();
    let asked = before
        .iter()
        .rev()
        .flat_map(|earlier| &earlier.tool_calls)
        .find(|call| id.is_some() && call.id.as_deref() == id)
        .and_then(|call| call.function.name.as_deref());
    if let Some(name) = message.name.as_deref().or(asked) {
        native["tool_name"] = name.into();
    }
    if let Some(id) = id {
        native["tool_call_id"] = id.into();
    }
    native
}

/// Texts are joined, images stand beside them.
fn content(
    call: &Call<'_>,
    i: usize,
    content: Option<&Content>,
    native: &mut Value,
) -> Result<(), Error> {
    let parts = match content {
        None => {
            native["content"] = "".into();
            return Ok(());
        }
        Some(Content::Text(text)) => {
            native["content"] = text.as_str().into();
            return Ok(());
        }
        Some(Content::Parts(parts)) => parts,
    };
    let (mut text, mut images) = (String::new(), Vec::new());
    for (j, part) in parts.iter().enumerate() {
        let wrong = |why: String| {
            Err(Error::bad_request(
                format!("messages[{i}].content[{j}]"),
                why,
            ))
        };
        match part.kind.as_str() {
            "text" => text.push_str(part.text.as_deref().unwrap_or_default()),
            "image_url" => match image(call, part) {
                Some(data) => images.push(data),
                None => return wrong("the image has no content that could be sent".into()),
            },
            kind => return wrong(format!("Ollama does not take parts of type '{kind}'")),
        }
    }
    native["content"] = text.into();
    if !images.is_empty() {
        native["images"] = images.into();
    }
    Ok(())
}

/// An image's bytes in base64, as Ollama wants them.
fn image(call: &Call<'_>, part: &ContentPart) -> Option<String> {
    let url = part.url()?;
    if is_address(url) {
        return Some(STANDARD.encode(&call.fetched.get(url)?.bytes));
    }
    match url.strip_prefix("data:") {
        Some(rest) => rest.split_once(";base64,").map(|(_, data)| data.to_owned()),
        None => Some(url.to_owned()),
    }
}

/// Ollama offers tools or does not; it never forces one.
fn tools(body: &mut JsonObject) -> Result<(), Error> {
    let choice: Option<ToolChoice> = body.take("tool_choice")?;
    let Some(mut tools) = body.take::<Vec<Tool>>("tools")? else {
        return Ok(());
    };
    if choice.as_ref().and_then(ToolChoice::mode) == Some("none") {
        return Ok(());
    }
    if let Some(name) = choice.as_ref().and_then(ToolChoice::function_name) {
        tools.retain(|tool| tool.function.as_ref().is_some_and(|f| f.name == name));
    }
    for (i, tool) in tools.iter_mut().enumerate() {
        tool.cache_control = None;
        match &mut tool.function {
            Some(function) => function.strict = None,
            None => {
                return Err(Error::bad_request(
                    format!("tools[{i}]"),
                    format!("Ollama does not have the tool '{}'", tool.kind),
                ));
            }
        }
    }
    if !tools.is_empty() {
        body.set("tools", &tools);
    }
    Ok(())
}

fn format(body: &mut JsonObject) -> Result<(), Error> {
    let Some(format) = body.take::<Value>("response_format")? else {
        return Ok(());
    };
    match format["type"].as_str() {
        Some("json_schema") => {
            let schema = &format["json_schema"];
            body.set("format", schema.get("schema").unwrap_or(schema));
        }
        Some("json_object") => body.set_str("format", "json"),
        _ => {}
    }
    Ok(())
}

/// gpt-oss thinks on levels, all others do or do not.
fn think(call: &Call<'_>, body: &mut JsonObject) -> Result<(), Error> {
    let effort: Option<Value> = body.take("reasoning_effort")?;
    let thinking: Option<Value> = body.take("thinking")?;
    if body.contains("think") {
        return Ok(());
    }
    if let Some(level) = effort.as_ref().and_then(effort::level) {
        let on_levels = call.model().contains("gpt-oss");
        match level {
            "none" | "disable" => body.set("think", &false),
            "minimal" if on_levels => body.set_str("think", "low"),
            "minimal" => body.set("think", &false),
            "xhigh" | "max" if on_levels => body.set_str("think", "high"),
            level if on_levels => body.set_str("think", level),
            _ => body.set("think", &true),
        }
    } else if let Some(thinking) = thinking {
        body.set("think", &(thinking["type"] != "disabled"));
    }
    Ok(())
}

/// Puts everything that is not `own` to the endpoint among its options, where the caller's own `options` win.
pub(super) fn gather_options(body: &mut JsonObject, own: &[&str]) -> Result<(), Error> {
    let mut options = Map::new();
    for (key, raw) in body.iter().filter(|(key, _)| !own.contains(key)) {
        let value =
            serde_json::from_slice(raw).map_err(|e| Error::bad_request(key, e.to_string()))?;
        options.insert(key.to_owned(), value);
    }
    body.retain(|key, _| own.contains(&key));
    options.extend(body.take::<Map>("options")?.unwrap_or_default());
    options.retain(|_, value| !value.is_null());
    if let Some(Value::String(one)) = options.get("stop") {
        let list = json!([one]);
        options.insert("stop".into(), list);
    }
    if !options.is_empty() {
        body.set("options", &options);
    }
    Ok(())
}
