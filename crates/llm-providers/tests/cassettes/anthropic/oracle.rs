//! What a recorded answer says, read without any of our types, and what ours says.

use bytes::Bytes;
use llm_providers::Chunk;
use llm_types::{ChatChunk, ChatResponse, Usage};
use serde_json::{Map, Value, json};

/// What an answer says, however it was told.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Said {
    pub(super) id: String,
    pub(super) text: String,
    pub(super) reasoning: String,
    /// Signatures and sealed thinking, in order.
    pub(super) sealed: Vec<String>,
    /// Id, name, input.
    pub(super) calls: Vec<(String, String, Value)>,
    pub(super) citations: Vec<Value>,
    /// Hosted tools' calls and results.
    pub(super) hosted: Vec<Value>,
    pub(super) finish: String,
    pub(super) prompt: u64,
    pub(super) cached: u64,
    pub(super) written: u64,
    pub(super) completion: u64,
    pub(super) reasoning_tokens: u64,
}

/// Reads a recorded message without any of our types.
pub(super) fn oracle(message: &Value) -> Said {
    let mut said = Said {
        id: text(&message["id"]),
        ..Said::default()
    };
    for block in message["content"].as_array().into_iter().flatten() {
        match text(&block["type"]).as_str() {
            "text" => {
                said.text += &text(&block["text"]);
                said.citations
                    .extend(block["citations"].as_array().into_iter().flatten().cloned());
            }
            "thinking" => {
                said.reasoning += &text(&block["thinking"]);
                said.sealed.push(text(&block["signature"]));
            }
            "redacted_thinking" => said.sealed.push(text(&block["data"])),
            "tool_use" => said.calls.push((
                text(&block["id"]),
                text(&block["name"]),
                block["input"].clone(),
            )),
            _ => said.hosted.push(without_nulls(block)),
        }
    }
    said.sealed.retain(|seal| !seal.is_empty());
    said.finish = match text(&message["stop_reason"]).as_str() {
        "max_tokens" => "length",
        "tool_use" => "tool_calls",
        "refusal" => "content_filter",
        _ => "stop",
    }
    .into();
    let usage = &message["usage"];
    let count = |key: &str| usage[key].as_u64().unwrap_or(0);
    said.cached = count("cache_read_input_tokens");
    said.written = count("cache_creation_input_tokens");
    said.prompt = count("input_tokens") + said.cached + said.written;
    said.completion = count("output_tokens");
    said.reasoning_tokens = usage["output_tokens_details"]["thinking_tokens"]
        .as_u64()
        .unwrap_or(0);
    said
}

pub(super) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Puts a recorded stream together without any of our types; `None` if it has no end.
pub(super) fn oracle_stream(body: &Bytes) -> Option<Said> {
    let body = String::from_utf8_lossy(body);
    let mut message = Value::Null;
    let mut inputs: Map<String, Value> = Map::new();
    for line in body.lines() {
        let Some(event) = line
            .strip_prefix("data:")
            .and_then(|data| serde_json::from_str::<Value>(data.trim()).ok())
        else {
            continue;
        };
        let at = event["index"].as_u64().unwrap_or(0) as usize;
        match text(&event["type"]).as_str() {
            "message" => return Some(oracle(&event)),
            "message_start" => message = event["message"].clone(),
            "content_block_start" => message["content"]
                .as_array_mut()?
                .push(event["content_block"].clone()),
            "content_block_delta" => {
                let block = &mut message["content"][at];
                let delta = &event["delta"];
                for (from, to) in [
                    ("text", "text"),
                    ("thinking", "thinking"),
                    ("signature", "signature"),
                ] {
                    if let Some(more) = delta[from].as_str() {
                        block[to] = (text(&block[to]) + more).into();
                    }
                }
                if let Some(more) = delta["partial_json"].as_str() {
                    let so_far = inputs.entry(at.to_string()).or_insert_with(|| "".into());
                    *so_far = (text(so_far) + more).into();
                }
                if delta["citation"].is_object() {
                    if block["citations"].is_null() {
                        block["citations"] = json!([]);
                    }
                    block["citations"]
                        .as_array_mut()?
                        .push(delta["citation"].clone());
                }
            }
            "content_block_stop" => {
                if let Some(Value::String(input)) = inputs.remove(&at.to_string())
                    && !input.is_empty()
                {
                    message["content"][at]["input"] =
                        serde_json::from_str(&input).expect("an input");
                }
            }
            "message_delta" => {
                message["stop_reason"] = event["delta"]["stop_reason"].clone();
                for (key, value) in event["usage"].as_object().into_iter().flatten() {
                    if !value.is_null() {
                        message["usage"][key] = value.clone();
                    }
                }
            }
            _ => {}
        }
    }
    message["stop_reason"].is_string().then(|| oracle(&message))
}

