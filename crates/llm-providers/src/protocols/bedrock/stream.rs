//! Converse's event stream, as chat chunks.

use std::collections::BTreeMap;

use llm_types::{ChatChunk, ChunkChoice, Delta, FunctionCall, Map, ThinkingBlock, ToolCall, Usage};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{
    SERVER_TOOLS, errors,
    response::{finish_reason, image, image_part, native_reason, push_list, server_tool, usage},
    tools::Names,
    wire::{self, BlockDelta, BlockStart, BlockStop, MessageStop, Metadata, ToolUse},
};
use crate::{Chunks, Decoder, Error, call::JSON_TOOL, frame::Frame};

/// Reads one `converse-stream` reply.
pub(super) struct ConverseStream {
    provider: &'static str,
    model: String,
    names: Names,
    json_tool: bool,
    include_usage: bool,
    /// Tools whose arguments are coming in, by content block.
    open: BTreeMap<u64, Open>,
    tools: u64,
    images: usize,
    json_seen: bool,
    /// The native stop reason: the answer is whole, only its metadata may follow.
    stop: Option<String>,
    /// What the vendor says beyond the answer, for the last chunk.
    rest: Map,
}

/// A tool call that is not yet closed.
enum Open {
    /// The client's, with its place among the calls and whether arguments came.
    Call { index: u64, begun: bool },
    /// The one that carries the JSON answer.
    Json,
    /// One that Bedrock runs itself.
    Server { call: ToolUse, input: String },
}

impl ConverseStream {
    pub(super) fn new(
        provider: &'static str,
        model: &str,
        names: Names,
        json_tool: bool,
        include_usage: bool,
    ) -> Self {
        Self {
            provider,
            model: model.to_owned(),
            names,
            json_tool,
            include_usage,
            open: BTreeMap::new(),
            tools: 0,
            images: 0,
            json_seen: false,
            stop: None,
            rest: Map::new(),
        }
    }

    fn start(&mut self, event: BlockStart, out: &mut Chunks) {
        let Some(tool) = event.start.tool_use else {
            for (key, value) in event.start.rest {
                push_list(&mut self.rest, &key, vec![value]);
            }
            return;
        };
        let at = event.content_block_index;
        if tool.is_server_side() {
            let input = String::new();
            self.open.insert(at, Open::Server { call: tool, input });
        } else if self.json_tool && tool.name == JSON_TOOL {
            self.json_seen = true;
            self.open.insert(at, Open::Json);
        } else {
            let index = self.tools;
            self.tools += 1;
            self.open.insert(
                at,
                Open::Call {
                    index,
                    begun: false,
                },
            );
            let call = ToolCall {
                index: Some(index),
                id: Some(tool.tool_use_id),
                kind: Some("function".into()),
                function: FunctionCall {
                    name: Some(self.names.original(&tool.name)),
                    arguments: String::new(),
                },
                ..ToolCall::default()
            };
            self.emit_call(call, out);
        }
    }

    fn delta(&mut self, event: BlockDelta, out: &mut Chunks) {
        let delta = event.delta;
        if let Some(text) = delta.text {
            self.emit_text(text, out);
        }
        if let Some(tool) = delta.tool_use {
            self.input(event.content_block_index, tool.input, out);
        }
        if let Some(reasoning) = delta.reasoning_content {
            self.reasoning(reasoning, out);
        }
        if let Some(citation) = delta.citation {
            // In whole answers these are the list `citations`.
            let mut fields = Map::new();
            fields.insert("citation".into(), citation);
            self.emit(
                Delta {
                    provider_specific_fields: fields,
                    ..Delta::default()
                },
                out,
            );
        }
        if let Some(url) = delta.image.as_ref().and_then(image) {
            let images = vec![image_part(self.images, url)];
            self.images += 1;
            self.emit(
                Delta {
                    images,
                    ..Delta::default()
                },
                out,
            );
        }
        if let Some(results) = delta.tool_result {
            push_list(&mut self.rest, "toolResult", vec![results]);
        }
        for (key, value) in delta.rest {
            push_list(&mut self.rest, &key, vec![value]);
        }
    }

    fn input(&mut self, at: u64, fragment: String, out: &mut Chunks) {
        match self.open.get_mut(&at) {
            Some(Open::Call { index, begun }) => {
                *begun = *begun || !fragment.is_empty();
                let call = ToolCall {
                    index: Some(*index),
                    kind: Some("function".into()),
                    function: FunctionCall {
                        name: None,
                        arguments: fragment,
                    },
                    ..ToolCall::default()
                };
                self.emit_call(call, out);
            }
            Some(Open::Json) => self.emit_text(fragment, out),
            Some(Open::Server { input, .. }) => input.push_str(&fragment),
            None => {}
        }
    }

