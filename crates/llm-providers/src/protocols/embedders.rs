//! Services that only embed: OpenAI's `/embeddings`, with other names for some things and usage in one figure.

use http::Request;
use llm_types::{EmbeddingInput, JsonObject, Op, Usage};
use serde_json::{Value, json};

use super::{
    openai,
    vectors::{self, Encoding},
};
use crate::{Answer, Call, Error, Outgoing, Protocol, Reply, Step, path};

/// Voyage AI.
#[derive(Debug)]
pub struct Voyage;

/// Jina AI.
#[derive(Debug)]
pub struct Jina;

impl Protocol for Voyage {
    fn encode(&self, call: &Call<'_>) -> Result<Request<Outgoing>, Error> {
        let mut body = start(call)?;
        // Voyage knows `base64` alone; numbers are what it sends anyway.
        if body.str("encoding_format").as_deref() == Some("float") {
            body.remove("encoding_format");
        }
        rename_value(
            &mut body,
            "input_type",
            &[("search_query", "query"), ("search_document", "document")],
        );
        let endpoint = match kind(call.model()) {
            Kind::Plain => "embeddings",
            Kind::Multimodal => {
                inputs(&mut body, voyage_part)?;
                body.rename("encoding_format", "output_encoding");
                "multimodalembeddings"
            }
            Kind::Contextual => {
                documents(&mut body)?;
                "contextualizedembeddings"
            }
        };
        openai::request(&path::join(call.base_url(), endpoint), body.to_bytes())
    }

    fn decode(&self, call: &Call<'_>, reply: Reply) -> Result<Step, Error> {
        let name = call.target.provider.name;
        let mut body: Value =
            serde_json::from_slice(&reply.body).map_err(|e| Error::decode(name, e))?;
        if kind(call.model()) == Kind::Contextual {
            flatten(&mut body);
        }
        counted(call, body)
    }
}

impl Protocol for Jina {
    fn encode(&self, call: &Call<'_>) -> Result<Request<Outgoing>, Error> {
        let mut body = start(call)?;
        body.rename("encoding_format", "embedding_type");
        body.rename("input_type", "task");
        rename_value(
            &mut body,
            "task",
            &[
                ("search_query", "retrieval.query"),
                ("search_document", "retrieval.passage"),
            ],
        );
        if let Some(EmbeddingInput::Parts(parts)) = body.get("input")? {
            let parts = parts
                .into_iter()
                .map(jina_part)
                .collect::<Result<Vec<_>, _>>()?;
            body.set("input", &parts);
        }
        let uri = path::join(call.base_url(), Op::Embedding.path());
        openai::request(&uri, body.to_bytes())
    }

    fn decode(&self, call: &Call<'_>, reply: Reply) -> Result<Step, Error> {
        let name = call.target.provider.name;
        let body: Value =
            serde_json::from_slice(&reply.body).map_err(|e| Error::decode(name, e))?;
        counted(call, body)
    }
}

/// How many texts one request to DashScope takes.
pub(crate) fn dashscope_most(model: &str) -> usize {
    match model {
        "text-embedding-v1" | "text-embedding-v2" => 25,
        _ => 10,
    }
}

/// The body with the vendor's model and without what neither of them knows.
fn start(call: &Call<'_>) -> Result<JsonObject, Error> {
    if call.op != Op::Embedding {
        return Err(call.unsupported());
    }
    let mut body = call.fields().clone();
    body.set_str("model", call.model());
    body.remove("user");
    match body.get::<EmbeddingInput>("input")? {
        None => Err(Error::bad_request("input", "'input' is missing")),
        Some(EmbeddingInput::Tokens(_) | EmbeddingInput::TokenLists(_)) => Err(Error::bad_request(
            "input",
            "this provider embeds texts, not token ids",
        )),
        Some(_) => Ok(body),
    }
}

#[derive(PartialEq, Eq)]
enum Kind {
    Plain,
    Multimodal,
    Contextual,
}

fn kind(model: &str) -> Kind {
    if model.starts_with("voyage-multimodal") {
        Kind::Multimodal
    } else if model.starts_with("voyage-context") {
        Kind::Contextual
    } else {
        Kind::Plain
    }
}

/// NVIDIA's retrievers know queries and passages.
pub(crate) fn nvidia(call: &mut Call<'_>) -> Result<(), Error> {
    if call.op == Op::Embedding {
        rename_value(
            call.fields_mut(),
            "input_type",
            &[("search_query", "query"), ("search_document", "passage")],
        );
    }
    Ok(())
}

fn rename_value(body: &mut JsonObject, key: &'static str, names: &[(&str, &str)]) {
    let named = body.str(key).and_then(|value| {
        let found = names.iter().find(|(from, _)| *from == value)?;
        Some(found.1.to_owned())
    });
    if let Some(to) = named {
        body.set_str(key, &to);
    }
}

