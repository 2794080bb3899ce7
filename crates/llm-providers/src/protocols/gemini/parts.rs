//! The parts of an answer, sorted into what a chat message has a place for.

use std::{collections::BTreeMap, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use llm_types::{FunctionCall, Map, ThinkingBlock, ToolCall};
use serde_json::{Value, json};

use super::{signature, wire};

/// Where parts without a place of their own are kept, as they came.
pub(crate) const NATIVE_PARTS: &str = "gemini_parts";
/// Where signatures of text are kept.
pub(crate) const SIGNATURES: &str = "thought_signatures";
/// Where the signature of a tool call or an image is kept.
pub(crate) const SIGNATURE: &str = "thought_signature";

/// What some parts said.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Said {
    pub(crate) text: String,
    pub(crate) reasoning: String,
    pub(crate) thinking: Vec<ThinkingBlock>,
    pub(crate) calls: Vec<ToolCall>,
    pub(crate) images: Vec<Value>,
    pub(crate) audio: Option<Value>,
    pub(crate) fields: Map,
}

/// Counts what needs a number over a whole answer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counter {
    /// The answer's own id, from which call ids are made.
    pub(crate) answer: String,
    pub(crate) candidate: u64,
    pub(crate) calls: u64,
    pub(crate) images: u64,
    /// The caller's own names of functions whose names were replaced.
    pub(crate) names: Arc<BTreeMap<String, String>>,
}

impl Said {
    /// Sorts `parts`.
    pub(crate) fn read(parts: Vec<wire::Part>, counter: &mut Counter) -> Self {
        let mut said = Self::default();
        for part in parts {
            said.add(part, counter);
        }
        said
    }

    /// Whether nothing was said.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn add(&mut self, mut part: wire::Part, counter: &mut Counter) {
        let is_thought = part.thought == Some(true);
        if let Some(call) = part.function_call.take() {
            self.calls
                .push(tool_call(call, part.thought_signature, counter));
        } else if is_thought && part.text.is_some() {
            self.think(part.text.unwrap_or_default(), part.thought_signature);
        } else if part.inline_data.is_some() && !is_thought {
            self.media(part, counter);
        } else if let Some(text) = part.text.take() {
            self.text.push_str(&text);
            if let Some(signature) = part.thought_signature {
                self.keep(SIGNATURES, signature.into());
            }
        } else if let Ok(value) = serde_json::to_value(&part)
            && value != json!({})
        {
            self.keep(NATIVE_PARTS, value);
        }
    }

    fn think(&mut self, text: String, signature: Option<String>) {
        self.reasoning.push_str(&text);
        // Fragments of one thought are one block; a signature ends it.
        if let Some(ThinkingBlock::Thinking {
            thinking,
            signature: last @ None,
        }) = self.thinking.last_mut()
        {
            thinking.push_str(&text);
            *last = signature;
        } else {
            self.thinking.push(ThinkingBlock::Thinking {
                thinking: text,
                signature,
            });
        }
    }

    fn media(&mut self, part: wire::Part, counter: &mut Counter) {
        let Some(blob) = part.inline_data else { return };
        if blob.mime_type.starts_with("audio/") {
            self.speak(blob, counter);
            return;
        }
        let url = format!("data:{};base64,{}", blob.mime_type, blob.data);
        let mut image =
            json!({"index": counter.images, "type": "image_url", "image_url": {"url": url}});
        if let Some(signature) = part.thought_signature {
            image["provider_specific_fields"] = json!({ SIGNATURE: signature });
        }
        counter.images += 1;
        self.images.push(image);
    }

    /// Pieces of sound in one batch become one.
    fn speak(&mut self, blob: wire::Blob, counter: &Counter) {
        let mut data = blob.data;
        if let Some(before) = self.audio.as_ref().and_then(|audio| audio["data"].as_str())
            && let (Ok(mut before), Ok(more)) = (STANDARD.decode(before), STANDARD.decode(&data))
        {
            before.extend_from_slice(&more);
            data = STANDARD.encode(before);
        }
        let id = format!("audio_{}_{}", counter.answer, counter.candidate);
        self.audio = Some(json!({
            "id": id, "data": data, "expires_at": 0, "transcript": "", "mime_type": blob.mime_type,
        }));
    }

    fn keep(&mut self, name: &str, value: Value) {
        let list = self
            .fields
            .entry(name)
            .or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(list) = list {
            list.push(value);
        }
    }
}

/// Gemini's own id where it gives one; else one that no other call of any answer has.
fn tool_call(
    call: wire::FunctionCall,
    signature: Option<String>,
    counter: &mut Counter,
) -> ToolCall {
    let index = counter.calls;
    let name = counter.names.get(&call.name).cloned().unwrap_or(call.name);
    counter.calls += 1;
    let mut id = match call.id.filter(|id| !id.is_empty()) {
        Some(id) => id,
        None if counter.candidate == 0 => format!("call_{}_{index}", counter.answer),
        None => format!("call_{}_{}_{index}", counter.answer, counter.candidate),
    };
    let mut fields = Map::new();
    if let Some(signature) = signature {
        id = signature::join(&id, &signature);
        fields.insert(SIGNATURE.into(), signature.into());
    }
    ToolCall {
        index: Some(index),
        id: Some(id),
        kind: Some("function".into()),
        function: FunctionCall {
            name: Some(name),
            arguments: Value::Object(call.args).to_string(),
        },
        provider_specific_fields: fields,
        ..ToolCall::default()
    }
}
