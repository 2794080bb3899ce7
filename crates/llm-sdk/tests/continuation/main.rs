//! Streams that break: over real sockets, in every dialect, at every byte.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod client;
mod items;
mod searches;
mod upstream;

use client::{Got, ask, engine};
use llm_providers::Kind;
use llm_router::StreamFailover;
use llm_sdk::{Outcome, Way};
use llm_types::Op;
use serde_json::{Value, json};
use upstream::{End, IDEAL, Script, Upstream, Wire, anthropic, chunk, openai, stream};

const DIALECTS: [Op; 3] = [Op::Chat, Op::Messages, Op::Completion];

/// A model behind `url`. `begins`: it takes the beginning of its answer.
fn model(wire: Wire, url: &str, begins: bool) -> Value {
    let (name, base) = match (wire, begins) {
        (Wire::OpenAi | Wire::Text | Wire::Responses, false) => {
            ("openai/gpt-4o", format!("{url}/v1"))
        }
        (Wire::OpenAi | Wire::Text | Wire::Responses, true) => {
            ("hosted_vllm/llama", format!("{url}/v1"))
        }
        (Wire::Anthropic, true) => ("anthropic/claude-opus-4-5", url.to_owned()),
        (Wire::Anthropic, false) => ("anthropic/claude-opus-4-6", url.to_owned()),
        (Wire::Gemini, _) => ("gemini/gemini-2.5-flash", format!("{url}/v1beta")),
    };
    json!({"model": name, "api_key": "k", "api_base": base})
}

fn finish(op: Op) -> &'static str {
    if op == Op::Messages {
        "end_turn"
    } else {
        "stop"
    }
}

/// The stream is one whole answer.
fn is_whole(got: &Got, op: Op, note: &str) {
    assert!(got.error.is_none(), "{note}: {:?}", got.error);
    let said = got.said(op);
    assert_eq!(said.text, IDEAL, "{note}");
    assert_eq!(said.finish, [finish(op)], "{note}");
    assert!(said.usage.is_some(), "{note}: no usage");
    assert_eq!(got.record.outcome, Outcome::Answered, "{note}");
    let usage = got.record.usage.as_ref().unwrap();
    assert!(
        usage.completion_tokens >= 13 || got.record.estimated,
        "{note}"
    );
}

async fn cut_everywhere(first: Wire, second: Wire, begins: bool, op: Op, step: usize) {
    let whole = stream(first, IDEAL).len();
    for at in (0..=whole).step_by(step) {
        let a = Upstream::start(vec![Script::CutAt(at)]).await;
        let b = Upstream::start(vec![Script::GoesOn]).await;
        let models = [model(first, &a.url, begins), model(second, &b.url, begins)];
        let engine = engine(&models, |_| {});
        let got = ask(&engine, op, json!({})).await;
        let note = format!("{first:?} then {second:?} ({begins}), {op:?}, cut at {at} of {whole}");
        is_whole(&got, op, &note);
        let extension = got.said(op).extension.unwrap_or_default();
        let continued = !got.record.continued.is_empty();
        assert_eq!(extension["continued"].is_array(), continued, "{note}");
        let attempts = 1 + b.seen().len();
        assert_eq!(got.record.trace.attempts.len(), attempts, "{note}");
    }
}

#[tokio::test]
async fn openai_s_wire_may_break_at_every_byte() {
    cut_everywhere(Wire::OpenAi, Wire::OpenAi, false, Op::Chat, 1).await;
}

#[tokio::test]
async fn anthropic_s_wire_may_break_anywhere() {
    cut_everywhere(Wire::Anthropic, Wire::Anthropic, true, Op::Messages, 5).await;
}

#[tokio::test]
async fn gemini_s_wire_may_break_anywhere() {
    cut_everywhere(Wire::Gemini, Wire::Gemini, false, Op::Chat, 5).await;
}

#[tokio::test]
async fn any_wire_goes_on_with_any_other_in_any_dialect() {
    let wires = [Wire::OpenAi, Wire::Anthropic, Wire::Gemini];
    for first in wires {
        for second in wires {
            for op in DIALECTS {
                for begins in [false, true] {
                    cut_everywhere(first, second, begins, op, 149).await;
                }
            }
        }
    }
}

/// Half of the answer in OpenAI's wire.
fn half() -> Vec<u8> {
    openai(IDEAL)[..6].concat().into_bytes()
}

