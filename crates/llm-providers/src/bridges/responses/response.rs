//! A chat answer as a response.

use llm_types::{
    ChatResponse, JsonObject, Message, ThinkingBlock, ToolCall, Usage, responses::ResponsesUsage,
};
use serde_json::{Value, json};

use super::{
    items::{self, Frame},
    tools::Offered,
};
use crate::bridges::seal::Seal;

/// The response to `asked`.
pub(super) fn from_chat(answer: ChatResponse, asked: &JsonObject) -> JsonObject {
    let id = items::response_id(&answer.id);
    let model = model(answer.model, asked);
    let usage = usage(answer.usage);
    let (mut status, mut missing) = items::outcome(None);
    let mut output = Vec::new();
    if let Some(choice) = answer.choices.into_iter().next() {
        (status, missing) = items::outcome(choice.finish_reason.as_deref());
        let logprobs = items::logprobs(choice.logprobs.as_ref());
        let whole = Whole {
            id: &id,
            status,
            offered: Offered::read(asked),
        };
        output = whole.items(choice.message, &logprobs);
    }
    let frame = Frame {
        asked,
        id: &id,
        created: answer.created,
        model: &model,
        service_tier: answer.service_tier.as_deref(),
    };
    frame.around(status, &missing, &output, &usage)
}

/// The counts under the names of this dialect.
pub(super) fn usage(usage: Option<Usage>) -> Value {
    usage.map_or(Value::Null, |usage| json!(ResponsesUsage::from(usage)))
}

/// Who answered, or else who was asked.
pub(super) fn model(answered: String, asked: &JsonObject) -> String {
    match answered.is_empty() {
        true => asked.str("model").unwrap_or_default().into_owned(),
        false => answered,
    }
}

/// The id of a call that came without one.
pub(super) fn call_id(item: &str) -> String {
    format!("call_{}", item.split_once('_').map_or(item, |(_, id)| id))
}

/// Arguments are JSON, also where there are none.
pub(super) fn arguments(given: &str) -> &str {
    match given.trim() {
        "" | "null" => "{}",
        _ => given,
    }
}

struct Whole<'a> {
    id: &'a str,
    status: &'a str,
    offered: Offered,
}

impl Whole<'_> {
    fn items(&self, message: Message, logprobs: &[Value]) -> Vec<Value> {
        let mut output = Vec::new();
        for (text, seal) in thoughts(&message) {
            let id = items::item_id("rs", self.id, output.len());
            output.push(items::reasoning(&id, &text, seal.as_ref()));
        }
        let mut content = Vec::new();
        let text = message.content.map(|c| c.text()).unwrap_or_default();
        if !text.is_empty() {
            let annotations: Vec<_> = message
                .annotations
                .iter()
                .filter_map(items::annotation)
                .collect();
            content.push(items::output_text(&text, &annotations, logprobs));
        }
        if let Some(refusal) = message.refusal.filter(|text| !text.is_empty()) {
            content.push(items::refusal(&refusal));
        }
        if !content.is_empty() {
            let id = items::item_id("msg", self.id, output.len());
            output.push(items::message(&id, self.status, content));
        }
        for image in &message.images {
            let id = items::item_id("ig", self.id, output.len());
            output.extend(items::image(&id, image));
        }
        let legacy = message.function_call.map(|function| ToolCall {
            function,
            ..ToolCall::default()
        });
        for call in message.tool_calls.into_iter().chain(legacy) {
            output.push(self.call(call, output.len()));
        }
        output
    }

    fn call(&self, call: ToolCall, index: usize) -> Value {
        let name = self.offered.own(call.function.name.unwrap_or_default());
        let is_custom = self.offered.is_custom(&name);
        let id = items::item_id(items::call_prefix(is_custom), self.id, index);
        let call_id = call
            .id
            .filter(|id| !id.is_empty())
            .unwrap_or_else(|| call_id(&id));
        let given = match is_custom {
            true => items::custom_input(&call.function.arguments),
            false => arguments(&call.function.arguments).to_owned(),
        };
        items::call(&id, &call_id, &name, &given, is_custom, self.status)
    }
}

/// Each thought with its seal.
fn thoughts(message: &Message) -> Vec<(String, Option<Seal>)> {
    if message.thinking_blocks.is_empty() {
        let text = message.reasoning_content.iter();
        return text
            .filter(|text| !text.is_empty())
            .map(|text| (text.clone(), None))
            .collect();
    }
    let block = |block: &ThinkingBlock| match block {
        ThinkingBlock::Thinking {
            thinking,
            signature,
        } => {
            let signature = signature.clone().filter(|text| !text.is_empty());
            (thinking.clone(), signature.map(Seal::Signature))
        }
        ThinkingBlock::RedactedThinking { data } => {
            (String::new(), Some(Seal::Redacted(data.clone())))
        }
    };
    let all = message.thinking_blocks.iter().map(block);
    all.filter(|(text, seal)| !text.is_empty() || seal.is_some())
        .collect()
}
