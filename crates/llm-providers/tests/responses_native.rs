//! The Responses API where a vendor speaks it: where requests go, and which answers are none.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use bytes::Bytes;
use llm_providers::{
    Body, Call, CallOptions, Chunks, Credential, Error, Kind, Reply, Step, Target, frame::Splitter,
    lookup,
};
use llm_types::{JsonObject, Op};
use serde_json::{Value, json};

fn target(provider: &str, model: &str) -> Target {
    Target::new(lookup(provider).expect("a row"), model, Credential::None)
}

fn asked(stream: bool) -> Body {
    let body = json!({"model": "x", "input": "Hi", "stream": stream, "include": ["a"], "new": {"n": 1.50}});
    Body::from(JsonObject::parse(&Bytes::from(body.to_string())).expect("an object"))
}

fn address(target: &Target) -> String {
    let options = CallOptions::default();
    let call = Call::prepare(Op::Responses, target, asked(false), &options).expect("a call");
    call.encode().expect("a request").uri().to_string()
}

#[test]
fn every_vendor_has_its_address() {
    let azure = |version: &str| {
        target("azure", "d")
            .at("https://r.openai.azure.com")
            .with("api_version", version)
    };
    let foundry = |base: &str| target("azure_ai", "grok").at(base);
    let mantle = |model| target("bedrock_mantle", model).with("aws_region_name", "eu-west-1");
    let cases = [
        (target("openai", "m"), "https://api.openai.com/v1/responses"),
        (target("xai", "m"), "https://api.x.ai/v1/responses"),
        (
            target("groq", "m"),
            "https://api.groq.com/openai/v1/responses",
        ),
        (
            target("openrouter", "a/m"),
            "https://openrouter.ai/api/v1/responses",
        ),
        (
            target("deepseek", "m"),
            "https://api.deepseek.com/responses",
        ),
        (
            target("perplexity", "openai/m"),
            "https://api.perplexity.ai/v1/responses",
        ),
        (
            azure("2025-04-01-preview"),
            "https://r.openai.azure.com/openai/responses?api-version=2025-04-01-preview",
        ),
        (
            azure("v1"),
            "https://r.openai.azure.com/openai/v1/responses",
        ),
        (
            foundry("https://r.services.ai.azure.com/models"),
            "https://r.services.ai.azure.com/openai/v1/responses",
        ),
        (
            mantle("openai.gpt-5.5"),
            "https://bedrock-mantle.eu-west-1.api.aws/openai/v1/responses",
        ),
        (
            mantle("openai.gpt-oss-120b"),
            "https://bedrock-mantle.eu-west-1.api.aws/v1/responses",
        ),
    ];
    for (target, expected) in cases {
        assert_eq!(address(&target), expected);
    }
}

#[test]
fn models_that_only_chat_are_bridged() {
    for (provider, model) in [
        ("perplexity", "sonar"),
        ("databricks", "databricks-claude"),
        ("github_copilot", "claude-x"),
        ("bedrock_mantle", "mistral.x"),
        ("azure_ai", "claude-x"),
        ("anthropic", "claude-x"),
    ] {
        assert!(!target(provider, model).speaks(Op::Responses), "{model}");
    }
}

#[test]
fn the_body_is_the_clients_own_but_for_the_model() {
    let target = target("openai", "gpt-5");
    let options = CallOptions {
        additional_drop_params: vec!["include".into()],
        ..CallOptions::default()
    };
    let call = Call::prepare(Op::Responses, &target, asked(true), &options).expect("a call");
    assert!(call.stream);
    let request = call.encode().expect("a request");
    assert_eq!(
        request.body().bytes().expect("in memory"),
        r#"{"model":"gpt-5","input":"Hi","stream":true,"new":{"n":1.5}}"#
    );
}

fn decoded(reply: Value) -> Result<Option<llm_types::Usage>, Error> {
    let target = target("openai", "m");
    let options = CallOptions::default();
    let call = Call::prepare(Op::Responses, &target, asked(false), &options)?;
    match call.decode(Reply::ok(reply.to_string()))? {
        Step::Done(answer) => Ok(answer.usage),
        _ => panic!("not at once"),
    }
}

