//! generateContent's answer to a chat answer.

use std::{collections::BTreeMap, sync::Arc};

use aws_smithy_types::{DateTime, date_time::Format};
use llm_types::{ChatResponse, Choice, Content, Map, Message};
use serde_json::{Value, json};

use super::{
    grounding,
    model::Model,
    names,
    parts::{Counter, Said},
    usage::{self, Grounding},
    wire::{self, FINISH_REASONS},
};
use crate::{Call, Error, Kind};

/// The chat answer that says the same.
pub(crate) fn chat(call: &Call<'_>, reply: wire::Response) -> Result<ChatResponse, Error> {
    let head = Head::of(&reply, call.model());
    let names = Arc::new(names::replaced(call));
    let (mut choices, mut ends) = (Vec::new(), Vec::new());
    for (at, candidate) in reply.candidates.into_iter().enumerate() {
        let (choice, end) = choice(&head, &names, at as u64, candidate);
        choices.push(choice);
        ends.push(end);
    }
    if let Some(feedback) = reply.prompt_feedback
        && choices.is_empty()
    {
        let (finish_reason, fields) = blocked(&feedback).ok_or_else(nothing)?;
        choices.push(Choice {
            message: Message {
                role: "assistant".into(),
                ..Message::default()
            },
            finish_reason: Some(finish_reason),
            provider_specific_fields: fields,
            ..Choice::default()
        });
    }
    if choices.is_empty() {
        return Err(nothing());
    }
    let found = grounded(ends.iter());
    let counts = reply.usage_metadata.as_ref();
    Ok(ChatResponse {
        id: head.id,
        object: "chat.completion".into(),
        created: head.created,
        model: head.model,
        choices,
        usage: counts.map(|counts| usage::usage(counts, found, Model::new(call.model()))),
        service_tier: counts.and_then(|counts| counts.service_tier.clone()),
        extra: extras(ends.iter()),
        ..ChatResponse::default()
    })
}

/// What stands over an answer, or over every chunk of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Head {
    pub(crate) id: String,
    pub(crate) created: u64,
    pub(crate) model: String,
}

impl Head {
    /// `asked` is the model's name for replies that do not say which one answered.
    pub(crate) fn of(reply: &wire::Response, asked: &str) -> Self {
        let id = reply.response_id.clone().filter(|id| !id.is_empty());
        let model = reply.model_version.clone().filter(|name| !name.is_empty());
        Self {
            id: id.unwrap_or_else(|| format!("chatcmpl-{}", uuid::Uuid::new_v4())),
            created: reply.create_time.as_deref().and_then(seconds).unwrap_or(0),
            model: model.unwrap_or_else(|| asked.to_owned()),
        }
    }
}

/// What is only known at an answer's end, collected over its pieces.
#[derive(Debug, Clone, Default)]
pub(crate) struct End {
    pub(crate) finish: Option<String>,
    pub(crate) message: Option<String>,
    pub(crate) called: bool,
    pub(crate) grounding: Option<Value>,
    pub(crate) url_context: Option<Value>,
    pub(crate) safety: Option<Value>,
    pub(crate) citations: Option<Value>,
    pub(crate) extra: Map,
}

impl End {
    /// Takes what one candidate says beside its parts, which stay behind.
    pub(crate) fn take(&mut self, candidate: &mut wire::Candidate) {
        if let Some(reason) = candidate.finish_reason.take() {
            self.finish = Some(reason.name(FINISH_REASONS));
        }
        let text = candidate.finish_message.take();
        self.message = text.or(self.message.take());
        merge(&mut self.grounding, candidate.grounding_metadata.take());
        merge(&mut self.url_context, candidate.url_context_metadata.take());
        merge(&mut self.safety, candidate.safety_ratings.take());
        merge(&mut self.citations, candidate.citation_metadata.take());
        self.extra.append(&mut candidate.extra);
    }

    /// OpenAI's finish reason, and what else the choice has to say.
    pub(crate) fn settle(&self) -> (String, Map) {
        let native = self.finish.as_deref().unwrap_or("STOP");
        let mapped = match native {
            _ if self.called => "tool_calls",
            "MAX_TOKENS" => "length",
            "SAFETY"
            | "RECITATION"
            | "LANGUAGE"
            | "OTHER"
            | "BLOCKLIST"
            | "PROHIBITED_CONTENT"
            | "SPII"
            | "IMAGE_SAFETY"
            | "IMAGE_PROHIBITED_CONTENT"
            | "NO_IMAGE"
            | "IMAGE_RECITATION"
            | "IMAGE_OTHER"
            | "ESCALATION"
            | "MODEL_ARMOR" => "content_filter",
            _ => "stop",
        };
        let mut fields = self.extra.clone();
        if self.finish.is_some() {
            fields.insert("native_finish_reason".into(), native.into());
        }
        if let Some(message) = &self.message {
            fields.insert("finish_message".into(), message.as_str().into());
        }
        (mapped.to_owned(), fields)
    }
}

