//! Claude, at Anthropic, Azure and Vertex: recorded answers read as chat and passed through as Messages, recorded
//! requests bridged to chat and encoded again.

use bytes::Bytes;
use llm_providers::{
    Answer, Body, Call, CallOptions, Chunk, Credential, Kind, Reply, Step, Target,
    bridges::{Bridge, messages::Messages},
    lookup,
};
use llm_types::{ChatChunk, ChatResponse, JsonObject, Op, Usage};
use serde_json::{Map, Value, json};

use crate::{CUTS, Cassette, Tally, decode_stream};

/// What an answer says, however it was told.
#[derive(Debug, Default, PartialEq)]
struct Said {
    id: String,
    text: String,
    reasoning: String,
    /// Signatures and sealed thinking, in order.
    sealed: Vec<String>,
    /// Id, name, input.
    calls: Vec<(String, String, Value)>,
    citations: Vec<Value>,
    /// Hosted tools' calls and results.
    hosted: Vec<Value>,
    finish: String,
    prompt: u64,
    cached: u64,
    written: u64,
    completion: u64,
    reasoning_tokens: u64,
}

fn recordings(stream: bool) -> Vec<Cassette> {
    Cassette::all(|line| {
        line["wire"] == "anthropic_messages"
            && line["endpoint"] == "chat"
            && line["stream"] == stream
    })
}

/// Vertex's Claude is read through Vertex's own row; where its recording hides the model's name, any will do.
fn target(cassette: &Cassette) -> Target {
    let vertex = cassette.provider == "vertex_ai";
    let model = cassette.model.as_deref().filter(|name| *name != "MODEL");
    let row = lookup(if vertex { "vertex_ai" } else { "anthropic" }).expect("the row");
    let model = model.unwrap_or("claude-sonnet-4-5");
    Target::new(row, model, Credential::key("k"))
        .with("vertex_project", "p")
        .with("vertex_location", "global")
}

fn object(value: &Value) -> JsonObject {
    JsonObject::parse(&Bytes::from(value.to_string())).expect("an object")
}

fn asking(op: Op, stream: bool) -> JsonObject {
    object(&json!({
        "model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}],
        "stream": stream, "stream_options": {"include_usage": true}, "web_search_options": {},
    }))
    .tap(|body| {
        if op == Op::Messages {
            body.remove("stream_options");
            body.remove("web_search_options");
        }
    })
}

trait Tap: Sized {
    fn tap(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }
}

impl Tap for JsonObject {}