#[test]
fn answers_that_failed_are_errors() {
    let failed = json!({"id": "r", "object": "response", "status": "failed", "output": [],
        "error": {"code": "rate_limit_exceeded", "message": "slow down"}});
    let error = decoded(failed).expect_err("refused");
    assert_eq!(
        (error.kind, error.message.as_str()),
        (Kind::RateLimit, "slow down")
    );
    let silent = json!({"id": "r", "status": "failed", "output": [], "error": null});
    assert_eq!(decoded(silent).expect_err("refused").kind, Kind::Upstream);
    let other = json!({"id": "r", "choices": []});
    assert_eq!(decoded(other).expect_err("refused").kind, Kind::Decode);
    let incomplete = json!({"status": "incomplete", "error": null, "output": [],
        "usage": {"input_tokens": 3, "output_tokens": 4, "output_tokens_details": {"reasoning_tokens": 2}}});
    let usage = decoded(incomplete).expect("an answer").expect("usage");
    assert_eq!((usage.total_tokens, usage.reasoning_tokens()), (7, 2));
}

/// The names of a stream's events, and its usage.
fn streamed(text: &str) -> Result<(Vec<String>, Chunks), Error> {
    let target = target("openai", "m");
    let options = CallOptions::default();
    let call = Call::prepare(Op::Responses, &target, asked(true), &options)?;
    let mut splitter = Splitter::new(target.provider.protocol.framing(&call));
    let (mut decoder, mut frames, mut out) = (call.decoder()?, Vec::new(), Chunks::default());
    splitter.push(Bytes::copy_from_slice(text.as_bytes()), &mut frames)?;
    splitter.finish(&mut frames)?;
    for frame in frames {
        decoder.push(frame, &mut out)?;
    }
    decoder.finish(&mut out)?;
    let names = std::mem::take(&mut out.items).into_iter().map(|chunk| {
        let event: Value = serde_json::from_slice(&chunk.into_data().expect("data")).expect("json");
        event["type"].as_str().unwrap_or_default().to_owned()
    });
    Ok((names.collect(), out))
}

fn sse(events: &[Value]) -> String {
    events
        .iter()
        .map(|event| format!("data: {event}\n\n"))
        .collect()
}

#[test]
fn a_stream_without_its_last_event_is_an_error() {
    let events = [
        json!({"type": "response.created", "response": {"status": "in_progress", "usage": null}}),
        json!({"type": "response.output_text.delta", "delta": "Hi", "item_id": "a"}),
        json!({"type": "response.completed", "response": {"status": "completed", "usage": {"input_tokens": 1, "output_tokens": 2}}}),
    ];
    let (names, chunks) = streamed(&sse(&events)).expect("a stream");
    assert_eq!(names.len(), 3);
    assert_eq!(chunks.usage.expect("usage").total_tokens, 3);
    for end in 0..3 {
        assert!(streamed(&sse(&events[..end])).is_err(), "{end}");
        let closed = format!("{}data: [DONE]\n\n", sse(&events[..end]));
        assert!(streamed(&closed).is_err(), "{end}, closed");
    }
}

#[test]
fn a_stream_that_fails_is_an_error() {
    let failed = json!({"type": "response.failed", "response": {"status": "failed",
        "error": {"code": "server_error", "message": "it broke"}}});
    let error = streamed(&sse(&[failed])).expect_err("refused");
    assert_eq!(
        (error.kind, error.message.as_str()),
        (Kind::Upstream, "it broke")
    );
    for event in [
        json!({"type": "error", "code": "rate_limit_exceeded", "message": "slow", "param": null, "sequence_number": 3}),
        json!({"type": "error", "error": {"code": "rate_limit_exceeded", "message": "slow"}}),
    ] {
        let error = streamed(&sse(&[event])).expect_err("refused");
        assert_eq!(
            (error.kind, error.message.as_str()),
            (Kind::RateLimit, "slow")
        );
    }
    for text in ["data: <html>\n\n", "data: {\"choices\":[]}\n\n", ""] {
        assert!(streamed(text).is_err(), "{text}");
    }
}

#[test]
fn a_whole_response_is_told_as_a_stream() {
    let whole = json!({"id": "r", "object": "response", "status": "completed", "error": null,
        "output": [{"type": "message", "content": [{"type": "output_text", "text": "Hi"}]}],
        "usage": {"input_tokens": 1, "output_tokens": 2}});
    let (names, chunks) = streamed(&sse(&[whole])).expect("a stream");
    assert_eq!(
        names,
        [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.content_part.added",
            "response.output_text.delta",
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.completed"
        ]
    );
    assert_eq!(chunks.usage.expect("usage").total_tokens, 3);
}
