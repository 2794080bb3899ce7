//! What Converse answered, as a chat answer.

use llm_types::{
    CacheWrite, ChatResponse, Choice, Content, FunctionCall, Map, Message, PromptDetails,
    ThinkingBlock, ToolCall, Usage,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    SERVER_TOOLS,
    tools::Names,
    wire::{Block, CitationsContent, ConverseResponse, Media, Reasoning, TokenUsage, ToolUse},
};
use crate::call::JSON_TOOL;

/// The chat answer that `response` is. `json_tool`: the answer was asked for as a tool's arguments.
pub(super) fn chat(
    response: ConverseResponse,
    model: &str,
    names: &Names,
    json_tool: bool,
) -> ChatResponse {
    let mut reader = Reader {
        names,
        json_tool,
        json: None,
        text: None,
        message: Message {
            role: "assistant".into(),
            ..Message::default()
        },
    };
    for block in response.output.message.content {
        reader.block(block);
    }
    let only_json = reader.json.is_some() && reader.message.tool_calls.is_empty();
    let native = response.stop_reason.unwrap_or_default();
    let mut message = reader.finish(only_json);
    message.provider_specific_fields.extend(response.rest);
    ChatResponse {
        object: "chat.completion".into(),
        model: model.to_owned(),
        usage: response.usage.map(usage),
        service_tier: response.service_tier.map(|tier| tier.kind),
        choices: vec![Choice {
            finish_reason: Some(finish_reason(&native, only_json).into()),
            provider_specific_fields: native_reason(&native, only_json),
            message,
            ..Choice::default()
        }],
        ..ChatResponse::default()
    }
}

struct Reader<'a> {
    names: &'a Names,
    json_tool: bool,
    json: Option<String>,
    text: Option<String>,
    message: Message,
}

impl Reader<'_> {
    fn block(&mut self, block: Block) {
        if let Some(text) = block.text {
            self.say(&text);
        }
        if let Some(tool) = block.tool_use {
            self.tool(tool);
        }
        if let Some(reasoning) = block.reasoning_content {
            self.think(&reasoning);
            self.list("reasoningContentBlocks", vec![reasoning]);
        }
        if let Some(content) = block.citations_content {
            let cited = CitationsContent::deserialize(&content).unwrap_or_default();
            for part in &cited.content {
                self.say(part.text.as_deref().unwrap_or_default());
            }
            self.list("citations", cited.citations);
            self.list("citationsContent", vec![content]);
        }
        if let Some(image) = block.image.as_ref().and_then(image) {
            let index = self.message.images.len();
            self.message.images.push(image_part(index, image));
        }
        if let Some(result) = block.tool_result {
            self.list(SERVER_TOOLS, vec![json!({ "toolResult": result })]);
        }
        for (key, value) in block.rest {
            self.list(&key, vec![value]);
        }
    }

    fn say(&mut self, text: &str) {
        self.text.get_or_insert_default().push_str(text);
    }

    fn tool(&mut self, tool: ToolUse) {
        if tool.is_server_side() {
            return self.list(SERVER_TOOLS, vec![server_tool(&tool)]);
        }
        let arguments = arguments(&tool.input);
        if self.json_tool && tool.name == JSON_TOOL {
            self.json = Some(arguments);
            return;
        }
        self.message.tool_calls.push(ToolCall {
            id: Some(tool.tool_use_id),
            kind: Some("function".into()),
            function: FunctionCall {
                name: Some(self.names.original(&tool.name)),
                arguments,
            },
            ..ToolCall::default()
        });
    }

    fn think(&mut self, reasoning: &Value) {
        let reasoning = Reasoning::deserialize(reasoning).unwrap_or_default();
        if let Some(thought) = reasoning.reasoning_text {
            let text = thought.text.unwrap_or_default();
            self.message
                .reasoning_content
                .get_or_insert_default()
                .push_str(&text);
            self.message.thinking_blocks.push(ThinkingBlock::Thinking {
                thinking: text,
                signature: thought.signature,
            });
        }
        if let Some(data) = reasoning.redacted_content {
            self.message
                .thinking_blocks
                .push(ThinkingBlock::RedactedThinking { data });
        }
    }

    /// Adds to a list among the vendor's own fields.
    fn list(&mut self, key: &str, values: Vec<Value>) {
        push_list(&mut self.message.provider_specific_fields, key, values);
    }

    fn finish(self, only_json: bool) -> Message {
        let mut message = self.message;
        let text = if only_json {
            // Words around the JSON would make it unreadable.
            self.json
        } else {
            self.text
        };
        message.content = match text {
            None if message.tool_calls.is_empty() => Some(Content::Text(String::new())),
            text => text.map(Content::Text),
        };
        message
    }
}

