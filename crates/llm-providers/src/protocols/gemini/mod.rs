//! Google's generateContent, as AI Studio serves it.

pub(crate) mod count;
pub(crate) mod embedding;
mod grounding;
pub(crate) mod images;
pub(crate) mod live;
mod media;
mod messages;
mod model;
mod names;
pub(crate) mod native;
mod parts;
mod prepare;
mod request;
mod response;
mod schema;
pub(crate) mod signature;
mod stream;
mod thinking;
mod tools;
mod usage;
mod wire;

use http::Request;
use llm_types::{JsonObject, Map, Op, Usage};

use crate::{
    Answer, Call, Decoder, Error, Kind, Outgoing, Protocol, Reply, Step,
    live::{GeminiSession, Session},
    path,
    protocols::openai,
};

pub(crate) use media::by_extension;
pub(crate) use names::clean as function_name;
pub(crate) use prepare::settle;
pub(crate) use request::{Service, body, fetches};
pub(crate) use stream::ChatStream;

/// How many inputs batchEmbedContents takes.
const LARGEST_BATCH: usize = 100;

/// Gemini over AI Studio.
#[derive(Debug)]
pub struct Gemini;

impl Protocol for Gemini {
    fn fetches(&self, call: &Call<'_>) -> Vec<String> {
        fetches(call)
    }

    fn split(&self, call: &Call<'_>) -> Result<Vec<JsonObject>, Error> {
        match call.op {
            Op::Embedding => embedding::split(call, LARGEST_BATCH),
            _ => Ok(Vec::new()),
        }
    }

    fn encode(&self, call: &Call<'_>) -> Result<Request<Outgoing>, Error> {
        match call.op {
            Op::Chat => {
                let body = body(call, Service::Studio)?;
                post(&address(call, &body, verb(call))?, &body)
            }
            Op::GenerateContent => {
                let uri = address(call, &Map::new(), verb(call))?;
                openai::request(&uri, native::body(call)?)
            }
            Op::Embedding => {
                let body = embedding::batch(call)?;
                post(&address(call, &body, "batchEmbedContents")?, &body)
            }
            Op::CountTokens => {
                let uri = address(call, &Map::new(), "countTokens")?;
                openai::request(&uri, count::body(call, Service::Studio)?)
            }
            Op::Realtime => live::opening(call),
            _ => Err(call.unsupported()),
        }
    }

    fn session(&self, call: &Call<'_>, _: &str) -> Result<Box<dyn Session>, Error> {
        let model = call.model().trim_start_matches("models/");
        let place = format!("models/{model}");
        Ok(Box::new(GeminiSession::new(call, place)?))
    }

    fn decode(&self, call: &Call<'_>, reply: Reply) -> Result<Step, Error> {
        match call.op {
            Op::Embedding => Ok(embedding::answer(call, &reply)?.into()),
            Op::CountTokens => Ok(count::answer(call, reply)?.into()),
            _ => decode(call, reply),
        }
    }

    fn decoder(&self, call: &Call<'_>) -> Result<Box<dyn Decoder>, Error> {
        decoder(call)
    }
}

/// Reads a whole answer of generateContent.
pub(crate) fn decode(call: &Call<'_>, reply: Reply) -> Result<Step, Error> {
    if call.op == Op::GenerateContent {
        return Ok(native::answer(call, reply)?.into());
    }
    let name = call.target.provider.name;
    let mut events = stream::events(&reply.body, name)?;
    match (events.pop(), events.is_empty()) {
        (Some(only), true) => Ok(Answer::chat(response::chat(call, only)?).into()),
        _ => Err(Error::new(Kind::Decode, "the answer is empty").of(name)),
    }
}

/// Reads a streamed reply.
pub(crate) fn decoder(call: &Call<'_>) -> Result<Box<dyn Decoder>, Error> {
    match call.op {
        Op::Chat => Ok(Box::new(ChatStream::new(call))),
        Op::GenerateContent => Ok(Box::new(native::NativeStream::new(call))),
        _ => Err(call.unsupported()),
    }
}

/// Functions as Gemini is told of them, of tools in any of OpenAI's spellings.
pub(crate) fn declared(tools: &[serde_json::Value]) -> Result<Vec<serde_json::Value>, Error> {
    let mut request = JsonObject::new();
    request.set_str("model", "");
    request.set_raw("messages", "[]");
    request.set("tools", &tools);
    let request = llm_types::ChatRequest::from_object(&request)?;
    Ok(tools::Tools::read(&request)?.into_list())
}

/// The method after the model's name.
pub(crate) fn verb(call: &Call<'_>) -> &'static str {
    if call.stream {
        "streamGenerateContent?alt=sse"
    } else {
        "generateContent"
    }
}

/// The counts of an answer's `usageMetadata`.
pub(crate) fn counted(model: &str, counts: &serde_json::Value) -> Usage {
    let counts: wire::UsageMetadata = serde_json::from_value(counts.clone()).unwrap_or_default();
    usage::usage(
        &counts,
        usage::Grounding::default(),
        model::Model::new(model),
    )
}

/// A JSON `POST`.
pub(crate) fn post(uri: &str, body: &Map) -> Result<Request<Outgoing>, Error> {
    let body = serde_json::to_vec(body)
        .map_err(|e| Error::new(Kind::BadRequest, "the request cannot be written").because(e))?;
    openai::request(uri, body.into())
}

/// Google's own host wants a version; an address of one's own is complete as it is.
pub(crate) fn address(call: &Call<'_>, body: &Map, verb: &str) -> Result<String, Error> {
    let base = call.base_url();
    let model = call.model().trim_start_matches("models/");
    let version = if base != call.target.provider.base_url {
        ""
    } else if resolution_by_part(body) {
        "v1alpha/"
    } else {
        "v1beta/"
    };
    let kind = if model.starts_with("tunedModels/") {
        ""
    } else {
        "models/"
    };
    let model = path::segments(model)?;
    Ok(path::join(base, &format!("{version}{kind}{model}:{verb}")))
}

/// The resolution of single media is in `v1alpha` only.
fn resolution_by_part(body: &Map) -> bool {
    let contents = body.get("contents").and_then(serde_json::Value::as_array);
    let parts = contents
        .into_iter()
        .flatten()
        .filter_map(|content| content["parts"].as_array());
    parts
        .flatten()
        .any(|part| part.get("mediaResolution").is_some())
}
