//! Vertex AI: Google's models and its partners', each in its own wire behind one kind of address.

mod address;
mod claude;
mod images;
mod model;
mod ocr;
mod partner;
mod predict;
mod rerank;
pub(crate) mod storage;
mod tuning;

use http::{Method, Request};
use llm_types::{JsonObject, Op};

use crate::{
    Answer, Call, Decoder, Error, Framing, Outgoing, Params, Protocol, Reply, Step, Target,
    live::{GeminiSession, Session},
    params::thoughts,
    path,
    protocols::{
        anthropic::{self, Flavor, Reading},
        batch, gemini,
        openai::{self, OpenAi},
    },
};
use model::Wire;

pub(crate) use address::{LOCATION, outside};
pub(crate) use images::IMAGES;
pub use ocr::Ocr;
pub use rerank::Rerank;
pub(crate) use tuning::Tuning;

/// The service that holds sessions.
const LIVE: &str = "ws/google.cloud.aiplatform.v1.LlmBidiService/BidiGenerateContent";

/// Vertex AI.
#[derive(Debug)]
pub struct Vertex;

impl Protocol for Vertex {
    fn fetches(&self, call: &Call<'_>) -> Vec<String> {
        match Wire::of(call.model()) {
            Wire::Gemini | Wire::GeminiEndpoint(_) => gemini::fetches(call),
            Wire::Claude(_) => anthropic::fetches(call, &Flavor::VERTEX),
            _ => Vec::new(),
        }
    }

    fn split(&self, call: &Call<'_>) -> Result<Vec<JsonObject>, Error> {
        match call.op {
            Op::Embedding => predict::split(call),
            _ => Ok(Vec::new()),
        }
    }

    fn encode(&self, call: &Call<'_>) -> Result<Request<Outgoing>, Error> {
        let wire = Wire::of(call.model());
        match (call.op, wire) {
            (Op::Embedding, _) => predict::encode(call, wire),
            (_, Wire::Claude(model)) => claude::encode(call, model),
            (Op::GenerateContent, Wire::Gemini | Wire::GeminiEndpoint(_)) => {
                let resource = resource(call.model(), wire)?;
                let uri = address::of(call, "v1beta1", &resource, gemini::verb(call))?;
                openai::request(&uri, gemini::native::body(call)?)
            }
            (Op::CountTokens, Wire::Gemini | Wire::GeminiEndpoint(_)) => {
                let resource = resource(call.model(), wire)?;
                let uri = address::of(call, "v1beta1", &resource, "countTokens")?;
                openai::request(&uri, gemini::count::body(call, gemini::Service::Vertex)?)
            }
            (Op::Chat, Wire::Gemini | Wire::GeminiEndpoint(_)) => {
                let body = gemini::body(call, gemini::Service::Vertex)?;
                let resource = resource(call.model(), wire)?;
                let uri = address::of(call, "v1beta1", &resource, gemini::verb(call))?;
                gemini::post(&uri, &body)
            }
            (Op::Chat, _) => partner::encode(call, wire),
            (Op::Realtime, _) => {
                gemini::live::refuse_query(call)?;
                openai::empty(Method::GET, &address::of_service(call, LIVE)?)
            }
            _ => Err(call.unsupported()),
        }
    }

    fn session(&self, call: &Call<'_>, _: &str) -> Result<Box<dyn Session>, Error> {
        let resource = resource(call.model(), Wire::of(call.model()))?;
        let place = address::whole(call, &resource)?;
        Ok(Box::new(GeminiSession::new(call, place)?))
    }

    fn decode(&self, call: &Call<'_>, reply: Reply) -> Result<Step, Error> {
        let wire = Wire::of(call.model());
        match (call.op, wire) {
            (Op::Embedding, _) => predict::decode(call, wire, &reply),
            (Op::Chat, Wire::Claude(_)) => {
                let reading = Reading::of(call, &Flavor::VERTEX)?;
                Ok(Answer::chat(anthropic::chat_response(&reading, &reply)?).into())
            }
            (Op::Messages, Wire::Claude(_)) => {
                Ok(anthropic::messages_response(call.target.provider.name, reply)?.into())
            }
            (Op::CountTokens, Wire::Claude(_)) => Ok(Answer::raw(reply.body, None).into()),
            (Op::CountTokens, _) => Ok(gemini::count::answer(call, reply)?.into()),
            (_, wire) if wire.is_openai() => partner::decode(call, wire, reply),
            _ => gemini::decode(call, reply),
        }
    }

