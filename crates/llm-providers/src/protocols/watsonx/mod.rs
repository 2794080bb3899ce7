//! IBM watsonx.ai: OpenAI's messages under addresses, keys and a login of its own; text generation; embeddings.

mod chat;
mod embed;
mod generate;
mod rerank;

pub(crate) use chat::settle;
pub use rerank::Rerank;

use http::Request;
use llm_types::{JsonObject, Op};

use super::openai::OpenAi;
use crate::{Call, Decoder, Error, Kind, Outgoing, Protocol, Reply, Step, error_table, path};

/// The version of the API that is asked for where no other is set.
const VERSION: &str = "2024-03-13";

/// watsonx.ai's wire.
#[derive(Debug)]
pub struct Watsonx;

impl Protocol for Watsonx {
    fn encode(&self, call: &Call<'_>) -> Result<Request<Outgoing>, Error> {
        match call.op {
            Op::Chat => chat::encode(call),
            Op::Completion => generate::encode(call),
            Op::Embedding => embed::encode(call),
            _ => Err(call.unsupported()),
        }
    }

    fn decode(&self, call: &Call<'_>, reply: Reply) -> Result<Step, Error> {
        match call.op {
            Op::Chat => OpenAi.decode(call, reply),
            Op::Completion => Ok(generate::decode(call, &reply)?.into()),
            Op::Embedding => Ok(embed::decode(call, &reply)?.into()),
            _ => Err(call.unsupported()),
        }
    }

    fn forwards_chat(&self) -> bool {
        true
    }

    fn decoder(&self, call: &Call<'_>) -> Result<Box<dyn Decoder>, Error> {
        match call.op {
            Op::Chat => OpenAi.decoder(call),
            Op::Completion => Ok(Box::new(generate::TextStream::new(call))),
            _ => Err(call.unsupported()),
        }
    }

    fn error(&self, call: &Call<'_>, reply: &Reply) -> Error {
        let mut error = error_table::classify(call.target.provider.name, reply);
        // It comes with a 403.
        if error.code.as_deref() == Some("token_quota_reached") {
            error.kind = Kind::RateLimit;
        }
        error
    }
}

/// `/ml/v1/text/NAME`, of a deployment where the model is `deployment/ID`.
fn endpoint(call: &Call<'_>, name: &str) -> Result<String, Error> {
    let target = call.target;
    let version = path::segment(target.setting("api_version").unwrap_or(VERSION))?;
    let place = match deployment(call) {
        Some(id) => format!("ml/v1/deployments/{}/text/{name}", path::segment(id)?),
        None => format!("ml/v1/text/{name}"),
    };
    let url = path::join(&target.base_url, &place);
    Ok(format!("{url}?version={version}"))
}

fn deployment<'a>(call: &'a Call<'_>) -> Option<&'a str> {
    call.model().strip_prefix("deployment/")
}

/// Names the model and who pays: a deployment knows both by itself.
fn place(call: &Call<'_>, body: &mut JsonObject) {
    body.remove("model");
    if deployment(call).is_some() {
        return;
    }
    body.set_str("model_id", call.model());
    if body.contains("project_id") || body.contains("space_id") {
        return;
    }
    for key in ["space_id", "project_id"] {
        if let Some(id) = call.target.setting(key) {
            return body.set_str(key, id);
        }
    }
}
