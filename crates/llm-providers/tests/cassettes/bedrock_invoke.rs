//! Recordings of Bedrock's InvokeModel: Claude, Nova and OpenAI's format inside its envelope, and embeddings.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use llm_providers::{Body, Call, CallOptions, Credential, Step, Target, lookup};
use llm_types::{EmbeddingResponse, EmbeddingVector, JsonObject, Op};
use serde_json::{Value, json};

use crate::{
    Cassette, Tally,
    bedrock::{events, refusal, said, said_in_events},
    decode_stream,
    fold::{Said, parsed, same},
    however_cut,
};

fn invoked(endpoint: &str) -> Vec<Cassette> {
    Cassette::all(|line| {
        line["provider"] == "bedrock"
            && line["wire"] == "bedrock_invoke"
            && line["endpoint"] == endpoint
    })
}

/// Models that only take a bare prompt, or a format that nobody else has: they are served over Converse.
fn is_old(model: &str) -> bool {
    let old = [
        "claude-v2",
        "titan-text",
        "cohere.command",
        "llama",
        "j2-",
        "arn:aws:sagemaker",
    ];
    old.iter().any(|name| model.contains(name))
}

fn target(cassette: &Cassette) -> Target {
    let model = cassette.model.as_deref().unwrap();
    Target::new(
        lookup("bedrock").unwrap(),
        format!("invoke/{model}"),
        Credential::None,
    )
}

fn body(json: &Value) -> Body {
    Body::from(JsonObject::parse(&serde_json::to_vec(json).unwrap().into()).unwrap())
}

#[test]
fn invoke_answers_decode() {
    let mut tally = Tally::default();
    let options = CallOptions::default();
    let mut old = 0;
    for cassette in invoked("chat").iter().filter(|c| !c.is_stream()) {
        let target = target(cassette);
        let request = body(&json!({"model": "x", "messages": [{"role": "user", "content": "x"}]}));
        let Ok(call) = Call::prepare(Op::Chat, &target, request, &options) else {
            assert!(is_old(&target.model), "{} is refused", target.model);
            old += 1;
            continue;
        };
        let recorded: Value = serde_json::from_slice(&cassette.body()).unwrap_or_default();
        tally.check(
            &cassette.id,
            match call.decode(cassette.reply()) {
                Ok(Step::Done(answer)) => same(
                    &Said::whole(&answer.into_chat().unwrap()),
                    &meaning(&recorded),
                ),
                Ok(_) => Err("not answered at once".into()),
                Err(e) if cassette.status().is_success() => Err(e.to_string()),
                Err(e) => refusal(cassette, &e, &recorded),
            },
        );
    }
    eprintln!("{old} recordings are of prompt formats that only Converse serves");
    tally.settle("invoke answers", &[]);
}

#[test]
fn invoke_streams_decode_however_they_are_cut() {
    let mut tally = Tally::default();
    let options = CallOptions::default();
    for cassette in invoked("chat").iter().filter(|c| c.is_stream()) {
        let target = target(cassette);
        if is_old(&target.model) {
            continue;
        }
        let request = body(
            &json!({"model": "x", "stream": true, "stream_options": {"include_usage": true},
            "messages": [{"role": "user", "content": "x"}]}),
        );
        let call = Call::prepare(Op::Chat, &target, request, &options).unwrap();
        let bytes = cassette.body();
        if !cassette.status().is_success() {
            let recorded: Value = serde_json::from_slice(&bytes).unwrap_or_default();
            let error = call.decode(cassette.reply()).unwrap_err();
            tally.check(&cassette.id, refusal(cassette, &error, &recorded));
            continue;
        }
        let whole = decode_stream(&call, &bytes, usize::MAX);
        let mut result = match &whole.error {
            Some(e) => Err(e.clone()),
            None => same(&Said::streamed(&whole), &meaning_of_events(&inner(&bytes))),
        };
        result = result.and_then(|()| however_cut(&call, &bytes, &whole));
        tally.check(&cassette.id, result);
    }
    tally.settle("invoke streams", &[]);
}

