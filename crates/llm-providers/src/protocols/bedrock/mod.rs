//! Amazon Bedrock: Converse for every vendor, InvokeModel for the vendors' own formats.

mod embedding;
mod errors;
mod images;
mod invoke;
mod mantle;
mod media;
mod messages;
mod model;
mod request;
mod rerank;
mod response;
mod settle;
mod stream;
mod structured;
mod thinking;
mod tools;
mod wire;

use http::Request;
use llm_types::{ChatRequest, JsonObject, Message, Op};
use memchr::memmem;

use self::{
    invoke::Dialect,
    model::{Api, Model},
    stream::ConverseStream,
    structured::Structured,
    tools::Names,
    wire::ConverseResponse,
};
use crate::{
    Answer, Call, Decoder, Error, Framing, Outgoing, Protocol, Reply, Step, Target,
    auth::aws,
    path,
    protocols::{
        anthropic::{self, Flavor},
        openai::{self, OpenAi},
    },
};

pub(crate) use errors::in_stream as exception;
pub(crate) use images::IMAGES;
pub use mantle::Mantle;
pub(crate) use mantle::mantle_speaks;
pub(crate) use model::{arn_region, is_region};
pub use rerank::Rerank;
pub(crate) use settle::settle;

/// The vendor's own field in which calls of tools that Bedrock runs itself are kept, to be sent back.
const SERVER_TOOLS: &str = "serverToolBlocks";

/// Amazon Bedrock's runtime.
#[derive(Debug)]
pub struct Bedrock;

impl Protocol for Bedrock {
    fn fetches(&self, call: &Call<'_>) -> Vec<String> {
        if call.op != Op::Chat {
            return Vec::new();
        }
        if let Ok(Route::Invoke(Dialect::Anthropic)) = route(call, &Model::of(call.target)) {
            return anthropic::fetches(call, &Flavor::BEDROCK);
        }
        let messages = call.fields().raw("messages");
        let Some(raw) = messages.filter(|raw| memmem::find(raw, b"://").is_some()) else {
            return Vec::new();
        };
        let messages: Vec<Message> = serde_json::from_slice(raw).unwrap_or_default();
        media::addresses(&messages)
    }

    fn split(&self, call: &Call<'_>) -> Result<Vec<JsonObject>, Error> {
        match call.op {
            Op::Embedding => embedding::split(call),
            _ => Ok(Vec::new()),
        }
    }

    fn encode(&self, call: &Call<'_>) -> Result<Request<Outgoing>, Error> {
        let model = Model::of(call.target);
        let (body, action) = match (call.op, route(call, &model)?) {
            (Op::Embedding, _) => (embedding::body(call, &model)?.to_string().into(), "invoke"),
            (_, Route::Invoke(dialect)) => {
                let body = invoke::body(call, &model, dialect)?;
                let streamed = "invoke-with-response-stream";
                (body, if call.stream { streamed } else { "invoke" })
            }
            (_, Route::Converse) => {
                let body = request::body(call, &model)?.to_string().into();
                (
                    body,
                    if call.stream {
                        "converse-stream"
                    } else {
                        "converse"
                    },
                )
            }
        };
        openai::request(&uri(call, &model, action)?, body)
    }

    fn decode(&self, call: &Call<'_>, reply: Reply) -> Result<Step, Error> {
        if call.op == Op::Embedding {
            return Ok(embedding::read(call, &reply)?.into());
        }
        match route(call, &Model::of(call.target))? {
            Route::Invoke(Dialect::Anthropic) if call.op == Op::Messages => {
                let provider = call.target.provider.name;
                Ok(anthropic::messages_response(provider, reply)?.into())
            }
            Route::Invoke(Dialect::Anthropic) => {
                let reading = anthropic::Reading::of(call, &Flavor::BEDROCK)?;
                Ok(Answer::chat(anthropic::chat_response(&reading, &reply)?).into())
            }
            Route::Invoke(Dialect::OpenAi) => OpenAi.decode(call, reply),
            Route::Converse | Route::Invoke(Dialect::Nova) => converse(call, &reply),
        }
    }

    fn decoder(&self, call: &Call<'_>) -> Result<Box<dyn Decoder>, Error> {
        match route(call, &Model::of(call.target))? {
            Route::Converse => converse_stream(call),
            Route::Invoke(dialect) => invoke::decoder(call, dialect, || converse_stream(call)),
        }
    }

