//! generateContent for clients that speak it: passed through, read only for usage and the end.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::value::RawValue;

use super::{
    model::Model,
    response, stream, usage,
    wire::{self, UsageMetadata},
};
use crate::{Answer, Call, Chunks, Decoder, Error, Reply, frame::Frame};

/// The client's body; the model and the way of answering are in the address.
pub(crate) fn body(call: &Call<'_>) -> Result<Bytes, Error> {
    let mut body = call.fields().clone();
    for key in ["model", "stream", "stream_options"] {
        body.remove(key);
    }
    Ok(body.to_bytes())
}

/// The vendor's own answer.
pub(crate) fn answer(call: &Call<'_>, reply: Reply) -> Result<Answer, Error> {
    let mut seen = Seen::new(call);
    for event in stream::events(&reply.body, call.target.provider.name)? {
        seen.event(event);
    }
    Ok(Answer::raw(reply.body, seen.usage()))
}

/// Passes a stream's events on as they are.
pub(crate) struct NativeStream(Seen);

impl NativeStream {
    pub(crate) fn new(call: &Call<'_>) -> Self {
        Self(Seen::new(call))
    }
}

impl Decoder for NativeStream {
    fn push(&mut self, frame: Frame, out: &mut Chunks) -> Result<(), Error> {
        let provider = self.0.provider;
        let read = stream::events(&frame.data, provider)?;
        if frame.data.trim_ascii_start().starts_with(b"[") {
            let raw: Vec<&RawValue> =
                serde_json::from_slice(&frame.data).map_err(|e| Error::decode(provider, e))?;
            for event in raw {
                out.raw(None, Bytes::copy_from_slice(event.get().as_bytes()));
            }
        } else if !read.is_empty() {
            out.raw(None, frame.data);
        }
        for event in read {
            self.0.event(event);
        }
        out.usage = self.0.usage();
        Ok(())
    }

    fn finish(&mut self, out: &mut Chunks) -> Result<(), Error> {
        if !self.0.complete() {
            return Err(Error::cut(self.0.provider));
        }
        out.done = true;
        Ok(())
    }
}

/// What was seen of an answer.
struct Seen {
    provider: &'static str,
    model: String,
    finished: BTreeMap<u64, bool>,
    blocked: bool,
    counts: Option<UsageMetadata>,
    grounding: usage::Grounding,
}

impl Seen {
    fn new(call: &Call<'_>) -> Self {
        Self {
            provider: call.target.provider.name,
            model: call.model().to_owned(),
            finished: BTreeMap::new(),
            blocked: false,
            counts: None,
            grounding: usage::Grounding::default(),
        }
    }

    fn event(&mut self, event: wire::Response) {
        for (at, mut candidate) in event.candidates.into_iter().enumerate() {
            let index = candidate.index.unwrap_or(at as u64);
            *self.finished.entry(index).or_default() |= candidate.finish_reason.is_some();
            let mut end = response::End::default();
            end.take(&mut candidate);
            self.grounding = self
                .grounding
                .and(response::grounded(std::iter::once(&end)));
        }
        self.blocked |= event
            .prompt_feedback
            .is_some_and(|f| f.block_reason.is_some());
        stream::keep_counts(&mut self.counts, event.usage_metadata);
    }

    fn usage(&self) -> Option<llm_types::Usage> {
        let counts = self.counts.as_ref()?;
        Some(usage::usage(
            counts,
            self.grounding,
            Model::new(&self.model),
        ))
    }

    fn complete(&self) -> bool {
        match self.finished.is_empty() {
            true => self.blocked,
            false => self.finished.values().all(|finished| *finished),
        }
    }
}