/// `input` as `inputs`, each with its parts.
fn inputs(body: &mut JsonObject, part: fn(&Value) -> Result<Value, Error>) -> Result<(), Error> {
    let inputs: Vec<Value> = match body.take::<Value>("input")? {
        Some(Value::Array(list)) => list,
        Some(one) => vec![one],
        None => Vec::new(),
    };
    let inputs = inputs
        .iter()
        .map(|input| {
            let content = match input.get("content").and_then(Value::as_array) {
                Some(parts) => parts.iter().map(part).collect::<Result<Vec<_>, _>>()?,
                None => vec![part(input)?],
            };
            Ok(json!({ "content": content }))
        })
        .collect::<Result<Vec<_>, Error>>()?;
    body.set("inputs", &inputs);
    Ok(())
}

fn voyage_part(part: &Value) -> Result<Value, Error> {
    match image(part) {
        Some(url) if url.starts_with("data:") => {
            Ok(json!({"type": "image_base64", "image_base64": url}))
        }
        Some(url) => Ok(json!({"type": "image_url", "image_url": url})),
        None => Ok(match part {
            Value::String(text) if text.starts_with("data:image/") => {
                json!({"type": "image_base64", "image_base64": text})
            }
            Value::String(text) => json!({"type": "text", "text": text}),
            Value::Object(_) => part.clone(),
            _ => return Err(Error::bad_request("input", "expected a text or an image")),
        }),
    }
}

fn jina_part(part: Value) -> Result<Value, Error> {
    match image(&part) {
        Some(url) => {
            let data = url.split_once(";base64,").map_or(url, |(_, data)| data);
            Ok(json!({ "image": data }))
        }
        None if part["type"] == "text" => Ok(json!({ "text": part["text"] })),
        None => Ok(part),
    }
}

/// The address of an OpenAI image part.
fn image(part: &Value) -> Option<&str> {
    let image = part.get("image_url")?;
    image.as_str().or_else(|| image.get("url")?.as_str())
}

/// Contextual models take documents as lists of their chunks: a text alone is a document of one.
fn documents(body: &mut JsonObject) -> Result<(), Error> {
    let documents: Vec<Value> = match body.take::<Value>("input")? {
        Some(Value::Array(list)) => list
            .into_iter()
            .map(|item| if item.is_array() { item } else { json!([item]) })
            .collect(),
        Some(one) => vec![json!([one])],
        None => Vec::new(),
    };
    body.set("inputs", &documents);
    Ok(())
}

/// A list of documents, each with a list of vectors, as one list.
fn flatten(body: &mut Value) {
    let Some(documents) = body.get_mut("data").and_then(Value::as_array_mut) else {
        return;
    };
    let chunks = std::mem::take(documents).into_iter().flat_map(|document| {
        let data = document.get("data").and_then(Value::as_array);
        data.cloned().unwrap_or_default()
    });
    *documents = chunks
        .enumerate()
        .map(|(index, mut chunk)| {
            if let Some(chunk) = chunk.as_object_mut() {
                chunk.insert("index".into(), index.into());
            }
            chunk
        })
        .collect();
}

/// Both count tokens in `total_tokens`; clients of OpenAI read `prompt_tokens`.
fn counted(call: &Call<'_>, mut body: Value) -> Result<Step, Error> {
    let name = call.target.provider.name;
    let Some(data) = body.get_mut("data").and_then(Value::as_array_mut) else {
        return Err(Error::decode(name, "there is no list of vectors"));
    };
    let asked = Encoding::asked(call);
    for item in data {
        if let Some(vector) = item.get_mut("embedding") {
            vectors::encode(vector, asked).map_err(|e| Error::decode(name, e))?;
        }
    }
    let mut usage: Option<Usage> = match body.get("usage") {
        None | Some(Value::Null) => None,
        Some(usage) => {
            Some(serde_json::from_value(usage.clone()).map_err(|e| Error::decode(name, e))?)
        }
    };
    if let Some(usage) = &mut usage {
        if usage.prompt_tokens == 0 {
            usage.prompt_tokens = usage.total_tokens;
        }
        if let Some(counts) = body.get_mut("usage").and_then(Value::as_object_mut) {
            counts.insert("prompt_tokens".into(), usage.prompt_tokens.into());
        }
    }
    let bytes = serde_json::to_vec(&body).map_err(|e| Error::decode(name, e))?;
    Ok(Answer::raw(bytes.into(), usage).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_flattened_in_order() {
        let mut body = json!({"data": [
            {"object": "list", "data": [{"embedding": [1], "index": 0}, {"embedding": [2], "index": 1}], "index": 0},
            {"object": "list", "data": [{"embedding": [3], "index": 0}], "index": 1},
        ]});
        flatten(&mut body);
        let expected = json!([
            {"embedding": [1], "index": 0}, {"embedding": [2], "index": 1}, {"embedding": [3], "index": 2},
        ]);
        assert_eq!(body["data"], expected);
    }

    #[test]
    fn images_in_each_spelling() {
        let url = json!({"type": "image_url", "image_url": {"url": "https://x/a.png"}});
        let data = json!({"type": "image_url", "image_url": "data:image/png;base64,AA=="});
        assert_eq!(
            voyage_part(&url).expect("a part"),
            json!({"type": "image_url", "image_url": "https://x/a.png"})
        );
        assert_eq!(
            voyage_part(&data).expect("a part"),
            json!({"type": "image_base64", "image_base64": "data:image/png;base64,AA=="})
        );
        assert_eq!(jina_part(data).expect("a part"), json!({"image": "AA=="}));
    }
}
