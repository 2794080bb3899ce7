//! Models on Vertex that speak OpenAI's chat, at three kinds of address.

use bytes::Bytes;
use http::Request;
use llm_types::{ChatChunk, ChatResponse, ChunkChoice, Delta, JsonObject, Map, Op};
use memchr::memmem;
use serde_json::json;

use super::{address, model::Wire};
use crate::{
    Call, Chunks, Decoder, Error, Outgoing, Protocol, Reply, Step,
    frame::Frame,
    params, path,
    protocols::openai::{self, OpenAi},
};

/// Keys of other vendors' answers that a history may bring along.
const FOREIGN: &[&str] = &[
    "provider_specific_fields",
    "thinking_blocks",
    "reasoning_content",
    "cache_control",
];

/// Takes from the history what only other vendors know.
pub(super) fn settle(call: &mut Call<'_>) -> Result<(), Error> {
    if call.op != Op::Chat {
        return Ok(());
    }
    let found = |raw: &Bytes| {
        FOREIGN
            .iter()
            .any(|key| memmem::find(raw, key.as_bytes()).is_some())
    };
    if !call.fields().raw("messages").is_some_and(found) {
        return Ok(());
    }
    params::edit_messages(call.fields_mut(), |message| {
        message.retain(|key, _| !FOREIGN.contains(&key.as_str()));
        for list in ["content", "tool_calls"] {
            let parts = message
                .get_mut(list)
                .and_then(serde_json::Value::as_array_mut);
            for part in parts.into_iter().flatten() {
                if let Some(part) = part.as_object_mut() {
                    part.retain(|key, _| !FOREIGN.contains(&key.as_str()));
                }
            }
        }
    })?;
    Ok(())
}

pub(super) fn encode(call: &Call<'_>, wire: Wire<'_>) -> Result<Request<Outgoing>, Error> {
    let (model, uri) = match wire {
        Wire::Raw(publisher, model) => {
            let verb = if call.stream {
                "streamRawPredict"
            } else {
                "rawPredict"
            };
            let resource = format!("publishers/{publisher}/models/{}", path::segments(model)?);
            // The address has the version, the body only the name.
            let name = model.split('@').next().unwrap_or(model);
            (name.to_owned(), address::of(call, "v1", &resource, verb)?)
        }
        Wire::Open(publisher, model) => {
            let uri = address::of(call, "v1", "", "endpoints/openapi/chat/completions")?;
            (format!("{publisher}/{model}"), uri)
        }
        Wire::OpenEndpoint(id) => {
            let resource = format!("endpoints/{}/chat/completions", path::segment(id)?);
            (id.to_owned(), address::of(call, "v1beta1", "", &resource)?)
        }
        Wire::Gemma(id) => return gemma(call, id),
        _ => return Err(call.unsupported()),
    };
    let mut inner = call.clone();
    inner.model = Some(model);
    let mut request = OpenAi.encode(&inner)?;
    *request.uri_mut() = openai::request(&uri, Bytes::new())?.uri().clone();
    Ok(request)
}

/// Gemma's server takes a chat request as an instance of predict.
fn gemma(call: &Call<'_>, id: &str) -> Result<Request<Outgoing>, Error> {
    let mut instance: Map = call.fields().to_map()?;
    for key in ["model", "stream", "stream_options"] {
        instance.shift_remove(key);
    }
    instance.insert("@requestFormat".into(), "chatCompletions".into());
    let resource = format!("endpoints/{}", path::segment(id)?);
    let uri = address::of(call, "v1", &resource, "predict")?;
    let body = json!({ "instances": [instance] });
    openai::request(&uri, body.to_string().into())
}

/// The chat answer inside predict's.
fn gemma_answer(name: &'static str, body: &Bytes) -> Result<Bytes, Error> {
    let reply = JsonObject::parse(body).map_err(|e| Error::decode(name, e))?;
    let prediction = reply
        .raw("predictions")
        .ok_or_else(|| Error::decode(name, "there are no predictions"))?;
    if prediction.starts_with(b"[") {
        let mut list: Vec<Box<serde_json::value::RawValue>> =
            serde_json::from_slice(prediction).map_err(|e| Error::decode(name, e))?;
        let first = list.drain(..).next();
        let first = first.ok_or_else(|| Error::decode(name, "there are no predictions"))?;
        return Ok(Bytes::from(first.get().to_owned()));
    }
    Ok(prediction.clone())
}

pub(super) fn decode(call: &Call<'_>, wire: Wire<'_>, reply: Reply) -> Result<Step, Error> {
    let body = match wire {
        Wire::Gemma(_) => gemma_answer(call.target.provider.name, &reply.body)?,
        _ => reply.body,
    };
    OpenAi.decode(call, Reply { body, ..reply })
}

/// Replays a whole answer as a stream, for a server that cannot stream.
pub(super) struct Replay {
    call: (bool, &'static str),
    whole: Option<ChatResponse>,
}

impl Replay {
    pub(super) fn new(call: &Call<'_>) -> Self {
        Self {
            call: (call.include_usage, call.target.provider.name),
            whole: None,
        }
    }
}

impl Decoder for Replay {
    fn push(&mut self, frame: Frame, _: &mut Chunks) -> Result<(), Error> {
        let name = self.call.1;
        let answer = gemma_answer(name, &frame.data)?;
        self.whole = Some(serde_json::from_slice(&answer).map_err(|e| Error::decode(name, e))?);
        Ok(())
    }

    fn finish(&mut self, out: &mut Chunks) -> Result<(), Error> {
        let (include_usage, name) = self.call;
        let whole = self.whole.take();
        let whole = whole.ok_or_else(|| Error::decode(name, "the answer is empty"))?;
        let head = ChatChunk {
            id: whole.id,
            object: "chat.completion.chunk".into(),
            created: whole.created,
            model: whole.model,
            ..ChatChunk::default()
        };
        let choices = whole.choices.into_iter().map(|choice| ChunkChoice {
            index: choice.index,
            finish_reason: choice.finish_reason,
            logprobs: choice.logprobs,
            delta: Delta {
                role: Some("assistant".into()),
                content: choice.message.content.map(|content| content.text()),
                reasoning_content: choice.message.reasoning_content,
                tool_calls: indexed(choice.message.tool_calls),
                ..Delta::default()
            },
            ..ChunkChoice::default()
        });
        out.chat(ChatChunk {
            choices: choices.collect(),
            ..head.clone()
        });
        out.usage.clone_from(&whole.usage);
        if include_usage && whole.usage.is_some() {
            out.chat(ChatChunk {
                usage: whole.usage,
                ..head
            });
        }
        out.done = true;
        Ok(())
    }
}

fn indexed(calls: Vec<llm_types::ToolCall>) -> Vec<llm_types::ToolCall> {
    let numbered = calls.into_iter().zip(0..);
    numbered
        .map(|(call, index)| llm_types::ToolCall {
            index: Some(index),
            ..call
        })
        .collect()
}
