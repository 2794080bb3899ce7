//! streamGenerateContent's events to chat chunks.

use std::{collections::BTreeMap, sync::Arc};

use http::StatusCode;
use llm_types::{ChatChunk, ChunkChoice, Delta};

use super::{
    grounding,
    model::Model,
    names,
    parts::{Counter, Said},
    response::{self, End, Head},
    usage,
    wire::{self, UsageMetadata},
};
use crate::{Call, Chunks, Decoder, Error, Reply, error_table, frame::Frame};

/// Reads one streamed answer.
///
/// Finish reasons are held back until the input is over: what an answer cites comes with them or after them.
pub(crate) struct ChatStream {
    provider: &'static str,
    asked: String,
    include_usage: bool,
    names: Arc<BTreeMap<String, String>>,
    head: Option<Head>,
    candidates: BTreeMap<u64, Candidate>,
    blocked: Option<wire::PromptFeedback>,
    counts: Option<UsageMetadata>,
}

#[derive(Default)]
struct Candidate {
    started: bool,
    counter: Counter,
    text: String,
    end: End,
}

impl ChatStream {
    pub(crate) fn new(call: &Call<'_>) -> Self {
        Self {
            provider: call.target.provider.name,
            asked: call.model().to_owned(),
            include_usage: call.include_usage,
            names: Arc::new(names::replaced(call)),
            ..Self::plain()
        }
    }

    /// A decoder for a stream whose request is not known.
    pub(crate) fn plain() -> Self {
        Self {
            provider: "",
            asked: String::new(),
            include_usage: false,
            names: Arc::default(),
            head: None,
            candidates: BTreeMap::new(),
            blocked: None,
            counts: None,
        }
    }

    fn event(&mut self, event: wire::Response, out: &mut Chunks) {
        let head = Head::of(&event, &self.asked);
        let head = self.head.get_or_insert(head);
        keep_counts(&mut self.counts, event.usage_metadata);
        if let Some(feedback) = event.prompt_feedback.filter(|f| f.block_reason.is_some()) {
            self.blocked = Some(feedback);
        }
        let mut choices = Vec::new();
        for (at, candidate) in event.candidates.into_iter().enumerate() {
            let index = candidate.index.unwrap_or(at as u64);
            let state = self.candidates.entry(index).or_default();
            state.counter.answer.clone_from(&head.id);
            state.counter.candidate = index;
            state.counter.names = self.names.clone();
            choices.extend(state.take(index, candidate));
        }
        if !choices.is_empty() {
            out.chat(chunk(head, choices));
        }
        out.usage = self.usage();
    }

    fn usage(&self) -> Option<llm_types::Usage> {
        let ends = self.candidates.values().map(|candidate| &candidate.end);
        let found = response::grounded(ends);
        let counts = self.counts.as_ref()?;
        Some(usage::usage(counts, found, Model::new(&self.asked)))
    }

    /// The last choices, and what stands beside them.
    fn last(&mut self, head: &Head) -> ChatChunk {
        let mut choices: Vec<ChunkChoice> = self
            .candidates
            .iter_mut()
            .map(|(index, candidate)| candidate.last(*index))
            .collect();
        if let Some((finish_reason, fields)) = self.blocked.as_ref().and_then(response::blocked)
            && choices.is_empty()
        {
            choices.push(ChunkChoice {
                delta: start(),
                finish_reason: Some(finish_reason),
                provider_specific_fields: fields,
                ..ChunkChoice::default()
            });
        }
        let mut last = chunk(head, choices);
        last.extra = response::extras(self.candidates.values().map(|candidate| &candidate.end));
        let tier = self.counts.as_ref().and_then(|c| c.service_tier.as_deref());
        if let Some(tier) = tier {
            last.extra.insert("service_tier".into(), tier.into());
        }
        last
    }

    fn complete(&self) -> bool {
        let finished = |candidate: &Candidate| candidate.end.finish.is_some();
        match self.candidates.is_empty() {
            true => self.blocked.is_some(),
            false => self.candidates.values().all(finished),
        }
    }
}

