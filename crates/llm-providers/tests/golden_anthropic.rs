//! Anthropic's wire, held to snapshots: what a request becomes, what an answer and a stream say.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use bytes::Bytes;
use llm_providers::{
    Answer, Body, Call, CallOptions, Chunk, Chunks, Credential, Framing, Reply, Step, Target,
    bridges::{Bridge, messages::Messages},
    frame::Splitter,
    lookup,
};
use llm_types::{JsonObject, Op};
use serde_json::{Value, json};

const OLD: &str = "claude-3-7-sonnet-20250219";
const NEW: &str = "claude-opus-4-8";

fn fixture(name: &str) -> Bytes {
    let path = format!("{}/../../fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(path).expect("a fixture").into()
}

fn object(name: &str) -> JsonObject {
    JsonObject::parse(&fixture(name)).expect("an object")
}

fn claude(model: &str) -> Target {
    Target::new(
        lookup("anthropic").expect("the row"),
        model,
        Credential::key("k"),
    )
}

/// Everything that goes out, and what is said of it.
fn sent(body: JsonObject, model: &str, options: &CallOptions) -> Value {
    let target = claude(model);
    let call = Call::prepare(Op::Chat, &target, Body::from(body), options).expect("a call");
    let request = call.encode().expect("a request");
    let header = |name: &str| request.headers().get(name).and_then(|v| v.to_str().ok());
    json!({
        "address": request.uri().to_string(),
        "anthropic-version": header("anthropic-version"),
        "anthropic-beta": header("anthropic-beta"),
        "body": serde_json::from_slice::<Value>(request.body().bytes().expect("in memory")).expect("json"),
        "notices": call.notices,
    })
}

fn read(request: &str, answer: &str, model: &str) -> Answer {
    let (target, options) = (claude(model), CallOptions::default());
    let call =
        Call::prepare(Op::Chat, &target, Body::from(object(request)), &options).expect("a call");
    match call.decode(Reply::ok(fixture(answer))).expect("an answer") {
        Step::Done(answer) => answer,
        _ => panic!("nothing is polled here"),
    }
}

fn stream(request: &str, answer: &str, model: &str) -> Vec<Chunk> {
    let (target, options) = (claude(model), CallOptions::default());
    let mut body = object(request);
    body.set("stream", &true);
    let call = Call::prepare(Op::Chat, &target, Body::from(body), &options).expect("a call");
    let (mut splitter, mut decoder) = (
        Splitter::new(Framing::Sse),
        call.decoder().expect("a decoder"),
    );
    let (mut frames, mut chunks) = (Vec::new(), Chunks::default());
    splitter.push(fixture(answer), &mut frames).expect("frames");
    for frame in frames {
        decoder.push(frame, &mut chunks).expect("chunks");
    }
    decoder.finish(&mut chunks).expect("an end");
    chunks.items
}

/// What is new in each chunk.
fn news(chunks: Vec<Chunk>) -> Vec<Value> {
    let chunks = chunks
        .into_iter()
        .map(|chunk| chunk.into_chat().expect("a chat chunk"));
    chunks
        .map(|chunk| match chunk.choices.first() {
            None => json!(chunk),
            Some(choice) => json!({"delta": choice.delta, "finish_reason": choice.finish_reason,
                "provider_specific_fields": choice.provider_specific_fields}),
        })
        .collect()
}

#[test]
fn a_full_request_to_a_model_with_budgets() {
    let options = CallOptions {
        extra_headers: vec![("anthropic-beta".into(), "mine-2026-01-01".into())],
        ..CallOptions::default()
    };
    insta::assert_json_snapshot!(sent(object("chat/claude_full.json"), OLD, &options));
}

#[test]
fn a_full_request_to_a_model_that_thinks_by_itself() {
    let mut body = object("chat/claude_full.json");
    body.set("reasoning_effort", &"xhigh");
    body.set("user", &"ada@example.com");
    let options = CallOptions {
        drop_params: true,
        ..CallOptions::default()
    };
    insta::assert_json_snapshot!(sent(body, NEW, &options));
}

#[test]
fn a_schema_goes_natively_or_as_a_tool() {
    let options = CallOptions::default();
    insta::assert_json_snapshot!(
        "schema_native",
        sent(object("chat/claude_schema.json"), NEW, &options)
    );
    insta::assert_json_snapshot!(
        "schema_tool",
        sent(object("chat/claude_schema.json"), OLD, &options)
    );
}

#[test]
fn an_answer_as_chat() {
    let answer = read(
        "chat/claude_full.json",
        "upstream/anthropic/answer.json",
        OLD,
    );
    insta::assert_json_snapshot!(answer.into_chat().expect("chat"));
}

#[test]
fn a_stream_as_chat() {
    insta::assert_json_snapshot!(news(stream(
        "chat/claude_full.json",
        "upstream/anthropic/answer.sse",
        OLD
    )));
}

#[test]
fn a_tool_that_is_the_answer() {
    let answer = read(
        "chat/claude_schema.json",
        "upstream/anthropic/json_tool.json",
        OLD,
    );
    insta::assert_json_snapshot!("json_tool_answer", answer.into_chat().expect("chat"));
    let chunks = stream(
        "chat/claude_schema.json",
        "upstream/anthropic/json_tool.sse",
        OLD,
    );
    insta::assert_json_snapshot!("json_tool_stream", news(chunks));
}

#[test]
fn a_messages_request_over_chat() {
    let body = object("messages/full.json");
    let chat = Messages
        .request(&body, &CallOptions::default())
        .expect("a chat request");
    let chat: Value = serde_json::from_slice(&chat.to_bytes()).expect("json");
    insta::assert_json_snapshot!(
        json!({"chat": chat, "losses": Messages.losses(&body, &CallOptions::default())})
    );
}

#[test]
fn a_chat_answer_as_messages() {
    let chat = read(
        "chat/claude_full.json",
        "upstream/anthropic/answer.json",
        OLD,
    );
    let bytes = Messages
        .response(
            &object("messages/full.json"),
            chat.into_chat().expect("chat"),
        )
        .expect("an answer");
    insta::assert_json_snapshot!(serde_json::from_slice::<Value>(&bytes).expect("json"));
}

#[test]
fn a_chat_stream_as_messages() {
    let (mut bridge, mut events) = (Messages.stream(&object("messages/full.json")), Vec::new());
    for chunk in stream(
        "chat/claude_full.json",
        "upstream/anthropic/answer.sse",
        OLD,
    ) {
        bridge
            .push(chunk.into_chat().expect("a chat chunk"), &mut events)
            .expect("events");
    }
    bridge.finish(&mut events).expect("an end");
    let events: Vec<Value> = events
        .iter()
        .map(|event| serde_json::from_slice(&event.data).expect("json"))
        .collect();
    insta::assert_json_snapshot!(events);
}
