//! A chat answer as a Messages answer.

use llm_types::{
    ChatResponse, Map, Message, ThinkingBlock, ToolCall,
    messages::{Block, MessagesResponse, MessagesUsage},
};
use serde_json::{Value, json, value::RawValue};

use crate::protocols::names::Names;

/// The answer in Anthropic's shape. `asked`: the model that the client named.
pub(super) fn from_chat(answer: ChatResponse, asked: &str, names: &Names) -> MessagesResponse {
    let usage = answer.usage.as_ref().map(MessagesUsage::from);
    let id = message_id(&answer.id);
    let mut extra = Map::new();
    let mut content = Vec::new();
    let (mut reason, mut sequence) = ("end_turn".to_owned(), None);
    if let Some(choice) = answer.choices.into_iter().next() {
        let calls = !choice.message.tool_calls.is_empty();
        let finish = choice.finish_reason.as_deref();
        (reason, sequence) = stop(finish, &choice.provider_specific_fields, calls);
        if choice.message.refusal.is_some() {
            reason = "refusal".into();
        }
        for key in ["container", "context_management", "stop_details"] {
            if let Some(value) = choice.message.provider_specific_fields.get(key) {
                extra.insert(key.into(), value.clone());
            }
        }
        content = blocks(choice.message, &id, names);
    }
    MessagesResponse {
        id,
        kind: "message".into(),
        role: "assistant".into(),
        model: model(answer.model, asked),
        content,
        stop_reason: Some(reason),
        stop_sequence: sequence,
        usage: usage.unwrap_or_else(no_usage),
        extra,
    }
}

/// Anthropic's clients expect ids that start so.
pub(super) fn message_id(id: &str) -> String {
    if id.starts_with("msg_") {
        id.to_owned()
    } else {
        format!("msg_{id}")
    }
}

/// The id of a call that came without one: unique as long as the message's id is.
pub(super) fn call_id(message: &str, index: usize) -> String {
    format!("toolu_{}_{index}", message.trim_start_matches("msg_"))
}

pub(super) fn model(answered: String, asked: &str) -> String {
    if answered.is_empty() {
        asked.to_owned()
    } else {
        answered
    }
}

pub(super) fn no_usage() -> MessagesUsage {
    MessagesUsage {
        input_tokens: Some(0),
        output_tokens: Some(0),
        ..MessagesUsage::default()
    }
}

/// Anthropic's reason, and the sequence that was met.
pub(super) fn stop(
    finish: Option<&str>,
    fields: &Map,
    has_calls: bool,
) -> (String, Option<String>) {
    let field = |key: &str| fields.get(key).and_then(Value::as_str);
    let sequence = field("stop_sequence").map(str::to_owned);
    let native = field("native_finish_reason").filter(|native| {
        matches!(
            *native,
            "end_turn"
                | "max_tokens"
                | "stop_sequence"
                | "tool_use"
                | "pause_turn"
                | "refusal"
                | "model_context_window_exceeded"
                | "compaction"
        )
    });
    let reason = match (native, finish) {
        (Some(native), _) => native,
        (None, Some("length")) => "max_tokens",
        (None, Some("content_filter")) => "refusal",
        (None, Some("tool_calls" | "function_call")) => "tool_use",
        // Some vendors say `stop` after calls; an agent would end its loop on it.
        (None, _) if has_calls => "tool_use",
        (None, _) if sequence.is_some() => "stop_sequence",
        (None, _) => "end_turn",
    };
    (reason.to_owned(), sequence)
}

fn blocks(message: Message, id: &str, names: &Names) -> Vec<Block> {
    let mut blocks = thinking(&message);
    let mut text = message
        .content
        .map(|content| content.text())
        .unwrap_or_default();
    text.push_str(message.refusal.as_deref().unwrap_or_default());
    if !text.is_empty() {
        blocks.push(Block {
            citations: citations(&message.annotations),
            ..Block::text(text)
        });
    }
    blocks.extend(message.images.iter().filter_map(image));
    let legacy = message.function_call.map(|function| ToolCall {
        function,
        ..ToolCall::default()
    });
    for (i, call) in message.tool_calls.into_iter().chain(legacy).enumerate() {
        blocks.push(Block {
            id: Some(
                call.id
                    .filter(|id| !id.is_empty())
                    .unwrap_or_else(|| call_id(id, i)),
            ),
            name: Some(names.own(call.function.name.unwrap_or_default())),
            input: input(call.function.arguments),
            ..Block::new("tool_use")
        });
    }
    blocks
}

fn thinking(message: &Message) -> Vec<Block> {
    if message.thinking_blocks.is_empty() {
        let reasoning = message.reasoning_content.iter();
        return reasoning
            .filter(|text| !text.is_empty())
            .map(|text| thought(text, ""))
            .collect();
    }
    message
        .thinking_blocks
        .iter()
        .map(|block| match block {
            ThinkingBlock::Thinking {
                thinking,
                signature,
            } => thought(thinking, signature.as_deref().unwrap_or_default()),
            ThinkingBlock::RedactedThinking { data } => redacted(data),
        })
        .collect()
}

fn thought(thinking: &str, signature: &str) -> Block {
    Block {
        thinking: Some(thinking.to_owned()),
        signature: Some(signature.to_owned()),
        ..Block::new("thinking")
    }
}

pub(super) fn redacted(data: &str) -> Block {
    Block {
        data: Some(data.to_owned()),
        ..Block::new("redacted_thinking")
    }
}

/// A citation with an address, as Anthropic writes those of its web search.
pub(super) fn citation(annotation: &Value) -> Option<Value> {
    let cited = annotation.get("url_citation")?;
    let text = |key: &str| cited.get(key).and_then(Value::as_str).unwrap_or_default();
    Some(json!({
        "type": "web_search_result_location",
        "url": cited.get("url")?,
        "title": text("title"),
        "cited_text": text("content"),
        "encrypted_index": "",
    }))
}

fn citations(annotations: &[Value]) -> Option<Value> {
    let list: Vec<_> = annotations.iter().filter_map(citation).collect();
    (!list.is_empty()).then_some(Value::Array(list))
}

/// A generated image: Anthropic's models make none, but the block has a shape for one.
pub(super) fn image(image: &Value) -> Option<Block> {
    let url = image.get("image_url")?.get("url")?.as_str()?;
    let data = url
        .strip_prefix("data:")
        .and_then(|rest| rest.split_once(";base64,"));
    let source = match data {
        Some((mime, data)) => json!({"type": "base64", "media_type": mime, "data": data}),
        None => json!({"type": "url", "url": url}),
    };
    Some(Block::media("image", source))
}

/// Arguments as the object that Anthropic's clients expect; what is none (a call that was cut off) stays readable.
pub(super) fn input(arguments: String) -> Option<Box<RawValue>> {
    let blank = matches!(arguments.trim(), "" | "null");
    let text = if blank { "{}".to_owned() } else { arguments };
    let is_object = text.trim_start().starts_with('{');
    match RawValue::from_string(text.clone()) {
        Ok(raw) if is_object => Some(raw),
        _ => serde_json::value::to_raw_value(&json!({ "_arguments": text })).ok(),
    }
}
