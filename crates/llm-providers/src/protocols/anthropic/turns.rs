//! Chat messages to a system prompt and turns.

use llm_types::{
    Content, FunctionCall, Message, ThinkingBlock, ToolCall,
    messages::{Block, Blocks, Turn},
};
use serde_json::{Value, value::RawValue};

use super::{
    caps::Caps,
    parts::{Parts, is_blank},
};
use crate::{
    Error,
    protocols::names::{self, Names},
};

/// Stands where a turn would be empty: Anthropic refuses those. The words are LiteLLM's.
const EMPTY: &str = "[System: Empty message content sanitised to satisfy protocol]";

/// Goes before an operator's text that has to travel in a user turn.
const OPERATOR: &str =
    "[Operator note: the next text is a system message of this application, not the user's words.]";

/// A conversation in Anthropic's shape.
#[derive(Debug, Default)]
pub(super) struct Conversation {
    pub(super) system: Vec<Block>,
    pub(super) turns: Vec<Turn>,
    /// Whether tools are called or answered in it.
    pub(super) has_tools: bool,
}

/// What turning messages into turns depends on.
pub(super) struct Teller<'a> {
    pub(super) parts: Parts<'a>,
    pub(super) names: &'a Names,
    pub(super) caps: Caps,
}

impl Teller<'_> {
    /// Takes a whole conversation over.
    pub(super) fn tell(&mut self, messages: Vec<Message>) -> Result<Conversation, Error> {
        let mut told = Conversation::default();
        for (i, message) in messages.into_iter().enumerate() {
            let path = format!("messages[{i}]");
            match message.role.as_str() {
                "system" | "developer" => self.system(&mut told, message, &path)?,
                "tool" => self.result(&mut told, message, &path)?,
                "assistant" => self.assistant(&mut told, message, &path)?,
                "user" => {
                    let blocks = self.content(message, &path)?;
                    told.push("user", or_placeholder(blocks));
                }
                other => {
                    return Err(Error::bad_request(
                        format!("{path}.role"),
                        format!("'{other}' is not a role"),
                    ));
                }
            }
        }
        told.trim_prefill();
        Ok(told)
    }

    /// The leading run is the system prompt; what comes later stays in its place.
    fn system(
        &mut self,
        told: &mut Conversation,
        message: Message,
        path: &str,
    ) -> Result<(), Error> {
        let blocks = self.content(message, path)?;
        if let Some(odd) = blocks.iter().find(|block| block.kind != "text") {
            return Err(Error::bad_request(
                format!("{path}.content"),
                format!("a system message cannot have '{}' parts", odd.kind),
            ));
        }
        if told.turns.is_empty() {
            told.system.extend(blocks);
        } else if blocks.is_empty() {
        } else if self.caps.later_system {
            told.push("system", blocks);
        } else {
            told.push("user", vec![Block::text(OPERATOR)]);
            told.push("user", blocks);
        }
        Ok(())
    }

    fn result(
        &mut self,
        told: &mut Conversation,
        message: Message,
        path: &str,
    ) -> Result<(), Error> {
        let Some(id) = message.tool_call_id.as_deref().map(names::id) else {
            return Err(Error::bad_request(
                format!("{path}.tool_call_id"),
                "is missing",
            ));
        };
        let content = match message.content {
            Some(content) => Some(self.parts.result(content, &format!("{path}.content"))?),
            None => None,
        };
        if let Some(marker) = &message.cache_control {
            self.parts.betas.add_cache(marker);
        }
        told.has_tools = true;
        told.push_result(Block {
            tool_use_id: Some(id),
            content,
            is_error: message.extra.get("is_error").and_then(Value::as_bool),
            cache_control: message.cache_control,
            ..Block::new("tool_result")
        });
        Ok(())
    }

    fn assistant(
        &mut self,
        told: &mut Conversation,
        mut message: Message,
        path: &str,
    ) -> Result<(), Error> {
        let calls = std::mem::take(&mut message.tool_calls);
        told.has_tools |= !calls.is_empty();
        let mut blocks = match recorded(&mut message, &calls) {
            Some(blocks) => blocks,
            None => {
                let mut blocks: Vec<Block> = std::mem::take(&mut message.thinking_blocks)
                    .into_iter()
                    .filter_map(thinking)
                    .collect();
                blocks.extend(self.content(message, path)?);
                blocks
            }
        };
        let mut known = blocks
            .iter()
            .filter_map(|block| block.id.clone())
            .collect::<Vec<_>>();
        for (i, call) in calls.into_iter().enumerate() {
            let block = self.call(call, &format!("{path}.tool_calls[{i}]"))?;
            if !block.id.as_ref().is_some_and(|id| known.contains(id)) {
                known.extend(block.id.clone());
                blocks.push(block);
            }
        }
        told.push("assistant", or_placeholder(blocks));
        Ok(())
    }

    fn call(&mut self, call: ToolCall, path: &str) -> Result<Block, Error> {
        let Some(id) = call.id.as_deref() else {
            return Err(Error::bad_request(format!("{path}.id"), "is missing"));
        };
        let mut block = self.tool_use(names::id(id), call.function, &format!("{path}.function"))?;
        if let Some(marker) = call.extra.get("cache_control") {
            self.parts.betas.add_cache(marker);
            block.cache_control = Some(marker.clone());
        }
        Ok(block)
    }

    fn tool_use(&self, id: String, call: FunctionCall, path: &str) -> Result<Block, Error> {
        Ok(Block {
            id: Some(id),
            name: Some(self.names.wire(call.name.unwrap_or_default())),
            input: Some(input(call.arguments, path)?),
            ..Block::new("tool_use")
        })
    }

    /// A message's content, its own cache marker on the last block.
    fn content(&mut self, message: Message, path: &str) -> Result<Vec<Block>, Error> {
        let Some(content) = message.content else {
            return Ok(Vec::new());
        };
        let mut blocks = self.parts.blocks(content, &format!("{path}.content"))?;
        if let (Some(marker), Some(last)) = (message.cache_control, blocks.last_mut()) {
            self.parts.betas.add_cache(&marker);
            last.cache_control = Some(marker);
        }
        Ok(blocks)
    }
}