/// Reads a recorded message without any of our types.
fn oracle(message: &Value) -> Said {
    let mut said = Said {
        id: text(&message["id"]),
        ..Said::default()
    };
    for block in message["content"].as_array().into_iter().flatten() {
        match text(&block["type"]).as_str() {
            "text" => {
                said.text += &text(&block["text"]);
                said.citations
                    .extend(block["citations"].as_array().into_iter().flatten().cloned());
            }
            "thinking" => {
                said.reasoning += &text(&block["thinking"]);
                said.sealed.push(text(&block["signature"]));
            }
            "redacted_thinking" => said.sealed.push(text(&block["data"])),
            "tool_use" => said.calls.push((
                text(&block["id"]),
                text(&block["name"]),
                block["input"].clone(),
            )),
            _ => said.hosted.push(without_nulls(block)),
        }
    }
    said.sealed.retain(|seal| !seal.is_empty());
    said.finish = match text(&message["stop_reason"]).as_str() {
        "max_tokens" => "length",
        "tool_use" => "tool_calls",
        "refusal" => "content_filter",
        _ => "stop",
    }
    .into();
    let usage = &message["usage"];
    let count = |key: &str| usage[key].as_u64().unwrap_or(0);
    said.cached = count("cache_read_input_tokens");
    said.written = count("cache_creation_input_tokens");
    said.prompt = count("input_tokens") + said.cached + said.written;
    said.completion = count("output_tokens");
    said.reasoning_tokens = usage["output_tokens_details"]["thinking_tokens"]
        .as_u64()
        .unwrap_or(0);
    said
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Puts a recorded stream together without any of our types; `None` if it has no end.
fn oracle_stream(body: &Bytes) -> Option<Said> {
    let body = String::from_utf8_lossy(body);
    let mut message = Value::Null;
    let mut inputs: Map<String, Value> = Map::new();
    for line in body.lines() {
        let Some(event) = line
            .strip_prefix("data:")
            .and_then(|data| serde_json::from_str::<Value>(data.trim()).ok())
        else {
            continue;
        };
        let at = event["index"].as_u64().unwrap_or(0) as usize;
        match text(&event["type"]).as_str() {
            "message" => return Some(oracle(&event)),
            "message_start" => message = event["message"].clone(),
            "content_block_start" => message["content"]
                .as_array_mut()?
                .push(event["content_block"].clone()),
            "content_block_delta" => {
                let block = &mut message["content"][at];
                let delta = &event["delta"];
                for (from, to) in [
                    ("text", "text"),
                    ("thinking", "thinking"),
                    ("signature", "signature"),
                ] {
                    if let Some(more) = delta[from].as_str() {
                        block[to] = (text(&block[to]) + more).into();
                    }
                }
                if let Some(more) = delta["partial_json"].as_str() {
                    let so_far = inputs.entry(at.to_string()).or_insert_with(|| "".into());
                    *so_far = (text(so_far) + more).into();
                }
                if delta["citation"].is_object() {
                    if block["citations"].is_null() {
                        block["citations"] = json!([]);
                    }
                    block["citations"]
                        .as_array_mut()?
                        .push(delta["citation"].clone());
                }
            }
            "content_block_stop" => {
                if let Some(Value::String(input)) = inputs.remove(&at.to_string())
                    && !input.is_empty()
                {
                    message["content"][at]["input"] =
                        serde_json::from_str(&input).expect("an input");
                }
            }
            "message_delta" => {
                message["stop_reason"] = event["delta"]["stop_reason"].clone();
                for (key, value) in event["usage"].as_object().into_iter().flatten() {
                    if !value.is_null() {
                        message["usage"][key] = value.clone();
                    }
                }
            }
            _ => {}
        }
    }
    message["stop_reason"].is_string().then(|| oracle(&message))
}

fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(map) => map
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| (key.clone(), without_nulls(value)))
            .collect(),
        Value::Array(list) => list.iter().map(without_nulls).collect(),
        other => other.clone(),
    }
}

fn count(said: &mut Said, usage: Option<&Usage>) {
    let Some(usage) = usage else { return };
    said.prompt = usage.prompt_tokens;
    said.cached = usage.cached_tokens();
    said.written = usage.cache_write_tokens();
    said.completion = usage.completion_tokens;
    said.reasoning_tokens = usage.reasoning_tokens();
}

fn arguments(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("arguments '{text}': {e}"))
}

fn seal(block: &llm_types::ThinkingBlock) -> Option<String> {
    match block {
        llm_types::ThinkingBlock::Thinking { signature, .. } => signature.clone(),
        llm_types::ThinkingBlock::RedactedThinking { data } => Some(data.clone()),
    }
}

fn hosted(blocks: Option<&Value>) -> Vec<Value> {
    let plain = ["text", "thinking", "redacted_thinking", "tool_use"];
    blocks
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter(|block| !plain.contains(&block["type"].as_str().unwrap_or_default()))
        .map(without_nulls)
        .collect()
}

fn told(response: &ChatResponse) -> Said {
    let choice = &response.choices[0];
    let message = &choice.message;
    let fields = &message.provider_specific_fields;
    let mut said = Said {
        id: response.id.clone(),
        text: message
            .content
            .as_ref()
            .map(|c| c.text())
            .unwrap_or_default(),
        reasoning: message.reasoning_content.clone().unwrap_or_default(),
        sealed: message.thinking_blocks.iter().filter_map(seal).collect(),
        calls: message
            .tool_calls
            .iter()
            .map(|call| {
                (
                    call.id.clone().unwrap_or_default(),
                    call.function.name.clone().unwrap_or_default(),
                    arguments(&call.function.arguments),
                )
            })
            .collect(),
        hosted: hosted(fields.get("content_blocks")),
        finish: choice.finish_reason.clone().unwrap_or_default(),
        ..Said::default()
    };
    for list in fields
        .get("citations")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        for citation in list.as_array().into_iter().flatten() {
            let mut citation = citation.clone();
            citation
                .as_object_mut()
                .expect("a citation")
                .remove("supported_text");
            said.citations.push(citation);
        }
    }
    count(&mut said, response.usage.as_ref());
    said
}