    fn decoder(&self, call: &Call<'_>) -> Result<Box<dyn Decoder>, Error> {
        match Wire::of(call.model()) {
            Wire::Claude(_) => anthropic::decoder(call, &Flavor::VERTEX),
            Wire::Gemma(_) => Ok(Box::new(partner::Replay::new(call))),
            wire if wire.is_openai() => OpenAi.decoder(call),
            _ => gemini::decoder(call),
        }
    }

    fn framing(&self, call: &Call<'_>) -> Framing {
        match Wire::of(call.model()) {
            Wire::Gemma(_) => Framing::Whole,
            _ => Framing::Sse,
        }
    }
}

/// Vertex's quirk: each wire has its own.
pub(crate) fn settle(call: &mut Call<'_>) -> Result<(), Error> {
    let target = call.target;
    let wire = Wire::of(&target.model);
    if call.op == Op::Batch {
        batch::settle(call);
        return Ok(());
    }
    if call.op == Op::FineTuning {
        return tuning::settle(call);
    }
    if matches!(wire, Wire::Gemini | Wire::GeminiEndpoint(_)) {
        return gemini::settle(call);
    }
    thoughts::unsign(call)?;
    match wire {
        Wire::Claude(_) => anthropic::settle(call),
        _ => partner::settle(call),
    }
}

/// Whether the target's model speaks `op` itself.
pub(crate) fn speaks(target: &Target, op: Op) -> bool {
    match (op, Wire::of(&target.model)) {
        (Op::Messages, wire) => matches!(wire, Wire::Claude(_)),
        (Op::CountTokens, wire) => matches!(
            wire,
            Wire::Claude(_) | Wire::Gemini | Wire::GeminiEndpoint(_)
        ),
        (
            Op::GenerateContent
            | Op::ImageGeneration
            | Op::ImageEdit
            | Op::Speech
            | Op::Transcription
            | Op::Translation
            | Op::Realtime
            | Op::Video,
            wire,
        ) => {
            matches!(wire, Wire::Gemini | Wire::GeminiEndpoint(_))
        }
        (Op::Embedding, wire) => {
            matches!(wire, Wire::Gemini | Wire::GeminiEndpoint(_) | Wire::Bge(_))
        }
        (Op::Batch | Op::File, _) => target.setting("gcs_bucket_name").is_some(),
        (Op::FineTuning, _) => true,
        (Op::Ocr, wire) => matches!(wire, Wire::Raw("mistralai", _)),
        (_, wire) => !matches!(wire, Wire::Bge(_)),
    }
}

/// Which parameters a model takes; `claude` are those of Anthropic's own row.
pub(crate) fn params(model: &str, claude: Params) -> Params {
    match Wire::of(model) {
        Wire::Claude(_) => claude,
        Wire::Gemini | Wire::GeminiEndpoint(_) => Params::THINKING
            .without(&["logit_bias"])
            .images(&["n", "size", "b64_json"]),
        _ => Params::REASONING,
    }
}

/// Where Google's own models generate content.
pub(crate) fn generate_address(call: &Call<'_>) -> Result<String, Error> {
    let resource = resource(call.model(), Wire::of(call.model()))?;
    address::of(call, "v1beta1", &resource, "generateContent")
}

/// Whether a model is one of Anthropic's.
pub(crate) fn is_claude(model: &str) -> bool {
    matches!(Wire::of(model), Wire::Claude(_))
}

/// The full name of a model that answers batches.
pub(crate) fn publisher_model(model: &str) -> Result<String, Error> {
    match Wire::of(model) {
        Wire::Claude(name) => Ok(format!(
            "publishers/anthropic/models/{}",
            path::segments(name)?
        )),
        wire @ (Wire::Gemini | Wire::GeminiEndpoint(_)) => resource(model, wire),
        _ => Err(Error::bad_request(
            "model",
            format!("{model} answers no batches here: Gemini and Claude do"),
        )),
    }
}

/// Where things of this kind are in one's project.
pub(crate) fn project_address(call: &Call<'_>, kind: &str) -> Result<String, Error> {
    address::of(call, "v1", "", kind)
}

/// Where `verb` is done with one of Google's own models, or with what it began.
pub(crate) fn model_address(call: &Call<'_>, model: &str, verb: &str) -> Result<String, Error> {
    let resource = resource(model, Wire::of(model))?;
    address::of(call, "v1", &resource, verb)
}

/// `publishers/google/models/x`, an endpoint, or a full resource name as the user gives it.
fn resource(model: &str, wire: Wire<'_>) -> Result<String, Error> {
    if let Wire::GeminiEndpoint(id) = wire {
        return Ok(format!("endpoints/{}", path::segment(id)?));
    }
    let name = model
        .strip_prefix("publishers/google/models/")
        .unwrap_or(model);
    Ok(format!(
        "publishers/google/models/{}",
        path::segments(name)?
    ))
}