    fn framing(&self, _: &Call<'_>) -> Framing {
        Framing::AwsEventStream
    }
}

/// How a call reaches its model.
enum Route {
    Converse,
    Invoke(Dialect),
}

fn route(call: &Call<'_>, model: &Model<'_>) -> Result<Route, Error> {
    match (call.op, model.api) {
        (Op::Messages, _) | (Op::Chat, Some(Api::Invoke)) => Dialect::of(model).map(Route::Invoke),
        (Op::Chat | Op::Embedding, _) => Ok(Route::Converse),
        _ => Err(call.unsupported()),
    }
}

/// Whether `target` speaks `op` itself: Messages is Claude's alone.
pub(crate) fn speaks(target: &Target, op: Op) -> bool {
    match op {
        Op::Messages => Model::of(target).claude_since(3, 0),
        Op::ImageGeneration => images::makes_images(target),
        Op::Batch | Op::File => target.setting("s3_bucket_name").is_some(),
        _ => true,
    }
}

fn converse(call: &Call<'_>, reply: &Reply) -> Result<Step, Error> {
    let asked = asked(call)?;
    let response: ConverseResponse = serde_json::from_slice(&reply.body)
        .map_err(|e| Error::decode(call.target.provider.name, e))?;
    let answer = response::chat(response, &call.target.model, &asked.names, asked.json_tool);
    Ok(Answer::chat(answer).into())
}

fn converse_stream(call: &Call<'_>) -> Result<Box<dyn Decoder>, Error> {
    let asked = asked(call)?;
    Ok(Box::new(ConverseStream::new(
        call.target.provider.name,
        &call.target.model,
        asked.names,
        asked.json_tool,
        call.include_usage,
    )))
}

/// What of the request an answer must be read with.
struct Asked {
    names: Names,
    json_tool: bool,
}

fn asked(call: &Call<'_>) -> Result<Asked, Error> {
    // The messages may be long, and do not matter here.
    let mut body = call.fields().clone();
    body.set_raw("messages", "[]");
    let request = ChatRequest::from_object(&body)?;
    Ok(Asked {
        names: Names::of(&request),
        json_tool: Structured::of(call, &request)?.is_tool(),
    })
}

/// `{endpoint}/model/{id}/{action}`: ids have colons, and ARNs slashes, which must stay inside their segment.
fn uri(call: &Call<'_>, model: &Model<'_>, action: &str) -> Result<String, Error> {
    let base = endpoint(call)?;
    let id = path::segment(model.id)?;
    Ok(path::join(&base, &format!("model/{id}/{action}")))
}

/// The runtime's address: the deployment's own, or AWS's in the model's region.
/// Where a path of Bedrock's own goes: agents, knowledge bases and flows have a host of their own.
pub(crate) fn outside(target: &Target, path: &str) -> Result<String, Error> {
    const AGENTS: [&str; 6] = [
        "agents",
        "flows",
        "knowledgebases",
        "rerank",
        "retrieveAndGenerate",
        "retrieveAndGenerateStream",
    ];
    let base = match target.setting("aws_bedrock_runtime_endpoint") {
        Some(own) => own.to_owned(),
        None => aws::in_region(target)?,
    };
    let first = path.split('/').next().unwrap_or_default();
    Ok(match AGENTS.contains(&first) {
        true => base.replace("bedrock-runtime", "bedrock-agent-runtime"),
        false => base,
    })
}

fn endpoint(call: &Call<'_>) -> Result<String, Error> {
    match call.target.setting("aws_bedrock_runtime_endpoint") {
        Some(own) => Ok(own.to_owned()),
        None => aws::in_region(call.target),
    }
}
/// What a reply's headers say it consumed: every model that is invoked has them.
pub(crate) fn told(headers: &http::HeaderMap) -> Option<llm_types::Usage> {
    let count = |name: &str| headers.get(name)?.to_str().ok()?.parse::<u64>().ok();
    let input = count("x-amzn-bedrock-input-token-count")?;
    let output = count("x-amzn-bedrock-output-token-count").unwrap_or(0);
    Some(llm_types::Usage::new(input, output))
}