fn folded(chunks: &[Chunk]) -> Said {
    let mut said = Said::default();
    let mut calls: Vec<(String, String, String)> = Vec::new();
    for chunk in chunks {
        let Chunk::Chat(chunk) = chunk else {
            panic!("a raw chunk in a translated stream")
        };
        let chunk: &ChatChunk = chunk;
        said.id.clone_from(&chunk.id);
        count(&mut said, chunk.usage.as_ref());
        let Some(choice) = chunk.choices.first() else {
            continue;
        };
        let delta = &choice.delta;
        said.text += delta.content.as_deref().unwrap_or_default();
        said.reasoning += delta.reasoning_content.as_deref().unwrap_or_default();
        said.sealed
            .extend(delta.thinking_blocks.iter().filter_map(seal));
        for call in &delta.tool_calls {
            let at = call.index.expect("an index") as usize;
            if at == calls.len() {
                calls.push(Default::default());
            }
            let so_far = &mut calls[at];
            so_far.0 += call.id.as_deref().unwrap_or_default();
            so_far.1 += call.function.name.as_deref().unwrap_or_default();
            so_far.2 += &call.function.arguments;
        }
        let fields = &delta.provider_specific_fields;
        said.citations.extend(fields.get("citation").cloned());
        said.hosted.extend(hosted(fields.get("content_blocks")));
        if let Some(reason) = &choice.finish_reason {
            assert_eq!(said.finish, "", "two ends");
            said.finish.clone_from(reason);
        }
    }
    said.calls = calls
        .into_iter()
        .map(|(id, name, text)| (id, name, arguments(&text)))
        .collect();
    said
}

fn same(ours: &Said, theirs: &Said) -> Result<(), String> {
    if ours == theirs {
        return Ok(());
    }
    Err(format!("ours   {ours:?}\n    theirs {theirs:?}"))
}

fn answer(call: &Call<'_>, reply: Reply) -> Result<Answer, llm_providers::Error> {
    match call.decode(reply)? {
        Step::Done(answer) => Ok(answer),
        Step::Again { .. } => panic!("nothing is polled here"),
    }
}

/// Some recordings of the endpoint are of something else, which must not be read as an answer.
fn is_message(cassette: &Cassette) -> bool {
    let body: Value = serde_json::from_slice(&cassette.body()).unwrap_or_default();
    body["type"] == "message"
}

#[test]
fn answers_say_the_same_as_chat() {
    let mut tally = Tally::default();
    for cassette in recordings(false) {
        let target = target(&cassette);
        let options = CallOptions::default();
        let call = Call::prepare(
            Op::Chat,
            &target,
            Body::Json(asking(Op::Chat, false)),
            &options,
        )
        .expect("a call");
        let reply = cassette.reply();
        let result = match answer(&call, reply) {
            Err(e) if !is_message(&cassette) && e.kind == Kind::Decode => Ok(()),
            Ok(answer) if cassette.status().is_success() => {
                let message = serde_json::from_slice(&cassette.body()).expect("json");
                answer
                    .into_chat()
                    .map_err(|e| e.to_string())
                    .and_then(|chat| same(&told(&chat), &oracle(&message)))
            }
            Ok(_) => Err("an error was read as an answer".to_owned()),
            Err(e) if !cassette.status().is_success() => {
                let kind = match cassette.status().as_u16() {
                    401 => Kind::Auth,
                    404 => Kind::NotFound,
                    429 => Kind::RateLimit,
                    _ => Kind::BadRequest,
                };
                if e.kind == kind && !e.message.is_empty() {
                    Ok(())
                } else {
                    Err(format!("{e:?}"))
                }
            }
            Err(e) => Err(e.to_string()),
        };
        tally.check(&cassette.id, result);
    }
    tally.settle("Claude's answers as chat", &[]);
}

