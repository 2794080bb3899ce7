//! Bedrock's OpenAI-compatible endpoint: OpenAI's wire, at an address that follows the model's region.

use bytes::Bytes;
use http::Request;

use super::model::Model;
use crate::{
    Call, Decoder, Error, Protocol, Reply, Step,
    auth::aws,
    path,
    protocols::openai::{self, OpenAi},
};

/// `bedrock-mantle.{region}.api.aws`.
#[derive(Debug)]
pub struct Mantle;

impl Protocol for Mantle {
    fn encode(&self, call: &Call<'_>) -> Result<Request<Bytes>, Error> {
        let base = aws::in_region(call.target)?;
        let mut body = openai::body(call)?;
        // A region may stand before the model's name.
        body.set_str("model", Model::parse(call.model()).id);
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
