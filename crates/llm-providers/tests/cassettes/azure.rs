//! Recordings of Azure, Foundry and Bedrock's OpenAI-compatible side.

use llm_providers::{Body, Call, CallOptions, Credential, Step, Target, lookup};
use llm_types::{JsonObject, Op};
use serde_json::{Value, json};

use crate::{
    Cassette, Tally,
    bedrock_invoke::{meaning, meaning_of_events},
    decode_stream,
    fold::{Said, parsed, same},
    however_cut,
};

const ROWS: [&str; 3] = ["azure", "azure_ai", "bedrock_mantle"];

fn recordings(endpoint: &str, wire: &str) -> Vec<Cassette> {
    Cassette::all(|line| {
        let row = line["provider"].as_str().unwrap();
        ROWS.contains(&row) && line["endpoint"] == endpoint && line["wire"] == wire
    })
}

/// The target whose address the recorded one is.
fn target(cassette: &Cassette) -> Target {
    let request = &cassette.record["request"];
    let text = |key: &str| request[key].as_str().unwrap_or_default().to_owned();
    let path = text("path");
    let model = match path.split_once("/deployments/") {
        Some((_, rest)) => rest.split('/').next().unwrap().to_owned(),
        None => cassette.model.clone().unwrap_or("x".into()),
    };
    let is_v1 = path.contains("/v1/") && !path.contains("/anthropic/");
    let base = match path.split_once("/v1/").filter(|_| is_v1) {
        Some((before, _)) => format!("https://{}{before}/v1", text("host")),
        None => format!("https://{}", text("host")),
    };
    let row = lookup(&cassette.provider).unwrap();
    let target = Target::new(row, model, Credential::None).at(&base);
    match text("query").strip_prefix("api-version=") {
        Some(version) => target.with("api_version", version),
        None => target,
    }
}

fn body(json: &Value) -> Body {
    Body::from(JsonObject::parse(&serde_json::to_vec(json).unwrap().into()).unwrap())
}

/// Goes out as it came in: the client's own body, at the recorded address.
fn goes_out(op: Op, cassette: &Cassette, target: &Target) -> Result<(), String> {
    let Some(recorded) = cassette.request() else {
        return Ok(());
    };
    let options = CallOptions::default();
    let mut asked = recorded.clone();
    asked["model"] = json!("x");
    let call = Call::prepare(op, target, body(&asked), &options).map_err(|e| e.to_string())?;
    let sent = call.encode().map_err(|e| e.to_string())?;
    let request = &cassette.record["request"];
    let (path, query) = (
        request["path"].as_str().unwrap(),
        request["query"].as_str().unwrap(),
    );
    if sent.uri().path() != path {
        return Err(format!("{} is not {path}", sent.uri()));
    }
    if !query.is_empty() && sent.uri().query() != Some(query) {
        return Err(format!("{} has not {query}", sent.uri()));
    }
    let mut ours: Value = serde_json::from_slice(sent.body().bytes().expect("in memory")).unwrap();
    let mut theirs = recorded.clone();
    for body in [&mut ours, &mut theirs] {
        *body = without_nulls(body);
        let body = body.as_object_mut().unwrap();
        for key in ["model", "stream_options", "stream"] {
            body.shift_remove(key);
        }
    }
    // Renamed where the model knows the new name alone.
    if let Some(limit) = theirs.as_object_mut().unwrap().shift_remove("max_tokens") {
        let name = if ours.get("max_tokens").is_some() {
            "max_tokens"
        } else {
            "max_completion_tokens"
        };
        theirs[name] = limit;
    }
    if ours == theirs {
        return Ok(());
    }
    Err(format!("\n  ours   {ours}\n  theirs {theirs}"))
}

#[test]
fn azure_s_chat_goes_out_and_comes_back() {
    let mut tally = Tally::default();
    let options = CallOptions::default();
    for cassette in recordings("chat", "openai_chat")
        .iter()
        .filter(|c| !c.is_stream())
    {
        let target = target(cassette);
        let ask = body(&json!({"model": "x", "messages": [{"role": "user", "content": "x"}]}));
        let call = Call::prepare(Op::Chat, &target, ask, &options).unwrap();
        let result = match call.decode(cassette.reply()) {
            Ok(Step::Done(answer)) => {
                let recorded: Value = serde_json::from_slice(&cassette.body()).unwrap();
                same(
                    &Said::whole(&answer.into_chat().unwrap()),
                    &openai(&recorded),
                )
                .and_then(|()| goes_out(Op::Chat, cassette, &target))
            }
            Ok(_) => Err("not answered at once".into()),
            Err(e) if cassette.status().is_success() => Err(e.to_string()),
            Err(e) if e.status == Some(cassette.status()) && !e.message.is_empty() => Ok(()),
            Err(e) => Err(format!("the status is lost: {e}")),
        };
        tally.check(&cassette.id, result);
    }
    tally.settle("Azure's chat", &[]);
}

#[test]
fn azure_s_streams_decode_however_they_are_cut() {
    let mut tally = Tally::default();
    let options = CallOptions::default();
    for cassette in recordings("chat", "openai_chat")
        .iter()
        .filter(|c| c.is_stream())
    {
        let target = target(cassette);
        let ask = body(
            &json!({"model": "x", "messages": [{"role": "user", "content": "x"}],
            "stream": true, "stream_options": {"include_usage": true}}),
        );
        let call = Call::prepare(Op::Chat, &target, ask, &options).unwrap();
        let bytes = cassette.body();
        // Two are filed as chat and are streams of the Responses API.
        if sse(&bytes)[0]["type"] == "response.created" {
            continue;
        }
        let whole = decode_stream(&call, &bytes, usize::MAX);
        let mut result = match &whole.error {
            Some(e) => Err(e.clone()),
            None => same(&Said::streamed(&whole), &openai_events(&sse(&bytes)))
                .and_then(|()| goes_out(Op::Chat, cassette, &target)),
        };
        result = result.and_then(|()| however_cut(&call, &bytes, &whole));
        tally.check(&cassette.id, result);
    }
    tally.settle("Azure's streams", &[]);
}