impl Conversation {
    /// Adds to the last turn if it is the same role's: Anthropic wants the roles to alternate.
    fn push(&mut self, role: &str, blocks: Vec<Block>) {
        match self.turns.last_mut() {
            Some(Turn {
                role: last,
                content: Blocks::List(list),
                ..
            }) if last == role => list.extend(blocks),
            _ => self.turns.push(Turn {
                role: role.to_owned(),
                content: Blocks::List(blocks),
                ..Turn::default()
            }),
        }
    }

    /// Results must stand before anything else that the user says in the turn.
    fn push_result(&mut self, block: Block) {
        if let Some(Turn {
            role,
            content: Blocks::List(list),
            ..
        }) = self.turns.last_mut()
            && role == "user"
        {
            let at = list.iter().take_while(|b| b.kind == "tool_result").count();
            list.insert(at, block);
        } else {
            self.push("user", vec![block]);
        }
    }

    /// A prefill must not end in white space.
    fn trim_prefill(&mut self) {
        let Some(Turn {
            role,
            content: Blocks::List(list),
            ..
        }) = self.turns.last_mut()
        else {
            return;
        };
        if role == "assistant"
            && let Some(text) = list.last_mut().and_then(|block| block.text.as_mut())
        {
            text.truncate(text.trim_end().len());
        }
    }
}

fn or_placeholder(blocks: Vec<Block>) -> Vec<Block> {
    if blocks.is_empty() {
        vec![Block::text(EMPTY)]
    } else {
        blocks
    }
}

/// The blocks of an earlier answer in their order, if its text and its calls are still what they were.
fn recorded(message: &mut Message, calls: &[ToolCall]) -> Option<Vec<Block>> {
    let raw = message.provider_specific_fields.remove("content_blocks")?;
    let blocks: Vec<Block> = serde_json::from_value(raw).ok()?;
    let said = |compacted: bool| -> String {
        let texts = blocks.iter().filter_map(|block| match &block.content {
            Some(Blocks::Text(summary)) if compacted && block.kind == "compaction" => {
                Some(summary.as_str())
            }
            _ if block.kind == "text" => block.text.as_deref(),
            _ => None,
        });
        texts.collect()
    };
    let now = message.content.as_ref().map(Content::text);
    let now = now.unwrap_or_default();
    let called = |id: &String| calls.iter().any(|call| call.id.as_ref() == Some(id));
    let mut own = blocks.iter().filter(|block| block.kind == "tool_use");
    if !own.all(|block| block.id.as_ref().is_some_and(called)) {
        return None;
    }
    (now == said(false) || now == said(true)).then(|| {
        blocks
            .into_iter()
            .filter(|block| {
                block.kind != "text" || !is_blank(block.text.as_deref().unwrap_or_default())
            })
            .collect()
    })
}

/// Thinking without a signature is another vendor's; Anthropic refuses it.
fn thinking(block: ThinkingBlock) -> Option<Block> {
    match block {
        ThinkingBlock::Thinking {
            thinking,
            signature: Some(signature),
        } if !signature.is_empty() => Some(Block {
            thinking: Some(thinking),
            signature: Some(signature),
            ..Block::new("thinking")
        }),
        ThinkingBlock::Thinking { .. } => None,
        ThinkingBlock::RedactedThinking { data } => Some(Block {
            data: Some(data),
            ..Block::new("redacted_thinking")
        }),
    }
}

/// A call's arguments as the object that Anthropic wants; anything else would fail there, after a round trip.
fn input(arguments: String, path: &str) -> Result<Box<RawValue>, Error> {
    let text = if is_blank(&arguments) {
        "{}".to_owned()
    } else {
        arguments
    };
    let wrong = |why: String| {
        Error::bad_request(
            format!("{path}.arguments"),
            format!("the arguments are not a JSON object: {why}"),
        )
    };
    if !text.trim_start().starts_with('{') {
        return Err(wrong("they start with something else".into()));
    }
    RawValue::from_string(text).map_err(|e| wrong(e.to_string()))
}
