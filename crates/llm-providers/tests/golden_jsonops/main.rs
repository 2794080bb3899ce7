//! Reranking, moderation, search and text recognition: what goes out to each provider and what comes back, as snapshots.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    reason = "tests"
)]

mod audio;
mod batch;
mod embeddings;
mod images;
mod moderation;
mod ocr;
mod rerank;
mod rest;
mod search;
mod video;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use llm_providers::{
    Body, Call, CallOptions, Credential, Error, Reply, Step, Target, auth, lookup,
};
use llm_types::{JsonObject, Op};
use serde_json::{Value, json};

pub fn fixture(name: &str) -> Bytes {
    let path = format!("{}/../../fixtures/{name}.json", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path)
        .unwrap_or_else(|e| panic!("{path}: {e}"))
        .into()
}

pub fn object(value: &Value) -> JsonObject {
    JsonObject::from_serialize(value).expect("an object")
}

/// A target with what its provider cannot do without.
pub fn target(provider: &str, model: &str) -> Target {
    let row = lookup(provider).expect("a row");
    let target = Target::new(row, model, Credential::key("hidden"));
    match provider {
        "watsonx" => target
            .at("https://us-south.ml.cloud.ibm.com")
            .with("project_id", "p-1"),
        "huggingface" | "infinity" | "hosted_vllm" | "searxng" | "litellm_proxy" => {
            target.at("http://localhost:8080")
        }
        "azure" | "azure_ai" => target.at("https://r.services.ai.azure.com"),
        "vertex_ai" => target
            .with("vertex_project", "p-1")
            .with("vertex_location", "us-central1"),
        "bedrock" => target.with("aws_region_name", "us-west-2"),
        "google_pse" => target.with("google_pse_engine_id", "cx-1"),
        _ => target,
    }
}

/// What goes out for `body`, parameters that do not fit dropped with a notice.
pub fn sent(op: Op, target: &Target, body: &Bytes) -> Result<Value, Error> {
    let options = CallOptions {
        drop_params: true,
        ..CallOptions::default()
    };
    let body = Body::from(JsonObject::parse(body).expect("an object"));
    let call = Call::prepare(op, target, body, &options)?;
    let mut request = call.encode()?;
    let now = std::time::SystemTime::UNIX_EPOCH;
    auth::apply(target, &target.credential, &mut request, now)?;
    let keys: Vec<&str> = request
        .headers()
        .iter()
        .filter(|(_, value)| value.is_sensitive())
        .map(|(name, _)| name.as_str())
        .collect();
    let body = match request.body().is_empty() {
        true => Value::Null,
        false => serde_json::from_slice(request.body().bytes().expect("in memory")).expect("json"),
    };
    Ok(json!({
        "request": format!("{} {}", request.method(), request.uri()),
        "key": keys,
        "body": body,
        "notices": call.notices,
    }))
}

/// What comes back of `reply` to `body`.
pub fn answered(op: Op, target: &Target, body: &Bytes, reply: Bytes) -> Result<Value, Error> {
    let options = CallOptions {
        drop_params: true,
        ..CallOptions::default()
    };
    let body = Body::from(JsonObject::parse(body).expect("an object"));
    let call = Call::prepare(op, target, body, &options)?;
    let mut headers = HeaderMap::new();
    headers.insert("x-request-id", "request-1".parse().expect("a value"));
    let step = call.decode(Reply {
        status: StatusCode::OK,
        headers,
        body: reply,
    })?;
    let Step::Done(answer) = step else {
        panic!("answered at once")
    };
    let units = answer.usage.as_ref().map(|usage| counted(&usage.units));
    let usage = serde_json::to_value(&answer.usage).expect("json");
    let body: Value = serde_json::from_slice(&answer.into_bytes()?).expect("json");
    Ok(json!({"body": body, "usage": usage, "units": units}))
}

/// What was counted besides tokens.
fn counted(units: &llm_types::Units) -> Value {
    let mut counted = json!({
        "queries": units.queries,
        "pages": units.pages,
        "annotated_pages": units.annotated_pages,
        "input_images": units.input_images,
        "characters": units.characters,
    });
    if let Some(map) = counted.as_object_mut() {
        map.retain(|_, count| !count.is_null());
    }
    counted
}

/// Both ways of one provider, as one snapshot.
pub fn both_ways(op: Op, target: &Target, body: &str, reply: &str) -> Value {
    let body = fixture(body);
    json!({
        "sent": sent(op, target, &body).expect("a request"),
        "answered": answered(op, target, &body, fixture(reply)).expect("an answer"),
    })
}
