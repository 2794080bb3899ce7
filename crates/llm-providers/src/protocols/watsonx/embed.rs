//! `/ml/v1/text/embeddings`.

use http::Request;
use llm_types::{EmbeddingInput, EmbeddingVector, Map, Usage};
use serde::Deserialize;
use serde_json::Value;

use super::{endpoint, place};
use crate::{
    Answer, Call, Error, Outgoing, Reply,
    protocols::{openai, vectors},
};

pub(super) fn encode(call: &Call<'_>) -> Result<Request<Outgoing>, Error> {
    let mut body = call.fields().clone();
    for key in ["user", "encoding_format", "input_type"] {
        body.remove(key);
    }
    let inputs = match body.take::<EmbeddingInput>("input")? {
        Some(EmbeddingInput::Text(text)) => vec![text],
        Some(EmbeddingInput::Texts(texts)) => texts,
        None => return Err(Error::bad_request("input", "'input' is missing")),
        Some(_) => return Err(Error::bad_request("input", "watsonx.ai embeds texts only")),
    };
    body.set("inputs", &inputs);
    place(call, &mut body);
    if let Some(most) = body.take::<Value>("truncate_input_tokens")? {
        let mut parameters: Map = body.get("parameters")?.unwrap_or_default();
        parameters.insert("truncate_input_tokens".into(), most);
        body.set("parameters", &parameters);
    }
    openai::request(&endpoint(call, "embeddings")?, body.to_bytes())
}

#[derive(Deserialize)]
struct Embedded {
    results: Vec<One>,
    input_token_count: Option<u64>,
}

#[derive(Deserialize)]
struct One {
    embedding: EmbeddingVector,
}

pub(super) fn decode(call: &Call<'_>, reply: &Reply) -> Result<Answer, Error> {
    let embedded: Embedded = serde_json::from_slice(&reply.body)
        .map_err(|e| Error::decode(call.target.provider.name, e))?;
    let usage = embedded.input_token_count.map(|count| Usage::new(count, 0));
    let vectors = embedded
        .results
        .into_iter()
        .map(|one| one.embedding)
        .collect();
    vectors::answer(call, vectors, usage, Map::new())
}
