//! What comes back, whole and streamed.

use llm_providers::{Call, CallOptions, Kind, Reply};
use llm_types::Op;
use serde_json::{Map, Value, json};

use crate::{answer, asking, chat, decode, fixture, json_of, object, sent, target, vertex};

#[test]
fn an_answer() {
    let target = target("gemini-2.5-flash");
    insta::assert_json_snapshot!(
        "answer",
        answer(&asking(&target, false), &fixture("answer.json")).unwrap()
    );
}

#[test]
fn a_stream() {
    let target = target("gemini-2.5-flash");
    let (chunks, end) = decode(
        &asking(&target, true),
        fixture("answer.sse").as_bytes(),
        usize::MAX,
    );
    end.unwrap();
    insta::assert_json_snapshot!("stream", json_of(chunks.items));
}

/// Puts a stream's chunks together, as a client would.
fn fold(chunks: &[Value]) -> Value {
    let (mut whole, mut message, mut choice) = (Map::new(), Map::new(), Map::new());
    for chunk in chunks {
        for (key, value) in chunk.as_object().unwrap() {
            if key != "choices" && key != "object" {
                whole.insert(key.clone(), value.clone());
            }
        }
        let Some(new) = chunk["choices"].get(0) else {
            continue;
        };
        for (key, value) in new.as_object().unwrap() {
            if key != "delta" {
                choice.insert(key.clone(), value.clone());
            }
        }
        add(&mut message, new["delta"].as_object().unwrap());
    }
    for call in message
        .get_mut("tool_calls")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        call.as_object_mut().unwrap().remove("index");
    }
    message.entry("content").or_insert(Value::Null);
    choice.insert("message".into(), message.into());
    whole.insert("object".into(), "chat.completion".into());
    whole.insert("choices".into(), json!([choice]));
    whole.into()
}

fn add(into: &mut Map<String, Value>, delta: &Map<String, Value>) {
    for (key, value) in delta {
        match (into.get_mut(key), value) {
            (Some(Value::String(text)), Value::String(more)) if key != "role" => {
                text.push_str(more)
            }
            (Some(Value::Array(blocks)), Value::Array(more)) if key == "thinking_blocks" => {
                let last = blocks.last_mut().unwrap();
                let more = more[0]["thinking"].as_str().unwrap();
                last["thinking"] = format!("{}{more}", last["thinking"].as_str().unwrap()).into();
            }
            (Some(Value::Array(list)), Value::Array(more)) => list.extend(more.iter().cloned()),
            (Some(Value::Object(map)), Value::Object(more)) => add(map, more),
            (_, value) => {
                into.insert(key.clone(), value.clone());
            }
        }
    }
}

#[test]
fn a_stream_says_what_the_whole_answer_says() {
    let target = target("gemini-2.5-flash");
    let whole = answer(&asking(&target, false), &fixture("answer.json")).unwrap();
    let (chunks, end) = decode(
        &asking(&target, true),
        fixture("answer.sse").as_bytes(),
        usize::MAX,
    );
    end.unwrap();
    let usage = serde_json::to_value(&chunks.usage).unwrap();
    assert_eq!(usage, whole["usage"]);
    assert_eq!(fold(&json_of(chunks.items)), whole);
}

#[test]
fn a_stream_says_the_same_however_it_is_cut() {
    let target = target("gemini-2.5-flash");
    let call = asking(&target, true);
    let body = fixture("answer.sse");
    let whole = decode(&call, body.as_bytes(), usize::MAX).0.items;
    for size in [1, 2, 3, 7, 64, 1021] {
        assert_eq!(
            decode(&call, body.as_bytes(), size).0.items,
            whole,
            "{size}"
        );
    }
    let crlf = body.replace('\n', "\r\n");
    assert_eq!(decode(&call, crlf.as_bytes(), 5).0.items, whole);
}

#[test]
fn a_stream_that_was_cut_is_an_error() {
    let target = target("gemini-2.5-flash");
    let call = asking(&target, true);
    let body = fixture("answer.sse");
    let finished = body.find("finishReason").unwrap();
    let finished = finished + body[finished..].find('\n').unwrap();
    for end in 0..finished {
        let (_, result) = decode(&call, &body.as_bytes()[..end], usize::MAX);
        assert!(result.is_err(), "cut at {end}");
    }
    assert!(
        decode(&call, &body.as_bytes()[..finished], usize::MAX)
            .1
            .is_ok()
    );
}

