//! Converse, held to snapshots: what a request becomes, what an answer and a stream say.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::sync::{Arc, Mutex};

use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use bytes::Bytes;
use futures_util::stream;
use llm_providers::{
    Body, Call, CallOptions, Chunks, Client, Credential, Error, Fetched, Kind, Limits, Outcome,
    Reply, Step, Target,
    frame::Splitter,
    lookup,
    transport::{BoxFuture, ByteStream, Transport},
};
use llm_types::{ChatChunk, JsonObject, Op};
use serde_json::{Value, json};

const CLAUDE: &str = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";
const NEW_CLAUDE: &str = "eu-west-1/anthropic.claude-sonnet-5";
const NOVA: &str = "arn:aws:bedrock:eu-north-1:1:inference-profile/eu.amazon.nova-2-lite-v1:0";

fn fixture(name: &str) -> Bytes {
    let path = format!("{}/../../fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(path).expect("a fixture").into()
}

fn object(name: &str) -> JsonObject {
    JsonObject::parse(&fixture(name)).expect("an object")
}

fn target(model: &str) -> Target {
    Target::new(lookup("bedrock").expect("the row"), model, Credential::None)
}

/// Everything that goes out, and what is said of it.
fn sent(body: JsonObject, target: &Target, options: &CallOptions) -> Result<Value, Error> {
    let mut call = Call::prepare(Op::Chat, target, Body::from(body), options)?;
    for url in call.fetches() {
        let file = Fetched {
            content_type: Some("image/jpeg".into()),
            bytes: Bytes::from_static(b"\xff\xd8"),
        };
        call.fetched.insert(url, file);
    }
    let request = call.encode()?;
    Ok(json!({
        "address": request.uri().to_string(),
        "body": serde_json::from_slice::<Value>(request.body().bytes().expect("in memory")).expect("json"),
        "notices": call.notices,
    }))
}

/// AWS's binary stream of `[event, payload]` pairs.
fn events(name: &str) -> Bytes {
    let events: Vec<(String, Value)> = serde_json::from_slice(&fixture(name)).expect("events");
    let mut out = Vec::new();
    for (event, payload) in events {
        let header = |name: &'static str, value: String| {
            Header::new(name, HeaderValue::String(value.into()))
        };
        let message = Message::new(payload.to_string())
            .add_header(header(":event-type", event))
            .add_header(header(":message-type", "event".into()));
        write_message_to(&message, &mut out).expect("a message");
    }
    out.into()
}

fn streamed(call: &Call<'_>, bytes: Bytes) -> Result<Vec<ChatChunk>, Error> {
    let mut splitter = Splitter::new(call.target.provider.protocol.framing(call));
    let (mut frames, mut chunks) = (Vec::new(), Chunks::default());
    let mut decoder = call.decoder()?;
    splitter.push(bytes, &mut frames)?;
    for frame in frames.drain(..) {
        decoder.push(frame, &mut chunks)?;
    }
    decoder.finish(&mut chunks)?;
    chunks
        .items
        .into_iter()
        .map(|chunk| chunk.into_chat())
        .collect()
}

