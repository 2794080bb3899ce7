//! OpenAI's wire, which most vendors speak. Bodies pass through as they are; only what a vendor writes otherwise than
//! OpenAI is put right, and only then is a body parsed and written anew.

mod citations;
mod events;
mod images;
mod message;
mod repair;
mod replay;
mod responses;
mod so_far;
mod stream;
mod usage;
mod wire;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Uri, header::CONTENT_TYPE};
use llm_types::{BodyKind, JsonObject, Map, Op, Usage, Verb, responses::ResponsesUsage};
use serde_json::Value;

use super::{audio, vectors};
use crate::{
    Answer, Call, Decoder, Error, Framing, Kind, Outgoing, Protocol, Reply, Step, error_table,
    form,
    live::{OpenAiSession, Session, is_transcription},
    path,
};
pub(crate) use images::images;
use repair::Repair;
pub use responses::retold;

/// OpenAI's API and everything that copies it.
#[derive(Debug)]
pub struct OpenAi;

impl Protocol for OpenAi {
    fn encode(&self, call: &Call<'_>) -> Result<Request<Outgoing>, Error> {
        if call.op == Op::Realtime {
            return opening(address(call), "model", call.model(), call);
        }
        kept(call, address(call))
    }

    fn streams_files(&self, _: &Call<'_>) -> bool {
        true
    }

    fn session(&self, call: &Call<'_>, named: &str) -> Result<Box<dyn Session>, Error> {
        Ok(Box::new(OpenAiSession::new(call, call.model(), named)))
    }

    fn framing(&self, call: &Call<'_>) -> Framing {
        match (call.op, call.verb) {
            (_, Verb::Content) => Framing::Bytes,
            (Op::Speech, _) if !call.stream => Framing::Bytes,
            _ => Framing::Sse,
        }
    }

    fn spent(&self, call: &Call<'_>) -> Option<Usage> {
        match call.op {
            Op::Speech => audio::characters(call),
            _ => None,
        }
    }

    fn forwards_chat(&self) -> bool {
        true
    }

    fn decode(&self, call: &Call<'_>, reply: Reply) -> Result<Step, Error> {
        decode(call, reply)
    }

    fn decoder(&self, call: &Call<'_>) -> Result<Box<dyn Decoder>, Error> {
        Ok(match call.op {
            Op::Responses => Box::new(responses::ResponsesStream::new(call)),
            Op::ImageGeneration | Op::ImageEdit | Op::Transcription => {
                Box::new(events::EventStream::new(call))
            }
            _ => Box::new(stream::Stream::new(call)),
        })
    }
}

/// A request that makes something: JSON, or the form that the client sent.
pub(crate) fn create(
    call: &Call<'_>,
    uri: &str,
    body: &JsonObject,
) -> Result<Request<Outgoing>, Error> {
    // A video may be asked for without a picture; everything else here that is a form has a file in it.
    let is_form = call.op.body() == BodyKind::Form && call.op != Op::Video;
    if is_form || !call.body.files.is_empty() {
        return form::request(uri, body, &call.body, &call.boundary);
    }
    request(uri, body.to_bytes())
}

/// The body as it goes out: the client's, with the target's name of the model.
pub(crate) fn body(call: &Call<'_>) -> Result<JsonObject, Error> {
    let mut body = call.fields().clone();
    // A job may train any model of the account.
    let is_fixed = match call.op {
        Op::FineTuning => !body.contains("model"),
        op => op.names_model(),
    };
    if is_fixed && body.str("model").as_deref() != Some(call.model()) {
        body.set_str("model", call.model());
    }
    let target = call.target;
    if call.op == Op::Embedding
        && body.contains("encoding_format")
        && !target
            .provider
            .params_of(&target.model, &target.facts)
            .takes(call.op, "encoding_format", &target.facts)
    {
        body.remove("encoding_format");
    }
    if call.op == Op::Speech && !body.contains("voice") {
        body.set_str("voice", "alloy");
    }
    let takes_options = target.provider.params.stream_options;
    if call.stream && takes_options && matches!(call.op, Op::Chat | Op::Completion) {
        ask_for_usage(&mut body)?;
    }
    Ok(body)
}

/// The base URL and the operation's path, unless the base URL is the whole address already.
pub(crate) fn address(call: &Call<'_>) -> String {
    let (base, path) = (call.base_url(), call.target.provider.path(call.op));
    if base.ends_with(path) {
        return base.to_owned();
    }
    path::join(base, path)
}

