//! Cohere: answers and streams against a reading of their own, requests there and back.

use bytes::Bytes;
use llm_providers::{Body, Call, CallOptions, Credential, Kind, Step, Target, lookup};
use llm_types::{JsonObject, Op};
use serde_json::{Value, json};

use crate::{
    Cassette, Tally, decode_stream,
    fold::{Said, parsed, same, same_json},
    however_cut,
};

fn recorded(wire: &str, endpoint: &str) -> Vec<Cassette> {
    Cassette::all(|line| line["wire"] == wire && line["endpoint"] == endpoint)
}

fn target(cassette: &Cassette) -> Target {
    let model = cassette.model.clone().unwrap_or_else(|| "command".into());
    Target::new(
        lookup("cohere").expect("a row"),
        model,
        Credential::key("k"),
    )
}

fn call<'a>(target: &'a Target, op: Op, body: &Value, options: &'a CallOptions) -> Call<'a> {
    let body = Bytes::from(body.to_string());
    let body = Body::from(JsonObject::parse(&body).expect("an object"));
    Call::prepare(op, target, body, options).expect("a call")
}

/// The answer read by hand.
fn expected(answer: &Value) -> Said {
    let message = &answer["message"];
    let blocks = message["content"].as_array().cloned().unwrap_or_default();
    let join = |key: &str| -> String { blocks.iter().filter_map(|b| b[key].as_str()).collect() };
    let calls = message["tool_calls"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let citations = message["citations"].as_array().cloned().unwrap_or_default();
    Said {
        text: join("text"),
        reasoning: join("thinking") + message["tool_plan"].as_str().unwrap_or_default(),
        calls: calls
            .iter()
            .map(|call| {
                let function = &call["function"];
                (
                    call["id"].as_str().expect("an id").to_owned(),
                    function["name"].as_str().expect("a name").to_owned(),
                    parsed(function["arguments"].as_str().expect("arguments")),
                )
            })
            .collect(),
        annotations: citations
            .iter()
            .flat_map(|c| c["sources"].as_array().cloned().unwrap_or_default())
            .filter(|source| source["type"] == "document")
            .count(),
        citations,
        finish: finish(answer["finish_reason"].as_str().unwrap_or_default()).to_owned(),
        usage: usage(&answer["usage"]),
        ..Said::default()
    }
}

/// Input, output and what of the input was cached.
fn usage(usage: &Value) -> Option<(u64, u64, u64, u64)> {
    let count = |value: &Value| value.as_u64().unwrap_or_default();
    let tokens = &usage["tokens"];
    let output = count(&tokens["output_tokens"]);
    let cached = count(&usage["cached_tokens"]);
    let input = tokens["input_tokens"].as_u64()?;
    Some((input, output, cached, 0))
}

fn finish(native: &str) -> &'static str {
    match native {
        "COMPLETE" | "STOP_SEQUENCE" => "stop",
        "MAX_TOKENS" => "length",
        "TOOL_CALL" => "tool_calls",
        _ => "?",
    }
}

/// A stream's events put together by hand into a whole answer.
fn assembled(body: &str) -> Option<Value> {
    let mut answer =
        json!({"message": {"content": [], "tool_calls": [], "citations": [], "tool_plan": ""}});
    let mut over = false;
    for line in body.lines().filter_map(|line| line.strip_prefix("data:")) {
        let Ok(event) = serde_json::from_str::<Value>(line) else {
            continue;
        };
        let message = &event["delta"]["message"];
        let push = |answer: &mut Value, list: &str, item: Value| {
            answer["message"][list]
                .as_array_mut()
                .expect("a list")
                .push(item);
        };
        match event["type"].as_str().expect("a type") {
            "content-start" | "content-delta" => {
                push(&mut answer, "content", message["content"].clone())
            }
            "tool-plan-delta" => {
                let plan = answer["message"]["tool_plan"]
                    .as_str()
                    .expect("text")
                    .to_owned();
                answer["message"]["tool_plan"] =
                    (plan + message["tool_plan"].as_str().expect("text")).into();
            }
            "tool-call-start" => push(&mut answer, "tool_calls", message["tool_calls"].clone()),
            "tool-call-delta" => {
                let calls = answer["message"]["tool_calls"]
                    .as_array_mut()
                    .expect("a list");
                let last = &mut calls.last_mut().expect("a call")["function"]["arguments"];
                let more = message["tool_calls"]["function"]["arguments"]
                    .as_str()
                    .expect("text");
                *last = (last.as_str().expect("text").to_owned() + more).into();
            }
            "citation-start" => push(&mut answer, "citations", message["citations"].clone()),
            "message-end" => {
                answer["finish_reason"] = event["delta"]["finish_reason"].clone();
                answer["usage"] = event["delta"]["usage"].clone();
                over = true;
            }
            _ => {}
        }
    }
    over.then_some(answer)
}

