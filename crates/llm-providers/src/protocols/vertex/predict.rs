//! Embeddings on Vertex: predict, for texts, for images, and for models of one's own.

use http::Request;
use llm_types::{EmbeddingRequest, EmbeddingVector, JsonObject, Map, PromptDetails, Usage};
use serde_json::{Number, Value, json};

use super::{address, model::Wire, resource};
use crate::{
    Call, Error, Outgoing, Reply, Step, path,
    protocols::{
        gemini::{self, embedding},
        vectors,
    },
};

/// How many inputs a request takes.
pub(super) fn split(call: &Call<'_>) -> Result<Vec<JsonObject>, Error> {
    let most = match Wire::of(call.model()) {
        Wire::Gemini if is_multimodal(call) || call.model().contains("gemini-embedding") => 1,
        Wire::Gemini => 250,
        _ => return Ok(Vec::new()),
    };
    embedding::split(call, most)
}

pub(super) fn encode(call: &Call<'_>, wire: Wire<'_>) -> Result<Request<Outgoing>, Error> {
    let (resource, verb, body) = match wire {
        Wire::Bge(id) => {
            let endpoint = format!("endpoints/{}", path::segment(id)?);
            (endpoint, "predict", instances(call, bge)?)
        }
        Wire::Gemini if is_multimodal(call) => (
            resource(call.model(), wire)?,
            "predict",
            instances(call, multimodal)?,
        ),
        Wire::Gemini if is_single(call) => (
            resource(call.model(), wire)?,
            "embedContent",
            embedding::single(call)?,
        ),
        Wire::Gemini | Wire::GeminiEndpoint(_) => (
            resource(call.model(), wire)?,
            "predict",
            instances(call, text)?,
        ),
        _ => return Err(call.unsupported()),
    };
    let version = if verb == "predict" { "v1" } else { "v1beta1" };
    gemini::post(&address::of(call, version, &resource, verb)?, &body)
}

pub(super) fn decode(call: &Call<'_>, wire: Wire<'_>, reply: &Reply) -> Result<Step, Error> {
    if wire == Wire::Gemini && is_single(call) {
        return Ok(embedding::answer(call, reply)?.into());
    }
    let name = call.target.provider.name;
    let body: Value = serde_json::from_slice(&reply.body).map_err(|e| Error::decode(name, e))?;
    let predictions = body["predictions"].as_array();
    let (mut all, mut tokens) = (Vec::new(), None);
    for prediction in predictions.into_iter().flatten() {
        let embeddings = &prediction["embeddings"];
        if let Some(count) = embeddings["statistics"]["token_count"].as_f64() {
            tokens = Some(tokens.unwrap_or(0) + count as u64);
        }
        all.extend(found(prediction).into_iter().filter_map(vector));
    }
    if all.is_empty() {
        return Err(Error::decode(name, "there are no embeddings"));
    }
    let usage = match is_multimodal(call) {
        true => Some(sent(call)?),
        false => tokens.map(|tokens| counted(tokens, &body["metadata"])),
    };
    Ok(vectors::answer(call, all, usage, Map::new())?.into())
}

/// Every vector of a prediction: a text's; or a text's, an image's and a film's.
fn found(prediction: &Value) -> Vec<&Value> {
    if prediction.is_array() {
        return vec![prediction];
    }
    let one = [
        "/embeddings/values",
        "/textEmbedding",
        "/imageEmbedding",
        "/embedding",
    ];
    let films = prediction["videoEmbeddings"].as_array();
    let films = films.into_iter().flatten().map(|film| &film["embedding"]);
    one.iter()
        .filter_map(|place| prediction.pointer(place))
        .chain(films)
        .collect()
}

/// A vector; some servers wrap it in a list of one.
fn vector(value: &Value) -> Option<EmbeddingVector> {
    let list = value.as_array()?;
    if let [inner @ Value::Array(_)] = list.as_slice() {
        return vector(inner);
    }
    let number = |value: &Value| match value {
        Value::Number(number) => Some(number.clone()),
        _ => None,
    };
    let numbers: Option<Vec<Number>> = list.iter().map(number).collect();
    numbers.map(EmbeddingVector::Floats)
}

fn counted(tokens: u64, metadata: &Value) -> Usage {
    let mut usage = Usage::new(tokens, 0);
    if let Some(count) = metadata["billableCharacterCount"].as_u64() {
        let mut details = PromptDetails::default();
        details.extra.insert("character_count".into(), count.into());
        usage.prompt_tokens_details = Some(details);
    }
    usage
}

