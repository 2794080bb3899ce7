//! Whatever a vendor streams, a client of Google's dialect gets events that say what the whole answer would have said.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod script;

use bytes::Bytes;
use llm_providers::{
    CallOptions, Error, Kind,
    bridges::{Bridge, generate::Generate},
};
use llm_types::{ChatChunk, JsonObject};
use proptest::prelude::*;
use script::{Dice, Script, delta, scripts};
use serde_json::{Value, json};

fn object(value: &Value) -> JsonObject {
    JsonObject::parse(&Bytes::from(value.to_string())).expect("an object")
}

fn asked() -> JsonObject {
    object(&json!({"model": "asked", "contents": [{"parts": [{"text": "Hi"}]}]}))
}

fn events(chunks: Vec<ChatChunk>) -> Vec<Value> {
    let (mut stream, mut events) = (Generate.stream(&asked()), Vec::new());
    for chunk in chunks {
        stream.push(chunk, &mut events).expect("events");
    }
    stream.finish(&mut events).expect("an end");
    events
        .iter()
        .map(|event| {
            assert_eq!(event.name, None, "Google's events have no names");
            serde_json::from_slice(&event.data).expect("json")
        })
        .collect()
}

fn whole(script: &Script) -> Value {
    let bytes = Generate
        .response(&asked(), script.response())
        .expect("an answer");
    serde_json::from_slice(&bytes).expect("json")
}

/// Texts of one kind that follow each other are one; empty ones say nothing.
fn merged(parts: &[Value]) -> Vec<Value> {
    let mut all: Vec<Value> = Vec::new();
    for part in parts {
        let is_text = part.get("text").is_some();
        let sealed = |part: &Value| part.get("thoughtSignature").is_some();
        match all.last_mut() {
            Some(last)
                if is_text
                    && last.get("text").is_some()
                    && last["thought"] == part["thought"]
                    && !sealed(last) =>
            {
                let text = last["text"].as_str().expect("a text").to_owned();
                last["text"] = (text + part["text"].as_str().expect("a text")).into();
                if sealed(part) {
                    last["thoughtSignature"] = part["thoughtSignature"].clone();
                }
            }
            _ => all.push(part.clone()),
        }
    }
    all.retain(|part| part["text"] != "" || part.get("thoughtSignature").is_some());
    all
}

/// Puts events together as Google's own clients do, and refuses what breaks their grammar.
fn folded(events: &[Value]) -> Value {
    let mut parts = Vec::new();
    for (i, event) in events.iter().enumerate() {
        let is_last = i + 1 == events.len();
        assert_eq!(event.get("usageMetadata").is_some(), is_last);
        let candidate = &event["candidates"][0];
        assert_eq!(
            candidate.get("finishReason").is_some(),
            is_last,
            "one end, and last"
        );
        assert_eq!(candidate["content"]["role"], "model");
        let new = candidate["content"]["parts"].as_array().expect("parts");
        assert!(!new.is_empty(), "no event without parts");
        parts.extend(new.iter().cloned());
    }
    let mut last = events.last().expect("an end").clone();
    last["candidates"][0]["content"]["parts"] = merged(&parts).into();
    last
}

proptest! {
    #[test]
    fn a_stream_says_what_the_answer_says(
        script in scripts(),
        dice in proptest::collection::vec(any::<u8>(), 1..40),
        interleaved: bool,
    ) {
        let chunks = script.chunks(&mut Dice(dice, 0), interleaved);
        let mut expected = whole(&script);
        let parts = &mut expected["candidates"][0]["content"]["parts"];
        *parts = merged(parts.as_array().expect("parts")).into();
        prop_assert_eq!(folded(&events(chunks)), expected);
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

    #[test]
    fn any_contents_are_a_request_or_a_refusal_that_names_its_field(
        contents in proptest::collection::vec(content(), 1..6),
    ) {
        match Generate.request(&object(&json!({"model": "m", "contents": contents})), &CallOptions::default()) {
            Ok(chat) => {
                llm_types::ChatRequest::from_object(&chat).expect("a chat request");
            }
            Err(e) => prop_assert!(e.param.is_some_and(|param| param.starts_with("contents"))),
        }
    }
}

fn content() -> impl Strategy<Value = Value> {
    let part = prop_oneof![
        Just(json!({"text": "x"})),
        Just(json!({"text": 5})),
        Just(json!({})),
        Just(json!(7)),
        Just(json!({"inlineData": {"mimeType": "image/png", "data": "aaaa"}})),
        Just(json!({"inline_data": {"mime_type": "audio/mp3", "data": "aaaa"}})),
        Just(json!({"fileData": {"fileUri": "gs://b/o"}})),
        Just(json!({"functionCall": {"name": "f", "args": {"a": 1}}, "thoughtSignature": "c2ln"})),
        Just(json!({"functionResponse": {"name": "f", "response": {"r": 1}}})),
        Just(json!({"executableCode": {"code": "1"}})),
        Just(json!({"text": "hm", "thought": true, "thought_signature": "%%"})),
    ];
    let roles = vec![
        json!("user"),
        json!("model"),
        json!("judge"),
        Value::Null,
        json!(3),
    ];
    (
        proptest::sample::select(roles),
        proptest::collection::vec(part, 0..4),
    )
        .prop_map(|(role, parts)| json!({"role": role, "parts": parts}))
}

fn chatted(body: &Value) -> Value {
    let chat = Generate
        .request(&object(body), &CallOptions::default())
        .expect("a chat request");
    serde_json::from_slice(&chat.to_bytes()).expect("json")
}

#[test]
fn a_request_over_chat() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../fixtures/generate/full.json"
    );
    let body =
        JsonObject::parse(&std::fs::read(path).expect("a fixture").into()).expect("an object");
    let options = CallOptions::default();
    let chat = Generate.request(&body, &options).expect("a chat request");
    let chat: Value = serde_json::from_slice(&chat.to_bytes()).expect("json");
    insta::assert_json_snapshot!(json!({"chat": chat, "losses": Generate.losses(&body, &options)}));
}

