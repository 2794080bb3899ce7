//! OpenAI's chat body as Cohere's: the top level is edited in place, so keys of Cohere's own pass through.

use http::Request;
use llm_types::{Content, ContentPart, JsonObject, Message, Tool, ToolChoice};
use serde_json::{Value, json};

use crate::{
    Call, Error, Outgoing, params,
    protocols::{effort, legacy, openai},
};

pub(super) fn chat(call: &Call<'_>) -> Result<Request<Outgoing>, Error> {
    let mut body = call.fields().clone();
    body.set_str("model", call.model());
    body.set("stream", &call.stream);
    for key in ["stream_options", "user"] {
        body.remove(key);
    }
    renamed(&mut body)?;
    let documents = messages(&mut body)?;
    add_documents(&mut body, documents)?;
    legacy::modernise(&mut body)?;
    tools(&mut body)?;
    response_format(&mut body)?;
    thinking(&mut body)?;
    let uri = super::endpoint(call.base_url(), "chat");
    openai::request(&uri, body.to_bytes())
}

/// Says what Cohere cannot be asked for exactly. Part of settling a call's parameters.
pub(super) fn settle(call: &mut Call<'_>) -> Result<(), Error> {
    if super::v1::is_meant(call) {
        params::refuse(call, &["reasoning_effort", "thinking", "logprobs"])?;
    }
    if call.fields_mut().remove("metadata").is_some() {
        call.notice("metadata", "dropped: Cohere does not take it");
    }
    let choice: Option<ToolChoice> = call.fields().get("tool_choice")?;
    let named = choice.as_ref().and_then(ToolChoice::function_name);
    if let Some(name) = named {
        let message = format!(
            "Cohere cannot name a tool: only '{name}' is offered, and one call is required"
        );
        call.notice("tool_choice", message);
    }
    let tools: Vec<Tool> = call.fields().get("tools")?.unwrap_or_default();
    let strict = tools.iter().filter(|tool| is_strict(tool)).count();
    let first = super::v1::is_meant(call);
    if strict > 0 && (first || (named.is_none() && strict < tools.len())) {
        call.notice(
            "tools[*].function.strict",
            "dropped: Cohere is strict with all tools or with none, and never in its first chat API",
        );
    }
    Ok(())
}

/// OpenAI's parameters under Cohere's names, the same in both versions.
pub(super) fn renamed(body: &mut JsonObject) -> Result<(), Error> {
    body.rename("max_completion_tokens", "max_tokens");
    body.rename("top_p", "p");
    body.rename("top_k", "k");
    if let Some(n) = body.take::<u64>("n")?
        && n != 1
    {
        body.set("num_generations", &n);
    }
    match body.take::<Value>("stop")? {
        None => {}
        Some(Value::String(one)) => body.set("stop_sequences", &[one]),
        Some(many) => body.set("stop_sequences", &many),
    }
    Ok(())
}

/// Rewrites the messages and returns the documents that stood among a user's parts: Cohere wants those beside them.
fn messages(body: &mut JsonObject) -> Result<Vec<Value>, Error> {
    let mut messages: Vec<Message> = body
        .take("messages")?
        .ok_or_else(|| Error::bad_request("messages", "'messages' is missing"))?;
    legacy::messages(&mut messages);
    let mut documents = Vec::new();
    let native = messages
        .into_iter()
        .enumerate()
        .map(|(i, message)| self::message(i, message, &mut documents))
        .collect::<Result<Vec<_>, _>>()?;
    body.set("messages", &native);
    Ok(documents)
}

fn message(i: usize, message: Message, documents: &mut Vec<Value>) -> Result<Value, Error> {
    match message.role.as_str() {
        "system" | "developer" => {
            let content = content(i, message.content, None)?;
            Ok(json!({"role": "system", "content": content}))
        }
        "user" => {
            let content = content(i, message.content, Some(documents))?;
            Ok(json!({"role": "user", "content": content}))
        }
        "assistant" => assistant(i, message),
        "tool" => {
            let content = content(i, message.content, None)?;
            let id = message.tool_call_id.unwrap_or_default();
            Ok(json!({"role": "tool", "tool_call_id": id, "content": content}))
        }
        role => Err(Error::bad_request(
            format!("messages[{i}].role"),
            format!("'{role}' is not a role"),
        )),
    }
}

