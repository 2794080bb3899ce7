//! InvokeModel: a model's own format inside Bedrock's envelope.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use llm_types::{Map, Op};
use serde::Deserialize;
use serde_json::Value;

use super::{
    errors,
    model::{Family, Model},
    request,
};
use crate::{
    Call, Chunks, Decoder, Error, Kind, Protocol,
    frame::Frame,
    protocols::{
        anthropic::{self, Flavor},
        openai::OpenAi,
    },
};

/// Whose format it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// Messages.
    Anthropic,
    /// Converse's own, without its envelope.
    Nova,
    /// Chat completions.
    OpenAi,
}

impl Dialect {
    /// The format of `model`; an error for the old ones, which only take bare prompts.
    pub(super) fn of(model: &Model<'_>) -> Result<Self, Error> {
        match (model.family, model.vendor()) {
            (Family::Claude(major, _), _) if major >= 3 => Ok(Self::Anthropic),
            (Family::Nova | Family::Nova2, _) => Ok(Self::Nova),
            (Family::OpenAi, _) | (_, "ai21") => Ok(Self::OpenAi),
            _ => Err(Error::new(
                Kind::Unsupported,
                format!(
                    "Bedrock's invoke route is not supported for {}: use it without 'invoke/', over Converse",
                    model.id
                ),
            )),
        }
    }
}

/// The body for `/invoke` and `/invoke-with-response-stream`.
pub(super) fn body(call: &Call<'_>, model: &Model<'_>, dialect: Dialect) -> Result<Bytes, Error> {
    match (dialect, call.op) {
        (Dialect::Anthropic, Op::Messages) => {
            Ok(anthropic::messages_request(call, &Flavor::BEDROCK)?.body)
        }
        (Dialect::Anthropic, _) => Ok(anthropic::chat_request(call, &Flavor::BEDROCK)?.body),
        (Dialect::Nova, _) => {
            let mut body = request::body(call, model)?;
            if let Value::Object(body) = &mut body {
                unwrap_additional(body);
            }
            Ok(body.to_string().into())
        }
        (Dialect::OpenAi, _) => {
            let mut body = call.fields().clone();
            for key in ["model", "stream", "stream_options"] {
                body.remove(key);
            }
            Ok(body.to_bytes())
        }
    }
}

/// What Converse hands on unread stands in Nova's own body.
fn unwrap_additional(body: &mut Map) {
    let Some(Value::Object(additional)) = body.shift_remove("additionalModelRequestFields") else {
        return;
    };
    for (key, value) in additional {
        match (body.get_mut(&key), value) {
            (Some(Value::Object(there)), Value::Object(more)) => there.extend(more),
            (_, value) => {
                body.insert(key, value);
            }
        }
    }
}

/// What reads the streamed answer, `converse` being what reads Converse's events.
pub(super) fn decoder(
    call: &Call<'_>,
    dialect: Dialect,
    converse: impl FnOnce() -> Result<Box<dyn Decoder>, Error>,
) -> Result<Box<dyn Decoder>, Error> {
    let inner = match dialect {
        Dialect::Anthropic => anthropic::decoder(call, &Flavor::BEDROCK)?,
        Dialect::Nova => converse()?,
        Dialect::OpenAi => OpenAi.decoder(call)?,
    };
    Ok(Box::new(Unwrap {
        provider: call.target.provider.name,
        nova: dialect == Dialect::Nova,
        inner,
    }))
}

/// Takes the model's own events out of `{"bytes": "..."}`.
struct Unwrap {
    provider: &'static str,
    nova: bool,
    inner: Box<dyn Decoder>,
}

#[derive(Deserialize)]
struct Envelope {
    bytes: String,
}

impl Unwrap {
    fn event(&self, data: &[u8]) -> Result<Option<Frame>, Error> {
        let read = |e: &dyn std::fmt::Display| Error::decode(self.provider, e);
        let envelope: Envelope = serde_json::from_slice(data).map_err(|e| read(&e))?;
        let bytes = STANDARD.decode(envelope.bytes).map_err(|e| read(&e))?;
        if self.nova {
            let event: Map = serde_json::from_slice(&bytes).map_err(|e| read(&e))?;
            return Ok(event
                .into_iter()
                .find(|(key, _)| key != METRICS)
                .map(|(name, event)| Frame {
                    event: Some(name.into()),
                    ..Frame::data(event.to_string())
                }));
        }
        // A model without a last word of its own is followed by the metrics alone.
        let only_metrics = bytes.starts_with(format!("{{\"{METRICS}\"").as_bytes());
        Ok((!only_metrics).then(|| Frame::data(bytes)))
    }
}

impl Decoder for Unwrap {
    fn push(&mut self, frame: Frame, out: &mut Chunks) -> Result<(), Error> {
        if frame.exception {
            return Err(errors::in_stream(self.provider, &frame));
        }
        match frame.event() {
            "chunk" => match self.event(&frame.data)? {
                Some(event) => self.inner.push(event, out),
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    fn finish(&mut self, out: &mut Chunks) -> Result<(), Error> {
        self.inner.finish(out)
    }
}

/// Bedrock adds its own counts to the last event of a stream.
const METRICS: &str = "amazon-bedrock-invocationMetrics";
