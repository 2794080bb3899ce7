//! Embeddings: one batch for every request.

use llm_types::{
    ContentPart, EmbeddingInput, EmbeddingRequest, EmbeddingVector, JsonObject, Map, Usage,
};
use serde::Deserialize;
use serde_json::{Number, Value, json};

use super::{
    media::{Medium, camel},
    wire::{Part, UsageMetadata},
};
use crate::{Answer, Call, Error, Reply, protocols::vectors};

/// The bodies of several requests with at most `most` inputs each; none where one request is enough.
pub(crate) fn split(call: &Call<'_>, most: usize) -> Result<Vec<JsonObject>, Error> {
    inputs(&EmbeddingRequest::from_object(call.fields())?.input)?;
    vectors::split(call, most)
}

/// The body of batchEmbedContents.
pub(super) fn batch(call: &Call<'_>) -> Result<Map, Error> {
    let request = EmbeddingRequest::from_object(call.fields())?;
    let options = Options::of(&request);
    let model = format!("models/{}", call.model().trim_start_matches("models/"));
    let requests = inputs(&request.input)?.into_iter().map(|input| {
        let mut one = Map::new();
        one.insert("model".into(), model.as_str().into());
        let parts = [part(call, input)?];
        one.insert("content".into(), json!({ "parts": parts }));
        one.extend(options.named("taskType", "title", "outputDimensionality"));
        one.extend(options.rest.clone());
        Ok(Value::Object(one))
    });
    let requests: Vec<Value> = requests.collect::<Result<_, Error>>()?;
    Ok(Map::from_iter([("requests".into(), requests.into())]))
}

/// The body of embedContent: one input, which may have several parts.
pub(crate) fn single(call: &Call<'_>) -> Result<Map, Error> {
    let request = EmbeddingRequest::from_object(call.fields())?;
    let inputs = inputs(&request.input)?;
    if inputs.len() != 1 {
        return Err(Error::bad_request(
            "input",
            "this model embeds one input in a request",
        ));
    }
    let parts = inputs.into_iter().map(|input| part(call, input));
    let parts: Vec<Part> = parts.collect::<Result<_, Error>>()?;
    let options = Options::of(&request);
    let mut body = Map::from_iter([("content".into(), json!({ "parts": parts }))]);
    body.extend(options.named("taskType", "title", "outputDimensionality"));
    body.extend(options.rest);
    Ok(body)
}

/// Reads embedContent's and batchEmbedContents' answers.
pub(crate) fn answer(call: &Call<'_>, reply: &Reply) -> Result<Answer, Error> {
    #[derive(Deserialize)]
    struct Values {
        values: Vec<Number>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Answered {
        embedding: Option<Values>,
        #[serde(default)]
        embeddings: Vec<Values>,
        usage_metadata: Option<UsageMetadata>,
    }
    let name = call.target.provider.name;
    let read: Answered = serde_json::from_slice(&reply.body).map_err(|e| Error::decode(name, e))?;
    let all = read.embedding.into_iter().chain(read.embeddings);
    let all: Vec<_> = all.map(|one| EmbeddingVector::Floats(one.values)).collect();
    if all.is_empty() {
        return Err(Error::decode(name, "there are no embeddings"));
    }
    let usage = read
        .usage_metadata
        .map(|counts| Usage::new(counts.prompt_token_count, 0));
    vectors::answer(call, all, usage, Map::new())
}

/// What an embedding request says beside its input.
pub(crate) struct Options {
    task: Option<String>,
    title: Option<Value>,
    dimensions: Option<u64>,
    pub(crate) rest: Map,
}

impl Options {
    pub(crate) fn of(request: &EmbeddingRequest) -> Self {
        let mut rest: Map = request
            .extra
            .iter()
            .map(|(key, value)| (camel(key), value.clone()))
            .collect();
        let own = rest.shift_remove("taskType");
        let own = own.and_then(|task| task.as_str().map(str::to_owned));
        let title = rest.shift_remove("title");
        let length = rest.shift_remove("outputDimensionality");
        Self {
            task: own.or_else(|| request.input_type.as_deref().map(task)),
            title,
            dimensions: request.dimensions.or_else(|| length?.as_u64()),
            rest,
        }
    }

    /// The options that are there, under the wire's names.
    pub(crate) fn named(&self, task: &str, title: &str, dimensions: &str) -> Map {
        let pairs = [
            (task, self.task.clone().map(Value::from)),
            (title, self.title.clone()),
            (dimensions, self.dimensions.map(Value::from)),
        ];
        pairs
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?)))
            .filter(|(name, _)| !name.is_empty())
            .collect()
    }
}

/// Other vendors' names of purposes, as Google calls them.
fn task(input_type: &str) -> String {
    match input_type {
        "search_document" | "document" | "passage" => "RETRIEVAL_DOCUMENT".into(),
        "search_query" | "query" => "RETRIEVAL_QUERY".into(),
        other => other.to_ascii_uppercase(),
    }
}

/// The inputs, each a text or an object.
pub(crate) fn inputs(input: &EmbeddingInput) -> Result<Vec<Value>, Error> {
    match input {
        EmbeddingInput::Text(text) => Ok(vec![text.as_str().into()]),
        EmbeddingInput::Texts(texts) => Ok(texts.iter().map(|text| text.as_str().into()).collect()),
        EmbeddingInput::Parts(parts) => Ok(parts.clone()),
        EmbeddingInput::Tokens(_) | EmbeddingInput::TokenLists(_) => Err(Error::bad_request(
            "input",
            "Google embeds texts, not token ids",
        )),
    }
}

/// A text; or, for models that see, a data address, a file, or a part as chat has it.
fn part(call: &Call<'_>, input: Value) -> Result<Part, Error> {
    let sees = call.model().contains("embedding-2") || call.model().contains("multimodal");
    let refused = |why: String| Error::bad_request("input", why);
    let content = match input {
        Value::String(text) if sees && is_address(&text) => ContentPart::image_url(&text),
        Value::String(text) => return Ok(Part::text(text)),
        object => serde_json::from_value(object).map_err(|e| refused(e.to_string()))?,
    };
    match Medium::of(&content).map_err(refused)? {
        Some(medium) => medium.part(call),
        None => Ok(Part::text(content.text.unwrap_or_default())),
    }
}

fn is_address(text: &str) -> bool {
    text.starts_with("gs://") || (text.starts_with("data:") && text.contains(";base64,"))
}
