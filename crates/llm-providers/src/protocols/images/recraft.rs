//! Recraft: OpenAI's wire for drawing, and addresses of its own for editing and varying.

use http::Request;
use llm_types::Op;

use crate::{
    Call, Error, Outgoing, Protocol, Reply, Step, path,
    protocols::{openai, openai::OpenAi},
};

/// Edits by Recraft: with a mask it paints what the mask shows, without one it makes another image. Its variations have no words.
#[derive(Debug)]
pub(crate) struct Recraft;

impl Protocol for Recraft {
    fn encode(&self, call: &Call<'_>) -> Result<Request<Outgoing>, Error> {
        call.body.file("image")?;
        let mut body = openai::body(call)?;
        let place = match (call.op, body.contains("mask")) {
            (Op::ImageEdit, true) => "images/inpaint",
            (Op::ImageEdit, false) => {
                // It must be told how much to change.
                if !body.contains("strength") {
                    body.set_str("strength", "0.5");
                }
                "images/imageToImage"
            }
            (Op::ImageVariation, _) => {
                body.remove("model");
                if !body.contains("size") {
                    body.set_str("size", "1024x1024");
                }
                "images/variateImage"
            }
            _ => return Err(call.unsupported()),
        };
        openai::create(call, &path::join(call.base_url(), place), &body)
    }

    fn streams_files(&self, _: &Call<'_>) -> bool {
        true
    }

    fn decode(&self, call: &Call<'_>, reply: Reply) -> Result<Step, Error> {
        OpenAi.decode(call, reply)
    }
}
