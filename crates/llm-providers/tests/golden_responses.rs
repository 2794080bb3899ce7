//! The Responses bridge, as snapshots: a full request as chat, a full answer and its stream as a response.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use bytes::Bytes;
use llm_providers::{
    CallOptions,
    bridges::{Bridge, responses::Responses},
};
use llm_types::JsonObject;
use serde_json::{Value, json};

fn asked() -> JsonObject {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../fixtures/responses/full.json"
    );
    JsonObject::parse(&std::fs::read(path).expect("a fixture").into()).expect("an object")
}

#[test]
fn a_request_over_chat() {
    let (body, options) = (asked(), CallOptions::default());
    let chat = Responses.request(&body, &options).expect("a chat request");
    let chat: Value = serde_json::from_slice(&chat.to_bytes()).expect("json");
    insta::assert_json_snapshot!(
        json!({"chat": chat, "losses": Responses.losses(&body, &options)})
    );
}

fn citation() -> Value {
    json!({"type": "url_citation", "url_citation": {"url": "https://example.com", "title": "E", "start_index": 0, "end_index": 2}})
}

fn logprobs() -> Value {
    json!({"content": [{"token": "Hi", "logprob": -0.1, "bytes": null, "top_logprobs": []}]})
}

fn usage() -> Value {
    json!({"prompt_tokens": 20, "completion_tokens": 7, "total_tokens": 27,
        "prompt_tokens_details": {"cached_tokens": 5}, "completion_tokens_details": {"reasoning_tokens": 3}})
}

fn call(name: &str, arguments: &str) -> Value {
    json!({"index": 0, "id": "call_7", "type": "function", "function": {"name": name, "arguments": arguments}})
}

#[test]
fn a_chat_answer_as_a_response() {
    let answer = json!({"id": "resp_7", "created": 1700000000, "model": "m-1", "usage": usage(), "service_tier": "flex",
        "choices": [{"index": 0, "finish_reason": "length", "logprobs": logprobs(), "message": {
            "role": "assistant", "content": "Hi", "refusal": "No.", "annotations": [citation()],
            "thinking_blocks": [{"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
                {"type": "redacted_thinking", "data": "c2VhbGVk"}],
            "images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0="}}],
            "tool_calls": [call("look", ""), call("patch", "{\"input\":\"*** Begin\"}")]}}]});
    let answer = serde_json::from_value(answer).expect("an answer");
    let bytes: Bytes = Responses.response(&asked(), answer).expect("a response");
    let response: Value = serde_json::from_slice(&bytes).expect("json");
    insta::assert_json_snapshot!(response);
}

#[test]
fn a_chat_stream_as_a_response() {
    let deltas = [
        json!({"role": "assistant", "content": ""}),
        json!({"reasoning_content": "Hm", "thinking_blocks": [{"type": "thinking", "thinking": "Hm"}]}),
        json!({"thinking_blocks": [{"type": "thinking", "thinking": "", "signature": "c2ln"}]}),
        json!({"content": "Hi"}),
        json!({"annotations": [citation()]}),
        json!({"tool_calls": [call("look", "{\"at\"")]}),
        json!({"tool_calls": [{"index": 0, "function": {"arguments": ":1}"}}]}),
    ];
    let (mut stream, mut events) = (Responses.stream(&object()), Vec::new());
    for delta in deltas {
        let chunk = json!({"id": "resp_7", "created": 1700000000, "model": "m-1", "choices": [{"index": 0, "delta": delta}]});
        stream
            .push(serde_json::from_value(chunk).expect("a chunk"), &mut events)
            .expect("events");
    }
    let last = json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}], "usage": usage()});
    stream
        .push(serde_json::from_value(last).expect("a chunk"), &mut events)
        .expect("events");
    stream.finish(&mut events).expect("an end");
    let lines: Vec<String> = events
        .iter()
        .map(|event| String::from_utf8_lossy(&event.data).into_owned())
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}

fn object() -> JsonObject {
    JsonObject::parse(&Bytes::from_static(br#"{"model":"asked","input":"Hi"}"#)).expect("an object")
}
