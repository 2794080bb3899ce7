//! Ollama: answers and streams against a reading of their own, requests there and back.

use std::collections::BTreeSet;

use bytes::Bytes;
use llm_providers::{Body, Call, CallOptions, Credential, Step, Target, lookup};
use llm_types::{JsonObject, Op};
use serde_json::{Value, json};

use crate::{
    Cassette, Tally, decode_stream,
    fold::{Said, same, same_json},
    however_cut,
};

fn recorded(endpoint: &str) -> Vec<Cassette> {
    Cassette::all(|line| line["wire"] == "ollama_native" && line["endpoint"] == endpoint)
}

fn target(cassette: &Cassette) -> Target {
    let model = cassette.model.clone().unwrap_or_else(|| "llama3".into());
    Target::new(lookup("ollama").expect("a row"), model, Credential::None)
}

fn call<'a>(target: &'a Target, op: Op, body: &Value, options: &'a CallOptions) -> Call<'a> {
    let body = Bytes::from(body.to_string());
    let body = Body::from(JsonObject::parse(&body).expect("an object"));
    Call::prepare(op, target, body, options).expect("a call")
}

/// The lines of a stream (or the one line of an answer) put together by hand.
fn expected(body: &[u8]) -> Option<Said> {
    let text = std::str::from_utf8(body).expect("text");
    let mut facts = Said::default();
    let mut over = false;
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let line: Value = serde_json::from_str(line).ok()?;
        let message = &line["message"];
        let or_empty = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        facts.text += &or_empty(&message["content"]);
        facts.reasoning += &or_empty(&message["thinking"]);
        for call in message["tool_calls"].as_array().into_iter().flatten() {
            let function = &call["function"];
            facts.calls.push((
                or_empty(&call["id"]),
                or_empty(&function["name"]),
                function["arguments"].clone(),
            ));
        }
        if line["done"] == true {
            over = true;
            facts.finish = match line["done_reason"].as_str() {
                _ if !facts.calls.is_empty() => "tool_calls",
                Some("length") => "length",
                _ => "stop",
            }
            .into();
            let count = |key: &str| line[key].as_u64();
            facts.usage = count("eval_count").or(count("prompt_eval_count")).map(|_| {
                (
                    count("prompt_eval_count").unwrap_or(0),
                    count("eval_count").unwrap_or(0),
                    0,
                    0,
                )
            });
        }
    }
    if let Some(rest) = facts.text.clone().trim_start().strip_prefix("<think>") {
        let (thinking, answer) = rest.split_once("</think>").unwrap_or((rest, ""));
        facts.reasoning += thinking;
        facts.text = answer.to_owned();
    }
    over.then_some(facts)
}

/// Where the server gave no ids, ours need only be there and differ.
fn same_but_ids(mut got: Said, expected: &Said) -> Result<(), String> {
    let ids: BTreeSet<_> = got.calls.iter().map(|(id, ..)| id.clone()).collect();
    if ids.len() != got.calls.len() || ids.contains("") {
        return Err(format!("ids {ids:?}"));
    }
    if expected.calls.iter().all(|(id, ..)| id.is_empty()) {
        got.calls.iter_mut().for_each(|(id, ..)| id.clear());
    }
    same(&got, expected)
}

#[test]
fn answers() {
    let mut tally = Tally::default();
    let options = CallOptions::default();
    for cassette in recorded("chat").into_iter().filter(|c| !c.is_stream()) {
        let target = target(&cassette);
        let call = call(&target, Op::Chat, &json!({"messages": []}), &options);
        let reply = cassette.reply();
        let body = reply.body.clone();
        let result = match call.decode(reply) {
            Ok(Step::Done(answer)) => {
                let answer = answer.into_chat().expect("chat");
                match answer.created {
                    0 if !String::from_utf8_lossy(&body).contains("1970-01-01") => {
                        Err("no time".into())
                    }
                    _ => same_but_ids(Said::whole(&answer), &expected(&body).expect("an answer")),
                }
            }
            Ok(_) => Err("not at once".into()),
            Err(e) => Err(e.to_string()),
        };
        tally.check(&cassette.id, result);
    }
    tally.settle("Ollama answers", &[]);
}

