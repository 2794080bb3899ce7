//! Bedrock's OpenAI-compatible endpoint: OpenAI's wire, at an address that follows the model's region.

use http::Request;
use llm_types::Op;

use super::model::Model;
use crate::{
    Call, Decoder, Error, Outgoing, Protocol, Reply, Step, Target,
    auth::aws,
    path,
    protocols::openai::{self, OpenAi},
};

/// `bedrock-mantle.{region}.api.aws`.
#[derive(Debug)]
pub struct Mantle;

impl Protocol for Mantle {
    fn encode(&self, call: &Call<'_>) -> Result<Request<Outgoing>, Error> {
        let mut base = aws::in_region(call.target)?;
        let mut body = openai::body(call)?;
        // A region may stand before the model's name.
        body.set_str("model", Model::parse(call.model()).id);
        let is_open = body
            .str("model")
            .is_some_and(|model| model.contains("gpt-oss"));
        if call.op == Op::Responses && !is_open && base.ends_with(".api.aws/v1") {
            // OpenAI's closed models answer under an address of their own.
            base = base.replace(".api.aws/v1", ".api.aws/openai/v1");
        }
        openai::request(&path::join(&base, call.op.path()), body.to_bytes())
    }

    fn forwards_chat(&self) -> bool {
        true
    }

    fn decode(&self, call: &Call<'_>, reply: Reply) -> Result<Step, Error> {
        OpenAi.decode(call, reply)
    }

    fn decoder(&self, call: &Call<'_>) -> Result<Box<dyn Decoder>, Error> {
        OpenAi.decoder(call)
    }
}

/// Only OpenAI's models answer responses.
pub(crate) fn mantle_speaks(target: &Target, op: Op) -> bool {
    match op {
        Op::Responses => Model::parse(&target.model).id.starts_with("openai."),
        _ => true,
    }
}
