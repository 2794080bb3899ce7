//! Embeddings: Titan, Nova and Cohere, each in its own format over InvokeModel.

use llm_types::{EmbeddingInput, EmbeddingRequest, EmbeddingVector, JsonObject, Map, Usage};
use serde::Deserialize;
use serde_json::{Number, Value, json};

use super::model::Model;
use crate::{Answer, Call, Error, Kind, Reply, protocols::vectors};

/// Whose format it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    TitanText,
    TitanImage,
    Nova,
    Cohere,
}

impl Format {
    fn of(model: &Model<'_>) -> Result<Self, Error> {
        let name = model.id;
        if name.contains("titan-embed-image") {
            Ok(Self::TitanImage)
        } else if name.contains("titan-embed") {
            Ok(Self::TitanText)
        } else if name.contains("amazon.nova") {
            Ok(Self::Nova)
        } else if name.contains("cohere.embed") {
            Ok(Self::Cohere)
        } else {
            Err(Error::new(
                Kind::Unsupported,
                format!("no embeddings format of Bedrock is known for {name}"),
            ))
        }
    }

    /// How many inputs one request takes.
    fn most(self) -> usize {
        match self {
            Self::Cohere => 96,
            _ => 1,
        }
    }
}

/// Settles what only some models take.
pub(super) fn settle(call: &mut Call<'_>) -> Result<(), Error> {
    let model = Model::of(call.target);
    let fixed = model.id.contains("titan-embed-text-v1") || model.id.contains("titan-embed-g1");
    if fixed {
        crate::params::refuse(call, &["dimensions"])?;
    }
    Ok(())
}

/// The bodies of the requests that it takes; empty where one is enough.
pub(super) fn split(call: &Call<'_>) -> Result<Vec<JsonObject>, Error> {
    inputs(&EmbeddingRequest::from_object(call.fields())?)?;
    vectors::split(call, Format::of(&Model::of(call.target))?.most())
}

/// The body of one request.
pub(super) fn body(call: &Call<'_>, model: &Model<'_>) -> Result<Value, Error> {
    let mut request = EmbeddingRequest::from_object(call.fields())?;
    let inputs = inputs(&request)?;
    let one = inputs.first().map(String::as_str).unwrap_or_default();
    let mut body = match Format::of(model)? {
        Format::TitanText => {
            let mut body = Map::new();
            body.insert("inputText".into(), one.into());
            set(&mut body, "dimensions", request.dimensions);
            body
        }
        Format::TitanImage => {
            let mut body = Map::new();
            match image(one) {
                Some((_, data)) => body.insert("inputImage".into(), data.into()),
                None => body.insert("inputText".into(), one.into()),
            };
            if let Some(length) = request.dimensions {
                let config = json!({ "outputEmbeddingLength": length });
                body.insert("embeddingConfig".into(), config);
            }
            body
        }
        Format::Nova => nova(&mut request, one),
        Format::Cohere => cohere(&request, &inputs),
    };
    for (key, value) in request.extra {
        if !key.starts_with("aws_") {
            body.insert(key, value);
        }
    }
    Ok(body.into())
}

/// The vectors in the answer; Bedrock counts tokens in a header where the model does not.
pub(super) fn read(call: &Call<'_>, reply: &Reply) -> Result<Answer, Error> {
    let provider = call.target.provider.name;
    let wire: Wire = serde_json::from_slice(&reply.body).map_err(|e| Error::decode(provider, e))?;
    let in_header = reply
        .header("x-amzn-bedrock-input-token-count")
        .and_then(|text| text.parse().ok());
    let tokens = wire.input_text_token_count.or(in_header);
    let vectors = match (wire.embedding, wire.embeddings) {
        (Some(vector), _) => vec![vector],
        (None, Some(Vectors::Lists(lists))) => lists,
        (None, Some(Vectors::Objects(objects))) => {
            objects.into_iter().map(|object| object.embedding).collect()
        }
        (None, Some(Vectors::ByType(types))) => types.float.unwrap_or_default(),
        (None, None) => wire.embeddings_by_type.float.into_iter().collect(),
    };
    if vectors.is_empty() {
        return Err(Error::decode(provider, "there are no vectors in it"));
    }
    let vectors = vectors.into_iter().map(EmbeddingVector::Floats).collect();
    let images = images(call)?;
    let mut usage = tokens
        .or((images > 0).then_some(0))
        .map(|tokens| Usage::new(tokens, 0));
    if let Some(usage) = &mut usage {
        usage.units.input_images = Some(images).filter(|images| *images > 0);
    }
    vectors::answer(call, vectors, usage, Map::new())
}