fn assistant(i: usize, message: Message) -> Result<Value, Error> {
    let mut native = json!({"role": "assistant"});
    let plan = message.provider_specific_fields.get("tool_plan");
    let thinking = message.reasoning_content.filter(|_| plan.is_none());
    let content = message.content.filter(|content| !content.is_empty());
    match (thinking, content) {
        (Some(thinking), content) => {
            let mut parts = vec![json!({"type": "thinking", "thinking": thinking})];
            match self::content(i, content, None)? {
                Value::Array(more) => parts.extend(more),
                Value::String(text) if !text.is_empty() => {
                    parts.push(json!({"type": "text", "text": text}));
                }
                _ => {}
            }
            native["content"] = parts.into();
        }
        (None, Some(content)) => native["content"] = self::content(i, Some(content), None)?,
        (None, None) => {}
    }
    if !message.tool_calls.is_empty() {
        let calls = message.tool_calls.iter().map(|call| {
            let arguments = if call.function.arguments.is_empty() {
                "{}"
            } else {
                &call.function.arguments
            };
            json!({
                "id": call.id,
                "type": "function",
                "function": {"name": call.function.name, "arguments": arguments},
            })
        });
        native["tool_calls"] = calls.collect();
        if let Some(plan) = plan {
            native["tool_plan"] = plan.clone();
        }
    }
    Ok(native)
}

fn content(
    i: usize,
    content: Option<Content>,
    mut documents: Option<&mut Vec<Value>>,
) -> Result<Value, Error> {
    let parts = match content {
        None => return Ok("".into()),
        Some(Content::Text(text)) => return Ok(text.into()),
        Some(Content::Parts(parts)) => parts,
    };
    let mut native = Vec::with_capacity(parts.len());
    for (j, part) in parts.into_iter().enumerate() {
        let at = || format!("messages[{i}].content[{j}]");
        match part.kind.as_str() {
            "text" => native.push(json!({"type": "text", "text": part.text})),
            "image_url" => native.push(
                image(&part).ok_or_else(|| Error::bad_request(at(), "the image has no url"))?,
            ),
            "thinking" => {
                native.push(json!({"type": "thinking", "thinking": part.extra.get("thinking")}))
            }
            "document" => {
                let document = document(&part).ok_or_else(|| {
                    Error::bad_request(at(), "Cohere reads documents of text or of fields only")
                })?;
                match documents.as_deref_mut() {
                    Some(documents) => documents.push(document),
                    None => native.push(json!({"type": "document", "document": document})),
                }
            }
            kind => {
                return Err(Error::bad_request(
                    at(),
                    format!("Cohere does not take parts of type '{kind}'"),
                ));
            }
        }
    }
    Ok(native.into())
}

fn image(part: &ContentPart) -> Option<Value> {
    let mut image = json!({ "url": part.url()? });
    if let Some(detail) = part
        .image_url
        .as_ref()
        .and_then(|image| image.get("detail"))
    {
        image["detail"] = detail.clone();
    }
    Some(json!({"type": "image_url", "image_url": image}))
}

/// A document in Cohere's own shape, or in Anthropic's (text only).
fn document(part: &ContentPart) -> Option<Value> {
    if let Some(own) = part.extra.get("document") {
        return Some(own.clone());
    }
    let text = part.extra.get("source")?.get("data")?.as_str()?;
    if part.extra.get("source")?.get("type")? != "text" {
        return None;
    }
    let mut data = json!({ "text": text });
    for key in ["title", "context"] {
        if let Some(value) = part.extra.get(key) {
            data[key] = value.clone();
        }
    }
    Some(json!({ "data": data }))
}

