//! Laws of Anthropic's wire: a stream says what the whole answer says, however its bytes were cut, and never ends well
//! before its end.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use bytes::Bytes;
use llm_providers::{
    Body, Call, CallOptions, Chunk, Chunks, Credential, Error, Framing, Reply, Step, Target,
    frame::Splitter, lookup,
};
use llm_types::{ChatResponse, JsonObject, Op};
use proptest::prelude::*;
use serde_json::{Value, json};

fn target() -> Target {
    let row = lookup("anthropic").expect("the row");
    Target::new(row, "claude-3-7-sonnet-20250219", Credential::key("k"))
}

fn asked() -> JsonObject {
    let body = json!({"messages": [{"role": "user", "content": "Hi"}], "stream": true, "web_search_options": {},
        "stream_options": {"include_usage": true},
        "tools": [{"type": "function", "function": {"name": "a.tool"}}]});
    JsonObject::parse(&Bytes::from(body.to_string())).expect("an object")
}

fn with_call<T>(then: impl FnOnce(&Call<'_>) -> T) -> T {
    let (target, options) = (target(), CallOptions::default());
    let call = Call::prepare(Op::Chat, &target, Body::from(asked()), &options).expect("a call");
    then(&call)
}

fn whole(message: &Value) -> ChatResponse {
    with_call(|call| {
        match call
            .decode(Reply::ok(message.to_string()))
            .expect("an answer")
        {
            Step::Done(answer) => answer.into_chat().expect("chat"),
            _ => panic!("nothing is polled here"),
        }
    })
}

/// The stream that tells `message`, its texts and inputs in pieces of `size` characters.
fn told(message: &Value, size: usize) -> Bytes {
    let mut start = message.clone();
    start["content"] = json!([]);
    start["stop_reason"] = Value::Null;
    let mut events = vec![
        json!({"type": "message_start", "message": start}),
        json!({"type": "ping"}),
    ];
    for (index, block) in message["content"]
        .as_array()
        .expect("blocks")
        .iter()
        .enumerate()
    {
        let mut empty = block.clone();
        let mut deltas = Vec::new();
        let mut tell = |kind: &str, key: &str, text: &str| {
            let chars: Vec<char> = text.chars().collect();
            for piece in chars.chunks(size) {
                let mut delta = json!({"type": kind});
                delta[key] = piece.iter().collect::<String>().into();
                deltas.push(delta);
            }
        };
        match block["type"].as_str().expect("a type") {
            "text" => {
                tell(
                    "text_delta",
                    "text",
                    block["text"].as_str().expect("a text"),
                );
                empty["text"] = "".into();
            }
            "thinking" => {
                tell(
                    "thinking_delta",
                    "thinking",
                    block["thinking"].as_str().expect("a text"),
                );
                let signature = block["signature"].as_str().expect("a text");
                tell("signature_delta", "signature", &signature[..0]);
                deltas.push(json!({"type": "signature_delta", "signature": signature}));
                (empty["thinking"], empty["signature"]) = ("".into(), "".into());
            }
            "tool_use" | "server_tool_use" => {
                tell(
                    "input_json_delta",
                    "partial_json",
                    &block["input"].to_string(),
                );
                empty["input"] = json!({});
            }
            _ => {}
        }
        events.push(json!({"type": "content_block_start", "index": index, "content_block": empty}));
        for delta in deltas {
            events.push(json!({"type": "content_block_delta", "index": index, "delta": delta}));
        }
        events.push(json!({"type": "content_block_stop", "index": index}));
    }
    let delta = json!({"stop_reason": message["stop_reason"], "stop_sequence": null});
    events.push(json!({"type": "message_delta", "delta": delta, "usage": {"output_tokens": message["usage"]["output_tokens"]}}));
    events.push(json!({"type": "message_stop"}));
    let sse: String = events
        .iter()
        .map(|event| {
            format!(
                "event: {}\r\ndata: {event}\r\n\r\n",
                event["type"].as_str().expect("a type")
            )
        })
        .collect();
    sse.into()
}

fn read(pieces: &[Bytes]) -> (Chunks, Result<(), Error>) {
    with_call(|call| {
        let (mut splitter, mut decoder) = (
            Splitter::new(Framing::Sse),
            call.decoder().expect("a decoder"),
        );
        let (mut frames, mut chunks) = (Vec::new(), Chunks::default());
        for piece in pieces {
            splitter.push(piece.clone(), &mut frames).expect("frames");
        }
        splitter.finish(&mut frames).expect("frames");
        for frame in frames {
            if let Err(e) = decoder.push(frame, &mut chunks) {
                return (chunks, Err(e));
            }
        }
        let end = decoder.finish(&mut chunks);
        (chunks, end)
    })
}

/// A whole answer of a stream's chunks, in the fields that both have.
fn folded(items: Vec<Chunk>) -> Value {
    let (mut text, mut reasoning, mut finish) = (String::new(), String::new(), Value::Null);
    let (mut calls, mut signatures): (Vec<(String, String, String)>, Vec<String>) =
        Default::default();
    let (mut fields, mut usage) = (Value::Null, Value::Null);
    for chunk in items {
        let chunk = chunk.into_chat().expect("a chat chunk");
        if let Some(count) = chunk.usage {
            assert!(chunk.choices.is_empty(), "usage has a chunk of its own");
            usage = json!(count);
        }
        let Some(choice) = chunk.choices.into_iter().next() else {
            continue;
        };
        text += choice.delta.content.as_deref().unwrap_or_default();
        reasoning += choice
            .delta
            .reasoning_content
            .as_deref()
            .unwrap_or_default();
        signatures.extend(choice.delta.thinking_blocks.iter().filter_map(seal));
        for call in choice.delta.tool_calls {
            let at = call.index.expect("an index") as usize;
            if at == calls.len() {
                calls.push(Default::default());
            }
            calls[at].0 += call.id.as_deref().unwrap_or_default();
            calls[at].1 += call.function.name.as_deref().unwrap_or_default();
            calls[at].2 += &call.function.arguments;
        }
        if let Some(reason) = choice.finish_reason {
            finish = reason.into();
            fields = json!(choice.delta.provider_specific_fields.get("content_blocks"));
        }
    }
    json!({"text": text, "reasoning": reasoning, "signatures": signatures, "calls": calls, "finish": finish,
        "blocks": fields, "usage": usage})
}

fn seal(block: &llm_types::ThinkingBlock) -> Option<String> {
    match block {
        llm_types::ThinkingBlock::Thinking { signature, .. } => signature.clone(),
        llm_types::ThinkingBlock::RedactedThinking { data } => Some(data.clone()),
    }
}

fn shape(response: &ChatResponse) -> Value {
    let choice = &response.choices[0];
    let message = &choice.message;
    let calls: Vec<_> = message
        .tool_calls
        .iter()
        .map(|call| {
            (
                call.id.clone(),
                call.function.name.clone(),
                call.function.arguments.clone(),
            )
        })
        .collect();
    json!({
        "text": message.content.as_ref().map(|c| c.text()).unwrap_or_default(),
        "reasoning": message.reasoning_content.clone().unwrap_or_default(),
        "signatures": message.thinking_blocks.iter().filter_map(seal).collect::<Vec<_>>(),
        "calls": calls, "finish": choice.finish_reason,
        "blocks": message.provider_specific_fields.get("content_blocks"), "usage": response.usage,
    })
}

fn block() -> impl Strategy<Value = Value> {
    let input = proptest::collection::btree_map("[a-zé\"]{1,3}", ".{0,5}", 0..3);
    prop_oneof![
        ".{1,12}".prop_map(|text| json!({"type": "text", "text": text})),
        ("[a-z ]{1,9}", "[A-Z]{4}").prop_map(|(text, signature)| json!({"type": "thinking", "thinking": text, "signature": signature})),
        "[a-z]{1,5}".prop_map(|data| json!({"type": "redacted_thinking", "data": data})),
        ("[a-z0-9]{1,6}", prop_oneof![Just("a_tool"), Just("other")], input)
            .prop_map(|(id, name, input)| json!({"type": "tool_use", "id": id, "name": name, "input": input})),
        "[a-z]{1,5}".prop_map(|query| json!({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": query}})),
        Just(json!({"type": "web_search_tool_result", "tool_use_id": "s", "content": [{"type": "web_search_result", "url": "https://x"}]})),
    ]
}

fn message() -> impl Strategy<Value = Value> {
    (
        proptest::collection::vec(block(), 0..6),
        prop_oneof![Just("end_turn"), Just("tool_use"), Just("max_tokens"), Just("refusal")],
        0u64..1000,
    )
        .prop_map(|(content, reason, tokens)| json!({
            "id": "msg_1", "type": "message", "role": "assistant", "model": "c", "content": content,
            "stop_reason": reason, "stop_sequence": null,
            "usage": {"input_tokens": 3, "cache_read_input_tokens": 2, "output_tokens": tokens},
        }))
}

proptest! {
    #[test]
    fn a_stream_says_what_the_answer_says(message in message(), size in 1usize..6, cut: prop::sample::Index) {
        let body = told(&message, size);
        let (first, second) = (body.slice(..cut.index(body.len())), body.slice(cut.index(body.len())..));
        let (chunks, end) = read(&[first, second]);
        prop_assert!(end.is_ok() && chunks.done);
        prop_assert_eq!(folded(chunks.items), shape(&whole(&message)));
    }

    #[test]
    fn a_stream_that_is_cut_is_no_answer(message in message(), cut: prop::sample::Index) {
        let body = told(&message, 3);
        let end = position_of(&body, b"event: message_delta");
        let (chunks, end) = read(&[body.slice(..cut.index(end))]);
        prop_assert!(end.is_err() && !chunks.done);
    }

    #[test]
    fn any_bytes_are_chunks_or_an_error(bytes: Vec<u8>) {
        let mut body = b"data: {\"type\":".to_vec();
        body.extend(bytes);
        let (chunks, end) = read(&[body.into()]);
        prop_assert!(end.is_err() && !chunks.done);
    }
}

fn position_of(body: &[u8], word: &[u8]) -> usize {
    body.windows(word.len())
        .position(|window| window == word)
        .expect("the word")
}

#[test]
fn an_end_mark_is_an_end_without_a_reason() {
    let events = "data: {\"type\":\"message_start\",\"message\":{\"type\":\"message\",\"usage\":{}}}\n\ndata: {\"type\":\"message_stop\"}\n\n";
    let (chunks, end) = read(&[Bytes::from_static(events.as_bytes())]);
    assert!(end.is_ok() && chunks.done);
    assert_eq!(folded(chunks.items)["finish"], "stop");
}

#[test]
fn a_document_in_place_of_a_stream_is_told_too() {
    let message = json!({"id": "m", "type": "message", "content": [{"type": "text", "text": "Hi"}], "stop_reason": "end_turn",
        "usage": {"input_tokens": 1, "output_tokens": 2}});
    let (chunks, end) = read(&[Bytes::from(format!("data: {message}\n\n"))]);
    assert!(end.is_ok() && chunks.done);
    assert_eq!(folded(chunks.items), shape(&whole(&message)));
}