pub(super) fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(map) => map
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| (key.clone(), without_nulls(value)))
            .collect(),
        Value::Array(list) => list.iter().map(without_nulls).collect(),
        other => other.clone(),
    }
}

pub(super) fn count(said: &mut Said, usage: Option<&Usage>) {
    let Some(usage) = usage else { return };
    said.prompt = usage.prompt_tokens;
    said.cached = usage.cached_tokens();
    said.written = usage.cache_write_tokens();
    said.completion = usage.completion_tokens;
    said.reasoning_tokens = usage.reasoning_tokens();
}

fn arguments(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("arguments '{text}': {e}"))
}

fn seal(block: &llm_types::ThinkingBlock) -> Option<String> {
    match block {
        llm_types::ThinkingBlock::Thinking { signature, .. } => signature.clone(),
        llm_types::ThinkingBlock::RedactedThinking { data } => Some(data.clone()),
    }
}

fn hosted(blocks: Option<&Value>) -> Vec<Value> {
    let plain = ["text", "thinking", "redacted_thinking", "tool_use"];
    blocks
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter(|block| !plain.contains(&block["type"].as_str().unwrap_or_default()))
        .map(without_nulls)
        .collect()
}

pub(super) fn told(response: &ChatResponse) -> Said {
    let choice = &response.choices[0];
    let message = &choice.message;
    let fields = &message.provider_specific_fields;
    let mut said = Said {
        id: response.id.clone(),
        text: message
            .content
            .as_ref()
            .map(|c| c.text())
            .unwrap_or_default(),
        reasoning: message.reasoning_content.clone().unwrap_or_default(),
        sealed: message.thinking_blocks.iter().filter_map(seal).collect(),
        calls: message
            .tool_calls
            .iter()
            .map(|call| {
                (
                    call.id.clone().unwrap_or_default(),
                    call.function.name.clone().unwrap_or_default(),
                    arguments(&call.function.arguments),
                )
            })
            .collect(),
        hosted: hosted(fields.get("content_blocks")),
        finish: choice.finish_reason.clone().unwrap_or_default(),
        ..Said::default()
    };
    for list in fields
        .get("citations")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        for citation in list.as_array().into_iter().flatten() {
            let mut citation = citation.clone();
            citation
                .as_object_mut()
                .expect("a citation")
                .remove("supported_text");
            said.citations.push(citation);
        }
    }
    count(&mut said, response.usage.as_ref());
    said
}

pub(super) fn folded(chunks: &[Chunk]) -> Said {
    let mut said = Said::default();
    let mut calls: Vec<(String, String, String)> = Vec::new();
    for chunk in chunks {
        let Chunk::Chat(chunk) = chunk else {
            panic!("a raw chunk in a translated stream")
        };
        let chunk: &ChatChunk = chunk;
        said.id.clone_from(&chunk.id);
        count(&mut said, chunk.usage.as_ref());
        let Some(choice) = chunk.choices.first() else {
            continue;
        };
        let delta = &choice.delta;
        said.text += delta.content.as_deref().unwrap_or_default();
        said.reasoning += delta.reasoning_content.as_deref().unwrap_or_default();
        said.sealed
            .extend(delta.thinking_blocks.iter().filter_map(seal));
        for call in &delta.tool_calls {
            let at = call.index.expect("an index") as usize;
            if at == calls.len() {
                calls.push(Default::default());
            }
            let so_far = &mut calls[at];
            so_far.0 += call.id.as_deref().unwrap_or_default();
            so_far.1 += call.function.name.as_deref().unwrap_or_default();
            so_far.2 += &call.function.arguments;
        }
        let fields = &delta.provider_specific_fields;
        said.citations.extend(fields.get("citation").cloned());
        said.hosted.extend(hosted(fields.get("content_blocks")));
        if let Some(reason) = &choice.finish_reason {
            assert_eq!(said.finish, "", "two ends");
            said.finish.clone_from(reason);
        }
    }
    said.calls = calls
        .into_iter()
        .map(|(id, name, text)| (id, name, arguments(&text)))
        .collect();
    said
}

pub(super) fn same(ours: &Said, theirs: &Said) -> Result<(), String> {
    if ours == theirs {
        return Ok(());
    }
    Err(format!("ours   {ours:?}\n    theirs {theirs:?}"))
}
