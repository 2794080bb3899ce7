//! Chat messages to Converse's turns.

use llm_types::{Content, ContentPart, Map, Message, ThinkingBlock, ToolCall};
use serde_json::{Value, json};

use super::{
    media::{self, DocumentNames},
    tools::{Names, call_id},
};
use crate::{Call, Error};

/// What Converse calls `system` and `messages`.
#[derive(Debug, Default)]
pub(super) struct Turns {
    pub(super) system: Vec<Value>,
    pub(super) messages: Vec<Turn>,
}

/// One turn: turns of the two roles alternate.
#[derive(Debug)]
pub(super) struct Turn {
    role: &'static str,
    content: Vec<Value>,
}

/// What stands before a system message that Converse can only take as a user's text.
const OPERATOR_NOTE: &str = "[The next part was a system message of the application's operator. It does not come from the user.]";

/// Bedrock refuses a block without text.
const NO_TEXT: &str = ".";

/// What a conversation that would have no user turn is given, where the caller allows repairs.
const CONTINUE: &str = "Please continue.";

/// How messages are written for one request.
pub(super) struct Writer<'a> {
    pub(super) call: &'a Call<'a>,
    pub(super) names: &'a Names,
    /// Whether tools are on offer: Bedrock refuses tool blocks where there are none.
    pub(super) tools: bool,
    /// Whether cache points are understood.
    pub(super) caches: bool,
    /// Claude refuses thinking that it did not sign.
    pub(super) signed_only: bool,
    /// Whether a guardrail watches the request.
    pub(super) guarded: bool,
    pub(super) documents: DocumentNames,
}

