//! A generateContent request as a chat request.

use llm_types::{JsonObject, Map};
use serde_json::json;

use super::{
    contents, schema, tools,
    wire::{Config, Request, Thinking, camel},
};
use crate::{CallOptions, Error, Notice};

/// Keys that steer Google's own machinery and change nothing about what is asked: left out, and reported.
const LEFT_OUT: [&str; 4] = [
    "safetySettings",
    "labels",
    "modelArmorConfig",
    "serviceTier",
];

/// The same of `generationConfig`.
const LEFT_OUT_OF_CONFIG: [&str; 4] = [
    "mediaResolution",
    "imageConfig",
    "audioTimestamp",
    "enableAffectiveDialog",
];

/// Keys without which the request would mean something else.
const REFUSED: [&str; 1] = ["cachedContent"];

/// The same of `generationConfig`.
const REFUSED_OF_CONFIG: [&str; 3] = ["speechConfig", "routingConfig", "modelSelectionConfig"];

/// Whether a key is one of these, in either spelling.
fn is_of(key: &str, names: &[&str]) -> bool {
    names.contains(&camel(key).as_str())
}

/// What is left out of the chat request.
pub(super) fn losses(body: &JsonObject, options: &CallOptions) -> Vec<Notice> {
    let Ok(request) = Request::read(body) else {
        return Vec::new();
    };
    let keys = request.extra.keys();
    let mut found: Vec<String> = keys.filter(|key| is_of(key, &LEFT_OUT)).cloned().collect();
    let config = request.config.extra.keys().map(|key| camel(key));
    found.extend(
        config
            .filter(|key| LEFT_OUT_OF_CONFIG.contains(&key.as_str()))
            .map(|key| format!("generationConfig.{key}")),
    );
    if options.drop_params {
        let foreign = tools::foreign(&request.tools);
        found.extend(foreign.map(|(i, kind)| format!("tools[{i}].{kind}")));
    }
    for (i, content) in request.contents.iter().enumerate() {
        let lossy = content.parts.iter().any(contents::is_lossy);
        found.extend(lossy.then(|| format!("contents[{i}]")));
    }
    found
        .into_iter()
        .map(|param| Notice {
            param,
            message: "not sent: only Google has it".to_owned(),
        })
        .collect()
}

/// The chat request that asks the same.
pub(super) fn to_chat(body: &JsonObject, options: &CallOptions) -> Result<JsonObject, Error> {
    let mut request = Request::read(body)?;
    if let Some(key) = request.extra.keys().find(|key| is_of(key, &REFUSED)) {
        return Err(Error::bad_request(
            key.as_str(),
            format!("'{key}' works with Google's own API only"),
        ));
    }
    let names = tools::names(body);
    let mut chat = JsonObject::new();
    if let Some(model) = &request.model {
        chat.set_str("model", model);
    }
    let contents = std::mem::take(&mut request.contents);
    if contents.is_empty() {
        return Err(Error::bad_request("contents", "'contents' is missing"));
    }
    let messages = contents::messages(request.system.take(), contents, &names)?;
    chat.set("messages", &messages);
    tools::offer(&request, &mut chat, &names, options)?;
    config(std::mem::take(&mut request.config), &mut chat)?;
    if request.stream {
        // The usage is part of this dialect's streams, so it is always asked for.
        chat.set("stream", &true);
        chat.set("stream_options", &json!({"include_usage": true}));
    }
    for (key, value) in &request.extra {
        if !is_of(key, &LEFT_OUT) {
            chat.set(key.clone(), value);
        }
    }
    Ok(chat)
}

fn config(config: Config, chat: &mut JsonObject) -> Result<(), Error> {
    let numbers = [
        ("temperature", &config.temperature),
        ("top_p", &config.top_p),
        ("top_k", &config.top_k),
        ("seed", &config.seed),
        ("presence_penalty", &config.presence_penalty),
        ("frequency_penalty", &config.frequency_penalty),
    ];
    for (key, value) in numbers {
        if let Some(value) = value {
            chat.set(key, value);
        }
    }
    if let Some(limit) = config.max_output_tokens {
        chat.set("max_tokens", &limit);
    }
    if let Some(stop) = config.stop_sequences.as_ref().filter(|s| !s.is_empty()) {
        chat.set("stop", stop);
    }
    if let Some(n) = config.candidate_count.filter(|n| *n > 1) {
        chat.set("n", &n);
    }
    if config.response_logprobs == Some(true) {
        chat.set("logprobs", &true);
        if let Some(top) = config.logprobs {
            chat.set("top_logprobs", &top);
        }
    }
    modalities(&config.response_modalities, chat);
    if let Some(effort) = effort(&config.thinking_config) {
        chat.set_str("reasoning_effort", &effort);
    }
    format(&config, chat)?;
    rest(&config.extra, chat)
}

/// Text is what everybody answers with.
fn modalities(wanted: &[String], chat: &mut JsonObject) {
    let wanted: Vec<String> = wanted.iter().map(|kind| kind.to_lowercase()).collect();
    if wanted
        .iter()
        .any(|kind| kind != "text" && kind != "modality_unspecified")
    {
        chat.set("modalities", &wanted);
    }
}

/// What thinking may cost, as a level.
fn effort(thinking: &Thinking) -> Option<String> {
    if let Some(level) = &thinking.thinking_level {
        let level = level.to_lowercase();
        return Some(level).filter(|level| level != "thinking_level_unspecified");
    }
    let effort = match thinking.thinking_budget? {
        // The model decides.
        ..0 => return None,
        0 => "none",
        1..1024 => "minimal",
        1024..2048 => "low",
        2048..4096 => "medium",
        4096.. => "high",
    };
    Some(effort.to_owned())
}

fn format(config: &Config, chat: &mut JsonObject) -> Result<(), Error> {
    let schema = match (&config.response_json_schema, &config.response_schema) {
        (Some(schema), _) => Some(schema.clone()),
        (None, Some(schema)) => Some(schema::standard(schema)),
        (None, None) => None,
    };
    let format = match (config.response_mime_type.as_deref(), schema) {
        (Some("application/json") | None, Some(schema)) => {
            json!({"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}})
        }
        (Some("application/json"), None) => json!({"type": "json_object"}),
        (None | Some("text/plain"), None) => return Ok(()),
        (Some(kind), _) => {
            return Err(Error::bad_request(
                "generationConfig.responseMimeType",
                format!("'{kind}' works with Google's own API only"),
            ));
        }
    };
    chat.set("response_format", &format);
    Ok(())
}

/// What is not known may be another vendor's own; what is Google's is refused.
fn rest(extra: &Map, chat: &mut JsonObject) -> Result<(), Error> {
    for (key, value) in extra.iter().filter(|(_, value)| !value.is_null()) {
        if is_of(key, &LEFT_OUT_OF_CONFIG) {
            continue;
        }
        if is_of(key, &REFUSED_OF_CONFIG) {
            return Err(Error::bad_request(
                format!("generationConfig.{key}"),
                format!("'{key}' works with Google's own API only"),
            ));
        }
        chat.set(key.clone(), value);
    }
    Ok(())
}
