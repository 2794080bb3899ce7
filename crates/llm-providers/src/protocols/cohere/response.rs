//! Cohere's answers as OpenAI's.

use llm_types::{ChatResponse, Choice, Content, Map, Message};
use serde_json::{Value, json};

use super::wire;
use crate::{Answer, Call, Error, Kind, Reply, protocols::emit};

pub(super) fn chat(call: &Call<'_>, reply: &Reply) -> Result<Answer, Error> {
    let name = call.target.provider.name;
    let answer: wire::Answer =
        serde_json::from_slice(&reply.body).map_err(|e| Error::decode(name, e))?;
    let finish_reason = finish_reason(&answer.finish_reason, name)?;
    let choice = Choice {
        message: message(answer.message),
        provider_specific_fields: emit::native_reason(&answer.finish_reason, finish_reason),
        finish_reason: Some(finish_reason.into()),
        logprobs: answer.logprobs.map(wire::logprobs),
        ..Choice::default()
    };
    Ok(Answer::chat(ChatResponse {
        id: answer.id,
        object: "chat.completion".into(),
        model: call.model().to_owned(),
        choices: vec![choice],
        usage: answer.usage.map(wire::Counts::usage),
        ..ChatResponse::default()
    }))
}

fn message(native: wire::Message) -> Message {
    let (mut text, mut thinking) = (None::<String>, None::<String>);
    for block in native.content {
        if let Some(more) = block.text {
            text.get_or_insert_default().push_str(&more);
        }
        if let Some(more) = block.thinking {
            thinking.get_or_insert_default().push_str(&more);
        }
    }
    let mut own = Map::new();
    if let Some(plan) = native.tool_plan.filter(|plan| !plan.is_empty()) {
        thinking.get_or_insert_default().push_str(&plan);
        own.insert("tool_plan".into(), plan.into());
    }
    let annotations = native.citations.iter().flat_map(annotations).collect();
    if !native.citations.is_empty() {
        own.insert("citations".into(), native.citations.into());
    }
    let mut tool_calls = native.tool_calls;
    for call in &mut tool_calls {
        call.kind.get_or_insert_with(|| "function".into());
    }
    Message {
        role: "assistant".into(),
        content: text.map(Content::Text),
        tool_calls,
        reasoning_content: thinking,
        annotations,
        provider_specific_fields: own,
        ..Message::default()
    }
}

/// OpenAI's annotations of one citation: one for each document it cites. Tool results are not documents; they stay in
/// the citation itself.
pub(super) fn annotations(citation: &Value) -> Vec<Value> {
    let sources = citation["sources"].as_array();
    let documents = sources
        .into_iter()
        .flatten()
        .filter(|source| source["type"] == "document");
    documents
        .map(|source| {
            let document = &source["document"];
            let text = |value: &Value| value.as_str().map(str::to_owned);
            let id = text(&source["id"]).unwrap_or_default();
            json!({
                "type": "url_citation",
                "url_citation": {
                    "start_index": citation["start"],
                    "end_index": citation["end"],
                    "title": text(&document["title"]).unwrap_or_else(|| id.clone()),
                    "url": text(&document["url"]).unwrap_or(id),
                },
            })
        })
        .collect()
}

/// OpenAI's word for Cohere's; an answer that Cohere itself calls failed is an error.
pub(super) fn finish_reason(native: &str, name: &'static str) -> Result<&'static str, Error> {
    let failed = |kind, message: &str| Err(Error::new(kind, message).of(name));
    match native {
        "MAX_TOKENS" | "ERROR_LIMIT" => Ok("length"),
        "TOOL_CALL" => Ok("tool_calls"),
        "ERROR_TOXIC" => Ok("content_filter"),
        "ERROR" => failed(Kind::Upstream, "the vendor could not complete the answer"),
        "TIMEOUT" => failed(Kind::Timeout, "the vendor ran out of time"),
        _ => Ok("stop"),
    }
}