#[test]
fn answers() {
    let mut tally = Tally::default();
    let options = CallOptions::default();
    for cassette in recorded("cohere_v2", "chat")
        .into_iter()
        .filter(|c| !c.is_stream())
    {
        let target = target(&cassette);
        let call = call(&target, Op::Chat, &json!({"messages": []}), &options);
        let reply = cassette.reply();
        let body = reply.body.clone();
        let result = match call.decode(reply) {
            Ok(Step::Done(answer)) => {
                let native: Value = serde_json::from_slice(&body).expect("json");
                same(
                    &Said::whole(&answer.into_chat().expect("chat")),
                    &expected(&native),
                )
            }
            Ok(_) => Err("not at once".into()),
            Err(e) if cassette.status().is_success() => Err(e.to_string()),
            Err(e) => same_error(&cassette, &e),
        };
        tally.check(&cassette.id, result);
    }
    tally.settle("Cohere answers", &[]);
}

fn same_error(cassette: &Cassette, error: &llm_providers::Error) -> Result<(), String> {
    let body: Value = serde_json::from_slice(&cassette.body()).unwrap_or_default();
    let kind = match cassette.status().as_u16() {
        401 => Kind::Auth,
        404 => Kind::NotFound,
        429 => Kind::RateLimit,
        _ => Kind::BadRequest,
    };
    let said = body["message"].as_str().unwrap_or_default();
    if error.kind == kind && error.message == said && error.status == Some(cassette.status()) {
        return Ok(());
    }
    Err(format!(
        "{:?} {:?} for {} {said}",
        error.kind,
        error.message,
        cassette.status()
    ))
}

#[test]
fn streams() {
    let mut tally = Tally::default();
    let options = CallOptions::default();
    for cassette in recorded("cohere_v2", "chat")
        .into_iter()
        .filter(Cassette::is_stream)
    {
        let target = target(&cassette);
        let call = call(
            &target,
            Op::Chat,
            &json!({"messages": [], "stream": true}),
            &options,
        );
        let body = cassette.body();
        let text = std::str::from_utf8(&body).expect("text");
        let whole = decode_stream(&call, &body, usize::MAX);
        let result = however_cut(&call, &body, &whole)
            .and_then(|()| match (assembled(text), &whole.error) {
                (Some(native), None) => same(&Said::streamed(&whole), &expected(&native)),
                (Some(_), Some(e)) => Err(e.clone()),
                (None, Some(_)) => Ok(()),
                (None, None) => Err("an incomplete stream passed".into()),
            })
            .and_then(|()| cut_short(&call, &body));
        tally.check(&cassette.id, result);
    }
    tally.settle("Cohere streams", &[]);
}

/// Without its last events no stream is whole.
fn cut_short(call: &Call<'_>, body: &Bytes) -> Result<(), String> {
    let end = memchr_rfind(body, b"message-end").unwrap_or(0);
    match decode_stream(call, &body.slice(..end), usize::MAX).error {
        Some(_) => Ok(()),
        None => Err("a truncated stream passed".into()),
    }
}

fn memchr_rfind(body: &[u8], what: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(body).ok()?;
    // The event's name and its type: the first of the two.
    text.find(std::str::from_utf8(what).ok()?)
}

/// The OpenAI request that asks what a recorded native one asks.
fn as_openai(native: &Value) -> Value {
    let mut body = native.clone();
    let map = body.as_object_mut().expect("an object");
    for (from, to) in [("p", "top_p"), ("stop_sequences", "stop")] {
        if let Some(value) = map.remove(from) {
            map.insert(to.into(), value);
        }
    }
    if let Some(choice) = map.get_mut("tool_choice") {
        *choice = choice.as_str().expect("a mode").to_lowercase().into();
    }
    if map.remove("strict_tools") == Some(true.into()) {
        for tool in map["tools"].as_array_mut().expect("tools") {
            tool["function"]["strict"] = true.into();
        }
    }
    for message in map["messages"].as_array_mut().expect("messages") {
        if let Some(plan) = message
            .as_object_mut()
            .expect("a message")
            .remove("tool_plan")
        {
            message["provider_specific_fields"] = json!({ "tool_plan": plan });
        }
    }
    body
}

