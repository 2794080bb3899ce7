//! Anthropic's first API, `/v1/complete`: one prompt in, one text out. Claude 2 and Instant speak nothing newer.

use bytes::Bytes;
use http::Request;
use llm_types::{ChatRequest, ChatResponse, Choice, ChunkChoice, Content, Delta, Message, Op};
use serde::Deserialize;
use serde_json::json;

use super::{error_of, metadata, response::finish, settle::user};
use crate::{
    Answer, Call, Chunks, Decoder, Error, Kind, Outgoing, Protocol, Reply, Step,
    frame::Frame,
    path,
    protocols::{
        emit::{Emitter, opening},
        openai::request as post,
    },
};

/// Anthropic's text completions.
#[derive(Debug)]
pub struct Complete;

/// The API demands a limit; this is LiteLLM's.
const DEFAULT_MAX_TOKENS: u64 = 256;

/// A row's quirk.
pub(crate) fn settle(call: &mut Call<'_>) -> Result<(), Error> {
    user(call)
}

impl Protocol for Complete {
    fn encode(&self, call: &Call<'_>) -> Result<Request<Outgoing>, Error> {
        if call.op != Op::Chat {
            return Err(call.unsupported());
        }
        let chat = ChatRequest::from_object(call.fields())?;
        let mut body = json!({
            "model": call.model(),
            "prompt": prompt(&chat.messages)?,
            "max_tokens_to_sample": chat.output_limit().unwrap_or(DEFAULT_MAX_TOKENS),
        });
        let metadata = metadata(&chat);
        let optional = [
            ("temperature", json!(chat.temperature)),
            ("top_p", json!(chat.top_p)),
            ("stop_sequences", json!(chat.stop)),
            ("metadata", json!(metadata)),
            ("stream", json!(call.stream.then_some(true))),
        ];
        for (key, value) in optional.into_iter().chain(
            chat.extra
                .iter()
                .map(|(key, value)| (key.as_str(), value.clone())),
        ) {
            if !value.is_null() {
                body[key] = value;
            }
        }
        let base = call.base_url().trim_end_matches('/');
        let base = base.strip_suffix("/v1/complete").unwrap_or(base);
        post(&path::join(base, "/v1/complete"), body.to_string().into())
    }

    fn decode(&self, call: &Call<'_>, reply: Reply) -> Result<Step, Error> {
        let said = read(call.target.provider.name, &reply.body)?;
        let (reason, fields) = finish(said.stop_reason.as_deref(), said.stop, false);
        let choice = Choice {
            message: Message {
                role: "assistant".into(),
                content: Some(Content::Text(said.completion)),
                ..Message::default()
            },
            finish_reason: Some(reason.to_owned()),
            provider_specific_fields: fields,
            ..Choice::default()
        };
        Ok(Answer::chat(ChatResponse {
            id: said.id,
            object: "chat.completion".into(),
            model: said.model,
            choices: vec![choice],
            ..ChatResponse::default()
        })
        .into())
    }

    fn decoder(&self, call: &Call<'_>) -> Result<Box<dyn Decoder>, Error> {
        Ok(Box::new(Texts {
            provider: call.target.provider.name,
            emit: Emitter::new(call),
            started: false,
        }))
    }
}

/// The conversation as the API wants it: system text first, then turns by their names.
fn prompt(messages: &[Message]) -> Result<String, Error> {
    let mut prompt = String::new();
    for (i, message) in messages.iter().enumerate() {
        let text = match &message.content {
            None => String::new(),
            Some(content) => text(content, i)?,
        };
        match message.role.as_str() {
            "system" | "developer" if i == 0 => prompt.push_str(&text),
            "assistant" => prompt.push_str(&format!("\n\nAssistant: {text}")),
            _ => prompt.push_str(&format!("\n\nHuman: {text}")),
        }
    }
    if messages.last().is_none_or(|last| last.role != "assistant") {
        prompt.push_str("\n\nAssistant:");
    }
    Ok(prompt)
}

fn text(content: &Content, message: usize) -> Result<String, Error> {
    if let Content::Parts(parts) = content
        && let Some(odd) = parts.iter().find(|part| part.text.is_none())
    {
        return Err(Error::bad_request(
            format!("messages[{message}].content"),
            format!("this model takes text, no '{}' parts", odd.kind),
        ));
    }
    Ok(content.text())
}

/// A whole answer, or a piece of one.
#[derive(Deserialize)]
struct Said {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    id: String,
    #[serde(default)]
    completion: String,
    #[serde(default)]
    model: String,
    #[serde(default)]
    stop_reason: Option<String>,
    #[serde(default)]
    stop: Option<String>,
}

fn read(provider: &'static str, body: &Bytes) -> Result<Said, Error> {
    let said: Said = serde_json::from_slice(body).map_err(|e| Error::decode(provider, e))?;
    match said.kind.as_str() {
        "completion" => Ok(said),
        "error" => Err(error_of(provider, body)),
        kind => Err(Error::new(
            Kind::Decode,
            format!("the answer cannot be read: '{kind}' is no completion"),
        )
        .of(provider)),
    }
}

struct Texts {
    provider: &'static str,
    emit: Emitter,
    started: bool,
}

impl Decoder for Texts {
    fn push(&mut self, frame: Frame, out: &mut Chunks) -> Result<(), Error> {
        if frame.event() == "ping" || out.done {
            return Ok(());
        }
        let said = read(self.provider, &frame.data)?;
        if !self.started {
            self.started = true;
            (self.emit.id, self.emit.model) = (said.id, said.model);
            out.chat(self.emit.delta(opening()));
        }
        if !said.completion.is_empty() {
            out.chat(self.emit.delta(Delta {
                content: Some(said.completion),
                ..Delta::default()
            }));
        }
        if let Some(native) = said.stop_reason {
            let (reason, fields) = finish(Some(&native), said.stop, false);
            out.chat(self.emit.choice(ChunkChoice {
                finish_reason: Some(reason.to_owned()),
                provider_specific_fields: fields,
                ..ChunkChoice::default()
            }));
            out.done = true;
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut Chunks) -> Result<(), Error> {
        if out.done {
            Ok(())
        } else {
            Err(Error::cut(self.provider))
        }
    }
}
