//! What Anthropic's wire does with each thing a caller may say, and with each way an answer may fail.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use bytes::Bytes;
use llm_providers::{
    Body, Call, CallOptions, Chunks, Credential, Error, Framing, Kind, Notice, Reply, Step, Target,
    bridges, frame::Splitter, lookup,
};
use llm_types::{ChatResponse, JsonObject, Op};
use serde_json::{Value, json};

const OLD: &str = "claude-3-7-sonnet-20250219";
const NEW: &str = "claude-opus-4-8";

fn claude(model: &str) -> Target {
    Target::new(
        lookup("anthropic").expect("the row"),
        model,
        Credential::key("k"),
    )
}

fn object(value: Value) -> JsonObject {
    JsonObject::parse(&Bytes::from(value.to_string())).expect("an object")
}

fn hi() -> Value {
    json!([{"role": "user", "content": "Hi"}])
}

fn try_send(
    target: &Target,
    body: Value,
    options: &CallOptions,
) -> Result<(Value, Vec<Notice>), Error> {
    let call = Call::prepare(Op::Chat, target, Body::from(object(body)), options)?;
    let request = call.encode()?;
    Ok((
        serde_json::from_slice(request.body().bytes().expect("in memory")).expect("json"),
        call.notices,
    ))
}

/// The body that goes out for `body` with a greeting.
fn sent(model: &str, mut body: Value) -> Value {
    if body["messages"].is_null() {
        body["messages"] = hi();
    }
    try_send(&claude(model), body, &CallOptions::default())
        .expect("a request")
        .0
}

fn refused(model: &str, mut body: Value) -> Error {
    if body["messages"].is_null() {
        body["messages"] = hi();
    }
    try_send(&claude(model), body, &CallOptions::default()).expect_err("refused")
}

fn dropping() -> CallOptions {
    CallOptions {
        drop_params: true,
        ..CallOptions::default()
    }
}

fn answered(request: Value, answer: Value) -> Result<ChatResponse, Error> {
    let (target, options) = (claude(OLD), CallOptions::default());
    let call = Call::prepare(Op::Chat, &target, Body::from(object(request)), &options)?;
    match call.decode(Reply::ok(answer.to_string()))? {
        Step::Done(answer) => answer.into_chat(),
        _ => panic!("nothing is polled here"),
    }
}

fn streamed(op: Op, events: &[Value]) -> (Chunks, Option<Error>) {
    let (target, options) = (claude(OLD), CallOptions::default());
    let body = object(json!({"messages": hi(), "max_tokens": 5, "stream": true}));
    let call = Call::prepare(op, &target, Body::from(body), &options).expect("a call");
    let sse: String = events
        .iter()
        .map(|event| {
            format!(
                "event: {}\ndata: {event}\n\n",
                event["type"].as_str().expect("a type")
            )
        })
        .collect();
    let (mut splitter, mut decoder) = (
        Splitter::new(Framing::Sse),
        call.decoder().expect("a decoder"),
    );
    let (mut frames, mut chunks) = (Vec::new(), Chunks::default());
    splitter.push(sse.into(), &mut frames).expect("frames");
    splitter.finish(&mut frames).expect("frames");
    for frame in frames {
        if let Err(e) = decoder.push(frame, &mut chunks) {
            return (chunks, Some(e));
        }
    }
    let end = decoder.finish(&mut chunks);
    (chunks, end.err())
}

#[test]
fn the_answers_limit_is_always_there() {
    assert_eq!(sent(OLD, json!({}))["max_tokens"], 4096);
    assert_eq!(sent(OLD, json!({"max_tokens": 7}))["max_tokens"], 7);
    assert_eq!(
        sent(OLD, json!({"max_completion_tokens": 8}))["max_tokens"],
        8
    );
    assert_eq!(
        sent(OLD, json!({"reasoning_effort": "high"}))["max_tokens"],
        8192
    );
    let mut target = claude(OLD);
    target.facts.max_output_tokens = Some(64000);
    let (body, _) =
        try_send(&target, json!({"messages": hi()}), &CallOptions::default()).expect("a request");
    assert_eq!(body["max_tokens"], 64000);
}

