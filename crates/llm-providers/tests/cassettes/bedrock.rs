//! Bedrock's recordings, read by an oracle of its own: neither our structs nor our event stream splitter.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use llm_providers::{Body, Call, CallOptions, Credential, Kind, Step, Target, lookup};
use llm_types::{JsonObject, Op};
use serde_json::{Map, Value, json};

use crate::{
    Cassette, Tally, decode_stream,
    fold::{Said, same},
    however_cut,
};

fn converse() -> Vec<Cassette> {
    Cassette::all(|line| line["provider"] == "bedrock" && line["wire"] == "bedrock_converse")
}

fn target(cassette: &Cassette) -> Target {
    let model = cassette.model.as_deref().unwrap_or("amazon.nova-lite-v1:0");
    Target::new(lookup("bedrock").unwrap(), model, Credential::None)
}

fn body(json: &Value) -> Body {
    Body::from(JsonObject::parse(&serde_json::to_vec(json).unwrap().into()).unwrap())
}

#[test]
fn converse_answers_decode() {
    let mut tally = Tally::default();
    let options = CallOptions::default();
    for cassette in converse().iter().filter(|c| !c.is_stream()) {
        let target = target(cassette);
        let request = body(&json!({"model": "x", "messages": []}));
        let call = Call::prepare(Op::Chat, &target, request, &options).unwrap();
        let result = call.decode(cassette.reply());
        let recorded: Value = serde_json::from_slice(&cassette.body()).unwrap_or_default();
        tally.check(
            &cassette.id,
            match result {
                Ok(Step::Done(answer)) => {
                    let answer = answer.into_chat().unwrap();
                    same(&Said::whole(&answer), &said(&recorded))
                }
                Ok(_) => Err("not answered at once".into()),
                Err(e) if cassette.status().is_success() => Err(e.to_string()),
                Err(e) => refusal(cassette, &e, &recorded),
            },
        );
    }
    tally.settle("Converse answers", &[]);
}

#[test]
fn converse_streams_decode_however_they_are_cut() {
    let mut tally = Tally::default();
    let options = CallOptions::default();
    for cassette in converse().iter().filter(|c| c.is_stream()) {
        let target = target(cassette);
        let request = body(&json!({"model": "x", "messages": [], "stream": true,
            "stream_options": {"include_usage": true}}));
        let call = Call::prepare(Op::Chat, &target, request, &options).unwrap();
        if !cassette.status().is_success() {
            let recorded: Value = serde_json::from_slice(&cassette.body()).unwrap_or_default();
            let error = call.decode(cassette.reply()).unwrap_err();
            tally.check(&cassette.id, refusal(cassette, &error, &recorded));
            continue;
        }
        let bytes = cassette.body();
        let whole = decode_stream(&call, &bytes, usize::MAX);
        let mut result = match &whole.error {
            Some(e) => Err(e.clone()),
            None => {
                let chunks = whole.chunks.iter().cloned();
                let usage = chunks.filter_map(|chunk| chunk.into_chat().unwrap().usage);
                assert!(usage.count() <= 1, "{}", cassette.id);
                same(&Said::streamed(&whole), &said_in_events(&events(&bytes)))
            }
        };
        result = result.and_then(|()| however_cut(&call, &bytes, &whole));
        tally.check(&cassette.id, result);
    }
    tally.settle("Converse streams", &[]);
}

#[test]
fn a_converse_stream_that_stops_short_is_an_error() {
    let options = CallOptions::default();
    let streams = converse();
    let streams = streams
        .iter()
        .filter(|c| c.is_stream() && c.status().is_success());
    for cassette in streams {
        let target = target(cassette);
        let request = body(&json!({"model": "x", "messages": [], "stream": true}));
        let call = Call::prepare(Op::Chat, &target, request, &options).unwrap();
        let bytes = cassette.body();
        let mut at = 0;
        for (name, _, length) in events(&bytes) {
            if name == "metadata" {
                break;
            }
            let cut = bytes.slice(..at);
            let short = decode_stream(&call, &cut, usize::MAX);
            assert!(short.error.is_some(), "{} cut at {at}", cassette.id);
            let torn = decode_stream(&call, &bytes.slice(..at + length / 2), usize::MAX);
            assert!(torn.error.is_some(), "{} torn at {at}", cassette.id);
            if name == "messageStop" {
                break;
            }
            at += length;
        }
    }
}

