//! Chat chunks as Messages events: one block open at a time, whatever order the fragments come in.

use std::collections::{HashSet, VecDeque};

use llm_types::{
    ChatChunk, Delta, Map, ThinkingBlock, ToolCall, Usage,
    messages::{Block, MessagesUsage},
};
use serde::Serialize;
use serde_json::{Value, json};

use super::response;
use crate::{
    Error,
    bridges::{BridgeStream, Event, depth::Depth},
    protocols::names::Names,
};

/// Turns chunks into events that keep Anthropic's grammar.
pub(super) struct Events {
    asked: String,
    names: Names,
    id: String,
    started: bool,
    /// The block that is being streamed.
    open: Option<Open>,
    /// Blocks that began before the open one could be closed, in order.
    waiting: VecDeque<Open>,
    /// Index of the next block.
    next: u64,
    /// Calls whose block is closed, by their index in the chunks.
    closed: HashSet<u64>,
    calls: usize,
    finish: Option<String>,
    fields: Map,
    extra: Map,
    usage: Option<Usage>,
}

/// One block, and what of it has not been sent.
struct Open {
    kind: Kind,
    pieces: VecDeque<Piece>,
}

enum Kind {
    Text,
    Thinking {
        /// A signature ends the thought; more thinking is another block.
        sealed: bool,
    },
    Call(Call),
    /// Comes whole.
    Whole(Box<Block>),
}

struct Call {
    index: u64,
    id: Option<String>,
    name: String,
    arguments: Depth,
}

/// One delta of a block.
#[derive(Serialize)]
#[serde(tag = "type")]
enum Piece {
    #[serde(rename = "text_delta")]
    Text { text: String },
    #[serde(rename = "citations_delta")]
    Citations { citation: Value },
    #[serde(rename = "thinking_delta")]
    Thinking { thinking: String },
    #[serde(rename = "signature_delta")]
    Signature { signature: String },
    #[serde(rename = "input_json_delta")]
    InputJson { partial_json: String },
}

impl Events {
    pub(super) fn new(asked: String, names: Names) -> Self {
        Self {
            asked,
            names,
            id: String::new(),
            started: false,
            open: None,
            waiting: VecDeque::new(),
            next: 0,
            closed: HashSet::new(),
            calls: 0,
            finish: None,
            fields: Map::new(),
            extra: Map::new(),
            usage: None,
        }
    }

    fn start(&mut self, chunk: &ChatChunk, out: &mut Vec<Event>) {
        self.started = true;
        self.id = response::message_id(&chunk.id);
        let usage = chunk.usage.as_ref().map(MessagesUsage::from);
        let message = json!({
            "id": self.id, "type": "message", "role": "assistant",
            "model": response::model(chunk.model.clone(), &self.asked),
            "content": [], "stop_reason": null, "stop_sequence": null,
            "usage": usage.unwrap_or_else(response::no_usage),
        });
        tell(
            out,
            "message_start",
            &json!({"type": "message_start", "message": message}),
        );
    }

    fn delta(&mut self, delta: Delta, out: &mut Vec<Event>) -> Result<(), Error> {
        if delta.thinking_blocks.is_empty() {
            self.think(delta.reasoning_content.unwrap_or_default(), out);
        }
        for block in delta.thinking_blocks {
            match block {
                ThinkingBlock::Thinking {
                    thinking,
                    signature,
                } => {
                    self.think(thinking, out);
                    self.seal(signature.unwrap_or_default(), out);
                }
                ThinkingBlock::RedactedThinking { data } => {
                    self.whole(response::redacted(&data), out);
                }
            }
        }
        let said = [delta.content, delta.refusal];
        for text in said.into_iter().flatten().filter(|text| !text.is_empty()) {
            self.add(Kind::is_text, || Kind::Text, Piece::Text { text }, out);
        }
        for citation in delta.annotations.iter().filter_map(response::citation) {
            let piece = Piece::Citations { citation };
            self.add(Kind::is_text, || Kind::Text, piece, out);
        }
        for image in delta.images.iter().filter_map(response::image) {
            self.whole(image, out);
        }
        let legacy = delta.function_call.map(|function| ToolCall {
            function,
            ..ToolCall::default()
        });
        for (call, place) in delta.tool_calls.into_iter().chain(legacy).zip(0..) {
            self.call(call, place, out)?;
        }
        for key in ["container", "context_management", "stop_details"] {
            if let Some(value) = delta.provider_specific_fields.get(key) {
                self.extra.insert(key.into(), value.clone());
            }
        }
        Ok(())
    }