/// Bedrock's usage in ours: its input tokens leave out what was read from and written to the cache.
pub(super) fn usage(wire: TokenUsage) -> Usage {
    let read = wire.cache_read_input_tokens.unwrap_or(0);
    let written = wire.cache_write_input_tokens.unwrap_or(0);
    let prompt = wire
        .input_tokens
        .saturating_add(read)
        .saturating_add(written);
    let mut usage = Usage::new(prompt, wire.output_tokens);
    usage.total_tokens = wire.total_tokens.max(usage.total_tokens);
    usage.extra = wire.rest.into();
    if wire.cache_read_input_tokens.is_some() || wire.cache_write_input_tokens.is_some() {
        usage
            .extra
            .insert("cache_read_input_tokens".into(), read.into());
        usage
            .extra
            .insert("cache_creation_input_tokens".into(), written.into());
        let mut lifetimes = CacheWrite::default();
        for detail in &wire.cache_details {
            match detail.ttl.as_str() {
                "1h" => lifetimes.ephemeral_1h_input_tokens += detail.input_tokens,
                _ => lifetimes.ephemeral_5m_input_tokens += detail.input_tokens,
            }
        }
        usage.prompt_tokens_details = Some(PromptDetails {
            cached_tokens: read,
            cache_creation_tokens: written,
            cache_creation_token_details: (!wire.cache_details.is_empty()).then_some(lifetimes),
            ..PromptDetails::default()
        });
    }
    usage
}

/// OpenAI's word for why it ended.
pub(super) fn finish_reason(native: &str, only_json: bool) -> &'static str {
    match native {
        "tool_use" if only_json => "stop",
        "tool_use" => "tool_calls",
        "max_tokens" | "model_context_window_exceeded" => "length",
        "guardrail_intervened" | "content_filtered" | "refusal" => "content_filter",
        _ => "stop",
    }
}

/// Bedrock's own word, where it differs.
pub(super) fn native_reason(native: &str, only_json: bool) -> Map {
    let mut fields = Map::new();
    if native != finish_reason(native, only_json) && !native.is_empty() {
        fields.insert("native_finish_reason".into(), native.into());
    }
    fields
}

/// A call that Bedrock ran itself: kept whole, so that it can be sent back.
pub(super) fn server_tool(tool: &ToolUse) -> Value {
    json!({"toolUse": {
        "toolUseId": tool.tool_use_id, "name": tool.name, "input": tool.input,
        "type": "server_tool_use"}})
}

/// A generated image as a data URI.
pub(super) fn image(image: &Media) -> Option<String> {
    let bytes = image.source.bytes.as_deref()?;
    Some(format!("data:image/{};base64,{bytes}", image.format))
}

/// One entry of a message's `images`.
pub(super) fn image_part(index: usize, url: String) -> Value {
    json!({"index": index, "type": "image_url", "image_url": {"url": url}})
}

/// Adds to a list in `fields`.
pub(super) fn push_list(fields: &mut Map, key: &str, values: Vec<Value>) {
    if values.is_empty() {
        return;
    }
    let list = fields.entry(key).or_insert_with(|| json!([]));
    if let Value::Array(list) = list {
        list.extend(values);
    }
}

/// A call without arguments has an empty object.
fn arguments(input: &Value) -> String {
    match input {
        Value::Null => "{}".into(),
        Value::String(text) => text.clone(),
        input => input.to_string(),
    }
}