async fn two(first: Script, op: Op, more: Value) -> (Got, Upstream, Upstream) {
    let a = Upstream::start(vec![first]).await;
    let b = Upstream::start(vec![Script::GoesOn]).await;
    let models = [
        model(Wire::OpenAi, &a.url, false),
        model(Wire::OpenAi, &b.url, false),
    ];
    let got = ask(&engine(&models, |_| {}), op, more).await;
    (got, a, b)
}

#[tokio::test]
async fn a_vendor_s_error_within_the_stream_is_a_cut() {
    let overloaded =
        "data: {\"error\":{\"message\":\"Overloaded\",\"type\":\"overloaded_error\"}}\n\n";
    let bytes = [half(), overloaded.as_bytes().to_vec()].concat();
    let (got, ..) = two(Script::Bytes(bytes, End::Clean), Op::Chat, json!({})).await;
    is_whole(&got, Op::Chat, "an error event");
    assert_eq!(got.record.continued[0].way, Way::Asked);
    let first = &got.record.trace.attempts[0];
    assert!(first.in_stream && first.error.is_some());

    let events = anthropic(IDEAL)[..6].concat();
    let error = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n";
    let script = Script::Bytes((events + error).into_bytes(), End::Clean);
    let a = Upstream::start(vec![script, Script::GoesOn]).await;
    let engine = engine(&[model(Wire::Anthropic, &a.url, true)], |_| {});
    let got = ask(&engine, Op::Messages, json!({})).await;
    is_whole(&got, Op::Messages, "the same deployment");
    assert_eq!(got.record.continued[0].way, Way::Prefill);
    let messages = a.seen()[1]["messages"].clone();
    assert_eq!(
        messages.as_array().unwrap().last().unwrap()["role"],
        "assistant"
    );
}

#[tokio::test]
async fn a_stalled_stream_is_a_cut() {
    let script = Script::Bytes(half(), End::Stall);
    let (got, ..) = two(script, Op::Chat, json!({"stall_timeout": 0.2})).await;
    is_whole(&got, Op::Chat, "a stall");
    assert_eq!(got.record.continued[0].after, Kind::Timeout);
}

#[tokio::test]
async fn a_role_is_no_answer() {
    let role = chunk(json!({"role": "assistant", "content": ""}), None).into_bytes();
    let script = Script::Bytes(role, End::Stall);
    let (got, _, b) = two(script, Op::Chat, json!({"first_byte_timeout": 0.2})).await;
    is_whole(&got, Op::Chat, "a silent model");
    assert!(got.record.continued.is_empty(), "nothing had been said");
    assert!(got.said(Op::Chat).extension.is_none());
    assert_eq!(b.seen()[0]["messages"].as_array().unwrap().len(), 1);
    assert_eq!(got.record.trace.attempts.len(), 2);
}

#[tokio::test]
async fn one_unreadable_event_kills_no_stream() {
    let mut events = openai(IDEAL);
    events.insert(4, "data: {\"id\": \"c1\", \"cho\n\n".into());
    let script = Script::Bytes(events.concat().into_bytes(), End::Clean);
    let (got, _, b) = two(script.clone(), Op::Chat, json!({})).await;
    is_whole(&got, Op::Chat, "a malformed event");
    assert_eq!((got.record.malformed_events, b.seen().len()), (1, 0));

    let a = Upstream::start(vec![script]).await;
    let strict = engine(&[model(Wire::OpenAi, &a.url, false)], |settings| {
        settings.malformed_events = 0;
        settings.stream_failover = StreamFailover::BeforeContent;
    });
    let got = ask(&strict, Op::Chat, json!({})).await;
    assert_eq!(got.error.unwrap().kind, Kind::Decode);
}

#[tokio::test]
async fn a_missing_end_mark_costs_nothing_where_the_answer_is_whole() {
    let events = openai(IDEAL);
    let without = events[..events.len() - 2].concat().into_bytes();
    for end in [End::Clean, End::Cut] {
        let (got, _, b) = two(Script::Bytes(without.clone(), end), Op::Messages, json!({})).await;
        assert!(got.error.is_none());
        assert_eq!(got.said(Op::Messages).text, IDEAL);
        assert!(b.seen().is_empty());
        assert!(got.record.estimated, "the usage never came");
        assert!(got.record.usage.unwrap().completion_tokens > 5);
    }
}