#[test]
fn streams() {
    let mut tally = Tally::default();
    let options = CallOptions::default();
    for cassette in recorded("chat").into_iter().filter(Cassette::is_stream) {
        let target = target(&cassette);
        let call = call(
            &target,
            Op::Chat,
            &json!({"messages": [], "stream": true}),
            &options,
        );
        let body = cassette.body();
        let whole = decode_stream(&call, &body, usize::MAX);
        let cuts = however_cut(&call, &body, &whole);
        let result = match (cuts, &whole.error, expected(&body)) {
            (Err(differs), ..) => Err(differs),
            (_, None, Some(facts)) => {
                same_but_ids(Said::streamed(&whole), &facts).and_then(|()| cut_short(&call, &body))
            }
            (_, Some(_), None) => Ok(()),
            (_, error, facts) => Err(format!("{error:?} for {facts:?}")),
        };
        tally.check(&cassette.id, result);
    }
    tally.settle("Ollama streams", &[]);
}

/// Without its last line no stream is whole.
fn cut_short(call: &Call<'_>, body: &Bytes) -> Result<(), String> {
    let text = std::str::from_utf8(body).expect("text").trim_end();
    let end = text.rfind('\n').unwrap_or(0);
    match decode_stream(call, &body.slice(..end), usize::MAX).error {
        Some(_) => Ok(()),
        None => Err("a truncated stream passed".into()),
    }
}

/// The OpenAI request that asks what a recorded native one asks.
fn as_openai(native: &Value) -> Value {
    let mut body = native.clone();
    let map = body.as_object_mut().expect("an object");
    let options = map.remove("options").unwrap_or(json!({}));
    map.remove("schema");
    for (key, value) in options.as_object().expect("options") {
        let name = if key == "num_predict" {
            "max_tokens"
        } else {
            key
        };
        map.insert(name.to_owned(), value.clone());
    }
    match map.remove("format") {
        Some(Value::Object(schema)) => {
            map.insert(
                "response_format".into(),
                json!({"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}),
            );
        }
        Some(Value::String(json)) if json == "json" => {
            map.insert("response_format".into(), json!({"type": "json_object"}));
        }
        _ => {}
    }
    let mut ids: Vec<String> = Vec::new();
    let mut answered = 0;
    for message in map["messages"].as_array_mut().expect("messages") {
        let message = message.as_object_mut().expect("a message");
        if let Some(thinking) = message.remove("thinking") {
            message.insert("reasoning_content".into(), thinking);
        }
        for call in message
            .get_mut("tool_calls")
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            let id = format!("id{}", ids.len());
            call["id"] = id.clone().into();
            call["type"] = "function".into();
            call["function"]["arguments"] = call["function"]["arguments"].to_string().into();
            ids.push(id);
        }
        if message["role"] == "tool" {
            message.remove("tool_name");
            message.insert("tool_call_id".into(), ids[answered].clone().into());
            answered += 1;
        }
    }
    body
}

/// What two native requests are compared by: defaults filled in, what newer servers know left out.
fn normal(native: &Value, sent: bool) -> Value {
    let mut body = native.clone();
    let map = body.as_object_mut().expect("an object");
    map.entry("stream").or_insert(true.into());
    // Two recorded clients put things where Ollama does not look: the schema twice, the switch among the options.
    map.remove("schema");
    if let Some(Value::Object(options)) = map.get_mut("options")
        && let Some(think) = options.remove("think")
    {
        map.insert("think".into(), think);
    }
    map.retain(|_, value| *value != json!([]) && *value != json!({}) && *value != json!(""));
    for message in map["messages"].as_array_mut().expect("messages") {
        let message = message.as_object_mut().expect("a message");
        message.remove("tool_call_id");
        if !sent && message["role"] == "tool" {
            message
                .entry("tool_name")
                .or_insert("get_current_weather".into());
        }
        for call in message
            .get_mut("tool_calls")
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            let call = call.as_object_mut().expect("a call");
            call.remove("id");
            call.remove("type");
        }
    }
    body
}

