//! The items of an answer, and what a whole answer and a stream have in common.

use llm_types::{JsonObject, Map};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::bridges::seal::Seal;

/// Responses' ids start so, whoever answered.
pub(super) fn response_id(id: &str) -> String {
    if id.starts_with("resp_") {
        id.to_owned()
    } else {
        format!("resp_{id}")
    }
}

/// The id of the item at `index`: unique as long as the response's is, and saying nothing of it.
pub(super) fn item_id(prefix: &str, response: &str, index: usize) -> String {
    let digest = Sha256::digest(response);
    format!("{prefix}_{}{index:02x}", hex::encode(&digest[..20]))
}

pub(super) fn reasoning(id: &str, text: &str, seal: Option<&Seal>) -> Value {
    let summary = match text {
        "" => json!([]),
        text => json!([{"type": "summary_text", "text": text}]),
    };
    let mut item = json!({"id": id, "type": "reasoning", "summary": summary});
    if let Some(seal) = seal {
        item["encrypted_content"] = seal.text().into();
    }
    item
}

pub(super) fn message(id: &str, status: &str, content: Vec<Value>) -> Value {
    json!({"id": id, "type": "message", "status": status, "role": "assistant", "content": content})
}

pub(super) fn output_text(text: &str, annotations: &[Value], logprobs: &[Value]) -> Value {
    json!({"type": "output_text", "text": text, "annotations": annotations, "logprobs": logprobs})
}

pub(super) fn refusal(text: &str) -> Value {
    json!({"type": "refusal", "refusal": text})
}

/// A call of a function, or of a tool that takes text.
pub(super) fn call(
    id: &str,
    call_id: &str,
    name: &str,
    given: &str,
    is_custom: bool,
    status: &str,
) -> Value {
    let (kind, key) = match is_custom {
        true => ("custom_tool_call", "input"),
        false => ("function_call", "arguments"),
    };
    json!({"id": id, "type": kind, "status": status, "call_id": call_id, "name": name, key: given})
}

/// The kind of id that a call's item has.
pub(super) fn call_prefix(is_custom: bool) -> &'static str {
    match is_custom {
        true => "ctc",
        false => "fc",
    }
}

/// What a tool of free text is called with; arguments that are not of that shape are the text themselves.
pub(super) fn custom_input(arguments: &str) -> String {
    let object: Map = serde_json::from_str(arguments).unwrap_or_default();
    match object.get("input") {
        Some(Value::String(input)) => input.clone(),
        _ => arguments.to_owned(),
    }
}

/// A picture that was made.
pub(super) fn image(id: &str, image: &Value) -> Option<Value> {
    let url = image.get("image_url")?.get("url")?.as_str()?;
    let data = url.split_once(";base64,").map_or(url, |(_, data)| data);
    Some(json!({"id": id, "type": "image_generation_call", "status": "completed", "result": data}))
}

/// Chat nests what is said of a source, and Responses does not.
pub(super) fn annotation(given: &Value) -> Option<Value> {
    let kind = given.get("type")?.as_str()?;
    let Some(Value::Object(inner)) = given.get(kind) else {
        return Some(given.clone());
    };
    let mut flat = Map::new();
    flat.insert("type".into(), kind.into());
    flat.extend(inner.clone());
    if kind == "url_citation" {
        for key in ["start_index", "end_index"] {
            flat.entry(key).or_insert_with(|| 0.into());
        }
        flat.entry("title").or_insert_with(|| "".into());
    }
    Some(flat.into())
}

/// Token probabilities as chat has them.
pub(super) fn logprobs(given: Option<&Value>) -> Vec<Value> {
    let list = given.and_then(|given| given.get("content")?.as_array());
    list.cloned().unwrap_or_default()
}

/// Whether an answer is whole, by chat's reason: its status, and what is missing.
pub(super) fn outcome(finish: Option<&str>) -> (&'static str, Value) {
    let reason = match finish {
        Some("length") => "max_output_tokens",
        Some("content_filter") => "content_filter",
        _ => return ("completed", Value::Null),
    };
    ("incomplete", json!({"reason": reason}))
}

/// What every response repeats of its request, or says where the request was silent.
const REPEATED: [(&str, &str); 17] = [
    ("instructions", "null"),
    ("max_output_tokens", "null"),
    ("max_tool_calls", "null"),
    ("metadata", "{}"),
    ("parallel_tool_calls", "true"),
    ("previous_response_id", "null"),
    ("prompt_cache_key", "null"),
    ("reasoning", r#"{"effort":null,"summary":null}"#),
    ("safety_identifier", "null"),
    ("store", "true"),
    ("temperature", "null"),
    ("text", r#"{"format":{"type":"text"}}"#),
    ("tool_choice", r#""auto""#),
    ("tools", "[]"),
    ("top_p", "null"),
    ("truncation", r#""disabled""#),
    ("user", "null"),
];

/// A response around its output: begun, or ended.
pub(super) struct Frame<'a> {
    pub(super) asked: &'a JsonObject,
    pub(super) id: &'a str,
    pub(super) created: u64,
    pub(super) model: &'a str,
    pub(super) service_tier: Option<&'a str>,
}

impl Frame<'_> {
    /// The response in `status`.
    pub(super) fn around(
        &self,
        status: &str,
        missing: &Value,
        output: &[Value],
        usage: &Value,
    ) -> JsonObject {
        let mut response = JsonObject::new();
        response.set_str("id", self.id);
        response.set_str("object", "response");
        response.set("created_at", &self.created);
        response.set_str("status", status);
        response.set("background", &false);
        response.set("error", &Value::Null);
        response.set("incomplete_details", missing);
        response.set_str("model", self.model);
        response.set("output", &output);
        for (key, usual) in REPEATED {
            match self.asked.raw(key) {
                Some(raw) => response.set_raw(key, raw.clone()),
                None => response.set_raw(key, usual),
            }
        }
        response.set("service_tier", &self.service_tier);
        response.set("usage", usage);
        response
    }
}

/// The end of a response that a vendor began as `begun`.
pub(super) fn ended(
    begun: &JsonObject,
    status: &str,
    missing: &Value,
    output: &[Value],
    usage: &Value,
) -> JsonObject {
    let mut response = begun.clone();
    response.set_str("status", status);
    response.set("incomplete_details", missing);
    response.set("output", &output);
    response.set("usage", usage);
    response
}

/// `place` with one more key.
pub(super) fn with(place: &Value, key: &str, value: Value) -> Value {
    let mut event = place.clone();
    event[key] = value;
    event
}