#[tokio::test]
async fn every_attempt_is_billed_at_its_own_price() {
    let a = Upstream::start(vec![Script::Bytes(half(), End::Cut)]).await;
    let b = Upstream::start(vec![Script::GoesOn]).await;
    let mut models = [
        model(Wire::OpenAi, &a.url, false),
        model(Wire::OpenAi, &b.url, false),
    ];
    models[0]["info"] = json!({"input_cost_per_token": 0.001, "output_cost_per_token": 0.01});
    models[1]["info"] = json!({"input_cost_per_token": 0.1, "output_cost_per_token": 1.0});
    let got = ask(&engine(&models, |_| {}), Op::Chat, json!({})).await;
    is_whole(&got, Op::Chat, "a cut");
    let usage = got.record.usage.clone().unwrap();
    let first = (usage.prompt_tokens - 11, usage.completion_tokens - 13);
    assert!(first.0 > 0 && first.1 > 0 && first.1 < 13, "{first:?}");
    let nanos = first.0 * 1_000_000 + first.1 * 10_000_000 + 11 * 100_000_000 + 13 * 1_000_000_000;
    assert_eq!(got.record.charge.total().unwrap().0, nanos as i64);
    assert!(got.record.estimated);
    let told = got.said(Op::Chat);
    let told_usage = told.usage.unwrap();
    assert_eq!(told_usage["completion_tokens"], usage.completion_tokens);
    let extension = told.extension.unwrap();
    assert_eq!(
        extension["continued"],
        json!([{"from": "d0", "to": "d1", "way": "asked", "after": "connection"}])
    );
    assert_eq!(extension["usage_estimated"], true);
}

#[tokio::test]
async fn what_cannot_be_carried_on_ends_with_an_error() {
    for more in [
        json!({"n": 2}),
        json!({"logprobs": true}),
        json!({"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"}}),
        json!({"stream_failover": "before_content"}),
        json!({"stream_failover": "off"}),
    ] {
        let a = Upstream::start(vec![Script::Bytes(half(), End::Cut)]).await;
        let b = Upstream::start(vec![Script::GoesOn]).await;
        let models = [
            model(Wire::OpenAi, &a.url, false),
            model(Wire::OpenAi, &b.url, false),
        ];
        let engine = engine(&models, |settings| settings.failover_in_group = false);
        let got = ask(&engine, Op::Chat, more.clone()).await;
        let error = got.error.as_ref().unwrap_or_else(|| panic!("{more}"));
        assert!(
            error.mid_stream && error.kind == Kind::Connection,
            "{more}: {error:?}"
        );
        assert!(
            IDEAL.starts_with(&got.said(Op::Chat).text) && got.said(Op::Chat).finish.is_empty()
        );
        assert!(
            matches!(got.record.outcome, Outcome::Failed { .. }),
            "{more}"
        );
        assert!(b.seen().is_empty(), "{more}");
    }
    let refused = "data: {\"error\":{\"message\":\"no\",\"code\":\"content_filter\"}}\n\n";
    let bytes = [half(), refused.as_bytes().to_vec()].concat();
    let (got, _, b) = two(Script::Bytes(bytes, End::Clean), Op::Chat, json!({})).await;
    assert_eq!(got.error.unwrap().kind, Kind::ContentPolicy);
    assert!(b.seen().is_empty());
}

#[tokio::test]
async fn who_wants_no_retries_gets_the_error() {
    let a = Upstream::start(vec![Script::Bytes(half(), End::Cut), Script::GoesOn]).await;
    let engine = engine(&[model(Wire::OpenAi, &a.url, false)], |_| {});
    let got = ask(&engine, Op::Chat, json!({"num_retries": 0})).await;
    assert!(got.error.unwrap().mid_stream);
    assert_eq!(a.seen().len(), 1);
}

#[tokio::test]
async fn the_first_cause_is_told_when_nobody_can_go_on() {
    let a = Upstream::start(vec![Script::Bytes(half(), End::Stall)]).await;
    let b = Upstream::start(vec![Script::Status(500)]).await;
    let models = [
        model(Wire::OpenAi, &a.url, false),
        model(Wire::OpenAi, &b.url, false),
    ];
    let engine = engine(&models, |settings| settings.num_retries = 1);
    let got = ask(&engine, Op::Messages, json!({"stall_timeout": 0.2})).await;
    let error = got.error.unwrap();
    assert_eq!((error.kind, error.mid_stream), (Kind::Timeout, true));
    assert!(got.record.trace.attempts.len() >= 2);
    assert!(matches!(got.record.outcome, Outcome::Failed { .. }));
}