    fn think(&mut self, thinking: String, out: &mut Vec<Event>) {
        if !thinking.is_empty() {
            let new = || Kind::Thinking { sealed: false };
            self.add(
                Kind::is_open_thought,
                new,
                Piece::Thinking { thinking },
                out,
            );
        }
    }

    fn seal(&mut self, signature: String, out: &mut Vec<Event>) {
        if signature.is_empty() {
            return;
        }
        let new = || Kind::Thinking { sealed: false };
        let piece = Piece::Signature { signature };
        self.add(Kind::is_open_thought, new, piece, out);
        let last = self.waiting.back_mut().or(self.open.as_mut());
        if let Some(Open {
            kind: Kind::Thinking { sealed },
            ..
        }) = last
        {
            *sealed = true;
        }
    }

    fn whole(&mut self, block: Block, out: &mut Vec<Event>) {
        self.waiting.push_back(Open {
            kind: Kind::Whole(Box::new(block)),
            pieces: VecDeque::new(),
        });
        self.advance(out);
    }

    /// Adds a piece to the last block if it fits there, else to a new one.
    fn add(
        &mut self,
        fits: fn(&Kind) -> bool,
        new: impl FnOnce() -> Kind,
        piece: Piece,
        out: &mut Vec<Event>,
    ) {
        match self.waiting.back_mut().or(self.open.as_mut()) {
            Some(last) if fits(&last.kind) => last.pieces.push_back(piece),
            _ => self.waiting.push_back(Open {
                kind: new(),
                pieces: VecDeque::from([piece]),
            }),
        }
        self.advance(out);
    }

    fn call(&mut self, call: ToolCall, place: u64, out: &mut Vec<Event>) -> Result<(), Error> {
        let index = call.index.unwrap_or(place);
        let fragment = call.function.arguments;
        if self.closed.contains(&index) {
            if fragment.trim().is_empty() {
                return Ok(());
            }
            return Err(Error::decode("", "a tool call went on after its end"));
        }
        let known = self
            .open
            .iter_mut()
            .chain(&mut self.waiting)
            .find(|open| matches!(&open.kind, Kind::Call(call) if call.index == index));
        let open = match known {
            Some(open) => open,
            None => {
                self.waiting.push_back(Open {
                    kind: Kind::Call(Call {
                        index,
                        id: None,
                        name: String::new(),
                        arguments: Depth::default(),
                    }),
                    pieces: VecDeque::new(),
                });
                match self.waiting.back_mut() {
                    Some(open) => open,
                    None => return Ok(()),
                }
            }
        };
        if let Kind::Call(known) = &mut open.kind {
            if let Some(id) = call.id.filter(|id| !id.is_empty()) {
                known.id.get_or_insert(id);
            }
            if known.name.is_empty() {
                known.name = call.function.name.unwrap_or_default();
            }
            known.arguments.read(&fragment);
        }
        if !fragment.is_empty() {
            open.pieces.push_back(Piece::InputJson {
                partial_json: fragment,
            });
        }
        self.advance(out);
        Ok(())
    }

    /// Sends what can be sent: the open block's pieces, and the next block once the open one may close.
    fn advance(&mut self, out: &mut Vec<Event>) {
        loop {
            self.flush(out);
            let Some(next) = self.waiting.front() else {
                return;
            };
            let closable = self
                .open
                .as_ref()
                .is_none_or(|open| open.kind.is_complete());
            if !closable || !next.kind.is_named() {
                return;
            }
            self.close(out);
            if let Some(next) = self.waiting.pop_front() {
                self.begin(next, out);
            }
        }
    }