#[test]
fn converse_requests_come_out_the_same() {
    let mut tally = Tally::default();
    for cassette in converse() {
        let Some(recorded) = cassette
            .request()
            .filter(|_| cassette.status().is_success())
        else {
            continue;
        };
        tally.check(&cassette.id, round_trip(&cassette, recorded));
    }
    tally.settle("Converse requests", &[]);
}

fn round_trip(cassette: &Cassette, recorded: &Value) -> Result<(), String> {
    let mut target = target(cassette);
    if recorded.get("outputConfig").is_some() {
        let native = "native_structured_output".to_owned();
        target.facts.supports.insert(native, true);
    }
    let options = CallOptions::default();
    let request = as_openai(recorded);
    let call =
        Call::prepare(Op::Chat, &target, body(&request), &options).map_err(|e| e.to_string())?;
    let sent = call.encode().map_err(|e| format!("{e}: {request}"))?;
    let ours: Value = serde_json::from_slice(sent.body().bytes().expect("in memory")).unwrap();
    let (mut ours, theirs) = (plain(&ours), plain(recorded));
    // We make room for a thinking budget where the client sets no limit.
    let limited = theirs["inferenceConfig"].get("maxTokens").is_some();
    if !limited && theirs["additionalModelRequestFields"]["thinking"]["type"] == "enabled" {
        ours["inferenceConfig"]
            .as_object_mut()
            .unwrap()
            .remove("maxTokens");
        ours = plain(&ours);
    }
    if ours == theirs {
        Ok(())
    } else {
        Err(format!("\n  ours   {ours}\n  theirs {theirs}"))
    }
}

/// The kind must follow from what AWS says, and its words must survive.
pub(crate) fn refusal(
    cassette: &Cassette,
    error: &llm_providers::Error,
    recorded: &Value,
) -> Result<(), String> {
    let words = recorded["message"]
        .as_str()
        .or(recorded["Message"].as_str());
    if words.is_some_and(|words| error.message != words) {
        return Err(format!("the message is lost: {error}"));
    }
    let expected = match cassette.status().as_u16() {
        400 => [Kind::BadRequest, Kind::ContextWindow],
        403 => [Kind::Denied, Kind::Auth],
        404 => [Kind::NotFound, Kind::NotFound],
        status => return Err(format!("no expectation for {status}: {error}")),
    };
    if expected.contains(&error.kind) {
        Ok(())
    } else {
        Err(format!("{:?}: {error}", error.kind))
    }
}

// --- the oracle ---

pub(crate) fn said(recorded: &Value) -> Said {
    let mut said = Said::default();
    for block in recorded["output"]["message"]["content"]
        .as_array()
        .into_iter()
        .flatten()
    {
        let thought = &block["reasoningContent"];
        said.text += block["text"].as_str().unwrap_or_default();
        for cited in block["citationsContent"]["content"]
            .as_array()
            .into_iter()
            .flatten()
        {
            said.text += cited["text"].as_str().unwrap_or_default();
        }
        said.citations.extend(
            block["citationsContent"]["citations"]
                .as_array()
                .into_iter()
                .flatten()
                .cloned(),
        );
        said.reasoning += thought["reasoningText"]["text"]
            .as_str()
            .unwrap_or_default();
        let seals = [
            &thought["reasoningText"]["signature"],
            &thought["redactedContent"],
        ];
        said.seals
            .extend(seals.iter().filter_map(|s| s.as_str().map(str::to_owned)));
        let tool = &block["toolUse"];
        if tool.is_object() && tool["type"] != "server_tool_use" {
            said.calls.push((
                text(&tool["toolUseId"]),
                text(&tool["name"]),
                tool["input"].clone(),
            ));
        }
    }
    said.finish = finish(&recorded["stopReason"]);
    said.usage = recorded.get("usage").map(counts);
    said
}

