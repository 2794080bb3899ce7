//! A Messages request as a chat request.

use std::borrow::Cow;

use llm_types::{
    Content, ContentPart, FunctionCall, FunctionDef, JsonObject, Map, Message, ThinkingBlock, Tool,
    ToolCall,
    messages::{Block, Blocks, MessagesRequest, ToolParam, Turn},
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::parts::{content, part, parts, text_part};
use crate::{Error, Notice, protocols::names::Names};

/// Keys that steer Anthropic's own machinery and change nothing about what is asked: left out, and reported.
const LEFT_OUT: [&str; 6] = [
    "context_management",
    "cache_control",
    "speed",
    "inference_geo",
    "anthropic_beta",
    "betas",
];

/// Keys without which the request would mean something else.
const REFUSED: [&str; 2] = ["mcp_servers", "container"];

/// What is left out of the chat request.
pub(super) fn losses(body: &JsonObject) -> Vec<Notice> {
    let cites = |raw: &bytes::Bytes| memchr::memmem::find(raw, b"\"citations\"").is_some();
    LEFT_OUT
        .into_iter()
        .filter(|key| body.raw(key).is_some())
        .chain(
            body.raw("messages")
                .filter(|raw| cites(raw))
                .map(|_| "citations"),
        )
        .map(|key| Notice {
            param: key.to_owned(),
            message: "not sent: only Anthropic has it".to_owned(),
        })
        .collect()
}

/// The chat request that asks the same.
pub(super) fn to_chat(body: &JsonObject) -> Result<JsonObject, Error> {
    let mut request = MessagesRequest::from_object(body)?;
    for key in REFUSED {
        if request.extra.contains_key(key) {
            return Err(Error::bad_request(
                key,
                format!("'{key}' works with Anthropic's own API only"),
            ));
        }
    }
    let names = names(body);
    let mut chat = JsonObject::new();
    if let Some(model) = &request.model {
        chat.set_str("model", model);
    }
    chat.set("messages", &messages(&mut request, &names)?);
    let scalars = [
        ("temperature", &request.temperature),
        ("top_p", &request.top_p),
        ("top_k", &request.top_k),
    ];
    if let Some(limit) = request.max_tokens {
        chat.set("max_tokens", &limit);
    }
    for (key, value) in scalars {
        if let Some(value) = value {
            chat.set(key, value);
        }
    }
    if let Some(stop) = request.stop_sequences.as_ref().filter(|s| !s.is_empty()) {
        chat.set("stop", stop);
    }
    tools(&mut request, &mut chat, &names)?;
    tool_choice(&request, &mut chat, &names)?;
    reasoning(&request, &mut chat);
    format(&mut request, &mut chat)?;
    let user = request.metadata.as_ref().and_then(|m| m.get("user_id"));
    if let Some(user) = user.and_then(Value::as_str) {
        chat.set_str("user", &short(user));
    }
    if let Some(tier) = &request.service_tier {
        let tier = if tier == "standard_only" {
            "default"
        } else {
            tier
        };
        chat.set_str("service_tier", tier);
    }
    if request.stream {
        // The usage is part of this dialect's streams, so it is always asked for.
        chat.set("stream", &true);
        chat.set("stream_options", &json!({"include_usage": true}));
    }
    for (key, value) in &request.extra {
        if !LEFT_OUT.contains(&key.as_str()) {
            chat.set(key.clone(), value);
        }
    }
    Ok(chat)
}

/// OpenAI refuses users of more than 64 characters, and coding agents send longer ones: their hash tells them apart.
fn short(user: &str) -> Cow<'_, str> {
    if user.len() <= 64 {
        user.into()
    } else {
        hex::encode(Sha256::digest(user)).into()
    }
}

/// The tools' names, of which Anthropic takes longer ones than OpenAI.
pub(super) fn names(body: &JsonObject) -> Names {
    body.raw("tools").map(Names::of_tools).unwrap_or_default()
}

fn messages(request: &mut MessagesRequest, names: &Names) -> Result<Vec<Message>, Error> {
    let mut messages = Vec::with_capacity(request.messages.len() + 1);
    if let Some(system) = request.system.take() {
        let parts = parts(system.into_list(), "system")?;
        push(&mut messages, "system", parts);
    }
    for (i, turn) in std::mem::take(&mut request.messages)
        .into_iter()
        .enumerate()
    {
        let path = format!("messages[{i}].content");
        match turn.role.as_str() {
            "user" => user(&mut messages, turn, &path)?,
            "assistant" => messages.push(assistant(turn, names)),
            "system" => {
                let parts = parts(turn.content.into_list(), &path)?;
                push(&mut messages, "system", parts);
            }
            role => {
                return Err(Error::bad_request(
                    format!("messages[{i}].role"),
                    format!("'{role}' is not a role"),
                ));
            }
        }
    }
    Ok(messages)
}

