//! What a client has been sent of an answer.

use std::borrow::Cow;

use llm_providers::{Chunk, bridges};
use llm_types::{ChatChunk, Delta, JsonObject, Map, Op, ThinkingBlock, ToolCall};

use super::Reading;
use crate::Event;

/// An answer of more bytes than this is not carried on.
const MOST: usize = 1 << 20;

/// What was sent, kept as it is until somebody must know what it says: a vendor's own events pass through unread.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    raw: Vec<Event>,
    /// How many of `raw` have left; the others wait for the content that they announce.
    left: usize,
    size: usize,
    /// `raw` has been read.
    folded: bool,
    said: Said,
}

/// What an answer says so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Said {
    /// What all chunks of the answer have in common.
    pub(crate) head: ChatChunk,
    pub(crate) text: String,
    pub(crate) reasoning: String,
    pub(crate) calls: Vec<CallSaid>,
    /// Thinking that its vendor signs has begun and is not signed yet.
    pub(crate) unsigned: bool,
    /// Why it cannot be carried on.
    pub(crate) closed: Option<&'static str>,
}

/// A tool call so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct CallSaid {
    pub(crate) index: u64,
    pub(crate) name: String,
    pub(crate) arguments: String,
}

impl Sent {
    /// An event passes through.
    pub(crate) fn pass(&mut self, event: &Event) {
        self.size += event.data.len();
        if self.size <= MOST {
            self.raw.push(event.clone());
        } else {
            self.raw.clear();
            self.left = 0;
            self.said.closed = Some("it is too long to be kept");
        }
    }

    /// All events that passed through have left.
    pub(crate) fn flush(&mut self) {
        self.left = self.raw.len();
    }

    /// A chunk is told.
    pub(crate) fn tell(&mut self, chunk: &ChatChunk) {
        self.said.take(chunk);
    }

    /// What all of it says. `op`: the dialect of the events that passed through, to which none is added any more.
    pub(crate) fn said(&mut self, op: Op) -> &Said {
        if !self.folded && !self.raw.is_empty() {
            self.folded = true;
            self.raw.truncate(self.left);
            match read(op, &self.raw) {
                Some(chunks) => chunks.iter().for_each(|chunk| self.said.take(chunk)),
                None => self.said.closed = Some("its events cannot be read here"),
            }
        }
        &self.said
    }

    /// What brings a stream of the client's dialect to where the client is; `None` where that cannot be told.
    pub(crate) fn writer(
        &mut self,
        op: Op,
        body: &JsonObject,
    ) -> Option<Box<dyn bridges::BridgeStream>> {
        self.raw.truncate(self.left);
        if op == Op::Responses {
            let sent = self.raw.iter().map(|event| &event.data[..]);
            return bridges::responses::stream_after(body, sent);
        }
        let mut writer = bridges::over_chat(op)?.stream(body);
        let mut written = Vec::new();
        for chunk in read(op, &self.raw)? {
            writer.push(chunk, &mut written).ok()?;
        }
        // Blocks have numbers, and the client must be given the next one.
        let blocks = |name: &str| {
            let sent = self
                .raw
                .iter()
                .filter(|event| event.name.as_deref() == Some(name.as_bytes()));
            let written = written.iter().filter(|event| event.name == Some(name));
            sent.count() == written.count()
        };
        (blocks("content_block_start") && blocks("content_block_stop")).then_some(writer)
    }
}

impl Said {
    /// Adds what a chunk says.
    pub(crate) fn take(&mut self, chunk: &ChatChunk) {
        if self.head.id.is_empty() {
            self.head = ChatChunk {
                choices: Vec::new(),
                usage: None,
                ..chunk.clone()
            };
            self.head
                .extra
                .retain(|key, _| key == "system_fingerprint" || key == "service_tier");
        }
        for choice in &chunk.choices {
            if choice.index > 0 {
                self.closed = Some("it has several choices");
            }
            if choice
                .logprobs
                .as_ref()
                .is_some_and(|logprobs| !logprobs.is_null())
            {
                self.closed = Some("it has probabilities");
            }
            if choice.finish_reason.is_some() {
                self.closed = Some("it was over");
            }
            self.add(&choice.delta);
        }
    }