    fn begin(&mut self, open: Open, out: &mut Vec<Event>) {
        let block = match &open.kind {
            Kind::Text => json!({"type": "text", "text": ""}),
            Kind::Thinking { .. } => json!({"type": "thinking", "thinking": "", "signature": ""}),
            Kind::Call(call) => {
                let id = call.id.clone();
                let id = id.unwrap_or_else(|| response::call_id(&self.id, self.calls));
                self.calls += 1;
                json!({"type": "tool_use", "id": id, "name": self.names.own(call.name.clone()), "input": {}})
            }
            Kind::Whole(block) => json!(block),
        };
        let start =
            json!({"type": "content_block_start", "index": self.next, "content_block": block});
        tell(out, "content_block_start", &start);
        self.open = Some(open);
    }

    fn flush(&mut self, out: &mut Vec<Event>) {
        let Some(open) = &mut self.open else { return };
        for delta in open.pieces.drain(..) {
            tell(
                out,
                "content_block_delta",
                &BlockDelta {
                    kind: "content_block_delta",
                    index: self.next,
                    delta,
                },
            );
        }
    }

    fn close(&mut self, out: &mut Vec<Event>) {
        let Some(open) = self.open.take() else { return };
        if let Kind::Call(call) = open.kind {
            self.closed.insert(call.index);
        }
        let stop = json!({"type": "content_block_stop", "index": self.next});
        tell(out, "content_block_stop", &stop);
        self.next += 1;
    }
}

impl BridgeStream for Events {
    fn push(&mut self, chunk: ChatChunk, out: &mut Vec<Event>) -> Result<(), Error> {
        if !self.started {
            self.start(&chunk, out);
        }
        if let Some(usage) = chunk.usage {
            self.usage = Some(usage);
        }
        let Some(choice) = chunk.choices.into_iter().find(|choice| choice.index == 0) else {
            return Ok(());
        };
        let refused = choice.delta.refusal.is_some();
        self.delta(choice.delta, out)?;
        if let Some(finish) = choice.finish_reason {
            self.finish = Some(finish);
        }
        self.fields.extend(choice.provider_specific_fields);
        if refused {
            self.fields
                .insert("native_finish_reason".into(), "refusal".into());
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<Event>) -> Result<(), Error> {
        if !self.started {
            self.start(&ChatChunk::default(), out);
        }
        self.flush(out);
        while let Some(next) = self.waiting.pop_front() {
            self.close(out);
            self.begin(next, out);
            self.flush(out);
        }
        self.close(out);
        let finish = self.finish.as_deref();
        let (reason, sequence) = response::stop(finish, &self.fields, self.calls > 0);
        let usage = self.usage.as_ref().map(MessagesUsage::from);
        let mut delta = json!({"stop_reason": reason, "stop_sequence": sequence});
        let mut event = json!({"type": "message_delta"});
        for (key, value) in std::mem::take(&mut self.extra) {
            let place = if key == "context_management" {
                &mut event
            } else {
                &mut delta
            };
            place[key.as_str()] = value;
        }
        event["delta"] = delta;
        event["usage"] = json!(usage.unwrap_or_else(response::no_usage));
        tell(out, "message_delta", &event);
        tell(out, "message_stop", &json!({"type": "message_stop"}));
        Ok(())
    }
}

impl Kind {
    fn is_text(&self) -> bool {
        matches!(self, Self::Text)
    }

    fn is_open_thought(&self) -> bool {
        matches!(self, Self::Thinking { sealed: false })
    }

    /// Whether nothing more can come: a call is over when its JSON is.
    fn is_complete(&self) -> bool {
        match self {
            Self::Call(call) => call.arguments.is_complete(),
            _ => true,
        }
    }

    /// Some vendors say a call's id first and its name later.
    fn is_named(&self) -> bool {
        match self {
            Self::Call(call) => !call.name.is_empty(),
            _ => true,
        }
    }
}

#[derive(Serialize)]
struct BlockDelta {
    #[serde(rename = "type")]
    kind: &'static str,
    index: u64,
    delta: Piece,
}

fn tell(out: &mut Vec<Event>, name: &'static str, event: &impl Serialize) {
    // Strings and numbers always serialise.
    if let Ok(data) = serde_json::to_vec(event) {
        out.push(Event {
            name: Some(name),
            data: data.into(),
        });
    }
}