#[test]
fn effort_becomes_a_budget_or_stays_an_effort() {
    let levels = [
        ("none", Value::Null, Value::Null),
        ("minimal", json!(1024), json!("low")),
        ("low", json!(1024), json!("low")),
        ("medium", json!(2048), json!("medium")),
        ("high", json!(4096), json!("high")),
        ("xhigh", json!(8192), json!("xhigh")),
        ("max", json!(16384), json!("max")),
    ];
    for (level, budget, effort) in levels {
        assert_eq!(
            sent(OLD, json!({"reasoning_effort": level}))["thinking"]["budget_tokens"],
            budget,
            "{level}"
        );
        let body = sent(NEW, json!({"reasoning_effort": {"effort": level}}));
        assert_eq!(body["output_config"]["effort"], effort, "{level}");
        assert_eq!(body["thinking"].is_null(), level == "none");
    }
    assert_eq!(
        refused(OLD, json!({"reasoning_effort": "huge"}))
            .param
            .as_deref(),
        Some("reasoning_effort")
    );
}

#[test]
fn thinking_fits_the_model() {
    let enabled = |budget: u64| json!({"thinking": {"type": "enabled", "budget_tokens": budget}});
    assert_eq!(
        sent(OLD, enabled(3000))["thinking"],
        enabled(3000)["thinking"]
    );
    let body = sent(NEW, enabled(5000));
    assert_eq!(body["thinking"], json!({"type": "adaptive"}));
    assert_eq!(body["output_config"]["effort"], "high");
    let adaptive = json!({"thinking": {"type": "adaptive"}, "max_tokens": 1500});
    assert_eq!(sent(OLD, adaptive)["thinking"]["budget_tokens"], 1499);
    let off = json!({"thinking": {"type": "disabled"}});
    assert_eq!(sent(NEW, off.clone())["thinking"], off["thinking"]);
    // The model of 4.6 takes both.
    assert_eq!(
        sent("claude-opus-4-6", enabled(3000))["thinking"],
        enabled(3000)["thinking"]
    );
}

#[test]
fn facts_win_over_names() {
    let mut target = claude("my-claude");
    target
        .facts
        .supports
        .insert("adaptive_thinking".into(), true);
    let body = json!({"messages": hi(), "reasoning_effort": "low"});
    let (sent, _) = try_send(&target, body, &CallOptions::default()).expect("a request");
    assert_eq!(sent["thinking"]["type"], "adaptive");
}

#[test]
fn arguments_that_are_no_object_are_refused_before_anything_is_sent() {
    for arguments in ["{", "[]", "7", "{\"a\":1}x", "nonsense"] {
        let call = json!({"id": "c", "type": "function", "function": {"name": "f", "arguments": arguments}});
        let messages =
            json!([{"role": "user", "content": "Hi"}, {"role": "assistant", "tool_calls": [call]}]);
        let error = refused(OLD, json!({"messages": messages}));
        assert_eq!(error.kind, Kind::BadRequest);
        assert_eq!(
            error.param.as_deref(),
            Some("messages[1].tool_calls[0].function.arguments"),
            "{arguments}"
        );
    }
}