impl Writer<'_> {
    /// Writes the whole conversation.
    pub(super) fn write(&mut self, messages: &[Message]) -> Result<Turns, Error> {
        let mut turns = Turns::default();
        let guard_at = self.guard_at(messages);
        for (i, message) in messages.iter().enumerate() {
            match message.role.as_str() {
                "system" | "developer" => self.system(message, &mut turns)?,
                "assistant" => {
                    let content = self.assistant(message)?;
                    turns.add("assistant", content);
                }
                "tool" | "function" => {
                    let content = self.tool_result(message)?;
                    turns.add("user", content);
                }
                _ => {
                    let content = self.user(message, guard_at == Some(i))?;
                    turns.add("user", content);
                }
            }
        }
        self.repair(&mut turns)?;
        Ok(turns)
    }

    /// LiteLLM: a guardrail looks at the last user message, unless parts are marked for it.
    fn guard_at(&self, messages: &[Message]) -> Option<usize> {
        let marked = |message: &Message| match &message.content {
            Some(Content::Parts(parts)) => parts.iter().any(|part| part.kind == "guarded_text"),
            _ => false,
        };
        if !self.guarded || messages.iter().any(marked) {
            return None;
        }
        messages.iter().rposition(|message| message.role == "user")
    }

    fn system(&mut self, message: &Message, turns: &mut Turns) -> Result<(), Error> {
        let mut blocks = Vec::new();
        for part in parts(message) {
            if let Some(text) = filled(&part) {
                blocks.push(json!({ "text": text }));
            } else if let Some(native) = native(&part) {
                blocks.push(native);
            }
            self.cache_point(part.cache_control.as_ref(), &mut blocks);
        }
        self.cache_point(message.cache_control.as_ref(), &mut blocks);
        if turns.messages.is_empty() {
            turns.system.extend(blocks);
        } else if !blocks.is_empty() {
            blocks.insert(0, json!({ "text": OPERATOR_NOTE }));
            turns.add("user", blocks);
        }
        Ok(())
    }

    fn user(&mut self, message: &Message, guard: bool) -> Result<Vec<Value>, Error> {
        let mut blocks = Vec::new();
        for part in parts(message) {
            let text = filled(&part).filter(|_| part.kind == "text" || part.kind.is_empty());
            if let Some(text) = text.filter(|_| guard) {
                // A cache point may not follow guarded content.
                blocks.push(json!({"guardContent": {"text": {"text": text}}}));
                continue;
            }
            self.part(&part, &mut blocks)?;
        }
        self.cache_point(message.cache_control.as_ref(), &mut blocks);
        if is_blank(&blocks) {
            blocks = vec![json!({ "text": NO_TEXT })];
        }
        Ok(blocks)
    }

    fn part(&mut self, part: &ContentPart, blocks: &mut Vec<Value>) -> Result<(), Error> {
        if part.kind == "guarded_text" {
            let mut text = Map::new();
            text.insert("text".into(), part.text.clone().unwrap_or_default().into());
            if let Some(qualifiers) = part.extra.get("qualifiers") {
                text.insert("qualifiers".into(), qualifiers.clone());
            }
            blocks.push(json!({"guardContent": {"text": text}}));
        } else if let Some(text) = filled(part) {
            blocks.push(json!({ "text": text }));
        } else if let Some(block) = native(part) {
            blocks.push(block);
        } else if let Some(block) = media::block(part, self.call, &mut self.documents)? {
            blocks.push(block);
        } else if part.kind != "text" && !part.kind.is_empty() {
            return Err(Error::bad_request(
                "messages",
                format!("Bedrock takes no content part of type '{}'", part.kind),
            ));
        }
        self.cache_point(part.cache_control.as_ref(), blocks);
        Ok(())
    }

    fn assistant(&mut self, message: &Message) -> Result<Vec<Value>, Error> {
        let unsigned = |block: &&ThinkingBlock| matches!(block, ThinkingBlock::Thinking { signature, .. } if signature.as_deref().is_none_or(str::is_empty));
        let replayed = message
            .thinking_blocks
            .iter()
            .filter(|block| !(self.signed_only && unsigned(block)));
        let mut blocks: Vec<Value> = replayed.map(thinking).collect();
        // What Bedrock's own tools did stands before the text that speaks of it.
        if let Some(Value::Array(own)) = message.provider_specific_fields.get(super::SERVER_TOOLS)
            && self.tools
        {
            blocks.extend(own.iter().cloned());
        }
        for part in parts(message) {
            // Thinking is replayed from `thinking_blocks`, which have the signatures.
            if !matches!(part.kind.as_str(), "thinking" | "redacted_thinking") {
                self.part(&part, &mut blocks)?;
            }
        }
        if let Some(refusal) = &message.refusal
            && !refusal.trim().is_empty()
        {
            blocks.push(json!({ "text": refusal }));
        }
        for call in &message.tool_calls {
            blocks.push(self.tool_use(call)?);
            self.cache_point(call.extra.get("cache_control"), &mut blocks);
        }
        self.cache_point(message.cache_control.as_ref(), &mut blocks);
        if is_blank(&blocks) {
            blocks = vec![json!({ "text": NO_TEXT })];
        }
        Ok(blocks)
    }

    fn tool_use(&self, call: &ToolCall) -> Result<Value, Error> {
        let name = call.function.name.as_deref().unwrap_or_default();
        let id = call_id(call.id.as_deref().unwrap_or(name));
        if !self.tools {
            let arguments = &call.function.arguments;
            return Ok(json!({"text": format!("[tool call {id}: {name}({arguments})]")}));
        }
        let input = match call.function.arguments.trim() {
            "" => json!({}),
            text => serde_json::from_str(text).map_err(|e| {
                Error::bad_request(
                    "messages",
                    format!("the arguments of the call of '{name}' are not JSON: {e}"),
                )
            })?,
        };
        let input: Value = if input == Value::Null {
            json!({})
        } else {
            input
        };
        Ok(json!({"toolUse": {"toolUseId": id, "name": self.names.sent(name), "input": input}}))
    }

    fn tool_result(&mut self, message: &Message) -> Result<Vec<Value>, Error> {
        let id = message.tool_call_id.as_deref().or(message.name.as_deref());
        let id = call_id(id.unwrap_or_default());
        if !self.tools {
            let text = message.content.as_ref().map(Content::text);
            let text = text.unwrap_or_default();
            return Ok(vec![
                json!({"text": format!("[tool result for {id}: {text}]")}),
            ]);
        }
        let (mut content, mut caches) = (Vec::new(), Vec::new());
        for part in parts(message) {
            self.cache_point(part.cache_control.as_ref(), &mut caches);
            let part = ContentPart {
                cache_control: None,
                ..part
            };
            self.part(&part, &mut content)?;
        }
        self.cache_point(message.cache_control.as_ref(), &mut caches);
        if is_blank(&content) {
            content = vec![json!({ "text": NO_TEXT })];
        }
        let mut result = Map::new();
        result.insert("toolUseId".into(), id.into());
        result.insert("content".into(), content.into());
        if let Some(status) = status(message) {
            result.insert("status".into(), status.into());
        }
        let mut blocks = vec![json!({ "toolResult": result })];
        // Cache points stand beside a result, never in it.
        blocks.extend(caches.pop());
        Ok(blocks)
    }

    fn cache_point(&self, control: Option<&Value>, blocks: &mut Vec<Value>) {
        let Some(control) = control.filter(|control| control.is_object() && self.caches) else {
            return;
        };
        let last = |kinds: &[&str]| {
            let last = blocks.last();
            last.is_some_and(|block| kinds.iter().any(|kind| block.get(*kind).is_some()))
        };
        if last(&["cachePoint"]) {
            return;
        }
        // Bedrock refuses a cache point right behind a file.
        if last(&["document", "video", "image", "audio"]) {
            blocks.push(json!({"text": "\n"}));
        }
        blocks.push(cache_point(control));
    }

    fn repair(&self, turns: &mut Turns) -> Result<(), Error> {
        let repairs = self.call.options.modify_params;
        let text = || vec![json!({ "text": CONTINUE })];
        if turns.messages.is_empty() {
            if !repairs {
                return Err(Error::bad_request(
                    "messages",
                    "Bedrock needs at least one message that is not a system message",
                ));
            }
            turns.add("user", text());
        }
        if repairs
            && turns
                .messages
                .first()
                .is_some_and(|turn| turn.role == "assistant")
        {
            let content = text();
            turns.messages.insert(
                0,
                Turn {
                    role: "user",
                    content,
                },
            );
        }
        // An answer that is to be continued may not end in white space.
        if let Some(Turn {
            role: "assistant",
            content,
        }) = turns.messages.last_mut()
            && let Some(Value::String(text)) =
                content.last_mut().and_then(|block| block.get_mut("text"))
        {
            text.truncate(text.trim_end().len());
        }
        Ok(())
    }
}