fn push(messages: &mut Vec<Message>, role: &str, parts: Vec<ContentPart>) {
    if !parts.is_empty() {
        messages.push(Message {
            role: role.to_owned(),
            content: Some(content(parts)),
            ..Message::default()
        });
    }
}

/// Results become messages of their own, directly after the calls they answer; what chat cannot put into a result
/// (images, documents) follows in a user message.
fn user(messages: &mut Vec<Message>, turn: Turn, path: &str) -> Result<(), Error> {
    let mut rest = Vec::new();
    let mut media = Vec::new();
    for (i, block) in turn.content.into_list().into_iter().enumerate() {
        if block.kind == "tool_result" {
            messages.push(result(block, &mut media, &format!("{path}[{i}]"))?);
        } else {
            rest.push(part(block, &format!("{path}[{i}]"))?);
        }
    }
    media.extend(rest);
    push(messages, "user", media);
    Ok(())
}

fn result(block: Block, media: &mut Vec<ContentPart>, path: &str) -> Result<Message, Error> {
    let all = match block.content {
        None => Vec::new(),
        Some(content) => parts(content.into_list(), &format!("{path}.content"))?,
    };
    let before = media.len();
    let (mut texts, others): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|part| part.kind == "text");
    media.extend(others);
    if texts.is_empty() && media.len() > before {
        texts.push(ContentPart::text(
            "The result follows in the user's message.",
        ));
    }
    if block.is_error == Some(true) {
        mark_error(&mut texts);
    }
    let content = if texts.is_empty() {
        Content::Text(String::new())
    } else {
        content(texts)
    };
    Ok(Message {
        role: "tool".into(),
        content: Some(content),
        tool_call_id: block.tool_use_id,
        cache_control: block.cache_control,
        ..Message::default()
    })
}

/// Chat has no flag for a tool that failed, so the text must say it.
fn mark_error(texts: &mut Vec<ContentPart>) {
    match texts.first_mut().and_then(|part| part.text.as_mut()) {
        Some(text) if text.to_lowercase().contains("error") => {}
        Some(text) => text.insert_str(0, "Error: "),
        None => texts.push(ContentPart::text("Error")),
    }
}

fn assistant(turn: Turn, names: &Names) -> Message {
    let blocks = turn.content.into_list();
    let mut message = Message {
        role: "assistant".into(),
        ..Message::default()
    };
    if blocks.iter().any(|block| !is_plain(&block.kind)) {
        message
            .provider_specific_fields
            .insert("content_blocks".into(), json!(blocks));
    }
    let mut texts = Vec::new();
    for block in blocks {
        match block.kind.as_str() {
            "text" => texts.push(text_part(
                block.text.unwrap_or_default(),
                block.cache_control,
            )),
            "thinking" => message.thinking_blocks.push(ThinkingBlock::Thinking {
                thinking: block.thinking.unwrap_or_default(),
                signature: block.signature,
            }),
            "redacted_thinking" => message
                .thinking_blocks
                .push(ThinkingBlock::RedactedThinking {
                    data: block.data.unwrap_or_default(),
                }),
            "tool_use" => message.tool_calls.push(call(block, names)),
            // What was compacted is only there: without it the conversation has no beginning.
            "compaction" => {
                if let Some(Blocks::Text(summary)) = block.content {
                    texts.push(text_part(summary, block.cache_control));
                }
            }
            // Hosted tools' calls and results: another vendor cannot use them, their outcome is in the text.
            _ => {}
        }
    }
    if !texts.is_empty() {
        message.content = Some(content(texts));
    } else if message.tool_calls.is_empty() {
        message.content = Some(Content::Text(String::new()));
    }
    message
}

fn is_plain(kind: &str) -> bool {
    matches!(kind, "text" | "thinking" | "redacted_thinking" | "tool_use")
}

fn call(block: Block, names: &Names) -> ToolCall {
    let mut extra = Map::new();
    if let Some(marker) = block.cache_control {
        extra.insert("cache_control".into(), marker);
    }
    ToolCall {
        id: block.id,
        kind: Some("function".into()),
        function: FunctionCall {
            name: block.name.map(|name| names.wire(name)),
            arguments: block.input.map_or_else(
                || "{}".to_owned(),
                |input| Box::<str>::from(input).into_string(),
            ),
        },
        extra,
        ..ToolCall::default()
    }
}