#[test]
fn streams_say_the_same_as_chat_however_they_are_cut() {
    let mut tally = Tally::default();
    for cassette in recordings(true) {
        let target = target(&cassette);
        let options = CallOptions::default();
        let call = Call::prepare(
            Op::Chat,
            &target,
            Body::Json(asking(Op::Chat, true)),
            &options,
        )
        .expect("a call");
        let body = cassette.body();
        let whole = decode_stream(&call, &body, usize::MAX);
        let expected = oracle_stream(&body);
        let mut result = match (&whole.error, expected) {
            (None, Some(expected)) => same(&folded(&whole.chunks), &expected),
            (Some(_), None) => Ok(()),
            (None, None) => Err("an unfinished stream was read as an answer".to_owned()),
            (Some(error), Some(_)) => Err(error.clone()),
        };
        for size in CUTS {
            if decode_stream(&call, &body, size) != whole {
                result = Err(format!("cut into {size} it says something else"));
            }
        }
        let half = decode_stream(&call, &body.slice(..body.len() / 2), usize::MAX);
        if half.error.is_none() {
            result = Err("half of it was read as an answer".into());
        }
        tally.check(&cassette.id, result);
    }
    tally.settle("Claude's streams as chat", &[]);
}

#[test]
fn messages_pass_through_untouched() {
    let mut tally = Tally::default();
    for cassette in recordings(false) {
        let target = target(&cassette);
        let options = CallOptions::default();
        let Some(request) = cassette.request().filter(|request| request.is_object()) else {
            continue;
        };
        let call = Call::prepare(Op::Messages, &target, Body::Json(object(request)), &options)
            .expect("a call");
        let sent: Value =
            serde_json::from_slice(call.encode().expect("a request").body()).expect("json");
        let mut expected = request.clone();
        expected["model"] = target.model.clone().into();
        if cassette.provider == "vertex_ai"
            && let Some(body) = expected.as_object_mut()
        {
            body.remove("model");
            body.insert("anthropic_version".into(), "vertex-2023-10-16".into());
        }
        let mut result = if sent == expected {
            Ok(())
        } else {
            Err("the request changed".to_owned())
        };
        if cassette.status().is_success() && is_message(&cassette) {
            let usage = oracle(&serde_json::from_slice(&cassette.body()).expect("json"));
            let read = answer(&call, cassette.reply()).expect("an answer");
            let mut ours = Said::default();
            count(&mut ours, read.usage.as_ref());
            if (ours.prompt, ours.completion) != (usage.prompt, usage.completion) {
                result = Err("the usage is another".into());
            }
            if read.into_bytes().expect("bytes") != cassette.body() {
                result = Err("the answer changed".into());
            }
        }
        tally.check(&cassette.id, result);
    }
    tally.settle("Messages passed through", &[]);
}

#[test]
fn message_streams_pass_through_untouched() {
    let mut tally = Tally::default();
    for cassette in recordings(true) {
        let target = target(&cassette);
        let options = CallOptions::default();
        let call = Call::prepare(
            Op::Messages,
            &target,
            Body::Json(asking(Op::Messages, true)),
            &options,
        )
        .expect("a call");
        let body = cassette.body();
        let whole = decode_stream(&call, &body, usize::MAX);
        let recorded: Vec<Value> = String::from_utf8_lossy(&body)
            .lines()
            .filter_map(|line| serde_json::from_str(line.strip_prefix("data:")?.trim()).ok())
            .collect();
        let mut ours: Vec<Value> = Vec::new();
        for chunk in &whole.chunks {
            let Chunk::Raw { event, data } = chunk else {
                panic!("a translated chunk")
            };
            let data: Value = serde_json::from_slice(data).expect("json");
            assert_eq!(
                data["type"],
                *String::from_utf8_lossy(event.as_ref().expect("a name"))
            );
            ours.push(data);
        }
        let expected = oracle_stream(&body);
        // One whole document in place of a stream is told again as events.
        let document = recorded
            .first()
            .is_some_and(|event| event["type"] == "message");
        let mut result = Ok(());
        if document {
            let sse: String = ours
                .iter()
                .map(|event| format!("data: {event}\n\n"))
                .collect();
            let again = oracle_stream(&Bytes::from(sse)).unwrap_or_default();
            result = same(&again, &expected.unwrap_or_default());
        } else if whole.error.is_some() != expected.is_none() {
            result = Err(format!("{:?}", whole.error));
        } else if ours.iter().ne(recorded.iter()) && !ours.starts_with(&recorded) {
            result = Err("the events changed".to_owned());
        } else if let (Some(expected), Some(usage)) = (expected, whole.usage.as_ref())
            && (usage.prompt_tokens, usage.completion_tokens)
                != (expected.prompt, expected.completion)
        {
            result = Err("the usage is another".into());
        }
        for size in CUTS {
            if decode_stream(&call, &body, size) != whole {
                result = Err(format!("cut into {size} it says something else"));
            }
        }
        tally.check(&cassette.id, result);
    }
    tally.settle("Message streams passed through", &[]);
}

