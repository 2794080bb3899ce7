//! Embeddings: `/api/embed`.

use http::Request;
use llm_types::{EmbeddingInput, EmbeddingVector, Usage};
use serde::Deserialize;

use super::{endpoint, request};
use crate::{
    Answer, Call, Error, Outgoing, Reply,
    protocols::{openai, vectors},
};

/// What stands beside `options` in the body.
const OWN: &[&str] = &[
    "model",
    "input",
    "dimensions",
    "truncate",
    "keep_alive",
    "options",
];

pub(super) fn encode(call: &Call<'_>) -> Result<Request<Outgoing>, Error> {
    let mut body = call.fields().clone();
    body.set_str("model", call.model());
    match body.get::<EmbeddingInput>("input")? {
        Some(EmbeddingInput::Text(_) | EmbeddingInput::Texts(_)) => {}
        None => return Err(Error::bad_request("input", "'input' is missing")),
        Some(_) => return Err(Error::bad_request("input", "Ollama embeds texts only")),
    }
    for key in ["encoding_format", "input_type", "user"] {
        body.remove(key);
    }
    request::gather_options(&mut body, OWN)?;
    openai::request(&endpoint(call.base_url(), "embed"), body.to_bytes())
}

#[derive(Deserialize)]
struct Embedded {
    embeddings: Vec<EmbeddingVector>,
    prompt_eval_count: Option<u64>,
}

pub(super) fn decode(call: &Call<'_>, reply: &Reply) -> Result<Answer, Error> {
    let embedded: Embedded = serde_json::from_slice(&reply.body)
        .map_err(|e| Error::decode(call.target.provider.name, e))?;
    let usage = embedded.prompt_eval_count.map(|count| Usage::new(count, 0));
    vectors::answer(call, embedded.embeddings, usage, Default::default())
}