#[test]
fn numbers_in_arguments_stay_exact() {
    let arguments = r#"{"id": 12345678901234567890123, "x": 1.10}"#;
    let call =
        json!({"id": "c", "type": "function", "function": {"name": "f", "arguments": arguments}});
    let body = json!({"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "ok"}]});
    let (target, options) = (claude(OLD), CallOptions::default());
    let call =
        Call::prepare(Op::Chat, &target, Body::from(object(body)), &options).expect("a call");
    let request = call.encode().expect("a request");
    assert!(
        String::from_utf8_lossy(request.body().bytes().expect("in memory")).contains(arguments)
    );
}

#[test]
fn what_claude_cannot_read_is_refused_by_its_place() {
    let cases = [
        (
            json!({"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}),
            "messages[0].content[0]",
        ),
        (
            json!({"type": "video_url", "video_url": {"url": "https://x/y.mp4"}}),
            "messages[0].content[0]",
        ),
        (
            json!({"type": "image_url", "image_url": {"url": "ftp://x"}}),
            "messages[0].content[0]",
        ),
        (
            json!({"type": "image_url", "image_url": {"url": "data:image/png,raw"}}),
            "messages[0].content[0]",
        ),
        (
            json!({"type": "file", "file": {"file_data": "data:audio/wav;base64,AA"}}),
            "messages[0].content[0]",
        ),
        (
            json!({"type": "file", "file": {}}),
            "messages[0].content[0]",
        ),
    ];
    for (part, place) in cases {
        let error = refused(
            OLD,
            json!({"messages": [{"role": "user", "content": [part]}]}),
        );
        assert_eq!(
            (error.kind, error.param.as_deref()),
            (Kind::BadRequest, Some(place)),
            "{part}"
        );
    }
}

#[test]
fn roles_alternate_and_results_come_first() {
    let call = |id: &str| json!({"id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}});
    let body = sent(
        OLD,
        json!({"messages": [
        {"role": "user", "content": "a"}, {"role": "user", "content": "b"},
        {"role": "assistant", "tool_calls": [call("1"), call("2")]},
        {"role": "tool", "tool_call_id": "1", "content": "one"},
        {"role": "user", "content": "c"},
        {"role": "tool", "tool_call_id": "2", "content": "two"}]}),
    );
    let shape: Vec<(String, Vec<String>)> = body["messages"]
        .as_array()
        .expect("turns")
        .iter()
        .map(|turn| {
            let kinds = turn["content"].as_array().expect("blocks").iter();
            let kinds = kinds.map(|b| b["type"].as_str().expect("a type").to_owned());
            (
                turn["role"].as_str().expect("a role").to_owned(),
                kinds.collect(),
            )
        })
        .collect();
    let list = |kinds: &[&str]| kinds.iter().map(|k| (*k).to_owned()).collect::<Vec<_>>();
    assert_eq!(
        shape,
        [
            ("user".to_owned(), list(&["text", "text"])),
            ("assistant".to_owned(), list(&["tool_use", "tool_use"])),
            (
                "user".to_owned(),
                list(&["tool_result", "tool_result", "text"])
            ),
        ]
    );
    assert_eq!(
        body["tools"][0]["name"], "dummy_tool",
        "Anthropic refuses calls without tools on offer"
    );
}

#[test]
fn a_conversation_needs_a_turn() {
    let only_system = json!({"messages": [{"role": "system", "content": "Be kind."}]});
    assert_eq!(
        refused(OLD, only_system.clone()).param.as_deref(),
        Some("messages")
    );
    let options = CallOptions {
        modify_params: true,
        ..CallOptions::default()
    };
    let (body, _) = try_send(&claude(OLD), only_system, &options).expect("a request");
    assert_eq!(
        body["messages"][0]["content"][0]["text"],
        "Please continue."
    );
}

#[test]
fn thinking_goes_where_its_record_is_missing() {
    let call = json!({"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}});
    let body = json!({"reasoning_effort": "low", "messages": [{"role": "user", "content": "a"},
        {"role": "assistant", "tool_calls": [call]}, {"role": "tool", "tool_call_id": "1", "content": "x"}]});
    assert_eq!(sent(OLD, body.clone())["thinking"]["type"], "enabled");
    let options = CallOptions {
        modify_params: true,
        ..CallOptions::default()
    };
    assert!(try_send(&claude(OLD), body, &options).expect("a request").0["thinking"].is_null());
}

#[test]
fn what_is_dropped_is_said() {
    let body = json!({"messages": hi(), "stop": ["\n", "END"], "user": "a@b.co", "service_tier": "flex", "top_p": 0.5,
        "prompt_cache_key": "k", "response_format": {"type": "json_object"}, "seed": 1});
    let (sent, notices) = try_send(&claude(NEW), body, &dropping()).expect("a request");
    assert_eq!(sent["stop_sequences"], json!(["END"]));
    for key in [
        "metadata",
        "service_tier",
        "top_p",
        "prompt_cache_key",
        "seed",
        "output_format",
    ] {
        assert!(sent[key].is_null(), "{key}");
    }
    let told: std::collections::BTreeSet<_> = notices.iter().map(|n| n.param.as_str()).collect();
    for param in [
        "stop",
        "user",
        "service_tier",
        "top_p",
        "prompt_cache_key",
        "seed",
        "response_format",
    ] {
        assert!(told.contains(param), "{param}: {told:?}");
    }
    let error = refused(NEW, json!({"top_p": 0.5}));
    assert_eq!(
        (error.kind, error.param.as_deref()),
        (Kind::UnsupportedParams, Some("top_p"))
    );
}

#[test]
fn choices_in_anthropics_words() {
    let tools = json!([{"type": "function", "function": {"name": "f"}}]);
    let cases = [
        (json!("auto"), json!({"type": "auto"})),
        (json!("required"), json!({"type": "any"})),
        (json!("none"), json!({"type": "none"})),
        (
            json!({"type": "function", "function": {"name": "f"}}),
            json!({"type": "tool", "name": "f"}),
        ),
    ];
    for (theirs, ours) in cases {
        assert_eq!(
            sent(OLD, json!({"tools": tools, "tool_choice": theirs}))["tool_choice"],
            ours
        );
    }
    let one = sent(OLD, json!({"tools": tools, "parallel_tool_calls": false}));
    assert_eq!(
        one["tool_choice"],
        json!({"type": "auto", "disable_parallel_tool_use": true})
    );
    assert!(
        sent(OLD, json!({"tool_choice": "auto"}))["tool_choice"].is_null(),
        "no choice without tools"
    );
}

#[test]
fn a_schema_beside_tools_leaves_them_a_chance() {
    let format =
        json!({"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}});
    let tools = json!([{"type": "function", "function": {"name": "f"}}]);
    let body = sent(OLD, json!({"tools": tools, "response_format": format}));
    assert_eq!(body["tool_choice"], json!({"type": "any"}));
    let body = sent(
        OLD,
        json!({"response_format": format, "reasoning_effort": "low"}),
    );
    assert!(
        body["tool_choice"].is_null(),
        "nothing is forced on a model that thinks"
    );
}

#[test]
fn every_reason_to_stop_is_mapped_and_kept() {
    let cases = [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("pause_turn", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
    ];
    for (native, ours) in cases {
        let answer = json!({"type": "message", "content": [], "stop_reason": native, "usage": {}});
        let chat = answered(json!({"messages": hi()}), answer).expect("an answer");
        assert_eq!(chat.choices[0].finish_reason.as_deref(), Some(ours));
        assert_eq!(
            chat.choices[0].provider_specific_fields["native_finish_reason"],
            native
        );
    }
}

#[test]
fn what_is_no_message_is_no_answer() {
    for body in [
        json!({}),
        json!({"type": "completion"}),
        json!([1]),
        json!({"type": "message", "content": "x"}),
    ] {
        let error = answered(json!({"messages": hi()}), body.clone()).expect_err("refused");
        assert_eq!(error.kind, Kind::Decode, "{body}");
    }
    let overloaded =
        json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}});
    assert_eq!(
        answered(json!({"messages": hi()}), overloaded)
            .expect_err("refused")
            .kind,
        Kind::Overloaded
    );
}

fn story() -> Vec<Value> {
    vec![
        json!({"type": "message_start", "message": {"id": "m", "type": "message", "role": "assistant", "model": "c", "content": [], "usage": {"input_tokens": 3, "output_tokens": 1}}}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        json!({"type": "ping"}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello"}}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 4}}),
        json!({"type": "message_stop"}),
    ]
}

#[test]
fn a_stream_that_stops_short_is_an_error() {
    let story = story();
    for op in [Op::Chat, Op::Messages] {
        for end in 0..story.len() {
            let (chunks, error) = streamed(op, &story[..end]);
            // Without the very last event the reason to stop has still been said.
            assert_eq!(error.is_none(), end == story.len() - 1, "{op:?} {end}");
            assert_eq!(chunks.done, error.is_none());
        }
        let (chunks, error) = streamed(op, &story);
        assert!(error.is_none() && chunks.done);
        assert_eq!(
            chunks.usage.map(|u| (u.prompt_tokens, u.completion_tokens)),
            Some((3, 4))
        );
    }
}

#[test]
fn an_error_inside_a_stream_is_one() {
    let kinds = [
        ("overloaded_error", Kind::Overloaded),
        ("rate_limit_error", Kind::RateLimit),
        ("api_error", Kind::Upstream),
        ("authentication_error", Kind::Auth),
        ("invalid_request_error", Kind::BadRequest),
        ("something_new", Kind::Upstream),
    ];
    for op in [Op::Chat, Op::Messages] {
        for (name, kind) in kinds {
            let mut events = story();
            events[4] = json!({"type": "error", "error": {"type": name, "message": "it broke"}});
            let (chunks, error) = streamed(op, &events);
            let error = error.expect("an error");
            assert_eq!(
                (error.kind, error.message.as_str()),
                (kind, "it broke"),
                "{op:?} {name}"
            );
            assert!(!chunks.done);
        }
    }
}

#[test]
fn a_broken_event_is_an_error() {
    for op in [Op::Chat, Op::Messages] {
        let (target, options) = (claude(OLD), CallOptions::default());
        let body = object(json!({"messages": hi(), "stream": true}));
        let call = Call::prepare(op, &target, Body::from(body), &options).expect("a call");
        let mut decoder = call.decoder().expect("a decoder");
        let frame = llm_providers::frame::Frame::data("{\"type\":\"message_sta");
        let error = decoder
            .push(frame, &mut Chunks::default())
            .expect_err("refused");
        assert_eq!(error.kind, Kind::Decode);
    }
}

#[test]
fn betas_are_added_to_the_callers() {
    let options = CallOptions {
        extra_headers: vec![("Anthropic-Beta".into(), "mine, files-api-2025-04-14".into())],
        ..CallOptions::default()
    };
    let target = claude(OLD);
    let body = json!({"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]}]});
    let call =
        Call::prepare(Op::Chat, &target, Body::from(object(body)), &options).expect("a call");
    let request = call.encode().expect("a request");
    assert_eq!(
        request.headers()["anthropic-beta"],
        "files-api-2025-04-14,mine"
    );
}

#[test]
fn a_messages_body_is_only_given_the_models_name() {
    let (target, options) = (claude("claude-x"), CallOptions::default());
    let text = r#"{ "model":"alias", "odd":[1, 2.50], "messages":[] ,"max_tokens":1}"#;
    for (op, path) in [
        (Op::Messages, "/v1/messages"),
        (Op::CountTokens, "/v1/messages/count_tokens"),
    ] {
        let body = JsonObject::parse(&Bytes::from_static(text.as_bytes())).expect("an object");
        let call = Call::prepare(op, &target, Body::from(body), &options).expect("a call");
        let request = call.encode().expect("a request");
        assert_eq!(request.uri().path(), path);
        assert_eq!(
            request.body().bytes().expect("in memory"),
            r#"{"model":"claude-x","odd":[1, 2.50],"messages":[],"max_tokens":1}"#
        );
    }
}

#[test]
fn the_first_api_still_answers() {
    let target = Target::new(
        lookup("anthropic_text").expect("the row"),
        "claude-2",
        Credential::key("k"),
    );
    let options = CallOptions::default();
    let body = json!({"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "How high is the sky?"}],
        "max_tokens": 5, "stop": ["END"], "stream": true});
    let call =
        Call::prepare(Op::Chat, &target, Body::from(object(body)), &options).expect("a call");
    let request = call.encode().expect("a request");
    assert_eq!(request.uri(), "https://api.anthropic.com/v1/complete");
    assert_eq!(
        serde_json::from_slice::<Value>(request.body().bytes().expect("in memory")).expect("json"),
        json!({"model": "claude-2", "prompt": "Be brief.\n\nHuman: How high is the sky?\n\nAssistant:",
            "max_tokens_to_sample": 5, "stop_sequences": ["END"], "stream": true})
    );
    let reply = Reply::ok(
        r#"{"type":"completion","id":"c","completion":" High.","stop_reason":"stop_sequence","stop":"END","model":"claude-2.1"}"#,
    );
    let Step::Done(answer) = call.decode(reply).expect("an answer") else {
        panic!("nothing is polled here")
    };
    let chat = answer.into_chat().expect("chat");
    assert_eq!(
        chat.choices[0]
            .message
            .content
            .as_ref()
            .map(|c| c.text())
            .as_deref(),
        Some(" High.")
    );
    let mut decoder = call.decoder().expect("a decoder");
    let mut chunks = Chunks::default();
    let piece = |text: &str, end: &str| {
        llm_providers::frame::Frame::data(format!(
            r#"{{"type":"completion","id":"c","completion":"{text}","stop_reason":{end},"model":"m"}}"#
        ))
    };
    decoder
        .push(piece(" Hi", "null"), &mut chunks)
        .expect("a chunk");
    assert!(
        decoder.finish(&mut Chunks::default()).is_err(),
        "no end was seen"
    );
    decoder
        .push(piece("", "\"max_tokens\""), &mut chunks)
        .expect("a chunk");
    assert!(decoder.finish(&mut chunks).is_ok() && chunks.done);
}

#[test]
fn other_dialects_reach_every_vendor_over_chat() {
    let openai = Target::new(
        lookup("openai").expect("the row"),
        "gpt-4o",
        Credential::key("k"),
    );
    let claude = claude(OLD);
    assert!(
        bridges::between(Op::Messages, &openai)
            .expect("a way")
            .is_some()
    );
    assert!(
        bridges::between(Op::Messages, &claude)
            .expect("a way")
            .is_none(),
        "spoken natively"
    );
    assert!(
        bridges::between(Op::Completion, &claude)
            .expect("a way")
            .is_some()
    );
    let error = bridges::between(Op::Speech, &claude).err().expect("no way");
    assert_eq!(error.kind, Kind::Unsupported);
}