#[test]
fn tokens_are_counted_natively() {
    let mut tally = Tally::default();
    let recordings =
        Cassette::all(|line| line["provider"] == "anthropic" && line["endpoint"] == "count_tokens");
    for cassette in recordings {
        let target = target(&cassette);
        let options = CallOptions::default();
        let Some(request) = cassette.request() else {
            continue;
        };
        let call = Call::prepare(
            Op::CountTokens,
            &target,
            Body::Json(object(request)),
            &options,
        )
        .expect("a call");
        let sent = call.encode().expect("a request");
        let same = sent.uri().path() == "/v1/messages/count_tokens"
            && serde_json::from_slice::<Value>(sent.body()).expect("json") == *request;
        let read = answer(&call, cassette.reply());
        let result = match read {
            _ if !same => Err("the request changed".to_owned()),
            Ok(answer) => (answer.into_bytes().expect("bytes") == cassette.body())
                .then_some(())
                .ok_or_else(|| "the answer changed".to_owned()),
            Err(e) if cassette.status().is_success() => Err(e.to_string()),
            Err(_) => Ok(()),
        };
        tally.check(&cassette.id, result);
    }
    tally.settle("Counted tokens", &[]);
}

/// What chat says of hosted blocks is in fields that a Messages client does not see, and citations keep only their
/// addresses.
fn bridgeable(mut said: Said) -> Said {
    said.id = String::new();
    said.hosted.clear();
    said.citations.clear();
    said
}

#[test]
fn answers_survive_the_way_over_chat() {
    let mut tally = Tally::default();
    for cassette in recordings(false) {
        if !cassette.status().is_success() || !is_message(&cassette) {
            continue;
        }
        let target = target(&cassette);
        let options = CallOptions::default();
        let asked = asking(Op::Chat, false);
        let call = Call::prepare(Op::Chat, &target, Body::Json(asked), &options).expect("a call");
        let chat = answer(&call, cassette.reply())
            .and_then(Answer::into_chat)
            .expect("a chat answer");
        let bytes = Messages
            .response(&asking(Op::Messages, false), chat)
            .expect("an answer");
        let ours: Value = serde_json::from_slice(&bytes).expect("json");
        let theirs: Value = serde_json::from_slice(&cassette.body()).expect("json");
        let mut result = same(&bridgeable(oracle(&ours)), &bridgeable(oracle(&theirs)));
        if ours["stop_reason"] != theirs["stop_reason"]
            || ours["stop_sequence"] != theirs["stop_sequence"]
        {
            result = Err(format!(
                "{} is not {}",
                ours["stop_reason"], theirs["stop_reason"]
            ));
        }
        tally.check(&cassette.id, result);
    }
    tally.settle("Claude's answers over chat", &[]);
}

#[test]
fn streams_survive_the_way_over_chat() {
    let mut tally = Tally::default();
    for cassette in recordings(true) {
        let target = target(&cassette);
        let options = CallOptions::default();
        let asked = asking(Op::Chat, true);
        let call = Call::prepare(Op::Chat, &target, Body::Json(asked), &options).expect("a call");
        let body = cassette.body();
        let Some(theirs) = oracle_stream(&body) else {
            continue;
        };
        let mut bridge = Messages.stream(&asking(Op::Messages, true));
        let mut events = Vec::new();
        for chunk in decode_stream(&call, &body, usize::MAX).chunks {
            bridge
                .push(chunk.into_chat().expect("a chat chunk"), &mut events)
                .expect("events");
        }
        bridge.finish(&mut events).expect("an end");
        let sse: String = events
            .iter()
            .map(|event| format!("data: {}\n\n", String::from_utf8_lossy(&event.data)))
            .collect();
        let ours = oracle_stream(&Bytes::from(sse)).expect("an end");
        tally.check(&cassette.id, same(&bridgeable(ours), &bridgeable(theirs)));
    }
    tally.settle("Claude's streams over chat", &[]);
}

