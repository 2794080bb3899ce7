//! Streamed Messages answers to chat chunks.

use llm_types::{
    Delta, FunctionCall, Map, ThinkingBlock, ToolCall,
    messages::{Block, EventDelta, MessagesResponse, MessagesUsage, StreamEvent},
};
use serde_json::{Value, json};

use super::{
    error_of,
    record::Record,
    response::{self, Reading, annotation, caller, finish, result_field, unwrapped},
};
use crate::{
    Chunks, Decoder, Error,
    call::JSON_TOOL,
    frame::Frame,
    protocols::{
        emit::{Emitter, opening},
        names::Names,
    },
};

/// Reads Anthropic's events, whatever framed them.
pub(crate) struct ChatStream {
    reading: Reading,
    emit: Emitter,
    usage: MessagesUsage,
    started: bool,
    finished: bool,
    /// Calls so far: the index of the next one.
    calls: u64,
    names: Option<Names>,
    open: Open,
    /// The text of an answer that may yet turn out to be the JSON tool's input.
    held: String,
    /// The JSON tool has answered.
    answered: bool,
    record: Record,
}

/// The block that is being streamed. Anthropic never has two open.
enum Open {
    Other,
    /// `input`: what the start said, for vendors that send no fragments; until a fragment comes.
    Tool {
        input: Option<String>,
    },
    /// The answer in disguise, held back until it is clear that it need not be unwrapped.
    Json {
        held: String,
        flows: bool,
    },
    /// A compaction, which comes in fragments.
    Hosted,
}

impl ChatStream {
    /// A decoder for one stream.
    pub(crate) fn new(reading: Reading) -> Self {
        Self {
            reading,
            emit: Emitter::default(),
            usage: MessagesUsage::default(),
            started: false,
            finished: false,
            calls: 0,
            names: None,
            open: Open::Other,
            held: String::new(),
            answered: false,
            record: Record::default(),
        }
    }

    fn say(&self, delta: Delta, out: &mut Chunks) {
        out.chat(self.emit.delta(delta));
    }

    fn start(&mut self, message: MessagesResponse, out: &mut Chunks) {
        if self.started {
            return;
        }
        self.started = true;
        (self.emit.id, self.emit.model) = (message.id, message.model);
        self.usage = message.usage;
        out.usage = Some(self.usage.normalise());
        self.say(opening(), out);
    }

    fn open(&mut self, block: Block, out: &mut Chunks) {
        self.open = Open::Other;
        if self.reading.hosted {
            self.record.open(block.clone());
        }
        match block.kind.as_str() {
            "text" => self.text(block.text.unwrap_or_default(), out),
            "thinking" => {
                self.thinking(block.thinking.unwrap_or_default(), out);
                self.signature(block.signature.unwrap_or_default(), out);
            }
            "redacted_thinking" => {
                let data = block.data.unwrap_or_default();
                self.say(
                    Delta {
                        thinking_blocks: vec![ThinkingBlock::RedactedThinking { data }],
                        ..Delta::default()
                    },
                    out,
                );
            }
            "tool_use" => self.call(block, out),
            "compaction" => self.open = Open::Hosted,
            _ => self.hosted(&block, out),
        }
    }

    fn call(&mut self, block: Block, out: &mut Chunks) {
        let input = block
            .input
            .map_or_else(String::new, |input| Box::<str>::from(input).into_string());
        if self.reading.json.is_some() && block.name.as_deref() == Some(JSON_TOOL) {
            self.open = Open::Json {
                held: if input == "{}" { String::new() } else { input },
                flows: false,
            };
            return;
        }
        let names = self.names.get_or_insert_with(|| self.reading.names());
        let call = ToolCall {
            index: Some(self.calls),
            id: block.id,
            kind: Some("function".into()),
            function: FunctionCall {
                name: block.name.map(|name| names.own(name)),
                arguments: String::new(),
            },
            provider_specific_fields: caller(&block.extra),
            ..ToolCall::default()
        };
        self.calls += 1;
        self.open = Open::Tool { input: Some(input) };
        self.say(
            Delta {
                tool_calls: vec![call],
                ..Delta::default()
            },
            out,
        );
    }

    fn arguments(&self, arguments: String, out: &mut Chunks) {
        let call = ToolCall {
            index: Some(self.calls.saturating_sub(1)),
            function: FunctionCall {
                name: None,
                arguments,
            },
            ..ToolCall::default()
        };
        self.say(
            Delta {
                tool_calls: vec![call],
                ..Delta::default()
            },
            out,
        );
    }