impl Turns {
    /// Neighbours of one role are one turn.
    fn add(&mut self, role: &'static str, content: Vec<Value>) {
        match self.messages.last_mut() {
            Some(last) if last.role == role => last.content.extend(content),
            _ => self.messages.push(Turn { role, content }),
        }
    }
}

impl Turn {
    pub(super) fn into_value(self) -> Value {
        json!({"role": self.role, "content": self.content})
    }
}

/// `{type: "ephemeral", ttl?}` becomes `{cachePoint: {type: "default", ttl?}}`.
pub(super) fn cache_point(control: &Value) -> Value {
    match control.get("ttl").and_then(Value::as_str) {
        Some(ttl) => json!({"cachePoint": {"type": "default", "ttl": ttl}}),
        None => json!({"cachePoint": {"type": "default"}}),
    }
}

fn parts(message: &Message) -> Vec<ContentPart> {
    match &message.content {
        None => Vec::new(),
        Some(content) => content.clone().into_parts(),
    }
}

/// A text part's text, unless it is empty.
fn filled(part: &ContentPart) -> Option<&str> {
    part.text.as_deref().filter(|text| !text.is_empty())
}

/// Whether Bedrock would find nothing to read.
fn is_blank(blocks: &[Value]) -> bool {
    blocks.iter().all(|block| {
        let text = block.get("text").and_then(Value::as_str);
        text.is_some_and(|text| text.trim().is_empty())
    })
}

/// A block that the client wrote in Converse's own form.
fn native(part: &ContentPart) -> Option<Value> {
    const OWN: [&str; 9] = [
        "cachePoint",
        "citationsContent",
        "guardContent",
        "searchResult",
        "document",
        "image",
        "video",
        "audio",
        "json",
    ];
    if part.kind == "search_result" {
        let block: Map = part
            .extra
            .iter()
            .filter(|(key, _)| ["source", "title", "content", "citations"].contains(&key.as_str()))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        return Some(json!({ "searchResult": block }));
    }
    let (key, value) = part
        .extra
        .iter()
        .find(|(key, value)| OWN.contains(&key.as_str()) && value.is_object())?;
    let mut block = Map::new();
    block.insert(key.clone(), value.clone());
    Some(block.into())
}

fn thinking(block: &ThinkingBlock) -> Value {
    match block {
        ThinkingBlock::Thinking {
            thinking,
            signature: Some(signature),
        } => {
            json!({"reasoningContent": {"reasoningText": {"text": thinking, "signature": signature}}})
        }
        ThinkingBlock::Thinking { thinking, .. } => {
            json!({"reasoningContent": {"reasoningText": {"text": thinking}}})
        }
        ThinkingBlock::RedactedThinking { data } => {
            json!({"reasoningContent": {"redactedContent": data}})
        }
    }
}

fn status(message: &Message) -> Option<&'static str> {
    if message.extra.get("is_error") == Some(&Value::Bool(true)) {
        return Some("error");
    }
    match message.extra.get("status").and_then(Value::as_str) {
        Some("error") => Some("error"),
        Some("success") => Some("success"),
        _ => None,
    }
}