#[test]
fn messages_pass_through_untouched() {
    let mut tally = Tally::proving(Op::Messages);
    let options = CallOptions::default();
    for cassette in invoked("chat") {
        let target = target(&cassette);
        let is_claude = target.speaks(Op::Messages);
        let Some(recorded) = cassette
            .request()
            .filter(|_| is_claude && cassette.status().is_success())
        else {
            continue;
        };
        let mut asked = recorded.clone();
        asked.as_object_mut().unwrap().remove("anthropic_version");
        asked["model"] = json!("x");
        asked["stream"] = json!(cassette.is_stream());
        let call = Call::prepare(Op::Messages, &target, body(&asked), &options).unwrap();
        let sent = call.encode().unwrap();
        let mut ours: Value =
            serde_json::from_slice(sent.body().bytes().expect("in memory")).unwrap();
        ours["anthropic_version"] = recorded["anthropic_version"].clone();
        let path = cassette.record["request"]["path"]
            .as_str()
            .unwrap()
            .replace("%3A", ":");
        let mut result = if sent.uri().path().replace("%3A", ":") != path {
            Err(format!("{} is not {path}", sent.uri()))
        } else if ours != *recorded {
            Err(format!("\n  ours   {ours}\n  theirs {recorded}"))
        } else {
            Ok(())
        };
        if cassette.is_stream() {
            let whole = decode_stream(&call, &cassette.body(), 1021);
            let datas = whole.chunks.into_iter().map(|c| c.into_data().unwrap());
            let ours: Vec<Value> = datas.map(|d| serde_json::from_slice(&d).unwrap()).collect();
            if whole.error.is_some() || ours != inner(&cassette.body()) {
                result = Err(format!("the events are changed: {:?}", whole.error));
            }
        } else {
            let Ok(Step::Done(answer)) = call.decode(cassette.reply()) else {
                panic!("{} does not decode", cassette.id);
            };
            assert!(answer.usage.is_some());
            assert_eq!(answer.into_bytes().unwrap(), cassette.body());
        }
        tally.check(&cassette.id, result);
    }
    tally.settle("Messages over invoke", &[]);
}

#[test]
fn embeddings_go_out_and_come_back() {
    let mut tally = Tally::default();
    let options = CallOptions::default();
    for cassette in invoked("embeddings") {
        // One recorder kept its own client's form of the answer instead of Bedrock's.
        if cassette.record["response"]["body_json"]
            .get("data")
            .is_some()
        {
            continue;
        }
        let recorded = cassette.request().unwrap();
        let model = cassette.model.as_deref().unwrap();
        let target = Target::new(lookup("bedrock").unwrap(), model, Credential::None);
        let call =
            Call::prepare(Op::Embedding, &target, body(&embedding(recorded)), &options).unwrap();
        assert!(call.split().unwrap().is_empty());
        let ours: Value =
            serde_json::from_slice(call.encode().unwrap().body().bytes().unwrap()).unwrap();
        let result = if ours == *recorded {
            vectors(&call, &cassette)
        } else {
            Err(format!("\n  ours   {ours}\n  theirs {recorded}"))
        };
        tally.check(&cassette.id, result);
    }
    tally.settle("embeddings", &[]);
}

/// What a client of ours would have asked.
fn embedding(recorded: &Value) -> Value {
    let mut asked = recorded.as_object().unwrap().clone();
    asked.insert("model".into(), "x".into());
    if let Some(text) = asked.shift_remove("inputText") {
        asked.insert("input".into(), text);
    }
    if let Some(texts) = asked.shift_remove("texts") {
        asked.insert("input".into(), texts);
    }
    if let Some(length) = asked.shift_remove("output_dimension") {
        asked.insert("dimensions".into(), length);
    }
    if let Some(params) = asked.shift_remove("singleEmbeddingParams") {
        asked.shift_remove("taskType");
        asked.insert("input".into(), params["text"]["value"].clone());
        asked.insert("input_type".into(), params["embeddingPurpose"].clone());
        if let Some(length) = params.get("embeddingDimension") {
            asked.insert("dimensions".into(), length.clone());
        }
        if params["text"]["truncationMode"] != "END" {
            asked.insert(
                "truncationMode".into(),
                params["text"]["truncationMode"].clone(),
            );
        }
    }
    asked.into()
}

fn vectors(call: &Call<'_>, cassette: &Cassette) -> Result<(), String> {
    let recorded: Value = serde_json::from_slice(&cassette.body()).unwrap();
    let Step::Done(answer) = call.decode(cassette.reply()).map_err(|e| e.to_string())? else {
        return Err("not answered at once".into());
    };
    let usage = answer.usage.clone();
    let answer: EmbeddingResponse = serde_json::from_slice(&answer.into_bytes().unwrap()).unwrap();
    let list = &recorded["embeddings"];
    let theirs: Vec<Value> = match (&recorded["embedding"], &list["float"]) {
        (Value::Array(one), _) => vec![json!(one)],
        (_, Value::Array(many)) => many.clone(),
        _ => {
            let many = list.as_array().unwrap().iter();
            many.map(|v| v.get("embedding").unwrap_or(v).clone())
                .collect()
        }
    };
    let ours: Vec<Value> = answer
        .data
        .iter()
        .map(|item| match &item.embedding {
            EmbeddingVector::Floats(floats) => json!(floats),
            EmbeddingVector::Base64(text) => json!(text),
        })
        .collect();
    let header =
        cassette.record["response"]["headers"]["x-amzn-bedrock-input-token-count"].as_str();
    let count = recorded["inputTextTokenCount"]
        .as_u64()
        .or(header.and_then(|n| n.parse().ok()));
    if count != usage.map(|usage| usage.prompt_tokens) {
        return Err("the usage is lost".into());
    }
    if ours == theirs {
        Ok(())
    } else {
        Err("the vectors differ".into())
    }
}