    fn text(&mut self, text: String, out: &mut Chunks) {
        if text.is_empty() {
        } else if self.reading.json.is_some() {
            self.held.push_str(&text);
        } else {
            self.say(
                Delta {
                    content: Some(text),
                    ..Delta::default()
                },
                out,
            );
        }
    }

    fn thinking(&self, thinking: String, out: &mut Chunks) {
        if thinking.is_empty() {
            return;
        }
        self.say(
            Delta {
                reasoning_content: Some(thinking.clone()),
                thinking_blocks: vec![ThinkingBlock::Thinking {
                    thinking,
                    signature: None,
                }],
                ..Delta::default()
            },
            out,
        );
    }

    fn signature(&self, signature: String, out: &mut Chunks) {
        if signature.is_empty() {
            return;
        }
        self.say(
            Delta {
                thinking_blocks: vec![ThinkingBlock::Thinking {
                    thinking: String::new(),
                    signature: Some(signature),
                }],
                ..Delta::default()
            },
            out,
        );
    }

    /// A hosted tool's result, whole.
    fn hosted(&self, block: &Block, out: &mut Chunks) {
        if let Some(field) = result_field(&block.kind) {
            let fields = Map::from_iter([(field.to_owned(), json!([block]))]);
            self.fields(fields, Vec::new(), out);
        }
    }

    fn fields(&self, fields: Map, annotations: Vec<Value>, out: &mut Chunks) {
        self.say(
            Delta {
                annotations,
                provider_specific_fields: fields,
                ..Delta::default()
            },
            out,
        );
    }

    fn delta(&mut self, delta: EventDelta, out: &mut Chunks) {
        if self.reading.hosted {
            self.record.add(&delta);
        }
        match delta.kind.as_deref().unwrap_or_default() {
            "text_delta" => self.text(delta.text.unwrap_or_default(), out),
            "thinking_delta" => self.thinking(delta.thinking.unwrap_or_default(), out),
            "signature_delta" => self.signature(delta.signature.unwrap_or_default(), out),
            "input_json_delta" => self.input(delta.partial_json.unwrap_or_default(), out),
            "citations_delta" => {
                if let Some(citation) = delta.citation {
                    let annotations = annotation(&citation, None).into_iter().collect();
                    let fields = Map::from_iter([("citation".to_owned(), citation)]);
                    self.fields(fields, annotations, out);
                }
            }
            _ => {}
        }
    }

    fn input(&mut self, fragment: String, out: &mut Chunks) {
        if fragment.is_empty() {
            return;
        }
        let unwrap = self.reading.json.is_some_and(|json| json.unwrap_values);
        match &mut self.open {
            Open::Tool { input } => {
                *input = None;
                self.arguments(fragment, out);
            }
            Open::Json { held, flows } => {
                held.push_str(&fragment);
                *flows |= !(unwrap && may_be_wrapped(held));
                if *flows {
                    let text = std::mem::take(held);
                    self.answer(text, out);
                }
            }
            Open::Hosted | Open::Other => {}
        }
    }

    fn close(&mut self, out: &mut Chunks) {
        self.record.close();
        match std::mem::replace(&mut self.open, Open::Other) {
            // No fragment came: what the start said is all there is.
            Open::Tool { input: Some(input) } => {
                let input = if input.is_empty() { "{}".into() } else { input };
                self.arguments(input, out);
            }
            Open::Json { held, flows: true } => self.answer(held, out),
            Open::Json { held, .. } => self.answer(unwrapped(held), out),
            Open::Hosted => {
                if let Some(block) = self.record.last() {
                    self.hosted(block, out);
                }
            }
            _ => {}
        }
    }

    /// The JSON tool's input is the answer, unless other tools are called as well.
    fn answer(&mut self, text: String, out: &mut Chunks) {
        if self.calls > 0 || text.is_empty() {
            return;
        }
        self.answered = true;
        self.say(
            Delta {
                content: Some(text),
                ..Delta::default()
            },
            out,
        );
    }

