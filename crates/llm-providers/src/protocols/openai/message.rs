//! One message put right, or a delta of one: its text, its thinking, its calls.

use llm_types::Map;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Mistral's thinking models and Databricks' Claude answer in parts, Cloudflare with the JSON that was asked for.
pub(super) fn content(message: &mut Map) {
    match message.get_mut("content") {
        Some(Value::Array(parts)) => {
            let parts = std::mem::take(parts);
            let (mut text, mut thinking, mut others) = (String::new(), String::new(), Vec::new());
            let mut signed = Vec::new();
            for part in parts {
                match part.get("type").and_then(Value::as_str) {
                    Some("text") => text.push_str(&text_of(part.get("text"))),
                    Some("thinking") => thinking.push_str(&text_of(part.get("thinking"))),
                    Some("reasoning") => {
                        thinking.push_str(&text_of(part.get("summary")));
                        signed.extend(blocks(&part));
                    }
                    _ => others.push(part),
                }
            }
            message.insert("content".into(), text.into());
            if !thinking.is_empty() {
                message.insert("reasoning_content".into(), thinking.into());
            }
            if !signed.is_empty() {
                message.insert("thinking_blocks".into(), signed.into());
            }
            if !others.is_empty() {
                let fields = message
                    .entry("provider_specific_fields")
                    .or_insert_with(|| json!({}));
                if let Value::Object(fields) = fields {
                    fields.insert("content".into(), others.into());
                }
            }
        }
        Some(other @ (Value::Object(_) | Value::Number(_) | Value::Bool(_))) => {
            *other = other.to_string().into();
        }
        _ => {}
    }
}

/// Databricks: the summaries of a `reasoning` part as Anthropic's blocks, which go back with their signatures.
fn blocks(part: &Value) -> Vec<Value> {
    let summaries = part.get("summary").and_then(Value::as_array);
    summaries
        .into_iter()
        .flatten()
        .map(|summary| {
            let mut block = json!({"type": "thinking", "thinking": text_of(summary.get("text"))});
            if let Some(signature) = summary.get("signature").filter(|text| text.is_string()) {
                block["signature"] = signature.clone();
            }
            block
        })
        .collect()
}

/// A text, or the texts of a list of parts.
fn text_of(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => parts.iter().map(|part| text_of(part.get("text"))).collect(),
        _ => String::new(),
    }
}

/// `reasoning`, or MiniMax's details alone, as `reasoning_content`. The details stay: they go back as they came.
pub(super) fn reasoning(message: &mut Map) {
    let has = |key: &str| {
        message
            .get(key)
            .and_then(Value::as_str)
            .is_some_and(|text| !text.is_empty())
    };
    if has("reasoning_content") {
        return;
    }
    if has("reasoning") {
        if let Some(text) = message.shift_remove("reasoning") {
            message.insert("reasoning_content".into(), text);
        }
        return;
    }
    let Some(Value::Array(details)) = message.get("reasoning_details") else {
        return;
    };
    let text: String = details
        .iter()
        .filter_map(|detail| {
            detail
                .get("text")
                .or_else(|| detail.get("summary"))?
                .as_str()
        })
        .collect();
    if !text.is_empty() {
        message.insert("reasoning_content".into(), text.into());
    }
}

/// Snowflake writes every field there is, empty; GigaChat's arguments are an object.
pub(super) fn empties(message: &mut Map) {
    for (key, tell) in [("function_call", "name"), ("audio", "id")] {
        let empty = message
            .get(key)
            .and_then(|value| value.get(tell))
            .and_then(Value::as_str)
            == Some("");
        if empty {
            message.shift_remove(key);
        }
    }
    if let Some(Value::Object(function)) = message.get_mut("function_call")
        && let Some(arguments @ Value::Object(_)) = function.get_mut("arguments")
    {
        *arguments = arguments.to_string().into();
    }
}

/// A legacy function call as the tool call it stands for.
pub(super) fn function_to_tool(message: &mut Map) {
    if let Some(function @ Value::Object(_)) = message.shift_remove("function_call") {
        let call = json!([{"index": 0, "type": "function", "function": function}]);
        message.insert("tool_calls".into(), call);
    }
}

/// Arguments are text; a name is there once.
pub(super) fn function_text(function: &mut Map, first: bool) {
    match function.get_mut("arguments") {
        Some(Value::String(_)) => {}
        Some(Value::Null) | None => {
            if first {
                function.insert("arguments".into(), "".into());
            }
        }
        Some(other) => *other = other.to_string().into(),
    }
    let unnamed = function
        .get("name")
        .is_some_and(|name| name.as_str().is_none_or(str::is_empty));
    if unnamed && !first {
        function.shift_remove("name");
    }
}

pub(super) fn name(call: &Value) -> Option<&str> {
    call.pointer("/function/name")?.as_str()
}

pub(super) fn arguments(call: &Value) -> Option<&str> {
    call.pointer("/function/arguments")?.as_str()
}

/// An id for a call that came without: the same however the answer is cut, and different in every answer.
pub(super) fn made_id(answer: &str, choice: u64, index: u64) -> String {
    let digest = Sha256::digest(format!("{answer}/{choice}/{index}"));
    format!("call_{}", hex::encode(&digest[..12]))
}

/// OpenAI's word for a vendor's finish reason; `None` for words nobody knows.
pub(super) fn mapped(reason: &str) -> Option<&'static str> {
    Some(match reason {
        "stop_sequence"
        | "end_turn"
        | "COMPLETE"
        | "ERROR"
        | "eos_token"
        | "eos"
        | "STOP"
        | "FINISH_REASON_UNSPECIFIED"
        | "network_error"
        | "error" => "stop",
        "max_tokens" | "MAX_TOKENS" | "model_length" | "compaction" => "length",
        "tool_use" | "tool_call" => "tool_calls",
        "refusal"
        | "ERROR_TOXIC"
        | "SAFETY"
        | "RECITATION"
        | "sensitive"
        | "content_filtered"
        | "guardrail_intervened"
        | "ESCALATION"
        | "PROHIBITED_CONTENT"
        | "BLOCKLIST" => "content_filter",
        _ => return None,
    })
}