/// What a request asks, without what two right clients may write differently.
fn meaning(body: &Value) -> Value {
    let mut turns: Vec<(String, Vec<Value>)> = Vec::new();
    for turn in body["messages"].as_array().into_iter().flatten() {
        let role = text(&turn["role"]);
        let mut blocks = blocks(&turn["content"]);
        if role == "user" {
            results_first(&mut blocks);
        }
        match turns.last_mut() {
            Some((last, so_far)) if *last == role => so_far.extend(blocks),
            _ => turns.push((role, blocks)),
        }
    }
    let tools: Vec<Value> = body["tools"]
        .as_array()
        .into_iter()
        .flatten()
        // Ours, for calls in the history without tools.
        .filter(|tool| tool["name"] != "dummy_tool")
        .map(|tool| {
            let mut tool = without_nulls(tool);
            if tool.get("type").is_none() {
                tool["type"] = "custom".into();
            }
            if tool["type"] == "web_search_20250305" {
                tool.as_object_mut().expect("a tool").remove("max_uses");
            }
            tool
        })
        .collect();
    let mut choice = without_nulls(&body["tool_choice"]);
    // What is the case anyway.
    if choice == json!({"type": "auto"}) {
        choice = Value::Null;
    }
    if choice.is_object() && choice["disable_parallel_tool_use"] == false {
        choice
            .as_object_mut()
            .expect("a choice")
            .remove("disable_parallel_tool_use");
    }
    json!({
        "model": body["model"], "max_tokens": body["max_tokens"], "system": blocks(&body["system"]),
        "turns": turns, "tools": tools, "choice": choice, "stop": body["stop_sequences"],
        "temperature": body["temperature"].as_f64(), "top_p": body["top_p"].as_f64(), "top_k": body["top_k"].as_f64(),
        "level": level(body), "format": has_format(body), "user": body["metadata"]["user_id"],
        "stream": body["stream"] == true, "tier": body["service_tier"],
    })
}

fn blocks(content: &Value) -> Vec<Value> {
    if let Some(one) = content.as_str() {
        return if one.trim().is_empty() {
            Vec::new()
        } else {
            vec![json!({"type": "text", "text": one})]
        };
    }
    let mut blocks = Vec::new();
    for block in content.as_array().into_iter().flatten() {
        let mut block = without_nulls(block);
        match text(&block["type"]).as_str() {
            "text" if text(&block["text"]).trim().is_empty() => continue,
            "text" => {
                block.as_object_mut().expect("a block").remove("citations");
            }
            "tool_use" => {
                block.as_object_mut().expect("a block").remove("caller");
            }
            "document" => block = document(block),
            "tool_result" => {
                result(&mut blocks, block);
                continue;
            }
            _ => {}
        }
        blocks.push(block);
    }
    blocks
}

/// Text documents travel as text; that a document may be cited is said in a notice.
fn document(mut block: Value) -> Value {
    let cache = block["cache_control"].clone();
    if block["source"]["type"] == "text" {
        let lines: Vec<_> = [&block["title"], &block["context"], &block["source"]["data"]]
            .into_iter()
            .filter_map(Value::as_str)
            .collect();
        let mut told = json!({"type": "text", "text": lines.join("\n\n")});
        if !cache.is_null() {
            told["cache_control"] = cache;
        }
        return told;
    }
    block
        .as_object_mut()
        .expect("a document")
        .remove("citations");
    block
}