/// The request that opens a two-way session with `model`, which the query names.
pub(crate) fn opening(
    mut address: String,
    name: &str,
    model: &str,
    call: &Call<'_>,
) -> Result<Request<Outgoing>, Error> {
    // A session that only writes down what is said has its model in its settings.
    if name == "deployment" || !is_transcription(call) {
        address.push(if address.contains('?') { '&' } else { '?' });
        address.push_str(&format!("{name}={}", path::query(model)));
    }
    empty(Method::GET, &resource_address(address, call)?)
}

/// A JSON `POST`.
pub(crate) fn request(uri: &str, body: Bytes) -> Result<Request<Outgoing>, Error> {
    let mut request = empty(Method::POST, uri)?;
    *request.body_mut() = body.into();
    let json = HeaderValue::from_static("application/json");
    request.headers_mut().insert(CONTENT_TYPE, json);
    Ok(request)
}

/// A request without a body.
pub(crate) fn empty(method: Method, uri: &str) -> Result<Request<Outgoing>, Error> {
    let address: Uri = uri.parse().map_err(|e| {
        Error::new(
            Kind::BadRequest,
            format!("the address '{uri}' is not valid: {e}"),
        )
    })?;
    let mut request = Request::new(Outgoing::default());
    *request.method_mut() = method;
    *request.uri_mut() = address;
    Ok(request)
}

/// A request at `made_at`, where such things are made, or below it.
pub(crate) fn kept(call: &Call<'_>, made_at: String) -> Result<Request<Outgoing>, Error> {
    if call.verb != Verb::Create {
        return resource(call, made_at);
    }
    create(call, &made_at, &body(call)?)
}

/// A request for what the vendor keeps.
fn resource(call: &Call<'_>, made_at: String) -> Result<Request<Outgoing>, Error> {
    let address = resource_address(made_at, call)?;
    if call.verb.has_body() {
        let mut body = call.fields().clone();
        if call.op.names_model() && body.contains("model") {
            body.set_str("model", call.model());
        }
        return request(&address, body.to_bytes());
    }
    empty(
        match call.verb.method() {
            llm_types::Method::Get => Method::GET,
            llm_types::Method::Post => Method::POST,
            llm_types::Method::Delete => Method::DELETE,
        },
        &address,
    )
}

/// The address of what is kept, or of what is done with it, under the address where such things are made.
pub(crate) fn resource_address(mut made_at: String, call: &Call<'_>) -> Result<String, Error> {
    let query = made_at.find('?').map(|at| made_at.split_off(at));
    if let Some(id) = &call.id {
        made_at.push('/');
        made_at.push_str(&path::segment(id)?);
    }
    made_at.push_str(call.verb.suffix());
    made_at.push_str(&query.unwrap_or_default());
    for (name, value) in &call.query {
        made_at.push(if made_at.contains('?') { '&' } else { '?' });
        made_at.push_str(&path::query(name));
        made_at.push('=');
        made_at.push_str(&path::query(value));
    }
    Ok(made_at)
}