fn add_documents(body: &mut JsonObject, documents: Vec<Value>) -> Result<(), Error> {
    if documents.is_empty() {
        return Ok(());
    }
    let mut all: Vec<Value> = body.get("documents")?.unwrap_or_default();
    all.extend(documents);
    body.set("documents", &all);
    Ok(())
}

/// Cohere knows REQUIRED and NONE, and no names: a named tool is the only one offered.
fn tools(body: &mut JsonObject) -> Result<(), Error> {
    let choice: Option<ToolChoice> = body.take("tool_choice")?;
    match choice.as_ref().and_then(ToolChoice::mode) {
        Some("required") => body.set_str("tool_choice", "REQUIRED"),
        Some("none") => body.set_str("tool_choice", "NONE"),
        _ => {}
    }
    let Some(mut tools) = body.take::<Vec<Tool>>("tools")? else {
        return Ok(());
    };
    if let Some(name) = choice.as_ref().and_then(ToolChoice::function_name) {
        tools.retain(|tool| tool.function.as_ref().is_some_and(|f| f.name == name));
        if tools.is_empty() {
            return Err(Error::bad_request(
                "tool_choice",
                format!("there is no tool '{name}'"),
            ));
        }
        body.set_str("tool_choice", "REQUIRED");
    }
    if tools.is_empty() {
        return Ok(());
    }
    if !body.contains("strict_tools") && tools.iter().all(is_strict) {
        body.set("strict_tools", &true);
    }
    let native = tools
        .iter()
        .enumerate()
        .map(|(i, tool)| {
            let function = tool.function.as_ref().ok_or_else(|| {
                Error::bad_request(
                    format!("tools[{i}]"),
                    format!("Cohere does not have the tool '{}'", tool.kind),
                )
            })?;
            let empty = json!({"type": "object", "properties": {}});
            Ok(json!({
                "type": "function",
                "function": {
                    "name": function.name,
                    "description": function.description.as_deref().unwrap_or_default(),
                    "parameters": function.parameters.as_ref().unwrap_or(&empty),
                },
            }))
        })
        .collect::<Result<Vec<_>, Error>>()?;
    body.set("tools", &native);
    Ok(())
}

fn is_strict(tool: &Tool) -> bool {
    tool.function.as_ref().and_then(|f| f.strict) == Some(true)
}

fn response_format(body: &mut JsonObject) -> Result<(), Error> {
    let Some(format) = body.take::<Value>("response_format")? else {
        return Ok(());
    };
    let native = match format["type"].as_str() {
        Some("json_schema") => json!({
            "type": "json_object",
            "json_schema": format["json_schema"].get("schema").unwrap_or(&format["json_schema"]),
        }),
        _ => format,
    };
    body.set("response_format", &native);
    Ok(())
}

/// Cohere's `thinking` is Anthropic's with another name for the budget.
fn thinking(body: &mut JsonObject) -> Result<(), Error> {
    let effort: Option<Value> = body.take("reasoning_effort")?;
    if let Some(Value::Object(mut thinking)) = body.take::<Value>("thinking")? {
        if let Some(budget) = thinking.remove("budget_tokens") {
            thinking.insert("token_budget".into(), budget);
        }
        if thinking.get("type").is_some_and(|kind| kind == "adaptive") {
            thinking.insert("type".into(), "enabled".into());
        }
        body.set("thinking", &thinking);
    } else if let Some(effort) = effort.as_ref().and_then(effort::level) {
        let thinking = match effort::budget(effort) {
            Some(0) => json!({"type": "disabled"}),
            Some(budget) => json!({"type": "enabled", "token_budget": budget}),
            None => {
                return Err(Error::bad_request(
                    "reasoning_effort",
                    format!("'{effort}' is not a level of effort"),
                ));
            }
        };
        body.set("thinking", &thinking);
    }
    Ok(())
}
