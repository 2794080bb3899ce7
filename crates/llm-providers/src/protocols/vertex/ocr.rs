//! Mistral's text recognition on Vertex AI.

use http::Request;

use super::address;
use crate::{
    Call, Error, Outgoing, Protocol, Reply, Step, path,
    protocols::{ocr, openai},
};

/// Text recognition by rawPredict.
#[derive(Debug)]
pub struct Ocr;

impl Protocol for Ocr {
    fn fetches(&self, call: &Call<'_>) -> Vec<String> {
        ocr::outside(call)
    }

    fn encode(&self, call: &Call<'_>) -> Result<Request<Outgoing>, Error> {
        let model = call.model();
        let name = model
            .strip_prefix("publishers/mistralai/models/")
            .or_else(|| model.strip_prefix("mistralai/"))
            .unwrap_or(model);
        let mut body = ocr::inline(call)?;
        body.set_str("model", name);
        let resource = format!("publishers/mistralai/models/{}", path::segment(name)?);
        let uri = address::of(call, "v1", &resource, "rawPredict")?;
        openai::request(&uri, body.to_bytes())
    }

    fn decode(&self, call: &Call<'_>, reply: Reply) -> Result<Step, Error> {
        ocr::answer(call, reply)
    }
}