fn asking(name: &str) -> JsonObject {
    let mut body = object(name);
    body.set_raw("stream", "true");
    body.set_raw("stream_options", r#"{"include_usage":true}"#);
    body
}

#[test]
fn a_full_request_to_a_model_with_budgets() {
    let body = object("chat/bedrock_full.json");
    let sent = sent(body, &target(CLAUDE), &CallOptions::default());
    insta::assert_json_snapshot!(sent.expect("a request"));
}

#[test]
fn a_full_request_to_a_model_that_thinks_by_itself() {
    let mut target = target(NEW_CLAUDE);
    let facts = &mut target.facts.supports;
    facts.insert("bedrock_converse_supports_strict_tools".into(), false);
    facts.insert("prompt_caching".into(), false);
    let sent = sent(
        object("chat/bedrock_full.json"),
        &target,
        &CallOptions::default(),
    );
    insta::assert_json_snapshot!(sent.expect("a request"));
}

#[test]
fn a_full_request_to_nova() {
    let mut body = object("chat/bedrock_full.json");
    body.set_raw("web_search_options", "{}");
    let sent = sent(body, &target(NOVA), &CallOptions::default());
    insta::assert_json_snapshot!(sent.expect("a request"));
}

#[test]
fn calls_without_tools_become_text_and_gaps_are_repaired() {
    let options = CallOptions {
        modify_params: true,
        ..CallOptions::default()
    };
    let sent = sent(
        object("chat/bedrock_orphans.json"),
        &target(CLAUDE),
        &options,
    );
    insta::assert_json_snapshot!(sent.expect("a request"));
}

#[test]
fn a_schema_goes_out_natively_or_as_a_tool() {
    let mut native = target(NEW_CLAUDE);
    native
        .facts
        .supports
        .insert("native_structured_output".into(), true);
    let options = CallOptions::default();
    let body = || object("chat/bedrock_schema.json");
    insta::assert_json_snapshot!([
        sent(body(), &native, &options).expect("a request"),
        sent(body(), &target(NOVA), &options).expect("a request"),
    ]);
}

#[test]
fn an_answer_as_chat() {
    let (target, options) = (target(CLAUDE), CallOptions::default());
    let body = Body::from(object("chat/bedrock_full.json"));
    let call = Call::prepare(Op::Chat, &target, body, &options).expect("a call");
    let reply = Reply::ok(fixture("upstream/bedrock/answer.json"));
    let Ok(Step::Done(answer)) = call.decode(reply) else {
        panic!("no answer");
    };
    insta::assert_json_snapshot!(answer.into_chat().expect("chat"));
}

#[test]
fn a_stream_as_chat() {
    let (target, options) = (target(CLAUDE), CallOptions::default());
    let body = Body::from(asking("chat/bedrock_full.json"));
    let call = Call::prepare(Op::Chat, &target, body, &options).expect("a call");
    let chunks = streamed(&call, events("upstream/bedrock/stream.json"));
    insta::assert_json_snapshot!(chunks.expect("chunks"));
}

#[test]
fn the_json_tool_s_arguments_are_the_answer() {
    let (target, options) = (target(CLAUDE), CallOptions::default());
    let body = Body::from(asking("chat/bedrock_schema.json"));
    let call = Call::prepare(Op::Chat, &target, body, &options).expect("a call");
    let chunks = streamed(&call, events("upstream/bedrock/json_tool.json")).expect("chunks");
    let choices: Vec<_> = chunks.iter().flat_map(|chunk| &chunk.choices).collect();
    let text: String = choices
        .iter()
        .filter_map(|c| c.delta.content.clone())
        .collect();
    assert_eq!(text, r#"{"name":"quartz"}"#);
    assert!(
        choices
            .iter()
            .all(|choice| choice.delta.tool_calls.is_empty())
    );
    let last = choices.last().expect("a choice");
    assert_eq!(last.finish_reason.as_deref(), Some("stop"));
    assert_eq!(
        last.provider_specific_fields["native_finish_reason"],
        "tool_use"
    );
}

#[test]
fn what_a_model_cannot_take_is_refused_by_name_or_dropped_with_a_notice() {
    let cases = [
        (CLAUDE, "tool_choice", r#""none""#),
        (CLAUDE, "web_search_options", "{}"),
        (CLAUDE, "seed", "1"),
        (
            "meta.llama3-70b-instruct-v1:0",
            "reasoning_effort",
            r#""low""#,
        ),
        (
            "meta.llama3-70b-instruct-v1:0",
            "thinking",
            r#"{"type":"enabled","budget_tokens":2000}"#,
        ),
    ];
    for (model, param, value) in cases {
        let mut body = object("chat/bedrock_schema.json");
        body.set_raw("tools", r#"[{"type":"function","function":{"name":"f"}}]"#);
        body.set_raw(param, value);
        let error = sent(body.clone(), &target(model), &CallOptions::default()).expect_err(param);
        assert_eq!(error.kind, Kind::UnsupportedParams, "{param}");
        assert_eq!(error.param.as_deref(), Some(param));
        let options = CallOptions {
            drop_params: true,
            ..CallOptions::default()
        };
        let sent = sent(body, &target(model), &options).expect(param);
        assert_eq!(sent["notices"][0]["param"], param);
    }
}

#[test]
fn arguments_that_are_not_json_never_leave() {
    let mut body = object("chat/bedrock_full.json");
    body.set_raw("messages", r#"[{"role":"user","content":"x"},{"role":"assistant","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{\"a\":"}}]}]"#);
    let error = sent(body, &target(CLAUDE), &CallOptions::default()).expect_err("refused");
    assert_eq!(
        (error.kind, error.param.as_deref()),
        (Kind::BadRequest, Some("messages"))
    );
}

#[test]
fn a_file_that_was_not_fetched_is_an_error() {
    let (target, options) = (target(CLAUDE), CallOptions::default());
    let body = Body::from(object("chat/bedrock_full.json"));
    let call = Call::prepare(Op::Chat, &target, body, &options).expect("a call");
    assert_eq!(call.fetches(), ["https://stones.example/quartz.jpg"]);
    assert_eq!(call.encode().expect_err("refused").kind, Kind::BadRequest);
}

/// Embeds a text as its length, after a wait that turns the order of the answers around.
struct Lengths(Mutex<Vec<String>>);

impl Transport for Lengths {
    fn send(
        &self,
        request: http::Request<llm_providers::Outgoing>,
    ) -> BoxFuture<'_, Result<http::Response<ByteStream>, Error>> {
        let body: Value =
            serde_json::from_slice(request.body().bytes().expect("in memory")).expect("json");
        let text = body["inputText"].as_str().expect("a text").to_owned();
        self.0.lock().expect("a lock").push(text.clone());
        Box::pin(async move {
            if text == "bad" {
                let answer = Bytes::from_static(br#"{"message":"no"}"#);
                let body: ByteStream = Box::pin(stream::iter([Ok(answer)]));
                return Ok(http::Response::builder()
                    .status(400)
                    .body(body)
                    .expect("a reply"));
            }
            for _ in text.len()..9 {
                tokio::task::yield_now().await;
            }
            let length = text.len();
            let answer = json!({"embedding": [length], "inputTextTokenCount": 1}).to_string();
            let body: ByteStream = Box::pin(stream::iter([Ok(Bytes::from(answer))]));
            Ok(http::Response::new(body))
        })
    }
}

#[tokio::test]
async fn many_inputs_go_out_one_by_one_and_come_back_as_one_answer() {
    let transport = Arc::new(Lengths(Mutex::default()));
    let client = Client::over(transport.clone());
    let target = target("amazon.titan-embed-text-v2:0");
    let options = CallOptions::default();
    let ask = |input: Value| {
        let body = JsonObject::from_serialize(&json!({"model": "x", "input": input}));
        Call::prepare(
            Op::Embedding,
            &target,
            Body::from(body.expect("a body")),
            &options,
        )
    };
    let call = ask(json!(["a", "bcd", "ef"])).expect("a call");
    let Ok(Outcome::Answer(answer, _)) = client.call(&call, &Limits::default()).await else {
        panic!("no answer");
    };
    assert_eq!(
        answer.usage.as_ref().map(|usage| usage.prompt_tokens),
        Some(3)
    );
    let answer: Value = serde_json::from_slice(&answer.into_bytes().expect("bytes")).expect("json");
    assert_eq!(
        answer["data"],
        json!([
            {"object": "embedding", "index": 0, "embedding": [1]},
            {"object": "embedding", "index": 1, "embedding": [3]},
            {"object": "embedding", "index": 2, "embedding": [2]},
        ])
    );
    assert_eq!(transport.0.lock().expect("a lock").len(), 3);
    let call = ask(json!(["a", "bad"])).expect("a call");
    let error = client
        .call(&call, &Limits::default())
        .await
        .expect_err("refused");
    assert_eq!(
        (error.kind, error.message.as_str()),
        (Kind::BadRequest, "no")
    );
}