pub(crate) fn said_in_events(events: &[(String, Value, usize)]) -> Said {
    let mut said = Said::default();
    let mut arguments: Vec<(u64, String)> = Vec::new();
    for (name, event, _) in events {
        let delta = &event["delta"];
        let thought = &delta["reasoningContent"];
        said.text += delta["text"].as_str().unwrap_or_default();
        said.reasoning += thought["text"].as_str().unwrap_or_default();
        let seals = [&thought["signature"], &thought["redactedContent"]];
        said.seals
            .extend(seals.iter().filter_map(|s| s.as_str().map(str::to_owned)));
        said.citations.extend(delta.get("citation").cloned());
        let tool = &event["start"]["toolUse"];
        let at = event["contentBlockIndex"].as_u64().unwrap_or(0);
        if tool.is_object() {
            said.calls
                .push((text(&tool["toolUseId"]), text(&tool["name"]), json!({})));
            arguments.push((at, String::new()));
        }
        if let Some(fragment) = delta["toolUse"]["input"].as_str() {
            arguments
                .iter_mut()
                .find(|(block, _)| *block == at)
                .unwrap()
                .1 += fragment;
        }
        match name.as_str() {
            "messageStop" => said.finish = finish(&event["stopReason"]),
            "metadata" => said.usage = Some(counts(&event["usage"])),
            _ => {}
        }
    }
    for (call, (_, arguments)) in said.calls.iter_mut().zip(arguments) {
        if !arguments.is_empty() {
            call.2 = crate::fold::parsed(&arguments);
        }
    }
    said
}

fn finish(native: &Value) -> String {
    match native.as_str().unwrap() {
        "end_turn" | "stop_sequence" => "stop",
        "max_tokens" => "length",
        "tool_use" => "tool_calls",
        "guardrail_intervened" | "content_filtered" => "content_filter",
        other => panic!("what is {other}?"),
    }
    .into()
}

fn counts(usage: &Value) -> (u64, u64, u64, u64) {
    let n = |key: &str| usage[key].as_u64().unwrap_or(0);
    let (read, written) = (n("cacheReadInputTokens"), n("cacheWriteInputTokens"));
    (
        n("inputTokens") + read + written,
        n("outputTokens"),
        read,
        written,
    )
}

