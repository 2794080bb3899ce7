//! Google's recorded embeddings: AI Studio's two methods, Vertex's predict and embedContent.

use llm_providers::{Body, Call, CallOptions, Kind, Step};
use llm_types::{JsonObject, Op};
use serde_json::{Value, json};

use crate::{Cassette, Tally, gemini::target};

/// What is embedded, how, and into how many numbers: one for each input.
fn asked(request: &Value) -> Vec<Value> {
    let one = |content: Value, request: &Value| {
        let length = &request["outputDimensionality"];
        json!([content, request["taskType"], request["title"], length])
    };
    if let Some(batch) = request["requests"].as_array() {
        let each = batch
            .iter()
            .map(|request| one(request["content"]["parts"].clone(), request));
        return each.collect();
    }
    if let Some(instances) = request["instances"].as_array() {
        let length = &request["parameters"]["outputDimensionality"];
        let each = instances
            .iter()
            .map(|instance| json!([[{"text": instance["content"]}], null, null, length]));
        return each.collect();
    }
    vec![one(request["content"]["parts"].clone(), request)]
}

/// The vectors of an answer, in order.
fn vectors(answer: &Value) -> Vec<Value> {
    let one = answer
        .get("embedding")
        .map(|one| vec![one["values"].clone()]);
    let all = |key: &str, place: &str| -> Option<Vec<Value>> {
        let list = answer[key].as_array()?;
        Some(
            list.iter()
                .map(|one| one.pointer(place).expect("a vector").clone())
                .collect(),
        )
    };
    one.or_else(|| all("embeddings", "/values"))
        .or_else(|| all("predictions", "/embeddings/values"))
        .expect("vectors")
}

fn check(cassette: &Cassette) -> Result<(), String> {
    let model = cassette.model.clone().unwrap_or_default();
    let model = model.trim_start_matches("models/");
    let target = target(&cassette.provider, model);
    let options = CallOptions::default();
    let recorded = cassette.request().filter(|request| request.is_object());
    let asked_for = recorded.map(asked).unwrap_or_default();
    // OpenAI's inputs are one text each; a recorded input of several parts cannot be asked for, only read.
    let one_each = |one: &Value| one[0].as_array().is_some_and(|parts| parts.len() == 1);
    let recorded = recorded.filter(|_| asked_for.iter().all(one_each));
    let inputs: Vec<Value> = asked_for
        .iter()
        .map(|one| one[0][0]["text"].clone())
        .collect();
    let mut body = json!({"input": if inputs.is_empty() { vec!["x".into()] } else { inputs }});
    if let Some(first) = asked_for.first() {
        body["input_type"] = first[1].clone();
        body["title"] = first[2].clone();
        body["dimensions"] = first[3].clone();
    }
    let body = Body::from(JsonObject::from_serialize(&body).expect("a body"));
    let call = Call::prepare(Op::Embedding, &target, body, &options).map_err(|e| e.to_string())?;
    if recorded.is_some() {
        let sent = call.encode().map_err(|e| e.to_string())?;
        let sent: Value =
            serde_json::from_slice(sent.body().bytes().expect("in memory")).expect("json");
        if asked(&sent) != asked_for {
            return Err(format!("{:?} for {asked_for:?}", asked(&sent)));
        }
    }
    if !cassette.status().is_success() {
        let error = call.decode(cassette.reply()).expect_err("an error");
        return (error.kind == Kind::NotFound)
            .then_some(())
            .ok_or_else(|| error.to_string());
    }
    let Step::Done(answer) = call.decode(cassette.reply()).map_err(|e| e.to_string())? else {
        return Err("not done".into());
    };
    let theirs: Value = serde_json::from_slice(&cassette.body()).expect("json");
    let tokens = theirs["usageMetadata"]["promptTokenCount"].as_u64();
    if tokens.is_some() && tokens != answer.usage.as_ref().map(|usage| usage.prompt_tokens) {
        return Err(format!("{:?} for {tokens:?} tokens", answer.usage));
    }
    let ours: Value = serde_json::from_slice(&answer.into_bytes().expect("bytes")).expect("json");
    let data = ours["data"].as_array().expect("a list");
    let same = data.iter().zip(0..).all(|(one, at)| one["index"] == at);
    let data: Vec<Value> = data.iter().map(|one| one["embedding"].clone()).collect();
    (same && data == vectors(&theirs))
        .then_some(())
        .ok_or_else(|| "other vectors".into())
}

#[test]
fn embeddings_of_google() {
    let mut tally = Tally::default();
    let wanted = |line: &Value| {
        ["gemini", "vertex_ai"]
            .iter()
            .any(|name| line["provider"] == *name)
            && line["endpoint"] == "embeddings"
    };
    for cassette in Cassette::all(wanted) {
        tally.check(&cassette.id, check(&cassette));
    }
    tally.settle("Google's embeddings", &[]);
}
