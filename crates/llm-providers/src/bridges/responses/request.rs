//! A Responses request as a chat request.

use llm_types::{JsonObject, Map, responses::ResponsesRequest};
use serde_json::{Value, json};

use super::{
    tools::{self, Offered},
    turns,
};
use crate::{CallOptions, Error, Notice};

/// Keys that steer OpenAI's own machinery and change nothing about what is asked: left out, and reported.
const LEFT_OUT: [&str; 5] = [
    "max_tool_calls",
    "context_management",
    "client_metadata",
    "moderation",
    "prompt_cache_options",
];

/// Keys that are done with before a request gets here, or are answered without the vendor.
const OURS: [&str; 4] = [
    "store",
    "metadata",
    "stream_options",
    "previous_response_id",
];

/// Keys without which the request would mean something else.
const REFUSED: [&str; 3] = ["conversation", "prompt", "background"];

/// What is left out of the chat request.
pub(super) fn losses(body: &JsonObject, options: &CallOptions) -> Vec<Notice> {
    let mut found: Vec<(String, &str)> = LEFT_OUT
        .into_iter()
        .filter(|key| body.raw(key).is_some())
        .map(|key| {
            (
                key.to_owned(),
                "not sent: only OpenAI's Responses API has it",
            )
        })
        .collect();
    if body.str("truncation").as_deref() == Some("auto") {
        found.push((
            "truncation".into(),
            "not sent: a prompt that is too long is refused",
        ));
    }
    if let Ok(request) = ResponsesRequest::from_object(body) {
        let reasoning = request.reasoning.unwrap_or_default();
        if ["summary", "generate_summary"]
            .iter()
            .any(|key| reasoning.get(*key).is_some_and(|wish| !wish.is_null()))
        {
            found.push((
                "reasoning.summary".into(),
                "not sent: thoughts are shown as the provider gives them",
            ));
        }
        if options.drop_params {
            found.extend(
                tools::foreign(&request.tools)
                    .map(|(i, _)| (format!("tools[{i}]"), "dropped: only OpenAI runs it")),
            );
        }
        if request.tools.iter().any(tools::has_grammar) {
            found.push((
                "tools[*].format".into(),
                "the grammar is told to the model, which is not held to it",
            ));
        }
        found.extend(turns::losses(request.input));
    }
    found
        .into_iter()
        .map(|(param, message)| Notice {
            param,
            message: message.to_owned(),
        })
        .collect()
}

/// The chat request that asks the same.
pub(super) fn to_chat(body: &JsonObject, options: &CallOptions) -> Result<JsonObject, Error> {
    let mut request = ResponsesRequest::from_object(body)?;
    refuse(&request)?;
    let offered = Offered::read(body);
    let mut chat = JsonObject::new();
    if let Some(model) = &request.model {
        chat.set_str("model", model);
    }
    let items = std::mem::take(&mut request.input).into_items();
    let messages = turns::messages(request.instructions.take(), items, &offered)?;
    if messages.is_empty() {
        return Err(Error::bad_request("input", "'input' is missing"));
    }
    chat.set("messages", &messages);
    if let Some(limit) = request.max_output_tokens {
        chat.set("max_tokens", &limit);
    }
    for (key, value) in [
        ("temperature", &request.temperature),
        ("top_p", &request.top_p),
    ] {
        if let Some(value) = value {
            chat.set(key, value);
        }
    }
    tools::offer(&request, &mut chat, &offered, options)?;
    logprobs(&request, &mut chat);
    let effort = request.reasoning.as_ref().and_then(|r| r.get("effort"));
    if let Some(effort) = effort.filter(|effort| !effort.is_null()) {
        chat.set("reasoning_effort", effort);
    }
    format(request.text.take().unwrap_or_default(), &mut chat)?;
    if request.stream {
        // The usage is part of this dialect's streams, so it is always asked for.
        chat.set("stream", &true);
        chat.set("stream_options", &json!({"include_usage": true}));
    }
    for (key, value) in &request.extra {
        if !LEFT_OUT.contains(&key.as_str()) && !OURS.contains(&key.as_str()) {
            chat.set(key.clone(), value);
        }
    }
    Ok(chat)
}

fn refuse(request: &ResponsesRequest) -> Result<(), Error> {
    for key in REFUSED {
        if request.extra.contains_key(key) || (key == "background" && request.background) {
            return Err(Error::bad_request(
                key,
                format!("'{key}' works with OpenAI's own API only"),
            ));
        }
    }
    if request.extra.contains_key("previous_response_id") {
        return Err(Error::bad_request(
            "previous_response_id",
            "the response of this id is not known here",
        ));
    }
    Ok(())
}

fn logprobs(request: &ResponsesRequest, chat: &mut JsonObject) {
    let asked = |what: &str| request.include.iter().any(|include| include == what);
    let top = request.top_logprobs.filter(|top| *top > 0);
    if top.is_some() || asked("message.output_text.logprobs") {
        chat.set("logprobs", &true);
    }
    if let Some(top) = top {
        chat.set("top_logprobs", &top);
    }
}

/// `text`: what form the answer has, and how long it is.
fn format(mut text: Map, chat: &mut JsonObject) -> Result<(), Error> {
    if let Some(verbosity) = text.get("verbosity").and_then(Value::as_str) {
        chat.set_str("verbosity", verbosity);
    }
    let Some(Value::Object(mut format)) = text.shift_remove("format") else {
        return Ok(());
    };
    match format.get("type").and_then(Value::as_str) {
        None | Some("text") => {}
        Some("json_object") => chat.set("response_format", &json!({"type": "json_object"})),
        Some("json_schema") => {
            format.shift_remove("type");
            if !format.contains_key("schema") {
                return Err(Error::bad_request("text.format.schema", "is missing"));
            }
            format.retain(|_, value| !value.is_null());
            let wrapped = json!({"type": "json_schema", "json_schema": format});
            chat.set("response_format", &wrapped);
        }
        Some(kind) => {
            return Err(Error::bad_request(
                "text.format.type",
                format!("'{kind}' works with OpenAI's own API only"),
            ));
        }
    }
    Ok(())
}