/// What two native requests are compared by: defaults filled in, texts in one spelling.
fn normal(native: &Value) -> Value {
    let mut body = native.clone();
    let map = body.as_object_mut().expect("an object");
    map.entry("stream").or_insert(false.into());
    map.retain(|_, value| *value != json!([]));
    for message in map["messages"].as_array_mut().expect("messages") {
        let message = message.as_object_mut().expect("a message");
        let content = message.remove("content").unwrap_or_default();
        let content = match content {
            Value::String(text) => json!([{"type": "text", "text": text}]),
            other => other,
        };
        if content.as_array().is_some_and(|parts| !parts.is_empty()) {
            message.insert("content".into(), content);
        }
        // Cohere's own client echoes these empty; they say nothing.
        message.remove("citations");
    }
    for tool in map
        .get_mut("tools")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        let function = tool["function"].as_object_mut().expect("a function");
        function.entry("description").or_insert("".into());
    }
    body
}

#[test]
fn requests() {
    let mut tally = Tally::default();
    let options = CallOptions::default();
    for cassette in recorded("cohere_v2", "chat") {
        let Some(native) = cassette.request().cloned() else {
            continue;
        };
        let target = target(&cassette);
        let call = call(&target, Op::Chat, &as_openai(&native), &options);
        let result = call
            .encode()
            .map_err(|e| e.to_string())
            .and_then(|request| {
                let got: Value = serde_json::from_slice(request.body().bytes().expect("in memory"))
                    .expect("json");
                same_json(&normal(&got), &normal(&native))?;
                match request.uri().path() == cassette.record["request"]["path"] {
                    true => Ok(()),
                    false => Err(format!("sent to {}", request.uri())),
                }
            });
        tally.check(&cassette.id, result);
    }
    tally.settle("Cohere requests", &[]);
}

#[test]
fn embeddings() {
    let mut tally = Tally::default();
    let options = CallOptions::default();
    let all = recorded("cohere_v2", "embeddings")
        .into_iter()
        .chain(recorded("cohere_v1", "embeddings"));
    for cassette in all {
        let target = target(&cassette);
        let native = cassette.request().cloned().unwrap_or_else(|| json!({}));
        let mut asked = json!({"input": "x"});
        if let Some(types) = native.get("embedding_types") {
            asked["embedding_types"] = types.clone();
        }
        let call = call(&target, Op::Embedding, &asked, &options);
        let reply = cassette.reply();
        let body = reply.body.clone();
        let result = match call.decode(reply) {
            Ok(Step::Done(answer)) => same_vectors(&body, answer, &native),
            Ok(_) => Err("not at once".into()),
            Err(e) if cassette.status().is_success() => Err(e.to_string()),
            Err(e) => same_error(&cassette, &e),
        };
        let result = result.and_then(|()| same_embed_request(&cassette, &native));
        tally.check(&cassette.id, result);
    }
    tally.settle("Cohere embeddings", &[]);
}

fn same_vectors(body: &[u8], answer: llm_providers::Answer, native: &Value) -> Result<(), String> {
    let usage = answer.usage.clone();
    let got: Value = serde_json::from_slice(&answer.into_bytes().expect("bytes")).expect("json");
    let theirs: Value = serde_json::from_slice(body).expect("json");
    let kind = native["embedding_types"][0].as_str().unwrap_or("float");
    let vectors = match &theirs["embeddings"] {
        Value::Array(bare) => bare.clone(),
        by_type => by_type[kind].as_array().cloned().expect("vectors"),
    };
    let ours: Vec<Value> = got["data"]
        .as_array()
        .expect("data")
        .iter()
        .map(|item| item["embedding"].clone())
        .collect();
    if ours != vectors {
        return Err("other vectors".into());
    }
    let input = theirs["meta"]["billed_units"]["input_tokens"]
        .as_u64()
        .unwrap_or(0);
    match usage.map(|usage| usage.prompt_tokens) {
        Some(tokens) if tokens == input => Ok(()),
        other => Err(format!("usage {other:?}, not {input}")),
    }
}

