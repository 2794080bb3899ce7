//! Answers that are nearly OpenAI's: what vendors write otherwise, and what becomes of it.
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
use llm_types::{JsonObject, Op, Usage};
use proptest::prelude::*;
use serde_json::{Value, json};

fn with_call<T>(provider: &str, stream: bool, run: impl FnOnce(&Call<'_>) -> T) -> T {
    let target = Target::new(
        lookup(provider).expect("a row"),
        "the-model",
        Credential::None,
    );
    let options = CallOptions::default();
    let body = json!({"messages": [{"role": "user", "content": "Hi"}], "stream": stream, "stream_options": {"include_usage": stream}});
    let body = JsonObject::parse(&Bytes::from(body.to_string())).expect("an object");
    run(&Call::prepare(Op::Chat, &target, Body::from(body), &options).expect("a call"))
}

/// A whole answer: its JSON and its usage.
fn whole(provider: &str, reply: &[u8]) -> Result<(Value, Option<Usage>), Error> {
    with_call(provider, false, |call| {
        let Step::Done(answer) = call.decode(Reply::ok(reply.to_vec()))? else {
            panic!("not at once")
        };
        let usage = answer.usage.clone();
        Ok((
            serde_json::from_slice(&answer.into_bytes()?).expect("json"),
            usage,
        ))
    })
}

/// One choice in the shape that most vendors agree on.
fn answer(message: Value, reason: Value) -> Value {
    json!({"id": "i", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{"index": 0, "message": message, "finish_reason": reason}]})
}

/// The message and choice that come out of one choice.
fn choice(message: Value, reason: Value) -> (Value, Value) {
    let reply = answer(message, reason).to_string();
    let (document, _) = whole("openai", reply.as_bytes()).expect("an answer");
    let choice = document["choices"][0].clone();
    (choice["message"].clone(), choice)
}

/// The chunks of a stream of these documents, and its usage.
fn stream(
    provider: &str,
    documents: &[Value],
    end_mark: bool,
) -> Result<(Vec<Value>, Option<Usage>), Error> {
    with_call(provider, true, |call| {
        let mut text: String = documents.iter().map(|d| format!("data: {d}\n\n")).collect();
        if end_mark {
            text.push_str("data: [DONE]\n\n");
        }
        let mut splitter = Splitter::new(call.target.provider.protocol.framing(call));
        let (mut decoder, mut frames, mut chunks) =
            (call.decoder()?, Vec::new(), Chunks::default());
        splitter.push(text.into(), &mut frames)?;
        splitter.finish(&mut frames)?;
        for frame in frames {
            decoder.push(frame, &mut chunks)?;
        }
        decoder.finish(&mut chunks)?;
        let items = chunks.items.into_iter();
        let values = items
            .map(|chunk| serde_json::from_slice(&chunk.into_data().expect("data")).expect("json"));
        Ok((values.collect(), chunks.usage))
    })
}