/// Event name, payload, length of the message: after AWS's description of the format.
pub(crate) fn events(bytes: &[u8]) -> Vec<(String, Value, usize)> {
    let number = |at: usize, size: usize| {
        bytes[at..at + size]
            .iter()
            .fold(0usize, |n, b| n << 8 | *b as usize)
    };
    let (mut at, mut events) = (0, Vec::new());
    while at < bytes.len() {
        let (total, headers) = (number(at, 4), number(at + 4, 4));
        let (mut here, end) = (at + 12, at + 12 + headers);
        let mut event = String::new();
        while here < end {
            let name = &bytes[here + 1..here + 1 + bytes[here] as usize];
            here += 1 + name.len();
            assert_eq!(bytes[here], 7, "a string header");
            let value = &bytes[here + 3..here + 3 + number(here + 1, 2)];
            here += 3 + value.len();
            if name == b":event-type" || name == b":exception-type" {
                event = String::from_utf8(value.to_vec()).unwrap();
            }
        }
        let payload = serde_json::from_slice(&bytes[end..at + total - 4]).unwrap_or(Value::Null);
        events.push((event, payload, total));
        at += total;
    }
    events
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

// --- from Converse back to chat: what a client of ours would have said ---

fn as_openai(recorded: &Value) -> Value {
    let mut out = Map::new();
    out.insert("model".into(), "x".into());
    let mut messages = Vec::new();
    let system = parts(&recorded["system"]);
    if !system.is_empty() {
        messages.push(json!({"role": "system", "content": system}));
    }
    for turn in recorded["messages"].as_array().into_iter().flatten() {
        if turn["role"] == "assistant" {
            messages.push(assistant(&turn["content"]));
        } else {
            user(&turn["content"], &mut messages);
        }
    }
    out.insert("messages".into(), messages.into());
    let inference = &recorded["inferenceConfig"];
    for (theirs, ours) in [
        ("temperature", "temperature"),
        ("maxTokens", "max_tokens"),
        ("topP", "top_p"),
        ("stopSequences", "stop"),
    ] {
        if let Some(value) = inference.get(theirs) {
            out.insert(ours.into(), value.clone());
        }
    }
    tools(&recorded["toolConfig"], &mut out);
    if let Some(fields) = recorded["additionalModelRequestFields"].as_object() {
        for (key, value) in fields {
            match value.get("topK").filter(|_| key == "inferenceConfig") {
                Some(top_k) => out.insert("top_k".into(), top_k.clone()),
                None => out.insert(key.clone(), value.clone()),
            };
        }
    }
    if let Some(format) = recorded["outputConfig"]["textFormat"]["structure"].get("jsonSchema") {
        let mut format = format.clone();
        format["schema"] = serde_json::from_str(format["schema"].as_str().unwrap()).unwrap();
        out.insert(
            "response_format".into(),
            json!({"type": "json_schema", "json_schema": format}),
        );
    }
    if let Some(tier) = recorded["serviceTier"].get("type") {
        out.insert("service_tier".into(), tier.clone());
    }
    for key in [
        "guardrailConfig",
        "performanceConfig",
        "requestMetadata",
        "additionalModelResponseFieldPaths",
    ] {
        if let Some(value) = recorded.get(key) {
            out.insert(key.into(), value.clone());
        }
    }
    out.into()
}

fn tools(config: &Value, out: &mut Map<String, Value>) {
    let mut tools: Vec<Value> = Vec::new();
    for tool in config["tools"].as_array().into_iter().flatten() {
        if let Some(spec) = tool.get("toolSpec") {
            let mut function = spec.as_object().unwrap().clone();
            let schema = function.remove("inputSchema").unwrap();
            function.insert("parameters".into(), schema["json"].clone());
            tools.push(json!({"type": "function", "function": function}));
        } else if tool.get("cachePoint").is_some() {
            tools.last_mut().unwrap()["cache_control"] = json!({"type": "ephemeral"});
        } else {
            tools.push(tool.clone());
        }
    }
    if !tools.is_empty() {
        out.insert("tools".into(), tools.into());
    }
    let choice = match config.get("toolChoice") {
        None => return,
        Some(choice) if choice.get("auto").is_some() => json!("auto"),
        Some(choice) if choice.get("any").is_some() => json!("required"),
        Some(choice) => json!({"type": "function", "function": choice["tool"]}),
    };
    out.insert("tool_choice".into(), choice);
}

fn assistant(content: &Value) -> Value {
    let (mut parts, mut calls, mut thinking, mut own) = (vec![], vec![], vec![], vec![]);
    for block in content.as_array().unwrap() {
        let thought = &block["reasoningContent"];
        if let Some(tool) = block.get("toolUse") {
            if tool["type"] == "server_tool_use" {
                own.push(block.clone());
                continue;
            }
            calls.push(
                json!({"id": tool["toolUseId"], "type": "function", "function":
                {"name": tool["name"], "arguments": tool["input"].to_string()}}),
            );
        } else if block.get("toolResult").is_some() {
            own.push(block.clone());
        } else if let Some(data) = thought.get("redactedContent") {
            thinking.push(json!({"type": "redacted_thinking", "data": data}));
        } else if let Some(thought) = thought.get("reasoningText") {
            thinking.push(json!({"type": "thinking", "thinking": thought["text"],
                "signature": thought["signature"]}));
        } else {
            parts.extend(self::parts(&json!([block])));
        }
    }
    json!({"role": "assistant", "content": parts, "tool_calls": calls,
        "thinking_blocks": thinking, "provider_specific_fields": {"serverToolBlocks": own}})
}

fn user(content: &Value, messages: &mut Vec<Value>) {
    let mut pending: Vec<Value> = Vec::new();
    let flush = |pending: &mut Vec<Value>, messages: &mut Vec<Value>| {
        let blocks = std::mem::take(pending);
        if !blocks.is_empty() {
            messages.push(json!({"role": "user", "content": parts(&json!(blocks))}));
        }
    };
    for block in content.as_array().unwrap() {
        let Some(result) = block.get("toolResult") else {
            pending.push(block.clone());
            continue;
        };
        flush(&mut pending, messages);
        messages.push(json!({"role": "tool", "tool_call_id": result["toolUseId"],
            "status": result["status"], "content": parts(&result["content"])}));
    }
    flush(&mut pending, messages);
}

fn parts(blocks: &Value) -> Vec<Value> {
    let mut parts: Vec<Value> = Vec::new();
    for block in blocks.as_array().into_iter().flatten() {
        let (kind, value) = block.as_object().unwrap().iter().next().unwrap();
        let format = value["format"].as_str().unwrap_or_default();
        let source = &value["source"];
        parts.push(match kind.as_str() {
            "text" => json!({"type": "text", "text": value}),
            "json" => json!({"type": "text", "text": value.to_string()}),
            "cachePoint" => {
                parts.last_mut().unwrap()["cache_control"] = json!({"type": "ephemeral"});
                continue;
            }
            "guardContent" => json!({"type": "guarded_text", "text": value["text"]["text"],
                "qualifiers": value["text"]["qualifiers"]}),
            "image" => json!({"type": "image_url", "image_url": {"url": url(source, &format!("image/{format}")),
                "format": format}}),
            "video" => json!({"type": "video_url", "video_url": {"url": url(source, &format!("video/{format}"))}}),
            "document" if source.get("text").is_some() => json!({"type": "document",
                "source": {"type": "text", "data": source["text"]}, "title": value["name"],
                "context": value["context"], "citations": value["citations"]}),
            "document" if value.get("citations").is_some() => json!({"type": "document",
                "source": {"type": "base64", "data": base64(&source["bytes"]), "media_type": media_type(format)},
                "title": value["name"], "citations": value["citations"]}),
            "document" => json!({"type": "file", "file": {"filename": format!("{}.{format}", text(&value["name"])),
                "file_data": url(source, media_type(format))}}),
            _ => block.clone(),
        });
    }
    parts
}

fn media_type(format: &str) -> &'static str {
    match format {
        "pdf" => "application/pdf",
        "txt" => "text/plain",
        other => panic!("what is {other}?"),
    }
}