fn same_embed_request(cassette: &Cassette, native: &Value) -> Result<(), String> {
    if native.get("model").is_none() || cassette.wire != "cohere_v2" {
        return Ok(());
    }
    let mut asked = native.clone();
    let map = asked.as_object_mut().expect("an object");
    let texts = map.remove("texts").expect("texts");
    map.insert("input".into(), texts);
    let target = target(cassette);
    let options = CallOptions::default();
    let call = call(&target, Op::Embedding, &asked, &options);
    let request = call.encode().map_err(|e| e.to_string())?;
    let got: Value =
        serde_json::from_slice(request.body().bytes().expect("in memory")).expect("json");
    let mut expected = native.clone();
    let map = expected.as_object_mut().expect("an object");
    map.entry("embedding_types").or_insert(json!(["float"]));
    same_json(&got, &expected)
}

/// Version 1: a whole answer, or the last line of a stream, which repeats it.
fn expected_v1(answer: &Value) -> Said {
    Said {
        text: answer["text"].as_str().expect("text").to_owned(),
        citations: answer["citations"].as_array().cloned().unwrap_or_default(),
        finish: finish(answer["finish_reason"].as_str().unwrap_or("COMPLETE")).to_owned(),
        usage: usage(&answer["meta"]),
        ..Said::default()
    }
}

#[test]
fn version_1() {
    let mut tally = Tally::default();
    let options = CallOptions::default();
    for cassette in recorded("cohere_v1", "chat") {
        let mut target = target(&cassette);
        target.model = format!("v1/{}", target.model);
        let native = cassette.request().cloned().expect("a request");
        let mut messages = Vec::new();
        for turn in native["chat_history"].as_array().into_iter().flatten() {
            let role = match turn["role"]
                .as_str()
                .expect("a role")
                .to_lowercase()
                .as_str()
            {
                "chatbot" => "assistant",
                "system" => "system",
                _ => "user",
            };
            messages.push(json!({"role": role, "content": turn["message"]}));
        }
        messages.push(json!({"role": "user", "content": native["message"]}));
        let mut asked = native.clone();
        let map = asked.as_object_mut().expect("an object");
        map.retain(|key, _| key != "message" && key != "chat_history" && key != "raw_prompting");
        map.insert("messages".into(), messages.into());
        let call = call(&target, Op::Chat, &asked, &options);
        let request = call.encode().expect("a request");
        assert_eq!(request.uri().path(), "/v1/chat", "{}", cassette.id);
        let mut got: Value =
            serde_json::from_slice(request.body().bytes().expect("in memory")).expect("json");
        let mut theirs = native.clone();
        for body in [&mut got, &mut theirs] {
            let map = body.as_object_mut().expect("an object");
            map.entry("stream").or_insert(false.into());
            map.retain(|key, value| *value != json!([]) && key != "raw_prompting");
            for turn in map
                .get_mut("chat_history")
                .and_then(Value::as_array_mut)
                .into_iter()
                .flatten()
            {
                turn["role"] = turn["role"].as_str().expect("a role").to_uppercase().into();
            }
        }
        let result = same_json(&got, &theirs).and_then(|()| match cassette.is_stream() {
            true => version_1_stream(&call, &cassette.body()),
            false => version_1_answer(&call, &cassette),
        });
        tally.check(&cassette.id, result);
    }
    tally.settle("Cohere version 1", &[]);
}

fn version_1_answer(call: &Call<'_>, cassette: &Cassette) -> Result<(), String> {
    let body = cassette.body();
    match call.decode(cassette.reply()) {
        Ok(Step::Done(answer)) => {
            let native: Value = serde_json::from_slice(&body).expect("json");
            same(
                &Said::whole(&answer.into_chat().expect("chat")),
                &expected_v1(&native),
            )
        }
        Ok(_) => Err("not at once".into()),
        Err(e) if cassette.status().is_success() => Err(e.to_string()),
        Err(e) => same_error(cassette, &e),
    }
}

fn version_1_stream(call: &Call<'_>, body: &Bytes) -> Result<(), String> {
    let whole = decode_stream(call, body, usize::MAX);
    however_cut(call, body, &whole)?;
    if let Some(error) = whole.error {
        return Err(error);
    }
    let text = std::str::from_utf8(body).expect("text").trim_end();
    let (before, last) = text.rsplit_once('\n').expect("lines");
    let last: Value = serde_json::from_str(last).expect("json");
    let mut expected = expected_v1(&last["response"]);
    expected.finish = finish(last["finish_reason"].as_str().expect("a reason")).to_owned();
    same(&Said::streamed(&whole), &expected)?;
    match decode_stream(call, &body.slice(..before.len()), usize::MAX).error {
        Some(_) => Ok(()),
        None => Err("a truncated stream passed".into()),
    }
}
