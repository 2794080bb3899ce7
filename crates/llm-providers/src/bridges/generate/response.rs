//! A chat answer as a generateContent answer.

use std::str::FromStr;

use llm_types::{ChatResponse, JsonObject, Message, ThinkingBlock, ToolCall, Usage};
use serde_json::{Value, json};

use super::{contents::sealed, tools};
use crate::{
    bridges::seal::Seal,
    protocols::{gemini::signature, names::Names},
};

/// The answer in Google's shape.
pub(super) fn from_chat(answer: ChatResponse, asked: &JsonObject) -> Value {
    let names = tools::names(asked);
    let candidates: Vec<Value> = answer
        .choices
        .into_iter()
        .map(|choice| {
            let refused = choice.message.refusal.is_some();
            let finish = finish(choice.finish_reason.as_deref(), refused);
            let grounding = grounding(&choice.message.annotations);
            let parts = parts(choice.message, &names);
            candidate(choice.index, parts, Some(finish), grounding)
        })
        .collect();
    let mut whole = json!({
        "candidates": candidates,
        "usageMetadata": usage(answer.usage.as_ref()),
        "modelVersion": model(answer.model, asked),
    });
    if !answer.id.is_empty() {
        whole["responseId"] = answer.id.into();
    }
    whole
}

/// One of the answers, or a piece of it.
pub(super) fn candidate(
    index: u64,
    parts: Vec<Value>,
    finish: Option<&str>,
    grounding: Option<Value>,
) -> Value {
    let mut candidate = json!({"content": {"parts": parts, "role": "model"}});
    if let Some(finish) = finish {
        candidate["finishReason"] = finish.into();
    }
    candidate["index"] = index.into();
    if let Some(grounding) = grounding {
        candidate["groundingMetadata"] = grounding;
    }
    candidate
}

/// Google's reason. It has none for calls: they are a stop.
pub(super) fn finish(reason: Option<&str>, refused: bool) -> &'static str {
    match reason {
        _ if refused => "SAFETY",
        Some("length") => "MAX_TOKENS",
        Some("content_filter") => "SAFETY",
        _ => "STOP",
    }
}

/// Google counts thinking apart from the answer.
pub(super) fn usage(usage: Option<&Usage>) -> Value {
    let usage = usage.cloned().unwrap_or_default();
    let thoughts = usage.reasoning_tokens();
    let mut counts = json!({
        "promptTokenCount": usage.prompt_tokens,
        "candidatesTokenCount": usage.completion_tokens.saturating_sub(thoughts),
        "totalTokenCount": usage.total_tokens,
    });
    if thoughts > 0 {
        counts["thoughtsTokenCount"] = thoughts.into();
    }
    let cached = usage.cached_tokens();
    if cached > 0 {
        counts["cachedContentTokenCount"] = cached.into();
    }
    counts
}

/// Who answered, or else who was asked.
pub(super) fn model(answered: String, asked: &JsonObject) -> String {
    match answered.is_empty() {
        true => asked.str("model").unwrap_or_default().into_owned(),
        false => answered,
    }
}

fn parts(message: Message, names: &Names) -> Vec<Value> {
    let mut parts = thoughts(message.reasoning_content, message.thinking_blocks);
    let text = message.content.map(|c| c.text()).unwrap_or_default();
    let refusal = message.refusal.unwrap_or_default();
    let said = [text, refusal].into_iter().filter(|text| !text.is_empty());
    parts.extend(said.map(|text| json!({ "text": text })));
    parts.extend(message.images.iter().filter_map(image));
    let legacy = message.function_call.map(|function| ToolCall {
        function,
        ..ToolCall::default()
    });
    let calls = message.tool_calls.into_iter().chain(legacy);
    parts.extend(calls.map(|call| {
        let name = names.own(call.function.name.unwrap_or_default());
        self::call(call.id.as_deref(), &name, &call.function.arguments)
    }));
    parts
}

/// Thoughts with their seals; without them, the text.
pub(super) fn thoughts(text: Option<String>, blocks: Vec<ThinkingBlock>) -> Vec<Value> {
    if blocks.is_empty() {
        let text = text.filter(|text| !text.is_empty());
        return text
            .map(|text| json!({"text": text, "thought": true}))
            .into_iter()
            .collect();
    }
    let part = |block| match block {
        ThinkingBlock::Thinking {
            thinking,
            signature,
        } => (
            thinking,
            signature.filter(|s| !s.is_empty()).map(Seal::Signature),
        ),
        ThinkingBlock::RedactedThinking { data } => (String::new(), Some(Seal::Redacted(data))),
    };
    let all = blocks.into_iter().map(part);
    all.filter(|(text, seal)| !text.is_empty() || seal.is_some())
        .map(|(text, seal)| {
            let mut part = json!({"text": text, "thought": true});
            if let Some(seal) = seal {
                part["thoughtSignature"] = sealed(&seal).into();
            }
            part
        })
        .collect()
}

/// A call of a function. What is no JSON (a call that was cut off) stays readable.
pub(super) fn call(id: Option<&str>, name: &str, arguments: &str) -> Value {
    let args = match arguments.trim() {
        "" | "null" => json!({}),
        text => Value::from_str(text).unwrap_or_else(|_| json!({ "_arguments": text })),
    };
    let mut call = json!({"name": name, "args": args});
    let (id, signature) = signature::split(id.unwrap_or_default());
    if !id.is_empty() {
        call["id"] = id.into();
    }
    let mut part = json!({ "functionCall": call });
    if let Some(signature) = signature {
        part["thoughtSignature"] = signature.into();
    }
    part
}

/// A picture that was made.
pub(super) fn image(image: &Value) -> Option<Value> {
    let url = image.get("image_url")?.get("url")?.as_str()?;
    let data = url
        .strip_prefix("data:")
        .and_then(|rest| rest.split_once(";base64,"));
    Some(match data {
        Some((mime, data)) => json!({"inlineData": {"mimeType": mime, "data": data}}),
        None => json!({"fileData": {"mimeType": "image/png", "fileUri": url}}),
    })
}

/// Where an answer comes from.
pub(super) fn grounding(annotations: &[Value]) -> Option<Value> {
    let cited = annotations
        .iter()
        .filter_map(|given| given.get("url_citation"));
    let (mut chunks, mut supports) = (Vec::new(), Vec::new());
    for (i, cited) in cited.enumerate() {
        let title = cited
            .get("title")
            .and_then(Value::as_str)
            .unwrap_or_default();
        chunks.push(json!({"web": {"uri": cited.get("url"), "title": title}}));
        if let (Some(from), Some(to)) = (cited.get("start_index"), cited.get("end_index")) {
            let segment = json!({"startIndex": from, "endIndex": to});
            supports.push(json!({"segment": segment, "groundingChunkIndices": [i]}));
        }
    }
    (!chunks.is_empty()).then(|| json!({"groundingChunks": chunks, "groundingSupports": supports}))
}