/// A tool call in OpenAI's wire.
fn calling(arguments: &str, size: usize) -> Vec<String> {
    let call = |call: Value| chunk(json!({"tool_calls": [call]}), None);
    let mut events = vec![
        chunk(json!({"role": "assistant", "content": null}), None),
        call(
            json!({"index": 0, "id": "call_a", "type": "function", "function": {"name": "find", "arguments": ""}}),
        ),
    ];
    let chars: Vec<char> = arguments.chars().collect();
    for piece in chars.chunks(size) {
        let piece: String = piece.iter().collect();
        events.push(call(json!({"index": 0, "function": {"arguments": piece}})));
    }
    events.push(chunk(json!({}), Some("tool_calls")));
    events.push("data: [DONE]\n\n".into());
    events
}

fn tools(op: Op) -> Value {
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}});
    match op {
        Op::Messages => json!({"tools": [{"name": "find", "input_schema": schema}]}),
        _ => {
            json!({"tools": [{"type": "function", "function": {"name": "find", "parameters": schema}}]})
        }
    }
}

#[tokio::test]
async fn a_tool_call_is_finished_at_any_cut() {
    let arguments = r#"{"city": "Köln \"am\" Rhein", "days": [1, 2]}"#;
    let first = calling(arguments, 3);
    let second = calling(&arguments.replace(": ", ":"), 5)
        .concat()
        .into_bytes();
    for op in [Op::Chat, Op::Messages] {
        for events in 2..first.len() - 2 {
            let cut = first[..events].concat().into_bytes();
            let a = Upstream::start(vec![Script::Bytes(cut, End::Cut)]).await;
            let b = Upstream::start(vec![Script::Bytes(second.clone(), End::Clean)]).await;
            let models = [
                model(Wire::OpenAi, &a.url, false),
                model(Wire::OpenAi, &b.url, false),
            ];
            let got = ask(&engine(&models, |_| {}), op, tools(op)).await;
            assert!(got.error.is_none(), "{op:?} {events}: {:?}", got.error);
            let said = got.said(op);
            let read: Value = serde_json::from_str(&said.arguments).unwrap();
            assert_eq!(read, serde_json::from_str::<Value>(arguments).unwrap());
            assert_eq!(said.calls.len(), 1);
            let finish = if op == Op::Chat {
                "tool_calls"
            } else {
                "tool_use"
            };
            assert_eq!(said.finish, [finish]);
            let asked = &b.seen()[0];
            assert_eq!(asked["tool_choice"]["function"]["name"], "find");
        }
    }
}

