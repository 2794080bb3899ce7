//! Watsonx, Databricks, Cloudflare, Snowflake, Hugging Face, Replicate and the embedders.

use bytes::Bytes;
use llm_providers::{Body, Call, CallOptions, Credential, Step, Target, lookup};
use llm_types::{JsonObject, Op};
use serde_json::{Value, json};

use crate::{
    Cassette, Tally, decode_stream,
    fold::{Said, parsed, same, same_json},
    however_cut,
};

/// Those whose chat is OpenAI's, more or less.
const OPENAI_LIKE: [&str; 5] = [
    "watsonx",
    "databricks",
    "cloudflare",
    "snowflake",
    "huggingface",
];

fn recorded(endpoint: &str, providers: &[&str]) -> Vec<Cassette> {
    Cassette::all(|line| {
        line["endpoint"] == endpoint && providers.iter().any(|name| line["provider"] == **name)
    })
}

fn target(cassette: &Cassette) -> Target {
    let model = cassette.model.clone().unwrap_or_else(|| "m".into());
    let row = lookup(&cassette.provider).expect("a row");
    Target::new(row, model, Credential::key("k")).at("https://host.example/base")
}

fn call<'a>(target: &'a Target, op: Op, body: &Value, options: &'a CallOptions) -> Call<'a> {
    let body = Bytes::from(body.to_string());
    let body = Body::from(JsonObject::parse(&body).expect("an object"));
    Call::prepare(op, target, body, options).expect("a call")
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Content in all the ways these vendors write it.
fn content(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(blocks) => blocks.iter().map(|block| text(&block["text"])).collect(),
        json => json.to_string(),
    }
}

