//! What holds for every row and every operation.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use std::collections::BTreeSet;

use bytes::Bytes;
use http::StatusCode;
use llm_providers::{
    Auth, Body, Call, CallOptions, Chunks, Credential, Error, Kind, Provider, Reply, Target, auth,
    backends::ALL, frame::Splitter, lookup,
};
use llm_types::{JsonObject, Op};
use serde_json::Value;

const SECRET: &str = "s3cr3t-k3y-of-mine";

fn object(text: &str) -> JsonObject {
    JsonObject::parse(&Bytes::copy_from_slice(text.as_bytes())).expect("an object")
}

/// A request of the simplest kind; `None` where the operation has no JSON body.
fn body(op: Op) -> Option<JsonObject> {
    let text = match op {
        Op::Chat => r#"{"model":"m","messages":[{"role":"user","content":"Hi"}],"max_tokens":5}"#,
        Op::Completion => r#"{"model":"m","prompt":"Hi"}"#,
        Op::Embedding => r#"{"model":"m","input":["Hi"]}"#,
        Op::Messages | Op::CountTokens => {
            r#"{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"Hi"}]}"#
        }
        Op::Responses => r#"{"model":"m","input":"Hi","max_output_tokens":5}"#,
        Op::GenerateContent => r#"{"model":"m","contents":[{"parts":[{"text":"Hi"}]}]}"#,
        Op::Rerank => r#"{"model":"m","query":"q","documents":["a","b"]}"#,
        Op::Moderation => r#"{"model":"m","input":"Hi"}"#,
        Op::Search => r#"{"model":"m","query":"q"}"#,
        Op::Ocr => {
            r#"{"model":"m","document":{"type":"document_url","document_url":"https://example.com/a.pdf"}}"#
        }
        _ => return None,
    };
    Some(object(text))
}

/// A target with all the settings that any row asks for.
fn target(row: &'static Provider, model: &str) -> Target {
    let names = [
        "api_version",
        "project",
        "vertex_project",
        "vertex_location",
        "aws_region_name",
        "account_id",
        "project_id",
        "region",
        "region_name",
        "organization",
        "google_pse_engine_id",
    ];
    let mut target =
        Target::new(row, model, Credential::key(SECRET)).at("https://example.com/base/v1");
    for name in names {
        target = target.with(name, "x-1");
    }
    target
}

fn model_of(row: &Provider) -> &'static str {
    model_for(row, Op::Chat)
}

/// A model of `row` that does `op`.
fn model_for(row: &Provider, op: Op) -> &'static str {
    match row.name {
        "vertex_ai" if op == Op::Ocr => "mistral-ocr-2505",
        "bedrock" if op == Op::Rerank => "cohere.rerank-v3-5:0",
        "bedrock" => "anthropic.claude-3-haiku-20240307-v1:0",
        "ragflow" => "chat/id/model",
        "anthropic_text" => "claude-2.1",
        _ => "some-model",
    }
}

#[test]
fn every_row_encodes_or_says_unsupported() {
    let options = CallOptions::default();
    for row in ALL {
        for op in Op::all() {
            let Some(body) = body(op) else { continue };
            let target = target(row, model_for(row, op));
            match Call::prepare(op, &target, Body::from(body), &options)
                .and_then(|call| call.encode())
            {
                Ok(request) => {
                    assert!(
                        target.speaks(op),
                        "{} encodes {op:?} and does not speak it",
                        row.name
                    );
                    assert_eq!(
                        request.uri().host(),
                        Some("example.com"),
                        "{} {op:?}",
                        row.name
                    );
                }
                Err(e) => assert_eq!(e.kind, Kind::Unsupported, "{} {op:?}: {e}", row.name),
            }
        }
    }
}