#[test]
fn azure_s_embeddings_go_out() {
    let mut tally = Tally::default();
    for cassette in recordings("embeddings", "openai") {
        let target = target(&cassette);
        tally.check(&cassette.id, goes_out(Op::Embedding, &cassette, &target));
    }
    tally.settle("Azure's embeddings", &[]);
}

#[test]
fn claude_at_foundry_answers() {
    let mut tally = Tally::default();
    let options = CallOptions::default();
    for cassette in recordings("chat", "anthropic_messages") {
        let target = target(&cassette);
        let ask = body(
            &json!({"model": "x", "messages": [{"role": "user", "content": "x"}],
            "stream": cassette.is_stream(), "stream_options": {"include_usage": true}}),
        );
        let call = Call::prepare(Op::Chat, &target, ask, &options).unwrap();
        let bytes = cassette.body();
        let result = if cassette.is_stream() {
            let whole = decode_stream(&call, &bytes, 7);
            assert_eq!(whole.error, None, "{}", cassette.id);
            same(&Said::streamed(&whole), &meaning_of_events(&sse(&bytes)))
        } else {
            let Ok(Step::Done(answer)) = call.decode(cassette.reply()) else {
                panic!("{} does not decode", cassette.id);
            };
            let recorded: Value = serde_json::from_slice(&bytes).unwrap();
            same(
                &Said::whole(&answer.into_chat().unwrap()),
                &meaning(&recorded),
            )
        };
        // Those who speak Messages themselves are passed on to the recorded address.
        let result = result.and_then(|()| goes_out(Op::Messages, &cassette, &target));
        tally.check(&cassette.id, result);
    }
    tally.settle("Claude at Foundry", &[]);
}

// --- the oracle ---

fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let there = map.iter().filter(|(_, value)| !value.is_null());
            there
                .map(|(key, value)| (key.clone(), without_nulls(value)))
                .collect()
        }
        Value::Array(list) => list.iter().map(without_nulls).collect(),
        other => other.clone(),
    }
}

/// DeepSeek's models on Azure end with a `tool_call`, forced tools with a `stop`.
fn finish(reason: &Value, called: bool) -> String {
    match reason.as_str() {
        Some("tool_call") => "tool_calls".into(),
        Some("stop") if called => "tool_calls".into(),
        _ => text(reason),
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn openai(recorded: &Value) -> Said {
    let message = &recorded["choices"][0]["message"];
    let calls = message["tool_calls"]
        .as_array()
        .map_or(&[][..], |calls| calls);
    let said = calls.iter().map(|call| {
        let function = &call["function"];
        (
            text(&call["id"]),
            text(&function["name"]),
            parsed(&text(&function["arguments"])),
        )
    });
    let reasoning = ["reasoning_content", "reasoning"];
    Said {
        text: text(&message["content"]),
        reasoning: reasoning
            .map(|key| text(&message[key]))
            .into_iter()
            .find(|t| !t.is_empty())
            .unwrap_or_default(),
        finish: finish(&recorded["choices"][0]["finish_reason"], said.len() > 0),
        calls: said.collect(),
        usage: recorded
            .get("usage")
            .filter(|usage| usage.is_object())
            .map(counts),
        ..Said::default()
    }
}

fn openai_events(events: &[Value]) -> Said {
    let mut said = Said::default();
    let mut calls: Vec<(String, String, String)> = Vec::new();
    for event in events {
        let choice = &event["choices"][0];
        let delta = &choice["delta"];
        said.text += &text(&delta["content"]);
        said.reasoning += &["reasoning_content", "reasoning"]
            .map(|key| text(&delta[key]))
            .concat();
        for call in delta["tool_calls"].as_array().into_iter().flatten() {
            let at = call["index"].as_u64().unwrap() as usize;
            if at == calls.len() {
                calls.push(Default::default());
            }
            calls[at].0 += &text(&call["id"]);
            calls[at].1 += &text(&call["function"]["name"]);
            calls[at].2 += &text(&call["function"]["arguments"]);
        }
        if choice["finish_reason"].is_string() {
            said.finish = finish(&choice["finish_reason"], !calls.is_empty());
        }
        if event["usage"].is_object() {
            said.usage = Some(counts(&event["usage"]));
        }
    }
    let calls = calls.into_iter();
    said.calls = calls
        .map(|(id, name, arguments)| (id, name, parsed(&arguments)))
        .collect();
    said
}

fn counts(usage: &Value) -> (u64, u64, u64, u64) {
    let n = |key: &str| usage[key].as_u64().unwrap_or(0);
    let cached = usage["prompt_tokens_details"]["cached_tokens"]
        .as_u64()
        .unwrap_or(0);
    (n("prompt_tokens"), n("completion_tokens"), cached, 0)
}

/// The documents of a stream of server-sent events.
fn sse(bytes: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(bytes).unwrap();
    text.lines()
        .filter_map(|line| line.strip_prefix("data:"))
        .filter_map(|data| serde_json::from_str(data.trim()).ok())
        .collect()
}