// --- the oracle ---

fn inner(bytes: &[u8]) -> Vec<Value> {
    let events = events(bytes).into_iter();
    events
        .map(|(_, event, _)| {
            let text = STANDARD.decode(event["bytes"].as_str().unwrap()).unwrap();
            serde_json::from_slice(&text).unwrap()
        })
        .collect()
}

pub(crate) fn meaning(recorded: &Value) -> Said {
    if recorded.get("output").is_some() {
        return said(recorded);
    }
    if recorded.get("choices").is_some() {
        return openai(recorded);
    }
    let mut said = Said::default();
    for block in recorded["content"].as_array().into_iter().flatten() {
        block_of_claude(block, &mut said);
    }
    said.finish = finish(&recorded["stop_reason"]);
    said.usage = Some(counts(&recorded["usage"]));
    said
}

fn openai(recorded: &Value) -> Said {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let n = |key: &str| recorded["usage"][key].as_u64().unwrap();
    let choice = &recorded["choices"][0];
    Said {
        text: text(&choice["message"]["content"]),
        finish: text(&choice["finish_reason"]),
        usage: Some((n("prompt_tokens"), n("completion_tokens"), 0, 0)),
        ..Said::default()
    }
}

fn block_of_claude(block: &Value, said: &mut Said) {
    let text = |key: &str| block[key].as_str().unwrap_or_default().to_owned();
    match block["type"].as_str().unwrap() {
        "text" => said.text += &text("text"),
        "thinking" => {
            said.reasoning += &text("thinking");
            said.seals.push(text("signature"));
        }
        "redacted_thinking" => said.seals.push(text("data")),
        "tool_use" => said
            .calls
            .push((text("id"), text("name"), block["input"].clone())),
        other => panic!("what is {other}?"),
    }
}

fn finish(native: &Value) -> String {
    match native.as_str().unwrap() {
        "end_turn" | "stop_sequence" => "stop",
        "max_tokens" => "length",
        "tool_use" => "tool_calls",
        "refusal" => "content_filter",
        other => panic!("what is {other}?"),
    }
    .into()
}

fn counts(usage: &Value) -> (u64, u64, u64, u64) {
    let n = |key: &str| usage[key].as_u64().unwrap_or(0);
    let (read, written) = (
        n("cache_read_input_tokens"),
        n("cache_creation_input_tokens"),
    );
    (
        n("input_tokens") + read + written,
        n("output_tokens"),
        read,
        written,
    )
}

pub(crate) fn meaning_of_events(events: &[Value]) -> Said {
    if events[0].get("messageStart").is_some() {
        let named = events.iter().map(|event| {
            let (name, event) = event.as_object().unwrap().iter().next().unwrap();
            (name.clone(), event.clone(), 0)
        });
        return said_in_events(&named.collect::<Vec<_>>());
    }
    if events[0].get("choices").is_some() {
        return openai_events(events);
    }
    let mut said = Said::default();
    let mut blocks: Vec<Value> = Vec::new();
    let mut usage = json!({});
    for event in events {
        let at = event["index"].as_u64().unwrap_or(0) as usize;
        let delta = &event["delta"];
        match event["type"].as_str().unwrap() {
            "message_start" => usage = event["message"]["usage"].clone(),
            "content_block_start" => blocks.push(event["content_block"].clone()),
            "content_block_delta" => {
                for (key, into) in [
                    ("text", "text"),
                    ("thinking", "thinking"),
                    ("signature", "signature"),
                    ("partial_json", "json"),
                ] {
                    if let Some(more) = delta[key].as_str() {
                        let sum = blocks[at][into].as_str().unwrap_or_default().to_owned() + more;
                        blocks[at][into] = json!(sum);
                    }
                }
            }
            "message_delta" => {
                said.finish = finish(&delta["stop_reason"]);
                for (key, value) in event["usage"].as_object().unwrap() {
                    usage[key] = value.clone();
                }
            }
            _ => {}
        }
    }
    for mut block in blocks {
        if let Some(text) = block["json"].as_str().filter(|text| !text.is_empty()) {
            block["input"] = parsed(text);
        }
        block_of_claude(&block, &mut said);
    }
    said.usage = Some(counts(&usage));
    said
}

fn openai_events(events: &[Value]) -> Said {
    let mut said = Said::default();
    for event in events {
        let choice = &event["choices"][0];
        said.text += choice["delta"]["content"].as_str().unwrap_or_default();
        if let Some(reason) = choice["finish_reason"].as_str() {
            said.finish = reason.to_owned();
        }
        if let Some(usage) = event.get("usage") {
            let n = |key: &str| usage[key].as_u64().unwrap();
            said.usage = Some((n("prompt_tokens"), n("completion_tokens"), 0, 0));
        }
    }
    said
}
