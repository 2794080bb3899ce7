//! Whatever a vendor streams, a client of Anthropic's dialect gets events that keep its grammar and say what the whole
//! answer would have said.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod script;

use bytes::Bytes;
use llm_providers::{
    CallOptions,
    bridges::{Bridge, Event, messages::Messages},
};
use llm_types::{ChatChunk, JsonObject};
use proptest::prelude::*;
use script::{Call, Dice, Script, delta, scripts, usage};
use serde_json::{Value, json};

fn asked() -> JsonObject {
    JsonObject::parse(&Bytes::from_static(br#"{"model":"asked","messages":[]}"#))
        .expect("an object")
}

fn events(chunks: Vec<ChatChunk>) -> Vec<Value> {
    let (mut stream, mut events) = (Messages.stream(&asked()), Vec::new());
    for chunk in chunks {
        stream.push(chunk, &mut events).expect("events");
    }
    stream.finish(&mut events).expect("an end");
    events.iter().map(read).collect()
}

fn read(event: &Event) -> Value {
    let data: Value = serde_json::from_slice(&event.data).expect("json");
    assert_eq!(data["type"].as_str(), event.name, "the name is the type");
    data
}

/// Puts events together as Anthropic's own clients do, and refuses what breaks their grammar.
fn folded(events: &[Value]) -> Value {
    let mut message = Value::Null;
    let mut open: Option<usize> = None;
    let mut input = String::new();
    let mut ended = false;
    for (i, event) in events.iter().enumerate() {
        let kind = event["type"].as_str().expect("a type");
        assert_eq!(kind == "message_start", i == 0, "one start, and first");
        assert_eq!(
            kind == "message_stop",
            i + 1 == events.len(),
            "one stop, and last"
        );
        match kind {
            "message_start" => message = event["message"].clone(),
            "content_block_start" => {
                let blocks = message["content"].as_array_mut().expect("blocks");
                assert_eq!(open, None, "one block at a time");
                assert!(!ended, "no block after the end");
                assert_eq!(event["index"], blocks.len(), "indices count up");
                open = Some(blocks.len());
                blocks.push(event["content_block"].clone());
                input.clear();
            }
            "content_block_delta" => {
                let at = open.expect("an open block");
                assert_eq!(event["index"], at);
                let (block, delta) = (&mut message["content"][at], &event["delta"]);
                let (block_kind, field) = match delta["type"].as_str().expect("a type") {
                    "text_delta" => ("text", "text"),
                    "thinking_delta" => ("thinking", "thinking"),
                    "signature_delta" => ("thinking", "signature"),
                    "input_json_delta" => {
                        assert_eq!(block["type"], "tool_use");
                        input += delta["partial_json"].as_str().expect("json text");
                        continue;
                    }
                    other => panic!("{other} is not expected here"),
                };
                assert_eq!(block["type"], block_kind, "the delta fits its block");
                let more = delta[field].as_str().expect("a text");
                assert!(!more.is_empty(), "no empty deltas");
                block[field] = (block[field].as_str().unwrap_or_default().to_owned() + more).into();
            }
            "content_block_stop" => {
                let at = open.take().expect("an open block");
                assert_eq!(event["index"], at);
                if !input.is_empty() {
                    message["content"][at]["input"] =
                        serde_json::from_str(&input).expect("an input");
                }
            }
            "message_delta" => {
                assert_eq!(open, None, "all blocks are closed");
                assert!(!std::mem::replace(&mut ended, true), "one end");
                message["stop_reason"] = event["delta"]["stop_reason"].clone();
                message["stop_sequence"] = event["delta"]["stop_sequence"].clone();
                message["usage"] = event["usage"].clone();
            }
            "message_stop" => assert!(ended, "an end before the stop"),
            other => panic!("{other} is no event"),
        }
    }
    message
}

fn whole(script: &Script) -> Value {
    let bytes = Messages
        .response(&asked(), script.response())
        .expect("an answer");
    serde_json::from_slice(&bytes).expect("json")
}

proptest! {
    #[test]
    fn a_stream_says_what_the_answer_says(
        script in scripts(),
        dice in proptest::collection::vec(any::<u8>(), 1..40),
        interleaved: bool,
    ) {
        let chunks = script.chunks(&mut Dice(dice, 0), interleaved);
        prop_assert_eq!(folded(&events(chunks)), whole(&script));
    }

    #[test]
    fn any_chunks_keep_the_grammar(
        deltas in proptest::collection::vec(delta(), 0..20),
    ) {
        let chunks = deltas
            .into_iter()
            .map(|delta| serde_json::from_value(json!({"choices": [{"index": 0, "delta": delta}]})).expect("a chunk"))
            .collect();
        folded(&events(chunks));
    }
}

#[test]
fn the_first_fragment_of_a_call_is_never_lost() {
    let script = Script {
        thoughts: vec![("Hm".into(), "sig".into())],
        text: "Let me see.".into(),
        calls: vec![
            Call {
                id: "a".into(),
                name: "weather".into(),
                arguments: r#"{"city":"Kyiv"}"#.into(),
            },
            Call {
                id: "b".into(),
                name: "time".into(),
                arguments: r#"{"zone":"EET"}"#.into(),
            },
        ],
        finish: "stop",
    };
    // All in one chunk, as vendors send it that do not cut calls up.
    let mut delta = json!({"content": script.text, "reasoning_content": "Hm",
        "thinking_blocks": [{"type": "thinking", "thinking": "Hm", "signature": "sig"}]});
    delta["tool_calls"] = (0..)
        .zip(&script.calls)
        .map(|(i, call)| json!({"index": i, "id": call.id, "function": {"name": call.name, "arguments": call.arguments}}))
        .collect();
    let chunks = vec![
        serde_json::from_value(json!({"id": "c1", "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": "stop"}], "usage": usage()}))
            .expect("a chunk"),
    ];
    let message = folded(&events(chunks));
    assert_eq!(message, whole(&script));
    assert_eq!(message["stop_reason"], "tool_use", "an agent must go on");
    assert_eq!(message["content"][3]["input"]["zone"], "EET");
}