#[test]
fn unknown_keys_survive_where_bodies_are_forwarded() {
    let options = CallOptions::default();
    for row in ALL.iter().filter(|row| row.protocol.forwards_chat()) {
        for op in [Op::Chat, Op::Completion, Op::Embedding, Op::Responses] {
            let target = target(row, model_of(row));
            if !target.speaks(op) {
                continue;
            }
            let mut body = body(op).expect("a body");
            body.set_raw("never_heard_of", r#"{"a":[1, 2.50],"b":"\u00e9"}"#);
            let call = Call::prepare(op, &target, Body::from(body), &options).expect(row.name);
            let request = call.encode().expect(row.name);
            let text =
                std::str::from_utf8(request.body().bytes().expect("in memory")).expect("text");
            // Chat goes out byte for byte; watsonx translates texts and vectors.
            let survives = match op {
                Op::Chat | Op::Responses => {
                    text.contains(r#""never_heard_of":{"a":[1, 2.50],"b":"\u00e9"}"#)
                }
                _ => text.contains(r#""never_heard_of":{"a":[1,"#),
            };
            assert!(survives, "{} {op:?}: {text}", row.name);
        }
    }
}

/// The operations of one JSON document each, besides chat and what is like it.
const PLAIN_OPS: [Op; 4] = [Op::Rerank, Op::Moderation, Op::Search, Op::Ocr];

#[test]
fn unknown_keys_survive_in_other_operations() {
    let options = CallOptions::default();
    for row in ALL {
        for op in PLAIN_OPS {
            let target = target(row, model_for(row, op));
            if !target.speaks(op) {
                continue;
            }
            let mut body = body(op).expect("a body");
            body.set_raw("never_heard_of", r#"{"a":[1,"\u00e9"]}"#);
            let call = Call::prepare(op, &target, Body::from(body), &options).expect(row.name);
            let request = call.encode().expect(row.name);
            let text =
                std::str::from_utf8(request.body().bytes().expect("in memory")).expect("text");
            let query = request.uri().query().unwrap_or_default();
            let survives = text.contains(r#""never_heard_of":{"a":[1,"#)
                || query.contains("never_heard_of=%7B%22a%22%3A%5B1%2C");
            assert!(survives, "{} {op:?}: {query} {text}", row.name);
        }
    }
}

#[test]
fn what_is_not_supported_is_a_bad_request_that_names_who_does_it() {
    let options = CallOptions::default();
    for op in PLAIN_OPS {
        let target = target(lookup("groq").expect("a row"), "m");
        let body = Body::from(body(op).expect("a body"));
        let error = Call::prepare(op, &target, body, &options).expect_err("an error");
        assert_eq!(
            (error.kind, error.status_code()),
            (Kind::Unsupported, StatusCode::BAD_REQUEST)
        );
        let first = format!("groq does not support {}; these do: ", op.name());
        assert!(error.message.starts_with(&first), "{error}");
        for row in ALL.iter().filter(|row| row.speaks(op)) {
            assert!(error.message.contains(row.name), "{error}");
        }
    }
}

#[test]
fn what_the_caller_adds_is_there_at_the_end() {
    let options = CallOptions {
        extra_body: llm_providers_extra(r#"{"added":{"x":1}}"#),
        extra_query: vec![("a b".into(), "c&d=e".into())],
        extra_headers: vec![("x-mine".into(), "yes".into())],
        ..CallOptions::default()
    };
    for row in ALL {
        for op in [Op::Chat].into_iter().chain(PLAIN_OPS) {
            let target = target(row, model_for(row, op));
            if !target.speaks(op) {
                continue;
            }
            let body = Body::from(body(op).expect("a body"));
            let call = Call::prepare(op, &target, body, &options).expect(row.name);
            let request = match call.encode() {
                Ok(request) => request,
                // A request without a body has no place for it, and says so.
                Err(e) => {
                    assert_eq!(e.param.as_deref(), Some("extra_body"), "{} {e}", row.name);
                    continue;
                }
            };
            let sent: Value =
                serde_json::from_slice(request.body().bytes().expect("in memory")).expect(row.name);
            let sent = sent.get(0).unwrap_or(&sent);
            assert_eq!(sent["added"]["x"], 1, "{}", row.name);
            assert!(
                request
                    .uri()
                    .query()
                    .expect(row.name)
                    .ends_with("a%20b=c%26d%3De"),
                "{}",
                row.name
            );
            assert_eq!(request.headers()["x-mine"], "yes");
        }
    }
}

fn llm_providers_extra(text: &str) -> llm_providers::JsonObjectEq {
    llm_providers::JsonObjectEq(object(text))
}

#[test]
fn hostile_model_names_never_change_the_address() {
    let options = CallOptions::default();
    let hostile = [
        "../../x",
        "a/../../b",
        "a?b=c",
        "a#b",
        "a\nb",
        "a\0b",
        "..",
        "a b",
        "//evil.example/x",
        "a%2e%2e/b",
        "x@evil.example",
    ];
    for row in ALL {
        for op in [Op::Chat, Op::Embedding, Op::Rerank, Op::Ocr] {
            if !row.speaks(op) {
                continue;
            }
            let Ok(plain) = uri(row, op, model_for(row, op), &options) else {
                continue;
            };
            for name in hostile {
                // Refusing is as good as escaping.
                let Ok(uri) = uri(row, op, name, &options) else {
                    continue;
                };
                assert_eq!(uri.host(), plain.host(), "{} {name:?}: {uri}", row.name);
                assert!(
                    uri.path().starts_with("/base/"),
                    "{} {name:?}: {uri}",
                    row.name
                );
                assert!(
                    !uri.path().split('/').any(|part| part == ".."),
                    "{} {name:?}: {uri}",
                    row.name
                );
                let keys = |uri: &http::Uri| -> BTreeSet<String> {
                    let query = uri.query().unwrap_or_default();
                    query
                        .split('&')
                        .filter_map(|pair| pair.split('=').next().map(str::to_owned))
                        .collect()
                };
                assert_eq!(keys(&uri), keys(&plain), "{} {name:?}: {uri}", row.name);
            }
        }
    }
}

fn uri(
    row: &'static Provider,
    op: Op,
    model: &str,
    options: &CallOptions,
) -> Result<http::Uri, Error> {
    let target = target(row, model);
    let body = Body::from(body(op).expect("a body"));
    let call = Call::prepare(op, &target, body, options)?;
    Ok(call.encode()?.uri().clone())
}

#[test]
fn no_secret_shows() {
    let options = CallOptions::default();
    for row in ALL {
        let op = row.ops[0];
        let target = target(row, model_for(row, op));
        let Some(body) = body(op).filter(|_| target.speaks(op)) else {
            continue;
        };
        let call = Call::prepare(op, &target, Body::from(body), &options).expect(row.name);
        let mut request = call.encode().expect(row.name);
        let now = std::time::SystemTime::UNIX_EPOCH;
        let signed = auth::apply(&target, &target.credential, &mut request, now);
        assert!(
            !format!("{target:?} {call:?} {signed:?}").contains(SECRET),
            "{}",
            row.name
        );
        if row.auth != Auth::None {
            assert!(
                !format!("{:?}", request.headers()).contains(SECRET),
                "{}",
                row.name
            );
        }
        let error = call.refusal(&Reply {
            status: StatusCode::UNAUTHORIZED,
            headers: Default::default(),
            body: format!(r#"{{"error":{{"message":"the key {SECRET} is wrong"}}}}"#).into(),
        });
        assert!(
            !format!("{error:?} {error}").contains(SECRET),
            "{}",
            row.name
        );
    }
}

/// Two choices, a tool call, thinking, a note in between, usage at the end, OpenAI's end mark.
const STREAM: &str = concat!(
    ": ping\n\n",
    "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}\n\n",
    "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"reasoning\":\"hm \u{e9}\"},\"finish_reason\":null}]}\n\n",
    "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi\"},\"finish_reason\":null}]}\r\n\r\n",
    "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":1,\"delta\":{\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":{\"a\":1}}}]},\"finish_reason\":null}]}\n\n",
    "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"eos\"}]}\n\n",
    "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":1,\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\n",
    "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4,\"total_tokens\":7}}\n\n",
    "data: [DONE]\n\n",
);

/// The decoded chunks, or the error.
fn decoded(pieces: &[&[u8]]) -> Result<(Vec<Value>, Chunks), Error> {
    let target = Target::new(lookup("groq").expect("a row"), "m", Credential::None);
    let options = CallOptions::default();
    let mut body = body(Op::Chat).expect("a body");
    body.set("stream", &true);
    let call = Call::prepare(Op::Chat, &target, Body::from(body), &options)?;
    let mut splitter = Splitter::new(row_framing(&call));
    let (mut decoder, mut frames, mut chunks) = (call.decoder()?, Vec::new(), Chunks::default());
    for piece in pieces {
        splitter.push(Bytes::copy_from_slice(piece), &mut frames)?;
    }
    splitter.finish(&mut frames)?;
    for frame in frames {
        decoder.push(frame, &mut chunks)?;
    }
    decoder.finish(&mut chunks)?;
    let values = std::mem::take(&mut chunks.items)
        .into_iter()
        .map(|chunk| serde_json::from_slice(&chunk.into_data().expect("data")).expect("json"))
        .collect();
    Ok((values, chunks))
}

fn row_framing(call: &Call<'_>) -> llm_providers::Framing {
    call.target.provider.protocol.framing(call)
}

#[test]
fn a_stream_is_put_right() {
    let (values, chunks) = decoded(&[STREAM.as_bytes()]).expect("a stream");
    assert_eq!(
        values.len(),
        6,
        "the usage chunk is not shown to who did not ask: {values:#?}"
    );
    assert_eq!(
        values[1]["choices"][0]["delta"]["reasoning_content"],
        "hm é"
    );
    let call = &values[3]["choices"][0]["delta"]["tool_calls"][0];
    assert_eq!(
        (&call["index"], &call["type"]),
        (&0.into(), &"function".into())
    );
    assert_eq!(call["function"]["arguments"], r#"{"a":1}"#);
    assert!(
        call["id"]
            .as_str()
            .is_some_and(|id| id.starts_with("call_"))
    );
    let end = &values[4]["choices"][0];
    assert_eq!(end["finish_reason"], "stop");
    assert_eq!(
        end["provider_specific_fields"]["native_finish_reason"],
        "eos"
    );
    assert_eq!(chunks.usage.expect("usage").total_tokens, 7);
}

#[test]
fn a_stream_that_is_cut_is_an_error_or_whole() {
    let bytes = STREAM.as_bytes();
    let finished = STREAM
        .find("\"finish_reason\":\"tool_calls\"")
        .expect("the last reason");
    let end = STREAM.find("[DONE]").expect("the end mark") + "[DONE]".len();
    let (whole, _) = decoded(&[bytes]).expect("a stream");
    for at in 0..bytes.len() {
        match decoded(&[&bytes[..at]]) {
            Err(e) => assert!(at < end, "refused at {at}: {e}"),
            Ok((values, _)) => {
                assert!(at > finished, "taken for whole at {at}");
                assert_eq!(values, whole, "at {at}");
            }
        }
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(48))]
    #[test]
    fn a_stream_decodes_the_same_however_it_is_cut(cuts in proptest::collection::vec(0..STREAM.len(), 0..8)) {
        let mut cuts = cuts;
        cuts.sort_unstable();
        let (mut pieces, mut from) = (Vec::new(), 0);
        for cut in cuts {
            pieces.push(&STREAM.as_bytes()[from..cut]);
            from = cut;
        }
        pieces.push(&STREAM.as_bytes()[from..]);
        let (cut, _) = decoded(&pieces).expect("a stream");
        let (whole, _) = decoded(&[STREAM.as_bytes()]).expect("a stream");
        proptest::prop_assert_eq!(cut, whole);
    }
}

#[test]
fn what_is_no_stream_is_an_error() {
    let cases: [&[u8]; 9] = [
        b"",
        b"data: [DONE]\n\n",
        b": ping\n\n",
        b"<html><body>502</body></html>",
        b"data: <html>\n\n",
        b"data: {\"error\":{\"message\":\"overloaded\",\"code\":503}}\n\n",
        b"event: error\ndata: {\"message\":\"no\"}\n\n",
        b"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"}}]}\n\n",
        b"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\"\n\ndata: [DONE]\n\n",
    ];
    for case in cases {
        assert!(
            decoded(&[case]).is_err(),
            "{}",
            String::from_utf8_lossy(case)
        );
    }
}

#[test]
fn a_whole_answer_in_a_stream_becomes_chunks() {
    let text = "data: {\"id\":\"c\",\"object\":\"chat.completion\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"Hi\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2,\"total_tokens\":3}}\n\n";
    let (values, chunks) = decoded(&[text.as_bytes()]).expect("a stream");
    assert_eq!(values[0]["object"], "chat.completion.chunk");
    assert_eq!(values[0]["choices"][0]["delta"]["content"], "Hi");
    assert_eq!(values[0]["choices"][0]["finish_reason"], "stop");
    assert_eq!(chunks.usage.expect("usage").total_tokens, 3);
}