fn delta(delta: Value, reason: Value) -> Value {
    json!({"id": "i", "object": "chat.completion.chunk", "created": 1, "model": "m",
        "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]})
}

#[test]
fn an_answer_of_openai_s_own_passes_byte_for_byte() {
    let text = br#"{ "id":"i","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"\u0041","refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3},"x":1.50 }"#;
    with_call("openai", false, |call| {
        let Step::Done(answer) = call.decode(Reply::ok(&text[..])).expect("an answer") else {
            panic!("not at once")
        };
        assert_eq!(
            answer.usage.as_ref().map(|usage| usage.total_tokens),
            Some(3)
        );
        assert_eq!(answer.into_bytes().expect("bytes"), &text[..]);
    });
}

#[test]
fn thinking_has_one_name() {
    let (message, _) = choice(
        json!({"role": "assistant", "content": "x", "reasoning": "hm"}),
        json!("stop"),
    );
    assert_eq!(
        message,
        json!({"role": "assistant", "content": "x", "reasoning_content": "hm"})
    );
    let both =
        json!({"role": "assistant", "content": "x", "reasoning": "hm", "reasoning_content": "hm"});
    assert_eq!(choice(both.clone(), json!("stop")).0, both);
    let details = json!([{"type": "reasoning.text", "text": "a"}, {"type": "reasoning.summary", "summary": "b"}, {"type": "reasoning.encrypted", "data": "z"}]);
    let (message, _) = choice(
        json!({"role": "assistant", "content": "x", "reasoning_details": details}),
        json!("stop"),
    );
    assert_eq!(
        (&message["reasoning_content"], &message["reasoning_details"]),
        (&json!("ab"), &details)
    );
}

#[test]
fn content_is_text() {
    let parts = json!([
        {"type": "thinking", "thinking": [{"type": "text", "text": "h"}, {"type": "text", "text": "m"}]},
        {"type": "text", "text": "a"}, {"type": "reference", "reference_ids": [1]}, {"type": "text", "text": "b"},
    ]);
    let (message, _) = choice(
        json!({"role": "assistant", "content": parts}),
        json!("stop"),
    );
    assert_eq!(
        (&message["content"], &message["reasoning_content"]),
        (&json!("ab"), &json!("hm"))
    );
    assert_eq!(
        message["provider_specific_fields"]["content"],
        json!([{"type": "reference", "reference_ids": [1]}])
    );
    let (message, _) = choice(
        json!({"role": "assistant", "content": {"b": 1, "a": 2.5}}),
        json!("stop"),
    );
    assert_eq!(message["content"], r#"{"b":1,"a":2.5}"#);
}

#[test]
fn tool_calls_are_whole() {
    let calls = json!([{"function": {"name": "f", "arguments": {"a": 1}}}, {"id": "", "type": "function", "function": {"name": "g", "arguments": null}}]);
    let (message, choice) = choice(
        json!({"role": "assistant", "content": null, "tool_calls": calls}),
        json!(""),
    );
    let calls = &message["tool_calls"];
    assert_eq!(calls[0]["function"]["arguments"], r#"{"a":1}"#);
    assert_eq!(
        (&calls[0]["type"], &calls[1]["function"]["arguments"]),
        (&json!("function"), &json!(""))
    );
    let ids = [&calls[0]["id"], &calls[1]["id"]].map(|id| id.as_str().expect("an id"));
    assert!(ids[0].starts_with("call_") && ids[0] != ids[1]);
    assert_eq!(choice["finish_reason"], "tool_calls");
}

#[test]
fn an_answer_that_calls_tools_ends_with_them() {
    let calls =
        json!([{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]);
    let with = |calls: &Value, reason| {
        let message = json!({"role": "assistant", "content": null, "tool_calls": calls});
        choice(message, json!(reason)).1
    };
    let forced = with(&calls, "stop");
    assert_eq!(forced["finish_reason"], "tool_calls");
    let fields = json!({"native_finish_reason": "stop"});
    assert_eq!(forced["provider_specific_fields"], fields);
    assert_eq!(with(&calls, "length")["finish_reason"], "length");
    let none = with(&json!([]), "stop");
    assert_eq!(none["finish_reason"], "stop");
    assert!(none.get("provider_specific_fields").is_none());
}

#[test]
fn finish_reasons_are_openai_s() {
    let cases = [
        (json!("eos"), "stop"),
        (json!("end_turn"), "stop"),
        (json!("model_length"), "length"),
        (json!("tool_use"), "tool_calls"),
        (json!("SAFETY"), "content_filter"),
        (json!("never_heard_of"), "stop"),
        (json!(""), "stop"),
        (Value::Null, "stop"),
    ];
    for (native, mapped) in cases {
        let (_, choice) = choice(json!({"role": "assistant", "content": "x"}), native.clone());
        assert_eq!(choice["finish_reason"], mapped, "{native}");
        let kept = &choice["provider_specific_fields"]["native_finish_reason"];
        let expected = if native == "" { Value::Null } else { native };
        assert_eq!(*kept, expected);
    }
    let (_, choice) = choice(
        json!({"role": "assistant", "content": "x"}),
        json!("length"),
    );
    assert!(choice.get("provider_specific_fields").is_none());
}

#[test]
fn empty_fields_of_a_generous_vendor_go() {
    let message = json!({"role": "assistant", "content": "4", "function_call": {"name": "", "arguments": ""}, "audio": {"id": "", "data": ""}, "refusal": ""});
    assert_eq!(
        choice(message, json!("stop")).0,
        json!({"role": "assistant", "content": "4", "refusal": ""})
    );
}

#[test]
fn what_is_missing_around_an_answer_is_put_there() {
    let reply = br#"{"id":"i","created":"17","choices":[{"message":{"role":"assistant","content":"x"},"finish_reason":"stop"}]}"#;
    let (document, usage) = whole("ai21", reply).expect("an answer");
    assert_eq!(document["object"], "chat.completion");
    assert_eq!(
        (&document["model"], &document["created"]),
        (&json!("the-model"), &json!(17))
    );
    assert_eq!(document["choices"][0]["index"], 0);
    assert!(usage.is_none());
}

#[test]
fn sources_become_annotations() {
    let mut reply = answer(
        json!({"role": "assistant", "content": "yes[1]"}),
        json!("stop"),
    );
    reply["citations"] = json!(["https://a.example"]);
    reply["search_results"] = json!([{"url": "https://a.example", "title": "A"}]);
    let (document, _) = whole("perplexity", reply.to_string().as_bytes()).expect("an answer");
    let expected = json!([{"type": "url_citation", "url_citation": {"url": "https://a.example", "title": "A", "start_index": 3, "end_index": 6}}]);
    assert_eq!(document["choices"][0]["message"]["annotations"], expected);
    assert_eq!(document["citations"], reply["citations"]);

    let mut first = delta(json!({"role": "assistant", "content": "ye"}), Value::Null);
    let mut last = delta(json!({"content": "s[1]"}), json!("stop"));
    for chunk in [&mut first, &mut last] {
        chunk["citations"] = reply["citations"].clone();
        chunk["search_results"] = reply["search_results"].clone();
        chunk["choices"][0]["message"] =
            json!({"role": "assistant", "content": "all that was said so far"});
    }
    let (chunks, _) = stream("perplexity", &[first, last], false).expect("a stream");
    assert!(
        chunks[0]["choices"][0]["delta"]
            .get("annotations")
            .is_none()
    );
    assert!(chunks[0]["choices"][0].get("message").is_none());
    assert_eq!(chunks[1]["choices"][0]["delta"]["annotations"], expected);
}

#[test]
fn usage_is_found_wherever_it_is() {
    let usage = json!({"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3});
    let mut groq = delta(json!({}), json!("stop"));
    groq["x_groq"] = json!({"id": "r", "usage": usage});
    let mut moonshot = delta(json!({}), json!("stop"));
    moonshot["choices"][0]["usage"] = usage.clone();
    for (provider, document) in [("groq", groq), ("moonshot", moonshot)] {
        let (chunks, seen) = stream(provider, &[document], true).expect("a stream");
        assert_eq!(seen.map(|usage| usage.total_tokens), Some(3), "{provider}");
        assert_eq!(chunks[0]["usage"]["total_tokens"], 3, "{provider}");
    }
    let lonely = json!({"id": "i", "object": "chat.completion.chunk", "usage": usage});
    let (chunks, seen) = stream(
        "openai",
        &[delta(json!({"content": "x"}), json!("stop")), lonely],
        true,
    )
    .expect("a stream");
    assert_eq!(chunks[1]["choices"], json!([]));
    assert_eq!(seen.map(|usage| usage.total_tokens), Some(3));
}

#[test]
fn fragments_of_tool_calls_are_told_apart() {
    let call = |id: Value, name: Value, arguments: &str| json!({"tool_calls": [{"id": id, "function": {"name": name, "arguments": arguments}}]});
    let documents = [
        delta(call(json!("a"), json!("f"), "{"), Value::Null),
        delta(call(Value::Null, json!(""), "}"), Value::Null),
        delta(call(json!("b"), json!("g"), "{}"), Value::Null),
        delta(json!({}), json!("tool_calls")),
    ];
    let (chunks, _) = stream("openai", &documents, true).expect("a stream");
    let call = |i: usize| chunks[i]["choices"][0]["delta"]["tool_calls"][0].clone();
    assert_eq!(
        call(0),
        json!({"id": "a", "function": {"name": "f", "arguments": "{"}, "index": 0, "type": "function"})
    );
    assert_eq!(call(1), json!({"function": {"arguments": "}"}, "index": 0}));
    assert_eq!(call(2)["index"], 1);
}

#[test]
fn a_stream_that_calls_tools_ends_with_them() {
    let call = json!({"tool_calls": [{"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}]});
    let documents = [
        delta(call, Value::Null),
        delta(json!({}), json!("stop")),
        json!({"id": "i", "object": "chat.completion.chunk", "created": 1, "model": "m",
            "choices": [{"index": 1, "delta": {"content": "x"}, "finish_reason": "stop"}]}),
    ];
    let (chunks, _) = stream("openai", &documents, true).expect("a stream");
    let end = &chunks[1]["choices"][0];
    assert_eq!(end["finish_reason"], "tool_calls");
    let fields = json!({"native_finish_reason": "stop"});
    assert_eq!(end["provider_specific_fields"], fields);
    assert_eq!(chunks[2], documents[2], "another choice called none");
}

#[test]
fn an_end_mark_without_a_reason_gives_one() {
    let text = delta(json!({"content": "4"}), Value::Null);
    let (chunks, _) = stream("snowflake", &[text], true).expect("a stream");
    assert_eq!(chunks[1]["choices"][0]["finish_reason"], "stop");
    assert_eq!(
        (&chunks[1]["id"], &chunks[1]["model"]),
        (&json!("i"), &json!("m"))
    );
    let call = json!({"tool_calls": [{"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}]});
    let (chunks, _) = stream("snowflake", &[delta(call, Value::Null)], true).expect("a stream");
    assert_eq!(chunks[1]["choices"][0]["finish_reason"], "tool_calls");
}

#[test]
fn all_answers_must_come() {
    let one = delta(json!({"content": "x"}), json!("stop"));
    let target = Target::new(lookup("openai").expect("a row"), "m", Credential::None);
    let options = CallOptions::default();
    let body = json!({"messages": [], "stream": true, "n": 2}).to_string();
    let body = Body::from(JsonObject::parse(&Bytes::from(body)).expect("an object"));
    let call = Call::prepare(Op::Chat, &target, body, &options).expect("a call");
    let mut decoder = call.decoder().expect("a decoder");
    let mut chunks = Chunks::default();
    let frame = llm_providers::frame::Frame::data(one.to_string());
    decoder.push(frame, &mut chunks).expect("a chunk");
    assert_eq!(
        decoder
            .finish(&mut chunks)
            .expect_err("one is missing")
            .kind,
        Kind::Connection
    );
}

#[test]
fn a_reason_is_given_once() {
    let documents = [
        delta(json!({"content": "x"}), json!("stop")),
        delta(json!({}), json!("stop")),
    ];
    let (chunks, _) = stream("minimax", &documents, true).expect("a stream");
    let reasons: Vec<_> = chunks
        .iter()
        .map(|chunk| chunk["choices"][0]["finish_reason"].clone())
        .collect();
    assert_eq!(reasons, [json!("stop"), Value::Null]);
}

#[test]
fn what_is_no_answer_is_an_error() {
    let cases: &[(&[u8], Kind)] = &[
        (b"", Kind::Decode),
        (b"<html>gateway</html>", Kind::Decode),
        (
            b"{\"choices\":[{\"message\":{\"content\":\"ha",
            Kind::Decode,
        ),
        (b"{}", Kind::Decode),
        (b"[]", Kind::Decode),
        (b"{\"choices\":null}", Kind::Decode),
        (
            br#"{"error":{"message":"Rate limit exceeded","code":429}}"#,
            Kind::RateLimit,
        ),
        (br#"{"error":"nope","choices":[]}"#, Kind::Upstream),
        (
            br#"{"base_resp":{"status_code":1008,"status_msg":"insufficient balance"}}"#,
            Kind::PaymentRequired,
        ),
    ];
    for (reply, kind) in cases {
        let error = whole("minimax", reply).expect_err("an error");
        assert_eq!(
            error.kind,
            *kind,
            "{}: {error}",
            String::from_utf8_lossy(reply)
        );
        assert_eq!(error.provider, "minimax");
    }
}

#[test]
fn an_error_in_a_stream_ends_it() {
    let text = delta(json!({"content": "x"}), Value::Null);
    let mut late = delta(json!({}), json!("error"));
    late["error"] = json!({"code": 502, "message": "Upstream died"});
    let error = stream("openrouter", &[text.clone(), late], true).expect_err("an error");
    assert_eq!(
        (error.kind, error.message.as_str()),
        (Kind::BadGateway, "Upstream died")
    );
    let odd = json!({"detail": "the model is gone"});
    let error = stream("openai_like", &[text, odd], false).expect_err("an error");
    assert!(error.message.contains("the model is gone"), "{error}");
}

#[test]
fn vectors_get_their_missing_fields() {
    let target = Target::new(lookup("nebius").expect("a row"), "e", Credential::None);
    let options = CallOptions::default();
    let body =
        JsonObject::parse(&Bytes::from_static(br#"{"input":["a","b"]}"#)).expect("an object");
    let call = Call::prepare(Op::Embedding, &target, Body::from(body), &options).expect("a call");
    let decode = |reply: &'static [u8]| match call.decode(Reply::ok(reply)) {
        Ok(Step::Done(answer)) => Ok(serde_json::from_slice::<Value>(
            &answer.into_bytes().expect("bytes"),
        )
        .expect("json")),
        Ok(_) => panic!("not at once"),
        Err(e) => Err(e.kind),
    };
    let got = decode(br#"{"data":[{"embedding":[0.1,1e-7]},{"embedding":"AACAPw=="}],"usage":{"prompt_tokens":2,"total_tokens":2}}"#).expect("vectors");
    assert_eq!(
        got["data"][1],
        json!({"embedding": "AACAPw==", "object": "embedding", "index": 1})
    );
    assert_eq!(
        (&got["object"], &got["model"]),
        (&json!("list"), &json!("e"))
    );
    for wrong in [&b"{}"[..], br#"{"data":[{}]}"#, br#"{"data":[1]}"#, b"nope"] {
        assert_eq!(decode(wrong), Err(Kind::Decode));
    }
}

/// Any JSON that a vendor could put where OpenAI has something of its own.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-z\\[\\]1é\"]{0,6}".prop_map(Value::from),
    ];
    let keys = prop::sample::select(vec![
        "content",
        "text",
        "type",
        "thinking",
        "tool_calls",
        "function",
        "name",
        "arguments",
        "id",
        "index",
        "function_call",
        "reasoning",
        "reasoning_details",
        "finish_reason",
        "audio",
        "provider_specific_fields",
    ]);
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((keys.clone(), inner), 0..5).prop_map(|pairs| {
                Value::Object(pairs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())
            }),
        ]
    })
}

proptest! {
    #[test]
    fn any_document_is_an_answer_or_an_error(message in any_json(), reason in any_json(), top in any_json()) {
        let mut document = answer(message.clone(), reason.clone());
        document["usage"] = top.clone();
        document["citations"] = top.clone();
        let _ = whole("openai", document.to_string().as_bytes());
        document["choices"] = top;
        let _ = whole("openai", document.to_string().as_bytes());
        let _ = stream("openai", &[delta(message, reason), document], true);
    }
}