fn expected(answer: &Value) -> Said {
    let choice = &answer["choices"][0];
    let message = &choice["message"];
    let calls = message["tool_calls"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    Said {
        text: content(&message["content"]),
        reasoning: text(&message["reasoning_content"]),
        calls: calls
            .iter()
            .map(|call| {
                let function = &call["function"];
                (
                    text(&call["id"]),
                    text(&function["name"]),
                    parsed(&text(&function["arguments"])),
                )
            })
            .collect(),
        finish: match choice["finish_reason"].as_str() {
            Some("") | None if calls.is_empty() => "stop".into(),
            Some("") | None => "tool_calls".into(),
            Some(reason) => reason.into(),
        },
        usage: usage(&answer["usage"]),
        ..Said::default()
    }
}

fn usage(usage: &Value) -> Option<(u64, u64, u64, u64)> {
    let count = |at: &str| usage.pointer(at).and_then(Value::as_u64).unwrap_or(0);
    let cached = count("/prompt_tokens_details/cached_tokens");
    usage.is_object().then(|| {
        (
            count("/prompt_tokens"),
            count("/completion_tokens"),
            cached,
            0,
        )
    })
}

fn folded(body: &str) -> Option<Said> {
    let mut facts = Said::default();
    let mut calls: Vec<(String, String, String)> = Vec::new();
    let mut over = false;
    for data in body.lines().filter_map(|line| line.strip_prefix("data:")) {
        if data.trim() == "[DONE]" {
            over = true;
            continue;
        }
        let chunk: Value = serde_json::from_str(data).ok()?;
        facts.usage = usage(&chunk["usage"]).or(facts.usage);
        let choice = &chunk["choices"][0];
        facts.text += &content(&choice["delta"]["content"]);
        facts.reasoning += &text(&choice["delta"]["reasoning_content"]);
        for call in choice["delta"]["tool_calls"]
            .as_array()
            .into_iter()
            .flatten()
        {
            let at = call["index"].as_u64().unwrap_or(0) as usize;
            if at == calls.len() {
                calls.push(Default::default());
                calls[at].0 = text(&call["id"]);
            }
            calls[at].1 += &text(&call["function"]["name"]);
            calls[at].2 += &text(&call["function"]["arguments"]);
        }
        if let Some(reason) = choice["finish_reason"]
            .as_str()
            .filter(|reason| !reason.is_empty())
        {
            facts.finish = reason.into();
            over = true;
        }
    }
    facts.calls = calls
        .into_iter()
        .map(|(id, name, text)| (id, name, parsed(&text)))
        .collect();
    if facts.finish.is_empty() {
        facts.finish = if facts.calls.is_empty() {
            "stop"
        } else {
            "tool_calls"
        }
        .into();
    }
    over.then_some(facts)
}

#[test]
fn answers() {
    let mut tally = Tally::default();
    let options = CallOptions::default();
    for cassette in recorded("chat", &OPENAI_LIKE)
        .into_iter()
        .filter(|c| !c.is_stream())
    {
        let target = target(&cassette);
        let call = call(&target, Op::Chat, &json!({"messages": []}), &options);
        let native: Value = serde_json::from_slice(&cassette.body()).expect("json");
        let result = match call.decode(cassette.reply()) {
            Ok(Step::Done(answer)) => same(
                &Said::whole(&answer.into_chat().expect("chat")),
                &expected(&native),
            ),
            Ok(_) => Err("not at once".into()),
            Err(e) => Err(e.to_string()),
        };
        tally.check(&cassette.id, result);
    }
    tally.settle("vendors' answers", &[]);
}

#[test]
fn streams() {
    let mut tally = Tally::default();
    let options = CallOptions::default();
    for cassette in recorded("chat", &OPENAI_LIKE)
        .into_iter()
        .filter(Cassette::is_stream)
    {
        let target = target(&cassette);
        let asked = json!({"messages": [], "stream": true});
        let call = call(&target, Op::Chat, &asked, &options);
        let body = cassette.body();
        let whole = decode_stream(&call, &body, usize::MAX);
        let cuts = however_cut(&call, &body, &whole);
        let facts = folded(std::str::from_utf8(&body).expect("text"));
        let result = match (cuts, &whole.error, facts) {
            (Err(differs), ..) => Err(differs),
            (_, None, Some(facts)) => same(&Said::streamed(&whole), &facts),
            (_, Some(_), None) => Ok(()),
            (_, error, facts) => Err(format!("{error:?} for {facts:?}")),
        };
        tally.check(&cassette.id, result.and_then(|()| cut_short(&call, &body)));
    }
    tally.settle("vendors' streams", &[]);
}

/// Half of its events are no answer.
fn cut_short(call: &Call<'_>, body: &Bytes) -> Result<(), String> {
    let text = std::str::from_utf8(body).expect("text");
    let end = text
        .find("\"finish_reason\":\"")
        .or_else(|| text.find("[DONE]"))
        .unwrap_or(0)
        / 2;
    match decode_stream(call, &body.slice(..end), usize::MAX).error {
        Some(_) => Ok(()),
        None => Err("a truncated stream passed".into()),
    }
}

/// Where a recorded request went, and what we would have been told to send it there.
#[test]
fn requests() {
    let mut tally = Tally::default();
    let options = CallOptions {
        allowed_openai_params: ["prompt_cache_key", "safety_identifier"]
            .map(str::to_owned)
            .to_vec(),
        ..CallOptions::default()
    };
    for cassette in recorded("chat", &["databricks", "cloudflare", "snowflake"]) {
        let Some(native) = cassette.request().cloned() else {
            continue;
        };
        let url = cassette.record["request"]["url"].as_str().expect("a url");
        let base = url.strip_suffix("/chat/completions").expect("an endpoint");
        let target = target(&cassette).at(base);
        let call = call(&target, Op::Chat, &native, &options);
        let result = call
            .encode()
            .map_err(|e| e.to_string())
            .and_then(|request| {
                let mut got: Value =
                    serde_json::from_slice(request.body().bytes().expect("in memory"))
                        .expect("json");
                if native.get("stream_options").is_none() {
                    got.as_object_mut()
                        .expect("an object")
                        .remove("stream_options");
                }
                let mut theirs = native.clone();
                if cassette.provider == "databricks" {
                    without_strict(&mut theirs);
                }
                same_json(&got, &theirs)?;
                match request.uri() == url {
                    true => Ok(()),
                    false => Err(request.uri().to_string()),
                }
            });
        tally.check(&cassette.id, result);
    }
    tally.settle("vendors' requests", &[]);
}

fn without_strict(body: &mut Value) {
    for tool in body["tools"].as_array_mut().into_iter().flatten() {
        tool["function"]
            .as_object_mut()
            .expect("a function")
            .remove("strict");
    }
    if body["tools"].is_null() {
        body.as_object_mut().expect("an object").remove("tools");
    }
}

#[test]
fn watsonx_completions() {
    let options = CallOptions::default();
    for cassette in recorded("completions", &["watsonx"]) {
        let native = cassette.request().expect("a request");
        let mut target = target(&cassette).with("project_id", text(&native["project_id"]));
        target.model = text(&native["model_id"]);
        let call = call(
            &target,
            Op::Completion,
            &json!({"prompt": "What is 1 + 1?"}),
            &options,
        );
        let request = call.encode().expect("a request");
        let got: Value =
            serde_json::from_slice(request.body().bytes().expect("in memory")).expect("json");
        assert_eq!(&got, native);
        let Ok(Step::Done(answer)) = call.decode(cassette.reply()) else {
            panic!("not at once");
        };
        let usage = answer.usage.clone().expect("usage");
        let answer: Value =
            serde_json::from_slice(&answer.into_bytes().expect("bytes")).expect("json");
        assert_eq!(answer["choices"][0]["text"], "2");
        assert_eq!(answer["choices"][0]["finish_reason"], "stop");
        assert_eq!((usage.prompt_tokens, usage.completion_tokens), (7, 2));
    }
}

#[test]
fn replicate_predictions() {
    let options = CallOptions::default();
    let all =
        Cassette::all(|line| line["wire"] == "replicate" && line["endpoint"] == "predictions");
    for cassette in all.into_iter().filter(|c| !c.is_stream()) {
        let body: Value = serde_json::from_slice(&cassette.body()).expect("json");
        let native = cassette.request().expect("a request");
        let path = cassette.record["request"]["path"].as_str().expect("a path");
        let model = match path.strip_prefix("/v1/models/") {
            Some(model) => model
                .strip_suffix("/predictions")
                .expect("a model")
                .to_owned(),
            None => text(&native["version"]),
        };
        let row = lookup("replicate").expect("a row");
        let target = Target::new(row, model, Credential::key("k"));
        let mut asked = native["input"].clone();
        let prompt = asked.as_object_mut().expect("an object").remove("prompt");
        asked["messages"] = json!([{"role": "user", "content": prompt}]);
        let call = call(&target, Op::Chat, &asked, &options);
        let request = call.encode().expect("a request");
        assert_eq!(request.uri().path(), path, "{}", cassette.id);
        let mut got: Value =
            serde_json::from_slice(request.body().bytes().expect("in memory")).expect("json");
        got["stream"] = native["stream"].clone();
        assert_eq!(same_json(&got, native), Ok(()), "{}", cassette.id);
        match call.decode(cassette.reply()).expect("a step") {
            Step::Again { request, .. } => {
                assert!(
                    ["starting", "processing"].contains(&body["status"].as_str().expect("text"))
                );
                assert_eq!(request.uri().to_string(), text(&body["urls"]["get"]));
            }
            Step::Later(_) | Step::Fetch { .. } => {
                panic!("{}: it says where to ask", cassette.id)
            }
            Step::Done(answer) => {
                let answer = answer.into_chat().expect("chat");
                assert_eq!(answer.id, body["id"]);
                assert_eq!(
                    Said::whole(&answer).text,
                    body["output"]
                        .as_array()
                        .expect("a list")
                        .iter()
                        .map(text)
                        .collect::<String>()
                );
            }
        }
    }
}

#[test]
fn embeddings() {
    let mut tally = Tally::default();
    let options = CallOptions::default();
    for cassette in recorded("embeddings", &["voyage", "huggingface"]) {
        let mut target = target(&cassette).at(lookup(&cassette.provider).expect("a row").base_url);
        let path = cassette.record["request"]["path"].as_str().expect("a path");
        if let Some((_, model)) = path.split_once("/models/") {
            // The index names the owner only.
            target.model = model
                .strip_suffix("/pipeline/feature-extraction")
                .expect("a model")
                .into();
        }
        let mut asked = cassette
            .request()
            .cloned()
            .unwrap_or_else(|| json!({"input": "x"}));
        if let Some(inputs) = asked.as_object_mut().expect("an object").remove("inputs") {
            asked["input"] = inputs;
        }
        let call = call(&target, Op::Embedding, &asked, &options);
        let theirs: Value = serde_json::from_slice(&cassette.body()).expect("json");
        let result = match call.decode(cassette.reply()) {
            Ok(Step::Done(answer)) => same_vectors(answer, &theirs),
            Ok(_) => Err("not at once".into()),
            Err(e) if cassette.status().is_success() => Err(e.to_string()),
            Err(e) if e.status == Some(cassette.status()) && e.message == theirs["detail"] => {
                Ok(())
            }
            Err(e) => Err(e.to_string()),
        };
        tally.check(
            &cassette.id,
            result.and_then(|()| same_request(&call, &cassette)),
        );
    }
    tally.settle("vendors' embeddings", &[]);
}

fn same_vectors(answer: llm_providers::Answer, theirs: &Value) -> Result<(), String> {
    let usage = answer.usage.clone();
    let ours: Value = serde_json::from_slice(&answer.into_bytes().expect("bytes")).expect("json");
    let vector = |value: &Value| value["embedding"].clone();
    let list = |value: &Value| -> Vec<Value> {
        value.as_array().into_iter().flatten().map(vector).collect()
    };
    let expected = match theirs {
        Value::Array(one) => vec![json!(one)],
        answer => list(&answer["data"]),
    };
    if list(&ours["data"]) != expected || expected.is_empty() {
        return Err("other vectors".into());
    }
    let total = theirs["usage"]["total_tokens"].as_u64();
    match usage.map(|usage| usage.prompt_tokens) == total {
        true => Ok(()),
        false => Err("another usage".into()),
    }
}

fn same_request(call: &Call<'_>, cassette: &Cassette) -> Result<(), String> {
    let Some(native) = cassette.request() else {
        return Ok(());
    };
    let request = call.encode().map_err(|e| e.to_string())?;
    if request.uri() != cassette.record["request"]["url"].as_str().expect("a url") {
        return Err(request.uri().to_string());
    }
    same_json(
        &serde_json::from_slice(request.body().bytes().expect("in memory")).expect("json"),
        native,
    )
}
