//! OpenAI's wire, which most vendors speak: bodies pass through, only what must change is spliced.

use bytes::Bytes;
use http::{Method, Request, header::CONTENT_TYPE};
use llm_types::{JsonObject, Op, Usage};
use memchr::memmem;

use crate::{
    Answer, Call, Chunks, Decoder, Error, Kind, Protocol, Reply, Step, error_table, frame::Frame,
    path,
};

/// OpenAI's API and everything that copies it.
#[derive(Debug)]
pub struct OpenAi;

impl Protocol for OpenAi {
    fn encode(&self, call: &Call<'_>) -> Result<Request<Bytes>, Error> {
        let uri = path::join(call.base_url(), call.target.provider.path(call.op));
        let mut body = call.json()?.clone();
        body.set_str("model", call.model());
        if call.stream
            && call.target.provider.params.stream_options
            && matches!(call.op, Op::Chat | Op::Completion)
        {
            ask_for_usage(&mut body)?;
        }
        request(&uri, body.to_bytes())
    }

    fn forwards_chat(&self) -> bool {
        true
    }

    fn decode(&self, call: &Call<'_>, reply: Reply) -> Result<Step, Error> {
        let object = JsonObject::parse(&reply.body)
            .map_err(|e| Error::decode(call.target.provider.name, e))?;
        if object.contains("error") && object.raw("error").is_some() && !object.contains("choices")
        {
            return Err(error_table::classify(call.target.provider.name, &reply));
        }
        let usage = object
            .get::<Usage>("usage")
            .map_err(|e| Error::decode(call.target.provider.name, e))?;
        Ok(Step::Done(Answer::raw(reply.body, usage)))
    }

    fn decoder(&self, call: &Call<'_>) -> Result<Box<dyn Decoder>, Error> {
        Ok(Box::new(PassThrough {
            provider: call.target.provider.name,
            include_usage: call.include_usage,
            finished: false,
        }))
    }
}

/// A JSON `POST`.
pub(crate) fn request(uri: &str, body: Bytes) -> Result<Request<Bytes>, Error> {
    Request::builder()
        .method(Method::POST)
        .uri(uri)
        .header(CONTENT_TYPE, "application/json")
        .body(body)
        .map_err(|e| {
            Error::new(
                Kind::BadRequest,
                format!("the address '{uri}' is not valid: {e}"),
            )
        })
}

/// Usage is billed, so it is always asked for; whether the client sees it is the decoder's affair.
fn ask_for_usage(body: &mut JsonObject) -> Result<(), Error> {
    let mut options: llm_types::Map = body.get("stream_options")?.unwrap_or_default();
    options.insert("include_usage".into(), true.into());
    body.set("stream_options", &options);
    Ok(())
}

/// Passes chunks on as they are, and reads only those that can matter.
struct PassThrough {
    provider: &'static str,
    include_usage: bool,
    finished: bool,
}

impl Decoder for PassThrough {
    fn push(&mut self, frame: Frame, out: &mut Chunks) -> Result<(), Error> {
        let data = frame.data;
        if &data[..] == b"[DONE]" {
            out.done = true;
            return Ok(());
        }
        if !data.starts_with(b"{") || memmem::find(&data, b"\"error\"").is_some() {
            let object = JsonObject::parse(&data).map_err(|e| Error::decode(self.provider, e))?;
            if object.raw("error").is_some() {
                let reply = Reply {
                    status: http::StatusCode::INTERNAL_SERVER_ERROR,
                    headers: Default::default(),
                    body: data,
                };
                return Err(error_table::classify(self.provider, &reply));
            }
        }
        if has_finish_reason(&data) {
            self.finished = true;
        }
        if memmem::find(&data, b"\"usage\"").is_some() {
            let object = JsonObject::parse(&data).map_err(|e| Error::decode(self.provider, e))?;
            if let Some(usage) = object
                .get::<Usage>("usage")
                .map_err(|e| Error::decode(self.provider, e))?
            {
                out.usage = Some(usage);
                let only_usage = object
                    .raw("choices")
                    .is_none_or(|choices| &choices[..] == b"[]");
                if only_usage && !self.include_usage {
                    return Ok(());
                }
            }
        }
        out.raw(None, data);
        Ok(())
    }

    fn finish(&mut self, out: &mut Chunks) -> Result<(), Error> {
        if out.done || self.finished {
            out.done = true;
            return Ok(());
        }
        Err(Error::new(
            Kind::Connection,
            "the stream ended before the answer was complete",
        )
        .of(self.provider))
    }
}

/// Whether a chunk has a `finish_reason` that is not `null`.
fn has_finish_reason(data: &[u8]) -> bool {
    const KEY: &[u8] = b"\"finish_reason\":";
    memmem::find_iter(data, KEY)
        .any(|at| data[at + KEY.len()..].trim_ascii_start().starts_with(b"\""))
}