/// A result's text in one piece; what is not text follows after it; a failure is said in words.
fn result(blocks: &mut Vec<Value>, mut block: Value) {
    let mut media = Vec::new();
    let mut said = String::new();
    for inner in self::blocks(&block["content"]) {
        match inner["type"].as_str() {
            Some("text") => said += &text(&inner["text"]),
            Some("tool_reference") => said += &format!("Tool found: {}", text(&inner["tool_name"])),
            Some("search_result") => {
                let inside: Vec<_> = self::blocks(&inner["content"])
                    .iter()
                    .map(|b| text(&b["text"]))
                    .collect();
                said += &[
                    text(&inner["title"]),
                    text(&inner["source"]),
                    inside.join("\n"),
                ]
                .join("\n");
            }
            _ => media.push(inner),
        }
    }
    if said.is_empty() && !media.is_empty() {
        said = "The result follows in the user's message.".into();
    }
    let map = block.as_object_mut().expect("a result");
    if map.remove("is_error") == Some(true.into()) && !said.to_lowercase().contains("error") {
        said.insert_str(0, "Error: ");
    }
    map.insert("content".into(), said.into());
    blocks.push(block);
    blocks.extend(media);
}

fn results_first(blocks: &mut Vec<Value>) {
    let (mut first, rest): (Vec<_>, Vec<_>) = blocks
        .drain(..)
        .partition(|block| block["type"] == "tool_result");
    first.extend(rest);
    *blocks = first;
}

/// How much thinking is asked for: budgets and efforts on one scale.
fn level(body: &Value) -> Value {
    if let Some(effort) = body["output_config"]["effort"].as_str() {
        return match effort {
            "xhigh" | "high" => "high",
            other => other,
        }
        .into();
    }
    match body["thinking"]["type"].as_str() {
        Some("adaptive") => "medium".into(),
        Some("enabled") => match body["thinking"]["budget_tokens"].as_u64() {
            Some(4096..) => "high".into(),
            Some(2048..) => "medium".into(),
            _ => "low".into(),
        },
        _ => Value::Null,
    }
}

fn has_format(body: &Value) -> Value {
    let format = [&body["output_format"], &body["output_config"]["format"]];
    let native = format.iter().any(|format| !format.is_null());
    native.into()
}

/// What the bridge must refuse by name, as no other vendor has it.
fn is_anthropics_own(request: &Value) -> bool {
    let hosted = |tool: &Value| {
        let kind = text(&tool["type"]);
        !kind.is_empty() && kind != "custom" && !kind.starts_with("web_search_")
    };
    let tools = request["tools"].as_array();
    tools.is_some_and(|tools| tools.iter().any(hosted))
        || !request["mcp_servers"].is_null()
        || !request["container"].is_null()
}

#[test]
fn requests_survive_the_way_over_chat() {
    let mut tally = Tally::default();
    for cassette in recordings(false).into_iter().chain(recordings(true)) {
        let Some(request) = cassette.request().filter(|request| request.is_object()) else {
            continue;
        };
        if !cassette.status().is_success() {
            continue;
        }
        let target = target(&cassette);
        let chat = Messages.request(&object(request));
        if is_anthropics_own(request) {
            let refused = chat.is_err_and(|e| e.kind == Kind::BadRequest && e.param.is_some());
            tally.check(
                &cassette.id,
                if refused {
                    Ok(())
                } else {
                    Err("it was not refused".into())
                },
            );
            continue;
        }
        let mut expected = request.clone();
        expected["model"] = target.model.clone().into();
        let options = CallOptions::default();
        let result = chat
            .and_then(|chat| Call::prepare(Op::Chat, &target, Body::Json(chat), &options)?.encode())
            .map_err(|e| e.to_string())
            .and_then(|sent| {
                let sent: Value = serde_json::from_slice(sent.body()).expect("json");
                let (ours, theirs) = (meaning(&sent), meaning(&expected));
                let differ = |key: &&String| ours[key.as_str()] != theirs[key.as_str()];
                match ours.as_object().expect("an object").keys().find(differ) {
                    None => Ok(()),
                    Some(key) => Err(format!(
                        "{key}\n  ours   {}\n  theirs {}",
                        ours[key], theirs[key]
                    )),
                }
            });
        tally.check(&cassette.id, result);
    }
    let known = [(
        "anthropic.chat.stream.mirascope.a9df9afb",
        "chat's web search has no place for a cache marker",
    )];
    tally.settle("Messages requests over chat", &known);
}
