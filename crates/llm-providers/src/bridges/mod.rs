//! Client dialects that a vendor does not speak: to chat, and back.

pub mod completion;
mod depth;
pub mod generate;
pub mod messages;
pub mod responses;
mod seal;

use bytes::Bytes;
use llm_types::{ChatChunk, ChatResponse, JsonObject, Op};

use crate::{
    CallOptions, Decoder, Error, Notice, Target, backends,
    protocols::{
        anthropic::{ChatStream, Reading},
        gemini,
    },
};

/// Carries one client dialect over chat. N + M conversions, never a grid.
pub trait Bridge: Sync {
    /// The chat request that asks the same. `body` has passed no check yet: the error names the field.
    fn request(&self, body: &JsonObject, options: &CallOptions) -> Result<JsonObject, Error>;

    /// What the chat request leaves out, for the answer's metadata.
    fn losses(&self, body: &JsonObject, options: &CallOptions) -> Vec<Notice> {
        let _ = (body, options);
        Vec::new()
    }

    /// The answer in the client's dialect. `body` is the client's request.
    fn response(&self, body: &JsonObject, answer: ChatResponse) -> Result<Bytes, Error>;

    /// What turns streamed chunks into the client's events.
    fn stream(&self, body: &JsonObject) -> Box<dyn BridgeStream>;
}

/// Turns one stream of chat chunks into the client's dialect.
pub trait BridgeStream: Send {
    /// Takes one chunk.
    fn push(&mut self, chunk: ChatChunk, out: &mut Vec<Event>) -> Result<(), Error>;

    /// The answer is whole: closes what is open.
    fn finish(&mut self, out: &mut Vec<Event>) -> Result<(), Error>;
}

/// One event in a client's dialect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The SSE event's name, in dialects that have one.
    pub name: Option<&'static str>,
    /// Its data: one JSON document.
    pub data: Bytes,
}

/// How `op` reaches `target`: natively (`Ok(None)`), over chat, or not at all.
pub fn between(op: Op, target: &Target) -> Result<Option<&'static dyn Bridge>, Error> {
    if target.speaks(op) {
        return Ok(None);
    }
    if let Some(bridge) = over_chat(op).filter(|_| target.speaks(Op::Chat)) {
        return Ok(Some(bridge));
    }
    Err(backends::unsupported(target, op))
}

/// The bridge that carries `op` over chat, where there is one.
pub fn over_chat(op: Op) -> Option<&'static dyn Bridge> {
    match op {
        Op::Messages => Some(&messages::Messages),
        Op::Completion => Some(&completion::Completion),
        Op::Responses => Some(&responses::Responses),
        Op::GenerateContent => Some(&generate::Generate),
        _ => None,
    }
}

/// Reads a stream in a client's dialect as chat chunks, where somebody has to go on with it; `None`: nobody here can.
/// Chat itself, and text completions, need no reader.
pub fn reader(op: Op) -> Option<Box<dyn Decoder>> {
    match op {
        Op::Messages => Some(Box::new(ChatStream::new(Reading::plain()))),
        Op::Responses => Some(Box::new(responses::Reader::default())),
        Op::GenerateContent => Some(Box::new(gemini::ChatStream::plain())),
        _ => None,
    }
}
