//! Embeddings: `/v2/embed`.

use http::Request;
use llm_types::{EmbeddingInput, EmbeddingVector, JsonObject, Map, Usage};
use serde::Deserialize;
use serde_json::{Value, json};

use super::wire::whole;
use crate::{
    Answer, Call, Error, Outgoing, Reply,
    protocols::{openai, vectors},
};

pub(super) fn encode(call: &Call<'_>) -> Result<Request<Outgoing>, Error> {
    let mut body = call.fields().clone();
    body.set_str("model", call.model());
    body.remove("user");
    body.rename("dimensions", "output_dimension");
    let encoding: Option<String> = body.take("encoding_format")?;
    if !body.contains("embedding_types") {
        body.set("embedding_types", &[encoding.as_deref().unwrap_or("float")]);
    }
    input(&mut body)?;
    if !body.contains("input_type") {
        body.set_str("input_type", "search_document");
    }
    let uri = super::endpoint(call.base_url(), "embed");
    openai::request(&uri, body.to_bytes())
}

/// Texts go as `texts`, images as `images`, parts of both kinds as `inputs`.
fn input(body: &mut JsonObject) -> Result<(), Error> {
    let Some(input) = body.take::<EmbeddingInput>("input")? else {
        return Err(Error::bad_request("input", "'input' is missing"));
    };
    let texts = match input {
        EmbeddingInput::Text(text) => vec![text],
        EmbeddingInput::Texts(texts) => texts,
        EmbeddingInput::Parts(parts) => {
            let inputs = parts.into_iter().map(part).collect::<Result<Vec<_>, _>>()?;
            body.set("inputs", &inputs);
            return Ok(());
        }
        EmbeddingInput::Tokens(_) | EmbeddingInput::TokenLists(_) => {
            return Err(Error::bad_request(
                "input",
                "Cohere embeds texts and images, not token ids",
            ));
        }
    };
    if !texts.is_empty() && texts.iter().all(|text| text.starts_with("data:image/")) {
        body.set("images", &texts);
        // The models that read images refuse any other type with them.
        body.set_str("input_type", "image");
    } else {
        body.set("texts", &texts);
    }
    Ok(())
}

fn part(part: Value) -> Result<Value, Error> {
    let content = match part {
        Value::String(text) => json!([{"type": "text", "text": text}]),
        Value::Object(mut map) => match map.remove("content") {
            Some(content) => content,
            None => match map.get("type").and_then(Value::as_str) {
                Some("text" | "image_url") => json!([map]),
                _ => return Err(Error::bad_request("input", "expected a text or an image")),
            },
        },
        _ => return Err(Error::bad_request("input", "expected a text or an image")),
    };
    Ok(json!({ "content": content }))
}

#[derive(Deserialize)]
struct Embedded {
    embeddings: Vectors,
    #[serde(default)]
    meta: Meta,
}

/// Bare where no type was asked for (version 1), else by type.
#[derive(Deserialize)]
#[serde(untagged)]
enum Vectors {
    Bare(Vec<EmbeddingVector>),
    ByType(Map),
}

#[derive(Default, Deserialize)]
struct Meta {
    billed_units: Option<Map>,
    tokens: Option<Map>,
}

pub(super) fn decode(call: &Call<'_>, reply: &Reply) -> Result<Answer, Error> {
    let failed = |e: &dyn std::fmt::Display| Error::decode(call.target.provider.name, e);
    let embedded: Embedded = serde_json::from_slice(&reply.body).map_err(|e| failed(&e))?;
    let usage = usage(&embedded.meta);
    let mut extra = Map::new();
    let vectors = match embedded.embeddings {
        Vectors::Bare(vectors) => vectors,
        Vectors::ByType(mut by_type) => {
            by_type.retain(|_, vectors| vectors.as_array().is_some_and(|v| !v.is_empty()));
            let first = first_type(call)?;
            let own = first
                .and_then(|first| by_type.remove(&first))
                .or_else(|| {
                    let any = by_type.keys().next()?.clone();
                    by_type.remove(&any)
                })
                .unwrap_or_else(|| json!([]));
            if !by_type.is_empty() {
                extra.insert("embeddings_by_type".into(), by_type.into());
            }
            serde_json::from_value(own).map_err(|e| failed(&e))?
        }
    };
    vectors::answer(call, vectors, usage, extra)
}

/// The type whose vectors stand in `data`: the first one that was asked for.
fn first_type(call: &Call<'_>) -> Result<Option<String>, Error> {
    let types: Option<Vec<String>> = call.fields().get("embedding_types")?;
    Ok(types
        .and_then(|types| types.into_iter().next())
        .or_else(|| call.fields().str("encoding_format").map(Into::into)))
}

fn usage(meta: &Meta) -> Option<Usage> {
    let billed = meta.billed_units.as_ref()?;
    let count = |map: &Map, key: &str| whole(map.get(key).and_then(Value::as_f64));
    let tokens = meta.tokens.as_ref().unwrap_or(billed);
    let mut usage = Usage::new(
        count(tokens, "input_tokens") + count(tokens, "image_tokens"),
        0,
    );
    let images = count(tokens, "image_tokens");
    if images > 0 {
        usage
            .prompt_tokens_details
            .get_or_insert_default()
            .image_tokens = images;
    }
    usage
        .extra
        .insert("billed_units".into(), billed.clone().into());
    Some(usage)
}