#[test]
fn a_stream_may_break_off_with_an_error() {
    let target = target("gemini-2.5-flash");
    let call = asking(&target, true);
    let first = fixture("answer.sse").lines().next().unwrap().to_owned();
    let broken = format!(
        "{first}\n\ndata: {}\n\n",
        json!({"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}})
    );
    let (chunks, end) = decode(&call, broken.as_bytes(), usize::MAX);
    assert_eq!(chunks.items.len(), 1);
    let error = end.unwrap_err();
    assert_eq!(error.status.unwrap().as_u16(), 503);
    assert!(error.message.contains("overloaded"), "{error}");
}

#[test]
fn usage_has_a_chunk_only_where_it_is_wanted() {
    let target = target("gemini-2.5-flash");
    let mut call = asking(&target, true);
    call.include_usage = false;
    let (chunks, _) = decode(&call, fixture("answer.sse").as_bytes(), usize::MAX);
    assert!(chunks.usage.is_some());
    assert!(
        json_of(chunks.items)
            .iter()
            .all(|chunk| chunk["choices"][0]["index"] == 0 && chunk.get("usage").is_none())
    );
}

#[test]
fn a_blocked_prompt_is_an_answer_without_content() {
    let target = target("gemini-2.5-flash");
    let blocked = json!({"promptFeedback": {"blockReason": "SAFETY", "blockReasonMessage": "no"}, "responseId": "r"}).to_string();
    let whole = answer(&asking(&target, false), &blocked).unwrap();
    let choice = &whole["choices"][0];
    assert_eq!(choice["finish_reason"], "content_filter");
    assert_eq!(choice["message"]["content"], Value::Null);
    assert_eq!(
        choice["provider_specific_fields"],
        json!({"native_finish_reason": "SAFETY", "finish_message": "no"})
    );
    let (chunks, end) = decode(
        &asking(&target, true),
        format!("data: {blocked}\n\n").as_bytes(),
        usize::MAX,
    );
    end.unwrap();
    assert_eq!(fold(&json_of(chunks.items)), whole);
}

#[test]
fn every_candidate_must_finish() {
    let target = target("gemini-2.5-flash");
    let call = asking(&target, true);
    let part = |text: &str, index: u64, finish: Option<&str>| {
        let content = json!({"role": "model", "parts": [{"text": text}]});
        let event = json!({"candidates": [{"index": index, "content": content, "finishReason": finish}], "responseId": "r"});
        format!("data: {event}\n\n")
    };
    let both = part("a", 0, Some("STOP")) + &part("b", 1, Some("MAX_TOKENS"));
    let (chunks, end) = decode(&call, both.as_bytes(), usize::MAX);
    end.unwrap();
    let last = json_of(chunks.items).pop().unwrap();
    assert_eq!(last["choices"][1]["finish_reason"], "length");
    let one = part("a", 0, Some("STOP")) + &part("b", 1, None);
    assert!(decode(&call, one.as_bytes(), usize::MAX).1.is_err());
}

#[test]
fn clients_that_speak_generate_content_are_passed_through() {
    let asked = json!({"contents": [{"parts": [{"text": "Hi"}]}], "generation_config": {"top_k": 3}, "odd": [1]});
    let gemini = target("gemini-2.5-flash");
    assert_eq!(
        sent(&gemini, Op::GenerateContent, &asked).unwrap()["body"],
        asked
    );
    let here = sent(&vertex("gemini-x"), Op::GenerateContent, &asked).unwrap();
    assert!(
        here["uri"]
            .as_str()
            .unwrap()
            .ends_with("/models/gemini-x:generateContent")
    );
    let mut streamed = asked.clone();
    streamed["stream"] = true.into();
    let streaming = sent(&gemini, Op::GenerateContent, &streamed).unwrap();
    assert_eq!(streaming["body"], asked);
    assert!(
        streaming["uri"]
            .as_str()
            .unwrap()
            .ends_with(":streamGenerateContent?alt=sse")
    );
    let options = CallOptions::default();
    let call = Call::prepare(Op::GenerateContent, &gemini, object(&streamed), &options).unwrap();
    let whole = answer(&call, &fixture("answer.json")).unwrap();
    assert_eq!(whole, chat("answer.json"));
    let body = fixture("answer.sse");
    let (chunks, end) = decode(&call, body.as_bytes(), 11);
    end.unwrap();
    assert_eq!(chunks.usage.unwrap().completion_tokens, 28);
    let events: Vec<Value> = body
        .lines()
        .filter_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok())
        .collect();
    assert_eq!(json_of(chunks.items), events);
    let cut = body.find("finishReason").unwrap();
    assert!(
        decode(
            &call,
            &body.as_bytes()[..body[..cut].rfind("data").unwrap()],
            11
        )
        .1
        .is_err()
    );
    let error = sent(&vertex("claude-x"), Op::GenerateContent, &asked).unwrap_err();
    assert_eq!(error.kind, Kind::Unsupported);
}

#[test]
fn replaced_tool_names_come_back_as_the_callers() {
    let target = target("gemini-2.5-flash");
    let options = CallOptions::default();
    let body = json!({"messages": [], "tools": [{"type": "function", "function": {"name": "look up/it"}}]});
    let call = Call::prepare(Op::Chat, &target, object(&body), &options).unwrap();
    let reply = json!({"candidates": [{"content": {"parts": [{"functionCall": {"name": "look_up_it", "args": {}}}]}, "finishReason": "STOP"}]});
    let got = answer(&call, &reply.to_string()).unwrap();
    let call = &got["choices"][0]["message"]["tool_calls"][0];
    assert_eq!(call["function"]["name"], "look up/it");
}

#[test]
fn gemmas_answer_is_inside_predicts() {
    let target = vertex("gemma/1");
    let inner = json!({"id": "1", "object": "chat.completion", "created": 1, "model": "gemma", "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}]});
    let reply = json!({ "predictions": inner }).to_string();
    assert_eq!(answer(&asking(&target, false), &reply).unwrap(), inner);
    let (chunks, end) = decode(&asking(&target, true), reply.as_bytes(), 9);
    end.unwrap();
    let folded = fold(&json_of(chunks.items));
    assert_eq!(folded["choices"], inner["choices"]);
    assert!(
        decode(&asking(&target, true), &reply.as_bytes()[..20], 9)
            .1
            .is_err()
    );
}

proptest::proptest! {
    /// Whatever comes in the place of an event's parts is read or refused, never a panic.
    #[test]
    fn any_event_is_chunks_or_an_error(noise in "[\\[\\]{}\",:a-z0-9 ]{0,60}", at in 0_usize..400, bytes: Vec<u8>) {
        let target = target("gemini-2.5-flash");
        let call = asking(&target, true);
        let mut body = fixture("answer.sse");
        let at = (0..=at).rev().find(|at| body.is_char_boundary(*at)).unwrap();
        body.insert_str(at, &noise);
        let _ = decode(&call, body.as_bytes(), 64);
        let _ = decode(&call, &bytes, 3);
        let _ = call.decode(Reply::ok(bytes));
    }
}
