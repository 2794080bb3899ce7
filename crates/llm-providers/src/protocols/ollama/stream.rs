//! Ollama's lines as OpenAI's chunks.

use llm_types::{ChunkChoice, Delta};

use super::{
    response,
    think::{Split, Splitter},
    wire,
};
use crate::{
    Call, Chunks, Decoder, Error, error_table,
    frame::Frame,
    protocols::emit::{self, Emitter},
};

pub(super) struct ChatStream {
    provider: &'static str,
    include_usage: bool,
    emitter: Emitter,
    text: Splitter,
    started: bool,
    calls: usize,
    images: usize,
    complete: bool,
}

impl ChatStream {
    pub(super) fn new(call: &Call<'_>) -> Self {
        Self {
            provider: call.target.provider.name,
            include_usage: call.include_usage,
            emitter: Emitter::new(call),
            text: Splitter::default(),
            started: false,
            calls: 0,
            images: 0,
            complete: false,
        }
    }

    fn start(&mut self, line: &wire::Line, out: &mut Chunks) {
        if self.started {
            return;
        }
        self.started = true;
        self.emitter.id = line.id("chatcmpl-", 0);
        self.emitter.created = wire::seconds(&line.created_at);
        out.chat(self.emitter.delta(emit::opening()));
    }

    fn line(&mut self, mut line: wire::Line, out: &mut Chunks) {
        self.start(&line, out);
        let message = line.message.take().unwrap_or_default();
        let split = self.text.push(&message.content);
        let mut thinking = message.thinking.unwrap_or_default();
        thinking.push_str(&split.thinking);
        let first = self.images;
        self.images += message.images.len();
        let mut delta = delta(thinking, split.answer);
        delta.images = response::images(message.images, first);
        for call in message.tool_calls {
            let (nth, index) = (self.calls, self.calls as u64);
            let call = response::tool_call(&line, nth, call, Some(index));
            delta.tool_calls.push(call);
            self.calls += 1;
        }
        self.emit(delta, line.logprobs.take(), out);
        if line.done {
            self.end(&line, out);
        }
    }

    fn emit(&self, delta: Delta, logprobs: Option<Vec<serde_json::Value>>, out: &mut Chunks) {
        if delta == Delta::default() && logprobs.is_none() {
            return;
        }
        out.chat(self.emitter.choice(ChunkChoice {
            delta,
            logprobs: logprobs.map(response::logprobs),
            ..ChunkChoice::default()
        }));
    }

    fn end(&mut self, line: &wire::Line, out: &mut Chunks) {
        let Split { thinking, answer } = self.text.finish();
        self.emit(delta(thinking, answer), None, out);
        let native = line.done_reason.as_deref().unwrap_or("stop");
        let reason = response::finish_reason(native, self.calls > 0);
        out.chat(self.emitter.choice(ChunkChoice {
            finish_reason: Some(reason.into()),
            provider_specific_fields: emit::native_reason(native, reason),
            ..ChunkChoice::default()
        }));
        out.usage = line.usage();
        if let Some(usage) = out.usage.clone().filter(|_| self.include_usage) {
            out.chat(self.emitter.usage(usage));
        }
        self.complete = true;
        out.done = true;
    }
}

fn delta(thinking: String, answer: String) -> Delta {
    Delta {
        reasoning_content: Some(thinking).filter(|text| !text.is_empty()),
        content: Some(answer).filter(|text| !text.is_empty()),
        ..Delta::default()
    }
}

impl Decoder for ChatStream {
    fn push(&mut self, frame: Frame, out: &mut Chunks) -> Result<(), Error> {
        if self.complete {
            return Ok(());
        }
        if let Some(error) = error_table::in_frame(self.provider, &frame.data) {
            return Err(error);
        }
        let line: wire::Line =
            serde_json::from_slice(&frame.data).map_err(|e| Error::decode(self.provider, e))?;
        self.line(line, out);
        Ok(())
    }

    fn finish(&mut self, out: &mut Chunks) -> Result<(), Error> {
        if self.complete {
            out.done = true;
            return Ok(());
        }
        Err(Error::cut(self.provider))
    }
}