    fn reasoning(&mut self, reasoning: wire::ReasoningDelta, out: &mut Chunks) {
        if let Some(text) = reasoning.text {
            self.emit(
                Delta {
                    reasoning_content: Some(text.clone()),
                    thinking_blocks: vec![ThinkingBlock::Thinking {
                        thinking: text,
                        signature: None,
                    }],
                    ..Delta::default()
                },
                out,
            );
        }
        let sealed = reasoning
            .redacted_content
            .map(|data| ThinkingBlock::RedactedThinking { data });
        let signed = reasoning
            .signature
            .map(|signature| ThinkingBlock::Thinking {
                thinking: String::new(),
                signature: Some(signature),
            });
        for block in sealed.into_iter().chain(signed) {
            self.emit(
                Delta {
                    thinking_blocks: vec![block],
                    ..Delta::default()
                },
                out,
            );
        }
    }

    fn stop_block(&mut self, at: u64, out: &mut Chunks) {
        match self.open.remove(&at) {
            // A call without arguments has an empty object, as in whole answers.
            Some(Open::Call {
                index,
                begun: false,
            }) => {
                let call = ToolCall {
                    index: Some(index),
                    kind: Some("function".into()),
                    function: FunctionCall {
                        name: None,
                        arguments: "{}".into(),
                    },
                    ..ToolCall::default()
                };
                self.emit_call(call, out);
            }
            Some(Open::Server { mut call, input }) => {
                call.input = serde_json::from_str(&input).unwrap_or(Value::String(input));
                push_list(&mut self.rest, SERVER_TOOLS, vec![server_tool(&call)]);
            }
            _ => {}
        }
    }

    /// Everything was said: the last chunk, and the usage if the client wants it.
    fn close(&mut self, used: Option<Usage>, out: &mut Chunks) {
        let native = self.stop.take().unwrap_or_default();
        let only_json = self.json_seen && self.tools == 0;
        let delta = Delta {
            provider_specific_fields: std::mem::take(&mut self.rest),
            ..Delta::default()
        };
        out.chat(self.chunk(ChunkChoice {
            delta,
            finish_reason: Some(finish_reason(&native, only_json).into()),
            provider_specific_fields: native_reason(&native, only_json),
            ..ChunkChoice::default()
        }));
        if let Some(used) = used {
            if self.include_usage {
                let mut chunk = self.chunk(ChunkChoice::default());
                chunk.choices.clear();
                chunk.usage = Some(used.clone());
                out.chat(chunk);
            }
            out.usage = Some(used);
        }
        out.done = true;
    }

    fn emit_text(&self, text: String, out: &mut Chunks) {
        self.emit(
            Delta {
                content: Some(text),
                ..Delta::default()
            },
            out,
        );
    }

    fn emit_call(&self, call: ToolCall, out: &mut Chunks) {
        self.emit(
            Delta {
                tool_calls: vec![call],
                ..Delta::default()
            },
            out,
        );
    }

    fn emit(&self, delta: Delta, out: &mut Chunks) {
        out.chat(self.chunk(ChunkChoice {
            delta,
            ..ChunkChoice::default()
        }));
    }

    fn chunk(&self, choice: ChunkChoice) -> ChatChunk {
        ChatChunk {
            object: "chat.completion.chunk".into(),
            model: self.model.clone(),
            choices: vec![choice],
            ..ChatChunk::default()
        }
    }

    fn read<T: DeserializeOwned>(&self, frame: &Frame) -> Result<T, Error> {
        serde_json::from_slice(&frame.data).map_err(|e| Error::decode(self.provider, e))
    }
}

impl Decoder for ConverseStream {
    fn push(&mut self, frame: Frame, out: &mut Chunks) -> Result<(), Error> {
        if frame.exception {
            return Err(errors::in_stream(self.provider, &frame));
        }
        match frame.event() {
            "messageStart" => self.emit(
                Delta {
                    role: Some("assistant".into()),
                    content: Some(String::new()),
                    ..Delta::default()
                },
                out,
            ),
            "contentBlockStart" => self.start(self.read(&frame)?, out),
            "contentBlockDelta" => self.delta(self.read(&frame)?, out),
            "contentBlockStop" => {
                let event: BlockStop = self.read(&frame)?;
                self.stop_block(event.content_block_index, out);
            }
            "messageStop" => {
                let mut event: MessageStop = self.read(&frame)?;
                event.rest.remove(PADDING);
                self.rest.extend(event.rest);
                self.stop = Some(event.stop_reason);
            }
            "metadata" if self.stop.is_some() => {
                let mut event: Metadata = self.read(&frame)?;
                event.rest.remove(PADDING);
                self.rest.extend(event.rest);
                if let Some(tier) = event.service_tier {
                    self.rest.insert("serviceTier".into(), tier.kind.into());
                }
                self.close(event.usage.map(usage), out);
            }
            // Not an end, but what was consumed so far is billed.
            "metadata" => {
                let event: Metadata = self.read(&frame)?;
                out.usage = event.usage.map(usage);
            }
            _ => {}
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut Chunks) -> Result<(), Error> {
        if out.done {
            return Ok(());
        }
        if self.stop.is_none() {
            return Err(Error::cut(self.provider));
        }
        self.close(None, out);
        Ok(())
    }
}

/// Filler of random length, against guessing an answer from its packets' sizes.
const PADDING: &str = "p";
