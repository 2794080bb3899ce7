//! Amazon Bedrock: Converse for every vendor, InvokeModel for the vendors' own formats.

mod errors;
mod media;
mod messages;
mod model;
mod request;
mod response;
mod settle;
mod stream;
mod structured;
mod thinking;
mod tools;
mod wire;

use bytes::Bytes;
use http::Request;
use llm_types::{ChatRequest, Message, Op};
use memchr::memmem;

use self::{
    model::Model, stream::ConverseStream, structured::Structured, tools::Names,
    wire::ConverseResponse,
};
use crate::{
    Answer, Call, Decoder, Error, Framing, Protocol, Reply, Step, auth::aws, path,
    protocols::openai,
};

pub(crate) use model::{arn_region, is_region};
pub(crate) use settle::settle;

/// The vendor's own field in which calls of tools that Bedrock runs itself are kept, to be sent back.
const SERVER_TOOLS: &str = "serverToolBlocks";

/// Amazon Bedrock's runtime.
#[derive(Debug)]
pub struct Bedrock;

impl Protocol for Bedrock {
    fn fetches(&self, call: &Call<'_>) -> Vec<String> {
        let messages = call.json().ok().and_then(|body| body.raw("messages"));
        let Some(raw) = messages.filter(|raw| memmem::find(raw, b"://").is_some()) else {
            return Vec::new();
        };
        let messages: Vec<Message> = serde_json::from_slice(raw).unwrap_or_default();
        media::addresses(&messages)
    }

    fn encode(&self, call: &Call<'_>) -> Result<Request<Bytes>, Error> {
        let model = Model::of(call.target);
        match call.op {
            Op::Chat => {
                let body = request::body(call, &model)?;
                let action = if call.stream {
                    "converse-stream"
                } else {
                    "converse"
                };
                openai::request(&uri(call, &model, action)?, body.to_string().into())
            }
            _ => Err(call.unsupported()),
        }
    }

    fn decode(&self, call: &Call<'_>, reply: Reply) -> Result<Step, Error> {
        let name = call.target.provider.name;
        let asked = asked(call)?;
        let response: ConverseResponse =
            serde_json::from_slice(&reply.body).map_err(|e| Error::decode(name, e))?;
        let answer = response::chat(response, &call.target.model, &asked.names, asked.json_tool);
        Ok(Answer::chat(answer).into())
    }

    fn decoder(&self, call: &Call<'_>) -> Result<Box<dyn Decoder>, Error> {
        let asked = asked(call)?;
        Ok(Box::new(ConverseStream::new(
            call.target.provider.name,
            &call.target.model,
            asked.names,
            asked.json_tool,
            call.include_usage,
        )))
    }

    fn framing(&self, _: &Call<'_>) -> Framing {
        Framing::AwsEventStream
    }

    fn error(&self, call: &Call<'_>, reply: &Reply) -> Error {
        errors::in_reply(call.target.provider.name, reply)
    }
}

/// What of the request an answer must be read with.
struct Asked {
    names: Names,
    json_tool: bool,
}

fn asked(call: &Call<'_>) -> Result<Asked, Error> {
    // The messages may be long, and do not matter here.
    let mut body = call.json()?.clone();
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
fn endpoint(call: &Call<'_>) -> Result<String, Error> {
    match call.target.setting("aws_bedrock_runtime_endpoint") {
        Some(own) => Ok(own.to_owned()),
        None => aws::in_region(call.target),
    }
}