fn tools(request: &mut MessagesRequest, chat: &mut JsonObject, names: &Names) -> Result<(), Error> {
    let mut functions = Vec::new();
    for (i, tool) in request.tools.take().into_iter().flatten().enumerate() {
        match tool.kind.as_deref() {
            None | Some("custom") => functions.push(function(tool, names)),
            Some(kind) if kind.starts_with("web_search_") => {
                chat.set("web_search_options", &web_search(&tool.extra));
            }
            Some(kind) => {
                return Err(Error::bad_request(
                    format!("tools[{i}]"),
                    format!("'{kind}' works with Anthropic's own API only"),
                ));
            }
        }
    }
    if !functions.is_empty() {
        chat.set("tools", &functions);
    }
    Ok(())
}

fn function(tool: ToolParam, names: &Names) -> Tool {
    Tool {
        kind: "function".into(),
        function: Some(FunctionDef {
            name: names.wire(tool.name.unwrap_or_default()),
            description: tool.description,
            parameters: tool.input_schema,
            strict: tool.strict,
            extra: Map::new(),
        }),
        cache_control: tool.cache_control,
        extra: tool.extra,
    }
}

/// Anthropic's web search in OpenAI's terms.
fn web_search(tool: &Map) -> Value {
    let mut options = Map::new();
    if let Some(uses) = tool.get("max_uses").and_then(Value::as_u64) {
        let size = match uses {
            0..=1 => "low",
            2..=5 => "medium",
            _ => "high",
        };
        options.insert("search_context_size".into(), size.into());
    }
    if let Some(Value::Object(location)) = tool.get("user_location") {
        let mut place = location.clone();
        place.shift_remove("type");
        let location = json!({"type": "approximate", "approximate": place});
        options.insert("user_location".into(), location);
    }
    if let Some(domains) = tool.get("allowed_domains") {
        options.insert("filters".into(), json!({"allowed_domains": domains}));
    }
    Value::Object(options)
}

fn tool_choice(
    request: &MessagesRequest,
    chat: &mut JsonObject,
    names: &Names,
) -> Result<(), Error> {
    let Some(choice) = &request.tool_choice else {
        return Ok(());
    };
    let value = match choice.kind.as_str() {
        "auto" | "none" => json!(choice.kind),
        "any" => json!("required"),
        "tool" => {
            let name = choice.name.clone().map(|name| names.wire(name));
            json!({"type": "function", "function": {"name": name}})
        }
        _ => {
            return Err(Error::bad_request(
                "tool_choice.type",
                "expected auto, any, none or tool",
            ));
        }
    };
    // OpenAI refuses both where no tools are on offer.
    if chat.contains("tools") {
        chat.set("tool_choice", &value);
        if let Some(one) = choice.disable_parallel_tool_use {
            chat.set("parallel_tool_calls", &!one);
        }
    }
    Ok(())
}

/// An effort that is given counts; else a budget says how much.
fn reasoning(request: &MessagesRequest, chat: &mut JsonObject) {
    let given = request
        .output_config
        .as_ref()
        .and_then(|config| config.get("effort")?.as_str());
    let thinking = |key: &str| request.thinking.as_ref().and_then(|t| t.get(key));
    let effort = match (given, thinking("type").and_then(Value::as_str)) {
        (Some(effort), _) => Some(effort),
        (None, Some("enabled")) => match thinking("budget_tokens").and_then(Value::as_u64) {
            Some(4096..) => Some("high"),
            Some(2048..) => Some("medium"),
            Some(1024..) => Some("low"),
            Some(_) => Some("minimal"),
            None => Some("medium"),
        },
        (None, Some("adaptive")) => Some("medium"),
        _ => None,
    };
    if let Some(effort) = effort {
        chat.set_str("reasoning_effort", effort);
    }
}

fn format(request: &mut MessagesRequest, chat: &mut JsonObject) -> Result<(), Error> {
    let newer = request
        .output_config
        .as_mut()
        .and_then(|config| config.shift_remove("format"));
    let Some(format) = newer.or(request.output_format.take()) else {
        return Ok(());
    };
    let Some(schema) = format.get("schema") else {
        return Err(Error::bad_request("output_format.schema", "is missing"));
    };
    let format = json!({
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": schema, "strict": is_strict(schema)},
    });
    chat.set("response_format", &format);
    Ok(())
}

/// Whether OpenAI would take the schema as a strict one: closed objects, no optional keys.
fn is_strict(schema: &Value) -> bool {
    match schema {
        Value::Object(map) => {
            let closed = match map.get("properties").and_then(Value::as_object) {
                None => true,
                Some(properties) => {
                    let required = map.get("required").and_then(Value::as_array);
                    let all = |list: &Vec<Value>| {
                        properties
                            .keys()
                            .all(|key| list.iter().any(|name| name == key))
                    };
                    map.get("additionalProperties") == Some(&Value::Bool(false))
                        && (properties.is_empty() || required.is_some_and(all))
                }
            };
            closed && map.values().all(is_strict)
        }
        Value::Array(list) => list.iter().all(is_strict),
        _ => true,
    }
}