    fn end(&mut self, event: StreamEvent, out: &mut Chunks) {
        if let Some(usage) = event.usage {
            self.usage.merge(*usage);
            out.usage = Some(self.usage.normalise());
        }
        let Some(delta) = event.delta else { return };
        let mut fields = Map::new();
        let more = [
            ("container", delta.container),
            ("context_management", event.context_management),
            ("stop_details", delta.stop_details),
        ];
        for (key, value) in more {
            if let Some(value) = value.filter(|value| !value.is_null()) {
                fields.insert(key.into(), value);
            }
        }
        let Some(reason) = delta.stop_reason else {
            return;
        };
        if let Some(blocks) = self.record.take() {
            fields.insert("content_blocks".into(), blocks);
        }
        if self.finished {
            return;
        }
        self.finished = true;
        let json = self.answered && self.calls == 0;
        if !self.answered && !self.held.is_empty() {
            let content = Some(std::mem::take(&mut self.held));
            self.say(
                Delta {
                    content,
                    ..Delta::default()
                },
                out,
            );
        }
        let (finish, native) = finish(Some(&reason), delta.stop_sequence, json);
        let mut chunk = self.emit.delta(Delta {
            provider_specific_fields: fields,
            ..Delta::default()
        });
        for choice in &mut chunk.choices {
            choice.finish_reason = Some(finish.to_owned());
            choice.provider_specific_fields = native.clone();
        }
        out.chat(chunk);
    }

    /// The vendor's own end mark: some that copy Anthropic give no reason before it.
    fn stop(&mut self, out: &mut Chunks) {
        let reason = if self.calls > 0 {
            "tool_use"
        } else {
            "end_turn"
        };
        let delta = EventDelta {
            stop_reason: Some(reason.to_owned()),
            ..EventDelta::default()
        };
        if !self.finished {
            self.end(
                StreamEvent {
                    delta: Some(delta),
                    ..StreamEvent::default()
                },
                out,
            );
        }
    }

    /// The usage chunk, once.
    fn complete(&mut self, out: &mut Chunks) {
        if out.done {
            return;
        }
        out.done = true;
        if self.reading.include_usage
            && let Some(usage) = out.usage.clone()
        {
            out.chat(self.emit.usage(usage));
        }
    }

    /// Some hosts answer a stream request with one document.
    fn whole(&mut self, data: &[u8], out: &mut Chunks) -> Result<(), Error> {
        let response: MessagesResponse =
            serde_json::from_slice(data).map_err(|e| Error::decode(self.reading.provider, e))?;
        let chat = response::translate(&self.reading, response);
        self.started = true;
        self.finished = true;
        (self.emit.id, self.emit.model) = (chat.id, chat.model);
        out.usage = chat.usage;
        for choice in chat.choices {
            let message = choice.message;
            let mut calls = message.tool_calls;
            for (call, index) in calls.iter_mut().zip(0..) {
                call.index = Some(index);
            }
            let mut chunk = self.emit.delta(Delta {
                role: Some(message.role),
                content: Some(message.content.map(|c| c.text()).unwrap_or_default()),
                tool_calls: calls,
                reasoning_content: message.reasoning_content,
                thinking_blocks: message.thinking_blocks,
                annotations: message.annotations,
                provider_specific_fields: message.provider_specific_fields,
                ..Delta::default()
            });
            for piece in &mut chunk.choices {
                piece.finish_reason.clone_from(&choice.finish_reason);
                piece.provider_specific_fields = choice.provider_specific_fields.clone();
            }
            out.chat(chunk);
        }
        self.complete(out);
        Ok(())
    }
}

impl Decoder for ChatStream {
    fn push(&mut self, frame: Frame, out: &mut Chunks) -> Result<(), Error> {
        if self.finished && !frame.data.starts_with(b"{") {
            return Ok(());
        }
        let event: StreamEvent = serde_json::from_slice(&frame.data)
            .map_err(|e| Error::decode(self.reading.provider, e))?;
        match event.kind.as_str() {
            "message_start" => {
                if let Some(message) = event.message {
                    self.start(*message, out);
                }
            }
            "content_block_start" => {
                if let Some(block) = event.content_block {
                    self.open(*block, out);
                }
            }
            "content_block_delta" => {
                if let Some(delta) = event.delta {
                    self.delta(delta, out);
                }
            }
            "content_block_stop" => self.close(out),
            "message_delta" => self.end(event, out),
            "message_stop" => {
                self.stop(out);
                self.complete(out);
            }
            "error" => return Err(error_of(self.reading.provider, &frame.data)),
            "message" => return self.whole(&frame.data, out),
            _ => {}
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut Chunks) -> Result<(), Error> {
        if out.done {
            return Ok(());
        }
        if !self.finished {
            return Err(Error::cut(self.reading.provider));
        }
        self.complete(out);
        Ok(())
    }
}

/// Whether `{"values": ...}` may yet come of it.
fn may_be_wrapped(text: &str) -> bool {
    let mut expected = "{\"values\"".chars();
    text.chars()
        .filter(|c| !c.is_whitespace())
        .all(|c| expected.next().is_none_or(|e| e == c))
}
