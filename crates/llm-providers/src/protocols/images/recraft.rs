//! Recraft: OpenAI's wire for drawing, and addresses of its own for editing.

use http::Request;
use llm_types::Op;

use crate::{
    Call, Error, Outgoing, Protocol, Reply, Step, path,
    protocols::{openai, openai::OpenAi},
};

/// Edits by Recraft: with a mask it paints what the mask shows, without one it makes another image.
#[derive(Debug)]
pub(crate) struct Recraft;

impl Protocol for Recraft {
    fn encode(&self, call: &Call<'_>) -> Result<Request<Outgoing>, Error> {
        if call.op != Op::ImageEdit {
            return Err(call.unsupported());
        }
        call.body.file("image")?;
        let mut body = openai::body(call)?;
        let place = match body.contains("mask") {
            true => "images/inpaint",
            false => "images/imageToImage",
        };
        // It must be told how much to change.
        if !body.contains("mask") && !body.contains("strength") {
            body.set_str("strength", "0.5");
        }
        openai::create(call, &path::join(call.base_url(), place), &body)
    }

    fn streams_files(&self, _: &Call<'_>) -> bool {
        true
    }

    fn decode(&self, call: &Call<'_>, reply: Reply) -> Result<Step, Error> {
        OpenAi.decode(call, reply)
    }
}