/// The choice that a blocked prompt gets: its finish reason and why.
pub(crate) fn blocked(feedback: &wire::PromptFeedback) -> Option<(String, Map)> {
    let reason = feedback.block_reason.as_ref()?.name(&[]);
    let mut fields = Map::new();
    fields.insert("native_finish_reason".into(), reason.into());
    if let Some(message) = &feedback.block_reason_message {
        fields.insert("finish_message".into(), message.as_str().into());
    }
    if let Some(ratings) = &feedback.safety_ratings {
        fields.insert("safety_ratings".into(), ratings.clone());
    }
    Some(("content_filter".to_owned(), fields))
}

/// The fields of the whole answer, by LiteLLM's names: a list with one entry for each candidate that has any.
pub(crate) fn extras<'a>(ends: impl Iterator<Item = &'a End> + Clone) -> Map {
    let mut extra = Map::new();
    let mut add = |name: &str, get: fn(&End) -> &Option<Value>| {
        let list: Vec<Value> = ends.clone().filter_map(|end| get(end).clone()).collect();
        if !list.is_empty() {
            extra.insert(name.to_owned(), list.into());
        }
    };
    add("vertex_ai_grounding_metadata", |end| &end.grounding);
    add("vertex_ai_url_context_metadata", |end| &end.url_context);
    add("vertex_ai_safety_results", |end| &end.safety);
    add("vertex_ai_citation_metadata", |end| &end.citations);
    extra
}

/// What grounding all candidates used.
pub(crate) fn grounded<'a>(ends: impl Iterator<Item = &'a End>) -> Grounding {
    ends.filter_map(|end| end.grounding.as_ref())
        .map(Grounding::read)
        .fold(Grounding::default(), Grounding::and)
}

/// Token probabilities in OpenAI's shape.
pub(crate) fn logprobs(result: &wire::LogprobsResult) -> Value {
    let one = |logprob: &wire::Logprob| {
        json!({
            "token": logprob.token,
            "bytes": logprob.token.as_bytes(),
            "logprob": logprob.log_probability,
        })
    };
    let tokens = result.chosen_candidates.iter().enumerate();
    let content: Vec<Value> = tokens
        .map(|(at, chosen)| {
            let top = result.top_candidates.get(at);
            let top = top.map(|top| top.candidates.iter().map(one).collect::<Vec<_>>());
            let mut token = one(chosen);
            token["top_logprobs"] = top.unwrap_or_default().into();
            token
        })
        .collect();
    json!({ "content": content })
}

fn choice(
    head: &Head,
    names: &Arc<BTreeMap<String, String>>,
    at: u64,
    mut candidate: wire::Candidate,
) -> (Choice, End) {
    let index = candidate.index.unwrap_or(at);
    let mut end = End::default();
    end.take(&mut candidate);
    let mut counter = Counter {
        answer: head.id.clone(),
        candidate: index,
        names: names.clone(),
        ..Counter::default()
    };
    let parts = candidate.content.unwrap_or_default().parts;
    let said = Said::read(parts, &mut counter);
    end.called = !said.calls.is_empty();
    let annotations = end
        .grounding
        .as_ref()
        .map(|metadata| grounding::annotations(metadata, &said.text))
        .unwrap_or_default();
    let (finish_reason, fields) = end.settle();
    let choice = Choice {
        index,
        message: message(said, annotations),
        finish_reason: Some(finish_reason),
        logprobs: candidate.logprobs_result.as_ref().map(logprobs),
        provider_specific_fields: fields,
        ..Choice::default()
    };
    (choice, end)
}

fn message(said: Said, annotations: Vec<Value>) -> Message {
    let calls = said.calls.into_iter().map(|mut call| {
        call.index = None;
        call
    });
    Message {
        role: "assistant".into(),
        content: Some(said.text)
            .filter(|text| !text.is_empty())
            .map(Content::Text),
        reasoning_content: Some(said.reasoning).filter(|text| !text.is_empty()),
        thinking_blocks: said.thinking,
        tool_calls: calls.collect(),
        images: said.images,
        audio: said.audio,
        annotations,
        provider_specific_fields: said.fields,
        ..Message::default()
    }
}

/// Later pieces add to earlier ones.
fn merge(into: &mut Option<Value>, more: Option<Value>) {
    match (into.as_mut(), more) {
        (Some(Value::Object(ours)), Some(Value::Object(theirs))) => {
            for (key, value) in theirs {
                match (ours.get_mut(&key), value) {
                    (Some(Value::Array(list)), Value::Array(more))
                        if key.starts_with("citation") =>
                    {
                        list.extend(more);
                    }
                    (_, value) => {
                        ours.insert(key, value);
                    }
                }
            }
        }
        (_, Some(more)) => *into = Some(more),
        (_, None) => {}
    }
}

fn nothing() -> Error {
    Error::new(Kind::Decode, "the answer has no candidates")
}

/// Seconds since 1970 of `2026-03-12T18:06:15.185613Z`.
fn seconds(time: &str) -> Option<u64> {
    let time = DateTime::from_str(time, Format::DateTime).ok()?;
    u64::try_from(time.secs()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        assert_eq!(seconds("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(seconds("2024-02-29T12:34:56.789Z"), Some(1_709_210_096));
        assert_eq!(seconds("soon"), None);
    }
}