    /// Everything that was said, for those who count.
    pub(crate) fn everything(&self) -> Cow<'_, str> {
        if self.reasoning.is_empty() && self.calls.is_empty() {
            return Cow::Borrowed(&self.text);
        }
        let mut all = self.reasoning.clone() + &self.text;
        for call in &self.calls {
            all.push_str(&call.name);
            all.push_str(&call.arguments);
        }
        Cow::Owned(all)
    }

    fn add(&mut self, delta: &Delta) {
        self.text
            .push_str(delta.content.as_deref().unwrap_or_default());
        self.think(delta);
        let closed = if delta
            .refusal
            .as_ref()
            .is_some_and(|refusal| !refusal.is_empty())
        {
            Some("it is a refusal")
        } else if delta.audio.is_some() || !delta.images.is_empty() {
            Some("it is not of text alone")
        } else if delta.function_call.is_some() {
            Some("it calls a function in the legacy form")
        } else if has_results(&delta.provider_specific_fields) {
            Some("it has results of tools that the vendor runs")
        } else {
            None
        };
        self.closed = self.closed.or(closed);
        for (call, place) in delta.tool_calls.iter().zip(0..) {
            self.call(call, place);
        }
    }

    fn think(&mut self, delta: &Delta) {
        for block in &delta.thinking_blocks {
            match block {
                ThinkingBlock::Thinking {
                    thinking,
                    signature,
                } => {
                    self.unsigned |= !thinking.is_empty();
                    if signature
                        .as_ref()
                        .is_some_and(|signature| !signature.is_empty())
                    {
                        self.unsigned = false;
                    }
                    if delta.reasoning_content.is_none() {
                        self.reasoning.push_str(thinking);
                    }
                }
                ThinkingBlock::RedactedThinking { .. } => self.reasoning.push(' '),
            }
        }
        let other = delta
            .extra
            .get("reasoning")
            .and_then(|reasoning| reasoning.as_str());
        let reasoning = delta.reasoning_content.as_deref().or(other);
        self.reasoning.push_str(reasoning.unwrap_or_default());
    }

    fn call(&mut self, call: &ToolCall, place: u64) {
        if call.kind.as_deref().is_some_and(|kind| kind != "function") {
            self.closed = Some("it calls a tool that takes no JSON");
        }
        let index = call.index.unwrap_or(place);
        let known = self.calls.iter_mut().position(|known| known.index == index);
        let at = known.unwrap_or_else(|| {
            self.calls.push(CallSaid {
                index,
                ..CallSaid::default()
            });
            self.calls.len() - 1
        });
        let known = &mut self.calls[at];
        if known.name.is_empty() {
            known.name = call.function.name.clone().unwrap_or_default();
        }
        known.arguments.push_str(&call.function.arguments);
    }
}

/// Fields beside a delta that are more than notes on its text.
fn has_results(fields: &Map) -> bool {
    const NOTES: [&str; 5] = [
        "citation",
        "citations",
        "thought_signatures",
        "native_finish_reason",
        "refusal",
    ];
    fields.keys().any(|key| !NOTES.contains(&key.as_str()))
}

/// Events of a dialect as chat chunks; `None` where one cannot be read.
fn read(op: Op, events: &[Event]) -> Option<Vec<ChatChunk>> {
    let mut reading = Reading::of(op)?;
    let mut all = Vec::new();
    for event in events {
        let chunk = Chunk::Raw {
            event: event.name.clone(),
            data: event.data.clone(),
        };
        reading.push(chunk, &mut all).ok()?;
    }
    Some(all)
}