#[tokio::test]
async fn another_call_is_never_joined_to_the_first() {
    let first = calling(r#"{"city": "Köln"}"#, 4);
    let cut = first[..4].concat().into_bytes();
    let other = calling(r#"{"town": "Rom"}"#, 4).concat().into_bytes();
    let a = Upstream::start(vec![Script::Bytes(cut, End::Cut)]).await;
    let b = Upstream::start(vec![Script::Bytes(other, End::Clean)]).await;
    let models = [
        model(Wire::OpenAi, &a.url, false),
        model(Wire::OpenAi, &b.url, false),
    ];
    let got = ask(&engine(&models, |_| {}), Op::Chat, tools(Op::Chat)).await;
    assert!(got.said(Op::Chat).finish.is_empty());
    assert!(got.error.unwrap().mid_stream);
}

#[tokio::test]
async fn a_json_answer_is_given_again_and_only_the_rest_is_sent() {
    let document = r#"{"name": "Möwe", "legs": 2, "tags": ["a", "b"]}"#;
    let first = openai(document);
    let second = openai(&format!("```json\n{}\n```", document.replace(": ", ":")));
    let a = Upstream::start(vec![Script::Bytes(
        first[..4].concat().into_bytes(),
        End::Cut,
    )])
    .await;
    let b = Upstream::start(vec![Script::Bytes(
        second.concat().into_bytes(),
        End::Clean,
    )])
    .await;
    let models = [
        model(Wire::OpenAi, &a.url, false),
        model(Wire::OpenAi, &b.url, false),
    ];
    let more = json!({"response_format": {"type": "json_object"}});
    let got = ask(&engine(&models, |_| {}), Op::Chat, more).await;
    assert!(got.error.is_none());
    let read: Value = serde_json::from_str(&got.said(Op::Chat).text).unwrap();
    assert_eq!(read, serde_json::from_str::<Value>(document).unwrap());
    assert_eq!(got.record.continued[0].way, Way::Document);
}

#[tokio::test]
async fn thinking_is_left_behind_where_nobody_signs_it() {
    let think = |text: &str| chunk(json!({"reasoning_content": text}), None);
    let begun =
        chunk(json!({"role": "assistant", "content": ""}), None) + &think("Hm") + &think(", let");
    let again = begun.clone() + &openai(IDEAL)[1..].concat();
    for op in [Op::Chat, Op::Messages] {
        let a = Upstream::start(vec![Script::Bytes(begun.clone().into_bytes(), End::Cut)]).await;
        let b = Upstream::start(vec![Script::Bytes(again.clone().into_bytes(), End::Clean)]).await;
        let models = [
            model(Wire::OpenAi, &a.url, false),
            model(Wire::OpenAi, &b.url, false),
        ];
        let got = ask(&engine(&models, |_| {}), op, json!({})).await;
        is_whole(&got, op, "thinking");
        let all: String = got
            .events
            .iter()
            .map(|e| String::from_utf8_lossy(&e.data))
            .collect();
        assert!(all.matches("Hm").count() >= 1);
        assert!(all.matches(", let").count() <= 1, "{all}");
    }
}

#[tokio::test]
async fn thinking_that_is_signed_cannot_be_joined() {
    let mut events = anthropic(IDEAL);
    events.truncate(1);
    for (kind, data) in [
        (
            "content_block_start",
            json!({"index": 0, "content_block": {"type": "thinking", "thinking": "", "signature": ""}}),
        ),
        (
            "content_block_delta",
            json!({"index": 0, "delta": {"type": "thinking_delta", "thinking": "Hm"}}),
        ),
    ] {
        let mut data = data;
        data["type"] = kind.into();
        events.push(format!("event: {kind}\ndata: {data}\n\n"));
    }
    let script = Script::Bytes(events.concat().into_bytes(), End::Cut);
    let a = Upstream::start(vec![script, Script::GoesOn]).await;
    let engine = engine(&[model(Wire::Anthropic, &a.url, true)], |_| {});
    let got = ask(&engine, Op::Messages, json!({})).await;
    assert!(got.error.unwrap().mid_stream);
    assert_eq!(a.seen().len(), 1);
}

#[tokio::test]
async fn mistral_is_given_the_beginning_and_repeats_it() {
    let events = openai(IDEAL);
    let cut = Script::Bytes(events[..6].concat().into_bytes(), End::Cut);
    let echo = Script::Bytes(events.concat().into_bytes(), End::Clean);
    let a = Upstream::start(vec![cut, echo]).await;
    let base = format!("{}/v1", a.url);
    let mistral =
        json!({"model": "mistral/mistral-large-latest", "api_key": "k", "api_base": base});
    let got = ask(&engine(&[mistral], |_| {}), Op::Chat, json!({})).await;
    is_whole(&got, Op::Chat, "an echo");
    let last = a.seen()[1]["messages"]
        .as_array()
        .unwrap()
        .last()
        .unwrap()
        .clone();
    assert_eq!(
        (&last["role"], &last["prefix"]),
        (&json!("assistant"), &json!(true))
    );
}

#[tokio::test]
async fn a_stream_may_break_again_and_again() {
    let events = openai(IDEAL);
    let a = Upstream::start(vec![
        Script::Bytes(events[..4].concat().into_bytes(), End::Cut),
        Script::GoesOn,
    ])
    .await;
    let more = openai(&IDEAL[events_len(&events, 3)..]);
    let b = Upstream::start(vec![Script::Bytes(
        more[..3].concat().into_bytes(),
        End::Cut,
    )])
    .await;
    let models = [
        model(Wire::OpenAi, &a.url, false),
        model(Wire::OpenAi, &b.url, false),
    ];
    let got = ask(
        &engine(&models, |settings| settings.num_retries = 5),
        Op::Chat,
        json!({}),
    )
    .await;
    is_whole(&got, Op::Chat, "two cuts");
    assert_eq!(got.record.continued.len(), 2);
}

/// How many bytes the first `n` tokens are.
fn events_len(events: &[String], n: usize) -> usize {
    let texts = events[1..=n].iter().map(|event| {
        let data: Value =
            serde_json::from_str(event.strip_prefix("data: ").unwrap().trim()).unwrap();
        data["choices"][0]["delta"]["content"]
            .as_str()
            .unwrap()
            .len()
    });
    texts.sum()
}
