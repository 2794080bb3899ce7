//! Changes to messages and tools before they are forwarded. Parses them only where the scan found something.

use llm_types::{JsonError, JsonObject, Map};
use memchr::memmem;
use serde_json::Value;

use super::scan::Findings;
use crate::{Call, Error};

/// Keys that Anthropic's, Gemini's or other vendors' answers and clients put into a history or a tool. A vendor that
/// checks its input strictly refuses the whole request for them.
const FOREIGN: [&str; 12] = [
    "cache_control",
    "thinking_blocks",
    "reasoning_content",
    "reasoning_items",
    "reasoning_details",
    "reasoning",
    "provider_specific_fields",
    "input_examples",
    "eager_input_streaming",
    "defer_loading",
    "allowed_callers",
    "provider_metadata",
];

/// Repairs the messages: a role for each, no `null` keys, arguments as text, `developer` as the target knows it; where
/// they are forwarded, also without keys that the vendor does not know.
pub(super) fn tidy(call: &mut Call<'_>) -> Result<(), Error> {
    let target = call.target;
    let row = target.provider;
    let params = row.params_of(&target.model, &target.facts);
    let forwards = row.protocol.forwards_chat();
    let mut foreign = Vec::new();
    if forwards && !row.keeps.contains(&"*") {
        foreign.extend(FOREIGN.iter().filter(|name| !row.keeps.contains(name)));
    }
    let body = call.fields_mut();
    let Some(raw) = body.raw("messages") else {
        return Ok(());
    };
    let found = Findings::of(raw, &foreign);
    let no_system = forwards && target.facts.supports("system_messages") == Some(false);
    let roles = (found.developer && !params.developer) || (found.system && no_system);
    if !(found.role_missing || found.null || found.object_arguments || found.foreign || roles) {
        return strip_tools(call, &foreign);
    }
    let mut removed = Vec::new();
    edit_messages(body, |message| {
        repair(message);
        match message.get("role").and_then(Value::as_str) {
            Some("system" | "developer") if no_system => set_role(message, "user"),
            Some("developer") if !params.developer => set_role(message, "system"),
            _ => {}
        }
        if found.foreign {
            strip_message(message, &foreign, &mut removed);
        }
    })?;
    tell(call, &removed);
    strip_tools(call, &foreign)
}

/// Parses the messages, changes each, and puts them back.
pub(crate) fn edit_messages(
    body: &mut JsonObject,
    mut edit: impl FnMut(&mut Map),
) -> Result<(), JsonError> {
    let Some(mut messages) = body.get::<Vec<Value>>("messages")? else {
        return Ok(());
    };
    for message in messages.iter_mut().filter_map(Value::as_object_mut) {
        edit(message);
    }
    body.set("messages", &messages);
    Ok(())
}

fn set_role(message: &mut Map, role: &str) {
    message.insert("role".into(), role.into());
}

fn repair(message: &mut Map) {
    message.retain(|key, value| key == "content" || !value.is_null());
    if !message.contains_key("role") {
        message.insert("role".into(), "assistant".into());
    }
    let calls = message.get_mut("tool_calls").and_then(Value::as_array_mut);
    for call in calls.into_iter().flatten() {
        if let Some(arguments) = call.pointer_mut("/function/arguments")
            && arguments.is_object()
        {
            *arguments = arguments.to_string().into();
        }
    }
}

fn strip_message(message: &mut Map, foreign: &[&'static str], removed: &mut Vec<&'static str>) {
    strip_keys(message, foreign, removed);
    for list in ["content", "tool_calls"] {
        let parts = message.get_mut(list).and_then(Value::as_array_mut);
        for part in parts.into_iter().flatten().filter_map(Value::as_object_mut) {
            strip_keys(part, foreign, removed);
            if let Some(function) = part.get_mut("function").and_then(Value::as_object_mut) {
                strip_keys(function, foreign, removed);
            }
        }
    }
}

/// Tools have a few keys of Anthropic's too.
fn strip_tools(call: &mut Call<'_>, foreign: &[&'static str]) -> Result<(), Error> {
    let body = call.fields_mut();
    let Some(raw) = body.raw("tools") else {
        return Ok(());
    };
    let suspicious = foreign
        .iter()
        .any(|name| memmem::find(raw, name.as_bytes()).is_some());
    if !suspicious {
        return Ok(());
    }
    let Some(mut tools) = body.get::<Vec<Value>>("tools")? else {
        return Ok(());
    };
    let mut removed = Vec::new();
    for tool in tools.iter_mut().filter_map(Value::as_object_mut) {
        strip_keys(tool, foreign, &mut removed);
        if let Some(function) = tool.get_mut("function").and_then(Value::as_object_mut) {
            strip_keys(function, foreign, &mut removed);
        }
    }
    if !removed.is_empty() {
        body.set("tools", &tools);
        tell(call, &removed);
    }
    Ok(())
}

fn strip_keys(object: &mut Map, foreign: &[&'static str], removed: &mut Vec<&'static str>) {
    for name in foreign {
        if object.shift_remove(*name).is_some() && !removed.contains(name) {
            removed.push(name);
        }
    }
}

fn tell(call: &mut Call<'_>, removed: &[&str]) {
    let provider = call.target.provider.name;
    for name in removed {
        call.notice(
            name,
            format!("taken out of messages or tools: {provider} does not know it"),
        );
    }
}