/// What went into a multimodal model: it counts nothing itself, and bills characters and images.
fn sent(call: &Call<'_>) -> Result<Usage, Error> {
    let body = instances(call, multimodal)?;
    let instances = body.get("instances").and_then(Value::as_array);
    let (mut images, mut characters) = (0, 0);
    for instance in instances.into_iter().flatten() {
        images += u64::from(instance.get("image").is_some());
        let text = instance.get("text").and_then(Value::as_str);
        characters += text.map_or(0, |text| text.chars().count() as u64);
    }
    let mut usage = Usage::default();
    usage.units.input_images = Some(images).filter(|images| *images > 0);
    usage.units.characters = Some(characters).filter(|characters| *characters > 0);
    Ok(usage)
}

fn is_multimodal(call: &Call<'_>) -> bool {
    call.model().contains("multimodalembedding")
}

/// From its second generation on Gemini's own embedding model is asked by embedContent.
fn is_single(call: &Call<'_>) -> bool {
    call.model().contains("gemini-embedding-2")
}

/// One input and the request's options to an instance, and what goes to the parameters.
type Instance = fn(Value, &EmbeddingRequest, &mut Map) -> Result<Value, Error>;

fn instances(call: &Call<'_>, instance: Instance) -> Result<Map, Error> {
    let request = EmbeddingRequest::from_object(call.fields())?;
    let mut parameters = Map::new();
    let list = embedding::inputs(&request.input)?.into_iter();
    let list = list.map(|input| instance(input, &request, &mut parameters));
    let list: Vec<Value> = list.collect::<Result<_, Error>>()?;
    let mut body = Map::from_iter([("instances".to_owned(), list.into())]);
    if !parameters.is_empty() {
        body.insert("parameters".into(), parameters.into());
    }
    Ok(body)
}

fn text(input: Value, request: &EmbeddingRequest, parameters: &mut Map) -> Result<Value, Error> {
    let options = embedding::Options::of(request);
    parameters.extend(options.named("", "", "outputDimensionality"));
    parameters.extend(options.rest.clone());
    let mut instance = match input {
        Value::String(text) => Map::from_iter([("content".to_owned(), text.into())]),
        Value::Object(own) => own,
        _ => return Err(Error::bad_request("input", "expected texts")),
    };
    instance.extend(options.named("task_type", "title", ""));
    Ok(instance.into())
}

fn bge(input: Value, _: &EmbeddingRequest, _: &mut Map) -> Result<Value, Error> {
    Ok(json!({ "prompt": input }))
}

/// A text, an image (as data or in a bucket), a film in a bucket, or an instance as Google has it.
fn multimodal(
    input: Value,
    request: &EmbeddingRequest,
    parameters: &mut Map,
) -> Result<Value, Error> {
    let options = embedding::Options::of(request);
    parameters.extend(options.named("", "", "dimension"));
    let text = match input {
        Value::String(text) => text,
        Value::Object(part) => return object(part),
        _ => return Err(Error::bad_request("input", "expected texts or images")),
    };
    Ok(medium(&text).unwrap_or_else(|| json!({ "text": text })))
}

fn medium(address: &str) -> Option<Value> {
    if let Some(path) = address.strip_prefix("gs://") {
        let film = [".mp4", ".mov", ".webm", ".avi", ".mpeg", ".mkv"];
        let kind = if film.iter().any(|end| path.ends_with(end)) {
            "video"
        } else {
            "image"
        };
        return Some(json!({ kind: {"gcsUri": address} }));
    }
    let (head, data) = address.strip_prefix("data:")?.split_once(";base64,")?;
    let kind = if head.starts_with("video/") {
        "video"
    } else {
        "image"
    };
    Some(json!({ kind: {"bytesBase64Encoded": data, "mimeType": head} }))
}

/// A part as chat has it becomes an instance; everything else is one already.
fn object(part: Map) -> Result<Value, Error> {
    let url = part.get("image_url").or_else(|| part.get("video_url"));
    let url = url.map(|url| url.get("url").unwrap_or(url));
    match (part.get("type").and_then(Value::as_str), url) {
        (_, Some(url)) => url
            .as_str()
            .and_then(medium)
            .ok_or_else(|| Error::bad_request("input", "an image must be a data: or gs: address")),
        (Some("text"), None) => Ok(json!({ "text": part.get("text") })),
        _ => Ok(part.into()),
    }
}