#[test]
fn requests() {
    let mut tally = Tally::default();
    let options = CallOptions::default();
    for cassette in recorded("chat") {
        let Some(native) = cassette.request().cloned() else {
            continue;
        };
        let target = target(&cassette);
        let mut asked = as_openai(&native);
        asked["stream"] = cassette.is_stream().into();
        let call = call(&target, Op::Chat, &asked, &options);
        let result = call
            .encode()
            .map_err(|e| e.to_string())
            .and_then(|request| {
                let got: Value = serde_json::from_slice(request.body().bytes().expect("in memory"))
                    .expect("json");
                same_json(&normal(&got, true), &normal(&native, false))?;
                match request.uri().path() {
                    "/api/chat" => Ok(()),
                    other => Err(other.to_owned()),
                }
            });
        tally.check(&cassette.id, result);
    }
    tally.settle("Ollama requests", &[]);
}

#[test]
fn completions() {
    let mut tally = Tally::default();
    let options = CallOptions::default();
    for cassette in recorded("completions") {
        let target = target(&cassette);
        let stream = cassette.is_stream();
        let asked = json!({"prompt": "x", "stream": stream});
        let call = call(&target, Op::Completion, &asked, &options);
        let body = cassette.body();
        let lines: Vec<Value> = std::str::from_utf8(&body)
            .expect("text")
            .lines()
            .map(|line| serde_json::from_str(line).expect("json"))
            .collect();
        let text: String = lines
            .iter()
            .filter_map(|line| line["response"].as_str())
            .collect();
        let last = lines.last().expect("a line");
        let count = |key: &str| last[key].as_u64().unwrap_or(0);
        let tokens = (count("prompt_eval_count"), count("eval_count"));
        let (answers, usage): (Vec<Value>, _) = if stream {
            let whole = decode_stream(&call, &body, usize::MAX);
            assert_eq!(however_cut(&call, &body, &whole), Ok(()), "{}", cassette.id);
            assert_eq!(whole.error, None, "{}", cassette.id);
            let data = whole
                .chunks
                .into_iter()
                .map(|chunk| chunk.into_data().expect("data"));
            (
                data.map(|d| serde_json::from_slice(&d).expect("json"))
                    .collect(),
                whole.usage,
            )
        } else {
            let Step::Done(answer) = call.decode(cassette.reply()).expect("an answer") else {
                panic!("not at once");
            };
            let usage = answer.usage.clone();
            let bytes = answer.into_bytes().expect("bytes");
            (vec![serde_json::from_slice(&bytes).expect("json")], usage)
        };
        let ours: String = answers
            .iter()
            .filter_map(|a| a["choices"][0]["text"].as_str())
            .collect();
        let usage = usage.expect("usage");
        let result = if ours != text {
            Err("another text".into())
        } else if tokens != (usage.prompt_tokens, usage.completion_tokens) {
            Err(format!("{tokens:?} but {usage:?}"))
        } else if answers.last().expect("one")["choices"][0]["finish_reason"] != "stop" {
            Err("no finish reason".into())
        } else {
            Ok(())
        };
        tally.check(&cassette.id, result);
    }
    tally.settle("Ollama completions", &[]);
}

#[test]
fn embeddings() {
    let mut tally = Tally::default();
    let options = CallOptions::default();
    for cassette in recorded("embeddings") {
        let target = target(&cassette);
        let native = cassette.request().cloned();
        let asked = native.clone().unwrap_or(json!({"input": "x"}));
        let call = call(&target, Op::Embedding, &asked, &options);
        if let Some(native) = native {
            let request = call.encode().expect("a request");
            let got: Value =
                serde_json::from_slice(request.body().bytes().expect("in memory")).expect("json");
            assert_eq!(same_json(&got, &native), Ok(()));
        }
        let theirs: Value = serde_json::from_slice(&cassette.body()).expect("json");
        let Step::Done(answer) = call.decode(cassette.reply()).expect("an answer") else {
            panic!("not at once");
        };
        let tokens = answer.usage.as_ref().map(|usage| usage.prompt_tokens);
        let ours: Value =
            serde_json::from_slice(&answer.into_bytes().expect("bytes")).expect("json");
        let result = if ours["data"][0]["embedding"] != theirs["embeddings"][0] {
            Err("other vectors".into())
        } else if tokens != theirs["prompt_eval_count"].as_u64() {
            Err(format!("{tokens:?}"))
        } else {
            Ok(())
        };
        tally.check(&cassette.id, result);
    }
    tally.settle("Ollama embeddings", &[]);
}