/// Usage is billed, so it is always asked for; whether the client sees it is the decoder's affair.
fn ask_for_usage(body: &mut JsonObject) -> Result<(), Error> {
    if !body.contains("stream_options") {
        body.set_raw("stream_options", r#"{"include_usage":true}"#);
        return Ok(());
    }
    let mut options: Map = body.get("stream_options")?.unwrap_or_default();
    options.insert("include_usage".into(), true.into());
    body.set("stream_options", &options);
    Ok(())
}

/// Reads a whole answer in OpenAI's shape.
pub(crate) fn decode(call: &Call<'_>, reply: Reply) -> Result<Step, Error> {
    let provider = call.target.provider.name;
    if call.op == Op::Responses && call.verb == Verb::Create {
        return Ok(responses::answer(call, reply)?.into());
    }
    let answer = match call.op {
        Op::Chat | Op::Completion => chat(call, reply)?,
        Op::Embedding => embedding(call, reply)?,
        Op::ImageGeneration | Op::ImageEdit | Op::ImageVariation => images(call, reply)?,
        Op::Transcription | Op::Translation => audio::answer(call, reply)?,
        _ => {
            let object = JsonObject::parse(&reply.body)
                .map_err(|_| error_table::unreadable(provider, &reply.body))?;
            // A batch or a video that failed says why, and is no failure to answer.
            if !(object.contains("id") && object.contains("object")) {
                refused(provider, &reply)?;
            }
            // What is only looked at was paid for when it was made, unless nobody knew then what it would consume.
            let usage = match call.verb {
                Verb::Get | Verb::Cancel if call.op == Op::Batch => ended(&object),
                Verb::Get | Verb::Cancel if call.op == Op::Responses => begun_earlier(&object),
                Verb::Compact => consumed(&object),
                Verb::Create | Verb::Remix => object.get::<Usage>("usage").unwrap_or_default(),
                _ => None,
            };
            Answer::raw(reply.body, usage)
        }
    };
    Ok(Step::Done(answer))
}

/// What a batch that is over consumed.
fn ended(batch: &JsonObject) -> Option<Usage> {
    let over = ["completed", "expired", "cancelled", "failed"];
    let status = batch.str("status")?;
    consumed(batch).filter(|_| over.contains(&&*status))
}

/// What a response consumed that was made in the background: who asked for it was answered before that was known.
fn begun_earlier(response: &JsonObject) -> Option<Usage> {
    let over = ["completed", "incomplete", "cancelled", "failed"];
    let status = response.str("status")?;
    let is_over = over.contains(&&*status) && response.is_true("background");
    consumed(response).filter(|_| is_over)
}

/// What an answer says in the words of Responses.
fn consumed(answer: &JsonObject) -> Option<Usage> {
    let usage: ResponsesUsage = answer.get("usage").ok()??;
    Some(usage.normalise()).filter(|usage| usage.total_tokens > 0)
}

/// Some say 200 and mean an error.
fn refused(provider: &'static str, reply: &Reply) -> Result<(), Error> {
    error_table::in_answer(provider, reply).map_or(Ok(()), Err)
}

fn chat(call: &Call<'_>, reply: Reply) -> Result<Answer, Error> {
    let provider = call.target.provider.name;
    let mut repair = Repair::new(call, false);
    if let Some(document) = wire::read::<wire::Document<'_>>(&reply.body)
        && !document.may_be_error()
    {
        if document.choices.is_none() {
            return Err(Error::decode(provider, "there are no choices in it"));
        }
        let usage = document.usage.map(usage::read);
        if repair.is_plain(&document, usage.as_ref()) {
            let usage = usage.flatten().map(|read| read.usage);
            return Ok(Answer::raw(reply.body, usage));
        }
    }
    refused(provider, &reply)?;
    let mut document = object(provider, &reply.body)?;
    if !document.get("choices").is_some_and(Value::is_array) {
        return Err(Error::decode(provider, "there are no choices in it"));
    }
    let usage = repair.apply(&mut document);
    Ok(Answer::raw(write(provider, &document)?, usage))
}

/// Vectors, in order.
fn embedding(call: &Call<'_>, reply: Reply) -> Result<Answer, Error> {
    let provider = call.target.provider.name;
    let asked = vectors::Encoding::asked(call);
    if let Some(vectors) = wire::read::<wire::Vectors<'_>>(&reply.body)
        && vectors.is_plain(asked)
    {
        match vectors.usage.map(usage::read) {
            None => return Ok(Answer::raw(reply.body, None)),
            Some(Some(read)) if !read.changed => {
                return Ok(Answer::raw(reply.body, Some(read.usage)));
            }
            Some(_) => {}
        }
    }
    refused(provider, &reply)?;
    let mut document = object(provider, &reply.body)?;
    let Some(Value::Array(data)) = document.get_mut("data") else {
        return Err(Error::decode(provider, "there is no data in it"));
    };
    for (i, item) in data.iter_mut().enumerate() {
        let Value::Object(item) = item else {
            return Err(Error::decode(provider, format!("data[{i}] is no object")));
        };
        let Some(vector) = item.get_mut("embedding") else {
            return Err(Error::decode(provider, format!("data[{i}] has no vector")));
        };
        vectors::encode(vector, asked).map_err(|e| Error::decode(provider, e))?;
        item.entry("object").or_insert_with(|| "embedding".into());
        item.entry("index").or_insert_with(|| i.into());
    }
    document.entry("object").or_insert_with(|| "list".into());
    document
        .entry("model")
        .or_insert_with(|| call.target.model.clone().into());
    let usage = usage::repair(&mut document);
    Ok(Answer::raw(write(provider, &document)?, usage))
}

fn object(provider: &'static str, body: &[u8]) -> Result<Map, Error> {
    serde_json::from_slice(body).map_err(|_| error_table::unreadable(provider, body))
}

fn write(provider: &'static str, document: &Map) -> Result<Bytes, Error> {
    match serde_json::to_vec(document) {
        Ok(bytes) => Ok(bytes.into()),
        Err(e) => Err(Error::decode(provider, e)),
    }
}