#[test]
fn a_chat_answer_as_googles() {
    let call = json!({"index": 0, "id": "call_7__thought__c2ln", "type": "function", "function": {"name": "look", "arguments": "{\"at\":1}"}});
    let answer = json!({"id": "c7", "created": 1700000000, "model": "m-1",
        "usage": {"prompt_tokens": 20, "completion_tokens": 7, "total_tokens": 27,
            "prompt_tokens_details": {"cached_tokens": 5}, "completion_tokens_details": {"reasoning_tokens": 3}},
        "choices": [{"index": 0, "finish_reason": "tool_calls", "message": {"role": "assistant", "content": "Hi",
            "annotations": [{"type": "url_citation", "url_citation": {"url": "https://example.com", "title": "E", "start_index": 0, "end_index": 2}}],
            "thinking_blocks": [{"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}, {"type": "redacted_thinking", "data": "c2VhbGVk"}],
            "images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0="}}], "tool_calls": [call]}},
            {"index": 1, "finish_reason": "length", "message": {"role": "assistant", "content": "Ho"}}]});
    let answer = serde_json::from_value(answer).expect("an answer");
    let bytes = Generate.response(&asked(), answer).expect("an answer");
    let whole: Value = serde_json::from_slice(&bytes).expect("json");
    insta::assert_json_snapshot!(whole);
}

#[test]
fn both_spellings_are_read() {
    let snake = chatted(
        &json!({"contents": [{"parts": [{"text": "x"}]}], "system_instruction": {"parts": [{"text": "s"}]},
        "generation_config": {"max_output_tokens": 5, "thinking_config": {"thinking_budget": 0}, "response_mime_type": "application/json"},
        "tools": [{"function_declarations": [{"name": "f", "parameters_json_schema": {"type": "object"}}]}],
        "tool_config": {"function_calling_config": {"mode": "ANY"}}}),
    );
    let camel = chatted(
        &json!({"contents": [{"parts": [{"text": "x"}]}], "systemInstruction": {"parts": [{"text": "s"}]},
        "generationConfig": {"maxOutputTokens": 5, "thinkingConfig": {"thinkingBudget": 0}, "responseMimeType": "application/json"},
        "tools": [{"functionDeclarations": [{"name": "f", "parametersJsonSchema": {"type": "object"}}]}],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY"}}}),
    );
    assert_eq!(snake, camel);
    assert_eq!(camel["tool_choice"]["function"]["name"], "f");
    assert_eq!(camel["reasoning_effort"], "none");
}

#[test]
fn thoughts_and_calls_go_back_with_their_seals() {
    let script = Script {
        thoughts: vec![("Hm".into(), "c2ln".into())],
        text: "Yes.".into(),
        calls: vec![script::Call {
            id: "c1".into(),
            name: "f".into(),
            arguments: "{\"a\":1}".into(),
        }],
        finish: "tool_calls",
    };
    // As it came whole, and as it came in pieces.
    let one = whole(&script)["candidates"][0]["content"].clone();
    let chunks = script.chunks(&mut Dice(vec![0], 0), false);
    let pieces: Vec<Value> = events(chunks)
        .iter()
        .flat_map(|event| {
            event["candidates"][0]["content"]["parts"]
                .as_array()
                .expect("parts")
                .clone()
        })
        .collect();
    for content in [one, json!({"role": "model", "parts": pieces})] {
        let answered = json!({"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"ok": true}}}]});
        let chat = chatted(&json!({"contents": [content, answered]}));
        let turn = &chat["messages"][0];
        assert_eq!(
            turn["thinking_blocks"],
            json!([{"type": "thinking", "thinking": "Hm", "signature": "c2ln"}])
        );
        assert_eq!(turn["tool_calls"][0]["id"], "c1");
        assert_eq!(chat["messages"][1]["tool_call_id"], "c1");
        assert_eq!(chat["messages"][1]["content"], "{\"ok\":true}");
    }
}

fn refused(body: Value) -> Error {
    Generate
        .request(&object(&body), &CallOptions::default())
        .expect_err("refused")
}

#[test]
fn what_chat_cannot_say_is_refused_by_name() {
    let contents = json!([{"parts": [{"text": "x"}]}]);
    let with = |key: &str, value: Value| {
        let mut body = json!({"contents": contents});
        body[key] = value;
        body
    };
    for (body, param) in [
        (json!({}), "contents"),
        (
            with("cachedContent", json!("cachedContents/1")),
            "cachedContent",
        ),
        (
            with("tools", json!([{"codeExecution": {}}])),
            "tools[0].codeExecution",
        ),
        (
            with("generationConfig", json!({"speechConfig": {}})),
            "generationConfig.speechConfig",
        ),
        (
            with(
                "generationConfig",
                json!({"responseMimeType": "text/x.enum"}),
            ),
            "generationConfig.responseMimeType",
        ),
        (
            json!({"contents": [{"role": "judge", "parts": []}]}),
            "contents[0].role",
        ),
        (
            json!({"contents": [{"parts": [{"functionResponse": {"name": "f"}}]}]}),
            "contents[0].parts[0].functionResponse.name",
        ),
    ] {
        let error = refused(body);
        assert_eq!(error.param.as_deref(), Some(param), "{error}");
    }
    assert_eq!(
        refused(with("tools", json!([{"urlContext": {}}]))).kind,
        Kind::UnsupportedParams
    );
}