impl Decoder for ChatStream {
    fn push(&mut self, frame: Frame, out: &mut Chunks) -> Result<(), Error> {
        for event in events(&frame.data, self.provider)? {
            self.event(event, out);
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut Chunks) -> Result<(), Error> {
        let head = match (self.complete(), &self.head) {
            (true, Some(head)) => head.clone(),
            _ => return Err(Error::cut(self.provider)),
        };
        let last = self.last(&head);
        out.chat(last);
        out.usage = self.usage();
        if self.include_usage && out.usage.is_some() {
            let mut counts = chunk(&head, Vec::new());
            counts.usage.clone_from(&out.usage);
            out.chat(counts);
        }
        out.done = true;
        Ok(())
    }
}

impl Candidate {
    fn take(&mut self, index: u64, mut new: wire::Candidate) -> Option<ChunkChoice> {
        self.end.take(&mut new);
        let logprobs = new.logprobs_result.as_ref().map(response::logprobs);
        let parts = new.content.unwrap_or_default().parts;
        self.text
            .extend(parts.iter().filter_map(grounding::citable));
        let said = Said::read(parts, &mut self.counter);
        self.end.called |= !said.calls.is_empty();
        if said.is_empty() && logprobs.is_none() {
            return None;
        }
        let mut delta = delta(said);
        if !self.started {
            delta.role = start().role;
            self.started = true;
        }
        Some(ChunkChoice {
            index,
            delta,
            logprobs,
            ..ChunkChoice::default()
        })
    }

    fn last(&mut self, index: u64) -> ChunkChoice {
        let mut delta = match self.started {
            true => Delta::default(),
            false => start(),
        };
        if let Some(metadata) = &self.end.grounding {
            delta.annotations = grounding::annotations(metadata, &self.text);
        }
        let (finish_reason, fields) = self.end.settle();
        ChunkChoice {
            index,
            delta,
            finish_reason: Some(finish_reason),
            provider_specific_fields: fields,
            ..ChunkChoice::default()
        }
    }
}

/// The replies in one frame: one, or all of them where the vendor answered with one JSON list.
pub(crate) fn events(data: &[u8], provider: &'static str) -> Result<Vec<wire::Response>, Error> {
    let data = data.trim_ascii();
    if data.is_empty() || data == b"[DONE]" {
        return Ok(Vec::new());
    }
    let read = if data.starts_with(b"[") {
        serde_json::from_slice(data)
    } else {
        serde_json::from_slice(data).map(|event| vec![event])
    };
    let events: Vec<wire::Response> = read.map_err(|e| Error::decode(provider, e))?;
    match events.iter().find(|event| event.error.is_some()) {
        Some(event) => Err(broken(event, provider)),
        None => Ok(events),
    }
}

/// The counts of a later event replace those of an earlier one, even by smaller ones; but the last event may have none
/// at all, only the kind of traffic.
pub(crate) fn keep_counts(kept: &mut Option<UsageMetadata>, new: Option<UsageMetadata>) {
    let known = kept.as_ref().map_or(0, |counts| counts.total_token_count);
    if let Some(new) = new
        && (new.candidates_token_count > 0 || new.total_token_count >= known)
    {
        *kept = Some(new);
    }
}

/// The error that a stream broke off with.
fn broken(event: &wire::Response, provider: &'static str) -> Error {
    let error = event.error.clone().unwrap_or_default();
    let status = error["code"]
        .as_u64()
        .and_then(|code| StatusCode::from_u16(u16::try_from(code).ok()?).ok())
        .filter(|status| status.as_u16() >= 400)
        .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = serde_json::json!({ "error": error }).to_string();
    let reply = Reply {
        status,
        headers: http::HeaderMap::new(),
        body: body.into(),
    };
    error_table::classify(provider, &reply)
}

fn chunk(head: &Head, choices: Vec<ChunkChoice>) -> ChatChunk {
    ChatChunk {
        id: head.id.clone(),
        object: "chat.completion.chunk".into(),
        created: head.created,
        model: head.model.clone(),
        choices,
        ..ChatChunk::default()
    }
}

fn start() -> Delta {
    Delta {
        role: Some("assistant".into()),
        ..Delta::default()
    }
}

fn delta(said: Said) -> Delta {
    Delta {
        content: Some(said.text).filter(|text| !text.is_empty()),
        reasoning_content: Some(said.reasoning).filter(|text| !text.is_empty()),
        thinking_blocks: said.thinking,
        tool_calls: said.calls,
        images: said.images,
        audio: said.audio,
        provider_specific_fields: said.fields,
        ..Delta::default()
    }
}
