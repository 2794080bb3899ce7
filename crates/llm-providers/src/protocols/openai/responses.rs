//! The Responses API where a vendor speaks it: bytes pass through, and only what counts and what ends is read.

use bytes::Bytes;
use llm_types::{JsonObject, Usage, Verb, responses::ResponsesUsage};
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use super::{
    replay,
    so_far::{COMPLETED, SoFar},
    usage,
};
use crate::{Answer, Call, Chunks, Decoder, Error, Kind, Reply, error_table, frame::Frame};

/// The answer as it came, its usage counted.
pub(super) fn answer(call: &Call<'_>, reply: Reply) -> Result<Answer, Error> {
    let provider = call.target.provider.name;
    let object = JsonObject::parse(&reply.body)
        .map_err(|_| error_table::unreadable(provider, &reply.body))?;
    let failed = object.str("status").as_deref() == Some("failed");
    if failed || object.raw("output").is_none() {
        return Err(refusal(provider, &reply.body));
    }
    let usage = object.raw("usage").and_then(|raw| counted(raw));
    Ok(Answer::raw(reply.body, usage))
}

/// The usage under chat's names. What cannot be read costs no answer.
fn counted(raw: &[u8]) -> Option<Usage> {
    let usage: ResponsesUsage = serde_json::from_slice(raw).ok()?;
    let mut usage = usage.normalise();
    usage::normalise(&mut usage);
    Some(usage)
}

/// Passes events on as they are, and reads only those that say how far the answer is.
pub(super) struct ResponsesStream {
    provider: &'static str,
    /// It is told once more: what it consumed was paid for before, unless nobody knew then how much that would be.
    again: bool,
    so_far: SoFar,
}

impl ResponsesStream {
    pub(super) fn new(call: &Call<'_>) -> Self {
        Self {
            provider: call.target.provider.name,
            again: call.verb != Verb::Create,
            so_far: SoFar::new(call),
        }
    }

    /// The last event: what it consumed, and that the answer is whole.
    fn end(&self, data: &[u8], out: &mut Chunks) -> Result<(), Error> {
        let end: End<'_> =
            serde_json::from_slice(data).map_err(|e| Error::decode(self.provider, e))?;
        let counts = |response: &Ended<'_>| !self.again || response.background == Some(true);
        let response = end.response.filter(counts);
        let usage = response.and_then(|response| response.usage);
        if let Some(usage) = usage.and_then(|raw| counted(raw.get().as_bytes())) {
            out.usage = Some(usage);
        }
        Ok(())
    }
}

impl Decoder for ResponsesStream {
    fn push(&mut self, frame: Frame, out: &mut Chunks) -> Result<(), Error> {
        let data = frame.data.slice_ref(frame.data.trim_ascii());
        // Some hosts close with chat's end mark, which says nothing here.
        if data.is_empty() || &data[..] == b"[DONE]" || out.done {
            return Ok(());
        }
        let head: Head<'_> = serde_json::from_slice(&data)
            .map_err(|_| error_table::unreadable(self.provider, &data))?;
        let Some(kind) = head.kind else {
            return match head.object.as_deref() {
                // A host that does not stream what it was asked to stream.
                Some("response") => replay(self.provider, &data, out),
                _ => Err(refusal(self.provider, &data)),
            };
        };
        match &*kind {
            "response.completed" | "response.incomplete" => {
                self.end(&data, out)?;
                out.done = true;
            }
            "response.failed" => {
                self.end(&data, out)?;
                return Err(failure(self.provider, &data));
            }
            "error" => return Err(refusal(self.provider, &data)),
            _ => {}
        }
        self.so_far.event(&kind, head.sequence_number, &data);
        // Clients tell events apart by their names, which some hosts leave out.
        let event = frame
            .event
            .unwrap_or_else(|| Bytes::from(kind.into_owned()));
        out.raw(Some(event), data);
        Ok(())
    }

    fn finish(&mut self, out: &mut Chunks) -> Result<(), Error> {
        if out.done {
            return Ok(());
        }
        let Some(end) = self.so_far.end() else {
            return Err(Error::cut(self.provider));
        };
        out.raw(Some(Bytes::from_static(COMPLETED.as_bytes())), end);
        out.done = true;
        Ok(())
    }
}

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<std::borrow::Cow<'a, str>>,
    #[serde(borrow)]
    object: Option<std::borrow::Cow<'a, str>>,
    sequence_number: Option<u64>,
}

#[derive(Deserialize)]
struct End<'a> {
    #[serde(borrow)]
    response: Option<Ended<'a>>,
}

#[derive(Deserialize)]
struct Ended<'a> {
    background: Option<bool>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
}

/// The error of a `response.failed` event.
fn failure(provider: &'static str, data: &[u8]) -> Error {
    let event: Value = serde_json::from_slice(data).unwrap_or_default();
    let response = event.get("response").unwrap_or(&event).to_string();
    refusal(provider, response.as_bytes())
}

/// The error that a document is: an `error` event, an error's JSON, or a response that failed.
fn refusal(provider: &'static str, data: &[u8]) -> Error {
    let Some(mut error) = error_table::in_frame(provider, data) else {
        let document: Value = match serde_json::from_slice(data) {
            Ok(document) => document,
            Err(_) => return error_table::unreadable(provider, data),
        };
        if document.get("status").and_then(Value::as_str) == Some("failed") {
            return Error::new(Kind::Upstream, "the response failed, and says nothing more")
                .of(provider);
        }
        return Error::decode(provider, "it is not a response");
    };
    error.body = Some(error_table::cut(data));
    error
}

/// A whole response, told as a stream.
fn replay(provider: &'static str, data: &Bytes, out: &mut Chunks) -> Result<(), Error> {
    let object = JsonObject::parse(data).map_err(|e| Error::decode(provider, e))?;
    let last = match object.str("status").as_deref() {
        Some("failed") => return Err(refusal(provider, data)),
        Some("incomplete") => "response.incomplete",
        _ => COMPLETED,
    };
    let events = replay::events(&object, last).map_err(|e| Error::decode(provider, e))?;
    for (kind, data) in events {
        out.raw(Some(Bytes::from_static(kind.as_bytes())), data);
    }
    out.usage = object.raw("usage").and_then(|raw| counted(raw));
    out.done = true;
    Ok(())
}

/// The events of a response that is kept whole.
pub fn retold(response: &JsonObject) -> Result<Vec<(&'static str, Bytes)>, Error> {
    let last = match response.str("status").as_deref() {
        Some("failed") => "response.failed",
        Some("incomplete") => "response.incomplete",
        _ => COMPLETED,
    };
    Ok(replay::events(response, last)?)
}
