//! Cohere's events as OpenAI's chunks.

use llm_types::{ChunkChoice, Delta, Map, ToolCall};
use serde_json::Value;

use super::{response, wire};
use crate::{
    Call, Chunks, Decoder, Error, Reply, error_table,
    frame::Frame,
    protocols::emit::{self, Emitter},
};

pub(super) struct ChatStream {
    provider: &'static str,
    include_usage: bool,
    emitter: Emitter,
    /// The vendor's index of each tool call, in the order of our own.
    calls: Vec<u64>,
    plan: String,
    complete: bool,
}

impl ChatStream {
    pub(super) fn new(call: &Call<'_>) -> Self {
        Self {
            provider: call.target.provider.name,
            include_usage: call.include_usage,
            emitter: Emitter::new(call),
            calls: Vec::new(),
            plan: String::new(),
            complete: false,
        }
    }

    fn event(&mut self, event: wire::Event, out: &mut Chunks) -> Result<(), Error> {
        let message = event.delta.message;
        match event.kind.as_str() {
            "message-start" => {
                self.emitter.id = event.id.unwrap_or_default();
                out.chat(self.emitter.delta(emit::opening()));
            }
            "content-start" | "content-delta" => self.content(&message, event.logprobs, out),
            "tool-plan-delta" => {
                let plan = message.tool_plan.unwrap_or_default();
                self.plan.push_str(&plan);
                out.chat(self.emitter.delta(emit::thinking(plan)));
            }
            "tool-call-start" | "tool-call-delta" => {
                self.tool_call(event.index, message.tool_calls, out)?;
            }
            "citation-start" => self.citation(message.citations, out),
            "message-end" => {
                return self.end(
                    event.delta.finish_reason,
                    event.delta.usage,
                    event.delta.error,
                    out,
                );
            }
            _ => {}
        }
        Ok(())
    }

    fn content(
        &self,
        message: &wire::EventMessage,
        logprob: Option<wire::Logprob>,
        out: &mut Chunks,
    ) {
        let part = |key: &str| {
            message.content[key]
                .as_str()
                .filter(|part| !part.is_empty())
        };
        let delta = Delta {
            content: part("text").map(str::to_owned),
            reasoning_content: part("thinking").map(str::to_owned),
            ..Delta::default()
        };
        if delta == Delta::default() && logprob.is_none() {
            return;
        }
        out.chat(self.emitter.choice(ChunkChoice {
            delta,
            logprobs: logprob.map(|entry| wire::logprobs(vec![entry])),
            ..ChunkChoice::default()
        }));
    }

    fn tool_call(&mut self, index: u64, native: Value, out: &mut Chunks) -> Result<(), Error> {
        let mut call: ToolCall =
            serde_json::from_value(native).map_err(|e| Error::decode(self.provider, e))?;
        let known = self.calls.iter().position(|seen| *seen == index);
        let own = known.unwrap_or_else(|| {
            self.calls.push(index);
            self.calls.len() - 1
        });
        if known.is_none() {
            call.kind.get_or_insert_with(|| "function".into());
        }
        call.index = Some(own as u64);
        out.chat(self.emitter.delta(Delta {
            tool_calls: vec![call],
            ..Delta::default()
        }));
        Ok(())
    }

    fn citation(&self, citation: Value, out: &mut Chunks) {
        let mut own = Map::new();
        let annotations = response::annotations(&citation);
        own.insert("citations".into(), vec![citation].into());
        out.chat(self.emitter.delta(Delta {
            annotations,
            provider_specific_fields: own,
            ..Delta::default()
        }));
    }

    fn end(
        &mut self,
        native: Option<String>,
        usage: Option<wire::Counts>,
        error: Option<String>,
        out: &mut Chunks,
    ) -> Result<(), Error> {
        out.usage = usage.map(wire::Counts::usage);
        let native = native.unwrap_or_default();
        let reason = response::finish_reason(&native, self.provider).map_err(|mut failed| {
            failed.message = error.unwrap_or(failed.message);
            failed
        })?;
        let mut own = Map::new();
        if !self.plan.is_empty() {
            own.insert("tool_plan".into(), std::mem::take(&mut self.plan).into());
        }
        out.chat(self.emitter.choice(ChunkChoice {
            delta: Delta {
                provider_specific_fields: own,
                ..Delta::default()
            },
            finish_reason: Some(reason.into()),
            provider_specific_fields: emit::native_reason(&native, reason),
            ..ChunkChoice::default()
        }));
        if let Some(usage) = out.usage.clone().filter(|_| self.include_usage) {
            out.chat(self.emitter.usage(usage));
        }
        self.complete = true;
        out.done = true;
        Ok(())
    }
}

impl Decoder for ChatStream {
    fn push(&mut self, frame: Frame, out: &mut Chunks) -> Result<(), Error> {
        if self.complete || &frame.data[..] == b"[DONE]" {
            return Ok(());
        }
        let event: wire::Event =
            serde_json::from_slice(&frame.data).map_err(|e| Error::decode(self.provider, e))?;
        if event.kind.is_empty() {
            // Not an event: what Cohere writes where it refuses after the status was sent, `{"message": ...}`.
            return Err(error_table::classify(
                self.provider,
                &Reply {
                    status: http::StatusCode::INTERNAL_SERVER_ERROR,
                    headers: Default::default(),
                    body: frame.data,
                },
            ));
        }
        self.event(event, out)
    }

    fn finish(&mut self, out: &mut Chunks) -> Result<(), Error> {
        if self.complete {
            out.done = true;
            return Ok(());
        }
        Err(Error::cut(self.provider))
    }
}