#[test]
fn calls_stream_while_they_arrive() {
    let (mut stream, mut out) = (Messages.stream(&asked()), Vec::new());
    for (fragment, expected) in [("{\"a\"", "{\"a\""), (":1", ":1"), ("}", "}")] {
        let delta = json!({"tool_calls": [{"index": 0, "id": "x", "function": {"name": "f", "arguments": fragment}}]});
        let chunk = serde_json::from_value(json!({"choices": [{"index": 0, "delta": delta}]}))
            .expect("a chunk");
        stream.push(chunk, &mut out).expect("events");
        let last = read(out.last().expect("an event"));
        assert_eq!(last["delta"]["partial_json"], expected);
    }
}

#[test]
fn names_and_users_that_are_too_long_for_others_are_shortened() {
    let long = format!("mcp__{}", "x".repeat(90));
    let body = json!({"model": "m", "max_tokens": 5, "metadata": {"user_id": "u".repeat(150)},
        "messages": [{"role": "user", "content": "Hi"},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": long, "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "x"}]}],
        "tools": [{"name": long, "input_schema": {"type": "object"}}], "tool_choice": {"type": "tool", "name": long}});
    let body = JsonObject::parse(&Bytes::from(body.to_string())).expect("an object");
    let chat = Messages
        .request(&body, &CallOptions::default())
        .expect("a chat request");
    let chat: Value = serde_json::from_slice(&chat.to_bytes()).expect("json");
    let name = chat["tools"][0]["function"]["name"]
        .as_str()
        .expect("a name");
    assert_eq!(name.len(), 64);
    assert_eq!(
        chat["messages"][1]["tool_calls"][0]["function"]["name"],
        name
    );
    assert_eq!(chat["tool_choice"]["function"]["name"], name);
    assert_eq!(chat["user"].as_str().map(str::len), Some(64));

    let call = json!({"index": 0, "id": "t", "type": "function", "function": {"name": name, "arguments": "{}"}});
    let answer = json!({"choices": [{"index": 0, "message": {"tool_calls": [call]}, "finish_reason": "tool_calls"}]});
    let answer = serde_json::from_value(answer).expect("an answer");
    let whole: Value =
        serde_json::from_slice(&Messages.response(&body, answer).expect("bytes")).expect("json");
    assert_eq!(whole["content"][0]["name"], long);
    let chunk = json!({"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]});
    let (mut stream, mut events) = (Messages.stream(&body), Vec::new());
    stream
        .push(serde_json::from_value(chunk).expect("a chunk"), &mut events)
        .expect("events");
    assert_eq!(read(&events[1])["content_block"]["name"], long);
}

#[test]
fn errors_are_in_the_clients_dialect() {
    let mut error = llm_providers::Error::new(llm_providers::Kind::RateLimit, "slow down");
    error.request_id = Some("req_1".into());
    let event = llm_providers::bridges::messages::error_event(&error);
    assert_eq!(event.name, Some("error"));
    let body: Value = serde_json::from_slice(&event.data).expect("json");
    assert_eq!(
        body,
        json!({"type": "error", "error": {"type": "rate_limit_error", "message": "slow down"}, "request_id": "req_1"})
    );
}