/// Images that went in: they are billed by number.
fn images(call: &Call<'_>) -> Result<u64, Error> {
    let inputs = inputs(&EmbeddingRequest::from_object(call.fields())?)?;
    Ok(inputs.iter().filter(|one| image(one).is_some()).count() as u64)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    #[serde(default)]
    embedding: Option<Vec<Number>>,
    #[serde(default)]
    embeddings: Option<Vectors>,
    #[serde(default)]
    embeddings_by_type: OneByType,
    #[serde(default)]
    input_text_token_count: Option<u64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Vectors {
    Lists(Vec<Vec<Number>>),
    Objects(Vec<NovaVector>),
    ByType(ByType),
}

#[derive(Deserialize)]
struct NovaVector {
    embedding: Vec<Number>,
}

#[derive(Deserialize)]
struct ByType {
    #[serde(default)]
    float: Option<Vec<Vec<Number>>>,
}

#[derive(Default, Deserialize)]
struct OneByType {
    #[serde(default)]
    float: Option<Vec<Number>>,
}

fn nova(request: &mut EmbeddingRequest, input: &str) -> Map {
    let purpose = match request.input_type.as_deref() {
        None | Some("search_document") => "GENERIC_INDEX",
        Some("search_query") => "GENERIC_RETRIEVAL",
        Some("classification") => "CLASSIFICATION",
        Some("clustering") => "CLUSTERING",
        Some(own) => own,
    };
    let mut params = Map::new();
    params.insert("embeddingPurpose".into(), purpose.into());
    set(&mut params, "embeddingDimension", request.dimensions);
    match image(input) {
        Some((format, data)) => params.insert(
            "image".into(),
            json!({"format": format, "source": {"bytes": data}}),
        ),
        None => {
            let mode = request.extra.shift_remove("truncationMode");
            let mode = mode.unwrap_or_else(|| "END".into());
            params.insert(
                "text".into(),
                json!({"truncationMode": mode, "value": input}),
            )
        }
    };
    let mut body = Map::new();
    body.insert("taskType".into(), "SINGLE_EMBEDDING".into());
    body.insert("singleEmbeddingParams".into(), params.into());
    body
}

fn cohere(request: &EmbeddingRequest, inputs: &[String]) -> Map {
    let mut body = Map::new();
    let images = inputs.iter().all(|input| image(input).is_some());
    let default = if images { "image" } else { "search_document" };
    let key = if images { "images" } else { "texts" };
    body.insert(key.into(), json!(inputs));
    let kind = request.input_type.as_deref().unwrap_or(default);
    body.insert("input_type".into(), kind.into());
    set(&mut body, "output_dimension", request.dimensions);
    body
}

fn set(body: &mut Map, key: &str, value: Option<u64>) {
    if let Some(value) = value {
        body.insert(key.into(), value.into());
    }
}

/// Format and base64 of an image's data URI.
fn image(input: &str) -> Option<(&str, &str)> {
    let (head, data) = input.strip_prefix("data:image/")?.split_once(";base64,")?;
    Some((head, data))
}

fn inputs(request: &EmbeddingRequest) -> Result<Vec<String>, Error> {
    match &request.input {
        EmbeddingInput::Text(text) => Ok(vec![text.clone()]),
        EmbeddingInput::Texts(texts) if texts.is_empty() => {
            Err(Error::bad_request("input", "there is nothing to embed"))
        }
        EmbeddingInput::Texts(texts) => Ok(texts.clone()),
        _ => Err(Error::bad_request(
            "input",
            "Bedrock embeds texts and images as data URIs, not token ids",
        )),
    }
}