fn url(source: &Value, media_type: &str) -> String {
    match source.get("s3Location") {
        Some(place) => text(&place["uri"]),
        None => format!("data:{media_type};base64,{}", base64(&source["bytes"])),
    }
}

/// Some recorders wrote bytes as lists of numbers.
fn base64(bytes: &Value) -> String {
    let numbers = |values: Vec<&Value>| {
        STANDARD.encode(
            values
                .iter()
                .map(|n| n.as_u64().unwrap() as u8)
                .collect::<Vec<u8>>(),
        )
    };
    match bytes {
        Value::String(text) => text.clone(),
        bytes if bytes.get("data").is_some() => {
            numbers(bytes["data"].as_array().unwrap().iter().collect())
        }
        Value::Object(map) => {
            let count = map.len();
            numbers((0..count).map(|i| &map[&i.to_string()]).collect())
        }
        other => panic!("bytes are {other}"),
    }
}

// --- one spelling of what means the same ---

fn plain(request: &Value) -> Value {
    let mut out = spelled(request);
    let map = out.as_object_mut().unwrap();
    map.retain(|_, value| !matches!(value, Value::Array(list) if list.is_empty()));
    map.retain(|_, value| !matches!(value, Value::Object(map) if map.is_empty()));
    let Some(Value::Array(turns)) = map.get_mut("messages") else {
        return out;
    };
    for turn in turns.iter_mut() {
        // Where it says nothing, a line's end only keeps a cache point off a file.
        let content = turn["content"].as_array_mut().unwrap();
        content.retain(|block| block["text"] != "\n");
    }
    let mut merged: Vec<Value> = Vec::new();
    for turn in turns.drain(..) {
        match merged
            .last_mut()
            .filter(|last| last["role"] == turn["role"])
        {
            Some(last) => {
                let content = last["content"].as_array_mut().unwrap();
                content.extend(turn["content"].as_array().unwrap().iter().cloned());
            }
            None => merged.push(turn),
        }
    }
    *turns = merged;
    out
}

fn spelled(value: &Value) -> Value {
    match value {
        Value::Array(list) => list.iter().map(spelled).collect(),
        Value::Number(n) => n.as_f64().map_or(Value::Null, |n| json!(n)),
        Value::Object(map) => object(map),
        other => other.clone(),
    }
}

fn object(map: &Map<String, Value>) -> Value {
    let guarded = map.get("guardContent").map(|guard| &guard["text"]);
    if let Some(text) = guarded.filter(|text| text.get("qualifiers").is_none()) {
        return json!({"text": text["text"]});
    }
    if let Some(spec) = map
        .get("toolSpec")
        .filter(|spec| spec.get("inputSchema").is_some())
    {
        let name = &spec["name"];
        let mut schema = spec["inputSchema"]["json"].clone();
        let schema = schema.as_object_mut().unwrap();
        schema.entry("required").or_insert(json!([]));
        schema.entry("properties").or_insert(json!({}));
        return json!({"tool": {"name": name, "schema": schema, "strict": spec["strict"],
            "description": spec.get("description").unwrap_or(name)}});
    }
    if let Some(value) = map.get("json").filter(|_| map.len() == 1) {
        return json!({"text": value.to_string()});
    }
    if let Some(bytes) = map.get("bytes") {
        return json!({"bytes": base64(bytes)});
    }
    if let Some(format) = map.get("jsonSchema") {
        let mut format = format.clone();
        format["schema"] = serde_json::from_str(format["schema"].as_str().unwrap()).unwrap();
        return spelled(&format);
    }
    map.iter()
        .map(|(key, value)| (key.clone(), spelled(value)))
        .collect()
}
